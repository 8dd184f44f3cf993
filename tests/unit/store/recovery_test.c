/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/recovery_test.c — the power is lost while a store recovers from a loss of power:
 * before a write of open's checkpoint, or in the middle of one.
 */
#include "tests/unit/store/bad_disk.h"

#define SIZE   2000u
#define WRITES 12u /* of open: at least as many as it makes here */

struct attempt {
    struct rig_wait wait;
    struct store_open open;
    struct store_close close;
};

static bool over_or_dead(void *arg)
{
    return ((struct rig_wait *)arg)->over || sim_dead(bad.rig->env);
}

/* Until it is done, or dead; whether it is done. */
static bool outlives(struct rig *r, struct attempt *a)
{
    assert_true(sim_run_until(r->sim, over_or_dead, &a->wait, BOUND_US));
    if (a->wait.over)
        return true;
    sim_abandon(r->sim, a);
    return false;
}

/* Whether it was opened before the disk tore a write. */
static bool opens(struct rig *r)
{
    struct attempt *a = calloc(1, sizeof *a);

    a->open = (struct store_open){.env = r->env,
                                  .disk = r->disk,
                                  .limits = rig_limits(),
                                  .done = rig_open_done,
                                  .own = &a->wait};
    store_open(&a->open);
    if (!outlives(r, a))
        return false;
    assert_int_equal(a->wait.err, E_OK);
    r->store = a->open.store;
    r->replica = store_find(r->store, REPLICA);
    free(a);
    return true;
}

/* Whether it was closed before the disk tore a write. */
static bool closes(struct rig *r)
{
    struct attempt *a = calloc(1, sizeof *a);
    struct store *s = r->store;

    r->store = NULL;
    a->close = (struct store_close){.done = rig_close_done, .own = &a->wait};
    store_close(s, &a->close);
    if (!outlives(r, a)) {
        sim_abandon(r->sim, s);
        return false;
    }
    free(a);
    return true;
}

/* The process is gone; a new one has the disk, which is well. */
static void next_life(struct rig *r)
{
    rig_crash(r, SIM_POWER_LOST);
    bad_begin(r);
}

static void expect_all_is_well(struct rig *r)
{
    assert_non_null(r->replica);
    assert_false(rig_facts(r).damaged);
    expect_blocks(r, 0, 100, 1000);
    expect_blocks(r, 100, 60, 5000);
}

/* Blocks 0 to 99 are home, 100 to 159 are in the journal; the activity log names them. */
static struct rig half_home(uint64_t seed)
{
    struct rig r = rig_begin(seed, SIZE);

    assert_int_equal(rig_write(&r, 0, 100, 1000), E_OK);
    rig_reopen(&r);
    assert_int_equal(rig_write(&r, 100, 60, 5000), E_OK);
    return r;
}

static void the_newest_root_is_not_written_over(void **state)
{
    (void)state;
    for (uint32_t copy = 0; copy < 2; copy++) {
        struct rig r = half_home(1 + copy);
        uint64_t place[2] = {r.store->geo.root_offset[0], r.store->geo.root_offset[1]};

        bad_begin(&r); /* one copy of the root is torn, the other is of this checkpoint or before */
        bad.tear_from = place[copy];
        assert_false(closes(&r));
        for (uint32_t life = 0; life < 2; life++) { /* and so is one of the recovery's root */
            next_life(&r);
            bad.tear_from = place[life];
            assert_false(opens(&r));
        }
        next_life(&r);
        assert_true(opens(&r));
        expect_all_is_well(&r);
        rig_end(&r);
    }
}

/* Three lives end in the middle of a write: of a close, of its recovery, and of the one after. */
static bool torn_three_times(uint64_t seed)
{
    struct rig r = half_home(seed);
    uint32_t tears[2] = {1 + (uint32_t)seed, 1 + (uint32_t)sim_draw(r.sim, WRITES)};

    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a child that fails ends, instead of the next test */
    bad_begin(&r);
    bad.tear_at = 1 + (uint32_t)sim_draw(r.sim, WRITES);
    (void)closes(&r);
    for (uint32_t life = 0; life < 2; life++) {
        next_life(&r);
        bad.tear_at = tears[life];
        if (opens(&r))
            expect_all_is_well(&r);
    }
    next_life(&r);
    assert_true(opens(&r));
    expect_all_is_well(&r);
    rig_end(&r);
    return true;
}

