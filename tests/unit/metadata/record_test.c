/* SPDX-License-Identifier: Apache-2.0 */
/* Records as documents: both ways, what is unknown, and what is refused. */
#include "base/util.h"
#include "metadata/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID(n) ((struct identity){n})

static void a_node_survives_the_way_there_and_back(void **state)
{
    struct node_record r = {.node = ID(0xa1),
                            .name = "n1",
                            .rack = "r1",
                            .portal_count = 2,
                            .portals = {"127.0.0.1:3260", "[::1]:3260"}};
    struct node_record back;
    char *json = node_write(&r, NULL);

    (void)state;
    assert_int_equal(node_read(json, &back), E_OK);
    assert_true(identity_equal(back.node, r.node));
    assert_string_equal(back.name, "n1");
    assert_string_equal(back.rack, "r1");
    assert_int_equal(back.portal_count, 2);
    assert_string_equal(back.portals[0], "127.0.0.1:3260");
    assert_string_equal(back.portals[1], "[::1]:3260");
    free(json);
}

static void a_disk_survives_the_way_there_and_back(void **state)
{
    struct disk_record r = {.disk = ID(1), .node = ID(2), .bytes = 1ull << 40, .removed = true},
                       back;
    char *json = disk_write(&r, NULL);

    (void)state;
    assert_int_equal(disk_read(json, &back), E_OK);
    assert_memory_equal(&r, &back, sizeof r);
    free(json);
}

static struct volume_record volume_example(void)
{
    return (struct volume_record){.volume = ID(7),
                                  .name = "web-01.data",
                                  .bytes = 10ull << 30,
                                  .logical_block_bytes = 4096,
                                  .copies = 3,
                                  .min_copies = 2,
                                  .deleting = true};
}

static void a_volume_survives_the_way_there_and_back(void **state)
{
    struct volume_record r = volume_example(), back = {0};
    char *json = volume_write(&r, NULL);

    (void)state;
    assert_int_equal(volume_read(json, &back), E_OK);
    assert_true(identity_equal(back.volume, r.volume));
    assert_string_equal(back.name, r.name);
    assert_int_equal(back.bytes, r.bytes);
    assert_int_equal(back.logical_block_bytes, 4096);
    assert_int_equal(back.copies, 3);
    assert_int_equal(back.min_copies, 2);
    assert_true(back.deleting);
    free(json);
}

static void a_head_survives_with_and_without_a_primary(void **state)
{
    struct head_record heads[] = {
        {.volume = ID(7),
         .epoch = 3,
         .primary = ID(8),
         .incarnation = ID(9),
         .generation = 4,
         .snapshot = 2,
         .nonce = UINT64_MAX},
        {.volume = ID(7), .epoch = 1},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct head_record back;
        char *json = head_write(&heads[i], NULL);

        assert_int_equal(head_read(json, &back), E_OK);
        assert_memory_equal(&heads[i], &back, sizeof back);
        free(json);
    }
}

static void an_attachment_survives_the_way_there_and_back(void **state)
{
    struct attachment_record r = {.attachment = ID(1),
                                  .volume = ID(2),
                                  .initiator = "iqn.2008-11.org.linux-kvm:vm_1",
                                  .shared = true,
                                  .read_only = true,
                                  .deadline_seconds = 7,
                                  .ending = true};
    struct attachment_record back;
    char *json = attachment_write(&r, NULL);

    (void)state;
    assert_int_equal(attachment_read(json, &back), E_OK);
    assert_int_equal(back.attachment.bits, 1);
    assert_int_equal(back.volume.bits, 2);
    assert_string_equal(back.initiator, r.initiator);
    assert_true(back.shared && back.read_only && back.ending);
    assert_int_equal(back.deadline_seconds, 7);
    free(json);
}

static void an_attachment_of_before_has_the_usual_deadline(void **state)
{
#define OLD                                                                                        \
    "{\"version\":1,\"attachment\":\"0000000000000001\",\"initiator\":\"iqn.a\","                  \
    "\"volume\":\"0000000000000002\"%s}"
    static const struct {
        const char *more;
        enum err err;
        uint32_t seconds;
    } cases[] = {
        {"", E_OK, 25},
        {",\"deadline_seconds\":0", E_OK, 0},
        {",\"deadline_seconds\":3600", E_OK, 3600},
        {",\"deadline_seconds\":3601", E_DAMAGED, 0},
        {",\"deadline_seconds\":-1", E_DAMAGED, 0},
        {",\"deadline_seconds\":\"25s\"", E_DAMAGED, 0},
    };
    struct attachment_record r;
    char text[256];

    (void)state;
    for (uint32_t n = 0; n < array_length(cases); n++) {
        snprintf(text, sizeof text, OLD, cases[n].more);
        assert_int_equal(attachment_read(text, &r), cases[n].err);
        if (!cases[n].err)
            assert_int_equal(r.deadline_seconds, cases[n].seconds);
    }
}

