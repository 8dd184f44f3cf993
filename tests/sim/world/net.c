/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/net.c — byte streams between processes.
 *
 * A connection is a pair of ends.  Each end has a queue of sends and a stream: bytes that the
 * network has taken and the other end has not had.  Two events move them: `push` takes the first
 * send into the stream and answers it, `deliver` hands the other end a piece of any size.  Order
 * within a stream is kept, nothing else is.
 *
 * An end is over when its owner was told `closed`, when it was refused in accepted(), or when its
 * process died.  It leaves the other end its last word behind the bytes in the stream: FIN, after
 * everything; or a reset, with as many of the bytes as chance lets through.  The pair goes when
 * both ends are over.
 *
 * An end that is detached stays in the list of its process, deaf, until another has adopted it: so
 * it dies with whoever had it last.
 */
#include "tests/sim/world/inside.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HELD_BYTES (256u * 1024) /* that the network takes while it delivers nothing */

enum last_word { NONE, FIN, RESET };

struct sim_end {
    struct net_conn conn;
    struct sim_pair *pair;
    struct sim_end *other;
    struct sim_process *process; /* NULL: not accepted yet */
    struct list link;            /* in its process */
    struct list sends;           /* given to net_send, not yet taken by the network */
    struct sim_event push;
    struct sim_event finish;
    enum err finish_err;
    bool closing; /* net_close() was called: nothing is received any more */
    bool over;

    struct net_parcel *leaving; /* to another process: what is received goes into it … */
    bool detached;              /* … until it is there: now nothing is delivered      */
    struct sim_event detach;

    struct sim_event deliver; /* from here to the other end */
    uint8_t *stream;
    size_t length, max;
    bool held; /* sim_net_hold(): nothing of it is delivered */
    enum last_word last_word;
};

struct sim_pair {
    struct sim *sim;
    struct list link;
    struct sim_end ends[2]; /* who connected, who accepted */
    struct sim_event arrive;
};

struct sim_listener {
    struct list link;
    struct net_listener *listener;
};

/* ---- pairs ---- */

static void pair_free(struct sim_pair *pair)
{
    event_cancel(&pair->arrive);
    for (int i = 0; i < 2; i++) {
        struct sim_end *end = &pair->ends[i];

        event_cancel(&end->push);
        event_cancel(&end->finish);
        event_cancel(&end->deliver);
        event_cancel(&end->detach);
        list_remove(&end->link);
        free(end->stream);
    }
    list_remove(&pair->link);
    free(pair);
}

static void end_is_over(struct sim_end *end)
{
    end->over = true;
    event_cancel(&end->push);
    event_cancel(&end->finish);
    event_cancel(&end->detach);
    event_cancel(&end->other->deliver);
    list_remove(&end->link);
    if (end->other->over)
        pair_free(end->pair);
}

/* The other end will get what is in the stream, or hear the last word. */
static void deliver_soon(struct sim_end *end)
{
    struct sim_end *to = end->other;

    if (!to->process || to->over || end->held || to->detached ||
        (end->length == 0 && end->last_word == NONE))
        return;
    if (end->deliver.link.next && !list_empty(&end->deliver.link))
        return; /* it is on its way */
    end->deliver.process = to->process;
    event_schedule(end->pair->sim, &end->deliver, world_delay(end->pair->sim, 5, 150));
}

static void say_last_word(struct sim_end *end, enum last_word word)
{
    if (end->last_word != NONE)
        return;
    if (word == RESET)
        end->length = world_draw(end->pair->sim, end->length + 1);
    end->last_word = word;
    deliver_soon(end);
}

/* Tells the owner: first of every send, then that it is closed. */
static void tell_closed(struct sim_end *end, enum err err)
{
    struct list *l;

    while ((l = list_take(&end->sends))) {
        struct net_send *s = container_of(l, struct net_send, link);

        s->done(s, E_CLOSED);
    }
    if (end->conn.events)
        end->conn.events->closed(&end->conn, err);
    end_is_over(end);
}

static void finish_fires(struct sim_event *e)
{
    struct sim_end *end = container_of(e, struct sim_end, finish);

    tell_closed(end, end->finish_err);
}

static void detach_soon(struct sim_end *end)
{
    end->detach.process = end->process;
    event_schedule(end->pair->sim, &end->detach, world_delay(end->pair->sim, 1, 50));
}

static void finish_soon(struct sim_end *end, enum err err)
{
    end->finish_err = err;
    event_schedule(end->pair->sim, &end->finish, world_delay(end->pair->sim, 1, 50));
}

/* ---- bytes ---- */

static void stream_append(struct sim_end *end, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    if (end->length + length > end->max) {
        end->max = (end->length + length) * 2;
        end->stream = realloc(end->stream, end->max);
        assert(end->stream);
    }
    memcpy(end->stream + end->length, bytes, length);
    end->length += length;
}

static void push_soon(struct sim_end *end)
{
    if (end->held && end->length >= HELD_BYTES)
        return;
    event_schedule(end->pair->sim, &end->push, world_delay(end->pair->sim, 1, 40));
}

