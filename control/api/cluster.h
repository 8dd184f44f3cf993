/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/cluster.h — the cluster as placement wants it, and new shards in pages.  Private. */
#ifndef CONTROL_API_CLUSTER_H
#define CONTROL_API_CLUSTER_H

#include "control/api/view.h"
#include "placement/placement.h"

struct cluster {
    struct placement_disk *disks;
    uint32_t count;
    struct placement_node *nodes; /* names are the heartbeats' */
    uint32_t node_count;
};
void cluster_free(struct cluster *cluster);

/* Every disk of a node that speaks, with what is promised on it, and those nodes' caps;
 * cluster_free() it before the heartbeats. */
bool cluster_read(struct control *c, const struct heartbeat_set *set, struct cluster *ret,
                  struct problem *p);

/*
 * Places the shards of `volume` from index `first` on and puts their pages into `t`: new pages
 * compared with "not there", `last` (NULL: none) changed and compared with its revision.  Called
 * with c->placing held, so that two requests do not promise the same room.
 */
struct growth {
    const struct volume_record *volume; /* with its new size              */
    uint64_t bytes_before;              /* 0: a new volume                */
    struct identity node;               /* none: any; else where it lives */
    const struct record *last;          /* the last page as it is         */
    struct identity ret_node;           /* where its shards are           */
};
bool cluster_grow(const struct cluster *cluster, struct growth *g, struct record_transaction *t,
                  struct problem *p);

#endif
