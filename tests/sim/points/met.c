/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/points/met.c — counts what a script is there for. */
#include "tests/sim/points/met.h"

#include "store/inside.h"

#include <assert.h>

const char *met_words(enum met_item item)
{
#define MET_WORDS(name, words) [MET_##name] = (words),
    static const char *const all[] = {MET_LIST(MET_WORDS)};
#undef MET_WORDS

    return all[item];
}

void met_begin(struct met *m, const struct player *p)
{
    memset(m->count, 0, sizeof m->count);
    m->writes = 0;
    m->root_before = p->store->root_number;
}

/* ---- before a step ---- */

static uint64_t overlapping(const struct model *m, uint32_t replica, struct extent e)
{
    uint64_t count = 0;

    for (uint32_t i = m->answered; i < m->change_count; i++)
        count += m->changes[i].replica == replica && extent_overlaps(m->changes[i].extent, e);
    return count;
}

/* Chunks with a place of which it takes blocks, and leaves others. */
static uint64_t parts_of(const struct store_replica *r, struct extent e)
{
    uint64_t count = 0;

    for (uint64_t at = round_down(e.start, CHUNK_BLOCKS); at < extent_end(e); at += CHUNK_BLOCKS)
        count += (at < e.start || at + CHUNK_BLOCKS > extent_end(e)) &&
                 (map_entry(r, (uint32_t)(at / CHUNK_BLOCKS)) & ENTRY_PLACED);
    return count;
}

static void met_growth(struct met *m, const struct player *p, uint32_t slot)
{
    const struct store_replica *r = player_replica(p, slot);
    uint64_t size = p->model.replicas[slot].certain.size_blocks;
    struct extent last = {size - 1, 1};

    m->count[MET_GROWN_BESIDE] += model_busy(&p->model, slot);
    m->count[MET_GROWN_AMID] += size % CHUNK_BLOCKS > 0 &&
                                (overlapping(&p->model, slot, last) > 0 || parts_of(r, last) > 0);
}

static void met_made(struct met *m, const struct player *p, uint64_t blocks)
{
    uint32_t slot = model_free_slot(&p->model);

    m->count[MET_SLOTS_AGAIN] += m->used[slot];
    m->used[slot] = true;
    m->first_size[slot] = blocks;
}

void met_step(struct met *m, const struct player *p, const struct step *s, struct extent e)
{
    if (s->kind == WRITE || s->kind == UNMAP)
        m->count[MET_OVERLAPS] += overlapping(&p->model, s->replica, e);
    if (s->kind == UNMAP)
        m->count[MET_PARTS] += parts_of(player_replica(p, s->replica), e);
    if (s->kind == RESIZE)
        met_growth(m, p, s->replica);
    if (s->kind == MAKE)
        met_made(m, p, s->number);
}

void met_answer(struct met *m, enum store_change_kind kind, enum err err)
{
    m->count[MET_REFUSED] += err == E_NO_SPACE;
    m->writes += kind == STORE_WRITE && !err;
    m->count[MET_PROMISES] += kind == STORE_PROMISE && !err;
    m->count[MET_SETS] += kind == STORE_SET && !err;
}

/* ---- when all is quiet ---- */

static void owners_of(const struct store_replica *r, struct identity *owner)
{
    for (uint32_t i = 0; i < div_up(r->size_blocks, CHUNK_BLOCKS); i++) {
        uint64_t entry = map_entry(r, i);

        if (entry & ENTRY_PLACED)
            owner[entry & ENTRY_CHUNK] = r->identity;
    }
}

void met_rest(struct met *m, const struct player *p)
{
    struct identity owner[MET_CHUNKS] = {0};

    assert(p->store->geo.chunks <= MET_CHUNKS);
    for_each_replica(r, p->store)
        owners_of(r, owner);
    for (uint32_t i = 0; i < MET_CHUNKS; i++) {
        m->count[MET_FREED] += !identity_none(m->owner[i]) && identity_none(owner[i]);
        m->count[MET_CHUNKS_AGAIN] += !identity_none(owner[i]) && !identity_none(m->last[i]) &&
                                      !identity_equal(owner[i], m->last[i]);
        m->owner[i] = owner[i];
        if (!identity_none(owner[i]))
            m->last[i] = owner[i];
    }
}

void met_stop(struct met *m, const struct player *p)
{
    for_each_replica(r, p->store)
        m->count[MET_LOGGED] += r->open_count;
}

void met_end(struct met *m, const struct player *p)
{
    const struct store *s = p->store;
    uint64_t groups = metric_get(&s->metrics.groups);

    m->count[MET_GROUPS] = groups;
    m->count[MET_SHARED] = m->writes > groups ? m->writes - groups : 0;
    m->count[MET_RINGS] = s->journal.head / s->geo.journal_bytes;
    m->count[MET_ROOTS] = s->root_number - m->root_before;
    m->count[MET_AROUND] = metric_get(&s->metrics.around_bytes);
    for (uint32_t slot = 0; slot < MODEL_REPLICAS; slot++)
        for (uint64_t b = m->first_size[slot]; b < MODEL_BLOCKS; b++)
            m->count[MET_BEYOND] +=
                p->model.replicas[slot].certain.exists && p->model.replicas[slot].versions[b] > 0;
}
