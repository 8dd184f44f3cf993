/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/overlap_test.c — reads overlapped by writes, redirects, unmaps and checkpoints,
 * with as few cached table pages as the store can do with: each block shows a value that it had
 * between the read's beginning and its end.
 */
#include "tests/unit/store/rig_io.h"

#define CHUNKS 2300u /* 46 checksum pages */
#define READS  24u   /* at a time */
#define ROUNDS 900u

/* Block 3 of each chunk changes with each version: tag chunk + n × CHUNKS, 0 unmapped; the others
 * with some. */
static struct {
    struct rig r;
    uint64_t answered[CHUNKS]; /* the newest version answered … */
    uint64_t given[CHUNKS];    /* … and given */
    uint32_t reads, read_count;
    uint32_t ahead, redirected; /* seen to be */
} m;

struct one {
    struct store_read read;
    struct iovec piece;
    uint32_t chunk;
    uint64_t from;
    uint8_t bytes[3 * BLOCK_BYTES];
    bool busy;
};
static struct one ones[READS];

static uint64_t tag_of(uint32_t chunk, uint64_t version)
{
    return version % 8 == 7 ? 0 : 1 + chunk + version * CHUNKS;
}

static bool is_whole(uint64_t version)
{
    return version % 8 == 3;
}

static uint64_t neighbour_tag(uint32_t chunk, uint64_t version)
{
    for (uint64_t v = version; v > 0; v--) {
        if (is_whole(v))
            return tag_of(chunk, v);
        if (tag_of(chunk, v) == 0 && chunk % 2 == 0)
            break; /* the whole chunk was unmapped */
    }
    return 0;
}

static bool shows(const struct one *o, uint64_t version)
{
    uint64_t tag = neighbour_tag(o->chunk, version);

    return block_is(o->bytes, tag) && block_is(o->bytes + BLOCK_BYTES, tag_of(o->chunk, version)) &&
           block_is(o->bytes + (size_t)2 * BLOCK_BYTES, tag);
}

static void one_over(struct store_read *r, enum err err)
{
    struct one *o = container_of(r, struct one, read);

    assert_int_equal(err, E_OK);
    o->busy = false;
    m.reads++;
    for (uint64_t v = o->from; v <= m.given[o->chunk]; v++)
        if (shows(o, v))
            return;
    fail_msg("chunk %u shows no version from %lu to %lu", o->chunk, (unsigned long)o->from,
             (unsigned long)m.given[o->chunk]);
}

static void begin_read(struct one *o, uint32_t chunk)
{
    o->busy = true;
    o->chunk = chunk;
    o->from = m.answered[chunk];
    o->piece = (struct iovec){o->bytes, sizeof o->bytes};
    o->read = (struct store_read){.replica = m.r.replica,
                                  .extent = {(uint64_t)chunk * CHUNK_BLOCKS + 2, 3},
                                  .pieces = &o->piece,
                                  .piece_count = 1,
                                  .done = one_over};
    store_read(&o->read);
    m.read_count++;
}

static void begin_reads(uint32_t near)
{
    for (uint32_t i = 0; i < READS; i++)
        if (!ones[i].busy)
            begin_read(&ones[i], sim_draw(m.r.sim, 2) ? near : (uint32_t)sim_draw(m.r.sim, CHUNKS));
}

static void write_whole(uint32_t chunk, uint64_t tag)
{
    struct extent e = {(uint64_t)chunk * CHUNK_BLOCKS, CHUNK_BLOCKS};
    struct iovec piece = {aligned_alloc(PAGE_BYTES, CHUNK_BYTES), CHUNK_BYTES};
    uint32_t checksums[CHUNK_BLOCKS];
    struct store_change c = {.kind = STORE_WRITE,
                             .replica = m.r.replica,
                             .extent = e,
                             .pieces = &piece,
                             .piece_count = 1,
                             .checksums = checksums,
                             .stamp = {.generation = 1, .epoch = 1, .seq = ++m.r.seq}};
    uint64_t entry = map_entry(m.r.replica, chunk);

    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++)
        block_fill((uint8_t *)piece.iov_base + (size_t)b * BLOCK_BYTES, tag);
    checksums_of(m.r.replica, e, piece.iov_base, checksums);
    assert_int_equal(rig_change(&m.r, &c), E_OK);
    m.redirected += (entry & ENTRY_PLACED) && map_entry(m.r.replica, chunk) != entry;
    free(piece.iov_base);
}

static void change(uint32_t chunk)
{
    uint64_t version = ++m.given[chunk], block = (uint64_t)chunk * CHUNK_BLOCKS + 3;
    uint64_t tag = tag_of(chunk, version);

    if (is_whole(version))
        write_whole(chunk, tag);
    else if (tag)
        assert_int_equal(rig_write(&m.r, block, 1, tag), E_OK);
    else if (chunk % 2)
        assert_int_equal(rig_unmap(&m.r, block, 1), E_OK);
    else
        assert_int_equal(rig_unmap(&m.r, block - 3, CHUNK_BLOCKS), E_OK);
    m.answered[chunk] = version;
}

static void count_those_ahead(void)
{
    for (uint32_t i = 0; i < READS; i++)
        m.ahead += ones[i].busy && ones[i].read.ahead;
}

static bool no_read_is_left(void *arg)
{
    (void)arg;
    return m.reads == m.read_count;
}

static void begin(void)
{
    struct store_limits least = rig_limits();

    least.checksum_pages = 0; /* as few as it can do with */
    m.r = (struct rig){.sim = sim_open(31)};
    m.r.medium = sim_disk_make(m.r.sim, "disk", UINT64_C(192) << 20);
    rig_start(&m.r);
    assert_int_equal(rig_format(&m.r), E_OK);
    assert_int_equal(rig_open_with(&m.r, least), E_OK);
    assert_int_equal(rig_make(&m.r, REPLICA, CHUNKS * CHUNK_BLOCKS), E_OK);
    for (uint32_t chunk = 0; chunk < CHUNKS; chunk++)
        assert_int_equal(rig_write(&m.r, (uint64_t)chunk * CHUNK_BLOCKS + 3, 1, tag_of(chunk, 0)),
                         E_OK);
    rig_close(&m.r);
    assert_int_equal(rig_open_with(&m.r, least), E_OK);
}

static void a_read_shows_a_value_of_its_time(void **state)
{
    uint64_t roots;

    (void)state;
    begin();
    roots = m.r.store->root_number;
    for (uint32_t i = 0; i < ROUNDS; i++) { /* a few chunks over and over, and some of all */
        uint32_t chunk = (uint32_t)sim_draw(m.r.sim, sim_draw(m.r.sim, 2) ? 12 : CHUNKS);

        begin_reads(chunk);
        change(chunk);
        count_those_ahead();
    }
    assert_true(sim_run_until(m.r.sim, no_read_is_left, NULL, BOUND_US));
    assert_true(m.read_count > 4 * ROUNDS);
    assert_true(m.ahead > ROUNDS / 4); /* behind a change that came meanwhile */
    assert_true(m.redirected > ROUNDS / 30);
    assert_true(m.r.store->root_number > roots + 5); /* checkpoints came and went beside them */
    assert_true(m.r.store->cache.count < 46);
    rig_end(&m.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_shows_a_value_of_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
