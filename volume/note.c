/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/note.c — a COMPARE AND WRITE whose status was lost is asked again (design 8).
 *
 * Its write brings a note: who asked, where, and a hash of both halves of its data.  When the same
 * name asks the same in a later session, and nobody has written there since, it is answered E_OK.
 *
 * The hash is a CRC-64 of each half.  It need not withstand anybody: whoever makes two of its own
 * commands look alike deceives itself alone.  It needs no memory, and costs less than the compare.
 *
 * Only a command that is one write leaves a note: one that crosses a shard, or whose data lie in
 * too many pieces for a leg, leaves none, and is told of a miscompare when it is asked again.
 */
#include "base/crc64.h"
#include "volume/inside.h"

static uint64_t hash_of(const struct payload *p, uint64_t at, uint64_t bytes)
{
    uint64_t hash = 0, skip = p->at + at;

    for (uint32_t i = 0; i < p->count && bytes > 0; i++) {
        uint64_t gone = min_u64(skip, p->pieces[i].iov_len);
        uint64_t here = min_u64(bytes, p->pieces[i].iov_len - gone);

        if (here > 0)
            hash = crc64_go_on(hash, (const uint8_t *)p->pieces[i].iov_base + gone, here);
        skip -= gone;
        bytes -= here;
    }
    return hash;
}

void note_begin(struct op *op)
{
    struct block_request *r = op->request;
    uint64_t half = r->extent.count * UNIT_BYTES;

    if (r->op != BLOCK_COMPARE_AND_WRITE || r->note.initiator == 0)
        return;
    r->note.hash[0] = hash_of(&op->payload, 0, half);
    r->note.hash[1] = hash_of(&op->payload, half, half);
}

/* False: it lies in no shard alone. */
static bool place(const struct volume *v, struct extent units, const struct block_note *note,
                  struct store_note *ret)
{
    const struct volume_shard *shard = shard_at(v, units.start / UNITS_PER_BLOCK);
    uint64_t first = shard->first_block * UNITS_PER_BLOCK;

    if (extent_end(units) > first + shard->blocks * UNITS_PER_BLOCK)
        return false;
    *ret = (struct store_note){.initiator = note->initiator,
                               .session = note->session,
                               .unit = (uint32_t)(units.start - first),
                               .units = (uint32_t)units.count,
                               .hash = {note->hash[0], note->hash[1]}};
    return note->initiator != 0;
}

bool note_asked(struct op *op)
{
    const struct block_request *r = op->request;
    const struct volume_shard *shard = shard_at(op->volume, r->extent.start / UNITS_PER_BLOCK);
    struct rep_question *q = &op->own.question;
    struct store_note note;

    if (place(op->volume, r->extent, &r->note, &note))
        return rep_note_answers(shard->rep, q, &note, &op->own.task);
    q->yes = false;
    q->answered = true;
    q->err = E_OK;
    return true;
}

struct store_note note_of_leg(const struct leg *leg)
{
    const struct block_request *r = leg->op->request;
    struct store_note note;

    if (r->op != BLOCK_COMPARE_AND_WRITE || leg->units.start != r->extent.start ||
        leg->units.count != r->extent.count || !place(leg->op->volume, r->extent, &r->note, &note))
        return (struct store_note){0};
    return note;
}

void note_acknowledged(struct block *b, struct extent units, const struct block_note *note)
{
    struct volume *v = container_of(b, struct volume, block);
    const struct volume_shard *shard = shard_at(v, units.start / UNITS_PER_BLOCK);
    struct store_note n;

    if (!v->closing && place(v, units, note, &n))
        rep_note_acknowledged(shard->rep, &n);
}
