/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/held.h — a rig's disk that holds journal writes back until they are let through,
 * in any order, or refused; and changes that are given without waiting for their answers.
 */
#ifndef TESTS_UNIT_STORE_HELD_H
#define TESTS_UNIT_STORE_HELD_H

#include "tests/unit/store/rig_io.h"

#define GATE_HELD    16u
#define GATE_CHANGES 64u
#define SHORT_US     (UINT64_C(10) * 1000) /* longer than a request, shorter than idleness */

static struct gate {
    struct disk disk;
    struct disk *real;
    struct geometry geo;
    bool open; /* nothing is held */
    struct disk_io *held[GATE_HELD];
    uint32_t count;
    bool synced, home_before_sync; /* a home was written before any sync */
} gate;

static inline void gate_submit(struct disk *d, struct disk_io *io)
{
    const struct geometry *g = &gate.geo;
    bool journal = io->op == DISK_WRITE && io->offset >= g->journal_offset &&
                   io->offset < g->journal_offset + g->journal_bytes;

    (void)d;
    if (io->op == DISK_SYNC)
        gate.synced = true;
    if (io->op == DISK_WRITE && io->offset >= g->data_offset && io->offset < g->root_offset[1])
        gate.home_before_sync |= !gate.synced;
    if (!journal || gate.open) {
        disk_submit(gate.real, io);
        return;
    }
    assert_true(gate.count < GATE_HELD);
    gate.held[gate.count++] = io;
}

static const struct disk_ops gate_ops = {.submit = gate_submit};

/* From now on, until the next rig_start(), the rig's disk is the gate. */
static inline void gate_begin(struct rig *r)
{
    struct geometry geo = r->store ? r->store->geo : gate.geo;

    gate = (struct gate){.disk = *r->disk, .real = r->disk, .geo = geo, .open = !r->store};
    gate.disk.ops = &gate_ops;
    r->disk = &gate.disk;
    if (r->store)
        r->store->disk = r->disk;
}

/* A rig behind the gate, at rest. */
static inline struct rig gated(uint64_t seed, uint64_t size_blocks)
{
    struct rig r = rig_begin(seed, size_blocks);

    sim_run_for(r.sim, 100 * 1000);
    gate_begin(&r);
    return r;
}

/* The n-th write held so far goes on. */
static inline void gate_pass(struct rig *r, uint32_t n)
{
    struct disk_io *io = gate.held[n];

    assert_true(n < gate.count);
    assert_non_null(io);
    gate.held[n] = NULL;
    disk_submit(gate.real, io);
    sim_run_for(r->sim, SHORT_US);
}

/* … or is refused. */
static inline void gate_refuse(struct rig *r, uint32_t n)
{
    struct disk_io *io = gate.held[n];

    gate.held[n] = NULL;
    io->done(io, E_DISK);
    sim_run_for(r->sim, SHORT_US);
}

static inline void gate_open(struct rig *r)
{
    gate.open = true;
    for (uint32_t i = 0; i < gate.count; i++)
        if (gate.held[i])
            gate_pass(r, i);
    sim_run_for(r->sim, SHORT_US);
}

static inline void gate_end(struct rig *r)
{
    gate_open(r);
    rig_end(r);
}

/* ---- changes under way ---- */

struct given {
    struct store_change change;
    struct iovec piece;
    uint8_t *bytes;
    uint32_t *checksums;
    enum err err;
};
static struct given given[GATE_CHANGES];
static uint32_t given_count, answered_count;

static inline void given_done(struct store_change *c, enum err err)
{
    struct given *g = container_of(c, struct given, change);

    assert_ptr_equal(g, &given[answered_count]); /* S2 */
    g->err = err;
    answered_count++;
    blocks_free(g->bytes);
    free(g->checksums);
}

static inline void forget_given(void)
{
    for (uint32_t i = answered_count; i < given_count; i++) {
        blocks_free(given[i].bytes);
        free(given[i].checksums);
    }
    given_count = answered_count = 0;
}

static inline void give(struct rig *r, struct store_change c)
{
    struct given *g = &given[given_count++];

    assert_true(given_count <= GATE_CHANGES);
    *g = (struct given){.change = c};
    g->change.replica = r->replica;
    g->change.done = given_done;
    store_change(r->store, &g->change);
}

/* Block i of the extent gets tag + i. */
static inline void give_write(struct rig *r, uint64_t start, uint64_t count, uint64_t tag)
{
    struct given *g = &given[given_count++];

    assert_true(given_count <= GATE_CHANGES);
    *g = (struct given){.bytes = blocks_take(count), .checksums = malloc(count * sizeof(uint32_t))};
    for (uint64_t i = 0; i < count; i++)
        block_fill(g->bytes + i * BLOCK_BYTES, tag + i);
    checksums_of(r->replica, (struct extent){start, count}, g->bytes, g->checksums);
    g->piece = (struct iovec){g->bytes, count * BLOCK_BYTES};
    g->change = (struct store_change){.kind = STORE_WRITE,
                                      .replica = r->replica,
                                      .extent = {start, count},
                                      .pieces = &g->piece,
                                      .piece_count = 1,
                                      .checksums = g->checksums,
                                      .stamp = {.generation = 1, .epoch = 1, .seq = ++r->seq},
                                      .done = given_done};
    store_change(r->store, &g->change);
}

/* In a turn of its own. */
static inline void give_write_alone(struct rig *r, uint64_t start, uint64_t count, uint64_t tag)
{
    give_write(r, start, count, tag);
    sim_run_for(r->sim, SHORT_US);
}

/* As rig_crash(), without what was under way. */
static inline void gate_crash(struct rig *r)
{
    forget_given();
    rig_crash(r, SIM_POWER_LOST);
}

#endif
