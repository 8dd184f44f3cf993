/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/text_keys_test.c — each key and its result function (RFC 7143 13). */
#include "base/util.h"
#include "iscsi-target/text_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct offer {
    const char *key, *value;
    const char *answer; /* NULL: none */
};

static const struct offer offers[] = {
    {"AuthMethod", "CHAP,None", NULL}, /* answered elsewhere */
    {"HeaderDigest", "CRC32C,None", "CRC32C"},
    {"HeaderDigest", "None,CRC32C", "None"},
    {"HeaderDigest", "CRC32C", "CRC32C"},
    {"HeaderDigest", "MD5,CRC32C", "CRC32C"},
    {"HeaderDigest", "crc32c", "Reject"},
    {"DataDigest", "CRC32C,None", "CRC32C"},
    {"DataDigest", "CRC32C,CRC32C", "CRC32C"},
    {"DataDigest", "NoneSuch", "Reject"},
    {"DataDigest", "", "Reject"},
    {"TaskReporting", "FastAbort,RFC3720", "RFC3720"},
    {"MaxConnections", "8", "1"},
    {"MaxConnections", "0", "Reject"},
    {"MaxConnections", "65536", "Reject"},
    {"InitialR2T", "No", "No"},
    {"InitialR2T", "Yes", "Yes"},
    {"InitialR2T", "yes", "Reject"},
    {"ImmediateData", "Yes", "Yes"},
    {"ImmediateData", "No", "No"},
    {"MaxRecvDataSegmentLength", "65536", NULL},
    {"MaxRecvDataSegmentLength", "511", "Reject"},
    {"MaxRecvDataSegmentLength", "16777216", "Reject"},
    {"MaxBurstLength", "16776192", "1048576"},
    {"MaxBurstLength", "0x10000", "65536"},
    {"MaxBurstLength", "512", "512"},
    {"FirstBurstLength", "1048576", "262144"},
    {"FirstBurstLength", "-1", "Reject"},
    {"FirstBurstLength", "99999999999999999999", "Reject"},
    {"FirstBurstLength", "4096x", "Reject"},
    {"FirstBurstLength", "", "Reject"},
    {"FirstBurstLength", "0x", "Reject"},
    {"DefaultTime2Wait", "2", "2"},
    {"DefaultTime2Retain", "20", "0"},
    {"MaxOutstandingR2T", "16", "8"},
    {"MaxOutstandingR2T", "1", "1"},
    {"DataPDUInOrder", "No", "Yes"},
    {"DataSequenceInOrder", "No", "Yes"},
    {"ErrorRecoveryLevel", "2", "0"},
    {"iSCSIProtocolLevel", "2", "1"},
    {"iSCSIProtocolLevel", "0", "0"},
    {"IFMarker", "No", "No"},
    {"OFMarkInt", "2048", "Irrelevant"},
    {"InitiatorAlias", "host", NULL},
    {"TargetAlias", "x", "Reject"},
    {"SendTargets", "All", "Reject"},
    {"X-com.example.new", "1", "NotUnderstood"},
    {"headerdigest", "None", "NotUnderstood"},
};

static void every_offer_has_its_answer(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct parameters ours = parameters_ours(&limits);
    struct text *t = calloc(1, sizeof *t);

    (void)state;
    assert_non_null(t);
    for (uint32_t n = 0; n < array_length(offers); n++) {
        struct text_pair pair = {offers[n].key, offers[n].value};
        struct parameters p;
        char wanted[128] = "";

        parameters_init(&p);
        text_clear(t);
        memset(t->out, 0, sizeof wanted);
        if (offers[n].answer)
            snprintf(wanted, sizeof wanted, "%s=%s", pair.key, offers[n].answer);
        assert_int_equal(parameters_negotiate(&p, &ours, pair, t), LOGIN_OK);
        assert_string_equal(t->out, wanted);
    }
    free(t);
}

static void what_is_settled_is_kept(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct parameters ours = parameters_ours(&limits), p;
    struct text *t = calloc(1, sizeof *t);

    (void)state;
    assert_non_null(t);
    parameters_init(&p);
    assert_int_equal(p.initial_r2t, 1); /* RFC 7143's defaults, until offered */
    assert_int_equal(p.first_burst_length, 65536);
    assert_int_equal(p.max_recv_data_segment_length, 8192);
    parameters_negotiate(&p, &ours, (struct text_pair){"InitialR2T", "No"}, t);
    parameters_negotiate(&p, &ours, (struct text_pair){"FirstBurstLength", "131072"}, t);
    parameters_negotiate(&p, &ours, (struct text_pair){"MaxRecvDataSegmentLength", "65536"}, t);
    parameters_negotiate(&p, &ours, (struct text_pair){"MaxOutstandingR2T", "nine"}, t);
    assert_int_equal(p.initial_r2t, 0);
    assert_int_equal(p.first_burst_length, 131072);
    assert_int_equal(p.max_recv_data_segment_length, 65536);
    assert_int_equal(p.max_outstanding_r2t, 1); /* Reject: the default stays */
    free(t);
}

