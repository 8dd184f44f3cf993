/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/replication/fake_replica.h — what a change does to a replica of the store in memory,
 * and what replication owes it: the epoch was promised, numbers have no gaps, the commit word is
 * older than its write, checksums fit.
 */
#ifndef TESTS_UNIT_REPLICATION_FAKE_REPLICA_H
#define TESTS_UNIT_REPLICATION_FAKE_REPLICA_H

#include "store/store.h"
#include "tests/sim/world/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum fake_block { FAKE_NOTHING, FAKE_DATA, FAKE_LOST };

struct fake_open {
    uint64_t epoch, seq;
    struct extent extent;
};

struct store_replica {
    struct store *store;
    struct store_facts facts;
    uint8_t *bytes;
    uint8_t *blocks; /* enum fake_block, by block */
    uint64_t room_blocks;
    struct fake_open open[OPEN_EXTENTS_MAX];
    uint32_t open_count;
    uint64_t seen_epoch, seen_seq; /* the last write given, refused ones too */
    struct store_note note;        /* the newest */
};

struct store {
    struct sim *sim;
    struct env *env;
    struct list changes; /* in the order given */
    struct list reads;
    struct timer timer;
    struct store_replica *replicas[8];
    uint32_t replica_count;
    uint64_t delay_us; /* at most, of each change and read */
    bool stopped;      /* nothing is answered until it is false again: fake_go_on() */
    bool full, was_full;
    bool reads_nothing;               /* reads are answered E_DISK */
    enum err refuse[STORE_UNMAP + 1]; /* what a promise, write or unmap is answered */
    uint32_t commits;                 /* words that came alone */
    uint64_t changes_done, reads_done, blocks_unmapped;
};

/* ---- applying ---- */

static void fake_gather(const struct iovec *pieces, uint32_t count, uint64_t at, void *ret,
                        size_t length)
{
    uint8_t *to = ret;

    for (uint32_t i = 0; i < count && length > 0; i++) {
        size_t take;

        if (at >= pieces[i].iov_len) {
            at -= pieces[i].iov_len;
            continue;
        }
        take = (size_t)min_u64(pieces[i].iov_len - at, length);
        memcpy(to, (uint8_t *)pieces[i].iov_base + at, take);
        to += take;
        length -= take;
        at = 0;
    }
    assert(length == 0);
}

static void fake_settle(struct store_replica *r, uint64_t epoch, uint64_t commit_seq, bool sealed)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < r->open_count; i++) {
        struct fake_open o = r->open[i];
        bool settled = o.epoch == epoch ? o.seq <= commit_seq : sealed && o.epoch < epoch;

        if (!settled)
            r->open[kept++] = o;
    }
    r->open_count = kept;
    r->facts.open_extents = kept;
    if (sealed && kept == 0)
        r->facts.open_everything = false;
    r->facts.commit_epoch = epoch;
    r->facts.commit_seq = commit_seq;
}

static void fake_check_stamp(struct store_replica *r, const struct store_change *c)
{
    const struct store_facts *f = &r->facts;

    assert(c->stamp.epoch == f->promised); /* R1 */
    assert(c->stamp.seq == (r->seen_epoch == c->stamp.epoch ? r->seen_seq : 0) + 1 ||
           (r->store->was_full && c->stamp.seq > r->seen_seq)); /* refused where it arrived */
    r->seen_epoch = c->stamp.epoch;
    r->seen_seq = c->stamp.seq;
    assert(c->stamp.commit_seq < c->stamp.seq);
    assert(c->stamp.generation >= f->set.generation && c->stamp.generation > 0);
}

static bool fake_checksums_fit(const struct store_replica *r, const struct store_change *c)
{
    uint8_t block[BLOCK_BYTES];

    for (uint64_t i = 0; i < c->extent.count; i++) {
        uint64_t number = r->facts.shard * SHARD_BLOCKS + c->extent.start + i;

        fake_gather(c->pieces, c->piece_count, i * BLOCK_BYTES, block, BLOCK_BYTES);
        if (block_checksum(r->facts.volume, number, block) != c->checksums[i])
            return false;
    }
    return true;
}

static void fake_put(struct store_replica *r, const struct store_change *c)
{
    uint8_t *at = r->bytes + c->extent.start * BLOCK_BYTES;
    size_t length = c->extent.count * BLOCK_BYTES;

    if (c->kind == STORE_UNMAP) {
        memset(at, 0, length);
        r->store->blocks_unmapped += c->extent.count;
    } else {
        fake_gather(c->pieces, c->piece_count, 0, at, length);
    }
    memset(r->blocks + c->extent.start, c->kind == STORE_UNMAP ? FAKE_NOTHING : FAKE_DATA,
           c->extent.count);
}

static bool fake_overlaps(const struct store_note *n, struct extent e)
{
    return n->unit < extent_end(e) * 8 && n->unit + n->units > e.start * 8;
}

static enum err fake_apply_write(struct store_replica *r, const struct store_change *c)
{
    assert(extent_within(c->extent, r->facts.size_blocks));
    if (c->kind == STORE_WRITE && !fake_checksums_fit(r, c))
        return E_MEDIUM;
    fake_put(r, c);
    if (!c->again && fake_overlaps(&r->note, c->extent))
        r->note.initiator = 0;
    if (c->note.initiator)
        r->note = c->note;
    r->facts.last_epoch = c->stamp.epoch;
    r->facts.last_seq = c->stamp.seq;
    r->facts.empty = false;
    assert(r->open_count < OPEN_EXTENTS_MAX);
    r->open[r->open_count++] = (struct fake_open){c->stamp.epoch, c->stamp.seq, c->extent};
    fake_settle(r, c->stamp.epoch, c->stamp.commit_seq, c->stamp.sealed);
    return E_OK;
}

static enum err fake_apply(struct store_change *c)
{
    struct store_replica *r = c->replica;

    switch (c->kind) {
    case STORE_PROMISE:
        if (r->store->refuse[c->kind])
            return r->store->refuse[c->kind];
        assert(c->epoch >= r->facts.promised);
        r->facts.promised = c->epoch;
        return E_OK;
    case STORE_SET:
        r->facts.set = c->set;
        return E_OK;
    case STORE_RESIZE:
        assert(c->size_blocks > r->facts.size_blocks && c->size_blocks <= r->room_blocks);
        r->facts.size_blocks = c->size_blocks;
        return E_OK;
    case STORE_WRITE:
    case STORE_UNMAP:
        fake_check_stamp(r, c);
        return r->store->refuse[c->kind] ? r->store->refuse[c->kind] : fake_apply_write(r, c);
    case STORE_MAKE:
    case STORE_DELETE:
    case STORE_SALVAGE:
        break;
    }
    assert(!"not asked of the fake");
    return E_INVALID;
}

#endif
