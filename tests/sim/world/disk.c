/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/disk.c — disks that forget what was not synced.
 *
 * A page holds two states: what a read sees now, and what is durable.  A write that is done and
 * not yet durable lies in `cached` with bytes of its own, in the order of its number; a sync moves
 * those that were done when it was submitted.  A sector (512 bytes) remembers the number of the
 * write it holds durably, so that an older write never replaces a newer one however late it comes.
 *
 * When the power is lost, each write in the cache and each under way stays, is lost, is cut short,
 * or loses single sectors; those under way have no order among themselves.
 */
#include "tests/sim/world/inside.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SECTOR       512u
#define PAGE         4096u
#define PAGE_SECTORS (PAGE / SECTOR)

struct sim_page {
    uint8_t now[PAGE], durable[PAGE];
    uint64_t number[PAGE_SECTORS]; /* of the write that is durable there */
};

/* A request under way, then, if it is a write, perhaps a line of the cache. */
struct sim_io {
    struct sim_event event;
    struct list link;
    struct sim_disk *disk;
    struct disk_io *io; /* NULL: done */
    uint64_t number;    /* of a write, from when it is done; of a sync: the newest it covers */
    uint64_t offset, length;
    uint8_t *bytes; /* what a write brings */
};

struct sim_handle {
    struct disk disk;
    struct list link; /* in its process */
    struct sim_process *process;
    struct sim_disk *on;
    uint32_t under_way;
};

/* ---- pages ---- */

static struct sim_page *page_of(struct sim_disk *d, uint64_t offset)
{
    struct sim_page **page = &d->pages[offset / PAGE];

    if (!*page) {
        *page = calloc(1, sizeof **page);
        assert(*page);
    }
    return *page;
}

static void make_sector_durable(struct sim_disk *d, const struct sim_io *w, uint64_t at)
{
    uint64_t offset = w->offset + at;
    struct sim_page *page = page_of(d, offset);
    uint64_t *number = &page->number[offset % PAGE / SECTOR];

    if (*number >= w->number)
        return;
    *number = w->number;
    memcpy(page->durable + offset % PAGE, w->bytes + at, SECTOR);
}

static void make_durable(struct sim_disk *d, const struct sim_io *w)
{
    for (uint64_t at = 0; at < w->length; at += SECTOR)
        make_sector_durable(d, w, at);
}

static void show(struct sim_disk *d, const struct sim_io *w)
{
    for (uint64_t at = 0; at < w->length; at += PAGE)
        memcpy(page_of(d, w->offset + at)->now, w->bytes + at, PAGE);
}

static void io_free(struct sim_io *w)
{
    list_remove(&w->link);
    event_cancel(&w->event);
    free(w->bytes);
    free(w);
}

/* Everything in the cache up to `number` is durable. */
static void flush(struct sim_disk *d, uint64_t number)
{
    list_for_each_safe(l, &d->cached) {
        struct sim_io *w = container_of(l, struct sim_io, link);

        if (w->number > number)
            break;
        make_durable(d, w);
        io_free(w);
    }
}

/* ---- requests ---- */

/* Copies between a request's pieces and one run of bytes; `into` the pieces or out of them. */
static void gather(const struct disk_io *io, uint8_t *bytes)
{
    for (uint32_t i = 0; i < io->piece_count; i++) {
        memcpy(bytes, io->pieces[i].iov_base, io->pieces[i].iov_len);
        bytes += io->pieces[i].iov_len;
    }
}

static bool unchanged(const struct disk_io *io, const uint8_t *bytes)
{
    for (uint32_t i = 0; i < io->piece_count; i++) {
        if (memcmp(bytes, io->pieces[i].iov_base, io->pieces[i].iov_len) != 0)
            return false;
        bytes += io->pieces[i].iov_len;
    }
    return true;
}

static void read_done(struct sim_disk *d, struct sim_io *r)
{
    uint64_t offset = r->offset;

    for (uint32_t i = 0; i < r->io->piece_count; i++) {
        sim_disk_peek(d, offset, r->io->pieces[i].iov_base, r->io->pieces[i].iov_len);
        offset += r->io->pieces[i].iov_len;
    }
}

/* Either durable or in the cache; w itself is freed or stays there. */
static void write_done(struct sim_disk *d, struct sim_io *w, bool durable)
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

