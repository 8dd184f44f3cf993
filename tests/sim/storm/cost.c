/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/storm/cost.c — what a fault may cost, derived from the bytes that it hit.
 *
 *   a chunk's bytes       the blocks that lie there
 *   a checksum page       the blocks of the chunks that it describes, in either of its places
 *   a map page            the replicas that it names, in either of its places: damaged
 *   an index page         all that the pages it names would cost
 *   a read of a map or an index page that goes wrong once: nothing, for opening reads it again
 *   a log page            nothing that a read shows
 *   one copy of root or superblock: nothing; of the journal see harm_journal.c
 *
 * Whose a chunk is stands in the store's memory, which is right once it is open.
 */
#include "tests/sim/storm/storm.h"

#include <assert.h>
#include <stdlib.h>

struct owner {
    uint32_t slot, index; /* slot MODEL_REPLICAS: nobody's */
};

static void note_owner(struct owner *owners, const struct storm *s, uint32_t slot)
{
    const struct store_replica *r = player_replica(s->p, slot);
    uint64_t chunks;

    if (!r)
        return;
    chunks = div_up(r->size_blocks, CHUNK_BLOCKS);
    for (uint32_t i = 0; i < chunks; i++) {
        uint64_t entry = map_entry(r, i);

        if (entry & ENTRY_PLACED)
            owners[entry & ENTRY_CHUNK] = (struct owner){slot, i};
    }
}

static struct owner *owners_now(const struct storm *s)
{
    struct owner *owners = calloc(s->geo.chunks, sizeof *owners);

    assert(owners);
    for (uint64_t i = 0; i < s->geo.chunks; i++)
        owners[i].slot = MODEL_REPLICAS;
    for (uint32_t slot = 0; slot < MODEL_REPLICAS; slot++)
        note_owner(owners, s, slot);
    return owners;
}

/* ---- places ---- */

/* Which table page lies at this offset; false: none. */
static bool page_at(const struct geometry *g, uint64_t offset, uint64_t *ret_page)
{
    if (offset < g->table_offset || offset >= g->table_offset + 2 * table_pages(g) * PAGE_BYTES)
        return false;
    *ret_page = (offset - g->table_offset) / PAGE_BYTES % table_pages(g);
    return true;
}

static bool index_page_at(const struct geometry *g, uint64_t offset, uint64_t *ret_page)
{
    if (offset < g->index_offset || offset >= g->index_offset + 2 * g->index_pages * PAGE_BYTES)
        return false;
    *ret_page = (offset - g->index_offset) / PAGE_BYTES % g->index_pages;
    return true;
}

/* ---- whom a map page names ---- */

/* As bits by the model's slots; of an identity that the model does not know: everybody. */
static uint32_t bit_of(const struct storm *s, struct identity replica)
{
    for (uint32_t slot = 0; slot < MODEL_REPLICAS; slot++)
        if (identity_equal(s->p->model.replicas[slot].identity, replica))
            return 1u << slot;
    return UINT32_MAX;
}

void cost_note_page(struct storm *s, uint64_t offset, const uint8_t *bytes)
{
    struct store *store = s->p->store ? s->p->store : s->p->opening.store;
    const struct format_map_page *p = (const void *)bytes;
    uint64_t page, place = (offset - s->geo.table_offset) / PAGE_BYTES / table_pages(&s->geo);
    uint32_t named = 0;

    if (!page_at(&s->geo, offset, &page) || page >= s->geo.map_pages)
        return;
    assert(page < MAP_PAGES_MOST);
    for (uint32_t i = 0; i < MAP_RECORDS; i++) {
        const struct store_replica *r = replica_of_slot(store, le32_get(p->records[i].slot));

        if (p->records[i].kind == MAP_CHUNK && r)
            named |= bit_of(s, r->identity);
    }
    if (!s->settled) /* what an opening meets is told when it is over */
        named |= s->mapped[place][page];
    s->mapped[place][page] = named;
}

/* ---- costs ---- */

static void cost_of_blocks(struct storm *s, const struct owner *owners, uint64_t chunk,
                           struct extent blocks)
{
    struct owner o = owners[chunk];

    blocks.start += (uint64_t)o.index * CHUNK_BLOCKS;
    if (o.slot < MODEL_REPLICAS)
        model_may_fail(&s->p->model, o.slot, blocks);
    else
        model_stray_fault(&s->p->model);
}

/* Whom the page named in one of its places.  A running store makes it anew from memory, without
 * what was freed since the checkpoint began: the place that is not written yet names that. */
static void cost_of_map(struct storm *s, uint64_t page)
{
    for (uint32_t slot = 0; slot < MODEL_REPLICAS; slot++)
        if ((s->mapped[0][page] | s->mapped[1][page]) & 1u << slot)
            model_may_be_damaged(&s->p->model, slot);
}

static void cost_of_page(struct storm *s, const struct owner *owners, uint64_t page)
{
    const struct geometry *g = &s->geo;
    uint64_t first;

    if (page < g->map_pages) {
        cost_of_map(s, page);
        return;
    }
    page -= g->map_pages;
    if (page >= g->checksum_pages)
        return;
    first = page * CHECKSUM_RECORDS;
    for (uint64_t c = first; c < min_u64(first + CHECKSUM_RECORDS, g->chunks); c++)
        cost_of_blocks(s, owners, c, (struct extent){0, CHUNK_BLOCKS});
}

