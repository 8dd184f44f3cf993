/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/direct_test.c — reads into the asker's own memory, where that can be. */
#include "tests/unit/store/rig_io.h"

#include <stdlib.h>

#define SIZE   (4u * CHUNK_BLOCKS)
#define BLOCKS 8u

/* A disk that notes how many bytes were read straight into [from, to). */
static struct spy {
    struct disk disk;
    struct disk *real;
    const uint8_t *from, *to;
    uint64_t bytes;
} spy;

static void spy_submit(struct disk *d, struct disk_io *io)
{
    (void)d;
    for (uint32_t i = 0; io->op == DISK_READ && i < io->piece_count; i++) {
        const uint8_t *at = io->pieces[i].iov_base;

        if (at >= spy.from && at < spy.to)
            spy.bytes += io->pieces[i].iov_len;
    }
    disk_submit(spy.real, io);
}

static const struct disk_ops spy_ops = {.submit = spy_submit};

/* Blocks 0 to 49 are home and hold 1000 + their number; what is read is watched. */
static struct rig watched(uint8_t *from, size_t bytes)
{
    struct rig r = rig_begin(1, SIZE);

    assert_int_equal(rig_write(&r, 0, 50, 1000), E_OK);
    rig_reopen(&r);
    expect_blocks(&r, 0, 50, 1000); /* the page of checksums is in memory */
    spy = (struct spy){.disk = *r.disk, .real = r.disk, .from = from, .to = from + bytes};
    spy.disk.ops = &spy_ops;
    r.store->disk = &spy.disk;
    return r;
}

static void unwatch(struct rig *r)
{
    r->store->disk = spy.real;
    rig_end(r);
}

static uint8_t *aligned(size_t blocks)
{
    uint8_t *memory = aligned_alloc(DISK_ALIGN, blocks * BLOCK_BYTES);

    assert_non_null(memory);
    memset(memory, 0xa5, blocks * BLOCK_BYTES);
    return memory;
}

static void expect_tags(const uint8_t *bytes, uint64_t count, uint64_t tag)
{
    for (uint64_t i = 0; i < count; i++)
        assert_true(block_is(bytes + i * BLOCK_BYTES, tag + i));
}

static void aligned_memory_is_read_into_as_it_lies(void **state)
{
    uint8_t *bytes = aligned(40);
    struct rig r = watched(bytes, 40 * BLOCK_BYTES);

    (void)state;
    assert_int_equal(rig_read(&r, 5, 40, bytes, NULL), E_OK); /* of three chunks */
    expect_tags(bytes, 40, 1005);
    assert_int_equal(spy.bytes, 40 * BLOCK_BYTES);
    unwatch(&r);
    free(bytes);
}

static enum err read_pieces(struct rig *r, uint64_t start, uint64_t count,
                            const struct iovec *pieces, uint32_t piece_count)
{
    struct rig_wait w = {0};
    struct store_read read = {.replica = r->replica,
                              .extent = {start, count},
                              .pieces = pieces,
                              .piece_count = piece_count,
                              .done = rig_read_done,
                              .own = &w};

    store_read(&read);
    return rig_await(r, &w);
}

/* Backwards in memory, one of them empty: each block to its place. */
static void pieces_in_any_order_are_read_into_too(void **state)
{
    uint8_t *bytes = aligned(BLOCKS);
    struct rig r = watched(bytes, BLOCKS * BLOCK_BYTES);
    struct iovec pieces[] = {{bytes + 6 * BLOCK_BYTES, 2 * BLOCK_BYTES},
                             {bytes, 0},
                             {bytes + 3 * BLOCK_BYTES, 3 * BLOCK_BYTES},
                             {bytes, 3 * BLOCK_BYTES}};

    (void)state;
    assert_int_equal(read_pieces(&r, 10, BLOCKS, pieces, 4), E_OK);
    expect_tags(bytes + 6 * BLOCK_BYTES, 2, 1010);
    expect_tags(bytes + 3 * BLOCK_BYTES, 3, 1012);
    expect_tags(bytes, 3, 1015);
    assert_int_equal(spy.bytes, BLOCKS * BLOCK_BYTES);
    unwatch(&r);
    free(bytes);
}

/* A chunk whose pieces cut a block, and memory that no disk can read into: through the store's
 * buffer. */
static void other_memory_gets_a_copy(void **state)
{
    uint8_t *bytes = aligned(BLOCKS + 1);
    struct rig r = watched(bytes, (BLOCKS + 1) * BLOCK_BYTES);
    struct iovec cut[] = {{bytes, 1000}, {bytes + 1000, BLOCKS * BLOCK_BYTES - 1000}};

    (void)state;
    assert_int_equal(read_pieces(&r, 20, BLOCKS, cut, 2), E_OK);
    expect_tags(bytes, BLOCKS, 1020);
    assert_int_equal(rig_read(&r, 20, BLOCKS, bytes + 512, NULL), E_OK);
    expect_tags(bytes + 512, BLOCKS, 1020);
    assert_int_equal(spy.bytes, 0);
    unwatch(&r);
    free(bytes);
}

/* What is staged comes from memory, and no older bytes of the disk may come over it. */
static void what_is_staged_between_is_not_overwritten(void **state)
{
    uint8_t *bytes = aligned(BLOCKS);
    struct rig r = watched(bytes, BLOCKS * BLOCK_BYTES);

    (void)state;
    assert_int_equal(rig_write(&r, 13, 1, 7777), E_OK);
    assert_int_equal(rig_read(&r, 10, BLOCKS, bytes, NULL), E_OK);
    expect_tags(bytes, 3, 1010);
    expect_tags(bytes + 3 * BLOCK_BYTES, 1, 7777);
    expect_tags(bytes + 4 * BLOCK_BYTES, 4, 1014);
    unwatch(&r);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_memory_is_read_into_as_it_lies),
        cmocka_unit_test(pieces_in_any_order_are_read_into_too),
        cmocka_unit_test(other_memory_gets_a_copy),
        cmocka_unit_test(what_is_staged_between_is_not_overwritten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
