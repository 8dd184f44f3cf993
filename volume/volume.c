/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/volume.c — one volume on its primary: opened, asked, closed.
 *
 * All its memory for requests is taken when it is opened.  Its life is a task: OPEN until it is
 * closed; then it awaits what is under way; then its shards close; then `closed` is told.  While it
 * drains, a shard that does not serve is closed at once: what waits for it would wait for ever.
 */
#include "volume/inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum volume_state {
    OPEN,  /* until volume_close()                      */
    DRAIN, /* until every request was answered          */
    CLOSE, /* until every shard is closed               */
};

static const struct task_state volume_states[] = {
    [OPEN] = {"open", TASK_FIRST},
    [DRAIN] = {"drain", TASK_AFTER(OPEN)},
    [CLOSE] = {"close", TASK_AFTER(DRAIN)},
};

static const struct block_ops volume_block_ops = {.submit = request_submit,
                                                  .acknowledged = note_acknowledged};

/* ---- limits ---- */

struct volume_limits volume_limits_default(void)
{
    return (struct volume_limits){
        .requests_max = 256, .writes_max = 256, .write_bytes_max = UINT64_C(32) << 20};
}

static uint32_t spare_legs(const struct volume_limits *l)
{
    return min_u32(l->writes_max, SPARE_LEGS_MAX);
}

static uint32_t edges(const struct volume_limits *l)
{
    return min_u32(l->requests_max, EDGES_MAX);
}

static uint32_t workspaces(const struct volume_limits *l)
{
    return min_u32(l->requests_max, WORKSPACES_MAX);
}

uint64_t volume_limits_bytes(const struct volume_limits *l)
{
    uint64_t bytes = sizeof(struct volume);

    bytes += (uint64_t)l->requests_max * sizeof(struct op);            /* each with a leg */
    bytes += (uint64_t)spare_legs(l) * sizeof(struct leg);             /* large requests  */
    bytes += (uint64_t)edges(l) * sizeof(struct edges);                /* parts of blocks */
    bytes += (uint64_t)workspaces(l) * WORKSPACE_BLOCKS * BLOCK_BYTES; /* atomic.c        */
    return bytes;
}

static enum err pools_open(struct volume *v, const struct volume_limits *l)
{
    enum err err;

    err = pool_open(&v->ops, "volume requests", sizeof(struct op), _Alignof(struct op),
                    l->requests_max);
    if (err)
        return err;
    err = pool_open(&v->spare_legs, "volume spare legs", sizeof(struct leg), _Alignof(struct leg),
                    spare_legs(l));
    if (err)
        return err;
    err = supply_open(&v->edges, "volume edges", sizeof(struct edges), edges(l));
    if (err)
        return err;
    return supply_open(&v->workspaces, "volume workspaces", (size_t)WORKSPACE_BLOCKS * BLOCK_BYTES,
                       workspaces(l));
}

/* ---- shards ---- */

struct volume_shard *shard_at(const struct volume *v, uint64_t block)
{
    uint64_t index = v->shard_count > 1 ? block / v->shard_blocks : 0;

    return &v->shards[min_u64(index, v->shard_count - 1)];
}

bool shards_make_sense(const struct rep_config *configs, uint32_t count, uint64_t size_bytes)
{
    uint64_t blocks = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct rep_config *c = &configs[i];

        if (c->shard != i || c->size_blocks == 0 || c->size_blocks > SHARD_BLOCKS)
            return false;
        if (i + 1 < count && c->size_blocks != configs[0].size_blocks)
            return false;
        blocks += c->size_blocks;
    }
    return count > 0 && size_bytes > 0 && blocks >= div_up(size_bytes, BLOCK_BYTES);
}

enum err shards_open(struct volume *v, const struct rep_config *configs, uint32_t count)
{
    struct volume_shard *shards = realloc(v->shards, count * sizeof *shards);

    if (!shards)
        return E_NO_MEMORY;
    v->shards = shards;
    v->shard_blocks = configs[0].size_blocks;
    while (v->shard_count < count) {
        const struct rep_config *c = &configs[v->shard_count];
        struct volume_shard *shard = &v->shards[v->shard_count];
        struct rep_config rep = *c;
        enum err err;

        rep.metrics = &v->rep_metrics;
        *shard = (struct volume_shard){.first_block = v->shard_count * v->shard_blocks,
                                       .blocks = c->size_blocks};
        err = rep_shard_open(v->env, &rep, v->arbiter, &v->rep_events, &shard->rep);
        if (err)
            return err;
        v->shard_count++;
    }
    return E_OK;
}

static void shard_changed(struct rep_events *events, struct rep_shard *s)
{
    struct volume *v = container_of(events, struct volume, rep_events);
    struct volume_shard *shard = &v->shards[rep_shard_index(s)];
    bool serving = rep_shard_state(s) == REP_SERVING;

    v->shards_serving += (uint32_t)serving - (uint32_t)shard->serving;
    shard->serving = serving;
    task_run(&v->task);
    if (v->resize)
        task_run(&v->resize->task);
    if (!v->half_open)
        v->events->changed(v->events, v);
}