static void push_fires(struct sim_event *e)
{
    struct sim_end *end = container_of(e, struct sim_end, push);
    struct net_send *s = container_of(list_take(&end->sends), struct net_send, link);

    for (uint32_t i = 0; i < s->piece_count; i++)
        stream_append(end, s->pieces[i].iov_base, s->pieces[i].iov_len);
    deliver_soon(end);
    if (!list_empty(&end->sends)) {
        push_soon(end);
    } else if (end->closing) {
        say_last_word(end, FIN);
        finish_soon(end, E_OK);
    } else if (end->leaving) {
        detach_soon(end);
    }
    s->done(s, E_OK);
}

/* How much arrives at once: all of it, a few bytes, or anything between. */
static size_t piece_of(struct sim *s, size_t length)
{
    switch (world_draw(s, 3)) {
    case 0:
        return length;
    case 1:
        return min_u64(length, 1 + world_draw(s, 64));
    default:
        return 1 + world_draw(s, length);
    }
}

static void deliver_fires(struct sim_event *e)
{
    struct sim_end *end = container_of(e, struct sim_end, deliver);
    struct sim_end *to = end->other;
    uint8_t *piece;
    size_t length;

    if (end->length == 0 || to->closing) {
        end->length = 0;
        if (!to->closing)
            tell_closed(to, end->last_word == FIN ? E_OK : err_of_errno(ECONNRESET));
        return;
    }
    length = piece_of(end->pair->sim, end->length);
    piece = malloc(length); /* of its own, so that one byte too far is seen */
    assert(piece);
    memcpy(piece, end->stream, length);
    end->length -= length;
    memmove(end->stream, end->stream + length, end->length);
    deliver_soon(end);
    if (!to->leaving) {
        to->conn.events->received(&to->conn, piece, (uint32_t)length);
    } else if (!net_parcel_keep(to->leaving, piece, (uint32_t)length)) {
        say_last_word(to, RESET);
        tell_closed(to, E_TOO_LARGE);
    }
    free(piece);
}

/* ---- what an owner asks ---- */

static void conn_send(struct net_conn *c, struct net_send *s)
{
    struct sim_end *end = container_of(c, struct sim_end, conn);

    assert(!end->closing);
    assert(!end->over);
    assert(!end->leaving);
    if (process_dying(end->process) || !process_issues(end->process)) {
        sim_abandon(end->pair->sim, s);
        return;
    }
    list_append(&end->sends, &s->link);
    if (end->sends.next == &s->link)
        push_soon(end);
    if (process_has_issued(end->process))
        process_dies(end->process);
}

static void conn_close(struct net_conn *c, bool flush)
{
    struct sim_end *end = container_of(c, struct sim_end, conn);

    if (process_dying(end->process) || end->closing || end->over)
        return;
    end->closing = true;
    event_cancel(&end->detach);
    if (flush && !list_empty(&end->sends))
        return; /* the last push goes on from here */
    event_cancel(&end->push);
    say_last_word(end, flush ? FIN : RESET);
    finish_soon(end, E_OK);
}

/* ---- from one process to another ---- */

static void conn_detach(struct net_conn *c, struct net_parcel *p)
{
    struct sim_end *end = container_of(c, struct sim_end, conn);

    assert(!end->closing);
    assert(!end->over);
    assert(!end->leaving);
    if (process_dying(end->process))
        return;
    end->leaving = p;
    if (list_empty(&end->sends)) /* else the last push goes on from here */
        detach_soon(end);
}

static void detach_fires(struct sim_event *e)
{
    struct sim_end *end = container_of(e, struct sim_end, detach);
    struct net_parcel *p = end->leaving;

    event_cancel(&end->other->deliver);
    end->leaving = NULL;
    end->detached = true;
    p->end = end;
    p->local = end->conn.local;
    p->peer = end->conn.peer;
    p->detached(p);
}

static const struct net_conn_ops conn_ops = {
    .send = conn_send, .close = conn_close, .detach = conn_detach};

enum err world_adopt(struct env *e, struct net_parcel *p, const struct net_events *events,
                     void *owner, struct net_conn **ret)
{
    struct sim_end *end = p->end;

    assert(end->detached);
    list_remove(&end->link);
    list_append(&process_of(e)->ends, &end->link);
    end->process = end->push.process = end->finish.process = process_of(e);
    end->conn.events = events;
    end->conn.owner = owner;
    end->detached = false;
    deliver_soon(end->other);
    *ret = &end->conn;
    return E_OK;
}

void world_discard(struct env *e, struct net_parcel *p)
{
    struct sim_end *end = p->end;

    if (process_dying(process_of(e)))
        return;
    assert(end->detached);
    say_last_word(end, RESET);
    end_is_over(end);
}

void sim_net_hold(struct net_conn *c, enum sim_way way, bool held)
{
    struct sim_end *end = container_of(c, struct sim_end, conn);

    if (way == SIM_RECEIVED)
        end = end->other;
    end->held = held;
    if (held) {
        event_cancel(&end->deliver);
        return;
    }
    deliver_soon(end);
    if (!list_empty(&end->sends))
        push_soon(end);
}

/* ---- coming together ---- */

