/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/damage_test.c — rot, and what the store says of it: by block where it can name
 * the block, else by replica; never other bytes, never zeros (P7, P11).
 */
#include "tests/unit/store/at_rest.h"

static const struct identity BYSTANDER = {0x0b00000000000002};

static uint64_t chunk_of(const struct rig *r, uint64_t block)
{
    return map_entry(r->replica, (uint32_t)(block / CHUNK_BLOCKS)) & ENTRY_CHUNK;
}

static uint64_t home_of(const struct rig *r, uint64_t block)
{
    return r->store->geo.data_offset + chunk_of(r, block) * CHUNK_BYTES +
           block % CHUNK_BLOCKS * BLOCK_BYTES;
}

static void a_rotten_block_is_the_only_one_lost(void **state)
{
    struct rig r = at_rest(1);
    uint8_t bytes[20 * BLOCK_BYTES];
    uint64_t bad;

    (void)state;
    rig_rot(&r, home_of(&r, 37) + 4000);
    assert_int_equal(rig_read(&r, 30, 20, bytes, &bad), E_MEDIUM);
    assert_int_equal(bad, 37);
    for (uint64_t i = 0; i < 20; i++)
        if (i != 7)
            assert_true(block_is(bytes + i * BLOCK_BYTES, 1030 + i)); /* the others are valid */
    expect_medium(&r, 37);
    expect_blocks(&r, 0, 37, 1000);
    expect_blocks(&r, 38, 62, 1038);
    assert_int_equal(rig_write(&r, 37, 1, 1037), E_OK); /* written anew it is well again */
    expect_blocks(&r, 0, 100, 1000);
    rig_reopen(&r);
    expect_blocks(&r, 0, 100, 1000);
    rig_end(&r);
}

static void a_lost_or_misdirected_write_home_shows(void **state)
{
    struct rig r = at_rest(2);
    uint8_t other[BLOCK_BYTES];

    (void)state;
    sim_disk_peek(r.medium, home_of(&r, 50), other, sizeof other);
    sim_disk_poke(r.medium, home_of(&r, 20), other, sizeof other); /* valid, elsewhere */
    memset(other, 0, sizeof other);
    sim_disk_poke(r.medium, home_of(&r, 21), other, sizeof other); /* never arrived */
    expect_medium(&r, 20);
    expect_medium(&r, 21);
    expect_blocks(&r, 22, 78, 1022);
    rig_end(&r);
}

static void the_place_that_is_not_current_means_nothing(void **state)
{
    struct rig r = at_rest(3);

    (void)state;
    for (uint64_t page = 0; page < table_pages(&r.store->geo); page++)
        rig_rot(&r, page_place(&r, page, false) + 100);
    rig_crash_and_reopen(&r);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 0, 100, 1000);
    rig_end(&r);
}

static void a_rotten_checksum_page_loses_its_blocks_not_its_replica(void **state)
{
    struct rig r = at_rest(4);
    uint64_t page = r.store->geo.map_pages + chunk_of(&r, 0) / CHECKSUM_RECORDS;

    (void)state;
    rig_close(&r);
    assert_int_equal(rig_open(&r), E_OK); /* nothing cached */
    rig_rot(&r, page_place(&r, page, true) + 200);
    expect_medium(&r, 0);
    expect_medium(&r, 99);
    expect_blocks(&r, 112, 32, 0); /* not taken: zeros, as ever */
    assert_int_equal(rig_write(&r, 5, 1, 7), E_OK);
    expect_blocks(&r, 5, 1, 7);
    rig_reopen(&r); /* the page is written anew: the loss is a fact */
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 5, 1, 7);
    expect_medium(&r, 4);
    expect_medium(&r, 99);
    assert_int_equal(rig_write(&r, 0, 100, 3000), E_OK);
    rig_reopen(&r);
    expect_blocks(&r, 0, 100, 3000);
    rig_end(&r);
}

