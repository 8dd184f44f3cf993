/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/handover.c — a login goes to the target whose reactor is its block's (design 3).
 *
 * Comes from login.c, when the first whole request has named a target that lives at another
 * reactor; goes on there with login_arrived(), as if that request had been received there.  Nothing
 * of it was read here but the names, so authentication, negotiation and the session are all of one
 * place.
 *
 * The happy path: what was answered before (parts of the request: C bit) leaves; the connection is
 * detached (env/net.h); with it, in one letter, go what is known of the login, its StatSN, the
 * request, the bytes that came behind it, and what the directory says at that moment.  The home
 * adopts the connection, reads the request and what came behind it, and sends the letter back.
 *
 * What can go wrong:
 *   the connection ends on the way      here or there, as any that is half-open
 *   more comes than can be kept         it ends: an initiator waits for our answer
 *   the directory has changed its mind  its answer is given at the home; of another home: 0x0301
 *   the home has no room for one more   closed without a word, as when it is accepted
 *   the home is closing                 the same
 *
 * Memory: a letter and the request's text are the sender's, and count as one of its half-open
 * logins until they are back; from its adoption on the login is one of the home's.
 *
 * Promise: T5 the directory is asked when the letter is sent; whoever changes what it says, and
 * then sends a drain to the home from the same reactor, finds the login there.
 */
#include "iscsi-target/handover.h"

#include "iscsi-target/login.h"
#include "iscsi-target/target.h"

#include <string.h>

struct handover {
    struct mail mail;
    struct net_parcel parcel;
    struct iscsi_target *from, *home;
    struct connection *connection; /* at `from`, until it is over there  */
    struct text *text; /* of `from`: the request; behind it, in `out`, what came early */
    struct login login;
    uint32_t stat_sn;
    uint64_t opened_us;
    bool asked, detached;
};

size_t handover_bytes(void)
{
    return sizeof(struct handover);
}

/* ---- at the end ---- */

static void give_back(struct handover *h)
{
    struct iscsi_target *t = h->from;

    pool_put(&t->text_pool, h->text);
    explicit_bzero(&h->login.where, sizeof h->login.where);
    pool_put(&t->handover_pool, h);
}

static void came_back(struct mail *m)
{
    struct handover *h = container_of(m, struct handover, mail);
    struct iscsi_target *t = h->from;

    t->letters--;
    give_back(h);
    target_settle(t);
}

/* ---- at its home ---- */

static void send_back(struct handover *h)
{
    h->mail.opened = came_back;
    mail_send(h->from->env, &h->mail);
}

static void arrived(struct mail *m)
{
    struct handover *h = container_of(m, struct handover, mail);
    struct connection *c = connection_adopt(h->home, &h->parcel, h->opened_us);

    if (c) {
        c->sender.stat_sn = h->stat_sn;
        login_arrived(c, &h->login, h->text);
        receive_bytes(c, h->parcel.kept, h->parcel.kept_bytes);
    }
    send_back(h);
}

/* ---- on its way ---- */

/* The connection is over once the sender has seen that its net is gone: then the letter leaves. */
static void detached(struct net_parcel *p)
{
    struct handover *h = container_of(p, struct handover, parcel);
    struct connection *c = h->connection;

    h->detached = true;
    c->net = NULL;
    timer_stop(&c->target->env->clock, &c->timer);
    task_run(&c->sender.task);
}

enum login_status handover_begin(struct connection *c, struct iscsi_target *home)
{
    struct handover *h = pool_get(&c->target->handover_pool);

    if (!h)
        return LOGIN_OUT_OF_RESOURCES;
    *h = (struct handover){.from = c->target, .home = home, .connection = c, .text = c->text};
    h->parcel = (struct net_parcel){
        .detached = detached, .kept = (uint8_t *)h->text->out, .kept_max = sizeof h->text->out};
    c->handover = h;
    c->text = NULL;
    c->phase = PHASE_MOVING;
    task_run(&c->sender.task);
    return LOGIN_OK;
}

void handover_keep(struct connection *c, const uint8_t *bytes, uint32_t length)
{
    if (!net_parcel_keep(&c->handover->parcel, bytes, length))
        connection_end_now(c);
}

void handover_go(struct connection *c)
{
    struct handover *h = c->handover;

    if (h->asked)
        return;
    h->asked = true;
    net_detach(c->net, &h->parcel);
}

/* T5.  Another home than the one it is on its way to: the initiator tries again. */
static void ask_now(struct handover *h)
{
    struct directory_answer *where = &h->login.where;

    directory_ask(h->from, &h->login, where);
    if (where->where == DIRECTORY_HERE && where->home != h->home)
        where->where = DIRECTORY_STARTING;
}

void handover_left(struct connection *c)
{
    struct handover *h = c->handover;

    if (!h)
        return;
    if (!h->detached) {
        give_back(h);
        return;
    }
    h->login = c->login;
    h->login.handed = true;
    ask_now(h);
    h->stat_sn = c->sender.stat_sn;
    h->opened_us = c->opened_us;
    h->from->letters++;
    h->mail.opened = arrived;
    mail_send(h->home->env, &h->mail);
}