static struct net_listener *listener_at(struct sim *s, const struct net_address *at,
                                        struct sim_process **ret_process)
{
    list_for_each(l, &s->living) {
        struct sim_process *p = container_of(l, struct sim_process, link);

        list_for_each(m, &p->listeners) {
            struct sim_listener *own = container_of(m, struct sim_listener, link);

            if (strcmp(own->listener->address.text, at->text) != 0)
                continue;
            *ret_process = p;
            return own->listener;
        }
    }
    return NULL;
}

static void give_port(struct sim *s, struct net_address *a)
{
    char *colon = strrchr(a->text, ':');

    assert(colon);
    if (strcmp(colon, ":0") == 0)
        snprintf(colon, sizeof a->text - (size_t)(colon - a->text), ":%u", s->next_port++);
}

enum err world_listen(struct env *e, const struct net_address *at, struct net_listener *l)
{
    struct sim_process *p = process_of(e);
    struct sim_process *holder;
    struct sim_listener *own;

    l->address = *at;
    give_port(p->sim, &l->address);
    if (process_dying(p) || listener_at(p->sim, &l->address, &holder))
        return E_BUSY;
    own = calloc(1, sizeof *own);
    assert(own);
    own->listener = l;
    l->world = own;
    list_append(&p->listeners, &own->link);
    return E_OK;
}

void world_unlisten(struct env *e, struct net_listener *l)
{
    struct sim_listener *own = l->world;

    if (process_dying(process_of(e)) || !own)
        return;
    l->world = NULL;
    list_remove(&own->link);
    free(own);
}

static void end_open(struct sim_pair *pair, int which, struct sim_process *p)
{
    struct sim_end *end = &pair->ends[which];

    end->process = p;
    end->push.process = p;
    end->push.fire = push_fires;
    end->finish.process = p;
    end->finish.fire = finish_fires;
    end->detach.fire = detach_fires;
    list_append(&p->ends, &end->link);
}

/* Nobody is there to answer: the address is free, or its process died meanwhile. */
static void refuse(struct sim_pair *pair)
{
    pair->ends[1].over = true;
    if (!pair->ends[0].over)
        finish_soon(&pair->ends[0], E_UNREACHABLE);
    else
        pair_free(pair);
}

static void arrive_fires(struct sim_event *e)
{
    struct sim_pair *pair = container_of(e, struct sim_pair, arrive);
    struct sim_end *end = &pair->ends[1];
    struct sim_process *p;
    struct net_listener *l = listener_at(pair->sim, &pair->ends[0].conn.peer, &p);

    if (!l) {
        refuse(pair);
        return;
    }
    end_open(pair, 1, p);
    l->accepted(l, &end->conn);
    assert(end->closing || end->conn.events);
    deliver_soon(&pair->ends[0]);
}

enum err world_connect(struct env *e, const struct net_address *to, const struct net_events *events,
                       void *owner, struct net_conn **ret)
{
    struct sim_process *p = process_of(e);
    struct sim_pair *pair;

    if (process_dying(p))
        return E_UNREACHABLE;
    pair = calloc(1, sizeof *pair);
    assert(pair);
    pair->sim = p->sim;
    for (int i = 0; i < 2; i++) {
        struct sim_end *end = &pair->ends[i];

        end->pair = pair;
        end->other = &pair->ends[1 - i];
        end->conn.ops = &conn_ops;
        end->deliver.fire = deliver_fires;
        list_init(&end->sends);
        list_init(&end->link);
    }
    pair->ends[0].conn.peer = *to;
    pair->ends[0].conn.local = (struct net_address){"127.0.0.1:0"};
    give_port(p->sim, &pair->ends[0].conn.local);
    pair->ends[1].conn.local = *to;
    pair->ends[1].conn.peer = pair->ends[0].conn.local;
    pair->ends[0].conn.events = events;
    pair->ends[0].conn.owner = owner;
    pair->arrive.fire = arrive_fires;
    end_open(pair, 0, p);
    list_append(&p->sim->pairs, &pair->link);
    event_schedule(p->sim, &pair->arrive, world_delay(p->sim, 20, 300));
    *ret = &pair->ends[0].conn;
    return E_OK;
}

/* ---- death ---- */

void net_of_dead(struct sim_process *p)
{
    struct list *l;

    while ((l = list_take(&p->listeners)))
        free(container_of(l, struct sim_listener, link));
    list_for_each_safe(m, &p->ends) {
        struct sim_end *end = container_of(m, struct sim_end, link);

        if (!end->detached)
            sim_abandon(p->sim, end->conn.owner);
        list_for_each(send, &end->sends)
            sim_abandon(p->sim, send);
        say_last_word(end, RESET);
        end_is_over(end);
    }
}

void net_free(struct sim *s)
{
    while (!list_empty(&s->pairs))
        pair_free(container_of(s->pairs.next, struct sim_pair, link));
    list_for_each(l, &s->living) {
        struct sim_process *p = container_of(l, struct sim_process, link);
        struct list *own;

        while ((own = list_take(&p->listeners)))
            free(container_of(own, struct sim_listener, link));
    }
}