/* The record left over calls chunk 1 zeros throughout, and is valid for what it was. */
static void a_checksum_page_left_over_is_not_zeros(void **state)
{
    struct rig r = at_rest(4);
    uint64_t page = r.store->geo.map_pages + chunk_of(&r, 0) / CHECKSUM_RECORDS;
    uint8_t old[PAGE_BYTES];

    (void)state;
    sim_disk_peek(r.medium, page_place(&r, page, true), old, sizeof old);
    assert_int_equal(rig_write(&r, CHUNK_BLOCKS, 10, 4000), E_OK);
    rig_reopen(&r); /* the page moved to its other place */
    assert_int_equal(r.store->geo.map_pages + chunk_of(&r, CHUNK_BLOCKS) / CHECKSUM_RECORDS, page);
    page = page_place(&r, page, true);
    rig_close(&r);
    sim_disk_poke(r.medium, page, old, sizeof old); /* as if that write was lost */
    assert_int_equal(rig_open(&r), E_OK);
    expect_medium(&r, CHUNK_BLOCKS);
    expect_medium(&r, CHUNK_BLOCKS + 9);
    expect_medium(&r, 0); /* of the page as it should be nothing is known */
    assert_false(rig_facts(&r).damaged);
    rig_end(&r);
}

/* Another replica, with blocks 0 to 99 home in chunks that another map page names. */
static void stand_by(struct rig *r)
{
    uint64_t page = chunk_of(r, 0) / MAP_RECORDS;

    assert_int_equal(rig_make(r, BYSTANDER, SIZE), E_OK);
    r->store->allocator.cursor = (page + 1) * MAP_RECORDS + 63; /* a word is looked at as a whole */
    assert_int_equal(rig_write(r, 0, 100, 2000), E_OK);
    rig_reopen(r);
    r->replica = store_find(r->store, BYSTANDER);
    for (uint64_t b = 0; b < 100; b++)
        assert_int_not_equal(chunk_of(r, b) / MAP_RECORDS, page);
    r->replica = store_find(r->store, REPLICA);
}

static void expect_bystander_whole(struct rig *r)
{
    r->replica = store_find(r->store, BYSTANDER);
    assert_false(rig_facts(r).damaged);
    expect_blocks(r, 0, 100, 2000);
    r->replica = store_find(r->store, REPLICA);
}

static void a_rotten_map_page_damages_its_replicas_alone(void **state)
{
    struct rig r = at_rest(5);
    uint64_t page;

    (void)state;
    stand_by(&r);
    page = page_place(&r, chunk_of(&r, 0) / MAP_RECORDS, true);
    rig_close(&r);
    rig_rot(&r, page + 70);
    assert_int_equal(rig_open(&r), E_OK); /* S5: it always opens */
    assert_true(rig_facts(&r).damaged);
    expect_bystander_whole(&r);
    rig_reopen(&r); /* and is not forgotten */
    assert_true(rig_facts(&r).damaged);
    expect_bystander_whole(&r);
    rig_end(&r);
}

static void a_map_page_left_over_damages_its_replicas(void **state)
{
    struct rig r = at_rest(6);
    uint64_t page = chunk_of(&r, 0) / MAP_RECORDS;
    uint8_t old[PAGE_BYTES];

    (void)state;
    sim_disk_peek(r.medium, page_place(&r, page, true), old, sizeof old);
    assert_int_equal(rig_write(&r, 500, 100, 5000), E_OK);
    rig_reopen(&r); /* the page moved to its other place */
    page = page_place(&r, page, true);
    rig_close(&r);
    sim_disk_poke(r.medium, page, old, sizeof old); /* as if that write was lost */
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(rig_facts(&r).damaged);
    rig_end(&r);
}

/* The sum alone: every page is proved, and a record is missing. */
static void a_map_that_does_not_add_up_is_damaged(void **state)
{
    struct rig r = at_rest(7);

    (void)state;
    r.replica->map_sum ^= 1;
    rig_reopen(&r);
    assert_true(rig_facts(&r).damaged);
    rig_end(&r);
}

static void a_rotten_index_page_is_not_zeros(void **state)
{
    struct rig r = at_rest(8);
    struct geometry g = r.store->geo;

    (void)state;
    rig_close(&r);
    rig_rot(&r, index_page_offset(&g, 0, 0) + 80);
    rig_rot(&r, index_page_offset(&g, 0, 1) + 80);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(rig_facts(&r).damaged);
    rig_end(&r);
}

