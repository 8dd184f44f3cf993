/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to metad, against a server of a few lines on loopback that answers what the test says:
 * every answer and every way to lose one becomes the error that the caller can act on.
 */
#include "env/uring/reactor.h"
#include "storaged/records_http.h"
#include "tests/unit/storaged/cluster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HANG_UP ((const char *)0) /* reads the request and closes */
#define HOLD    "hold"            /* … and says nothing */

struct server {
    int listener;
    pthread_t thread;
    const char *answers[4]; /* one a connection; "status\nbody" */
    uint32_t count;
    char requests[4][4096];
    int held;
};

struct scene {
    struct server server;
    struct reactor *reactor;
    struct metad *metad;
    struct records_call call;
    struct metad_post post;
    struct record_transaction transaction;
    struct timer timer;
    enum err err;
};

/* Headers and body, into text (4096 bytes). */
static void read_request(int fd, char *text)
{
    size_t used = 0;
    ssize_t got;

    while ((got = recv(fd, text + used, 4095 - used, 0)) > 0) {
        const char *body, *length;

        used += (size_t)got;
        text[used] = '\0';
        body = strstr(text, "\r\n\r\n");
        length = strstr(text, "Content-Length: ");
        if (body && (!length || strlen(body + 4) >= strtoul(length + 16, NULL, 10)))
            return;
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;

    for (uint32_t i = 0; i < s->count; i++) {
        int fd = accept(s->listener, NULL, NULL);
        const char *answer = s->answers[i];

        if (fd < 0)
            return NULL;
        read_request(fd, s->requests[i]);
        if (answer && strcmp(answer, HOLD) == 0) {
            s->held = fd;
            return NULL;
        }
        if (answer)
            dprintf(fd, "HTTP/1.1 %.3s X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                    answer, strlen(answer + 4), answer + 4);
        close(fd);
    }
    return NULL;
}

/* A listening socket, and its url (64 bytes). */
static int listen_somewhere(char *ret_url)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    snprintf(ret_url, 64, "http://127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

static void server_start(struct scene *sc, const char *const *answers, uint32_t count)
{
    struct server *s = &sc->server;
    char url[64];

    s->listener = listen_somewhere(url);
    for (uint32_t i = 0; i < count; i++)
        s->answers[i] = answers[i];
    s->count = count;
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    assert_int_equal(metad_open(reactor_env(sc->reactor), url, NODE, &sc->metad), E_OK);
}

static int each_new(void **state)
{
    struct reactor_config config = reactor_config_default();
    struct scene *s = calloc(1, sizeof *s);
    const char *text;

    config.workers = METAD_LANES;
    s->server.listener = s->server.held = -1;
    assert_int_equal(reactor_open(&config, &log_stderr, &s->reactor, &text), E_OK);
    *state = s;
    return 0;
}

static void server_end(struct server *s)
{
    if (s->listener < 0)
        return;
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    s->listener = -1;
}

/* What the server was asked; it serves no more. */
static const char *asked(struct scene *s)
{
    server_end(&s->server);
    return s->server.requests[0];
}

static int each_done(void **state)
{
    struct scene *s = *state;

    server_end(&s->server);
    if (s->server.held >= 0)
        close(s->server.held);
    metad_close(s->metad);
    transaction_done(&s->transaction);
    reactor_close(s->reactor);
    free(s);
    return 0;
}

static void call_done(struct records_call *c, enum err err)
{
    struct scene *s = container_of(c, struct scene, call);

    s->err = err;
    reactor_stop(s->reactor);
}

static enum err call(struct scene *s, enum records_op op)
{
    struct records *records = metad_records(s->metad);

    s->call.op = op;
    s->call.done = call_done;
    s->call.transaction = &s->transaction;
    s->call.revision = 17;
    s->call.wait_ms = 250;
    snprintf(s->call.prefix, sizeof s->call.prefix, "page/0000000000000015/");
    records->call(records, &s->call);
    reactor_run(s->reactor);
    return s->err;
}

static void answer_once(struct scene *s, const char *answer)
{
    server_start(s, (const char *const[]){answer}, 1);
}

/* ---- stories ---- */

static void a_range_becomes_a_list(void **state)
{
    struct scene *s = *state;

    answer_once(s, "200\n{\"revision\":9,\"records\":["
                   "{\"key\":\"page/1/0000\",\"revision\":4,\"value\":{\"a\":[1,\"x\"]}},"
                   "{\"key\":\"page/1/0001\",\"revision\":5,\"value\":{}}]}");
    assert_int_equal(call(s, RECORDS_RANGE), E_OK);
    assert_int_equal(s->call.list.revision, 9);
    assert_int_equal(s->call.list.count, 2);
    assert_string_equal(s->call.list.records[0].key, "page/1/0000");
    assert_int_equal(s->call.list.records[0].revision, 4);
    assert_string_equal(s->call.list.records[0].value, "{\"a\":[1,\"x\"]}");
    record_list_free(&s->call.list);
    assert_non_null(
        strstr(asked(s), "GET /node/v1/range?prefix=page%2F0000000000000015%2F HTTP/1.1"));
}

static void a_watch_tells_revision_and_deletions(void **state)
{
    struct scene *s = *state;

    answer_once(s, "200\n{\"revision\":20,\"records\":["
                   "{\"key\":\"grave/1/2\",\"revision\":19,\"value\":null}]}");
    assert_int_equal(call(s, RECORDS_WATCH), E_OK);
    assert_int_equal(s->call.list.count, 1);
    assert_null(s->call.list.records[0].value);
    record_list_free(&s->call.list);
    assert_non_null(strstr(asked(s), "&revision=17&wait_ms=250 "));
}

static void a_transaction_is_sent_whole(void **state)
{
    struct scene *s = *state;

    assert_int_equal(transaction_compare(&s->transaction, head_key(VOLUME), 7), E_OK);
    assert_int_equal(transaction_put(&s->transaction, head_key(VOLUME), strdup("{\"epoch\":3}")),
                     E_OK);
    assert_int_equal(transaction_delete(&s->transaction, grave_key(NODE, REPLICA)), E_OK);
    answer_once(s, "200\n{\"revision\":21}");
    assert_int_equal(call(s, RECORDS_TRANSACT), E_OK);
    assert_int_equal(s->call.revision, 21);
    assert_non_null(strstr(
        asked(s),
        "{\"node\":\"0000000000000001\",\"compares\":[{\"key\":\"head/0000000000000015\","
        "\"revision\":7}],\"puts\":[{\"key\":\"head/0000000000000015\",\"value\":{\"epoch\":3}},"
        "{\"key\":\"grave/0000000000000001/000000000000001f\",\"value\":null}]}"));
}

static void each_answer_is_an_error_to_act_on(void **state)
{
    static const struct {
        const char *answer;
        enum records_op op;
        enum err err;
    } cases[] = {
        {"409\n{}", RECORDS_TRANSACT, E_CONFLICT},
        {"403\n{}", RECORDS_TRANSACT, E_FORBIDDEN},
        {"413\n{}", RECORDS_TRANSACT, E_TOO_LARGE},
        {"500\n{}", RECORDS_TRANSACT, E_IN_DOUBT},
        {"200\nnonsense", RECORDS_TRANSACT, E_IN_DOUBT}, /* it was applied */
        {HANG_UP, RECORDS_TRANSACT, E_IN_DOUBT},
        {"410\n{}", RECORDS_WATCH, E_COMPACTED},
        {"500\n{}", RECORDS_WATCH, E_UNREACHABLE},
        {HANG_UP, RECORDS_RANGE, E_UNREACHABLE},
        {"200\nnonsense", RECORDS_RANGE, E_DAMAGED},
        {"200\n{\"revision\":1,\"records\":[{\"key\":\"a\"}]}", RECORDS_RANGE, E_DAMAGED},
        {"200\n{\"revision\":1,\"records\":[{\"key\":\"a\",\"revision\":1,\"value\":7}]}",
         RECORDS_RANGE, E_DAMAGED},
        {"200\n{\"records\":[]}", RECORDS_RANGE, E_DAMAGED},
    };

    for (size_t i = 0; i < array_length(cases); i++) {
        answer_once(*state, cases[i].answer);
        assert_int_equal(call(*state, cases[i].op), cases[i].err);
        each_done(state);
        each_new(state);
    }
}

/* Its words are foreign bytes: they come out printable, or not at all. */
static void a_refusal_says_why(void **state)
{
    static const struct {
        const char *answer, *why;
    } cases[] = {
        {"403\n{\"detail\":\"disk 7 is listed by node n1\"}", "disk 7 is listed by node n1"},
        {"403\n{\"detail\":\"a\\nb\\u00e4\"}", "a?b??"},
        {"403\n{\"detail\":7}", ""},
        {"403\nnonsense", ""},
        {"200\n{\"revision\":1,\"detail\":\"x\"}", ""},
    };
    struct scene *s;

    for (size_t i = 0; i < array_length(cases); i++) {
        answer_once(*state, cases[i].answer);
        s = *state;
        (void)call(s, RECORDS_TRANSACT);
        assert_string_equal(s->call.why, cases[i].why);
        each_done(state);
        each_new(state);
    }
}

static void nobody_there_is_unreachable(void **state)
{
    struct scene *s = *state;

    assert_int_equal(metad_open(reactor_env(s->reactor), "http://127.0.0.1:1", NODE, &s->metad),
                     E_OK);
    assert_int_equal(call(s, RECORDS_RANGE), E_UNREACHABLE);
    assert_int_equal(call(s, RECORDS_TRANSACT), E_UNREACHABLE); /* nothing was sent: no doubt */
}

/* ---- a connection that was kept and is dead ---- */

#define KEPT METAD_LANES

struct keeper_of_connections {
    int listener;
    pthread_t thread;
    uint32_t transactions; /* how often one came */
};

/* Answers `{…}` and keeps the connection; a transaction is read and its connection closed. */
static bool keep_or_close(struct keeper_of_connections *k, int fd)
{
    static const char answer[] = "{\"revision\":1,\"records\":[]}";
    char text[4096] = "";

    read_request(fd, text);
    if (strstr(text, "POST /node/v1/transaction")) {
        k->transactions++;
        close(fd);
        return false;
    }
    if (*text)
        dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(answer), answer);
    else
        close(fd);
    return *text != '\0';
}

/* Until the listener is shut. */
static void *keep_connections(void *arg)
{
    struct keeper_of_connections *k = arg;
    struct pollfd fds[1 + 4 * KEPT] = {{.fd = k->listener, .events = POLLIN}};
    uint32_t count = 1;

    while (poll(fds, count, -1) > 0) {
        if (fds[0].revents & ~POLLIN)
            break;
        for (uint32_t i = 1; i < count; i++)
            if (fds[i].revents && !keep_or_close(k, fds[i].fd))
                fds[i].fd = -1;
        if (fds[0].revents & POLLIN && count < array_length(fds)) {
            fds[count].fd = accept(k->listener, NULL, NULL);
            fds[count].events = POLLIN;
            fds[count++].revents = 0;
        }
    }
    for (uint32_t i = 1; i < count; i++)
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    return NULL;
}

/* curl repeats a request by itself when a kept connection breaks: never a transaction. */
static void a_transaction_is_sent_once(void **state)
{
    struct scene *s = *state;
    struct keeper_of_connections k = {.transactions = 0};
    char url[64];

    k.listener = listen_somewhere(url);
    assert_int_equal(pthread_create(&k.thread, NULL, keep_connections, &k), 0);
    assert_int_equal(metad_open(reactor_env(s->reactor), url, NODE, &s->metad), E_OK);
    for (uint32_t i = 0; i < KEPT; i++) { /* every lane has a connection now */
        assert_int_equal(call(s, RECORDS_RANGE), E_OK);
        record_list_free(&s->call.list);
    }
    assert_int_equal(call(s, RECORDS_TRANSACT), E_IN_DOUBT);
    shutdown(k.listener, SHUT_RDWR);
    pthread_join(k.thread, NULL);
    close(k.listener);
    assert_int_equal(k.transactions, 1);
}

static void post_done(struct metad_post *p, enum err err)
{
    struct scene *s = container_of(p, struct scene, post);

    s->err = err;
    reactor_stop(s->reactor);
}

static void a_heartbeat_learns_the_lineage(void **state)
{
    struct scene *s = *state;

    answer_once(s, "200\n{\"revision\":5,\"lineage\":\"00000000000000ab\"}");
    s->post = (struct metad_post){.body = strdup("{\"node\":1}"), .done = post_done};
    metad_heartbeat(s->metad, &s->post);
    reactor_run(s->reactor);
    assert_int_equal(s->err, E_OK);
    assert_int_equal(s->post.lineage.bits, 0xab);
    assert_non_null(strstr(asked(s), "POST /node/v1/heartbeat HTTP/1.1"));
    assert_non_null(strstr(asked(s), "\r\n\r\n{\"node\":1}"));
}

static void a_refused_heartbeat_says_why(void **state)
{
    struct scene *s = *state;

    answer_once(s, "400\n{\"detail\":\"too old\"}");
    s->post = (struct metad_post){.body = strdup("{}"), .done = post_done};
    metad_heartbeat(s->metad, &s->post);
    reactor_run(s->reactor);
    assert_int_equal(s->err, E_INVALID);
    assert_string_equal(s->post.why, "too old");
}

static void stop_now(struct timer *t)
{
    metad_stop(container_of(t, struct scene, timer)->metad);
}

/* A long poll does not hold up the end of the process. */
static void a_call_under_way_ends_when_the_link_is_stopped(void **state)
{
    struct scene *s = *state;

    answer_once(s, HOLD);
    timer_start(&reactor_env(s->reactor)->clock, &s->timer, 20000, stop_now);
    assert_int_equal(call(s, RECORDS_WATCH), E_CLOSED);
    assert_int_equal(call(s, RECORDS_RANGE), E_CLOSED); /* and every later one */
}

/* More calls than lanes: they wait their turn, none is lost. */
struct crowd {
    struct records_call calls[3 * METAD_LANES];
    struct scene *scene;
    uint32_t done;
};
static struct crowd crowd;

static void one_of_many_done(struct records_call *c, enum err err)
{
    (void)c;
    assert_int_equal(err, E_UNREACHABLE);
    if (++crowd.done == array_length(crowd.calls))
        reactor_stop(crowd.scene->reactor);
}

static void more_calls_than_lanes_wait_their_turn(void **state)
{
    struct scene *s = *state;
    struct records *records;

    crowd.scene = s;
    assert_int_equal(metad_open(reactor_env(s->reactor), "http://127.0.0.1:1", NODE, &s->metad),
                     E_OK);
    records = metad_records(s->metad);
    for (uint32_t i = 0; i < array_length(crowd.calls); i++) {
        crowd.calls[i] = (struct records_call){.op = RECORDS_RANGE, .done = one_of_many_done};
        records->call(records, &crowd.calls[i]);
    }
    assert_int_equal(crowd.done, 0);
    reactor_run(s->reactor);
    assert_int_equal(crowd.done, array_length(crowd.calls));
}

#define each(test) cmocka_unit_test_setup_teardown(test, each_new, each_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        each(a_range_becomes_a_list),
        each(a_watch_tells_revision_and_deletions),
        each(a_transaction_is_sent_whole),
        each(each_answer_is_an_error_to_act_on),
        each(a_refusal_says_why),
        each(nobody_there_is_unreachable),
        each(a_transaction_is_sent_once),
        each(a_heartbeat_learns_the_lineage),
        each(a_refused_heartbeat_says_why),
        each(a_call_under_way_ends_when_the_link_is_stopped),
        each(more_calls_than_lanes_wait_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
