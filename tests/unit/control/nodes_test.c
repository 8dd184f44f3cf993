/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes, disks and health over REST: what they say of one that speaks and one that is silent. */
#include "tests/unit/control/node.h"

static void an_empty_cluster_is_well(void **state)
{
    struct reply r = call(*state, "GET", "/healthz", NULL);

    assert_int_equal(r.status, 200);
    assert_string_equal(text_of(&r, "status"), "ok");
    assert_int_equal(number_of(&r, "nodes"), 0);
    reply_done(&r);
    expect_problem(call(*state, "GET", "/v1/nodes/n1", NULL), 404, "not-found", "n1");
    expect_problem(call(*state, "GET", "/v1/disks/n1", NULL), 404, "not-found", "n1");
    expect_problem(call(*state, "GET", "/v1/disks/00000000000000ff", NULL), 404, "not-found", "ff");
}

static void a_node_that_speaks_is_up(void **state)
{
    struct node n;
    struct reply r;

    node_start(&n, *state, 0xa1, "n1");
    r = call(*state, "GET", "/v1/nodes/n1", NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(text_of(&r, "id"), "00000000000000a1");
    assert_string_equal(text_of(&r, "rack"), "r1");
    expect_problem(call(*state, "GET", "/v1/nodes/n1%00zzz", NULL), 404, "not-found", "n1%00zzz");
    assert_string_equal(text_of(&r, "state"), "up");
    assert_string_equal(text_of(&r, "incarnation"), "00000000000020a1");
    assert_int_equal(number_of(&r, "volumes"), 0);
    assert_true(json_is_integer(json_object_get(r.json, "seen_ms_ago")));
    assert_string_equal(json_string_value(json_array_get(json_object_get(r.json, "disks"), 0)),
                        "00000000000010a1");
    reply_done(&r);
    r = call(*state, "GET", "/v1/nodes/00000000000000a1", NULL);
    assert_int_equal(r.status, 200);
    reply_done(&r);
    r = call(*state, "GET", "/v1/disks/00000000000010a1", NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(text_of(&r, "node_name"), "n1");
    assert_string_equal(text_of(&r, "path"), "/dev/test");
    assert_string_equal(text_of(&r, "state"), "open");
    assert_int_equal(number_of(&r, "free_bytes"), (json_int_t)n.chunks << 16);
    reply_done(&r);
    node_stop(&n);
}

static void a_node_that_never_spoke_is_silent(void **state)
{
    struct node n = {.metad = *state, .id = 0xa1, .name = "n1"};
    struct reply r;

    node_register(&n);
    r = call(*state, "GET", "/v1/nodes/n1", NULL);
    assert_string_equal(text_of(&r, "state"), "silent");
    assert_true(json_is_null(json_object_get(r.json, "seen_ms_ago")));
    assert_true(json_is_null(json_object_get(r.json, "incarnation")));
    reply_done(&r);
    r = call(*state, "GET", "/v1/disks/00000000000010a1", NULL);
    assert_string_equal(text_of(&r, "state"), "silent");
    assert_int_equal(number_of(&r, "size_bytes"), 1048576);
    assert_true(json_is_null(json_object_get(r.json, "free_bytes")));
    reply_done(&r);
    r = call(*state, "GET", "/healthz", NULL);
    assert_string_equal(text_of(&r, "status"), "degraded");
    assert_int_equal(number_of(&r, "nodes_silent"), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(r.json, "why"), 0)),
                        "node n1 is silent");
    reply_done(&r);
}

