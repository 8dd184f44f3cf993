/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/refused_test.c — pages of the tables that the disk refuses to read: a few are
 * damage, which costs what it hit; many, or the root with them, are a disk that fails, by which
 * nothing is settled.
 */
#include "tests/unit/store/bad_disk.h"

#define WIDE     420u /* chunks of the wide replica, a block in each */
#define REPLICAS 10u

static const struct identity OTHER = {0x0b00000000000100};

/* From now on the disk does not read these bytes. */
static void refuse(struct rig *r, struct extent bytes)
{
    sim_disk_fault(r->medium, (struct sim_fault_rule){.kind = FAULT_EIO,
                                                      .per_million = EACH,
                                                      .ops = FAULT_ON(DISK_READ),
                                                      .bytes = bytes});
}

static struct extent place_of(const struct rig *r, uint64_t page)
{
    const struct page_entry *e = &r->store->index[page];

    assert_true(e->flags & PAGE_WRITTEN);
    return (struct extent){page_offset(&r->store->geo, page, e->flags & PAGE_PLACE), PAGE_BYTES};
}

static void refuse_page(struct rig *r, uint64_t page)
{
    refuse(r, place_of(r, page));
}

static void refuse_roots(struct rig *r)
{
    for (uint32_t copy = 0; copy < 2; copy++)
        refuse(r, (struct extent){r->store->geo.root_offset[copy], PAGE_BYTES});
}

static uint64_t chunk_of(const struct store_replica *replica, uint64_t block)
{
    uint64_t entry = map_entry(replica, (uint32_t)(block / CHUNK_BLOCKS));

    assert_true(entry & ENTRY_PLACED);
    return entry & ENTRY_CHUNK;
}

static uint64_t sums_of(const struct rig *r, uint64_t block)
{
    return r->store->geo.map_pages + chunk_of(r->replica, block) / CHECKSUM_RECORDS;
}

/* The first log pages, in both places: a checkpoint writes them to the other one, changed or not.
 */
static void refuse_logs(struct rig *r, uint64_t count)
{
    const struct geometry *g = &r->store->geo;

    for (uint32_t place = 0; place < 2; place++)
        refuse(r, (struct extent){page_offset(g, g->map_pages + g->checksum_pages, place),
                                  count * PAGE_BYTES});
}

/* Block 0 of WIDE chunks is home, and no page is cached. */
static struct rig wide(uint64_t seed)
{
    struct rig r = rig_begin(seed, (uint64_t)WIDE * CHUNK_BLOCKS);

    for (uint64_t i = 0; i < WIDE; i++)
        assert_int_equal(rig_write(&r, i * CHUNK_BLOCKS, 1, 1000 + i), E_OK);
    rig_reopen(&r);
    return r;
}

/* A block that nobody wrote yet in a chunk of each of the first `count` pages: the pages must be
 * written. */
static void touch_pages(struct rig *r, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(rig_write(r, i * CHECKSUM_RECORDS * CHUNK_BLOCKS + 3, 1, 7000 + i), E_OK);
}

static void expect_touched(struct rig *r, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        expect_blocks(r, i * CHECKSUM_RECORDS * CHUNK_BLOCKS + 3, 1, 7000 + i);
}

static void expect_wide(struct rig *r)
{
    for (uint64_t i = 0; i < WIDE; i++)
        expect_blocks(r, i * CHUNK_BLOCKS, 1, 1000 + i);
}

static void a_refused_checksum_page_costs_its_blocks(void **state)
{
    struct rig r = wide(1);
    uint64_t page = sums_of(&r, 0), hit = 0;

    (void)state;
    sim_disk_harm(r.medium, FAULT_LATENT, place_of(&r, page));
    touch_pages(&r, 1);
    rig_reopen(&r);
    assert_false(store_space(r.store).read_only);
    assert_false(rig_facts(&r).damaged);
    expect_touched(&r, 1);
    for (uint64_t i = 0; i < WIDE; i++) {
        if (sums_of(&r, i * CHUNK_BLOCKS) != page) {
            expect_blocks(&r, i * CHUNK_BLOCKS, 1, 1000 + i);
            continue;
        }
        expect_medium(&r, i * CHUNK_BLOCKS);
        hit++;
    }
    assert_in_range(hit, 1, CHECKSUM_RECORDS);
    assert_int_equal(rig_write(&r, 0, 1, 1000), E_OK);
    rig_reopen(&r);
    expect_blocks(&r, 0, 1, 1000);
    rig_end(&r);
}

