/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/leg_read.c — reads one part of a request: whole blocks, of which the edges are cut.
 *
 * The claim is shared: reads wait for the writes that they overlap and for nothing else (P6).
 */
#include "volume/inside.h"

enum leg_read_state {
    LOCK,  /* its blocks, shared                              */
    HELD,  /* they are ours: does it need edges?              */
    EDGES, /* until there is memory for them                  */
    READ,  /* until the blocks are there                      */
    END,   /* the asker's bytes are in place, or err says why */
};

static const struct task_state read_states[] = {
    [LOCK] = {"lock", TASK_FIRST},         [HELD] = {"held", TASK_AFTER(LOCK)},
    [EDGES] = {"edges", TASK_AFTER(HELD)}, [READ] = {"read", TASK_AFTER(HELD) | TASK_AFTER(EDGES)},
    [END] = {"end", TASK_AFTER(READ)},
};

static enum task_next issue(struct leg *leg)
{
    leg_read(leg, leg->blocks, leg->send, leg->send_count);
    return task_wait_in(&leg->task, READ);
}

static enum task_next take_edges(struct leg *leg)
{
    struct supply *edges = &leg->op->volume->edges;

    if (supply_take(edges, &leg->edges, &leg->task))
        return task_goto(&leg->task, EDGES);
    return task_wait_in(&leg->task, EDGES);
}

/* Of the blocks at the edges the asker gets its part. */
static void deliver_edges(struct leg *leg)
{
    const struct edges *edges = leg->edges.item;
    struct leg_part head = leg_head_part(leg), tail = leg_tail_part(leg);

    if (leg->head)
        payload_scatter(&leg->op->payload, head.payload_at, edges->head + head.skip, head.bytes);
    if (leg->tail)
        payload_scatter(&leg->op->payload, tail.payload_at, edges->tail, tail.bytes);
}

static enum task_next finish(struct leg *leg)
{
    if (leg->busy)
        return TASK_WAIT;
    if (leg->answer == E_OK)
        deliver_edges(leg);
    return task_fail(&leg->task, END, leg->answer); /* E_OK fails nothing */
}

static enum task_next read_step(struct task *t)
{
    struct leg *leg = container_of(t, struct leg, task);

    switch ((enum leg_read_state)t->state) {
    case LOCK:
        if (leg_lock(leg, EXTENT_SHARED))
            return task_goto(t, HELD);
        return task_wait_in(t, HELD);

    case HELD:
        if (!leg_held(leg))
            return TASK_WAIT;
        return leg->head || leg->tail ? take_edges(leg) : issue(leg);

    case EDGES:
        if (!leg->edges.item)
            return TASK_WAIT;
        leg_edges_taken(leg);
        return issue(leg);

    case READ:
        return finish(leg);

    case END:
        return TASK_DONE;
    }
    unreachable();
}

static const struct task_kind read_kind = {
    .name = "volume_read",
    .step = read_step,
    .done = leg_task_done,
    .states = read_states,
    .state_count = array_length(read_states),
};

void leg_read_start(struct leg *leg)
{
    task_start(&leg->task, &read_kind, &leg->op->volume->env->tasks, LOCK);
}
