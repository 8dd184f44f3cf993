/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/leg.c — what the legs of all kinds share: place, pieces, edges, and the calls below.
 *
 * A leg with payload sends pieces of whole blocks: the head edge if its first block is not all its
 * own, slices of the payload, the tail edge.  A leg that is the whole request, in whole blocks,
 * sends the request's own pieces, and nothing is copied.  A block that lies in more pieces than a
 * leg has room for goes through the head edge too.
 */
#include "volume/inside.h"

#include <assert.h>
#include <string.h>

static uint64_t first_block(struct extent units)
{
    return units.start / UNITS_PER_BLOCK;
}

static uint64_t block_count(struct extent units)
{
    return div_up(extent_end(units), UNITS_PER_BLOCK) - first_block(units);
}

void leg_clear(struct leg *leg)
{
    memset(leg, 0, offsetof(struct leg, read));
    leg->read.bad_block = 0;
}

void leg_place(struct leg *leg, struct extent units)
{
    const struct volume_shard *shard = shard_at(leg->op->volume, first_block(units));

    leg->rep = shard->rep;
    leg->first_block = shard->first_block;
    leg->units = units;
    leg->blocks.start = first_block(units) - shard->first_block;
    leg->blocks.count = block_count(units);
    assert(extent_within(leg->blocks, shard->blocks));
}

bool leg_zeroes(const struct leg *leg)
{
    enum block_op op = leg->op->request->op;

    return op == BLOCK_WRITE_ZEROES || op == BLOCK_UNMAP;
}

static uint64_t payload_at(const struct leg *leg)
{
    return (leg->units.start - leg->op->request->extent.start) * UNIT_BYTES;
}

struct leg_part leg_head_part(const struct leg *leg)
{
    uint64_t skip = leg->units.start % UNITS_PER_BLOCK * UNIT_BYTES;

    return (struct leg_part){.skip = skip,
                             .bytes = min_u64(BLOCK_BYTES - skip, leg->units.count * UNIT_BYTES),
                             .payload_at = payload_at(leg)};
}

struct leg_part leg_tail_part(const struct leg *leg)
{
    uint64_t bytes = extent_end(leg->units) % UNITS_PER_BLOCK * UNIT_BYTES;

    return (struct leg_part){
        .bytes = bytes,
        .payload_at = payload_at(leg) + leg->units.count * UNIT_BYTES - bytes,
    };
}

static bool is_whole_request(const struct leg *leg)
{
    return leg->units.count == leg->op->request->extent.count && leg->op->payload.at == 0;
}

/* Its units end with `blocks` of its blocks. */
static void cut(struct leg *leg, uint64_t blocks)
{
    uint64_t end = (leg->first_block + leg->blocks.start + blocks) * UNITS_PER_BLOCK;

    assert(blocks > 0);
    leg->blocks.count = blocks;
    leg->units.count = end - leg->units.start;
    leg->tail = false;
}

/* The whole blocks between the edges, sliced from the payload. */
static uint32_t slice_middle(struct leg *leg, uint64_t *blocks)
{
    const struct payload *p = &leg->op->payload;
    uint64_t at = payload_at(leg) + (leg->head ? leg_head_part(leg).bytes : 0);
    uint64_t wanted = *blocks * BLOCK_BYTES, bytes = wanted;
    struct iovec *slices = leg->pieces + leg->head;
    uint32_t count = payload_slice(p, at, &bytes, slices, LEG_PIECES_MAX - 2);

    if (bytes == wanted)
        return count;
    bytes = round_down(bytes, BLOCK_BYTES);
    *blocks = bytes / BLOCK_BYTES;
    return payload_slice(p, at, &bytes, slices, LEG_PIECES_MAX - 2);
}

