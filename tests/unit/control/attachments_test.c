/* SPDX-License-Identifier: Apache-2.0 */
/* Attachments over REST: who may have what, and the forms that initiators take. */
#include "tests/unit/control/node.h"

#include <ctype.h>

struct cluster {
    struct metad *metad;
    struct node node;
    char volume[20];
};

static int setup(void **state)
{
    struct cluster *c = calloc(1, sizeof *c);
    struct reply r;

    metad_setup((void **)&c->metad);
    node_start(&c->node, c->metad, 0xa1, "n1");
    r = call(c->metad, "POST", "/v1/volumes", "{\"name\":\"web\",\"size_bytes\":1073741824}");
    assert_int_equal(r.status, 201);
    snprintf(c->volume, sizeof c->volume, "%s", text_of(&r, "id"));
    reply_done(&r);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct cluster *c = *state;

    node_stop(&c->node);
    metad_teardown((void **)&c->metad);
    free(c);
    return 0;
}

static struct reply attach(struct cluster *c, const char *initiator, const char *more)
{
    char body[512];

    snprintf(body, sizeof body, "{\"volume\":\"web\",\"initiator\":\"%s\"%s}", initiator, more);
    return call(c->metad, "POST", "/v1/attachments", body);
}

/* 201, and its identity. */
static void attached(struct reply r, char ret[20])
{
    if (r.status != 201)
        fail_msg("%d: %s", r.status, text_of(&r, "detail"));
    snprintf(ret, 20, "%s", text_of(&r, "id"));
    reply_done(&r);
}

static struct reply on_id(struct cluster *c, const char *method, const char *id)
{
    char path[64];

    snprintf(path, sizeof path, "/v1/attachments/%s", id);
    return call(c->metad, method, path, NULL);
}

static const char *form(const struct reply *r, const char *name)
{
    return json_string_value(json_object_get(json_object_get(r->json, "forms"), name));
}

static void an_attachment_says_all_that_an_initiator_needs(void **state)
{
    struct cluster *c = *state;
    struct reply r = attach(c, "iqn.2008-11.org.linux-kvm:vm1", ",\"read_only\":true");
    char id[20], text[256];

    assert_int_equal(r.status, 201);
    assert_string_equal(text_of(&r, "state"), "attached");
    assert_string_equal(text_of(&r, "volume"), c->volume);
    assert_string_equal(text_of(&r, "volume_name"), "web");
    assert_string_equal(text_of(&r, "initiator"), "iqn.2008-11.org.linux-kvm:vm1");
    assert_true(json_is_true(json_object_get(r.json, "read_only")));
    assert_true(json_is_false(json_object_get(r.json, "shared")));
    assert_int_equal(number_of(&r, "lun"), 0);
    snprintf(text, sizeof text,
             "portal=127.0.0.1:3260,target=iqn.2026-11.internal.dolmen:%s,lun=0,"
             "initiator-name=iqn.2008-11.org.linux-kvm:vm1,read-only=on -device virtio-blk-pci,",
             c->volume);
    assert_non_null(strstr(form(&r, "qemu"), text));
    snprintf(text, sizeof text, "name='iqn.2026-11.internal.dolmen:%s/0'", c->volume);
    assert_non_null(strstr(form(&r, "libvirt"), text));
    assert_non_null(strstr(form(&r, "libvirt"), "<host name='127.0.0.1' port='3260'/>"));
    assert_non_null(strstr(form(&r, "libvirt"), "<readonly/>"));
    snprintf(text, sizeof text, "-T iqn.2026-11.internal.dolmen:%s -p 127.0.0.1:3260 --login",
             c->volume);
    assert_non_null(strstr(form(&r, "open_iscsi"), text));
    attached(r, id);

    r = on_id(c, "GET", id);
    assert_int_equal(r.status, 200);
    assert_string_equal(text_of(&r, "id"), id);
    reply_done(&r);
}