/* A fresh keeper is at revision 1: who has seen that has seen nothing newer. */
static void a_node_that_has_seen_the_founding_holds_nothing(void **state)
{
    struct node n = {.metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1", .chunks = 1};

    node_beat(&n); /* learns the lineage */
    node_beat(&n);
    for (uint32_t i = 0; i < 100; i++) {
        struct reply r = call(*state, "GET", "/healthz", NULL);

        assert_int_equal(json_array_size(json_object_get(r.json, "why")), 0);
        reply_done(&r);
    }
}

static void a_keeper_older_than_a_node_is_reported(void **state)
{
    struct node n = {
        .metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1", .chunks = 1, .ahead = 5};
    bool held = false;

    node_register(&n);
    node_beat(&n);
    for (uint32_t i = 0; !held; i++) {
        assert_true(i < 100000);
        node_beat(&n); /* a silent one holds nothing */
        struct reply r = call(*state, "GET", "/healthz", NULL);
        const json_t *why = json_array_get(json_object_get(r.json, "why"), 0);

        assert_int_equal(r.status, 200);
        held = why && strstr(json_string_value(why), "newer revision");
        reply_done(&r);
    }
    for (uint32_t i = 0; i < 10; i++) { /* five of them would make up for what is missing */
        node_beat(&n);
        expect_problem(call(*state, "POST", "/v1/volumes", "{\"name\":\"v\",\"size_bytes\":4096}"),
                       503, "not-ready", "newer revision");
    }
}

static bool health_says(const struct metad *m, const char *part)
{
    struct reply r = call(m, "GET", "/healthz", NULL);
    const json_t *line, *why = json_object_get(r.json, "why");
    bool says = false;
    size_t i;

    json_array_foreach(why, i, line)
    {
        says = says || strstr(json_string_value(line), part);
    }
    reply_done(&r);
    return says;
}

static bool is_well(const struct metad *m)
{
    struct reply r = call(m, "GET", "/healthz", NULL);
    bool ok = strcmp(text_of(&r, "status"), "ok") == 0;

    reply_done(&r);
    return ok;
}

/* All is served yet; but it should not stay so. */
static void a_disk_that_wants_somebody_is_reported(void **state)
{
    struct node n = {.metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1"};

    n.chunks = 1000;
    n.used = 950;
    node_register(&n);
    node_beat(&n);
    assert_true(is_well(*state));
    n.used = 951;
    node_beat(&n);
    assert_true(
        health_says(*state, "disk /dev/test of node n1 is nearly full: 3 MiB of 62.5 MiB free"));
    n.used = 0;
    n.read_only = true;
    node_beat(&n);
    assert_true(health_says(*state, "disk /dev/test of node n1 is read-only"));
    n.read_only = false;
    n.scrubs = true;
    node_beat(&n);
    assert_true(health_says(
        *state, "disk /dev/test of node n1: the scrub found 2 bad blocks and 1 bad pages"));
    n.scrubs = false;
    node_beat(&n);
    assert_true(is_well(*state));
}

static void nobody_is_removed_before_all_were_heard(void **state)
{
    struct node gone = {
        .metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1", .chunks = 9};
    const char *disk = "/v1/disks/00000000000010a1", *node = "/v1/nodes/n1";
    struct reply r;

    node_register(&gone);
    metad_listens_since(*state, UINT64_MAX / 2); /* a moment that is still to come */
    expect_problem(call(*state, "DELETE", disk, NULL), 503, "not-ready", "just started");
    expect_problem(call(*state, "DELETE", node, NULL), 503, "not-ready", "just started");
    metad_listens_since(*state, 0);
    r = call(*state, "DELETE", disk, NULL);
    assert_int_equal(r.status, 204);
    reply_done(&r);
    r = call(*state, "DELETE", node, NULL);
    assert_int_equal(r.status, 204);
    reply_done(&r);
}

static void a_node_that_is_gone_is_removed(void **state)
{
    struct node gone = {
        .metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1", .chunks = 9};
    struct node next = {
        .metad = *state, .id = 0xa2, .incarnation = 0x20a2, .name = "n1", .chunks = 9};
    struct reply r;

    node_register(&gone);
    metad_listens_since(*state, 0);
    expect_problem(call(*state, "DELETE", "/v1/nodes/n1", NULL), 409, "conflict",
                   "disk 00000000000010a1 is recorded in it");
    node_register(&next);
    node_beat(&next);
    expect_problem(call(*state, "DELETE", "/v1/nodes/n1", NULL), 409, "conflict",
                   "two nodes have the name n1");
    expect_problem(call(*state, "DELETE", "/v1/nodes/00000000000000a2", NULL), 409, "conflict",
                   "node n1 speaks: stop it first");
    r = call(*state, "DELETE", "/v1/disks/00000000000010a1", NULL);
    assert_int_equal(r.status, 204);
    reply_done(&r);
    r = call(*state, "DELETE", "/v1/nodes/00000000000000a1", NULL);
    assert_int_equal(r.status, 204);
    reply_done(&r);
    expect_problem(call(*state, "DELETE", "/v1/nodes/00000000000000a1", NULL), 404, "not-found",
                   "a1");
    node_beat(&next);
    assert_true(is_well(*state));
}

static void a_disk_that_is_gone_is_removed(void **state)
{
    struct node n = {.metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1", .chunks = 9};
    const char *path = "/v1/disks/00000000000010a1";
    struct reply r;

    metad_listens_since(*state, 0);
    node_register(&n);
    node_beat(&n);
    expect_problem(call(*state, "DELETE", path, NULL), 409, "conflict",
                   "is open on node n1: take it out");
    n.disk = 0x77;
    node_beat(&n);
    assert_true(health_says(*state, "disk 00000000000010a1 of node n1 is not open there"));
    r = call(*state, "DELETE", path, NULL);
    assert_int_equal(r.status, 204);
    reply_done(&r);
    expect_problem(call(*state, "GET", path, NULL), 404, "not-found", "10a1");
    expect_problem(call(*state, "DELETE", path, NULL), 404, "not-found", "10a1");
    expect_problem(call(*state, "DELETE", "/v1/disks/sdb", NULL), 404, "not-found", "sdb");
    assert_true(is_well(*state));
}

/* So that whoever wants its numbers finds them. */
static void a_node_says_where_its_status_port_is(void **state)
{
    struct node n = {.metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1", .chunks = 1};
    struct reply r;

    node_register(&n);
    node_beat(&n);
    r = call(*state, "GET", "/v1/nodes/n1", NULL);
    assert_true(json_is_null(json_object_get(r.json, "status_address")));
    reply_done(&r);
    n.status = "127.0.0.1:7490";
    node_beat(&n);
    r = call(*state, "GET", "/v1/nodes/n1", NULL);
    assert_string_equal(text_of(&r, "status_address"), "127.0.0.1:7490");
    reply_done(&r);
}

static void a_held_node_is_reported(void **state)
{
    struct node n;
    struct reply r;

    node_start(&n, *state, 0xa1, "n1");
    node_stop(&n);
    n.held = "another history of the records";
    node_beat(&n);
    assert_true(health_says(*state, "node n1 is held: another history of the records"));
    r = call(*state, "GET", "/healthz", NULL);
    assert_string_equal(text_of(&r, "status"), "degraded");
    assert_int_equal(number_of(&r, "pid"), getpid());
    reply_done(&r);
    node_beat(&n);
    r = call(*state, "GET", "/v1/nodes", NULL);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(r.json, "items"), 0), "state")),
                        "held");
    reply_done(&r);
    n.held = "";
    node_beat(&n);
    assert_false(health_says(*state, "is held"));
}

/* C9: it is reported, nothing is placed on it, and none of them takes it from the other. */
static void a_disk_in_two_nodes_is_nobodys(void **state)
{
    struct node a, b;
    struct reply r;

    node_start(&a, *state, 0xa1, "n1");
    assert_false(health_says(*state, "is listed by"));
    node_start(&b, *state, 0xa2, "n2");
    expect_problem(call(*state, "POST", "/node/v1/transaction",
                        "{\"node\":\"00000000000000a2\",\"compares\":[{\"key\":"
                        "\"disk/00000000000010a1\",\"revision\":2}],\"puts\":[{\"key\":"
                        "\"disk/00000000000010a1\",\"value\":{\"version\":1,\"disk\":"
                        "\"00000000000010a1\",\"node\":\"00000000000000a2\",\"bytes\":4096}}]}"),
                   403, "forbidden", "is listed by node n1, which speaks");
    node_stop(&b);
    b.disk = 0x10a1;
    node_beat(&b);
    b.stopping = false;
    assert_int_equal(pthread_create(&b.thread, NULL, node_run, &b), 0);
    assert_true(health_says(*state, "disk 00000000000010a1 is listed by nodes n1 and n2"));
    r = call(*state, "POST", "/v1/volumes", "{\"name\":\"a\",\"size_bytes\":4096}");
    expect_problem(r, 507, "no-space", "no node that answers");
    node_stop(&a);
    node_stop(&b);
}

/* A refusal would be a reason to leave the disk aside for good, and it is nobody else's. */
static void a_node_that_is_two_waits_for_a_disk(void **state)
{
    struct node a, b;

    node_start(&a, *state, 0xa1, "n1");
    node_stop(&a);
    node_start(&b, *state, 0xa2, "n2");
    node_stop(&b);
    for (uint64_t i = 0; i < 3; i++) {
        b.incarnation = 0x3000 + i % 2;
        node_beat(&b);
    }
    expect_problem(call(*state, "POST", "/node/v1/transaction",
                        "{\"node\":\"00000000000000a2\",\"compares\":[{\"key\":"
                        "\"disk/00000000000010a1\",\"revision\":2}],\"puts\":[{\"key\":"
                        "\"disk/00000000000010a1\",\"value\":{\"version\":1,\"disk\":"
                        "\"00000000000010a1\",\"node\":\"00000000000000a2\",\"bytes\":4096}}]}"),
                   503, "not-ready", "two processes speak for this node");
}

/* One of them does not have it any more: that is the state to be in, until a human has spoken. */
static void a_disk_that_is_left_aside_is_reported(void **state)
{
    struct node n = {.metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1", .chunks = 9};

    node_register(&n);
    node_beat(&n);
    assert_true(is_well(*state));
    n.aside = "disk 77 is listed by node n2, which speaks";
    node_beat(&n);
    assert_true(health_says(*state,
                            "node n1 leaves its disk /dev/other aside: disk 77 is listed by "
                            "node n2, which speaks; take it out"));
    assert_false(is_well(*state));
    n.aside = NULL;
    node_beat(&n);
    assert_true(is_well(*state));
}

static void a_node_with_other_names_of_targets_is_reported(void **state)
{
    struct node n = {.metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1", .chunks = 9};

    node_register(&n);
    n.prefix = "iqn.2026-11.internal.dolmen";
    node_beat(&n);
    assert_true(is_well(*state));
    n.prefix = "iqn.2026-11.internal.other";
    node_beat(&n);
    assert_true(health_says(*state, "node n1 has iqn_prefix iqn.2026-11.internal.other and metad "
                                    "has iqn.2026-11.internal.dolmen"));
    assert_false(is_well(*state));
}

static void two_nodes_of_one_name_are_reported(void **state)
{
    struct node a = {.metad = *state, .id = 0xa1, .incarnation = 0x20a1, .name = "n1", .chunks = 9};
    struct node b = {.metad = *state, .id = 0xa2, .incarnation = 0x20a2, .name = "n2", .chunks = 9};
    struct node c = {.metad = *state, .id = 0xa3, .incarnation = 0x20a3, .name = "n1", .chunks = 9};

    node_register(&a);
    node_register(&b);
    node_beat(&a);
    node_beat(&b);
    assert_true(is_well(*state));
    node_register(&c);
    node_beat(&c);
    assert_true(health_says(*state, "two nodes are called n1: "));
    assert_true(health_says(*state, "00000000000000a1"));
    assert_true(health_says(*state, "00000000000000a3"));
    assert_false(health_says(*state, "called n2"));
    c.name = "n3";
    node_register(&c);
    node_beat(&c);
    assert_true(is_well(*state));
}

/* Nothing is left out without a word. */
static void more_reasons_than_are_told_are_counted(void **state)
{
    struct reply r;
    const json_t *why;

    for (uint64_t i = 0; i < 18; i++) {
        char name[16];
        struct node n = {.metad = *state, .id = 0xa1 + i, .name = name};

        snprintf(name, sizeof name, "n%u", (unsigned)i);
        node_register(&n);
        r = call(*state, "GET", "/healthz", NULL);
        why = json_object_get(r.json, "why");
        assert_int_equal(json_array_size(why), i < 16 ? i + 1 : 17);
        if (i >= 16)
            assert_string_equal(json_string_value(json_array_get(why, 16)),
                                i == 16 ? "and 1 more" : "and 2 more");
        reply_done(&r);
    }
}

static void lists_are_paged(void **state)
{
    struct reply r;

    for (uint64_t i = 1; i <= 3; i++) {
        char name[8];
        struct node n = {.metad = *state, .id = i, .name = name};

        snprintf(name, sizeof name, "n%u", (unsigned)i);
        node_register(&n);
    }
    r = call(*state, "GET", "/v1/nodes?limit=2", NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 2);
    assert_string_equal(text_of(&r, "next"), "0000000000000002");
    reply_done(&r);
    r = call(*state, "GET", "/v1/nodes?limit=2&after=0000000000000002", NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 1);
    assert_true(json_is_null(json_object_get(r.json, "next")));
    reply_done(&r);
    r = call(*state, "GET", "/v1/disks?limit=3", NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 3);
    assert_true(json_is_null(json_object_get(r.json, "next"))); /* exactly full: no more */
    reply_done(&r);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, metad_setup, metad_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_cluster_is_well),
        TEST(a_node_that_speaks_is_up),
        TEST(a_node_that_never_spoke_is_silent),
        TEST(a_node_that_has_seen_the_founding_holds_nothing),
        TEST(a_keeper_older_than_a_node_is_reported),
        TEST(a_disk_that_wants_somebody_is_reported),
        TEST(nobody_is_removed_before_all_were_heard),
        TEST(a_node_that_is_gone_is_removed),
        TEST(a_disk_that_is_gone_is_removed),
        TEST(a_node_says_where_its_status_port_is),
        TEST(a_held_node_is_reported),
        TEST(a_disk_in_two_nodes_is_nobodys),
        TEST(a_node_that_is_two_waits_for_a_disk),
        TEST(a_disk_that_is_left_aside_is_reported),
        TEST(a_node_with_other_names_of_targets_is_reported),
        TEST(two_nodes_of_one_name_are_reported),
        TEST(more_reasons_than_are_told_are_counted),
        TEST(lists_are_paged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
