/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/pool.h — memory is counted before it is used.
 *
 * A pool has a fixed number of items of one size, taken from the system when it is opened and
 * never exceeded; running out is ordinary (NULL).  One thread uses a pool.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct pool {
    const char *name; /* whose memory: printed at start */
    size_t item_bytes;
    uint32_t count, free_count, low_mark; /* low_mark: fewest that were ever free */
    uint8_t *memory;
    void **free;
};

/* Items are aligned to `alignment` (a power of two).  E_NO_MEMORY if the system has not so much. */
must_check enum err pool_open(struct pool *p, const char *name, size_t item_bytes, size_t alignment,
                              uint32_t count);
/* The same, with a wish for huge pages under it (base/memory.h). */
must_check enum err pool_open_huge(struct pool *p, const char *name, size_t item_bytes,
                                   size_t alignment, uint32_t count);
void pool_close(struct pool *p); /* every item must be back; NULL-safe, also half-built */

void *pool_get(struct pool *p); /* NULL when all are out; contents are what was left there */
void pool_put(struct pool *p, void *item);

static inline size_t pool_bytes(const struct pool *p)
{
    return p->item_bytes * p->count;
}

#endif
