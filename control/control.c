/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/control.c — opens metad's parts in order, judges requests, closes in the other order.
 *
 * Plain HTTP without tokens is only safe where nobody but this machine's users can reach it.  So
 * the port is on loopback, and what a browser would send on behalf of a foreign page is refused: a
 * request with an Origin, or for a Host that is not loopback.
 */
#include "control/control.h"

#include "control/controller/controller.h"
#include "control/inside.h"
#include "env/rlimits.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

struct identity control_identity(void)
{
    struct identity id = {0};

    while (identity_none(id)) {
        if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id)
            id = (struct identity){0};
    }
    return id;
}

const char *control_url(const struct control *c)
{
    return http_url(c->http);
}

/* ---- the keeper, for handlers ---- */

bool control_range(struct control *c, const char *prefix, struct record_list *ret,
                   struct problem *p)
{
    enum err err = keeper_range(c->keeper, prefix, ret);

    return err ? problem(p, err, "the records cannot be read") : true;
}

/* What a compare, or a check of the transaction, refused says nothing about the keeper. */
static bool keepers_own(enum err err)
{
    return err != E_CONFLICT && err != E_INVALID && err != E_TOO_LARGE;
}

enum err control_transact(struct control *c, const struct record_transaction *t,
                          uint64_t *ret_revision)
{
    enum err err = keeper_transact(c->keeper, t, ret_revision);

    if (!err || err == E_IN_DOUBT)
        board_tell(&c->board);
    if (err ? keepers_own(err) : t->put_count > 0)
        trouble_stored(
            &c->trouble,
            &(struct trouble_stored){.err = err, .dir = c->config.dir, .now_ms = monotonic_ms()},
            c->log);
    return err;
}

void control_refused(const struct control *c, enum err err, struct problem *p, const char *what,
                     const char *name)
{
    const char *dir = c->config.dir;

    if (!err || err == E_CONFLICT)
        problem_fill(p, err, "%s %.80s changed meanwhile", what, name);
    else if (err == E_NO_SPACE)
        problem_fill(p, err,
                     "the file system of metad's records, %.200s, is full: nothing was changed; "
                     "make room there",
                     dir);
    else if (err == E_IN_DOUBT)
        problem_fill(p, err, "the records in %.200s: nothing was changed, or all", dir);
    else
        problem_fill(p, err, "%s %.80s was not changed", what, name);
}

/* ---- requests ---- */

static bool asker_allowed(const struct http_request *r, struct problem *p)
{
    char why[160];

    return http_asker_allowed(r, why) || problem(p, E_FORBIDDEN, "%s", why);
}

/* C8: what users change would be another history of what some node has seen already.  What nodes
 * record is compared with the records that they know. */
static bool change_allowed(const struct control *c, const struct http_request *r, struct problem *p)
{
    const struct route *route = r->route;
    bool changes = strcmp(route->method, "GET") != 0 && strncmp(route->pattern, "/v1/", 4) == 0;

    return !changes || !atomic_load(&c->held) ||
           problem(p, E_NOT_READY,
                   "a node has seen a newer revision than the keeper holds: nothing is changed "
                   "before the newest backup is restored (dolmen keeper restore), or that node is "
                   "stopped");
}

static bool request_begin(struct http_handler *h, struct http_request *r, struct http_answer *a)
{
    const struct control *c = container_of(h, struct control, handler);
    struct problem p;

    if (asker_allowed(r, &p) && route_find(control_routes, control_route_count, r, &p, a->allow) &&
        change_allowed(c, r, &p))
        return true;
    answer_problem(a, &p);
    return false;
}

static void request_answer(struct http_handler *h, struct http_request *r, struct http_answer *a)
{
    const struct route *route = r->route;

    route->answer(container_of(h, struct control, handler), r, a);
}

/* ---- opening ---- */

#define FILES_BESIDE     32u /* records, port, wakers, log, signals, clock, libraries */
#define ADDRESSES_BESIDE (UINT64_C(256) << 20) /* libraries, the other threads' stacks, answers */

