/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/admit.c — which changes go into a journal group.
 *
 * A change is judged at the head of the queue, so that whatever is refused is refused before it has
 * a record (design 7, full disk), and nothing that has one can fail later.  What earlier changes
 * will take is not taken yet while their groups are in flight: it is summed up as they are admitted
 * (struct need), at most, and given back as they are applied.  Where only this sum says that there
 * is no room, a change waits until nothing is in flight and is judged on facts.
 *
 * Behind an unmap nobody can tell which chunks will be there: a write then counts all of its own as
 * missing.  Words that change what is judged (a new replica, its size, its end, a set) close their
 * group, and are finished before anything behind them is looked at.
 *
 * Promises: A1  what groups in flight have reserved is there when they are applied.
 *           A2  no change is refused for want of space that is in flight, or that the next
 *               checkpoint makes free.
 */
#include "store/limits.h"

/* ---- what is wrong with a change, whatever room there is ---- */

static enum err judge_make(struct store *s, const struct store_change *c)
{
    if (identity_none(c->identity) || identity_none(c->volume) || c->size_blocks == 0)
        return E_INVALID;
    if (c->size_blocks > SHARD_BLOCKS)
        return E_LBA_RANGE;
    if (store_find(s, c->identity))
        return E_EXISTS;
    return s->replica_count == s->replicas_max ? E_NO_SPACE : E_OK;
}

static enum err judge_extent(const struct store_change *c, uint64_t most)
{
    if (c->extent.count == 0 || c->extent.count > most)
        return E_INVALID;
    return extent_within(c->extent, c->replica->size_blocks) ? E_OK : E_LBA_RANGE;
}

static enum err judge_write(const struct store_change *c)
{
    if (c->note.initiator && !note_makes_sense(&c->note, c->replica->size_blocks))
        return E_INVALID;
    return judge_extent(c, WRITE_BLOCKS_MAX);
}

static enum err judge_payload(struct store *s, const struct store_change *c)
{
    const struct store_replica *r = c->replica;
    uint32_t *own = s->journal.checksums;

    block_checksums(r->volume, replica_volume_block(r, c->extent.start), c->extent.count, c->pieces,
                    own);
    return memcmp(own, c->checksums, c->extent.count * sizeof *own) == 0 ? E_OK : E_MEDIUM;
}

static uint64_t promised_in(const struct group *g, const struct store_replica *r)
{
    uint64_t epoch = 0;

    for (uint32_t i = 0; i < g->item_count; i++) {
        const struct fact *f = &g->items[i].fact;

        if (g->items[i].recorded && f->kind == RECORD_PROMISE &&
            f->replica.bits == r->identity.bits)
            epoch = max_u64(epoch, f->epoch);
    }
    return epoch;
}

/* The newest epoch promised, or about to be. */
static uint64_t promised(const struct store *s, const struct group *g,
                         const struct store_replica *r)
{
    const struct journal *j = &s->journal;
    uint64_t epoch = max_u64(r->promised, promised_in(g, r));

    for (uint32_t i = 0; i < j->in_flight; i++)
        epoch = max_u64(epoch, promised_in(&j->groups[(j->first + i) % GROUPS_MAX], r));
    return epoch;
}

static enum err judge_salvage(struct store *s, const struct store_change *c)
{
    if (!c->replica->damaged || identity_none(c->identity))
        return E_INVALID;
    return store_find(s, c->identity) ? E_EXISTS : E_OK;
}

static enum err judge(struct store *s, const struct group *g, const struct store_change *c)
{
    if (!takes_changes(s))
        return E_READ_ONLY;
    if (c->kind != STORE_MAKE && !c->replica->used)
        return E_NOT_FOUND;
    switch (c->kind) {
    case STORE_MAKE:
        return judge_make(s, c);
    case STORE_DELETE:
        return E_OK;
    case STORE_SALVAGE:
        return judge_salvage(s, c);
    case STORE_RESIZE:
        if (c->size_blocks > SHARD_BLOCKS)
            return E_LBA_RANGE;
        return c->size_blocks < c->replica->size_blocks ? E_INVALID : E_OK;
    case STORE_PROMISE:
        return c->epoch < promised(s, g, c->replica) ? E_STALE_EPOCH : E_OK; /* P2 */
    case STORE_SET:
        return c->set.member_count > REPLICAS_PER_SHARD ? E_INVALID : E_OK;
    case STORE_WRITE:
        return judge_write(c);
    case STORE_UNMAP: /* zeros take chunks where holes are unsure */
        return judge_extent(c, c->replica->unsure_chunks ? WRITE_BLOCKS_MAX : SHARD_BLOCKS);
    }
    unreachable();
}

