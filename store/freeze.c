/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/freeze.c — the moment of a checkpoint: what it writes is chosen, and copied where it may
 * change.
 *
 * Happens as a checkpoint begins, while no group is in flight.  Every staged chunk gets its
 * place; the stage's current generation is frozen, and with it what was freed and which map pages
 * changed; activity logs, replicas and the journal's tail are encoded as they are.  From then on
 * the checkpoint looks at nothing that changes may touch, but for the maps (chunk_table.c).
 *
 * A chunk all of whose blocks are zero is freed here, and here alone: no group is in flight that
 * counts on it, and without a record in the journal, for it reads as zeros either way.  Replay
 * finds it taken still, and the checkpoint behind that frees it in its turn.  One that was found
 * empty only as its record was written waits in the stage for the next checkpoint (stage.c), and a
 * crash forgets that: it stays taken, and reads as zeros, until it is written or unmapped whole.
 */
#include "store/inside.h"

/* ---- places ---- */

/* Every block is zero, whether the table says so or has nothing to say. */
static bool holds_nothing(const struct staged_chunk *k, uint64_t entry)
{
    if ((k->states & ~STATES_ZERO) != 0) /* data, or lost */
        return false;
    if (hole_state(k->replica, k->index) != BLOCK_ZERO)
        return false;
    return k->fresh || !(entry & ENTRY_PLACED) || k->states == STATES_ZERO;
}

/* Whether its leaf goes with it; of several such chunks in a leaf the first one says so. */
static bool empties_leaf(struct store *s, const struct staged_chunk *k)
{
    uint32_t first = k->index / MAP_LEAF * MAP_LEAF;

    for (uint32_t i = first; i < first + MAP_LEAF; i++) {
        uint64_t entry = map_entry(k->replica, i);
        const struct staged_chunk *other = entry ? stage_find(s, k->replica, i) : NULL;

        if (entry && (i < k->index || !other || !holds_nothing(other, entry)))
            return false;
    }
    return true;
}

bool checkpoint_makes_room(struct store *s, uint64_t chunks, uint64_t leaves)
{
    uint64_t chunks_free = allocator_left(&s->allocator) + allocator_freed(&s->allocator);
    uint64_t leaves_free = s->leaves.free_count;
    bool room = chunks_free >= chunks && leaves_free >= leaves;

    if (room || s->stage.current.blank_count == 0)
        return room;
    list_for_each(l, &s->stage.current.list) {
        const struct staged_chunk *k = container_of(l, struct staged_chunk, link);

        if (!holds_nothing(k, map_entry(k->replica, k->index)))
            continue;
        chunks_free++;
        leaves_free += empties_leaf(s, k) ? 1 : 0;
        if (chunks_free >= chunks && leaves_free >= leaves)
            return true;
    }
    return false;
}

/* The write at the head of the queue was promised space for all its pieces when the first of them
 * was admitted: no chunk that it counts on goes meanwhile. */
static bool write_is_half_done(const struct store *s)
{
    const struct list *queue = &s->journal.queue;

    return !list_empty(queue) &&
           container_of(queue->next, struct store_change, link)->blocks_done > 0;
}

/* No record says so (C3). */
static void free_empty(struct staged_chunk *k)
{
    struct store_replica *r = k->replica;
    uint32_t index = k->index;

    map_free(r, index); /* and k with it */
    map_prune(r, index);
}

/* Every staged chunk gets its number, a new one a fresh one. */
static void place_all(struct store *s)
{
    bool frees = !write_is_half_done(s);
    uint32_t leaves = s->leaves.free_count;

    list_for_each_safe(l, &s->stage.current.list) {
        struct staged_chunk *k = container_of(l, struct staged_chunk, link);
        uint64_t entry = map_entry(k->replica, k->index);

        assert(entry & ENTRY_HERE);
        if (frees && holds_nothing(k, entry)) {
            free_empty(k);
            continue;
        }
        if (!(entry & ENTRY_PLACED)) {
            k->fresh = true;
            map_place(k->replica, k->index, allocator_take(&s->allocator));
            entry = map_entry(k->replica, k->index);
        }
        k->chunk = entry & ENTRY_CHUNK;
    }
    s->leaves_let_go = s->leaves.free_count - leaves;
}

