/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/open_log_test.c — the activity log: which writes are durable here and not known
 * complete; through restarts, checkpoints and crashes (notes 1, 6).
 */
#include "tests/unit/store/rig_io.h"

#define SIZE 20000u

static uint8_t bytes[BLOCK_BYTES];

/* One block, under a name and with a commit word. */
static void write_as(struct rig *r, uint64_t block, struct store_stamp stamp)
{
    uint32_t checksum;
    struct iovec piece = {bytes, sizeof bytes};
    struct store_change c = {.kind = STORE_WRITE,
                             .replica = r->replica,
                             .extent = {block, 1},
                             .pieces = &piece,
                             .piece_count = 1,
                             .checksums = &checksum,
                             .stamp = stamp};

    checksums_of(r->replica, c.extent, bytes, &checksum);
    assert_int_equal(rig_change(r, &c), E_OK);
}

static struct store_stamp named(uint64_t epoch, uint64_t seq, uint64_t commit_seq)
{
    return (struct store_stamp){
        .generation = 1, .epoch = epoch, .seq = seq, .commit_seq = commit_seq};
}

/* The log, as (start, count) pairs. */
static void expect_log(struct rig *r, uint32_t count, const struct extent *want)
{
    struct extent have[16];

    assert_int_equal(store_open_writes(r->replica, have, 16), count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(have[i].start, want[i].start);
        assert_int_equal(have[i].count, want[i].count);
    }
}

static void a_write_is_open_until_a_commit_word_passes_it(void **state)
{
    struct rig r = rig_begin(1, SIZE);

    (void)state;
    write_as(&r, 10, named(1, 1, 0));
    write_as(&r, 50, named(1, 2, 0));
    write_as(&r, 11, named(1, 3, 0));
    expect_log(&r, 2, (struct extent[]){{10, 2}, {50, 1}}); /* merged, in order */
    assert_int_equal(rig_facts(&r).open_extents, 3);
    write_as(&r, 90, named(1, 4, 1));
    expect_log(&r, 3, (struct extent[]){{11, 1}, {50, 1}, {90, 1}});
    store_commit(r.replica, 1, 4, false);
    expect_log(&r, 0, NULL);
    assert_int_equal(rig_facts(&r).commit_seq, 4);
    rig_end(&r);
}

static void the_log_survives_restarts_and_checkpoints(void **state)
{
    struct rig r = rig_begin(2, SIZE);

    (void)state;
    write_as(&r, 10, named(1, 1, 0));
    write_as(&r, 50, named(1, 2, 0));
    for (int times = 0; times < 3; times++) {
        rig_reopen(&r);
        expect_log(&r, 2, (struct extent[]){{10, 1}, {50, 1}});
        rig_crash_and_reopen(&r);
        expect_log(&r, 2, (struct extent[]){{10, 1}, {50, 1}});
    }
    assert_int_equal(rig_facts(&r).last_epoch, 1);
    assert_int_equal(rig_facts(&r).last_seq, 2);
    write_as(&r, 60, named(1, 3, 2));
    rig_crash_and_reopen(&r);
    expect_log(&r, 1, (struct extent[]){{60, 1}});
    rig_end(&r);
}

/* notes 6: a number of one epoch says nothing of another. */
static void a_commit_word_clears_its_own_epoch_only(void **state)
{
    struct rig r = rig_begin(3, SIZE);

    (void)state;
    write_as(&r, 10, named(1, 9, 0));
    write_as(&r, 20, named(2, 1, 0));
    store_commit(r.replica, 2, 12, false);
    expect_log(&r, 1, (struct extent[]){{10, 1}});
    store_commit(r.replica, 1, 20, false); /* late word of an epoch that is over */
    expect_log(&r, 1, (struct extent[]){{10, 1}});
    store_commit(r.replica, 2, 12, true);
    expect_log(&r, 0, NULL);
    rig_end(&r);
}

