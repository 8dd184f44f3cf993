/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/resize.c — the volume grew: its last shard grows, new shards are opened behind it.
 *
 * The initiators hear of it when every block of the new size is served.  What was opened stays open
 * if it fails midway: the next resize goes on from there.
 */
#include "volume/inside.h"

#include <assert.h>

enum resize_state {
    GROW,  /* the last shard of the old size                */
    GROWN, /* until its replica is larger                   */
    ADD,   /* the shards behind it                          */
    SERVE, /* until all serve: then the new size is told    */
    END,   /* with what became of it                        */
};

static const struct task_state resize_states[] = {
    [GROW] = {"grow", TASK_FIRST},
    [GROWN] = {"grown", TASK_AFTER(GROW)},
    [ADD] = {"add", TASK_AFTER(GROW) | TASK_AFTER(GROWN)},
    [SERVE] = {"serve", TASK_AFTER(ADD)},
    [END] = {"end", TASK_AFTER(GROW) | TASK_AFTER(GROWN) | TASK_AFTER(ADD) | TASK_AFTER(SERVE)},
};

static enum err may_resize(const struct volume *v, const struct volume_resize *r)
{
    bool shrinks =
        r->size_bytes / UNIT_BYTES < v->block.size_units || r->shard_count < v->shard_count;

    if (v->closing)
        return E_CLOSED;
    if (shrinks || r->size_bytes % v->block.logical_block_bytes ||
        !shards_make_sense(r->shards, r->shard_count, r->size_bytes))
        return E_INVALID;
    return E_OK;
}

static struct volume_shard *last_shard(struct volume *v)
{
    return &v->shards[v->shard_count - 1];
}

static void grown(struct rep_resize *g, enum err err)
{
    struct volume_resize *r = container_of(g, struct volume_resize, grow);

    r->growing = false;
    r->task.err = err;
    task_run(&r->task);
}

static enum task_next grow(struct volume_resize *r)
{
    struct volume *v = r->volume;
    const struct rep_config *config;
    enum err err = may_resize(v, r);

    if (err)
        return task_fail(&r->task, END, err);
    config = &r->shards[v->shard_count - 1];
    if (config->size_blocks < last_shard(v)->blocks)
        return task_fail(&r->task, END, E_INVALID);
    if (config->size_blocks == last_shard(v)->blocks)
        return task_goto(&r->task, ADD);
    r->grow = (struct rep_resize){.size_blocks = config->size_blocks, .done = grown};
    r->growing = true;
    rep_shard_resize(last_shard(v)->rep, &r->grow);
    return task_wait_in(&r->task, GROWN);
}

static enum task_next resize_step(struct task *t)
{
    struct volume_resize *r = container_of(t, struct volume_resize, task);
    struct volume *v = r->volume;
    enum err err;

    switch ((enum resize_state)t->state) {
    case GROW:
        return grow(r);

    case GROWN:
        if (r->growing)
            return TASK_WAIT;
        if (t->err)
            return task_goto(t, END);
        last_shard(v)->blocks = r->grow.size_blocks;
        return task_goto(t, ADD);

    case ADD:
        err = v->closing ? E_CLOSED : shards_open(v, r->shards, r->shard_count);
        return task_fail(t, err ? END : SERVE, err);

    case SERVE:
        if (v->closing)
            return task_fail(t, END, E_CLOSED);
        return volume_serving(v) ? task_goto(t, END) : TASK_WAIT;

    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void resize_done(struct task *t)
{
    struct volume_resize *r = container_of(t, struct volume_resize, task);
    struct volume *v = r->volume;

    v->resize = NULL;
    if (v->closing)
        task_run(&v->task);
    if (t->err == E_OK && r->size_bytes / UNIT_BYTES != v->block.size_units)
        block_resized(&v->block, r->size_bytes / UNIT_BYTES);
    r->done(r, t->err);
}

static const struct task_kind resize_kind = {
    .name = "volume_resize",
    .step = resize_step,
    .done = resize_done,
    .states = resize_states,
    .state_count = array_length(resize_states),
};

void volume_resize(struct volume *v, struct volume_resize *r)
{
    assert(!v->resize);
    r->volume = v;
    r->growing = false;
    v->resize = r;
    task_start(&r->task, &resize_kind, &v->env->tasks, GROW);
}