static void no_key_is_offered_twice(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct parameters ours = parameters_ours(&limits), p;
    struct text_pair pair = {"MaxBurstLength", "65536"};
    struct text *t = calloc(1, sizeof *t);

    (void)state;
    assert_non_null(t);
    parameters_init(&p);
    assert_int_equal(parameters_negotiate(&p, &ours, pair, t), LOGIN_OK);
    assert_int_equal(parameters_negotiate(&p, &ours, pair, t), LOGIN_INITIATOR_ERROR);
    free(t);
}

/* ---- the grammar ---- */

struct grammar {
    const char *text;
    uint32_t length, pairs;
    enum text_parse end;
};

static const struct grammar grammars[] = {
    {"", 0, 0, TEXT_END},
    {"a=1", 4, 1, TEXT_END},
    {"a=1", 3, 1, TEXT_END}, /* no NUL behind the last */
    {"a=1\0b=2", 8, 2, TEXT_END},
    {"a=", 3, 1, TEXT_END},
    {"a=b=c", 6, 1, TEXT_END},
    {"a", 2, 0, TEXT_MALFORMED},
    {"=1", 3, 0, TEXT_MALFORMED},
    {"=", 1, 0, TEXT_MALFORMED},
    {"\0\0", 2, 0, TEXT_MALFORMED},
    {"a=1\0\0", 5, 1, TEXT_MALFORMED},
    {"a=1\0b", 5, 1, TEXT_MALFORMED},
};

static void text_is_pairs(void **state)
{
    struct text *t = calloc(1, sizeof *t);

    (void)state;
    assert_non_null(t);
    for (uint32_t n = 0; n < array_length(grammars); n++) {
        const struct grammar *g = &grammars[n];
        struct text_pair pair;
        uint32_t cursor = 0, pairs = 0;
        enum text_parse found;

        memset(t->in, 'z', sizeof t->in); /* what was there before must not count */
        memcpy(t->in, g->text, g->length);
        t->in_bytes = g->length;
        while ((found = text_next(t, &cursor, &pair)) == TEXT_PAIR)
            pairs++;
        assert_int_equal(found, g->end);
        assert_int_equal(pairs, g->pairs);
    }
    free(t);
}

static void a_pair_is_cut_at_its_first_equals(void **state)
{
    struct text *t = calloc(1, sizeof *t);
    struct text_pair pair;
    uint32_t cursor = 0;

    (void)state;
    assert_non_null(t);
    memcpy(t->in, "a=b=c", 6);
    t->in_bytes = 6;
    assert_int_equal(text_next(t, &cursor, &pair), TEXT_PAIR);
    assert_string_equal(pair.key, "a");
    assert_string_equal(pair.value, "b=c");
    free(t);
}

static void random_text_never_leaves_its_buffer(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct parameters ours = parameters_ours(&limits), p;
    struct text *t = calloc(1, sizeof *t);
    uint32_t x = 1;

    (void)state;
    assert_non_null(t);
    for (uint32_t round = 0; round < 2000; round++) {
        struct text_pair pair;
        uint32_t cursor = 0;

        text_clear(t);
        parameters_init(&p);
        t->in_bytes = round % 300;
        for (uint32_t n = 0; n < t->in_bytes; n++) {
            x = x * 1664525u + 1013904223u;
            t->in[n] = "=\0,aMN019xI"[(x >> 24) % 11];
        }
        while (text_next(t, &cursor, &pair) == TEXT_PAIR) {
            assert_in_range(strlen(pair.key), 1, KEY_NAME_MAX);
            parameters_negotiate(&p, &ours, pair, t);
        }
        assert_true(cursor <= t->in_bytes + 1);
    }
    free(t);
}

static void an_answer_that_does_not_fit_is_noticed(void **state)
{
    struct text *t = calloc(1, sizeof *t);

    (void)state;
    assert_non_null(t);
    for (uint32_t n = 0; n < TEXT_BYTES_MAX / 16; n++)
        text_put(t, "1234567", "1234567");
    assert_int_equal(t->out_bytes, TEXT_BYTES_MAX);
    assert_false(t->overflow);
    text_put(t, "a", "");
    assert_true(t->overflow);
    assert_int_equal(t->out_bytes, TEXT_BYTES_MAX);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_offer_has_its_answer),
        cmocka_unit_test(what_is_settled_is_kept),
        cmocka_unit_test(no_key_is_offered_twice),
        cmocka_unit_test(text_is_pairs),
        cmocka_unit_test(a_pair_is_cut_at_its_first_equals),
        cmocka_unit_test(random_text_never_leaves_its_buffer),
        cmocka_unit_test(an_answer_that_does_not_fit_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
