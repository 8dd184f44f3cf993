/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/start_reads_test.c — a start reads little, and what it grows with (design 7). */
#include "store/replay.h"
#include "tests/unit/store/rig_io.h"

#define DISK_BYTES_HERE (UINT64_C(4) << 30)
#define JOURNAL_HERE    (UINT64_C(64) << 20) /* much more than a start looks at */
#define CHUNKS          (3 * (uint64_t)MAP_RECORDS)

enum region { HEADS, INDEX, MAP, CHECKSUMS, LOGS, JOURNAL, DATA, REGIONS };

/* A disk that counts what is read of it, by region. */
static struct counter {
    struct disk disk;
    struct disk *real;
    struct geometry geo;
    uint64_t bytes[REGIONS];
} counter;

static enum region table_region(const struct geometry *g, uint64_t page)
{
    if (page < g->map_pages)
        return MAP;
    return page < g->map_pages + g->checksum_pages ? CHECKSUMS : LOGS;
}

static bool is_within(uint64_t at, uint64_t start, uint64_t bytes)
{
    return at >= start && at - start < bytes;
}

static enum region region_of(const struct geometry *g, uint64_t at)
{
    if (at >= g->data_offset && at < g->data_offset + g->chunks * CHUNK_BYTES)
        return DATA;
    if (is_within(at, g->journal_offset, g->journal_bytes))
        return JOURNAL;
    if (is_within(at, g->table_offset, 2 * table_pages(g) * PAGE_BYTES))
        return table_region(g, (at - g->table_offset) / PAGE_BYTES % table_pages(g));
    if (is_within(at, g->index_offset, 2 * g->index_pages * PAGE_BYTES))
        return INDEX;
    return HEADS;
}

static void count(struct disk *d, struct disk_io *io)
{
    uint64_t at = io->offset;

    (void)d;
    for (uint32_t i = 0; io->op == DISK_READ && i < io->piece_count; i++)
        for (uint64_t end = at + io->pieces[i].iov_len; at < end; at += PAGE_BYTES)
            counter.bytes[region_of(&counter.geo, at)] += PAGE_BYTES;
    disk_submit(counter.real, io);
}

static const struct disk_ops counter_ops = {.submit = count};

/* The store is closed, or its process dead: opened again, and counted. */
static void open_counted(struct rig *r)
{
    counter.real = r->disk;
    counter.disk = *r->disk;
    counter.disk.ops = &counter_ops;
    memset(counter.bytes, 0, sizeof counter.bytes);
    r->disk = &counter.disk;
    assert_int_equal(rig_open(r), E_OK);
}

/* A store with CHUNKS at home, whose checksums take many more pages than its map. */
static struct rig begin(uint64_t seed)
{
    struct rig r = {.sim = sim_open(seed)};

    r.medium = sim_disk_make(r.sim, "disk", DISK_BYTES_HERE);
    rig_start(&r);
    assert_int_equal(rig_format_with(&r, JOURNAL_HERE), E_OK);
    assert_int_equal(rig_open(&r), E_OK);
    assert_int_equal(rig_make(&r, REPLICA, SHARD_BLOCKS), E_OK);
    rig_fill(&r, 0, CHUNKS);
    rig_reopen(&r);
    counter.geo = r.store->geo;
    return r;
}

static uint64_t heads_bytes(const struct geometry *g)
{
    return 2 * (PAGE_BYTES + g->root_bytes);
}

/* Pages in use lie together here: they are in the first window of either place. */
static uint64_t window_bytes(void)
{
    return UINT64_C(2) * LOAD_PAGES * PAGE_BYTES;
}

/* What a start reads whether its journal is empty or not. */
static void expect_little(void)
{
    const struct geometry *g = &counter.geo;

    assert_true(g->map_pages > 4 * LOAD_PAGES); /* or these bounds would not show anything */
    assert_int_equal(counter.bytes[HEADS], heads_bytes(g));
    assert_in_range(counter.bytes[INDEX], PAGE_BYTES, 2 * g->index_pages * PAGE_BYTES);
    assert_in_range(counter.bytes[MAP], PAGE_BYTES, window_bytes());
    assert_in_range(counter.bytes[LOGS], 0, window_bytes());
    assert_int_equal(counter.bytes[DATA], 0);
}

static void a_start_after_a_close_reads_no_checksums_and_no_data(void **state)
{
    struct rig r = begin(1);

    (void)state;
    rig_close(&r);
    open_counted(&r);
    expect_little();
    assert_int_equal(counter.bytes[CHECKSUMS], 0);
    assert_int_equal(counter.bytes[JOURNAL],
                     REPLAY_BYTES + PAGE_BYTES); /* no more than it takes to see its end, twice */
    rig_end(&r);
}

/* One page of checksums, of the eight there are: its checkpoint writes that anew. */
static void a_start_after_a_crash_reads_what_its_journal_changed(void **state)
{
    struct rig r = begin(2);
    uint64_t used;

    (void)state;
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(rig_write(&r, i * CHUNK_BLOCKS, 1, 1), E_OK);
    used = r.store->journal.head - r.store->journal.tail;
    assert_in_range(used, 10 * 2 * PAGE_BYTES, REPLAY_BYTES);
    rig_crash(&r, SIM_POWER_LOST);
    open_counted(&r);
    expect_little();
    assert_int_equal(counter.bytes[CHECKSUMS], PAGE_BYTES);
    assert_in_range(counter.bytes[JOURNAL], used,
                    2 * REPLAY_BYTES +
                        PAGE_BYTES); /* from the tail, from its end, and that again */
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_after_a_close_reads_no_checksums_and_no_data),
        cmocka_unit_test(a_start_after_a_crash_reads_what_its_journal_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
