/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/ahead_test.c — a chunk's home is fetched beside its checksum page: held apart,
 * let through in either order, with changes and checkpoints between, and with homes and pages that
 * are not what they should be.
 */
#include "tests/unit/store/rig_io.h"

#define SIZE     2000u
#define SHORT_US (UINT64_C(100) * 1000)

/* A rig whose disk holds reads of checksum pages and of homes back, one of each. */
static struct {
    struct rig r;
    struct geometry geo;
    struct disk disk, *real;
    bool holds;
    struct disk_io *page, *home;
    uint32_t home_reads, writes; /* beside the journal's */
} m;

static bool is_in(const struct disk_io *io, uint64_t offset, uint64_t bytes)
{
    return io->offset >= offset && io->offset < offset + bytes;
}

static bool hold(struct disk_io **where, struct disk_io *io)
{
    if (!m.holds || *where)
        return false;
    *where = io;
    return true;
}

static void gate_submit(struct disk *d, struct disk_io *io)
{
    const struct geometry *g = &m.geo;
    bool home = is_in(io, g->data_offset, g->chunks * CHUNK_BYTES);

    (void)d;
    m.home_reads += io->op == DISK_READ && home;
    m.writes += io->op == DISK_WRITE && !is_in(io, g->journal_offset, g->journal_bytes);
    if (io->op == DISK_READ && hold(home ? &m.home : &m.page, io))
        return;
    disk_submit(m.real, io);
}

static const struct disk_ops gate_ops = {.submit = gate_submit};

/* Chunk 0: blocks 0 to 7 are data, but for 3, which is zero; 8 to 15 were never written.  What lies
 * at the homes of 3 and 9 is something else.  No page is at hand. */
static void begin(uint64_t seed)
{
    struct rig r = rig_begin(seed, SIZE);

    assert_int_equal(rig_write(&r, 0, 8, 1000), E_OK);
    assert_int_equal(rig_write(&r, 800, 8, 1800), E_OK);
    rig_reopen(&r);
    assert_int_equal(rig_unmap(&r, 3, 1), E_OK);
    rig_reopen(&r);
    memset(&m, 0, sizeof m);
    m.r = r;
    m.geo = r.store->geo;
    m.real = r.disk;
    m.disk = *r.disk;
    m.disk.ops = &gate_ops;
    m.r.disk = m.r.store->disk = &m.disk;
    m.holds = true;
}

static uint64_t home_of(uint64_t block)
{
    uint64_t entry = map_entry(m.r.replica, (uint32_t)(block / CHUNK_BLOCKS));

    return chunk_offset(m.r.store, entry & ENTRY_CHUNK) + block % CHUNK_BLOCKS * BLOCK_BYTES;
}

static uint64_t page_of_chunk_0(void)
{
    const struct store *s = m.r.store;
    uint64_t page = s->geo.map_pages + (map_entry(m.r.replica, 0) & ENTRY_CHUNK) / CHECKSUM_RECORDS;

    return page_offset(&s->geo, page, s->index[page].flags & PAGE_PLACE);
}

static void poke(uint64_t offset)
{
    uint8_t junk[BLOCK_BYTES];

    block_fill(junk, 666);
    sim_disk_poke(m.r.medium, offset, junk, sizeof junk);
}

static void harm(uint64_t offset)
{
    sim_disk_harm(m.r.medium, FAULT_LATENT, (struct extent){offset, BLOCK_BYTES});
}

/* ---- one read ---- */

static struct {
    struct store_read read;
    struct iovec piece;
    uint8_t bytes[CHUNK_BYTES];
    struct rig_wait wait;
} one;

/* Its page and its home are both asked for, before either came. */
static void read_begin(uint64_t start, uint64_t count)
{
    memset(one.bytes, 0xa5, sizeof one.bytes);
    one.wait = (struct rig_wait){0};
    one.piece = (struct iovec){one.bytes, count * BLOCK_BYTES};
    one.read = (struct store_read){.replica = m.r.replica,
                                   .extent = {start, count},
                                   .pieces = &one.piece,
                                   .piece_count = 1,
                                   .done = rig_read_done,
                                   .own = &one.wait};
    store_read(&one.read);
    sim_run_for(m.r.sim, SHORT_US);
    assert_non_null(m.page);
    assert_non_null(m.home);
}

static void let(struct disk_io **io)
{
    struct disk_io *held = *io;

    assert_false(one.wait.over);
    assert_non_null(held);
    disk_submit(m.real, held);
    sim_run_for(m.r.sim, SHORT_US);
}

/* What was held comes, the page first or the home. */
static enum err read_end(bool page_first)
{
    m.holds = false;
    let(page_first ? &m.page : &m.home);
    let(page_first ? &m.home : &m.page);
    m.page = m.home = NULL;
    return rig_await(&m.r, &one.wait);
}

static void shows(uint64_t block, uint64_t tag)
{
    if (!block_is(one.bytes + (block - one.read.extent.start) * BLOCK_BYTES, tag))
        fail_msg("block %lu is not %lu", (unsigned long)block, (unsigned long)tag);
}

