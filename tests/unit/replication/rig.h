/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/replication/rig.h — one shard on one replica, an arbiter, and a clock that is ours.
 *
 * `restart()` is what a node's death is: the process is gone, the store keeps a prefix of what it
 * was given, the next process has a new env and, as the controller sees to, a higher epoch.
 */
#ifndef TESTS_UNIT_REPLICATION_RIG_H
#define TESTS_UNIT_REPLICATION_RIG_H

#include "replication/replication.h"
#include "tests/unit/replication/fake_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define BOUND_US    (60u * 1000 * 1000)
#define SHARD_SMALL 512u /* blocks: 2 MiB */
#define VOLUME_ID   ((struct identity){0x1122334455667788})
#define REPLICA_ID  ((struct identity){0xaa})
#define STRANGER_ID ((struct identity){0xbb})

/* Keeps heads and pages in memory; answers later, as the real one does. */
struct fake_arbiter {
    struct arbiter arbiter;
    struct env *env;
    struct timer timer;
    struct list waiting;
    uint64_t generation;
    uint32_t changes, last_members;
    enum err answer;
    bool stopped;
};

static void fake_arbiter_turn(struct timer *t)
{
    struct fake_arbiter *a = container_of(t, struct fake_arbiter, timer);
    struct list *l;

    while ((l = list_take(&a->waiting)) != NULL) {
        struct set_change *c = container_of(l, struct set_change, link);

        a->changes++;
        a->last_members = c->members;
        if (a->answer == E_OK)
            c->generation = ++a->generation;
        c->done(c, a->answer);
    }
}

static void fake_arbiter_change(struct arbiter *arbiter, struct set_change *c)
{
    struct fake_arbiter *a = container_of(arbiter, struct fake_arbiter, arbiter);

    list_append(&a->waiting, &c->link);
    if (!a->stopped)
        timer_start(&a->env->clock, &a->timer, 1500, fake_arbiter_turn);
}

static inline void fake_arbiter_go_on(struct fake_arbiter *a)
{
    a->stopped = false;
    timer_start(&a->env->clock, &a->timer, 1500, fake_arbiter_turn);
}

static void fake_arbiter_init(struct fake_arbiter *a, struct env *env)
{
    a->arbiter.change = fake_arbiter_change;
    a->env = env;
    memset(&a->timer, 0, sizeof a->timer);
    list_init(&a->waiting);
}

struct rig {
    struct sim *sim;
    struct env *env;
    struct store *store;
    struct store_replica *replica;
    struct fake_arbiter arbiter;
    struct rep_events events;
    struct rep_config config;
    struct rep_shard *shard; /* NULL: closed and freed, or never opened */
    uint32_t told;           /* changes of its state */
};

static void rig_changed(struct rep_events *events, struct rep_shard *s)
{
    struct rig *g = container_of(events, struct rig, events);

    g->told++;
    if (rep_shard_state(s) == REP_CLOSED) {
        rep_shard_free(s);
        g->shard = NULL;
    }
}

/* A replica made and never written; the record calls the shard new. */
static inline void rig_open(struct rig *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    g->sim = sim_open(seed);
    g->env = sim_env(g->sim, "node0");
    g->store = fake_open(g->sim, g->env);
    g->replica = fake_make(g->store, REPLICA_ID, VOLUME_ID, 3, SHARD_SMALL);
    fake_arbiter_init(&g->arbiter, g->env);
    g->events.changed = rig_changed;
    g->config = (struct rep_config){.volume = VOLUME_ID,
                                    .shard = 3,
                                    .size_blocks = SHARD_SMALL,
                                    .epoch = 1,
                                    .is_new = true,
                                    .min_copies = 1,
                                    .replica_count = 1};
    g->config.replicas[0] = (struct rep_replica){.identity = REPLICA_ID, .local = g->replica};
}

/* What the record says once the first set is recorded. */
static inline void rig_record(struct rig *g, uint64_t generation)
{
    g->config.is_new = false;
    g->config.generation = generation;
    g->config.replicas[0].in_sync = true;
    if (g->arbiter.generation < generation)
        g->arbiter.generation = generation;
}

static inline void rig_begin(struct rig *g)
{
    assert_int_equal(
        rep_shard_open(g->env, g->store, &g->config, &g->arbiter.arbiter, &g->events, &g->shard),
        E_OK);
}

struct rig_wish {
    const struct rig *rig;
    enum rep_state state;
};

static inline bool rig_wish_is_true(void *arg)
{
    const struct rig_wish *w = arg;

    return w->rig->shard && rep_shard_state(w->rig->shard) == w->state;
}

