/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/redirect_test.c — whole chunks that go around the journal: the record behind the
 * data, the old bytes or the new ones, and no chunk that is somebody else's.
 */
#include "tests/unit/store/held.h"

#define SIZE 2000u

/* A write from aligned memory, not awaited. */
struct big {
    struct rig_wait wait;
    struct store_change change;
    struct iovec piece;
    uint8_t *bytes;
    uint32_t *checksums;
};

static struct big *big_give(struct rig *r, uint64_t start, uint64_t count, uint64_t tag)
{
    struct big *b = calloc(1, sizeof *b);

    b->bytes = aligned_alloc(BLOCK_BYTES, count * BLOCK_BYTES);
    b->checksums = malloc(count * sizeof *b->checksums);
    for (uint64_t i = 0; i < count; i++)
        block_fill(b->bytes + i * BLOCK_BYTES, tag + i);
    checksums_of(r->replica, (struct extent){start, count}, b->bytes, b->checksums);
    b->piece = (struct iovec){b->bytes, count * BLOCK_BYTES};
    b->change = (struct store_change){.kind = STORE_WRITE,
                                      .replica = r->replica,
                                      .extent = {start, count},
                                      .pieces = &b->piece,
                                      .piece_count = 1,
                                      .checksums = b->checksums,
                                      .stamp = {.generation = 1, .epoch = 1, .seq = ++r->seq},
                                      .done = rig_change_done,
                                      .own = &b->wait};
    store_change(r->store, &b->change);
    return b;
}

static void big_free(struct big *b)
{
    free(b->bytes);
    free(b->checksums);
    free(b);
}

static enum err big_write(struct rig *r, uint64_t start, uint64_t count, uint64_t tag)
{
    struct big *b = big_give(r, start, count, tag);
    enum err err = rig_await(r, &b->wait);

    big_free(b);
    return err;
}

static uint64_t chunk_of(const struct rig *r, uint64_t block)
{
    uint64_t entry = map_entry(r->replica, (uint32_t)(block / CHUNK_BLOCKS));

    return entry & ENTRY_PLACED ? entry & ENTRY_CHUNK : UINT64_MAX;
}

static uint64_t home_of(const struct rig *r, uint64_t block)
{
    return chunk_offset(r->store, chunk_of(r, block)) + block % CHUNK_BLOCKS * BLOCK_BYTES;
}

/* ---- the way ---- */

static void whole_chunks_are_home_before_their_record(void **state)
{
    struct rig r = gated(1, SIZE);
    struct big *b = big_give(&r, 20, 60, 1000); /* 32 to 79 are whole chunks */
    uint64_t left = allocator_left(&r.store->allocator), homes;
    uint8_t bytes[BLOCK_BYTES];

    (void)state;
    sim_run_for(r.sim, SHORT_US);
    assert_int_equal(gate.count, 1);
    assert_int_equal(gate.held[0]->piece_count, 1 + 12); /* records, and the ragged ends */
    assert_int_equal(allocator_left(&r.store->allocator), left - 3);
    homes = r.store->allocator.cursor - 2; /* the three lie together */
    sim_disk_peek(r.medium, chunk_offset(r.store, homes), bytes, sizeof bytes);
    assert_true(block_is(bytes, 1012));
    assert_false(b->wait.over);
    expect_blocks(&r, 20, 60, 0); /* nobody sees it yet */
    gate_pass(&r, 0);
    assert_true(b->wait.over);
    assert_int_equal(b->wait.err, E_OK);
    expect_blocks(&r, 20, 60, 1000);
    assert_int_equal(chunk_of(&r, 32), homes);
    assert_int_equal(rig_facts(&r).last_seq, r.seq);
    big_free(b);
    gate_open(&r);
    for (uint32_t times = 0; times < 3; times++) { /* from the journal, then from the tables */
        if (times == 0)
            gate_crash(&r);
        else
            rig_close(&r);
        assert_int_equal(rig_open(&r), E_OK);
        expect_blocks(&r, 20, 60, 1000);
        expect_blocks(&r, 0, 20, 0);
        assert_int_equal(chunk_of(&r, 32), homes);
    }
    rig_end(&r);
}

