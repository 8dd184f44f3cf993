/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/leg_write.c — writes, zeroes or unmaps one part of a request.
 *
 * The happy path: its blocks are claimed exclusively, it has a place in the window, its pieces go
 * down with their checksums, and it ends when they are complete.
 *
 * A block of which it has only a part is read first, verified, under the claim, and goes down
 * whole (notes 35).  If that block is lost, the leg fails and the block stays lost; a write of all
 * of it heals it, for then nothing is read (V3).  Zeroes for a part of a block that holds nothing
 * change nothing and take no space; whole blocks of zeroes are unmapped.
 */
#include "volume/inside.h"

#include <string.h>

enum leg_write_state {
    LOCK,  /* its blocks, exclusively                               */
    HELD,  /* they are ours: is anything to be merged?              */
    ZERO,  /* zeroes: until we know whether the block holds data    */
    EDGES, /* until there is memory for what is merged              */
    FETCH, /* until the old blocks at the edges are there           */
    ENTER, /* a place in the volume's window                        */
    SEND,  /* until there is one; then to replication               */
    SENT,  /* until it is complete (V4)                             */
    END,   /* with what it was answered                             */
};

static const struct task_state write_states[] = {
    [LOCK] = {"lock", TASK_FIRST},
    [HELD] = {"held", TASK_AFTER(LOCK)},
    [ZERO] = {"zero", TASK_AFTER(HELD)},
    [EDGES] = {"edges", TASK_AFTER(HELD) | TASK_AFTER(ZERO)},
    [FETCH] = {"fetch", TASK_AFTER(EDGES)},
    [ENTER] = {"enter", TASK_AFTER(HELD) | TASK_AFTER(ZERO) | TASK_AFTER(FETCH)},
    [SEND] = {"send", TASK_AFTER(ENTER)},
    [SENT] = {"sent", TASK_AFTER(SEND)},
    [END] = {"end", TASK_AFTER(ZERO) | TASK_AFTER(FETCH) | TASK_AFTER(SENT)},
};

static bool is_unmap(const struct leg *leg)
{
    return leg_zeroes(leg) && !leg->head;
}

static enum task_next begin_merge(struct leg *leg)
{
    struct task *t = &leg->task;

    if (!leg->head && !leg->tail)
        return task_goto(t, ENTER);
    if (supply_take(&leg->op->volume->edges, &leg->edges, t))
        return task_goto(t, EDGES);
    return task_wait_in(t, EDGES);
}

/* Part of one block that is to be zeroed may read as zeroes already.  The map of a shard that does
 * not serve tells nothing: its claims are let go so that its requests fail in their normal way. */
static enum task_next held(struct leg *leg)
{
    struct extent block = {leg->blocks.start, 1};

    if (!leg_held(leg))
        return TASK_WAIT;
    if (!leg_zeroes(leg) || !leg->head || rep_shard_state(leg->rep) != REP_SERVING)
        return begin_merge(leg);
    if (rep_mapped(leg->rep, &leg->question, block, &leg->task))
        return task_goto(&leg->task, ZERO);
    return task_wait_in(&leg->task, ZERO);
}

static enum task_next zero(struct leg *leg)
{
    const struct rep_question *q = &leg->question;

    if (!q->answered)
        return TASK_WAIT;
    return q->err || q->yes ? begin_merge(leg) : task_goto(&leg->task, END);
}

/* Which of the edges must be read: those that the leg does not fill. */
static void count_edges(struct leg *leg)
{
    leg->fetch_head = leg->head && leg_head_part(leg).bytes < BLOCK_BYTES;
    leg->fetch_tail = leg->tail;
}

/* False: there is none left to read. */
static bool fetch_next(struct leg *leg)
{
    struct edges *edges = leg->edges.item;
    struct extent block = {.start = leg->blocks.start, .count = 1};

    if (!leg->fetch_head && !leg->fetch_tail)
        return false;
    if (leg->fetch_head) {
        leg->edge = (struct iovec){edges->head, BLOCK_BYTES};
        leg->fetch_head = false;
    } else {
        leg->edge = (struct iovec){edges->tail, BLOCK_BYTES};
        leg->fetch_tail = false;
        block.start = extent_end(leg->blocks) - 1;
    }
    leg_read(leg, block, &leg->edge, 1);
    return true;
}

static void put_in(struct leg *leg, uint8_t *edge, struct leg_part part)
{
    if (leg_zeroes(leg))
        memset(edge + part.skip, 0, part.bytes);
    else
        payload_gather(&leg->op->payload, part.payload_at, edge + part.skip, part.bytes);
}

static void merge(struct leg *leg)
{
    struct edges *edges = leg->edges.item;

    if (leg->head)
        put_in(leg, edges->head, leg_head_part(leg));
    if (leg->tail)
        put_in(leg, edges->tail, leg_tail_part(leg));
}

static enum task_next fetch(struct leg *leg)
{
    if (leg->busy)
        return TASK_WAIT;
    if (leg->answer) /* V3: part of a lost block cannot be written */
        return task_fail(&leg->task, END, leg->answer);
    if (fetch_next(leg))
        return TASK_WAIT;
    merge(leg);
    return task_goto(&leg->task, ENTER);
}

static enum task_next enter(struct leg *leg)
{
    uint64_t bytes = leg->blocks.count * BLOCK_BYTES;

    if (window_enter(&leg->op->volume->window, &leg->window, bytes, &leg->task))
        return task_goto(&leg->task, SEND);
    metric_add(&leg->op->volume->metrics.window_waits, 1);
    return task_wait_in(&leg->task, SEND);
}

static enum task_next write_step(struct task *t)
{
    struct leg *leg = container_of(t, struct leg, task);

    switch ((enum leg_write_state)t->state) {
    case LOCK:
        if (leg_lock(leg, EXTENT_EXCLUSIVE))
            return task_goto(t, HELD);
        return task_wait_in(t, HELD);

    case HELD:
        return held(leg);

    case ZERO:
        return zero(leg);

    case EDGES:
        if (!leg->edges.item)
            return TASK_WAIT;
        leg_edges_taken(leg);
        count_edges(leg);
        return task_goto(t, FETCH);

    case FETCH:
        return fetch(leg);

    case ENTER:
        return enter(leg);

    case SEND:
        if (!leg->window.held)
            return TASK_WAIT;
        if (is_unmap(leg))
            leg_unmap(leg);
        else
            leg_write(leg, leg->blocks, leg->send, leg->send_count);
        return task_wait_in(t, SENT);

    case SENT:
        if (leg->busy)
            return TASK_WAIT;
        return task_fail(t, END, leg->answer); /* E_OK fails nothing */

    case END:
        return TASK_DONE;
    }
    unreachable();
}

static bool write_invariant(const struct task *t)
{
    const struct leg *leg = container_of(t, const struct leg, task);

    if (t->state == SENT) /* V1, V4 */
        return leg_held(leg) && leg->window.held;
    return true;
}

static const struct task_kind write_kind = {
    .name = "volume_write",
    .step = write_step,
    .done = leg_task_done,
    .invariant = write_invariant,
    .states = write_states,
    .state_count = array_length(write_states),
};

void leg_write_start(struct leg *leg)
{
    if (leg_zeroes(leg)) { /* a part of one block goes down merged: one piece, the head edge */
        leg->send = leg->pieces;
        leg->send_count = 1;
    }
    task_start(&leg->task, &write_kind, &leg->op->volume->env->tasks, LOCK);
}
