/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/status.c — from libmicrohttpd's callbacks to a row of status_routes; nobody else here
 * knows the library.
 *
 * It parses requests and refuses what is not HTTP (400, 414, 431 …) by itself.  It calls `arrived`
 * once when the headers are there, then with each part of the body, then once more; an answer at
 * the first call ends the connection without reading on.  Requests of web pages are refused: plain
 * HTTP without tokens is for this machine's users alone.
 */
#include "storaged/status.h"

#include "env/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct status {
    struct status_node *node;
    struct MHD_Daemon *daemon;
    struct acceptor acceptor;
    int fd;
    char address[64];
};

/* One request, from its headers to its answer. */
struct exchange {
    const struct status_route *route;
    char *body;
    size_t used, declared;
};

/* ---- answers ---- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct status_answer *a,
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
    if (close)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    result = MHD_queue_response(connection, a->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- requests ---- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* "127.0.0.1:7490", "localhost", "[::1]:7490" */
static bool host_is_loopback(const char *host)
{
    static const char *const names[] = {"127.", "localhost", "[::1]"};

    for (size_t i = 0; i < array_length(names); i++) {
        const char *rest = host + strlen(names[i]);

        if (strncmp(host, names[i], strlen(names[i])) != 0)
            continue;
        if (i == 0)
            rest += strspn(rest, "0123456789.");
        return *rest == '\0' || *rest == ':';
    }
    return false;
}

static bool asker_allowed(struct MHD_Connection *connection, struct status_answer *a)
{
    const char *host = header(connection, MHD_HTTP_HEADER_HOST);

    if (header(connection, "Origin"))
        status_refuse(a, 403, "requests of web pages (Origin) are not served");
    else if (host && !host_is_loopback(host))
        status_refuse(a, 403, "the Host is not this machine's loopback");
    else if (header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        status_refuse(a, 411, "a body has a Content-Length");
    else
        return true;
    return false;
}

static enum MHD_Result exchange_begin(struct MHD_Connection *connection, const char *method,
                                      const char *path, void **own)
{
    const char *length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t declared = length ? strtoull(length, NULL, 10) : 0;
    struct status_answer a = {0};
    struct exchange *x;

    if (!asker_allowed(connection, &a))
        return send_answer(connection, &a, true);
    x = calloc(1, sizeof *x);
    if (!x)
        return MHD_NO;
    *own = x;
    x->route = status_route_find(method, path, declared, &a);
    if (!x->route)
        return send_answer(connection, &a, true);
    x->declared = declared;
    x->body = declared ? malloc(declared) : NULL; /* the row has bounded it */
    return x->body || !declared ? MHD_YES : MHD_NO;
}

static enum MHD_Result exchange_append(struct exchange *x, const char *data, size_t *size)
{
    if (*size > x->declared - x->used)
        return MHD_NO;
    memcpy(x->body + x->used, data, *size);
    x->used += *size;
    *size = 0;
    return MHD_YES;
}

/* The library fixes the parameters. */
static enum MHD_Result /* NOLINTNEXTLINE(readability-function-size) */
arrived(void *status, struct MHD_Connection *connection, const char *url, const char *method,
        const char *version, const char *data, size_t *size, void **own)
{
    struct status *s = status;
    struct exchange *x = *own;
    struct status_request request = {.method = method, .path = url};
    struct status_answer a = {0};

    (void)version;
    if (!x)
        return exchange_begin(connection, method, url, own);
    if (*size > 0)
        return exchange_append(x, data, size);
    request.body = x->body;
    request.body_bytes = x->used;
    x->route->answer(s->node, &request, &a);
    return send_answer(connection, &a, false);
}

static void completed(void *status, struct MHD_Connection *connection, void **own,
                      enum MHD_RequestTerminationCode code)
{
    struct exchange *x = *own;

    (void)status;
    (void)connection;
    (void)code;
    if (x)
        free(x->body);
    free(x);
    *own = NULL;
}

/* ---- listening ---- */

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* `text` is as net_address_parse() writes it: numbers, and a port after the last colon. */
static socklen_t address_read(const struct net_address *text, union any_address *ret)
{
    const char *colon = strrchr(text->text, ':');
    size_t length = (size_t)(colon - text->text);
    uint16_t port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    char host[64] = "";

    memset(ret, 0, sizeof *ret);
    if (text->text[0] == '[') {
        memcpy(host, text->text + 1, length - 2);
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = port;
        return inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1 ? sizeof ret->v6 : 0;
    }
    memcpy(host, text->text, length);
    ret->v4.sin_family = AF_INET;
    ret->v4.sin_port = port;
    return inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1 ? sizeof ret->v4 : 0;
}

static bool is_loopback(const union any_address *a)
{
    if (a->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
    return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
}

static enum err listen_read(const char *listen, union any_address *ret, socklen_t *ret_length,
                            char why[160])
{
    struct net_address text;

    if (!net_address_parse(listen, &text) || !(*ret_length = address_read(&text, ret))) {
        snprintf(why, 160, "\"%.64s\" is no address: 127.0.0.1:7490 or [::1]:7490 is one", listen);
        return E_INVALID;
    }
    if (!is_loopback(ret)) {
        snprintf(why, 160, "%.64s is not a loopback address, and there is no TLS and no token yet",
                 listen);
        return E_FORBIDDEN;
    }
    return E_OK;
}

enum err status_listen_check(const char *listen, char reterr_why[160])
{
    union any_address address;
    socklen_t length;

    return listen_read(listen, &address, &length, reterr_why);
}

static void address_write(struct status *s)
{
    union any_address a = {0};
    socklen_t length = sizeof a;
    char host[INET6_ADDRSTRLEN] = "?";

    getsockname(s->fd, &a.any, &length);
    if (a.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof host);
        snprintf(s->address, sizeof s->address, "[%s]:%u", host, ntohs(a.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof host);
        snprintf(s->address, sizeof s->address, "%s:%u", host, ntohs(a.v4.sin_port));
    }
}

static enum err socket_open(struct status *s, const char *listen_on, char why[160])
{
    union any_address address;
    socklen_t length;
    int on = 1;
    enum err err = listen_read(listen_on, &address, &length, why);

    if (err)
        return err;
    s->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(s->fd, &address.any, length) != 0 || listen(s->fd, 16) != 0) {
        err = err_of_errno(errno);
        snprintf(why, 160, "cannot listen on %.64s: %s", listen_on,
                 errno == EADDRINUSE ? "the port is taken" : strerror(errno));
        return err;
    }
    address_write(s);
    return E_OK;
}

static void given(struct acceptor *a, int socket, const struct sockaddr *from, socklen_t length)
{
    struct status *s = container_of(a, struct status, acceptor);

    (void)MHD_add_connection(s->daemon, socket, from, length);
}

static void begun_or_gone(void *status, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode code)
{
    struct status *s = status;

    (void)connection;
    (void)own;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        acceptor_begun(&s->acceptor);
    else
        acceptor_gone(&s->acceptor);
}

static enum err daemon_start(struct status *s, char why[160])
{
    s->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET,
        0, NULL, NULL, arrived, s, MHD_OPTION_NOTIFY_CONNECTION, begun_or_gone, s,
        MHD_OPTION_CONNECTION_LIMIT,
        STATUS_CONNECTIONS_MAX + 1, /* it hears of one that is gone before it counts */
        MHD_OPTION_CONNECTION_TIMEOUT, STATUS_IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)STATUS_HEADER_BYTES, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STATUS_STACK_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
    if (s->daemon)
        return E_OK;
    snprintf(why, 160, "the HTTP server does not start: %s", strerror(errno));
    return E_SYSTEM;
}

