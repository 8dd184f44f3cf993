/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/address.h — the text of an address and what the system calls an address, for who has sockets
 * of his own.
 */
#ifndef ENV_ADDRESS_H
#define ENV_ADDRESS_H

#include "env/env.h"

#include <netinet/in.h>
#include <sys/socket.h>

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* False when the text is no address. */
bool address_read(const struct net_address *address, union socket_address *ret,
                  socklen_t *ret_length);

/* Any family but IPv4 and IPv6 gives "?". */
struct net_address address_show(const union socket_address *socket);

#endif