static void one_copy_of_root_and_superblock_is_enough(void **state)
{
    (void)state;
    for (uint32_t copy = 0; copy < 2; copy++) {
        struct rig r = at_rest(9);
        uint64_t root = r.store->geo.root_offset[copy];

        rig_close(&r);
        rig_rot(&r, root + 300);
        rig_rot(&r, superblock_offset(RIG_BYTES, copy) + 100);
        assert_int_equal(rig_open(&r), E_OK);
        assert_false(rig_facts(&r).damaged);
        expect_blocks(&r, 0, 100, 1000);
        rig_end(&r);
    }
}

static void without_root_or_superblock_it_says_so(void **state)
{
    struct rig r = at_rest(10);
    uint64_t root[2] = {r.store->geo.root_offset[0], r.store->geo.root_offset[1]};

    (void)state;
    rig_close(&r);
    rig_rot(&r, root[0] + 300);
    rig_rot(&r, root[1] + 300);
    assert_int_equal(rig_open(&r), E_DAMAGED);
    assert_non_null(strstr(r.why, "root"));
    rig_rot(&r, superblock_offset(RIG_BYTES, 0) + 100);
    rig_rot(&r, superblock_offset(RIG_BYTES, 1) + 100);
    assert_int_equal(rig_open(&r), E_DAMAGED);
    assert_non_null(strstr(r.why, "superblock"));
    rig_end(&r);
}

static void a_bare_disk_is_not_found(void **state)
{
    struct rig r = {.sim = sim_open(11)};

    (void)state;
    r.medium = sim_disk_make(r.sim, "disk", RIG_BYTES);
    rig_start(&r);
    assert_int_equal(rig_open(&r), E_NOT_FOUND);
    assert_non_null(strstr(r.why, "disk"));
    rig_end(&r);
}

static void an_unknown_incompat_feature_is_refused(void **state)
{
    struct rig r = at_rest(12);
    uint8_t page[PAGE_BYTES];
    struct format_head *h = (void *)page;

    (void)state;
    rig_close(&r);
    sim_disk_peek(r.medium, 0, page, sizeof page);
    h->incompat = le32_of(1u << 31);
    h->checksum = le64_of(crc64(page + 8, PAGE_BYTES - 8));
    sim_disk_poke(r.medium, 0, page, sizeof page);
    assert_int_equal(rig_open(&r), E_UNSUPPORTED);
    h->incompat = le32_of(0);
    h->ro_compat = le32_of(1);
    h->checksum = le64_of(crc64(page + 8, PAGE_BYTES - 8));
    sim_disk_poke(r.medium, 0, page, sizeof page);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(store_space(r.store).read_only);
    expect_blocks(&r, 0, 100, 1000);
    assert_int_equal(rig_write(&r, 0, 1, 1), E_READ_ONLY);
    rig_end(&r);
}

/* ---- the journal ---- */

static void a_rotten_last_group_that_nobody_named_is_the_end(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(20, begin);

    (void)state;
    rig_rot(&r, journal_at(&r, begin[2]) + 140);
    rig_crash_and_reopen(&r);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 0, 2, 5000);
    expect_blocks(&r, 10, 2, 5100);
    expect_blocks(&r, 20, 2, 1020); /* as if its write had never been */
    rig_end(&r);
}

static void a_rotten_group_that_was_named_loses_its_blocks(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(21, begin);

    (void)state;
    rig_rot(&r, journal_at(&r, begin[1]) + 140);
    rig_crash_and_reopen(&r);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 0, 2, 5000);
    expect_medium(&r, 10);
    expect_medium(&r, 11);
    expect_blocks(&r, 12, 8, 1012);
    expect_blocks(&r, 20, 2, 5200);
    rig_reopen(&r);
    expect_medium(&r, 10); /* a fact that stays */
    expect_blocks(&r, 20, 2, 5200);
    assert_int_equal(rig_facts(&r).last_seq, r.seq);
    rig_end(&r);
}

