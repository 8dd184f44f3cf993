/* SPDX-License-Identifier: Apache-2.0 */
/* A damaged last copy over REST: what is refused, and what the records say when it goes on. */
#include "tests/unit/control/node.h"

struct scene {
    struct metad *metad;
    struct node node;
};

static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    metad_setup((void **)&s->metad);
    node_start(&s->node, s->metad, 0xa1, "n1");
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    node_stop(&s->node);
    metad_teardown((void **)&s->metad);
    free(s);
    return 0;
}

/* The value of the only record under `prefix`, a new reference. */
static json_t *record_of(struct scene *s, const char *prefix, json_int_t *ret_revision)
{
    char path[96];
    struct reply r;
    json_t *value;
    const json_t *record;

    snprintf(path, sizeof path, "/node/v1/range?prefix=%s", prefix);
    r = call(s->metad, "GET", path, NULL);
    record = json_array_get(json_object_get(r.json, "records"), 0);
    value = json_incref(json_object_get(record, "value"));
    *ret_revision = json_integer_value(json_object_get(record, "revision"));
    reply_done(&r);
    assert_non_null(value);
    return value;
}

/* As its primary would: the first set is recorded. */
static void first_set(struct scene *s)
{
    json_int_t revision, head_revision;
    json_t *page = record_of(s, "page/", &revision), *shard, *body;
    json_t *head = record_of(s, "head/", &head_revision);
    const char *volume = json_string_value(json_object_get(page, "volume"));
    struct reply r;
    char key[64], head_key[64], *text;

    shard = json_array_get(json_object_get(page, "shards"), 0);
    json_object_del(shard, "new");
    json_array_remove(json_array_get(json_object_get(shard, "replicas"), 0), 2);
    snprintf(key, sizeof key, "page/%s/0000", volume);
    snprintf(head_key, sizeof head_key, "head/%s", volume);
    body = json_pack("{ss s[{ss sI} {ss sI}] s[{ss sO}]}", "node", "00000000000000a1", "compares",
                     "key", key, "revision", revision, "key", head_key, "revision", head_revision,
                     "puts", "key", key, "value", page);
    text = json_dumps(body, 0);
    r = call(s->metad, "POST", "/node/v1/transaction", text);
    if (r.status != 200)
        fail_msg("%d: %s", r.status, text_of(&r, "detail"));
    reply_done(&r);
    free(text);
    json_decref(body);
    json_decref(page);
    json_decref(head);
}

static void create(struct scene *s)
{
    struct reply r =
        call(s->metad, "POST", "/v1/volumes", "{\"name\":\"web\",\"size_bytes\":1073741824}");

    assert_int_equal(r.status, 201);
    reply_done(&r);
}

/* A heartbeat that came after this call has seen all that was recorded before it. */
static void heartbeat_of(struct scene *s, bool damaged)
{
    node_stop(&s->node);
    s->node.stopping = false;
    s->node.damaged = damaged;
    node_beat(&s->node);
    assert_int_equal(pthread_create(&s->node.thread, NULL, node_run, &s->node), 0);
}

static struct reply salvage(struct scene *s)
{
    return call(s->metad, "POST", "/v1/volumes/web/salvage", NULL);
}

static void what_is_not_damaged_is_not_salvaged(void **state)
{
    struct scene *s = *state;

    create(s);
    expect_problem(salvage(s), 409, "conflict", "no shard of volume web is damaged");
    first_set(s);
    expect_problem(salvage(s), 409, "conflict", "is on no disk that is open now");
    expect_problem(call(s->metad, "POST", "/v1/volumes/none/salvage", NULL), 404, "not-found",
                   "none");
}