/* ---- room ---- */

static enum verdict refuse(struct group *g, struct store_change *c, enum err err)
{
    group_add_item(g, c)->err = err;
    return VERDICT_REFUSE;
}

/* No room in this group: in the next one, or, if this one has nothing yet, when others are done. */
static enum verdict later(const struct store *s, const struct group *g)
{
    if (g->item_count > 0)
        return VERDICT_NEXT_GROUP;
    return s->journal.in_flight > 0 ? VERDICT_SETTLED : VERDICT_CHECKPOINT;
}

static uint64_t units_of(struct extent e, uint64_t blocks)
{
    return div_up(extent_end(e), blocks) - e.start / blocks;
}

static uint64_t chunks_of(struct extent e)
{
    return units_of(e, CHUNK_BLOCKS);
}

/* What a write takes when it is applied behind all that is in flight or in the group: at most. */
static struct need need_of(const struct store *s, const struct group *g,
                           const struct store_replica *r, struct extent e)
{
    struct need n = {.staged = chunks_of(e)};

    if (g->unmaps || s->journal.unmapping > 0) {
        n.chunks = n.staged;
        n.leaves = units_of(e, CHUNK_BLOCKS * (uint64_t)MAP_LEAF);
    } else {
        n.chunks = map_missing(r, e, &n.leaves);
    }
    return n;
}

static void reserve(struct group *g, struct need n)
{
    g->need.chunks += n.chunks;
    g->need.leaves += n.leaves;
    g->need.staged += n.staged;
}

/* Chunks of the stage that nobody has reserved, as far as the group may have them. */
static uint64_t staged_left(const struct store *s, const struct group *g)
{
    uint64_t left = s->stage.chunks.free_count - s->journal.reserved.staged;

    return min_u64(left, GROUP_STAGED_MAX) - g->need.staged;
}

/* Space for all blocks of a write, and memory for their places (A1, A2). */
static enum verdict find_space(struct store *s, struct group *g, struct store_change *c,
                               struct need n)
{
    const struct need *others = &s->journal.reserved;
    uint64_t left = allocator_left(&s->allocator);

    if (others->chunks + g->need.chunks + n.chunks <= left &&
        others->leaves + g->need.leaves + n.leaves + s->leaves_let_go <= s->leaves.free_count)
        return VERDICT_ADMIT;
    if (g->item_count > 0 || s->journal.in_flight > 0)
        return later(s, g);
    if (checkpoint_makes_room(s, n.chunks, n.leaves)) /* it frees all that it finds to be empty */
        return VERDICT_CHECKPOINT;
    return refuse(g, c, E_NO_SPACE);
}

/* What is asked of a write before its first piece, so that nothing changes half. */
static enum verdict judge_whole(struct store *s, struct group *g, struct store_change *c,
                                struct need n)
{
    enum verdict verdict = find_space(s, g, c, n); /* it may be asked again, so first */
    enum err err = verdict == VERDICT_ADMIT ? judge_payload(s, c) : E_OK;

    return err ? refuse(g, c, err) : verdict;
}

/* How many blocks of payload still go into the group behind so many more records of one write. */
static uint64_t payload_room(const struct group *g, const struct store_change *c, uint64_t records)
{
    uint64_t meta = g->meta_used + records * (sizeof(struct format_record) + sizeof(le32)) +
                    (c->note.initiator ? sizeof(struct format_note) : 0) + COMMITS_ROOM +
                    WRITE_BLOCKS_MAX * sizeof(le32);
    uint64_t used = round_up(meta, PAGE_BYTES) + (uint64_t)g->block_count * PAGE_BYTES;

    if (meta > GROUP_META_MAX || used >= g->bytes_most)
        return 0;
    return min_u64((g->bytes_most - used) / PAGE_BYTES, GROUP_BLOCKS_MAX - g->block_count);
}