static void idleness_names_the_last_group(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(22, begin);

    (void)state;
    sim_run_for(r.sim, 60 * 1000);
    rig_rot(&r, journal_at(&r, begin[2]) + 140);
    rig_crash_and_reopen(&r);
    expect_medium(&r, 20);
    expect_medium(&r, 21);
    expect_blocks(&r, 0, 2, 5000);
    rig_end(&r);
}

static void a_rotten_payload_loses_one_block(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(23, begin);

    (void)state;
    rig_rot(&r, journal_at(&r, begin[1]) + 2 * PAGE_BYTES + 9); /* its second block */
    rig_crash_and_reopen(&r);
    expect_blocks(&r, 10, 1, 5100);
    expect_medium(&r, 11);
    expect_blocks(&r, 20, 2, 5200);
    rig_end(&r);
}

static void two_rotten_groups_in_a_row_damage_the_replica(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(24, begin);

    (void)state;
    rig_rot(&r, journal_at(&r, begin[0]) + 140);
    rig_rot(&r, journal_at(&r, begin[1]) + 140);
    rig_crash_and_reopen(&r);
    assert_true(rig_facts(&r).damaged);
    expect_blocks(&r, 20, 2, 5200);
    rig_end(&r);
}

static void a_promise_lost_with_its_group_damages_the_replica(void **state)
{
    struct rig r = at_rest(25);
    uint64_t begin = r.store->journal.head;

    (void)state;
    assert_int_equal(rig_promise(&r, 7), E_OK);
    assert_int_equal(rig_write(&r, 0, 1, 9), E_OK);
    rig_rot(&r, journal_at(&r, begin) + 140);
    rig_crash_and_reopen(&r);
    assert_true(rig_facts(&r).damaged);
    rig_end(&r);
}

/* Without its new size the writes behind it are outside; the disk opens, its others are well. */
static void a_size_lost_with_its_group_damages_the_replica_alone(void **state)
{
    struct rig r = at_rest(32);
    struct identity other = {REPLICA.bits + 1};
    struct store_change grow = {
        .kind = STORE_RESIZE, .replica = r.replica, .size_blocks = 2 * SIZE};
    struct store_facts facts;
    uint64_t begin;

    (void)state;
    assert_int_equal(rig_make(&r, other, SIZE), E_OK);
    r.replica = store_find(r.store, REPLICA);
    begin = r.store->journal.head;
    assert_int_equal(rig_change(&r, &grow), E_OK);
    assert_int_equal(rig_write(&r, SIZE + 100, 2, 6000), E_OK);
    assert_int_equal(rig_write(&r, 50, 2, 6100), E_OK);
    rig_rot(&r, journal_at(&r, begin) + 140);
    rig_crash_and_reopen(&r);
    assert_true(rig_facts(&r).damaged);
    expect_blocks(&r, 50, 2, 6100); /* what came behind is there */
    store_facts(store_find(r.store, other), &facts);
    assert_false(facts.damaged);
    rig_end(&r);
}

#define MANY 1700u /* chunks of a replica: more than the stage has room for */

static uint32_t unmapped;

static void unmap_answered(struct store_change *c, enum err err)
{
    (void)c;
    assert_int_equal(err, E_OK);
    unmapped++;
}

static bool all_unmapped(void *arg)
{
    return unmapped == *(uint32_t *)arg;
}

/* A block of each of the first `count` chunks, as few groups: that many chunks are staged. */
static void unmap_in_chunks(struct rig *r, uint32_t count)
{
    struct store_change *c = calloc(count, sizeof *c);

    unmapped = 0;
    for (uint32_t i = 0; i < count; i++) {
        c[i] = (struct store_change){.kind = STORE_UNMAP,
                                     .replica = r->replica,
                                     .extent = {(uint64_t)i * CHUNK_BLOCKS + 1, 1},
                                     .stamp = {.generation = 1, .epoch = 1, .seq = ++r->seq},
                                     .done = unmap_answered};
        store_change(r->store, &c[i]);
    }
    assert_true(sim_run_until(r->sim, all_unmapped, &count, BOUND_US));
    free(c);
}

