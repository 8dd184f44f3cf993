/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records with a flipped bit: each costs what it is about, is named in the log and by /healthz, and
 * a volume whose own record it is can be deleted.
 */
#include "tests/unit/control/cluster.h"

#include <fcntl.h>

static atomic_int said; /* lines that name records which cannot be read */

static void log_counts(struct log *log, enum log_level level, const char *line)
{
    (void)log;
    (void)level;
    if (strstr(line, " records_unreadable "))
        said++;
}

static int setup(void **state)
{
    said = 0;
    quiet.write = log_counts;
    return cluster_setup(state);
}

/* "volume/<id>" of the volume that it makes. */
static struct record_key create(struct cluster *c, const char *name)
{
    struct record_key key;
    struct reply r;
    char body[96];

    snprintf(body, sizeof body, "{\"name\":\"%s\",\"size_bytes\":4096}", name);
    r = call(c->metad, "POST", "/v1/volumes", body);
    assert_int_equal(r.status, 201);
    snprintf(key.text, sizeof key.text, "volume/%s", text_of(&r, "id"));
    reply_done(&r);
    return key;
}

/* "/v1/attachments/<id>" of the attachment that it makes. */
static struct record_key attach(struct cluster *c, const char *volume)
{
    struct record_key path;
    struct reply r;
    char body[128];

    snprintf(body, sizeof body, "{\"volume\":\"%s\",\"initiator\":\"iqn.2026-11.internal.x:a\"}",
             volume);
    r = call(c->metad, "POST", "/v1/attachments", body);
    assert_int_equal(r.status, 201);
    snprintf(path.text, sizeof path.text, "/v1/attachments/%s", text_of(&r, "id"));
    reply_done(&r);
    return path;
}

static void becomes(struct cluster *c, struct record_key key, const char *value)
{
    struct record_transaction *t = transaction_new();
    uint64_t revision;

    assert_int_equal(transaction_put(t, key, strdup(value)), E_OK);
    assert_int_equal(control_transact(c->metad->control, t, &revision), E_OK);
    transaction_free(t);
}

/* Waits for a line of /healthz with `text`. */
static void expect_why(struct cluster *c, const char *text)
{
    uint64_t until_ms = monotonic_ms() + 20000;

    for (bool found = false; !found;) {
        struct reply r = call(c->metad, "GET", "/healthz", NULL);
        char *why = json_dumps(json_object_get(r.json, "why"), 0);

        assert_int_equal(r.status, 200);
        found = strstr(why, text) != NULL;
        if (!found && monotonic_ms() > until_ms)
            fail_msg("%s", why);
        free(why);
        reply_done(&r);
    }
}

static size_t items_of(struct cluster *c, const char *path)
{
    struct reply r = call(c->metad, "GET", path, NULL);
    size_t count = json_array_size(json_object_get(r.json, "items"));

    assert_int_equal(r.status, 200);
    reply_done(&r);
    return count;
}

static const char *const damaged[] = {
    "{\"version\":1,\"bytes\":0096}", "{\"version\":1",  "", "null", "[]", "\"x\"", "7",
    "{\"version\":1,\"version\":1}",  "{\"v\":\"\xff\"}"};

/* As storaged wants an answer: a key, a revision and an object; else it takes nothing of it. */
static enum err record_at(const struct reply *r, const char *key)
{
    json_t *item;
    size_t i;
    enum err err = E_NOT_FOUND;

    json_array_foreach(json_object_get(r->json, "records"), i, item)
    {
        json_int_t revision = json_integer_value(json_object_get(item, "revision"));
        struct record at = {.value = json_dumps(json_object_get(item, "value"), 0)};

        assert_true(revision > 0 && json_is_object(json_object_get(item, "value")));
        snprintf(at.key, sizeof at.key, "%s", json_string_value(json_object_get(item, "key")));
        if (strcmp(at.key, key) == 0)
            err = record_check(&at);
        free(at.value);
    }
    return err;
}

