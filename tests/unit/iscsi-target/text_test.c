/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/text_test.c — discovery and other text in full feature phase. */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL "SendTargets=All\n"

static struct initiator *discover(struct lab *w, const char *keys)
{
    struct initiator_config config = {.name = "iqn.a", .keys = keys};
    struct initiator *i = lab_connect(w, &config);

    assert_true(i->full);
    return i;
}

/* A text request with keys "A=1\nB=2\n"; *h is as it was sent. */
static void ask(struct initiator *i, union bhs *h, uint32_t ttt, const char *keys)
{
    char text[1024];
    uint32_t length = (uint32_t)strlen(keys);

    assert_true(length < sizeof text);
    for (uint32_t n = 0; n < length; n++)
        text[n] = keys[n] == '\n' ? 0 : keys[n];
    h->any.opcode = TEXT | OPCODE_IMMEDIATE;
    initiator_stamp(i, h);
    h->any.target_transfer_tag = be32_of(ttt);
    initiator_pdu(i, h, text, length);
}

static struct initiator_pdu *answer(struct lab *w, struct initiator *i, const union bhs *to)
{
    struct initiator_pdu *p = lab_pdu(w, i);

    assert_non_null(p);
    assert_int_equal(p->bhs.any.opcode, TEXT_RESPONSE);
    assert_int_equal(bhs_itt(&p->bhs), bhs_itt(to));
    return p;
}

/* One request, one whole answer: its keys are in i->text. */
static void exchange(struct lab *w, struct initiator *i, const char *keys)
{
    union bhs h = {.any = {.flags = FLAG_FINAL}};
    struct initiator_pdu *p;

    ask(i, &h, TAG_NONE, keys);
    p = answer(w, i, &h);
    assert_int_equal(p->bhs.any.flags, FLAG_FINAL);
    assert_int_equal(be32_get(p->bhs.any.target_transfer_tag), TAG_NONE);
    free(p);
}

static void a_discovery_session_lists_targets(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    w.directory.targets = 3;
    i = discover(&w, NULL);
    exchange(&w, i, ALL);
    assert_string_equal(i->text, "TargetName=" LAB_TARGET "\nTargetAddress=127.0.0.1:3260,1\n"
                                 "TargetName=" LAB_TARGET "-1\nTargetAddress=127.0.0.1:3260,1\n"
                                 "TargetName=" LAB_TARGET "-2\nTargetAddress=127.0.0.1:3260,1\n");
    exchange(&w, i, "SendTargets=" LAB_TARGET "-1\n");
    assert_string_equal(i->text, "TargetName=" LAB_TARGET "-1\nTargetAddress=127.0.0.1:3260,1\n");
    exchange(&w, i, "SendTargets=iqn.nobody\n");
    assert_string_equal(i->text, "");
    exchange(&w, i, "SendTargets=\n");
    assert_string_equal(i->text, "SendTargets=Reject\n");
    lab_close(&w);
}

static void a_normal_session_lists_only_its_own(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    w.directory.targets = 3;
    i = lab_ready(&w, "iqn.a", 1);
    exchange(&w, i, "SendTargets=\n");
    assert_string_equal(i->text, "TargetName=" LAB_TARGET "\nTargetAddress=10.0.0.1:3260,1\n");
    exchange(&w, i, ALL);
    assert_string_equal(i->text, "TargetName=" LAB_TARGET "\nTargetAddress=10.0.0.1:3260,1\n");
    exchange(&w, i, "SendTargets=" LAB_TARGET "-1\n");
    assert_string_equal(i->text, "SendTargets=Reject\n");
    lab_alive(&w, i);
    lab_close(&w);
}

static void other_keys_get_their_answers(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    exchange(&w, i, "sendtargets=All\n");
    assert_string_equal(i->text, "sendtargets=NotUnderstood\n");
    exchange(&w, i, "X-new=1\nMaxBurstLength=512\nMaxRecvDataSegmentLength=4096\n");
    assert_string_equal(i->text, "X-new=NotUnderstood\nMaxBurstLength=Reject\n");
    i->max_recv = 4096; /* Data-In is cut to it from now on */
    lab_alive(&w, i);
    lab_close(&w);
}

static void text_without_sense_is_rejected(void **state)
{
    union bhs h = {.any = {.flags = FLAG_FINAL}};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    ask(i, &h, TAG_NONE, "nonsense");
    lab_expect_reject(&w, i, REJECT_PROTOCOL, TEXT | OPCODE_IMMEDIATE);
    ask(i, &h, 4711, "SendTargets=All\n"); /* a negotiation that is not there */
    lab_expect_reject(&w, i, REJECT_INVALID_FIELD, TEXT | OPCODE_IMMEDIATE);
    exchange(&w, i, ALL);
    lab_alive(&w, i);
    lab_close(&w);
}

