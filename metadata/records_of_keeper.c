/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/records_of_keeper.c — the one door to records, over the keeper in memory.
 *
 * A call queues; a timer delivers it: the keeper is asked at that moment and `done` runs from the
 * loop.  A watch that brought nothing stays queued until the keeper changes or its time is up.
 */
#include "base/util.h"
#include "metadata/keeper.h"

#include <stdlib.h>

struct over_keeper {
    struct records records;
    struct env *env;
    struct keeper *keeper;
    struct keeper_listener listener;
    uint32_t delay_us;
    struct timer deliver; /* what was called */
    struct timer expire;  /* watches that wait */
    struct list called, waiting;
};

static void call_expects(struct records_call *c, uint64_t at_us)
{
    c->below = (void *)(uintptr_t)at_us; /* when the watch ends */
}

static uint64_t call_ends(const struct records_call *c)
{
    return (uint64_t)(uintptr_t)c->below;
}

static enum err call_ask(struct over_keeper *o, struct records_call *c)
{
    switch (c->op) {
    case RECORDS_RANGE:
        return keeper_range(o->keeper, c->prefix, &c->list);
    case RECORDS_TRANSACT:
        return keeper_transact(o->keeper, c->transaction, &c->revision);
    case RECORDS_WATCH:
        return keeper_watch(o->keeper, c->prefix, c->revision, 0, &c->list);
    }
    unreachable();
}

static void expire_later(struct over_keeper *o);

static void call_answer(struct over_keeper *o, struct records_call *c)
{
    enum err err;

    c->list = (struct record_list){0};
    err = call_ask(o, c);
    if (c->op == RECORDS_WATCH && !err && c->list.count == 0 &&
        call_ends(c) > now_us(&o->env->clock)) {
        list_append(&o->waiting, &c->link);
        return;
    }
    c->done(c, err);
}

/* Takes the list first: `done` may call again (it may not close us). */
static void answer_all(struct over_keeper *o, struct list *from)
{
    struct list taken;

    list_init(&taken);
    list_move_all(&taken, from);
    for (struct list *l = list_take(&taken); l; l = list_take(&taken))
        call_answer(o, container_of(l, struct records_call, link));
    expire_later(o);
}

static void deliver_fire(struct timer *t)
{
    struct over_keeper *o = container_of(t, struct over_keeper, deliver);

    answer_all(o, &o->called);
}

static void expire_fire(struct timer *t)
{
    struct over_keeper *o = container_of(t, struct over_keeper, expire);

    answer_all(o, &o->waiting);
}

static void expire_later(struct over_keeper *o)
{
    uint64_t first = UINT64_MAX, now = now_us(&o->env->clock);

    list_for_each(l, &o->waiting) {
        first = min_u64(first, call_ends(container_of(l, struct records_call, link)));
    }
    if (first == UINT64_MAX)
        timer_stop(&o->env->clock, &o->expire);
    else
        timer_start(&o->env->clock, &o->expire, first > now ? first - now : 0, expire_fire);
}

static void deliver_later(struct over_keeper *o)
{
    if (!timer_running(&o->deliver))
        timer_start(&o->env->clock, &o->deliver, o->delay_us, deliver_fire);
}

static void over_call(struct records *r, struct records_call *c)
{
    struct over_keeper *o = container_of(r, struct over_keeper, records);

    call_expects(c, now_us(&o->env->clock) + (uint64_t)c->wait_ms * 1000);
    list_init(&c->link);
    list_append(&o->called, &c->link);
    deliver_later(o);
}

/* The watches that wait are asked again, from the loop. */
static void keeper_changed(struct keeper_listener *l)
{
    struct over_keeper *o = container_of(l, struct over_keeper, listener);

    if (list_empty(&o->waiting))
        return;
    list_move_all(&o->called, &o->waiting);
    deliver_later(o);
}

enum err records_of_keeper_open(struct env *env, struct keeper *memory, uint32_t delay_us,
                                struct records **ret)
{
    struct over_keeper *o = calloc(1, sizeof *o);

    if (!o)
        return E_NO_MEMORY;
    o->records.call = over_call;
    o->env = env;
    o->keeper = memory;
    o->delay_us = delay_us;
    o->listener.changed = keeper_changed;
    list_init(&o->called);
    list_init(&o->waiting);
    keeper_memory_listen(memory, &o->listener);
    *ret = &o->records;
    return E_OK;
}

void records_of_keeper_close(struct records *r)
{
    struct over_keeper *o = container_of(r, struct over_keeper, records);

    keeper_memory_unlisten(&o->listener);
    timer_stop(&o->env->clock, &o->deliver);
    timer_stop(&o->env->clock, &o->expire);
    list_move_all(&o->called, &o->waiting);
    for (struct list *l = list_take(&o->called); l; l = list_take(&o->called)) {
        struct records_call *c = container_of(l, struct records_call, link);

        c->done(c, E_CLOSED);
    }
    free(o);
}
