/* SPDX-License-Identifier: Apache-2.0 */
/* base/memory.c — an allocation, and its pages with it. */
#include "base/memory.h"

#include "base/util.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE UINT64_C(4096)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

static bool populating;

void memory_populate(void)
{
    populating = true;
}

/* The whole pages within; what is at the edges has its page from a neighbour, or costs one. */
static int advise(uint8_t *memory, size_t bytes, int advice)
{
    uint64_t start = round_up((uintptr_t)memory, PAGE);
    uint64_t end = round_down((uintptr_t)memory + bytes, PAGE);

    return start < end ? madvise(memory + (start - (uintptr_t)memory), end - start, advice) : 0;
}

void *memory_take(size_t alignment, size_t bytes, bool huge)
{
    uint8_t *memory = aligned_alloc(alignment, (size_t)round_up(bytes, alignment));

    if (!memory)
        return NULL;
    if (huge)
        (void)advise(memory, bytes, MADV_HUGEPAGE); /* a system that has none gives none */
    if (populating && advise(memory, bytes, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) {
        free(memory);
        return NULL;
    }
    return memory;
}
