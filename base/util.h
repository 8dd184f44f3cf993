/* SPDX-License-Identifier: Apache-2.0 */
/* base/util.h — the few words that C lacks. */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define array_length(array)  (sizeof(array) / sizeof((array)[0]))
#define unreachable()        __builtin_unreachable()
#define printf_like(f, args) __attribute__((format(printf, f, args)))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}
static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* `unit` is a power of two. */
static inline uint64_t round_up(uint64_t x, uint64_t unit)
{
    return (x + unit - 1) & ~(unit - 1);
}
static inline uint64_t round_down(uint64_t x, uint64_t unit)
{
    return x & ~(unit - 1);
}
static inline uint64_t div_up(uint64_t x, uint64_t unit)
{
    return (x + unit - 1) / unit;
}

#endif
