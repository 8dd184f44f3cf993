/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/message.c — one function for each message to a replica.
 *
 * Today every replica that can be asked lies on this node: a message is a call, its answer a `done`
 * of the store.  What the replica's side must check (R1: its epoch first) is checked here, as it
 * will be where a message arrives.
 */
#include "replication/shard.h"

#include <assert.h>

/*
 * P2: exactly the epoch that was promised, durably; neither an older nor a newer one.  From the
 * request for a newer promise on it is none: what came behind it would be in no report.
 */
static bool serves_our_epoch(const struct replica *r)
{
    struct store_facts facts;

    if (!r->local)
        return false;
    store_facts(r->local, &facts);
    return facts.promised == r->shard->epoch && facts.asked == r->shard->epoch;
}

static void answer(struct replica *r, enum err err)
{
    r->answered = true;
    r->err = err;
    task_run(&r->shard->task);
}

static void change_answered(struct store_change *c, enum err err)
{
    struct replica *r = container_of(c, struct replica, change);

    store_facts(r->local, &r->facts);
    answer(r, err);
}

/* A replica made before its shard grew, or that was away meanwhile. */
static void grow(struct replica *r)
{
    r->change = (struct store_change){.kind = STORE_RESIZE,
                                      .replica = r->local,
                                      .size_blocks = r->shard->size_blocks,
                                      .done = change_answered};
    store_change(r->shard->store, &r->change);
}

static void promise_answered(struct store_change *c, enum err err)
{
    struct replica *r = container_of(c, struct replica, change);

    store_facts(r->local, &r->facts);
    if (err == E_OK && r->facts.size_blocks < r->shard->size_blocks)
        grow(r);
    else
        answer(r, err);
}

void message_promise(struct replica *r)
{
    r->answered = false;
    if (!r->local) {
        answer(r, E_NOT_FOUND);
        return;
    }
    store_facts(r->local, &r->facts);
    if (r->facts.asked > r->shard->epoch) {
        answer(r, E_STALE_EPOCH);
        return;
    }
    r->change = (struct store_change){.kind = STORE_PROMISE,
                                      .replica = r->local,
                                      .epoch = r->shard->epoch,
                                      .done = promise_answered};
    store_change(r->shard->store, &r->change);
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

void message_set(struct replica *r)
{
    r->answered = false;
    if (!serves_our_epoch(r)) {
        answer(r, E_STALE_EPOCH);
        return;
    }
    r->change = (struct store_change){
        .kind = STORE_SET, .replica = r->local, .set = set_of(r->shard), .done = change_answered};
    store_change(r->shard->store, &r->change);
}

static struct store_stamp stamp_of(const struct rep_shard *s, uint64_t seq)
{
    return (struct store_stamp){.generation = s->generation,
                                .snapshot = s->snapshot,
                                .epoch = s->epoch,
                                .seq = seq,
                                .commit_seq = s->commit_seq,
                                .sealed = s->sealed};
}

static struct replica *local_replica(struct rep_shard *s)
{
    for_each_replica(r, s) {
        if (r->local)
            return r;
    }
    unreachable();
}

static void local_write_answered(struct store_change *c, enum err err)
{
    struct rep_write *w = container_of(c, struct rep_write, change);

    write_answered(local_replica(w->shard), w, err);
}

/* A takeover writes what its source has: there the notes still tell the truth. */
static bool holds_it_already(const struct replica *r, const struct rep_write *w)
{
    const struct alike *a = &r->shard->alike;

    return w == &a->write && r == a->source;
}

void message_write(struct replica *r, struct rep_write *w)
{
    if (!serves_our_epoch(r)) {
        write_answered(r, w, E_STALE_EPOCH);
        return;
    }
    w->change = (struct store_change){.kind = w->unmap ? STORE_UNMAP : STORE_WRITE,
                                      .replica = r->local,
                                      .done = local_write_answered,
                                      .extent = w->extent,
                                      .pieces = w->pieces,
                                      .piece_count = w->piece_count,
                                      .checksums = w->checksums,
                                      .stamp = stamp_of(r->shard, w->seq),
                                      .note = w->note,
                                      .again = holds_it_already(r, w)};
    store_change(r->shard->store, &w->change);
}

bool message_note_answers(struct replica *r, const struct store_note *n)
{
    return serves_our_epoch(r) && store_note_answers(r->local, n);
}

void message_note_acknowledged(struct replica *r, const struct store_note *n)
{
    if (serves_our_epoch(r))
        store_note_acknowledged(r->local, n);
}

void message_commit(struct replica *r)
{
    if (serves_our_epoch(r))
        store_commit(r->local, r->shard->epoch, r->shard->commit_seq, r->shard->sealed);
}

enum err message_read(struct replica *r, struct store_read *read)
{
    if (!serves_our_epoch(r)) /* `lease` = 0: each read asks (6.4) */
        return E_STALE_EPOCH;
    read->replica = r->local;
    store_read(read);
    return E_OK;
}