/* ---- logs ---- */

static void encode_log_page(struct checkpoint *c, const struct store_replica *r, struct list **at,
                            uint32_t count)
{
    struct format_log_page *page = (void *)(c->log_memory + c->log_count++ * (size_t)PAGE_BYTES);

    memset(page, 0, sizeof *page);
    page->replica = le64_of(r->identity.bits);
    page->kind = le32_of(LOG_ACTIVITY);
    page->count = le32_of(count);
    for (uint32_t i = 0; i < count; i++, *at = (*at)->next) {
        const struct open_write *w = container_of(*at, struct open_write, link);

        page->entries[i] = (struct format_open_write){
            .start = le64_of(w->extent.start),
            .epoch = le64_of(w->epoch),
            .seq = le64_of(w->seq),
            .generation = le64_of(w->generation),
            .count = le32_of((uint32_t)w->extent.count),
        };
    }
}

/* A replica whose log does not fit says "everything". */
static void encode_logs(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    c->log_count = 0;
    for_each_replica(r, s) {
        struct list *at;

        if (c->log_count + div_up(r->open_count, LOG_ENTRIES) > s->geo.log_pages)
            open_log_everything(r);
        r->open_told = r->open_count;
        at = r->open.next;
        for (uint32_t left = r->open_count; left > 0; left -= min_u32(left, LOG_ENTRIES))
            encode_log_page(c, r, &at, min_u32(left, LOG_ENTRIES));
    }
}

/* ---- all of it ---- */

static void collect(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    c->chunk_count = 0;
    list_for_each(l, &s->stage.frozen.list) {
        struct staged_chunk *k = container_of(l, struct staged_chunk, link);
        uint8_t *dirty = &c->checksums_dirty[k->chunk / CHECKSUM_RECORDS];

        c->page_count += *dirty ? 0 : 1;
        *dirty = 1;
        c->chunks[c->chunk_count++] = k;
    }
}

static void freeze_dirty_pages(struct store *s)
{
    uint8_t *empty = s->checkpoint.map_dirty;

    s->checkpoint.map_dirty = s->map_dirty;
    s->map_dirty = empty;
    s->checkpoint.page_count = s->map_dirty_count;
    s->map_dirty_count = 0;
}

void checkpoint_freeze(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    place_all(s);
    stage_freeze(s);
    allocator_freeze(&s->allocator);
    freeze_dirty_pages(s);
    collect(s);
    encode_logs(s);
    c->page_count += c->log_count;
    c->tail = s->journal.head;
    c->root_used = root_encode(s, c->root);
}

/* ---- order ---- */

/* By chunk number, nine bits at a time, lowest first: it must not hold up the loop, nor ask for
 * memory. */
#define DIGIT_BITS 9u
#define DIGITS     4u /* a device of 2^50 bytes has 2^34 chunks */

static void sort_by_digit(const struct chunk_key *from, struct chunk_key *to, uint32_t count,
                          uint32_t shift)
{
    uint32_t next[(1u << DIGIT_BITS) + 1] = {0};
    uint64_t mask = (1u << DIGIT_BITS) - 1;

    for (uint32_t i = 0; i < count; i++)
        next[(from[i].chunk >> shift & mask) + 1]++;
    for (uint32_t d = 0; d < mask; d++)
        next[d + 1] += next[d];
    for (uint32_t i = 0; i < count; i++)
        to[next[from[i].chunk >> shift & mask]++] = from[i];
}

void checkpoint_sort(struct checkpoint *c)
{
    static_assert(DIGITS % 2 == 0, "the last one ends where the first began");
    for (uint32_t i = 0; i < c->chunk_count; i++)
        c->keys[0][i] = (struct chunk_key){c->chunks[i]->chunk, c->chunks[i]};
    for (uint32_t d = 0; d < DIGITS; d++)
        sort_by_digit(c->keys[d % 2], c->keys[(d + 1) % 2], c->chunk_count, d * DIGIT_BITS);
    for (uint32_t i = 0; i < c->chunk_count; i++)
        c->chunks[i] = c->keys[0][i].staged;
}
