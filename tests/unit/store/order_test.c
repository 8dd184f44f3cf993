/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/order_test.c — which requests reach the disk, and in which order: group commit,
 * syncs, the home of a chunk that is being read.
 */
#include "tests/unit/store/rig_io.h"

#define SIZE   2000u
#define SEEN   4096u
#define WRITES 20u

/* A disk in front of the disk: sees every request, may hold reads back. */
struct spy {
    struct disk disk;
    struct disk *below;
    struct {
        enum disk_op op;
        uint32_t flags;
        uint64_t offset, bytes;
    } seen[SEEN];
    uint32_t count;
    bool hold_reads;
    struct disk_io *held;
};
static struct spy spy;

static void spy_submit(struct disk *d, struct disk_io *io)
{
    uint64_t bytes = 0;

    (void)d;
    for (uint32_t i = 0; i < io->piece_count; i++)
        bytes += io->pieces[i].iov_len;
    assert_true(spy.count < SEEN);
    spy.seen[spy.count].op = io->op;
    spy.seen[spy.count].flags = io->flags;
    spy.seen[spy.count].offset = io->offset;
    spy.seen[spy.count++].bytes = bytes;
    if (spy.hold_reads && io->op == DISK_READ) {
        assert_null(spy.held);
        spy.held = io;
        return;
    }
    disk_submit(spy.below, io);
}

static const struct disk_ops spy_ops = {.submit = spy_submit};

/* As rig_begin(), through the spy. */
static struct rig spied(uint64_t seed, bool write_through)
{
    struct rig r = {.sim = sim_open(seed)};

    memset(&spy, 0, sizeof spy);
    r.medium = sim_disk_make(r.sim, "disk", RIG_BYTES);
    r.medium->write_through = write_through;
    rig_start(&r);
    spy.below = r.disk;
    spy.disk = *r.disk;
    spy.disk.ops = &spy_ops;
    r.disk = &spy.disk;
    assert_int_equal(rig_format(&r), E_OK);
    assert_int_equal(rig_open(&r), E_OK);
    assert_int_equal(rig_make(&r, REPLICA, SIZE), E_OK);
    sim_run_for(r.sim, 100 * 1000); /* the idle group is out */
    spy.count = 0;
    return r;
}

static bool in_journal(const struct rig *r, uint32_t i)
{
    const struct geometry *g = &r->store->geo;

    return spy.seen[i].op == DISK_WRITE && spy.seen[i].offset >= g->journal_offset &&
           spy.seen[i].offset < g->journal_offset + g->journal_bytes;
}

struct one {
    struct store_change change;
    struct iovec piece;
    uint32_t checksum;
    uint8_t bytes[BLOCK_BYTES];
};
static struct one ones[WRITES];
static uint32_t answered;

static void one_answered(struct store_change *c, enum err err)
{
    assert_int_equal(err, E_OK);
    assert_ptr_equal(c, &ones[answered].change); /* S2 */
    answered++;
}

static void give_one(struct rig *r, uint32_t i)
{
    struct one *o = &ones[i];

    block_fill(o->bytes, 100 + i);
    o->piece = (struct iovec){o->bytes, BLOCK_BYTES};
    o->change = (struct store_change){.kind = STORE_WRITE,
                                      .replica = r->replica,
                                      .extent = {i * 5, 1},
                                      .pieces = &o->piece,
                                      .piece_count = 1,
                                      .checksums = &o->checksum,
                                      .stamp = {.epoch = 1, .seq = i + 1, .generation = 1},
                                      .done = one_answered};
    checksums_of(r->replica, o->change.extent, o->bytes, &o->checksum);
    store_change(r->store, &o->change);
}

static void promise_answered(struct store_change *c, enum err err)
{
    (void)c;
    assert_int_equal(err, E_OK);
    answered++;
}

static bool all_answered(void *arg)
{
    return answered == *(uint32_t *)arg;
}

static void what_comes_with_one_turn_is_one_group(void **state)
{
    struct rig r = spied(1, false);
    uint32_t all = WRITES;

    (void)state;
    answered = 0;
    give_one(&r, 0);
    sim_run_for(r.sim, 1);
    assert_int_equal(spy.count, 1); /* the first goes at once */
    for (uint32_t i = 1; i < WRITES; i++)
        give_one(&r, i);
    sim_run_for(r.sim, 1);
    assert_int_equal(spy.count, 2); /* all the others as one, beside it */
    assert_true(sim_run_until(r.sim, all_answered, &all, BOUND_US));
    assert_int_equal(spy.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(in_journal(&r, i));
        assert_int_equal(spy.seen[i].flags, DISK_DSYNC);
    }
    assert_int_equal(spy.seen[0].bytes, 2 * PAGE_BYTES);
    for (uint32_t i = 0; i < WRITES; i++)
        expect_blocks(&r, i * 5, 1, 100 + i);
    rig_end(&r);
}

static void idle_means_one_more_group_and_then_nothing(void **state)
{
    struct rig r = spied(2, false);

    (void)state;
    assert_int_equal(rig_write(&r, 0, 1, 5), E_OK);
    assert_int_equal(spy.count, 1);
    sim_run_for(r.sim, 10 * 1000 * 1000);
    assert_int_equal(spy.count, 2);
    assert_true(in_journal(&r, 1));
    rig_end(&r);
}

