/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/storm/harm_journal.c — harm to one group of a journal at rest, and what it costs.
 *
 * Follows the chain from the newest root's tail, as docs/formats/journal.md says, and harms a group
 * that a later one names durable: its head and records, which costs the blocks of its records and
 * for a word its replica, or one block of its payload, which costs that block.  It rots, the disk
 * refuses to read it, its write never landed, or another group's went astray and landed on it.
 *
 * Or the disk refuses to read a page of the last group, or the one behind it: where that may hold
 * answered writes the store is not opened, and everything is there once the page is read again.
 */
#include "store/journal.h"
#include "tests/sim/storm/weather.h"

#include <assert.h>
#include <stdlib.h>

#define GROUPS_MOST 512u

struct place {
    uint64_t position, sequence, durable, meta_bytes;
    uint32_t payload_blocks;
};

struct chain {
    struct storm *storm;
    struct identity disk;
    uint64_t position, sequence, predecessor, incarnation; /* of the next */
    struct place groups[GROUPS_MOST];
    uint32_t count;
};

/* ---- the ring ---- */

static uint64_t ring_offset(const struct storm *s, uint64_t position)
{
    return s->geo.journal_offset + position % s->geo.journal_bytes;
}

static void peek_ring(const struct storm *s, uint64_t position, uint8_t *ret, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at += PAGE_BYTES)
        sim_disk_peek(s->p->medium, ring_offset(s, position + at), ret + at, PAGE_BYTES);
}

static uint64_t bytes_of(const struct place *p)
{
    return p->meta_bytes + (uint64_t)p->payload_blocks * PAGE_BYTES;
}

/* The newest root; false: none proves itself. */
static bool chain_begin(struct chain *c)
{
    struct storm *s = c->storm;
    uint8_t *bytes = malloc(s->geo.root_bytes);
    const struct format_root *root = (const void *)bytes;
    uint64_t newest = 0;

    assert(bytes);
    for (uint32_t copy = 0; copy < 2; copy++) {
        struct format_name name = {ROOT_MAGIC, c->disk, copy, 0};

        sim_disk_peek(s->p->medium, s->geo.root_offset[copy], bytes, s->geo.root_bytes);
        if (format_prove(bytes, s->geo.root_bytes, &name) ||
            le64_get(root->head.checkpoint) <= newest)
            continue;
        newest = le64_get(root->head.checkpoint);
        c->position = le64_get(root->tail_position);
        c->sequence = le64_get(root->tail_sequence);
        c->predecessor = le64_get(root->predecessor);
        c->incarnation = le64_get(root->incarnation);
    }
    free(bytes);
    return newest > 0;
}

/* False: this is where it ends. */
static bool chain_next(struct chain *c, uint8_t *meta)
{
    const struct format_group *h = (const void *)meta;
    struct format_name name = {GROUP_MAGIC, c->disk, c->position, 0};
    struct place *p = &c->groups[c->count];

    peek_ring(c->storm, c->position, meta, GROUP_META_MAX);
    if (format_prove(meta, GROUP_META_MAX, &name) || le64_get(h->incarnation) != c->incarnation ||
        le64_get(h->sequence) != c->sequence || le64_get(h->predecessor) != c->predecessor ||
        c->count == GROUPS_MOST)
        return false;
    *p = (struct place){.position = c->position,
                        .sequence = c->sequence,
                        .durable = le64_get(h->durable),
                        .meta_bytes = round_up(le32_get(h->head.bytes), PAGE_BYTES),
                        .payload_blocks = le32_get(h->payload_blocks)};
    c->count++;
    c->position += bytes_of(p);
    c->sequence++;
    c->predecessor = le64_get(h->head.checksum);
    return true;
}

/* The newest sequence that a group behind a bad one would name durable, at or before `least`. */
static uint64_t named_by(const struct chain *c, uint64_t least)
{
    uint64_t durable = 0;

    for (uint32_t i = 0; i < c->count && c->groups[i].sequence <= least; i++)
        durable = max_u64(durable, c->groups[i].durable);
    return durable;
}

