/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/groups_test.c — several journal groups in flight: the disk ends them in any
 * order, or never, and whoever gave the changes cannot tell.
 */
#include "tests/unit/store/held.h"

#define SIZE 2000u

/* Three writes, each in a group of its own and held. */
static struct rig three_in_flight(uint64_t seed)
{
    struct rig r = gated(seed, SIZE);

    forget_given();
    for (uint64_t i = 0; i < 3; i++)
        give_write_alone(&r, i * 20, 1, 100 + i);
    assert_int_equal(gate.count, 3);
    return r;
}

static void answers_come_in_order_though_the_disk_does_not(void **state)
{
    struct rig r = three_in_flight(1);

    (void)state;
    gate_pass(&r, 2);
    gate_pass(&r, 1);
    assert_int_equal(answered_count, 0);
    expect_blocks(&r, 40, 1, 0); /* what is not answered is not seen yet */
    gate_pass(&r, 0);
    assert_int_equal(answered_count, 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(given[i].err, E_OK);
        expect_blocks(&r, i * 20, 1, 100 + i);
    }
    gate_end(&r);
}

static void give_many(struct rig *r, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        give_write(r, i * 20, 1, 500 + i);
    sim_run_for(r->sim, SHORT_US);
}

/* Design 7: a further group for a quarter of what is outstanding, and never more than four. */
static void a_quarter_of_the_changes_makes_a_further_group(void **state)
{
    struct rig r = gated(2, SIZE);

    (void)state;
    forget_given();
    give_many(&r, 1);
    assert_int_equal(gate.count, 1);
    give_many(&r, 8); /* of 9 */
    assert_int_equal(gate.count, 2);
    give_many(&r, 2); /* of 11 */
    assert_int_equal(gate.count, 2);
    give_many(&r, 1); /* 3 of 12 */
    assert_int_equal(gate.count, 3);
    give_many(&r, 4); /* of 16 */
    assert_int_equal(gate.count, 4);
    give_many(&r, 30);
    assert_int_equal(gate.count, 4);
    gate_pass(&r, 0);
    assert_int_equal(gate.count, 5); /* all that waited */
    gate_open(&r);
    assert_int_equal(answered_count, given_count);
    gate_end(&r);
}

/* Groups 1 and 3 are durable, 2 never was: nothing answered is lost, nothing comes back. */
static void a_crash_with_a_gap_ends_before_it(void **state)
{
    struct rig r = three_in_flight(3);

    (void)state;
    gate_pass(&r, 0);
    assert_int_equal(answered_count, 1);
    gate_pass(&r, 2);
    assert_int_equal(answered_count, 1);
    gate_crash(&r);
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 0, 1, 100);
    expect_blocks(&r, 20, 1, 0);
    expect_blocks(&r, 40, 1, 0);
    assert_int_equal(rig_write(&r, 20, 1, 900), E_OK); /* where group 2 was to be: 3 is behind it */
    rig_crash_and_reopen(&r);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 0, 1, 100);
    expect_blocks(&r, 20, 1, 900);
    expect_blocks(&r, 40, 1, 0);
    rig_end(&r);
}

static void a_failed_group_fails_those_behind_it(void **state)
{
    struct rig r = three_in_flight(4);

    (void)state;
    gate_pass(&r, 2);
    gate_refuse(&r, 1);
    assert_int_equal(answered_count, 0);
    give_write_alone(&r, 60, 1, 103);
    gate_pass(&r, 3);
    gate_pass(&r, 0);
    assert_int_equal(answered_count, 4); /* in order, says given_done() */
    assert_int_equal(given[0].err, E_OK);
    assert_int_equal(given[1].err, E_DISK);
    assert_int_equal(given[2].err, E_DISK);
    assert_int_equal(given[3].err, E_DISK);
    expect_blocks(&r, 0, 1, 100);
    expect_blocks(&r, 20, 1, 0);
    expect_blocks(&r, 40, 1, 0);
    assert_int_equal(rig_write(&r, 80, 1, 104), E_READ_ONLY);
    gate.open = true;
    gate_crash(&r);
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 0, 1, 100);
    expect_blocks(&r, 40, 1, 0); /* never without group 2 */
    rig_end(&r);
}

