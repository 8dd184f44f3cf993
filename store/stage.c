/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/stage.c — blocks that are durable in the journal and not home yet, in two generations.
 *
 * What is staged rules: it is read from here, never from home (notes 45).  Changes go into the
 * current generation.  A checkpoint freezes it, writes it home and lets it go; meanwhile a new one
 * takes what comes.  A block is what the current generation says, else the frozen one, else home.
 *
 * A chunk that is freed vanishes from both.  The frozen one keeps what it had of it: the checkpoint
 * writes the state of the freeze, whatever became of it since.
 */
#include "store/inside.h"

enum err stage_open(struct stage *st, uint64_t bytes)
{
    uint32_t blocks = (uint32_t)(bytes / BLOCK_BYTES), chunks = blocks + CHUNKS_SPARE;
    enum err err;

    list_init(&st->current.list);
    list_init(&st->frozen.list);
    /* Each is written twice, to the journal and home: huge pages are quicker to pin. */
    err = pool_open_huge(&st->blocks, "staged blocks", BLOCK_BYTES, BLOCK_BYTES, blocks);
    if (!err)
        err = pool_open(&st->chunks, "staged chunks", sizeof(struct staged_chunk), 64, chunks);
    if (!err)
        err = map_open(&st->current.map, chunks);
    if (!err)
        err = map_open(&st->frozen.map, chunks);
    return err;
}

void stage_close(struct stage *st)
{
    pool_close(&st->blocks);
    pool_close(&st->chunks);
    map_close(&st->current.map);
    map_close(&st->frozen.map);
}

static uint64_t key_of(uint32_t slot, uint32_t index)
{
    return (uint64_t)slot << 32 | index;
}

struct staged_chunk *stage_find(struct store *s, const struct store_replica *r, uint32_t index)
{
    return map_get(&s->stage.current.map, key_of(r->slot, index));
}

struct staged_view stage_view(const struct store *s, const struct store_replica *r, uint32_t index)
{
    uint64_t key = key_of(r->slot, index);

    return (struct staged_view){
        {map_get(&s->stage.current.map, key), map_get(&s->stage.frozen.map, key)}};
}

/* Into the current generation, as nothing yet. */
static void enlist(struct stage_generation *g, struct staged_chunk *c)
{
    enum err err = map_put(&g->map, key_of(c->slot, c->index), c);

    assert(!err); /* as many entries as chunks */
    list_append(&g->list, &c->link);
    g->chunk_count++;
    c->listed = true;
}

struct staged_chunk *stage_get(struct store *s, struct store_replica *r, uint32_t index)
{
    struct staged_chunk *c = stage_find(s, r, index);

    if (c)
        return c;
    c = pool_get(&s->stage.chunks);
    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    c->replica = r;
    c->slot = r->slot;
    c->index = index;
    enlist(&s->stage.current, c);
    return c;
}

static bool is_blank(uint32_t states)
{
    return states != 0 && (states & ~STATES_ZERO) == 0;
}

static void put_states(struct stage_generation *g, struct staged_chunk *c, uint32_t states)
{
    g->blank_count -= is_blank(c->states) ? 1 : 0;
    g->blank_count += is_blank(states) ? 1 : 0;
    c->states = states;
}

static void let_go(struct store *s, struct stage_generation *g, struct staged_chunk *c,
                   uint32_t block)
{
    if (!c->blocks[block])
        return;
    pool_put(&s->stage.blocks, c->blocks[block]);
    c->blocks[block] = NULL;
    g->block_count--;
}

void stage_set(struct store *s, struct staged_chunk *c, uint32_t block, enum block_state state,
               uint8_t *bytes)
{
    assert(!bytes || state == BLOCK_DATA);
    let_go(s, &s->stage.current, c, block);
    c->blocks[block] = bytes;
    put_states(&s->stage.current, c, state_with(c->states, block, state));
    s->stage.current.block_count += bytes ? 1 : 0;
}

static void unlist(struct stage_generation *g, struct staged_chunk *c)
{
    if (c->listed)
        map_remove(&g->map, key_of(c->slot, c->index));
    c->listed = false;
}

static void drop(struct store *s, struct stage_generation *g, struct staged_chunk *c)
{
    for (uint32_t i = 0; i < CHUNK_BLOCKS; i++)
        let_go(s, g, c, i);
    put_states(g, c, 0);
    unlist(g, c);
    list_remove(&c->link);
    g->chunk_count--;
    pool_put(&s->stage.chunks, c);
}

void stage_forget(struct store *s, const struct store_replica *r, uint32_t index)
{
    struct staged_chunk *c = stage_find(s, r, index);
    struct staged_chunk *frozen = map_get(&s->stage.frozen.map, key_of(r->slot, index));

    if (c)
        drop(s, &s->stage.current, c);
    if (frozen)
        unlist(&s->stage.frozen, frozen);
}

/* ---- generations ---- */

void stage_freeze(struct store *s)
{
    struct stage_generation *current = &s->stage.current, *frozen = &s->stage.frozen;
    struct map empty = frozen->map;

    assert(list_empty(&frozen->list));
    frozen->map = current->map;
    current->map = empty;
    list_move_all(&frozen->list, &current->list);
    frozen->block_count = current->block_count;
    frozen->chunk_count = current->chunk_count;
    frozen->blank_count = current->blank_count;
    current->block_count = current->chunk_count = current->blank_count = 0;
}

/* All of it is zero, and nothing came since: the next checkpoint frees it (checkpoint.c). */
static bool stays(struct store *s, const struct staged_chunk *c)
{
    return c->emptied && c->listed && !stage_find(s, c->replica, c->index) &&
           hole_state(c->replica, c->index) == BLOCK_ZERO;
}

static void keep(struct store *s, struct staged_chunk *c)
{
    struct stage_generation *frozen = &s->stage.frozen;

    for (uint32_t i = 0; i < CHUNK_BLOCKS; i++)
        assert(!c->blocks[i]);
    put_states(frozen, c, 0);
    unlist(frozen, c);
    list_remove(&c->link);
    frozen->chunk_count--;
    c->fresh = c->emptied = false;
    enlist(&s->stage.current, c);
    put_states(&s->stage.current, c, STATES_ZERO);
}

void stage_settle(struct store *s)
{
    list_for_each_safe(l, &s->stage.frozen.list) {
        struct staged_chunk *c = container_of(l, struct staged_chunk, link);

        if (stays(s, c))
            keep(s, c);
        else
            drop(s, &s->stage.frozen, c);
    }
}

static void drop_all(struct store *s, struct stage_generation *g)
{
    list_for_each_safe(l, &g->list) {
        drop(s, g, container_of(l, struct staged_chunk, link));
    }
}

void stage_clear(struct store *s)
{
    drop_all(s, &s->stage.current);
    drop_all(s, &s->stage.frozen);
}
