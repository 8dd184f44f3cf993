/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/start_firm_test.c — what a start has read may be in the disk's cache alone, left
 * there by a process that was killed: it is made durable before anything is written because of it.
 */
#include "store/table.h"
#include "tests/unit/store/rig_io.h"

#define SECOND_US (1000u * 1000)

/* A disk that sees at the first write of all whether something is in its cache alone; and that,
 * from when on it stops, keeps the second copy of a root there and is asked for nothing behind it.
 */
static struct watched {
    struct disk disk;
    struct disk *real;
    const struct rig *rig;
    struct geometry geo;
    uint32_t writes;
    bool only_in_cache;
    bool stops;
    uint32_t root_count; /* since then */
    uint64_t first_root; /* where the first of these went */
} watched;

static void watch_root(struct disk_io *io)
{
    if (watched.root_count++ == 0)
        watched.first_root = io->offset;
    else
        io->flags = 0; /* killed before it is durable */
}

static void watch(struct disk *d, struct disk_io *io)
{
    const uint64_t *roots = watched.geo.root_offset;

    (void)d;
    if (watched.root_count == 2)
        return;
    if (io->op == DISK_WRITE)
        watched.only_in_cache |= watched.writes++ == 0 && !list_empty(&watched.rig->medium->cached);
    if (io->op == DISK_WRITE && watched.stops && (io->offset == roots[0] || io->offset == roots[1]))
        watch_root(io);
    disk_submit(watched.real, io);
}

static const struct disk_ops watched_ops = {.submit = watch};

static enum err open_watched(struct rig *r, const struct geometry *geo)
{
    watched = (struct watched){.disk = *r->disk, .real = r->disk, .rig = r, .geo = *geo};
    watched.disk.ops = &watched_ops;
    r->disk = &watched.disk;
    return rig_open(r);
}

/* A kill in the second copy of a root, and the first one rots: what the next start reads is in the
 * disk's cache alone, and the journal has nothing to say. */
static void a_root_that_was_read_is_durable_before_the_next(void **state)
{
    struct rig r = rig_begin(1, SHARD_BLOCKS);
    struct geometry geo = r.store->geo;

    (void)state;
    rig_fill(&r, 0, 3);
    rig_close(&r);
    assert_int_equal(open_watched(&r, &geo), E_OK);
    rig_fill(&r, 3, 1);
    watched.stops = true;
    checkpoint_begin(r.store, &r.store->journal.task);
    sim_run_for(r.sim, SECOND_US);
    assert_int_equal(watched.root_count, 2);
    rig_crash(&r, SIM_KILLED);
    assert_false(list_empty(&r.medium->cached));
    rig_rot(&r, watched.first_root + 300);
    assert_int_equal(open_watched(&r, &geo), E_OK);
    assert_true(watched.writes > 0);
    assert_false(watched.only_in_cache);
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open(&r), E_OK);
    for (uint64_t i = 0; i < 4; i++)
        expect_blocks(&r, i * CHUNK_BLOCKS, 1, 1000 + i);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_that_was_read_is_durable_before_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