/* S2: what was given behind it waits for its data. */
static void nothing_passes_a_write_whose_data_are_on_their_way(void **state)
{
    struct rig r = gated(2, SIZE);
    struct big *b;

    (void)state;
    forget_given();
    gate.open = true;
    r.medium->slow_us = 500;
    b = big_give(&r, 0, 256, 1000);
    give_write(&r, 8, 1, 7000);
    sim_run_for(r.sim, 400);
    assert_false(b->wait.over);
    assert_int_equal(answered_count, 0);
    sim_run_for(r.sim, 1000 * 1000);
    assert_true(b->wait.over);
    assert_int_equal(answered_count, 1);
    expect_blocks(&r, 0, 8, 1000);
    expect_blocks(&r, 8, 1, 7000);
    expect_blocks(&r, 9, 247, 1009);
    big_free(b);
    gate_end(&r);
}

/* ---- power loss ---- */

static bool over_or_dead(void *arg)
{
    struct big *b = arg;

    return b->wait.over;
}

/* Dies before the n-th I/O from when the write was given; whether it had so many. */
static bool dies_at(uint64_t n)
{
    struct rig r = rig_begin(100 + n, SIZE);
    uint8_t bytes[BLOCK_BYTES];
    bool died, answered;
    struct big *b;

    assert_int_equal(big_write(&r, 0, 100, 1000), E_OK);
    if (n % 2)
        rig_reopen(&r); /* what is overwritten is known to the tables */
    sim_crash_at_io(r.sim, r.env, n, SIM_POWER_LOST);
    b = big_give(&r, 10, 80, 5000);
    (void)sim_run_until(r.sim, over_or_dead, b, 1000 * 1000);
    died = sim_dead(r.env);
    answered = b->wait.over;
    if (!died)
        sim_crash_at_io(r.sim, r.env, UINT64_MAX / 2, SIM_KILLED);
    sim_abandon(r.sim, b);
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged);
    assert_int_equal(rig_read(&r, 10, 1, bytes, NULL), E_OK);
    answered |= block_is(bytes, 5000);
    expect_blocks(&r, 0, 10, 1000);
    expect_blocks(&r, 10, 80, answered ? 5000 : 1010); /* all of it, or nothing */
    expect_blocks(&r, 90, 10, 1090);
    assert_int_equal(big_write(&r, 0, 96, 8000), E_OK);
    rig_reopen(&r);
    expect_blocks(&r, 0, 96, 8000);
    rig_end(&r);
    return died;
}

static void power_loss_at_any_io_leaves_old_or_new(void **state)
{
    uint64_t n = 1;

    (void)state;
    while (dies_at(n) && n < 40)
        n++;
    assert_true(n > 2 && n < 40); /* data, group, and the one of idleness */
}

/* ---- what comes after ---- */

static void it_is_written_over_and_unmapped_like_any_other(void **state)
{
    struct rig r = rig_begin(4, SIZE);
    uint64_t first, left;

    (void)state;
    left = store_space(r.store).chunks_free;
    for (uint32_t at_rest = 0; at_rest < 2; at_rest++) {
        assert_int_equal(big_write(&r, 0, 48, 1000), E_OK);
        first = chunk_of(&r, 16);
        if (at_rest)
            rig_reopen(&r);
        assert_int_equal(rig_write(&r, 17, 2, 3000), E_OK); /* small: over it, in place */
        assert_int_equal(chunk_of(&r, 16), first);
        assert_int_equal(rig_unmap(&r, 20, 4), E_OK);
        assert_int_equal(big_write(&r, 32, 16, 4000), E_OK); /* whole: in another chunk */
        assert_int_equal(rig_unmap(&r, 0, 16), E_OK);
        for (uint32_t times = 0; times < 3; times++) {
            expect_blocks(&r, 0, 16, 0);
            expect_blocks(&r, 16, 1, 1016);
            expect_blocks(&r, 17, 2, 3000);
            expect_blocks(&r, 19, 1, 1019);
            expect_blocks(&r, 20, 4, 0);
            expect_blocks(&r, 24, 8, 1024);
            expect_blocks(&r, 32, 16, 4000);
            if (times == 0)
                rig_crash_and_reopen(&r);
            else
                rig_reopen(&r);
        }
    }
    assert_int_equal(rig_unmap(&r, 0, SIZE), E_OK);
    rig_reopen(&r);
    rig_reopen(&r);
    assert_int_equal(store_space(r.store).chunks_free, left); /* nothing leaked */
    rig_end(&r);
}

