/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/pdu_test.c — bytes that make no sense, or not now: the connection that
 * brings them is rejected or closed, and no other session notices (T3).
 */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- before login ---- */

static const uint8_t tls_hello[64] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc};
static const char http[] = "GET / HTTP/1.1\r\nHost: storage.example\r\nAccept: */*\r\n\r\n";

static void send_and_expect_close(struct lab *w, const void *bytes, uint32_t length)
{
    struct initiator *i = lab_raw(w);
    uint64_t began = sim_now_us(w->sim);

    initiator_send(i, bytes, length);
    lab_until(w, initiator_closed, i);
    assert_true(sim_now_us(w->sim) - began < 2000000); /* not by the deadline */
    assert_null(initiator_take(i));
    initiator_free(i);
    w->initiator_count--;
}

static void a_stranger_is_closed_without_a_word(void **state)
{
    uint8_t bytes[48];
    struct lab w;
    struct initiator *other;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.a", 1);
    send_and_expect_close(&w, tls_hello, sizeof tls_hello);
    send_and_expect_close(&w, http, sizeof http);
    for (uint32_t opcode = 0; opcode < 256; opcode++) {
        memset(bytes, 0, sizeof bytes);
        bytes[0] = (uint8_t)opcode;
        if ((opcode & OPCODE_MASK) != LOGIN)
            send_and_expect_close(&w, bytes, sizeof bytes);
    }
    lab_alive(&w, other);
    lab_close(&w);
}

static void a_connection_may_end_anywhere(void **state)
{
    struct lab w;
    struct initiator *other;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.a", 1);
    for (uint32_t length = 0; length < 96; length += 5) {
        struct initiator *i = lab_raw(&w);
        uint8_t bytes[96] = {LOGIN | OPCODE_IMMEDIATE, 0x87, 0, 0, 0, 0, 0, 48};

        initiator_send(i, bytes, length);
        sim_run_for(w.sim, 100000);
        initiator_close(i);
        lab_until(&w, initiator_closed, i);
        initiator_free(i);
        w.initiator_count--;
    }
    lab_alive(&w, other);
    lab_close(&w);
}

/* ---- in full feature phase ---- */

static uint8_t reason_for(uint8_t opcode)
{
    switch (opcode) {
    case LOGIN:
        return REJECT_PROTOCOL;
    case SNACK:
        return REJECT_SNACK;
    default:
        return REJECT_NOT_SUPPORTED;
    }
}

static void every_opcode_that_is_none_is_rejected(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (uint8_t opcode = 0; opcode <= OPCODE_MASK; opcode++) {
        union bhs h = {.any = {.opcode = opcode | OPCODE_IMMEDIATE}};

        if (opcode <= LOGOUT && opcode != LOGIN)
            continue;
        initiator_pdu(i, &h, http, sizeof http);
        lab_expect_reject(&w, i, reason_for(opcode), opcode | OPCODE_IMMEDIATE);
    }
    lab_alive(&w, i);
    lab_close(&w);
}

static void a_discovery_session_does_nothing_else(void **state)
{
    struct initiator_config config = {.name = "iqn.a"};
    const uint8_t others[] = {NOP_OUT, SCSI_COMMAND, TASK_MANAGEMENT, DATA_OUT};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_connect(&w, &config);
    assert_true(i->full);
    for (uint32_t n = 0; n < sizeof others; n++) {
        union bhs h = {.any = {.opcode = others[n], .flags = FLAG_FINAL}};

        initiator_pdu(i, &h, NULL, 0);
        lab_expect_reject(&w, i, REJECT_PROTOCOL, others[n]);
    }
    lab_close(&w);
}

