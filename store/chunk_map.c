/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/chunk_map.c — which chunk holds what of a replica: 8 bytes an entry, in leaves of 128.
 *
 * A leaf is there while it has an entry, so that a store's maps need no more of them than chunks
 * are taken.  What replay finds in use has to fit into the same memory: a leaf that is given back
 * beside a checkpoint, which frees chunks without a record (freeze.c), is not counted on before the
 * root is durable.
 *
 * The sum over a replica's map is kept as the map changes: one term a placed chunk, so that a map
 * that lost or gained a record at open cannot prove itself (notes 43).
 */
#include "store/inside.h"

/* NULL: there is none. */
static uint64_t *leaf_of(const struct store_replica *r, uint32_t index)
{
    const struct pool *p = &r->store->leaves;
    uint32_t number = r->directory[index / MAP_LEAF];

    return number ? (void *)(p->memory + (size_t)(number - 1) * p->item_bytes) : NULL;
}

/* A new one, with nothing in it. */
static uint64_t *leaf_get(struct store_replica *r, uint32_t index)
{
    struct pool *p = &r->store->leaves;
    uint8_t *leaf = pool_get(p);

    if (!leaf)
        return NULL;
    r->directory[index / MAP_LEAF] = (uint32_t)((size_t)(leaf - p->memory) / p->item_bytes) + 1;
    return memset(leaf, 0, p->item_bytes);
}

static void leaf_put(struct store_replica *r, uint32_t index)
{
    struct store *s = r->store;

    pool_put(&s->leaves, leaf_of(r, index));
    r->directory[index / MAP_LEAF] = 0;
    s->leaves_let_go += checkpoint_running(s);
}

/* From its end: what is unmapped goes from its beginning. */
static bool leaf_is_empty(const uint64_t *leaf)
{
    for (uint32_t i = MAP_LEAF; i > 0; i--)
        if (leaf[i - 1])
            return false;
    return true;
}

uint64_t map_entry(const struct store_replica *r, uint32_t index)
{
    const uint64_t *leaf = leaf_of(r, index);

    return leaf ? leaf[index % MAP_LEAF] : 0;
}

bool map_has_leaf(const struct store_replica *r, uint32_t index)
{
    return r->directory[index / MAP_LEAF] != 0;
}

bool map_set(struct store_replica *r, uint32_t index, uint64_t entry)
{
    uint64_t *leaf = leaf_of(r, index);

    if (!leaf)
        leaf = leaf_get(r, index);
    if (!leaf)
        return false;
    if (!leaf[index % MAP_LEAF])
        r->chunk_count++;
    leaf[index % MAP_LEAF] = entry;
    return true;
}

uint64_t map_term(const struct store_replica *r, uint32_t index, uint64_t chunk)
{
    struct {
        le64 replica, chunk;
        le32 index, kind;
    } term = {le64_of(r->identity.bits), le64_of(chunk), le32_of(index), le32_of(MAP_CHUNK)};

    return crc64(&term, sizeof term);
}

void map_page_dirty(struct store *s, uint64_t page)
{
    s->map_dirty_count += s->map_dirty[page] ? 0 : 1;
    s->map_dirty[page] = 1;
}

void map_sum_anew(struct store_replica *r)
{
    r->map_sum = 0;
    for (uint32_t i = 0; i < SHARD_CHUNKS; i++) {
        uint64_t entry = map_entry(r, i);

        if (entry & ENTRY_PLACED)
            r->map_sum += map_term(r, i, entry & ENTRY_CHUNK);
    }
}

void map_place(struct store_replica *r, uint32_t index, uint64_t chunk)
{
    leaf_of(r, index)[index % MAP_LEAF] = ENTRY_HERE | ENTRY_PLACED | chunk;
    r->map_sum += map_term(r, index, chunk);
    map_page_dirty(r->store, chunk / MAP_RECORDS);
}

void map_free(struct store_replica *r, uint32_t index)
{
    struct store *s = r->store;
    uint64_t entry = map_entry(r, index), chunk = entry & ENTRY_CHUNK;

    assert(entry & ENTRY_HERE);
    stage_forget(s, r, index);
    if (entry & ENTRY_PLACED) {
        allocator_free(&s->allocator, chunk);
        r->map_sum -= map_term(r, index, chunk);
        map_page_dirty(s, chunk / MAP_RECORDS);
    } else {
        allocator_let_go(&s->allocator);
    }
    leaf_of(r, index)[index % MAP_LEAF] = 0;
    r->chunk_count--;
}

void map_prune(struct store_replica *r, uint32_t index)
{
    const uint64_t *leaf = leaf_of(r, index);

    if (leaf && leaf_is_empty(leaf))
        leaf_put(r, index);
}

void map_clear(struct store_replica *r)
{
    for (uint32_t i = 0; i < SHARD_CHUNKS; i += MAP_LEAF) {
        if (!map_has_leaf(r, i))
            continue;
        for (uint32_t k = i; k < i + MAP_LEAF; k++)
            if (map_entry(r, k))
                map_free(r, k);
        leaf_put(r, i);
    }
}

uint64_t map_missing(const struct store_replica *r, struct extent blocks, uint64_t *ret_leaves)
{
    uint64_t missing = 0, last_leaf = UINT64_MAX;
    uint32_t end = (uint32_t)div_up(extent_end(blocks), CHUNK_BLOCKS);

    *ret_leaves = 0;
    for (uint32_t i = (uint32_t)(blocks.start / CHUNK_BLOCKS); i < end; i++) {
        if (map_entry(r, i))
            continue;
        missing++;
        if (!map_has_leaf(r, i) && i / MAP_LEAF != last_leaf) {
            last_leaf = i / MAP_LEAF;
            ++*ret_leaves;
        }
    }
    return missing;
}
