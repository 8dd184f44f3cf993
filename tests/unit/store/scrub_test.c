/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/scrub_test.c — what a round of the scrub finds, and that it accuses nobody. */
#include "store/scrub.h"
#include "tests/unit/store/rig_io.h"

#define SIZE    4000u
#define HURRY   ((uint64_t)1 << 30)
#define HOUR_US (UINT64_C(3600) * 1000 * 1000)

static uint64_t home_of(const struct rig *r, uint64_t block)
{
    uint64_t chunk = map_entry(r->replica, (uint32_t)(block / CHUNK_BLOCKS)) & ENTRY_CHUNK;

    return chunk_offset(r->store, chunk) + block % CHUNK_BLOCKS * BLOCK_BYTES;
}

static void scrub(struct rig *r, uint64_t period_us)
{
    struct store_scrub_pace pace = {period_us, HURRY};

    assert_int_equal(store_scrub_start(r->store, &pace), E_OK);
}

static struct store_scrub_status status_of(const struct rig *r)
{
    struct store_scrub_status s;

    store_scrub_status(r->store, &s);
    return s;
}

struct rounds {
    const struct rig *rig;
    uint64_t passes;
};
static bool went_round(void *arg)
{
    const struct rounds *w = arg;

    return status_of(w->rig).passes >= w->passes;
}

/* What the next whole round finds. */
static struct scrub_pass round_of(struct rig *r)
{
    struct rounds w = {r, status_of(r).passes + 1};

    assert_true(sim_run_until(r->sim, went_round, &w, 10 * HOUR_US));
    return status_of(r).last;
}

/* Blocks 0 to 199 are home, spread a little. */
static struct rig at_rest(uint64_t seed)
{
    struct rig r = rig_begin(seed, SIZE);

    assert_int_equal(rig_write(&r, 0, 200, 1000), E_OK);
    assert_int_equal(rig_write(&r, 1600, 3, 5000), E_OK);
    rig_reopen(&r);
    return r;
}

static void a_disk_that_is_well_is_read_whole_and_found_well(void **state)
{
    struct rig r = at_rest(1);
    struct scrub_pass p;

    (void)state;
    assert_false(status_of(&r).runs);
    scrub(&r, HOUR_US);
    assert_true(status_of(&r).runs);
    p = round_of(&r);
    assert_int_equal(p.bad_blocks + p.bad_pages, 0);
    assert_true(p.bytes_done >= 14 * CHUNK_BYTES); /* every chunk, tables, roots, superblocks */
    rig_end(&r);
}

static void a_rotten_block_is_named(void **state)
{
    struct rig r = at_rest(2);
    struct scrub_pass p;
    char line[128];

    (void)state;
    rig_rot(&r, home_of(&r, 37) + 100);
    rig_rot(&r, home_of(&r, 1602) + 4095);
    scrub(&r, HOUR_US);
    p = round_of(&r);
    assert_int_equal(p.bad_blocks, 2);
    assert_int_equal(p.bad_pages, 0);
    assert_int_equal(p.finding_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(p.findings[i].what, SCRUB_BLOCK);
        assert_int_equal(p.findings[i].replica.bits, REPLICA.bits);
        assert_int_equal(p.findings[i].shard, SHARD_TEST);
        assert_false(p.findings[i].refused);
    }
    assert_int_equal(p.findings[0].number + p.findings[1].number, 37 + 1602);
    scrub_finding_show(&p.findings[0], line);
    assert_non_null(strstr(line, "0a00000000000001"));

    assert_int_equal(rig_write(&r, 37, 1, 1037), E_OK); /* written anew, still in memory: well */
    assert_int_equal(round_of(&r).bad_blocks, 1);
    expect_medium(&r, 1602);
    rig_end(&r);
}

static void what_the_disk_refuses_is_told_apart(void **state)
{
    struct rig r = at_rest(3);
    struct scrub_pass p;

    (void)state;
    sim_disk_harm(r.medium, FAULT_LATENT, (struct extent){home_of(&r, 37), 512});
    scrub(&r, HOUR_US);
    p = round_of(&r);
    assert_true(p.bad_blocks >= 1);
    assert_true(p.findings[0].refused);
    rig_end(&r);
}

static uint64_t place_of(const struct rig *r, uint64_t page)
{
    return page_offset(&r->store->geo, page, r->store->index[page].flags & PAGE_PLACE);
}

static void rotten_tables_and_copies_are_found_though_memory_has_them(void **state)
{
    struct rig r = at_rest(4);
    uint64_t sums = r.store->geo.map_pages;
    struct scrub_pass p;
    bool seen[4] = {false};

    (void)state;
    expect_blocks(&r, 0, 200, 1000); /* the page is cached */
    rig_rot(&r, place_of(&r, 0) + 2000);
    rig_rot(&r, place_of(&r, sums) + 2000);
    rig_rot(&r, r.store->geo.root_offset[1] + 300);
    rig_rot(&r, superblock_offset(r.disk->size_bytes, 1) + 80);
    scrub(&r, HOUR_US);
    p = round_of(&r);
    assert_int_equal(p.bad_blocks, 0);
    assert_true(p.bad_pages >= 3);
    for (uint32_t i = 0; i < p.finding_count; i++)
        seen[p.findings[i].what] = true;
    assert_true(seen[SCRUB_TABLE_PAGE] && seen[SCRUB_ROOT] && seen[SCRUB_SUPERBLOCK]);
    rig_end(&r);
}

