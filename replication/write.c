/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/write.c — one write on the primary, from admission to answer.
 *
 * Comes from volume/ or alike.c, its blocks claimed exclusively; goes to message.c.
 *
 * The happy path: it gets the next number of this epoch, every replica is sent the same bytes, all
 * members answer, it is complete.
 *
 * What can go wrong:
 *   the shard does not take writes   it waits, unsent, until the shard does or is closed
 *   a replica has no room            refused before it is sent (E_NO_SPACE)
 *   every replica refused it         nothing has changed anywhere: the asker hears why
 *   a member's disk failed           its fate is open: it keeps its blocks (P6) until a takeover
 *                                    settles it; today, with one copy, by whoever opens it next
 *   another epoch was promised       superseded: whoever serves the shard settles it
 *
 * Promises: W1  complete means: durable on every member of a settled set of at least min_copies
 *               (P1, R2).
 *           W2  numbers have no gaps and go out in their order.
 */
#include "replication/shard.h"

#include <assert.h>

enum rep_write_state {
    ADMIT,     /* may this shard take a write here, now?                   */
    REPLICATE, /* the same bytes to every replica                          */
    GATHER,    /* until it is complete (W1), however long that takes       */
    ANSWER,    /* complete: the asker hears of it                          */
    REFUSED,   /* never sent, or changed nothing                           */
    GIVEN_UP,  /* not ours any more: whoever serves it settles what we sent */
};

static const struct task_state write_states[] = {
    [ADMIT] = {"admit", TASK_FIRST},
    [REPLICATE] = {"replicate", TASK_AFTER(ADMIT)},
    [GATHER] = {"gather", TASK_AFTER(REPLICATE)},
    [ANSWER] = {"answer", TASK_AFTER(GATHER)},
    [REFUSED] = {"refused", TASK_AFTER(ADMIT) | TASK_AFTER(GATHER)},
    [GIVEN_UP] = {"given up", TASK_AFTER(GATHER)},
};

/* W1, P1, P4: each member has it, no change of the set is under way, and enough are left. */
static bool write_complete(const struct rep_write *w)
{
    const struct rep_shard *s = w->shard;

    return s->set_settled && (s->set & ~w->durable) == 0 && set_members(s->set) >= s->min_copies;
}

static bool write_invariant(const struct task *t)
{
    const struct rep_write *w = container_of(t, struct rep_write, task);

    if (t->state == ANSWER) /* P1, P4 */
        return write_complete(w);
    if (t->state == REFUSED)
        return w->durable == 0;
    return (w->durable & ~w->sent) == 0 && (w->durable & w->failed) == 0;
}

static bool is_the_takeovers(const struct rep_write *w)
{
    return w == &w->shard->alike.write;
}

static bool takes_writes(const struct rep_write *w)
{
    const struct rep_shard *s = w->shard;

    return s->state == REP_SERVING || (s->state == REP_ALIKE && is_the_takeovers(w));
}

/* Why a write that the shard does not take need not wait for it. */
static enum err write_hopeless(const struct rep_shard *s)
{
    if (s->state == REP_SUPERSEDED)
        return E_NOT_PRIMARY;
    return s->closing ? E_CLOSED : E_OK;
}

/* 6.1: every replica's reserve covers one window, so that it cannot end half-written.  What a
 * takeover writes again is in the reserve.  A replica with another home is asked by the write. */
static bool fits_everywhere(const struct rep_write *w)
{
    if (w->unmap || is_the_takeovers(w))
        return true;
    for_each_replica(r, w->shard) {
        if (r->local && !message_fits(r, w))
            return false;
    }
    return true;
}

static enum task_next admit(struct rep_write *w)
{
    struct rep_shard *s = w->shard;
    enum err hopeless = write_hopeless(s);

    list_remove(&w->link); /* if it was parked */
    if (hopeless)
        return task_fail(&w->task, REFUSED, hopeless);
    if (!takes_writes(w)) {
        list_append(&s->parked, &w->link);
        if (s->metrics)
            metric_add(&s->metrics->parked_writes, 1);
        return TASK_WAIT;
    }
    if (!fits_everywhere(w))
        return task_fail(&w->task, REFUSED, E_NO_SPACE);
    return task_goto(&w->task, REPLICATE);
}