static void a_damaged_last_copy_goes_on_under_a_new_identity(void **state)
{
    struct scene *s = *state;
    json_int_t revision, epoch, generation;
    json_t *head, *page, *before, *after;
    struct reply r;

    create(s);
    first_set(s);
    head = record_of(s, "head/", &revision);
    page = record_of(s, "page/", &revision);
    epoch = json_integer_value(json_object_get(head, "epoch"));
    generation = json_integer_value(json_object_get(head, "generation"));
    before = json_array_get(json_object_get(page, "shards"), 0);
    before = json_array_get(json_array_get(json_object_get(before, "replicas"), 0), 0);
    json_incref(before);
    json_decref(head);
    json_decref(page);

    heartbeat_of(s, true);
    r = salvage(s);
    if (r.status != 200)
        fail_msg("%d: %s", r.status, text_of(&r, "detail"));
    assert_int_equal(number_of(&r, "salvaged"), 1);
    reply_done(&r);
    head = record_of(s, "head/", &revision);
    page = record_of(s, "page/", &revision);
    assert_int_equal(json_integer_value(json_object_get(head, "epoch")), epoch + 1);
    assert_int_equal(json_integer_value(json_object_get(head, "generation")), generation + 1);
    after = json_array_get(json_object_get(page, "shards"), 0);
    after = json_array_get(json_object_get(after, "replicas"), 0);
    assert_int_equal(json_array_size(after), 4);
    assert_true(json_is_null(json_array_get(after, 2)));
    assert_true(json_equal(json_array_get(after, 3), before));
    assert_false(json_equal(json_array_get(after, 0), before));
    json_decref(head);
    json_decref(page);
    json_decref(before);

    heartbeat_of(s, true); /* it has the new identity, and is well */
    expect_problem(salvage(s), 409, "conflict", "nothing to salvage");
}

static bool deleting(struct scene *s)
{
    struct reply r = call(s->metad, "GET", "/v1/volumes/web", NULL);
    bool is = strcmp(text_of(&r, "state"), "deleting") == 0;

    reply_done(&r);
    return is;
}

/* Its graves are written or about to be: a new identity would not be among them. */
static void what_is_being_deleted_is_not_salvaged(void **state)
{
    struct scene *s = *state;
    const char *request =
        "DELETE /v1/volumes/web HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    struct reply r;
    int fd;

    create(s);
    first_set(s);
    s->node.keeps = true;
    heartbeat_of(s, true);
    fd = dial(s->metad);
    say(fd, request, strlen(request));
    for (uint32_t i = 0; !deleting(s); i++)
        assert_true(i < 100000);
    expect_problem(salvage(s), 409, "conflict", "volume web is being deleted");
    s->node.keeps = false;
    r = hear(fd);
    assert_int_equal(r.status, 204);
    reply_done(&r);
    close(fd);
}

static void a_scrub_is_shown_and_measured(void **state)
{
    static const struct {
        const char *name;
        int value;
    } measured[] = {{"rounds_total", 3},      {"done_bytes", 100}, {"round_bytes", 200},
                    {"bytes_per_second", 10}, {"bad_blocks", 2},   {"bad_pages", 1}};
    struct scene *s = *state;
    const json_t *scrub;
    const char *request = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    struct reply r;
    size_t length;
    char *text;
    int fd;

    r = call(s->metad, "GET", "/v1/disks/00000000000010a1", NULL);
    assert_true(json_is_null(json_object_get(r.json, "scrub")));
    reply_done(&r);
    s->node.scrubs = true;
    heartbeat_of(s, false);
    r = call(s->metad, "GET", "/v1/disks/00000000000010a1", NULL);
    scrub = json_object_get(r.json, "scrub");
    assert_int_equal(json_integer_value(json_object_get(scrub, "passes")), 3);
    assert_int_equal(json_integer_value(json_object_get(scrub, "done_bytes")), 100);
    assert_int_equal(json_integer_value(json_object_get(scrub, "total_bytes")), 200);
    assert_int_equal(json_integer_value(json_object_get(scrub, "bytes_per_second")), 10);
    assert_int_equal(json_integer_value(json_object_get(scrub, "bad_blocks")), 2);
    assert_int_equal(json_integer_value(json_object_get(scrub, "bad_pages")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(scrub, "findings"), 1)),
                        "a ? b");
    reply_done(&r);

    fd = dial(s->metad);
    say(fd, request, strlen(request));
    text = hear_all(fd, &length);
    close(fd);
    assert_non_null(strstr(text, "text/plain"));
    assert_non_null(strstr(text, "\n# TYPE dolmen_scrub_bad_blocks gauge\n"));
    for (size_t i = 0; i < array_length(measured); i++) {
        char line[96];

        snprintf(line, sizeof line, "\ndolmen_scrub_%s{disk=\"00000000000010a1\",node=\"n1\"} %d\n",
                 measured[i].name, measured[i].value);
        if (!strstr(text, line))
            fail_msg("not in /metrics: %s", line);
    }
    assert_non_null(strstr(text, "\ndolmen_node_up{id=\"00000000000000a1\",node=\"n1\"} 1\n"));
    free(text);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_damaged_is_not_salvaged),
        TEST(a_damaged_last_copy_goes_on_under_a_new_identity),
        TEST(what_is_being_deleted_is_not_salvaged),
        TEST(a_scrub_is_shown_and_measured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