/* One error passes: it is read again. */
static void a_passing_error_is_no_finding(void **state)
{
    struct rig r = at_rest(5);
    struct scrub_pass p;

    (void)state;
    sim_disk_fault(r.medium, (struct sim_fault_rule){.kind = FAULT_EIO,
                                                     .per_million = EACH,
                                                     .ops = FAULT_ON(DISK_READ),
                                                     .bytes = {home_of(&r, 37), BLOCK_BYTES},
                                                     .times = 2});
    scrub(&r, HOUR_US);
    p = round_of(&r);
    assert_int_equal(sim_disk_fault_count(r.medium, FAULT_EIO), 2);
    assert_int_equal(p.bad_blocks + p.bad_pages, 0);
    rig_end(&r);
}

/* Round after round beside writes, unmaps and the checkpoints that they make, some within one
 * page, on a disk whose reads are slow now and then. */
static bool beside_clients(uint64_t seed)
{
    struct rig r = at_rest(seed);
    struct store_scrub_pace pace = {1, (uint64_t)4 << 20};

    assert_int_equal(store_scrub_start(r.store, &pace), E_OK);
    sim_disk_fault(r.medium, (struct sim_fault_rule){.kind = FAULT_SLOW,
                                                     .per_million = EACH / 8,
                                                     .ops = FAULT_ON(DISK_READ),
                                                     .us = 100000});
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t at = sim_draw(r.sim, SIZE - 40), count = 1 + sim_draw(r.sim, 40);

        if (sim_draw(r.sim, 4) == 0)
            assert_int_equal(rig_unmap(&r, at, count), E_OK);
        else
            assert_int_equal(rig_write(&r, at, count, at + 7), E_OK);
        sim_run_for(r.sim, sim_draw(r.sim, 20000));
    }
    (void)round_of(&r);
    assert_true(status_of(&r).passes > 2);
    assert_int_equal(status_of(&r).last.bad_blocks + status_of(&r).last.bad_pages, 0);
    assert_int_equal(status_of(&r).now.bad_blocks + status_of(&r).now.bad_pages, 0);
    rig_reopen(&r); /* it is stopped in the middle of something */
    rig_end(&r);
    return true;
}

static void clients_beside_it_are_never_accused(void **state)
{
    (void)state;
    assert_int_equal(sim_seeds(1, 6, beside_clients), 0);
}

static uint64_t chunk_of(const struct rig *r, uint64_t block)
{
    return map_entry(r->replica, (uint32_t)(block / CHUNK_BLOCKS)) & ENTRY_CHUNK;
}

/* A chunk that was freed and taken again: while a checkpoint has written the map page that names
 * the new owner, and not yet the checksum page, the record there is of the one before. */
static void a_chunk_taken_again_is_not_held_against_its_former_record(void **state)
{
    struct rig r = rig_begin(7, SIZE);
    const struct geometry *g;
    uint64_t chunk;

    (void)state;
    assert_int_equal(rig_write(&r, 5, 1, 1000), E_OK);
    rig_reopen(&r);
    chunk = chunk_of(&r, 5);
    assert_int_equal(rig_unmap(&r, 0, CHUNK_BLOCKS), E_OK);
    rig_reopen(&r);
    g = &r.store->geo;
    for (uint32_t place = 0; place < 2; place++)
        sim_disk_fault(r.medium,
                       (struct sim_fault_rule){
                           .kind = FAULT_STUCK,
                           .per_million = EACH,
                           .ops = FAULT_ON(DISK_WRITE),
                           .bytes = {page_offset(g, g->map_pages + chunk / CHECKSUM_RECORDS, place),
                                     PAGE_BYTES},
                           .us = HOUR_US});
    assert_int_equal(rig_write(&r, 7 * CHUNK_BLOCKS + 2, 1, 2000), E_OK);
    checkpoint_begin(r.store, &r.store->journal.task);
    assert_int_equal(chunk_of(&r, 7 * CHUNK_BLOCKS), chunk);
    sim_run_for(r.sim, HOUR_US / 60);
    scrub(&r, HOUR_US);
    assert_int_equal(round_of(&r).bad_blocks, 0);
    assert_true(checkpoint_running(r.store));
    sim_run_for(r.sim, 3 * HOUR_US);
    rig_end(&r);
}

/* Once round in a period, and then a rest: 64 KiB of it would take 63 ms at a MiB a second. */
static void the_pace_is_kept(void **state)
{
    struct rig r = at_rest(6);
    struct store_scrub_pace slow = {10 * HOUR_US, 1 << 20};
    struct rounds w = {&r, 1};
    uint64_t began = sim_now_us(r.sim), seconds;

    (void)state;
    assert_int_equal(store_scrub_start(r.store, &slow), E_OK);
    assert_true(sim_run_until(r.sim, went_round, &w, HOUR_US));
    seconds = (sim_now_us(r.sim) - began) / 1000000;
    assert_in_range(seconds, status_of(&r).last.bytes_done >> 20,
                    (status_of(&r).last.bytes_done >> 20) + 3);
    sim_run_for(r.sim, 9 * HOUR_US);
    assert_int_equal(status_of(&r).passes, 1);
    w.passes = 2;
    assert_true(sim_run_until(r.sim, went_round, &w, 2 * HOUR_US));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_is_well_is_read_whole_and_found_well),
        cmocka_unit_test(a_rotten_block_is_named),
        cmocka_unit_test(what_the_disk_refuses_is_told_apart),
        cmocka_unit_test(rotten_tables_and_copies_are_found_though_memory_has_them),
        cmocka_unit_test(a_passing_error_is_no_finding),
        cmocka_unit_test(clients_beside_it_are_never_accused),
        cmocka_unit_test(a_chunk_taken_again_is_not_held_against_its_former_record),
        cmocka_unit_test(the_pace_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
