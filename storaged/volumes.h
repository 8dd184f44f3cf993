/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/volumes.h — the volumes that this process serves, and their attachments.
 *
 * A volume is opened for one epoch, at the home of its first shard's disk (hosted.h), and closed
 * for good: sessions are drained, then the volume, then its tenure at the arbiter.  What is no
 * longer served is closed at once, sessions and all.  All calls belong to the control reactor.
 */
#ifndef STORAGED_VOLUMES_H
#define STORAGED_VOLUMES_H

#include "base/pool.h"
#include "storaged/census.h"
#include "storaged/hosted.h"
#include "storaged/limits.h"
#include "storaged/view.h"

struct node_volumes {
    struct env *env;
    const struct view *view;
    const struct census *census; /* where the disks are */
    struct node_arbiter *arbiter;
    const struct limits *limits;
    void (*changed)(struct node_volumes *); /* a fact of them: from the loop */
    void (*open_failed)(struct node_volumes *, struct identity volume, enum err err);

    struct pool volume_pool, attachment_pool;
    struct list open; /* struct node_volume, also while it is being opened */
};

struct node_volume {
    struct node_volumes *all;
    struct identity volume;
    char name[RECORD_NAME_MAX + 1];
    uint64_t epoch, bytes;
    struct hosted hosted;
    struct arbiter_volume tenure;
    struct list attachments, link;
    struct rep_config *shards; /* while it is being opened or resized */

    struct hosted_resize resize;
    bool resizing;
    enum err resize_err; /* of the last one: the agent takes it, and pauses */

    bool opened, failed; /* failed: it never was, open_err says why */
    enum err open_err;
    struct task task; /* its end */
    bool closing, drained, closed, freed, ended, was_serving;
    struct hosted_drain drain;
};

struct node_attachment {
    struct node_volume *volume;
    struct identity attachment;
    bool draining, drained;
    struct hosted_drain drain;
    struct list link;
};

/* The first seven members are the caller's to fill. */
must_check enum err volumes_init(struct node_volumes *vs);
void volumes_done(struct node_volumes *vs); /* none is open */

/* As head, pages and volume record of the view say; every shard has a replica's disk here.  What
 * its home says comes later: `changed`, or `open_failed` when nothing of it is left. */
must_check enum err volumes_open(struct node_volumes *vs, struct identity volume);
void volumes_close(struct node_volumes *vs, struct identity volume);
void volumes_close_all(struct node_volumes *vs);

/* E_BUSY: it is being opened, or one resize is under way, or has failed and the agent did not take
 * its error yet. */
must_check enum err volumes_resize(struct node_volumes *vs, struct identity volume);

/* It is let in, and told in heartbeats, from now on.  E_NO_MEMORY: there are as many as there may
 * be; it stays outside. */
must_check enum err volumes_know(struct node_volumes *vs, struct identity volume,
                                 struct identity attachment);
void volumes_drain(struct node_volumes *vs, struct identity volume, struct identity attachment);
void volumes_forget(struct node_volumes *vs, struct identity volume, struct identity attachment);

struct node_volume *volumes_find(struct node_volumes *vs, struct identity volume); /* or NULL */
/* For the directory: NULL unless it takes logins, and knows the attachment. */
const struct hosted *volumes_hosted(struct node_volumes *vs, struct identity volume,
                                    struct identity attachment);

#endif
