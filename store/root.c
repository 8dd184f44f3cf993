/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/root.c — the root as bytes: where the index is, where the journal's tail is, and the facts
 * of every replica as of that tail.
 */
#include "store/inside.h"

/* Those that count: an acknowledged one needs no word any more. */
static void notes_encode(const struct store_replica *r, struct format_replica *ret)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < r->note_count; i++)
        if (!r->notes[i].acknowledged)
            note_encode(&ret->notes[count++], &r->notes[i]);
    ret->note_count = le32_of(count);
}

static void replica_encode(const struct store_replica *r, struct format_replica *ret)
{
    uint32_t flags = 0;

    memset(ret, 0, sizeof *ret);
    flags |= r->damaged ? REPLICA_DAMAGED : 0;
    flags |= r->empty ? REPLICA_EMPTY : 0;
    flags |= r->everything ? REPLICA_EVERYTHING : 0;
    flags |= r->older ? REPLICA_OLDER : 0;
    flags |= r->size_lost ? REPLICA_SIZE_LOST : 0;
    ret->identity = le64_of(r->identity.bits);
    ret->volume = le64_of(r->volume.bits);
    ret->shard = le32_of(r->shard);
    ret->slot = le32_of(r->slot);
    ret->size_blocks = le64_of(r->size_blocks);
    ret->promised = le64_of(r->promised);
    ret->last_epoch = le64_of(r->last_epoch);
    ret->last_seq = le64_of(r->last_seq);
    ret->commit_epoch = le64_of(r->commit_epoch);
    ret->commit_seq = le64_of(r->commit_seq);
    ret->flags = le32_of(flags);
    ret->open_extents = le32_of(r->open_told);
    ret->everything_epoch = le64_of(r->everything_epoch);
    ret->everything_seq = le64_of(r->everything_seq);
    ret->floor_generation = le64_of(r->floor_generation);
    ret->floor_snapshot = le64_of(r->floor_snapshot);
    ret->map_sum = le64_of(r->map_sum);
    ret->unsure_chunks = le64_of(r->unsure_chunks);
    set_encode(&ret->set, &r->set);
    notes_encode(r, ret);
}

static struct format_page_entry *entries_of(uint8_t *root)
{
    return (void *)(root + sizeof(struct format_root));
}

size_t root_encode(struct store *s, uint8_t *bytes)
{
    struct format_root *root = (void *)bytes;
    const struct journal *j = &s->journal;
    struct format_replica *replica = (void *)(entries_of(bytes) + s->geo.index_pages);
    uint32_t count = 0;

    memset(bytes, 0, s->geo.root_bytes);
    for_each_replica(r, s)
        replica_encode(r, &replica[count++]);
    root->tail_position = le64_of(j->head);
    root->tail_sequence = le64_of(j->sequence);
    root->predecessor = le64_of(j->predecessor);
    root->incarnation = le64_of(j->incarnation);
    root->index_count = le32_of((uint32_t)s->geo.index_pages);
    root->replica_count = le32_of(count);
    root->log_pages = le32_of(s->checkpoint.log_count);
    return (size_t)((uint8_t *)&replica[count] - bytes);
}

void root_encode_index(const struct store *s, uint8_t *bytes)
{
    struct format_page_entry *entry = entries_of(bytes);

    for (uint64_t i = 0; i < s->geo.index_pages; i++)
        entry[i] = (struct format_page_entry){
            .checksum = le64_of(s->index_pages[i].checksum),
            .flags = le32_of(s->index_pages[i].flags & ~PAGE_BAD),
        };
}

void root_seal(struct store *s, uint8_t *bytes, size_t used, uint32_t copy, uint64_t number)
{
    format_seal_with(bytes, (uint32_t)used,
                     &(struct format_name){ROOT_MAGIC, s->identity, copy, number},
                     FORMAT_INCOMPAT); /* before any group that uses it */
}

static enum err notes_decode(struct store_replica *r, const struct format_replica *f)
{
    uint32_t count = le32_get(f->note_count);

