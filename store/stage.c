/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/stage.c — blocks that are durable in the journal and not home yet.
 *
 * What is staged rules: it is read from here, never from home (notes 45).
 */
#include "store/inside.h"

/* A chunk may be staged without a block (an unmap, a stamp): room for a few of these. */
#define CHUNKS_SPARE 512u

enum err stage_open(struct stage *st, uint64_t bytes)
{
    uint32_t blocks = (uint32_t)(bytes / BLOCK_BYTES);
    enum err err;

    list_init(&st->list);
    err = pool_open(&st->blocks, "staged blocks", BLOCK_BYTES, BLOCK_BYTES, blocks);
    if (!err)
        err = pool_open(&st->chunks, "staged chunks", sizeof(struct staged_chunk), 64,
                        blocks + CHUNKS_SPARE);
    if (!err)
        err = map_open(&st->map, blocks + CHUNKS_SPARE);
    return err;
}

void stage_close(struct stage *st)
{
    pool_close(&st->blocks);
    pool_close(&st->chunks);
    map_close(&st->map);
}

static uint64_t key_of(const struct store_replica *r, uint32_t index)
{
    return (uint64_t)r->slot << 32 | index;
}

struct staged_chunk *stage_find(struct store *s, const struct store_replica *r, uint32_t index)
{
    return map_get(&s->stage.map, key_of(r, index));
}

struct staged_chunk *stage_get(struct store *s, struct store_replica *r, uint32_t index)
{
    struct staged_chunk *c = stage_find(s, r, index);
    enum err err;

    if (c)
        return c;
    c = pool_get(&s->stage.chunks);
    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    c->replica = r;
    c->index = index;
    err = map_put(&s->stage.map, key_of(r, index), c);
    assert(!err); /* as many entries as chunks */
    list_append(&s->stage.list, &c->link);
    return c;
}

void stage_set(struct store *s, struct staged_chunk *c, uint32_t block, enum block_state state,
               uint8_t *bytes)
{
    assert((state == BLOCK_DATA) == (bytes != NULL));
    if (c->blocks[block])
        pool_put(&s->stage.blocks, c->blocks[block]);
    c->blocks[block] = bytes;
    c->states = state_with(c->states, block, state);
}

void stage_drop(struct store *s, struct staged_chunk *c)
{
    for (uint32_t i = 0; i < CHUNK_BLOCKS; i++)
        if (c->blocks[i])
            pool_put(&s->stage.blocks, c->blocks[i]);
    list_remove(&c->link);
    map_remove(&s->stage.map, key_of(c->replica, c->index));
    pool_put(&s->stage.chunks, c);
}

void stage_drop_all(struct store *s, const struct store_replica *of)
{
    list_for_each_safe(l, &s->stage.list) {
        struct staged_chunk *c = container_of(l, struct staged_chunk, link);

        if (!of || c->replica == of)
            stage_drop(s, c);
    }
}