/* Each sends as many headers as get it as many Rejects as one may have, in one piece. */
static void nonsense_of_others_does_not_end_a_session(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    static uint8_t nonsense[14 * BHS_BYTES];
    union bhs h = {.any = {.opcode = 0x3f | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};
    struct initiator *honest, *i[6];
    struct lab w;

    (void)state;
    for (uint32_t n = 0; n < sizeof nonsense; n += BHS_BYTES)
        memcpy(nonsense + n, &h, BHS_BYTES);
    limits.sessions_max = 8; /* so many Rejects are shared */
    lab_open(&w, limits);
    honest = lab_ready(&w, "iqn.honest", 1);
    for (uint32_t n = 0; n < array_length(i); n++)
        i[n] = lab_ready(&w, "iqn.a", (uint8_t)n);
    for (int round = 0; round < 50; round++) {
        for (uint32_t n = 0; n < array_length(i); n++)
            initiator_send(i[n], nonsense, sizeof nonsense);
        initiator_send(honest, &h, BHS_BYTES);
        lab_expect_reject(&w, honest, REJECT_NOT_SUPPORTED, h.any.opcode);
    }
    lab_alive(&w, honest);
    lab_close(&w);
}

static void a_segment_above_the_limit_ends_the_session(void **state)
{
    union bhs h = {.any = {.opcode = NOP_OUT | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};
    struct lab w;
    struct initiator *i, *other;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    other = lab_ready(&w, "iqn.b", 1);
    h.any.data_segment_length = be24_of(262145);
    initiator_send(i, h.bytes, sizeof h);
    lab_expect_reject(&w, i, REJECT_INVALID_FIELD, NOP_OUT | OPCODE_IMMEDIATE);
    lab_until(&w, initiator_closed, i);
    lab_alive(&w, other);
    lab_close(&w);
}

/* A PDU with these additional header segments. */
static void send_ahs(struct initiator *i, const uint8_t *ahs, uint8_t words)
{
    uint8_t bytes[BHS_BYTES + AHS_BYTES_MAX] = {0};
    union bhs h = {.any = {.opcode = SCSI_COMMAND | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};

    h.any.total_ahs_length = words;
    initiator_stamp(i, &h);
    memcpy(bytes, h.bytes, BHS_BYTES);
    memcpy(bytes + BHS_BYTES, ahs, words * 4u);
    initiator_send(i, bytes, BHS_BYTES + words * 4u);
}

static void additional_headers_must_fill_their_length(void **state)
{
    static const uint8_t fits[8] = {0, 5, 2, 0, 0, 0, 0, 0};
    static const uint8_t sticks_out[8] = {0, 6, 2};
    static const uint8_t wild[8] = {0xff, 0xff, 1};
    static const uint8_t two[8] = {0, 1, 2, 0, 0, 2, 2};
    static uint8_t longest[AHS_BYTES_MAX] = {0x03, 0xf9, 1};
    struct lab w;
    struct initiator *i;
    struct initiator_pdu *p;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    send_ahs(i, sticks_out, 2);
    p = lab_pdu(&w, i);
    assert_int_equal(p->bhs.reject.reason, REJECT_INVALID_FIELD);
    assert_int_equal(p->length, BHS_BYTES + 8); /* the whole header */
    assert_memory_equal(p->data + BHS_BYTES, sticks_out, 8);
    free(p);
    send_ahs(i, wild, 2);
    lab_expect_reject(&w, i, REJECT_INVALID_FIELD, SCSI_COMMAND | OPCODE_IMMEDIATE);
    send_ahs(i, two, 2); /* the second one is too long */
    lab_expect_reject(&w, i, REJECT_INVALID_FIELD, SCSI_COMMAND | OPCODE_IMMEDIATE);
    send_ahs(i, fits, 2);
    send_ahs(i, longest, 255);
    for (int n = 0; n < 2; n++) {
        p = lab_pdu(&w, i);
        assert_int_equal(p->bhs.any.opcode, SCSI_RESPONSE);
        free(p);
    }
    lab_alive(&w, i);
    lab_close(&w);
}

static void a_tag_in_use_is_rejected(void **state)
{
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    h.scsi_command.expected_data_transfer_length = be32_of(512);
    lab_raw_write(i, &h, (struct extent){0, 1}, NULL, 0);
    free(lab_pdu(&w, i)); /* its R2T */
    h.any.opcode |= OPCODE_IMMEDIATE;
    initiator_pdu(i, &h, NULL, 0);
    lab_expect_reject(&w, i, REJECT_TASK_IN_PROGRESS, SCSI_COMMAND | OPCODE_IMMEDIATE);
    lab_close(&w);
}

static void whoever_sends_only_garbage_is_closed(void **state)
{
    static uint8_t garbage[48 * 200];
    struct lab w;
    struct initiator *i, *other;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    other = lab_ready(&w, "iqn.b", 1);
    for (uint32_t n = 0; n < sizeof garbage; n += 48)
        garbage[n] = 0x1c;
    for (int n = 0; n < 50 && i->net; n++)
        initiator_send(i, garbage, sizeof garbage);
    lab_until(&w, initiator_closed, i);
    lab_alive(&w, other);
    lab_close(&w);
}

/* ---- random ---- */

/* A header with a legal opcode and any other bytes, a data segment that is really there. */
static void send_random_pdu(struct lab *w, struct initiator *i)
{
    static uint8_t data[2048];
    static const uint8_t opcodes[] = {NOP_OUT, SCSI_COMMAND, TASK_MANAGEMENT,
                                      TEXT,    DATA_OUT,     SNACK};
    union bhs h;

    for (uint32_t n = 0; n < sizeof h; n++)
        h.bytes[n] = (uint8_t)sim_draw(w->sim, 256);
    if (sim_draw(w->sim, 8) > 0)
        h.any.opcode = opcodes[sim_draw(w->sim, sizeof opcodes)];
    if (sim_draw(w->sim, 2) == 0)
        h.any.opcode |= OPCODE_IMMEDIATE;
    if (sim_draw(w->sim, 2) == 0)
        h.any.initiator_task_tag = be32_of((uint32_t)sim_draw(w->sim, 8));
    if (sim_draw(w->sim, 2) == 0)
        h.any.sn = be32_of(i->exp_cmd_sn + (uint32_t)sim_draw(w->sim, 3));
    h.any.total_ahs_length = 0;
    initiator_pdu(i, &h, data, (uint32_t)sim_draw(w->sim, sizeof data));
}

static void play_random(struct lab *w)
{
    struct initiator_config config = {
        .name = "iqn.a", .target = LAB_TARGET, .isid = {0x80}, .mute = true};
    struct initiator *i = lab_connect(w, &config);

    assert_true(i->full);
    i->lenient = true;
    for (int n = 0; n < 60 && i->net; n++) {
        send_random_pdu(w, i);
        if (n % 8 == 0)
            sim_run_for(w->sim, 20000);
    }
    sim_run_for(w->sim, 500000);
    initiator_close(i);
    lab_until(w, initiator_closed, i);
    initiator_free(i);
    w->initiator_count--;
}

static void random_pdus_hurt_nobody_else(void **state)
{
    struct lab w;
    struct initiator *other;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.b", 1);
    for (int n = 0; n < 40; n++) {
        struct initiator_request unit_ready = {.length = 0};

        play_random(&w);
        lab_run(&w, other, &unit_ready); /* a random reset leaves a unit attention */
        lab_alive(&w, other);
    }
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_is_closed_without_a_word),
        cmocka_unit_test(a_connection_may_end_anywhere),
        cmocka_unit_test(every_opcode_that_is_none_is_rejected),
        cmocka_unit_test(a_discovery_session_does_nothing_else),
        cmocka_unit_test(nonsense_of_others_does_not_end_a_session),
        cmocka_unit_test(a_segment_above_the_limit_ends_the_session),
        cmocka_unit_test(additional_headers_must_fill_their_length),
        cmocka_unit_test(a_tag_in_use_is_rejected),
        cmocka_unit_test(whoever_sends_only_garbage_is_closed),
        cmocka_unit_test(random_pdus_hurt_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
