/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/replay_space_test.c — a disk that is nearly full is replayed, and a journal that
 * is larger than the stage: what it holds had space when it was written, and has it again, wherever
 * checkpoints come in between.
 */
#include "tests/unit/store/rig_io.h"

#define LARGE_STAGE (32u << 20)
#define UNMAPS      40u
#define FILLED      1600u

static const struct identity OTHER = {0x0b00000000000100};

static void expect_filled(struct rig *r, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        expect_blocks(r, i * CHUNK_BLOCKS, 1, 1000 + i);
}

/* A whole chunk from aligned memory: it goes around the journal. */
static enum err write_whole(struct rig *r, uint64_t chunk, uint64_t tag)
{
    struct rig_wait w = {0};
    uint8_t *bytes = aligned_alloc(BLOCK_BYTES, CHUNK_BYTES);
    uint32_t checksums[CHUNK_BLOCKS];
    struct iovec piece = {bytes, CHUNK_BYTES};
    struct store_change c = {.kind = STORE_WRITE,
                             .replica = r->replica,
                             .extent = {chunk * CHUNK_BLOCKS, CHUNK_BLOCKS},
                             .pieces = &piece,
                             .piece_count = 1,
                             .checksums = checksums,
                             .stamp = {.generation = 1, .epoch = 1, .seq = ++r->seq}};

    for (uint64_t i = 0; i < CHUNK_BLOCKS; i++)
        block_fill(bytes + i * BLOCK_BYTES, tag + i);
    checksums_of(r->replica, c.extent, bytes, checksums);
    w.err = rig_change(r, &c);
    free(bytes);
    return w.err;
}

static enum err salvage(struct rig *r)
{
    struct store_change c = {.kind = STORE_SALVAGE, .replica = r->replica, .identity = OTHER};

    return rig_change(r, &c);
}

static uint64_t left(const struct rig *r)
{
    return allocator_left(&r->store->allocator);
}

/* Nearly full, OTHER's first 100 chunks on one page of the map and the last chunks of all on
 * another one, whose offset that is: it says of free chunks, too. */
static struct rig nearly_full(uint64_t *ret_page)
{
    struct rig r = rig_begin(1, 400 * CHUNK_BLOCKS);
    uint64_t page = (r.store->geo.chunks - 1) / MAP_RECORDS;

    assert_int_equal(rig_make(&r, OTHER, 200 * CHUNK_BLOCKS), E_OK);
    rig_fill(&r, 0, 100);
    rig_reopen(&r); /* OTHER has the first chunks, and no other page of the map */
    rig_fill(&r, 0, page * MAP_RECORDS - 100 + 5);
    rig_reopen(&r);
    assert_true(r.store->index[page].flags & PAGE_WRITTEN);
    *ret_page = page_offset(&r.store->geo, page, r.store->index[page].flags & PAGE_PLACE);
    r.replica = store_find(r.store, OTHER);
    assert_true(left(&r) > 20);
    return r;
}

static void crash_and_lose_page(struct rig *r, uint64_t page)
{
    uint8_t bytes[PAGE_BYTES];

    rig_crash(r, SIM_POWER_LOST);
    memset(bytes, 0xa5, sizeof bytes);
    sim_disk_poke(r->medium, page, bytes, sizeof bytes);
}

static void open_with_other_well(struct rig *r)
{
    assert_int_equal(rig_open(r), E_OK);
    assert_true(rig_facts(r).damaged);
    r->replica = store_find(r->store, OTHER);
    assert_false(rig_facts(r).damaged);
}

/* `whole` goes around the journal. */
static void a_bad_map_page_keeps_no_space_from_others(void **state)
{
    (void)state;
    for (uint32_t whole = 0; whole < 2; whole++) {
        uint64_t page;
        struct rig r = nearly_full(&page);

        rig_fill(&r, 100, 10);
        if (whole)
            assert_int_equal(write_whole(&r, 120, 5000), E_OK);
        crash_and_lose_page(&r, page);
        open_with_other_well(&r);
        expect_filled(&r, 0, 110);
        if (whole)
            expect_blocks(&r, 120 * CHUNK_BLOCKS, CHUNK_BLOCKS, 5000);
        rig_end(&r);
    }
}

