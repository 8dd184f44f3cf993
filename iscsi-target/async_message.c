/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/async_message.c — what an initiator is told unasked (RFC 7143 11.9): that it should
 * log out, and that its session is over.  Time2Wait and Time2Retain are 0: it may come back at
 * once, to a new session.
 */
#include "iscsi-target/session.h"

static bool async_next(struct source *source, struct pdu_out *ret)
{
    struct connection *c = container_of(source, struct connection, async);
    struct bhs_async_message *h = &ret->bhs.async_message;
    bool logout = c->async_events & 1u << ASYNC_LOGOUT;

    h->opcode = ASYNC_MESSAGE;
    h->flags = FLAG_FINAL;
    h->initiator_task_tag = be32_of(TAG_NONE);
    h->event = logout ? ASYNC_LOGOUT : ASYNC_DROP_SESSION;
    h->parameter3 = be16_of(logout ? c->logout_seconds : 0);
    ret->stat_sn = STAT_SN_TAKEN;
    c->async_events &= ~(1u << h->event);
    return c->async_events != 0;
}

static void async_sent(struct source *source)
{
    (void)source;
}

/* In a discovery session there is nothing to tell (4.3). */
static void tell(struct connection *c, enum async_event event)
{
    if (!c->net || c->phase != PHASE_FULL)
        return;
    if (!c->async.next) {
        list_init(&c->async.link);
        c->async.next = async_next;
        c->async.sent = async_sent;
    }
    c->async_events |= 1u << event;
    send_bulk(c, &c->async);
}

void async_logout(struct connection *c, uint16_t seconds)
{
    c->logout_seconds = seconds;
    tell(c, ASYNC_LOGOUT);
}

void async_drop(struct connection *c)
{
    tell(c, ASYNC_DROP_SESSION);
}
