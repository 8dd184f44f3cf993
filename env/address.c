/* SPDX-License-Identifier: Apache-2.0 */
/* env/address.c — "127.0.0.1:3260" and "[::1]:3260", read and written. */
#include "env/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool port_read(const char *text, in_port_t *ret)
{
    uint32_t port = 0;

    if (*text == 0)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        port = 10 * port + (uint32_t)(*text - '0');
        if (port > UINT16_MAX)
            return false;
    }
    *ret = htons((uint16_t)port);
    return true;
}

/* The part before the last colon, without the brackets of IPv6; false when it does not fit. */
static bool host_read(const char *text, const char *colon, bool bracketed,
                      char ret[INET6_ADDRSTRLEN])
{
    size_t length = (size_t)(colon - text);

    if (bracketed) {
        if (length < 2 || text[length - 1] != ']')
            return false;
        text++;
        length -= 2;
    }
    if (length >= INET6_ADDRSTRLEN)
        return false;
    memcpy(ret, text, length);
    ret[length] = 0;
    return true;
}

static bool text_read(const char *text, union socket_address *ret, socklen_t *ret_length)
{
    bool v6 = text[0] == '[';
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN];
    in_port_t port;

    if (!colon || !host_read(text, colon, v6, host) || !port_read(colon + 1, &port))
        return false;
    memset(ret, 0, sizeof *ret);
    if (v6) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = port;
        *ret_length = sizeof ret->v6;
        return inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1;
    }
    ret->v4.sin_family = AF_INET;
    ret->v4.sin_port = port;
    *ret_length = sizeof ret->v4;
    return inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1;
}

bool address_read(const struct net_address *address, union socket_address *ret,
                  socklen_t *ret_length)
{
    return text_read(address->text, ret, ret_length);
}

struct net_address address_show(const union socket_address *socket)
{
    struct net_address show = {.text = "?"};
    char host[INET6_ADDRSTRLEN];

    if (socket->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &socket->v4.sin_addr, host, sizeof host);
        snprintf(show.text, sizeof show.text, "%s:%u", host, ntohs(socket->v4.sin_port));
    } else if (socket->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &socket->v6.sin6_addr, host, sizeof host);
        snprintf(show.text, sizeof show.text, "[%s]:%u", host, ntohs(socket->v6.sin6_port));
    }
    return show;
}

bool net_address_parse(const char *text, struct net_address *ret)
{
    union socket_address socket;
    socklen_t length;

    if (!text_read(text, &socket, &length))
        return false;
    *ret = address_show(&socket);
    return true;
}
