/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/allocator.c — which chunks are taken.
 *
 * A freed chunk stays taken until the checkpoint that records the free is durable (design 7, notes
 * 42): before that a crash brings its old owner back.  What is freed beside a checkpoint waits for
 * the next one.  Chunks get numbers when a checkpoint is begun that writes them home; until then
 * they are a promise, a count.  A promise that is let go waits like a chunk that is freed: a
 * checkpoint in the middle of replay makes it a chunk, and what was claimed since must not be the
 * one (D2).  A claimed chunk is taken, and nobody's until a record names it.
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
    a->settling = calloc(words_of(chunks), sizeof *a->settling);
    if (!a->taken || !a->freed || !a->settling)
        return E_NO_MEMORY;
    if (chunks % 64) /* beyond the end nothing is free */
        a->taken[chunks / 64] = ~UINT64_C(0) << chunks % 64;
    return E_OK;
}

void allocator_close(struct allocator *a)
{
    free(a->taken);
    free(a->freed);
    free(a->settling);
    *a = (struct allocator){0};
}

static uint64_t bit_of(uint64_t chunk)
{
    return UINT64_C(1) << chunk % 64;
}

/* The next that is free, from the last one on: what is taken together lies together. */
static uint64_t take_next(struct allocator *a)
{
    size_t word = (size_t)(a->cursor / 64), words = words_of(a->chunks);
    uint64_t chunk;

    assert(a->taken_count < a->chunks);
    while (a->taken[word] == ~UINT64_C(0))
        word = (word + 1) % words;
    chunk = word * 64 + (uint64_t)__builtin_ctzll(~a->taken[word]);
    a->taken[word] |= bit_of(chunk);
    a->taken_count++;
    a->cursor = chunk;
    return chunk;
}

uint64_t allocator_take(struct allocator *a)
{
    assert(a->promised > 0);
    a->promised--;
    return take_next(a);
}

void allocator_let_go(struct allocator *a)
{
    assert(a->promised > 0);
    a->promised--;
    a->let_go++;
}

bool allocator_claim(struct allocator *a, uint64_t *ret)
{
    if (allocator_left(a) == 0)
        return false;
    *ret = take_next(a);
    return true;
}

void allocator_unclaim(struct allocator *a, uint64_t chunk)
{
    assert(a->taken[chunk / 64] & bit_of(chunk));
    a->taken[chunk / 64] &= ~bit_of(chunk);
    a->taken_count--;
}

static bool is_freed(const struct allocator *a, uint64_t chunk)
{
    return a->freed[chunk / 64] & bit_of(chunk);
}

bool allocator_mark(struct allocator *a, uint64_t chunk)
{
    if (is_freed(a, chunk)) {
        a->freed[chunk / 64] &= ~bit_of(chunk);
        a->freed_count--;
        return true;
    }
    if (allocator_left(a) == 0 || (a->taken[chunk / 64] & bit_of(chunk)))
        return false;
    a->taken[chunk / 64] |= bit_of(chunk);
    a->taken_count++;
    return true;
}

bool allocator_is_settling(const struct allocator *a, uint64_t chunk)
{
    return a->settling[chunk / 64] & bit_of(chunk);
}

void allocator_free(struct allocator *a, uint64_t chunk)
{
    assert(a->taken[chunk / 64] & bit_of(chunk));
    assert(!is_freed(a, chunk));
    assert(!allocator_is_settling(a, chunk));
    a->freed[chunk / 64] |= bit_of(chunk);
    a->freed_count++;
}

void allocator_freeze(struct allocator *a)
{
    uint64_t *empty = a->settling;

    assert(a->settling_count == 0);
    a->settling = a->freed;
    a->settling_count = a->freed_count;
    a->freed = empty;
    a->freed_count = 0;
    a->let_go_settling = a->let_go;
    a->let_go = 0;
}

void allocator_settle(struct allocator *a)
{
    a->let_go_settling = 0;
    if (a->settling_count == 0)
        return;
    for (size_t i = 0; i < words_of(a->chunks); i++) {
        a->taken[i] &= ~a->settling[i];
        a->settling[i] = 0;
    }
    a->taken_count -= a->settling_count;
    a->settling_count = 0;
}
