/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/metad_requests_fuzz.c — requests to metad, of operators (/v1) and nodes (/node/v1), on
 * records in memory.
 *
 * An input is lines "METHOD PATH?QUERY BODY"; each is routed and answered as http/server.c would
 * have it, on what those before have left.  One node with a disk is there from the start, and
 * nobody waits for anything.  Every answer is JSON with a status; a problem is RFC 9457's.
 */
#include "control/inside.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

#define REQUESTS_MAX 16u
#define NODE         "00000000000000aa"

static const char heartbeat[] =
    "{\"node\":\"" NODE "\",\"incarnation\":\"00000000000000bb\",\"name\":\"n1\",\"rack\":\"r1\","
    "\"revision\":0,\"lineage\":null,\"portals\":[\"127.0.0.1:3260\"],\"disks\":[{\"disk\":"
    "\"00000000000000cc\",\"path\":\"/d\",\"bytes\":68719476736,\"chunks\":1000000,"
    "\"chunks_free\":1000000,\"read_only\":false}],\"replicas\":[],\"volumes\":[],"
    "\"attachments\":[],\"graves\":[]}";

static void log_nothing(struct log *log, enum log_level level, const char *line)
{
    (void)log;
    (void)level;
    assert(strchr(line, '\n') == NULL);
}
static struct log quiet = {.write = log_nothing, .least = LOG_LEVEL_INFO};

static struct control *metad_open(void)
{
    struct control *c = calloc(1, sizeof *c);
    enum err err;

    assert(c);
    snprintf(c->config.iqn_prefix, sizeof c->config.iqn_prefix, "iqn.2026-11.internal.dolmen");
    c->log = &quiet;
    board_init(&c->board);
    board_stop(&c->board);
    pthread_mutex_init(&c->placing, NULL);
    err = keeper_memory_open((struct identity){0x11ea}, &c->keeper);
    assert(!err);
    return c;
}

static void metad_close(struct control *c)
{
    keeper_close(c->keeper);
    pthread_mutex_destroy(&c->placing);
    board_done(&c->board);
    free(c);
}

/* ---- one request ---- */

static void check_answer(const struct http_answer *a)
{
    json_t *body = a->body ? json_loadb(a->body, a->body_bytes, 0, NULL) : NULL;

    assert(a->status >= 200 && a->status <= 599 && a->status != 500);
    assert(a->status == 204 || json_is_object(body));
    if (a->status >= 400) {
        assert(strcmp(a->type, "application/problem+json") == 0);
        assert(json_integer_value(json_object_get(body, "status")) == (json_int_t)a->status);
        assert(json_is_string(json_object_get(body, "detail")));
    }
    assert(memchr(a->allow, '\0', sizeof a->allow));
    assert(memchr(a->location, '\0', sizeof a->location));
    json_decref(body);
    free(a->body);
}

static void serve(struct control *c, struct http_request *r)
{
    struct http_answer a = {0};
    struct problem p;

    if (route_find(control_routes, control_route_count, r, &p, a.allow))
        ((const struct route *)r->route)->answer(c, r, &a);
    else
        answer_problem(&a, &p);
    check_answer(&a);
}

/* "limit=3&after=x", in place. */
static void take_query(struct http_request *r, char *text)
{
    for (char *pair = text, *next; pair; pair = next) {
        char *value = strchr(pair, '=');

        next = strchr(pair, '&');
        if (next)
            *next++ = '\0';
        if (r->query_count == HTTP_QUERY_MAX) {
            r->query_overflow = true;
            return;
        }
        if (value && next && value >= next)
            value = NULL;
        if (value)
            *value++ = '\0';
        r->query[r->query_count].name = pair;
        r->query[r->query_count++].value = value ? value : "";
    }
}

static void request(struct control *c, struct input line)
{
    struct input method = input_until(&line, ' '), path = input_until(&line, ' ');
    char *method_text = input_text(&method), *path_text = input_text(&path);
    char *query = strchr(path_text, '?');
    uint8_t *body = input_copy(&line);
    struct http_request r = {.method = method_text,
                             .path = path_text,
                             .content_length = line.left,
                             .body = (const char *)body,
                             .body_bytes = line.left};

    if (query) {
        *query++ = '\0';
        take_query(&r, query);
    }
    serve(c, &r);
    free(body);
    free(path_text);
    free(method_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input in = {bytes, length};
    struct control *c = metad_open();
    struct http_request alive = {.method = "POST",
                                 .path = "/node/v1/heartbeat",
                                 .content_length = strlen(heartbeat),
                                 .body = heartbeat,
                                 .body_bytes = strlen(heartbeat)};

    serve(c, &alive);
    for (uint32_t n = 0; n < REQUESTS_MAX && in.left > 0; n++)
        request(c, input_until(&in, '\n'));
    metad_close(c);
    return 0;
}
