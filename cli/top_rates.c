/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/top_rates.c — what happened between two samples.
 *
 * One that was not there before began in between: it is counted from zero.  One whose counts went
 * back began anew.  What a node had before it could be asked is not known: its rows have no rates
 * until they were seen twice.
 */
#include "cli/top.h"

#include <stdlib.h>
#include <string.h>

static const struct top_row *row_find(const struct top_rows *rows, const char *key)
{
    for (uint32_t i = 0; i < rows->count; i++)
        if (strcmp(rows->items[i].key, key) == 0)
            return &rows->items[i];
    return NULL;
}

static bool went_back(const struct top_counts *before, const struct top_counts *now)
{
    return now->reads < before->reads || now->writes < before->writes ||
           now->read_bytes < before->read_bytes || now->write_bytes < before->write_bytes;
}

static struct top_counts difference(const struct top_counts *before, const struct top_counts *now)
{
    struct top_counts d = *now;

    d.reads -= before->reads;
    d.writes -= before->writes;
    d.read_bytes -= before->read_bytes;
    d.write_bytes -= before->write_bytes;
    d.read_seconds -= before->read_seconds;
    d.write_seconds -= before->write_seconds;
    d.again -= before->again;
    d.shut_seconds -= before->shut_seconds;
    for (uint32_t i = 0; i < TOP_BUCKETS; i++)
        d.buckets[i] -= before->buckets[i];
    return d;
}

/* Within a bucket all are taken to lie evenly; of the last one only its beginning is known. */
static double percentile_ms(const double *buckets, double share)
{
    double all = 0, below = 0, from = 0, to = 0.008;

    for (uint32_t i = 0; i < TOP_BUCKETS; i++)
        all += buckets[i];
    for (uint32_t i = 0; i < TOP_BUCKETS && all > 0; i++) {
        if (below + buckets[i] >= all * share)
            return i + 1 == TOP_BUCKETS ? from
                                        : from + (to - from) * (all * share - below) / buckets[i];
        below += buckets[i];
        from = to;
        to *= 2;
    }
    return 0;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static struct top_rates rates_of(const struct top_counts *d, double seconds)
{
    double requests = d->reads + d->writes;

    return (struct top_rates){
        .reads = ratio(d->reads, seconds),
        .writes = ratio(d->writes, seconds),
        .read_bytes = ratio(d->read_bytes, seconds),
        .write_bytes = ratio(d->write_bytes, seconds),
        .again = ratio(d->again, seconds),
        .request_bytes = ratio(d->read_bytes + d->write_bytes, requests),
        .read_ms = 1000 * ratio(d->read_seconds, d->reads),
        .write_ms = 1000 * ratio(d->write_seconds, d->writes),
        .wait_ms = 1000 * ratio(d->read_seconds + d->write_seconds, requests),
        .p99_ms = percentile_ms(d->buckets, 0.99),
        .shut_share = ratio(d->shut_seconds, seconds),
    };
}

/* Sums of rates; means are those of all that happened. */
static void sum_add(struct top_counts *all, struct top_rates *sum, const struct top_counts *d,
                    const struct top_rates *r)
{
    all->reads += d->reads;
    all->writes += d->writes;
    all->read_bytes += d->read_bytes;
    all->write_bytes += d->write_bytes;
    all->read_seconds += d->read_seconds;
    all->write_seconds += d->write_seconds;
    for (uint32_t i = 0; i < TOP_BUCKETS; i++)
        all->buckets[i] += d->buckets[i];
    sum->reads += r->reads;
    sum->writes += r->writes;
    sum->read_bytes += r->read_bytes;
    sum->write_bytes += r->write_bytes;
    sum->again += r->again;
    sum->queue += r->queue;
    sum->window += r->window;
}

static void sum_end(const struct top_counts *all, struct top_rates *sum)
{
    struct top_rates means = rates_of(all, 1);

    sum->request_bytes = means.request_bytes;
    sum->read_ms = means.read_ms;
    sum->write_ms = means.write_ms;
    sum->wait_ms = means.wait_ms;
    sum->p99_ms = means.p99_ms;
}

static int by_load(const void *left, const void *right)
{
    const struct top_rates *a = left, *b = right;
    double x = a->reads + a->writes, y = b->reads + b->writes;

    if (x != y)
        return x < y ? 1 : -1;
    x = a->queue, y = b->queue;
    if (x != y)
        return x < y ? 1 : -1;
    return strcmp(a->row->key, b->row->key);
}

/* False: there is nothing to compare it with. */
static bool row_change(const struct top_rows *before, const json_t *asked_before,
                       const struct top_row *now, struct top_counts *ret, double *ret_seconds)
{
    const struct top_row *former = row_find(before, now->key);

    if (!json_object_get(asked_before, now->node))
        return false;
    *ret = now->counts;
    *ret_seconds = 1;
    if (!former || now->at_seconds <= former->at_seconds)
        return !former;
    *ret_seconds = now->at_seconds - former->at_seconds;
    if (!went_back(&former->counts, &now->counts))
        *ret = difference(&former->counts, &now->counts);
    return true;
}

uint32_t top_compare(const struct top_rows *before, const json_t *asked_before,
                     const struct top_rows *now, struct top_rates **ret, struct top_rates *ret_sum)
{
    struct top_rates *rates = calloc(now->count + 1u, sizeof *rates);
    struct top_counts all = {0};

    *ret_sum = (struct top_rates){0};
    *ret = rates;
    for (uint32_t i = 0; rates && i < now->count; i++) {
        const struct top_row *row = &now->items[i];
        struct top_counts d = {0};
        double seconds = 1;

        if (row_change(before, asked_before, row, &d, &seconds))
            rates[i] = rates_of(&d, seconds);
        rates[i].row = row;
        rates[i].queue = row->queue;
        rates[i].window = row->window;
        sum_add(&all, ret_sum, &d, &rates[i]);
    }
    if (!rates)
        return 0;
    sum_end(&all, ret_sum);
    qsort(rates, now->count, sizeof *rates, by_load);
    return now->count;
}
