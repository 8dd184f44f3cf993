/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/volumes.h — the volumes that this process serves, and their attachments.
 *
 * A volume is opened for one epoch and closed for good: sessions are drained, then the volume, then
 * its tenure at the arbiter.  What is no longer served is closed at once, sessions and all.  All
 * calls belong to the env's loop.
 */
#ifndef STORAGED_VOLUMES_H
#define STORAGED_VOLUMES_H

#include "base/pool.h"
#include "storaged/arbiter.h"
#include "storaged/disks.h"
#include "storaged/limits.h"
#include "storaged/view.h"

struct node_volumes {
    struct env *env;
    const struct view *view;
    struct node_disks *disks;
    struct node_arbiter *arbiter;
    struct iscsi_target *target;
    const struct limits *limits;
    void (*changed)(struct node_volumes *); /* a fact of them: from the loop */

    struct pool volume_pool, attachment_pool;
    struct list open; /* struct node_volume */
};

struct node_volume {
    struct node_volumes *all;
    struct identity volume;
    char name[RECORD_NAME_MAX + 1];
    uint64_t epoch, bytes;
    struct volume *v;
    struct volume_events events;
    struct arbiter_volume tenure;
    struct list attachments, link;

    struct volume_resize resize;
    struct rep_config *resize_shards;
    bool resizing;
    enum err resize_err; /* of the last one: the agent takes it, and pauses */

    struct task task; /* its end */
    bool closing, drained, closed, ended, was_serving;
    struct iscsi_drain drain;
};

struct node_attachment {
    struct node_volume *volume;
    struct identity attachment;
    bool draining, drained;
    struct iscsi_drain drain;
    struct list link;
};

/* The first six members are the caller's to fill. */
must_check enum err volumes_init(struct node_volumes *vs);
void volumes_done(struct node_volumes *vs); /* none is open */

/* As head, pages and volume record of the view say; every shard has a replica's disk here. */
must_check enum err volumes_open(struct node_volumes *vs, struct identity volume);
void volumes_close(struct node_volumes *vs, struct identity volume);
void volumes_close_all(struct node_volumes *vs);

/* E_BUSY: one resize is under way, or has failed and the agent did not take its error yet. */
must_check enum err volumes_resize(struct node_volumes *vs, struct identity volume);

must_check enum err volumes_know(struct node_volumes *vs, struct identity volume,
                                 struct identity attachment);
void volumes_drain(struct node_volumes *vs, struct identity volume, struct identity attachment);
void volumes_forget(struct node_volumes *vs, struct identity volume, struct identity attachment);

struct node_volume *volumes_find(struct node_volumes *vs, struct identity volume); /* or NULL */
/* For the directory: NULL unless it takes logins. */
struct block *volumes_block(struct node_volumes *vs, struct identity volume);

#endif
