/* SPDX-License-Identifier: Apache-2.0 */
/* base/pool.c — one allocation, a stack of what is free. */
#include "base/pool.h"

#include "base/memory.h"
#include "base/util.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static enum err open_taking(struct pool *p, size_t item_bytes, size_t alignment, uint32_t count,
                            bool huge)
{
    size_t bytes;

    if (__builtin_mul_overflow(item_bytes, (size_t)(count ? count : 1), &bytes))
        return E_NO_MEMORY;
    p->item_bytes = item_bytes;
    p->free = calloc(count ? count : 1, sizeof *p->free);
    p->memory = memory_take(alignment, bytes, huge);
    if (!p->free || !p->memory) {
        pool_close(p);
        return E_NO_MEMORY;
    }
    for (uint32_t i = count; i > 0; i--)
        p->free[p->free_count++] = p->memory + item_bytes * (i - 1);
    p->count = p->low_mark = count;
    return E_OK;
}

enum err pool_open(struct pool *p, const char *name, size_t item_bytes, size_t alignment,
                   uint32_t count)
{
    *p = (struct pool){.name = name};
    return open_taking(p, (size_t)round_up(item_bytes, alignment), alignment, count, false);
}

enum err pool_open_huge(struct pool *p, const char *name, size_t item_bytes, size_t alignment,
                        uint32_t count)
{
    *p = (struct pool){.name = name};
    return open_taking(p, (size_t)round_up(item_bytes, alignment), alignment, count, true);
}

void pool_close(struct pool *p)
{
    if (!p)
        return;
    assert(p->free_count == p->count);
    free(p->free);
    free(p->memory);
    memset(p, 0, sizeof *p);
}

void *pool_get(struct pool *p)
{
    if (p->free_count == 0)
        return NULL;
    p->free_count--;
    p->low_mark = min_u32(p->low_mark, p->free_count);
    return p->free[p->free_count];
}

void pool_put(struct pool *p, void *item)
{
    uint8_t *at = item;

    assert(p->free_count < p->count);
    assert(at >= p->memory && at < p->memory + pool_bytes(p));
    assert((size_t)(at - p->memory) % p->item_bytes == 0);
    p->free[p->free_count++] = item;
}
