/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/clock_test.c — timers on a clock that the test sets. */
#include "base/util.h"
#include "env/env.h"
#include "tests/unit/dies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TIMERS 500u

static struct clock clock_under_test;
static struct timer timers[TIMERS];
static struct timer *fired[4 * TIMERS];
static uint32_t fired_count;

static void note(struct timer *t)
{
    fired[fired_count++] = t;
}

static int setup(void **state)
{
    (void)state;
    memset(timers, 0, sizeof timers);
    fired_count = 0;
    return clock_open(&clock_under_test, TIMERS) == E_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    clock_close(&clock_under_test);
    return 0;
}

static void fire_at(uint64_t at_us)
{
    clock_under_test.now_us = at_us;
    clock_fire(&clock_under_test);
}

static void start(uint32_t i, uint64_t delay_us)
{
    timer_start(&clock_under_test, &timers[i], delay_us, note);
}

static void a_timer_fires_once_when_due(void **state)
{
    (void)state;
    assert_int_equal(clock_next_us(&clock_under_test), UINT64_MAX);
    clock_under_test.now_us = 1000;
    start(0, 50);
    assert_true(timer_running(&timers[0]));
    assert_int_equal(clock_next_us(&clock_under_test), 1050);
    fire_at(1049);
    assert_int_equal(fired_count, 0);
    fire_at(1050);
    assert_int_equal(fired_count, 1);
    assert_false(timer_running(&timers[0]));
    fire_at(9999);
    assert_int_equal(fired_count, 1);
}

static void those_due_together_fire_as_they_were_started(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        start((i * 37) % 100, 10);
    fire_at(10);
    assert_int_equal(fired_count, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_ptr_equal(fired[i], &timers[(i * 37) % 100]);
}

static void a_stopped_timer_does_not_fire(void **state)
{
    (void)state;
    start(0, 5);
    start(1, 6);
    timer_stop(&clock_under_test, &timers[0]);
    timer_stop(&clock_under_test, &timers[0]); /* nothing to do */
    fire_at(100);
    assert_int_equal(fired_count, 1);
    assert_ptr_equal(fired[0], &timers[1]);
}

static void a_running_timer_starts_anew(void **state)
{
    (void)state;
    start(0, 5);
    start(0, 50);
    assert_int_equal(clock_under_test.used, 1);
    fire_at(49);
    assert_int_equal(fired_count, 0);
    fire_at(50);
    assert_int_equal(fired_count, 1);
}

static void note_and_start_again(struct timer *t)
{
    note(t);
    timer_start(&clock_under_test, t, 0, note_and_start_again);
}

/* Else a timer without delay would hold the turn for ever. */
static void what_a_timer_starts_waits_for_the_next_turn(void **state)
{
    (void)state;
    timer_start(&clock_under_test, &timers[0], 0, note_and_start_again);
    start(1, 0);
    fire_at(0);
    assert_int_equal(fired_count, 2);
    fire_at(0);
    assert_int_equal(fired_count, 3);
    assert_ptr_equal(fired[2], &timers[0]);
}

static void stop_next(struct timer *t)
{
    note(t);
    timer_stop(&clock_under_test, t + 1);
}

static void a_timer_may_stop_another_that_is_due(void **state)
{
    (void)state;
    timer_start(&clock_under_test, &timers[0], 1, stop_next);
    start(1, 1);
    start(2, 1);
    fire_at(1);
    assert_int_equal(fired_count, 2);
    assert_ptr_equal(fired[1], &timers[2]);
}

static void a_delay_without_end_does_not_wrap(void **state)
{
    (void)state;
    clock_under_test.now_us = 1000;
    start(0, UINT64_MAX);
    assert_int_equal(timers[0].due_us, UINT64_MAX);
    fire_at(UINT64_MAX - 1);
    assert_int_equal(fired_count, 0);
}

/* Against the plainest model: an array that is searched for what is due. */
static void any_order_of_starts_and_stops_fires_in_order(void **state)
{
    uint32_t x = 1;
    uint64_t now = 0;

    (void)state;
    for (uint32_t round = 0; round < 5000; round++) {
        x = x * 1664525 + 1013904223;
        uint32_t i = (x >> 8) % TIMERS;

        if (x >> 31)
            start(i, (x >> 16) % 1000);
        else
            timer_stop(&clock_under_test, &timers[i]);
        if (round % 50 != 49)
            continue;

        uint32_t due = 0, running = 0;

        now += 100;
        for (uint32_t t = 0; t < TIMERS; t++) {
            running += timer_running(&timers[t]);
            due += timer_running(&timers[t]) && timers[t].due_us <= now;
        }
        fired_count = 0;
        fire_at(now);
        assert_int_equal(fired_count, due);
        assert_int_equal(clock_under_test.used, running - due);
        for (uint32_t f = 1; f < fired_count; f++)
            assert_true(fired[f - 1]->due_us <= fired[f]->due_us);
        for (uint32_t f = 0; f < fired_count; f++)
            assert_true(fired[f]->due_us <= now);
    }
}

static void start_one_too_many(void *argument)
{
    struct timer one_more = {0};

    (void)argument;
    for (uint32_t i = 0; i < TIMERS; i++)
        start(i, i);
    timer_start(&clock_under_test, &one_more, 1, note);
}

static void more_timers_than_were_counted_is_our_mistake(void **state)
{
    (void)state;
    assert_true(aborts(start_one_too_many, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_timer_fires_once_when_due),
        TEST(those_due_together_fire_as_they_were_started),
        TEST(a_stopped_timer_does_not_fire),
        TEST(a_running_timer_starts_anew),
        TEST(what_a_timer_starts_waits_for_the_next_turn),
        TEST(a_timer_may_stop_another_that_is_due),
        TEST(a_delay_without_end_does_not_wrap),
        TEST(any_order_of_starts_and_stops_fires_in_order),
        TEST(more_timers_than_were_counted_is_our_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