/* ---- what it costs ---- */

static uint32_t slot_of(const struct storm *s, struct identity replica)
{
    uint32_t slot = 0;

    while (slot < MODEL_REPLICAS && !identity_equal(s->p->model.replicas[slot].identity, replica))
        slot++;
    return slot;
}

/* One record of a lost group; false: what is lost with it has no bound. */
static bool cost_of_record(struct storm *s, const struct fact *f, bool count)
{
    bool renames = f->kind == RECORD_SALVAGE;
    uint32_t slot = slot_of(s, renames ? (struct identity){f->extent.start} : f->replica);

    if (f->kind == RECORD_MAKE || f->kind == RECORD_DELETE)
        return false;
    if (slot == MODEL_REPLICAS || !count || f->kind == RECORD_COMMIT)
        return true;
    if (f->kind == RECORD_WRITE || f->kind == RECORD_UNMAP || f->kind == RECORD_REDIRECT)
        model_may_fail(&s->p->model, slot, f->extent);
    else
        model_may_be_damaged(&s->p->model, slot);
    if (f->kind == RECORD_RESIZE)
        model_may_be_older(&s->p->model, slot);
    return true;
}

/* All of them; with `block` not UINT32_MAX only the record whose payload that is. */
static bool cost_of_group(struct storm *s, const struct place *p, uint32_t block, bool count)
{
    static uint8_t meta[GROUP_META_MAX];
    static struct record_scratch scratch;
    const struct format_group *h = (const void *)meta;
    const uint8_t *at = (const void *)(h + 1);
    bool bounded = true;

    peek_ring(s, p->position, meta, p->meta_bytes);
    at += le32_get(h->list_count) * sizeof(struct format_list_entry);
    for (uint32_t i = 0; i < le32_get(h->record_count); i++) {
        struct fact f;

        if (record_decode(at, (size_t)(meta + p->meta_bytes - at), &f, &scratch))
            return false;
        at += le32_get(((const struct format_record *)at)->bytes);
        if (block == UINT32_MAX) {
            bounded &= cost_of_record(s, &f, count);
        } else if (f.kind == RECORD_WRITE && block >= f.payload &&
                   block < f.payload + f.extent.count) {
            f.extent = (struct extent){f.extent.start + block - f.payload, 1};
            return cost_of_record(s, &f, count);
        }
    }
    return bounded;
}

/* ---- harm ---- */

/* The ring had nothing there when the write was lost. */
static void lose(const struct storm *s, uint64_t position, uint64_t bytes)
{
    static const uint8_t zeros[PAGE_BYTES];

    for (uint64_t at = 0; at < bytes; at += PAGE_BYTES)
        sim_disk_poke(s->p->medium, ring_offset(s, position + at), zeros, PAGE_BYTES);
}

static void write_over(const struct storm *s, const struct place *p, const struct place *by)
{
    uint8_t page[PAGE_BYTES];

    for (uint64_t at = 0; at < bytes_of(by); at += PAGE_BYTES) {
        peek_ring(s, by->position + at, page, PAGE_BYTES);
        sim_disk_poke(s->p->medium, ring_offset(s, p->position + at), page, PAGE_BYTES);
    }
}

static void harm_sector(const struct storm *s, enum sim_fault_kind kind, uint64_t position)
{
    sim_disk_harm(s->p->medium, kind, (struct extent){ring_offset(s, position), 512});
}

static void harm_payload(struct storm *s, const struct place *p)
{
    uint32_t block = (uint32_t)sim_draw(s->p->sim, p->payload_blocks);
    uint64_t position = p->position + p->meta_bytes + (uint64_t)block * PAGE_BYTES;

    if (!cost_of_group(s, p, block, true))
        return;
    tell(s, TALLY_HARM_PAYLOAD);
    switch (sim_draw(s->p->sim, 3)) {
    case 0:
        tell(s, TALLY_PAYLOAD_LOST);
        lose(s, position, PAGE_BYTES);
        return;
    case 1:
        tell(s, TALLY_PAYLOAD_REFUSED);
        harm_sector(s, FAULT_LATENT, position + 1024);
        return;
    default:
        harm_sector(s, FAULT_ROT, position + 1024);
        return;
    }
}

