/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http/listen.c — plain HTTP without tokens is for this machine's users alone: it listens on
 * loopback, and refuses what web pages in their browsers ask for.
 */
#include "http/listen.h"

#include "base/util.h"
#include "env/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 128

/* ---- addresses ---- */

static bool is_loopback(const union socket_address *a)
{
    if (a->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
    return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
}

static enum err listen_read(const char *listen, union socket_address *ret, socklen_t *ret_length,
                            char why[160])
{
    struct net_address text;

    if (!net_address_parse(listen, &text) || !address_read(&text, ret, ret_length)) {
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
    union socket_address address;
    socklen_t length;

    return listen_read(listen, &address, &length, reterr_why);
}

enum err listen_open(const char *listen_on, int *ret_fd, struct net_address *ret_address,
                     char reterr_why[160])
{
    union socket_address address;
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
    getsockname(fd, &address.any, &length);
    *ret_address = address_show(&address);
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
