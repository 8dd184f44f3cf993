/* SPDX-License-Identifier: Apache-2.0 */
/* cli/top_read.c — foreign JSON becomes rows: a member that is missing, or no number, is zero. */
#include "cli/top.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MOST 1e18

void top_sample_init(struct top_sample *s)
{
    *s = (struct top_sample){.unasked = json_array(), .asked = json_object()};
}

void top_sample_done(struct top_sample *s)
{
    free(s->volumes.items);
    free(s->sessions.items);
    json_decref(s->unasked);
    json_decref(s->asked);
    memset(s, 0, sizeof *s);
}

void top_unasked(struct top_sample *s, const char *node, const char *why)
{
    json_array_append_new(s->unasked, json_pack("{s:s, s:s}", "node", node, "why", why));
}

/* Zeroed; without memory NULL. */
static struct top_row *row_new(struct top_rows *rows)
{
    if (rows->count == rows->room) {
        uint32_t room = rows->room ? rows->room * 2 : 64;
        struct top_row *grown = realloc(rows->items, room * sizeof *grown);

        if (!grown)
            return NULL;
        rows->items = grown;
        rows->room = room;
    }
    memset(&rows->items[rows->count], 0, sizeof rows->items[0]);
    return &rows->items[rows->count++];
}

/* A count is not negative, and none comes near the bound: so sums stay numbers. */
static double count_of(const json_t *value)
{
    double n = json_number_value(value);

    return n > 0 && n < COUNT_MOST ? n : 0;
}

static double number(const json_t *object, const char *member)
{
    return count_of(json_object_get(object, member));
}

/* Text for a terminal: nothing but what can be seen. */
static void text(const json_t *object, const char *member, char *ret, size_t room)
{
    const char *from = json_string_value(json_object_get(object, member));
    size_t i = 0;

    for (; from && from[i] && i < room - 1; i++)
        ret[i] = (char)(from[i] < ' ' || from[i] > '~' ? '?' : from[i]);
    ret[i] = '\0';
}

static void add_histogram(struct top_counts *c, const json_t *histogram)
{
    const json_t *buckets = json_object_get(histogram, "buckets");

    for (uint32_t i = 0; i < TOP_BUCKETS; i++)
        c->buckets[i] += count_of(json_array_get(buckets, i));
}

static void counts(struct top_counts *c, const json_t *metrics)
{
    const json_t *reads = json_object_get(metrics, "read_seconds");
    const json_t *writes = json_object_get(metrics, "write_seconds");

    c->reads = number(reads, "count");
    c->writes = number(writes, "count");
    c->read_seconds = number(reads, "sum");
    c->write_seconds = number(writes, "sum");
    c->read_bytes = number(metrics, "read_bytes");
    c->write_bytes = number(metrics, "write_bytes");
    c->again = number(metrics, "told_again");
    c->shut_seconds = number(metrics, "window_shut_seconds");
    add_histogram(c, reads);
    add_histogram(c, writes);
}

static void common(struct top_row *r, const char *node, const json_t *item)
{
    snprintf(r->node, sizeof r->node, "%s", node);
    r->at_seconds = number(item, "at_seconds");
    counts(&r->counts, json_object_get(item, "metrics"));
}

/* Reactors that did not answer: their rows are missing, and that is said. */
static void silent_reactors(struct top_sample *s, const char *node, const json_t *answer)
{
    const json_t *silent = json_object_get(answer, "silent_reactors");
    char why[80];

    if (json_array_size(silent) == 0)
        return;
    snprintf(why, sizeof why, "%zu of its reactors do not answer", json_array_size(silent));
    top_unasked(s, node, why);
}

void top_read_volumes(struct top_sample *s, const char *node, const json_t *answer)
{
    const json_t *item;
    size_t i;

    json_object_set_new(s->asked, node, json_true());
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        struct top_row *r = row_new(&s->volumes);
        char volume[40];

        if (!r)
            return;
        common(r, node, item);
        text(item, "volume", volume, sizeof volume);
        text(item, "name", r->name, sizeof r->name);
        snprintf(r->volume, sizeof r->volume, "%s", volume);
        snprintf(r->key, sizeof r->key, "%s/%s/%.0f", node, volume, number(item, "epoch"));
        r->queue = number(json_object_get(item, "metrics"), "requests");
    }
    silent_reactors(s, node, answer);
}

void top_read_sessions(struct top_sample *s, const char *node, const json_t *answer)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        struct top_row *r = row_new(&s->sessions);

        if (!r)
            return;
        common(r, node, item);
        text(item, "initiator", r->name, sizeof r->name);
        text(item, "volume_name", r->volume, sizeof r->volume);
        text(item, "address", r->address, sizeof r->address);
        snprintf(r->key, sizeof r->key, "%s/%.0f/%.0f/%s/%s", node, number(item, "reactor"),
                 number(item, "tsih"), r->address, r->name);
        r->queue = number(item, "outstanding");
        r->window = number(item, "window");
        r->received_seconds_ago = number(item, "received_seconds_ago");
    }
}
