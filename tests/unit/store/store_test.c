/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/store_test.c — what is written is read: at once, after a restart, after a crash.
 */
#include "tests/unit/store/rig_io.h"

#define SIZE 2000u /* blocks of the replica: 125 chunks */

static void a_block_is_read_back(void **state)
{
    struct rig r = rig_begin(1, SIZE);

    (void)state;
    expect_blocks(&r, 0, 64, 0);
    assert_int_equal(rig_write(&r, 5, 1, 100), E_OK);
    expect_blocks(&r, 5, 1, 100);
    expect_blocks(&r, 0, 5, 0);
    expect_blocks(&r, 6, 10, 0);
    rig_reopen(&r);
    expect_blocks(&r, 5, 1, 100);
    expect_blocks(&r, 6, 10, 0);
    rig_end(&r);
}

/* Both superblocks are read, and nothing else is done. */
static void another_disk_than_the_one_that_was_meant_is_left_alone(void **state)
{
    struct rig r = rig_begin(21, SIZE);
    struct rig_wait w = {0};
    struct store_open o = {.env = r.env,
                           .disk = r.disk,
                           .limits = rig_limits(),
                           .only = &VOLUME,
                           .done = rig_open_done,
                           .own = &w};
    uint64_t before;

    (void)state;
    rig_close(&r);
    before = r.disk->submitted;
    store_open(&o);
    assert_int_equal(rig_await(&r, &w), E_FOREIGN);
    assert_int_equal(r.disk->submitted - before, 2);
    assert_null(o.store);
    w = (struct rig_wait){0};
    o.only = &DISK;
    store_open(&o);
    assert_int_equal(rig_await(&r, &w), E_OK);
    r.store = o.store;
    rig_end(&r);
}

static void writes_overlap(void **state)
{
    struct rig r = rig_begin(2, SIZE);

    (void)state;
    assert_int_equal(rig_write(&r, 10, 20, 100), E_OK);
    assert_int_equal(rig_write(&r, 15, 3, 500), E_OK);
    expect_blocks(&r, 10, 5, 100);
    expect_blocks(&r, 15, 3, 500);
    expect_blocks(&r, 18, 12, 108);
    rig_reopen(&r);
    assert_int_equal(rig_write(&r, 16, 1, 900), E_OK);
    expect_blocks(&r, 10, 5, 100);
    expect_blocks(&r, 15, 1, 500);
    expect_blocks(&r, 16, 1, 900);
    expect_blocks(&r, 17, 1, 502);
    expect_blocks(&r, 18, 12, 108);
    rig_reopen(&r);
    expect_blocks(&r, 15, 1, 500);
    expect_blocks(&r, 16, 1, 900);
    rig_end(&r);
}

static void a_crash_keeps_what_was_answered(void **state)
{
    struct rig r = rig_begin(3, SIZE);

    (void)state;
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(rig_write(&r, i * 37, 3, 1000 * i + 1), E_OK);
    for (int times = 0; times < 2; times++) {
        rig_crash_and_reopen(&r);
        for (uint64_t i = 0; i < 50; i++)
            expect_blocks(&r, i * 37, 3, 1000 * i + 1);
    }
    rig_end(&r);
}

/* More than the ring holds, several times over. */
static void the_ring_goes_around(void **state)
{
    struct rig r = rig_begin(4, SIZE);

    (void)state;
    for (uint64_t i = 0; i < 600; i++)
        assert_int_equal(rig_write(&r, i * 7 % 1900, 5, 10 * i + 1), E_OK);
    assert_true(r.store->journal.head > 4 * RIG_JOURNAL);
    rig_crash_and_reopen(&r);
    expect_blocks(&r, 599 * 7 % 1900, 5, 5991);
    rig_end(&r);
}

static void a_write_larger_than_a_group_goes_in_pieces(void **state)
{
    struct rig r = rig_begin(5, SIZE);

    (void)state;
    assert_int_equal(rig_write(&r, 3, WRITE_BLOCKS_MAX, 1), E_OK);
    expect_blocks(&r, 3, WRITE_BLOCKS_MAX, 1);
    assert_int_equal(rig_facts(&r).last_seq, r.seq);
    rig_crash_and_reopen(&r);
    expect_blocks(&r, 3, WRITE_BLOCKS_MAX, 1);
    assert_int_equal(rig_facts(&r).last_seq, r.seq);
    rig_end(&r);
}

