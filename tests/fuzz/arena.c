/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/arena.c — large memory that stays from run to run.
 *
 * A store takes some 20 MiB when it opens.  From the sanitizer's allocator that is fresh from the
 * system each time, and most of a run goes by in page faults.  Linked with --wrap, these stand in
 * front of it for large sizes: the same places again, fenced by poisoned bytes while they are in
 * use and poisoned whole while they are not.
 */
#include "tests/fuzz/arena.h"

#include "tests/fuzz/fuzz.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#define LARGE       65536u
#define ALIGNMENT   4096u
#define FENCE       4096u
#define ARENA_BYTES (UINT64_C(1) << 30)
#define PLACES_MAX  512u

struct place {
    uint8_t *at;
    size_t room, length; /* length 0: free */
};

static struct {
    uint8_t *memory;
    size_t used;
    struct place places[PLACES_MAX];
    uint32_t count, taken;
} arena;

/* The linker's names for the functions themselves. */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *p);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_free(void *p);

static struct place *place_new(size_t room)
{
    struct place *p = &arena.places[arena.count++];

    assert(arena.count < PLACES_MAX);
    if (!arena.memory) {
        arena.memory = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert(arena.memory != MAP_FAILED);
    }
    assert(arena.used + room + FENCE <= ARENA_BYTES);
    *p = (struct place){.at = arena.memory + arena.used, .room = room};
    arena.used += room + FENCE;
    return p;
}

static void *take(size_t length)
{
    size_t room = (size_t)round_up(length, ALIGNMENT);
    struct place *p = NULL;

    for (uint32_t i = 0; i < arena.count && !p; i++)
        if (arena.places[i].length == 0 && arena.places[i].room == room)
            p = &arena.places[i];
    if (!p)
        p = place_new(room);
    p->length = length;
    arena.taken++;
    ASAN_UNPOISON_MEMORY_REGION(p->at, length);
    ASAN_POISON_MEMORY_REGION(p->at + length, p->room + FENCE - length);
    return p->at;
}

static bool give_back(void *at)
{
    for (uint32_t i = 0; i < arena.count; i++) {
        struct place *p = &arena.places[i];

        if (p->at != at)
            continue;
        assert(p->length > 0); /* else it is freed twice */
        p->length = 0;
        arena.taken--;
        ASAN_POISON_MEMORY_REGION(p->at, p->room);
        return true;
    }
    return false;
}

uint32_t arena_taken(void)
{
    return arena.taken;
}

void *__wrap_malloc(size_t bytes)
{
    return bytes < LARGE ? __real_malloc(bytes) : take(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    void *p;

    if (bytes == 0 || count < LARGE / bytes || count > ARENA_BYTES / bytes)
        return __real_calloc(count, bytes);
    p = take(count * bytes);
    memset(p, 0, count * bytes);
    return p;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    if (bytes < LARGE || alignment > ALIGNMENT)
        return __real_aligned_alloc(alignment, bytes);
    return take(bytes);
}

void __wrap_free(void *p)
{
    uint8_t *at = p;

    if (arena.memory && at >= arena.memory && at < arena.memory + ARENA_BYTES) {
        bool ours = give_back(p);

        assert(ours);
    } else {
        __real_free(p);
    }
}
