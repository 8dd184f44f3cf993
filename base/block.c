/* SPDX-License-Identifier: Apache-2.0 */
/* base/block.c — every request passes here, on the way down and on the way up. */
#include "base/block.h"

#include <assert.h>

void block_init(struct block *b, const struct block_ops *ops)
{
    *b = (struct block){.ops = ops, .logical_block_bytes = UNIT_BYTES, .unmap_grain_units = 128};
    list_init(&b->watchers);
}

static uint64_t bytes_of(const struct iovec *pieces, uint32_t count)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < count; i++)
        bytes += pieces[i].iov_len;
    return bytes;
}

/* How many bytes the pieces of a request must have. */
static uint64_t bytes_wanted(const struct block_request *r)
{
    uint64_t bytes = r->extent.count * UNIT_BYTES;

    switch (r->op) {
    case BLOCK_READ:
    case BLOCK_WRITE:
    case BLOCK_OR_WRITE:
        return bytes;
    case BLOCK_COMPARE_AND_WRITE:
        return 2 * bytes;
    case BLOCK_WRITE_ZEROES:
    case BLOCK_UNMAP:
    case BLOCK_STATUS:
        return 0;
    }
    unreachable();
}

void block_submit(struct block *b, struct block_request *r)
{
    uint64_t grain = b->logical_block_bytes / UNIT_BYTES;

    assert(!r->in_flight);
    assert(r->done);
    assert(r->extent.count > 0);
    assert(r->extent.start % grain == 0);
    assert(r->extent.count % grain == 0);
    assert(extent_within(r->extent, b->size_units));
    assert(bytes_of(r->pieces, r->piece_count) == bytes_wanted(r));
    assert(r->op != BLOCK_STATUS || r->run_max > 0);

    r->in_flight = true;
    r->block = b;
    r->run_count = 0;
    b->in_flight++;
    b->ops->submit(b, r);
}

void block_answer(struct block_request *r, enum err err)
{
    struct block *b = r->block;

    assert(r->in_flight);
    assert(b->in_flight > 0);
    assert(r->run_count <= r->run_max);

    r->in_flight = false;
    b->in_flight--;
    r->done(r, err);
}

void block_acknowledged(struct block *b, struct extent extent, const struct block_note *note)
{
    if (b->ops->acknowledged && note->initiator)
        b->ops->acknowledged(b, extent, note);
}

void block_watch(struct block *b, struct block_watcher *w)
{
    list_append(&b->watchers, &w->link);
}

void block_unwatch(struct block_watcher *w)
{
    if (w->link.next)
        list_remove(&w->link);
}

void block_resized(struct block *b, uint64_t size_units)
{
    b->size_units = size_units;
    list_for_each_safe(l, &b->watchers) {
        struct block_watcher *w = container_of(l, struct block_watcher, link);

        w->resized(w);
    }
}

void block_moved(struct block *b)
{
    list_for_each_safe(l, &b->watchers) {
        struct block_watcher *w = container_of(l, struct block_watcher, link);

        w->moved(w);
    }
}