/* Pieces of odd lengths at odd addresses, both ways. */
static void pieces_need_no_alignment(void **state)
{
    struct rig r = rig_begin(6, SIZE);
    static uint8_t memory[4 * BLOCK_BYTES + 64], back[4 * BLOCK_BYTES + 64];
    uint8_t *bytes = memory + 13;
    struct iovec pieces[3] = {
        {bytes, 1}, {bytes + 1, 5000}, {bytes + 5001, 3 * BLOCK_BYTES - 5001}};
    uint32_t checksums[3];
    struct store_change c = {.kind = STORE_WRITE,
                             .replica = r.replica,
                             .extent = {21, 3},
                             .pieces = pieces,
                             .piece_count = 3,
                             .checksums = checksums};
    struct iovec into[2] = {{back + 7, 4097}, {back + 7 + 4097, 3 * BLOCK_BYTES - 4097}};
    struct rig_wait w = {0};
    struct store_read read = {.replica = r.replica,
                              .extent = {21, 3},
                              .pieces = into,
                              .piece_count = 2,
                              .done = rig_read_done,
                              .own = &w};

    (void)state;
    for (uint64_t i = 0; i < 3; i++)
        block_fill(bytes + i * BLOCK_BYTES, 70 + i);
    checksums_of(r.replica, c.extent, bytes, checksums);
    assert_int_equal(rig_change(&r, &c), E_OK);
    rig_reopen(&r);
    read.replica = r.replica;
    store_read(&read);
    assert_int_equal(rig_await(&r, &w), E_OK);
    assert_memory_equal(back + 7, bytes, 3 * BLOCK_BYTES);
    assert_int_equal(back[6], 0);
    assert_int_equal(back[7 + 3 * BLOCK_BYTES], 0);
    rig_end(&r);
}

static void a_payload_that_does_not_match_changes_nothing(void **state)
{
    struct rig r = rig_begin(7, SIZE);
    static uint8_t bytes[2 * BLOCK_BYTES];
    uint32_t checksums[2];
    struct iovec piece = {bytes, sizeof bytes};
    struct store_change c = {.kind = STORE_WRITE,
                             .replica = r.replica,
                             .extent = {8, 2},
                             .pieces = &piece,
                             .piece_count = 1,
                             .checksums = checksums};

    (void)state;
    assert_int_equal(rig_write(&r, 8, 2, 40), E_OK);
    block_fill(bytes, 50);
    block_fill(bytes + BLOCK_BYTES, 51);
    checksums_of(r.replica, c.extent, bytes, checksums);
    bytes[5000] ^= 1;
    assert_int_equal(rig_change(&r, &c), E_MEDIUM);
    expect_blocks(&r, 8, 2, 40);
    bytes[5000] ^= 1;
    checksums_of(r.replica, (struct extent){9, 2}, bytes, checksums); /* of another place */
    assert_int_equal(rig_change(&r, &c), E_MEDIUM);
    expect_blocks(&r, 8, 2, 40);
    rig_end(&r);
}

/* ---- unmap and space ---- */

static void unmapped_blocks_read_as_zeros(void **state)
{
    struct rig r = rig_begin(10, SIZE);

    (void)state;
    assert_int_equal(rig_write(&r, 0, 64, 100), E_OK);
    rig_reopen(&r);
    assert_int_equal(rig_unmap(&r, 5, 30), E_OK); /* parts of chunks 0 and 2, all of 1 */
    for (int times = 0; times < 3; times++) {
        expect_blocks(&r, 0, 5, 100);
        expect_blocks(&r, 5, 30, 0);
        expect_blocks(&r, 35, 29, 135);
        if (times == 0)
            rig_crash_and_reopen(&r); /* unmapped stays unmapped after replay */
        else
            rig_reopen(&r);
    }
    assert_int_equal(r.replica->chunk_count, 3);
    rig_end(&r);
}