static enum err accepting_start(struct status *s, char why[160])
{
    enum err err;

    s->acceptor = (struct acceptor){.log = s->node->homes[0].env->log,
                                    .subject = "storaged",
                                    .listening = s->fd,
                                    .most = STATUS_CONNECTIONS_MAX,
                                    .accepted = given};
    err = acceptor_start(&s->acceptor);
    if (err)
        snprintf(why, 160, "the HTTP server does not accept: %s", err_text(err));
    return err;
}

const char *status_address(const struct status *s)
{
    return s->address;
}

enum err status_open(const char *listen, struct status_node *node, struct status **ret,
                     char reterr_why[160])
{
    struct status *s = calloc(1, sizeof *s);
    enum err err;

    if (!s) {
        snprintf(reterr_why, 160, "%s", err_text(E_NO_MEMORY));
        return E_NO_MEMORY;
    }
    s->fd = -1;
    s->node = node;
    asks_open(&node->asks);
    err = socket_open(s, listen, reterr_why);
    if (!err)
        err = daemon_start(s, reterr_why);
    if (!err)
        err = accepting_start(s, reterr_why);
    if (err) {
        status_close(s);
        return err;
    }
    *ret = s;
    return E_OK;
}

void status_close(struct status *s)
{
    if (!s)
        return;
    acceptor_stop(&s->acceptor);
    if (s->fd >= 0)
        close(s->fd);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    acceptor_close(&s->acceptor);
    asks_close(&s->node->asks);
    free(s);
}