void leg_prepare(struct leg *leg)
{
    bool starts_inside = leg->units.start % UNITS_PER_BLOCK != 0;
    bool ends_inside = extent_end(leg->units) % UNITS_PER_BLOCK != 0;
    uint64_t wanted, blocks;
    uint32_t count;

    leg->head = starts_inside || (ends_inside && leg->blocks.count == 1);
    leg->tail = ends_inside && leg->blocks.count > 1;
    if (leg_zeroes(leg))
        return;
    if (!leg->head && !leg->tail && is_whole_request(leg)) {
        leg->send = leg->op->payload.pieces;
        leg->send_count = leg->op->payload.count;
        return;
    }
    wanted = blocks = leg->blocks.count - leg->head - leg->tail;
    count = slice_middle(leg, &blocks);
    if (blocks < wanted) {
        if (blocks == 0 && !leg->head) { /* its first block is in too many pieces */
            leg->head = true;
            count = 0;
        }
        cut(leg, leg->head + blocks);
    }
    leg->send = leg->pieces;
    leg->send_count = leg->head + count + leg->tail;
}

bool leg_lock(struct leg *leg, enum extent_mode mode)
{
    if (leg->op->claimed || rep_lock(leg->rep, &leg->claim, leg->blocks, mode, &leg->task))
        return true;
    metric_add(&leg->op->volume->metrics.lock_waits, 1);
    return false;
}

bool leg_held(const struct leg *leg)
{
    return leg->op->claimed || leg->claim.held;
}

void leg_edges_taken(struct leg *leg)
{
    struct edges *edges = leg->edges.item;

    if (leg->head)
        leg->pieces[0] = (struct iovec){edges->head, BLOCK_BYTES};
    if (leg->tail)
        leg->pieces[leg->send_count - 1] = (struct iovec){edges->tail, BLOCK_BYTES};
}

uint64_t leg_bad_unit(const struct leg *leg)
{
    uint64_t unit = (leg->first_block + leg->read.bad_block) * UNITS_PER_BLOCK;

    return max_u64(unit, leg->units.start);
}

/* ---- the calls below ---- */

static void read_answered(struct rep_read *r, enum err err)
{
    struct leg *leg = container_of(r, struct leg, read);

    leg->busy = false;
    leg->answer = err;
    task_run(&leg->task);
}

void leg_read(struct leg *leg, struct extent blocks, const struct iovec *pieces, uint32_t count)
{
    struct rep_read *r = &leg->read;

    r->shard = leg->rep;
    r->extent = blocks;
    r->pieces = pieces;
    r->piece_count = count;
    r->unwanted = &leg->op->request->unwanted;
    r->done = read_answered;
    leg->busy = true;
    rep_read(r);
}

static void write_answered(struct rep_write *w, enum err err)
{
    struct leg *leg = container_of(w, struct leg, write);

    leg->busy = false;
    leg->answer = err;
    task_run(&leg->task);
}

static void send(struct leg *leg, struct extent blocks)
{
    leg->write.shard = leg->rep;
    leg->write.extent = blocks;
    leg->write.done = write_answered;
    leg->busy = true;
    rep_write(&leg->write);
}

void leg_write(struct leg *leg, struct extent blocks, const struct iovec *pieces, uint32_t count)
{
    struct rep_write *w = &leg->write;
    uint64_t number = rep_shard_index(leg->rep) * SHARD_BLOCKS + blocks.start;

    assert(blocks.count <= LEG_BLOCKS_MAX);
    block_checksums(leg->op->volume->identity, number, blocks.count, pieces, leg->checksums);
    w->unmap = false;
    w->pieces = pieces;
    w->piece_count = count;
    w->checksums = leg->checksums;
    w->note = note_of_leg(leg);
    send(leg, blocks);
}

void leg_unmap(struct leg *leg)
{
    leg->write.unmap = true;
    leg->write.pieces = NULL;
    leg->write.piece_count = 0;
    leg->write.checksums = NULL;
    leg->write.note = (struct store_note){0};
    send(leg, leg->blocks);
}

void leg_task_done(struct task *t)
{
    struct leg *leg = container_of(t, struct leg, task);
    struct volume *v = leg->op->volume;

    window_leave(&v->window, &leg->window);
    supply_give(&v->edges, &leg->edges);
    extent_release(&leg->claim);
    op_leg_ended(leg);
}
