/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/rig_io.h — writes, unmaps and reads of a rig, and what is expected of them.
 *
 * Contents of blocks are made from a number: block_fill(bytes, tag) and block_is(bytes, tag).
 */
#ifndef TESTS_UNIT_STORE_RIG_IO_H
#define TESTS_UNIT_STORE_RIG_IO_H

#include "tests/unit/store/rig.h"

static inline void block_fill(uint8_t *bytes, uint64_t tag)
{
    for (uint32_t i = 0; i < BLOCK_BYTES / 8; i++) {
        uint64_t v = tag * UINT64_C(0x9e3779b97f4a7c15) + i;

        memcpy(bytes + (size_t)i * 8, &v, 8);
    }
}

static inline bool block_is(const uint8_t *bytes, uint64_t tag)
{
    uint8_t want[BLOCK_BYTES] = {0};

    if (tag)
        block_fill(want, tag);
    return memcmp(bytes, want, sizeof want) == 0;
}

static inline void checksums_of(const struct store_replica *replica, struct extent e,
                                const uint8_t *bytes, uint32_t *ret)
{
    for (uint64_t i = 0; i < e.count; i++)
        ret[i] = block_checksum(VOLUME, SHARD_TEST * SHARD_BLOCKS + e.start + i,
                                bytes + i * BLOCK_BYTES);
    (void)replica;
}

/* Memory for so many blocks, aligned by no chance: what is written from it goes through the
 * journal, always. */
static inline uint8_t *blocks_take(uint64_t count)
{
    uint8_t *memory = aligned_alloc(BLOCK_BYTES, (count + 1) * BLOCK_BYTES);

    assert_non_null(memory);
    return memory + 16;
}

static inline void blocks_free(uint8_t *bytes)
{
    free(bytes ? bytes - 16 : NULL);
}

/* Block i of the extent gets tag + i; epoch 1, generation 1, the next seq. */
static inline enum err rig_write(struct rig *r, uint64_t start, uint64_t count, uint64_t tag)
{
    uint8_t *bytes = blocks_take(count);
    uint32_t *checksums = malloc(count * sizeof *checksums);
    struct iovec piece = {bytes, count * BLOCK_BYTES};
    struct store_change c = {.kind = STORE_WRITE,
                             .replica = r->replica,
                             .extent = {start, count},
                             .pieces = &piece,
                             .piece_count = 1,
                             .checksums = checksums,
                             .stamp = {.generation = 1, .epoch = 1, .seq = ++r->seq}};
    enum err err;

    for (uint64_t i = 0; i < count; i++)
        block_fill(bytes + i * BLOCK_BYTES, tag + i);
    checksums_of(r->replica, c.extent, bytes, checksums);
    err = rig_change(r, &c);
    blocks_free(bytes);
    free(checksums);
    return err;
}

/* One block of each chunk from `first` on. */
static inline void rig_fill(struct rig *r, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        assert_int_equal(rig_write(r, i * CHUNK_BLOCKS, 1, 1000 + i), E_OK);
}

static inline enum err rig_unmap(struct rig *r, uint64_t start, uint64_t count)
{
    struct store_change c = {.kind = STORE_UNMAP,
                             .replica = r->replica,
                             .extent = {start, count},
                             .stamp = {.generation = 1, .epoch = 1, .seq = ++r->seq}};

    return rig_change(r, &c);
}

/* A change of the replica that has nothing else to say. */
static inline enum err rig_promise(struct rig *r, uint64_t epoch)
{
    struct store_change c = {.kind = STORE_PROMISE, .replica = r->replica, .epoch = epoch};

    return rig_change(r, &c);
}

/* ---- reads ---- */

static inline enum err rig_read(struct rig *r, uint64_t start, uint64_t count, uint8_t *ret,
                                uint64_t *ret_bad)
{
    struct rig_wait w = {0};
    struct iovec piece = {ret, count * BLOCK_BYTES};
    struct store_read read = {.replica = r->replica,
                              .extent = {start, count},
                              .pieces = &piece,
                              .piece_count = 1,
                              .done = rig_read_done,
                              .own = &w};

    store_read(&read);
    assert_false(w.over);
    (void)rig_await(r, &w);
    if (ret_bad)
        *ret_bad = read.bad_block;
    return w.err;
}

/* Every block i holds tag + i; tag 0: zeros, all of them. */
static inline void expect_blocks(struct rig *r, uint64_t start, uint64_t count, uint64_t tag)
{
    uint8_t *bytes = malloc(count * BLOCK_BYTES);

    memset(bytes, 0xa5, count * BLOCK_BYTES);
    assert_int_equal(rig_read(r, start, count, bytes, NULL), E_OK);
    for (uint64_t i = 0; i < count; i++)
        if (!block_is(bytes + i * BLOCK_BYTES, tag ? tag + i : 0))
            fail_msg("block %lu is not %lx", (unsigned long)(start + i),
                     (unsigned long)(tag ? tag + i : 0));
    free(bytes);
}

/* The one block is lost, and said so. */
static inline void expect_medium(struct rig *r, uint64_t block)
{
    uint8_t bytes[BLOCK_BYTES];
    uint64_t bad = 0;

    assert_int_equal(rig_read(r, block, 1, bytes, &bad), E_MEDIUM);
    assert_int_equal(bad, block);
}

static inline struct store_facts rig_facts(const struct rig *r)
{
    struct store_facts f;

    store_facts(r->replica, &f);
    return f;
}

/* Where on the disk a position of the journal lies. */
static inline uint64_t journal_at(const struct rig *r, uint64_t position)
{
    return r->store->geo.journal_offset + position % r->store->geo.journal_bytes;
}

#endif
