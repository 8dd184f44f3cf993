/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/directory.h — tells the target where a name lives, from the records in memory.
 *
 *   no records were read yet                       STARTING
 *   no such volume, or it is being deleted         UNKNOWN
 *   the initiator has no attachment, or its ends   FORBIDDEN
 *   the head names another node                    ELSEWHERE, at that node's first portal
 *   open here, and the attachment is known         HERE, at the target of its home
 *   meant to be here, or nowhere yet               STARTING
 */
#ifndef STORAGED_DIRECTORY_H
#define STORAGED_DIRECTORY_H

#include "iscsi-target/iscsi_target.h"
#include "storaged/hosted.h"
#include "storaged/view.h"

struct node_directory {
    struct directory directory;
    const struct view *view;
    struct identity node;
    const char *prefix; /* of target names */
    uint32_t portal_count;
    const struct net_address *portals; /* our own, for SendTargets */
    /* The volume while it is open here, takes logins and knows the attachment, else NULL. */
    const struct hosted *(*open_here)(void *owner, struct identity volume,
                                      struct identity attachment);
    void *owner;
};

/* Sets the functions; the rest is the caller's to fill. */
void node_directory_init(struct node_directory *d);

#endif