/* The first group is rotten, too: its loss takes chunks as the write did. */
static void a_lost_first_group_waits_for_space_as_a_whole_one(void **state)
{
    uint64_t page, at;
    struct rig r = nearly_full(&page);

    (void)state;
    at = r.store->geo.journal_offset + r.store->journal.head % r.store->geo.journal_bytes;
    rig_fill(&r, 100, 10);
    assert_int_equal(write_whole(&r, 120, 5000), E_OK);
    crash_and_lose_page(&r, page);
    sim_disk_poke(r.medium, at, (const uint8_t *)"rotten", 6);
    open_with_other_well(&r);
    expect_filled(&r, 0, 100);
    expect_medium(&r, 100 * CHUNK_BLOCKS);
    expect_filled(&r, 101, 9);
    expect_blocks(&r, 120 * CHUNK_BLOCKS, CHUNK_BLOCKS, 5000);
    rig_end(&r);
}

/* All but one chunk are home; that one is promised to a write, and let go before it has a place. */
static struct rig with_a_chunk_let_go(uint64_t seed, struct store_limits limits, uint64_t *ret_last)
{
    struct rig r = rig_begin_large(seed, limits);
    uint64_t last = left(&r) - 1;

    rig_fill(&r, 0, last);
    rig_close(&r);
    assert_int_equal(rig_open_with(&r, limits), E_OK);
    assert_int_equal(left(&r), 1);
    assert_int_equal(rig_write(&r, last * CHUNK_BLOCKS, 1, 7000), E_OK);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(rig_write(&r, i * 256, 256, 20000), E_OK);
    assert_int_equal(rig_unmap(&r, last * CHUNK_BLOCKS, CHUNK_BLOCKS), E_OK);
    assert_false(checkpoint_running(r.store));
    *ret_last = last;
    return r;
}

static void expect_the_next_one(struct rig *r, uint64_t last)
{
    assert_false(rig_facts(r).damaged);
    expect_blocks(r, last * CHUNK_BLOCKS, CHUNK_BLOCKS, 0);
    expect_blocks(r, (last + 1) * CHUNK_BLOCKS, 1, 8000);
}

/* Replayed with a smaller stage the chunk would have got a place in between. */
static void what_is_let_go_waits_for_a_root(void **state)
{
    struct store_limits small = rig_limits(), large = rig_limits();
    uint64_t last, root;
    struct rig r;

    (void)state;
    large.stage_bytes = LARGE_STAGE;
    small.stage_bytes = 0;
    r = with_a_chunk_let_go(2, large, &last);
    assert_int_equal(left(&r), 0);
    assert_int_equal(allocator_freed(&r.store->allocator), 1);
    root = r.store->root_number;
    assert_int_equal(rig_write(&r, (last + 1) * CHUNK_BLOCKS, 1, 8000), E_OK);
    assert_true(r.store->root_number > root);
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open_with(&r, small), E_OK);
    expect_the_next_one(&r, last);
    rig_end(&r);
}

/* Let go beside a checkpoint: its root speaks of the promise, the next one's does not. */
static void what_is_let_go_beside_a_checkpoint_waits_for_the_next(void **state)
{
    struct allocator a;

    (void)state;
    assert_int_equal(allocator_open(&a, 100), E_OK);
    a.promised = 2;
    allocator_let_go(&a);
    allocator_freeze(&a);
    allocator_let_go(&a);
    assert_int_equal(allocator_left(&a), 98);
    assert_int_equal(allocator_freed(&a), 2);
    allocator_settle(&a);
    assert_int_equal(allocator_left(&a), 99);
    allocator_freeze(&a);
    allocator_settle(&a);
    assert_int_equal(allocator_left(&a), 100);
    assert_int_equal(allocator_freed(&a), 0);
    allocator_close(&a);
}

/* A journal that did not wait, of an earlier version: it is replayed as it was written. */
static void what_a_journal_had_at_once_it_has_again(void **state)
{
    struct store_limits limits = rig_limits();
    uint64_t last;
    struct rig r;

    (void)state;
    limits.stage_bytes = LARGE_STAGE;
    r = with_a_chunk_let_go(6, limits, &last);
    r.store->allocator.let_go = 0;
    assert_int_equal(rig_write(&r, (last + 1) * CHUNK_BLOCKS, 1, 8000), E_OK);
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open_with(&r, limits), E_OK);
    expect_the_next_one(&r, last);
    rig_end(&r);
}

/* A small write's new chunk was written over, whole, before it had a place: the same journal with a
 * smaller stage gives it one in between, and that is no chunk that a later record names (D2). */