static void an_unmapped_chunk_is_free_after_a_checkpoint(void **state)
{
    struct rig r = rig_begin(11, SIZE);
    uint64_t before = store_space(r.store).chunks_free;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 160, 100), E_OK);
    assert_int_equal(store_space(r.store).chunks_free, before - 10);
    rig_reopen(&r);
    assert_int_equal(store_space(r.store).chunks_free, before - 10);
    assert_int_equal(rig_unmap(&r, 0, 160), E_OK);
    assert_int_equal(store_space(r.store).chunks_free, before - 10); /* notes 42 */
    rig_reopen(&r);
    assert_int_equal(store_space(r.store).chunks_free, before);
    rig_end(&r);
}

static void a_short_last_chunk_is_freed_whole(void **state)
{
    struct rig r = rig_begin(12, 20); /* one chunk and four blocks */

    (void)state;
    assert_int_equal(rig_write(&r, 16, 4, 100), E_OK);
    assert_int_equal(r.replica->chunk_count, 1);
    assert_int_equal(rig_unmap(&r, 16, 4), E_OK);
    assert_int_equal(r.replica->chunk_count, 0);
    expect_blocks(&r, 0, 20, 0);
    rig_end(&r);
}

static void a_deleted_replica_gives_its_space_back(void **state)
{
    struct rig r = rig_begin(13, SIZE);
    uint64_t before = store_space(r.store).chunks_free;
    struct store_change c = {.kind = STORE_DELETE, .replica = r.replica};

    (void)state;
    assert_int_equal(rig_write(&r, 0, 160, 100), E_OK);
    rig_reopen(&r);
    assert_int_equal(rig_write(&r, 1000, 16, 100), E_OK);
    c.replica = r.replica;
    assert_int_equal(rig_change(&r, &c), E_OK);
    assert_null(store_find(r.store, REPLICA));
    rig_crash_and_reopen(&r);
    assert_null(r.replica);
    assert_int_equal(store_space(r.store).chunks_free, before);
    assert_int_equal(rig_make(&r, REPLICA, SIZE), E_OK);
    expect_blocks(&r, 0, 1000, 0);
    assert_true(rig_facts(&r).empty);
    rig_end(&r);
}

/* Fills the disk with one more replica; how many chunks it took. */
static uint64_t fill_disk(struct rig *r)
{
    uint64_t chunks = 0;

    while (rig_write(r, chunks * CHUNK_BLOCKS, 1, chunks + 1) == E_OK)
        chunks++;
    return chunks;
}

static void a_full_disk_refuses_writes_and_nothing_else(void **state)
{
    struct rig r = rig_begin(14, 100000);
    uint64_t free_before = store_space(r.store).chunks_free, chunks;

    (void)state;
    chunks = fill_disk(&r);
    assert_int_equal(chunks, free_before);
    assert_int_equal(store_space(r.store).chunks_free, 0);
    assert_int_equal(rig_write(&r, chunks * CHUNK_BLOCKS, 1, 5), E_NO_SPACE);
    assert_false(store_fits(r.replica, (struct extent){chunks * CHUNK_BLOCKS, 1}));
    assert_true(store_fits(r.replica, (struct extent){0, 1}));
    assert_int_equal(rig_write(&r, 3, 1, 777), E_OK); /* its chunk is taken */
    expect_blocks(&r, 3, 1, 777);
    rig_crash_and_reopen(&r); /* it always opens */
    expect_blocks(&r, 16, 1, 2);
    assert_int_equal(rig_write(&r, chunks * CHUNK_BLOCKS, 1, 5), E_NO_SPACE);
    assert_int_equal(rig_promise(&r, 3), E_OK);
    assert_int_equal(rig_unmap(&r, 0, 2 * CHUNK_BLOCKS), E_OK);
    /* waits for the checkpoint that settles the unmap */
    assert_int_equal(rig_write(&r, chunks * CHUNK_BLOCKS, 1, 5), E_OK);
    expect_blocks(&r, chunks * CHUNK_BLOCKS, 1, 5);
    expect_blocks(&r, 0, 32, 0);
    expect_blocks(&r, 32, 1, 3);
    rig_end(&r);
}

