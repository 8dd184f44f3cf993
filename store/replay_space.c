/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/replay_space.c — whether there is room for a group: in the stage, and on the disk.
 *
 * The stage may be smaller than the one that the group was written with.  A checkpoint empties it,
 * and empty it has room for any group: admission sees to that (GROUP_STAGED_MAX).
 *
 * The disk had room when the group was written, and has it now, wherever a checkpoint comes in
 * between: what is taken, promised and named by the rest of the journal is never more than what was
 * taken, promised and let go at its end (allocator.c).  But where a map page could not be proved,
 * all its chunks wait for the next root, the free ones too.  So there is a checkpoint before the
 * first group, whether it is taken or lost: later, what is left may be promised to staged chunks,
 * and what the journal names of it could not be kept for that.
 */
#include "store/replay.h"

static uint64_t chunks_of(struct extent e)
{
    return div_up(extent_end(e), CHUNK_BLOCKS) - e.start / CHUNK_BLOCKS;
}

/* How many chunks of the stage a fact takes, at most: as admit.c counts. */
static uint64_t staged_by(struct store *s, const struct fact *f)
{
    const struct store_replica *r = store_find(s, f->replica);

    if (f->kind != RECORD_WRITE && f->kind != RECORD_UNMAP && f->kind != RECORD_REDIRECT)
        return 0;
    if (!r || !extent_within(f->extent, r->size_blocks))
        return 0; /* it is not applied */
    if (f->kind == RECORD_UNMAP && r->unsure_chunks == 0)
        return 2; /* its ends */
    return chunks_of(f->extent);
}

bool replay_stage_has_room(const struct replay *r, const struct format_group *h)
{
    struct store *s = r->store;
    struct replay_records c = replay_records(h);
    uint64_t chunks = 0;
    struct fact f;

    while (replay_next_record(&c, &f, r->scratch) == E_OK)
        chunks += staged_by(s, &f);
    return s->stage.blocks.free_count >= le32_get(h->payload_blocks) &&
           s->stage.chunks.free_count >= chunks;
}

bool replay_waits_for_space(const struct replay *r)
{
    const struct store *s = r->store;

    return !s->read_only && !r->took && allocator_freed(&s->allocator) > 0;
}
