/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/crash/node.h — one storage node in the simulated world: disks, stores, a volume.
 *
 * What outlives a process is `struct records` (the keeper's) and the disks of the world.  Whenever
 * a process starts, the epoch is raised first, as the controller does.  The first start makes the
 * replicas, as the agent would; the records call the shards new until their set is recorded.  With
 * an attachment the volume is a target at NODE_PORTAL too.  The volume's home is the first env;
 * with `apart` the last disk has a home of its own, a thread beside it in the same process.
 */
#ifndef TESTS_SIM_CRASH_NODE_H
#define TESTS_SIM_CRASH_NODE_H

#include "iscsi-target/iscsi_target.h"
#include "tests/sim/world/world.h"
#include "volume/volume.h"

#define NODE_DISKS   2u /* at most */
#define NODE_SHARDS  2u
#define NODE_PORTAL  "10.0.0.1:3260"
#define SHARD0_UNITS (320u * 8)
#define SHARD1_UNITS (200u * 8)

struct keeper_records {
    uint64_t epoch, generation;
    bool is_new[NODE_SHARDS];
    uint32_t disks; /* on which the shards lie in turn */
    bool attached, apart;
};

struct node_arbiter {
    struct arbiter arbiter;
    struct timer timer;
    struct list waiting;  /* changes not recorded yet  */
    struct list recorded; /* … recorded, not answered  */
};

struct node {
    struct sim *sim;
    struct env *env;
    struct env *homes[NODE_DISKS];
    struct keeper_records *records;
    uint64_t epoch;
    struct store_format format[NODE_DISKS];
    struct store_open open[NODE_DISKS];
    struct node_make {
        struct store_change change;
        struct node *node;
    } make[NODE_SHARDS];
    struct node_close {
        struct store_close close;
        struct node *node;
    } close[NODE_DISKS];
    uint32_t to_come; /* answers that are waited for */
    struct node_arbiter arbiter;
    struct volume_events events;
    struct volume *volume;
    struct directory directory;
    struct iscsi_target *target; /* if it is attached */
    struct iscsi_close target_close;
};

/* The name under which an initiator finds the volume. */
void node_target_name(char ret[ISCSI_NAME_MAX]);

void keeper_found(struct keeper_records *r, uint32_t disks);

/*
 * Formats disks in a world of their own and keeps what is not zero on them: once, before all
 * stories, for every story begins with copies.
 */
void node_format_disks(void);
void node_make_disks(struct sim *s, uint32_t disks);

/* A new process; it does nothing yet. */
struct node *node_new(struct sim *s, struct keeper_records *r);

/* Opens everything until the volume serves; false: it died on the way. */
bool node_start(struct node *n);

/* Closes the volume and opens it again, in the same epoch; nobody is logged in.  False: it died. */
bool node_reopen_volume(struct node *n);

/* Ends in good order, gives everything back. */
void node_stop(struct node *n);

/* It is dead: keeps what it left behind reachable. */
void node_bury(struct node *n);

#endif