static void a_checkpoint_in_between_leaves_named_chunks_alone(void **state)
{
    struct store_limits small = rig_limits(), large = rig_limits();
    uint64_t fresh, first = 1000 * CHUNK_BLOCKS;
    struct rig r;

    (void)state;
    large.stage_bytes = LARGE_STAGE;
    small.stage_bytes = 0;
    r = rig_begin_large(4, large);
    fresh = left(&r) - 2;
    rig_fill(&r, 0, fresh);
    rig_close(&r);
    assert_int_equal(rig_open_with(&r, large), E_OK);
    assert_int_equal(left(&r), 2);
    assert_int_equal(rig_write(&r, fresh * CHUNK_BLOCKS, 1, 7000), E_OK);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(rig_write(&r, first + i * 256, 256, 20000), E_OK);
    assert_int_equal(write_whole(&r, fresh, 8000), E_OK);
    assert_int_equal(write_whole(&r, 3, 9000), E_OK);
    assert_false(checkpoint_running(r.store));
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open_with(&r, small), E_OK);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, fresh * CHUNK_BLOCKS, CHUNK_BLOCKS, 8000);
    expect_blocks(&r, 3 * CHUNK_BLOCKS, CHUNK_BLOCKS, 9000);
    rig_end(&r);
}

/* The group that made it is rotten: what it wrote around the journal is nobody's. */
static void chunks_of_a_replica_that_is_lost_are_free(void **state)
{
    struct rig r = rig_begin(3, 100 * CHUNK_BLOCKS);
    const struct journal *j = &r.store->journal;
    uint64_t free_before, at;

    (void)state;
    rig_fill(&r, 0, 3);
    free_before = left(&r);
    at = r.store->geo.journal_offset + j->head % r.store->geo.journal_bytes;
    assert_int_equal(rig_make(&r, OTHER, 100 * CHUNK_BLOCKS), E_OK);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(write_whole(&r, i, 5000), E_OK);
    rig_crash(&r, SIM_POWER_LOST);
    sim_disk_poke(r.medium, at, (const uint8_t *)"rotten", 6);
    assert_int_equal(rig_open(&r), E_OK);
    assert_null(store_find(r.store, OTHER));
    assert_int_equal(left(&r), free_before);
    rig_end(&r);
}

/* Salvaged, every hole may hold something: an unmap stages each chunk of its own.  One of them may
 * be lost with its group, too. */
static void a_smaller_stage_replays_the_unmaps_of_a_salvaged_replica(void **state)
{
    struct store_limits small = rig_limits(), large = rig_limits();

    (void)state;
    large.stage_bytes = LARGE_STAGE;
    small.stage_bytes = 0;
    for (uint64_t lost = 23; lost <= UNMAPS; lost += UNMAPS - 23) { /* UNMAPS: none */
        struct rig r = rig_begin_large(5, large);
        uint64_t at = 0;

        r.replica->damaged = true;
        assert_int_equal(salvage(&r), E_OK);
        assert_int_equal(rig_write(&r, 3000 * CHUNK_BLOCKS, 1, 7000), E_OK);
        for (uint64_t i = 0; i < UNMAPS; i++) {
            if (i == lost)
                at = r.store->geo.journal_offset + r.store->journal.head;
            assert_int_equal(rig_unmap(&r, i * WRITE_BLOCKS_MAX, WRITE_BLOCKS_MAX), E_OK);
        }
        assert_false(checkpoint_running(r.store));
        rig_crash(&r, SIM_POWER_LOST);
        if (at)
            sim_disk_poke(r.medium, at, (const uint8_t *)"rotten", 6);
        assert_int_equal(rig_open_with(&r, small), E_OK);
        r.replica = store_find(r.store, OTHER);
        assert_false(rig_facts(&r).damaged);
        for (uint64_t i = 0; i < UNMAPS; i++) {
            if (i == lost)
                expect_medium(&r, i * WRITE_BLOCKS_MAX);
            else
                expect_blocks(&r, i * WRITE_BLOCKS_MAX, WRITE_BLOCKS_MAX, 0);
        }
        rig_end(&r);
    }
}

/* Given together: in one group, if there is room. */
static void start(struct rig *r, struct store_change *c, struct rig_wait *w)
{
    c->done = rig_change_done;
    c->own = w;
    store_change(r->store, c);
}