/* Both requests in the same bytes: how many of them were rejected. */
static uint32_t ask_twice(struct lab *w, struct initiator *i)
{
    union bhs h[2] = {{.any = {.opcode = TEXT | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}},
                      {.any = {.opcode = TEXT | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}}};
    uint32_t rejects = 0;

    for (int n = 0; n < 2; n++) {
        initiator_stamp(i, &h[n]);
        h[n].any.target_transfer_tag = be32_of(TAG_NONE);
    }
    initiator_send(i, h, sizeof h);
    for (int n = 0; n < 2; n++) {
        struct initiator_pdu *p = lab_pdu(w, i);

        assert_non_null(p);
        if (p->bhs.any.opcode == REJECT)
            assert_int_equal(p->bhs.reject.reason, REJECT_PROTOCOL);
        rejects += p->bhs.any.opcode == REJECT;
        free(p);
    }
    return rejects;
}

/* A negotiation breaks off while its answer is on its way: nobody else's text is sent in its place.
 */
static void an_answer_under_way_keeps_its_memory(void **state)
{
    struct initiator *liar, *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    liar = lab_ready(&w, "iqn.a", 1);
    other = lab_ready(&w, "iqn.b", 1);
    for (uint32_t n = 0; n < 6000; n++) {
        union bhs h[3] = {{.any = {.flags = FLAG_FINAL}},
                          {.any = {.flags = FLAG_FINAL}},
                          {.any = {.flags = FLAG_FINAL}}};

        ask(liar, &h[0], TAG_NONE, ALL);
        sim_run_for(w.sim, n % 20);
        ask(liar, &h[1], TAG_NONE, "nonsense");
        sim_run_for(w.sim, n % 30);
        ask(other, &h[2], TAG_NONE, "X-this-is-of-another-session=1\nX-and-this=2\nX-and=3\n");
        for (int k = 0; k < 2; k++) {
            struct initiator_pdu *p = lab_pdu(&w, liar);

            if (p->bhs.any.opcode == TEXT_RESPONSE)
                assert_string_equal((char *)p->data, "TargetName=" LAB_TARGET);
            free(p);
        }
        free(answer(&w, other, &h[2]));
    }
    lab_close(&w);
}

static void one_negotiation_goes_on_at_a_time(void **state)
{
    struct lab w;
    struct initiator *i;
    uint32_t rejects = 0;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (int n = 0; n < 30; n++)
        rejects += ask_twice(&w, i); /* unless the bytes came apart, and the first was answered */
    assert_in_range(rejects, 1, 30);
    exchange(&w, i, ALL);
    lab_close(&w);
}

static void a_request_may_come_in_pieces(void **state)
{
    union bhs first = {.any = {.flags = FLAG_CONTINUE}}, second = {.any = {.flags = FLAG_FINAL}};
    struct lab w;
    struct initiator *i;
    struct initiator_pdu *p;

    (void)state;
    lab_begin(&w);
    i = discover(&w, NULL);
    ask(i, &first, TAG_NONE, "SendTar");
    p = answer(&w, i, &first);
    assert_int_equal(p->bhs.any.flags, 0);
    assert_int_equal(p->length, 0);
    ask(i, &second, be32_get(p->bhs.any.target_transfer_tag), "gets=All\n");
    free(p);
    p = answer(&w, i, &second);
    assert_int_equal(p->bhs.any.flags, FLAG_FINAL);
    assert_string_equal(initiator_key(i, "TargetName"), LAB_TARGET);
    free(p);
    lab_close(&w);
}

/* Collects a list that comes in pieces; how many targets it names. */
static uint32_t collect(struct lab *w, struct initiator *i, uint32_t segment, uint32_t *ret_pdus)
{
    union bhs h = {.any = {.flags = FLAG_FINAL}};
    static char all[512 * 1024];
    uint32_t length = 0, ttt = TAG_NONE, names = 0;

    *ret_pdus = 0;
    do {
        struct initiator_pdu *p;

        ask(i, &h, ttt, ttt == TAG_NONE ? ALL : "");
        p = answer(w, i, &h);
        assert_true(p->length <= segment);
        assert_true(length + p->length < sizeof all);
        memcpy(all + length, p->data, p->length);
        length += p->length;
        ttt = be32_get(p->bhs.any.target_transfer_tag);
        assert_int_equal(p->bhs.any.flags, ttt == TAG_NONE ? FLAG_FINAL : FLAG_CONTINUE);
        *ret_pdus += 1;
        free(p);
    } while (ttt != TAG_NONE);
    for (uint32_t at = 0; at < length; at += (uint32_t)strlen(all + at) + 1)
        names += strncmp(all + at, "TargetName=", 11) == 0;
    return names;
}