/* Another group of the chain that is no larger; NULL: there is none. */
static const struct place *another(struct chain *c, const struct place *p)
{
    uint64_t first = sim_draw(c->storm->p->sim, c->count);

    for (uint32_t i = 0; i < c->count; i++) {
        const struct place *by = &c->groups[(first + i) % c->count];

        if (by != p && bytes_of(by) <= bytes_of(p))
            return by;
    }
    return NULL;
}

static void harm_group(struct chain *c, const struct place *p)
{
    struct storm *s = c->storm;
    uint64_t way = sim_draw(s->p->sim, 4);
    const struct place *by = way == 0 ? another(c, p) : NULL;

    if (!cost_of_group(s, p, UINT32_MAX, false))
        return;
    (void)cost_of_group(s, p, UINT32_MAX, true);
    tell(s, TALLY_HARM_GROUP);
    if (by) {
        tell(s, TALLY_GROUP_STRAY);
        write_over(s, p, by);
    } else if (way == 1) {
        tell(s, TALLY_GROUP_LOST);
        lose(s, p->position, bytes_of(p));
    } else if (way == 2) {
        tell(s, TALLY_GROUP_REFUSED);
        harm_sector(s, FAULT_LATENT, p->position);
    } else {
        harm_sector(s, FAULT_ROT, p->position);
    }
}

/* No group that was under way lies whole behind the chain: it might name the last one. */
static bool ends_alone(const struct chain *c, uint8_t *meta)
{
    for (uint64_t at = 0; at < c->storm->geo.journal_bytes; at += PAGE_BYTES) {
        struct format_name name = {GROUP_MAGIC, c->disk, c->position + at, 0};

        peek_ring(c->storm, c->position + at, meta, GROUP_META_MAX);
        if (format_prove(meta, GROUP_META_MAX, &name) == E_OK)
            return false;
    }
    return true;
}

/* A page of the last group, of which nobody else knows; or of where one more might be. */
static void refuse_the_end(const struct chain *c, uint8_t *meta)
{
    struct storm *s = c->storm;
    uint64_t position = c->position;

    if (c->count > 0 && ends_alone(c, meta) && sim_draw(s->p->sim, 2)) {
        const struct place *p = &c->groups[c->count - 1];

        position = p->position + sim_draw(s->p->sim, bytes_of(p) / PAGE_BYTES) * PAGE_BYTES;
    }
    s->end_refused = true;
    sim_disk_fault(s->p->medium, (struct sim_fault_rule){.kind = FAULT_EIO,
                                                         .per_million = EACH,
                                                         .ops = FAULT_ON(DISK_READ),
                                                         .bytes = {ring_offset(s, position), 512}});
}

void harm_in_journal(struct storm *s)
{
    static uint8_t meta[GROUP_META_MAX];
    struct chain c = {.storm = s, .disk = s->identity};
    uint64_t durable;
    uint32_t named = 0;
    const struct place *p;

    if (!chain_begin(&c))
        return;
    while (chain_next(&c, meta))
        continue;
    if (sim_draw(s->p->sim, 8) == 0) {
        refuse_the_end(&c, meta);
        return;
    }
    /* what names it is durable itself: a group that was under way may be lost with the power */
    durable = named_by(&c, named_by(&c, UINT64_MAX));
    while (named < c.count && c.groups[named].sequence <= durable)
        named++;
    if (named == 0)
        return;
    p = &c.groups[sim_draw(s->p->sim, named)];
    if (p->payload_blocks > 0 && sim_draw(s->p->sim, 2))
        harm_payload(s, p);
    else
        harm_group(&c, p);
}
