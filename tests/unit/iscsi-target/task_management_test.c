/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/task_management_test.c — aborts and resets are answered at once; what the
 * block does not have is dropped, what it has runs on and nobody hears of it (T4).
 */
#include "base/util.h"
#include "iscsi-target/scsi/scsi.h"
#include "iscsi-target/target.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t block[4096];

struct function {
    uint8_t function;
    uint32_t referenced, ref_cmd_sn;
    uint64_t lun;
};

/* Sends it, immediate, and returns its response; it comes within a second whatever the block does.
 */
static uint8_t manage(struct lab *w, struct initiator *i, struct function f)
{
    union bhs h = {.task_management = {.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE}};
    uint64_t began = sim_now_us(w->sim);
    struct initiator_pdu *p;
    uint8_t response;

    initiator_stamp(i, &h);
    h.task_management.function = f.function | FLAG_FINAL;
    h.task_management.lun = be64_of(f.lun);
    h.task_management.referenced_task_tag = be32_of(f.referenced);
    h.task_management.ref_cmd_sn = be32_of(f.ref_cmd_sn);
    initiator_pdu(i, &h, NULL, 0);
    p = lab_pdu(w, i);
    assert_non_null(p);
    assert_int_equal(p->bhs.any.opcode, TASK_MANAGEMENT_RESPONSE);
    assert_int_equal(bhs_itt(&p->bhs), bhs_itt(&h));
    assert_true(sim_now_us(w->sim) - began < 1000000);
    response = p->bhs.task_management_response.response;
    free(p);
    return response;
}

static uint32_t attention_of(struct lab *w, struct initiator *i)
{
    struct initiator_request r = {.length = 0};

    return lab_run(w, i, &r) ? sense_code(&r) : 0;
}

static void expect_silence(struct lab *w, struct initiator *i)
{
    sim_run_for(w->sim, 1000000);
    assert_null(initiator_take(i));
}

static void an_abort_drops_what_still_gathers(void **state)
{
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    union bhs d = {.data_out = {.opcode = DATA_OUT, .flags = FLAG_FINAL}};
    struct lab w;
    struct initiator *i;
    struct initiator_pdu *p;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    h.scsi_command.expected_data_transfer_length = be32_of(sizeof block);
    lab_raw_write(i, &h, (struct extent){0, 8}, NULL, 0);
    p = lab_pdu(&w, i);
    d.data_out.initiator_task_tag = h.any.initiator_task_tag;
    d.data_out.target_transfer_tag = p->bhs.any.target_transfer_tag;
    free(p);
    assert_int_equal(manage(&w, i, (struct function){TMF_ABORT_TASK, bhs_itt(&h), 0, 0}), 0);
    initiator_pdu(i, &d, block, sizeof block); /* was on its way */
    expect_silence(&w, i);
    assert_int_equal(w.ram.writes, 0);
    lab_alive(&w, i);
    lab_close(&w);
}

static void an_abort_lets_the_block_finish_unseen(void **state)
{
    struct initiator_request r = {.owner = NULL};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    memset(block, 'w', sizeof block);
    w.ram.stalled = true;
    initiator_write(i, &r, 0, block, sizeof block);
    sim_run_for(w.sim, 200000);
    assert_int_equal(w.ram.writes, 1);
    assert_int_equal(manage(&w, i, (struct function){TMF_ABORT_TASK, r.itt, 0, 0}), 0);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, 1000000);
    assert_false(r.answered);
    assert_memory_equal(w.ram.bytes, block, sizeof block);
    lab_alive(&w, i);
    lab_close(&w);
}

static void an_aborted_command_begins_nothing_more(void **state)
{
    static const uint8_t list[40] = {0, 38, 0, 32, 0, 0, 0, 0, /* two descriptors  */
                                     0, 0,  0, 0,  0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 0,
                                     0, 0,  0, 0,  0, 0, 4, 0, 0, 0, 0, 128, 0, 0, 0, 0};
    struct initiator_request r = {
        .cdb = {0x42, 0, 0, 0, 0, 0, 0, 0, 40}, .out = list, .length = sizeof list}; /* UNMAP */
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    initiator_command(i, &r);
    sim_run_for(w.sim, 200000);
    assert_int_equal(w.ram.writes, 1);
    assert_int_equal(manage(&w, i, (struct function){TMF_ABORT_TASK, r.itt, 0, 0}), 0);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, 1000000);
    assert_int_equal(w.ram.writes, 1);
    assert_false(r.answered);
    lab_alive(&w, i);
    lab_close(&w);
}

/* What is sent behind an immediate function carries its very CmdSN, and may arrive before the
 * function had its turn. */
