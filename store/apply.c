/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/apply.c — what a durable fact changes in memory: at the end of its group, and at replay.
 *
 * Both ways pass here, in journal order, so that a store that crashed knows what it knew.  At run
 * time group.c has made sure of space and memory before the record was written, and nothing here
 * may fail; at replay a failure damages the replica, and is said.
 */
#include "store/inside.h"

static uint32_t first_chunk(struct extent e)
{
    return (uint32_t)(e.start / CHUNK_BLOCKS);
}

/* One past the last. */
static uint32_t end_chunk(struct extent e)
{
    return (uint32_t)div_up(extent_end(e), CHUNK_BLOCKS);
}

/* The blocks of chunk `index` that the extent covers: [*first, *end). */
static void part_of_chunk(struct extent e, uint32_t index, uint32_t *first, uint32_t *end)
{
    uint64_t base = (uint64_t)index * CHUNK_BLOCKS;

    *first = (uint32_t)(e.start > base ? e.start - base : 0);
    *end = (uint32_t)min_u64(extent_end(e) - base, CHUNK_BLOCKS);
}

/* The name of a write or unmap, and what it says of others. */
static void apply_name(struct store_replica *r, const struct fact *f)
{
    const struct store_stamp *w = &f->stamp;
    struct open_write open = {
        .extent = f->extent, .epoch = w->epoch, .seq = w->seq, .generation = w->generation};

    r->empty = false;
    if (!(f->flags & RECORD_AGAIN))
        notes_overwritten(r, f->extent);
    open_log_add(r, &open);
    if (!(f->flags & RECORD_PART)) {
        r->last_epoch = w->epoch;
        r->last_seq = w->seq;
    }
    open_log_commit(r, w->epoch, w->commit_seq, w->sealed);
}

/* Comes with the last piece of its write, behind what the others have dropped. */
static void apply_note(struct store_replica *r, const struct fact *f)
{
    if (record_has_note(f))
        notes_add(r, &f->note);
}

/* The chunk's place in the stage, taking the chunk if need be: what it held is what a hole was, and
 * of a map that lost something nobody knows which of its holes were chunks (P7). */
static enum err take_chunk(struct store *s, struct store_replica *r, uint32_t index,
                           struct staged_chunk **ret)
{
    bool taken = !map_entry(r, index);
    bool lost = r->damaged || hole_state(r, index) == BLOCK_LOST;

    if (s->stage.chunks.free_count == 0 && !stage_find(s, r, index))
        return E_NO_MEMORY; /* before anything is taken that nothing staged would tell of */
    if (taken) {
        if (allocator_left(&s->allocator) == 0)
            return E_NO_SPACE;
        if (!map_set(r, index, ENTRY_HERE))
            return E_NO_MEMORY;
        s->allocator.promised++;
    }
    *ret = stage_get(s, r, index);
    for (uint32_t b = 0; taken && lost && b < CHUNK_BLOCKS; b++)
        stage_set(s, *ret, b, BLOCK_LOST, NULL);
    return E_OK;
}

static enum err apply_write(struct store *s, struct store_replica *r, const struct fact *f)
{
    uint64_t n = 0;

    for (uint32_t i = first_chunk(f->extent); i < end_chunk(f->extent); i++) {
        struct staged_chunk *c;
        uint32_t first, end;
        enum err err = take_chunk(s, r, i, &c);

        if (err)
            return err;
        c->stamp = max_u64(c->stamp, f->stamp.generation);
        part_of_chunk(f->extent, i, &first, &end);
        for (uint32_t b = first; b < end; b++, n++) {
            stage_set(s, c, b, f->blocks[n] ? BLOCK_DATA : BLOCK_LOST, f->blocks[n]);
            c->checksums[b] = f->checksums ? f->checksums[n] : 0;
            f->blocks[n] = NULL;
        }
    }
    return E_OK;
}

/* The blocks of chunk `index` that the extent covers are lost; false: no room to say so. */
static bool lose_in_chunk(struct store *s, struct store_replica *r, const struct fact *f,
                          uint32_t index)
{
    struct staged_chunk *c;
    uint32_t first, end;

    if (take_chunk(s, r, index, &c))
        return false;
    part_of_chunk(f->extent, index, &first, &end);
    c->stamp = max_u64(c->stamp, f->stamp.generation);
    for (uint32_t b = first; b < end; b++)
        stage_set(s, c, b, BLOCK_LOST, NULL);
    return true;
}

