/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http/server.c — from libmicrohttpd's callbacks to begin() and answer().
 *
 * The library parses requests and refuses what is not HTTP (400, 414, 431 …) by itself.  It calls
 * `arrived` once when the headers are there, then with each part of the body, then once more.  An
 * answer given at the first call ends the connection without reading on: so a body of a gigabyte
 * costs its headers only.
 */
#include "base/util.h"
#include "env/acceptor.h"
#include "http/listen.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWERS_S 2 /* for answers under way, when it closes */

struct http_server {
    struct http_handler *handler;
    struct MHD_Daemon *daemon;
    struct acceptor acceptor;
    struct answering {
        pthread_mutex_t lock;
        pthread_cond_t none;
        uint32_t count; /* from the whole request to the last byte of its answer */
        bool ending;    /* a connection ends with its next answer                */
    } answering;
    int fd;
    struct net_address address;
    char url[96];
};

/* One request, from its headers to its answer. */
struct exchange {
    struct http_request request;
    char *body;
    size_t used;
    bool answering; /* it is counted */
};

const char *http_query(const struct http_request *r, const char *name)
{
    for (uint32_t i = 0; i < r->query_count; i++) {
        if (strcmp(r->query[i].name, name) == 0)
            return r->query[i].value;
    }
    return NULL;
}

const char *http_url(const struct http_server *s)
{
    return s->url;
}

const char *http_address(const struct http_server *s)
{
    return s->address.text;
}

/* ---- answers ---- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct http_answer *a,
                                   bool close)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(a->body_bytes, a->body ? a->body : (void *)(uintptr_t) "",
                                        a->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result;

    if (!response) {
        free(a->body);
        return MHD_NO;
    }
    if (a->type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
    if (a->allow[0])
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, a->allow);
    if (a->location[0])
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, a->location);
    if (close)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    result = MHD_queue_response(connection, a->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- those under way ---- */

static void answering_init(struct answering *a)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&a->none, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void answering_begin(struct answering *a)
{
    pthread_mutex_lock(&a->lock);
    a->count++;
    pthread_mutex_unlock(&a->lock);
}

static bool answering_ends(struct answering *a)
{
    bool ending;

    pthread_mutex_lock(&a->lock);
    ending = a->ending;
    pthread_mutex_unlock(&a->lock);
    return ending;
}

static void answering_done(struct answering *a)
{
    pthread_mutex_lock(&a->lock);
    if (--a->count == 0)
        pthread_cond_signal(&a->none);
    pthread_mutex_unlock(&a->lock);
}

/* The library hangs up in the middle of an answer; so it is told to only when there is none, or
 * somebody does not take his. */
static void answering_await(struct answering *a)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ANSWERS_S;
    pthread_mutex_lock(&a->lock);
    a->ending = true;
    while (a->count > 0 && rc == 0)
        rc = pthread_cond_timedwait(&a->none, &a->lock, &until);
    pthread_mutex_unlock(&a->lock);
}

/* ---- requests ---- */

/* Of path and query.  What would hold a NUL stays as it was sent: nothing has that name, and nobody
 * takes its beginning for the whole. */
static size_t unescape(void *server, struct MHD_Connection *connection, char *text)
{
    (void)server;
    (void)connection;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

static enum MHD_Result take_query(void *into, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct http_request *r = into;

    (void)kind;
    if (r->query_count == HTTP_QUERY_MAX) {
        r->query_overflow = true;
        return MHD_NO;
    }
    r->query[r->query_count].name = name;
    r->query[r->query_count++].value = value ? value : "";
    return MHD_YES;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static struct exchange *exchange_begin(struct MHD_Connection *connection, const char *method,
                                       const char *path)
{
    struct exchange *x = calloc(1, sizeof *x);
    const char *length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);

    if (!x)
        return NULL;
    x->request.method = method;
    x->request.path = path;
    x->request.host = header(connection, MHD_HTTP_HEADER_HOST);
    x->request.origin = header(connection, "Origin");
    x->request.transfer_encoding = header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    x->request.content_length = length ? strtoull(length, NULL, 10) : 0;
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_query, &x->request);
    return x;
}

static enum MHD_Result exchange_judge(struct http_server *s, struct MHD_Connection *connection,
                                      struct exchange *x)
{
    struct http_answer a = {0};

    if (!s->handler->begin(s->handler, &x->request, &a))
        return send_answer(connection, &a, true);
    if (x->request.content_length == 0)
        return MHD_YES;
    x->body = malloc(x->request.content_length); /* begin() has bounded it */
    return x->body ? MHD_YES : MHD_NO;
}

