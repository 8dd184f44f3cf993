/* SPDX-License-Identifier: Apache-2.0 */
/* bench/samples.c — every latency, and what part of them was below what. */
#include "bench/bench.h"

#define TAIL_LEAST 10.0 /* samples above a percentile, or it is an anecdote */

enum err samples_open(struct samples *s, uint64_t max)
{
    *s = (struct samples){.max = max};
    s->ns = malloc(max * sizeof *s->ns);
    return s->ns ? E_OK : E_NO_MEMORY;
}

void samples_close(struct samples *s)
{
    free(s->ns);
    *s = (struct samples){0};
}

void samples_add(struct samples *s, uint64_t ns)
{
    if (s->count == s->max)
        s->lost++;
    else
        s->ns[s->count++] = (uint32_t)min_u64(ns, UINT32_MAX);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
    qsort(s->ns, s->count, sizeof *s->ns, by_size);
}

bool samples_part(const struct samples *s, double part, double *ret_us)
{
    if (s->lost > 0 || (1 - part) * (double)s->count < TAIL_LEAST)
        return false;
    *ret_us = s->ns[(uint64_t)(part * (double)s->count)] / 1000.0;
    return true;
}