static void a_node_reads_all_others(void **state)
{
    struct cluster *c = *state;
    struct record_key bad = create(c, "bad"), good = create(c, "good");

    for (size_t i = 0; i < array_length(damaged); i++) {
        struct reply r;

        becomes(c, bad, damaged[i]);
        r = call(c->metad, "GET", "/node/v1/range", NULL);
        assert_int_equal(r.status, 200);
        assert_int_equal(record_at(&r, good.text), E_OK);
        assert_int_equal(record_at(&r, bad.text), E_DAMAGED);
        reply_done(&r);
        r = call(c->metad, "GET", "/node/v1/watch?prefix=volume/&revision=1&wait_ms=0", NULL);
        assert_int_equal(r.status, 200);
        assert_int_equal(record_at(&r, good.text), E_OK);
        assert_int_equal(record_at(&r, bad.text), E_DAMAGED);
        reply_done(&r);
    }
}

/* In the file, while metad is away, wherever it stands: old pages hold it, too. */
static void key_patch(struct cluster *c, struct record_key key, size_t at, char byte)
{
    static char bytes[1 << 20];
    char path[96];
    ssize_t length;
    int fd;

    control_close(c->metad->control);
    snprintf(path, sizeof path, "%s/data.mdb", c->metad->dir);
    fd = open(path, O_RDWR);
    length = read(fd, bytes, sizeof bytes);
    assert_true(length > 0);
    for (char *p = bytes; (p = memmem(p, (size_t)(bytes + length - p), key.text, strlen(key.text)));
         p++)
        assert_int_equal(pwrite(fd, &byte, 1, p + at - bytes), 1);
    close(fd);
    metad_open(c->metad);
}

