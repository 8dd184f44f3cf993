/* SPDX-License-Identifier: Apache-2.0 */
/* /node/v1: what a node may change, what a heartbeat must be, and how a watch waits. */
#include "tests/unit/control/node.h"

#include <poll.h>

#define NODE  "00000000000000a1"
#define OTHER "00000000000000a2"

static struct reply transact(void *metad, const char *node, const char *compares, const char *puts)
{
    char body[4096];

    snprintf(body, sizeof body, "{\"node\":\"%s\",\"compares\":[%s],\"puts\":[%s]}", node, compares,
             puts);
    return call(metad, "POST", "/node/v1/transaction", body);
}

static void expect_ok(struct reply r)
{
    if (r.status != 200)
        fail_msg("%d: %s", r.status, text_of(&r, "detail"));
    reply_done(&r);
}

#define NODE_RECORD(id) "{\"version\":1,\"node\":\"" id "\",\"name\":\"n1\",\"rack\":\"r1\"}"
#define PUT(key, value) "{\"key\":\"" key "\",\"value\":" value "}"

static void a_node_changes_its_own_record_only(void **state)
{
    expect_ok(transact(*state, NODE, "", PUT("node/" NODE, NODE_RECORD(NODE))));
    expect_problem(transact(*state, NODE, "", PUT("node/" OTHER, NODE_RECORD(OTHER))), 403,
                   "forbidden", "own node record");
    expect_problem(transact(*state, NODE, "", PUT("node/" NODE, NODE_RECORD(OTHER))), 403,
                   "forbidden", "another node");
    expect_problem(transact(*state, NODE, "", PUT("node/" NODE, "{\"version\":1}")), 400, "invalid",
                   "node/" NODE);
    expect_ok(transact(*state, NODE, "", PUT("node/" NODE, "null")));
}

#define DISK_RECORD(node)                                                                          \
    "{\"version\":1,\"disk\":\"00000000000000d1\",\"node\":\"" node "\",\"bytes\":1}"

static void a_disk_is_taken_over_only_knowingly(void **state)
{
    struct reply r;
    char compare[96];

    metad_listens_since(*state, 0);
    r = transact(*state, NODE, "", PUT("disk/00000000000000d1", DISK_RECORD(NODE)));
    assert_int_equal(r.status, 200);
    snprintf(compare, sizeof compare, "{\"key\":\"disk/00000000000000d1\",\"revision\":%lld}",
             (long long)number_of(&r, "revision"));
    reply_done(&r);
    expect_problem(transact(*state, OTHER, "", PUT("disk/00000000000000d1", DISK_RECORD(OTHER))),
                   403, "forbidden", "another node's");
    expect_problem(transact(*state, OTHER, "", PUT("disk/00000000000000d1", "null")), 403,
                   "forbidden", "another node's");
    expect_problem(transact(*state, OTHER, "", PUT("disk/00000000000000d1", DISK_RECORD(NODE))),
                   403, "forbidden", "names another node");
    expect_problem(transact(*state, NODE, "", PUT("disk/00000000000000d2", DISK_RECORD(NODE))), 403,
                   "forbidden", "another disk's");
    metad_listens_since(*state, UINT64_MAX / 2); /* whose it is may speak, and was not heard yet */
    expect_problem(
        transact(*state, OTHER, compare, PUT("disk/00000000000000d1", DISK_RECORD(OTHER))), 503,
        "not-ready", "just started");
    metad_listens_since(*state, 0);
    expect_ok(transact(*state, OTHER, compare, PUT("disk/00000000000000d1", DISK_RECORD(OTHER))));
}

static void other_kinds_are_not_a_nodes_to_change(void **state)
{
    static const char *const puts[] = {
        PUT("volume/0000000000000007", "{\"version\":1}"),
        PUT("volume-name/a", "null"),
        PUT("grave/" NODE "/0000000000000007", "null"),
        PUT("attachment/0000000000000007/0000000000000008", "null"),
        PUT("anything", "{}"),
        PUT("node", "{}"),
    };

    for (size_t i = 0; i < sizeof puts / sizeof *puts; i++)
        expect_problem(transact(*state, NODE, "", puts[i]), 403, "forbidden", "only");
}

