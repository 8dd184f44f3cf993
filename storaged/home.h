/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/home.h — a home: one reactor, and what lives on it (design 3).
 *
 * Home 0 is also where the node is controlled: agent, arbiter, heartbeats, directory, portals.  The
 * disks of the configuration go round the homes in their order, from home 1 on, so that control has
 * the fewest; a volume lives where the disk of its first shard does.  What lives at a home is
 * touched on its thread alone; the rest of the node asks by mail (errand.h).  The members
 * themselves do not change while the node runs.
 */
#ifndef STORAGED_HOME_H
#define STORAGED_HOME_H

#include "env/uring/reactor.h"
#include "storaged/arbiter.h"
#include "storaged/disks.h"
#include "storaged/errand.h"

#include <pthread.h>

struct home {
    uint32_t number;
    struct env *env;
    struct reactor *reactor;     /* NULL: in a simulated world */
    struct node_disks disks;     /* those that live here       */
    struct iscsi_target *target; /* with the sessions of its volumes */
    struct arbiter_door arbiter; /* what its volumes ask       */
    struct list volumes;         /* struct hosted: open here   */

    /* homes.c's own */
    struct homes *all;
    struct errand errand; /* what all homes are asked at a time */
    enum err err;         /* of its target                      */
    struct mail stop;     /* opening its disks                  */
    struct iscsi_close close;
    pthread_t thread;
    bool turns;
};

#endif
