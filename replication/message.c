/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/message.c — one function for each message to a replica, and the way there and back.
 *
 * A message is performed at the home of the replica's store (receive.c) and comes back with its
 * answer.  Where that is our home too, both ways are calls.  Else both are mail (env): from sending
 * to return the message, and all that it points to, belongs to the other home, and the shard waits
 * for it, also when it closes.  Nothing else of the shard is looked at over there.
 *
 * Promises: M1  messages to a replica arrive in the order in which they were sent (W2).
 */
#include "replication/shard.h"

#include <assert.h>
#include <string.h>

/* ---- the way there and back ---- */

bool message_is_near(const struct rep_message *m)
{
    return store_env(m->store) == m->asker;
}

static void opened_there(struct mail *mail)
{
    struct rep_message *m = container_of(mail, struct rep_message, mail);

    m->arrived(m);
}

static void opened_here(struct mail *mail)
{
    struct rep_message *m = container_of(mail, struct rep_message, mail);
    struct rep_shard *s = m->replica->shard;

    s->mail--;
    m->returned(m);
    shard_request_ended(s);
}

void message_answer(struct rep_message *m, enum err err)
{
    m->err = err;
    if (message_is_near(m)) {
        m->returned(m);
        return;
    }
    m->mail.opened = opened_here;
    mail_send(m->asker, &m->mail);
}

static void address(struct rep_message *m, struct replica *r, void (*arrived)(struct rep_message *),
                    void (*returned)(struct rep_message *))
{
    *m = (struct rep_message){.replica = r,
                              .store = r->store,
                              .local = r->local,
                              .asker = r->shard->env,
                              .arrived = arrived,
                              .returned = returned,
                              .epoch = r->shard->epoch};
}

static void send(struct rep_message *m)
{
    if (message_is_near(m)) {
        m->arrived(m);
        return;
    }
    m->replica->shard->mail++;
    m->mail.opened = opened_there;
    mail_send(store_env(m->store), &m->mail);
}

/* ---- PROMISE, SET, GROW ---- */

static void answered(struct replica *r, enum err err)
{
    r->answered = true;
    r->err = err;
    task_run(&r->shard->task);
}

static void promised(struct rep_message *m)
{
    m->replica->local = m->local;
    answered(m->replica, m->err);
}

void message_promise(struct replica *r)
{
    r->answered = false;
    if (!r->store) {
        answered(r, E_NOT_FOUND);
        return;
    }
    address(&r->order.message, r, receive_promise, promised);
    r->order.change =
        (struct store_change){.identity = r->identity, .size_blocks = r->shard->size_blocks};
    send(&r->order.message);
}

static struct store_set set_of(const struct rep_shard *s)
{
    struct store_set set = {
        .epoch = s->epoch, .generation = s->generation, .snapshot = s->snapshot};

    for_each_replica(r, s) {
        if (s->set & r->bit)
            set.members[set.member_count++] = r->identity;
    }
    return set;
}

static void set_stored(struct rep_message *m)
{
    answered(m->replica, m->err);
}

void message_set(struct replica *r)
{
    r->answered = false;
    if (!r->local) {
        answered(r, E_STALE_EPOCH);
        return;
    }
    address(&r->order.message, r, receive_set, set_stored);
    r->order.change = (struct store_change){.set = set_of(r->shard)};
    send(&r->order.message);
}

void message_grow(struct replica *r, struct rep_order *order, uint64_t size_blocks,
                  void (*returned)(struct rep_message *))
{
    address(&order->message, r, receive_grow, returned);
    order->change = (struct store_change){.identity = r->identity, .size_blocks = size_blocks};
    send(&order->message);
}

/* ---- WRITE, UNMAP ---- */

static struct store_stamp stamp_of(const struct rep_shard *s, uint64_t seq)
{
    return (struct store_stamp){.generation = s->generation,
                                .snapshot = s->snapshot,
                                .epoch = s->epoch,
                                .seq = seq,
                                .commit_seq = s->commit_seq,
                                .sealed = s->sealed};
}

