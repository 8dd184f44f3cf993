/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/close.c — the journal comes to rest, a last checkpoint, and the memory is given back.  A
 * checkpoint that is under way is awaited first: the last one is of the last state.  What it finds
 * to be empty is known in memory alone, so that one more frees it.
 */
#include "store/inside.h"

enum close_state {
    STOP, /* the journal, if a group is still under way, and the scrub */
    LAST, /* checkpoint                                                */
};

static enum task_next close_step(struct task *t)
{
    struct store_close *c = container_of(t, struct store_close, task);
    struct store *s = c->store;

    switch ((enum close_state)t->state) {
    case STOP:
        if (!journal_stopped(s) || !scrub_stopped(s) || s->cache.loading > 0)
            return TASK_WAIT;
        if (checkpoint_running(s)) {
            checkpoint_await(s, t);
            return TASK_WAIT;
        }
        if (!takes_changes(s))
            return TASK_DONE;
        checkpoint_begin(s, t);
        return task_wait_in(t, LAST);
    case LAST:
        if (checkpoint_running(s) || s->cache.loading > 0)
            return TASK_WAIT;
        if (!takes_changes(s) || list_empty(&s->stage.current.list))
            return TASK_DONE;
        checkpoint_begin(s, t);
        return TASK_WAIT;
    }
    unreachable();
}

static void close_done(struct task *t)
{
    struct store_close *c = container_of(t, struct store_close, task);

    store_free(c->store);
    c->done(c);
}

static const struct task_state close_states[] = {
    [STOP] = {"stop", TASK_FIRST},
    [LAST] = {"last", TASK_AFTER(STOP)},
};
static const struct task_kind close_kind = {
    .name = "store_close",
    .step = close_step,
    .done = close_done,
    .states = close_states,
    .state_count = array_length(close_states),
};

void store_close(struct store *s, struct store_close *c)
{
    assert(s->reads.count == 0);
    c->store = s;
    task_start(&c->task, &close_kind, &s->env->tasks, STOP);
    s->cache.closer = &c->task; /* pages may still be loading for reads that ended */
    scrub_stop(s, &c->task);
    journal_stop(s, &c->task);
}