/* QEMU gives up after seven BUSY, the kernel's timer must not come first: a form says so. */
static void a_form_says_where_the_deadline_does_not_fit_it(void **state)
{
    struct cluster *c = *state;
    struct reply r = attach(c, "iqn.2000-01.a:1", ",\"shared\":true");

    assert_int_equal(number_of(&r, "deadline_seconds"), 25);
    assert_non_null(strstr(form(&r, "qemu"), ",discard=unmap -device virtio-blk-pci,drive="));
    assert_non_null(strstr(form(&r, "qemu"), " # QEMU gives up"));
    assert_non_null(strstr(form(&r, "libvirt"), "</disk><!-- QEMU gives up"));
    assert_null(strstr(form(&r, "open_iscsi"), "timer"));
    reply_done(&r);
    r = attach(c, "iqn.2000-01.a:2", ",\"shared\":true,\"deadline_seconds\":0");
    assert_int_equal(number_of(&r, "deadline_seconds"), 0);
    assert_null(strstr(form(&r, "qemu"), "#"));
    assert_null(strstr(form(&r, "libvirt"), "<!--"));
    assert_non_null(strstr(form(&r, "open_iscsi"), "the kernel's timer"));
    reply_done(&r);
    r = attach(c, "iqn.2000-01.a:3", ",\"shared\":true,\"deadline_seconds\":30");
    assert_non_null(strstr(form(&r, "open_iscsi"), "the kernel's timer"));
    reply_done(&r);
    expect_problem(attach(c, "iqn.2000-01.a:4", ",\"deadline_seconds\":3601"), 400, "invalid",
                   "deadline_seconds");
    expect_problem(attach(c, "iqn.2000-01.a:4", ",\"deadline_seconds\":\"25s\""), 400, "invalid",
                   "deadline_seconds");
}

static void an_exclusive_attachment_stays_alone(void **state)
{
    struct cluster *c = *state;
    char id[20];
    struct reply r;

    attached(attach(c, "iqn.2000-01.a:1", ""), id);
    expect_problem(attach(c, "iqn.2000-01.a:2", ""), 409, "conflict", id);
    expect_problem(attach(c, "iqn.2000-01.a:2", ",\"shared\":true"), 409, "conflict", id);
    r = on_id(c, "DELETE", id);
    assert_int_equal(r.status, 204);
    reply_done(&r);
    attached(attach(c, "iqn.2000-01.a:2", ""), id);
}

static void shared_ones_share_and_an_initiator_has_one(void **state)
{
    struct cluster *c = *state;
    char first[20], second[20];

    attached(attach(c, "iqn.2000-01.a:1", ",\"shared\":true"), first);
    attached(attach(c, "iqn.2000-01.a:2", ",\"shared\":true"), second);
    expect_problem(attach(c, "iqn.2000-01.a:3", ""), 409, "conflict", "tolerates no other");
    expect_problem(attach(c, "iqn.2000-01.a:1", ",\"shared\":true"), 409, "conflict", first);
    expect_problem(attach(c, "iqn.2000-01.a:1", ",\"shared\":true"), 409, "conflict",
                   "already: delete it to make it anew");
    expect_problem(attach(c, "IQN.2000-01.a:1", ",\"shared\":true"), 400, "invalid", "iSCSI name");
    expect_problem(attach(c, "iqn.2000-01.A:1", ",\"shared\":true"), 409, "conflict", first);
}

static void a_node_takes_so_many_attachments(void **state)
{
    struct cluster *c = *state;
    char id[20];
    struct reply r;

    node_stop(&c->node);
    c->node.most = 1;
    c->node.stopping = false;
    node_beat(&c->node);
    assert_int_equal(pthread_create(&c->node.thread, NULL, node_run, &c->node), 0);
    attached(attach(c, "iqn.2000-01.a:1", ",\"shared\":true"), id);
    expect_problem(
        attach(c, "iqn.2000-01.a:2", ",\"shared\":true"), 507, "no-space",
        "node n1 has 1 attachments and takes 1 (four for each of its setting \"volumes\")");
    r = on_id(c, "DELETE", id);
    assert_int_equal(r.status, 204);
    reply_done(&r);
    attached(attach(c, "iqn.2000-01.a:2", ",\"shared\":true"), id);
}

