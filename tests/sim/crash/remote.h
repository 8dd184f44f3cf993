/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/crash/remote.h — a `struct block` that is a LUN elsewhere: reads and writes through an
 * initiator in a process of its own, which outlives the node.
 */
#ifndef TESTS_SIM_CRASH_REMOTE_H
#define TESTS_SIM_CRASH_REMOTE_H

#include "base/block.h"
#include "tests/iscsi/initiator.h"
#include "tests/sim/world/world.h"

struct remote {
    struct block block;
    struct sim *sim;
    struct env *env;
    struct initiator *initiator; /* NULL: not logged in */
    struct list under_way;
    struct list backlog; /* the window is shut */
    uint32_t pings, pongs;
};

void remote_init(struct remote *r, struct sim *s, uint64_t size_units);

/* Logs in to the node's target; false: the node died meanwhile. */
bool remote_login(struct remote *r, struct env *served_by);

/* An immediate NOP-Out; remote_pongs() counts what came back. */
void remote_ping(struct remote *r);
bool remote_is_quiet(void *remote); /* every ping was answered */

/* The connection is given up; what was under way is forgotten, its asker knows. */
void remote_cut(struct remote *r);

#endif
