/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/check_test.c — the check of a disk: clean where only a crash was (K2), a finding
 * for each thing that is damaged (K3), never a write (K1: rig_check() looks).
 */
#include "tests/unit/store/bad_disk.h"
#include "tests/unit/store/checking.h"

#define SIZE 2000u

static void expect_only(const struct checked *x, enum store_finding_kind kind, uint64_t count)
{
    assert_int_equal(x->err, E_OK);
    assert_int_equal(x->of_kind[kind], count);
    assert_int_equal(x->check.counts.findings, count);
}

/* Open, idle, and with a checkpoint behind it. */
static struct rig used(uint64_t seed)
{
    struct rig r = rig_begin(seed, SIZE);

    assert_int_equal(rig_write(&r, 0, 100, 1), E_OK);
    assert_int_equal(rig_unmap(&r, 16, 20), E_OK);
    assert_int_equal(rig_promise(&r, 3), E_OK);
    rig_reopen(&r);
    return r;
}

static void a_disk_in_use_is_clean(void **state)
{
    struct rig r = used(1);
    struct checked x;

    (void)state;
    expect_clean(&r);
    assert_int_equal(rig_write(&r, 50, 30, 400), E_OK); /* in the journal alone */
    x = rig_check(&r, true);
    expect_only(&x, FINDING_DATA, 0);
    assert_int_equal(x.check.counts.replicas, 1);
    assert_in_range(x.check.counts.blocks_read, 80, 112); /* with zeros of chunks begun */
    assert_true(identity_equal(x.check.identity, DISK));
    rig_end(&r);
}

static void nobody_waits(struct store_change *c, enum err err)
{
    (void)c;
    (void)err;
}

/* Writes that nobody waits for: the power is lost with some of them on their way. */
static void write_and_crash(struct rig *r, uint64_t run_us)
{
    static _Alignas(DISK_ALIGN) uint8_t bytes[40 * BLOCK_BYTES]; /* whole chunks go around */
    static uint32_t checksums[8][40];
    static struct store_change changes[8];
    static struct iovec piece = {bytes, sizeof bytes};

    for (uint32_t i = 0; i < array_length(changes); i++) {
        changes[i] = (struct store_change){
            .kind = i % 4 == 3 ? STORE_UNMAP : STORE_WRITE,
            .replica = r->replica,
            .extent = {(uint64_t)i * 90, 40},
            .pieces = &piece,
            .piece_count = 1,
            .checksums = checksums[i],
            .stamp = {.generation = 1, .epoch = 3, .seq = ++r->seq, .commit_seq = r->seq / 2},
            .done = nobody_waits};
        checksums_of(r->replica, changes[i].extent, bytes, checksums[i]);
        store_change(r->store, &changes[i]);
    }
    sim_run_for(r->sim, run_us);
    rig_crash(r, SIM_POWER_LOST);
}

static void a_crashed_disk_is_clean(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rig r = used(seed);

        write_and_crash(&r, seed * 50);
        expect_clean(&r);
        assert_int_equal(rig_open(&r), E_OK);
        expect_clean(&r);
        rig_end(&r);
    }
}

static void a_superblock_that_is_gone_is_a_finding(void **state)
{
    struct rig r = used(3);
    struct checked x;

    (void)state;
    rig_rot(&r, superblock_offset(RIG_BYTES, 1) + 100);
    x = rig_check(&r, false);
    expect_only(&x, FINDING_SUPERBLOCK, 1);
    rig_rot(&r, 100);
    x = rig_check(&r, false);
    expect_only(&x, FINDING_SUPERBLOCKS, 1);
    rig_end(&r);
}

static void a_rotten_root_is_a_finding(void **state)
{
    struct rig r = used(4);
    struct geometry g = r.store->geo;
    struct checked x;

    (void)state;
    rig_rot(&r, g.root_offset[0] + 100);
    x = rig_check(&r, false);
    expect_only(&x, FINDING_ROOT, 1);
    rig_rot(&r, g.root_offset[1] + 100);
    x = rig_check(&r, false);
    expect_only(&x, FINDING_ROOTS, 1);
    rig_end(&r);
}

/* ---- the journal ---- */

/* Three writes, each a group of its own; where they begin. */
static struct rig three_groups(uint64_t seed, uint64_t begin[3])
{
    struct rig r = used(seed);

    for (uint64_t i = 0; i < 3; i++) {
        begin[i] = r.store->journal.head;
        assert_int_equal(rig_write(&r, 10 * i, 2, 5000 + 100 * i), E_OK);
    }
    return r;
}

