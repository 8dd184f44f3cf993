/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/note.c — the notes that COMPARE AND WRITEs leave with their writes (design 8).
 *
 * A replica keeps NOTES_MAX of them; one more pushes out the oldest.  A note
 * comes with the record of its write and goes with whatever changes one of its blocks, both as the
 * records are applied: so a store that crashed knows of the notes what it knew.  A note whose
 * status was acknowledged counts no more from that call on; the word for the journal rides along
 * with a later group, and after a crash before that the note is there again.
 *
 * Promises: N1  a note that is found says what its blocks hold: nobody has changed them since.
 *           N2  losing one is no harm beyond a MISCOMPARE that its asker did not deserve.
 */
#include "store/inside.h"

#define UNITS_PER_BLOCK (BLOCK_BYTES / 512u)

void note_encode(struct format_note *ret, const struct note *n)
{
    *ret = (struct format_note){
        .initiator = le64_of(n->of.initiator),
        .unit = le32_of(n->of.unit),
        .units = le32_of(n->of.units),
        .epoch = le64_of(n->epoch),
        .seq = le64_of(n->seq),
        .hash = {le64_of(n->of.hash[0]), le64_of(n->of.hash[1])},
    };
}

void note_decode(const struct format_note *f, struct note *ret)
{
    *ret = (struct note){
        .of = {.initiator = le64_get(f->initiator),
               .unit = le32_get(f->unit),
               .units = le32_get(f->units),
               .hash = {le64_get(f->hash[0]), le64_get(f->hash[1])}},
        .epoch = le64_get(f->epoch),
        .seq = le64_get(f->seq),
    };
}

static struct extent blocks_of(const struct store_note *n)
{
    uint64_t first = n->unit / UNITS_PER_BLOCK;

    return (struct extent){first, div_up((uint64_t)n->unit + n->units, UNITS_PER_BLOCK) - first};
}

bool note_makes_sense(const struct store_note *n, uint64_t size_blocks)
{
    return n->initiator != 0 && n->units > 0 && extent_within(blocks_of(n), size_blocks);
}

static void forget(struct store_replica *r, uint32_t i)
{
    r->note_count--;
    memmove(&r->notes[i], &r->notes[i + 1], (r->note_count - i) * sizeof r->notes[0]);
}

/* One that counts no more, else the oldest. */
static uint32_t most_idle(const struct store_replica *r)
{
    for (uint32_t i = 0; i < r->note_count; i++)
        if (r->notes[i].acknowledged)
            return i;
    return 0;
}

void notes_add(struct store_replica *r, const struct note *n)
{
    if (r->note_count == NOTES_MAX)
        forget(r, most_idle(r));
    r->notes[r->note_count++] = *n;
}

void notes_overwritten(struct store_replica *r, struct extent blocks)
{
    for (uint32_t i = r->note_count; i-- > 0;)
        if (extent_overlaps(blocks_of(&r->notes[i].of), blocks))
            forget(r, i);
}

void notes_dropped(struct store_replica *r, const struct note *n)
{
    for (uint32_t i = r->note_count; i-- > 0;)
        if (r->notes[i].epoch == n->epoch && r->notes[i].seq == n->seq)
            forget(r, i);
}

bool notes_take_word(struct store_replica *r, struct note *ret)
{
    for (uint32_t i = 0; i < r->note_count; i++) {
        if (!r->notes[i].acknowledged || r->notes[i].told)
            continue;
        r->notes[i].told = true;
        *ret = r->notes[i];
        return true;
    }
    return false;
}

static struct note *find(struct store_replica *r, const struct store_note *n)
{
    for (uint32_t i = 0; i < r->note_count; i++) {
        const struct store_note *of = &r->notes[i].of;

        if (!r->notes[i].acknowledged && of->initiator == n->initiator && of->unit == n->unit &&
            of->units == n->units && of->hash[0] == n->hash[0] && of->hash[1] == n->hash[1])
            return &r->notes[i];
    }
    return NULL;
}

bool store_note_answers(struct store_replica *r, const struct store_note *n)
{
    struct note *note = find(r, n);

    if (!note || note->of.session == n->session)
        return false;
    note->of.session = n->session;
    return true;
}

void store_note_acknowledged(struct store_replica *r, const struct store_note *n)
{
    struct note *note = find(r, n);

    if (!note || note->of.session != n->session)
        return;
    note->acknowledged = true;
    if (list_empty(&r->dirty_link))
        list_append(&r->store->commit_dirty, &r->dirty_link);
}
