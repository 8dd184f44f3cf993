/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/disk.c — simulated disks: their requests, and those who have them open.
 *
 * A request is performed when its time has come, and only then: until that moment its process may
 * die and leave its fate open.  What is on the disk is disk_medium.c's affair, what goes wrong
 * disk_faults.c's.
 */
#include "tests/sim/world/disk_inside.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- requests ---- */

void io_free(struct sim_io *i)
{
    list_remove(&i->link);
    event_cancel(&i->event);
    free(i->bytes);
    free(i);
}

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

/* Performs it; reads and syncs are freed, of a write the medium is the owner from then on. */
static enum err perform(struct sim_disk *d, struct sim_io *i)
{
    struct disk_io *io = i->io;
    bool fine = false;

    switch (io->op) {
    case DISK_READ:
        fine = faults_of_read(d, i);
        if (fine)
            read_done(d, i);
        io_free(i);
        break;
    case DISK_WRITE:
        fine = faults_of_write(d, i);
        medium_take(d, i, (io->flags & DISK_DSYNC) || d->write_through);
        break;
    case DISK_SYNC:
        fine = faults_of_sync(d, i);
        if (fine && i->bad != FAULT_LYING_SYNC)
            medium_flush(d, i->number);
        io_free(i);
        break;
    }
    return fine ? E_OK : E_DISK;
}

static void io_fires(struct sim_event *e)
{
    struct sim_io *i = container_of(e, struct sim_io, event);
    struct sim_disk *d = i->disk;
    struct disk_io *io = i->io;
    struct sim_handle *h = container_of(io->disk, struct sim_handle, disk);
    bool is_last = i->is_last;
    enum err err;

    h->under_way--;
    if (io->op == DISK_WRITE)
        assert(unchanged(io, i->bytes));
    err = faults_refuse(d, i);
    if (err)
        io_free(i);
    else
        err = perform(d, i);
    if (is_last) {
        sim_abandon(d->sim, io);
        process_dies(h->process);
        return;
    }
    disk_answer(io, err);
}

static uint64_t delay_of(struct sim_disk *d, struct sim_io *i)
{
    bool syncs = i->io->op == DISK_SYNC || (i->io->flags & DISK_DSYNC);

    return d->slow_us + world_delay(d->sim, 20, syncs ? 600 : 200) + faults_choose(d, i);
}

static struct sim_io *io_of(struct sim_disk *d, struct disk_io *io)
{
    struct sim_io *i = calloc(1, sizeof *i);

    assert(i);
    i->disk = d;
    i->io = io;
    i->offset = io->offset;
    i->number = d->sequence;
    i->request = ++d->requests;
    for (uint32_t n = 0; n < io->piece_count; n++)
        i->length += io->pieces[n].iov_len;
    assert(i->offset <= d->size_bytes && i->length <= d->size_bytes - i->offset);
    if (io->op == DISK_WRITE) {
        assert(i->length > 0);
        i->bytes = malloc(i->length);
        assert(i->bytes);
        gather(io, i->bytes);
    }
    return i;
}

static void submit(struct disk *disk, struct disk_io *io)
{
    struct sim_handle *h = container_of(disk, struct sim_handle, disk);
    struct sim_disk *d = h->on;
    struct sim_io *i;

    if (process_dying(h->process) || (io->op != DISK_READ && !process_issues(h->process))) {
        sim_abandon(d->sim, io);
        return;
    }
    i = io_of(d, io);
    i->event.process = h->process;
    i->event.fire = io_fires;
    list_append(&d->under_way, &i->link);
    h->under_way++;
    event_schedule(d->sim, &i->event, delay_of(d, i));
    if (io->op != DISK_READ)
        i->is_last = process_has_issued(h->process);
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

    if (process_dying(h->process))
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

/* Nobody hears of what was under way; a write among it was performed, or never begun. */
static void end_of_process(struct sim_disk *d)
{
    list_for_each_safe(l, &d->under_way) {
        struct sim_io *i = container_of(l, struct sim_io, link);

        event_cancel(&i->event);
        if (i->bytes && world_draw(d->sim, 2))
            medium_take(d, i, d->write_through);
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
            medium_lose_power(d);
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
    d->harmed = calloc(bytes / PAGE, sizeof *d->harmed);
    assert(d->name && d->pages && d->harmed);
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
        free(d->harmed);
        free(d->faults.all);
        free(d->name);
        free(d);
    }
}
