/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/pacing_test.c — many writers and a journal that is always being emptied: they
 * slow down to the checkpoint's pace, and never stop for it.
 */
#include "tests/unit/store/rig_io.h"

#define SIZE    6000u
#define WRITERS 64u
#define WRITES  12000u
#define LET_GO  400u

struct writer {
    struct store_change change;
    struct iovec piece;
    uint32_t checksum;
    uint8_t bytes[BLOCK_BYTES];
};

static struct crowd {
    struct rig r;
    struct writer writers[WRITERS];
    uint32_t writes, given, answered;
    uint64_t last_us;    /* when something was answered */
    uint64_t longest_us; /* without an answer           */
    uint64_t checkpoint_us, longest_checkpoint_us;
    uint32_t checkpoints, beside; /* answered while one ran */
    bool running;
    uint64_t most_used; /* of the ring */
    uint32_t widest, narrowest;
    uint32_t before; /* requests of a checkpoint that the next write finds at the disk */
} crowd;

static void write_next(struct writer *w);

/* What can be seen from outside, at every answer. */
static void watch(void)
{
    const struct store *s = crowd.r.store;
    uint64_t now = sim_now_us(crowd.r.sim);
    bool running = checkpoint_running(s);

    crowd.longest_us = max_u64(crowd.longest_us, now - crowd.last_us);
    crowd.last_us = now;
    crowd.most_used = max_u64(crowd.most_used, s->journal.head - s->journal.tail);
    crowd.beside += running;
    if (running && !crowd.running) {
        crowd.checkpoint_us = now;
        crowd.checkpoints++;
    }
    if (running)
        crowd.longest_checkpoint_us =
            max_u64(crowd.longest_checkpoint_us, now - crowd.checkpoint_us);
    crowd.running = running;
    crowd.widest = max_u32(crowd.widest, pacing_width(s));
    crowd.narrowest = min_u32(crowd.narrowest, pacing_width(s));
    crowd.before = max_u32(crowd.before, s->checkpoint.flying);
}

static void written(struct store_change *c, enum err err)
{
    assert_int_equal(err, E_OK);
    crowd.answered++;
    watch();
    if (crowd.given < crowd.writes)
        write_next(container_of(c, struct writer, change));
}

static void write_next(struct writer *w)
{
    uint64_t block = crowd.given++ * UINT64_C(1009) % SIZE;

    block_fill(w->bytes, block + 1);
    w->piece = (struct iovec){w->bytes, BLOCK_BYTES};
    w->change = (struct store_change){
        .kind = STORE_WRITE,
        .replica = crowd.r.replica,
        .extent = {block, 1},
        .pieces = &w->piece,
        .piece_count = 1,
        .checksums = &w->checksum,
        .stamp = {.epoch = 1, .seq = ++crowd.r.seq, .generation = 1, .commit_seq = crowd.answered},
        .done = written};
    checksums_of(crowd.r.replica, w->change.extent, w->bytes, &w->checksum);
    store_change(crowd.r.store, &w->change);
}

static bool all_written(void *arg)
{
    (void)arg;
    return crowd.answered == crowd.writes;
}

static void crowd_writes(uint64_t seed, uint32_t writers, uint32_t writes, uint64_t slow_us)
{
    memset(&crowd, 0, sizeof crowd);
    crowd.narrowest = UINT32_MAX;
    crowd.writes = writes;
    crowd.r = rig_begin(seed, SIZE);
    crowd.r.medium->slow_us = slow_us;
    crowd.last_us = sim_now_us(crowd.r.sim);
    for (uint32_t i = 0; i < writers; i++)
        write_next(&crowd.writers[i]);
    assert_true(sim_run_until(crowd.r.sim, all_written, NULL, BOUND_US));
}

static void writers_do_not_stop_for_a_checkpoint(void **state)
{
    (void)state;
    crowd_writes(1, WRITERS, WRITES, 0);
    assert_true(crowd.checkpoints > 4);
    assert_true(crowd.beside > WRITES / 4);
    assert_true(crowd.longest_us * 4 < crowd.longest_checkpoint_us);
    assert_int_equal(crowd.narrowest, 16); /* a checkpoint takes its time, until it must not */
    assert_int_equal(crowd.widest, HOME_WRITES);
    assert_true(crowd.most_used > RIG_JOURNAL / 10 * 7);
    assert_true(crowd.most_used <= RIG_JOURNAL / 100 * 96);
    for (uint64_t b = 0; b < SIZE; b++)
        expect_blocks(&crowd.r, b, 1, b + 1);
    rig_end(&crowd.r);
}

/* One write at a time: between two of them nothing is in flight, and yet the next one comes at once
 * and does not stand behind all that a checkpoint could have sent meanwhile. */
static void lone_writer(uint64_t slow_us)
{
    const struct store *s;

    crowd_writes(2, 1, WRITES / 2, slow_us);
    s = crowd.r.store;
    assert_true(crowd.checkpoints > 1);
    assert_int_equal(crowd.before, 16);
    assert_int_equal(crowd.widest, 16);
    sim_run_for(crowd.r.sim, 20 * 1000);
    assert_int_equal(pacing_width(s), HOME_WRITES); /* it rests: now is the time */
    rig_end(&crowd.r);
}

static void a_lone_writer_finds_the_disk_free(void **state)
{
    (void)state;
    lone_writer(0);
}

static void a_slow_disk_is_not_quiet(void **state)
{
    (void)state;
    lone_writer(15 * 1000);
}

/* Small writes to new chunks of a nearly full disk, each discarded before it is home: they wait for
 * a root like what is freed, and one comes before they have used up what is left. */
static void chunks_that_are_let_go_begin_a_checkpoint(void **state)
{
    struct store_limits limits = rig_limits();
    struct rig r;
    uint64_t fresh, root;

    (void)state;
    limits.stage_bytes = 32u << 20;
    r = rig_begin_large(4, limits);
    fresh = allocator_left(&r.store->allocator) - LET_GO;
    rig_fill(&r, 0, fresh);
    rig_close(&r);
    assert_int_equal(rig_open_with(&r, limits), E_OK);
    root = r.store->root_number;
    for (uint64_t i = fresh; i < fresh + LET_GO; i++) {
        assert_true(allocator_left(&r.store->allocator) > 0);
        rig_fill(&r, i, 1);
        assert_int_equal(rig_unmap(&r, i * CHUNK_BLOCKS, CHUNK_BLOCKS), E_OK);
    }
    assert_true(r.store->root_number > root || checkpoint_running(r.store));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_do_not_stop_for_a_checkpoint),
        cmocka_unit_test(a_lone_writer_finds_the_disk_free),
        cmocka_unit_test(a_slow_disk_is_not_quiet),
        cmocka_unit_test(chunks_that_are_let_go_begin_a_checkpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
