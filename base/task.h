/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/task.h — an operation is a struct with a life, and its life reads downwards.
 *
 * The operation embeds `struct task`; its kind names the states and the step function.  A step
 * looks at the state, issues what can be issued, and returns: TASK_AGAIN to be stepped at once,
 * TASK_WAIT to be stepped when somebody calls task_run(), TASK_DONE when its life is over.
 * Nothing completes inside its own submission, and no step re-enters itself: task_run() only
 * queues.  All calls belong to the thread that runs the queue.
 */
#ifndef BASE_TASK_H
#define BASE_TASK_H

#include "base/err.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

enum task_next { TASK_AGAIN, TASK_WAIT, TASK_DONE };

struct task;

struct task_state {
    const char *name;
    uint32_t after; /* bits of the states that it may follow; TASK_FIRST: it may be the first */
};
#define TASK_FIRST        (1u << 31)
#define TASK_AFTER(state) (1u << (state))

struct task_kind {
    const char *name;
    enum task_next (*step)(struct task *);
    void (*done)(struct task *);            /* last call; may free or reuse the struct */
    bool (*invariant)(const struct task *); /* optional; asserted after every move     */
    const struct task_state *states;
    uint32_t state_count;
};

/* Runs tasks in the order in which they became ready.  One per reactor; env owns it. */
struct task_queue {
    struct list ready;
    struct list living; /* every task between start and done, oldest first */
    uint64_t now_us;    /* set by whoever turns the loop: for the ages of the living */
};

struct task {
    const struct task_kind *kind;
    struct task_queue *queue;
    struct list ready_link, living_link;
    uint32_t state;
    bool ready;
    enum err err; /* why it fails, as task_fail() was told; the kind's done() reads it */
    uint64_t started_us, moved_us;
};

void task_queue_init(struct task_queue *q);

/* Steps what is ready, also what becomes ready meanwhile, at most `budget` steps; how many. */
uint32_t task_queue_run(struct task_queue *q, uint32_t budget);

/* Begins a life in `state`; the first step runs from the queue, never inside this call. */
void task_start(struct task *t, const struct task_kind *kind, struct task_queue *q, uint32_t state);

/* Something the task waits for has happened (or may have): step it soon.  Any number of times. */
void task_run(struct task *t);

/* For `return` in a step: go on in `state` at once / when run / as a failure with `err`. */
must_check enum task_next task_goto(struct task *t, uint32_t state);
must_check enum task_next task_wait_in(struct task *t, uint32_t state);
must_check enum task_next task_fail(struct task *t, uint32_t state, enum err err);

/* True between task_start() and the kind's done(). */
static inline bool task_living(const struct task *t)
{
    return t->kind != NULL;
}

#endif
