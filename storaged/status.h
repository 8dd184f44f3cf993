/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/status.h — the node's status port: metrics, health, what `dolmen top` reads.
 *
 * HTTP/1.1 on loopback, on threads of its own: no request runs on a reactor, and none can hold one
 * up.  What belongs to a reactor is asked of it (status_ask.h), and not told when it does not
 * answer in time; counters are read as they are (base/metric.h).  A connection has a thread, a
 * bound in time and memory; a further one waits.
 *
 * A resource is a row of `status_routes` (status_resources.c): path, bound of its body, function.
 */
#ifndef STORAGED_STATUS_H
#define STORAGED_STATUS_H

#include "http/http.h"
#include "storaged/home.h"
#include "storaged/limits.h"
#include "storaged/status_ask.h"

#include <jansson.h>

#define STATUS_CONNECTIONS_MAX 8u
#define STATUS_IDLE_SECONDS    10u /* a connection that brings nothing for so long is ended */
#define STATUS_STACK_BYTES     (256u << 10) /* of its thread  */
#define STATUS_HEADER_BYTES    16384u       /* for its header */

/* What it tells of: all of it outlives the port. */
struct status_node {
    struct identity node;
    const char *name;
    const struct home *homes;
    uint32_t home_count;
    const struct limits *limits;
    struct asks asks; /* the port's */
};

struct status_route {
    const char *method, *path;
    uint32_t body_max; /* bytes; 0: takes none */
    void (*answer)(struct status_node *, const struct http_request *, struct http_answer *);
};

/* The row, or NULL: *a is the answer. */
const struct status_route *status_route_find(const struct http_request *r, struct http_answer *a);
/* Takes the value; without memory it becomes a bare 503. */
void status_json(struct http_answer *a, unsigned status, json_t *value);
/* A problem (RFC 9457). */
void status_refuse(struct http_answer *a, unsigned status, const char *detail, ...)
    printf_like(3, 4);

struct status;

/* listen: "127.0.0.1:7490"; port 0 asks for a free one.  *reterr_why says what is wrong. */
must_check enum err status_open(const char *listen, struct status_node *node, struct status **ret,
                                char reterr_why[160]);
const char *status_address(const struct status *s); /* with the port that was given */
/* Blocks until the last answer has left, and every question was answered: on a worker, while the
 * reactors turn.  NULL: nothing to do. */
void status_close(struct status *s);

#endif
