/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers called without a server: over records that cannot be read for once, and heartbeats by
 * hand.  The board is stopped, so that nobody waits: what is not in force at once is answered so.
 */
#include "control/api/api.h"
#include "control/api/view.h"
#include "tests/unit/controller/stage.h"

/* Volume 7 of node 1, whose process is 11, in records that fail when they are told to. */
struct scene {
    struct control control;
    struct keeper keeper;
    struct stage *stage;
    const char *fails; /* the next read that begins so; NULL: none */
    bool fails_after_transact;
    enum err stores; /* E_OK, or why it stores nothing */
};

static uint32_t failures; /* lines that say that a change failed */

static void log_counts(struct log *log, enum log_level level, const char *line)
{
    (void)log;
    (void)level;
    failures += strstr(line, " change_failed dir=\"/srv/metad\" why=\"") != NULL;
}
static struct log quiet = {.write = log_counts, .least = LOG_LEVEL_ERROR};

static enum err range(struct keeper *k, const char *prefix, struct record_list *ret)
{
    struct scene *s = container_of(k, struct scene, keeper);

    if (s->fails && strncmp(prefix, s->fails, strlen(s->fails)) == 0) {
        s->fails = NULL;
        return E_NO_MEMORY;
    }
    return keeper_range(s->stage->keeper, prefix, ret);
}

static enum err transact(struct keeper *k, const struct record_transaction *t,
                         uint64_t *ret_revision)
{
    struct scene *s = container_of(k, struct scene, keeper);

    if (s->stores)
        return s->stores;
    s->fails = s->fails_after_transact ? "head/" : NULL;
    return keeper_transact(s->stage->keeper, t, ret_revision);
}

static const struct keeper_ops ops = {.range = range, .transact = transact};

/* What the node says, from now on. */
static struct heartbeat *says(struct scene *s, uint64_t node, uint64_t incarnation)
{
    struct heartbeat *h = stage_heartbeat(s->stage, node, incarnation);

    h->arrived_ms = monotonic_ms();
    h->volumes_max = h->attachments_max = UINT32_MAX;
    heartbeat_get(h);
    assert_int_equal(board_put(&s->control.board, h), E_OK);
    return h;
}

static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    s->stage = stage_new();
    s->keeper.ops = &ops;
    s->control.keeper = &s->keeper;
    s->control.log = &quiet;
    pthread_mutex_init(&s->control.placing, NULL);
    board_init(&s->control.board);
    s->control.board.started_ms -= 2 * HEARTBEAT_SILENT_MS;
    board_stop(&s->control.board);
    stage_node(s->stage, 1);
    stage_volume(s->stage, 7, 1, 11);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    board_done(&s->control.board);
    pthread_mutex_destroy(&s->control.placing);
    stage_free(s->stage);
    free(s);
    return 0;
}

struct reply {
    unsigned status;
    char *body;
};

/* Of a handler of /v1/…/{param}; the body is the caller's. */
static struct reply call(struct scene *s,
                         void (*handler)(struct control *, const struct http_request *,
                                         struct http_answer *),
                         const char *param, const char *body)
{
    struct http_request r = {.body = body, .body_bytes = strlen(body)};
    struct http_answer a = {0};

    snprintf(r.params[0], sizeof r.params[0], "%s", param);
    handler(&s->control, &r, &a);
    return (struct reply){a.status, a.body};
}

static void expect_status(struct reply r, unsigned status)
{
    if (r.status != status)
        fail_msg("%u instead of %u: %s", r.status, status, r.body ? r.body : "");
    free(r.body);
}

static void expect_says(struct reply r, unsigned status, const char *text)
{
    if (r.status != status || !strstr(r.body ? r.body : "", text))
        fail_msg("%u: %s", r.status, r.body ? r.body : "");
    free(r.body);
}

static void a_volume_that_cannot_be_read_is_not_missing(void **state)
{
    static const char *const reads[] = {"volume-name/", "head/", "volume/"};
    struct scene *s = *state;

    for (size_t i = 0; i < array_length(reads); i++) {
        s->fails = reads[i];
        expect_status(call(s, volume_show, "v7", ""), 503);
    }
    expect_status(call(s, volume_show, "v7", ""), 200);
    expect_status(call(s, volume_show, "v8", ""), 404);
}

