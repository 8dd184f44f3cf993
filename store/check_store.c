/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/check_store.c — the store as it opens from this disk, read-only, against what was read.
 *
 * Allocated = reachable: each chunk that counts as taken belongs to exactly one (replica, index),
 * or was freed by what the journal holds.  The journal ends where the check saw it end.  What is
 * lost is named: a damaged replica, a block that is recorded as lost or whose checksum is gone.
 */
#include "store/check_inside.h"

#include <inttypes.h>

/* Memory for all that the journal may stage: it fitted the stage of the store that wrote it. */
static struct store_limits limits_for(const struct geometry *g)
{
    uint64_t leaves = min_u64(g->chunks, (uint64_t)g->replicas_max * MAP_DIRECTORY);

    return (struct store_limits){.map_bytes = leaves * MAP_LEAF * sizeof(uint64_t),
                                 .stage_bytes = 2 * g->journal_bytes,
                                 .checksum_pages = 256,
                                 .changes_max = 1};
}

static struct check_where all_of(const struct store_replica *r)
{
    return (struct check_where){
        .replica = r->identity, .volume = r->volume, .offset = FINDING_NOWHERE};
}

/* ---- who owns a chunk ---- */

static uint64_t owner_of(const struct store_replica *r, uint32_t index)
{
    return ((uint64_t)r->slot << 32 | index) + 1;
}

static void take_entry(struct checking *k, const struct store_replica *r, uint32_t index)
{
    uint64_t entry = map_entry(r, index), chunk = entry & ENTRY_CHUNK;

    if (!entry)
        return;
    k->check->counts.chunks++;
    if (!(entry & ENTRY_PLACED))
        return;
    if (chunk >= k->geo.chunks || k->owner[chunk])
        check_say_of(k, FINDING_CROSSED,
                     &(struct check_where){r->identity,
                                           r->volume,
                                           r->shard,
                                           {(uint64_t)index * CHUNK_BLOCKS, CHUNK_BLOCKS},
                                           chunk_offset(k->store, chunk)},
                     chunk >= k->geo.chunks ? "a chunk beyond the end" : "a chunk of two owners");
    else
        k->owner[chunk] = owner_of(r, index);
}

static void take_maps(struct checking *k)
{
    for_each_replica(r, k->store) {
        k->check->counts.replicas++;
        for (uint32_t i = 0; i < SHARD_CHUNKS; i += MAP_LEAF)
            for (uint32_t n = i; map_has_leaf(r, i) && n < i + MAP_LEAF; n++)
                take_entry(k, r, n);
    }
}

/* What a map page that could not be proved may have named is free again from the opening on. */
static void compare_allocation(struct checking *k)
{
    const struct allocator *a = &k->store->allocator;

    for (uint64_t chunk = 0; chunk < k->geo.chunks; chunk++) {
        bool taken = check_bit(a->taken, chunk), freed = check_bit(a->freed, chunk);

        if (k->owner[chunk] && (!taken || freed))
            check_say(k, FINDING_CROSSED, chunk_offset(k->store, chunk),
                      "chunk %" PRIu64 " is in use and counts as free", chunk);
        if (taken && !k->owner[chunk] && !freed)
            check_say(k, FINDING_LEAKED, chunk_offset(k->store, chunk),
                      "chunk %" PRIu64 " is taken and belongs to nobody", chunk);
    }
}

/* ---- what is lost ---- */

static enum block_state staged_state(const struct checking *k, const struct store_replica *r,
                                     uint32_t index, uint32_t block)
{
    const struct staged_chunk *c = stage_find(k->store, r, index);

    return c ? state_of(c->states, block) : BLOCK_ELSEWHERE;
}

/* Whether the record on disk says anything of this chunk yet: else what is not staged is zero. */
static bool has_record(const struct checking *k, const struct store_replica *r, uint32_t index)
{
    const struct staged_chunk *c = stage_find(k->store, r, index);

    return (map_entry(r, index) & ENTRY_PLACED) && !(c && c->fresh);
}

bool check_lost(const struct checking *k, const struct store_replica *r, uint64_t block)
{
    uint32_t index = (uint32_t)(block / CHUNK_BLOCKS), nth = (uint32_t)(block % CHUNK_BLOCKS);
    uint64_t entry = map_entry(r, index), chunk = entry & ENTRY_CHUNK;
    enum block_state state = staged_state(k, r, index, nth);
    const struct format_checksum_page *p;

    if (!entry)
        return true; /* a hole that is lost */
    if (state != BLOCK_ELSEWHERE || !has_record(k, r, index))
        return state == BLOCK_LOST;
    p = (const void *)page_at_hand(k->store, k->geo.map_pages + chunk / CHECKSUM_RECORDS);
    return !p || state_of(le32_get(p->records[chunk % CHECKSUM_RECORDS].states), nth) == BLOCK_LOST;
}

