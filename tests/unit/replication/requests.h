/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/replication/requests.h — single writes and reads of the rig's shard. */
#ifndef TESTS_UNIT_REPLICATION_REQUESTS_H
#define TESTS_UNIT_REPLICATION_REQUESTS_H

#include "tests/unit/replication/rig.h"

struct rig_write {
    struct rep_write write;
    struct extent_claim claim;
    struct iovec piece;
    uint32_t checksums[64];
    uint8_t bytes[64 * BLOCK_BYTES];
    bool answered;
    enum err err;
};

static void rig_write_done(struct rep_write *write, enum err err)
{
    struct rig_write *w = container_of(write, struct rig_write, write);

    w->answered = true;
    w->err = err;
}

/* Blocks [at, at + count) filled with one byte; no claim: the test sees to overlaps. */
static inline struct rig_write *rig_write_begin(struct rig *g, uint64_t at, uint64_t count,
                                                uint8_t byte)
{
    struct rig_write *w = calloc(1, sizeof *w);

    memset(w->bytes, byte, sizeof w->bytes);
    w->piece = (struct iovec){w->bytes, count * BLOCK_BYTES};
    block_checksums(VOLUME_ID, 3 * SHARD_BLOCKS + at, count, &w->piece, w->checksums);
    w->write = (struct rep_write){.shard = g->shard,
                                  .extent = {at, count},
                                  .pieces = &w->piece,
                                  .piece_count = 1,
                                  .checksums = w->checksums,
                                  .done = rig_write_done};
    rep_write(&w->write);
    return w;
}

static inline bool rig_write_answered(void *arg)
{
    return ((struct rig_write *)arg)->answered;
}

static inline enum err rig_write_end(struct rig *g, struct rig_write *w)
{
    enum err err;

    assert_true(sim_run_until(g->sim, rig_write_answered, w, BOUND_US));
    err = w->err;
    free(w);
    return err;
}

static inline enum err rig_write(struct rig *g, uint64_t at, uint64_t count, uint8_t byte)
{
    return rig_write_end(g, rig_write_begin(g, at, count, byte));
}

struct rig_read {
    struct rep_read read;
    struct iovec piece;
    uint8_t bytes[64 * BLOCK_BYTES];
    bool unwanted, answered;
    enum err err;
};

static void rig_read_done(struct rep_read *read, enum err err)
{
    struct rig_read *r = container_of(read, struct rig_read, read);

    r->answered = true;
    r->err = err;
}

static inline bool rig_read_answered(void *arg)
{
    return ((struct rig_read *)arg)->answered;
}

static inline void rig_read_begin(struct rig *g, uint64_t at, uint64_t count, struct rig_read *r)
{
    memset(r, 0, sizeof *r);
    r->piece = (struct iovec){r->bytes, count * BLOCK_BYTES};
    r->read = (struct rep_read){.shard = g->shard,
                                .extent = {at, count},
                                .pieces = &r->piece,
                                .piece_count = 1,
                                .unwanted = &r->unwanted,
                                .done = rig_read_done};
    rep_read(&r->read);
}

static inline enum err rig_read(struct rig *g, uint64_t at, uint64_t count, struct rig_read *r)
{
    rig_read_begin(g, at, count, r);
    assert_true(sim_run_until(g->sim, rig_read_answered, r, BOUND_US));
    return r->err;
}

static inline void rig_expect(struct rig *g, uint64_t at, uint64_t count, uint8_t byte)
{
    struct rig_read *r = calloc(1, sizeof *r);

    assert_int_equal(rig_read(g, at, count, r), E_OK);
    for (uint64_t i = 0; i < count * BLOCK_BYTES; i++)
        assert_int_equal(r->bytes[i], byte);
    free(r);
}

#endif
