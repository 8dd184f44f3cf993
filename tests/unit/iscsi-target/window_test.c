/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/window_test.c — CmdSN, ExpCmdSN, MaxCmdSN (RFC 7143 4.2.2.1). */
#include "base/util.h"
#include "iscsi-target/target.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t block[4096];

/* TEST UNIT READY with this CmdSN; its answer comes as a PDU for lab_pdu(). */
static uint32_t ask(struct initiator *i, uint32_t cmd_sn)
{
    union bhs h = {.any = {.opcode = SCSI_COMMAND, .flags = FLAG_FINAL}};

    i->cmd_sn = cmd_sn;
    initiator_stamp(i, &h);
    initiator_pdu(i, &h, NULL, 0);
    return bhs_itt(&h);
}

static void expect_answer(struct lab *w, struct initiator *i, uint32_t itt)
{
    struct initiator_pdu *p = lab_pdu(w, i);

    assert_int_equal(p->bhs.any.opcode, SCSI_RESPONSE);
    assert_int_equal(bhs_itt(&p->bhs), itt);
    free(p);
}

static void expect_silence(struct lab *w, struct initiator *i)
{
    sim_run_for(w->sim, 1000000);
    assert_null(initiator_take(i));
}

static void what_is_outside_is_ignored_in_silence(void **state)
{
    struct lab w;
    struct initiator *i;
    uint32_t exp, itt;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    exp = i->exp_cmd_sn;
    ask(i, exp - 1);           /* before  */
    ask(i, i->max_cmd_sn + 1); /* behind */
    ask(i, exp + 0x80000000u);
    ask(i, exp + 0x7fffffffu);
    expect_silence(&w, i);
    itt = ask(i, exp);
    expect_answer(&w, i, itt);
    ask(i, exp); /* twice */
    expect_silence(&w, i);
    lab_alive(&w, i);
    lab_close(&w);
}

static void what_came_too_early_must_come_again(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct lab w;
    struct initiator *i;
    uint32_t exp;

    (void)state;
    limits.window = 4;
    lab_open(&w, limits);
    i = lab_ready(&w, "iqn.a", 1);
    exp = i->exp_cmd_sn;
    ask(i, exp + 4);
    for (uint32_t n = 0; n < 4; n++)
        expect_answer(&w, i, ask(i, exp + n));
    expect_silence(&w, i); /* it was not kept */
    assert_int_equal(i->exp_cmd_sn, exp + 4);
    lab_close(&w);
}

static void commands_are_delivered_in_order(void **state)
{
    struct lab w;
    struct initiator *i;
    uint32_t exp, first, second, third;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    exp = i->exp_cmd_sn;
    third = ask(i, exp + 2);
    second = ask(i, exp + 1);
    ask(i, exp + 2); /* is held already */
    expect_silence(&w, i);
    assert_int_equal(i->exp_cmd_sn, exp);
    first = ask(i, exp);
    expect_answer(&w, i, first);
    expect_answer(&w, i, second);
    expect_answer(&w, i, third);
    assert_int_equal(i->exp_cmd_sn, exp + 3);
    expect_silence(&w, i);
    i->cmd_sn = exp + 3;
    lab_alive(&w, i);
    lab_close(&w);
}

static void numbers_wrap_round(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .first_cmd_sn = 0xfffffff0u};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready_with(&w, config);
    assert_int_equal(i->exp_cmd_sn, 0xfffffff1u);
    for (int n = 0; n < 32; n++)
        lab_alive(&w, i);
    assert_int_equal(i->exp_cmd_sn, 0xfffffff1u + 64);
    ask(i, 0xfffffff1u);
    expect_silence(&w, i);
    lab_close(&w);
}

/* ---- how wide it is ---- */

static uint32_t write_until_shut(struct lab *w, struct initiator *i, struct initiator_request *r,
                                 uint32_t most)
{
    uint32_t sent = 0;

    while (sent < most && (int32_t)initiator_window(i) > 0) {
        initiator_write(i, &r[sent], 8 * sent, block, sizeof block);
        sent++;
        sim_run_for(w->sim, 20000);
    }
    return sent;
}

static void the_window_is_the_memory_there_is(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    static struct initiator_request r[3][64];
    struct initiator *i[3];
    struct lab w;
    uint32_t sent[3], all = 0;

    (void)state;
    limits.sessions_max = 4;
    limits.commands_max = 40; /* 5 are sure of each session, 20 are shared */
    limits.window = 16;
    lab_open(&w, limits);
    for (uint32_t n = 0; n < 3; n++)
        i[n] = lab_ready(&w, "iqn.a", (uint8_t)n);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < 3; n++) {
        sent[n] = write_until_shut(&w, i[n], r[n], 64);
        all += sent[n];
        assert_in_range(sent[n], 5, 16);
    }
    assert_int_equal(sent[0], 16);
    assert_in_range(all, 30, 35); /* 5 stay for the session that may still come */
    ram_block_go_on(&w.ram);
    for (uint32_t n = 0; n < 3; n++)
        for (uint32_t m = 0; m < sent[n]; m++)
            lab_until(&w, initiator_answered, &r[n][m]);
    for (uint32_t n = 0; n < 3; n++)
        lab_alive(&w, i[n]);
    lab_close(&w);
}

static void a_window_of_one_goes_on(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct lab w;
    struct initiator *i;

    (void)state;
    limits.window = 1;
    limits.sessions_max = 1;
    limits.commands_max = 2;
    lab_open(&w, limits);
    i = lab_ready(&w, "iqn.a", 1);
    for (int n = 0; n < 20; n++) { /* each answer shows it shut, a NOP-In opens it again */
        sim_run_for(w.sim, 100000);
        assert_int_equal(initiator_window(i), 1);
        assert_int_equal(lab_write(&w, i, 0, block, sizeof block), 0);
    }
    lab_close(&w);
}

