/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/refused_journal_test.c — pages of the journal that the disk refuses to read, or
 * reads wrongly for once: neither the end of the journal, nor in the way of anybody.
 */
#include "tests/unit/store/at_rest.h"

/* Opens what three_groups() left, on a disk that refuses the page at `position` so often; 0: for
 * good, until sim_disk_calm(). */
static enum err open_refusing(struct rig *r, uint64_t position, uint32_t times)
{
    sim_disk_fault(r->medium, (struct sim_fault_rule){.kind = FAULT_EIO,
                                                      .per_million = EACH,
                                                      .ops = FAULT_ON(DISK_READ),
                                                      .times = times,
                                                      .bytes = {journal_at(r, position), 512}});
    rig_crash(r, SIM_POWER_LOST);
    return rig_open(r);
}

/* Its head, then its payload: answered writes, of which nobody else knows. */
static void a_refused_page_is_not_the_end_of_the_journal(void **state)
{
    (void)state;
    for (uint64_t page = 0; page < 3; page += 2) {
        uint64_t begin[3];
        struct rig r = three_groups(33, begin);

        assert_int_equal(open_refusing(&r, begin[2] + page * PAGE_BYTES, 0), E_DISK);
        assert_non_null(strstr(r.why, "refuses to read the end of its journal"));
        sim_disk_calm(r.medium);
        assert_int_equal(rig_open(&r), E_OK);
        expect_blocks(&r, 10, 2, 5100);
        expect_blocks(&r, 20, 2, 5200);
        rig_end(&r);
    }
}

static void a_page_refused_now_and_then_is_read_again(void **state)
{
    uint64_t begin[3];

    (void)state;
    for (uint32_t i = 1; i < 3; i++) { /* in the middle, and at the end */
        struct rig r = three_groups(34, begin);

        assert_int_equal(open_refusing(&r, begin[i], 6), E_OK);
        expect_blocks(&r, 0, 2, 5000);
        expect_blocks(&r, 10, 2, 5100);
        expect_blocks(&r, 20, 2, 5200);
        rig_end(&r);
    }
}

/* The whole window comes from elsewhere, once: no group is where the first one should be. */
static void a_journal_that_is_misread_once_is_not_at_its_end(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(37, begin);
    const struct geometry *g = &r.store->geo;

    (void)state;
    sim_disk_fault(r.medium,
                   (struct sim_fault_rule){.kind = FAULT_MISDIRECTED_READ,
                                           .per_million = EACH,
                                           .bytes = {g->journal_offset, g->journal_bytes},
                                           .times = 1,
                                           .to = {g->data_offset, g->chunks * CHUNK_BYTES}});
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open(&r), E_OK);
    assert_int_equal(sim_disk_fault_count(r.medium, FAULT_MISDIRECTED_READ), 1);
    expect_blocks(&r, 0, 2, 5000);
    expect_blocks(&r, 10, 2, 5100);
    expect_blocks(&r, 20, 2, 5200);
    rig_end(&r);
}

static void a_refused_page_elsewhere_hinders_nobody(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(35, begin);

    (void)state;
    assert_int_equal(open_refusing(&r, begin[1], 0), E_OK); /* the next one names it */
    expect_medium(&r, 10);
    expect_blocks(&r, 20, 2, 5200);
    rig_end(&r);
    r = three_groups(36, begin);
    assert_int_equal(open_refusing(&r, r.store->journal.head + 5 * PAGE_BYTES, 0), E_OK);
    expect_blocks(&r, 20, 2, 5200);
    rig_end(&r);
}

/* A lost map page makes a checkpoint before the first group, which waits for what can be the last
 * group alone. */
static void a_refused_page_elsewhere_hinders_no_checkpoint(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(36, begin);

    (void)state;
    rig_rot(&r, page_place(&r, 0, true) + 200);
    assert_int_equal(open_refusing(&r, r.store->journal.head + 20 * PAGE_BYTES, 0), E_OK);
    assert_true(rig_facts(&r).damaged);
    expect_blocks(&r, 20, 2, 5200);
    rig_end(&r);
    r = three_groups(36, begin);
    rig_rot(&r, page_place(&r, 0, true) + 200);
    assert_int_equal(open_refusing(&r, r.store->journal.head, 0), E_DISK);
    rig_end(&r);
}

/* Wherever the journal ends: a free page that is refused would look like a group. */
static void mended(uint64_t seed)
{
    struct rig r = at_rest(seed);
    uint64_t begin = r.store->journal.head + (uint64_t)4 * PAGE_BYTES;

    sim_disk_harm(r.medium, FAULT_LATENT,
                  (struct extent){journal_at(&r, begin), (uint64_t)32 * PAGE_BYTES});
    rig_crash_and_reopen(&r);
    for (uint64_t i = 0; r.store->journal.head <= begin; i++)
        assert_int_equal(rig_write(&r, 10 * i, 2, 5000 + 100 * i), E_OK);
    assert_true(r.store->journal.head < begin + 16 * PAGE_BYTES);
    rig_crash_and_reopen(&r);
    expect_blocks(&r, 0, 2, 5000);
    expect_blocks(&r, 10, 2, 5100);
    rig_end(&r);
}

/* Though the power goes, by which each seed loses other writes. */
static void a_page_that_was_refused_is_mended(void **state)
{
    (void)state;
    for (uint64_t seed = 38; seed < 54; seed++)
        mended(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_page_is_not_the_end_of_the_journal),
        cmocka_unit_test(a_page_refused_now_and_then_is_read_again),
        cmocka_unit_test(a_journal_that_is_misread_once_is_not_at_its_end),
        cmocka_unit_test(a_refused_page_elsewhere_hinders_nobody),
        cmocka_unit_test(a_refused_page_elsewhere_hinders_no_checkpoint),
        cmocka_unit_test(a_page_that_was_refused_is_mended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
