/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/limits.h — every limit of a node, from its configuration, and what it all costs.
 *
 * The budget is a sum with one named claimant a line, printed at start.  What it counts is taken
 * when something opens, pages and all (base/memory.h), so that what the process uses stays within
 * it and is not far below.
 */
#ifndef STORAGED_LIMITS_H
#define STORAGED_LIMITS_H

#include "env/uring/reactor.h"
#include "iscsi-target/iscsi_target.h"
#include "storaged/config.h"
#include "store/store.h"
#include "volume/volume.h"

struct limits {
    uint32_t homes;                   /* reactors, as many as there are disks at most */
    struct reactor_config reactor;    /* of home 0 */
    struct reactor_config beside;     /* of each other one */
    struct volume_limits volume;      /* of each volume */
    struct iscsi_limits iscsi;        /* of home 0's target: its share, and the logins of all */
    struct iscsi_limits iscsi_beside; /* of each other one: its share */
    uint32_t volumes_max;             /* open here at once */
    uint32_t attachments_max;         /* of these together */
    uint32_t operations_max;          /* of the agent: each disk has its part, and the rest one */
    uint32_t shards_max;              /* that the disks have room for */
    uint32_t files_max;               /* handles */
};

/* Reactors that are run, of those that are wished for: at most one for each disk. */
uint32_t limits_homes(const struct node_config *c);
/* Looks at the disks' sizes: blocking, for start. */
struct limits limits_of(const struct node_config *c);
struct store_limits limits_store(const struct node_config *c, uint64_t device_bytes);

/* The budget: what is resident at most.  Addresses, of which it is the most: what must be free for
 * all of it to be had. */
uint64_t limits_bytes(const struct limits *l, const struct node_config *c);
uint64_t limits_addresses(const struct limits *l, const struct node_config *c);

/* One line for each claimant, and one for the sum, which is returned. */
uint64_t limits_print(const struct limits *l, const struct node_config *c, uint64_t reactor_bytes,
                      struct log *log);

#endif
