/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/check_roots.c — both superblocks and both roots: which prove themselves, and what they say.
 *
 * A crash leaves the roots whole, or one of them older than the other: no finding.  A superblock is
 * written once; where the device has become longer since, its second copy lies where the device
 * used to end.
 */
#include "store/check_inside.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- superblocks ---- */

static const uint8_t *page_of(const struct checking *k, uint32_t nth)
{
    return k->pages + (size_t)nth * PAGE_BYTES;
}

static bool has_magic(const void *page, uint32_t magic)
{
    const struct format_head *h = page;

    return le32_get(h->magic) == magic;
}

/* What is sealed may be of another version: then nothing else of it is looked at. */
static enum err superblock_at(struct checking *k, uint32_t nth, struct geometry *ret,
                              struct identity *ret_disk)
{
    const struct format_superblock *b = (const void *)page_of(k, nth);
    uint32_t copy = min_u32(nth, 1);
    struct format_name name = {SUPERBLOCK_MAGIC, {le64_get(b->head.disk)}, copy, 0};
    uint64_t bytes = k->check->disk->size_bytes;
    enum err err = format_prove(b, PAGE_BYTES, &name);
    bool read_only;

    if (err)
        return err;
    if (format_features(&b->head, &read_only))
        return E_UNSUPPORTED;
    if (le64_get(b->size_bytes) > bytes)
        return E_TOO_LARGE;
    return superblock_decode(b, copy, bytes, ret, ret_disk);
}

static uint64_t place_of(const struct checking *k, uint32_t nth)
{
    return superblock_offset(nth == 2 ? k->geo.size_bytes : k->check->disk->size_bytes,
                             min_u32(nth, 1));
}

static enum err no_superblock(struct checking *k, enum err first, enum err second)
{
    struct store_check *c = k->check;
    bool any =
        has_magic(page_of(k, 0), SUPERBLOCK_MAGIC) || has_magic(page_of(k, 1), SUPERBLOCK_MAGIC);

    if (first == E_UNSUPPORTED || second == E_UNSUPPORTED) {
        snprintf(c->why, sizeof c->why,
                 "a store of a version, or with a feature, that this program does not know");
        return E_UNSUPPORTED;
    }
    if (first == E_TOO_LARGE || second == E_TOO_LARGE) {
        const struct format_superblock *b = (const void *)page_of(k, first == E_TOO_LARGE ? 0 : 1);

        check_say(k, FINDING_CUT_SHORT, FINDING_NOWHERE,
                  "the store has %" PRIu64 " bytes, its device %" PRIu64, le64_get(b->size_bytes),
                  c->disk->size_bytes);
        return E_DAMAGED;
    }
    if (any || has_magic(k->buffer, ROOT_MAGIC)) {
        check_say(k, FINDING_SUPERBLOCKS, 0,
                  any ? "neither superblock proves itself"
                      : "no superblock, but a root lies where one belongs");
        return E_DAMAGED;
    }
    snprintf(c->why, sizeof c->why, "there is no Dolmen store here");
    return E_NOT_FOUND;
}

/* The copy that is not the one in use: it should say the same. */
static void say_other(struct checking *k, uint32_t nth, enum err err, const struct geometry *geo,
                      struct identity disk)
{
    if (err)
        check_say(k, FINDING_SUPERBLOCK, place_of(k, nth), "copy %u %s", min_u32(nth, 1) + 1,
                  err == E_NOT_FOUND ? "is not there" : "does not prove itself");
    else if (!identity_equal(disk, k->check->identity))
        check_say(k, FINDING_SUPERBLOCK, place_of(k, nth), "copy %u is of another disk, %s",
                  min_u32(nth, 1) + 1, identity_show(disk).text);
    else if (memcmp(geo, &k->geo, sizeof *geo) != 0)
        check_say(k, FINDING_SUPERBLOCK, place_of(k, nth), "copy %u says another layout",
                  min_u32(nth, 1) + 1);
}

enum err check_superblocks(struct checking *k)
{
    struct geometry geo[3];
    struct identity disk[3];
    enum err err[3];
    uint32_t used, other;

    for (uint32_t i = 0; i < 2; i++)
        err[i] = superblock_at(k, i, &geo[i], &disk[i]);
    if ((err[0] && err[1]) || err[0] == E_UNSUPPORTED || err[1] == E_UNSUPPORTED)
        return no_superblock(k, err[0], err[1]);
    used = err[0] ? 1 : 0;
    k->geo = geo[used];
    k->check->identity = disk[used];
    other = 1 - used;
    if (used == 0 && err[1] && k->geo.size_bytes < k->check->disk->size_bytes) {
        other = 2; /* copy 2 of the length that the device had */
        err[2] = superblock_at(k, 2, &geo[2], &disk[2]);
    }
    say_other(k, other, err[other], &geo[other], disk[other]);
    return E_OK;
}

/* ---- roots ---- */

static uint64_t number_of(const struct checking *k, uint32_t copy)
{
    const struct format_head *h = (const void *)k->roots[copy];
    struct format_name name = {ROOT_MAGIC, k->check->identity, copy, 0};

    return format_prove(h, k->geo.root_bytes, &name) ? 0 : le64_get(h->checkpoint);
}

