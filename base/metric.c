/* SPDX-License-Identifier: Apache-2.0 */
/* base/metric.c — the lists as Prometheus reads them, and as people do. */
#include "base/metric.h"

#include <inttypes.h>
#include <string.h>

static const char *const kind_names[] = {
    [METRIC_COUNTER] = "counter",
    [METRIC_GAUGE] = "gauge",
    [METRIC_HISTOGRAM] = "histogram",
};

/* ---- a table and its struct ---- */

static void look(struct metric_cursor *c)
{
    c->row = c->index < c->table->count ? &c->table->rows[c->index] : NULL;
    c->value = c->row && c->row->kind != METRIC_HISTOGRAM ? (const void *)c->at : NULL;
    c->histogram = c->row && c->row->kind == METRIC_HISTOGRAM ? (const void *)c->at : NULL;
}

struct metric_cursor metric_first(const struct metric_table *table, const void *values)
{
    struct metric_cursor c = {.table = table, .at = values};

    look(&c);
    return c;
}

void metric_next(struct metric_cursor *c)
{
    c->at += c->value ? sizeof *c->value : sizeof *c->histogram;
    c->index++;
    look(c);
}

/* ---- the text for Prometheus ---- */

bool metric_is_time(const struct metric_row *row)
{
    size_t length = strlen(row->name);

    return length > 8 && strcmp(row->name + length - 8, "_seconds") == 0;
}

static void name_of(const struct metric_table *t, const struct metric_row *row, char ret[128])
{
    snprintf(ret, 128, "storaged_%s_%s%s", t->room, row->name,
             row->kind == METRIC_COUNTER ? "_total" : "");
}

void metric_describe(FILE *to, const char *name, enum metric_kind kind, const char *text)
{
    fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, text, name, kind_names[kind]);
}

/* Microseconds as seconds, digit by digit: a double would lose some. */
static void write_seconds(FILE *to, uint64_t us)
{
    fprintf(to, "%" PRIu64 ".%06" PRIu64 "\n", us / 1000000, us % 1000000);
}

static void write_histogram(FILE *to, const char *name, const char *labels,
                            const struct metric_histogram *h)
{
    const char *comma = *labels ? "," : "", *open = *labels ? "{" : "", *end = *labels ? "}" : "";
    uint64_t count = 0, bound = 8;

    for (uint32_t i = 0; i < METRIC_BUCKETS; i++, bound <<= 1) {
        count += metric_get(&h->buckets[i]);
        fprintf(to, "%s_bucket{%s%sle=\"", name, labels, comma);
        if (i + 1 < METRIC_BUCKETS)
            fprintf(to, "%" PRIu64 ".%06" PRIu64 "\"} ", bound / 1000000, bound % 1000000);
        else
            fputs("+Inf\"} ", to);
        fprintf(to, "%" PRIu64 "\n", count);
    }
    fprintf(to, "%s_sum%s%s%s ", name, open, labels, end);
    write_seconds(to, metric_get(&h->sum_us));
    fprintf(to, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, end, count);
}

static void write_value(FILE *to, const char *name, const char *labels,
                        const struct metric_cursor *c)
{
    if (c->histogram) {
        write_histogram(to, name, labels, c->histogram);
        return;
    }
    fprintf(to, "%s%s%s%s ", name, *labels ? "{" : "", labels, *labels ? "}" : "");
    if (metric_is_time(c->row))
        write_seconds(to, metric_get(c->value));
    else
        fprintf(to, "%" PRIu64 "\n", metric_get(c->value));
}

static struct metric_cursor cursor_at(const struct metric_table *t, const void *values,
                                      uint32_t index)
{
    struct metric_cursor c = metric_first(t, values);

    while (c.index < index)
        metric_next(&c);
    return c;
}

void metrics_write(FILE *to, const struct metric_table *table, const struct metric_set *sets,
                   uint32_t count)
{
    for (uint32_t i = 0; i < table->count && count > 0; i++) {
        char name[128];

        name_of(table, &table->rows[i], name);
        metric_describe(to, name, table->rows[i].kind, table->rows[i].text);
        for (uint32_t n = 0; n < count; n++) {
            struct metric_cursor c = cursor_at(table, sets[n].values, i);

            write_value(to, name, sets[n].labels, &c);
        }
    }
}

/* ---- the table for people ---- */

void metric_list_row(FILE *to, const char *name, enum metric_kind kind, const char *text)
{
    fprintf(to, "| `%s` | %s | %s |\n", name, kind_names[kind], text);
}

void metrics_list(FILE *to, const struct metric_table *table)
{
    for (uint32_t i = 0; i < table->count; i++) {
        char name[128];

        name_of(table, &table->rows[i], name);
        metric_list_row(to, name, table->rows[i].kind, table->rows[i].text);
    }
}