static inline void rig_until(struct rig *g, enum rep_state state)
{
    struct rig_wish wish = {g, state};

    assert_true(sim_run_until(g->sim, rig_wish_is_true, &wish, BOUND_US));
}

static inline void rig_serve(struct rig *g)
{
    rig_begin(g);
    rig_until(g, REP_SERVING);
}

/* Served once, first set and all; the record knows it. */
static inline void rig_serve_first(struct rig *g)
{
    rig_serve(g);
    rig_record(g, g->arbiter.generation);
}

static inline bool rig_is_closed(void *arg)
{
    return !((struct rig *)arg)->shard;
}

static inline void rig_close_shard(struct rig *g)
{
    rep_shard_close(g->shard);
    assert_true(sim_run_until(g->sim, rig_is_closed, g, BOUND_US));
}

static inline void rig_restart(struct rig *g)
{
    sim_crash(g->sim, g->env, SIM_KILLED);
    if (g->shard)
        sim_abandon(g->sim, g->shard);
    g->shard = NULL;
    g->env = sim_env(g->sim, "node0");
    fake_restart(g->store, g->env);
    fake_arbiter_init(&g->arbiter, g->env);
    g->config.epoch++;
}

static inline void rig_done(struct rig *g)
{
    if (g->shard)
        rig_close_shard(g);
    fake_close(g->store);
    sim_close(g->sim);
}

/* ---- requests ---- */

struct rig_write {
    struct rep_write write;
    struct extent_claim claim;
    struct iovec piece;
    uint32_t checksums[64];
    uint8_t bytes[64 * BLOCK_BYTES];
    bool answered;
    enum err err;
};

static void rig_write_done(struct rep_write *write, enum err err)
{
    struct rig_write *w = container_of(write, struct rig_write, write);

    w->answered = true;
    w->err = err;
}

/* Blocks [at, at + count) filled with one byte; no claim: the test sees to overlaps. */
static inline struct rig_write *rig_write_begin(struct rig *g, uint64_t at, uint64_t count,
                                                uint8_t byte)
{
    struct rig_write *w = calloc(1, sizeof *w);

    memset(w->bytes, byte, sizeof w->bytes);
    w->piece = (struct iovec){w->bytes, count * BLOCK_BYTES};
    block_checksums(VOLUME_ID, 3 * SHARD_BLOCKS + at, count, &w->piece, w->checksums);
    w->write = (struct rep_write){.shard = g->shard,
                                  .extent = {at, count},
                                  .pieces = &w->piece,
                                  .piece_count = 1,
                                  .checksums = w->checksums,
                                  .done = rig_write_done};
    rep_write(&w->write);
    return w;
}

static inline bool rig_write_answered(void *arg)
{
    return ((struct rig_write *)arg)->answered;
}

static inline enum err rig_write_end(struct rig *g, struct rig_write *w)
{
    enum err err;

    assert_true(sim_run_until(g->sim, rig_write_answered, w, BOUND_US));
    err = w->err;
    free(w);
    return err;
}

static inline enum err rig_write(struct rig *g, uint64_t at, uint64_t count, uint8_t byte)
{
    return rig_write_end(g, rig_write_begin(g, at, count, byte));
}

struct rig_read {
    struct rep_read read;
    struct iovec piece;
    uint8_t bytes[64 * BLOCK_BYTES];
    bool answered;
    enum err err;
};

static void rig_read_done(struct rep_read *read, enum err err)
{
    struct rig_read *r = container_of(read, struct rig_read, read);

    r->answered = true;
    r->err = err;
}

static inline bool rig_read_answered(void *arg)
{
    return ((struct rig_read *)arg)->answered;
}

static inline enum err rig_read(struct rig *g, uint64_t at, uint64_t count, struct rig_read *r)
{
    memset(r, 0, sizeof *r);
    r->piece = (struct iovec){r->bytes, count * BLOCK_BYTES};
    r->read = (struct rep_read){.shard = g->shard,
                                .extent = {at, count},
                                .pieces = &r->piece,
                                .piece_count = 1,
                                .done = rig_read_done};
    rep_read(&r->read);
    assert_true(sim_run_until(g->sim, rig_read_answered, r, BOUND_US));
    return r->err;
}

static inline void rig_expect(struct rig *g, uint64_t at, uint64_t count, uint8_t byte)
{
    struct rig_read *r = calloc(1, sizeof *r);

    assert_int_equal(rig_read(g, at, count, r), E_OK);
    for (uint64_t i = 0; i < count * BLOCK_BYTES; i++)
        assert_int_equal(r->bytes[i], byte);
    free(r);
}

#endif
