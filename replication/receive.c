/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/receive.c — the replica's side of a message: checked, performed, answered.
 *
 * Runs at the home of the replica's store, which need not be the asker's: nothing is touched but
 * the store, the message and what was sent with it.
 */
#include "replication/shard.h"

#include <assert.h>

/*
 * P2, R1: exactly the epoch that was promised, durably; neither an older nor a newer one.  From the
 * request for a newer promise on it is none: what came behind it would be in no report.
 */
static bool serves(const struct rep_message *m)
{
    struct store_facts facts;

    if (!m->local)
        return false;
    store_facts(m->local, &facts);
    return facts.promised == m->epoch && facts.asked == m->epoch;
}

static struct rep_order *order_of(struct rep_message *m)
{
    return container_of(m, struct rep_order, message);
}

/* ---- changes ---- */

static void performed(struct store_change *c, enum err err)
{
    message_answer(&container_of(c, struct rep_order, change)->message, err);
}

static void perform(struct rep_order *o, enum store_change_kind kind,
                    void (*done)(struct store_change *, enum err))
{
    o->change.kind = kind;
    o->change.replica = o->message.local;
    o->change.done = done;
    store_change(o->message.store, &o->change);
}

static bool find(struct rep_order *o)
{
    o->message.local = store_find(o->message.store, o->change.identity);
    return o->message.local != NULL;
}

static bool is_smaller(const struct rep_order *o)
{
    struct store_facts facts;

    store_facts(o->message.local, &facts);
    return facts.size_blocks < o->change.size_blocks;
}

void receive_grow(struct rep_message *m)
{
    struct rep_order *o = order_of(m);

    if (!find(o))
        message_answer(m, E_NOT_FOUND);
    else if (is_smaller(o))
        perform(o, STORE_RESIZE, performed);
    else
        message_answer(m, E_OK);
}

static void report(struct rep_order *o, enum err err)
{
    store_facts(o->message.local, &container_of(o, struct replica, order)->facts);
    message_answer(&o->message, err);
}

static void reported(struct store_change *c, enum err err)
{
    report(container_of(c, struct rep_order, change), err);
}

/* A replica made before its shard grew, or that was away meanwhile, grows now. */
static void promised(struct store_change *c, enum err err)
{
    struct rep_order *o = container_of(c, struct rep_order, change);

    if (err || !is_smaller(o)) {
        report(o, err);
        return;
    }
    o->change = (struct store_change){.size_blocks = o->change.size_blocks};
    perform(o, STORE_RESIZE, reported);
}

void receive_promise(struct rep_message *m)
{
    struct rep_order *o = order_of(m);
    struct store_facts facts;

    if (!find(o)) {
        message_answer(m, E_NOT_FOUND);
        return;
    }
    store_facts(m->local, &facts);
    o->change.epoch = m->epoch;
    if (facts.asked > m->epoch)
        report(o, E_STALE_EPOCH);
    else
        perform(o, STORE_PROMISE, promised);
}

void receive_set(struct rep_message *m)
{
    if (serves(m))
        perform(order_of(m), STORE_SET, reported);
    else
        message_answer(m, E_STALE_EPOCH);
}

/* 6.1, as message_fits() where that could not tell.  What a takeover writes is in the reserve. */
static bool fits(const struct rep_order *o)
{
    return message_is_near(&o->message) || !o->change.stamp.sealed ||
           o->change.kind == STORE_UNMAP || store_fits(o->message.local, o->change.extent);
}

void receive_write(struct rep_message *m)
{
    struct rep_order *o = order_of(m);

    if (!serves(m))
        message_answer(m, E_STALE_EPOCH);
    else if (!fits(o))
        message_answer(m, E_NO_SPACE);
    else
        perform(o, o->change.kind, performed);
}

/* ---- reads, questions ---- */

static void fetched(struct store_read *read, enum err err)
{
    message_answer(&container_of(read, struct rep_fetch, read)->message, err);
}

void receive_read(struct rep_message *m)
{
    struct rep_fetch *f = container_of(m, struct rep_fetch, message);

    if (!serves(m)) { /* `lease` = 0: each read asks (6.4) */
        message_answer(m, E_STALE_EPOCH);
        return;
    }
    f->read.replica = m->local;
    f->read.done = fetched;
    store_read(&f->read);
}

void receive_mapped(struct rep_message *m)
{
    struct rep_question *q = container_of(m, struct rep_question, message);
    bool ours = serves(m);

    if (ours)
        q->yes = store_mapped(m->local, q->blocks.start, q->blocks.count, &q->count);
    message_answer(m, ours ? E_OK : E_STALE_EPOCH);
}

void receive_noted(struct rep_message *m)
{
    struct rep_question *q = container_of(m, struct rep_question, message);
    bool ours = serves(m);

    if (ours)
        q->yes = store_note_answers(m->local, &q->note);
    message_answer(m, ours ? E_OK : E_STALE_EPOCH);
}

void receive_open_writes(struct rep_message *m)
{
    struct rep_question *q = container_of(m, struct rep_question, message);
    bool ours = serves(m);

    if (ours)
        q->count = store_open_writes(m->local, q->open_ret, q->open_max);
    message_answer(m, ours ? E_OK : E_STALE_EPOCH);
}

/* ---- words ---- */

void receive_word(struct rep_message *m)
{
    const struct word *w = container_of(m, struct word, message);
    bool ours = serves(m);

    if (ours && w->commit)
        store_commit(m->local, m->epoch, w->commit_seq, w->sealed);
    for (uint32_t i = 0; ours && i < w->note_count; i++)
        store_note_acknowledged(m->local, &w->notes[i]);
    message_answer(m, E_OK);
}
