/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/replay_redirect.c — the chunks that journal records name, kept for these (redirect.c, D2).
 *
 * A record says that its chunk was taken: nobody has it in the map, or the record is believed no
 * more than another one, and its blocks are lost.  A checkpoint in the middle of replay hands out
 * chunks; so before the first of them the rest of the ring is scanned for groups of this
 * incarnation, and what they name is taken, as "named": scanned twice, for a read may bring other
 * bytes for once, and what is not named may be written over.  Beside that enough is left for all
 * that is staged (replay_space.c).  A record that is replayed then turns its own into the
 * replica's; what is left at the end is nobody's again.
 */
#include "store/replay.h"

static uint64_t bit_of(uint64_t chunk)
{
    return UINT64_C(1) << chunk % 64;
}

static bool is_named(const struct replay *r, uint64_t chunk)
{
    return r->named[chunk / 64] & bit_of(chunk);
}

bool replay_chunks_make_sense(const struct store *s, const struct fact *f)
{
    uint64_t count = f->extent.count / CHUNK_BLOCKS;

    return f->chunk < s->geo.chunks && count <= s->geo.chunks - f->chunk;
}

static bool take_named(struct replay *r, uint64_t chunk)
{
    if (!is_named(r, chunk))
        return false;
    r->named[chunk / 64] &= ~bit_of(chunk);
    return true;
}

void replay_claim(struct replay *r, struct fact *f)
{
    struct allocator *a = &r->store->allocator;

    for (uint32_t i = 0; i < f->extent.count / CHUNK_BLOCKS; i++) {
        uint64_t chunk = f->chunk + i;

        if (!take_named(r, chunk) && !allocator_mark(a, chunk))
            f->lost |= 1u << i;
    }
}

/* ---- the scan ---- */

static void name_chunks(struct replay *r, const struct format_group *h)
{
    struct allocator *a = &r->store->allocator;
    struct replay_records c = replay_records(h);
    struct fact f;

    while (replay_next_record(&c, &f, r->scratch) == E_OK) {
        if (f.kind != RECORD_REDIRECT || !replay_chunks_make_sense(r->store, &f))
            continue;
        for (uint64_t k = f.chunk; k < f.chunk + f.extent.count / CHUNK_BLOCKS; k++)
            if (!is_named(r, k) && allocator_mark(a, k))
                r->named[k / 64] |= bit_of(k);
    }
}

static bool may_be_replayed(const struct replay *r, const struct format_group *h, uint64_t position)
{
    const struct journal *j = &r->store->journal;

    return le64_get(h->head.page) == position && le64_get(h->incarnation) == j->incarnation &&
           le64_get(h->sequence) >= j->sequence;
}

bool replay_scan(struct replay *r)
{
    const struct store *s = r->store;
    uint64_t end = s->journal.head + s->geo.journal_bytes; /* one lap */
    uint64_t at = r->scan_at;

    while (at < end && replay_window_left(r, at) >= PAGE_BYTES &&
           (at == r->window_at || replay_window_left(r, at) >= GROUP_META_MAX)) {
        const struct format_group *h = replay_group_at(r, at);
        bool proved = replay_group_proved(r, h, at);

        if (proved)
            replay_hear_root(r, h, at);
        if (proved && may_be_replayed(r, h, at)) {
            name_chunks(r, h);
            at += replay_group_bytes(h);
            r->scan_seen = at;
        } else {
            at += PAGE_BYTES;
        }
        if (at >= r->window_at + r->window_bytes)
            break;
    }
    r->scan_at = at;
    return at >= end || at - r->scan_seen >= REPLAY_BYTES; /* beyond, replay does not look either */
}

void replay_unname(struct replay *r)
{
    for (uint64_t i = 0; i < div_up(r->store->geo.chunks, 64); i++)
        for (; r->named[i]; r->named[i] &= r->named[i] - 1)
            allocator_unclaim(&r->store->allocator,
                              i * 64 + (uint64_t)__builtin_ctzll(r->named[i]));
}
