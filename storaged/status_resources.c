/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/status_resources.c — all that the status port serves. */
#include "storaged/faults.h"
#include "storaged/status.h"
#include "storaged/status_metrics.h"
#include "storaged/status_tables.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- answers ---- */

void status_json(struct http_answer *a, unsigned status, json_t *value)
{
    a->body = value ? json_dumps(value, JSON_COMPACT) : NULL;
    a->body_bytes = a->body ? strlen(a->body) : 0;
    a->status = a->body ? status : 503;
    a->type = "application/json";
    json_decref(value);
}

void status_refuse(struct http_answer *a, unsigned status, const char *detail, ...)
{
    char text[300];
    va_list args;

    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    for (char *c = text; *c; c++) /* a path may hold any bytes; JSON may not */
        if (*c < ' ' || *c > '~')
            *c = '?';
    status_json(a, status,
                json_pack("{s:s, s:i, s:s}", "title", "the request is refused", "status",
                          (int)status, "detail", text));
    a->type = "application/problem+json";
}

/* ---- is it well? ---- */

static void nothing(void *memory)
{
    (void)memory; /* that it turns is the answer */
}

static void health_show(struct status_node *n, const struct http_request *r, struct http_answer *a)
{
    json_t *why = json_array();

    (void)r;
    for (uint32_t i = 0; i < n->home_count; i++)
        if (!ask(&n->asks, n->homes[i].env, nothing, NULL))
            json_array_append_new(
                why, json_sprintf("reactor %u does not answer within %u ms", i, ASK_MS));
    status_json(a, json_array_size(why) ? 503 : 200,
                json_pack("{s:s, s:s, s:s, s:i, s:s, s:o}", "status",
                          json_array_size(why) ? "degraded" : "ok", "node",
                          identity_show(n->node).text, "name", n->name, "pid", (int)getpid(),
                          "version", DOLMEN_VERSION, "why", why));
}

/* ---- the table ---- */

/* clang-format off */
static const struct status_route status_routes[] = {
    {"GET", "/healthz", 0, health_show},
    {"GET", "/metrics", 0, metrics_show},
    {"PUT", "/v1/faults", FAULTS_BODY_MAX, faults_change},
    {"GET", "/v1/volumes", 0, status_volumes},
    {"GET", "/v1/sessions", 0, status_sessions},
};
/* clang-format on */

static bool body_fits(const struct status_route *route, uint64_t bytes, struct http_answer *a)
{
    if (bytes <= route->body_max)
        return true;
    status_refuse(a, 413, "%s takes a body of at most %u bytes", route->path, route->body_max);
    return false;
}

const struct status_route *status_route_find(const struct http_request *r, struct http_answer *a)
{
    const char *method = strcmp(r->method, "HEAD") == 0 ? "GET" : r->method;
    bool known = false;

    for (size_t i = 0; i < array_length(status_routes); i++) {
        const struct status_route *route = &status_routes[i];

        if (strcmp(route->path, r->path) != 0)
            continue;
        known = true;
        if (strcmp(route->method, method) == 0)
            return body_fits(route, r->content_length, a) ? route : NULL;
    }
    if (known)
        status_refuse(a, 405, "%.80s does not know the method %.20s", r->path, r->method);
    else
        status_refuse(a, 404, "no resource has the path %.80s", r->path);
    return NULL;
}
