/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/status_tell.h — what a reactor is asked for the status port: copies of what it has.
 *
 * Both block for at most ASK_MS.  The answer is the caller's, to be freed; NULL: the reactor does
 * not answer, or there is no memory.
 */
#ifndef STORAGED_STATUS_TELL_H
#define STORAGED_STATUS_TELL_H

#include "iscsi-target/metrics.h"
#include "storaged/status.h"

struct told_volume {
    struct identity volume;
    char name[RECORD_NAME_MAX + 1];
    uint64_t bytes, epoch;
    uint32_t shards, serving;
    struct volume_counts counts;
};

struct told_volumes {
    const struct home *of;
    uint64_t at_us; /* on that reactor's clock */
    uint32_t max, count;
    struct told_volume volumes[];
};

struct told_sessions {
    const struct iscsi_target *of;
    struct env *env;
    uint64_t at_us;
    uint32_t max, count;
    struct iscsi_session_info sessions[];
};

struct told_volumes *tell_volumes(struct status_node *n, const struct home *home);
struct told_sessions *tell_sessions(struct status_node *n, const struct home *home);

#endif
