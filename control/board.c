/* SPDX-License-Identifier: Apache-2.0 */
/* control/board.c — see board.h. */
#include "control/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t monotonic_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void board_init(struct board *b)
{
    pthread_condattr_t attributes;

    *b = (struct board){.started_ms = monotonic_ms()};
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&b->grown, &attributes);
    pthread_condattr_destroy(&attributes);
}

void board_done(struct board *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        heartbeat_put(b->last[i]);
    pthread_cond_destroy(&b->grown);
    pthread_mutex_destroy(&b->lock);
}

static struct heartbeat **board_slot(struct board *b, struct identity node)
{
    for (uint32_t i = 0; i < b->count; i++) {
        if (identity_equal(b->last[i]->node, node))
            return &b->last[i];
    }
    return b->count < BOARD_NODES_MAX ? &b->last[b->count] : NULL;
}

/* A process that speaks again after another one of its node: both live.  A restart never does. */
static void board_follow(struct heartbeat *h, const struct heartbeat *former)
{
    bool other = !identity_equal(h->incarnation, former->incarnation);
    const char *portal = other && former->portal_count ? former->portals[0] : "";

    h->before = other ? former->incarnation : former->before;
    snprintf(h->before_portal, sizeof h->before_portal, "%s",
             other ? portal : former->before_portal);
    h->doubled_ms = other && identity_equal(h->incarnation, former->before) ? h->arrived_ms
                                                                            : former->doubled_ms;
}

enum err board_put(struct board *b, struct heartbeat *h)
{
    struct heartbeat *former = NULL;
    struct heartbeat **slot;

    pthread_mutex_lock(&b->lock);
    slot = board_slot(b, h->node);
    if (slot == &b->last[b->count])
        b->count++;
    else if (slot)
        former = *slot;
    if (former)
        board_follow(h, former);
    if (slot)
        *slot = h;
    else
        former = h; /* no place: it goes at once */
    b->news++;
    pthread_cond_broadcast(&b->grown);
    pthread_mutex_unlock(&b->lock);
    heartbeat_put(former);
    return slot ? E_OK : E_TOO_LARGE;
}

void board_forget(struct board *b, struct identity node)
{
    struct heartbeat *former = NULL;
    struct heartbeat **slot;

    pthread_mutex_lock(&b->lock);
    slot = board_slot(b, node);
    if (slot && slot < &b->last[b->count]) {
        former = *slot;
        *slot = b->last[--b->count];
    }
    pthread_mutex_unlock(&b->lock);
    heartbeat_put(former);
}

void board_tell(struct board *b)
{
    pthread_mutex_lock(&b->lock);
    b->news++;
    pthread_cond_broadcast(&b->grown);
    pthread_mutex_unlock(&b->lock);
}

void board_stop(struct board *b)
{
    pthread_mutex_lock(&b->lock);
    b->stopped = true;
    pthread_cond_broadcast(&b->grown);
    pthread_mutex_unlock(&b->lock);
}

bool board_stopped(struct board *b)
{
    bool stopped;

    pthread_mutex_lock(&b->lock);
    stopped = b->stopped;
    pthread_mutex_unlock(&b->lock);
    return stopped;
}

bool board_snapshot(struct board *b, struct heartbeat_set *ret)
{
    struct heartbeat_set set = {.items = calloc(BOARD_NODES_MAX, sizeof(struct heartbeat *))};

    if (!set.items)
        return false;
    pthread_mutex_lock(&b->lock);
    for (; set.count < b->count; set.count++) {
        set.items[set.count] = b->last[set.count];
        heartbeat_get(set.items[set.count]);
    }
    set.started_ms = b->started_ms;
    set.now_ms = monotonic_ms();
    pthread_mutex_unlock(&b->lock);
    *ret = set;
    return true;
}

void board_release(struct heartbeat_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        heartbeat_put(set->items[i]);
    free(set->items);
    *set = (struct heartbeat_set){0};
}

uint64_t board_news(struct board *b)
{
    uint64_t news;

    pthread_mutex_lock(&b->lock);
    news = b->news;
    pthread_mutex_unlock(&b->lock);
    return news;
}

bool board_wait(struct board *b, uint64_t seen, uint64_t until_ms)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};
    bool news;
    int rc = 0;

    pthread_mutex_lock(&b->lock);
    while (b->news == seen && !b->stopped && rc == 0)
        rc = pthread_cond_timedwait(&b->grown, &b->lock, &until);
    news = b->news != seen && !b->stopped;
    pthread_mutex_unlock(&b->lock);
    return news && monotonic_ms() < until_ms;
}

bool board_wait_begin(struct board *b, enum board_waiter who, uint32_t max)
{
    bool may;

    pthread_mutex_lock(&b->lock);
    may = b->waiting[who] < max && !b->stopped;
    if (may)
        b->waiting[who]++;
    pthread_mutex_unlock(&b->lock);
    return may;
}

void board_wait_end(struct board *b, enum board_waiter who)
{
    pthread_mutex_lock(&b->lock);
    b->waiting[who]--;
    pthread_mutex_unlock(&b->lock);
}
