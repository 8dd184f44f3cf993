/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/buffers.c — segments for the data of commands.
 *
 * A payload is cut from large segments; what is left over goes into small ones while four of them
 * do, so that a 4 KiB write does not hold 64 KiB.  When one pool is empty the other helps out.
 */
#include "iscsi-target/buffers.h"

#include "base/util.h"

#include <assert.h>
#include <string.h>

#define SMALL_SHARE    8u /* one byte in eight is in small segments     */
#define SMALL_PIECES   4u /* a rest of more than these takes a large one */
#define SEGMENT_ALIGN  4096u
#define SEGMENTS_LEAST 2u
#define PAYLOAD_MAX    ((PAYLOAD_PIECES_MAX - 2) * SEGMENT_LARGE_BYTES)

enum err buffers_open(struct buffers *b, uint64_t bytes)
{
    uint64_t small = max_u64(bytes / SMALL_SHARE / SEGMENT_SMALL_BYTES, SEGMENTS_LEAST);
    uint64_t large = (bytes - min_u64(bytes, small * SEGMENT_SMALL_BYTES)) / SEGMENT_LARGE_BYTES;
    enum err err;

    memset(b, 0, sizeof *b);
    if (large > UINT32_MAX)
        return E_TOO_LARGE;
    err =
        pool_open(&b->small, "small segments", SEGMENT_SMALL_BYTES, SEGMENT_ALIGN, (uint32_t)small);
    if (err)
        return err;
    err = pool_open(&b->large, "large segments", SEGMENT_LARGE_BYTES, SEGMENT_ALIGN,
                    (uint32_t)max_u64(large, SEGMENTS_LEAST));
    if (err)
        buffers_close(b);
    return err;
}

void buffers_close(struct buffers *b)
{
    pool_close(&b->small);
    pool_close(&b->large);
}

bool buffers_idle(const struct buffers *b)
{
    return b->small.free_count == b->small.count && b->large.free_count == b->large.count;
}

uint64_t buffers_free_bytes(const struct buffers *b, uint32_t bytes)
{
    uint64_t large = (uint64_t)b->large.free_count * SEGMENT_LARGE_BYTES;

    if (bytes > PAYLOAD_PIECES_MAX * SEGMENT_SMALL_BYTES)
        return large;
    return large + (uint64_t)b->small.free_count * SEGMENT_SMALL_BYTES;
}

static bool is_large(const struct buffers *b, const void *segment)
{
    const uint8_t *at = segment;

    return at >= b->large.memory && at < b->large.memory + pool_bytes(&b->large);
}

/* How many segments of each pool a payload takes. */
struct cut {
    uint32_t large, small;
};

static uint32_t segments(uint32_t bytes, uint32_t each)
{
    return (uint32_t)div_up(bytes, each);
}

/* False: there are not enough. */
static bool cut_of(const struct buffers *b, uint32_t bytes, struct cut *ret)
{
    uint32_t rest = min_u32(bytes, SMALL_PIECES * SEGMENT_SMALL_BYTES);
    uint32_t large = segments(bytes - rest, SEGMENT_LARGE_BYTES);

    large = min_u32(large, b->large.free_count);
    rest = bytes - min_u32(bytes, large * SEGMENT_LARGE_BYTES);
    *ret = (struct cut){large, segments(rest, SEGMENT_SMALL_BYTES)};
    if (ret->small <= b->small.free_count && ret->large + ret->small <= PAYLOAD_PIECES_MAX)
        return true;
    *ret = (struct cut){segments(bytes, SEGMENT_LARGE_BYTES), 0};
    return ret->large <= b->large.free_count;
}

bool buffers_have(const struct buffers *b, uint32_t bytes)
{
    struct cut cut;

    return cut_of(b, bytes, &cut);
}

static void piece_get(struct payload *p, struct pool *pool, uint32_t bytes)
{
    struct iovec *piece = &p->pieces[p->count++];

    piece->iov_base = pool_get(pool);
    piece->iov_len = min_u32(bytes - p->bytes, (uint32_t)pool->item_bytes);
    p->bytes += (uint32_t)piece->iov_len;
    if (p->held)
        *p->held += pool->item_bytes;
}

bool payload_get(struct buffers *b, struct payload *p, uint32_t bytes)
{
    struct cut cut;

    assert(p->count == 0);
    assert(bytes <= PAYLOAD_MAX);

    if (!cut_of(b, bytes, &cut))
        return false;
    for (; cut.large > 0; cut.large--)
        piece_get(p, &b->large, bytes);
    for (; cut.small > 0; cut.small--)
        piece_get(p, &b->small, bytes);
    return true;
}

static void piece_put(struct buffers *b, const struct payload *p, void *segment)
{
    struct pool *pool = is_large(b, segment) ? &b->large : &b->small;

    if (p->held)
        *p->held -= pool->item_bytes;
    pool_put(pool, segment);
}

void payload_put(struct buffers *b, struct payload *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        piece_put(b, p, p->pieces[i].iov_base);
    p->count = p->bytes = 0;
}

void payload_cut(struct buffers *b, struct payload *p, uint32_t bytes)
{
    while (p->bytes > bytes) {
        struct iovec *last = &p->pieces[p->count - 1];
        uint32_t surplus = p->bytes - bytes;

        if (surplus < last->iov_len) {
            last->iov_len -= surplus;
            p->bytes = bytes;
            return;
        }
        p->bytes -= (uint32_t)last->iov_len;
        piece_put(b, p, last->iov_base);
        p->count--;
    }
}

/* The piece that holds byte *at, which becomes the byte within the piece. */
static uint32_t piece_at(const struct payload *p, uint32_t *at)
{
    uint32_t i = 0;

    while (i < p->count && *at >= p->pieces[i].iov_len)
        *at -= (uint32_t)p->pieces[i++].iov_len;
    return i;
}

void payload_write(struct payload *p, uint32_t at, const void *from, uint32_t length)
{
    const uint8_t *bytes = from;

    assert(at <= p->bytes && length <= p->bytes - at);
    for (uint32_t i = piece_at(p, &at); length > 0; i++, at = 0) {
        uint32_t here = min_u32(length, (uint32_t)p->pieces[i].iov_len - at);

        memcpy((uint8_t *)p->pieces[i].iov_base + at, bytes, here);
        bytes += here;
        length -= here;
    }
}

void payload_read(const struct payload *p, uint32_t at, void *to, uint32_t length)
{
    uint8_t *bytes = to;

    assert(at <= p->bytes && length <= p->bytes - at);
    for (uint32_t i = piece_at(p, &at); length > 0; i++, at = 0) {
        uint32_t here = min_u32(length, (uint32_t)p->pieces[i].iov_len - at);

        memcpy(bytes, (const uint8_t *)p->pieces[i].iov_base + at, here);
        bytes += here;
        length -= here;
    }
}

uint32_t payload_pieces(const struct payload *p, uint32_t at, uint32_t length, struct iovec *ret)
{
    uint32_t count = 0;

    assert(at <= p->bytes && length <= p->bytes - at);
    for (uint32_t i = piece_at(p, &at); length > 0; i++, at = 0) {
        uint32_t here = min_u32(length, (uint32_t)p->pieces[i].iov_len - at);

        ret[count].iov_base = (uint8_t *)p->pieces[i].iov_base + at;
        ret[count++].iov_len = here;
        length -= here;
    }
    return count;
}
