/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/chunk_table.c — table pages: what proves them, and what a checkpoint writes into them.
 *
 * What is written is the state of the freeze: the chunks freed before it, and the frozen stage.
 *
 * A page that could not be proved is written anew from what is known: a map page from the maps in
 * memory (which are right: they were proved at open, or their replica is damaged), a checksum page
 * with every block that is not staged *lost*, so that the loss stays a fact (P7).  The maps are
 * those of now: what was placed since the freeze is left out, and what was freed since is unknown
 * and missing.  A crash before the next checkpoint, which writes such a page again and wholly
 * right, finds a sum that does not come out: the replica is damaged, as it would have been by the
 * rot alone.
 */
#include "store/inside.h"

uint32_t page_magic(const struct geometry *g, uint64_t page)
{
    if (page < g->map_pages)
        return MAP_MAGIC;
    return page < g->map_pages + g->checksum_pages ? CHECKSUM_MAGIC : LOG_MAGIC;
}

bool page_proved(const struct store *s, uint64_t page, const void *bytes)
{
    const struct format_head *h = bytes;
    struct format_name name = {page_magic(&s->geo, page), s->identity, page, 0};
    bool read_only;

    return le64_get(h->checksum) == s->index[page].checksum &&
           format_prove(bytes, PAGE_BYTES, &name) == E_OK && format_features(h, &read_only) == E_OK;
}

/* The first staged chunk, by number, that is not below `chunk`. */
static uint32_t staged_from(const struct checkpoint *c, uint64_t chunk)
{
    uint32_t low = 0, high = c->chunk_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (c->chunks[middle]->chunk < chunk)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void write_record(struct format_map_record *to, uint32_t slot, uint32_t index,
                         uint64_t chunk, uint64_t generation)
{
    *to = (struct format_map_record){.kind = MAP_CHUNK,
                                     .slot = le32_of(slot),
                                     .index = le32_of(index),
                                     .generation = le64_of(generation)};
    to->check = le32_of(map_record_check(to, chunk));
}

/* It went to its chunk around the journal, behind the freeze. */
static bool placed_since(const struct store_replica *r, uint32_t index)
{
    const struct staged_chunk *c = stage_find(r->store, r, index);

    return c && c->fresh;
}

static void rebuild_leaf(struct store_replica *r, uint32_t index, struct format_map_page *page,
                         uint64_t first)
{
    for (uint32_t i = index; i < index + MAP_LEAF; i++) {
        uint64_t entry = map_entry(r, i);
        uint64_t chunk = entry & ENTRY_CHUNK;

        if ((entry & ENTRY_PLACED) && chunk >= first && chunk < first + MAP_RECORDS &&
            !placed_since(r, i))
            write_record(&page->records[chunk - first], r->slot, i, chunk, 0);
    }
}

/* Every chunk of `first` … first + MAP_RECORDS that some map has, as at generation 0. */
static void rebuild_map_page(struct store *s, struct format_map_page *page, uint64_t first)
{
    memset(page, 0, sizeof *page);
    for_each_replica(r, s) {
        for (uint32_t i = 0; i < SHARD_CHUNKS; i += MAP_LEAF)
            if (map_has_leaf(r, i))
                rebuild_leaf(r, i, page, first);
    }
}

static void update_map(struct store *s, struct format_map_page *page, uint64_t first, bool bad)
{
    const struct checkpoint *c = &s->checkpoint;
    uint64_t end = min_u64(first + MAP_RECORDS, s->geo.chunks);

    if (bad)
        rebuild_map_page(s, page, first);
    for (uint64_t chunk = first; chunk < end; chunk++)
        if (allocator_is_settling(&s->allocator, chunk))
            memset(&page->records[chunk - first], 0, sizeof page->records[0]);
    for (uint32_t i = staged_from(c, first); i < c->chunk_count; i++) {
        const struct staged_chunk *k = c->chunks[i];

        if (k->chunk >= end)
            break;
        if (k->fresh)
            write_record(&page->records[k->chunk - first], k->slot, k->index, k->chunk, k->stamp);
    }
}

/* Every block of it is `state`. */
static void start_anew(struct format_checksum_record *r, enum block_state state)
{
    uint32_t states = 0;

    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++)
        states = state_with(states, b, state);
    memset(r, 0, sizeof *r);
    r->states = le32_of(states);
}

static void update_record(struct format_checksum_record *r, struct staged_chunk *k)
{
    uint32_t states;

    if (k->fresh)
        start_anew(r, BLOCK_ZERO);
    states = le32_get(r->states);
    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++) {
        enum block_state state = state_of(k->states, b);

        if (state == BLOCK_ELSEWHERE)
            continue;
        states = state_with(states, b, state);
        r->checksums[b] = le32_of(state == BLOCK_DATA ? k->checksums[b] : 0);
    }
    k->emptied = states == STATES_ZERO;
    r->states = le32_of(states);
    r->stamp = le64_of(max_u64(le64_get(r->stamp), k->stamp));
}

static void update_checksums(struct store *s, struct format_checksum_page *page, uint64_t first,
                             bool bad)
{
    const struct checkpoint *c = &s->checkpoint;

    if (bad) {
        memset(page, 0, sizeof *page);
        for (uint32_t i = 0; i < CHECKSUM_RECORDS; i++)
            start_anew(&page->records[i], BLOCK_LOST);
    }
    for (uint32_t i = staged_from(c, first); i < c->chunk_count; i++) {
        struct staged_chunk *k = c->chunks[i];

        if (k->chunk >= first + CHECKSUM_RECORDS)
            break;
        update_record(&page->records[k->chunk - first], k);
    }
}

void chunk_table_update(struct store *s, uint64_t page, uint8_t *bytes, bool bad)
{
    const struct geometry *g = &s->geo;

    if (page < g->map_pages)
        update_map(s, (void *)bytes, page * MAP_RECORDS, bad);
    else
        update_checksums(s, (void *)bytes, (page - g->map_pages) * CHECKSUM_RECORDS, bad);
}
