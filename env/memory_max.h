/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/memory_max.h — how much memory this process may have: of the machine's, and of each control
 * group that it is in (cgroup v2, memory.max: MemoryMax= of a systemd unit, the limit of a
 * container).
 *
 * Who takes more is not refused it; it is killed, without a word.  So a daemon asks first.
 */
#ifndef ENV_MEMORY_MAX_H
#define ENV_MEMORY_MAX_H

#include <stdint.h>

struct memory_max {
    uint64_t bytes; /* UINT64_MAX: nobody says */
    char whose[96]; /* who says so, as for a sentence: "the machine" */
};

/* `root`: "", or a folder that holds other proc/self/cgroup and sys/fs/cgroup, for tests. Blocking,
 * for start; what cannot be read, or is not understood, limits nothing. */
struct memory_max memory_max(const char *root);

#endif
