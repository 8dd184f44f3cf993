/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/null/null_block.h — a `struct block` that answers at once and keeps nothing, and a
 * directory that knows only it: what is left of a command's cost is the target's.
 */
#ifndef BENCH_NULL_NULL_BLOCK_H
#define BENCH_NULL_NULL_BLOCK_H

#include "env/env.h"
#include "iscsi-target/iscsi_target.h"

struct null_block {
    struct block block;
    struct task task;
    struct list requests; /* submitted, oldest first */
};

/* Its task lives as long as the env. */
void null_block_init(struct env *env, uint64_t size_bytes, struct null_block *ret);

struct null_directory {
    struct directory directory;
    struct null_block *block;
    char target[ISCSI_NAME_MAX];
    const char *portal;
};
void null_directory_init(struct null_directory *d, struct null_block *b);

#endif
