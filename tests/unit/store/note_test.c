/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/note_test.c — notes of COMPARE AND WRITEs: kept with their writes through
 * crashes and checkpoints, gone with a change of their blocks or when their status was
 * acknowledged.
 */
#include "tests/unit/store/checking.h"

#define SIZE  4096u
#define UNITS 8u /* a block */

/* Of block `at`; `who` is initiator and data. */
static struct store_note note_of(uint64_t at, uint64_t count, uint64_t who, uint64_t session)
{
    return (struct store_note){.initiator = who,
                               .session = session,
                               .unit = (uint32_t)(at * UNITS),
                               .units = (uint32_t)(count * UNITS),
                               .hash = {who * 3, who * 5}};
}

struct noted_write {
    struct store_change change;
    struct rig_wait wait;
    struct iovec piece;
    uint8_t bytes[64 * BLOCK_BYTES];
    uint32_t checksums[64];
};

static void give(struct rig *r, struct noted_write *w, struct store_note note, bool again)
{
    uint64_t at = note.unit / UNITS, count = note.units / UNITS;

    for (uint64_t i = 0; i < count; i++)
        block_fill(w->bytes + i * BLOCK_BYTES, 500 + i);
    w->wait = (struct rig_wait){0};
    w->piece = (struct iovec){w->bytes, count * BLOCK_BYTES};
    w->change = (struct store_change){.kind = STORE_WRITE,
                                      .replica = r->replica,
                                      .done = rig_change_done,
                                      .own = &w->wait,
                                      .extent = {at, count},
                                      .pieces = &w->piece,
                                      .piece_count = 1,
                                      .checksums = w->checksums,
                                      .stamp = {.generation = 1, .epoch = 1, .seq = ++r->seq},
                                      .note = again ? (struct store_note){0} : note,
                                      .again = again};
    checksums_of(r->replica, w->change.extent, w->bytes, w->checksums);
    store_change(r->store, &w->change);
}

static enum err write_noted(struct rig *r, struct store_note note)
{
    static struct noted_write w;

    give(r, &w, note, false);
    return rig_await(r, &w.wait);
}

static bool answers(struct rig *r, struct store_note note)
{
    return store_note_answers(r->replica, &note);
}

static void kept_for_the_same_command_of_a_later_session(void **state)
{
    struct rig r = rig_begin(1, SIZE);
    struct store_note other;

    (void)state;
    assert_int_equal(write_noted(&r, note_of(20, 2, 7, 100)), E_OK);
    assert_false(answers(&r, note_of(20, 2, 7, 100))); /* its own session */
    assert_false(answers(&r, note_of(20, 2, 8, 101)));
    assert_false(answers(&r, note_of(21, 2, 7, 101)));
    assert_false(answers(&r, note_of(20, 1, 7, 101)));
    other = note_of(20, 2, 7, 101);
    other.hash[1]++;
    assert_false(answers(&r, other));
    other = note_of(20, 2, 7, 101);
    other.initiator++;
    assert_false(answers(&r, other));
    assert_true(answers(&r, note_of(20, 2, 7, 101)));
    assert_false(answers(&r, note_of(20, 2, 7, 101))); /* it is this one's now */
    assert_true(answers(&r, note_of(20, 2, 7, 102)));
    rig_end(&r);
}

/* Session numbers of a former process may come again. */
static void kept_through_crash_and_checkpoint(void **state)
{
    struct rig r = rig_begin(2, SIZE);

    (void)state;
    assert_int_equal(write_noted(&r, note_of(20, 2, 7, 100)), E_OK);
    rig_crash_and_reopen(&r);
    assert_true(answers(&r, note_of(20, 2, 7, 100)));
    rig_crash_and_reopen(&r); /* from the root: the first one made a checkpoint */
    assert_true(answers(&r, note_of(20, 2, 7, 100)));
    rig_reopen(&r);
    assert_true(answers(&r, note_of(20, 2, 7, 100)));
    expect_clean(&r);
    rig_end(&r);
}

static void after_each(struct rig *r, void (*check)(struct rig *))
{
    check(r);
    rig_crash_and_reopen(r);
    check(r);
    rig_reopen(r);
    check(r);
}

static void only_7_is_left(struct rig *r)
{
    assert_true(answers(r, note_of(20, 2, 7, ++r->seq)));
    assert_false(answers(r, note_of(40, 2, 8, ++r->seq)));
    assert_false(answers(r, note_of(60, 2, 9, ++r->seq)));
    assert_false(answers(r, note_of(80, 2, 10, ++r->seq)));
}