static void nor_are_its_attachments(void **state)
{
    struct scene *s = *state;

    stage_attachment(s->stage, 7, 0xaa, false);
    s->fails = "head/";
    expect_status(call(s, attachment_show, "00000000000000aa", ""), 503);
    s->fails = "head/";
    expect_status(call(s, attachments_list, "", ""), 503);
    expect_status(call(s, attachment_show, "00000000000000aa", ""), 200);
}

/* What was stored is answered, though the volume's record is damaged. */
static void the_end_of_an_attachment_of_a_damaged_volume_is_answered(void **state)
{
    struct scene *s = *state;

    stage_attachment(s->stage, 7, 0xaa, false);
    stage_put(s->stage, volume_key(ID(7)), strdup("{\"version\":1"));
    for (size_t i = 0; i < 2; i++) {
        struct reply r = call(s, attachment_delete, "00000000000000aa", "");

        assert_int_equal(r.status, 202);
        assert_non_null(strstr(r.body, "\"state\":\"ending\""));
        free(r.body);
    }
}

/* It says how many there are, and names as many as fit. */
static void an_attached_volume_says_by_whom(void **state)
{
    struct scene *s = *state;

    for (uint64_t id = 0xaa; id < 0xca; id++)
        stage_attachment(s->stage, 7, id, id == 0xaa);
    stage_put(s->stage, attachment_key(ID(7), ID(0xa9)), strdup("{}"));
    expect_says(call(s, volume_delete, "v7", ""), 409,
                "is attached (32): 00000000000000a9 (its record cannot be read: restore a backup), "
                "00000000000000ab (");
    expect_says(call(s, volume_delete, "v7", ""), 409,
                ", ...; end each first: dolmen attachment delete ID");
}

static void a_volume_that_cannot_be_read_is_not_deleted(void **state)
{
    struct scene *s = *state;

    s->fails_after_transact = true;
    expect_status(call(s, volume_delete, "v7", ""), 202);
}

static void what_the_keeper_cannot_store_is_said_with_its_folder(void **state)
{
    static const char attach[] = "{\"volume\":\"v7\",\"initiator\":\"iqn.2026-11.internal.x:a\"}";
    struct scene *s = *state;

    failures = 0;
    trouble_init(&s->control.trouble);
    snprintf(s->control.config.dir, sizeof s->control.config.dir, "/srv/metad");
    expect_says(call(s, health_show, "", ""), 200, "\"why\":[\"node");
    s->stores = E_NO_SPACE;
    expect_says(call(s, volume_delete, "v7", ""), 507, "/srv/metad, is full");
    expect_says(call(s, attachment_create, "", attach), 507, "/srv/metad, is full");
    assert_int_equal(failures, 1); /* once a minute */
    expect_says(call(s, health_show, "", ""), 200, "not stored in /srv/metad: no free space");
    s->stores = E_IN_DOUBT;
    expect_says(call(s, volume_delete, "v7", ""), 503, "nothing was changed, or all");
    assert_int_equal(failures, 1); /* whatever else it is */
    s->stores = E_OK;
    expect_status(call(s, attachment_create, "", attach), 202);
    expect_says(call(s, health_show, "", ""), 200, "\"why\":[\"node");
    s->stores = E_CONFLICT; /* somebody else's change is no fault of the keeper */
    expect_says(call(s, volume_resize, "v7", "{\"size_bytes\":25769803776}"), 409, "");
    expect_says(call(s, health_show, "", ""), 200, "\"why\":[\"node");
    assert_int_equal(failures, 1);
    trouble_done(&s->control.trouble);
}

static void nor_is_it_grown(void **state)
{
    struct scene *s = *state;
    struct heartbeat *h = says(s, 1, 11);

    says_open(h, 7);
    h->volumes[0].shards = h->volumes[0].serving = 1;
    s->fails_after_transact = true;
    expect_status(call(s, volume_resize, "v7", "{\"size_bytes\":25769803776}"), 202);
}