static void written(struct rep_message *m)
{
    struct rep_order *o = container_of(m, struct rep_order, message);

    write_answered(m->replica, container_of(o, struct rep_write, order), m->err);
}

/* A takeover writes what its source has: there the notes still tell the truth. */
static bool holds_it_already(const struct replica *r, const struct rep_write *w)
{
    const struct alike *a = &r->shard->alike;

    return w == &a->write && r == a->source;
}

void message_write(struct replica *r, struct rep_write *w)
{
    address(&w->order.message, r, receive_write, written);
    w->order.change = (struct store_change){.kind = w->unmap ? STORE_UNMAP : STORE_WRITE,
                                            .extent = w->extent,
                                            .pieces = w->pieces,
                                            .piece_count = w->piece_count,
                                            .checksums = w->checksums,
                                            .stamp = stamp_of(r->shard, w->seq),
                                            .note = w->note,
                                            .again = holds_it_already(r, w)};
    send(&w->order.message);
}

bool message_fits(struct replica *r, const struct rep_write *w)
{
    return store_env(r->store) != r->shard->env || store_fits(r->local, w->extent);
}

/* ---- READ ---- */

void message_read(struct replica *r, struct rep_fetch *fetch,
                  void (*returned)(struct rep_message *))
{
    address(&fetch->message, r, receive_read, returned);
    send(&fetch->message);
}

/* ---- COMMIT, NOTE: one word at a time; what there is to say meanwhile goes with the next ---- */

static void say_word(struct replica *r);

static void word_said(struct rep_message *m)
{
    m->replica->word_under_way = false;
    say_word(m->replica);
}

static void say_word(struct replica *r)
{
    const struct rep_shard *s = r->shard;
    struct word *w = &r->word;

    if (r->word_under_way || (!r->owes_commit && r->owed_notes == 0))
        return;
    w->commit = r->owes_commit;
    w->commit_seq = s->commit_seq;
    w->sealed = s->sealed;
    w->note_count = r->owed_notes;
    memcpy(w->notes, r->owed, r->owed_notes * sizeof r->owed[0]);
    r->owes_commit = false;
    r->owed_notes = 0;
    r->word_under_way = true;
    address(&w->message, r, receive_word, word_said);
    send(&w->message);
}

void message_commit(struct replica *r)
{
    if (!r->local)
        return;
    r->owes_commit = true;
    say_word(r);
}

/* Of more than it can carry the oldest is left out: the commands after it have pushed its note out.
 */
void message_note_acknowledged(struct replica *r, const struct store_note *n)
{
    if (r->owed_notes == WORD_NOTES)
        memmove(&r->owed[0], &r->owed[1], --r->owed_notes * sizeof r->owed[0]);
    r->owed[r->owed_notes++] = *n;
    say_word(r);
}

/* ---- questions ---- */

static void told(struct rep_message *m)
{
    struct rep_question *q = container_of(m, struct rep_question, message);

    q->answered = true;
    q->err = m->err;
    if (q->waiter)
        task_run(q->waiter);
}

static bool ask(struct replica *r, struct rep_question *q, void (*arrived)(struct rep_message *),
                struct task *waiter)
{
    q->answered = false;
    q->waiter = NULL; /* an answer inside this call is nobody's news */
    address(&q->message, r, arrived, told);
    send(&q->message);
    if (!q->answered)
        q->waiter = waiter;
    return q->answered;
}

bool message_mapped(struct replica *r, struct rep_question *q, struct task *waiter)
{
    return ask(r, q, receive_mapped, waiter);
}

bool message_noted(struct replica *r, struct rep_question *q, struct task *waiter)
{
    return ask(r, q, receive_noted, waiter);
}

bool message_open_writes(struct replica *r, struct rep_question *q, struct task *waiter)
{
    return ask(r, q, receive_open_writes, waiter);
}