static void expect_blocks_of(const struct store_finding *f, uint64_t start, uint64_t count)
{
    assert_true(identity_equal(f->replica, REPLICA));
    assert_true(identity_equal(f->volume, VOLUME));
    assert_int_equal(f->blocks.start, SHARD_TEST * SHARD_BLOCKS + start);
    assert_int_equal(f->blocks.count, count);
}

static void a_rotten_end_that_nobody_named_is_the_end(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(20, begin);
    uint64_t end = begin[2];

    (void)state;
    rig_rot(&r, journal_at(&r, begin[2]) + 140);
    rig_crash(&r, SIM_POWER_LOST);
    expect_clean(&r);
    assert_int_equal(rig_check(&r, false).check.counts.journal_end, end);
    assert_int_equal(rig_check(&r, false).check.counts.groups, 2);
    rig_end(&r);
}

static void a_rotten_group_is_named_with_its_blocks(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(21, begin);
    uint64_t at = journal_at(&r, begin[1]);
    struct checked x;

    (void)state;
    rig_rot(&r, at + 140);
    rig_crash(&r, SIM_POWER_LOST);
    x = rig_check(&r, true);
    assert_int_equal(x.err, E_OK);
    assert_int_equal(x.of_kind[FINDING_JOURNAL_GROUP], 1);
    assert_int_equal(x.first[FINDING_JOURNAL_GROUP].offset, at);
    assert_int_equal(x.of_kind[FINDING_LOST], 1);
    expect_blocks_of(&x.first[FINDING_LOST], 10, 2);
    assert_int_equal(x.check.counts.findings, 2);
    assert_int_equal(x.check.counts.blocks_lost, 2);
    rig_end(&r);
}

static void a_rotten_payload_is_one_block(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(22, begin);
    uint64_t at = journal_at(&r, begin[1]) + (uint64_t)2 * PAGE_BYTES;
    struct checked x;

    (void)state;
    rig_rot(&r, at + 9);
    rig_crash(&r, SIM_POWER_LOST);
    x = rig_check(&r, true);
    assert_int_equal(x.of_kind[FINDING_JOURNAL_BLOCK], 1);
    assert_int_equal(x.first[FINDING_JOURNAL_BLOCK].offset, at);
    expect_blocks_of(&x.first[FINDING_JOURNAL_BLOCK], 11, 1);
    expect_blocks_of(&x.first[FINDING_LOST], 11, 1);
    assert_int_equal(x.check.counts.findings, 2);
    rig_end(&r);
}

static void two_rotten_groups_damage_the_replica(void **state)
{
    uint64_t begin[3];
    struct rig r = three_groups(23, begin);
    struct checked x;

    (void)state;
    rig_rot(&r, journal_at(&r, begin[0]) + 140);
    rig_rot(&r, journal_at(&r, begin[1]) + 140);
    rig_crash(&r, SIM_POWER_LOST);
    x = rig_check(&r, true);
    assert_int_equal(x.of_kind[FINDING_JOURNAL_GROUP], 1);
    assert_int_equal(x.of_kind[FINDING_DAMAGED], 1);
    rig_end(&r);
}

static void a_lost_root_is_a_finding(void **state)
{
    struct rig r = used(24);
    static uint8_t old[2][1u << 20];
    uint64_t bytes = r.store->geo.root_bytes;
    struct checked x;

    (void)state;
    for (uint32_t i = 0; i < 2; i++)
        sim_disk_peek(r.medium, r.store->geo.root_offset[i], old[i], bytes);
    assert_int_equal(rig_write(&r, 0, 2, 8000), E_OK);
    rig_crash_and_reopen(&r); /* one checkpoint */
    assert_int_equal(rig_write(&r, 4, 2, 8100), E_OK);
    for (uint32_t i = 0; i < 2; i++)
        sim_disk_poke(r.medium, r.store->geo.root_offset[i], old[i], bytes);
    rig_crash(&r, SIM_POWER_LOST);
    x = rig_check(&r, true);
    assert_int_equal(x.of_kind[FINDING_ROOT_LOST], 1);
    assert_int_equal(x.of_kind[FINDING_DAMAGED], 1);
    rig_end(&r);
}

/* A record that is sealed, and outside its replica: after a size was lost, or by a careless hand.
 */
