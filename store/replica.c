/* SPDX-License-Identifier: Apache-2.0 */
/* store/replica.c — the replicas of a disk, and the facts it keeps of each. */
#include "store/inside.h"

struct store_replica *replica_make_at(struct store *s, uint32_t slot, struct identity identity)
{
    struct store_replica *r = &s->replicas[slot];

    assert(!r->used);
    memset(r, 0, sizeof *r);
    if (map_put(&s->by_identity, identity.bits, r))
        return NULL;
    r->store = s;
    r->slot = slot;
    r->used = true;
    r->empty = true;
    r->identity = identity;
    list_init(&r->open);
    list_init(&r->dirty_link);
    s->replica_count++;
    return r;
}

struct store_replica *replica_make(struct store *s, struct identity identity)
{
    for (uint32_t i = 0; i < s->replicas_max; i++)
        if (!s->replicas[i].used)
            return replica_make_at(s, i, identity);
    return NULL;
}

void replica_forget(struct store_replica *r)
{
    struct store *s = r->store;

    map_clear(r);
    open_log_clear(r);
    list_remove(&r->dirty_link);
    map_remove(&s->by_identity, r->identity.bits);
    r->used = false;
    s->replica_count--;
}

struct store_replica *replica_of_slot(struct store *s, uint32_t slot)
{
    return slot < s->replicas_max && s->replicas[slot].used ? &s->replicas[slot] : NULL;
}

uint64_t replica_volume_block(const struct store_replica *r, uint64_t block)
{
    return r->shard * SHARD_BLOCKS + block;
}

uint32_t replica_chunk_blocks(const struct store_replica *r, uint32_t index)
{
    return (uint32_t)min_u64(CHUNK_BLOCKS, r->size_blocks - (uint64_t)index * CHUNK_BLOCKS);
}

struct store_replica *store_find(struct store *s, struct identity replica)
{
    return map_get(&s->by_identity, replica.bits);
}

struct store_replica *store_next(struct store *s, const struct store_replica *after)
{
    for (uint32_t i = after ? after->slot + 1 : 0; i < s->replicas_max; i++)
        if (s->replicas[i].used)
            return &s->replicas[i];
    return NULL;
}

void store_facts(const struct store_replica *r, struct store_facts *ret)
{
    *ret = (struct store_facts){
        .replica = r->identity,
        .volume = r->volume,
        .shard = r->shard,
        .size_blocks = r->size_blocks,
        .promised = r->promised,
        .asked = max_u64(r->asked, r->promised),
        .set = r->set,
        .last_epoch = r->last_epoch,
        .last_seq = r->last_seq,
        .commit_epoch = r->commit_epoch,
        .commit_seq = r->commit_seq,
        .open_extents = r->open_count,
        .open_everything = r->everything,
        .empty = r->empty,
        .damaged = r->damaged,
    };
}

void store_commit(struct store_replica *r, uint64_t epoch, uint64_t seq, bool sealed)
{
    if (epoch < r->commit_epoch)
        return;
    open_log_commit(r, epoch, seq, sealed);
    r->commit_sealed |= sealed;
    if (list_empty(&r->dirty_link))
        list_append(&r->store->commit_dirty, &r->dirty_link);
}

struct identity store_identity(const struct store *s)
{
    return s->identity;
}

struct env *store_env(const struct store *s)
{
    return s->env;
}

struct store_space store_space(const struct store *s)
{
    return (struct store_space){
        .chunks = s->geo.chunks,
        .chunks_free = allocator_left(&s->allocator),
        .chunks_writable = chunks_writable(s),
        .chunks_freed = allocator_freed(&s->allocator),
        .chunks_reserved = reserve_chunks(s),
        .replicas_max = s->replicas_max,
        .read_only = !takes_changes(s),
    };
}

bool store_fits(const struct store_replica *r, struct extent blocks)
{
    struct store *s = r->store;
    uint64_t leaves, missing = map_missing(r, blocks, &leaves);

    if (missing == 0)
        return true;
    /* what the next checkpoint settles is as good as free: a write waits for it */
    if (checkpoint_makes_room(s, missing + reserve_chunks(s),
                              leaves ? leaves + reserve_leaves(s) : 0))
        return true;
    store_full(s);
    return false;
}
