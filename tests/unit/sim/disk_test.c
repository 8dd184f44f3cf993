/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sim/disk_test.c — what a simulated disk keeps, and what it forgets. */
#include "tests/unit/sim/disk_rig.h"

static void what_is_written_is_read(void **state)
{
    struct sim *s = sim_open(1);
    struct env *e = sim_env(s, "a");
    struct disk *d = open_disk(e);
    static struct request r;

    (void)state;
    play(s, d, &r, DISK_READ, 8192);
    for (size_t i = 0; i < sizeof r.bytes; i++)
        assert_int_equal(r.bytes[i], 0);
    write_block(s, d, 8192, 0x5a, 0);
    play(s, d, &r, DISK_READ, 8192);
    for (size_t i = 0; i < sizeof r.bytes; i++)
        assert_int_equal(r.bytes[i], 0x5a);
    disk_close(d);
    sim_close(s);
}

static void a_disk_is_opened_once(void **state)
{
    struct sim *s = sim_open(1);
    struct env *a = sim_env(s, "a");
    struct env *b = sim_env(s, "b");
    struct disk *d;
    struct disk *other;

    (void)state;
    assert_int_equal(b->ops->disk_open(b, "disk0", 0, &other), E_NOT_FOUND);
    d = open_disk(a);
    assert_int_equal(b->ops->disk_open(b, "disk0", 0, &other), E_BUSY);
    sim_crash(s, a, SIM_KILLED);
    assert_int_equal(b->ops->disk_open(b, "disk0", 0, &other), E_OK);
    assert_int_equal(other->size_bytes, DISK_MAX);
    assert_ptr_not_equal(other, d);
    disk_close(other);
    sim_close(s);
}

static void a_broken_disk_says_so(void **state)
{
    struct sim *s = sim_open(1);
    struct env *e = sim_env(s, "a");
    struct disk *d = open_disk(e);
    static struct request r;

    (void)state;
    sim_disk_find(s, "disk0")->broken = true;
    start(d, &r, DISK_READ, 0, 0);
    assert_true(sim_run_until(s, is_over, &r, BOUND_US));
    assert_int_equal(r.err, E_DISK);
    disk_close(d);
    sim_close(s);
}

/* How often, over many seeds, an unsynced write was kept, lost and torn by a loss of power. */
struct fates {
    int kept, lost, torn;
};

static void count_fate(struct sim *s, struct fates *f)
{
    int sectors = 0;

    for (uint64_t at = 0; at < DISK_ALIGN; at += 512)
        sectors += byte_at(s, at) == 2;
    for (uint64_t at = 0; at < DISK_ALIGN; at++) /* torn at sectors, nowhere else */
        assert_int_equal(byte_at(s, at), byte_at(s, at / 512 * 512));
    f->kept += sectors == (int)DISK_ALIGN / 512;
    f->lost += sectors == 0;
    f->torn += sectors > 0 && sectors < (int)DISK_ALIGN / 512;
}

static void an_unsynced_write_may_stay_go_or_tear(void **state)
{
    struct fates f = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *s = sim_open(seed);
        struct env *e = sim_env(s, "a");
        struct disk *d = open_disk(e);

        write_block(s, d, 0, 1, DISK_DSYNC);
        write_block(s, d, 0, 2, 0);
        sim_crash(s, e, SIM_POWER_LOST);
        count_fate(s, &f);
        sim_close(s);
    }
    assert_true(f.kept > 0);
    assert_true(f.lost > 0);
    assert_true(f.torn > 0);
}

static void a_synced_write_stays(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *s = sim_open(seed);
        struct env *e = sim_env(s, "a");
        struct disk *d = open_disk(e);

        write_block(s, d, 0, 1, 0);
        write_block(s, d, 0, 2, 0);
        sync_disk(s, d);
        write_block(s, d, 4096, 3, 0); /* the sync does not cover it, nor does it hurt */
        sim_crash(s, e, SIM_POWER_LOST);
        for (uint64_t at = 0; at < DISK_ALIGN; at++)
            assert_int_equal(byte_at(s, at), 2);
        sim_close(s);
    }
}

/* Design 7: flushes are not transitive. */
static void dsync_covers_its_own_write_only(void **state)
{
    int lost = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *s = sim_open(seed);
        struct env *e = sim_env(s, "a");
        struct disk *d = open_disk(e);

        write_block(s, d, 0, 1, 0);
        write_block(s, d, 4096, 2, DISK_DSYNC);
        sim_crash(s, e, SIM_POWER_LOST);
        assert_int_equal(byte_at(s, 4096), 2);
        lost += byte_at(s, 0) != 1;
        sim_close(s);
    }
    assert_true(lost > 0);
}

/* A sync covers what was done when it was submitted: not a write that overtakes it. */
static void a_sync_does_not_cover_what_came_later(void **state)
{
    int lost = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *s = sim_open(seed);
        struct env *e = sim_env(s, "a");
        struct disk *d = open_disk(e);
        static struct request sync;

        start(d, &sync, DISK_SYNC, 0, 0);
        write_block(s, d, 0, 1, 0);
        assert_true(sim_run_until(s, is_over, &sync, BOUND_US));
        sim_crash(s, e, SIM_POWER_LOST);
        lost += byte_at(s, 0) != 1;
        sim_close(s);
    }
    assert_true(lost > 0);
}

static void an_older_write_never_replaces_a_newer_durable_one(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *s = sim_open(seed);
        struct env *e = sim_env(s, "a");
        struct disk *d = open_disk(e);

        write_block(s, d, 0, 1, 0);
        write_block(s, d, 0, 2, DISK_DSYNC);
        sim_crash(s, e, SIM_POWER_LOST);
        for (uint64_t at = 0; at < DISK_ALIGN; at++)
            assert_int_equal(byte_at(s, at), 2);
        sim_close(s);
    }
}