/* Blocks 0 to 15 as begin() left them. */
static void shows_what_was(void)
{
    for (uint64_t b = 0; b < CHUNK_BLOCKS; b++)
        shows(b, b < 8 && b != 3 ? 1000 + b : 0);
}

static void end(void)
{
    m.holds = false;
    rig_end(&m.r);
}

/* ---- what lies at home ---- */

static void page_and_home_are_fetched_at_once(void **state)
{
    (void)state;
    for (uint32_t page_first = 0; page_first < 2; page_first++) {
        begin(1);
        poke(home_of(3)); /* not what these blocks are */
        poke(home_of(9));
        read_begin(0, CHUNK_BLOCKS);
        assert_int_equal(read_end(page_first), E_OK);
        shows_what_was();
        assert_int_equal(m.home_reads, 1);
        end();
    }
}

static void a_home_that_cannot_be_read_matters_where_it_is_data(void **state)
{
    uint64_t bad;

    (void)state;
    for (uint32_t page_first = 0; page_first < 2; page_first++) {
        begin(2);
        harm(home_of(3));
        harm(home_of(9));
        harm(home_of(15));
        read_begin(0, CHUNK_BLOCKS);
        assert_int_equal(read_end(page_first), E_OK);
        shows_what_was();
        rig_reopen(&m.r);
        harm(home_of(5));
        m.holds = true;
        read_begin(0, CHUNK_BLOCKS);
        assert_int_equal(read_end(page_first), E_MEDIUM);
        assert_int_equal(one.read.bad_block, 5);
        shows(4, 1004);
        shows(6, 1006);
        shows(9, 0);
        assert_int_equal(rig_read(&m.r, 5, 1, one.bytes, &bad), E_MEDIUM);
        end();
    }
}

static void zeros_need_no_home(void **state)
{
    (void)state;
    for (uint32_t page_first = 0; page_first < 2; page_first++) {
        begin(3);
        for (uint64_t b = 8; b < CHUNK_BLOCKS; b++)
            harm(home_of(b));
        read_begin(8, 8);
        assert_int_equal(read_end(page_first), E_OK);
        for (uint64_t b = 8; b < CHUNK_BLOCKS; b++)
            shows(b, 0);
        end();
    }
}

static void rot_at_home_shows(void **state)
{
    (void)state;
    for (uint32_t page_first = 0; page_first < 2; page_first++) {
        begin(4);
        poke(home_of(6));
        read_begin(0, CHUNK_BLOCKS);
        assert_int_equal(read_end(page_first), E_MEDIUM);
        assert_int_equal(one.read.bad_block, 6);
        assert_int_equal(one.bytes[6 * BLOCK_BYTES], 0xa5);
        shows(5, 1005);
        shows(7, 1007);
        end();
    }
}

/* P7: what no record proves is not handed out, however whole it is. */
static void without_its_page_nothing_is_proved(void **state)
{
    (void)state;
    for (uint32_t how = 0; how < 4; how++) {
        begin(5);
        if (how & 1)
            poke(page_of_chunk_0());
        else
            harm(page_of_chunk_0());
        read_begin(2, 10);
        assert_int_equal(read_end(how & 2), E_MEDIUM);
        assert_int_equal(one.read.bad_block, 2);
        for (uint32_t i = 0; i < 10 * BLOCK_BYTES; i++)
            assert_int_equal(one.bytes[i], 0xa5);
        end();
    }
}

/* ---- what happens meanwhile ---- */

static enum err write_whole_chunk(uint64_t tag)
{
    struct rig_wait w = {0};
    uint8_t *bytes = aligned_alloc(PAGE_BYTES, CHUNK_BYTES);
    uint32_t checksums[CHUNK_BLOCKS];
    struct iovec piece = {bytes, CHUNK_BYTES};
    struct store_change c = {.kind = STORE_WRITE,
                             .replica = m.r.replica,
                             .extent = {0, CHUNK_BLOCKS},
                             .pieces = &piece,
                             .piece_count = 1,
                             .checksums = checksums,
                             .stamp = {.generation = 1, .epoch = 1, .seq = ++m.r.seq},
                             .done = rig_change_done,
                             .own = &w};

    for (uint64_t b = 0; b < CHUNK_BLOCKS; b++)
        block_fill(bytes + b * BLOCK_BYTES, tag + b);
    checksums_of(m.r.replica, c.extent, bytes, checksums);
    store_change(m.r.store, &c);
    (void)rig_await(&m.r, &w);
    free(bytes);
    return w.err;
}

enum meanwhile { WRITTEN, UNMAPPED, FREED, REDIRECTED, FREED_AND_WRITTEN, MEANWHILES };