/* What names it needs more chunks than the stage has left: they go home first. */
static void a_large_loss_finds_room_in_the_stage(void **state)
{
    struct rig r = {.sim = sim_open(37)};
    uint64_t begin, first = 1000, last = MANY - 1;

    (void)state;
    r.medium = sim_disk_make(r.sim, "disk", UINT64_C(160) << 20);
    rig_start(&r);
    assert_int_equal(rig_format(&r), E_OK);
    assert_int_equal(rig_open(&r), E_OK);
    assert_int_equal(rig_make(&r, REPLICA, MANY * CHUNK_BLOCKS), E_OK);
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(rig_write(&r, i * CHUNK_BLOCKS, 1, i + 1), E_OK);
    rig_reopen(&r);
    unmap_in_chunks(&r, (uint32_t)first);
    assert_true(r.store->stage.chunks.free_count < MANY - first);
    begin = r.store->journal.head;
    assert_int_equal(rig_unmap(&r, first * CHUNK_BLOCKS, (MANY - first) * CHUNK_BLOCKS), E_OK);
    assert_int_equal(rig_write(&r, 0, 1, 77), E_OK);
    rig_rot(&r, journal_at(&r, begin) + 140);
    rig_crash_and_reopen(&r);
    assert_false(rig_facts(&r).damaged);
    expect_medium(&r, first * CHUNK_BLOCKS);
    expect_medium(&r, last * CHUNK_BLOCKS);
    expect_blocks(&r, (first - 1) * CHUNK_BLOCKS, 1, 1000);
    expect_blocks(&r, 0, 1, 77);
    rig_end(&r);
}

/* notes 44: what was cut off at one crash must not come back at the next, nor speak. */
static void a_tail_once_cut_off_never_comes_back(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(26, begin);

    (void)state;
    rig_rot(&r, journal_at(&r, begin[1]) + 140);
    rig_rot(&r, journal_at(&r, begin[2]) + 140); /* 2 is bad too: 1 is the end */
    rig_crash_and_reopen(&r);
    expect_blocks(&r, 10, 2, 1010);
    rig_rot(&r, journal_at(&r, begin[2]) + 140); /* … and 2 is whole again, on the old chain */
    assert_int_equal(r.store->journal.head, begin[1]);
    assert_int_equal(rig_write(&r, 30, 2, 7000), E_OK); /* as long as 1 was, in its place */
    rig_crash_and_reopen(&r);
    expect_blocks(&r, 30, 2, 7000);
    expect_blocks(&r, 20, 2, 1020);
    assert_false(rig_facts(&r).damaged);
    rig_end(&r);
}

/* The same, and the new group in the old one's place is torn: 2 names a group durable, but not
 * this one. */
static void a_tail_once_cut_off_names_nothing_durable(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(29, begin);

    (void)state;
    rig_rot(&r, journal_at(&r, begin[1]) + 140);
    rig_rot(&r, journal_at(&r, begin[2]) + 140);
    rig_crash_and_reopen(&r);
    rig_rot(&r, journal_at(&r, begin[2]) + 140);
    assert_int_equal(rig_write(&r, 30, 2, 7000), E_OK);
    rig_rot(&r, journal_at(&r, begin[1]) + 140);
    rig_crash_and_reopen(&r);
    expect_blocks(&r, 30, 2, 1030); /* the end, as far as anyone knows */
    expect_blocks(&r, 10, 2, 1010); /* 2's list is of the old 1 */
    assert_false(rig_facts(&r).damaged);
    rig_end(&r);
}

/* J5: both copies of the newest root went back to what they were, and all the older one speaks of
 * is whole: only the journal knows better. */
static void a_lost_root_shows(void **state)
{
    struct rig r = at_rest(27);
    static uint8_t old[2][1u << 20];
    uint64_t bytes = r.store->geo.root_bytes;

    (void)state;
    for (uint32_t i = 0; i < 2; i++)
        sim_disk_peek(r.medium, r.store->geo.root_offset[i], old[i], bytes);
    assert_int_equal(rig_write(&r, 0, 2, 8000), E_OK);
    rig_crash_and_reopen(&r); /* one checkpoint */
    assert_int_equal(rig_write(&r, 4, 2, 8100), E_OK);
    for (uint32_t i = 0; i < 2; i++)
        sim_disk_poke(r.medium, r.store->geo.root_offset[i], old[i], bytes);
    rig_crash_and_reopen(&r);
    assert_true(rig_facts(&r).damaged);
    rig_end(&r);
}

