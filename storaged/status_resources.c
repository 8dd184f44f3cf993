/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/status_resources.c — all that the status port serves. */
#include "iscsi-target/metrics.h"
#include "storaged/faults.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- answers ---- */

/* Takes the value; without memory it is a bare 503. */
static void answer_json(struct status_answer *a, unsigned status, json_t *value)
{
    a->body = value ? json_dumps(value, JSON_COMPACT) : NULL;
    a->body_bytes = a->body ? strlen(a->body) : 0;
    a->status = a->body ? status : 503;
    a->type = "application/json";
    json_decref(value);
}

void status_refuse(struct status_answer *a, unsigned status, const char *detail, ...)
{
    char text[300];
    va_list args;

    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    for (char *c = text; *c; c++) /* a path may hold any bytes; JSON may not */
        if (*c < ' ' || *c > '~')
            *c = '?';
    answer_json(a, status,
                json_pack("{s:s, s:i, s:s}", "title", "the request is refused", "status",
                          (int)status, "detail", text));
    a->type = "application/problem+json";
}

/* ---- is it well? ---- */

static void nothing(void *memory)
{
    (void)memory; /* that it turns is the answer */
}

static void health_show(struct status_node *n, const struct status_request *r,
                        struct status_answer *a)
{
    json_t *why = json_array();

    (void)r;
    for (uint32_t i = 0; i < n->home_count; i++)
        if (!ask(&n->asks, n->homes[i].env, nothing, NULL))
            json_array_append_new(
                why, json_sprintf("reactor %u does not answer within %u ms", i, ASK_MS));
    answer_json(a, json_array_size(why) ? 503 : 200,
                json_pack("{s:s, s:s, s:s, s:i, s:s, s:o}", "status",
                          json_array_size(why) ? "degraded" : "ok", "node",
                          identity_show(n->node).text, "name", n->name, "pid", (int)getpid(),
                          "version", DOLMEN_VERSION, "why", why));
}

/* ---- metrics ---- */

/* One struct of counters for each home. */
static void write_homes(FILE *to, const struct status_node *n, const struct metric_table *table,
                        const void *(*values)(const struct status_home *))
{
    struct metric_set sets[STATUS_HOMES_MAX];

    for (uint32_t i = 0; i < n->home_count; i++) {
        sets[i].values = values(&n->homes[i]);
        snprintf(sets[i].labels, sizeof sets[i].labels, "reactor=\"%u\"", i);
    }
    metrics_write(to, table, sets, n->home_count);
}

static const void *of_reactor(const struct status_home *h)
{
    return reactor_metrics(h->reactor);
}

static const void *of_target(const struct status_home *h)
{
    return iscsi_target_metrics(h->target);
}

static void metrics_show(struct status_node *n, const struct status_request *r,
                         struct status_answer *a)
{
    FILE *to = open_memstream(&a->body, &a->body_bytes);

    (void)r;
    if (!to) {
        a->status = 503;
        return;
    }
    write_homes(to, n, &reactor_metric_table, of_reactor);
    write_homes(to, n, &iscsi_metric_table, of_target);
    fclose(to);
    a->status = 200;
    a->type = "text/plain; version=0.0.4";
}

/* ---- the table ---- */

/* clang-format off */
static const struct status_route status_routes[] = {
    {"GET", "/healthz", 0, health_show},
    {"GET", "/metrics", 0, metrics_show},
    {"PUT", "/v1/faults", FAULTS_BODY_MAX, faults_change},
};
/* clang-format on */

static bool body_fits(const struct status_route *route, uint64_t bytes, struct status_answer *a)
{
    if (bytes <= route->body_max)
        return true;
    status_refuse(a, 413, "%s takes a body of at most %u bytes", route->path, route->body_max);
    return false;
}

const struct status_route *status_route_find(const char *method, const char *path,
                                             uint64_t body_bytes, struct status_answer *a)
{
    bool known = false;

    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < array_length(status_routes); i++) {
        const struct status_route *route = &status_routes[i];

        if (strcmp(route->path, path) != 0)
            continue;
        known = true;
        if (strcmp(route->method, method) == 0)
            return body_fits(route, body_bytes, a) ? route : NULL;
    }
    if (known)
        status_refuse(a, 405, "%.80s does not know the method %.20s", path, method);
    else
        status_refuse(a, 404, "no resource has the path %.80s", path);
    return NULL;
}