static void a_function_spares_what_comes_behind_it(void **state)
{
    struct initiator_pdu *p;
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (uint32_t n = 0; n < 40; n++) { /* they arrive in one piece, or apart */
        uint8_t immediate = n % 2 ? OPCODE_IMMEDIATE : 0;
        union bhs h[2] = {{.task_management = {.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE,
                                               .function = TMF_ABORT_TASK_SET | FLAG_FINAL}},
                          {.any = {.opcode = SCSI_COMMAND | immediate, .flags = FLAG_FINAL}}};

        initiator_stamp(i, &h[0]);
        initiator_stamp(i, &h[1]);
        assert_int_equal(be32_get(h[0].any.sn), be32_get(h[1].any.sn));
        initiator_send(i, h, sizeof h);
        p = lab_pdu(&w, i);
        assert_int_equal(p->bhs.any.opcode, TASK_MANAGEMENT_RESPONSE);
        free(p);
        assert_int_equal(lab_response(&w, i, &h[1]), 0);
    }
    lab_close(&w);
}

static void an_abort_of_nothing_says_so(void **state)
{
    struct lab w;
    struct initiator *i;
    uint32_t exp;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    exp = i->exp_cmd_sn;
    assert_int_equal(manage(&w, i, (struct function){TMF_ABORT_TASK, 4711, exp - 1, 0}),
                     TMF_NO_TASK);
    assert_int_equal(manage(&w, i, (struct function){TMF_ABORT_TASK, 4711, exp, 0}),
                     TMF_NO_TASK); /* not before the function itself */
    i->cmd_sn += 2;
    assert_int_equal(manage(&w, i, (struct function){TMF_ABORT_TASK, 4711, exp, 0}), TMF_COMPLETE);
    assert_int_equal(manage(&w, i, (struct function){TMF_ABORT_TASK, 4712, exp + 1, 0}),
                     TMF_COMPLETE);
    lab_alive(&w, i); /* both count as received */
    lab_close(&w);
}

static void an_abort_task_set_reaches_only_its_own_session(void **state)
{
    static struct initiator_request own[3], others;
    struct lab w;
    struct initiator *i, *other;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    other = lab_ready(&w, "iqn.b", 1);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < 3; n++)
        initiator_write(i, &own[n], 8 * n, block, sizeof block);
    initiator_write(other, &others, 80, block, sizeof block);
    sim_run_for(w.sim, 200000);
    assert_int_equal(manage(&w, i, (struct function){TMF_ABORT_TASK_SET, TAG_NONE, 0, 0}), 0);
    ram_block_go_on(&w.ram);
    lab_until(&w, initiator_answered, &others);
    assert_int_equal(others.err, E_OK);
    assert_int_equal(others.status, 0);
    sim_run_for(w.sim, 1000000);
    for (uint32_t n = 0; n < 3; n++)
        assert_false(own[n].answered);
    assert_int_equal(attention_of(&w, other), 0);
    lab_close(&w);
}

/* Of another session than the one that asks: told BUSY within a tick, not by silence until its next
 * command. */
static void expect_busy(struct lab *w, struct initiator_request *r)
{
    uint64_t began = sim_now_us(w->sim);

    lab_until(w, initiator_answered, r);
    assert_true(sim_now_us(w->sim) - began < 1000000);
    assert_int_equal(r->err, E_OK);
    assert_int_equal(r->status, SCSI_BUSY);
}

/* 2F/00 goes to who has lost a command to another, and to nobody else. */
static void a_clear_task_set_reaches_every_session(void **state)
{
    struct initiator_request own = {.owner = NULL}, others = {.owner = NULL};
    struct initiator *i, *other, *idle;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    other = lab_ready(&w, "iqn.b", 1);
    idle = lab_ready(&w, "iqn.c", 1);
    w.ram.stalled = true;
    initiator_write(i, &own, 0, block, sizeof block);
    initiator_write(other, &others, 80, block, sizeof block);
    sim_run_for(w.sim, 200000);
    assert_int_equal(manage(&w, i, (struct function){TMF_CLEAR_TASK_SET, TAG_NONE, 0, 0}), 0);
    expect_busy(&w, &others);
    assert_int_equal(w.target->metrics.turned_away.value, 1);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, 1000000);
    assert_false(own.answered);
    assert_int_equal(attention_of(&w, other), 0x062f00);
    assert_int_equal(attention_of(&w, other), 0);
    assert_int_equal(attention_of(&w, i), 0);
    assert_int_equal(attention_of(&w, idle), 0);
    lab_alive(&w, other);
    lab_close(&w);
}

/* A command whose answer is on its way is no task any more: it stands, and its session is told
 * nothing. */
static void an_answer_under_way_is_not_cleared(void **state)
{
    struct initiator *i, *other;
    uint32_t cleared = 0;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    other = lab_ready(&w, "iqn.b", 1);
    w.ram.rate = 1000;
    for (uint32_t n = 0; n < 300; n++) {
        struct initiator_request r = {.length = 0};
        uint32_t attention;

        initiator_read(other, &r, 0, block, sizeof block);
        sim_run_for(w.sim, 10 * n);
        assert_int_equal(manage(&w, i, (struct function){TMF_CLEAR_TASK_SET, TAG_NONE, 0, 0}), 0);
        lab_until(&w, initiator_answered, &r);
        attention = attention_of(&w, other);
        assert_int_equal(attention, r.status == SCSI_BUSY ? 0x062f00 : 0);
        assert_true(r.status == SCSI_BUSY || r.status == 0);
        cleared += r.status == SCSI_BUSY;
    }
    assert_in_range(cleared, 1, 299);
    assert_int_equal(w.target->metrics.turned_away.value, cleared);
    assert_int_equal(w.target->metrics.expired.value, 0);
    lab_close(&w);
}

