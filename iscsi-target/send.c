/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/send.c — gathers what is ready into batches.
 *
 * Comes from whoever has something to say (send_urgent, send_bulk); goes to env/net.
 *
 * The happy path: the first source that queues wakes the sender's task; by the time it steps, the
 * rest of this turn has queued too.  It asks each source for PDUs, stamps them with the sequence
 * numbers of this moment, and hands headers, payload segments and padding to one net_send.
 *
 * What can go wrong: the connection ends.  net tells `done` for the batch and then `closed`; only
 * then are the sources told, and the connection is given back (connection.c).
 */
#include "iscsi-target/send.h"

#include "base/crc32c.h"
#include "iscsi-target/session.h"
#include "iscsi-target/target.h"

#include <assert.h>

enum sender_state { QUIET, SENDING, STOPPED };

static const uint8_t padding[4];
static_assert(offsetof(struct pdu_out, header_digest) == BHS_BYTES, "one piece with its header");

static struct connection *connection_of(struct sender *s)
{
    return container_of(s, struct connection, sender);
}

/* ---- queues ---- */

static void queue(struct connection *c, struct list *where, struct source *s)
{
    if (s->queued)
        return;
    s->queued = true;
    list_append(where, &s->link);
    task_run(&c->sender.task);
}

void send_urgent(struct connection *c, struct source *s)
{
    queue(c, &c->sender.urgent, s);
}

void send_bulk(struct connection *c, struct source *s)
{
    queue(c, &c->sender.bulk, s);
}

void send_cancel(struct source *s)
{
    if (!s->queued)
        return;
    s->queued = false;
    list_remove(&s->link);
    if (source_idle(s))
        s->sent(s);
}

bool sender_idle(const struct connection *c)
{
    const struct sender *s = &c->sender;

    return list_empty(&s->urgent) && list_empty(&s->bulk) && !s->batch.under_way;
}

bool sender_stuck(struct sender *s, uint64_t us, uint64_t now)
{
    const struct net_send *send = &s->batch.send;

    if (!s->batch.under_way || s->taken_us < s->sent_us || s->taken != send->bytes_done) {
        s->taken = send->bytes_done;
        s->taken_us = now;
    }
    return now - s->taken_us >= us;
}

/* ---- one PDU ---- */

/* Sequence numbers of this moment: ExpCmdSN and MaxCmdSN ride on all that we send. */
static void stamp(struct connection *c, struct pdu_out *p)
{
    struct session *s = c->session;

    p->bhs.any.data_segment_length = be24_of(p->length);
    if (p->stat_sn != STAT_SN_NONE)
        p->bhs.any.sn = be32_of(c->sender.stat_sn);
    if (p->stat_sn == STAT_SN_TAKEN)
        c->sender.stat_sn++;
    if (s)
        window_grow(s);
    p->bhs.any.second_sn = be32_of(s ? s->exp_cmd_sn : c->login.cmd_sn);
    p->bhs.any.third_sn = be32_of(s ? s->max_cmd_sn : c->login.cmd_sn);
}

static void add_piece(struct batch *b, const void *base, uint32_t length)
{
    if (length == 0)
        return;
    b->pieces[b->piece_count].iov_base = (void *)(uintptr_t)base;
    b->pieces[b->piece_count++].iov_len = length;
    b->bytes += length;
}

/* The login's answers have none, the last one neither (RFC 7143 13.1). */
static bool is_digested(bool digest, const struct pdu_out *p)
{
    return digest && p->bhs.any.opcode != LOGIN_RESPONSE;
}

static void add_header(struct batch *b, struct pdu_out *p, bool digest)
{
    if (is_digested(digest, p))
        p->header_digest = le32_of(crc32c(p->bhs.bytes, BHS_BYTES));
    add_piece(b, p->bhs.bytes, BHS_BYTES + (is_digested(digest, p) ? DIGEST_BYTES : 0));
}

/* Of the pieces from `first` on, padding included. */
static void add_data_digest(struct batch *b, struct pdu_out *p, uint32_t first)
{
    uint32_t crc = 0;

    for (uint32_t i = first; i < b->piece_count; i++)
        crc = crc32c_go_on(crc, b->pieces[i].iov_base, b->pieces[i].iov_len);
    p->data_digest = le32_of(crc);
    add_piece(b, &p->data_digest, DIGEST_BYTES);
}

static void add_data(struct batch *b, struct pdu_out *p, bool digest)
{
    uint32_t first = b->piece_count;

    if (p->data) {
        b->piece_count += payload_pieces(p->data, p->at, p->length, b->pieces + b->piece_count);
        b->bytes += p->length;
    } else {
        add_piece(b, p->flat, p->length);
    }
    add_piece(b, padding, pad_bytes(p->length));
    if (p->length > 0 && is_digested(digest, p))
        add_data_digest(b, p, first);
}

/* ---- a batch ---- */

static struct source *source_first(const struct sender *s)
{
    const struct list *from = list_empty(&s->urgent) ? &s->bulk : &s->urgent;