/* ---- words ---- */

static void a_word_is_finished_before_what_comes_behind_it(void **state)
{
    struct store_set set = {.epoch = 1, .generation = 2, .member_count = 1, .members = {REPLICA}};
    struct identity other = {0x77};
    const struct store_change words[] = {
        {.kind = STORE_RESIZE, .size_blocks = SIZE + 100},
        {.kind = STORE_SET, .set = set},
        {.kind = STORE_MAKE, .identity = other, .volume = VOLUME, .size_blocks = 100},
    };
    struct rig r = gated(5, SIZE);

    (void)state;
    for (uint32_t i = 0; i < array_length(words); i++) {
        forget_given();
        gate.count = 0;
        gate.open = false;
        give(&r, words[i]);
        give_write(&r, SIZE, 1, 700 + i); /* fits once the size is durable */
        sim_run_for(r.sim, SHORT_US);
        assert_int_equal(gate.count, 1);
        gate_pass(&r, 0);
        assert_int_equal(answered_count, 1);
        assert_int_equal(gate.count, 2);
        gate_pass(&r, 1);
        assert_int_equal(answered_count, 2);
        assert_int_equal(given[1].err, E_OK);
    }
    gate_end(&r);
}

static void a_promise_lets_others_by_and_binds_them(void **state)
{
    struct rig r = gated(6, SIZE);

    (void)state;
    forget_given();
    give(&r, (struct store_change){.kind = STORE_PROMISE, .epoch = 5});
    sim_run_for(r.sim, SHORT_US);
    give(&r, (struct store_change){.kind = STORE_PROMISE, .epoch = 4}); /* P2 */
    give_write(&r, 0, 1, 100);
    sim_run_for(r.sim, SHORT_US);
    assert_int_equal(gate.count, 2);
    gate_open(&r);
    assert_int_equal(answered_count, 3);
    assert_int_equal(given[0].err, E_OK);
    assert_int_equal(given[1].err, E_STALE_EPOCH);
    assert_int_equal(given[2].err, E_OK);
    assert_int_equal(rig_facts(&r).promised, 5);
    gate_end(&r);
}

/* ---- room ---- */

/* The disk has `left` free chunks; the gate is shut. */
static struct rig nearly_full(uint64_t seed, uint64_t left, uint64_t *ret_chunks)
{
    struct rig r = rig_begin(seed, 100000);
    uint64_t chunks = store_space(r.store).chunks_free - left;

    for (uint64_t i = 0; i < chunks; i++)
        assert_int_equal(rig_write(&r, i * CHUNK_BLOCKS, 1, i + 1), E_OK);
    rig_reopen(&r);
    assert_int_equal(store_space(r.store).chunks_free, left);
    forget_given();
    gate_begin(&r);
    *ret_chunks = chunks;
    return r;
}

static void a_chunk_is_not_promised_twice(void **state)
{
    uint64_t chunks;
    struct rig r = nearly_full(7, 1, &chunks);
    uint64_t next = chunks * CHUNK_BLOCKS;

    (void)state;
    give_write_alone(&r, next, 1, 100);
    give_write_alone(&r, next + CHUNK_BLOCKS, 1, 200); /* there is no chunk for this one */
    give_write_alone(&r, 0, 1, 300);
    assert_int_equal(gate.count, 1); /* nobody knows before the first is done */
    gate_pass(&r, 0);
    assert_int_equal(gate.count, 2);
    gate_open(&r);
    assert_int_equal(answered_count, 3);
    assert_int_equal(given[0].err, E_OK);
    assert_int_equal(given[1].err, E_NO_SPACE);
    assert_int_equal(given[2].err, E_OK);
    expect_blocks(&r, next, 1, 100);
    expect_blocks(&r, next + CHUNK_BLOCKS, 1, 0);
    gate_end(&r);
}

static void two_writes_may_share_the_last_chunk(void **state)
{
    uint64_t chunks;
    struct rig r = nearly_full(8, 1, &chunks);
    uint64_t next = chunks * CHUNK_BLOCKS;

    (void)state;
    give_write_alone(&r, next, 1, 100);
    give_write_alone(&r, next + 1, 1, 101);
    gate_open(&r);
    assert_int_equal(answered_count, 2);
    assert_int_equal(given[1].err, E_OK);
    expect_blocks(&r, next, 2, 100);
    gate_end(&r);
}

