/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/start_firm_test.c — what a start has read may be in the disk's cache alone, left
 * there by a process that was killed: it is made durable before anything is written because of it.
 */
#include "tests/unit/store/rig_io.h"

/* A disk that sees whether it is asked to sync before it is asked to write. */
static struct watched {
    struct disk disk;
    struct disk *real;
    uint32_t syncs, writes, writes_first;
} watched;

static void watch(struct disk *d, struct disk_io *io)
{
    (void)d;
    watched.syncs += io->op == DISK_SYNC;
    watched.writes += io->op == DISK_WRITE;
    watched.writes_first += io->op == DISK_WRITE && watched.syncs == 0;
    disk_submit(watched.real, io);
}

static const struct disk_ops watched_ops = {.submit = watch};

static enum err open_watched(struct rig *r)
{
    watched = (struct watched){.disk = *r->disk, .real = r->disk};
    watched.disk.ops = &watched_ops;
    r->disk = &watched.disk;
    return rig_open(r);
}

static void flip(struct rig *r, uint64_t offset)
{
    uint8_t byte;

    sim_disk_peek(r->medium, offset, &byte, 1);
    byte ^= 1;
    sim_disk_poke(r->medium, offset, &byte, 1);
}

/* The journal has nothing to say, and a root is written, for one copy of it is rotten. */
static void a_root_that_was_read_is_durable_before_the_next(void **state)
{
    (void)state;
    for (uint32_t copy = 0; copy < 2; copy++) {
        struct rig r = rig_begin(1 + copy, SHARD_BLOCKS);
        uint64_t root = r.store->geo.root_offset[copy];

        rig_fill(&r, 0, 3);
        rig_reopen(&r);
        rig_crash(&r, SIM_KILLED);
        flip(&r, root + 300);
        assert_int_equal(open_watched(&r), E_OK);
        rig_close(&r);
        assert_true(watched.writes > 0);
        assert_int_equal(watched.writes_first, 0);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_that_was_read_is_durable_before_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
