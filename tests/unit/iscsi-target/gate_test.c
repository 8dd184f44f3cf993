/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/gate_test.c — old commands: who may be dead proves that it lives (G1). */
#include "base/util.h"
#include "iscsi-target/target.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_US 1000000ull

static uint8_t block[4096];

/* It answers no ping by itself: the test does. */
static struct initiator *ready_mute(struct lab *w, const char *name, uint8_t isid)
{
    struct initiator_config config = {.name = name, .isid = {0x80, 0, 0, 0, 0, isid}, .mute = true};

    return lab_ready_with(w, config);
}

/* The tag of the ping that is there and wants an answer; TAG_NONE: there is none. */
static uint32_t take_ping(struct initiator *i)
{
    struct initiator_pdu *p;
    uint32_t ttt = TAG_NONE;

    while ((p = initiator_take(i))) {
        assert_int_equal(p->bhs.any.opcode, NOP_IN);
        if (be32_get(p->bhs.any.target_transfer_tag) != TAG_NONE)
            ttt = be32_get(p->bhs.any.target_transfer_tag);
        free(p);
    }
    return ttt;
}

static void pong(struct initiator *i, uint32_t ttt)
{
    union bhs h = {.any = {.opcode = NOP_OUT | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};

    h.any.initiator_task_tag = be32_of(TAG_NONE);
    h.any.target_transfer_tag = be32_of(ttt);
    h.any.sn = be32_of(i->cmd_sn);
    h.any.second_sn = be32_of(i->exp_stat_sn);
    initiator_pdu(i, &h, NULL, 0);
}

static void after_silence_a_write_waits_for_a_ping(void **state)
{
    struct initiator_request r = {0}, second = {0};
    struct initiator *i;
    struct lab w;
    uint32_t ttt;

    (void)state;
    lab_begin(&w);
    i = ready_mute(&w, "iqn.a", 1);
    sim_run_for(w.sim, 3 * SECOND_US);
    initiator_write(i, &r, 0, block, sizeof block);
    initiator_write(i, &second, 8, block, sizeof block);
    sim_run_for(w.sim, SECOND_US);
    ttt = take_ping(i);
    assert_int_not_equal(ttt, TAG_NONE);
    assert_int_equal(lab_read(&w, i, 0, block, sizeof block), 0); /* served as ever */
    assert_int_equal(w.ram.writes, 0);
    pong(i, ttt + 1); /* some other ping's */
    sim_run_for(w.sim, SECOND_US);
    assert_int_equal(w.ram.writes, 0);
    pong(i, ttt);
    lab_until(&w, initiator_answered, &r);
    lab_until(&w, initiator_answered, &second);
    assert_int_equal(r.status, 0);
    assert_int_equal(w.ram.writes, 2);
    assert_int_equal(w.target->metrics.gated_writes.value, 2);
    lab_close(&w);
}

static void who_spoke_a_moment_ago_is_not_asked(void **state)
{
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = ready_mute(&w, "iqn.a", 1);
    for (int n = 0; n < 4; n++) {
        sim_run_for(w.sim, 2900000);
        assert_int_equal(lab_write(&w, i, 0, block, sizeof block), 0);
    }
    assert_int_equal(take_ping(i), TAG_NONE);
    assert_int_equal(w.target->metrics.gated_writes.value, 0);
    lab_close(&w);
}

static void reads_after_silence_cost_nothing(void **state)
{
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = ready_mute(&w, "iqn.a", 1);
    for (int n = 0; n < 4; n++) {
        sim_run_for(w.sim, 10 * SECOND_US);
        assert_int_equal(lab_read(&w, i, 0, block, sizeof block), 0);
    }
    assert_int_equal(take_ping(i), TAG_NONE);
    lab_close(&w);
}

/* Whoever answers pings loses a round trip. */
static void an_honest_initiator_writes_on(void **state)
{
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (int n = 0; n < 10; n++) {
        sim_run_for(w.sim, (uint64_t)n * 3 * SECOND_US);
        lab_alive(&w, i);
    }
    assert_true(w.target->metrics.gated_writes.value > 5);
    assert_true(w.target->metrics.pings_answered.value > 5);
    lab_close(&w);
}

/* It lay here while its connection was silent: it is as old as that. */
static void what_waited_in_silence_is_asked_when_it_is_handed_on(void **state)
{
    struct initiator_request first = {.attribute = SIMPLE}, ordered = {.attribute = ORDERED};
    struct initiator *i;
    struct lab w;
    uint32_t ttt;

    (void)state;
    lab_begin(&w);
    i = ready_mute(&w, "iqn.a", 1);
    w.ram.stalled = true;
    initiator_write(i, &first, 0, block, sizeof block);
    initiator_write(i, &ordered, 8, block, sizeof block);
    sim_run_for(w.sim, 4 * SECOND_US);
    assert_int_equal(w.ram.writes, 1);
    ram_block_go_on(&w.ram);
    lab_until(&w, initiator_answered, &first);
    sim_run_for(w.sim, SECOND_US);
    assert_int_equal(w.ram.writes, 1);
    ttt = take_ping(i);
    assert_int_not_equal(ttt, TAG_NONE);
    pong(i, ttt);
    lab_until(&w, initiator_answered, &ordered);
    assert_int_equal(w.ram.writes, 2);
    lab_close(&w);
}

/* ---- a newer session of the name ---- */

static void a_newer_session_has_the_older_one_prove_itself(void **state)
{
    struct initiator_request r = {0};
    struct initiator *old, *other, *new;
    struct lab w;
    uint32_t ttt;

    (void)state;
    lab_begin(&w);
    old = ready_mute(&w, "iqn.a", 1);
    other = ready_mute(&w, "iqn.b", 1);
    new = ready_mute(&w, "iqn.a", 2);
    initiator_write(old, &r, 0, block, sizeof block);
    assert_int_equal(lab_write(&w, other, 8, block, sizeof block), 0);
    assert_int_equal(lab_write(&w, new, 16, block, sizeof block), 0);
    assert_int_equal(w.ram.writes, 2);
    assert_int_equal(take_ping(other), TAG_NONE);
    assert_int_equal(take_ping(new), TAG_NONE);
    ttt = take_ping(old);
    assert_int_not_equal(ttt, TAG_NONE);
    pong(old, ttt);
    lab_until(&w, initiator_answered, &r);
    sim_run_for(w.sim, 10 * SECOND_US);
    assert_non_null(old->net);
    assert_non_null(new->net);
    lab_close(&w);
}

/* libiscsi's way: a new ISID each time.  What the dead session still says is never done. */
static void an_older_session_that_is_dead_ends_without_writing(void **state)
{
    struct initiator_request r = {0};
    struct initiator *old, *new;
    struct lab w;

    (void)state;
    lab_begin(&w);
    old = ready_mute(&w, "iqn.a", 1);
    new = lab_ready(&w, "iqn.a", 2);
    assert_int_equal(lab_write(&w, new, 0, block, sizeof block), 0);
    initiator_write(old, &r, 0, block, sizeof block);
    sim_run_for(w.sim, 4 * SECOND_US);
    assert_non_null(old->net);
    sim_run_for(w.sim, 2 * SECOND_US);
    assert_null(old->net);
    assert_int_equal(w.ram.writes, 1);
    assert_int_equal(w.target->metrics.unproved_ends.value, 1);
    assert_int_equal(lab_write(&w, new, 0, block, sizeof block), 0);
    assert_non_null(new->net);
    lab_close(&w);
}

/* It was under way when the newer one came: its answer may be as old as everything else. */
static void a_ping_from_before_proves_nothing(void **state)
{
    struct initiator_request r = {0};
    struct initiator *old;
    struct lab w;
    uint32_t before, after;

    (void)state;
    lab_begin(&w);
    old = ready_mute(&w, "iqn.a", 1);
    sim_run_for(w.sim, 4 * SECOND_US);
    initiator_write(old, &r, 0, block, sizeof block);
    sim_run_for(w.sim, SECOND_US);
    before = take_ping(old);
    ready_mute(&w, "iqn.a", 2);
    pong(old, before);
    sim_run_for(w.sim, SECOND_US);
    assert_int_equal(w.ram.writes, 0);
    after = take_ping(old);
    assert_int_not_equal(after, before);
    pong(old, after);
    lab_until(&w, initiator_answered, &r);
    assert_int_equal(r.status, 0);
    lab_close(&w);
}

/* ---- the end ---- */

static void a_ping_is_not_awaited_for_ever(void **state)
{
    struct initiator_request r = {0};
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = ready_mute(&w, "iqn.a", 1);
    sim_run_for(w.sim, 4 * SECOND_US);
    initiator_write(i, &r, 0, block, sizeof block);
    for (int n = 0; n < 57; n++) { /* it reads and reads, and answers no ping */
        sim_run_for(w.sim, SECOND_US);
        take_ping(i);
        assert_int_equal(lab_read(&w, i, 0, block, sizeof block), 0);
    }
    sim_run_for(w.sim, 5 * SECOND_US);
    assert_null(i->net);
    assert_int_equal(w.ram.writes, 0);
    lab_close(&w);
}

static void a_held_write_is_told_busy_at_its_deadline(void **state)
{
    struct initiator_request r = {0};
    struct initiator *i;
    struct lab w;
    uint32_t ttt;

    (void)state;
    lab_begin(&w);
    w.directory.answer.deadline_seconds = 25;
    i = ready_mute(&w, "iqn.a", 1);
    sim_run_for(w.sim, 4 * SECOND_US);
    initiator_write(i, &r, 0, block, sizeof block);
    lab_until(&w, initiator_answered, &r);
    assert_int_equal(r.status, 0x08);
    ttt = take_ping(i);
    pong(i, ttt);
    sim_run_for(w.sim, SECOND_US);
    assert_int_equal(w.ram.writes, 0);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_silence_a_write_waits_for_a_ping),
        cmocka_unit_test(who_spoke_a_moment_ago_is_not_asked),
        cmocka_unit_test(reads_after_silence_cost_nothing),
        cmocka_unit_test(an_honest_initiator_writes_on),
        cmocka_unit_test(what_waited_in_silence_is_asked_when_it_is_handed_on),
        cmocka_unit_test(a_newer_session_has_the_older_one_prove_itself),
        cmocka_unit_test(an_older_session_that_is_dead_ends_without_writing),
        cmocka_unit_test(a_ping_from_before_proves_nothing),
        cmocka_unit_test(a_ping_is_not_awaited_for_ever),
        cmocka_unit_test(a_held_write_is_told_busy_at_its_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
