/* SPDX-License-Identifier: Apache-2.0 */
/* The one door to records over the keeper in memory, on a clock of our own. */
#include "metadata/keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct env env;
    struct keeper *keeper;
    struct records *records;
};

#define DELAY_US 100u

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_int_equal(clock_open(&f->env.clock, 8), E_OK);
    assert_int_equal(keeper_memory_open((struct identity){7}, &f->keeper), E_OK);
    assert_int_equal(records_of_keeper_open(&f->env, f->keeper, DELAY_US, &f->records), E_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->records)
        records_of_keeper_close(f->records);
    keeper_close(f->keeper);
    clock_close(&f->env.clock);
    free(f);
    return 0;
}

/* To the next timer; false: none runs. */
static bool turn(struct fixture *f)
{
    uint64_t next = clock_next_us(&f->env.clock);

    if (next == UINT64_MAX)
        return false;
    if (next > f->env.clock.now_us)
        f->env.clock.now_us = next;
    clock_fire(&f->env.clock);
    return true;
}

struct asked {
    struct records_call call;
    uint32_t done;
    enum err err;
};

static void noted(struct records_call *c, enum err err)
{
    struct asked *a = container_of(c, struct asked, call);

    a->done++;
    a->err = err;
}

static struct asked watch_after(uint64_t revision, uint32_t wait_ms)
{
    struct asked a = {.call = {.op = RECORDS_WATCH,
                               .prefix = "k/",
                               .revision = revision,
                               .wait_ms = wait_ms,
                               .done = noted}};

    return a;
}

static void put(struct fixture *f, const char *name, struct asked *a)
{
    struct record_key key = {{0}};

    memcpy(key.text, name, strlen(name) + 1);
    *a = (struct asked){.call = {.op = RECORDS_TRANSACT, .done = noted}};
    a->call.transaction = malloc(sizeof *a->call.transaction);
    transaction_init(a->call.transaction);
    transaction_put(a->call.transaction, key, strdup("1"));
    f->records->call(f->records, &a->call);
}

static void put_over(struct asked *a)
{
    transaction_done(a->call.transaction);
    free(a->call.transaction);
}

static void nothing_is_done_inside_the_call(void **state)
{
    struct fixture *f = *state;
    struct asked a;

    put(f, "k/1", &a);
    assert_int_equal(a.done, 0);
    assert_true(turn(f));
    assert_int_equal(a.done, 1);
    assert_int_equal(a.err, E_OK);
    assert_int_equal(a.call.revision, 2);
    assert_int_equal(f->env.clock.now_us, DELAY_US);
    assert_false(turn(f));
    put_over(&a);
}

static void a_range_answers_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct asked w, r = {.call = {.op = RECORDS_RANGE, .prefix = "k/", .done = noted}};

    put(f, "k/1", &w);
    f->records->call(f->records, &r.call);
    turn(f);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.call.list.count, 1);
    assert_int_equal(r.call.list.revision, 2);
    record_list_free(&r.call.list);
    put_over(&w);
}

static void a_watch_waits_for_a_change_under_its_prefix(void **state)
{
    struct fixture *f = *state;
    struct asked w = watch_after(1, 1000), other, mine;

    f->records->call(f->records, &w.call);
    turn(f);
    assert_int_equal(w.done, 0);
    put(f, "x/1", &other);
    while (!other.done)
        turn(f);
    assert_int_equal(w.done, 0);
    put(f, "k/1", &mine);
    while (!mine.done)
        turn(f);
    turn(f);
    assert_int_equal(w.done, 1);
    assert_int_equal(w.call.list.count, 1);
    assert_true(f->env.clock.now_us < 1000000);
    record_list_free(&w.call.list);
    put_over(&other);
    put_over(&mine);
}

static void a_watch_without_news_ends_when_its_time_is_up(void **state)
{
    struct fixture *f = *state;
    struct asked w = watch_after(1, 1000);

    f->records->call(f->records, &w.call);
    while (!w.done)
        assert_true(turn(f));
    assert_int_equal(w.err, E_OK);
    assert_int_equal(w.call.list.count, 0);
    assert_int_equal(f->env.clock.now_us, 1000000);
}

static void a_close_ends_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    struct asked waiting = watch_after(1, 1000), called = watch_after(1, 1000);

    f->records->call(f->records, &waiting.call);
    turn(f);
    f->records->call(f->records, &called.call);
    records_of_keeper_close(f->records);
    f->records = NULL;
    assert_int_equal(waiting.done, 1);
    assert_int_equal(waiting.err, E_CLOSED);
    assert_int_equal(called.done, 1);
    assert_int_equal(called.err, E_CLOSED);
    assert_false(turn(f));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_done_inside_the_call),
        TEST(a_range_answers_what_is_there),
        TEST(a_watch_waits_for_a_change_under_its_prefix),
        TEST(a_watch_without_news_ends_when_its_time_is_up),
        TEST(a_close_ends_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
