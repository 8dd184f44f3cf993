/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/atomic.c — COMPARE AND WRITE and ORWRITE: read, judge, write, under one claim (V2).
 *
 * All blocks of the request are claimed first, in all its shards at once, and given up after its
 * last write.  In between it goes over them in runs that fit a workspace: COMPARE AND WRITE
 * compares every run, and when all are equal writes the second half of its payload as any write
 * (request.c), a leg a shard; ORWRITE writes each run back as it goes.  Where they are not equal,
 * a note may say that this very command was done before (note.c).
 *
 * It uses the op's own leg, task included: no other leg is under way meanwhile.
 */
#include "volume/inside.h"

#include <assert.h>

enum atomic_state {
    CLAIM,   /* all blocks                                           */
    CLAIMED, /* until they are ours                                  */
    WORK,    /* they are: a workspace                                */
    READ,    /* until there is one; then the next run                */
    JUDGE,   /* until its bytes are there: compare, or change them   */
    NOTED,   /* not equal: until we know whether it was done before  */
    SEND,    /* until the window has room; then the changed run      */
    SENT,    /* until it is complete                                 */
    END,     /* judged, or failed                                    */
};

static const struct task_state atomic_states[] = {
    [CLAIM] = {"claim", TASK_FIRST},
    [CLAIMED] = {"claimed", TASK_AFTER(CLAIM)},
    [WORK] = {"work", TASK_AFTER(CLAIMED)},
    [READ] = {"read", TASK_AFTER(WORK) | TASK_AFTER(JUDGE) | TASK_AFTER(SENT)},
    [JUDGE] = {"judge", TASK_AFTER(READ)},
    [NOTED] = {"noted", TASK_AFTER(JUDGE)},
    [SEND] = {"send", TASK_AFTER(JUDGE)},
    [SENT] = {"sent", TASK_AFTER(SEND)},
    [END] = {"end", TASK_AFTER(CLAIM) | TASK_AFTER(READ) | TASK_AFTER(JUDGE) | TASK_AFTER(NOTED) |
                        TASK_AFTER(SENT)},
};

static uint64_t end_block(const struct op *op)
{
    return div_up(op->end, UNITS_PER_BLOCK);
}

static enum task_next fail(struct op *op, enum err err, uint64_t unit)
{
    op_failed(op, err, unit);
    return task_goto(&op->own.task, END);
}

/* ---- claims ---- */

/* In line at each shard in one go: what comes later stands behind it everywhere. */
static enum task_next claim(struct op *op)
{
    struct atomic *a = &op->atomic;
    uint64_t from = op->at / UNITS_PER_BLOCK;
    bool waits = false;

    while (from < end_block(op)) {
        const struct volume_shard *shard = shard_at(op->volume, from);
        uint64_t end = min_u64(end_block(op), shard->first_block + shard->blocks);
        struct extent blocks = {from - shard->first_block, end - from};

        if (a->claimed == array_length(a->claims))
            return fail(op, E_TOO_LARGE, op->at);
        if (!rep_lock(shard->rep, &a->claims[a->claimed++], blocks, EXTENT_EXCLUSIVE,
                      &op->own.task))
            waits = true;
        from = end;
    }
    if (!waits)
        return task_goto(&op->own.task, CLAIMED);
    metric_add(&op->volume->metrics.lock_waits, 1);
    return task_wait_in(&op->own.task, CLAIMED);
}

static enum task_next claimed(struct op *op)
{
    const struct atomic *a = &op->atomic;

    for (uint32_t i = 0; i < a->claimed; i++) {
        if (!a->claims[i].held)
            return TASK_WAIT;
    }
    return task_goto(&op->own.task, WORK);
}

/* ---- runs ---- */

/* The next blocks, of one shard, that fit the workspace; its own leg is placed on them. */
static bool next_run(struct op *op)
{
    struct extent *run = &op->atomic.run;
    const struct volume_shard *shard;
    uint64_t first, last;

    run->start += run->count;
    if (run->start >= end_block(op))
        return false;
    shard = shard_at(op->volume, run->start);
    run->count = min_u64(end_block(op), shard->first_block + shard->blocks) - run->start;
    run->count = min_u64(run->count, WORKSPACE_BLOCKS);
    first = max_u64(op->at, run->start * UNITS_PER_BLOCK);
    last = min_u64(op->end, extent_end(*run) * UNITS_PER_BLOCK);
    leg_place(&op->own, (struct extent){first, last - first});
    return true;
}

static enum task_next read_run(struct op *op)
{
    struct leg *leg = &op->own;

    if (!op->atomic.workspace.item)
        return TASK_WAIT;
    if (!next_run(op))
        return task_goto(&leg->task, END);
    leg->edge = (struct iovec){op->atomic.workspace.item, leg->blocks.count * BLOCK_BYTES};
    leg_read(leg, leg->blocks, &leg->edge, 1);
    return task_wait_in(&leg->task, JUDGE);
}

