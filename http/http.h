/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http/http.h — HTTP/1.1 on a loopback port: the only room that knows libmicrohttpd.
 *
 * A connection has a thread of its own, so that a handler may wait; at most `connections_max` are
 * open, further ones wait to be accepted.  A request is judged before its body is read (begin), and
 * answered when it is there (answer); both run on the connection's thread.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PARAMS_MAX 4u
#define HTTP_QUERY_MAX  8u
#define HTTP_PARAM_SIZE 128u

struct http_request {
    const char *method, *path;
    const char *host, *origin, *transfer_encoding; /* headers; NULL: not there */
    uint64_t content_length;                       /* as declared; 0: no body */
    struct {
        const char *name, *value;
    } query[HTTP_QUERY_MAX];
    uint32_t query_count;
    bool query_overflow; /* there were more */

    char params[HTTP_PARAMS_MAX][HTTP_PARAM_SIZE]; /* the router's: what stood for {} in the path */
    const void *route;

    const char *body; /* answer only; not NUL-terminated */
    size_t body_bytes;
};

/* The query's value, or NULL. */
const char *http_query(const struct http_request *r, const char *name);

struct http_answer {
    unsigned status;
    char *body; /* malloc'ed, given away; NULL: none */
    size_t body_bytes;
    const char *type;   /* static */
    char allow[64];     /* "" or the Allow header */
    char location[192]; /* "" or the Location header */
};

struct http_handler {
    /* False: *a is the answer already, the body is not read and the connection ends with it. */
    bool (*begin)(struct http_handler *, struct http_request *, struct http_answer *a);
    void (*answer)(struct http_handler *, struct http_request *, struct http_answer *a);
};

struct http_config {
    char listen[64]; /* "127.0.0.1:7480", "[::1]:0" */
    uint32_t connections_max;
    uint32_t idle_seconds; /* a connection that brings nothing for so long is ended */
    uint32_t stack_bytes;  /* of each connection's thread */
    uint32_t header_bytes; /* memory of a connection beside its body */
    struct log *log;
    const char *subject; /* who says so in the log: "metad"; static */
};

struct http_server;

/* E_INVALID: no address; E_FORBIDDEN: not loopback; E_BUSY: the port is taken.  reterr_why: one
 * line. */
must_check enum err http_open(const struct http_config *config, struct http_handler *handler,
                              struct http_server **ret, char reterr_why[160]);
/* With the port that was given: "http://127.0.0.1:7480", and without the scheme. */
const char *http_url(const struct http_server *s);
const char *http_address(const struct http_server *s);
/* Whoever waits in a handler was told to end before; awaits every answer under way, for 2 s at
 * most: then it hangs up. */
void http_close(struct http_server *s); /* NULL: nothing to do */

/* E_INVALID, E_FORBIDDEN as above: for the configuration's check. */
must_check enum err http_listen_check(const char *listen, char reterr_why[160]);

/* No web page (Origin), and a Host that is this machine's loopback: names that resolve to it from
 * elsewhere are not (DNS rebinding).  For begin(). */
bool http_asker_allowed(const struct http_request *r, char reterr_why[160]);

#endif