static void chap_survives_the_way_there_and_back(void **state)
{
    struct attachment_record r = {.attachment = ID(1),
                                  .volume = ID(2),
                                  .initiator = "iqn.2008-11.org.linux-kvm:vm_1",
                                  .chap = {.user = "u", .secret = "0123456789ab"}};
    struct attachment_record back;
    char *json = attachment_write(&r, NULL);

    (void)state;
    assert_int_equal(attachment_read(json, &back), E_OK);
    assert_memory_equal(&back.chap, &r.chap, sizeof r.chap);
    free(json);
    snprintf(r.chap.mutual_user, sizeof r.chap.mutual_user, "t");
    snprintf(r.chap.mutual_secret, sizeof r.chap.mutual_secret, "ba9876543210");
    json = attachment_write(&r, NULL);
    assert_int_equal(attachment_read(json, &back), E_OK);
    assert_memory_equal(&back.chap, &r.chap, sizeof r.chap);
    free(json);
}

/* Each once; an attachment that cannot be believed lets nobody in. */
static void chap_that_cannot_be_meant_is_refused(void **state)
{
    static const struct chap_record bad[] = {
        {.secret = "0123456789ab"},
        {.user = "u"},
        {.user = "u", .secret = "0123456789a"},
        {.user = "u u", .secret = "0123456789ab"},
        {.user = "u", .secret = "0123456789ab", .mutual_secret = "0123456789ac"},
        {.user = "u", .secret = "0123456789ab", .mutual_user = "t"},
        {.user = "u",
         .secret = "0123456789ab",
         .mutual_user = "t",
         .mutual_secret = "0123456789ab"}, /* reflected */
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct attachment_record r = {.attachment = ID(1),
                                      .volume = ID(2),
                                      .initiator = "iqn.2008-11.org.linux-kvm:vm_1",
                                      .chap = bad[i]};
        char *json = attachment_write(&r, NULL);

        assert_false(record_chap_valid(&bad[i]));
        if (bad[i].user[0] && !bad[i].mutual_secret[0] == !bad[i].mutual_user[0]) /* written so */
            assert_int_equal(attachment_read(json, &r), E_DAMAGED);
        free(json);
    }
}

static void a_grave_and_a_name_survive_the_way_there_and_back(void **state)
{
    struct grave_record r = {.replica = ID(1), .node = ID(2), .disk = ID(3)}, back;
    struct identity volume;
    char *json = grave_write(&r, NULL), *name = volume_name_write(ID(42));

    (void)state;
    assert_int_equal(grave_read(json, &back), E_OK);
    assert_memory_equal(&r, &back, sizeof r);
    assert_int_equal(volume_name_read(name, &volume), E_OK);
    assert_int_equal(volume.bits, 42);
    free(json);
    free(name);
}

static void what_a_newer_version_wrote_lives_on(void **state)
{
    const char *newer = "{\"version\":9,\"volume\":\"0000000000000007\",\"name\":\"a\","
                        "\"bytes\":4096,\"logical_block_bytes\":512,\"copies\":1,"
                        "\"min_copies\":1,\"colour\":{\"deep\":[1,2]},\"incompat\":[]}";
    struct volume_record r;
    char *json;

    (void)state;
    assert_int_equal(volume_read(newer, &r), E_OK);
    r.bytes = 8192;
    json = volume_write(&r, newer);
    assert_non_null(strstr(json, "\"colour\":{\"deep\":[1,2]}"));
    assert_non_null(strstr(json, "\"version\":9"));
    assert_non_null(strstr(json, "\"bytes\":8192"));
    free(json);
}

static void an_unknown_incompatible_feature_is_refused(void **state)
{
    const char *json = "{\"version\":1,\"node\":\"0000000000000007\",\"name\":\"a\","
                       "\"rack\":\"r\",\"incompat\":[\"sealed\"]}";
    struct node_record r = {.name = "untouched"};

    (void)state;
    assert_int_equal(node_read(json, &r), E_UNSUPPORTED);
    assert_string_equal(r.name, "untouched");
}

