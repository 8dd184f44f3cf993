/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/replay_space.c — whether the chunks that a group takes are free when it is replayed.
 *
 * They were when it was written.  But a checkpoint in the middle of replay gives places, and what
 * was unmapped without one then waits for the next root; and where a map page could not be proved,
 * all its chunks wait for that, the free ones too.  So where what is left may not be enough, and a
 * checkpoint would free something, there is one first.  After a map page that could not be proved
 * it comes before the first group: later, what is left may be promised to staged chunks, and what
 * the journal names of it could not be kept for that.
 */
#include "store/replay.h"

static uint64_t chunks_of(struct extent e)
{
    return div_up(extent_end(e), CHUNK_BLOCKS) - e.start / CHUNK_BLOCKS;
}

/* How many chunks a fact takes at most; `unmaps`: one before it in its group may have freed some.*/
static uint64_t chunks_of_fact(struct store *s, const struct fact *f, bool unmaps)
{
    const struct store_replica *r = store_find(s, f->replica);
    uint64_t leaves;

    if (f->kind == RECORD_REDIRECT)
        return f->extent.count / CHUNK_BLOCKS;
    if (f->kind == RECORD_UNMAP && (!r || r->unsure_chunks == 0))
        return 0;
    if (f->kind != RECORD_WRITE && f->kind != RECORD_UNMAP)
        return 0;
    if (!r || !extent_within(f->extent, r->size_blocks)) /* made, or sized, in this very group */
        return f->extent.count <= SHARD_BLOCKS ? f->extent.count : 0;
    return unmaps ? chunks_of(f->extent) : map_missing(r, f->extent, &leaves);
}

bool replay_waits_for_space(const struct replay *r, const struct format_group *h)
{
    struct store *s = r->store;
    struct replay_records c = replay_records(h);
    uint64_t chunks = 0;
    bool unmaps = false;
    struct fact f;

    if (s->read_only || allocator_freed(&s->allocator) == 0)
        return false;
    if (!r->took)
        return true;
    while (replay_next_record(&c, &f, r->scratch) == E_OK) {
        chunks += chunks_of_fact(s, &f, unmaps);
        unmaps |= f.kind == RECORD_UNMAP;
    }
    return chunks > allocator_left(&s->allocator);
}
