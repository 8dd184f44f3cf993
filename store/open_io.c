/* SPDX-License-Identifier: Apache-2.0 */
/* store/open_io.c — how open reads: one range at a time, no page is lost with its neighbour, and
 * none by an error that passes. */
#include "store/inside.h"

static void submit(struct open_io *o);

static void give_up(struct open_io *o)
{
    memset(o->buffer + o->at, 0, PAGE_BYTES);
    o->refused++;
    if (o->place_count < UNREAD_MOST)
        o->places[o->place_count++] = o->offset + o->at;
    if (o->at / PAGE_BYTES < 64)
        o->mask |= UINT64_C(1) << o->at / PAGE_BYTES;
}

static void done(struct disk_io *io, enum err err)
{
    struct open_io *o = container_of(io, struct open_io, io);

    if (err && !o->single) { /* once more, page by page */
        o->single = true;
        o->at = o->tries = 0;
        submit(o);
        return;
    }
    if (err && ++o->tries < READ_TRIES) {
        submit(o);
        return;
    }
    if (o->single) {
        if (err)
            give_up(o);
        o->at += PAGE_BYTES;
        o->tries = 0;
        if (o->at < o->bytes) {
            submit(o);
            return;
        }
    }
    o->busy = false;
    task_run(o->waiter);
}

static void submit(struct open_io *o)
{
    uint64_t at = o->single ? o->at : 0;

    o->piece = (struct iovec){o->buffer + at, (size_t)(o->single ? PAGE_BYTES : o->bytes)};
    o->io = (struct disk_io){.op = DISK_READ,
                             .offset = o->offset + at,
                             .pieces = &o->piece,
                             .piece_count = 1,
                             .done = done};
    disk_submit(o->disk, &o->io);
}

void open_io_read(struct open_io *o, uint8_t *buffer, uint64_t offset, uint64_t bytes)
{
    assert(!o->busy);
    o->buffer = buffer;
    o->offset = offset;
    o->bytes = bytes;
    o->single = false;
    o->mask = 0;
    o->place_count = 0;
    o->busy = true;
    submit(o);
}
