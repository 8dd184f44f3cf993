/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/memory.c — memory for the data of commands: whose turn it is, and how much of it one
 * unit may hold.
 *
 * All or nothing, and whoever waits for memory holds none (C3), so those that have some can finish.
 * Commands wait in one line a unit, in the order of asking; the units that wait take turns.
 *
 * A disk that hangs keeps the memory of what it was given, and of what waits for it: one volume
 * could have all, and those on healthy disks nothing (P14).  So a unit gets more only while it
 * holds less than what is free (dynamic thresholds: Choudhury and Hahne, IEEE/ACM ToN 1998): one
 * that hangs has half of the memory in the end, two a third each, and as much is always left to the
 * others.  The line of one that has its share stands, and is passed.
 *
 * What is free may be too little for a large command all the same, for as long as the disks hang.
 * It is passed by what there is enough for, from units that hold next to nothing: together no more
 * than the small segments are, and a command each.  Whatever else comes back is kept for it.
 *
 * A write that comes with its data cannot wait: it gets memory now, or is told TASK SET FULL, which
 * QEMU stands seven times.  A volume whose reads never end has its share always, and would refuse
 * all of them.  So one such write takes its turn when the line has moved: half of what its unit
 * holds counts, then.
 *
 * Promises: M1 a unit that holds as much as is free waits; only what has its data-out gets its
 *              scratch all the same, one write that cannot wait up to twice as much, and M3.
 *           M2 of units that wait and may have more, none is passed twice by another, as long as
 *              there is enough for its next command.
 *           M3 a unit that holds nothing gets what there is enough for, whoever waits for more.
 */
#include "base/util.h"
#include "iscsi-target/command.h"
#include "iscsi-target/target.h"

/* A unit that holds so much: its share is what is free. */
static bool may_have(const struct iscsi_target *t, uint64_t held_bytes, uint32_t bytes)
{
    return held_bytes < buffers_free_bytes(&t->buffers, bytes);
}

/* Or nobody has any: then it is to be told that it is too large. */
static bool is_enough(const struct iscsi_target *t, uint32_t bytes)
{
    return buffers_have(&t->buffers, bytes) || buffers_idle(&t->buffers);
}

/* … those for whom there is not enough: it is less than its part of the small segments' bytes. */
static bool may_pass(const struct iscsi_target *t, uint64_t held_bytes)
{
    return held_bytes * max_u32(t->busy, 1) < pool_bytes(&t->buffers.small);
}

/* The first for which there is enough, within its unit's share; *scarce: one is passed. */
static struct command *next_of(const struct iscsi_target *t, const struct unit *u, bool *scarce)
{
    if (!may_have(t, u->held_bytes, 0))
        return NULL;
    list_for_each(l, &u->starved) {
        struct command *c = container_of(l, struct command, wait_link);
        bool may = may_have(t, u->held_bytes, c->need);

        if ((*scarce || !may) && !may_pass(t, u->held_bytes))
            return NULL;
        if (may && is_enough(t, c->need))
            return c;
        *scarce = true;
    }
    return NULL;
}

/* NULL: nobody waits, or only those that have their share, or for whom there is not enough, and
 * those behind them. */
static struct command *next_command(const struct iscsi_target *t, bool *scarce)
{
    *scarce = false;
    list_for_each(l, &t->hungry) {
        struct command *c = next_of(t, container_of(l, struct unit, hungry_link), scarce);

        if (c)
            return c;
    }
    return NULL;
}

bool memory_turn(const struct command *c)
{
    const struct iscsi_target *t = c->session->target;
    const struct unit *u = c->session->unit;
    bool scarce;
    const struct command *next = next_command(t, &scarce);

    if (next || !list_empty(&c->wait_link))
        return next == c;
    return may_have(t, u->held_bytes, c->need) &&
           ((!scarce && list_empty(&u->starved)) || may_pass(t, u->held_bytes));
}

/* Its turn with the line is worth half of what its unit holds. */
static bool may_have_at_once(const struct command *c)
{
    const struct iscsi_target *t = c->session->target;
    const struct unit *u = c->session->unit;
    uint64_t held = u->line_moved ? u->held_bytes / 2 : u->held_bytes;
    bool scarce;

    if (may_pass(t, held))
        return true;
    next_command(t, &scarce);
    return !scarce && (list_empty(&u->starved) || u->line_moved) && may_have(t, held, c->need);
}

bool memory_get_at_once(struct command *c)
{
    struct scsi_command *s = &c->scsi;

    if (!may_have_at_once(c) || !payload_get(s->buffers, &s->data_out, c->need))
        return false;
    c->session->unit->line_moved = false;
    memory_back(c->session->target); /* another may be the next now */
    return true;
}

void memory_wait(struct command *c)
{
    struct session *s = c->session;

    if (!list_empty(&c->wait_link))
        return;
    if (list_empty(&s->unit->starved))
        list_append(&s->target->hungry, &s->unit->hungry_link);
    list_append(&s->unit->starved, &c->wait_link);
    metric_add(&s->target->metrics.memory_waits, 1);
    order_look(s);
}

void memory_back(struct iscsi_target *t)
{
    bool scarce;
    struct command *next = next_command(t, &scarce);

    if (next)
        task_run(&next->task);
}

static bool has_some(const struct command *c)
{
    return c->scsi.data_out.count + c->scsi.data_in.count > 0;
}

static void line_leave(struct command *c)
{
    struct unit *u = c->session->unit;
    bool first = u->starved.next == &c->wait_link;

    if (has_some(c))
        u->line_moved = true;
    list_remove(&c->wait_link);
    if (!first) /* it has passed the first, which keeps its turn */
        return;
    list_remove(&u->hungry_link); /* the next one's turn */
    if (!list_empty(&u->starved))
        list_append(&c->session->target->hungry, &u->hungry_link);
}

void memory_leave(struct command *c)
{
    if (!list_empty(&c->wait_link))
        line_leave(c);
    memory_back(c->session->target);
}

bool memory_get(struct command *c)
{
    struct scsi_command *s = &c->scsi;

    c->need = c->want;
    if (!memory_turn(c) || !payload_get(s->buffers, &s->data_out, c->need))
        return false;
    memory_leave(c);
    return true;
}

bool memory_comes(const struct command *c)
{
    if (c->scsi.data_out.count > 0)
        return false;
    return !memory_turn(c) || !buffers_idle(c->scsi.buffers);
}
