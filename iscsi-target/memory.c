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
 * Promises: M1 a unit that holds as much as is free waits; only what has its data-out gets its
 *              scratch all the same.
 *           M2 of units that wait and may have more, none is passed twice by another.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/target.h"

static bool may_have_more(const struct iscsi_target *t, const struct unit *u)
{
    return u->held_bytes < buffers_free_bytes(&t->buffers);
}

/* NULL: nobody waits, or only those that have their share. */
static struct unit *next_unit(const struct iscsi_target *t)
{
    list_for_each(l, &t->hungry) {
        struct unit *u = container_of(l, struct unit, hungry_link);

        if (may_have_more(t, u))
            return u;
    }
    return NULL;
}

bool memory_turn(const struct command *c)
{
    const struct iscsi_target *t = c->session->target;
    const struct unit *u = c->session->unit, *next;

    if (!may_have_more(t, u) || (!list_empty(&u->starved) && u->starved.next != &c->wait_link))
        return false;
    next = next_unit(t);
    return !next || next == u;
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
    const struct unit *u = next_unit(t);

    if (u)
        task_run(&container_of(u->starved.next, struct command, wait_link)->task);
}

void memory_leave(struct command *c)
{
    struct session *s = c->session;

    if (!list_empty(&c->wait_link)) {
        list_remove(&c->wait_link);
        list_remove(&s->unit->hungry_link); /* the next one's turn */
        if (!list_empty(&s->unit->starved))
            list_append(&s->target->hungry, &s->unit->hungry_link);
    }
    memory_back(s->target);
}

bool memory_get(struct command *c)
{
    struct scsi_command *s = &c->scsi;

    if (!memory_turn(c) || !payload_get(s->buffers, &s->data_out, c->want))
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