static void whatever_changes_a_block_ends_its_note(void **state)
{
    struct rig r = rig_begin(3, SIZE);

    (void)state;
    assert_int_equal(write_noted(&r, note_of(20, 2, 7, 100)), E_OK);
    assert_int_equal(write_noted(&r, note_of(40, 2, 8, 100)), E_OK);
    assert_int_equal(write_noted(&r, note_of(60, 2, 9, 100)), E_OK);
    assert_int_equal(write_noted(&r, note_of(80, 2, 10, 100)), E_OK);
    assert_int_equal(rig_write(&r, 19, 1, 1), E_OK);
    assert_int_equal(rig_write(&r, 22, 1, 1), E_OK);
    assert_int_equal(rig_write(&r, 41, 1, 1), E_OK);
    assert_int_equal(rig_unmap(&r, 48, 16), E_OK); /* a whole chunk: 60 and 61 are in it */
    assert_int_equal(rig_write(&r, 64, 64, 1), E_OK);
    after_each(&r, only_7_is_left);
    rig_end(&r);
}

static void the_same_bytes_again_keep_it(void **state)
{
    static struct noted_write w;
    struct rig r = rig_begin(4, SIZE);

    (void)state;
    assert_int_equal(write_noted(&r, note_of(20, 2, 7, 100)), E_OK);
    give(&r, &w, note_of(20, 2, 7, 100), true);
    assert_int_equal(rig_await(&r, &w.wait), E_OK);
    after_each(&r, only_7_is_left);
    rig_end(&r);
}

static void the_newest_8_are_left(struct rig *r)
{
    for (uint64_t i = 0; i < 11; i++)
        assert_int_equal(answers(r, note_of(i * 2, 1, 70 + i, ++r->seq)), i >= 3);
}

static void beyond_8_the_oldest_goes(void **state)
{
    struct rig r = rig_begin(5, SIZE);

    (void)state;
    for (uint64_t i = 0; i < 11; i++)
        assert_int_equal(write_noted(&r, note_of(i * 2, 1, 70 + i, 100)), E_OK);
    after_each(&r, the_newest_8_are_left);
    rig_end(&r);
}

static void acknowledge(struct rig *r, struct store_note note)
{
    store_note_acknowledged(r->replica, &note);
}

static void acknowledged_it_goes(void **state)
{
    struct rig r = rig_begin(6, SIZE);

    (void)state;
    assert_int_equal(write_noted(&r, note_of(20, 2, 7, 100)), E_OK);
    acknowledge(&r, note_of(20, 2, 7, 99)); /* a session that it is not of */
    assert_true(answers(&r, note_of(20, 2, 7, 101)));
    acknowledge(&r, note_of(20, 2, 7, 101));
    assert_false(answers(&r, note_of(20, 2, 7, 102)));
    rig_crash_and_reopen(&r); /* nothing told the journal */
    assert_true(answers(&r, note_of(20, 2, 7, 103)));
    acknowledge(&r, note_of(20, 2, 7, 103));
    assert_int_equal(rig_write(&r, 200, 1, 1), E_OK); /* this one takes the word along */
    assert_false(answers(&r, note_of(20, 2, 7, 104)));
    assert_int_equal(r.replica->note_count, 0);
    rig_crash_and_reopen(&r);
    assert_false(answers(&r, note_of(20, 2, 7, 105)));
    rig_end(&r);
}

static void acknowledged_it_is_in_no_root(void **state)
{
    struct rig r = rig_begin(7, SIZE);

    (void)state;
    assert_int_equal(write_noted(&r, note_of(20, 2, 7, 100)), E_OK);
    assert_int_equal(write_noted(&r, note_of(30, 2, 8, 100)), E_OK);
    acknowledge(&r, note_of(20, 2, 7, 100));
    rig_reopen(&r);
    assert_false(answers(&r, note_of(20, 2, 7, 101)));
    assert_true(answers(&r, note_of(30, 2, 8, 101)));
    rig_end(&r);
}

/* Many at once: a few ride with each group, none of them in vain. */
static void many_words_ride_with_several_groups(void **state)
{
    struct rig r = rig_begin(8, SIZE);

    (void)state;
    for (uint64_t i = 0; i < 8; i++)
        assert_int_equal(write_noted(&r, note_of(i * 2, 1, 70 + i, 100)), E_OK);
    for (uint64_t i = 0; i < 8; i++)
        acknowledge(&r, note_of(i * 2, 1, 70 + i, 100));
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(rig_write(&r, 200 + i, 1, 1), E_OK);
    assert_int_equal(r.replica->note_count, 0);
    rig_crash_and_reopen(&r);
    for (uint64_t i = 0; i < 8; i++)
        assert_false(answers(&r, note_of(i * 2, 1, 70 + i, 101)));
    expect_clean(&r);
    rig_end(&r);
}

