/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/door.c — how many commands the block has at a time, whose is next, and how fast it
 * is.
 *
 * A volume serves what it was given in the order in which it came: whoever sends most, gets most.
 * So it is given no more than it finishes within DEPTH_US, at least DEPTH_LEAST, so that the disks
 * are never idle; the rest waits here, one queue a session, and the sessions take turns.  On a fast
 * disk the door stands open (DEPTH_MAX is what a volume takes at once), and costs two comparisons.
 *
 * The rate is measured while the block has something: what it finished, by how long it was busy.
 * Little's law keeps the depth honest: where answers take less than DEPTH_US a higher depth brings
 * a higher rate, which allows a higher depth; where they take longer, both fall.  While a disk
 * hangs the rate falls with every look at it; one burst of answers brings it back.
 *
 * Promises: D1 sessions that wait take turns: none is passed twice by another.
 *           D2 what cannot use its pass gives it back: nothing waits for memory behind the door.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/target.h"

#include <assert.h>

#define SECOND_US    1000000ull
#define MEASURE_US   (SECOND_US / 10) /* at least; it is looked at with every session's tick */
#define MEASURE_DONE 64u /* or sooner, when so many came: a fast disk is known at once */
#define SMOOTH_US    SECOND_US
#define RATE_US      (1000 * SECOND_US) /* so that one command in minutes is a whole number */
#define RATE_MAX     (1024ull * 1000)   /* more is of no consequence to anything below */
#define DEPTH_US     (SECOND_US / 4)
#define DEPTH_LEAST  16u
#define DEPTH_MAX    256u
#define WORK_US      (5 * SECOND_US) /* latency that windows aim at (iscsi.md 3.2) */
#define SHARE_LEAST  4u
#define MOVING_US    (2 * SECOND_US)

/* ---- units ---- */

static struct unit *unit_find(const struct iscsi_target *t, const struct block *block)
{
    list_for_each(l, &t->units) {
        struct unit *u = container_of(l, struct unit, link);

        if (u->block == block)
            return u;
    }
    return NULL;
}

struct unit *unit_get(struct iscsi_target *t, struct block *block, uint64_t now)
{
    struct unit *u = unit_find(t, block);

    if (!u) {
        u = pool_get(&t->unit_pool);
        assert(u); /* one for each session */
        *u =
            (struct unit){.block = block, .depth = DEPTH_MAX, .rate = RATE_MAX, .measured_us = now};
        list_init(&u->turns);
        list_init(&u->hungry_link);
        list_init(&u->starved);
        list_append(&t->units, &u->link);
    }
    u->sessions++;
    return u;
}

void unit_put(struct iscsi_target *t, struct unit *u)
{
    if (!u || --u->sessions > 0)
        return;
    assert(u->handed == 0 && list_empty(&u->turns));
    assert(u->held_bytes == 0 && list_empty(&u->starved) && list_empty(&u->hungry_link));
    list_remove(&u->link);
    pool_put(&t->unit_pool, u);
}

/* ---- the rate ---- */

static void door_open(struct unit *u, uint64_t now);

static uint64_t smoothed(uint64_t rate, uint64_t sample, uint64_t busy)
{
    uint64_t all = busy + SMOOTH_US;

    return min_u64((rate * SMOOTH_US + sample * busy) / all, RATE_MAX);
}

void unit_measure(struct unit *u, uint64_t now)
{
    uint64_t busy = u->busy_us + (u->handed > 0 ? now - u->busy_since_us : 0);

    if (now - u->measured_us < MEASURE_US || busy == 0)
        return;
    u->rate = smoothed(u->rate, u->done * RATE_US / busy, busy);
    u->depth = (uint32_t)min_u64(u->rate * DEPTH_US / RATE_US, DEPTH_MAX);
    u->depth = max_u32(u->depth, DEPTH_LEAST);
    u->measured_us = u->busy_since_us = now;
    u->busy_us = 0;
    u->done = 0;
    door_open(u, now);
}

uint32_t unit_share(const struct unit *u)
{
    uint64_t work = u->rate * WORK_US / RATE_US;

    if (u->rate == RATE_MAX)
        return UINT32_MAX;
    return max_u32((uint32_t)work / max_u32(u->busy, 1), SHARE_LEAST);
}

bool unit_is_crowded(const struct unit *u, uint64_t us, uint64_t now)
{
    bool moving = now - u->moved_us < SECOND_US && now - u->moving_since_us >= MOVING_US;

    return moving && (u->waiting + u->handed) * (RATE_US / us) > u->rate;
}

/* ---- the door ---- */

static void pass(struct unit *u, struct command *c, uint64_t now)
{
    c->passed = true;
    if (u->handed++ == 0)
        u->busy_since_us = now;
}

static void queue_leave(struct command *c)
{
    struct session *s = c->session;

    if (list_empty(&c->door_link))
        return;
    list_remove(&c->door_link);
    s->unit->waiting--;
    if (list_empty(&s->at_door))
        list_remove(&s->turn_link);
}

static void queue_join(struct command *c)
{
    struct session *s = c->session;

    if (!list_empty(&c->door_link))
        return;
    list_append(&s->at_door, &c->door_link);
    s->unit->waiting++;
    if (list_empty(&s->turn_link))
        list_append(&s->unit->turns, &s->turn_link);
}

/* One of each session that waits, in turn (D1). */
static void door_open(struct unit *u, uint64_t now)
{
    while (u->handed < u->depth && !list_empty(&u->turns)) {
        struct session *s = container_of(u->turns.next, struct session, turn_link);
        struct command *c = container_of(s->at_door.next, struct command, door_link);

        queue_leave(c);
        if (!list_empty(&s->turn_link)) {
            list_remove(&s->turn_link);
            list_append(&u->turns, &s->turn_link);
        }
        pass(u, c, now);
        task_run(&c->task);
    }
}

bool door_passes(struct command *c)
{
    struct unit *u = c->session->unit;

    if (c->passed || !scsi_asks_block(&c->scsi))
        return true;
    if (u->handed < u->depth && list_empty(&u->turns)) {
        pass(u, c, now_us(&c->session->target->env->clock));
        return true;
    }
    queue_join(c);
    return false;
}

static void pass_back(struct command *c, uint64_t now)
{
    struct unit *u = c->session->unit;

    c->passed = false;
    assert(u->handed > 0);
    if (--u->handed == 0)
        u->busy_us += now - u->busy_since_us;
    door_open(u, now);
}

void door_leave(struct command *c)
{
    queue_leave(c);
    if (c->passed)
        pass_back(c, now_us(&c->session->target->env->clock));
}

void door_done(struct command *c)
{
    uint64_t now = now_us(&c->session->target->env->clock);
    struct unit *u = c->session->unit;

    u->done++;
    if (now - u->moved_us >= SECOND_US)
        u->moving_since_us = now;
    u->moved_us = now;
    pass_back(c, now);
    if (u->done >= MEASURE_DONE)
        unit_measure(u, now);
}
