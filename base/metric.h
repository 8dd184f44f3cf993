/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/metric.h — numbers that others watch, each declared with its sentence (house B13).
 *
 * A room lists what it counts; the list is the struct, the text for Prometheus and the table of
 * docs/metrics.md at once:
 *
 *   #define PUMP_METRICS(X)                                            \
 *       X(COUNTER,   strokes,        "Strokes that were made.")        \
 *       X(GAUGE,     pressure_bytes, "What waits to be pumped.")       \
 *       X(HISTOGRAM, stroke_seconds, "From valve to valve.")
 *   METRICS_STRUCT(pump_metrics, PUMP_METRICS);         in its header: struct pump_metrics
 *   extern const struct metric_table pump_metric_table;
 *   METRICS_TABLE(pump_metric_table, pump_metrics, "pump", PUMP_METRICS);       in one .c
 *
 * Names are storaged_<room>_<name>; a counter's gets _total.  What ends with _seconds is kept in
 * microseconds and shown in seconds.
 *
 * Promises: M1 one writer, the thread that the struct belongs to: an update is a load, an add and a
 *              store, without a lock, a fence or a call.
 *           M2 any thread may read at any time; it sees each number whole, but not all of the same
 *              moment.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
    _Atomic uint64_t value;
};

/*
 * How long something took: bucket n counts what took at most 8 << n microseconds, the last one the
 * rest (more than 33 s).
 */
#define METRIC_BUCKETS 24u
struct metric_histogram {
    struct metric buckets[METRIC_BUCKETS], sum_us;
};

/* ---- updates: the owner's thread ---- */

static inline uint64_t metric_get(const struct metric *m) /* any thread */
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}

static inline void metric_set(struct metric *m, uint64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

static inline void metric_add(struct metric *m, uint64_t n)
{
    metric_set(m, metric_get(m) + n);
}

static inline void metric_subtract(struct metric *m, uint64_t n)
{
    metric_set(m, metric_get(m) - n);
}

/* Which bucket: the number of binary digits of (us - 1) / 8. */
static inline uint32_t metric_bucket(uint64_t us)
{
    uint64_t eighths = us ? (us - 1) >> 3 : 0;
    uint32_t digits = eighths ? 64 - (uint32_t)__builtin_clzll(eighths) : 0;

    return digits < METRIC_BUCKETS ? digits : METRIC_BUCKETS - 1;
}

static inline void metric_record(struct metric_histogram *h, uint64_t us)
{
    metric_add(&h->buckets[metric_bucket(us)], 1);
    metric_add(&h->sum_us, us);
}

/* ---- a room's list ---- */

struct metric_row {
    enum metric_kind kind;
    const char *name, *text;
};

struct metric_table {
    const char *room;
    const struct metric_row *rows;
    uint32_t count;
};

/* clang-format off */
#define METRIC_MEMBER_COUNTER(name)        struct metric name;
#define METRIC_MEMBER_GAUGE(name)          struct metric name;
#define METRIC_MEMBER_HISTOGRAM(name)      struct metric_histogram name;
#define METRIC_MEMBER(kind, name, text)    METRIC_MEMBER_##kind(name)
#define METRIC_ROW(kind, name, text)       {METRIC_##kind, #name, text},
#define METRIC_BYTES_COUNTER               sizeof(struct metric)
#define METRIC_BYTES_GAUGE                 sizeof(struct metric)
#define METRIC_BYTES_HISTOGRAM             sizeof(struct metric_histogram)
#define METRIC_BYTES(kind, name, text)     + METRIC_BYTES_##kind
/* clang-format on */

#define METRICS_STRUCT(tag, LIST)                                                                  \
    struct tag {                                                                                   \
        LIST(METRIC_MEMBER)                                                                        \
    }

/* The members stand as the list has them, without gaps: so a table finds them. */
#define METRICS_TABLE(table, tag, room_name, LIST)                                                 \
    static_assert(sizeof(struct tag) == 0 LIST(METRIC_BYTES), "a list has no gaps");               \
    static const struct metric_row table##_rows[] = {LIST(METRIC_ROW)};                            \
    const struct metric_table table = {room_name, table##_rows,                                    \
                                       sizeof table##_rows / sizeof table##_rows[0]}

/* ---- reading: any thread ---- */

/* One struct of a table's list, and what tells it from the others: `disk="…"`, or "". */
struct metric_set {
    const void *values;
    char labels[128];
};

/* The text that Prometheus reads: HELP, TYPE and every set's number, row by row. */
void metrics_write(FILE *to, const struct metric_table *table, const struct metric_set *sets,
                   uint32_t count);
/* The same of one number that stands in no list. */
void metric_describe(FILE *to, const char *name, enum metric_kind kind, const char *text);

/* The rows of docs/metrics.md. */
void metrics_list(FILE *to, const struct metric_table *table);
void metric_list_row(FILE *to, const char *name, enum metric_kind kind, const char *text);

bool metric_is_time(const struct metric_row *row); /* kept in microseconds */

/* Walks a table and a struct of its list together; `value` is set for COUNTER and GAUGE. */
struct metric_cursor {
    const struct metric_row *row; /* NULL: it was the last */
    const struct metric *value;
    const struct metric_histogram *histogram;

    /* its own */
    const struct metric_table *table;
    const char *at;
    uint32_t index;
};
struct metric_cursor metric_first(const struct metric_table *table, const void *values);
void metric_next(struct metric_cursor *c);

#endif