static enum MHD_Result exchange_append(struct exchange *x, const char *data, size_t *size)
{
    if (*size > x->request.content_length - x->used)
        return MHD_NO;
    memcpy(x->body + x->used, data, *size);
    x->used += *size;
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result exchange_answer(struct http_server *s, struct MHD_Connection *connection,
                                       struct exchange *x)
{
    struct http_answer a = {0};

    x->request.body = x->body ? x->body : "";
    x->request.body_bytes = x->used;
    x->answering = true;
    answering_begin(&s->answering);
    s->handler->answer(s->handler, &x->request, &a);
    return send_answer(connection, &a, answering_ends(&s->answering));
}

/* The library fixes the parameters. */
static enum MHD_Result /* NOLINTNEXTLINE(readability-function-size) */
arrived(void *server, struct MHD_Connection *connection, const char *url, const char *method,
        const char *version, const char *data, size_t *size, void **own)
{
    struct http_server *s = server;
    struct exchange *x = *own;

    (void)version;
    if (!x) {
        x = exchange_begin(connection, method, url);
        *own = x;
        return x ? exchange_judge(s, connection, x) : MHD_NO;
    }
    if (*size > 0)
        return exchange_append(x, data, size);
    return exchange_answer(s, connection, x);
}

static void completed(void *server, struct MHD_Connection *connection, void **own,
                      enum MHD_RequestTerminationCode code)
{
    struct http_server *s = server;
    struct exchange *x = *own;

    (void)connection;
    (void)code;
    if (x && x->answering)
        answering_done(&s->answering);
    if (x)
        free(x->body);
    free(x);
    *own = NULL;
}

/* ---- its life ---- */

static void given(struct acceptor *a, int socket, const struct sockaddr *from, socklen_t length)
{
    struct http_server *s = container_of(a, struct http_server, acceptor);

    (void)MHD_add_connection(s->daemon, socket, from, length);
}

static void begun_or_gone(void *server, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = server;

    (void)connection;
    (void)own;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        acceptor_begun(&s->acceptor);
    else
        acceptor_gone(&s->acceptor);
}

static enum err daemon_start(struct http_server *s, const struct http_config *config, char why[160])
{
    s->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET,
        0, NULL, NULL, arrived, s, MHD_OPTION_NOTIFY_CONNECTION, begun_or_gone, s,
        MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)config->connections_max + 1, /* it hears of one that is gone before it counts */
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)config->idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)config->header_bytes,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)config->stack_bytes, MHD_OPTION_NOTIFY_COMPLETED,
        completed, s, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_END);
    if (s->daemon)
        return E_OK;
    snprintf(why, 160, "the HTTP server does not start: %s", strerror(errno));
    return E_SYSTEM;
}

static enum err accepting_start(struct http_server *s, const struct http_config *config,
                                char why[160])
{
    enum err err;

    s->acceptor = (struct acceptor){.log = config->log,
                                    .subject = config->subject,
                                    .listening = s->fd,
                                    .most = config->connections_max,
                                    .accepted = given};
    err = acceptor_start(&s->acceptor);
    if (err)
        snprintf(why, 160, "the HTTP server does not accept: %s", err_text(err));
    return err;
}

enum err http_open(const struct http_config *config, struct http_handler *handler,
                   struct http_server **ret, char reterr_why[160])
{
    struct http_server *s = calloc(1, sizeof *s);
    enum err err;

    if (!s) {
        snprintf(reterr_why, 160, "%s", err_text(E_NO_MEMORY));
        return E_NO_MEMORY;
    }
    s->handler = handler;
    s->fd = -1;
    answering_init(&s->answering);
    err = listen_open(config->listen, &s->fd, &s->address, reterr_why);
    snprintf(s->url, sizeof s->url, "http://%s", s->address.text);
    if (!err)
        err = daemon_start(s, config, reterr_why);
    if (!err)
        err = accepting_start(s, config, reterr_why);
    if (err) {
        http_close(s);
        return err;
    }
    *ret = s;
    return E_OK;
}

void http_close(struct http_server *s)
{
    if (!s)
        return;
    acceptor_stop(&s->acceptor);
    if (s->fd >= 0)
        close(s->fd);
    if (s->daemon) {
        answering_await(&s->answering);
        MHD_stop_daemon(s->daemon);
    }
    acceptor_close(&s->acceptor);
    pthread_cond_destroy(&s->answering.none);
    pthread_mutex_destroy(&s->answering.lock);
    free(s);
}