static void a_seal_clears_older_epochs_not_its_own(void **state)
{
    struct rig r = rig_begin(4, SIZE);
    struct store_stamp sealed = named(2, 2, 0);

    (void)state;
    sealed.sealed = true;
    write_as(&r, 10, named(1, 9, 0));
    write_as(&r, 20, named(2, 1, 0));
    write_as(&r, 30, sealed);
    expect_log(&r, 2, (struct extent[]){{20, 1}, {30, 1}});
    rig_crash_and_reopen(&r);
    expect_log(&r, 2, (struct extent[]){{20, 1}, {30, 1}});
    rig_end(&r);
}

/* notes 6c: epoch 6 takes over what 5, itself sealed, left open, and has not sealed yet. */
static void a_seal_does_not_outlive_its_epoch(void **state)
{
    struct rig r = rig_begin(8, SIZE);

    (void)state;
    write_as(&r, 10, named(5, 1, 0));
    write_as(&r, 20, named(5, 2, 0));
    store_commit(r.replica, 5, 0, true);
    assert_int_equal(rig_promise(&r, 6), E_OK); /* the seal is on disk */
    write_as(&r, 10, named(6, 1, 0));
    store_commit(r.replica, 6, 1, false);
    assert_int_equal(rig_promise(&r, 6), E_OK); /* this word too */
    expect_log(&r, 2, (struct extent[]){{10, 1}, {20, 1}});
    rig_crash_and_reopen(&r);
    expect_log(&r, 2, (struct extent[]){{10, 1}, {20, 1}});
    rig_end(&r);
}

/* The same where the word waits: behind those of eight others it does not ride along at once. */
static void a_seal_that_waits_does_not_outlive_its_epoch(void **state)
{
    struct rig r = rig_begin(9, SIZE);
    struct store_replica *own = r.replica;

    (void)state;
    write_as(&r, 10, named(5, 1, 0));
    write_as(&r, 20, named(5, 2, 0));
    for (uint64_t i = 1; i <= 8; i++)
        assert_int_equal(rig_make(&r, (struct identity){REPLICA.bits + i}, SIZE), E_OK);
    for (uint64_t i = 1; i <= 8; i++)
        store_commit(store_find(r.store, (struct identity){REPLICA.bits + i}), 1, 0, false);
    r.replica = own;
    store_commit(r.replica, 5, 0, true);
    write_as(&r, 10, named(6, 1, 0));
    assert_int_equal(rig_promise(&r, 6), E_OK);
    expect_log(&r, 2, (struct extent[]){{10, 1}, {20, 1}});
    store_commit(r.replica, 6, 1, true);
    expect_log(&r, 0, NULL);
    rig_end(&r);
}

static void a_commit_word_rides_on_the_next_record(void **state)
{
    struct rig r = rig_begin(5, SIZE);

    (void)state;
    write_as(&r, 10, named(1, 1, 0));
    store_commit(r.replica, 1, 1, false);
    assert_int_equal(rig_promise(&r, 4), E_OK);
    rig_crash_and_reopen(&r);
    expect_log(&r, 0, NULL);
    assert_int_equal(rig_facts(&r).commit_seq, 1);
    rig_end(&r);
}

static void too_many_extents_are_everything(void **state)
{
    struct rig r = rig_begin(6, SIZE);

    (void)state;
    for (uint64_t i = 0; i < OPEN_EXTENTS_MAX + 1; i++)
        write_as(&r, i % 2000 * 2, named(3, i + 1, 0));
    for (int times = 0; times < 2; times++) {
        assert_true(rig_facts(&r).open_everything);
        expect_log(&r, 1, (struct extent[]){{0, SIZE}});
        rig_crash_and_reopen(&r);
    }
    store_commit(r.replica, 3, OPEN_EXTENTS_MAX, false);
    assert_true(rig_facts(&r).open_everything); /* the newest is not settled */
    store_commit(r.replica, 3, OPEN_EXTENTS_MAX + 1, false);
    assert_false(rig_facts(&r).open_everything);
    expect_log(&r, 0, NULL);
    rig_end(&r);
}