static void recovery_outlives_any_torn_write(void **state)
{
    (void)state;
    rig_image_take(); /* once, for all children */
    assert_int_equal(sim_seeds(0, WRITES, torn_three_times), 0);
}

static void a_store_on_a_smaller_device_says_so(void **state)
{
    struct rig r = half_home(3);

    (void)state;
    rig_close(&r);
    r.disk->size_bytes -= PAGE_BYTES;
    assert_int_equal(rig_open(&r), E_DAMAGED);
    assert_non_null(strstr(r.why, "smaller than the store on it"));
    rig_end(&r);
}

static void a_page_dropped_while_it_loads_is_not_reused(void **state)
{
    struct rig r = half_home(6);
    struct store_page_use use = {0};
    struct task task = {0};
    uint64_t page;

    (void)state;
    rig_reopen(&r);
    page = r.store->geo.map_pages + (map_entry(r.replica, 0) & ENTRY_CHUNK) / CHECKSUM_RECORDS;
    assert_false(page_want(r.store, &use, page, &task));
    page_drop(r.store, &use);
    list_for_each(l, &r.store->cache.evictable)
        assert_int_not_equal(container_of(l, struct cached_page, link)->state, PAGE_LOADING);
    sim_run_for(r.sim, 1000 * 1000);
    assert_non_null(page_at_hand(r.store, page));
    assert_ptr_equal(
        container_of(r.store->cache.evictable.previous, struct cached_page, link)->bytes,
        page_at_hand(r.store, page));
    rig_end(&r);
}

static uint64_t root_number(const struct rig *r, uint32_t copy)
{
    struct format_head head;

    sim_disk_peek(r->medium, r->store->geo.root_offset[copy], &head, sizeof head);
    return le64_get(head.checkpoint);
}

static bool copies_differ(void *arg)
{
    return root_number(arg, 0) != root_number(arg, 1);
}

/* Killed between the copies of a root: one alone is the newest, and blocks 300 to 359 are in the
 * journal of both, behind the newest's tail. */
static struct rig killed_between_roots(struct extent *ret_newest)
{
    struct rig r = half_home(1);
    const uint64_t bytes = r.store->geo.root_bytes;
    const uint64_t place[2] = {r.store->geo.root_offset[0], r.store->geo.root_offset[1]};
    uint8_t *older[2] = {malloc(bytes), malloc(bytes)};
    uint32_t newest;

    for (uint32_t copy = 0; copy < 2; copy++)
        sim_disk_peek(r.medium, place[copy], older[copy], bytes);
    checkpoint_begin(r.store, &r.store->journal.task);
    assert_int_equal(rig_write(&r, 300, 60, 7000), E_OK); /* the next root has it, this one not */
    assert_true(sim_run_until(r.sim, copies_differ, &r, BOUND_US));
    newest = root_number(&r, 0) > root_number(&r, 1) ? 0 : 1;
    *ret_newest = (struct extent){place[newest], bytes};
    rig_crash(&r, SIM_POWER_LOST);
    sim_disk_poke(r.medium, place[newest ^ 1], older[newest ^ 1], bytes);
    free(older[0]);
    free(older[1]);
    return r;
}

/*
 * The newest root is not read, and the root is made again, of more: then the writes of that copy
 * are lost, and what was not read is back.  Two roots of one number would be two truths.
 */
