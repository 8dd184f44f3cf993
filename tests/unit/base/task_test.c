/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/task_test.c — a life of a few states, stepped from a queue. */
#include "base/task.h"
#include "base/util.h"
#include "tests/unit/dies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum trip_state { PACK, TRAVEL, HOME, LOST };

/* One traveller: packs, travels when told that the train is there, comes home. */
struct trip {
    struct task task;
    bool train;
    uint32_t steps, invariants;
    bool in_step;
    uint32_t done_count;
    enum err err_at_end;
};

static struct task_queue queue;
static struct trip *order[64];
static uint32_t order_count;

static enum task_next trip_step(struct task *t)
{
    struct trip *trip = container_of(t, struct trip, task);

    trip->steps++;
    switch ((enum trip_state)t->state) {
    case PACK:
        return task_wait_in(t, TRAVEL);
    case TRAVEL:
        if (!trip->train)
            return TASK_WAIT;
        return trip->err_at_end ? task_fail(t, LOST, E_UNREACHABLE) : task_goto(t, HOME);
    case HOME:
    case LOST:
        order[order_count++] = trip;
        return TASK_DONE;
    }
    unreachable();
}

static bool trip_invariant(const struct task *t)
{
    struct trip *trip = container_of(t, struct trip, task);

    trip->invariants++;
    return t->state != HOME || trip->train;
}

static void trip_done(struct task *t)
{
    struct trip *trip = container_of(t, struct trip, task);

    assert_false(task_living(t));
    trip->done_count++;
    trip->err_at_end = t->err;
}

static const struct task_state trip_states[] = {
    [PACK] = {"pack", TASK_FIRST},
    [TRAVEL] = {"travel", TASK_AFTER(PACK)},
    [HOME] = {"home", TASK_AFTER(TRAVEL)},
    [LOST] = {"lost", TASK_AFTER(TRAVEL)},
};

static const struct task_kind trip_kind = {
    .name = "trip",
    .step = trip_step,
    .done = trip_done,
    .invariant = trip_invariant,
    .states = trip_states,
    .state_count = array_length(trip_states),
};

static int setup(void **state)
{
    (void)state;
    task_queue_init(&queue);
    order_count = 0;
    return 0;
}

static void arrive(struct trip *trip)
{
    trip->train = true;
    task_run(&trip->task);
}

static void a_life_reads_downwards(void **state)
{
    struct trip trip = {.train = false};

    (void)state;
    queue.now_us = 5;
    task_start(&trip.task, &trip_kind, &queue, PACK);
    assert_int_equal(trip.steps, 0); /* never inside task_start() */
    assert_true(task_living(&trip.task));
    assert_int_equal(task_queue_run(&queue, 100), 1);
    assert_int_equal(trip.task.state, TRAVEL);
    assert_int_equal(task_queue_run(&queue, 100), 0); /* waits */

    task_run(&trip.task);
    assert_int_equal(task_queue_run(&queue, 100), 1); /* in vain: no train */
    assert_int_equal(trip.done_count, 0);

    queue.now_us = 9;
    arrive(&trip);
    assert_int_equal(trip.steps, 2); /* never inside task_run() */
    assert_int_equal(task_queue_run(&queue, 100), 1);
    assert_int_equal(trip.done_count, 1);
    assert_int_equal(trip.err_at_end, E_OK);
    assert_int_equal(trip.task.started_us, 5);
    assert_int_equal(trip.task.moved_us, 9);
    assert_int_equal(trip.invariants, 3); /* one a move: pack, travel, home */
    assert_true(list_empty(&queue.living));
}

static void a_failure_carries_its_reason(void **state)
{
    struct trip trip = {.err_at_end = E_SYSTEM}; /* asks for a failure */

    (void)state;
    task_start(&trip.task, &trip_kind, &queue, PACK);
    task_queue_run(&queue, 100);
    arrive(&trip);
    task_queue_run(&queue, 100);
    assert_int_equal(trip.done_count, 1);
    assert_int_equal(trip.err_at_end, E_UNREACHABLE);
}