static void a_record_that_cannot_be_meant_is_named(void **state)
{
    struct rig r = used(25);
    uint64_t at = journal_at(&r, r.store->journal.head);
    uint8_t page[PAGE_BYTES];
    struct format_group *h = (void *)page;
    struct format_record *record;
    struct checked x;

    (void)state;
    assert_int_equal(rig_unmap(&r, 3, 5), E_OK);
    sim_disk_peek(r.medium, at, page, sizeof page);
    assert_int_equal(le32_get(h->record_count), 1);
    record =
        (void *)(page + sizeof *h + le32_get(h->list_count) * sizeof(struct format_list_entry));
    record->start = le64_of(SIZE);
    h->head.checksum = le64_of(crc64(page + 8, le32_get(h->head.bytes) - 8));
    sim_disk_poke(r.medium, at, page, sizeof page);
    rig_crash(&r, SIM_POWER_LOST);
    x = rig_check(&r, true);
    assert_int_equal(x.of_kind[FINDING_JOURNAL_RECORD], 1);
    assert_true(identity_equal(x.first[FINDING_JOURNAL_RECORD].replica, REPLICA));
    assert_int_equal(x.of_kind[FINDING_DAMAGED], 1);
    rig_end(&r);
}

/* ---- data, and a disk that refuses ---- */

static void rotten_data_are_named_block_by_block(void **state)
{
    struct rig r = used(26);
    uint64_t chunk = map_entry(r.replica, 0) & ENTRY_CHUNK;
    uint64_t at = chunk_offset(r.store, chunk) + (uint64_t)5 * BLOCK_BYTES;
    struct checked x;

    (void)state;
    rig_rot(&r, at);
    rig_rot(&r, at + BLOCK_BYTES + 77);
    rig_rot(&r, at + (uint64_t)4 * BLOCK_BYTES);
    x = rig_check(&r, false);
    assert_int_equal(x.check.counts.findings, 0); /* without reading them */
    x = rig_check(&r, true);
    expect_only(&x, FINDING_DATA, 2); /* 5 and 6 are one, 9 another */
    expect_blocks_of(&x.first[FINDING_DATA], 5, 2);
    assert_int_equal(x.first[FINDING_DATA].offset, at);
    assert_int_equal(x.check.counts.blocks_bad, 3);
    assert_int_equal(rig_write(&r, 5, 5, 900), E_OK); /* what the journal holds counts */
    expect_clean(&r);
    rig_end(&r);
}

static void what_the_disk_refuses_to_read_cannot_be_told(void **state)
{
    struct rig r = used(27);
    struct checked x;

    (void)state;
    rig_close(&r);
    bad_begin(&r);
    bad.refused = (struct extent){r.disk->size_bytes, 0};
    expect_clean(&r);
    bad.refused = (struct extent){RIG_JOURNAL, RIG_BYTES / 8 - RIG_JOURNAL}; /* tables, index */
    bad.times = UINT32_MAX;
    x = rig_check(&r, true);
    assert_int_equal(x.err, E_DISK);
    assert_true(x.of_kind[FINDING_UNREADABLE] > 0);
    bad.times = 0;
    expect_clean(&r);
    rig_end(&r);
}

/* What a salvaged replica may have held is lost, known, and no rot. */
static void lost_holes_are_named_once(void **state)
{
    struct rig r = rig_begin(28, SIZE);
    struct store_change salvage = {.kind = STORE_SALVAGE, .identity = {REPLICA.bits + 1}};
    struct geometry g = r.store->geo;
    struct checked x;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 100, 1), E_OK);
    rig_close(&r);
    rig_rot(&r, page_offset(&g, 0, 0) + 80);
    rig_rot(&r, page_offset(&g, 0, 1) + 80);
    assert_int_equal(rig_open(&r), E_OK);
    salvage.replica = r.replica;
    assert_int_equal(rig_change(&r, &salvage), E_OK);
    x = rig_check(&r, true);
    expect_only(&x, FINDING_LOST, 1);
    assert_in_range(x.check.counts.blocks_lost, 100, SIZE);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_in_use_is_clean),
        cmocka_unit_test(a_crashed_disk_is_clean),
        cmocka_unit_test(a_superblock_that_is_gone_is_a_finding),
        cmocka_unit_test(a_rotten_root_is_a_finding),
        cmocka_unit_test(a_rotten_end_that_nobody_named_is_the_end),
        cmocka_unit_test(a_rotten_group_is_named_with_its_blocks),
        cmocka_unit_test(a_rotten_payload_is_one_block),
        cmocka_unit_test(two_rotten_groups_damage_the_replica),
        cmocka_unit_test(a_lost_root_is_a_finding),
        cmocka_unit_test(a_record_that_cannot_be_meant_is_named),
        cmocka_unit_test(rotten_data_are_named_block_by_block),
        cmocka_unit_test(what_the_disk_refuses_to_read_cannot_be_told),
        cmocka_unit_test(lost_holes_are_named_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
