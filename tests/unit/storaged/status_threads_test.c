/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status port over a real reactor on a thread of its own: what it serves, what it refuses, and
 * that a reactor which stands still holds up nobody.
 */
#include "storaged/status.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 120

#define HOMES      2u

struct place {                  /* a home with a thread of its own */
    struct directory directory; /* of nothing: nobody logs in */
    struct iscsi_close close;
    struct mail end;
    pthread_t thread;
    struct home *home;
};

struct scene {
    struct home homes[HOMES]; /* neither volumes nor disks */
    struct place places[HOMES];
    struct status_node node;
    struct status *status;
    struct limits limits;
    char answer[65536];
};

static void *turn(void *arg)
{
    reactor_run(arg);
    return NULL;
}

static void place_open(struct place *p, struct home *home)
{
    struct reactor_config config = reactor_config_default();
    struct iscsi_config target = {
        .portals = {{"127.0.0.1:0"}}, .portal_count = 1, .limits = iscsi_limits_small()};
    const char *text = "";
    uint32_t which;

    config.workers = 1;
    p->home = home;
    list_init(&home->volumes);
    assert_int_equal(reactor_open(&config, &log_stderr, &home->reactor, &text), E_OK);
    home->env = reactor_env(home->reactor);
    assert_int_equal(iscsi_target_open(home->env, &target, &p->directory, &home->target, &which),
                     E_OK);
    assert_int_equal(pthread_create(&p->thread, NULL, turn, home->reactor), 0);
}

static void target_closed(struct iscsi_close *c)
{
    reactor_stop(container_of(c, struct place, close)->home->reactor);
}

static void end_opened(struct mail *m)
{
    struct place *p = container_of(m, struct place, end);

    p->close.done = target_closed;
    iscsi_target_close(p->home->target, &p->close);
}

static void place_close(struct place *p)
{
    p->end.opened = end_opened;
    mail_send(p->home->env, &p->end);
    pthread_join(p->thread, NULL);
    iscsi_target_free(p->home->target);
    reactor_close(p->home->reactor);
}

static int scene_open(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    char why[160];

    alarm(PATIENCE_S);
    assert_non_null(s);
    for (uint32_t i = 0; i < HOMES; i++)
        place_open(&s->places[i], &s->homes[i]);
    s->limits.volumes_max = 4;
    s->limits.iscsi = iscsi_limits_small();
    s->node = (struct status_node){
        .node = {7}, .name = "n1", .homes = s->homes, .home_count = HOMES, .limits = &s->limits};
    assert_int_equal(status_open("127.0.0.1:0", &s->node, &s->status, why), E_OK);
    *state = s;
    return 0;
}

static int scene_close(void **state)
{
    struct scene *s = *state;

    status_close(s->status);
    for (uint32_t i = 0; i < HOMES; i++)
        place_close(&s->places[i]);
    free(s);
    alarm(0);
    return 0;
}

