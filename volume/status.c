/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/status.c — which parts of a range hold data.
 *
 * Shard by shard, under a shared claim, so that it waits for a takeover and for what is being
 * changed.  It ends where the asker's runs are full, or after a bounded number of lookups: then the
 * runs cover the beginning of the range.
 */
#include "volume/inside.h"

enum status_state {
    LOCK, /* the range's blocks of the next shard   */
    HELD, /* until they are ours; then they are listed */
    END,  /* the runs are as far as they go         */
};

static const struct task_state status_states[] = {
    [LOCK] = {"lock", TASK_FIRST | TASK_AFTER(HELD)},
    [HELD] = {"held", TASK_AFTER(LOCK)},
    [END] = {"end", TASK_AFTER(HELD)},
};

static void place_on_shard(struct op *op)
{
    const struct volume_shard *shard = shard_at(op->volume, op->at / UNITS_PER_BLOCK);
    uint64_t end = min_u64(op->end, (shard->first_block + shard->blocks) * UNITS_PER_BLOCK);

    leg_place(&op->own, (struct extent){op->at, end - op->at});
}

/* False: the runs are full. */
static bool add_run(struct block_request *r, uint64_t units, bool mapped)
{
    if (r->run_count > 0 && r->runs[r->run_count - 1].mapped == mapped) {
        r->runs[r->run_count - 1].count += units;
        return true;
    }
    if (r->run_count == r->run_max)
        return false;
    r->runs[r->run_count++] = (struct block_run){.count = units, .mapped = mapped};
    return true;
}

/* False: it ends here. */
static bool list_shard(struct op *op)
{
    struct leg *leg = &op->own;
    uint64_t end = extent_end(leg->blocks);

    for (uint64_t at = leg->blocks.start, count; at < end; at += count) {
        bool mapped = rep_mapped(leg->rep, at, end - at, &count);
        uint64_t next = (leg->first_block + at + count) * UNITS_PER_BLOCK;

        next = min_u64(next, op->end);
        if (!add_run(op->request, next - op->at, mapped))
            return false;
        op->at = next;
        if (++op->lookups == STATUS_LOOKUPS_MAX)
            return false;
    }
    return true;
}

static enum task_next status_step(struct task *t)
{
    struct leg *leg = container_of(t, struct leg, task);
    struct op *op = leg->op;
    bool more;

    switch ((enum status_state)t->state) {
    case LOCK:
        place_on_shard(op);
        if (leg_lock(leg, EXTENT_SHARED))
            return task_goto(t, HELD);
        return task_wait_in(t, HELD);

    case HELD:
        if (!leg_held(leg))
            return TASK_WAIT;
        if (rep_shard_state(leg->rep) != REP_SERVING)
            return task_fail(t, END, E_NOT_PRIMARY);
        more = list_shard(op) && op->at < op->end;
        extent_release(&leg->claim);
        return task_goto(t, more ? LOCK : END);

    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void status_done(struct task *t)
{
    struct leg *leg = container_of(t, struct leg, task);
    struct op *op = leg->op;

    extent_release(&leg->claim);
    if (t->err)
        op_failed(op, t->err, op->at);
    op_end(op);
}

static const struct task_kind status_kind = {
    .name = "volume_status",
    .step = status_step,
    .done = status_done,
    .states = status_states,
    .state_count = array_length(status_states),
};

void status_start(struct op *op)
{
    leg_clear(&op->own);
    op->own.op = op;
    task_start(&op->own.task, &status_kind, &op->volume->env->tasks, LOCK);
}