static void garbage_transactions_are_refused(void **state)
{
    static const struct {
        const char *body, *detail;
    } rows[] = {
        {"{}", "\"node\""},
        {"{\"node\":\"x\",\"compares\":[],\"puts\":[]}", "\"node\""},
        {"{\"node\":\"" NODE "\",\"puts\":[]}", "\"compares\""},
        {"{\"node\":\"" NODE "\",\"compares\":[1],\"puts\":[]}", "a compare must be"},
        {"{\"node\":\"" NODE "\",\"compares\":[{\"key\":\"\",\"revision\":1}],\"puts\":[]}",
         "a key must have"},
        {"{\"node\":\"" NODE "\",\"compares\":[{\"key\":\"a\",\"revision\":-1}],\"puts\":[]}",
         "\"revision\""},
        {"{\"node\":\"" NODE "\",\"compares\":[],\"puts\":[{\"key\":\"a\"}]}",
         "must be an object or null"},
        {"{\"node\":\"" NODE "\",\"compares\":[],\"puts\":[{\"key\":\"a\",\"value\":1}]}",
         "must be an object or null"},
        {"{\"node\":\"" NODE "\",\"compares\":[],\"puts\":[],\"force\":true}", "\"force\""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_problem(call(*state, "POST", "/node/v1/transaction", rows[i].body), 400, "invalid",
                       rows[i].detail);
}

/* Takes the text. */
static void expect_too_large(void *metad, char *body, const char *detail)
{
    expect_problem(call(metad, "POST", "/node/v1/transaction", body), 413, "too-large", detail);
    free(body);
}

static void more_compares_than_allowed_are_413(void **state)
{
    size_t length;
    char *body;
    FILE *f = open_memstream(&body, &length);

    fputs("{\"node\":\"" NODE "\",\"compares\":[", f);
    for (uint32_t i = 0; i <= COMPARES_MAX; i++)
        fprintf(f, "%s{\"key\":\"a\",\"revision\":0}", i ? "," : "");
    fputs("],\"puts\":[]}", f);
    fclose(f);
    expect_too_large(*state, body, "at most 100 compares");
}

static void a_value_or_a_body_past_the_limits_is_413(void **state)
{
    size_t length;
    char *body;
    FILE *f = open_memstream(&body, &length);

    fprintf(f,
            "{\"node\":\"" NODE "\",\"compares\":[],\"puts\":[{\"key\":\"node/" NODE
            "\",\"value\":{\"x\":\"%0*d\"}}]}",
            (int)RECORD_VALUE_MAX, 0);
    fclose(f);
    expect_too_large(*state, body, "65536 bytes each");
    f = open_memstream(&body, &length);
    fprintf(f, "%*s", 3 << 20, "{}");
    fclose(f);
    expect_too_large(*state, body, "the body has 3145728 bytes");
}

/* ---- heads and pages ---- */

struct served {
    char id[20], head_key[64], page_key[64], name[20];
    json_t *head, *page;
    json_int_t head_revision, page_revision;
};

static json_t *record_of(void *metad, const char *key, json_int_t *ret_revision)
{
    char path[160];
    struct reply r;
    json_t *record, *value;

    snprintf(path, sizeof path, "/node/v1/range?prefix=%s", key);
    r = call(metad, "GET", path, NULL);
    record = json_array_get(json_object_get(r.json, "records"), 0);
    *ret_revision = json_integer_value(json_object_get(record, "revision"));
    value = json_incref(json_object_get(record, "value"));
    reply_done(&r);
    return value;
}

static void serve_one(void *metad, struct served *s)
{
    struct node n;
    struct reply r;

    node_start(&n, metad, 0xa1, "n1");
    r = call(metad, "POST", "/v1/volumes", "{\"name\":\"a\",\"size_bytes\":4096}");
    assert_int_equal(r.status, 201);
    snprintf(s->id, sizeof s->id, "%s", text_of(&r, "id"));
    reply_done(&r);
    node_stop(&n);
    snprintf(s->head_key, sizeof s->head_key, "head/%s", s->id);
    snprintf(s->page_key, sizeof s->page_key, "page/%s/0000", s->id);
    s->head = record_of(metad, s->head_key, &s->head_revision);
    s->page = record_of(metad, s->page_key, &s->page_revision);
}

static void served_done(struct served *s)
{
    json_decref(s->head);
    json_decref(s->page);
}

/* Who puts what where; it compares the head at `revision` (-1: not). */
struct attempt {
    const char *node, *key;
    const json_t *value;
    json_int_t revision;
};

static struct reply change(void *metad, const struct served *s, struct attempt c)
{
    json_t *compares = json_array(), *body;
    struct reply r;
    char *text;

    if (c.revision >= 0)
        json_array_append_new(compares,
                              json_pack("{ss sI}", "key", s->head_key, "revision", c.revision));
    body = json_pack("{ss so s[{ss sO}]}", "node", c.node, "compares", compares, "puts", "key",
                     c.key, "value", c.value);
    text = json_dumps(body, 0);
    r = call(metad, "POST", "/node/v1/transaction", text);
    free(text);
    json_decref(body);
    return r;
}

static void a_primary_changes_its_head_and_page(void **state)
{
    struct served s;

    serve_one(*state, &s);
    json_object_set_new(s.head, "generation", json_integer(1));
    expect_ok(change(*state, &s, (struct attempt){NODE, s.head_key, s.head, s.head_revision}));
    expect_problem(change(*state, &s, (struct attempt){NODE, s.page_key, s.page, s.head_revision}),
                   409, "conflict", s.head_key); /* the head has moved */
    json_decref(s.head);
    s.head = record_of(*state, s.head_key, &s.head_revision);
    assert_int_equal(json_integer_value(json_object_get(s.head, "generation")), 1);
    expect_ok(change(*state, &s, (struct attempt){NODE, s.page_key, s.page, s.head_revision}));
    served_done(&s);
}

static void nobody_else_changes_them(void **state)
{
    struct served s;
    json_t *null = json_null();

    serve_one(*state, &s);
    expect_problem(change(*state, &s, (struct attempt){OTHER, s.head_key, s.head, s.head_revision}),
                   403, "forbidden", "not the volume's primary");
    expect_problem(change(*state, &s, (struct attempt){OTHER, s.page_key, s.page, s.head_revision}),
                   403, "forbidden", "not the volume's primary");
    expect_problem(change(*state, &s, (struct attempt){NODE, s.page_key, s.page, -1}), 403,
                   "forbidden", "must be compared");
    expect_problem(change(*state, &s, (struct attempt){NODE, s.head_key, null, s.head_revision}),
                   403, "forbidden", "takes no head away");
    expect_problem(change(*state, &s, (struct attempt){NODE, s.page_key, null, s.head_revision}),
                   403, "forbidden", "takes no page away");
    expect_problem(change(*state, &s, (struct attempt){NODE, s.page_key, s.head, s.head_revision}),
                   400, "invalid", "not such a record");
    json_object_set_new(s.page, "index", json_integer(1));
    expect_problem(change(*state, &s, (struct attempt){NODE, s.page_key, s.page, s.head_revision}),
                   403, "forbidden", "another page's");
    served_done(&s);
}

static void epoch_and_primary_are_the_controllers(void **state)
{
    static const struct {
        const char *member, *value;
    } rows[] = {{"epoch", "2"},
                {"primary", "\"" OTHER "\""},
                {"incarnation", "\"" OTHER "\""},
                {"volume", "\"" OTHER "\""}};
    struct served s;

    serve_one(*state, &s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *changed = json_copy(s.head);

        json_object_set_new(changed, rows[i].member,
                            json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        expect_problem(
            change(*state, &s, (struct attempt){NODE, s.head_key, changed, s.head_revision}), 403,
            "forbidden", s.head_key);
        json_decref(changed);
    }
    served_done(&s);
}

/* ---- range and watch ---- */

static void a_watch_ends_with_a_change_or_its_time(void **state)
{
    struct reply r = call(*state, "GET", "/node/v1/watch?revision=1&wait_ms=0", NULL);

    assert_int_equal(r.status, 200);
    assert_int_equal(json_array_size(json_object_get(r.json, "records")), 0);
    assert_int_equal(number_of(&r, "revision"), 1);
    reply_done(&r);
    expect_ok(transact(*state, NODE, "", PUT("node/" NODE, NODE_RECORD(NODE))));
    expect_ok(transact(*state, NODE, "", PUT("node/" NODE, "null")));
    r = call(*state, "GET", "/node/v1/watch?revision=1&wait_ms=30000", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(number_of(&r, "revision"), 3);
    json_t *record = json_array_get(json_object_get(r.json, "records"), 0);
    assert_string_equal(json_string_value(json_object_get(record, "key")), "node/" NODE);
    assert_true(json_is_null(json_object_get(record, "value")));
    reply_done(&r);
    expect_problem(call(*state, "GET", "/node/v1/watch?revision=77&wait_ms=0", NULL), 410,
                   "compacted", "77");
    expect_problem(call(*state, "GET", "/node/v1/watch?revision=x&wait_ms=0", NULL), 400, "invalid",
                   "revision");
    expect_problem(call(*state, "GET", "/node/v1/watch?revision=1", NULL), 400, "invalid",
                   "wait_ms");
    expect_problem(call(*state, "GET", "/node/v1/watch?revision=1&wait_ms=30001", NULL), 400,
                   "invalid", "30000");
}

static const char poll_text[] = "GET /node/v1/watch?revision=1&wait_ms=30000 HTTP/1.1\r\n"
                                "Host: 127.0.0.1\r\nConnection: close\r\n\r\n";

/* Long polls hold their threads; everybody else is served, and beyond the bound they are told. */
static void many_watches_starve_nobody(void **state)
{
    struct pollfd fds[200];
    uint32_t waited = 0, refused = 0;
    struct reply r;

    for (int i = 0; i < 200; i++) {
        fds[i] = (struct pollfd){.fd = dial(*state), .events = POLLIN};
        assert_true(say(fds[i].fd, poll_text, strlen(poll_text)));
    }
    while (refused <
           200 - WATCHES_MAX) { /* nothing changes: only those beyond the bound are answered */
        assert_true(poll(fds, 200, 25000) > 0);
        refused = 0;
        for (int i = 0; i < 200; i++)
            refused += fds[i].revents != 0;
    }
    assert_int_equal(refused, 200 - WATCHES_MAX);
    r = call(*state, "GET", "/healthz", NULL);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    expect_ok(transact(*state, NODE, "", PUT("node/" NODE, NODE_RECORD(NODE))));
    for (int i = 0; i < 200; i++) {
        r = hear(fds[i].fd);
        assert_int_equal(r.status, fds[i].revents ? 503 : 200);
        waited += r.status == 200;
        reply_done(&r);
        close(fds[i].fd);
    }
    assert_int_equal(waited, WATCHES_MAX);
}

/* What calls wait for is done by nodes: a cloud that attaches much at once must not keep these
 * away. */
static void waiting_calls_keep_no_watch_away(void **state)
{
    struct metad *m = *state;
    struct board *board = &m->control->board;
    uint32_t calls = 0;

    while (board_wait_begin(board, BOARD_CALL, CALLS_MAX))
        calls++;
    assert_int_equal(calls, CALLS_MAX);
    expect_ok(call(m, "GET", "/node/v1/watch?revision=1&wait_ms=1", NULL));
    while (calls-- > 0)
        board_wait_end(board, BOARD_CALL);
}

static void a_stop_ends_the_watches(void **state)
{
    struct metad *m = *state;
    int fd = dial(m);
    struct reply r;

    assert_true(say(fd, poll_text, strlen(poll_text)));
    r = call(m, "GET", "/healthz", NULL); /* the poll was accepted before this one */
    reply_done(&r);
    control_close(m->control);
    r = hear(fd);
    assert_true(r.status == 200 || r.status == 503 || r.status == 0);
    reply_done(&r);
    close(fd);
    metad_open(m);
}

/* ---- heartbeats ---- */

static void garbage_heartbeats_are_refused_and_change_nothing(void **state)
{
#define BEAT(more)                                                                                 \
    "{\"node\":\"" NODE "\",\"incarnation\":\"" OTHER "\",\"name\":\"n1\",\"rack\":\"r1\","        \
    "\"revision\":1,\"lineage\":null,\"replicas\":[]" more "}"
#define LISTS ",\"portals\":[],\"disks\":[],\"volumes\":[],\"attachments\":[],\"graves\":[]"
    static const struct {
        const char *body, *detail;
    } rows[] = {
        {BEAT(""), "\"portals\""},
        {BEAT(LISTS ",\"mood\":\"good\""), "\"mood\""},
        {BEAT(",\"portals\":[\"localhost\"],\"disks\":[],\"volumes\":[],\"attachments\":[],"
              "\"graves\":[]"),
         "\"portals\""},
        {BEAT(",\"status_address\":\"localhost/x:1\"" LISTS), "\"status_address\""},
        {BEAT(",\"status_address\":7490" LISTS), "\"status_address\""},
        {BEAT(",\"portals\":[],\"disks\":[{\"disk\":\"x\"}],\"volumes\":[],\"attachments\":[],"
              "\"graves\":[]"),
         "\"disk\""},
        {BEAT(",\"portals\":[],\"disks\":[{\"disk\":\"" NODE "\",\"path\":\"/\",\"bytes\":1,"
              "\"chunks\":1,\"chunks_free\":2}],\"volumes\":[],\"attachments\":[],\"graves\":[]"),
         "chunks_free"},
        {BEAT(",\"portals\":[],\"disks\":[{\"disk\":\"" NODE "\",\"path\":\"/\",\"bytes\":1,"
              "\"chunks\":1,\"chunks_free\":1,\"replicas_max\":\"many\"}],\"volumes\":[],"
              "\"attachments\":[],\"graves\":[]"),
         "replicas_max"},
        {BEAT(LISTS ",\"iqn_prefix\":7"), "\"iqn_prefix\""},
        {BEAT(LISTS ",\"rivals\":[{\"disk\":\"" NODE "\"}]"), "\"path\""},
        {BEAT(",\"portals\":[],\"disks\":[],\"volumes\":[{}],\"attachments\":[],\"graves\":[]"),
         "\"volume\""},
        {BEAT(",\"portals\":[],\"disks\":[],\"volumes\":[],\"attachments\":[{\"attachment\":"
              "\"" NODE "\",\"state\":\"happy\"}],\"graves\":[]"),
         "drained"},
        {BEAT(",\"portals\":[],\"disks\":[],\"volumes\":[],\"attachments\":[],\"graves\":[7]"),
         "graves"},
        {"{\"node\":\"0000000000000000\"}", "\"node\""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_problem(call(*state, "POST", "/node/v1/heartbeat", rows[i].body), 400, "invalid",
                       rows[i].detail);
    struct reply r = call(*state, "POST", "/node/v1/heartbeat", BEAT(LISTS));
    assert_int_equal(r.status, 200);
    assert_int_equal(number_of(&r, "revision"), 1);
    assert_int_equal(strlen(text_of(&r, "lineage")), 16);
    reply_done(&r);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, metad_setup, metad_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_changes_its_own_record_only),
        TEST(a_disk_is_taken_over_only_knowingly),
        TEST(other_kinds_are_not_a_nodes_to_change),
        TEST(garbage_transactions_are_refused),
        TEST(more_compares_than_allowed_are_413),
        TEST(a_value_or_a_body_past_the_limits_is_413),
        TEST(a_primary_changes_its_head_and_page),
        TEST(nobody_else_changes_them),
        TEST(epoch_and_primary_are_the_controllers),
        TEST(a_watch_ends_with_a_change_or_its_time),
        TEST(many_watches_starve_nobody),
        TEST(waiting_calls_keep_no_watch_away),
        TEST(a_stop_ends_the_watches),
        TEST(garbage_heartbeats_are_refused_and_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