/* The chunk is the claimed one from now on; its blocks are there. */
static enum err take_over(struct store *s, struct store_replica *r, const struct fact *f,
                          uint32_t which)
{
    uint32_t index = first_chunk(f->extent) + which;
    const struct staged_view old = stage_view(s, r, index);
    uint64_t stamp = f->stamp.generation;
    struct staged_chunk *c;

    for (uint32_t i = 0; i < 2; i++)
        if (old.in[i])
            stamp = max_u64(stamp, old.in[i]->stamp);
    if (map_entry(r, index))
        map_free(r, index);
    if (!map_set(r, index, ENTRY_HERE))
        return E_NO_MEMORY;
    map_place(r, index, f->chunk + which);
    c = stage_get(s, r, index);
    if (!c)
        return E_NO_MEMORY;
    c->fresh = true;
    c->stamp = stamp;
    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++) {
        stage_set(s, c, b, BLOCK_DATA, NULL);
        c->checksums[b] = f->checksums[which * CHUNK_BLOCKS + b];
    }
    return E_OK;
}

static enum err apply_redirect(struct store *s, struct store_replica *r, const struct fact *f)
{
    enum err err = E_OK;

    for (uint32_t i = 0; i < f->extent.count / CHUNK_BLOCKS && !err; i++) {
        if (!(f->lost & 1u << i))
            err = take_over(s, r, f, i);
        else if (!lose_in_chunk(s, r, f, first_chunk(f->extent) + i))
            r->damaged = true;
    }
    return err;
}

static enum err apply_unmap(struct store *s, struct store_replica *r, const struct fact *f)
{
    for (uint32_t i = first_chunk(f->extent); i < end_chunk(f->extent); i++) {
        bool sure = hole_state(r, i) == BLOCK_ZERO; /* else its zeros need a chunk */
        struct staged_chunk *c;
        uint32_t first, end;
        enum err err;

        if (sure && !map_entry(r, i))
            continue;
        part_of_chunk(f->extent, i, &first, &end);
        if (sure && first == 0 && end >= replica_chunk_blocks(r, i)) {
            map_free(r, i);
            map_prune(r, i);
            continue;
        }
        err = take_chunk(s, r, i, &c);
        if (err)
            return err;
        c->stamp = max_u64(c->stamp, f->stamp.generation);
        for (uint32_t b = first; b < end; b++)
            stage_set(s, c, b, BLOCK_ZERO, NULL);
    }
    return E_OK;
}

static bool stamp_extent(struct store *s, struct store_replica *r, struct extent e,
                         uint64_t generation)
{
    for (uint32_t i = first_chunk(e); i < end_chunk(e); i++) {
        struct staged_chunk *c;

        if (!map_entry(r, i))
            continue;
        c = stage_get(s, r, i);
        if (!c)
            return false;
        c->stamp = max_u64(c->stamp, generation);
    }
    return true;
}

/*
 * Design 6.2: the chunks of the activity log take the new generation, except what was written
 * before the newest snapshot (it was complete then, and its chunk may be frozen: notes 10).
 */
static void apply_set(struct store *s, struct store_replica *r, const struct store_set *set)
{
    bool all = r->everything;

    r->set = *set;
    list_for_each(l, &r->open) {
        struct open_write *w = container_of(l, struct open_write, link);

        if (w->generation <= set->snapshot)
            continue;
        w->generation = max_u64(w->generation, set->generation);
        if (!stamp_extent(s, r, w->extent, set->generation))
            all = true;
    }
    if (all) { /* one word for every chunk whose stamp is above the snapshot */
        r->floor_generation = set->generation;
        r->floor_snapshot = set->snapshot;
    }
}

static enum err apply_make(struct store *s, const struct fact *f)
{
    struct store_replica *r = replica_make(s, f->replica);

    if (!r)
        return E_NO_SPACE;
    r->volume = f->volume;
    r->shard = f->shard;
    r->size_blocks = f->size_blocks;
    return E_OK;
}

/* Design 6.7: what returns under the former identity is an orphan. */
static enum err apply_salvage(struct store *s, struct store_replica *r, struct identity identity)
{
    enum err err;

