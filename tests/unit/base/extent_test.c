/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/extent_test.c — ranges, and who waits for whom. */
#include "base/extent.h"
#include "tests/unit/dies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- ranges ---- */

static void a_range_within_never_wraps(void **state)
{
    (void)state;
    assert_true(extent_within((struct extent){0, 10}, 10));
    assert_true(extent_within((struct extent){10, 0}, 10));
    assert_false(extent_within((struct extent){0, 11}, 10));
    assert_false(extent_within((struct extent){9, 2}, 10));
    assert_false(extent_within((struct extent){11, 0}, 10));
    assert_false(extent_within((struct extent){UINT64_MAX, 2}, 10));
    assert_false(extent_within((struct extent){2, UINT64_MAX}, 10));
    assert_false(extent_within((struct extent){UINT64_MAX, UINT64_MAX}, UINT64_MAX));
}

static void neighbours_do_not_overlap(void **state)
{
    struct extent a = {10, 5};

    (void)state;
    assert_false(extent_overlaps(a, (struct extent){5, 5}));
    assert_false(extent_overlaps(a, (struct extent){15, 5}));
    assert_true(extent_overlaps(a, (struct extent){14, 1}));
    assert_true(extent_overlaps(a, (struct extent){9, 2}));
    assert_true(extent_overlaps(a, (struct extent){0, 100}));
    assert_true(extent_overlaps(a, (struct extent){12, 1}));
}

/* ---- the lock ---- */

#define CLAIMS 64u

struct claimant {
    struct task task;
    struct extent_claim claim;
    uint32_t woken;
};

static struct extent_lock lock;
static struct task_queue queue;
static struct claimant c[CLAIMS];

static enum task_next claimant_step(struct task *t)
{
    container_of(t, struct claimant, task)->woken++;
    return TASK_WAIT;
}

static const struct task_state claimant_states[] = {{"claims", TASK_FIRST}};
static const struct task_kind claimant_kind = {
    .name = "claimant", .step = claimant_step, .states = claimant_states, .state_count = 1};

static int setup(void **state)
{
    (void)state;
    memset(c, 0, sizeof c);
    extent_lock_init(&lock);
    task_queue_init(&queue);
    for (uint32_t i = 0; i < CLAIMS; i++)
        task_start(&c[i].task, &claimant_kind, &queue, 0);
    task_queue_run(&queue, CLAIMS);
    for (uint32_t i = 0; i < CLAIMS; i++)
        c[i].woken = 0;
    return 0;
}

static bool claim(uint32_t i, uint64_t start, uint64_t count, enum extent_mode mode)
{
    return extent_claim(&lock, &c[i].claim, (struct extent){start, count}, mode, &c[i].task);
}

static void give_up(uint32_t i)
{
    extent_release(&c[i].claim);
    task_queue_run(&queue, CLAIMS);
}

static void what_does_not_overlap_does_not_wait(void **state)
{
    (void)state;
    assert_true(claim(0, 0, 8, EXTENT_EXCLUSIVE));
    assert_true(claim(1, 8, 8, EXTENT_EXCLUSIVE));
    assert_false(claim(2, 7, 2, EXTENT_EXCLUSIVE));
    give_up(0);
    assert_false(c[2].claim.held); /* 1 still holds a part of it */
    assert_int_equal(c[2].woken, 0);
    give_up(1);
    assert_true(c[2].claim.held);
    assert_int_equal(c[2].woken, 1);
    give_up(2);
    give_up(2); /* nothing to do */
    assert_true(list_empty(&lock.claims));
}

static void the_shared_share(void **state)
{
    (void)state;
    assert_true(claim(0, 0, 8, EXTENT_SHARED));
    assert_true(claim(1, 4, 8, EXTENT_SHARED));
    assert_false(claim(2, 0, 100, EXTENT_EXCLUSIVE));
    give_up(0);
    assert_false(c[2].claim.held);
    give_up(1);
    assert_true(c[2].claim.held);
    assert_false(claim(3, 50, 1, EXTENT_SHARED));
    give_up(2);
    assert_true(c[3].claim.held);
    give_up(3);
}

