/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/ram.h — the smallest world that a store lives in: one disk in memory, a clock that
 * jumps, nothing that fails.
 *
 * The memory stays from run to run, and only pages that were written are wiped: what a run costs
 * is what the store does.  Requests are answered one by one, oldest or newest first.
 */
#ifndef TESTS_FUZZ_RAM_H
#define TESTS_FUZZ_RAM_H

#include "env/env.h"

struct ram {
    struct env env;
    struct disk disk;
    struct chance chance;
    uint64_t drawn;
    struct log log;
    struct list requests;
    bool newest_first;
    bool deaf; /* writes are answered and forgotten: the process is dead, its disk is not */
    uint64_t writes;
    uint8_t *bytes, *written; /* a byte a page: not zero */
};

void ram_open(struct ram *r, uint64_t bytes); /* once */
void ram_wipe(struct ram *r);                 /* all zeros, nothing under way, a new process */

void ram_poke(struct ram *r, uint64_t offset, const void *bytes, size_t length);
void ram_peek(const struct ram *r, uint64_t offset, void *ret, size_t length);

/* Turns until *over. */
void ram_run(struct ram *r, const bool *over);

#endif
