/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/redirect.c — whole chunks go around the journal (design 7).
 *
 * Each whole chunk of a write gets a fresh chunk, claimed as soon as the write is given; chunks
 * that lie together are written with one request, from the caller's memory.  A DSYNC covers its own
 * write, which is all that is needed before the record may be written (D1).  The record then goes
 * into a group in the write's turn, behind everything given before it (S2), and says where the data
 * are and what their checksums are; the ragged ends of the write go through the journal beside it,
 * in the same group.  When that is durable the map points at the new chunk, and the old one is
 * freed.
 *
 * What can go wrong:
 *   power fails before the record      the chunk is nobody's; what was there before is there still
 *   the disk refuses the data          the write fails, and the store takes no more changes
 *   chunks are few                     the write goes through the journal: claims never take what
 *                                      a change before them may need
 *   the pieces are not aligned         likewise
 *
 * Promises: D1  a record never names a chunk whose data are not durable.
 *           D2  a claimed chunk is nobody else's: not another write's, not a checkpoint's, and at
 *               replay not before its record was read (replay_redirect.c).
 */
#include "store/inside.h"

#define RUN_CHUNKS_MAX (GROUP_BLOCKS_MAX / CHUNK_BLOCKS) /* of one record */

enum err redirects_open(struct store *s)
{
    return pool_open(&s->journal.redirects, "redirected writes", sizeof(struct redirect), 64,
                     REDIRECTS);
}

/* The whole chunks of it; count 0: there are none. */
static struct extent whole_of(struct extent e)
{
    uint64_t first = round_up(e.start, CHUNK_BLOCKS);
    uint64_t end = round_down(extent_end(e), CHUNK_BLOCKS);

    return (struct extent){first, end > first ? end - first : 0};
}

static bool aligned(const struct store_change *c)
{
    for (uint32_t i = 0; i < c->piece_count; i++)
        if ((uintptr_t)c->pieces[i].iov_base % DISK_ALIGN || c->pieces[i].iov_len % DISK_ALIGN)
            return false;
    return true;
}

/* Whether it can go around the journal, as far as that can be told before its turn. */
static bool may_go(const struct store *s, const struct store_change *c)
{
    const struct journal *j = &s->journal;

    return c->kind == STORE_WRITE && takes_changes(s) && c->replica->used &&
           c->extent.count <= WRITE_BLOCKS_MAX &&
           extent_within(c->extent, c->replica->size_blocks) && whole_of(c->extent).count > 0 &&
           allocator_left(&s->allocator) >= j->reserved.chunks + j->queued_chunks && aligned(c);
}

/* ---- its data ---- */

static void claim(struct store *s, struct redirect *d)
{
    struct redirect_run *run = NULL;
    uint64_t chunk;

    for (uint64_t i = 0; i < d->whole.count / CHUNK_BLOCKS; i++) {
        bool got = allocator_claim(&s->allocator, &chunk);

        assert(got); /* may_go() counted */
        if (!run || chunk != run->chunk + run->count || run->count == RUN_CHUNKS_MAX) {
            run = &d->runs[d->run_count++];
            *run = (struct redirect_run){.of = d, .chunk = chunk};
        }
        run->count++;
    }
}

static void written(struct disk_io *io, enum err err)
{
    struct redirect *d = container_of(io, struct redirect_run, io)->of;

    if (err) {
        d->err = E_DISK;
        store_break(d->store, "write data");
    }
    if (--d->flying == 0)
        task_run(&d->store->journal.task);
}

static void submit_run(struct redirect *d, struct redirect_run *run, struct pieces_cursor *from,
                       struct iovec **next)
{
    struct store *s = d->store;
    uint32_t count = pieces_slice(from, run->count * (uint64_t)CHUNK_BYTES, *next);

    run->io = (struct disk_io){.op = DISK_WRITE,
                               .flags = durable_flag(s),
                               .offset = chunk_offset(s, run->chunk),
                               .pieces = *next,
                               .piece_count = count,
                               .done = written};
    *next += count;
    metric_add(&s->metrics.around_bytes, run->count * (uint64_t)CHUNK_BYTES);
    disk_submit(s->disk, &run->io);
}

static void submit(struct redirect *d)
{
    const struct store_change *c = d->change;
    struct pieces_cursor from = {c->pieces, (d->whole.start - c->extent.start) * BLOCK_BYTES};
    struct iovec *next = d->pieces;

    d->flying = d->run_count;
    for (uint32_t i = 0; i < d->run_count; i++)
        submit_run(d, &d->runs[i], &from, &next);
}

bool redirect_launch(struct store *s, struct store_change *c)
{
    struct redirect *d;

    if (!may_go(s, c))
        return true;
    d = pool_get(&s->journal.redirects);
    if (!d)
        return false;
    d->store = s;
    d->change = c;
    d->whole = whole_of(c->extent);
    d->run_count = 0;
    d->err = E_OK;
    c->redirect = d;
    c->chunks -= (uint32_t)(d->whole.count / CHUNK_BLOCKS);
    s->journal.queued_chunks -= d->whole.count / CHUNK_BLOCKS;
    claim(s, d);
    submit(d);
    return true;
}

/* ---- its records ---- */

bool redirect_under_way(const struct store_change *c)
{
    return c->redirect && c->redirect->flying > 0;
}

enum err redirect_err(const struct store_change *c)
{
    return c->redirect ? c->redirect->err : E_OK;
}

void redirect_drop(struct store *s, struct store_change *c)
{
    struct redirect *d = c->redirect;

    if (!d)
        return;
    assert(d->flying == 0);
    for (uint32_t i = 0; i < d->run_count; i++)
        for (uint32_t k = 0; k < d->runs[i].count; k++)
            allocator_unclaim(&s->allocator, d->runs[i].chunk + k);
    c->redirect = NULL;
    pool_put(&s->journal.redirects, d);
}

void redirect_ends(const struct store_change *c, struct extent *ret_head, struct extent *ret_tail)
{
    struct extent e = c->extent, whole = c->redirect->whole;

    *ret_head = (struct extent){e.start, whole.start - e.start};
    *ret_tail = (struct extent){extent_end(whole), extent_end(e) - extent_end(whole)};
}

uint32_t redirect_records(const struct store_change *c)
{
    return c->redirect->run_count + 2; /* its ragged ends */
}

void redirect_add(struct store *s, struct group *g, struct store_change *c)
{
    struct redirect *d = c->redirect;
    uint64_t at = d->whole.start;

    for (uint32_t i = 0; i < d->run_count; i++) {
        const struct redirect_run *run = &d->runs[i];
        struct extent e = {at, run->count * (uint64_t)CHUNK_BLOCKS};
        struct group_item *item = group_add_piece(g, c, RECORD_REDIRECT, e);

        item->fact.chunk = run->chunk;
        group_add_record(g, item);
        at += e.count;
    }
    g->incompat |= INCOMPAT_REDIRECT;
    c->redirect = NULL;
    pool_put(&s->journal.redirects, d);
}
