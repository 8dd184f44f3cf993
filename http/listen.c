/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http/listen.c — plain HTTP without tokens is for this machine's users alone: it listens on
 * loopback, and refuses what web pages in their browsers ask for.
 */
#include "http/listen.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* ---- addresses ---- */

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

static void address_write(int fd, struct net_address *ret)
{
    union any_address a = {0};
    socklen_t length = sizeof a;
    char host[INET6_ADDRSTRLEN] = "?";

    getsockname(fd, &a.any, &length);
    if (a.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof host);
        snprintf(ret->text, sizeof ret->text, "[%s]:%u", host, ntohs(a.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof host);
        snprintf(ret->text, sizeof ret->text, "%s:%u", host, ntohs(a.v4.sin_port));
    }
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
        snprintf(why, 160, "\"%.64s\" is no address: 127.0.0.1:PORT or [::1]:PORT is one", listen);
        return E_INVALID;
    }
    if (!is_loopback(ret)) {
        snprintf(why, 160,
                 "%.48s is not a loopback address: there is no TLS and no token yet, so only "
                 "127.0.0.0/8 and [::1] are served",
                 listen);
        return E_FORBIDDEN;
    }
    return E_OK;
}

enum err http_listen_check(const char *listen, char reterr_why[160])
{
    union any_address address;
    socklen_t length;

    return listen_read(listen, &address, &length, reterr_why);
}

enum err listen_open(const char *listen_on, int *ret_fd, struct net_address *ret_address,
                     char reterr_why[160])
{
    union any_address address;
    socklen_t length;
    int on = 1, fd;
    enum err err = listen_read(listen_on, &address, &length, reterr_why);

    *ret_fd = -1;
    if (err)
        return err;
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, &address.any, length) != 0 || listen(fd, BACKLOG) != 0) {
        err = err_of_errno(errno);
        snprintf(reterr_why, 160, "cannot listen on %.64s: %s", listen_on,
                 errno == EADDRINUSE ? "the port is taken" : strerror(errno));
        if (fd >= 0)
            close(fd);
        return err;
    }
    address_write(fd, ret_address);
    *ret_fd = fd;
    return E_OK;
}

/* ---- askers ---- */

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

bool http_asker_allowed(const struct http_request *r, char reterr_why[160])
{
    if (r->origin)
        snprintf(reterr_why, 160, "requests of web pages (Origin: %.80s) are not served",
                 r->origin);
    else if (r->host && !host_is_loopback(r->host))
        snprintf(reterr_why, 160, "Host: %.80s is not this machine's loopback", r->host);
    else
        return true;
    return false;
}