static void a_rotten_block_of_it_is_the_only_one_lost(void **state)
{
    struct rig r = rig_begin(5, SIZE);
    uint8_t byte = 0x5a;

    (void)state;
    assert_int_equal(big_write(&r, 0, 48, 1000), E_OK);
    sim_disk_poke(r.medium, home_of(&r, 20) + 77, &byte, 1);
    for (uint32_t times = 0; times < 3; times++) {
        expect_medium(&r, 20);
        expect_blocks(&r, 0, 20, 1000);
        expect_blocks(&r, 21, 27, 1021);
        if (times == 0)
            rig_crash_and_reopen(&r);
        else
            rig_reopen(&r);
    }
    assert_false(rig_facts(&r).damaged);
    rig_end(&r);
}

/* ---- space ---- */

/* Near the end claims stay away from what small writes may need. */
static void a_full_disk_takes_whole_chunks_while_it_can(void **state)
{
    struct rig r = rig_begin(6, 100000);
    uint64_t free_before = store_space(r.store).chunks_free, chunks = 0;

    (void)state;
    while (big_write(&r, chunks * CHUNK_BLOCKS, CHUNK_BLOCKS, 1000 + chunks * CHUNK_BLOCKS) == E_OK)
        chunks++;
    assert_int_equal(chunks, free_before);
    assert_int_equal(store_space(r.store).chunks_free, 0);
    assert_int_equal(big_write(&r, 0, 64, 1000), E_OK); /* in place, through the journal */
    assert_int_equal(big_write(&r, 8, CHUNK_BLOCKS * chunks, 5), E_INVALID);
    rig_crash_and_reopen(&r);
    for (uint64_t i = 0; i < chunks; i++)
        expect_blocks(&r, i * CHUNK_BLOCKS, CHUNK_BLOCKS, 1000 + i * CHUNK_BLOCKS);
    assert_int_equal(rig_unmap(&r, 0, 10 * CHUNK_BLOCKS), E_OK);
    assert_int_equal(big_write(&r, 0, 10 * CHUNK_BLOCKS, 9000), E_OK); /* waits for what settles */
    expect_blocks(&r, 0, 10 * CHUNK_BLOCKS, 9000);
    rig_end(&r);
}

static void a_refused_write_gives_its_chunks_back(void **state)
{
    struct rig r = rig_begin(7, SIZE);
    uint64_t left = store_space(r.store).chunks_free;
    struct big *b = big_give(&r, 0, 64, 1000);

    (void)state;
    b->checksums[40] ^= 1; /* found before anything is changed */
    assert_int_equal(rig_await(&r, &b->wait), E_MEDIUM);
    assert_int_equal(store_space(r.store).chunks_free, left);
    expect_blocks(&r, 0, 64, 0);
    big_free(b);
    rig_end(&r);
}

/* ---- replay ---- */

/* What a record says of its chunk is changed by a hand that can count checksums. */
static void forge_chunk(struct rig *r, uint64_t offset, uint64_t chunk)
{
    static uint8_t page[PAGE_BYTES];
    struct format_group *h = (void *)page;
    struct format_record *record;
    uint32_t bytes;

    sim_disk_peek(r->medium, offset, page, sizeof page);
    bytes = le32_get(h->head.bytes);
    record =
        (void *)(page + sizeof *h + le32_get(h->list_count) * sizeof(struct format_list_entry));
    assert_int_equal(record->kind, RECORD_REDIRECT);
    assert_int_equal(le32_get(h->head.incompat), INCOMPAT_REDIRECT);
    record->chunk = le64_of(chunk);
    h->head.checksum = le64_of(crc64(page + sizeof(le64), bytes - sizeof(le64)));
    sim_disk_poke(r->medium, offset, page, sizeof page);
}

static void a_record_cannot_take_what_is_somebody_elses(void **state)
{
    struct rig r = rig_begin(8, SIZE);
    uint64_t others, offset;

    (void)state;
    assert_int_equal(rig_write(&r, 100, 3, 500), E_OK);
    rig_reopen(&r);
    others = chunk_of(&r, 100);
    sim_run_for(r.sim, 100 * 1000);
    gate_begin(&r);
    gate.open = true;
    offset = r.store->geo.journal_offset + r.store->journal.head % r.store->geo.journal_bytes;
    assert_int_equal(big_write(&r, 0, 32, 1000), E_OK);
    gate_crash(&r);
    forge_chunk(&r, offset, others);
    assert_int_equal(rig_open(&r), E_OK);
    expect_blocks(&r, 100, 3, 500);
    expect_medium(&r, 0); /* the one that would be theirs */
    assert_int_equal(chunk_of(&r, 100), others);
    rig_reopen(&r);
    expect_blocks(&r, 100, 3, 500);
    expect_medium(&r, 0);
    rig_end(&r);
}