    if (count > NOTES_MAX)
        return E_DAMAGED;
    for (uint32_t i = 0; i < count; i++) {
        note_decode(&f->notes[i], &r->notes[i]);
        if (!note_makes_sense(&r->notes[i].of, r->size_blocks))
            return E_DAMAGED;
    }
    r->note_count = count;
    return E_OK;
}

static enum err replica_decode(struct store *s, const struct format_replica *f)
{
    uint32_t slot = le32_get(f->slot), flags = le32_get(f->flags);
    struct identity identity = {le64_get(f->identity)};
    struct store_replica *r;

    if (slot >= s->replicas_max)
        return E_NO_MEMORY;
    if (s->replicas[slot].used || store_find(s, identity) || identity_none(identity) ||
        le64_get(f->size_blocks) > SHARD_BLOCKS)
        return E_DAMAGED;
    r = replica_make_at(s, slot, identity);
    if (!r)
        return E_NO_MEMORY;
    r->volume = (struct identity){le64_get(f->volume)};
    r->shard = le32_get(f->shard);
    r->size_blocks = le64_get(f->size_blocks);
    r->promised = le64_get(f->promised);
    r->last_epoch = le64_get(f->last_epoch);
    r->last_seq = le64_get(f->last_seq);
    r->commit_epoch = le64_get(f->commit_epoch);
    r->commit_seq = le64_get(f->commit_seq);
    r->damaged = flags & REPLICA_DAMAGED;
    r->empty = flags & REPLICA_EMPTY;
    r->everything = flags & REPLICA_EVERYTHING;
    r->older = flags & REPLICA_OLDER;
    r->size_lost = flags & REPLICA_SIZE_LOST;
    r->open_told = le32_get(f->open_extents);
    r->everything_epoch = le64_get(f->everything_epoch);
    r->everything_seq = le64_get(f->everything_seq);
    r->floor_generation = le64_get(f->floor_generation);
    r->floor_snapshot = le64_get(f->floor_snapshot);
    r->sum_told = le64_get(f->map_sum);
    r->unsure_chunks = le64_get(f->unsure_chunks);
    set_decode(&f->set, &r->set);
    return notes_decode(r, f);
}

static bool counts_make_sense(const struct format_root *root)
{
    return le64_get(root->tail_position) % PAGE_BYTES == 0 &&
           le64_get(root->tail_position) < COUNTS_MOST &&
           le64_get(root->tail_sequence) < COUNTS_MOST &&
           le64_get(root->head.checkpoint) < COUNTS_MOST;
}

enum err root_decode(struct store *s, const uint8_t *bytes)
{
    const struct format_root *root = (const void *)bytes;
    uint32_t bytes_used = le32_get(root->head.bytes), count = le32_get(root->replica_count);
    const struct format_page_entry *entry = (const void *)(bytes + sizeof *root);
    const struct format_replica *replica;
    struct journal *j = &s->journal;

    if (!counts_make_sense(root) || le32_get(root->index_count) != s->geo.index_pages ||
        count > s->geo.replicas_max ||
        bytes_used != sizeof *root + s->geo.index_pages * sizeof *entry + count * sizeof *replica)
        return E_DAMAGED;
    for (uint64_t i = 0; i < s->geo.index_pages; i++)
        s->index_pages[i] = (struct page_entry){
            le64_get(entry[i].checksum), le32_get(entry[i].flags) & (PAGE_PLACE | PAGE_WRITTEN)};
    replica = (const void *)(entry + s->geo.index_pages);
    for (uint32_t i = 0; i < count; i++) {
        enum err err = replica_decode(s, &replica[i]);

        if (err)
            return err;
    }
    s->root_number = le64_get(root->head.checkpoint);
    s->log_pages = (uint32_t)min_u64(le32_get(root->log_pages), s->geo.log_pages);
    j->head = j->tail = le64_get(root->tail_position);
    j->sequence = le64_get(root->tail_sequence);
    j->predecessor = le64_get(root->predecessor);
    j->incarnation = le64_get(root->incarnation);
    return E_OK;
}