/* Every line differs from a right document in one thing. */
static void foreign_bytes_are_damaged_and_set_nothing(void **state)
{
    static const char *const lines[] = {
        "",
        "{",
        "null",
        "[]",
        "\"volume\"",
        "{}",
        "{\"version\":0,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":4096,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"7\",\"name\":\"a\",\"bytes\":4096,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"0000000000000000\",\"name\":\"a\",\"bytes\":4096,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"A b\",\"bytes\":4096,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":-4096,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":0,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":4097,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":4096.0,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":4096,"
        "\"logical_block_bytes\":513,\"copies\":1,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":4096,"
        "\"logical_block_bytes\":512,\"copies\":9,\"min_copies\":1}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":4096,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":2}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":4096,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1,\"deleting\":\"no\"}",
        "{\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\",\"bytes\":4096,"
        "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1,\"incompat\":\"x\"}",
        "{\"version\":1,\"version\":1,\"volume\":\"0000000000000007\",\"name\":\"a\","
        "\"bytes\":4096,\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}",
    };
    struct volume_record r = {.bytes = 77};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (volume_read(lines[i], &r) != E_DAMAGED)
            fail_msg("line %zu was taken: %s", i, lines[i]);
        assert_int_equal(r.bytes, 77);
    }
}

static void a_document_beyond_the_limit_is_damaged(void **state)
{
    const char *begins = "{\"version\":1,\"disk\":\"0000000000000001\",";
    const char *ends = "\"node\":\"0000000000000002\",\"bytes\":1}";
    size_t length = RECORD_VALUE_MAX + 1;
    char *json = malloc(length + 1);
    struct disk_record r;

    (void)state;
    memset(json, ' ', length);
    memcpy(json, begins, strlen(begins));
    memcpy(json + length - strlen(ends), ends, strlen(ends));
    json[length] = '\0';
    assert_int_equal(disk_read(json, &r), E_DAMAGED);
    memmove(json + strlen(begins), json + strlen(begins) + 1, length - strlen(begins));
    assert_int_equal(disk_read(json, &r), E_OK); /* one byte less is within */
    free(json);
}

static void a_head_with_half_a_process_is_damaged(void **state)
{
    const char *json = "{\"version\":1,\"volume\":\"0000000000000007\",\"epoch\":1,"
                       "\"primary\":\"0000000000000008\",\"incarnation\":null,\"generation\":0,"
                       "\"snapshot\":0,\"nonce\":\"0000000000000001\"}";
    struct head_record r;

    (void)state;
    assert_int_equal(head_read(json, &r), E_DAMAGED);
}

static void names_are_checked(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } rows[] = {
        {"a", true},
        {"web-01.data", true},
        {"0a", true},
        {"", false},
        {"-a", false},
        {".a", false},
        {"A", false},
        {"a_b", false},
        {"a/b", false},
        {"a b", false},
        {"0123456789abcdef", false},
        {"0123456789abcde", true},
        {"0123456789abcdef0", true},
    };
    char long_name[RECORD_NAME_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (record_name_valid(rows[i].name) != rows[i].valid)
            fail_msg("\"%s\"", rows[i].name);
    }
    memset(long_name, 'a', sizeof long_name);
    long_name[RECORD_NAME_MAX + 1] = '\0';
    assert_false(record_name_valid(long_name));
    long_name[RECORD_NAME_MAX] = '\0';
    assert_true(record_name_valid(long_name));
}

static void prefixes_of_target_names_are_checked(void **state)
{
    static const char *const bad[] = {
        "",
        "iqn.bad",
        "iqn.2026-11",
        "iqn.2026-11.",
        "iqn.2026-11.:a",
        "iqn.2026-00.a",
        "iqn.2026-13.a",
        "iqn.26-11.example",
        "iqn.2026-11-example",
        "eui.2026-11.example",
        "iqn.2026-11.Example",
        "iqn.2026-11.a b",
        "iqn.2026-11.a_b",
    };
    char longest[RECORD_IQN_PREFIX_MAX + 2];

    (void)state;
    assert_true(record_iqn_prefix_valid("iqn.2026-11.internal.dolmen"));
    assert_true(record_iqn_prefix_valid("iqn.2001-04.com.example:storage"));
    assert_true(record_iqn_prefix_valid("iqn.2026-12.a"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(record_iqn_prefix_valid(bad[i]));
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "iqn.2026-11.", 12);
    longest[RECORD_IQN_PREFIX_MAX + 1] = '\0';
    assert_false(record_iqn_prefix_valid(longest));
    longest[RECORD_IQN_PREFIX_MAX] = '\0';
    assert_true(record_iqn_prefix_valid(longest));
}

static void initiators_are_checked(void **state)
{
    char longest[RECORD_INITIATOR_MAX + 1];

    (void)state;
    assert_true(record_initiator_valid("iqn.1993-08.org.debian:01:abc"));
    assert_true(record_initiator_valid("eui.02004567A425678D"));
    assert_false(record_initiator_valid("iqn."));
    assert_false(record_initiator_valid("host1"));
    assert_false(record_initiator_valid("iqn.2000-01.a:b'c"));
    assert_false(record_initiator_valid("iqn.2000-01.a:b c"));
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "iqn.", 4);
    longest[RECORD_INITIATOR_MAX] = '\0';
    assert_false(record_initiator_valid(longest));
    longest[RECORD_INITIATOR_MAX - 1] = '\0';
    assert_true(record_initiator_valid(longest));
}