static void a_reset_reaches_every_session(void **state)
{
    static const struct {
        uint8_t function;
        uint32_t attention;
    } resets[] = {{TMF_LOGICAL_UNIT_RESET, 0x062903}, {TMF_TARGET_WARM_RESET, 0x062902}};

    (void)state;
    for (uint32_t n = 0; n < array_length(resets); n++) {
        union bhs gathers = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
        struct initiator_pdu *answer;
        struct initiator_request others = {.owner = NULL}, waiting = {.owner = NULL};
        struct initiator *i, *other;
        struct lab w;

        memset(block, 'w', sizeof block);
        lab_begin(&w);
        i = lab_ready(&w, "iqn.a", 1);
        other = lab_ready(&w, "iqn.b", 1);
        w.ram.stalled = true;
        initiator_write(other, &others, 80, block, sizeof block);
        initiator_read(other, &waiting, 80, block, sizeof block);
        gathers.scsi_command.expected_data_transfer_length = be32_of(sizeof block);
        lab_raw_write(other, &gathers, (struct extent){160, 8}, NULL, 0);
        answer = lab_pdu(&w, other);
        assert_int_equal(answer->bhs.any.opcode, R2T);
        free(answer);
        sim_run_for(w.sim, 200000);
        assert_int_equal(manage(&w, i, (struct function){resets[n].function, TAG_NONE, 0, 0}), 0);
        expect_busy(&w, &others);
        expect_busy(&w, &waiting);
        answer = lab_pdu(&w, other);
        assert_int_equal(answer->bhs.scsi_response.status, SCSI_BUSY);
        assert_int_equal(bhs_itt(&answer->bhs), bhs_itt(&gathers));
        free(answer);
        assert_int_equal(w.target->metrics.turned_away.value, 3);
        ram_block_go_on(&w.ram);
        assert_int_equal(attention_of(&w, other), resets[n].attention);
        assert_int_equal(attention_of(&w, i), resets[n].attention);
        assert_memory_equal(w.ram.bytes + 80 * UNIT_BYTES, block, sizeof block);
        lab_alive(&w, i);
        lab_alive(&w, other);
        lab_close(&w);
    }
}

static void a_cold_reset_ends_every_session(void **state)
{
    struct initiator_pdu *p;
    struct lab w;
    struct initiator *i, *other;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    other = lab_ready(&w, "iqn.b", 1);
    assert_int_equal(manage(&w, i, (struct function){TMF_TARGET_COLD_RESET, TAG_NONE, 0, 0}), 0);
    lab_until(&w, initiator_closed, i);
    lab_until(&w, initiator_closed, other);
    assert_null(initiator_take(i)); /* who asked for it knows */
    p = initiator_take(other);
    assert_non_null(p);
    assert_int_equal(p->bhs.any.opcode, ASYNC_MESSAGE);
    assert_int_equal(p->bhs.async_message.event, ASYNC_DROP_SESSION);
    free(p);
    lab_alive(&w, lab_ready(&w, "iqn.a", 1));
    lab_close(&w);
}

static void what_is_not_done_is_said(void **state)
{
    static const struct {
        struct function function;
        uint8_t response;
    } cases[] = {
        {{TMF_LOGICAL_UNIT_RESET, TAG_NONE, 0, 1ull << 48}, TMF_NO_LUN},
        {{TMF_ABORT_TASK, 1, 0, 1ull << 48}, TMF_NO_LUN},
        {{TMF_CLEAR_ACA, TAG_NONE, 0, 0}, TMF_NOT_SUPPORTED},
        {{TMF_CLEAR_TASK_SET, TAG_NONE, 0, 1ull << 48}, TMF_NO_LUN},
        {{TMF_TASK_REASSIGN, 1, 0, 0}, TMF_NO_REASSIGN},
        {{0, TAG_NONE, 0, 0}, TMF_NOT_SUPPORTED},
        {{99, TAG_NONE, 0, 0}, TMF_NOT_SUPPORTED},
    };
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (uint32_t n = 0; n < array_length(cases); n++)
        assert_int_equal(manage(&w, i, cases[n].function), cases[n].response);
    lab_alive(&w, i);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_abort_drops_what_still_gathers),
        cmocka_unit_test(an_abort_lets_the_block_finish_unseen),
        cmocka_unit_test(an_aborted_command_begins_nothing_more),
        cmocka_unit_test(a_function_spares_what_comes_behind_it),
        cmocka_unit_test(an_abort_of_nothing_says_so),
        cmocka_unit_test(an_abort_task_set_reaches_only_its_own_session),
        cmocka_unit_test(a_clear_task_set_reaches_every_session),
        cmocka_unit_test(an_answer_under_way_is_not_cleared),
        cmocka_unit_test(a_reset_reaches_every_session),
        cmocka_unit_test(a_cold_reset_ends_every_session),
        cmocka_unit_test(what_is_not_done_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