static void ready_tasks_are_stepped_in_their_order_and_once(void **state)
{
    static struct trip trips[8];

    (void)state;
    memset(trips, 0, sizeof trips);
    for (uint32_t i = 0; i < 8; i++)
        task_start(&trips[i].task, &trip_kind, &queue, PACK);
    assert_int_equal(task_queue_run(&queue, 3), 3); /* the budget */
    assert_int_equal(task_queue_run(&queue, 100), 5);
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t who = (i * 5) % 8;

        arrive(&trips[who]);
        task_run(&trips[who].task); /* ready already */
    }
    assert_int_equal(task_queue_run(&queue, 100), 8);
    for (uint32_t i = 0; i < 8; i++) {
        assert_ptr_equal(order[i], &trips[(i * 5) % 8]);
        assert_int_equal(trips[i].done_count, 1);
        assert_int_equal(trips[i].steps, 3);
    }
}

static void the_living_are_listed_oldest_first(void **state)
{
    static struct trip trips[3];
    uint32_t i = 0;

    (void)state;
    memset(trips, 0, sizeof trips);
    for (; i < 3; i++)
        task_start(&trips[i].task, &trip_kind, &queue, PACK);
    task_queue_run(&queue, 100);
    arrive(&trips[1]);
    task_queue_run(&queue, 100);
    i = 0;
    list_for_each(l, &queue.living) {
        assert_ptr_equal(container_of(l, struct task, living_link), &trips[i].task);
        i += 2;
    }
    assert_int_equal(i, 4);
}

/* done() may give the memory to the next life at once. */
static struct trip again;

static void start_again(struct task *t)
{
    struct trip *trip = container_of(t, struct trip, task);
    static const struct task_kind once = {.name = "once",
                                          .step = trip_step,
                                          .done = trip_done,
                                          .states = trip_states,
                                          .state_count = 4};

    trip->train = true;
    task_start(t, &once, &queue, PACK);
    task_run(t);
}

static void a_struct_may_live_again_from_its_done(void **state)
{
    static const struct task_kind twice = {.name = "twice",
                                           .step = trip_step,
                                           .done = start_again,
                                           .states = trip_states,
                                           .state_count = 4};

    (void)state;
    again = (struct trip){.train = true};
    task_start(&again.task, &twice, &queue, PACK);
    for (int i = 0; i < 4; i++) {
        task_queue_run(&queue, 100);
        if (task_living(&again.task))
            task_run(&again.task);
    }
    assert_int_equal(again.done_count, 1);
    assert_int_equal(order_count, 2);
}

/* ---- our mistakes ---- */

static enum task_next jump(struct task *t)
{
    return task_goto(t, HOME); /* not after PACK */
}

static enum task_next break_promise(struct task *t)
{
    return t->state == PACK ? task_goto(t, TRAVEL) : task_goto(t, HOME); /* without a train */
}

static void run_kind(void *argument)
{
    struct trip trip = {.train = false};

    task_start(&trip.task, argument, &queue, PACK);
    task_queue_run(&queue, 100);
}

static void start_in_the_middle(void *argument)
{
    struct trip trip = {.train = true};

    (void)argument;
    task_start(&trip.task, &trip_kind, &queue, HOME);
}

static void run_the_dead(void *argument)
{
    struct trip trip = {.train = false};

    (void)argument;
    task_run(&trip.task);
}

static void illegal_moves_are_asserted(void **state)
{
    struct task_kind jumping = trip_kind, breaking = trip_kind;

    (void)state;
    jumping.step = jump;
    breaking.step = break_promise;
    assert_true(aborts(run_kind, &jumping));
    assert_true(aborts(run_kind, &breaking));
    assert_true(aborts(start_in_the_middle, NULL));
    assert_true(aborts(run_the_dead, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_life_reads_downwards, setup),
        cmocka_unit_test_setup(a_failure_carries_its_reason, setup),
        cmocka_unit_test_setup(ready_tasks_are_stepped_in_their_order_and_once, setup),
        cmocka_unit_test_setup(the_living_are_listed_oldest_first, setup),
        cmocka_unit_test_setup(a_struct_may_live_again_from_its_done, setup),
        cmocka_unit_test_setup(illegal_moves_are_asserted, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