static void the_reserve_is_not_for_new_writes(void **state)
{
    struct rig r = rig_begin(15, 100000);
    struct store_space space = store_space(r.store);
    uint64_t chunks = 0;

    (void)state;
    assert_true(space.chunks_reserved > 0);
    while (store_fits(r.replica, (struct extent){chunks * CHUNK_BLOCKS, 1}))
        assert_int_equal(rig_write(&r, chunks++ * CHUNK_BLOCKS, 1, 1), E_OK);
    assert_int_equal(chunks, space.chunks_free - space.chunks_reserved);
    assert_int_equal(chunks, space.chunks_writable);
    assert_int_equal(store_space(r.store).chunks_writable, 0);
    assert_int_equal(metric_get(&store_metrics(r.store)->free_bytes), 0);
    rig_end(&r);
}

static void what_is_mapped_is_told(void **state)
{
    struct rig r = rig_begin(16, SIZE);
    uint64_t count;

    (void)state;
    assert_int_equal(rig_write(&r, 20, 20, 1), E_OK);
    assert_false(store_mapped(r.replica, 0, SIZE, &count));
    assert_int_equal(count, 20);
    assert_true(store_mapped(r.replica, 20, SIZE, &count));
    assert_int_equal(count, 20);
    assert_true(store_mapped(r.replica, 25, 3, &count));
    assert_int_equal(count, 3);
    assert_false(store_mapped(r.replica, 40, UINT64_MAX, &count));
    assert_int_equal(count, SIZE - 40);
    rig_reopen(&r); /* no page is at hand: the chunks that are taken */
    assert_false(store_mapped(r.replica, 0, SIZE, &count));
    assert_int_equal(count, 16);
    assert_true(store_mapped(r.replica, 16, SIZE, &count));
    assert_int_equal(count, 32);
    expect_blocks(&r, 16, 4, 0); /* now it is */
    assert_false(store_mapped(r.replica, 16, SIZE, &count));
    assert_int_equal(count, 4);
    rig_end(&r);
}

/* ---- words ---- */

/* What it says is what it does: the smaller of the format's and the caller's. */
static void so_many_replicas_are_held_and_no_more(void **state)
{
    struct rig r = rig_begin(19, SIZE);
    struct store_limits limits = rig_limits();

    (void)state;
    assert_int_equal(store_space(r.store).replicas_max, 256);
    rig_close(&r);
    limits.replicas_max = 2;
    assert_int_equal(rig_open_with(&r, limits), E_OK);
    assert_int_equal(store_space(r.store).replicas_max, 2);
    assert_int_equal(rig_make(&r, (struct identity){5}, SIZE), E_OK);
    assert_int_equal(rig_make(&r, (struct identity){6}, SIZE), E_NO_SPACE);
    rig_end(&r);
}

static void changes_that_make_no_sense_are_refused(void **state)
{
    struct rig r = rig_begin(20, SIZE);
    struct store_change resize = {.kind = STORE_RESIZE, .replica = r.replica, .size_blocks = 10};

    (void)state;
    assert_int_equal(rig_make(&r, REPLICA, SIZE), E_EXISTS);
    assert_int_equal(rig_make(&r, (struct identity){0}, SIZE), E_INVALID);
    assert_int_equal(rig_make(&r, (struct identity){5}, SHARD_BLOCKS + 1), E_LBA_RANGE);
    assert_int_equal(rig_write(&r, SIZE - 1, 2, 1), E_LBA_RANGE);
    assert_int_equal(rig_unmap(&r, SIZE, 1), E_LBA_RANGE);
    assert_int_equal(rig_unmap(&r, UINT64_MAX, 2), E_LBA_RANGE);
    assert_int_equal(rig_change(&r, &resize), E_INVALID);
    resize.size_blocks = SHARD_BLOCKS + 1;
    assert_int_equal(rig_change(&r, &resize), E_LBA_RANGE);
    rig_end(&r);
}

static void a_promise_survives_power_loss_and_is_never_lowered(void **state)
{
    struct rig r = rig_begin(21, SIZE);

    (void)state;
    assert_int_equal(rig_facts(&r).promised, 0);
    assert_int_equal(rig_promise(&r, 7), E_OK);
    rig_crash_and_reopen(&r);
    assert_int_equal(rig_facts(&r).promised, 7);
    assert_int_equal(rig_promise(&r, 6), E_STALE_EPOCH);
    assert_int_equal(rig_promise(&r, 7), E_OK);
    rig_reopen(&r);
    assert_int_equal(rig_facts(&r).promised, 7);
    rig_end(&r);
}

