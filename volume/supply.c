/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/supply.c — what there is only so much of, and the line before it.
 *
 * What is given back goes to the first in line, never to who comes by: nobody starves.
 */
#include "volume/inside.h"

#include <assert.h>

enum err supply_open(struct supply *s, const char *name, size_t item_bytes, uint32_t count)
{
    list_init(&s->waiting);
    return pool_open(&s->pool, name, item_bytes, BLOCK_BYTES, count);
}

void supply_close(struct supply *s)
{
    pool_close(&s->pool);
}

bool supply_take(struct supply *s, struct supply_turn *turn, struct task *waiter)
{
    assert(!turn->item);
    turn->item = pool_get(&s->pool);
    if (turn->item)
        return true;
    turn->waiter = waiter;
    list_append(&s->waiting, &turn->link);
    return false;
}

void supply_give(struct supply *s, struct supply_turn *turn)
{
    struct list *first;
    void *item = turn->item;

    if (!item)
        return;
    turn->item = NULL;
    first = list_take(&s->waiting);
    if (first) {
        struct supply_turn *next = container_of(first, struct supply_turn, link);

        next->item = item;
        task_run(next->waiter);
    } else {
        pool_put(&s->pool, item);
    }
}

void window_init(struct window *w, uint32_t writes_max, uint64_t bytes_max)
{
    *w = (struct window){.writes_max = writes_max, .bytes_max = bytes_max};
    list_init(&w->waiting);
}

/* A write larger than the whole window goes alone. */
static bool has_room(const struct window *w, uint64_t bytes)
{
    if (w->writes == 0)
        return true;
    return w->writes < w->writes_max && w->bytes + bytes <= w->bytes_max;
}

static void hold(struct window *w, struct window_turn *turn)
{
    turn->held = true;
    w->writes++;
    w->bytes += turn->bytes;
}

bool window_enter(struct window *w, struct window_turn *turn, uint64_t bytes, struct task *waiter)
{
    assert(!turn->held);
    turn->bytes = bytes;
    turn->waiter = waiter;
    if (list_empty(&w->waiting) && has_room(w, bytes)) {
        hold(w, turn);
        return true;
    }
    list_append(&w->waiting, &turn->link);
    return false;
}

void window_leave(struct window *w, struct window_turn *turn)
{
    if (!turn->held)
        return;
    turn->held = false;
    w->writes--;
    w->bytes -= turn->bytes;
    while (!list_empty(&w->waiting)) {
        struct window_turn *next = container_of(w->waiting.next, struct window_turn, link);

        if (!has_room(w, next->bytes))
            return;
        list_remove(&next->link);
        hold(w, next);
        task_run(next->waiter);
    }
}