static void a_root_that_was_not_read_and_comes_back_is_the_older_one(void **state)
{
    struct extent newest;
    struct rig r = killed_between_roots(&newest);
    uint8_t *bytes = malloc(newest.count);

    (void)state;
    sim_disk_peek(r.medium, newest.start, bytes, newest.count);
    sim_disk_harm(r.medium, FAULT_LATENT, (struct extent){newest.start, 512});
    assert_int_equal(rig_open(&r), E_OK);
    rig_crash(&r, SIM_POWER_LOST);
    sim_disk_poke(r.medium, newest.start, bytes, newest.count);
    assert_int_equal(rig_open(&r), E_OK);
    expect_all_is_well(&r);
    expect_blocks(&r, 300, 60, 7000);
    free(bytes);
    rig_end(&r);
}

static void the_newest_root_is_written_last(void **state)
{
    struct extent newest;
    struct rig r = killed_between_roots(&newest);

    (void)state;
    bad_begin(&r);
    bad.tear_from = newest.start;
    assert_false(opens(&r));
    next_life(&r);
    assert_true(opens(&r));
    expect_all_is_well(&r);
    expect_blocks(&r, 300, 60, 7000);
    rig_end(&r);
}

static bool pages_are_written(void *arg)
{
    const struct checkpoint *c = &((struct store_open *)arg)->store->checkpoint;

    return task_living(&c->task) && c->io_busy && c->io.op == DISK_SYNC;
}

/* One copy of the root is not read by the next start, which is killed when it has written pages,
 * but no root yet. */
static void start_without(struct rig *r, uint64_t copy_offset)
{
    struct attempt *a = calloc(1, sizeof *a);

    sim_disk_fault(r->medium, (struct sim_fault_rule){.kind = FAULT_EIO,
                                                      .per_million = EACH,
                                                      .ops = FAULT_ON(DISK_READ),
                                                      .times = 1 + READ_TRIES,
                                                      .bytes = {copy_offset, 512}});
    a->open = (struct store_open){.env = r->env, .disk = r->disk, .limits = rig_limits()};
    store_open(&a->open);
    assert_true(sim_run_until(r->sim, pages_are_written, &a->open, BOUND_US));
    assert_int_equal(sim_disk_fault_count(r->medium, FAULT_EIO), 1 + READ_TRIES);
    sim_abandon(r->sim, a);
    rig_crash(r, SIM_KILLED);
}

/* … some of which are the newest root's; then what was not read can be read again. */
static void a_root_that_can_be_read_again_does_not_name_pages_written_over(void **state)
{
    struct extent newest;
    struct rig r = killed_between_roots(&newest);

    (void)state;
    start_without(&r, newest.start);
    assert_int_equal(rig_open(&r), E_OK);
    expect_all_is_well(&r);
    expect_blocks(&r, 300, 60, 7000);
    rig_end(&r);
}

/* J5: one copy of the newest root was lost, and the other is not read: what is written over that
 * one is the older root still, which the journal knows not to be the newest. */
static void a_lost_root_shows_at_the_start_after_the_next(void **state)
{
    struct rig r = half_home(1);
    const uint64_t bytes = r.store->geo.root_bytes;
    const uint64_t place[2] = {r.store->geo.root_offset[0], r.store->geo.root_offset[1]};
    uint8_t *older = malloc(bytes);

    (void)state;
    sim_disk_peek(r.medium, place[1], older, bytes);
    rig_crash_and_reopen(&r); /* one checkpoint */
    assert_int_equal(rig_write(&r, 4, 2, 8100), E_OK);
    rig_crash(&r, SIM_POWER_LOST);
    sim_disk_poke(r.medium, place[1], older, bytes);
    free(older);
    start_without(&r, place[0]);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(rig_facts(&r).damaged);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_root_is_not_written_over),
        cmocka_unit_test(the_newest_root_is_written_last),
        cmocka_unit_test(a_root_that_was_not_read_and_comes_back_is_the_older_one),
        cmocka_unit_test(a_root_that_can_be_read_again_does_not_name_pages_written_over),
        cmocka_unit_test(a_lost_root_shows_at_the_start_after_the_next),
        cmocka_unit_test(recovery_outlives_any_torn_write),
        cmocka_unit_test(a_store_on_a_smaller_device_says_so),
        cmocka_unit_test(a_page_dropped_while_it_loads_is_not_reused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