static void replicate(struct rep_write *w)
{
    struct rep_shard *s = w->shard;

    w->seq = ++s->last_seq; /* W2 */
    list_append(&s->in_flight, &w->link);
    if (s->metrics)
        metric_add(&s->metrics->writes_in_flight, 1);
    commit_rides(s);
    for_each_replica(r, s) {
        if (!r->local)
            continue; /* not made here: it is not a member */
        w->sent |= r->bit;
        message_write(r, w);
    }
}

static enum task_next gather(struct rep_write *w)
{
    struct rep_shard *s = w->shard;
    uint32_t silent = w->sent & ~(w->durable | w->failed | w->refused);
    enum err hopeless = write_hopeless(s);

    if (silent)
        return TASK_WAIT; /* nothing that was sent is recalled (P6) */
    if (write_complete(w))
        return task_goto(&w->task, ANSWER);
    if (w->refused == w->sent)
        return task_fail(&w->task, REFUSED, w->err);
    if (hopeless)
        return task_fail(&w->task, GIVEN_UP, hopeless);
    return TASK_WAIT; /* a state that changes wakes us */
}

static enum task_next write_step(struct task *t)
{
    struct rep_write *w = container_of(t, struct rep_write, task);

    switch ((enum rep_write_state)t->state) {
    case ADMIT:
        return admit(w);

    case REPLICATE: /* from here on it is never recalled (P6) */
        replicate(w);
        return task_wait_in(t, GATHER);

    case GATHER:
        return gather(w);

    case GIVEN_UP:
        w->shard->commit_stands = true; /* its fate is open: never call it complete */
        return TASK_DONE;

    case ANSWER:
    case REFUSED:
        return TASK_DONE;
    }
    unreachable();
}

static void count(const struct rep_shard *s, const struct rep_write *w)
{
    struct rep_metrics *m = s->metrics;

    if (!m)
        return;
    if (w->seq > 0)
        metric_subtract(&m->writes_in_flight, 1);
    if (w->task.err)
        metric_add(&m->failed_writes, 1);
    else
        metric_record(&m->write_seconds, now_us(&s->env->clock) - w->task.started_us);
}

static void write_done(struct task *t)
{
    struct rep_write *w = container_of(t, struct rep_write, task);
    struct rep_shard *s = w->shard;

    list_remove(&w->link);
    count(s, w);
    if (w->sent)
        commit_advance(s);
    shard_request_ended(s);
    w->done(w, t->err);
}

static const struct task_kind write_kind = {
    .name = "rep_write",
    .step = write_step,
    .done = write_done,
    .invariant = write_invariant,
    .states = write_states,
    .state_count = array_length(write_states),
};

void rep_write(struct rep_write *w)
{
    assert(w->extent.count > 0 && w->extent.count <= WRITE_BLOCKS_MAX);
    assert(extent_within(w->extent, w->shard->size_blocks));
    assert(w->unmap || w->checksums);

    w->seq = 0;
    w->sent = w->durable = w->refused = w->failed = 0;
    w->err = E_OK;
    list_init(&w->link);
    task_start(&w->task, &write_kind, &w->shard->env->tasks, ADMIT);
}

/* The store promises that nothing has changed. */
static bool changed_nothing(enum err err)
{
    return err == E_NO_SPACE || err == E_MEDIUM || err == E_LBA_RANGE;
}

void write_answered(struct replica *r, struct rep_write *w, enum err err)
{
    if (err == E_OK) {
        w->durable |= r->bit;
    } else if (changed_nothing(err)) {
        w->refused |= r->bit;
        w->err = err;
    } else {
        w->failed |= r->bit;
        shard_suspect(r, err);
    }
    task_run(&w->task);
}

/* ---- notes of COMPARE AND WRITEs ---- */

bool rep_note_answers(struct rep_shard *s, struct rep_question *q, const struct store_note *n,
                      struct task *waiter)
{
    struct replica *r = s->state == REP_SERVING ? shard_member(s) : NULL;

    q->note = *n;
    if (r)
        return message_noted(r, q, waiter);
    return shard_answer_itself(q, false);
}

void rep_note_acknowledged(struct rep_shard *s, const struct store_note *n)
{
    for_each_replica(r, s) {
        if (r->local)
            message_note_acknowledged(r, n);
    }
}