/* data, pages and index → sync → root 1 → root 2, each root durable before what follows */
static void a_checkpoint_keeps_its_order(void **state)
{
    struct rig r = spied(3, false);
    struct geometry g = r.store->geo;
    uint32_t stage = 0, roots = 0;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 24, 5), E_OK);
    sim_run_for(r.sim, 100 * 1000);
    spy.count = 0;
    rig_close(&r);
    for (uint32_t i = 0; i < spy.count; i++) {
        uint64_t at = spy.seen[i].offset;

        if (spy.seen[i].op == DISK_READ)
            continue;
        if (spy.seen[i].op == DISK_SYNC) {
            stage++;
            continue;
        }
        if (at >= g.table_offset && at < g.root_offset[1]) {
            assert_int_equal(stage, 0);
        } else {
            assert_int_equal(stage, 1);
            assert_int_equal(at, g.root_offset[roots++]);
            assert_int_equal(spy.seen[i].flags, DISK_DSYNC);
        }
    }
    assert_int_equal(stage, 1);
    assert_int_equal(roots, 2);
    assert_int_equal(rig_open(&r), E_OK);
    expect_blocks(&r, 0, 24, 5);
    rig_end(&r);
}

static void a_write_through_disk_gets_no_syncs(void **state)
{
    struct rig r = spied(4, true);

    (void)state;
    assert_int_equal(rig_write(&r, 0, 24, 5), E_OK);
    rig_reopen(&r);
    expect_blocks(&r, 0, 24, 5);
    for (uint32_t i = 0; i < spy.count; i++) {
        assert_int_not_equal(spy.seen[i].op, DISK_SYNC);
        assert_int_equal(spy.seen[i].flags, 0);
    }
    rig_end(&r);
}

/* Notes 45: a read that fetches from home finds there what it looked for. */
static void a_slow_read_meets_write_home(void **state)
{
    struct rig r = spied(5, false);
    static uint8_t bytes[BLOCK_BYTES];
    struct rig_wait read_over = {0};
    struct iovec piece = {bytes, sizeof bytes};
    struct store_read read = {.extent = {7, 1},
                              .pieces = &piece,
                              .piece_count = 1,
                              .done = rig_read_done,
                              .own = &read_over};

    (void)state;
    assert_int_equal(rig_write(&r, 0, 16, 500), E_OK);
    rig_reopen(&r);
    expect_blocks(&r, 0, 1, 500); /* the checksum page is at hand */
    read.replica = r.replica;
    spy.hold_reads = true;
    store_read(&read);
    sim_run_for(r.sim, 1000);
    assert_non_null(spy.held); /* under way, and slow */
    spy.hold_reads = false;
    assert_int_equal(rig_write(&r, 7, 1, 900), E_OK);
    spy.count = 0;
    for (uint64_t i = 0; i < 120; i++) { /* until a checkpoint is due */
        if (checkpoint_running(r.store))
            break;
        answered = 0;
        give_one(&r, 0);
        sim_run_for(r.sim, 20 * 1000);
    }
    assert_true(checkpoint_running(r.store));
    sim_run_for(r.sim, 1000 * 1000);
    for (uint32_t i = 0; i < spy.count; i++) /* it waits for the reader */
        assert_true(in_journal(&r, i));
    expect_blocks(&r, 7, 1, 900); /* other reads go on */
    disk_submit(spy.below, spy.held);
    assert_int_equal(rig_await(&r, &read_over), E_OK);
    assert_true(block_is(bytes, 507)); /* what was there when it began */
    sim_run_for(r.sim, 1000 * 1000);
    assert_false(checkpoint_running(r.store));
    expect_blocks(&r, 7, 1, 900);
    rig_end(&r);
}

/* P2: the question counts from when it is asked, the promise from when it is durable. */
static void a_promise_is_asked_before_it_is_durable(void **state)
{
    struct rig r = spied(6, false);
    struct store_change promise = {
        .kind = STORE_PROMISE, .replica = r.replica, .epoch = 6, .done = promise_answered};
    uint32_t one = 1;

    (void)state;
    assert_int_equal(rig_promise(&r, 5), E_OK);
    answered = 0;
    store_change(r.store, &promise);
    assert_int_equal(rig_facts(&r).promised, 5);
    assert_int_equal(rig_facts(&r).asked, 6);
    assert_true(sim_run_until(r.sim, all_answered, &one, BOUND_US));
    assert_int_equal(rig_facts(&r).promised, 6);
    rig_reopen(&r);
    assert_int_equal(rig_facts(&r).asked, 6);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_with_one_turn_is_one_group),
        cmocka_unit_test(idle_means_one_more_group_and_then_nothing),
        cmocka_unit_test(a_checkpoint_keeps_its_order),
        cmocka_unit_test(a_write_through_disk_gets_no_syncs),
        cmocka_unit_test(a_slow_read_meets_write_home),
        cmocka_unit_test(a_promise_is_asked_before_it_is_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