/* The chunk that an unmap in flight will free is missing for whoever writes it again. */
static void a_write_behind_an_unmap_finds_room_or_waits_for_it(void **state)
{
    uint64_t chunks;
    struct rig r = nearly_full(9, 0, &chunks);

    (void)state;
    give(&r, (struct store_change){.kind = STORE_UNMAP,
                                   .extent = {0, CHUNK_BLOCKS},
                                   .stamp = {.generation = 1, .epoch = 1, .seq = ++r.seq}});
    sim_run_for(r.sim, SHORT_US);
    give_write_alone(&r, 1, 1, 800);
    assert_int_equal(gate.count, 1);
    gate_open(&r);
    sim_run_for(r.sim, 1000 * 1000);
    assert_int_equal(answered_count, 2);
    assert_int_equal(given[1].err, E_OK); /* a checkpoint settled what was freed */
    expect_blocks(&r, 0, 1, 0);
    expect_blocks(&r, 1, 1, 800);
    gate_end(&r);
}

/* ---- damage ---- */

/* The first that names it is the one behind all four. */
static void one_of_four_rots_and_has_a_name(void **state)
{
    struct rig r = gated(10, SIZE);
    uint64_t second;

    (void)state;
    forget_given();
    for (uint64_t i = 0; i < 4; i++)
        give_write_alone(&r, i * 20, 1, 100 + i);
    second = gate.held[1]->offset;
    gate_open(&r);
    sim_run_for(r.sim, 200 * 1000); /* and the one of idleness */
    gate_crash(&r);
    rig_rot(&r, second + 200);
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged);
    expect_medium(&r, 20);
    for (uint64_t i = 0; i < 4; i++)
        if (i != 1)
            expect_blocks(&r, i * 20, 1, 100 + i);
    rig_end(&r);
}

/* Behind it a group that was never durable, and one that names it: nobody knows what it held. */
static void a_rotten_group_before_a_gap_damages_what_it_may_have_held(void **state)
{
    struct rig r = gated(11, SIZE);
    uint64_t first;

    (void)state;
    forget_given();
    give_write_alone(&r, 0, 1, 100);
    first = gate.held[0]->offset;
    gate_pass(&r, 0);
    give_write_alone(&r, 20, 1, 101);
    give_write_alone(&r, 40, 1, 102);
    assert_int_equal(gate.count, 3);
    gate_pass(&r, 2);
    gate_crash(&r);
    rig_rot(&r, first + 200);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(rig_facts(&r).damaged);
    expect_blocks(&r, 40, 1, 0);
    rig_end(&r);
}

/* A process that was killed may have left a group in the disk's cache alone. */
static void what_was_replayed_is_synced_before_it_goes_home(void **state)
{
    struct rig r = gated(12, SIZE);

    (void)state;
    gate.open = true;
    assert_int_equal(rig_write(&r, 0, 4, 100), E_OK);
    gate_crash(&r);
    gate_begin(&r);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(gate.synced);
    assert_false(gate.home_before_sync);
    expect_blocks(&r, 0, 4, 100);
    gate_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_in_order_though_the_disk_does_not),
        cmocka_unit_test(a_quarter_of_the_changes_makes_a_further_group),
        cmocka_unit_test(a_crash_with_a_gap_ends_before_it),
        cmocka_unit_test(a_failed_group_fails_those_behind_it),
        cmocka_unit_test(a_word_is_finished_before_what_comes_behind_it),
        cmocka_unit_test(a_promise_lets_others_by_and_binds_them),
        cmocka_unit_test(a_chunk_is_not_promised_twice),
        cmocka_unit_test(two_writes_may_share_the_last_chunk),
        cmocka_unit_test(a_write_behind_an_unmap_finds_room_or_waits_for_it),
        cmocka_unit_test(one_of_four_rots_and_has_a_name),
        cmocka_unit_test(a_rotten_group_before_a_gap_damages_what_it_may_have_held),
        cmocka_unit_test(what_was_replayed_is_synced_before_it_goes_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
