/* SPDX-License-Identifier: Apache-2.0 */
/* The server itself: what is not HTTP, not JSON, too large, unknown, or not for us. */
#include "tests/unit/control/metad.h"

static void unknown_paths_are_404(void **state)
{
    static const char *const paths[] = {"/",           "/v1",           "/v1/",
                                        "/v1/volume",  "/v1/volumes/",  "/v1/volumes/a/b",
                                        "/v1/nodes//", "/node/v1/what", "/../etc/passwd",
                                        "/healthz/"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        expect_problem(call(*state, "GET", paths[i], NULL), 404, "not-found", paths[i]);
}

static void wrong_methods_are_405_with_allow(void **state)
{
    static const struct {
        const char *method, *path, *allow;
    } rows[] = {
        {"PUT", "/v1/volumes", "Allow: GET, POST"},
        {"POST", "/v1/volumes/a", "Allow: GET, PATCH, DELETE"},
        {"PATCH", "/v1/attachments/a", "Allow: GET, DELETE"},
        {"DELETE", "/v1/nodes", "Allow: GET"},
        {"POST", "/healthz", "Allow: GET"},
        {"GET", "/node/v1/heartbeat", "Allow: POST"},
        {"BREW", "/v1/disks", "Allow: GET"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reply r = call(*state, rows[i].method, rows[i].path, NULL);

        if (!strstr(r.head, rows[i].allow))
            fail_msg("%s %s: %s", rows[i].method, rows[i].path, r.head);
        expect_problem(r, 405, "method-not-allowed", rows[i].path);
    }
}

static void a_head_request_is_a_get_without_its_body(void **state)
{
    struct reply r = call(*state, "HEAD", "/healthz", NULL);

    assert_int_equal(r.status, 200);
    assert_null(r.json);
    reply_done(&r);
}

static void garbage_bodies_are_400_and_say_where(void **state)
{
    static const struct {
        const char *body, *detail;
    } rows[] = {
        {"", "not JSON"},
        {"{", "not JSON: line 1"},
        {"{\"name\":\"a\",\n  \"size_bytes\":}", "line 2"},
        {"[1,2]", "must be a JSON object"},
        {"\"name\"", "not JSON"},
        {"{\"name\":\"a\",\"name\":\"b\"}", "not JSON"},
        {"\xff\xfe\x00", "not JSON"},
        {"{\"nmae\":\"a\",\"size_bytes\":4096}", "no member \"nmae\""},
        {"{\"name size_bytes\":1}", "no member \"name size_bytes\""},
        {"{\"name\":1,\"size_bytes\":4096}", "\"name\" must be a string"},
        {"{\"size_bytes\":4096}", "\"name\" must be a string"},
        {"{\"name\":\"a\",\"size_bytes\":\"4096\"}", "\"size_bytes\" must be a whole number"},
        {"{\"name\":\"a\",\"size_bytes\":-1}", "\"size_bytes\" must be a whole number"},
        {"{\"name\":\"a\",\"size_bytes\":4.5}", "\"size_bytes\" must be a whole number"},
        {"{\"name\":\"a\",\"size_bytes\":99999999999999999999}", "not JSON"},
        {"{\"name\":\"a\",\"size_bytes\":4096,\"wait\":1}", "\"wait\" must be true or false"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_problem(call(*state, "POST", "/v1/volumes", rows[i].body), 400, "invalid",
                       rows[i].detail);
}

static void deep_nesting_is_refused(void **state)
{
    size_t depth = 100000;
    char *body = malloc(depth + 1);

    memset(body, '[', depth);
    body[depth] = '\0';
    expect_problem(call(*state, "POST", "/v1/volumes", body), 400, "invalid", "not JSON");
    free(body);
}

static void a_gigabyte_is_refused_before_it_is_read(void **state)
{
    static char block[65536];
    const char *head = "POST /v1/volumes HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                       "Content-Length: 1073741824\r\n\r\n";
    uint64_t sent = 0;
    int fd = dial(*state);

    assert_true(say(fd, head, strlen(head)));
    expect_problem(hear(fd), 413, "too-large", "1073741824 bytes; at most 1048576");
    while (sent < 1u << 30 && say(fd, block, sizeof block))
        sent += sizeof block;
    assert_true(sent < 64u << 20); /* the connection has ended: nobody reads it */
    close(fd);
}

static void lengths_that_lie_are_refused(void **state)
{
    expect_problem(raw(*state, "POST /v1/volumes HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"),
                   411, "length-required", "Content-Length");
    expect_problem(raw(*state, "POST /v1/volumes HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                               "Content-Length: 18446744073709551615\r\n\r\n"),
                   413, "too-large", "at most 1048576");
    expect_problem(raw(*state, "DELETE /v1/volumes/a HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                               "Content-Length: 5\r\n\r\nhello"),
                   413, "too-large", "takes no body");
    struct reply r = raw(*state, "POST /v1/volumes HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                 "Content-Length: 99999999999999999999999\r\n\r\n");
    assert_true(r.status >= 400);
    reply_done(&r);
}

/* Whatever it answers: it lives, and the next request is served. */
static void what_is_not_http_harms_nobody(void **state)
{
    static const char *const lines[] = {
        "\r\n\r\n\r\n",
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/9.9\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\r\n", /* no Host */
        "GET /%00%ff%zz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost 127.0.0.1\r\n: \r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    struct reply r;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int fd = dial(*state);

        say(fd, lines[i], strlen(lines[i]));
        shutdown(fd, SHUT_WR);
        r = hear(fd);
        reply_done(&r);
        close(fd);
    }
    r = call(*state, "GET", "/healthz", NULL);
    assert_int_equal(r.status, 200);
    reply_done(&r);
}

static void endless_headers_are_ended(void **state)
{
    static char block[65536];
    uint64_t sent = 0;
    int fd = dial(*state);

    memset(block, 'x', sizeof block);
    say(fd, "GET /healthz HTTP/1.1\r\nX: ", 26);
    while (sent < 1u << 28 && say(fd, block, sizeof block))
        sent += sizeof block;
    assert_true(sent < 1u << 28);
    close(fd);
}

static void a_browser_is_not_served(void **state)
{
    expect_problem(raw(*state, "GET /healthz HTTP/1.1\r\nHost: evil.example:7480\r\n"
                               "Connection: close\r\n\r\n"),
                   403, "forbidden", "evil.example");
    expect_problem(raw(*state, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n"
                               "Connection: close\r\n\r\n"),
                   403, "forbidden", "loopback");
    expect_problem(raw(*state, "POST /v1/volumes HTTP/1.1\r\nHost: localhost:1\r\n"
                               "Origin: https://evil.example\r\nContent-Length: 0\r\n\r\n"),
                   403, "forbidden", "Origin");
    struct reply r = raw(*state, "GET /healthz HTTP/1.1\r\nHost: localhost:7480\r\n"
                                 "Connection: close\r\n\r\n");
    assert_int_equal(r.status, 200);
    reply_done(&r);
}

static void unknown_query_parameters_are_named(void **state)
{
    expect_problem(call(*state, "GET", "/v1/volumes?lmit=3", NULL), 400, "invalid", "\"lmit\"");
    expect_problem(call(*state, "GET", "/v1/volumes/a?limit=3", NULL), 400, "invalid", "\"limit\"");
    expect_problem(call(*state, "GET", "/v1/volumes?limit=0", NULL), 400, "invalid", "1 to 1000");
    expect_problem(call(*state, "GET", "/v1/volumes?limit=1001", NULL), 400, "invalid",
                   "1 to 1000");
    expect_problem(call(*state, "GET", "/v1/volumes?limit=+1", NULL), 400, "invalid", "1 to 1000");
    expect_problem(call(*state, "GET", "/v1/disks?after=x", NULL), 400, "invalid", "identity");
    expect_problem(call(*state, "GET", "/v1/disks?limit%20after=1", NULL), 400, "invalid",
                   "\"limit after\"");
    expect_problem(call(*state, "GET", "/v1/disks?limit=1%00x", NULL), 400, "invalid", "1 to 1000");
    expect_problem(call(*state, "GET",
                        "/v1/disks?limit=1&limit=1&limit=1&limit=1&limit=1&limit=1&"
                        "limit=1&limit=1&limit=1",
                        NULL),
                   400, "invalid", "more than 8");
}

/* Two requests on one connection, the second sent before the first was answered. */
static void a_connection_is_kept_for_the_next_request(void **state)
{
    const char *two = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                      "GET /v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    size_t length;
    int fd = dial(*state);
    char *bytes;

    assert_true(say(fd, two, strlen(two)));
    bytes = hear_all(fd, &length);
    assert_non_null(strstr(bytes, "\"volumes_waiting\":0"));
    assert_non_null(strstr(bytes, "\"items\":[]"));
    free(bytes);
    close(fd);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, metad_setup, metad_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unknown_paths_are_404),
        TEST(wrong_methods_are_405_with_allow),
        TEST(a_head_request_is_a_get_without_its_body),
        TEST(garbage_bodies_are_400_and_say_where),
        TEST(deep_nesting_is_refused),
        TEST(a_gigabyte_is_refused_before_it_is_read),
        TEST(lengths_that_lie_are_refused),
        TEST(what_is_not_http_harms_nobody),
        TEST(endless_headers_are_ended),
        TEST(a_browser_is_not_served),
        TEST(unknown_query_parameters_are_named),
        TEST(a_connection_is_kept_for_the_next_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
