/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/volume/rig.h — a volume of small shards over the store in memory.
 *
 * Shards of 320 blocks (1.25 MiB), so that requests cross them and legs are cut.
 */
#ifndef TESTS_UNIT_VOLUME_RIG_H
#define TESTS_UNIT_VOLUME_RIG_H

#include "tests/unit/replication/rig.h"
#include "volume/volume.h"

#define SHARD_BLOCKS_SMALL 320u
#define SHARDS_MAX         6u

struct vol {
    struct sim *sim;
    struct env *env;
    struct store *store;
    struct store_replica *replicas[SHARDS_MAX]; /* of each shard */
    struct fake_arbiter arbiter;
    struct volume_events events;
    struct rep_config shards[SHARDS_MAX];
    struct volume_config config;
    struct volume *volume; /* NULL: closed and freed, or never opened */
    struct block *block;
    uint32_t told;
};

static void vol_changed(struct volume_events *events, struct volume *v)
{
    (void)v;
    container_of(events, struct vol, events)->told++;
}

static void vol_closed(struct volume_events *events, struct volume *v)
{
    struct vol *g = container_of(events, struct vol, events);

    volume_free(v);
    g->volume = NULL;
}

static inline void vol_shard(struct vol *g, uint32_t i, uint64_t blocks)
{
    struct identity replica = {0x100 + i};

    g->shards[i] = (struct rep_config){.volume = VOLUME_ID,
                                       .shard = i,
                                       .size_blocks = blocks,
                                       .epoch = 1,
                                       .is_new = true,
                                       .min_copies = 1,
                                       .replica_count = 1,
                                       .replicas = {{.identity = replica, .store = g->store}}};
    g->replicas[i] = fake_make(g->store, replica, VOLUME_ID, i, SHARD_BLOCKS_SMALL);
    g->replicas[i]->facts.size_blocks = blocks;
}

/* `count` shards, the last one of `last_blocks`. */
static inline void vol_init(struct vol *g, uint64_t seed, uint32_t count, uint64_t last_blocks)
{
    memset(g, 0, sizeof *g);
    g->sim = sim_open(seed);
    g->env = sim_env(g->sim, "node0");
    g->store = fake_open(g->sim, rig_home(g->sim, g->env));
    fake_arbiter_init(&g->arbiter, g->env);
    g->events.changed = vol_changed;
    g->events.closed = vol_closed;
    for (uint32_t i = 0; i < count; i++)
        vol_shard(g, i, i + 1 < count ? SHARD_BLOCKS_SMALL : last_blocks);
    g->config = (struct volume_config){
        .identity = VOLUME_ID,
        .name = "vol",
        .size_bytes = ((count - 1) * (uint64_t)SHARD_BLOCKS_SMALL + last_blocks) * BLOCK_BYTES,
        .logical_block_bytes = 512,
        .limits = volume_limits_default(),
        .shard_count = count,
        .shards = g->shards,
    };
}

static inline void vol_begin(struct vol *g)
{
    assert_int_equal(volume_open(g->env, &g->config, &g->arbiter.arbiter, &g->events, &g->volume),
                     E_OK);
    g->block = volume_block(g->volume);
}

static inline bool vol_is_serving(void *arg)
{
    return volume_serving(((struct vol *)arg)->volume);
}

static inline void vol_serve(struct vol *g)
{
    vol_begin(g);
    assert_true(sim_run_until(g->sim, vol_is_serving, g, BOUND_US));
    for (uint32_t i = 0; i < g->config.shard_count; i++) { /* the record says so from now on */
        struct rep_config *rep = &g->shards[i];

        rep->is_new = false;
        rep->generation = g->arbiter.generation;
        rep->replicas[0].in_sync = true;
    }
}

static inline bool vol_is_closed(void *arg)
{
    return !((struct vol *)arg)->volume;
}

static inline void vol_close(struct vol *g)
{
    volume_close(g->volume);
    assert_true(sim_run_until(g->sim, vol_is_closed, g, BOUND_US));
}

static inline void vol_restart(struct vol *g)
{
    if (!sim_dead(g->env))
        sim_crash(g->sim, g->env, SIM_KILLED);
    if (g->volume)
        sim_abandon(g->sim, g->volume);
    g->volume = NULL;
    g->env = sim_env(g->sim, "node0");
    fake_restart(g->store, rig_home(g->sim, g->env));
    fake_arbiter_init(&g->arbiter, g->env);
    for (uint32_t i = 0; i < g->config.shard_count; i++) {
        g->shards[i].epoch++;
        if (g->replicas[i]->facts.set.generation == 0)
            continue;
        g->shards[i].is_new = false;
        g->shards[i].generation = g->arbiter.generation;
        g->shards[i].replicas[0].in_sync = true;
    }
}

static inline void vol_done(struct vol *g)
{
    if (g->volume)
        vol_close(g);
    fake_close(g->store);
    sim_close(g->sim);
}

/* ---- single requests ---- */

struct ask {
    struct block_request request;
    struct iovec piece;
    uint8_t *bytes; /* twice the extent: room for both halves of a COMPARE AND WRITE */
    struct block_run runs[8];
    bool answered;
    enum err err;
};

static void ask_done(struct block_request *r, enum err err)
{
    struct ask *a = container_of(r, struct ask, request);

    a->answered = true;
    a->err = err;
}

static inline uint64_t ask_bytes(enum block_op op, uint64_t units)
{
    if (op == BLOCK_COMPARE_AND_WRITE)
        return 2 * units * UNIT_BYTES;
    if (op == BLOCK_READ || op == BLOCK_WRITE || op == BLOCK_OR_WRITE)
        return units * UNIT_BYTES;
    return 0;
}

static inline struct ask *ask_begin(struct vol *g, enum block_op op, uint64_t start, uint64_t count,
                                    uint8_t byte)
{
    struct ask *a = calloc(1, sizeof *a);
    uint64_t bytes = ask_bytes(op, count);

    a->bytes = malloc(2 * count * UNIT_BYTES);
    memset(a->bytes, byte, 2 * count * UNIT_BYTES);
    a->piece = (struct iovec){a->bytes, bytes};
    a->request = (struct block_request){.op = op,
                                        .extent = {start, count},
                                        .pieces = bytes ? &a->piece : NULL,
                                        .piece_count = bytes ? 1 : 0,
                                        .runs = a->runs,
                                        .run_max = array_length(a->runs),
                                        .done = ask_done};
    block_submit(g->block, &a->request);
    return a;
}

static inline bool ask_answered(void *arg)
{
    return ((struct ask *)arg)->answered;
}

static inline enum err ask_await(struct vol *g, struct ask *a)
{
    assert_true(sim_run_until(g->sim, ask_answered, a, BOUND_US));
    return a->err;
}

static inline void ask_free(struct ask *a)
{
    free(a->bytes);
    free(a);
}

static inline enum err ask(struct vol *g, enum block_op op, uint64_t start, uint64_t count,
                           uint8_t byte)
{
    struct ask *a = ask_begin(g, op, start, count, byte);
    enum err err = ask_await(g, a);

    ask_free(a);
    return err;
}

static inline void ask_expect(struct vol *g, uint64_t start, uint64_t count, uint8_t byte)
{
    struct ask *a = ask_begin(g, BLOCK_READ, start, count, (uint8_t)~byte);

    assert_int_equal(ask_await(g, a), E_OK);
    for (uint64_t i = 0; i < count * UNIT_BYTES; i++)
        assert_int_equal(a->bytes[i], byte);
    ask_free(a);
}

#endif