static void change_chunk_0(enum meanwhile what)
{
    uint64_t chunk = map_entry(m.r.replica, 0) & ENTRY_CHUNK;

    switch (what) {
    case WRITTEN:
        assert_int_equal(rig_write(&m.r, 0, 15, 5000), E_OK);
        break;
    case UNMAPPED:
        assert_int_equal(rig_unmap(&m.r, 0, 15), E_OK);
        break;
    case FREED_AND_WRITTEN:
    case FREED:
        assert_int_equal(rig_unmap(&m.r, 0, CHUNK_BLOCKS), E_OK);
        if (what == FREED_AND_WRITTEN)
            assert_int_equal(rig_write(&m.r, 0, 15, 5000), E_OK);
        break;
    case REDIRECTED:
        assert_int_equal(write_whole_chunk(5000), E_OK);
        assert_int_not_equal(map_entry(m.r.replica, 0) & ENTRY_CHUNK, chunk);
        break;
    case MEANWHILES:
        break;
    }
}

static bool no_checkpoint_runs(void *arg)
{
    (void)arg;
    return !checkpoint_running(m.r.store);
}

static void checkpoint_to_its_end(void)
{
    assert_true(sim_run_until(m.r.sim, no_checkpoint_runs, NULL, BOUND_US));
    checkpoint_begin(m.r.store, &m.r.store->journal.task);
    assert_true(sim_run_until(m.r.sim, no_checkpoint_runs, NULL, BOUND_US));
    assert_int_equal(m.r.store->checkpoint.err, E_OK);
}

/* Neither home nor record is written before both were judged: the read shows what stood. */
static void a_checkpoint_waits_for_page_and_home(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2 * MEANWHILES; i++) {
        bool written = i / 2 == WRITTEN || i / 2 == REDIRECTED || i / 2 == FREED_AND_WRITTEN;
        uint32_t writes;

        begin(6 + i);
        read_begin(0, CHUNK_BLOCKS);
        change_chunk_0(i / 2);
        writes = m.writes;
        checkpoint_begin(m.r.store, &m.r.store->journal.task);
        sim_run_for(m.r.sim, SHORT_US);
        let(i % 2 ? &m.page : &m.home);
        assert_int_equal(m.writes, writes); /* one of them is still on its way */
        m.holds = false;
        let(i % 2 ? &m.home : &m.page);
        assert_int_equal(rig_await(&m.r, &one.wait), E_OK);
        shows_what_was();
        assert_true(sim_run_until(m.r.sim, no_checkpoint_runs, NULL, BOUND_US));
        assert_true(m.writes > writes);
        assert_int_equal(m.r.store->checkpoint.err, E_OK);
        checkpoint_to_its_end();
        expect_blocks(&m.r, 0, 15, written ? 5000 : 0);
        end();
    }
}

/* The page that a checkpoint changes is the one that a read of the chunk waits for. */
static void a_page_is_changed_under_a_read_ahead(void **state)
{
    (void)state;
    for (uint32_t page_first = 0; page_first < 2; page_first++) {
        begin(20);
        assert_int_equal(rig_write(&m.r, 1, 1, 7001), E_OK);
        checkpoint_begin(m.r.store, &m.r.store->journal.task);
        sim_run_for(m.r.sim, SHORT_US); /* it wrote home, and waits for the page */
        assert_non_null(m.page);
        assert_int_equal(m.page->offset, page_of_chunk_0());
        assert_int_equal(rig_unmap(&m.r, 2, 1), E_OK); /* in the next generation */
        read_begin(0, CHUNK_BLOCKS);
        assert_int_equal(rig_write(&m.r, 4, 1, 7004), E_OK);
        assert_int_equal(read_end(page_first), E_OK);
        for (uint64_t b = 0; b < CHUNK_BLOCKS; b++)
            shows(b, b == 1 ? 7001 : b < 8 && b != 2 && b != 3 ? 1000 + b : 0);
        checkpoint_to_its_end();
        expect_blocks(&m.r, 1, 1, 7001);
        expect_blocks(&m.r, 2, 2, 0);
        expect_blocks(&m.r, 4, 1, 7004);
        end();
    }
}

/* A page at hand is not asked for, and tells what needs no home. */
static void with_its_page_at_hand_zeros_are_not_fetched(void **state)
{
    (void)state;
    begin(21);
    m.holds = false;
    expect_blocks(&m.r, 0, 1, 1000);
    assert_int_equal(m.home_reads, 1);
    expect_blocks(&m.r, 8, 8, 0);
    assert_int_equal(m.home_reads, 1);
    expect_blocks(&m.r, 800, 8, 1800); /* its record is on that page */
    assert_int_equal(m.home_reads, 2);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_and_home_are_fetched_at_once),
        cmocka_unit_test(a_home_that_cannot_be_read_matters_where_it_is_data),
        cmocka_unit_test(zeros_need_no_home),
        cmocka_unit_test(rot_at_home_shows),
        cmocka_unit_test(without_its_page_nothing_is_proved),
        cmocka_unit_test(a_checkpoint_waits_for_page_and_home),
        cmocka_unit_test(a_page_is_changed_under_a_read_ahead),
        cmocka_unit_test(with_its_page_at_hand_zeros_are_not_fetched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