static void nor_is_it_attached(void **state)
{
    struct scene *s = *state;

    s->fails_after_transact = true;
    expect_status(
        call(s, attachment_create, "", "{\"volume\":\"v7\",\"initiator\":\"iqn.2000-01.test:a\"}"),
        202);
}

static void nor_is_it_salvaged(void **state)
{
    struct scene *s = *state;
    struct heartbeat *h = says(s, 1, 11);

    h->replicas = calloc(3, sizeof *h->replicas);
    for (; h->replica_count < 3; h->replica_count++)
        h->replicas[h->replica_count] = (struct heartbeat_replica){
            .replica = stage_replica(7, h->replica_count), .damaged = true};
    s->fails_after_transact = true;
    expect_status(call(s, volume_salvage, "v7", ""), 202);
}

static void expect_metric(struct scene *s, const char *line, bool there)
{
    struct reply r = call(s, metrics_show, "", "");

    assert_int_equal(r.status, 200);
    if (!!strstr(r.body, line) != there)
        fail_msg("%s%s is in: %s", line, there ? " not" : "", r.body);
    free(r.body);
}

static void metrics_show_each_node_until_it_is_removed(void **state)
{
    static const char up[] = "\ndolmen_node_up{id=\"0000000000000002\",node=\"n2\"} 1\n";
    static const char silent[] = "\ndolmen_node_up{id=\"0000000000000002\",node=\"n2\"} 0\n";
    static const char other[] = "\ndolmen_node_up{id=\"0000000000000001\",node=\"n1\"} 0\n";
    struct scene *s = *state;
    struct heartbeat *h;

    stage_node(s->stage, 2);
    expect_metric(s, silent, true);
    expect_metric(s, other, true);
    s->control.board.started_ms = monotonic_ms();
    expect_metric(s, silent, false); /* nobody is judged yet */
    s->control.board.started_ms -= 2 * HEARTBEAT_SILENT_MS;
    h = says(s, 2, 22);
    expect_metric(s, up, true);
    h->arrived_ms -= HEARTBEAT_SILENT_MS + 1;
    expect_metric(s, silent, true);
    expect_status(call(s, node_remove, "n2", ""), 204);
    expect_metric(s, "\"n2\"", false);
    expect_metric(s, other, true);
    assert_int_equal(s->control.board.count, 0);
}

static void metrics_show_how_much_of_the_own_log_is_lost(void **state)
{
    expect_metric(*state, "\nmetad_log_lines_lost_total 0\n", true);
}

static bool health_says(struct scene *s, const char *text)
{
    struct reply r = call(s, health_show, "", "");
    bool said = strstr(r.body, text) != NULL;

    free(r.body);
    return said;
}

static void a_copy_of_a_node_is_told_from_a_restart(void **state)
{
    struct scene *s = *state;
    struct heartbeat *h;

    says(s, 1, 11);
    says(s, 1, 12);
    says(s, 1, 12);
    assert_false(health_says(s, "two processes")); /* it was started again */
    says(s, 1, 11);
    assert_true(health_says(s, "node n1 is two processes, 000000000000000b at no portal and "
                               "000000000000000c at no portal"));
    h = says(s, 1, 11);
    assert_true(health_says(s, "two processes"));
    h->doubled_ms -= HEARTBEAT_SILENT_MS + 1000; /* and the other one was not heard again */
    assert_false(health_says(s, "two processes"));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_volume_that_cannot_be_read_is_not_missing),
        TEST(nor_are_its_attachments),
        TEST(the_end_of_an_attachment_of_a_damaged_volume_is_answered),
        TEST(an_attached_volume_says_by_whom),
        TEST(a_volume_that_cannot_be_read_is_not_deleted),
        TEST(nor_is_it_grown),
        TEST(nor_is_it_attached),
        TEST(nor_is_it_salvaged),
        TEST(a_copy_of_a_node_is_told_from_a_restart),
        TEST(metrics_show_each_node_until_it_is_removed),
        TEST(metrics_show_how_much_of_the_own_log_is_lost),
        TEST(what_the_keeper_cannot_store_is_said_with_its_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