static void io_fires(struct sim_event *e)
{
    struct sim_io *i = container_of(e, struct sim_io, event);
    struct sim_disk *d = i->disk;
    struct disk_io *io = i->io;

    container_of(io->disk, struct sim_handle, disk)->under_way--;
    if (io->op == DISK_WRITE)
        assert(unchanged(io, i->bytes));
    if (d->broken) {
        io_free(i);
        io->done(io, E_DISK);
        return;
    }
    switch (io->op) {
    case DISK_READ:
        read_done(d, i);
        io_free(i);
        break;
    case DISK_WRITE:
        write_done(d, i, (io->flags & DISK_DSYNC) || d->write_through);
        break;
    case DISK_SYNC:
        flush(d, i->number);
        io_free(i);
        break;
    }
    io->done(io, E_OK);
}

static uint64_t delay_of(struct sim_disk *d, const struct disk_io *io)
{
    uint64_t most = io->op == DISK_SYNC || (io->flags & DISK_DSYNC) ? 600 : 200;

    return d->slow_us + world_delay(d->sim, 20, most);
}

static void submit(struct disk *disk, struct disk_io *io)
{
    struct sim_handle *h = container_of(disk, struct sim_handle, disk);
    struct sim_disk *d = h->on;
    struct sim_io *i;

    if (h->process->dying || (io->op != DISK_READ && !process_issues(h->process))) {
        sim_abandon(d->sim, io);
        return;
    }
    i = calloc(1, sizeof *i);
    assert(i);
    i->disk = d;
    i->io = io;
    i->offset = io->offset;
    i->number = d->sequence;
    for (uint32_t n = 0; n < io->piece_count; n++)
        i->length += io->pieces[n].iov_len;
    assert(i->offset <= d->size_bytes && i->length <= d->size_bytes - i->offset);
    if (io->op == DISK_WRITE) {
        assert(i->length > 0);
        i->bytes = malloc(i->length);
        assert(i->bytes);
        gather(io, i->bytes);
    }
    i->event.process = h->process;
    i->event.fire = io_fires;
    list_append(&d->under_way, &i->link);
    h->under_way++;
    event_schedule(d->sim, &i->event, delay_of(d, io));
}

static void handle_free(struct sim_handle *h)
{
    h->on->open = NULL;
    list_remove(&h->link);
    free(h);
}

static void close_handle(struct disk *disk)
{
    struct sim_handle *h = container_of(disk, struct sim_handle, disk);

    if (h->process->dying)
        return; /* it is buried with the process */
    assert(h->under_way == 0);
    handle_free(h);
}

static const struct disk_ops ops = {.submit = submit, .close = close_handle};

enum err world_disk_open(struct env *e, const char *path, uint64_t create_bytes, struct disk **ret)
{
    struct sim_process *p = process_of(e);
    struct sim_disk *d = sim_disk_find(p->sim, path);
    struct sim_handle *h;

    if (!d && create_bytes > 0)
        d = sim_disk_make(p->sim, path, create_bytes);
    if (!d)
        return E_NOT_FOUND;
    if (d->open)
        return E_BUSY;
    h = calloc(1, sizeof *h);
    assert(h);
    h->process = p;
    h->on = d;
    h->disk = (struct disk){.ops = &ops,
                            .name = d->name,
                            .size_bytes = d->size_bytes,
                            .write_through = d->write_through};
    d->open = h;
    list_append(&p->handles, &h->link);
    *ret = &h->disk;
    return E_OK;
}

/* ---- death ---- */

/* What of a write survives a loss of power. */
static void survive(struct sim_disk *d, const struct sim_io *w)
{
    uint64_t sectors = w->length / SECTOR;
    uint64_t kept;

    switch (world_draw(d->sim, 4)) {
    case 0:
        break;
    case 1:
        make_durable(d, w);
        break;
    case 2: /* cut short */
        kept = world_draw(d->sim, sectors + 1);
        for (uint64_t at = 0; at < kept; at++)
            make_sector_durable(d, w, at * SECTOR);
        break;
    case 3: /* holes */
        for (uint64_t at = 0; at < sectors; at++)
            if (world_draw(d->sim, 2))
                make_sector_durable(d, w, at * SECTOR);
        break;
    }
}

/* What may be seen now is what was durable. */
static void forget(struct sim_disk *d, const struct sim_io *w)
{
    for (uint64_t at = 0; at < w->length; at += PAGE) {
        struct sim_page *page = page_of(d, w->offset + at);

        memcpy(page->now, page->durable, PAGE);
    }
}

