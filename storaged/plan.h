/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/plan.h — what this node has to do: wish (the records) against fact, as a pure function.
 *
 * Level-triggered: the plan says all that is to be done now, whatever was said before; the agent
 * leaves out what is under way already.  Absence is never an order: nothing is deleted but by a
 * grave, and a replica that the record calls in sync is never made anew (P8, P10): only a salvage,
 * a human's command, lets a damaged one go on under a new identity (design 6.7).
 */
#ifndef STORAGED_PLAN_H
#define STORAGED_PLAN_H

#include "storaged/view.h"

#define PLAN_ACTIONS_MAX 2048u
#define PLAN_WAITS_MAX   64u /* of ACTION_WAIT: they must not keep others out */
#define PLAN_DISK_MAX    64u /* changes of one disk's store, which may hang or refuse: nor these */

/* ---- facts: sorted by identity, so that they can be found ---- */

struct fact_disk { /* open on this node */
    struct identity disk;
    uint64_t bytes;
};

struct fact_replica { /* on one of these disks */
    struct identity replica, volume, disk;
    uint32_t shard;
    uint64_t size_blocks;
    bool damaged; /* its map lost something it cannot name */
};

struct fact_volume { /* open on this node */
    struct identity volume;
    uint64_t epoch, bytes;
    bool closing;
};

struct fact_attachment { /* of a volume that is open here: known, until it is drained */
    struct identity attachment, volume;
    bool drained;
};

struct facts {
    struct node_record node; /* as its record should be */
    struct identity incarnation;
    struct fact_disk *disks;
    struct fact_replica *replicas;
    struct fact_volume *volumes;
    struct fact_attachment *attachments;
    uint32_t disk_count, replica_count, volume_count, attachment_count;
};

/* Sorts the four arrays. */
void facts_sort(struct facts *f);
const struct fact_disk *fact_disk(const struct facts *f, struct identity disk);
const struct fact_replica *fact_replica(const struct facts *f, struct identity replica);
const struct fact_volume *fact_volume(const struct facts *f, struct identity volume);
const struct fact_attachment *fact_attachment(const struct facts *f, struct identity attachment);

/* ---- actions ---- */

enum action_kind {
    ACTION_REGISTER_NODE,   /* its own record                                             */
    ACTION_REGISTER_DISK,   /* disk, size_blocks * 4 KiB                                  */
    ACTION_MAKE_REPLICA,    /* replica, volume, shard, size_blocks, disk                  */
    ACTION_GROW_REPLICA,    /* replica, size_blocks, disk; its volume is not open         */
    ACTION_SALVAGE_REPLICA, /* replica, former, disk: a damaged one goes on under a new name; */
                            /* its volume is not open                                         */
    ACTION_DELETE_REPLICA,  /* replica, disk: a grave says so                            */
    ACTION_OPEN_VOLUME,     /* volume, epoch                                              */
    ACTION_CLOSE_VOLUME,    /* volume: sessions first                                     */
    ACTION_RESIZE_VOLUME,   /* volume, size_blocks                                        */
    ACTION_KNOW,            /* attachment, volume: it is let in from now on               */
    ACTION_DRAIN,           /* attachment, volume: end its sessions                       */
    ACTION_FORGET,          /* attachment: drained, and its record is gone                */
    ACTION_WAIT, /* volume should be open here and cannot be yet; disk: is missing, or none */
};

struct action {
    enum action_kind kind;
    struct identity volume, replica, former, attachment, disk;
    uint32_t shard;
    uint64_t size_blocks, epoch;
};

struct plan {
    uint32_t count, waits; /* what has no room comes with a later plan */
    struct action actions[PLAN_ACTIONS_MAX];
};

void agent_plan(const struct view *v, const struct facts *f, struct plan *ret);

/* Blocks of one shard of a volume of that size. */
uint64_t shard_size_blocks(uint64_t volume_bytes, uint32_t shard);

/* ---- for the heartbeat ---- */

/* A record or a grave names it on that disk; else it is an orphan: kept and reported. */
bool replica_named(const struct view *v, struct identity node, const struct fact_replica *r);
/* The grave's disk is open here and does not hold the replica: the deletion is done, unless the
 * replica is being made at this moment (operation.h). */
bool grave_done(const struct facts *f, const struct grave_record *g);

#endif