    if (identity_none(identity) || store_find(s, identity))
        return E_EXISTS;
    map_remove(&s->by_identity, r->identity.bits);
    r->identity = identity;
    err = map_put(&s->by_identity, identity.bits, r);
    assert(!err); /* it just gave up a place */
    r->note_count = 0;
    r->damaged = false;
    r->unsure_chunks = max_u64(r->unsure_chunks,
                               r->size_lost ? SHARD_CHUNKS : div_up(r->size_blocks, CHUNK_BLOCKS));
    r->size_lost = false;
    map_sum_anew(r);
    return E_OK;
}

static enum err apply_to(struct store *s, struct store_replica *r, const struct fact *f)
{
    switch (f->kind) {
    case RECORD_WRITE:
        apply_name(r, f);
        apply_note(r, f);
        return apply_write(s, r, f);
    case RECORD_UNMAP:
        apply_name(r, f);
        return apply_unmap(s, r, f);
    case RECORD_DELETE:
        replica_forget(r);
        return E_OK;
    case RECORD_SALVAGE:
        return apply_salvage(s, r, (struct identity){f->extent.start});
    case RECORD_RESIZE:
        r->size_blocks = max_u64(r->size_blocks, f->size_blocks);
        return E_OK;
    case RECORD_PROMISE:
        r->promised = max_u64(r->promised, f->epoch);
        return E_OK;
    case RECORD_SET:
        apply_set(s, r, f->set);
        return E_OK;
    case RECORD_COMMIT:
        open_log_commit(r, f->stamp.epoch, f->stamp.commit_seq, f->stamp.sealed);
        return E_OK;
    case RECORD_REDIRECT:
        apply_name(r, f);
        apply_note(r, f);
        return apply_redirect(s, r, f);
    case RECORD_NOTE:
        notes_dropped(r, &f->note);
        return E_OK;
    case RECORD_MAKE:
    case RECORD_LOST:
    case RECORD_MERGE:
        break;
    }
    return E_UNSUPPORTED;
}

enum err fact_apply(struct store *s, const struct fact *f)
{
    struct store_replica *r = store_find(s, f->replica);

    if (f->kind == RECORD_MAKE)
        return r ? E_EXISTS : apply_make(s, f);
    if (!r) /* what rides along may do so behind its replica's deletion */
        return f->kind == RECORD_COMMIT || f->kind == RECORD_NOTE ? E_OK : E_NOT_FOUND;
    return apply_to(s, r, f);
}

/* ---- what was lost with a group ---- */

static void lose_blocks(struct store *s, struct store_replica *r, const struct fact *f)
{
    for (uint32_t i = first_chunk(f->extent); i < end_chunk(f->extent); i++) {
        if (f->kind == RECORD_UNMAP && !map_entry(r, i) && hole_state(r, i) == BLOCK_ZERO)
            continue; /* it reads as zeros whether the unmap was done or not */
        if (!lose_in_chunk(s, r, f, i))
            r->damaged = true;
    }
}

void fact_lost(struct store *s, const struct format_list_entry *e)
{
    struct store_replica *r = store_find(s, (struct identity){le64_get(e->replica)});
    struct fact f = {.kind = (enum record_kind)e->kind,
                     .flags =
                         e->flags & (RECORD_SEALED | RECORD_PART), /* the bytes are not there */
                     .extent = {le64_get(e->start), le32_get(e->count)},
                     .stamp = {.generation = le64_get(e->generation),
                               .epoch = le64_get(e->epoch),
                               .seq = le64_get(e->seq)}};
    bool blocks = f.kind == RECORD_WRITE || f.kind == RECORD_UNMAP || f.kind == RECORD_REDIRECT;

    if (!r || f.kind == RECORD_COMMIT || f.kind == RECORD_NOTE)
        return;
    if (f.kind == RECORD_SALVAGE) /* later records speak of it by that name */
        (void)apply_salvage(s, r, (struct identity){f.extent.start});
    if (!blocks || !extent_within(f.extent, r->size_blocks)) {
        r->damaged = true; /* a promise, a set, a size: nobody knows which */
        r->size_lost |= blocks;
        return;
    }
    apply_name(r, &f);
    lose_blocks(s, r, &f);
}