static void lose_power(struct sim_disk *d)
{
    uint64_t mood = world_draw(d->sim, 4); /* 0: nothing is kept; 1: all that was done is */
    struct list *l;

    list_for_each(m, &d->under_way)
        container_of(m, struct sim_io, link)->number = d->sequence + 1 + world_draw(d->sim, 1000);
    d->sequence += 1001;
    list_move_all(&d->cached, &d->under_way);
    list_for_each(m, &d->cached) {
        struct sim_io *w = container_of(m, struct sim_io, link);

        if (w->bytes && mood == 1 && !w->io)
            make_durable(d, w);
        else if (w->bytes && mood > 0)
            survive(d, w);
    }
    list_for_each(m, &d->cached) {
        struct sim_io *w = container_of(m, struct sim_io, link);

        if (w->bytes)
            forget(d, w);
    }
    while ((l = list_take(&d->cached)))
        io_free(container_of(l, struct sim_io, link));
}

/* Nobody hears of what was under way; a write among it was performed, or never begun. */
static void end_of_process(struct sim_disk *d)
{
    list_for_each_safe(l, &d->under_way) {
        struct sim_io *i = container_of(l, struct sim_io, link);

        event_cancel(&i->event);
        if (i->bytes && world_draw(d->sim, 2))
            write_done(d, i, false);
        else
            io_free(i);
    }
}

void disks_of_dead(struct sim_process *p, enum sim_death death)
{
    list_for_each_safe(l, &p->handles) {
        struct sim_handle *h = container_of(l, struct sim_handle, link);
        struct sim_disk *d = h->on;

        list_for_each(m, &d->under_way)
            sim_abandon(p->sim, container_of(m, struct sim_io, link)->io);
        if (death == SIM_POWER_LOST)
            lose_power(d);
        else
            end_of_process(d);
        d->open = NULL;
        list_remove(&h->link);
        sim_abandon(p->sim, h); /* the dead process points to it */
    }
}

/* ---- the disks ---- */

struct sim_disk *sim_disk_make(struct sim *s, const char *name, uint64_t bytes)
{
    struct sim_disk *d = calloc(1, sizeof *d);

    assert(d);
    assert(bytes % PAGE == 0);
    assert(!sim_disk_find(s, name));
    d->sim = s;
    d->name = strdup(name);
    d->size_bytes = bytes;
    d->pages = calloc(bytes / PAGE, sizeof(struct sim_page *));
    assert(d->name && d->pages);
    list_init(&d->cached);
    list_init(&d->under_way);
    list_append(&s->disks, &d->link);
    return d;
}

struct sim_disk *sim_disk_find(struct sim *s, const char *name)
{
    list_for_each(l, &s->disks) {
        struct sim_disk *d = container_of(l, struct sim_disk, link);

        if (strcmp(d->name, name) == 0)
            return d;
    }
    return NULL;
}

void sim_disk_peek(const struct sim_disk *d, uint64_t offset, void *ret, size_t length)
{
    uint8_t *to = ret;

    assert(offset <= d->size_bytes && length <= d->size_bytes - offset);
    while (length > 0) {
        const struct sim_page *page = d->pages[offset / PAGE];
        size_t part = min_u64(length, PAGE - offset % PAGE);

        if (page)
            memcpy(to, page->now + offset % PAGE, part);
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        length -= part;
    }
}

void sim_disk_poke(struct sim_disk *d, uint64_t offset, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;

    assert(offset <= d->size_bytes && length <= d->size_bytes - offset);
    while (length > 0) {
        struct sim_page *page = page_of(d, offset);
        size_t at = offset % PAGE, part = length < PAGE - at ? length : PAGE - at;

        memcpy(page->now + at, from, part);
        memcpy(page->durable + at, from, part);
        offset += part;
        from += part;
        length -= part;
    }
}

void disks_free(struct sim *s)
{
    struct list *l;

    while ((l = list_take(&s->disks))) {
        struct sim_disk *d = container_of(l, struct sim_disk, link);

        while ((l = list_take(&d->cached)) || (l = list_take(&d->under_way)))
            io_free(container_of(l, struct sim_io, link));
        if (d->open)
            handle_free(d->open);
        for (uint64_t i = 0; i < d->size_bytes / PAGE; i++)
            free(d->pages[i]);
        free(d->pages);
        free(d->name);
        free(d);
    }
}