static void a_key_that_is_no_text_is_left_out(void **state)
{
    struct cluster *c = *state;
    struct record_key key = grave_key((struct identity){1}, (struct identity){2});
    struct record_key good = create(c, "good");
    struct reply r;

    becomes(c, key, "{\"version\":1}");
    node_stop(&c->node);
    key_patch(c, key, strlen(key.text) - 1, (char)('2' ^ 0x80));
    node_start(&c->node, c->metad, 0xa1, "n1");
    r = call(c->metad, "GET", "/node/v1/range", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(record_at(&r, good.text), E_OK);
    reply_done(&r);
    expect_why(c, "000000000000000?");
}

static void it_is_named_once(void **state)
{
    struct cluster *c = *state;
    struct record_key bad = create(c, "bad");

    becomes(c, bad, damaged[0]);
    expect_why(c, bad.text);
    create(c, "another");
    expect_status(call(c->metad, "DELETE", "/v1/volumes/another", NULL), 204);
    expect_why(c, bad.text);
    assert_int_equal(said, 1);
    becomes(c, page_key((struct identity){7}, 0), damaged[0]);
    expect_why(c, "page/0000000000000007/0000");
    assert_int_equal(said, 2);
}

static struct reply node_puts(struct cluster *c, const char *key, const char *value)
{
    char body[512];

    snprintf(body, sizeof body,
             "{\"node\":\"00000000000000a1\",\"compares\":[{\"key\":\"%s\",\"revision\":0}],"
             "\"puts\":[{\"key\":\"%s\",\"value\":%s}]}",
             key, key, value);
    return call(c->metad, "POST", "/node/v1/transaction", body);
}

/* It says that there is none, for it cannot read it. */
static void a_node_writes_its_own_records_anew(void **state)
{
    static const struct {
        const char *key, *value;
    } rows[] = {{"node/00000000000000a1",
                 "{\"version\":1,\"node\":\"00000000000000a1\",\"name\":\"n1\",\"rack\":\"r\"}"},
                {"disk/00000000000010a1",
                 "{\"version\":1,\"disk\":\"00000000000010a1\",\"node\":\"00000000000000a1\","
                 "\"bytes\":4096}"}};
    struct cluster *c = *state;

    metad_listens_since(c->metad, monotonic_ms() - 60000); /* whoever else has the disk was heard */
    for (size_t i = 0; i < array_length(rows); i++) {
        struct record_key key;

        snprintf(key.text, sizeof key.text, "%s", rows[i].key);
        becomes(c, key, "{\"version\":1,\"incompat\":[\"newer\"]}");
        expect_problem(node_puts(c, key.text, rows[i].value), 409, "conflict", "");
        becomes(c, key, damaged[0]);
        expect_status(node_puts(c, key.text, rows[i].value), 200);
        expect_problem(node_puts(c, key.text, rows[i].value), 409, "conflict", "");
    }
    create(c, "good");
}

static void other_volumes_are_listed_attached_and_deleted(void **state)
{
    struct cluster *c = *state;
    struct record_key bad = create(c, "bad");

    create(c, "good");
    attach(c, "bad");
    attach(c, "good");
    becomes(c, bad, damaged[0]);
    expect_problem(call(c->metad, "GET", "/v1/volumes/bad", NULL), 500, "damaged",
                   "cannot be read");
    assert_int_equal(items_of(c, "/v1/volumes"), 1);
    assert_int_equal(items_of(c, "/v1/attachments"), 2);
    create(c, "new");
    expect_status(call(c->metad, "DELETE", "/v1/volumes/new", NULL), 204);
}

static void its_volume_can_be_deleted(void **state)
{
    struct cluster *c = *state;

    for (size_t i = 0; i < 2; i++) {
        struct record_key bad = create(c, "bad");
        char path[96];

        snprintf(path, sizeof path, "/v1/volumes/%s", i ? strchr(bad.text, '/') + 1 : "bad");
        becomes(c, bad, damaged[0]);
        expect_status(call(c->metad, "DELETE", path, NULL), 204);
        expect_problem(call(c->metad, "GET", path, NULL), 404, "not-found", "no volume");
    }
    assert_int_equal(items_of(c, "/v1/volumes"), 0);
}

/* A delete is nobody's but its owner's, also then. */
static void not_while_somebody_is_attached(void **state)
{
    struct cluster *c = *state;
    struct record_key bad = create(c, "bad"), attachment = attach(c, "bad");
    char text[96];

    becomes(c, bad, damaged[0]);
    snprintf(text, sizeof text, "is attached (1): %s (iqn.2026-11.internal.x:a); end each first: ",
             strrchr(attachment.text, '/') + 1);
    expect_problem(call(c->metad, "DELETE", "/v1/volumes/bad", NULL), 409, "conflict", text);
    expect_problem(call(c->metad, "DELETE", "/v1/volumes/bad", NULL), 409, "conflict",
                   "dolmen attachment delete ID");
}

/* What is not in the volume's own record is known. */
static void its_attachment_is_shown(void **state)
{
    struct cluster *c = *state;
    struct record_key bad = create(c, "bad"), attachment = attach(c, "bad");
    char path[96];
    struct reply r;

    snprintf(path, sizeof path, "/v1/attachments?volume=%s", strchr(bad.text, '/') + 1);
    becomes(c, bad, damaged[0]);
    assert_int_equal(items_of(c, "/v1/attachments"), 1);
    assert_int_equal(items_of(c, "/v1/attachments?volume=bad"), 1);
    assert_int_equal(items_of(c, path), 1);
    r = call(c->metad, "GET", attachment.text, NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(text_of(&r, "volume_name"), "bad");
    assert_string_equal(text_of(&r, "volume"), strchr(bad.text, '/') + 1);
    assert_int_equal(json_array_size(json_object_get(r.json, "portals")), 1);
    reply_done(&r);
}

/* Also where its node has another process now, which never opened it. */
static void its_attachment_can_be_deleted_and_then_the_volume(void **state)
{
    struct cluster *c = *state;

    for (uint64_t i = 0; i < 2; i++) {
        struct record_key bad = create(c, "bad"), attachment = attach(c, "bad");

        becomes(c, bad, damaged[0]);
        c->node.ignores = i > 0;
        c->node.incarnation += i;
        expect_status(call(c->metad, "DELETE", attachment.text, NULL), 204);
        expect_problem(call(c->metad, "GET", attachment.text, NULL), 404, "not-found",
                       "no attachment");
        expect_status(call(c->metad, "DELETE", "/v1/volumes/bad", NULL), 204);
    }
}

static void not_where_more_is_damaged(void **state)
{
    struct cluster *c = *state;
    struct record_key bad = create(c, "bad");
    struct identity id;

    assert_true(identity_parse(strchr(bad.text, '/') + 1, &id));
    becomes(c, bad, damaged[0]);
    becomes(c, head_key(id), damaged[0]);
    expect_problem(call(c->metad, "DELETE", "/v1/volumes/bad", NULL), 500, "damaged",
                   "cannot be read");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_reads_all_others),
        TEST(a_key_that_is_no_text_is_left_out),
        TEST(it_is_named_once),
        TEST(a_node_writes_its_own_records_anew),
        TEST(other_volumes_are_listed_attached_and_deleted),
        TEST(its_volume_can_be_deleted),
        TEST(not_while_somebody_is_attached),
        TEST(its_attachment_is_shown),
        TEST(its_attachment_can_be_deleted_and_then_the_volume),
        TEST(not_where_more_is_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