/* Whole chunks go around the journal; their record has the note. */
static void kept_with_whole_chunks(void **state)
{
    struct rig r = rig_begin(9, SIZE);

    (void)state;
    for (uint64_t i = 0; i < 3; i++) { /* with ends, and without */
        uint64_t at = 160 + i * 80 + (i == 1 ? 3 : 0);

        assert_int_equal(write_noted(&r, note_of(at, 64, 7 + i, 100)), E_OK);
    }
    rig_crash_and_reopen(&r);
    expect_clean(&r);
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t at = 160 + i * 80 + (i == 1 ? 3 : 0);

        expect_blocks(&r, at, 64, 500);
        assert_true(answers(&r, note_of(at, 64, 7 + i, 101)));
    }
    rig_end(&r);
}

/* A crash at the nth I/O from there: note and blocks are there together, or neither. */
static bool crash_at(uint64_t n)
{
    static struct noted_write w;
    struct rig r = rig_begin(n, SIZE);
    uint8_t bytes[BLOCK_BYTES];
    bool there, answered;

    sim_crash_at_io(r.sim, r.env, n, SIM_POWER_LOST);
    give(&r, &w, note_of(20, 2, 7, 100), false);
    sim_run_for(r.sim, 5000000);
    answered = w.wait.over && !w.wait.err;
    rig_crash_and_reopen(&r);
    assert_int_equal(rig_read(&r, 20, 1, bytes, NULL), E_OK);
    there = block_is(bytes, 500);
    assert_true(there || !answered);
    assert_int_equal(answers(&r, note_of(20, 2, 7, 101)), there);
    rig_end(&r);
    return there;
}

static void a_crash_keeps_both_or_neither(void **state)
{
    uint32_t there = 0;

    (void)state;
    for (uint64_t n = 1; n < 12; n++)
        there += crash_at(n);
    assert_in_range(there, 1, 11);
}

/* The group that overwrote its block rots: what it held is lost, and so is the note. */
static void lost_blocks_have_no_note(void **state)
{
    struct rig r = rig_begin(10, SIZE);
    uint64_t at;

    (void)state;
    assert_int_equal(write_noted(&r, note_of(20, 2, 7, 100)), E_OK);
    at = r.store->journal.head;
    assert_int_equal(rig_write(&r, 21, 1, 1), E_OK);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(rig_write(&r, 300 + i, 1, 7), E_OK);
    rig_rot(&r, r.store->geo.journal_offset + at % r.store->geo.journal_bytes + 140);
    rig_crash(&r, SIM_KILLED);
    assert_int_equal(rig_open(&r), E_OK);
    expect_medium(&r, 21);
    assert_false(answers(&r, note_of(20, 2, 7, 101)));
    rig_end(&r);
}

/* An older program refuses groups with such records before it reads them. */
static void its_groups_say_that_they_hold_notes(void **state)
{
    struct rig r = rig_begin(11, SIZE);
    struct format_group h;
    uint64_t at = r.store->journal.head;

    (void)state;
    assert_int_equal(write_noted(&r, note_of(20, 2, 7, 100)), E_OK);
    sim_disk_peek(r.medium, r.store->geo.journal_offset + at, &h, sizeof h);
    assert_int_equal(le32_get(h.head.incompat), INCOMPAT_NOTES);
    rig_end(&r);
}

static void a_note_outside_its_replica_is_refused(void **state)
{
    struct rig r = rig_begin(12, SIZE);
    struct store_note n = note_of(20, 2, 7, 100);
    static struct noted_write w;

    (void)state;
    give(&r, &w, n, false);
    w.change.note.unit = SIZE * UNITS;
    assert_int_equal(rig_await(&r, &w.wait), E_INVALID);
    assert_false(answers(&r, note_of(SIZE, 2, 7, 101)));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_for_the_same_command_of_a_later_session),
        cmocka_unit_test(kept_through_crash_and_checkpoint),
        cmocka_unit_test(whatever_changes_a_block_ends_its_note),
        cmocka_unit_test(the_same_bytes_again_keep_it),
        cmocka_unit_test(beyond_8_the_oldest_goes),
        cmocka_unit_test(acknowledged_it_goes),
        cmocka_unit_test(acknowledged_it_is_in_no_root),
        cmocka_unit_test(many_words_ride_with_several_groups),
        cmocka_unit_test(kept_with_whole_chunks),
        cmocka_unit_test(a_crash_keeps_both_or_neither),
        cmocka_unit_test(lost_blocks_have_no_note),
        cmocka_unit_test(its_groups_say_that_they_hold_notes),
        cmocka_unit_test(a_note_outside_its_replica_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