static bool counts_make_sense(const struct checking *k, const struct format_root *root)
{
    uint64_t bytes = sizeof *root + k->geo.index_pages * sizeof(struct format_page_entry) +
                     le32_get(root->replica_count) * sizeof(struct format_replica);

    return le64_get(root->tail_position) % PAGE_BYTES == 0 &&
           le64_get(root->tail_position) < COUNTS_MOST &&
           le64_get(root->tail_sequence) < COUNTS_MOST && k->root_number < COUNTS_MOST &&
           le32_get(root->index_count) == k->geo.index_pages &&
           le32_get(root->replica_count) <= k->geo.replicas_max &&
           le32_get(root->head.bytes) == bytes;
}

static bool notes_make_sense(const struct format_replica *f)
{
    uint32_t count = le32_get(f->note_count);
    struct note note;

    for (uint32_t i = 0; i < count && count <= NOTES_MAX; i++) {
        note_decode(&f->notes[i], &note);
        if (!note_makes_sense(&note.of, le64_get(f->size_blocks)))
            return false;
    }
    return count <= NOTES_MAX;
}

static enum err take_replica(struct checking *k, const struct format_replica *f)
{
    struct identity identity = {le64_get(f->identity)};
    uint32_t slot = le32_get(f->slot);
    struct check_replica *r = &k->replicas[slot];

    if (slot >= k->geo.replicas_max || !identity_none(r->identity) || identity_none(identity) ||
        map_get(&k->by_identity, identity.bits) || le64_get(f->size_blocks) > SHARD_BLOCKS ||
        !notes_make_sense(f))
        return E_DAMAGED;
    *r = (struct check_replica){
        .identity = identity,
        .volume = {le64_get(f->volume)},
        .shard = le32_get(f->shard),
        .slot = slot,
        .size_blocks = le64_get(f->size_blocks),
        .sum_told = le64_get(f->map_sum),
        .open_told = le32_get(f->open_extents),
        .everything = le32_get(f->flags) & REPLICA_EVERYTHING,
        .seen = r->seen,
    };
    return map_put(&k->by_identity, identity.bits, r);
}

static enum err seen_open(struct checking *k, const struct format_replica *f)
{
    uint32_t slot = le32_get(f->slot);

    if (slot >= k->geo.replicas_max || k->replicas[slot].seen)
        return E_DAMAGED;
    k->replicas[slot].seen = calloc(SHARD_CHUNKS / 64, sizeof(uint64_t));
    return k->replicas[slot].seen ? E_OK : E_NO_MEMORY;
}

static enum err take_root_open(struct checking *k, const struct format_root *root)
{
    const struct format_page_entry *entry = (const void *)(root + 1);
    const struct format_replica *replica = (const void *)(entry + k->geo.index_pages);
    enum err err = counts_make_sense(k, root) ? E_OK : E_DAMAGED;

    for (uint64_t i = 0; !err && i < k->geo.index_pages; i++)
        k->index_pages[i] = (struct page_entry){
            le64_get(entry[i].checksum), le32_get(entry[i].flags) & (PAGE_PLACE | PAGE_WRITTEN)};
    for (uint32_t i = 0; !err && i < le32_get(root->replica_count); i++) {
        err = seen_open(k, &replica[i]);
        if (!err)
            err = take_replica(k, &replica[i]);
    }
    k->log_pages = (uint32_t)min_u64(le32_get(root->log_pages), k->geo.log_pages);
    if (!err && k->log_pages < le32_get(root->log_pages))
        check_say(k, FINDING_LOG_PAGE, FINDING_NOWHERE,
                  "the root counts more log pages than there are");
    k->chain.position = le64_get(root->tail_position);
    k->chain.sequence = le64_get(root->tail_sequence);
    k->chain.predecessor = le64_get(root->predecessor);
    k->chain.incarnation = le64_get(root->incarnation);
    return err;
}

/* Both are whole and of one number: but for their page they are alike. */
static bool copies_differ(const struct checking *k)
{
    const struct format_head *h = (const void *)k->roots[0];

    return memcmp(k->roots[0] + sizeof *h, k->roots[1] + sizeof *h,
                  le32_get(h->bytes) - sizeof *h) != 0;
}

enum err check_roots_open(struct checking *k)
{
    uint64_t number[2] = {number_of(k, 0), number_of(k, 1)};
    const struct format_root *newer = (const void *)k->roots[number[0] >= number[1] ? 0 : 1];
    bool read_only;
    enum err err;

    k->root_number = max_u64(number[0], number[1]);
    if (k->root_number == 0) {
        check_say(k, FINDING_ROOTS, k->geo.root_offset[0], "neither root proves itself");
        return k->io.refused > 0 ? E_DISK : E_DAMAGED;
    }
    for (uint32_t copy = 0; copy < 2; copy++)
        if (number[copy] == 0)
            check_say(k, FINDING_ROOT, k->geo.root_offset[copy], "copy %u does not prove itself",
                      copy + 1);
    if (number[0] == number[1] && copies_differ(k))
        check_say(k, FINDING_ROOT, k->geo.root_offset[1], "the copies say different things");
    if (format_features(&newer->head, &read_only)) {
        snprintf(k->check->why, sizeof k->check->why,
                 "the root uses a feature that this program does not know");
        return E_UNSUPPORTED;
    }
    err = take_root_open(k, newer);
    if (err == E_DAMAGED)
        check_say(k, FINDING_ROOTS, k->geo.root_offset[number[0] >= number[1] ? 0 : 1],
                  "the root is whole, and what it says makes no sense");
    return err;
}

struct check_replica *check_replica_at(const struct checking *k, uint32_t slot)
{
    if (slot >= k->geo.replicas_max || identity_none(k->replicas[slot].identity))
        return NULL;
    return &k->replicas[slot];
}
