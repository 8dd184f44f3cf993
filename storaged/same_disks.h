/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/same_disks.h — disks of one configuration that are copies of each other, or one disk.
 *
 * The identity of a disk is in its store, so a copy of all of it is the same disk as it was then.
 * With both at hand nobody can tell which one has the newest writes: neither is opened.  Looked at
 * are all disks of the node before any is opened, at whatever home it will live; a store is then
 * opened only if it has the identity that was compared here.
 */
#ifndef STORAGED_SAME_DISKS_H
#define STORAGED_SAME_DISKS_H

#include "base/identity.h"
#include "storaged/config.h"

struct same_disk {
    struct identity identity; /* none: no store that could be opened */
    const char *copy_of;      /* the path of another with the same; NULL: there is none    */
    const char *alias_of;     /* the path, further up, of this very device or file; NULL   */
};

struct same_disks {
    struct same_disk disks[CONFIG_DISKS_MAX]; /* in the order of the configuration */
};

/* Blocking, for start.  The paths are the configuration's. */
void same_disks_find(const struct node_config *config, struct same_disks *ret);

#endif