/* Else a stream of readers would keep a writer out for ever. */
static void who_comes_later_does_not_overtake(void **state)
{
    (void)state;
    assert_true(claim(0, 0, 8, EXTENT_SHARED));
    assert_false(claim(1, 0, 8, EXTENT_EXCLUSIVE));
    assert_false(claim(2, 0, 8, EXTENT_SHARED)); /* would fit beside 0, but 1 was first */
    assert_false(claim(3, 4, 2, EXTENT_SHARED));
    assert_true(claim(4, 8, 8, EXTENT_EXCLUSIVE)); /* touches none of them */
    give_up(0);
    assert_true(c[1].claim.held);
    assert_false(c[2].claim.held);
    give_up(1);
    assert_true(c[2].claim.held);
    assert_true(c[3].claim.held);
    give_up(2);
    give_up(3);
    give_up(4);
}

static void who_gives_up_waiting_lets_others_pass(void **state)
{
    (void)state;
    assert_true(claim(0, 0, 8, EXTENT_SHARED));
    assert_false(claim(1, 0, 8, EXTENT_EXCLUSIVE));
    assert_false(claim(2, 0, 8, EXTENT_SHARED));
    give_up(1);
    assert_true(c[2].claim.held);
    assert_int_equal(c[1].woken, 0);
    assert_int_equal(c[2].woken, 1);
    give_up(0);
    give_up(2);
}

/* ---- at random, against the rule itself ---- */

static bool conflict(uint32_t a, uint32_t b)
{
    return extent_overlaps(c[a].claim.extent, c[b].claim.extent) &&
           (c[a].claim.mode == EXTENT_EXCLUSIVE || c[b].claim.mode == EXTENT_EXCLUSIVE);
}

/* A claim is held exactly when no earlier one that conflicts is still there. */
static void check_all(const uint32_t *arrival)
{
    for (uint32_t i = 0; i < CLAIMS; i++) {
        bool must_wait = false;

        if (!c[i].claim.lock)
            continue;
        for (uint32_t j = 0; j < CLAIMS; j++)
            must_wait |= j != i && c[j].claim.lock && arrival[j] < arrival[i] && conflict(i, j);
        assert_int_equal(c[i].claim.held, !must_wait);
    }
}

static void any_order_keeps_the_rule_and_ends(void **state)
{
    uint32_t arrival[CLAIMS] = {0}, x = 99, arrivals = 0;

    (void)state;
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t i;

        x = x * 1664525 + 1013904223;
        i = (x >> 24) % CLAIMS;
        if (c[i].claim.lock) {
            give_up(i);
        } else {
            arrival[i] = ++arrivals;
            claim(i, (x >> 10) % 40, 1 + (x >> 16) % 10,
                  (x >> 20) % 3 ? EXTENT_SHARED : EXTENT_EXCLUSIVE);
        }
        if (round % 7 == 0)
            check_all(arrival);
    }
    /* P12: whoever waits gets it, when those that hold let go one after the other */
    for (uint32_t left = CLAIMS; left > 0 && !list_empty(&lock.claims); left--) {
        struct extent_claim *first = container_of(lock.claims.next, struct extent_claim, link);

        assert_true(first->held);
        extent_release(first);
        check_all(arrival);
    }
    assert_true(list_empty(&lock.claims));
}

static void claim_twice(void *argument)
{
    (void)argument;
    claim(0, 0, 1, EXTENT_SHARED);
    claim(0, 5, 1, EXTENT_SHARED);
}

static void claim_nothing(void *argument)
{
    (void)argument;
    claim(0, 5, 0, EXTENT_SHARED);
}

static void our_mistakes_are_asserted(void **state)
{
    (void)state;
    assert_true(aborts(claim_twice, NULL));
    assert_true(aborts(claim_nothing, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_within_never_wraps),
        cmocka_unit_test(neighbours_do_not_overlap),
        cmocka_unit_test_setup(what_does_not_overlap_does_not_wait, setup),
        cmocka_unit_test_setup(the_shared_share, setup),
        cmocka_unit_test_setup(who_comes_later_does_not_overtake, setup),
        cmocka_unit_test_setup(who_gives_up_waiting_lets_others_pass, setup),
        cmocka_unit_test_setup(any_order_keeps_the_rule_and_ends, setup),
        cmocka_unit_test_setup(our_mistakes_are_asserted, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
