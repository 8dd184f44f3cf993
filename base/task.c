/* SPDX-License-Identifier: Apache-2.0 */
/* base/task.c — the queue that steps tasks, and the legal moves between states. */
#include "base/task.h"

#include <assert.h>
#include <string.h>

void task_queue_init(struct task_queue *q)
{
    list_init(&q->ready);
    list_init(&q->living);
    q->now_us = 0;
}

static void end(struct task *t)
{
    const struct task_kind *kind = t->kind;

    list_remove(&t->ready_link);
    list_remove(&t->living_link);
    t->ready = false;
    t->kind = NULL;
    if (kind->done)
        kind->done(t); /* the struct may be gone after this */
}

static void step(struct task *t)
{
    for (;;) {
        switch (t->kind->step(t)) {
        case TASK_AGAIN:
            continue;
        case TASK_WAIT:
            return;
        case TASK_DONE:
            end(t);
            return;
        }
    }
}

uint32_t task_queue_run(struct task_queue *q, uint32_t budget)
{
    uint32_t steps = 0;

    while (steps < budget && !list_empty(&q->ready)) {
        struct task *t = container_of(list_take(&q->ready), struct task, ready_link);

        assert(task_living(t));
        t->ready = false;
        step(t);
        steps++;
    }
    return steps;
}

static void move(struct task *t, uint32_t state)
{
    const struct task_kind *kind = t->kind;

    assert(state < kind->state_count);
    t->state = state;
    t->moved_us = t->queue->now_us;
    if (kind->invariant)
        assert(kind->invariant(t));
}

void task_start(struct task *t, const struct task_kind *kind, struct task_queue *q, uint32_t state)
{
    assert(state < kind->state_count);
    assert(kind->states[state].after & TASK_FIRST);

    memset(t, 0, sizeof *t);
    t->kind = kind;
    t->queue = q;
    t->started_us = q->now_us;
    list_init(&t->ready_link);
    list_append(&q->living, &t->living_link);
    move(t, state);
    task_run(t);
}

void task_run(struct task *t)
{
    assert(task_living(t));
    if (t->ready)
        return;
    t->ready = true;
    list_append(&t->queue->ready, &t->ready_link);
}

static void move_checked(struct task *t, uint32_t state)
{
    assert(state < t->kind->state_count);
    assert(t->kind->states[state].after & TASK_AFTER(t->state));
    move(t, state);
}

enum task_next task_goto(struct task *t, uint32_t state)
{
    move_checked(t, state);
    return TASK_AGAIN;
}

enum task_next task_wait_in(struct task *t, uint32_t state)
{
    move_checked(t, state);
    return TASK_WAIT;
}

enum task_next task_fail(struct task *t, uint32_t state, enum err err)
{
    t->err = err;
    return task_goto(t, state);
}
