/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/status_tables.c — volumes and sessions as JSON (docs/metrics.md).
 *
 * A list's members stand under "metrics" by their names: a counter or a gauge is a number, what
 * ends with _seconds is in seconds, a histogram is {count, sum, buckets}.  What happens between two
 * questions is their difference, in "at_seconds" of the reactor's clock.
 */
#include "storaged/status_tables.h"

#include "storaged/status_tell.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a list's struct ---- */

static json_t *seconds_json(uint64_t us)
{
    return json_real((double)us / 1e6);
}

static json_t *histogram_json(const struct metric_histogram *h)
{
    json_t *buckets = json_array();
    uint64_t count = 0;

    for (uint32_t i = 0; i < METRIC_BUCKETS; i++) {
        uint64_t n = metric_get(&h->buckets[i]);

        count += n;
        json_array_append_new(buckets, json_integer((json_int_t)n));
    }
    return json_pack("{s:I, s:o, s:o}", "count", (json_int_t)count, "sum",
                     seconds_json(metric_get(&h->sum_us)), "buckets", buckets);
}

static json_t *value_json(const struct metric_cursor *c)
{
    if (c->histogram)
        return histogram_json(c->histogram);
    if (metric_is_time(c->row))
        return seconds_json(metric_get(c->value));
    return json_integer((json_int_t)metric_get(c->value));
}

static json_t *metrics_json(const struct metric_table *table, const void *values)
{
    json_t *object = json_object();

    for (struct metric_cursor c = metric_first(table, values); c.row; metric_next(&c))
        json_object_set_new(object, c.row->name, value_json(&c));
    return object;
}

/* ---- an answer ---- */

static json_t *identity_json(struct identity id)
{
    return identity_none(id) ? json_null() : json_string(identity_show(id).text);
}

/* Items of the reactors that answered, and which did not. */
static void answer(const struct status_node *n, json_t *items, json_t *silent,
                   struct http_answer *a)
{
    status_json(a, 200,
                json_pack("{s:o, s:s, s:o, s:o}", "node", identity_json(n->node), "name", n->name,
                          "items", items, "silent_reactors", silent));
}

static json_t *volume_json(const struct told_volume *v, uint64_t at_us, uint32_t reactor)
{
    return json_pack("{s:o, s:s, s:i, s:o, s:I, s:I, s:i, s:i, s:o, s:o}", "volume",
                     identity_json(v->volume), "name", v->name, "reactor", (int)reactor,
                     "at_seconds", seconds_json(at_us), "size_bytes", (json_int_t)v->bytes, "epoch",
                     (json_int_t)v->epoch, "shards", (int)v->shards, "serving", (int)v->serving,
                     "metrics", metrics_json(&volume_metric_table, &v->counts.volume),
                     "replication", metrics_json(&rep_metric_table, &v->counts.rep));
}

void status_volumes(struct status_node *n, const struct http_request *r, struct http_answer *a)
{
    json_t *items = json_array(), *silent = json_array();

    (void)r;
    for (uint32_t i = 0; i < n->home_count; i++) {
        struct told_volumes *told = tell_volumes(n, &n->homes[i]);

        if (!told)
            json_array_append_new(silent, json_integer(i));
        for (uint32_t v = 0; told && v < told->count; v++)
            json_array_append_new(items, volume_json(&told->volumes[v], told->at_us, i));
        free(told);
    }
    answer(n, items, silent, a);
}

/* A name that an initiator gave itself: any bytes. */
static json_t *name_json(const char *name)
{
    char plain[ISCSI_NAME_MAX];
    size_t i = 0;

    for (; name[i] && i < sizeof plain - 1; i++)
        plain[i] = (char)(name[i] < ' ' || name[i] > '~' ? '?' : name[i]);
    plain[i] = '\0';
    return json_string(plain);
}

static json_t *isid_json(const uint8_t isid[6])
{
    char text[13];

    for (uint32_t i = 0; i < 6; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", isid[i]);
    return json_string(text);
}

static json_t *session_json(const struct iscsi_session_info *s, uint64_t at_us, uint32_t reactor)
{
    json_t *object =
        json_pack("{s:o, s:s, s:o, s:i, s:o, s:s, s:o, s:b}", "initiator", name_json(s->initiator),
                  "address", s->address.text, "isid", isid_json(s->isid), "tsih", (int)s->tsih,
                  "volume", identity_json(s->volume), "volume_name", s->alias, "attachment",
                  identity_json(s->attachment), "read_only", (int)s->read_only);
    json_t *more =
        json_pack("{s:i, s:o, s:i, s:i, s:o, s:o, s:o}", "reactor", (int)reactor, "at_seconds",
                  seconds_json(at_us), "outstanding", (int)s->outstanding, "window", (int)s->window,
                  "received_seconds_ago", seconds_json(s->received_us_ago), "sent_seconds_ago",
                  seconds_json(s->sent_us_ago), "metrics",
                  metrics_json(&iscsi_session_metric_table, &s->metrics));

    json_object_update(object, more);
    json_decref(more);
    return object;
}

void status_sessions(struct status_node *n, const struct http_request *r, struct http_answer *a)
{
    json_t *items = json_array(), *silent = json_array();

    (void)r;
    for (uint32_t i = 0; i < n->home_count; i++) {
        struct told_sessions *told = tell_sessions(n, &n->homes[i]);

        if (!told)
            json_array_append_new(silent, json_integer(i));
        for (uint32_t s = 0; told && s < told->count; s++)
            json_array_append_new(items, session_json(&told->sessions[s], told->at_us, i));
        free(told);
    }
    answer(n, items, silent, a);
}
