/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/receive_buffers.c — memory that the kernel fills when bytes arrive, not before.
 *
 * One ring of buffers for all connections: an idle connection holds none.  A buffer is ours from
 * its completion until receive_buffers_give_back(); the kernel says ENOBUFS when all are ours, and
 * the connection then asks again.
 */
#include "base/memory.h"
#include "env/uring/parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES 4096u

enum err receive_buffers_open(struct receive_buffers *b, struct ring *g, uint32_t count,
                              uint32_t bytes_each)
{
    size_t ring_bytes = round_up(count * sizeof(struct io_uring_buf), PAGE_BYTES);
    struct io_uring_buf_reg reg = {.ring_entries = count, .bgid = 0};
    int result;

    assert(count > 0 && count <= 32768 && (count & (count - 1)) == 0);
    assert(bytes_each % PAGE_BYTES == 0);
    *b = (struct receive_buffers){.count = count, .bytes_each = bytes_each};
    b->ring = aligned_alloc(PAGE_BYTES, ring_bytes);
    b->memory = memory_take(PAGE_BYTES, (size_t)count * bytes_each, false);
    if (!b->ring || !b->memory)
        return E_NO_MEMORY;
    memset(b->ring, 0, ring_bytes);

    reg.ring_addr = (uint64_t)(uintptr_t)b->ring;
    result = io_uring_register_buf_ring(&g->uring, &reg, 0);
    if (result < 0)
        return E_UNSUPPORTED;
    for (uint32_t i = 0; i < count; i++)
        receive_buffers_give_back(b, i);
    return E_OK;
}

void receive_buffers_close(struct receive_buffers *b)
{
    free(b->ring);
    free(b->memory);
    *b = (struct receive_buffers){0};
}

const uint8_t *receive_buffers_at(const struct receive_buffers *b, uint32_t number)
{
    assert(number < b->count);
    return b->memory + (size_t)number * b->bytes_each;
}

void receive_buffers_give_back(struct receive_buffers *b, uint32_t number)
{
    io_uring_buf_ring_add(b->ring, b->memory + (size_t)number * b->bytes_each, b->bytes_each,
                          (unsigned short)number, (int)b->count - 1, 0);
    io_uring_buf_ring_advance(b->ring, 1);
}