static void a_killed_process_loses_nothing_that_was_done(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim *s = sim_open(seed);
        struct env *e = sim_env(s, "a");
        struct disk *d = open_disk(e);

        write_block(s, d, 0, 1, 0);
        sim_crash(s, e, SIM_KILLED);
        for (uint64_t at = 0; at < DISK_ALIGN; at++)
            assert_int_equal(byte_at(s, at), 1);
        sim_close(s);
    }
}

static void write_through_needs_no_sync(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim *s = sim_open(seed);
        struct env *e = sim_env(s, "a");
        struct disk *d;

        sim_disk_make(s, "disk0", DISK_MAX)->write_through = true;
        d = open_disk(e);
        assert_true(d->write_through);
        write_block(s, d, 0, 1, 0);
        sim_crash(s, e, SIM_POWER_LOST);
        assert_int_equal(byte_at(s, 0), 1);
        sim_close(s);
    }
}

static void a_poke_is_seen_and_durable(void **state)
{
    struct sim *s = sim_open(1);
    struct env *e = sim_env(s, "a");
    struct disk *d = open_disk(e);
    static struct request r;
    uint8_t rot = 0x80;

    (void)state;
    write_block(s, d, 0, 1, DISK_DSYNC);
    sim_disk_poke(sim_disk_find(s, "disk0"), 77, &rot, 1);
    play(s, d, &r, DISK_READ, 0);
    assert_int_equal(r.bytes[76], 1);
    assert_int_equal(r.bytes[77], 0x80);
    sim_crash(s, e, SIM_POWER_LOST);
    assert_int_equal(byte_at(s, 77), 0x80);
    sim_close(s);
}

/* ---- crashes around one request ---- */

/* Plays sync'ed 1, then 2 with a crash around it; what is left: 1, 2, or torn (0). */
static uint8_t left_by_crash(uint64_t seed, enum sim_moment moment, enum sim_death death,
                             bool *ret_heard)
{
    struct sim *s = sim_open(seed);
    struct env *e = sim_env(s, "a");
    struct disk *d = open_disk(e);
    static struct request r;
    uint8_t left;

    write_block(s, d, 0, 1, DISK_DSYNC);
    sim_crash_around_io(s, e, (struct sim_point){1, moment}, death);
    memset(r.bytes, 2, sizeof r.bytes);
    start(d, &r, DISK_WRITE, 0, DISK_DSYNC);
    sim_run_for(s, BOUND_US);
    assert_true(sim_dead(e));
    *ret_heard = r.over;
    left = byte_at(s, 0);
    for (uint64_t at = 0; at < DISK_ALIGN; at += 512)
        if (byte_at(s, at) != left)
            left = 0;
    sim_close(s);
    return left;
}

static void a_crash_before_a_request_leaves_what_was(void **state)
{
    bool heard;

    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        assert_int_equal(left_by_crash(seed, SIM_BEFORE, seed % 2, &heard), 1);
        assert_false(heard);
    }
}

static void a_crash_during_a_request_leaves_its_fate_open(void **state)
{
    int fates[2][3] = {0};
    bool heard;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        fates[seed % 2][left_by_crash(seed, SIM_DURING, seed % 2, &heard)]++;
        assert_false(heard);
    }
    assert_true(fates[SIM_KILLED][1] > 0 && fates[SIM_KILLED][2] > 0);
    assert_int_equal(fates[SIM_KILLED][0], 0); /* nothing tears a write but the power */
    assert_true(fates[SIM_POWER_LOST][0] > 0);
    assert_true(fates[SIM_POWER_LOST][1] > 0 && fates[SIM_POWER_LOST][2] > 0);
}

static void a_crash_after_a_request_comes_before_its_answer(void **state)
{
    bool heard;

    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        assert_int_equal(left_by_crash(seed, SIM_AFTER, seed % 2, &heard), 2);
        assert_false(heard);
    }
}

static void reads_are_no_points_of_crash(void **state)
{
    struct sim *s = sim_open(1);
    struct env *e = sim_env(s, "a");
    struct disk *d = open_disk(e);
    static struct request r;

    (void)state;
    sim_crash_around_io(s, e, (struct sim_point){1, SIM_AFTER}, SIM_KILLED);
    play(s, d, &r, DISK_READ, 0);
    assert_false(sim_dead(e));
    start(d, &r, DISK_SYNC, 0, 0);
    sim_run_for(s, BOUND_US);
    assert_true(sim_dead(e));
    assert_false(r.over);
    sim_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_disk_is_opened_once),
        cmocka_unit_test(a_broken_disk_says_so),
        cmocka_unit_test(an_unsynced_write_may_stay_go_or_tear),
        cmocka_unit_test(a_synced_write_stays),
        cmocka_unit_test(dsync_covers_its_own_write_only),
        cmocka_unit_test(a_sync_does_not_cover_what_came_later),
        cmocka_unit_test(an_older_write_never_replaces_a_newer_durable_one),
        cmocka_unit_test(a_killed_process_loses_nothing_that_was_done),
        cmocka_unit_test(write_through_needs_no_sync),
        cmocka_unit_test(a_poke_is_seen_and_durable),
        cmocka_unit_test(a_crash_before_a_request_leaves_what_was),
        cmocka_unit_test(a_crash_during_a_request_leaves_its_fate_open),
        cmocka_unit_test(a_crash_after_a_request_comes_before_its_answer),
        cmocka_unit_test(reads_are_no_points_of_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
