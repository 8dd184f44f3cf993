/* SPDX-License-Identifier: Apache-2.0 */
/* http/listen.h — the listening socket, and who may ask. */
#ifndef HTTP_LISTEN_H
#define HTTP_LISTEN_H

#include "env/env.h"
#include "http/http.h"

/* *ret_address: with the port that was given.  Errors as http_open(); *ret_fd is -1 then. */
must_check enum err listen_open(const char *listen, int *ret_fd, struct net_address *ret_address,
                                char reterr_why[160]);

#endif