static void more_pages_than_damage_hits_settle_nothing(void **state)
{
    (void)state;
    for (uint64_t count = REFUSED_MOST; count <= REFUSED_MOST + 1; count++) {
        struct rig r = wide(2);

        for (uint64_t i = 0; i < count; i++)
            refuse_page(&r, r.store->geo.map_pages + i);
        touch_pages(&r, count);
        rig_close(&r);
        sim_disk_calm(r.medium);
        assert_int_equal(rig_open(&r), E_OK);
        expect_touched(&r, count);
        if (count > REFUSED_MOST)
            expect_wide(&r);
        else
            expect_medium(&r, 0);
        rig_end(&r);
    }
}

static void a_disk_that_refuses_its_root_too_settles_nothing(void **state)
{
    struct rig r = wide(3);

    (void)state;
    refuse_page(&r, sums_of(&r, 0));
    refuse_roots(&r);
    touch_pages(&r, 1);
    rig_close(&r);
    sim_disk_calm(r.medium);
    assert_int_equal(rig_open(&r), E_OK);
    expect_touched(&r, 1);
    expect_wide(&r);
    rig_end(&r);
}

static void a_refused_map_page_costs_its_replicas(void **state)
{
    struct rig r = wide(4);
    struct store_facts other;

    (void)state;
    assert_int_equal(rig_make(&r, OTHER, CHUNK_BLOCKS), E_OK);
    assert_int_equal(rig_write(&r, 0, 3, 500), E_OK);
    rig_reopen(&r);
    refuse_page(&r, 0); /* the other replica has nothing there */
    assert_true(chunk_of(store_find(r.store, OTHER), 0) >= MAP_RECORDS);
    rig_close(&r);
    for (uint32_t life = 0; life < 2; life++) {
        assert_int_equal(rig_open(&r), E_OK);
        assert_false(store_space(r.store).read_only);
        assert_true(rig_facts(&r).damaged);
        r.replica = store_find(r.store, OTHER);
        store_facts(r.replica, &other);
        assert_false(other.damaged);
        expect_blocks(&r, 0, 3, 500);
        rig_close(&r);
    }
    rig_end(&r);
}

/* It names every page of the map: all that is there is lost, but the disk goes on. */
static void a_refused_index_page_costs_what_it_names(void **state)
{
    struct rig r = wide(8);
    const struct geometry *g = &r.store->geo;
    uint32_t place = r.store->index_pages[0].flags & PAGE_PLACE;
    struct extent bytes = {index_page_offset(g, 0, place), PAGE_BYTES};

    (void)state;
    rig_crash(&r, SIM_POWER_LOST);
    sim_disk_harm(r.medium, FAULT_LATENT, bytes);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(rig_facts(&r).damaged);
    assert_false(store_space(r.store).read_only);
    assert_int_equal(rig_make(&r, OTHER, 300 * CHUNK_BLOCKS), E_OK);
    for (uint64_t i = 0; i < 300; i++)
        assert_int_equal(rig_write(&r, i * CHUNK_BLOCKS, 1, 1000 + i), E_OK);
    for (uint32_t life = 0; life < 2; life++) {
        rig_reopen(&r);
        assert_true(rig_facts(&r).damaged);
        r.replica = store_find(r.store, OTHER);
        assert_false(rig_facts(&r).damaged);
        for (uint64_t i = 0; i < 300; i++)
            expect_blocks(&r, i * CHUNK_BLOCKS, 1, 1000 + i);
    }
    rig_end(&r);
}

/* A replica each, with one open write: as many log pages. */
static struct rig many_logs(uint64_t seed)
{
    struct rig r = rig_begin(seed, CHUNK_BLOCKS);

    for (uint32_t i = 1; i < REPLICAS; i++) {
        assert_int_equal(rig_write(&r, 0, 1, 100), E_OK);
        assert_int_equal(rig_make(&r, (struct identity){REPLICA.bits + i}, CHUNK_BLOCKS), E_OK);
    }
    rig_reopen(&r);
    assert_true(r.store->log_pages > REFUSED_MOST);
    return r;
}

static uint32_t count_everything(const struct rig *r)
{
    uint32_t count = 0;

    for_each_replica(replica, r->store) {
        struct store_facts f;

        store_facts(replica, &f);
        count += f.open_everything ? 1 : 0;
        assert_true(f.open_everything || f.open_extents == (f.empty ? 0 : 1));
    }
    return count;
}

