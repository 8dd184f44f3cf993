/* SPDX-License-Identifier: Apache-2.0 */
/* replication/resize.c — the shard grew: its replica here does, durably, before anybody is told. */
#include "replication/shard.h"

#include <assert.h>

enum resize_state {
    GROW,  /* the replica is told        */
    GROWN, /* until it has stored that   */
};

static const struct task_state resize_states[] = {
    [GROW] = {"grow", TASK_FIRST},
    [GROWN] = {"grown", TASK_AFTER(GROW)},
};

static void answered(struct rep_message *m)
{
    struct rep_resize *r = container_of(m, struct rep_resize, order.message);

    r->under_way = false;
    r->task.err = m->err == E_NOT_FOUND ? E_NOT_READY : m->err;
    task_run(&r->task);
}

static struct replica *local_replica(struct rep_shard *s)
{
    for_each_replica(r, s) {
        if (r->store)
            return r;
    }
    return NULL;
}

static enum task_next grow(struct rep_resize *r)
{
    struct replica *replica = local_replica(r->shard);

    if (!replica)
        return task_fail(&r->task, GROWN, E_NOT_READY);
    r->under_way = true;
    message_grow(replica, &r->order, r->size_blocks, answered);
    return task_wait_in(&r->task, GROWN);
}

static enum task_next resize_step(struct task *t)
{
    struct rep_resize *r = container_of(t, struct rep_resize, task);

    switch ((enum resize_state)t->state) {
    case GROW:
        return grow(r);
    case GROWN:
        return r->under_way ? TASK_WAIT : TASK_DONE;
    }
    unreachable();
}

static void resize_done(struct task *t)
{
    struct rep_resize *r = container_of(t, struct rep_resize, task);

    if (t->err == E_OK)
        r->shard->size_blocks = max_u64(r->shard->size_blocks, r->size_blocks);
    r->done(r, t->err);
}

static const struct task_kind resize_kind = {
    .name = "rep_resize",
    .step = resize_step,
    .done = resize_done,
    .states = resize_states,
    .state_count = array_length(resize_states),
};

void rep_shard_resize(struct rep_shard *s, struct rep_resize *r)
{
    assert(r->size_blocks <= SHARD_BLOCKS);
    r->shard = s;
    r->under_way = false;
    task_start(&r->task, &resize_kind, &s->env->tasks, GROW);
}