/* … and how many of the stage's memory. */
static uint64_t stage_room(const struct group *g)
{
    return g->blocks_most - min_u64(g->blocks_most, g->block_count);
}

/* The next piece of a write: whole if it can be, in parts only where it is alone in its group. */
static enum verdict choose_piece(struct store *s, struct group *g, const struct store_change *c,
                                 struct extent *ret)
{
    uint64_t rest = c->extent.count - c->blocks_done;
    uint64_t room = min_u64(payload_room(g, c, 1), stage_room(g));
    uint64_t staged = staged_left(s, g);

    room = min_u64(room, staged >= 2 ? (staged - 1) * CHUNK_BLOCKS : 0);
    if (room < rest && (g->item_count > 0 || room < CHUNK_BLOCKS))
        return later(s, g);
    *ret = (struct extent){c->extent.start + c->blocks_done, min_u64(rest, room)};
    return VERDICT_ADMIT;
}

/* ---- into the group ---- */

static void take_payload(struct store *s, struct group *g, const struct store_change *c,
                         const struct fact *f)
{
    uint64_t first = f->extent.start - c->extent.start;

    for (uint64_t i = 0; i < f->extent.count; i++) {
        uint8_t *block = pool_get(&s->stage.blocks);

        assert(block); /* choose_piece() looked */
        pieces_gather(block, c->pieces, (first + i) * BLOCK_BYTES, BLOCK_BYTES);
        g->blocks[g->block_count++] = block;
    }
}

static struct fact stamped(const struct store_change *c, enum record_kind kind, struct extent e)
{
    return (struct fact){.kind = kind,
                         .flags =
                             (c->stamp.sealed ? RECORD_SEALED : 0) | (c->again ? RECORD_AGAIN : 0),
                         .replica = c->replica->identity,
                         .extent = e,
                         .stamp = c->stamp};
}

static void add_note(struct fact *f, const struct store_change *c)
{
    f->flags |= RECORD_NOTED;
    f->note = (struct note){.of = c->note, .epoch = c->stamp.epoch, .seq = c->stamp.seq};
}

struct group_item *group_add_piece(struct group *g, struct store_change *c, enum record_kind kind,
                                   struct extent e)
{
    struct group_item *item = group_add_item(g, c);

    item->fact = stamped(c, kind, e);
    item->fact.checksums = c->checksums + (e.start - c->extent.start);
    item->last = extent_end(e) == extent_end(c->extent);
    if (!item->last)
        item->fact.flags |= RECORD_PART;
    else if (c->note.initiator)
        add_note(&item->fact, c);
    return item;
}

static void add_payload_piece(struct store *s, struct group *g, struct store_change *c,
                              struct extent e)
{
    struct group_item *item;

    if (e.count == 0)
        return;
    item = group_add_piece(g, c, RECORD_WRITE, e);
    item->fact.payload = g->block_count;
    item->fact.blocks = &g->blocks[g->block_count];
    take_payload(s, g, c, &item->fact);
    group_add_record(g, item);
}

static enum verdict admit_write(struct store *s, struct group *g, struct store_change *c)
{
    struct extent piece;
    enum verdict verdict = choose_piece(s, g, c, &piece);

    if (verdict == VERDICT_ADMIT && c->blocks_done == 0)
        verdict = judge_whole(s, g, c, need_of(s, g, c->replica, c->extent));
    if (verdict != VERDICT_ADMIT)
        return verdict;
    reserve(g, need_of(s, g, c->replica, piece));
    add_payload_piece(s, g, c, piece);
    c->blocks_done += piece.count;
    g->closed = c->blocks_done < c->extent.count;
    return VERDICT_ADMIT;
}

/* ---- whole chunks that are where they shall be ---- */

static struct need need_of_redirect(const struct store *s, const struct group *g,
                                    const struct store_change *c)
{
    struct extent head, tail;
    struct need n = need_of(s, g, c->replica, c->extent);

    redirect_ends(c, &head, &tail);
    n.chunks = head.count ? need_of(s, g, c->replica, head).chunks : 0;
    n.chunks += tail.count ? need_of(s, g, c->replica, tail).chunks : 0;
    return n;
}