/* A group that is whole and of the right place, number and incarnation, but not of this chain. */
static void a_group_with_another_predecessor_is_not_the_next(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(30, begin);
    uint8_t page[PAGE_BYTES];
    struct format_group *h = (void *)page;

    (void)state;
    sim_disk_peek(r.medium, journal_at(&r, begin[2]), page, sizeof page);
    h->predecessor = le64_of(le64_get(h->predecessor) ^ 1);
    format_seal(h, le32_get(h->head.bytes),
                &(struct format_name){GROUP_MAGIC, DISK, begin[2], r.store->root_number});
    sim_disk_poke(r.medium, journal_at(&r, begin[2]), page, sizeof page);
    rig_crash_and_reopen(&r);
    expect_blocks(&r, 10, 2, 5100);
    expect_blocks(&r, 20, 2, 1020);
    rig_end(&r);
}

static void a_rotten_log_page_says_everything(void **state)
{
    struct rig r = at_rest(28); /* its one write is open: no commit word came */
    struct geometry g = r.store->geo;
    uint64_t page = g.map_pages + g.checksum_pages;
    struct extent all;

    (void)state;
    assert_true(rig_facts(&r).open_extents > 0);
    rig_close(&r);
    rig_rot(&r, page_offset(&g, page, 0) + 90);
    rig_rot(&r, page_offset(&g, page, 1) + 90);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(rig_facts(&r).open_everything);
    assert_int_equal(store_open_writes(r.replica, &all, 1), 1);
    assert_true(all.start == 0 && all.count == SIZE);
    store_commit(r.replica, 2, 0, true); /* a later epoch is sealed */
    assert_false(rig_facts(&r).open_everything);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotten_block_is_the_only_one_lost),
        cmocka_unit_test(a_lost_or_misdirected_write_home_shows),
        cmocka_unit_test(the_place_that_is_not_current_means_nothing),
        cmocka_unit_test(a_rotten_checksum_page_loses_its_blocks_not_its_replica),
        cmocka_unit_test(a_checksum_page_left_over_is_not_zeros),
        cmocka_unit_test(a_rotten_map_page_damages_its_replicas_alone),
        cmocka_unit_test(a_map_page_left_over_damages_its_replicas),
        cmocka_unit_test(a_map_that_does_not_add_up_is_damaged),
        cmocka_unit_test(a_rotten_index_page_is_not_zeros),
        cmocka_unit_test(one_copy_of_root_and_superblock_is_enough),
        cmocka_unit_test(without_root_or_superblock_it_says_so),
        cmocka_unit_test(a_bare_disk_is_not_found),
        cmocka_unit_test(an_unknown_incompat_feature_is_refused),
        cmocka_unit_test(a_rotten_last_group_that_nobody_named_is_the_end),
        cmocka_unit_test(a_rotten_group_that_was_named_loses_its_blocks),
        cmocka_unit_test(idleness_names_the_last_group),
        cmocka_unit_test(a_rotten_payload_loses_one_block),
        cmocka_unit_test(two_rotten_groups_in_a_row_damage_the_replica),
        cmocka_unit_test(a_promise_lost_with_its_group_damages_the_replica),
        cmocka_unit_test(a_size_lost_with_its_group_damages_the_replica_alone),
        cmocka_unit_test(a_large_loss_finds_room_in_the_stage),
        cmocka_unit_test(a_tail_once_cut_off_never_comes_back),
        cmocka_unit_test(a_tail_once_cut_off_names_nothing_durable),
        cmocka_unit_test(a_lost_root_shows),
        cmocka_unit_test(a_group_with_another_predecessor_is_not_the_next),
        cmocka_unit_test(a_rotten_log_page_says_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