static void a_set_and_a_size_survive(void **state)
{
    struct rig r = rig_begin(22, SIZE);
    struct store_set set = {
        .epoch = 2, .generation = 5, .snapshot = 1, .member_count = 3, .members = {{1}, {2}, {3}}};
    struct store_change c = {.kind = STORE_SET, .replica = r.replica, .set = set};
    struct store_change resize = {
        .kind = STORE_RESIZE, .replica = r.replica, .size_blocks = SIZE + 100};
    struct store_facts f;

    (void)state;
    assert_int_equal(rig_change(&r, &c), E_OK);
    assert_int_equal(rig_change(&r, &resize), E_OK);
    assert_int_equal(rig_write(&r, SIZE, 100, 9), E_OK);
    for (int times = 0; times < 2; times++) {
        rig_crash_and_reopen(&r);
        f = rig_facts(&r);
        assert_memory_equal(&f.set, &set, sizeof set);
        assert_int_equal(f.size_blocks, SIZE + 100);
        assert_int_equal(f.shard, SHARD_TEST);
        assert_true(identity_equal(f.volume, VOLUME));
        expect_blocks(&r, SIZE, 100, 9);
    }
    rig_end(&r);
}

static void as_many_replicas_as_the_format_has_room_for(void **state)
{
    struct rig r = rig_begin(23, SIZE);
    uint64_t seen = 0;

    (void)state;
    for (uint64_t i = 1; i < 256; i++)
        assert_int_equal(rig_make(&r, (struct identity){i}, SIZE), E_OK);
    assert_int_equal(rig_make(&r, (struct identity){256}, SIZE), E_NO_SPACE);
    r.replica = store_find(r.store, (struct identity){200});
    assert_int_equal(rig_write(&r, 0, 4, 2000), E_OK);
    rig_crash_and_reopen(&r);
    for_each_replica(replica, r.store)
        seen++;
    assert_int_equal(seen, 256);
    r.replica = store_find(r.store, (struct identity){200});
    expect_blocks(&r, 0, 4, 2000);
    rig_end(&r);
}

/* The stage of this open is smaller than what the last one left in the journal. */
static void a_journal_larger_than_the_stage_is_replayed(void **state)
{
    struct rig r = {.sim = sim_open(24)};
    struct store_limits small = rig_limits();
    struct rig_wait w = {0};
    struct store_format f = {
        .identity = DISK, .journal_bytes = 40u << 20, .done = rig_format_done, .own = &w};
    struct store_limits large = rig_limits();

    (void)state;
    large.stage_bytes = 32u << 20;
    r.medium = sim_disk_make(r.sim, "disk", UINT64_C(256) << 20);
    rig_start(&r);
    f.env = r.env;
    f.disk = r.disk;
    store_format(&f);
    assert_int_equal(rig_await(&r, &w), E_OK);
    assert_int_equal(rig_open_with(&r, large), E_OK);
    assert_int_equal(rig_make(&r, REPLICA, 10000), E_OK);
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(rig_write(&r, i * 100, 100, 1 + i * 1000), E_OK);
    assert_true(r.store->journal.tail < r.store->journal.head - (7u << 20));
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open_with(&r, small), E_OK);
    for (uint64_t i = 0; i < 20; i++)
        expect_blocks(&r, i * 100, 100, 1 + i * 1000);
    rig_end(&r);
}

/* How much of its disk a format writes. */
static uint64_t bytes_formatted(bool is_file)
{
    struct rig r = {.sim = sim_open(26)};
    struct rig_wait w = {0};
    struct store_format f = {
        .identity = DISK, .journal_bytes = RIG_JOURNAL, .done = rig_format_done, .own = &w};

    r.medium = sim_disk_make(r.sim, "disk", RIG_BYTES);
    rig_start(&r);
    r.disk->is_file = is_file;
    f.env = r.env;
    f.disk = r.disk;
    store_format(&f);
    assert_int_equal(rig_await(&r, &w), E_OK);
    assert_true(f.bytes_done >= f.bytes_total);
    rig_end(&r);
    return f.bytes_done;
}

