/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/memory.c — memory for the data of commands: whose turn it is, and how much of it one
 * unit may hold.
 *
 * All or nothing, and whoever waits for memory holds none (C3), so those that have some can finish.
 * Commands wait in one line a unit, in the order of asking; the units that wait take turns.
 *
 * A disk that hangs keeps the memory of what it was given, and of what waits for it: one volume
 * could have all, and those on healthy disks nothing (P14).  So a unit that holds half of it gets
 * no more until some comes back; its line stands aside and the others go on.
 *
 * Promises: M1 a unit that holds half of the memory waits; only what has its data-out gets its
 *              scratch all the same.
 *           M2 of units that wait and may have more, none is passed twice by another.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/target.h"

static bool may_have_more(const struct iscsi_target *t, const struct unit *u)
{
    return u->held_bytes < t->limits.buffer_bytes / 2;
}

bool memory_turn(const struct command *c)
{
    const struct iscsi_target *t = c->session->target;
    const struct unit *u = c->session->unit;

    return may_have_more(t, u) && (list_empty(&u->starved) || u->starved.next == &c->wait_link) &&
           (list_empty(&t->hungry) || t->hungry.next == &u->hungry_link);
}

/* It stands among those that take turns while somebody waits and may have more. */
static void take_place(struct iscsi_target *t, struct unit *u)
{
    if (list_empty(&u->starved) || !may_have_more(t, u))
        list_remove(&u->hungry_link);
    else if (list_empty(&u->hungry_link))
        list_append(&t->hungry, &u->hungry_link);
}

static void wake_next(struct iscsi_target *t)
{
    const struct unit *u;

    if (list_empty(&t->hungry))
        return;
    u = container_of(t->hungry.next, struct unit, hungry_link);
    task_run(&container_of(u->starved.next, struct command, wait_link)->task);
}

void memory_wait(struct command *c)
{
    struct session *s = c->session;

    if (list_empty(&c->wait_link)) {
        list_append(&s->unit->starved, &c->wait_link);
        metric_add(&s->target->metrics.memory_waits, 1);
        order_look(s);
    }
    take_place(s->target, s->unit);
}

void memory_had(struct command *c)
{
    struct session *s = c->session;

    if (!list_empty(&c->wait_link)) {
        list_remove(&c->wait_link);
        list_remove(&s->unit->hungry_link); /* the next one's turn */
    } else if (list_empty(&s->target->hungry)) {
        return;
    }
    take_place(s->target, s->unit); /* a scratch may have made it too much */
    wake_next(s->target);
}

void memory_back(struct session *s)
{
    if (s->unit)
        take_place(s->target, s->unit);
    wake_next(s->target);
}

bool memory_get(struct command *c)
{
    struct scsi_command *s = &c->scsi;

    if (!memory_turn(c) || !payload_get(s->buffers, &s->data_out, c->want))
        return false;
    memory_had(c);
    return true;
}

bool memory_comes(const struct command *c)
{
    if (c->scsi.data_out.count > 0)
        return false;
    return !memory_turn(c) || !buffers_idle(c->scsi.buffers);
}

bool memory_is_short(const struct session *s)
{
    return !list_empty(&s->target->hungry) || (s->unit && !list_empty(&s->unit->starved));
}
