/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/gate.h — a rig's disk with a gate before everything that a checkpoint writes:
 * closed, it holds writes and syncs that are not the journal's, so that changes can be made while a
 * checkpoint stands still; or it fails one of them.
 */
#ifndef TESTS_UNIT_STORE_GATE_H
#define TESTS_UNIT_STORE_GATE_H

#include "tests/unit/store/rig_io.h"

#define GATE_HELD 256u

static struct gate {
    struct disk disk;
    struct geometry geo;
    struct disk *real;
    bool closed;
    struct disk_io *held[GATE_HELD];
    uint32_t held_count;
    uint64_t passed;  /* of the checkpoint's requests, so far, reads not among them */
    uint64_t fail_at; /* this one ends with E_DISK, and does nothing; 0: none       */
    struct disk_io *failed, stand_in;
} gate;

static inline bool gate_is_journal(const struct disk_io *io)
{
    const struct geometry *g = &gate.geo;

    return io->op == DISK_WRITE && io->offset >= g->journal_offset &&
           io->offset < g->journal_offset + g->journal_bytes;
}

static inline void gate_failed(struct disk_io *io, enum err err)
{
    (void)io, (void)err;
    gate.failed->done(gate.failed, E_DISK);
}

/* A sync takes its place, which takes its time and makes nothing durable that matters. */
static inline void gate_pass(struct disk_io *io)
{
    if (++gate.passed != gate.fail_at) {
        disk_submit(gate.real, io);
        return;
    }
    gate.failed = io;
    gate.stand_in = (struct disk_io){.op = DISK_SYNC, .done = gate_failed};
    disk_submit(gate.real, &gate.stand_in);
}

static inline void gate_submit(struct disk *d, struct disk_io *io)
{
    (void)d;
    if (io->op == DISK_READ || gate_is_journal(io)) {
        disk_submit(gate.real, io);
    } else if (gate.closed) {
        assert_true(gate.held_count < GATE_HELD);
        gate.held[gate.held_count++] = io;
    } else {
        gate_pass(io);
    }
}

static const struct disk_ops gate_ops = {.submit = gate_submit};

/* From now on, until the next rig_start(), the rig's disk has the gate, open. */
static inline void gate_begin(struct rig *r)
{
    gate = (struct gate){.disk = *r->disk, .geo = r->store->geo, .real = r->disk};
    gate.disk.ops = &gate_ops;
    r->disk = &gate.disk;
    r->store->disk = r->disk;
}

static inline void gate_open(void)
{
    gate.closed = false;
    for (uint32_t i = 0; i < gate.held_count; i++)
        gate_pass(gate.held[i]);
    gate.held_count = 0;
}

/* ---- checkpoints at will ---- */

static inline bool gate_is_still(void *arg)
{
    const struct rig *r = arg;

    return !checkpoint_running(r->store);
}

static inline bool gate_is_held(void *arg)
{
    (void)arg;
    return gate.held_count > 0;
}

/* Begins one that stands still before its first write. */
static inline void gate_checkpoint_begin(struct rig *r)
{
    assert_true(sim_run_until(r->sim, gate_is_still, r, BOUND_US));
    gate.closed = true;
    checkpoint_begin(r->store, &r->store->journal.task);
    assert_true(sim_run_until(r->sim, gate_is_held, r, BOUND_US));
}

static inline void gate_checkpoint_end(struct rig *r)
{
    gate_open();
    assert_true(sim_run_until(r->sim, gate_is_still, r, BOUND_US));
}

/* A whole one. */
static inline void gate_checkpoint(struct rig *r)
{
    assert_true(sim_run_until(r->sim, gate_is_still, r, BOUND_US));
    checkpoint_begin(r->store, &r->store->journal.task);
    assert_true(sim_run_until(r->sim, gate_is_still, r, BOUND_US));
    assert_int_equal(r->store->checkpoint.err, E_OK);
}

#endif