/* The stamp in the checksum record of a block's chunk, after everything went home. */
static uint64_t stamp_of(struct rig *r, uint64_t block)
{
    uint64_t chunk, page;
    uint8_t b[BLOCK_BYTES];
    const struct format_checksum_page *p;

    rig_reopen(r);
    assert_int_equal(rig_read(r, block, 1, b, NULL), E_OK);
    chunk = map_entry(r->replica, (uint32_t)(block / CHUNK_BLOCKS)) & ENTRY_CHUNK;
    page = r->store->geo.map_pages + chunk / CHECKSUM_RECORDS;
    p = (const void *)page_at_hand(r->store, page);
    assert_non_null(p);
    return le64_get(p->records[chunk % CHECKSUM_RECORDS].stamp);
}

/* The generation of the one open write of this block. */
static uint64_t generation_of(const struct rig *r, uint64_t block)
{
    list_for_each(l, &r->replica->open) {
        struct open_write *w = container_of(l, struct open_write, link);

        if (w->extent.start == block)
            return w->generation;
    }
    fail_msg("block %lu is not open", (unsigned long)block);
    return 0;
}

static void give_set(struct rig *r, uint64_t generation, uint64_t snapshot)
{
    struct store_change c = {.kind = STORE_SET,
                             .replica = r->replica,
                             .set = {.epoch = 1, .generation = generation, .snapshot = snapshot}};

    assert_int_equal(rig_change(r, &c), E_OK);
}

/* notes 10: what is open takes the new generation, what is complete or frozen does not. */
static void a_set_stamps_what_is_open(void **state)
{
    struct rig r = rig_begin(7, SIZE);

    (void)state;
    write_as(&r, 0, named(1, 1, 0));
    write_as(&r, 100, named(1, 2, 1)); /* the first is complete */
    assert_int_equal(stamp_of(&r, 0), 1);
    give_set(&r, 5, 0);
    assert_int_equal(stamp_of(&r, 0), 1);
    assert_int_equal(stamp_of(&r, 100), 5);
    rig_crash_and_reopen(&r);
    give_set(&r, 8, 6); /* a snapshot 6 was taken: what is stamped 5 is frozen */
    assert_int_equal(stamp_of(&r, 100), 5);
    rig_end(&r);
}

/* Blocks lost with their group count to the generation that they were written in. */
static void what_was_lost_keeps_its_generation(void **state)
{
    struct rig r = rig_begin(10, SIZE);
    struct store_stamp late = named(1, 1, 0);
    uint64_t begin, at;
    uint8_t byte;

    (void)state;
    late.generation = 7;
    give_set(&r, 5, 0);
    begin = r.store->journal.head;
    write_as(&r, 0, late);
    write_as(&r, 100, named(1, 2, 0));
    at = r.store->geo.journal_offset + begin + 140;
    sim_disk_peek(r.medium, at, &byte, 1);
    byte ^= 0x10;
    sim_disk_poke(r.medium, at, &byte, 1);
    rig_crash_and_reopen(&r);
    assert_int_equal(generation_of(&r, 0), 7);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_is_open_until_a_commit_word_passes_it),
        cmocka_unit_test(the_log_survives_restarts_and_checkpoints),
        cmocka_unit_test(a_commit_word_clears_its_own_epoch_only),
        cmocka_unit_test(a_seal_clears_older_epochs_not_its_own),
        cmocka_unit_test(a_seal_does_not_outlive_its_epoch),
        cmocka_unit_test(a_seal_that_waits_does_not_outlive_its_epoch),
        cmocka_unit_test(a_commit_word_rides_on_the_next_record),
        cmocka_unit_test(too_many_extents_are_everything),
        cmocka_unit_test(a_set_stamps_what_is_open),
        cmocka_unit_test(what_was_lost_keeps_its_generation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