#define LARGE_BYTES   (UINT64_C(512) << 20)
#define LARGE_JOURNAL (UINT64_C(64) << 20)
#define SMALL_WRITES  1300u /* more than the least stage holds, less than makes a checkpoint due */

static void large_format(struct rig *r)
{
    struct rig_wait w = {0};
    struct store_format f = {.env = r->env,
                             .disk = r->disk,
                             .identity = DISK,
                             .journal_bytes = LARGE_JOURNAL,
                             .done = rig_format_done,
                             .own = &w};

    store_format(&f);
    assert_int_equal(rig_await(r, &w), E_OK);
}

/* More small writes than the least stage holds, then whole chunks; their first one is `ret_chunk`,
 * and at `ret_group` of the disk lies the last group.  The process is dead, and the next one has
 * the least stage. */
static struct rig small_ones_then_whole_chunks(uint64_t seed, uint64_t *ret_chunk,
                                               uint64_t *ret_group)
{
    struct rig r = {.sim = sim_open(seed)};
    struct store_limits large = rig_limits();

    large.stage_bytes = 32u << 20;
    r.medium = sim_disk_make(r.sim, "disk", LARGE_BYTES);
    rig_start(&r);
    large_format(&r);
    assert_int_equal(rig_open_with(&r, large), E_OK);
    assert_int_equal(rig_make(&r, REPLICA, 100000), E_OK);
    for (uint64_t i = 0; i < SMALL_WRITES; i++)
        assert_int_equal(rig_write(&r, i * CHUNK_BLOCKS, 1, 100 + i), E_OK);
    *ret_group = journal_at(&r, r.store->journal.head);
    assert_int_equal(big_write(&r, 50000 / 16 * 16, 64, 70000), E_OK);
    *ret_chunk = chunk_of(&r, 50000);
    rig_crash(&r, SIM_POWER_LOST);
    return r;
}

/* D2: the checkpoint in the middle gives many chunks their places, and none that a later record
 * names. */
static void expect_spared(struct rig *r, uint64_t chunk)
{
    assert_int_equal(chunk_of(r, 50000), chunk);
    expect_blocks(r, 50000, 64, 70000);
    for (uint64_t i = 0; i < SMALL_WRITES; i++) {
        assert_true(chunk_of(r, i * CHUNK_BLOCKS) - chunk > 3);
        expect_blocks(r, i * CHUNK_BLOCKS, 1, 100 + i);
    }
}

static void a_checkpoint_amid_replay_spares_what_later_records_name(void **state)
{
    uint64_t chunk, group;
    struct rig r = small_ones_then_whole_chunks(9, &chunk, &group);

    (void)state;
    assert_int_equal(rig_open(&r), E_OK); /* with the least stage */
    expect_spared(&r, chunk);
    rig_end(&r);
}

/* The last group, in the scan and where the journal ends: it would be LOST if a later start read
 * it, and its chunks were somebody else's by then. */
static void a_refused_page_of_the_journal_takes_nothing_from_later_records(void **state)
{
    uint64_t chunk, group;
    struct rig r = small_ones_then_whole_chunks(13, &chunk, &group);

    (void)state;
    sim_disk_fault(r.medium, (struct sim_fault_rule){.kind = FAULT_EIO,
                                                     .per_million = EACH,
                                                     .ops = FAULT_ON(DISK_READ),
                                                     .bytes = {group, 512}});
    assert_int_equal(rig_open(&r), E_DISK);
    sim_disk_calm(r.medium);
    assert_int_equal(rig_open(&r), E_OK);
    expect_spared(&r, chunk);
    rig_end(&r);
}

/* Stands before the disk: the n-th read of the journal brings other bytes, once. */
static struct misreader {
    struct disk disk, *real;
    struct rig *rig;
    struct geometry geo;
    uint64_t left;
} misreader;

static void misreader_submit(struct disk *d, struct disk_io *io)
{
    struct misreader *m = &misreader;
    struct extent journal = {m->geo.journal_offset, m->geo.journal_bytes};
    bool reads =
        io->op == DISK_READ && io->offset >= journal.start && io->offset < extent_end(journal);

    (void)d;
    if (reads && m->left > 0 && --m->left == 0)
        sim_disk_fault(m->rig->medium,
                       (struct sim_fault_rule){
                           .kind = FAULT_MISDIRECTED_READ,
                           .per_million = EACH,
                           .bytes = journal,
                           .times = 1,
                           .to = {m->geo.data_offset + (LARGE_BYTES / 2), LARGE_BYTES / 4}});
    disk_submit(m->real, io);
}