static void close_shard(struct volume_shard *shard)
{
    if (shard->closing)
        return;
    shard->closing = true;
    rep_shard_close(shard->rep);
}

/* ---- its life ---- */

static void answer_refused(struct volume *v)
{
    struct list *l;

    while ((l = list_take(&v->refused)) != NULL)
        block_answer(container_of(l, struct block_request, link), E_CLOSED);
}

static enum task_next drain(struct volume *v)
{
    bool drained = !requests_under_way(v) && !v->resize;

    for (uint32_t i = 0; i < v->shard_count; i++) {
        if (drained || rep_shard_state(v->shards[i].rep) != REP_SERVING)
            close_shard(&v->shards[i]);
    }
    return drained ? task_goto(&v->task, CLOSE) : TASK_WAIT;
}

static bool shards_closed(const struct volume *v)
{
    for (uint32_t i = 0; i < v->shard_count; i++) {
        if (rep_shard_state(v->shards[i].rep) != REP_CLOSED)
            return false;
    }
    return true;
}

static enum task_next volume_step(struct task *t)
{
    struct volume *v = container_of(t, struct volume, task);

    answer_refused(v);
    switch ((enum volume_state)t->state) {
    case OPEN:
        return v->closing ? task_goto(t, DRAIN) : TASK_WAIT;
    case DRAIN:
        return drain(v);
    case CLOSE:
        return shards_closed(v) ? TASK_DONE : TASK_WAIT;
    }
    unreachable();
}

static void volume_done(struct task *t)
{
    struct volume *v = container_of(t, struct volume, task);

    if (v->half_open)
        volume_free(v);
    else
        v->events->closed(v->events, v);
}

static const struct task_kind volume_kind = {
    .name = "volume",
    .step = volume_step,
    .done = volume_done,
    .states = volume_states,
    .state_count = array_length(volume_states),
};

/* ---- open, close ---- */

static bool config_makes_sense(const struct volume_config *c)
{
    const struct volume_limits *l = &c->limits;

    if (c->logical_block_bytes != UNIT_BYTES && c->logical_block_bytes != BLOCK_BYTES)
        return false;
    if (l->requests_max == 0 || l->writes_max == 0 || l->write_bytes_max == 0)
        return false;
    return c->size_bytes % c->logical_block_bytes == 0 &&
           shards_make_sense(c->shards, c->shard_count, c->size_bytes);
}

static void volume_init(struct volume *v, const struct volume_config *c)
{
    block_init(&v->block, &volume_block_ops);
    v->block.identity = c->identity;
    v->block.size_units = c->size_bytes / UNIT_BYTES;
    v->block.logical_block_bytes = c->logical_block_bytes;
    v->block.unmap_grain_units = CHUNK_BYTES / UNIT_BYTES;
    v->identity = c->identity;
    (void)snprintf(v->name, sizeof v->name, "%s", c->name);
    v->rep_events.changed = shard_changed;
    list_init(&v->waiting);
    list_init(&v->refused);
    window_init(&v->window, c->limits.writes_max, c->limits.write_bytes_max);
}

static enum err open_parts(struct volume *v, const struct volume_config *c)
{
    enum err err = pools_open(v, &c->limits);

    return err ? err : shards_open(v, c->shards, c->shard_count);
}

enum err volume_open(struct env *env, const struct volume_config *config, struct arbiter *arbiter,
                     struct volume_events *events, struct volume **ret)
{
    struct volume *v;
    enum err err;

    if (!config_makes_sense(config))
        return E_INVALID;
    v = calloc(1, sizeof *v);
    if (!v)
        return E_NO_MEMORY;
    v->env = env;
    v->arbiter = arbiter;
    v->events = events;
    volume_init(v, config);
    task_start(&v->task, &volume_kind, &env->tasks, OPEN);
    err = open_parts(v, config);
    if (err) { /* shards that were opened end from the loop, and the rest with them */
        v->half_open = true;
        volume_close(v);
        return err;
    }
    *ret = v;
    return E_OK;
}

void volume_close(struct volume *v)
{
    v->closing = true;
    task_run(&v->task);
    if (v->resize)
        task_run(&v->resize->task);
}

void volume_free(struct volume *v)
{
    if (!v)
        return;
    assert(!task_living(&v->task));
    for (uint32_t i = 0; i < v->shard_count; i++)
        rep_shard_free(v->shards[i].rep);
    free(v->shards);
    supply_close(&v->workspaces);
    supply_close(&v->edges);
    pool_close(&v->spare_legs);
    pool_close(&v->ops);
    free(v);
}

/* ---- what it says of itself ---- */

struct block *volume_block(struct volume *v)
{
    return &v->block;
}

uint32_t volume_shards_serving(const struct volume *v)
{
    return v->shards_serving;
}

bool volume_serving(const struct volume *v)
{
    return volume_shards_serving(v) == v->shard_count;
}

const char *volume_why(const struct volume *v)
{
    for (uint32_t i = 0; i < v->shard_count; i++) {
        if (rep_shard_state(v->shards[i].rep) != REP_SERVING)
            return rep_shard_why(v->shards[i].rep);
    }
    return "";
}
