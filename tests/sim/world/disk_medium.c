/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/disk_medium.c — what is on a simulated disk, now and for good.
 *
 * A page holds two states: what a read sees now, and what is durable.  A write that is done and
 * not yet durable lies in `cached` with bytes of its own, in the order of its number; a sync moves
 * those that were done when it was submitted.  A sector (512 bytes) remembers the number of the
 * write it holds durably, so that an older write never replaces a newer one however late it comes,
 * and the harm that was done to it, in either state.
 *
 * When the power is lost, each write in the cache and each under way stays, is lost, is cut short,
 * or loses single sectors; those under way have no order among themselves.
 */
#include "tests/sim/world/disk_inside.h"

#include <assert.h>
#include <string.h>

struct sim_page *page_of(struct sim_disk *d, uint64_t offset)
{
    struct sim_page **page = &d->pages[offset / PAGE];

    if (!*page) {
        *page = calloc(1, sizeof **page);
        assert(*page);
    }
    return *page;
}

/* A sector's harm, once `w` stands there: a lost write adds its own, any other mends. */
static uint32_t harm_after(const struct sim_io *w, uint32_t harm)
{
    if (w->harm == FAULT_BIT(FAULT_LOST_WRITE))
        return harm | w->harm;
    return (harm & FAULT_BIT(FAULT_LASTING)) | w->harm;
}

/* Some of its bytes, from `at` on, into sectors of one page. */
static void put(const struct sim_io *w, uint64_t at, uint64_t length, uint8_t *sectors,
                uint32_t *harm)
{
    if (w->harm != FAULT_BIT(FAULT_LOST_WRITE))
        memcpy(sectors, w->bytes + at, length);
    for (uint64_t i = 0; i < length / SECTOR; i++)
        harm[i] = harm_after(w, harm[i]);
}

/* How much of it, from `at` on, lies in one page. */
static uint64_t part_of_page(const struct sim_io *w, uint64_t at)
{
    return min_u64(w->length - at, PAGE - (w->offset + at) % PAGE);
}

/* Sectors of one page: in runs of those that hold nothing newer. */
static void make_sectors_durable(struct sim_disk *d, const struct sim_io *w, uint64_t at,
                                 uint64_t length)
{
    struct sim_page *page = page_of(d, w->offset + at);
    uint64_t first = (w->offset + at) % PAGE / SECTOR, end = first + length / SECTOR;

    for (uint64_t i = first; i < end; i++) {
        uint64_t run = i;

        while (i < end && page->number[i] < w->number)
            page->number[i++] = w->number;
        if (i > run)
            put(w, at + (run - first) * SECTOR, (i - run) * SECTOR, page->durable + run * SECTOR,
                &page->harm_durable[run]);
    }
}

static void make_durable(struct sim_disk *d, const struct sim_io *w)
{
    for (uint64_t at = 0; at < w->length; at += part_of_page(w, at))
        make_sectors_durable(d, w, at, part_of_page(w, at));
}

static void show(struct sim_disk *d, const struct sim_io *w)
{
    for (uint64_t at = 0; at < w->length; at += part_of_page(w, at)) {
        uint64_t in_page = (w->offset + at) % PAGE;
        struct sim_page *page = page_of(d, w->offset + at);

        put(w, at, part_of_page(w, at), page->now + in_page, &page->harm_now[in_page / SECTOR]);
        d->harmed[(w->offset + at) / PAGE] |= w->harm != 0;
    }
}

void medium_take(struct sim_disk *d, struct sim_io *w, bool durable)
{
    list_remove(&w->link);
    w->io = NULL;
    w->number = ++d->sequence;
    show(d, w);
    if (durable) {
        make_durable(d, w);
        io_free(w);
    } else {
        list_append(&d->cached, &w->link);
    }
}

void medium_flush(struct sim_disk *d, uint64_t number)
{
    list_for_each_safe(l, &d->cached) {
        struct sim_io *w = container_of(l, struct sim_io, link);

        if (w->number > number)
            break;
        make_durable(d, w);
        io_free(w);
    }
}

/* ---- the power goes ---- */

static enum sim_fault_kind drawn_fate(struct sim_disk *d)
{
    return FAULT_POWER_LOSES + (enum sim_fault_kind)world_draw(d->sim, 4);
}

/* What of a write survives. */
static void meet_fate(struct sim_disk *d, const struct sim_io *w, enum sim_fault_kind fate)
{
    uint64_t sectors = w->length / SECTOR;
    uint64_t kept;

    if (fate == FAULT_POWER_KEEPS) {
        make_durable(d, w);
    } else if (fate == FAULT_POWER_CUTS) {
        kept = world_draw(d->sim, sectors + 1);
        for (uint64_t at = 0; at < kept; at++)
            make_sectors_durable(d, w, at * SECTOR, SECTOR);
    } else if (fate == FAULT_POWER_HOLES) {
        for (uint64_t at = 0; at < sectors; at++)
            if (world_draw(d->sim, 2))
                make_sectors_durable(d, w, at * SECTOR, SECTOR);
    }
}

/* What may be seen now is what was durable. */
static void forget(struct sim_disk *d, const struct sim_io *w)
{
    for (uint64_t at = 0; at < w->length; at += PAGE) {
        struct sim_page *page = page_of(d, w->offset + at);

        memcpy(page->now, page->durable, PAGE);
        memcpy(page->harm_now, page->harm_durable, sizeof page->harm_now);
    }
}

void medium_lose_power(struct sim_disk *d)
{
    uint64_t mood = world_draw(d->sim, 4); /* 0: nothing is kept; 1: all that was done is */
    struct list *l;

    list_for_each(m, &d->under_way)
        container_of(m, struct sim_io, link)->number = d->sequence + 1 + world_draw(d->sim, 1000);
    d->sequence += 1001;
    list_move_all(&d->cached, &d->under_way);
    list_for_each(m, &d->cached) {
        struct sim_io *w = container_of(m, struct sim_io, link);
        enum sim_fault_kind fate = w->bytes ? faults_of_power(d, w) : FAULT_POWER_LOSES;

        if (fate != FAULT_NONE)
            meet_fate(d, w, fate);
        else if (mood == 1 && !w->io)
            make_durable(d, w);
        else if (mood > 0)
            meet_fate(d, w, drawn_fate(d));
    }
    list_for_each(m, &d->cached) {
        struct sim_io *w = container_of(m, struct sim_io, link);

        if (w->bytes)
            forget(d, w);
    }
    while ((l = list_take(&d->cached)))
        io_free(container_of(l, struct sim_io, link));
}