static const struct disk_ops misreader_ops = {.submit = misreader_submit};

/* Whether there were so many reads. */
static bool misreads_once(uint64_t n)
{
    uint64_t chunk, group;
    struct rig r = small_ones_then_whole_chunks(11, &chunk, &group);
    bool came;

    misreader = (struct misreader){.disk = *r.disk, .real = r.disk, .rig = &r, .left = n};
    assert_int_equal(geometry_choose(LARGE_BYTES, LARGE_JOURNAL, &misreader.geo), E_OK);
    misreader.disk.ops = &misreader_ops;
    r.disk = &misreader.disk;
    assert_int_equal(rig_open(&r), E_OK);
    came = sim_disk_fault_count(r.medium, FAULT_MISDIRECTED_READ) == 1;
    assert_false(rig_facts(&r).damaged);
    expect_spared(&r, chunk);
    rig_end(&r);
    return came;
}

static void a_misread_of_the_journal_takes_nothing_from_later_records(void **state)
{
    uint64_t n = 1;

    (void)state;
    while (misreads_once(n))
        n++;
    assert_true(n > 6); /* of what is replayed, and of what is scanned before the checkpoint */
}

/* J5: both copies of the newest root, which an opening made, are gone.  The checkpoint amid the
 * replay makes one of its number. */
static void a_lost_root_shows_though_a_checkpoint_is_amid_replay(void **state)
{
    struct store_limits large = rig_limits();
    uint8_t *older[2];
    uint64_t place[2], bytes, chunk, group, number;
    struct rig r = small_ones_then_whole_chunks(12, &chunk, &group);

    (void)state;
    large.stage_bytes = 32u << 20;
    assert_int_equal(rig_open_with(&r, large), E_OK);
    bytes = r.store->geo.root_bytes;
    for (uint32_t i = 0; i < 2; i++) {
        place[i] = r.store->geo.root_offset[i];
        older[i] = malloc(bytes);
        sim_disk_peek(r.medium, place[i], older[i], bytes);
    }
    for (uint64_t i = 0; i < SMALL_WRITES; i++)
        assert_int_equal(rig_write(&r, i * CHUNK_BLOCKS, 1, 100 + i), E_OK);
    number = r.store->root_number;
    rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open_with(&r, large), E_OK);
    assert_int_equal(r.store->root_number, number + 1);
    assert_int_equal(rig_write(&r, 4, 2, 8100), E_OK);
    rig_crash(&r, SIM_POWER_LOST);
    for (uint32_t i = 0; i < 2; i++) {
        sim_disk_poke(r.medium, place[i], older[i], bytes);
        free(older[i]);
    }
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(r.store->root_number > number + 2); /* one amid the replay, and that of open */
    assert_true(rig_facts(&r).damaged);
    rig_end(&r);
}

static void the_feature_stands_in_the_root_first(void **state)
{
    struct rig r = rig_begin(10, SIZE);
    static uint8_t page[PAGE_BYTES];
    const struct format_head *h = (const void *)page;

    (void)state;
    for (uint32_t copy = 0; copy < 2; copy++) {
        sim_disk_peek(r.medium, r.store->geo.root_offset[copy], page, sizeof page);
        assert_int_equal(le32_get(h->incompat), FORMAT_INCOMPAT);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_chunks_are_home_before_their_record),
        cmocka_unit_test(nothing_passes_a_write_whose_data_are_on_their_way),
        cmocka_unit_test(power_loss_at_any_io_leaves_old_or_new),
        cmocka_unit_test(it_is_written_over_and_unmapped_like_any_other),
        cmocka_unit_test(a_rotten_block_of_it_is_the_only_one_lost),
        cmocka_unit_test(a_full_disk_takes_whole_chunks_while_it_can),
        cmocka_unit_test(a_refused_write_gives_its_chunks_back),
        cmocka_unit_test(a_record_cannot_take_what_is_somebody_elses),
        cmocka_unit_test(a_checkpoint_amid_replay_spares_what_later_records_name),
        cmocka_unit_test(a_lost_root_shows_though_a_checkpoint_is_amid_replay),
        cmocka_unit_test(a_refused_page_of_the_journal_takes_nothing_from_later_records),
        cmocka_unit_test(a_misread_of_the_journal_takes_nothing_from_later_records),
        cmocka_unit_test(the_feature_stands_in_the_root_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
