/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/allocator.c — which chunks are taken.
 *
 * A freed chunk stays taken until the checkpoint that records the free is durable (design 7, notes
 * 42): before that a crash brings its old owner back.  Chunks get numbers only when a checkpoint
 * writes them home; until then they are a promise, a count.
 */
#include "store/inside.h"

static size_t words_of(uint64_t chunks)
{
    return (size_t)div_up(chunks, 64);
}

enum err allocator_open(struct allocator *a, uint64_t chunks)
{
    *a = (struct allocator){.chunks = chunks};
    a->taken = calloc(words_of(chunks), sizeof *a->taken);
    a->freed = calloc(words_of(chunks), sizeof *a->freed);
    if (!a->taken || !a->freed)
        return E_NO_MEMORY;
    if (chunks % 64) /* beyond the end nothing is free */
        a->taken[chunks / 64] = ~UINT64_C(0) << chunks % 64;
    return E_OK;
}

void allocator_close(struct allocator *a)
{
    free(a->taken);
    free(a->freed);
    *a = (struct allocator){0};
}

static uint64_t bit_of(uint64_t chunk)
{
    return UINT64_C(1) << chunk % 64;
}

uint64_t allocator_take(struct allocator *a)
{
    size_t word = (size_t)(a->cursor / 64), words = words_of(a->chunks);
    uint64_t chunk;

    assert(a->promised > 0);
    assert(a->taken_count < a->chunks);
    while (a->taken[word] == ~UINT64_C(0))
        word = (word + 1) % words;
    chunk = word * 64 + (uint64_t)__builtin_ctzll(~a->taken[word]);
    a->taken[word] |= bit_of(chunk);
    a->taken_count++;
    a->promised--;
    a->cursor = chunk;
    return chunk;
}

bool allocator_mark(struct allocator *a, uint64_t chunk)
{
    if (a->taken[chunk / 64] & bit_of(chunk))
        return false;
    a->taken[chunk / 64] |= bit_of(chunk);
    a->taken_count++;
    return true;
}

bool allocator_is_freed(const struct allocator *a, uint64_t chunk)
{
    return a->freed[chunk / 64] & bit_of(chunk);
}

void allocator_free(struct allocator *a, uint64_t chunk)
{
    assert(a->taken[chunk / 64] & bit_of(chunk));
    assert(!allocator_is_freed(a, chunk));
    a->freed[chunk / 64] |= bit_of(chunk);
    a->freed_count++;
}

void allocator_settle(struct allocator *a)
{
    if (a->freed_count == 0)
        return;
    for (size_t i = 0; i < words_of(a->chunks); i++) {
        a->taken[i] &= ~a->freed[i];
        a->freed[i] = 0;
    }
    a->taken_count -= a->freed_count;
    a->freed_count = 0;
}
