/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/order.c — task attributes (RFC 7143 11.3.1, SAM-5 8.6): what is ORDERED waits for
 * all older commands of its session, and all younger ones wait for it.  HEAD OF QUEUE and immediate
 * commands wait for nobody; the rest may be done in any order, as the block does them.
 *
 * What can go wrong: an older command waits for memory that those behind it hold, be they right
 * behind it or behind one that waits for it.  Then these give it back and are told TASK SET FULL
 * (C3).
 */
#include "iscsi-target/command.h"

static uint8_t attribute_of(const struct command *c)
{
    return c->bhs.scsi_command.flags & TASK_ATTRIBUTE;
}

void order_begin(struct command *c)
{
    c->ordered = attribute_of(c) == ORDERED && !c->immediate;
    c->session->ordered += c->ordered;
}

void order_end(struct command *c)
{
    c->session->ordered -= c->ordered;
    c->ordered = false;
    order_look(c->session);
}

void order_look(struct session *s)
{
    if (s->ordered == 0)
        return;
    list_for_each(l, &s->commands) {
        struct command *c = container_of(l, struct command, link);

        if (c->task.state == PERFORM)
            task_run(&c->task);
    }
}

static bool is_in_the_way(const struct command *older, const struct command *c)
{
    if (older == c || !command_is_scsi(older) || older->immediate || older->dropped ||
        older->task.state >= ANSWER)
        return false;
    return sn_not_after(older->cmd_sn, c->cmd_sn) && (older->ordered || c->ordered);
}

static bool waits_for_memory(const struct command *c)
{
    return c->task.state == MEMORY || (c->task.state == PERFORM && !list_empty(&c->wait_link));
}

/* Any up to `last`: what is in the way of c may itself wait for those. */
static bool memory_is_wanted(const struct session *s, const struct command *last)
{
    list_for_each(l, &s->commands) {
        const struct command *c = container_of(l, struct command, link);

        if (command_is_scsi(c) && !c->immediate && !c->dropped && waits_for_memory(c) &&
            sn_not_after(c->cmd_sn, last->cmd_sn))
            return true;
    }
    return false;
}

enum order order_of(const struct command *c)
{
    const struct command *last = NULL; /* the youngest that is in the way */

    if (c->session->ordered == 0 || c->immediate || attribute_of(c) == HEAD_OF_QUEUE)
        return ORDER_GO;
    list_for_each(l, &c->session->commands) {
        const struct command *older = container_of(l, struct command, link);

        if (is_in_the_way(older, c) && (!last || sn_not_after(last->cmd_sn, older->cmd_sn)))
            last = older;
    }
    if (!last)
        return ORDER_GO;
    return c->scsi.data_out.count > 0 && memory_is_wanted(c->session, last) ? ORDER_GIVE_UP
                                                                            : ORDER_WAIT;
}
