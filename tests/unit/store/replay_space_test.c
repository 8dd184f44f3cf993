/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/replay_space_test.c — a disk that is nearly full is replayed: what the journal
 * holds had space when it was written, and has it again, also where chunks come free only with a
 * checkpoint in between.
 */
#include "tests/unit/store/rig_io.h"

#define LARGE_BYTES   (UINT64_C(256) << 20)
#define LARGE_JOURNAL (UINT64_C(32) << 20)
#define LARGE_STAGE   (32u << 20)

static const struct identity OTHER = {0x0b00000000000100};

/* One block of each chunk from `first` on. */
static void fill(struct rig *r, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        assert_int_equal(rig_write(r, i * CHUNK_BLOCKS, 1, 1000 + i), E_OK);
}

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

static uint64_t left(const struct rig *r)
{
    return allocator_left(&r->store->allocator);
}

/* The last map page, which says of free chunks too, is rotten; `whole` goes around the journal. */
static void a_bad_map_page_keeps_no_space_from_others(void **state)
{
    (void)state;
    for (uint32_t whole = 0; whole < 2; whole++) {
        struct rig r = rig_begin(1, 400 * CHUNK_BLOCKS);
        uint64_t chunks = r.store->geo.chunks, page = (chunks - 1) / MAP_RECORDS;
        uint64_t mine = page * MAP_RECORDS - 100, offset;
        uint8_t bytes[PAGE_BYTES];

        assert_int_equal(rig_make(&r, OTHER, 200 * CHUNK_BLOCKS), E_OK);
        fill(&r, 0, 100);
        rig_reopen(&r); /* OTHER has the first chunks, and no other page of the map */
        fill(&r, 0, mine + 5);
        rig_reopen(&r);
        assert_true(r.store->index[page].flags & PAGE_WRITTEN);
        offset = page_offset(&r.store->geo, page, r.store->index[page].flags & PAGE_PLACE);
        r.replica = store_find(r.store, OTHER);
        assert_true(left(&r) > 20);
        fill(&r, 100, 10);
        if (whole)
            assert_int_equal(write_whole(&r, 120, 5000), E_OK);
        rig_crash(&r, SIM_POWER_LOST);
        memset(bytes, 0xa5, sizeof bytes);
        sim_disk_poke(r.medium, offset, bytes, sizeof bytes);
        assert_int_equal(rig_open(&r), E_OK);
        assert_true(rig_facts(&r).damaged);
        r.replica = store_find(r.store, OTHER);
        assert_false(rig_facts(&r).damaged);
        expect_filled(&r, 0, 110);
        if (whole)
            expect_blocks(&r, 120 * CHUNK_BLOCKS, CHUNK_BLOCKS, 5000);
        rig_end(&r);
    }
}

static struct rig large_rig(uint64_t seed, struct store_limits limits)
{
    struct rig r = {.sim = sim_open(seed)};
    struct rig_wait w = {0};
    struct store_format f = {
        .identity = DISK, .journal_bytes = LARGE_JOURNAL, .done = rig_format_done, .own = &w};

    r.medium = sim_disk_make(r.sim, "disk", LARGE_BYTES);
    rig_start(&r);
    f.env = r.env;
    f.disk = r.disk;
    store_format(&f);
    assert_int_equal(rig_await(&r, &w), E_OK);
    assert_int_equal(rig_open_with(&r, limits), E_OK);
    assert_int_equal(rig_make(&r, REPLICA, SHARD_BLOCKS), E_OK);
    return r;
}

/* What was unmapped before it had a place was free at once; replayed with a smaller stage it gets
 * one in between. */
static void a_smaller_stage_finds_the_same_space(void **state)
{
    struct store_limits small = rig_limits(), large = rig_limits();
    struct rig r;
    uint64_t last;

    (void)state;
    large.stage_bytes = LARGE_STAGE;
    small.stage_bytes = 0;
    r = large_rig(2, large);
    last = left(&r) - 1;
    fill(&r, 0, last);
    rig_close(&r);
    assert_int_equal(rig_open_with(&r, large), E_OK);
    assert_int_equal(left(&r), 1);
    assert_int_equal(rig_write(&r, last * CHUNK_BLOCKS, 1, 7000), E_OK);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(rig_write(&r, i * 256, 256, 20000), E_OK);
    assert_int_equal(rig_unmap(&r, last * CHUNK_BLOCKS, CHUNK_BLOCKS), E_OK);
    assert_int_equal(rig_write(&r, (last + 1) * CHUNK_BLOCKS, 1, 8000), E_OK);
    assert_false(checkpoint_running(r.store));
    assert_int_equal(left(&r), 0);
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open_with(&r, small), E_OK);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, last * CHUNK_BLOCKS, CHUNK_BLOCKS, 0);
    expect_blocks(&r, (last + 1) * CHUNK_BLOCKS, 1, 8000);
    rig_end(&r);
}

/* The group that made it is rotten: what it wrote around the journal is nobody's. */
static void chunks_of_a_replica_that_is_lost_are_free(void **state)
{
    struct rig r = rig_begin(3, 100 * CHUNK_BLOCKS);
    const struct journal *j = &r.store->journal;
    uint64_t free_before, at;

    (void)state;
    fill(&r, 0, 3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_map_page_keeps_no_space_from_others),
        cmocka_unit_test(a_smaller_stage_finds_the_same_space),
        cmocka_unit_test(chunks_of_a_replica_that_is_lost_are_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
