/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/ram_block.h — a `struct block` in memory, and a directory that knows only it.
 *
 * For tests of the target: every operation of the doorway, answered from the loop.  `stalled`
 * holds all answers back, as a disk that hangs would, until ram_block_go_on(); `rate` answers so
 * many in a second, one after the other.
 */
#ifndef TESTS_ISCSI_RAM_BLOCK_H
#define TESTS_ISCSI_RAM_BLOCK_H

#include "base/block.h"
#include "env/env.h"
#include "iscsi-target/iscsi_target.h"

struct ram_block {
    struct block block;
    struct task task;
    struct list requests; /* submitted, oldest first */
    uint8_t *bytes;
    bool *mapped; /* per unmap grain */
    bool stalled, closing;
    uint32_t rate; /* 0: all at once; set before requests come */
    struct timer next;
    struct env *env;
    uint32_t writes; /* that were submitted */
};

must_check enum err ram_block_open(struct env *env, uint64_t size_bytes, struct ram_block *ret);
void ram_block_close(struct ram_block *b); /* nothing is in flight; its task ends with the env */
void ram_block_go_on(struct ram_block *b);

/* One target with one portal: HERE, unless told otherwise. */
struct ram_directory {
    struct directory directory;
    struct directory_answer answer;
    const char *target; /* any other name is unknown */
    const char *portal; /* for SendTargets           */
    uint32_t targets;   /* how many SendTargets lists: target, target-1, … */
};

void ram_directory_init(struct ram_directory *d, struct ram_block *b, const char *target);

#endif