/* All of it goes into one group. */
static bool redirect_has_room(const struct store *s, const struct group *g,
                              const struct store_change *c)
{
    struct extent head, tail;
    uint64_t records = redirect_records(c), payload;

    redirect_ends(c, &head, &tail);
    payload = head.count + tail.count;
    return g->item_count + records <= GROUP_RECORDS_MAX - COMMITS_MAX &&
           payload_room(g, c, records) >= max_u64(payload, 1) && stage_room(g) >= payload &&
           staged_left(s, g) > chunks_of(c->extent);
}

static enum verdict admit_redirect(struct store *s, struct group *g, struct store_change *c)
{
    struct extent head, tail;
    struct need n = need_of_redirect(s, g, c);
    enum verdict verdict = redirect_has_room(s, g, c) ? judge_whole(s, g, c, n) : later(s, g);

    if (verdict == VERDICT_REFUSE)
        redirect_drop(s, c);
    if (verdict != VERDICT_ADMIT)
        return verdict;
    reserve(g, n);
    redirect_ends(c, &head, &tail);
    add_payload_piece(s, g, c, head);
    redirect_add(s, g, c);
    add_payload_piece(s, g, c, tail);
    return VERDICT_ADMIT;
}

/* Its two ends are staged; where a hole is not zero by itself, every chunk of it. */
static struct need need_of_unmap(const struct store *s, const struct group *g,
                                 const struct store_change *c)
{
    if (c->replica->unsure_chunks == 0)
        return (struct need){.staged = 2};
    return need_of(s, g, c->replica, c->extent);
}

static enum verdict admit_unmap(struct store *s, struct group *g, struct store_change *c)
{
    struct need n = need_of_unmap(s, g, c);
    struct group_item *item;

    if (staged_left(s, g) < n.staged)
        return later(s, g);
    if (n.chunks > 0) {
        enum verdict verdict = find_space(s, g, c, n);

        if (verdict != VERDICT_ADMIT)
            return verdict;
    }
    item = group_add_item(g, c);
    item->fact = stamped(c, RECORD_UNMAP, c->extent);
    group_add_record(g, item);
    reserve(g, n);
    g->unmaps = true;
    return VERDICT_ADMIT;
}

/* Changes that need no room.  Behind some of them others are judged anew. */
static enum verdict admit_word(struct group *g, struct store_change *c)
{
    static const enum record_kind record_of[] = {
        [STORE_MAKE] = RECORD_MAKE,     [STORE_DELETE] = RECORD_DELETE,
        [STORE_RESIZE] = RECORD_RESIZE, [STORE_PROMISE] = RECORD_PROMISE,
        [STORE_SET] = RECORD_SET,       [STORE_SALVAGE] = RECORD_SALVAGE,
    };
    struct group_item *item = group_add_item(g, c);

    item->fact = (struct fact){
        .kind = record_of[c->kind],
        .replica = c->kind == STORE_MAKE ? c->identity : c->replica->identity,
        .volume = c->volume,
        .shard = c->shard,
        .extent.start = c->kind == STORE_SALVAGE ? c->identity.bits : 0,
        .epoch = c->epoch,
        .size_blocks = c->size_blocks,
        .set = &c->set,
    };
    group_add_record(g, item);
    g->incompat |= c->kind == STORE_SALVAGE ? INCOMPAT_SALVAGE : 0;
    g->barrier = c->kind != STORE_PROMISE;
    g->closed = g->barrier;
    return VERDICT_ADMIT;
}

enum verdict group_admit(struct store *s, struct group *g, struct store_change *c)
{
    enum err err = judge(s, g, c);

    if (redirect_under_way(c))
        return VERDICT_UNDER_WAY;
    if (!err)
        err = redirect_err(c);
    if (err) { /* that needs no room */
        redirect_drop(s, c);
        return refuse(g, c, err);
    }
    if (g->meta_used + sizeof(struct format_record) + sizeof(struct format_set) + COMMITS_ROOM >
        min_u64(GROUP_META_MAX, g->bytes_most))
        return later(s, g);
    switch (c->kind) {
    case STORE_WRITE:
        return c->redirect ? admit_redirect(s, g, c) : admit_write(s, g, c);
    case STORE_UNMAP:
        return admit_unmap(s, g, c);
    case STORE_MAKE:
    case STORE_DELETE:
    case STORE_SALVAGE:
    case STORE_RESIZE:
    case STORE_PROMISE:
    case STORE_SET:
        return admit_word(g, c);
    }
    unreachable();
}
