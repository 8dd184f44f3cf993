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
    LOCK,  /* the range's blocks of the next shard   */
    HELD,  /* until they are ours                    */
    ASK,   /* which of them come next                */
    ASKED, /* until that is known                    */
    END,   /* the runs are as far as they go         */
};

static const struct task_state status_states[] = {
    [LOCK] = {"lock", TASK_FIRST | TASK_AFTER(ASKED)},     [HELD] = {"held", TASK_AFTER(LOCK)},
    [ASK] = {"ask", TASK_AFTER(HELD) | TASK_AFTER(ASKED)}, [ASKED] = {"asked", TASK_AFTER(ASK)},
    [END] = {"end", TASK_AFTER(HELD) | TASK_AFTER(ASKED)},
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

/* What is left of the leg's blocks. */
static bool ask(struct op *op)
{
    struct leg *leg = &op->own;
    uint64_t at = op->at / UNITS_PER_BLOCK - leg->first_block;

    return rep_mapped(leg->rep, &leg->question, (struct extent){at, extent_end(leg->blocks) - at},
                      &leg->task);
}

/* False: it ends here. */
static bool list_run(struct op *op)
{
    const struct rep_question *q = &op->own.question;
    uint64_t next = (op->own.first_block + q->blocks.start + q->count) * UNITS_PER_BLOCK;

    next = min_u64(next, op->end);
    if (!add_run(op->request, next - op->at, q->yes))
        return false;
    op->at = next;
    return ++op->lookups < STATUS_LOOKUPS_MAX && op->at < op->end;
}

static enum task_next asked(struct op *op)
{
    struct leg *leg = &op->own;

    if (!leg->question.answered)
        return TASK_WAIT;
    if (leg->question.err)
        return task_fail(&leg->task, END, E_NOT_PRIMARY);
    if (!list_run(op))
        return task_goto(&leg->task, END);
    if (op->at < (leg->first_block + extent_end(leg->blocks)) * UNITS_PER_BLOCK)
        return task_goto(&leg->task, ASK);
    extent_release(&leg->claim);
    return task_goto(&leg->task, LOCK);
}

static enum task_next status_step(struct task *t)
{
    struct leg *leg = container_of(t, struct leg, task);
    struct op *op = leg->op;

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
        return task_goto(t, ASK);

    case ASK:
        return ask(op) ? task_goto(t, ASKED) : task_wait_in(t, ASKED);

    case ASKED:
        return asked(op);

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
