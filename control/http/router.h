/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/http/router.h — from method and path to the one row that answers.
 *
 * A row's pattern is a path whose segments are words or "{}"; what stands for "{}" is in
 * request->params, in order.  `query` lists the parameters that the row knows.
 */
#ifndef CONTROL_HTTP_ROUTER_H
#define CONTROL_HTTP_ROUTER_H

#include "control/problem.h"
#include "http/http.h"

struct control;

struct route {
    const char *method, *pattern, *query;
    uint32_t body_max; /* bytes; 0: takes none */
    void (*answer)(struct control *, const struct http_request *, struct http_answer *);
};

/* Fills params and route; false: *p says why (404, 405 with *allow, 413, 400). */
bool route_find(const struct route *routes, uint32_t count, struct http_request *r,
                struct problem *p, char allow[64]);

#endif
