/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/rivals.h — disks of this node's list that another node has, and speaks: copies, or one
 * disk on two ways (C9).
 *
 * metad does not give such a disk to us.  That alone may pass: of a disk that has moved here, the
 * former node's last heartbeat counts for a while (1.5 s).  Refused once more after a longer time,
 * the other node does have it.  Then it is left aside until this process ends, whatever metad would
 * answer later: when the other node is started anew it is silent for a moment, and our copy, of
 * whatever age, must not be taken for the disk that has moved.
 *
 * A disk that is left aside is told in heartbeats as that, and nothing else of it is: for metad and
 * for the plan it is not open here.  Its store stays as it is, and nobody asks it for anything.
 */
#ifndef STORAGED_RIVALS_H
#define STORAGED_RIVALS_H

#include "metadata/records.h"
#include "storaged/config.h"

#define RIVAL_AGAIN_US 2000000u /* a refusal is asked about again: longer than silence takes */

struct agent;

struct rival {
    struct identity disk;
    bool aside;                /* refused twice in a row */
    char why[RECORDS_WHY_MAX]; /* in metad's words */
};

struct rivals {
    uint32_t count;
    struct rival list[CONFIG_DISKS_MAX];
};

/* What metad answered when the disk was to be registered; who leaves it aside says so, once. */
void rivals_refused(struct agent *a, struct identity disk, const char *why);
void rivals_registered(struct agent *a, struct identity disk);

bool rivals_aside(const struct rivals *r, struct identity disk);

#endif
