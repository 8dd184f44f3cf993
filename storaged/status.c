/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/status.c — from a request to a row of status_routes. */
#include "storaged/status.h"

#include <stdio.h>
#include <stdlib.h>

struct status {
    struct http_handler handler;
    struct http_server *http;
    struct status_node *node;
};

static bool request_begin(struct http_handler *h, struct http_request *r, struct http_answer *a)
{
    char why[160];

    (void)h;
    if (!http_asker_allowed(r, why))
        status_refuse(a, 403, "%s", why);
    else if (r->transfer_encoding)
        status_refuse(a, 411, "a body has a Content-Length");
    else
        r->route = status_route_find(r, a);
    return r->route != NULL;
}

static void request_answer(struct http_handler *h, struct http_request *r, struct http_answer *a)
{
    const struct status_route *route = r->route;

    route->answer(container_of(h, struct status, handler)->node, r, a);
}

const char *status_address(const struct status *s)
{
    return http_address(s->http);
}

enum err status_open(const char *listen, struct status_node *node, struct status **ret,
                     char reterr_why[160])
{
    struct status *s = calloc(1, sizeof *s);
    struct http_config config = {.connections_max = STATUS_CONNECTIONS_MAX,
                                 .idle_seconds = STATUS_IDLE_SECONDS,
                                 .stack_bytes = STATUS_STACK_BYTES,
                                 .header_bytes = STATUS_HEADER_BYTES,
                                 .log = node->homes[0].env->log,
                                 .subject = "storaged"};
    enum err err;

    if (!s) {
        snprintf(reterr_why, 160, "%s", err_text(E_NO_MEMORY));
        return E_NO_MEMORY;
    }
    s->node = node;
    s->handler = (struct http_handler){.begin = request_begin, .answer = request_answer};
    snprintf(config.listen, sizeof config.listen, "%s", listen);
    asks_open(&node->asks);
    err = http_open(&config, &s->handler, &s->http, reterr_why);
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
    http_close(s->http);
    asks_close(&s->node->asks);
    free(s);
}
