/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/replication/rig.h — one shard on one replica, an arbiter, and a clock that is ours.
 *
 * The shard and the store have one home, or with `rig_apart` each its own: then every message is
 * mail.  `rig_both()` runs the tests in both worlds.
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

static bool rig_apart;

/* The env of a store beside the process that `env` belongs to. */
static inline struct env *rig_home(struct sim *sim, struct env *env)
{
    return rig_apart ? sim_env_beside(sim, env, "home1") : env;
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
    g->store = fake_open(g->sim, rig_home(g->sim, g->env));
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
    g->config.replicas[0] = (struct rep_replica){.identity = REPLICA_ID, .store = g->store};
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
    assert_int_equal(rep_shard_open(g->env, &g->config, &g->arbiter.arbiter, &g->events, &g->shard),
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
    if (rig_apart)
        sim_run_for(g->sim, 1000); /* the word that it serves is on its way */
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
    fake_restart(g->store, rig_home(g->sim, g->env));
    fake_arbiter_init(&g->arbiter, g->env);
    g->config.epoch++;
}

#define rig_both(tests) rig_run_both(#tests, tests, array_length(tests))

static inline int rig_run_both(const char *name, const struct CMUnitTest *tests, size_t count)
{
    int failed;

    rig_apart = false;
    failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    rig_apart = true;
    return failed + _cmocka_run_group_tests("apart", tests, count, NULL, NULL);
}

static inline void rig_done(struct rig *g)
{
    if (g->shard)
        rig_close_shard(g);
    fake_close(g->store);
    sim_close(g->sim);
}

#endif