    return list_empty(from) ? NULL : container_of(from->next, struct source, link);
}

static bool batch_has_room(const struct batch *b)
{
    return b->pdu_count < BATCH_PDUS && b->bytes < BATCH_BYTES &&
           b->piece_count + PDU_PIECES_MAX <= BATCH_PIECES;
}

static void batch_fill(struct connection *c)
{
    struct batch *b = &c->sender.batch;
    struct source *source;

    b->pdu_count = b->piece_count = b->bytes = 0;
    while (batch_has_room(b) && (source = source_first(&c->sender))) {
        struct pdu_out *p = &b->pdus[b->pdu_count++];

        *p = (struct pdu_out){.source = source};
        source->under_way++;
        if (!source->next(source, p)) {
            source->queued = false;
            list_remove(&source->link);
        }
        stamp(c, p);
        add_header(b, p, c->header_digest);
        add_data(b, p, c->data_digest);
    }
}

static void batch_done(struct net_send *send, enum err err)
{
    struct batch *b = container_of(send, struct batch, send);
    struct sender *s = container_of(b, struct sender, batch);

    (void)err; /* `closed` follows and says so too */
    b->under_way = false;
    task_run(&s->task);
}

/* What gathers behind the batch waits for its end, and whoever waits for what its commands have. */
static bool somebody_waits(const struct connection *c)
{
    const struct session *s = c->session;
    const struct iscsi_target *t = c->target;

    return !list_empty(&c->sender.urgent) || !list_empty(&c->sender.bulk) ||
           c->phase != PHASE_FULL || c->text_spent || s->ended || s->leaving || s->logout ||
           window_shut(s) || t->leaving == target_sizes(&t->limits).leaving ||
           !list_empty(&t->hungry) || !list_empty(&t->drains) || t->closing;
}

static bool batch_can_wait(const struct net_send *send)
{
    const struct batch *b = container_of(send, struct batch, send);
    const struct sender *s = container_of(b, struct sender, batch);

    return !somebody_waits(container_of(s, struct connection, sender));
}

static void batch_send(struct connection *c)
{
    struct batch *b = &c->sender.batch;

    b->under_way = true;
    b->send = (struct net_send){.pieces = b->pieces,
                                .piece_count = b->piece_count,
                                .done = batch_done,
                                .can_wait = batch_can_wait};
    c->sender.sent_us = now_us(&c->target->env->clock);
    net_send(c->net, &b->send);
}

/* Tells the sources of the batch that was under way (N1). */
static void batch_finish(struct batch *b)
{
    for (uint32_t i = 0; i < b->pdu_count; i++) {
        struct source *source = b->pdus[i].source;

        source->under_way--;
        if (source_idle(source))
            source->sent(source);
    }
    b->pdu_count = 0;
}

/* ---- the task ---- */

static enum task_next sender_step(struct task *t)
{
    struct sender *s = container_of(t, struct sender, task);
    struct connection *c = connection_of(s);

    switch ((enum sender_state)t->state) {
    case QUIET:
        if (!c->net)
            return task_goto(t, STOPPED);
        if (c->close_asked)
            return TASK_WAIT; /* `closed` comes: what is queued has nowhere to go */
        batch_fill(c);
        if (s->batch.pdu_count == 0) {
            connection_drained(c);
            return TASK_WAIT;
        }
        batch_send(c);
        return task_wait_in(t, SENDING);

    case SENDING:
        if (s->batch.under_way)
            return TASK_WAIT;
        batch_finish(&s->batch);
        connection_batch_left(c);
        return task_goto(t, QUIET);

    case STOPPED:
        while (!list_empty(&s->urgent))
            send_cancel(container_of(s->urgent.next, struct source, link));
        while (!list_empty(&s->bulk))
            send_cancel(container_of(s->bulk.next, struct source, link));
        return TASK_DONE;
    }
    unreachable();
}

static bool sender_invariant(const struct task *t)
{
    const struct sender *s = container_of(t, struct sender, task);

    return t->state == SENDING || !s->batch.under_way;
}

static void sender_over(struct task *t)
{
    connection_over(connection_of(container_of(t, struct sender, task)));
}

static const struct task_state sender_states[] = {
    [QUIET] = {"quiet", TASK_FIRST | TASK_AFTER(SENDING)},
    [SENDING] = {"sending", TASK_AFTER(QUIET)},
    [STOPPED] = {"stopped", TASK_AFTER(QUIET)},
};

static const struct task_kind sender_kind = {
    .name = "iscsi sender",
    .step = sender_step,
    .done = sender_over,
    .invariant = sender_invariant,
    .states = sender_states,
    .state_count = array_length(sender_states),
};

void sender_start(struct connection *c)
{
    list_init(&c->sender.urgent);
    list_init(&c->sender.bulk);
    task_start(&c->sender.task, &sender_kind, &c->target->env->tasks, QUIET);
}
