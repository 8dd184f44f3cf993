/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/clock.c — timers, in a binary heap of a size fixed at open.
 *
 * The heap is ordered by due time, then by order of starting, so that timers due together fire in
 * the order in which they were started: in every world, and the same on every replay of a seed.
 */
#include "env/env.h"

#include <assert.h>
#include <stdlib.h>

enum err clock_open(struct clock *c, uint32_t max)
{
    *c = (struct clock){.max = max};
    c->heap = calloc((size_t)max + 1, sizeof *c->heap);
    return c->heap ? E_OK : E_NO_MEMORY;
}

void clock_close(struct clock *c)
{
    free(c->heap);
    *c = (struct clock){0};
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->due_us < b->due_us || (a->due_us == b->due_us && a->order < b->order);
}

static void put(struct clock *c, uint32_t place, struct timer *t)
{
    c->heap[place] = t;
    t->place = place;
}

/* Puts `t` where it belongs, seen from the free `place` upwards. */
static void rise(struct clock *c, uint32_t place, struct timer *t)
{
    while (place > 1 && before(t, c->heap[place / 2])) {
        put(c, place, c->heap[place / 2]);
        place /= 2;
    }
    put(c, place, t);
}

/* The same, downwards. */
static void sink(struct clock *c, uint32_t place, struct timer *t)
{
    for (uint32_t child = 2 * place; child <= c->used; child = 2 * place) {
        if (child < c->used && before(c->heap[child + 1], c->heap[child]))
            child++;
        if (!before(c->heap[child], t))
            break;
        put(c, place, c->heap[child]);
        place = child;
    }
    put(c, place, t);
}

void timer_start(struct clock *c, struct timer *t, uint64_t delay_us, void (*fire)(struct timer *))
{
    timer_stop(c, t);
    assert(c->used < c->max);

    t->fire = fire;
    t->due_us = delay_us > UINT64_MAX - c->now_us ? UINT64_MAX : c->now_us + delay_us;
    t->order = c->starts++;
    rise(c, ++c->used, t);
}

void timer_stop(struct clock *c, struct timer *t)
{
    uint32_t place = t->place;

    if (place == 0)
        return;
    assert(c->heap[place] == t);
    t->place = 0;

    struct timer *last = c->heap[c->used--];

    if (last == t)
        return;
    if (place > 1 && before(last, c->heap[place / 2]))
        rise(c, place, last);
    else
        sink(c, place, last);
}

uint64_t clock_next_us(const struct clock *c)
{
    return c->used > 0 ? c->heap[1]->due_us : UINT64_MAX;
}

void clock_fire(struct clock *c)
{
    uint64_t end = c->starts; /* what a fire() starts waits for the next turn, even with no delay */

    while (c->used > 0 && c->heap[1]->due_us <= c->now_us && c->heap[1]->order < end) {
        struct timer *t = c->heap[1];

        timer_stop(c, t);
        t->fire(t);
    }
}
