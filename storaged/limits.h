/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/limits.h — every limit of a node in one struct, by profile, and what it costs.
 */
#ifndef STORAGED_LIMITS_H
#define STORAGED_LIMITS_H

#include "env/uring/reactor.h"
#include "iscsi-target/iscsi_target.h"
#include "store/store.h"
#include "volume/volume.h"

struct limits {
    struct reactor_config reactor;
    struct store_limits store;   /* of each disk   */
    struct volume_limits volume; /* of each volume */
    struct iscsi_limits iscsi;
    uint32_t volumes_max;     /* open here at once */
    uint32_t attachments_max; /* of these together */
    uint32_t operations_max;  /* of the agent: replicas made, grown, deleted at once */
};

/* "small": `dolmen up`, tests, a first look. */
struct limits limits_small(void);

/* One line for each pool, with its bytes, and one for the sum; all of it but the volumes' is taken
 * at start, a volume's when it opens. */
void limits_print(const struct limits *l, uint64_t reactor_bytes, uint32_t disks, struct log *log);

#endif