static enum err check_as(const char *key, const char *json)
{
    struct record r = {.value = (char *)(uintptr_t)json};

    snprintf(r.key, sizeof r.key, "%s", key);
    return record_check(&r);
}

static void a_record_stands_under_its_own_key(void **state)
{
    static const struct {
        const char *key, *value;
    } rows[] = {
        {"node/00000000000000a1",
         "{\"version\":1,\"node\":\"00000000000000a1\",\"name\":\"n\",\"rack\":\"r\"}"},
        {"disk/00000000000000a1",
         "{\"version\":1,\"disk\":\"00000000000000a1\",\"node\":\"00000000000000b1\",\"bytes\":1}"},
        {"volume/00000000000000a1",
         "{\"version\":1,\"volume\":\"00000000000000a1\",\"name\":\"v\",\"bytes\":4096,"
         "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1}"},
        {"volume-name/v", "{\"version\":1,\"volume\":\"00000000000000a1\"}"},
        {"head/00000000000000a1",
         "{\"version\":1,\"volume\":\"00000000000000a1\",\"epoch\":1,\"generation\":0,"
         "\"snapshot\":0,\"nonce\":\"0000000000000000\"}"},
        {"page/00000000000000a1/0002",
         "{\"version\":1,\"volume\":\"00000000000000a1\",\"index\":2,\"disks\":"
         "[[\"00000000000000d1\",\"00000000000000b1\"]],\"shards\":[{\"replicas\":"
         "[[\"00000000000000c1\",0]]}]}"},
        {"attachment/00000000000000a1/00000000000000b1",
         "{\"version\":1,\"attachment\":\"00000000000000b1\",\"volume\":\"00000000000000a1\","
         "\"initiator\":\"iqn.x\"}"},
        {"grave/00000000000000b1/00000000000000c1",
         "{\"version\":1,\"replica\":\"00000000000000c1\",\"node\":\"00000000000000b1\","
         "\"disk\":\"00000000000000d1\"}"},
    };

    (void)state;
    for (size_t i = 0; i < array_length(rows); i++) {
        assert_int_equal(check_as(rows[i].key, rows[i].value), E_OK);
        assert_int_equal(check_as(rows[i].key, "{\"version\":1,\"bytes\":01}"), E_DAMAGED);
        assert_int_equal(check_as(rows[i].key, ""), E_DAMAGED);
        for (size_t c = 0; rows[i].key[c]; c++) { /* one flipped bit of it */
            char key[RECORD_KEY_MAX];

            if (strcmp(rows[i].key, "volume-name/v") == 0 && c > 11)
                continue; /* nothing else knows the name */
            snprintf(key, sizeof key, "%s", rows[i].key);
            key[c] ^= 1;
            assert_int_not_equal(check_as(key, rows[i].value), E_OK);
        }
    }
    assert_int_equal(check_as("volume-name/V", "{\"version\":1,\"volume\":\"00000000000000a1\"}"),
                     E_DAMAGED);
    assert_int_equal(check_as("snapshot/00000000000000a1", "{\"version\":1}"), E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_survives_the_way_there_and_back),
        cmocka_unit_test(a_disk_survives_the_way_there_and_back),
        cmocka_unit_test(a_volume_survives_the_way_there_and_back),
        cmocka_unit_test(a_head_survives_with_and_without_a_primary),
        cmocka_unit_test(an_attachment_survives_the_way_there_and_back),
        cmocka_unit_test(an_attachment_of_before_has_the_usual_deadline),
        cmocka_unit_test(chap_survives_the_way_there_and_back),
        cmocka_unit_test(chap_that_cannot_be_meant_is_refused),
        cmocka_unit_test(a_grave_and_a_name_survive_the_way_there_and_back),
        cmocka_unit_test(what_a_newer_version_wrote_lives_on),
        cmocka_unit_test(an_unknown_incompatible_feature_is_refused),
        cmocka_unit_test(foreign_bytes_are_damaged_and_set_nothing),
        cmocka_unit_test(a_document_beyond_the_limit_is_damaged),
        cmocka_unit_test(a_head_with_half_a_process_is_damaged),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(prefixes_of_target_names_are_checked),
        cmocka_unit_test(initiators_are_checked),
        cmocka_unit_test(a_record_stands_under_its_own_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