static void a_file_is_written_in_full_and_a_device_is_not(void **state)
{
    (void)state;
    assert_true(bytes_formatted(true) > RIG_BYTES - CHUNK_BYTES); /* less is no chunk */
    assert_true(bytes_formatted(false) < RIG_BYTES / 2);
}

static bool half_formatted(void *arg)
{
    const struct store_format *f = arg;

    return f->bytes_done > f->bytes_total / 2;
}

static void a_format_that_is_broken_off_leaves_no_store(void **state)
{
    struct rig r = {.sim = sim_open(27)};
    struct rig_wait w = {0};
    struct store_format f = {
        .identity = DISK, .journal_bytes = RIG_JOURNAL, .done = rig_format_done, .own = &w};

    (void)state;
    r.medium = sim_disk_make(r.sim, "disk", RIG_BYTES);
    rig_start(&r);
    r.disk->is_file = true;
    f.env = r.env;
    f.disk = r.disk;
    store_format(&f);
    assert_true(sim_run_until(r.sim, half_formatted, &f, BOUND_US));
    store_format_stop(&f);
    assert_int_equal(rig_await(&r, &w), E_CLOSED);
    assert_true(f.bytes_done < f.bytes_total);
    assert_int_equal(rig_open(&r), E_NOT_FOUND);
    rig_end(&r);
}

/* Memory for the maps is a limit of this process, no damage of the disk. */
static void too_little_memory_for_the_maps_harms_nothing(void **state)
{
    struct rig r = rig_begin(25, 100000);
    struct store_limits small = rig_limits();

    (void)state;
    small.map_bytes = 2 * MAP_LEAF * sizeof(uint64_t);
    for (uint64_t i = 0; i < 3; i++) /* three leaves */
        assert_int_equal(rig_write(&r, i * MAP_LEAF * CHUNK_BLOCKS, 2, 10 * i + 1), E_OK);
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open_with(&r, small), E_NO_MEMORY); /* from the journal */
    assert_non_null(strstr(r.why, "memory"));
    assert_int_equal(rig_open(&r), E_OK);
    rig_close(&r);
    assert_int_equal(rig_open_with(&r, small), E_NO_MEMORY); /* from the table */
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged);
    for (uint64_t i = 0; i < 3; i++)
        expect_blocks(&r, i * MAP_LEAF * CHUNK_BLOCKS, 2, 10 * i + 1);
    rig_close(&r);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_format_that_is_broken_off_leaves_no_store),
        cmocka_unit_test(a_file_is_written_in_full_and_a_device_is_not),
        cmocka_unit_test(a_block_is_read_back),
        cmocka_unit_test(another_disk_than_the_one_that_was_meant_is_left_alone),
        cmocka_unit_test(writes_overlap),
        cmocka_unit_test(a_crash_keeps_what_was_answered),
        cmocka_unit_test(the_ring_goes_around),
        cmocka_unit_test(a_write_larger_than_a_group_goes_in_pieces),
        cmocka_unit_test(pieces_need_no_alignment),
        cmocka_unit_test(a_payload_that_does_not_match_changes_nothing),
        cmocka_unit_test(unmapped_blocks_read_as_zeros),
        cmocka_unit_test(an_unmapped_chunk_is_free_after_a_checkpoint),
        cmocka_unit_test(a_short_last_chunk_is_freed_whole),
        cmocka_unit_test(a_deleted_replica_gives_its_space_back),
        cmocka_unit_test(a_full_disk_refuses_writes_and_nothing_else),
        cmocka_unit_test(the_reserve_is_not_for_new_writes),
        cmocka_unit_test(what_is_mapped_is_told),
        cmocka_unit_test(so_many_replicas_are_held_and_no_more),
        cmocka_unit_test(changes_that_make_no_sense_are_refused),
        cmocka_unit_test(a_promise_survives_power_loss_and_is_never_lowered),
        cmocka_unit_test(a_set_and_a_size_survive),
        cmocka_unit_test(as_many_replicas_as_the_format_has_room_for),
        cmocka_unit_test(a_journal_larger_than_the_stage_is_replayed),
        cmocka_unit_test(too_little_memory_for_the_maps_harms_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
