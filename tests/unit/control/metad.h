/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/control/metad.h — the real server on a free loopback port, and a plain HTTP client. */
#ifndef TESTS_UNIT_CONTROL_METAD_H
#define TESTS_UNIT_CONTROL_METAD_H

#include "control/inside.h"
#include "metadata/keeper.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct metad {
    struct control *control;
    char dir[64];
    uint16_t port;
};

static inline void log_nothing(struct log *log, enum log_level level, const char *line)
{
    (void)log;
    (void)level;
    (void)line;
}
static struct log quiet = {.write = log_nothing, .least = LOG_LEVEL_ERROR};

static inline void metad_open(struct metad *m)
{
    struct control_config config = {.listen = "127.0.0.1:0",
                                    .iqn_prefix = "iqn.2026-11.internal.dolmen"};
    char why[CONFIG_WHY];

    memcpy(config.dir, m->dir, sizeof m->dir);
    if (control_open(&config, &quiet, &m->control, why) != E_OK)
        fail_msg("%s", why);
    m->port = (uint16_t)strtoul(strrchr(control_url(m->control), ':') + 1, NULL, 10);
}

/* As if it had begun to listen for heartbeats then, on its own clock. */
static inline void metad_listens_since(const struct metad *m, uint64_t ms)
{
    struct board *b = &m->control->board;

    pthread_mutex_lock(&b->lock);
    b->started_ms = ms;
    pthread_mutex_unlock(&b->lock);
}

static inline int metad_setup(void **state)
{
    struct metad *m = calloc(1, sizeof *m);

    snprintf(m->dir, sizeof m->dir, "/tmp/dolmen-metad-XXXXXX");
    assert_non_null(mkdtemp(m->dir));
    metad_open(m);
    *state = m;
    return 0;
}

static inline int metad_teardown(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "keeper.lock"};
    struct metad *m = *state;

    control_close(m->control);
    for (size_t i = 0; i < 3; i++) {
        char path[96];

        snprintf(path, sizeof path, "%s/%s", m->dir, files[i]);
        unlink(path);
    }
    rmdir(m->dir);
    free(m);
    return 0;
}

/* ---- a plain client ---- */

static inline int dial(const struct metad *m)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(m->port)};
    struct timeval limit = {.tv_sec = 60};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

/* All of it, unless the other side ends first. */
static inline bool say(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

struct reply {
    int status; /* 0: none came */
    char head[2048];
    json_t *json; /* NULL: no body, or not JSON */
};

static inline void reply_done(struct reply *r)
{
    json_decref(r->json);
    r->json = NULL;
}

/* Until the other side ends; the request asked for that. */
static inline char *hear_all(int fd, size_t *ret_length)
{
    size_t room = 1 << 16, length = 0;
    char *bytes = malloc(room + 1);
    ssize_t n;

    while ((n = recv(fd, bytes + length, room - length, 0)) > 0) {
        length += (size_t)n;
        if (length == room) {
            char *more = realloc(bytes, (room *= 2) + 1);

            assert_non_null(more);
            bytes = more;
        }
    }
    bytes[length] = '\0';
    *ret_length = length;
    return bytes;
}

static inline struct reply hear(int fd)
{
    struct reply r = {0};
    size_t length;
    char *bytes = hear_all(fd, &length), *body = strstr(bytes, "\r\n\r\n");

    if (body && sscanf(bytes, "HTTP/1.1 %d", &r.status) == 1) {
        snprintf(r.head, sizeof r.head, "%.*s", (int)(body - bytes), bytes);
        r.json = json_loads(body + 4, 0, NULL);
    }
    free(bytes);
    return r;
}

/* Sends `text` as it is and hears what comes until the end. */
static inline struct reply raw(const struct metad *m, const char *text)
{
    int fd = dial(m);
    struct reply r;

    say(fd, text, strlen(text));
    r = hear(fd);
    close(fd);
    return r;
}

/* body NULL: none. */
static inline struct reply call(const struct metad *m, const char *method, const char *path,
                                const char *body)
{
    size_t length = body ? strlen(body) : 0;
    char head[1024];
    struct reply r;
    int fd = dial(m);

    snprintf(
        head, sizeof head,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
        method, path, length);
    say(fd, head, strlen(head));
    if (body)
        say(fd, body, length);
    r = hear(fd);
    close(fd);
    return r;
}

static inline const char *text_of(const struct reply *r, const char *name)
{
    const char *text = json_string_value(json_object_get(r->json, name));

    return text ? text : "";
}

static inline json_int_t number_of(const struct reply *r, const char *name)
{
    return json_integer_value(json_object_get(r->json, name));
}

/* The reply is a problem document of this status whose detail holds `detail`. */
static inline void expect_problem(struct reply r, int status, const char *slug, const char *detail)
{
    char type[64];

    if (r.status != status)
        fail_msg("%d instead of %d: %s", r.status, status, text_of(&r, "detail"));
    assert_non_null(strstr(r.head, "application/problem+json"));
    snprintf(type, sizeof type, "/problems/%s", slug);
    assert_string_equal(text_of(&r, "type"), type);
    assert_int_equal(number_of(&r, "status"), status);
    assert_true(strlen(text_of(&r, "title")) > 0);
    if (!strstr(text_of(&r, "detail"), detail))
        fail_msg("detail: %s", text_of(&r, "detail"));
    assert_int_equal(json_object_size(r.json), 4);
    reply_done(&r);
}

#endif