static const uint64_t threads = (uint64_t)CONNECTIONS_MAX * CONNECTION_STACK;
static const uint64_t bodies = (uint64_t)CONNECTIONS_MAX * REQUEST_BODY_MAX;

enum err control_prepare(char why[CONFIG_WHY])
{
    enum err err = rlimits_files(CONNECTIONS_MAX + FILES_BESIDE, "", why);

    if (err)
        return err;
    return rlimits_addresses(
        KEEPER_MAP_BYTES + threads + bodies + HEARTBEAT_BODY_MAX + ADDRESSES_BESIDE, "", why);
}

/* Of usual requests: each connection has a body, one of them a heartbeat's.  Nodes that send large
 * ones at once take more. */
static void log_budget(struct control *c)
{
    log_event(c->log, LOG_LEVEL_INFO, "metad", "budget",
              "connections=%u stacks_bytes=%llu bodies_bytes=%llu heartbeat_bytes=%u nodes=%u "
              "watches=%u calls=%u changes=%u",
              CONNECTIONS_MAX, (unsigned long long)threads, (unsigned long long)bodies,
              HEARTBEAT_BODY_MAX, BOARD_NODES_MAX, WATCHES_MAX, CALLS_MAX, KEEPER_CHANGES_MAX);
}

static enum err http_start(struct control *c, char why[CONFIG_WHY])
{
    struct http_config config = {.connections_max = CONNECTIONS_MAX,
                                 .idle_seconds = CONNECTION_IDLE_S,
                                 .stack_bytes = CONNECTION_STACK,
                                 .header_bytes = CONNECTION_HEADER,
                                 .log = c->log,
                                 .subject = "metad"};

    c->handler.begin = request_begin;
    c->handler.answer = request_answer;
    memcpy(config.listen, c->config.listen, sizeof config.listen);
    return http_open(&config, &c->handler, &c->http, why);
}

static enum err parts_open(struct control *c, char why[CONFIG_WHY])
{
    enum err err = keeper_lmdb_open(c->config.dir, control_identity(), &c->keeper, why);

    if (err)
        return err;
    c->changes = calloc(1, sizeof *c->changes);
    if (!c->changes) {
        snprintf(why, CONFIG_WHY, "%s", err_text(E_NO_MEMORY));
        return E_NO_MEMORY;
    }
    err = http_start(c, why);
    if (err)
        return err;
    err = controller_start(c);
    if (err)
        snprintf(why, CONFIG_WHY, "the controller's thread does not start");
    return err;
}

enum err control_open(const struct control_config *config, struct log *log, struct control **ret,
                      char why[CONFIG_WHY])
{
    struct control *c = calloc(1, sizeof *c);
    enum err err;

    if (!c) {
        snprintf(why, CONFIG_WHY, "%s", err_text(E_NO_MEMORY));
        return E_NO_MEMORY;
    }
    c->config = *config;
    c->log = log;
    board_init(&c->board);
    trouble_init(&c->trouble);
    pthread_mutex_init(&c->placing, NULL);
    err = parts_open(c, why);
    if (err) {
        control_close(c);
        return err;
    }
    log_budget(c);
    log_event(c->log, LOG_LEVEL_INFO, "metad", "ready",
              "url=%s lineage=%s (loopback only: no TLS, no tokens yet)", control_url(c),
              identity_show(c->keeper->lineage).text);
    *ret = c;
    return E_OK;
}

void control_close(struct control *c)
{
    if (!c)
        return;
    board_stop(&c->board);
    if (c->keeper)
        keeper_stop(c->keeper);
    http_close(c->http);
    controller_join(c);
    keeper_close(c->keeper);
    board_done(&c->board);
    trouble_done(&c->trouble);
    pthread_mutex_destroy(&c->placing);
    record_list_free(&c->records);
    free(c->changes);
    free(c);
}
