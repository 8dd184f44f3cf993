/* SPDX-License-Identifier: Apache-2.0 */
/* control/http/router.c — see router.h; everything is judged before a body is read. */
#include "control/http/router.h"

#include "control/json.h"

#include <stdio.h>
#include <string.h>

static size_t segment(const char *at)
{
    return strcspn(at, "/");
}

static bool param_take(struct http_request *r, uint32_t place, const char *from, size_t length)
{
    if (place >= HTTP_PARAMS_MAX || length == 0 || length >= HTTP_PARAM_SIZE)
        return false;
    memcpy(r->params[place], from, length);
    r->params[place][length] = '\0';
    return true;
}

static bool pattern_matches(const char *pattern, struct http_request *r)
{
    const char *path = r->path;
    uint32_t params = 0;

    while (*pattern == '/' && *path == '/') {
        size_t want = segment(++pattern), have = segment(++path);
        bool any = want == 2 && memcmp(pattern, "{}", 2) == 0;

        if (any && !param_take(r, params++, path, have))
            return false;
        if (!any && (want != have || memcmp(pattern, path, want) != 0))
            return false;
        pattern += want;
        path += have;
    }
    return *pattern == '\0' && *path == '\0';
}

static void allow_add(char allow[64], const char *method)
{
    size_t used = strlen(allow);

    snprintf(allow + used, 64 - used, "%s%s", used ? ", " : "", method);
}

static bool query_known(const struct route *route, const struct http_request *r, struct problem *p)
{
    if (r->query_overflow)
        return problem(p, E_INVALID, "more than %u query parameters", HTTP_QUERY_MAX);
    for (uint32_t i = 0; i < r->query_count; i++) {
        if (!word_in(route->query, r->query[i].name))
            return problem(p, E_INVALID, "%s does not know the query parameter \"%.60s\"",
                           route->pattern, r->query[i].name);
    }
    return true;
}

static bool body_allowed(const struct route *route, const struct http_request *r, struct problem *p)
{
    if (r->transfer_encoding)
        return problem_length(p);
    if (r->content_length <= route->body_max)
        return true;
    if (route->body_max == 0)
        return problem(p, E_TOO_LARGE, "%s %s takes no body", route->method, route->pattern);
    return problem(p, E_TOO_LARGE, "the body has %llu bytes; at most %u are taken",
                   (unsigned long long)r->content_length, route->body_max);
}

bool route_find(const struct route *routes, uint32_t count, struct http_request *r,
                struct problem *p, char allow[64])
{
    const char *method = strcmp(r->method, "HEAD") == 0 ? "GET" : r->method;
    const struct route *found = NULL;

    allow[0] = '\0';
    for (uint32_t i = 0; i < count && !found; i++) {
        if (!pattern_matches(routes[i].pattern, r))
            continue;
        if (strcmp(routes[i].method, method) == 0)
            found = &routes[i];
        else
            allow_add(allow, routes[i].method);
    }
    if (!found && allow[0])
        return problem_method(p, r->method, r->path);
    if (!found)
        return problem(p, E_NOT_FOUND, "no resource has the path %.200s", r->path);
    allow[0] = '\0';
    r->route = found;
    return query_known(found, r, p) && body_allowed(found, r, p);
}