/* The workspace's bytes of the run that are the request's, and where they lie in the payload. */
static uint8_t *run_bytes(struct op *op, uint64_t *ret_payload_at, size_t *ret_length)
{
    const struct leg *leg = &op->own;
    uint64_t skip = leg->units.start - op->atomic.run.start * UNITS_PER_BLOCK;

    *ret_payload_at = (leg->units.start - op->at) * UNIT_BYTES;
    *ret_length = leg->units.count * UNIT_BYTES;
    return (uint8_t *)op->atomic.workspace.item + skip * UNIT_BYTES;
}

static enum task_next compare(struct op *op)
{
    uint64_t at;
    size_t length, same;
    const uint8_t *bytes = run_bytes(op, &at, &length);

    same = payload_differs(&op->payload, at, bytes, length);
    if (same == length)
        return task_goto(&op->own.task, READ);
    op->request->differs_at = at + same;
    return note_asked(op) ? task_goto(&op->own.task, NOTED) : task_wait_in(&op->own.task, NOTED);
}

static enum task_next noted(struct op *op)
{
    const struct rep_question *q = &op->own.question;

    if (!q->answered)
        return TASK_WAIT;
    if (q->err || !q->yes)
        return fail(op, E_MISCOMPARE, op->own.units.start);
    op->at = op->end; /* nothing is left to write */
    return task_goto(&op->own.task, END);
}

static enum task_next change(struct op *op)
{
    struct leg *leg = &op->own;
    uint64_t at;
    size_t length;
    uint8_t *bytes = run_bytes(op, &at, &length);

    payload_or(&op->payload, at, bytes, length);
    if (window_enter(&op->volume->window, &leg->window, leg->edge.iov_len, &leg->task))
        return task_goto(&leg->task, SEND);
    metric_add(&op->volume->metrics.window_waits, 1);
    return task_wait_in(&leg->task, SEND);
}

static enum task_next judge(struct op *op)
{
    struct leg *leg = &op->own;

    if (leg->busy)
        return TASK_WAIT;
    if (leg->answer)
        return fail(op, leg->answer, leg_bad_unit(leg));
    return op->request->op == BLOCK_OR_WRITE ? change(op) : compare(op);
}

static enum task_next send(struct op *op)
{
    struct leg *leg = &op->own;

    if (!leg->window.held)
        return TASK_WAIT;
    leg_write(leg, leg->blocks, &leg->edge, 1);
    return task_wait_in(&leg->task, SENT);
}

static enum task_next sent(struct op *op)
{
    struct leg *leg = &op->own;

    if (leg->busy)
        return TASK_WAIT;
    window_leave(&op->volume->window, &leg->window);
    if (leg->answer)
        return fail(op, leg->answer, leg->units.start);
    return task_goto(&leg->task, READ);
}

static struct op *op_of(const struct task *t)
{
    return container_of(t, struct leg, task)->op;
}

static enum task_next atomic_step(struct task *t)
{
    struct op *op = op_of(t);

    switch ((enum atomic_state)t->state) {
    case CLAIM:
        return claim(op);
    case CLAIMED:
        return claimed(op);
    case WORK:
        if (supply_take(&op->volume->workspaces, &op->atomic.workspace, t))
            return task_goto(t, READ);
        return task_wait_in(t, READ);
    case READ:
        return read_run(op);
    case JUDGE:
        return judge(op);
    case NOTED:
        return noted(op);
    case SEND:
        return send(op);
    case SENT:
        return sent(op);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

/* Compared equal: what shall be there is the payload's second half, for legs without claims. */
static void atomic_done(struct task *t)
{
    struct op *op = op_of(t);

    supply_give(&op->volume->workspaces, &op->atomic.workspace);
    op->claimed = true;
    if (op->at < op->end && op->request->op == BLOCK_COMPARE_AND_WRITE)
        op->payload.at = (op->end - op->at) * UNIT_BYTES;
    else
        op->at = op->end;
    op_advance(op);
}

static const struct task_kind atomic_kind = {
    .name = "volume_atomic",
    .step = atomic_step,
    .done = atomic_done,
    .states = atomic_states,
    .state_count = array_length(atomic_states),
};

void atomic_start(struct op *op)
{
    note_begin(op);
    leg_clear(&op->own);
    op->own.op = op;
    op->atomic.run = (struct extent){op->at / UNITS_PER_BLOCK, 0};
    task_start(&op->own.task, &atomic_kind, &op->volume->env->tasks, CLAIM);
}

void atomic_ended(struct op *op)
{
    for (uint32_t i = 0; i < array_length(op->atomic.claims); i++)
        extent_release(&op->atomic.claims[i]);
}
