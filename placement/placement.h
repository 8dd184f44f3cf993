/* SPDX-License-Identifier: Apache-2.0 */
/*
 * placement/placement.h — where the shards of a volume go (design 9).
 *
 * Pure: (cluster view, spec) → one disk per shard, or a refusal that names the cap and the number.
 * The present choice is the first legal one: one copy, all shards on disks of one node, the node
 * that has promised least, and on it for each shard the disk that has promised least.
 *
 * Promises: D1  what a disk promises never exceeds overcommit times its size.
 *           D2  nothing is placed on a silent node or one that is held, on a read-only disk or on a
 *               full one.
 *           D3  no new volume is placed on a node that has as many as it takes.
 *           D4  no replica is placed on a disk that has as many as it takes.
 */
#ifndef PLACEMENT_PLACEMENT_H
#define PLACEMENT_PLACEMENT_H

#include "base/err.h"
#include "base/identity.h"

#include <stdbool.h>
#include <stdint.h>

#define PLACEMENT_OVERCOMMIT 10u
#define PLACEMENT_SHARDS_MAX 4096u
#define PLACEMENT_WHY        384u

struct placement_disk {
    struct identity disk, node;
    uint64_t bytes;          /* what its chunks hold                        */
    uint64_t free_bytes;     /* of it                                       */
    uint64_t promised_bytes; /* sizes of the shards placed here so far      */
    uint32_t replicas;       /* of these shards, and orphans                */
    uint32_t replicas_max;   /* it takes no more; UINT32_MAX: no cap known  */
    bool alive;              /* its node speaks, acts and has it open       */
    bool read_only;
};

/* What speaks against a node; one without is free. */
struct placement_node {
    struct identity node;
    const char *name;
    uint32_t volumes, volumes_max; /* UINT32_MAX: no cap known                               */
    bool held;                     /* it changes nothing now: so its disks are not alive (D2) */
};

struct placement_spec {
    uint64_t bytes;       /* of the shards to be placed; the last one may be short */
    uint64_t shard_bytes; /* of each but the last                                  */
    uint32_t overcommit;
    struct identity node;               /* none: any; else only there */
    const struct placement_node *nodes; /* for a new volume; one that grows has its place */
    uint32_t node_count;
};

/*
 * ret_disks[i] is the place in `disks` of shard i; its length is bytes / shard_bytes, rounded up.
 * E_NO_SPACE, with one line in `why`: nothing is legal.  E_TOO_LARGE: more than
 * PLACEMENT_SHARDS_MAX shards.
 */
must_check enum err placement_choose(const struct placement_disk *disks, uint32_t disk_count,
                                     const struct placement_spec *spec, uint32_t *ret_disks,
                                     char why[PLACEMENT_WHY]);

/* What the disk may still promise, be it to replicas that it has; 0 when nothing (D1, D2). */
uint64_t placement_room(const struct placement_disk *d, uint32_t overcommit);

#endif