static void say_lost(struct checking *k, const struct store_replica *r, uint64_t start,
                     uint64_t count)
{
    k->check->counts.blocks_lost += count;
    check_say_blocks(
        k, FINDING_LOST,
        &(struct check_where){r->identity, r->volume, r->shard, {start, count}, FINDING_NOWHERE},
        "blocks that could not be proved");
}

/* Runs of lost blocks among those of a chunk; `home` is what its record says of each. */
static void say_lost_in(struct checking *k, const struct store_replica *r, uint32_t index,
                        uint32_t home)
{
    uint64_t base = (uint64_t)index * CHUNK_BLOCKS;
    uint32_t end = replica_chunk_blocks(r, index), first = end;

    for (uint32_t b = 0; b <= end; b++) {
        enum block_state state = b < end ? staged_state(k, r, index, b) : BLOCK_ZERO;

        if (state == BLOCK_ELSEWHERE)
            state = state_of(home, b);
        if (state == BLOCK_LOST) {
            first = min_u32(first, b);
        } else if (first < b) {
            say_lost(k, r, base + first, b - first);
            first = end;
        }
    }
}

/* Chunks that have no place yet: the stage alone speaks of them. */
static void say_lost_in_stage(struct checking *k)
{
    for_each_replica(r, k->store) {
        for (uint32_t i = 0; i < SHARD_CHUNKS; i += MAP_LEAF)
            for (uint32_t n = i; map_has_leaf(r, i) && n < i + MAP_LEAF; n++)
                if (map_entry(r, n) && !(map_entry(r, n) & ENTRY_PLACED))
                    say_lost_in(k, r, n, 0);
    }
}

/* Where the map has nothing a block is zero, but of a salvaged replica it may be lost: then it
 * counts as data that no read proves. */
static void say_lost_holes(struct checking *k)
{
    uint64_t count;

    for_each_replica(r, k->store) {
        for (uint32_t i = 0; (uint64_t)i * CHUNK_BLOCKS < r->size_blocks; i++) {
            uint64_t start = (uint64_t)i * CHUNK_BLOCKS;

            if (!map_entry(r, i) && store_mapped(r, start, CHUNK_BLOCKS, &count))
                say_lost(k, r, start, replica_chunk_blocks(r, i));
        }
    }
}

/* What is not data has no checksum. */
static bool makes_sense(const struct format_checksum_record *f)
{
    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++)
        if (state_of(le32_get(f->states), b) != BLOCK_DATA && le32_get(f->checksums[b]) != 0)
            return false;
    return le32_get(f->reserve) == 0;
}

void check_checksum_record(struct checking *k, const struct format_checksum_record *f,
                           uint64_t chunk)
{
    uint64_t owner = k->owner[chunk];
    const struct store_replica *r;
    uint32_t index;

    if (!owner)
        return;
    r = replica_of_slot(k->store, (uint32_t)((owner - 1) >> 32));
    index = (uint32_t)(owner - 1);
    if (!has_record(k, r, index)) {
        say_lost_in(k, r, index, 0);
        return;
    }
    if (f && !makes_sense(f))
        check_say_of(k, FINDING_CHECKSUM_RECORD,
                     &(struct check_where){.replica = r->identity,
                                           .volume = r->volume,
                                           .offset = chunk_offset(k->store, chunk)},
                     "the checksum record of chunk %" PRIu64 " says what cannot be meant", chunk);
    say_lost_in(k, r, index, f ? le32_get(f->states) : UINT32_MAX);
}

/* ---- the whole ---- */

static enum err owner_open(struct checking *k)
{
    k->owner = calloc((size_t)k->geo.chunks, sizeof *k->owner);
    return k->owner ? E_OK : E_NO_MEMORY;
}

enum err check_store_opened(struct checking *k)
{
    struct store *s = k->store;
    enum err err = owner_open(k);

    if (err)
        return err;
    take_maps(k);
    compare_allocation(k);
    for_each_replica(r, s) {
        struct check_where all = all_of(r);

        if (r->damaged)
            check_say_of(k, FINDING_DAMAGED, &all, "it is marked as damaged: behind 0");
    }
    say_lost_in_stage(k);
    say_lost_holes(k);
    if (s->journal.head != k->chain.position || s->journal.sequence != k->chain.sequence)
        check_say(k, FINDING_DISAGREED, FINDING_NOWHERE,
                  "the store says that the journal ends at %" PRIu64 ", the check at %" PRIu64,
                  s->journal.head, k->chain.position);
    k->check->counts.chunks_all = k->geo.chunks;
    return E_OK;
}

void check_store_open(struct checking *k, void (*opened)(struct store_open *, enum err))
{
    struct store_check *c = k->check;

    k->open = (struct store_open){.env = c->env,
                                  .disk = c->disk,
                                  .limits = limits_for(&k->geo),
                                  .read_only = true,
                                  .done = opened,
                                  .own = k};
    store_open(&k->open);
}
