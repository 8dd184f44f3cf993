/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/jump_test.c — a clock that jumps by hours, as after a machine's sleep.
 *
 * What ends is what a clock is there to end; silence in a time in which nobody listened is none.
 */
#include "base/util.h"
#include "iscsi-target/target.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_US 1000000ull
#define HOURS_US  (3 * 3600 * SECOND_US)

static uint8_t block[4096];

static void no_session_ends(void **state)
{
    struct initiator *a, *b;
    struct lab w;

    (void)state;
    lab_begin(&w);
    a = lab_ready(&w, "iqn.a", 1);
    b = lab_ready(&w, "iqn.b", 1);
    fill(block, sizeof block, 3);
    assert_int_equal(lab_write(&w, a, 0, block, sizeof block), 0);
    for (int n = 0; n < 3; n++) {
        sim_jump(w.sim, HOURS_US);
        sim_run_for(w.sim, 5 * SECOND_US);
        lab_alive(&w, a);
        assert_int_equal(lab_write(&w, b, 8, block, sizeof block), 0);
    }
    assert_int_equal(w.target->metrics.silent_ends.value, 0);
    assert_int_equal(w.target->metrics.unproved_ends.value, 0);
    lab_close(&w);
}

/* The ping that a write waits for was on its way when the clock jumped. */
static void a_question_is_not_too_old(void **state)
{
    struct initiator_request r = {.attribute = SIMPLE};
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    sim_run_for(w.sim, 4 * SECOND_US);
    initiator_write(i, &r, 0, block, sizeof block);
    while (w.target->metrics.gated_writes.value == 0)
        sim_run_for(w.sim, 10);
    sim_jump(w.sim, HOURS_US);
    lab_until(&w, initiator_answered, &r);
    assert_int_equal(w.target->metrics.unproved_ends.value, 0);
    lab_alive(&w, i);
    lab_close(&w);
}

/* Whoever is silent from then on is still found out. */
static void silence_afterwards_counts(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .mute = true};
    struct lab w;

    (void)state;
    lab_begin(&w);
    lab_ready_with(&w, config);
    sim_jump(w.sim, HOURS_US);
    sim_run_for(w.sim, 30 * SECOND_US);
    assert_int_equal(w.target->metrics.silent_ends.value, 0);
    sim_run_for(w.sim, 60 * SECOND_US);
    assert_int_equal(w.target->metrics.silent_ends.value, 1);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_session_ends),
        cmocka_unit_test(a_question_is_not_too_old),
        cmocka_unit_test(silence_afterwards_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