/* Given together they would fill a group that no smaller stage could take. */
static void a_group_of_unmaps_is_one_that_any_stage_replays(void **state)
{
    struct store_limits small = rig_limits(), large = rig_limits();
    struct store_change unmaps[UNMAPS];
    struct rig_wait waits[UNMAPS] = {0};
    struct rig r;

    (void)state;
    large.stage_bytes = LARGE_STAGE;
    small.stage_bytes = 0;
    r = rig_begin_large(7, large);
    r.replica->damaged = true;
    assert_int_equal(salvage(&r), E_OK);
    for (uint32_t i = 0; i < UNMAPS; i++) {
        unmaps[i] =
            (struct store_change){.kind = STORE_UNMAP,
                                  .replica = r.replica,
                                  .extent = {i * (uint64_t)WRITE_BLOCKS_MAX, WRITE_BLOCKS_MAX},
                                  .stamp = {.generation = 1, .epoch = 1, .seq = ++r.seq}};
        start(&r, &unmaps[i], &waits[i]);
    }
    for (uint32_t i = 0; i < UNMAPS; i++)
        assert_int_equal(rig_await(&r, &waits[i]), E_OK);
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open_with(&r, small), E_OK);
    r.replica = store_find(r.store, OTHER);
    for (uint32_t i = 0; i < UNMAPS; i++)
        expect_blocks(&r, i * (uint64_t)WRITE_BLOCKS_MAX, WRITE_BLOCKS_MAX, 0);
    rig_end(&r);
}

/* A rotten group unmapped more chunks than the stage has, and wrote to a hole: what is not staged
 * of it takes no chunk either, or the hole would be one that was never written. */
static void what_the_stage_cannot_lose_takes_no_chunk(void **state)
{
    uint64_t hole = FILLED * CHUNK_BLOCKS, at;
    struct rig r = rig_begin_large(8, rig_limits());
    struct rig_wait waits[2] = {0};
    uint8_t bytes[BLOCK_BYTES];
    uint32_t checksum;
    struct iovec piece = {bytes, BLOCK_BYTES};
    struct store_change unmap, write;

    (void)state;
    rig_fill(&r, 0, FILLED);
    rig_reopen(&r);
    assert_true(FILLED > r.store->stage.chunks.count);
    at = r.store->geo.journal_offset + r.store->journal.head % r.store->geo.journal_bytes;
    unmap = (struct store_change){.kind = STORE_UNMAP,
                                  .replica = r.replica,
                                  .extent = {0, hole},
                                  .stamp = {.generation = 1, .epoch = 1, .seq = ++r.seq}};
    write = unmap;
    write.kind = STORE_WRITE;
    write.extent = (struct extent){hole, 1};
    write.stamp.seq = ++r.seq;
    write.pieces = &piece;
    write.piece_count = 1;
    write.checksums = &checksum;
    block_fill(bytes, 7000);
    checksums_of(r.replica, write.extent, bytes, &checksum);
    start(&r, &unmap, &waits[0]);
    start(&r, &write, &waits[1]);
    assert_int_equal(rig_await(&r, &waits[0]), E_OK);
    assert_int_equal(rig_await(&r, &waits[1]), E_OK);
    assert_int_equal(rig_write(&r, hole + CHUNK_BLOCKS, 1, 8000), E_OK);
    rig_crash(&r, SIM_POWER_LOST);
    sim_disk_poke(r.medium, at, (const uint8_t *)"rotten", 6);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(rig_facts(&r).damaged);
    assert_int_equal(r.store->allocator.promised, 0);
    assert_int_equal(salvage(&r), E_OK);
    r.replica = store_find(r.store, OTHER);
    expect_medium(&r, hole);
    expect_blocks(&r, hole + CHUNK_BLOCKS, 1, 8000);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_map_page_keeps_no_space_from_others),
        cmocka_unit_test(a_lost_first_group_waits_for_space_as_a_whole_one),
        cmocka_unit_test(what_is_let_go_waits_for_a_root),
        cmocka_unit_test(what_is_let_go_beside_a_checkpoint_waits_for_the_next),
        cmocka_unit_test(what_a_journal_had_at_once_it_has_again),
        cmocka_unit_test(a_checkpoint_in_between_leaves_named_chunks_alone),
        cmocka_unit_test(a_smaller_stage_replays_the_unmaps_of_a_salvaged_replica),
        cmocka_unit_test(a_group_of_unmaps_is_one_that_any_stage_replays),
        cmocka_unit_test(chunks_of_a_replica_that_is_lost_are_free),
        cmocka_unit_test(what_the_stage_cannot_lose_takes_no_chunk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