static void open_settles_nothing_by_many_refused_pages(void **state)
{
    (void)state;
    for (uint64_t count = REFUSED_MOST; count <= REFUSED_MOST + 1; count++) {
        struct rig r = many_logs(5);

        refuse_logs(&r, count);
        rig_close(&r);
        assert_int_equal(rig_open(&r), count > REFUSED_MOST ? E_DISK : E_OK);
        if (count > REFUSED_MOST) {
            assert_non_null(strstr(r.why, "refuses to read its tables"));
            sim_disk_calm(r.medium);
            assert_int_equal(rig_open(&r), E_OK);
        }
        assert_int_equal(count_everything(&r), count > REFUSED_MOST ? 0 : count);
        rig_end(&r);
    }
}

/* Both superblocks and both roots are read, then nothing any more. */
static void open_settles_nothing_where_nothing_is_read(void **state)
{
    struct rig r = wide(6);

    (void)state;
    rig_close(&r);
    bad_begin(&r);
    bad.refused = (struct extent){0, r.disk->size_bytes};
    bad.spared = 4;
    bad.times = UINT32_MAX;
    assert_int_equal(rig_open(&r), E_DISK);
    assert_non_null(strstr(r.why, "refuses to read its tables"));
    bad.times = 0;
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged);
    expect_wide(&r);
    rig_end(&r);
}

/* A page of the index, of the map, a log page; the only good copy of superblock or root; what a
 * checkpoint looks at: a checksum page. */
enum victim { INDEX_PAGE, MAP_PAGE, LOG_PAGE, ONLY_SUPERBLOCK, ONLY_ROOT, SUMS_PAGE, VICTIMS };

static struct extent bytes_of(const struct rig *r, enum victim victim)
{
    const struct geometry *g = &r->store->geo;

    switch (victim) {
    case INDEX_PAGE:
        return (struct extent){index_page_offset(g, 0, r->store->index_pages[0].flags & PAGE_PLACE),
                               PAGE_BYTES};
    case MAP_PAGE:
        return place_of(r, 0);
    case LOG_PAGE:
        return place_of(r, g->map_pages + g->checksum_pages);
    case ONLY_SUPERBLOCK:
        return (struct extent){superblock_offset(r->disk->size_bytes, 1), PAGE_BYTES};
    case ONLY_ROOT:
        return (struct extent){g->root_offset[1], PAGE_BYTES};
    case SUMS_PAGE:
    case VICTIMS:
        break;
    }
    return place_of(r, sums_of(r, 0));
}

static void harm_other_copy(struct rig *r, const struct geometry *g, enum victim victim)
{
    if (victim == ONLY_SUPERBLOCK)
        sim_disk_harm(r->medium, FAULT_ROT,
                      (struct extent){superblock_offset(r->disk->size_bytes, 0), PAGE_BYTES});
    if (victim == ONLY_ROOT)
        sim_disk_harm(r->medium, FAULT_ROT, (struct extent){g->root_offset[0], PAGE_BYTES});
}

/* The first two reads of the page come to nothing: while it closes, or opens after a crash. */
static void what_passes_costs_nothing(bool misread)
{
    for (enum victim victim = 0; victim < VICTIMS; victim++) {
        struct rig r = wide(7);
        struct extent page = bytes_of(&r, victim);
        struct geometry g = r.store->geo;

        touch_pages(&r, 1);
        if (victim != SUMS_PAGE)
            rig_crash(&r, SIM_KILLED);
        harm_other_copy(&r, &g, victim);
        bad_begin(&r);
        bad.refused = page;
        bad.misread = misread;
        bad.times = 2;
        if (victim == SUMS_PAGE)
            rig_close(&r);
        assert_int_equal(rig_open(&r), E_OK);
        assert_int_equal(bad.times, 0);
        assert_false(rig_facts(&r).damaged);
        assert_false(rig_facts(&r).open_everything);
        expect_touched(&r, 1);
        expect_wide(&r);
        rig_end(&r);
    }
}

static void an_error_that_passes_costs_nothing(void **state)
{
    (void)state;
    what_passes_costs_nothing(false);
}

static void rot_that_passes_costs_nothing(void **state)
{
    (void)state;
    what_passes_costs_nothing(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_checksum_page_costs_its_blocks),
        cmocka_unit_test(more_pages_than_damage_hits_settle_nothing),
        cmocka_unit_test(a_disk_that_refuses_its_root_too_settles_nothing),
        cmocka_unit_test(a_refused_map_page_costs_its_replicas),
        cmocka_unit_test(a_refused_index_page_costs_what_it_names),
        cmocka_unit_test(open_settles_nothing_by_many_refused_pages),
        cmocka_unit_test(open_settles_nothing_where_nothing_is_read),
        cmocka_unit_test(an_error_that_passes_costs_nothing),
        cmocka_unit_test(rot_that_passes_costs_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
