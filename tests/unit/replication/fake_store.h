/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/replication/fake_store.h — store/store.h in memory, for tests of what stands on it.
 *
 * Included by one file of a test program, whose functions then stand before the store's own.  It
 * keeps the door's promises (order, S1 to S3) with a delay drawn from the seed, and asserts those
 * that replication owes it (fake_replica.h).  What a test sets to fail, fails.
 */
#ifndef TESTS_UNIT_REPLICATION_FAKE_STORE_H
#define TESTS_UNIT_REPLICATION_FAKE_STORE_H

#include "tests/unit/replication/fake_replica.h"

static struct store *fake_open(struct sim *sim, struct env *env)
{
    struct store *s = calloc(1, sizeof *s);

    s->sim = sim;
    s->env = env;
    s->delay_us = 300;
    list_init(&s->changes);
    list_init(&s->reads);
    return s;
}

static struct store_replica *fake_make(struct store *s, struct identity replica,
                                       struct identity volume, uint32_t shard, uint64_t blocks)
{
    struct store_replica *r = calloc(1, sizeof *r);

    r->store = s;
    r->facts = (struct store_facts){
        .replica = replica, .volume = volume, .shard = shard, .size_blocks = blocks, .empty = true};
    r->room_blocks = blocks;
    r->bytes = calloc(blocks, BLOCK_BYTES);
    r->blocks = calloc(blocks, 1);
    s->replicas[s->replica_count++] = r;
    return r;
}

static void fake_close(struct store *s)
{
    for (uint32_t i = 0; i < s->replica_count; i++) {
        free(s->replicas[i]->bytes);
        free(s->replicas[i]->blocks);
        free(s->replicas[i]);
    }
    free(s);
}

static void fake_do_read(struct store_read *read)
{
    struct store_replica *r = read->replica;
    const uint8_t *from = r->bytes + read->extent.start * BLOCK_BYTES;
    uint64_t left = read->extent.count * BLOCK_BYTES;
    enum err err = E_OK;

    if (r->store->reads_nothing) {
        read->done(read, E_DISK);
        return;
    }
    for (uint32_t i = 0; i < read->piece_count && left > 0; i++) {
        size_t take = (size_t)min_u64(read->pieces[i].iov_len, left);

        memcpy(read->pieces[i].iov_base, from, take);
        from += take;
        left -= take;
    }
    assert(left == 0);
    for (uint64_t i = read->extent.count; i > 0; i--) {
        if (r->blocks[read->extent.start + i - 1] == FAKE_LOST) {
            err = E_MEDIUM;
            read->bad_block = read->extent.start + i - 1;
        }
    }
    read->done(read, err);
}

/* ---- time ---- */

static void fake_turn(struct timer *t);

static void fake_schedule(struct store *s)
{
    bool idle = list_empty(&s->changes) && list_empty(&s->reads);

    if (!idle && !s->stopped && !timer_running(&s->timer))
        timer_start(&s->env->clock, &s->timer, 1 + sim_draw(s->sim, s->delay_us + 1), fake_turn);
}

/* Some of what waits is answered: changes in their order, reads too. */
static void fake_turn(struct timer *t)
{
    struct store *s = container_of(t, struct store, timer);
    uint64_t budget = 1 + sim_draw(s->sim, 4);

    while (budget-- > 0 && !list_empty(&s->changes)) {
        struct store_change *c = container_of(list_take(&s->changes), struct store_change, link);
        enum err err = fake_apply(c);

        s->changes_done++;
        c->done(c, err);
    }
    if (!list_empty(&s->reads) && sim_draw(s->sim, 3) > 0) {
        s->reads_done++;
        fake_do_read(container_of(list_take(&s->reads), struct store_read, link));
    }
    fake_schedule(s);
}

static inline void fake_go_on(struct store *s)
{
    s->stopped = false;
    fake_schedule(s);
}

/* The process died: of what was given and not answered, a prefix has become durable. */
static inline void fake_restart(struct store *s, struct env *env)
{
    bool lost = false;

    while (!list_empty(&s->changes)) {
        struct store_change *c = container_of(list_take(&s->changes), struct store_change, link);

        lost = lost || sim_draw(s->sim, 3) == 0;
        if (!lost)
            (void)fake_apply(c);
    }
    list_init(&s->reads);
    memset(&s->timer, 0, sizeof s->timer);
    s->env = env;
    s->stopped = false;
}

/* ---- the door ---- */

struct env *store_env(const struct store *s)
{
    return s->env;
}

struct store_replica *store_find(struct store *s, struct identity replica)
{
    for (uint32_t i = 0; i < s->replica_count; i++)
        if (identity_equal(s->replicas[i]->facts.replica, replica))
            return s->replicas[i];
    return NULL;
}

/* The word tells the truth; what was refused where it arrived counts as complete. */
static void fake_check_word(const struct store_replica *r, uint64_t epoch, uint64_t seq)
{
    assert(seq <= (r->seen_epoch == epoch ? r->seen_seq : 0) || r->store->was_full);
}

void store_change(struct store *s, struct store_change *c)
{
    c->store = s;
    if (c->kind == STORE_PROMISE)
        c->replica->facts.asked = max_u64(c->replica->facts.asked, c->epoch);
    if (c->kind == STORE_WRITE || c->kind == STORE_UNMAP)
        fake_check_word(c->replica, c->stamp.epoch, c->stamp.commit_seq);
    list_append(&s->changes, &c->link);
    fake_schedule(s);
}

void store_read(struct store_read *read)
{
    struct store *s = read->replica->store;

    assert(extent_within(read->extent, read->replica->facts.size_blocks));
    list_append(&s->reads, &read->link);
    fake_schedule(s);
}

void store_commit(struct store_replica *r, uint64_t epoch, uint64_t seq, bool sealed)
{
    assert(epoch == r->facts.promised);
    fake_check_word(r, epoch, seq);
    r->store->commits++;
    fake_settle(r, epoch, seq, sealed);
}

static bool fake_noted(const struct store_replica *r, const struct store_note *n)
{
    const struct store_note *own = &r->note;

    return own->initiator && own->initiator == n->initiator && own->unit == n->unit &&
           own->units == n->units && memcmp(own->hash, n->hash, sizeof n->hash) == 0;
}

bool store_note_answers(struct store_replica *r, const struct store_note *n)
{
    bool answers = fake_noted(r, n) && r->note.session != n->session;

    if (answers)
        r->note.session = n->session;
    return answers;
}

void store_note_acknowledged(struct store_replica *r, const struct store_note *n)
{
    if (fake_noted(r, n) && r->note.session == n->session)
        r->note.initiator = 0;
}

void store_facts(const struct store_replica *r, struct store_facts *ret)
{
    *ret = r->facts;
    ret->asked = max_u64(ret->asked, ret->promised);
}

bool store_fits(const struct store_replica *r, struct extent blocks)
{
    (void)blocks;
    r->store->was_full |= r->store->full;
    return !r->store->full;
}

bool store_mapped(const struct store_replica *r, uint64_t at, uint64_t max, uint64_t *ret_count)
{
    bool mapped = r->blocks[at] != FAKE_NOTHING;
    uint64_t count = 1;

    while (count < max && (r->blocks[at + count] != FAKE_NOTHING) == mapped)
        count++;
    *ret_count = count;
    return mapped;
}

uint32_t store_open_writes(const struct store_replica *r, struct extent *ret, uint32_t max)
{
    uint32_t count = min_u32(max, r->open_count);

    for (uint32_t i = 0; i < count; i++)
        ret[i] = r->open[i].extent;
    return count;
}

#endif