static void a_wish_that_makes_no_sense_is_refused(void **state)
{
    struct cluster *c = *state;

    expect_problem(attach(c, "vm1", ""), 400, "invalid", "iqn., eui. or naa.");
    expect_problem(attach(c, "iqn.2000-01.a:'/>", ""), 400, "invalid", "initiator");
    expect_problem(attach(c, "iqn.2000-01.a:1", ",\"exclusive\":true"), 400, "invalid",
                   "\"exclusive\"");
    expect_problem(call(c->metad, "POST", "/v1/attachments",
                        "{\"volume\":\"nope\",\"initiator\":\"iqn.2000-01.a:1\"}"),
                   404, "not-found", "nope");
    expect_problem(call(c->metad, "POST", "/v1/attachments", "{\"volume\":\"web\"}"), 400,
                   "invalid", "\"initiator\"");
    expect_problem(on_id(c, "GET", "00000000000000ff"), 404, "not-found", "00000000000000ff");
    expect_problem(on_id(c, "DELETE", "web"), 404, "not-found", "web");
}

static void an_attached_volume_is_not_deleted(void **state)
{
    struct cluster *c = *state;
    char id[20];
    struct reply r;

    attached(attach(c, "iqn.2000-01.a:1", ""), id);
    expect_problem(call(c->metad, "DELETE", "/v1/volumes/web", NULL), 409, "conflict",
                   "is attached (1)");
    r = on_id(c, "DELETE", id);
    assert_int_equal(r.status, 204);
    reply_done(&r);
    r = call(c->metad, "DELETE", "/v1/volumes/web", NULL);
    assert_int_equal(r.status, 204);
    reply_done(&r);
}

static void the_list_may_be_of_one_volume(void **state)
{
    struct cluster *c = *state;
    char id[20];
    struct reply r;

    r = call(c->metad, "POST", "/v1/volumes", "{\"name\":\"other\",\"size_bytes\":4096}");
    assert_int_equal(r.status, 201);
    reply_done(&r);
    attached(attach(c, "iqn.2000-01.a:1", ",\"shared\":true"), id);
    attached(attach(c, "iqn.2000-01.a:2", ",\"shared\":true"), id);
    attached(call(c->metad, "POST", "/v1/attachments",
                  "{\"volume\":\"other\",\"initiator\":\"iqn.2000-01.a:1\"}"),
             id);
    r = call(c->metad, "GET", "/v1/attachments", NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 3);
    assert_true(json_is_null(json_object_get(r.json, "next")));
    reply_done(&r);
    r = call(c->metad, "GET", "/v1/attachments?volume=web", NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 2);
    reply_done(&r);
    r = call(c->metad, "GET", "/v1/attachments?limit=1", NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 1);
    assert_true(json_is_string(json_object_get(r.json, "next")));
    reply_done(&r);
    expect_problem(call(c->metad, "GET", "/v1/attachments?volume=nope", NULL), 404, "not-found",
                   "nope");
}

struct race {
    struct cluster *c;
    pthread_t thread;
    int number, status;
};

static void *race_run(void *arg)
{
    struct race *race = arg;
    char name[64];
    struct reply r;

    snprintf(name, sizeof name, "iqn.2000-01.a:%d", race->number);
    r = attach(race->c, name, "");
    race->status = r.status;
    reply_done(&r);
    return NULL;
}