static void cost_of_index(struct storm *s, const struct owner *owners, uint64_t page)
{
    uint64_t first = page * INDEX_ENTRIES;

    for (uint64_t p = first; p < min_u64(first + INDEX_ENTRIES, table_pages(&s->geo)); p++)
        cost_of_page(s, owners, p);
}

/* One page of the disk was hit. */
static void cost_at(struct storm *s, const struct owner *owners, uint64_t offset)
{
    const struct geometry *g = &s->geo;
    uint64_t page;

    if (page_at(g, offset, &page))
        cost_of_page(s, owners, page);
    else if (index_page_at(g, offset, &page))
        cost_of_index(s, owners, page);
    else if (offset >= g->data_offset && offset < g->data_offset + g->chunks * CHUNK_BYTES)
        cost_of_blocks(s, owners, (offset - g->data_offset) / CHUNK_BYTES,
                       (struct extent){(offset - g->data_offset) / BLOCK_BYTES % CHUNK_BLOCKS, 1});
}

static void cost_of_bytes(struct storm *s, const struct owner *owners, struct extent bytes)
{
    for (uint64_t at = round_down(bytes.start, PAGE_BYTES); at < extent_end(bytes);
         at += PAGE_BYTES)
        cost_at(s, owners, at);
}

/* A disk that is broken reads nothing. */
static void cost_of_all(struct storm *s)
{
    for (uint32_t slot = 0; slot < MODEL_REPLICAS; slot++)
        model_may_fail(&s->p->model, slot, (struct extent){0, MODEL_BLOCKS});
}

/* What failed is written again, or was never answered; or a page is read once more. */
static bool costs_nothing(const struct storm *s, const struct sim_fault *f)
{
    uint64_t at = f->bytes.start, page;

    if (f->kind >= FAULT_SLOW || (f->kind == FAULT_EIO && s->ailing))
        return true;
    if (f->kind != FAULT_EIO && f->kind != FAULT_MISDIRECTED_READ)
        return false;
    return index_page_at(&s->geo, at, &page) ||
           (page_at(&s->geo, at, &page) && page < s->geo.map_pages);
}

static void count_place(struct storm *s, const struct sim_fault *f)
{
    const struct geometry *g = &s->geo;
    uint64_t at = f->bytes.start, page;

    if (index_page_at(g, at, &page))
        tell(s, TALLY_HIT_INDEX);
    if (f->kind == FAULT_MISDIRECTED_READ && page_at(g, at, &page) && page < g->map_pages)
        tell(s, TALLY_MISREAD_MAP);
    if (FAULT_BIT(f->kind) & (FAULT_BIT(FAULT_MISDIRECTED_READ) | FAULT_BIT(FAULT_EIO)) &&
        at >= g->journal_offset && at < g->journal_offset + g->journal_bytes && !s->ailing)
        tell(s, f->kind == FAULT_EIO ? TALLY_HIT_JOURNAL : TALLY_MISREAD_JOURNAL);
    for (uint32_t copy = 0; copy < 2; copy++) {
        if (at == g->root_offset[copy])
            tell(s, TALLY_HIT_ROOT);
        if (at == superblock_offset(s->p->config.disk_bytes, copy))
            tell(s, TALLY_HIT_SUPERBLOCK);
    }
    if (f->kind == FAULT_MISDIRECTED_WRITE && page_at(g, f->to.start, &page))
        tell(s, TALLY_STRAY_TABLES);
    if (f->kind == FAULT_MISDIRECTED_WRITE && index_page_at(g, f->to.start, &page))
        tell(s, TALLY_STRAY_INDEX);
}

void cost_tell(struct storm *s)
{
    uint32_t count;
    const struct sim_fault *all = sim_disk_faults(s->p->medium, &count);
    struct owner *owners;

    if (s->p->medium->broken)
        cost_of_all(s);
    if (s->faults_seen == count || !s->p->store)
        return;
    owners = owners_now(s);
    for (; s->faults_seen < count; s->faults_seen++) {
        const struct sim_fault *f = &all[s->faults_seen];

        s->tally.count[TALLY_FAULTS + f->kind]++;
        if (f->request > 0) /* else it is harm at rest, which is counted there */
            count_place(s, f);
        if (costs_nothing(s, f))
            continue;
        cost_of_bytes(s, owners, f->bytes);
        if (f->kind == FAULT_MISDIRECTED_WRITE)
            cost_of_bytes(s, owners, f->to);
    }
    free(owners);
}

void cost_of_harm(struct storm *s)
{
    const struct geometry *g = &s->geo;
    uint64_t end = g->data_offset + g->chunks * CHUNK_BYTES;
    struct owner *owners;

    if (s->faults_seen == 0)
        return;
    owners = owners_now(s);
    for (uint64_t at = g->table_offset; at < end; at += PAGE_BYTES)
        if (sim_disk_harmed(s->p->medium, (struct extent){at, PAGE_BYTES}))
            cost_at(s, owners, at);
    free(owners);
}