static void a_long_list_comes_in_pieces(void **state)
{
    struct lab w;
    struct initiator *i;
    uint32_t pdus;

    (void)state;
    lab_begin(&w);
    w.directory.targets = 20;
    i = discover(&w, "MaxRecvDataSegmentLength=512\n");
    assert_int_equal(collect(&w, i, 512, &pdus), 20);
    assert_in_range(pdus, 3, 6);
    w.directory.targets = 2000; /* more than fill the buffer three times */
    assert_int_equal(collect(&w, i, 512, &pdus), 2000);
    i = discover(&w, "MaxRecvDataSegmentLength=262144\n");
    assert_int_equal(collect(&w, i, 262144, &pdus), 2000);
    assert_in_range(pdus, 3, 4);
    lab_close(&w);
}

static void text_beyond_64_kib_is_rejected(void **state)
{
    union bhs h = {.any = {.flags = FLAG_CONTINUE}};
    static uint8_t keys[40000];
    struct lab w;
    struct initiator *i;
    struct initiator_pdu *p;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    memset(keys, 'a', sizeof keys);
    ask(i, &h, TAG_NONE, "X-");
    p = answer(&w, i, &h);
    h.any.target_transfer_tag = p->bhs.any.target_transfer_tag;
    free(p);
    initiator_stamp(i, &h);
    initiator_pdu(i, &h, keys, sizeof keys);
    p = answer(&w, i, &h);
    h.any.target_transfer_tag = p->bhs.any.target_transfer_tag;
    free(p);
    initiator_stamp(i, &h);
    initiator_pdu(i, &h, keys, sizeof keys);
    lab_expect_reject(&w, i, REJECT_OUT_OF_RESOURCES, TEXT | OPCODE_IMMEDIATE);
    lab_alive(&w, i);
    lab_close(&w);
}

/* A negotiation that is begun and not gone on with; returns the tag to go on with. */
static uint32_t begin_and_leave(struct lab *w, struct initiator *i)
{
    union bhs h = {.any = {.flags = FLAG_CONTINUE}};
    struct initiator_pdu *p;
    uint32_t ttt;

    ask(i, &h, TAG_NONE, "SendTar");
    p = answer(w, i, &h);
    ttt = be32_get(p->bhs.any.target_transfer_tag);
    free(p);
    return ttt;
}

static void abandoned_negotiations_hold_nobody_up(void **state)
{
    union bhs h = {.any = {.flags = FLAG_FINAL}};
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator *i[9];
    uint32_t ttt = 0;
    struct lab w;

    (void)state;
    limits.half_open_max = 1;
    lab_open(&w, limits);
    for (uint8_t n = 0; n < 9; n++) {
        i[n] = lab_ready(&w, "iqn.a", n);
        if (n < 8)
            ttt = begin_and_leave(&w, i[n]);
    }
    ask(i[8], &h, TAG_NONE, ALL);
    lab_expect_reject(&w, i[8], REJECT_OUT_OF_RESOURCES, TEXT | OPCODE_IMMEDIATE);
    lab_alive(&w, lab_ready(&w, "iqn.b", 1)); /* logins have their own */
    sim_run_for(w.sim, 7000000);
    exchange(&w, i[8], ALL);
    ask(i[7], &h, ttt, "gets=All\n"); /* too late */
    lab_expect_reject(&w, i[7], REJECT_INVALID_FIELD, TEXT | OPCODE_IMMEDIATE);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_discovery_session_lists_targets),
        cmocka_unit_test(a_normal_session_lists_only_its_own),
        cmocka_unit_test(other_keys_get_their_answers),
        cmocka_unit_test(text_without_sense_is_rejected),
        cmocka_unit_test(an_answer_under_way_keeps_its_memory),
        cmocka_unit_test(one_negotiation_goes_on_at_a_time),
        cmocka_unit_test(a_request_may_come_in_pieces),
        cmocka_unit_test(a_long_list_comes_in_pieces),
        cmocka_unit_test(text_beyond_64_kib_is_rejected),
        cmocka_unit_test(abandoned_negotiations_hold_nobody_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