static void of_many_exclusive_wishes_at_once_one_is_granted(void **state)
{
    struct race races[8];
    int granted = 0;

    for (int i = 0; i < 8; i++) {
        races[i] = (struct race){.c = *state, .number = i};
        assert_int_equal(pthread_create(&races[i].thread, NULL, race_run, &races[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(races[i].thread, NULL);
        assert_true(races[i].status == 201 || races[i].status == 409);
        granted += races[i].status == 201;
    }
    assert_int_equal(granted, 1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

static const char *chap_of(const struct reply *r, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(r->json, "chap"), name));

    return text ? text : "";
}

static void secrets_are_made_and_told_once(void **state)
{
    struct cluster *c = *state;
    struct reply r = attach(c, "iqn.2026-11.example:a", ",\"chap\":{\"mutual\":true}");
    char secret[64], id[20], *all;

    assert_int_equal(r.status, 201);
    assert_string_equal(chap_of(&r, "kind"), "mutual");
    assert_int_equal(strlen(chap_of(&r, "secret")), 16); /* Windows takes no more */
    assert_int_equal(strlen(chap_of(&r, "mutual_secret")), 16);
    assert_true(isalpha(chap_of(&r, "secret")[0]) && isalpha(chap_of(&r, "mutual_secret")[0]));
    assert_true(record_chap_word_valid(chap_of(&r, "secret")));
    assert_string_not_equal(chap_of(&r, "secret"), chap_of(&r, "mutual_secret"));
    snprintf(secret, sizeof secret, "%s", chap_of(&r, "secret"));
    assert_non_null(strstr(
        json_string_value(json_object_get(json_object_get(r.json, "forms"), "qemu")), secret));
    snprintf(id, sizeof id, "%s", text_of(&r, "id"));
    reply_done(&r);

    expect_problem(attach(c, "iqn.2026-11.example:a", ""), 409, "conflict",
                   "already: delete it to make it anew; its secrets are not told again");
    r = on_id(c, "GET", id);
    assert_string_equal(chap_of(&r, "kind"), "mutual");
    assert_true(strlen(chap_of(&r, "user")) > 0);
    all = json_dumps(r.json, 0);
    assert_null(strstr(all, secret));
    free(all);
    reply_done(&r);
}

static void chap_words_are_taken_as_they_are_given(void **state)
{
    struct cluster *c = *state;
    struct reply r = attach(c, "iqn.2026-11.example:a",
                            ",\"chap\":{\"user\":\"u\",\"secret\":\"0123456789ab\"}");

    assert_int_equal(r.status, 201);
    assert_string_equal(chap_of(&r, "kind"), "one-way");
    assert_string_equal(chap_of(&r, "user"), "u");
    reply_done(&r);
    expect_problem(attach(c, "iqn.2026-11.example:b", ",\"chap\":{\"secret\":\"short\"}"), 400,
                   "invalid", "12 to 128 bytes");
    expect_problem(attach(c, "iqn.2026-11.example:b", ",\"chap\":{\"user\":\"a b\"}"), 400,
                   "invalid", "\"user\"");
    expect_problem(attach(c, "iqn.2026-11.example:b",
                          ",\"chap\":{\"secret\":\"0123456789ab\","
                          "\"mutual_secret\":\"0123456789ab\"}"),
                   400, "invalid", "differ");
    expect_problem(attach(c, "iqn.2026-11.example:b", ",\"chap\":{\"key\":1}"), 400, "invalid",
                   "\"key\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_attachment_says_all_that_an_initiator_needs),
        TEST(a_form_says_where_the_deadline_does_not_fit_it),
        TEST(an_exclusive_attachment_stays_alone),
        TEST(shared_ones_share_and_an_initiator_has_one),
        TEST(a_node_takes_so_many_attachments),
        TEST(a_wish_that_makes_no_sense_is_refused),
        TEST(secrets_are_made_and_told_once),
        TEST(chap_words_are_taken_as_they_are_given),
        TEST(an_attached_volume_is_not_deleted),
        TEST(the_list_may_be_of_one_volume),
        TEST(of_many_exclusive_wishes_at_once_one_is_granted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