static void a_window_does_not_stay_shut(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    union bhs ping = {.any = {.opcode = NOP_OUT, .flags = FLAG_FINAL}};
    static struct initiator_request r[8], late;
    struct initiator_pdu *p;
    struct lab w;
    struct initiator *i;

    (void)state;
    limits.window = 8;
    limits.sessions_max = 1;
    limits.commands_max = 16;
    lab_open(&w, limits);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    assert_int_equal(write_until_shut(&w, i, r, 8), 8);
    assert_int_equal(initiator_window(i), 0);
    sim_run_for(w.sim, 1100000);
    assert_int_equal(initiator_window(i), 4);
    initiator_stamp(i, &ping);
    ping.any.target_transfer_tag = be32_of(TAG_NONE);
    initiator_pdu(i, &ping, NULL, 0);
    p = lab_pdu(&w, i);
    assert_int_equal(p->bhs.any.opcode, NOP_IN);
    free(p);
    assert_int_equal(lab_write(&w, i, 0, block, sizeof block), 0x28);
    for (int n = 0; n < 30; n++) { /* as often as it likes */
        if (initiator_window(i) == 0)
            sim_run_for(w.sim, 2000000);
        initiator_write(i, &late, 0, block, sizeof block);
        lab_until(&w, initiator_answered, &late);
        assert_int_equal(late.status, 0x28);
    }
    assert_int_equal(w.ram.writes, 8);
    ram_block_go_on(&w.ram);
    for (uint32_t n = 0; n < 8; n++) {
        lab_until(&w, initiator_answered, &r[n]);
        assert_int_equal(r[n].err, E_OK);
    }
    sim_run_for(w.sim, 3000000);
    lab_alive(&w, i);
    assert_int_equal(initiator_window(i), 8);
    lab_close(&w);
}

/* The block answers ten times a second, and the window is full again at once. */
static void a_full_queue_that_moves_is_not_told_so(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    static struct initiator_request r[8];
    struct lab w;
    struct initiator *i;

    (void)state;
    limits.window = 8;
    limits.sessions_max = 1;
    limits.commands_max = 16;
    lab_open(&w, limits);
    i = lab_ready(&w, "iqn.a", 1);
    for (int n = 0; n < 50; n++) {
        uint32_t count = initiator_window(i);

        assert_in_range(count, 1, 8);
        w.ram.stalled = true;
        memset(r, 0, sizeof r);
        for (uint32_t m = 0; m < count; m++)
            initiator_write(i, &r[m], 8ull * m, block, sizeof block);
        sim_run_for(w.sim, 100000);
        ram_block_go_on(&w.ram);
        for (uint32_t m = 0; m < count; m++) {
            lab_until(&w, initiator_answered, &r[m]);
            assert_int_equal(r[m].status, 0);
        }
    }
    assert_int_equal(w.target->metrics.windows_opened_late.value, 0);
    lab_close(&w);
}

static void commands_that_nobody_waits_for_hold_their_slots(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    static struct initiator_request r[8][32];
    struct lab w;
    struct initiator *i = NULL;

    (void)state;
    limits.sessions_max = 2;
    limits.commands_max = 16;
    limits.window = 8;
    lab_open(&w, limits);
    w.ram.stalled = true;
    for (uint8_t n = 0; n < 8; n++) { /* each reinstates the one before and leaves it writing */
        i = lab_login(&w, "iqn.a", 1);
        if (!i->full)
            break;
        initiator_read(i, &r[n][0], 0, block, 512); /* takes the unit attention */
        lab_until(&w, initiator_answered, &r[n][0]);
        write_until_shut(&w, i, r[n] + 1, 31);
    }
    assert_false(i->full);
    assert_int_equal(i->login_status, 0x0302);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, 1000000);
    i = lab_ready(&w, "iqn.a", 1);
    lab_alive(&w, i);
    lab_close(&w);
}

static void immediate_commands_are_bounded(void **state)
{
    union bhs h = {.any = {.opcode = OPCODE_IMMEDIATE, .flags = FLAG_FINAL | FLAG_WRITE}};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    h.scsi_command.expected_data_transfer_length = be32_of(512);
    for (uint32_t n = 0; n < 4; n++)
        lab_raw_write(i, &h, (struct extent){n, 1}, block, 512);
    sim_run_for(w.sim, 500000);
    assert_int_equal(w.ram.writes, 4);
    lab_raw_write(i, &h, (struct extent){5, 1}, block, 512);
    lab_expect_reject(&w, i, REJECT_IMMEDIATE, SCSI_COMMAND | OPCODE_IMMEDIATE);
    assert_int_equal(i->exp_cmd_sn, i->cmd_sn); /* none of them has a CmdSN of its own */
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_outside_is_ignored_in_silence),
        cmocka_unit_test(what_came_too_early_must_come_again),
        cmocka_unit_test(commands_are_delivered_in_order),
        cmocka_unit_test(numbers_wrap_round),
        cmocka_unit_test(the_window_is_the_memory_there_is),
        cmocka_unit_test(a_window_of_one_goes_on),
        cmocka_unit_test(a_window_does_not_stay_shut),
        cmocka_unit_test(a_full_queue_that_moves_is_not_told_so),
        cmocka_unit_test(commands_that_nobody_waits_for_hold_their_slots),
        cmocka_unit_test(immediate_commands_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