static int status_connect(const struct scene *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((uint16_t)strtoul(strrchr(status_address(s->status), ':') + 1, NULL, 10));
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void drain(struct scene *s, int fd)
{
    size_t used = 0;
    ssize_t got;

    while ((got = recv(fd, s->answer + used, sizeof s->answer - 1 - used, 0)) > 0)
        used += (size_t)got;
    s->answer[used] = '\0';
    close(fd);
}

/* What comes back for these bytes, until the connection is closed. */
static const char *say(struct scene *s, const char *bytes, size_t length)
{
    int fd = status_connect(s);

    (void)!send(fd, bytes, length, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    drain(s, fd);
    return s->answer;
}

static unsigned code_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (unsigned)strtoul(answer + 9, NULL, 10) : 0;
}

static unsigned get(struct scene *s, const char *path)
{
    char request[512];
    int length =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n", path);

    return code_of(say(s, request, (size_t)length));
}

static void it_says_that_it_is_well(void **state)
{
    struct scene *s = *state;

    assert_int_equal(get(s, "/healthz"), 200);
    assert_non_null(strstr(s->answer, "\"status\":\"ok\""));
    assert_non_null(strstr(s->answer, "\"name\":\"n1\""));
}

static void metrics_are_described_and_told(void **state)
{
    struct scene *s = *state;

    assert_int_equal(get(s, "/metrics"), 200);
    assert_non_null(strstr(s->answer, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr(s->answer, "# HELP storaged_reactor_turns_total "));
    assert_non_null(strstr(s->answer, "\nstoraged_reactor_turns_total{reactor=\"0\"} "));
    assert_non_null(strstr(s->answer, "\nstoraged_reactor_turn_seconds_bucket{reactor=\"0\",le="));
    assert_non_null(strstr(s->answer, "\nstoraged_iscsi_sessions{reactor=\"0\"} 0\n"));
    assert_non_null(strstr(s->answer, "\nstoraged_reactor_answers{reactor=\"0\"} 1\n"));
}

static void tables_of_nothing_are_empty(void **state)
{
    struct scene *s = *state;

    assert_int_equal(get(s, "/v1/volumes"), 200);
    assert_non_null(strstr(s->answer, "\"items\":[],\"silent_reactors\":[]"));
    assert_int_equal(get(s, "/v1/sessions"), 200);
    assert_non_null(strstr(s->answer, "\"items\":[],\"silent_reactors\":[]"));
}

/* ---- a reactor that stands still ---- */

struct plug {
    struct mail mail;
    sem_t entered, leave;
};

static void plug_opened(struct mail *m)
{
    struct plug *p = container_of(m, struct plug, mail);

    sem_post(&p->entered);
    sem_wait(&p->leave);
}

static void a_reactor_that_stands_still_is_reported_and_holds_up_nobody(void **state)
{
    struct scene *s = *state;
    struct plug plug = {.mail.opened = plug_opened};

    sem_init(&plug.entered, 0, 0);
    sem_init(&plug.leave, 0, 0);
    mail_send(s->homes[1].env, &plug.mail);
    sem_wait(&plug.entered);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(get(s, "/healthz"), 503);
        assert_non_null(strstr(s->answer, "\"why\":[\"reactor 1 does not answer within"));
    }
    assert_int_equal(get(s, "/metrics"), 200); /* counters are read, not asked for */
    assert_non_null(strstr(s->answer, "\nstoraged_reactor_answers{reactor=\"0\"} 1\n"
                                      "storaged_reactor_answers{reactor=\"1\"} 0\n"));
    assert_non_null(strstr(s->answer, "\nstoraged_iscsi_sessions{reactor=\"1\"} 0\n"));
    assert_int_equal(get(s, "/v1/volumes"), 200);
    assert_non_null(strstr(s->answer, "\"silent_reactors\":[1]"));
    assert_int_equal(s->node.asks.late_count, 5);
    sem_post(&plug.leave);
    while (get(s, "/healthz") != 200)
        ; /* what was late is answered before */
    assert_int_equal(get(s, "/healthz"), 200);
    assert_int_equal(s->node.asks.late_count, 0);
    sem_destroy(&plug.entered);
    sem_destroy(&plug.leave);
}

/* ---- foreign bytes ---- */

static void what_it_does_not_know_is_refused_by_name(void **state)
{
    static const struct {
        unsigned status;
        const char *request;
    } cases[] = {
        {404, "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"},
        {404, "GET /%ff%00%22 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"},
        {405, "POST /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"},
        {413, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"},
        {413, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
              "18446744073709551615\r\n\r\nx"},
        {411, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
              "0\r\n\r\n"},
        {403, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a\r\n\r\n"},
        {403, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n"},
        {403, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n"},
        {200, "HEAD /metrics HTTP/1.1\r\nHost: [::1]:7490\r\nConnection: close\r\n\r\n"},
    };
    struct scene *s = *state;

    for (size_t i = 0; i < array_length(cases); i++) {
        unsigned status = code_of(say(s, cases[i].request, strlen(cases[i].request)));

        if (status != cases[i].status)
            print_error("%s→ %s\n", cases[i].request, s->answer);
        assert_int_equal(status, cases[i].status);
    }
}

static void garbage_harms_nobody(void **state)
{
    struct scene *s = *state;
    static char bytes[70000];
    uint64_t chance = 1;

    for (uint32_t round = 0; round < 60; round++) {
        size_t length = round < 30 ? 1 + round * 7 : sizeof bytes >> (round % 8);

        for (size_t i = 0; i < length; i++) {
            chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
            bytes[i] = (char)(chance >> 33);
        }
        if (round % 3 == 0)
            memcpy(bytes, "GET /", min_u64(5, length));
        say(s, bytes, length);
    }
    assert_int_equal(get(s, "/healthz"), 200);
}

/* Connections beyond the limit are closed, and room comes back. */
static void connections_are_bounded(void **state)
{
    struct scene *s = *state;
    int held[STATUS_CONNECTIONS_MAX];

    for (uint32_t i = 0; i < STATUS_CONNECTIONS_MAX; i++) {
        static const char begin[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";

        held[i] = status_connect(s);
        assert_true(send(held[i], begin, sizeof begin - 1, MSG_NOSIGNAL) > 0);
    }
    get(s, "/healthz"); /* answered or not: it comes back */
    for (uint32_t i = 0; i < STATUS_CONNECTIONS_MAX; i++)
        close(held[i]);
    while (get(s, "/healthz") != 200)
        ;
}

/* ---- where it listens ---- */

static void it_listens_on_loopback_alone(void **state)
{
    static const struct {
        const char *listen;
        enum err err;
    } cases[] = {
        {"127.0.0.1:7490", E_OK},
        {"127.1.2.3:0", E_OK},
        {"[::1]:7490", E_OK},
        {"0.0.0.0:7490", E_FORBIDDEN},
        {"192.0.2.1:7490", E_FORBIDDEN},
        {"[::]:7490", E_FORBIDDEN},
        {"localhost:7490", E_INVALID},
        {"127.0.0.1", E_INVALID},
        {"127.0.0.1:x", E_INVALID},
        {"127.0.0.1:65536", E_INVALID},
        {":7490", E_INVALID},
        {"", E_INVALID},
    };
    char why[160];

    (void)state;
    for (size_t i = 0; i < array_length(cases); i++)
        assert_int_equal(http_listen_check(cases[i].listen, why), cases[i].err);
}

static void a_port_that_is_taken_is_named(void **state)
{
    struct scene *s = *state;
    struct status_node other = s->node;
    struct status *second = NULL;
    char why[160], expected[160];

    snprintf(expected, sizeof expected, "cannot listen on %s: the port is taken",
             status_address(s->status));
    assert_int_equal(status_open(status_address(s->status), &other, &second, why), E_BUSY);
    assert_string_equal(why, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
        TEST(it_says_that_it_is_well),
        TEST(metrics_are_described_and_told),
        TEST(tables_of_nothing_are_empty),
        TEST(a_reactor_that_stands_still_is_reported_and_holds_up_nobody),
        TEST(what_it_does_not_know_is_refused_by_name),
        TEST(garbage_harms_nobody),
        TEST(connections_are_bounded),
        cmocka_unit_test(it_listens_on_loopback_alone),
        TEST(a_port_that_is_taken_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
