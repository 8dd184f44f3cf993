/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/request.c — a request of the doorway becomes an op; an op gives out legs.
 *
 * A leg lies within one shard, ends at a block, and is at most 4 MiB (1 MiB with payload).  Legs
 * are given out in ascending order, the next one as soon as there is a leg for it; none holds a
 * claim that another needs, so they run side by side.  After the last one the request is answered,
 * with the error that lies lowest; after an error no further leg is given out.
 *
 * What changes blocks does so in the order of its coming (P6): one that was told BUSY may still be
 * under way, and what its initiator writes anew must come after it.  Claims see to that, as soon as
 * they stand in line; so nothing begins behind a change that still waits for a leg (`v->partial`).
 *
 * The one-leg request, which most are, costs a pool slot and two tasks: the leg and its rep_write.
 */
#include "volume/inside.h"

#include <assert.h>
#include <string.h>

/* ---- the op ---- */

static void op_begin(struct op *op, struct volume *v, struct block_request *r)
{
    memset(op, 0, offsetof(struct op, own));
    op->volume = v;
    op->request = r;
    op->payload = (struct payload){.pieces = r->pieces, .count = r->piece_count};
    op->at = r->extent.start;
    op->end = extent_end(r->extent);
    switch (r->op) {
    case BLOCK_READ:
    case BLOCK_WRITE:
    case BLOCK_WRITE_ZEROES:
    case BLOCK_UNMAP:
        op_advance(op);
        return;
    case BLOCK_COMPARE_AND_WRITE:
    case BLOCK_OR_WRITE:
        atomic_start(op);
        return;
    case BLOCK_STATUS:
        status_start(op);
        return;
    }
    unreachable();
}

static void begin_waiting(struct volume *v)
{
    while (!v->partial && !list_empty(&v->waiting)) {
        struct op *op = pool_get(&v->ops);

        if (!op)
            return;
        op_begin(op, v, container_of(list_take(&v->waiting), struct block_request, link));
    }
}

void request_submit(struct block *b, struct block_request *r)
{
    struct volume *v = container_of(b, struct volume, block);

    r->submitted_us = now_us(&v->env->clock);
    if (v->closing) {
        list_append(&v->refused, &r->link);
        task_run(&v->task);
        return;
    }
    list_append(&v->waiting, &r->link);
    begin_waiting(v);
    if (!list_empty(&v->waiting))
        metric_add(&v->metrics.slot_waits, 1);
}

bool requests_under_way(const struct volume *v)
{
    return v->ops.free_count < v->ops.count || !list_empty(&v->waiting);
}

/* The slot goes to the next request in line before the asker of this one can bring another. */
void op_end(struct op *op)
{
    struct volume *v = op->volume;
    struct block_request *r = op->request;
    enum err err = op->err;

    if (err == E_MEDIUM)
        r->bad_unit = op->err_unit;
    pool_put(&v->ops, op);
    begin_waiting(v);
    if (v->closing)
        task_run(&v->task);
    metrics_request(v, r, err);
    block_answer(r, err);
}

void op_failed(struct op *op, enum err err, uint64_t unit)
{
    if (op->err && op->err_unit <= unit)
        return;
    op->err = err;
    op->err_unit = unit;
}

/* ---- its legs ---- */

static struct leg *leg_take(struct op *op)
{
    struct leg *leg;

    if (!op->own_busy) {
        op->own_busy = true;
        leg = &op->own;
    } else {
        leg = pool_get(&op->volume->spare_legs);
    }
    if (leg)
        leg_clear(leg);
    return leg;
}

static void leg_put(struct leg *leg)
{
    struct op *op = leg->op;

    if (leg == &op->own)
        op->own_busy = false;
    else
        pool_put(&op->volume->spare_legs, leg);
}

/* Where a leg of the op ends that begins at op->at: at a block, within the shard. */
static uint64_t part_end(const struct op *op)
{
    const struct volume_shard *shard = shard_at(op->volume, op->at / UNITS_PER_BLOCK);
    enum block_op kind = op->request->op;
    uint64_t block = op->at / UNITS_PER_BLOCK;
    uint64_t end = min_u64(op->end, (shard->first_block + shard->blocks) * UNITS_PER_BLOCK);

    if (kind != BLOCK_WRITE_ZEROES && kind != BLOCK_UNMAP)
        return min_u64(end, (block + LEG_BLOCKS_MAX) * UNITS_PER_BLOCK);
    if (op->at % UNITS_PER_BLOCK || end - op->at < UNITS_PER_BLOCK)
        return min_u64(end, (block + 1) * UNITS_PER_BLOCK); /* merged, by itself */
    end = min_u64(end, (block + WRITE_BLOCKS_MAX) * UNITS_PER_BLOCK);
    return round_down(end, UNITS_PER_BLOCK);
}

static void leg_begin(struct leg *leg, struct op *op)
{
    leg->op = op;
    leg_place(leg, (struct extent){op->at, part_end(op) - op->at});
    leg_prepare(leg);
    op->at = extent_end(leg->units);
    op->legs++;
    if (op->request->op == BLOCK_READ)
        leg_read_start(leg);
    else
        leg_write_start(leg);
}

/* False: there is no leg for the rest; one of its own is under way and will come back for it. */
static bool all_given(struct op *op)
{
    while (!op->err && op->at < op->end) {
        struct leg *leg = leg_take(op);

        if (!leg)
            return false;
        leg_begin(leg, op);
    }
    return true;
}

void op_advance(struct op *op)
{
    struct volume *v = op->volume;
    bool partial = !all_given(op) && op->request->op != BLOCK_READ && !op->claimed;

    if (partial) {
        v->partial = op;
    } else if (v->partial == op) {
        v->partial = NULL;
        begin_waiting(v);
    }
    if (op->legs > 0)
        return;
    if (op->claimed)
        atomic_ended(op);
    op_end(op);
}

void op_leg_ended(struct leg *leg)
{
    struct op *op = leg->op;
    enum err err = leg->task.err;

    if (err)
        op_failed(op, err, err == E_MEDIUM ? leg_bad_unit(leg) : leg->units.start);
    op->legs--;
    leg_put(leg);
    op_advance(op);
}
