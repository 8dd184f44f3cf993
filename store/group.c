/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/group.c — one journal group: which changes go into it, its bytes, and its end.
 *
 * A change is judged here, at the head of the queue and with every earlier change applied, so that
 * whatever is refused is refused before it has a record (design 7, full disk), and nothing that has
 * one can fail later.  What the group would need at most is summed up while it grows; where the sum
 * would no longer be exact (behind an unmap, a new replica) the group ends, and the next one is
 * judged on facts.
 *
 * Promises: J1  a change is answered E_OK only when its group is durable (S1).
 *           J2  each group names the last one known durable: what is bad at or before it is damage.
 *           J3  answers come in the order in which the changes were given, refusals too (S2).
 *           J4  each group repeats what the one before it held, so that damage has a name.
 *           J5  each group names the newest durable root, so that a lost one shows.
 */
#include "store/inside.h"

enum verdict {
    ADMIT,      /* it is in the group */
    REFUSE,     /* answered with an error, in its turn */
    NEXT_GROUP, /* the group is full, or what it needs cannot be told yet */
    CHECKPOINT, /* only a checkpoint makes room */
};

#define COMMITS_MAX  8u
#define COMMITS_ROOM (COMMITS_MAX * sizeof(struct format_record))

static uint64_t meta_bytes(const struct group *g)
{
    return round_up(g->meta_used, PAGE_BYTES);
}

uint64_t group_bytes(const struct group *g)
{
    return meta_bytes(g) + (uint64_t)g->block_count * PAGE_BYTES;
}

static void begin(struct store *s)
{
    struct journal *j = &s->journal;
    struct group *g = &j->group;

    g->item_count = g->record_count = g->block_count = 0;
    g->chunks_needed = g->leaves_needed = g->staged_needed = 0;
    g->unmaps = g->closed = false;
    g->err = E_OK;
    g->meta_used =
        (uint32_t)(sizeof(struct format_group) + j->list_count * sizeof(struct format_list_entry));
    memset(g->meta, 0, sizeof(struct format_group));
    memcpy(g->meta + sizeof(struct format_group), j->list,
           j->list_count * sizeof(struct format_list_entry));
}

static struct group_item *add_item(struct group *g, struct store_change *c)
{
    struct group_item *item = &g->items[g->item_count++];

    *item = (struct group_item){.change = c, .last = true};
    return item;
}

static void add_record(struct group *g, struct group_item *item)
{
    item->recorded = true;
    record_encode(g->meta + g->meta_used, &item->fact);
    g->meta_used += record_bytes(&item->fact);
    g->record_count++;
}

static enum verdict refuse(struct store *s, struct store_change *c, enum err err)
{
    struct group_item *item = add_item(&s->journal.group, c);

    item->err = err;
    return REFUSE;
}

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

static enum err judge_payload(struct store *s, const struct store_change *c)
{
    const struct store_replica *r = c->replica;
    uint32_t *own = s->journal.checksums;

    block_checksums(r->volume, replica_volume_block(r, c->extent.start), c->extent.count, c->pieces,
                    own);
    return memcmp(own, c->checksums, c->extent.count * sizeof *own) == 0 ? E_OK : E_MEDIUM;
}

static enum err judge(struct store *s, const struct store_change *c)
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
    case STORE_RESIZE:
        if (c->size_blocks > SHARD_BLOCKS)
            return E_LBA_RANGE;
        return c->size_blocks < c->replica->size_blocks ? E_INVALID : E_OK;
    case STORE_PROMISE:
        return c->epoch < c->replica->promised ? E_STALE_EPOCH : E_OK; /* P2 */
    case STORE_SET:
        return c->set.member_count > REPLICAS_PER_SHARD ? E_INVALID : E_OK;
    case STORE_WRITE:
        return judge_extent(c, WRITE_BLOCKS_MAX);
    case STORE_UNMAP:
        return judge_extent(c, SHARD_BLOCKS);
    }
    unreachable();
}

/* ---- room ---- */

/* No room in this group: in the next one, or, if this one has nothing yet, after a checkpoint. */
static enum verdict later(const struct group *g)
{
    return g->item_count > 0 ? NEXT_GROUP : CHECKPOINT;
}

/* Space for all blocks of a write. */
static enum verdict find_space(struct store *s, struct store_change *c)
{
    struct group *g = &s->journal.group;
    uint64_t leaves, chunks = map_missing(c->replica, c->extent, &leaves);
    uint64_t left = allocator_left(&s->allocator);

    if (g->chunks_needed + chunks <= left && g->leaves_needed + leaves <= s->leaves.free_count)
        return ADMIT;
    if (g->item_count > 0)
        return NEXT_GROUP;
    if (chunks > left && chunks <= left + allocator_freed(&s->allocator))
        return CHECKPOINT;
    return refuse(s, c, E_NO_SPACE);
}

/* What is asked of a write before its first piece, so that nothing changes half. */
static enum verdict judge_whole(struct store *s, struct store_change *c)
{
    enum err err = judge_payload(s, c);

    return err ? refuse(s, c, err) : find_space(s, c);
}

/* How many blocks of payload still go into the group behind one more record. */
static uint64_t payload_room(const struct journal *j)
{
    const struct group *g = &j->group;
    uint64_t meta = g->meta_used + sizeof(struct format_record) + COMMITS_ROOM +
                    WRITE_BLOCKS_MAX * sizeof(le32);
    uint64_t used = round_up(meta, PAGE_BYTES) + (uint64_t)g->block_count * PAGE_BYTES;

    if (meta > GROUP_META_MAX || used >= j->bytes_max)
        return 0;
    return min_u64((j->bytes_max - used) / PAGE_BYTES, GROUP_BLOCKS_MAX - g->block_count);
}

static uint64_t chunks_of(struct extent e)
{
    return div_up(extent_end(e), CHUNK_BLOCKS) - e.start / CHUNK_BLOCKS;
}

/* The next piece of a write: whole if it can be, in parts only where it is alone. */
static enum verdict choose_piece(struct store *s, const struct store_change *c, struct extent *ret)
{
    struct group *g = &s->journal.group;
    uint64_t rest = c->extent.count - c->blocks_done;
    uint64_t room = min_u64(payload_room(&s->journal), s->stage.blocks.free_count);
    uint64_t staged = s->stage.chunks.free_count - g->staged_needed;

    room = min_u64(room, staged >= 2 ? (staged - 1) * CHUNK_BLOCKS : 0);
    if (room < rest && (g->item_count > 0 || room < CHUNK_BLOCKS))
        return later(g);
    *ret = (struct extent){c->extent.start + c->blocks_done, min_u64(rest, room)};
    return ADMIT;
}

/* ---- into the group ---- */

static void take_payload(struct store *s, const struct store_change *c, const struct fact *f)
{
    struct group *g = &s->journal.group;

    for (uint64_t i = 0; i < f->extent.count; i++) {
        uint8_t *block = pool_get(&s->stage.blocks);

        assert(block); /* choose_piece() looked */
        pieces_gather(block, c->pieces, (c->blocks_done + i) * BLOCK_BYTES, BLOCK_BYTES);
        g->blocks[g->block_count++] = block;
    }
}

static struct fact stamped(const struct store_change *c, enum record_kind kind, struct extent e)
{
    return (struct fact){.kind = kind,
                         .flags = c->stamp.sealed ? RECORD_SEALED : 0,
                         .replica = c->replica->identity,
                         .extent = e,
                         .stamp = c->stamp};
}

static enum verdict admit_write(struct store *s, struct store_change *c)
{
    struct group *g = &s->journal.group;
    struct group_item *item;
    struct extent piece;
    enum verdict verdict;
    uint64_t leaves;

    verdict = g->unmaps ? NEXT_GROUP : choose_piece(s, c, &piece);
    if (verdict == ADMIT && c->blocks_done == 0)
        verdict = judge_whole(s, c);
    if (verdict != ADMIT)
        return verdict;

    item = add_item(g, c);
    item->fact = stamped(c, RECORD_WRITE, piece);
    item->fact.checksums = c->checksums + c->blocks_done;
    item->fact.payload = g->block_count;
    item->fact.blocks = &g->blocks[g->block_count];
    item->last = c->blocks_done + piece.count == c->extent.count;
    if (!item->last)
        item->fact.flags |= RECORD_PART;
    take_payload(s, c, &item->fact);
    add_record(g, item);
    c->blocks_done += piece.count;
    g->chunks_needed += map_missing(c->replica, piece, &leaves);
    g->leaves_needed += leaves;
    g->staged_needed += chunks_of(piece);
    g->closed = !item->last;
    return ADMIT;
}

static enum verdict admit_unmap(struct store *s, struct store_change *c)
{
    struct group *g = &s->journal.group;
    struct group_item *item;

    if (s->stage.chunks.free_count < g->staged_needed + 2)
        return later(g);
    item = add_item(g, c);
    item->fact = stamped(c, RECORD_UNMAP, c->extent);
    add_record(g, item);
    g->staged_needed += 2; /* its two ends */
    g->unmaps = true;
    return ADMIT;
}

/* Changes that need no room.  Behind some of them others are judged anew. */
static enum verdict admit_word(struct store *s, struct store_change *c)
{
    static const enum record_kind record_of[] = {
        [STORE_MAKE] = RECORD_MAKE,     [STORE_DELETE] = RECORD_DELETE,
        [STORE_RESIZE] = RECORD_RESIZE, [STORE_PROMISE] = RECORD_PROMISE,
        [STORE_SET] = RECORD_SET,
    };
    struct group *g = &s->journal.group;
    struct group_item *item = add_item(g, c);

    item->fact = (struct fact){
        .kind = record_of[c->kind],
        .replica = c->kind == STORE_MAKE ? c->identity : c->replica->identity,
        .volume = c->volume,
        .shard = c->shard,
        .epoch = c->epoch,
        .size_blocks = c->size_blocks,
        .set = &c->set,
    };
    add_record(g, item);
    g->closed = c->kind != STORE_PROMISE;
    return ADMIT;
}

static enum verdict admit(struct store *s, struct store_change *c)
{
    struct group *g = &s->journal.group;
    enum err err = judge(s, c);

    if (g->meta_used + sizeof(struct format_record) + sizeof(struct format_set) + COMMITS_ROOM >
        min_u64(GROUP_META_MAX, s->journal.bytes_max))
        return NEXT_GROUP;
    if (err)
        return refuse(s, c, err);
    switch (c->kind) {
    case STORE_WRITE:
        return admit_write(s, c);
    case STORE_UNMAP:
        return admit_unmap(s, c);
    case STORE_MAKE:
    case STORE_DELETE:
    case STORE_RESIZE:
    case STORE_PROMISE:
    case STORE_SET:
        return admit_word(s, c);
    }
    unreachable();
}

/* Commit words that came without a write ride along, a few at a time. */
static void add_commits(struct store *s)
{
    struct group *g = &s->journal.group;

    for (uint32_t n = 0; n < COMMITS_MAX && !list_empty(&s->commit_dirty); n++) {
        struct store_replica *r =
            container_of(list_take(&s->commit_dirty), struct store_replica, dirty_link);
        struct group_item *item = add_item(g, NULL);

        item->fact = (struct fact){.kind = RECORD_COMMIT,
                                   .flags = r->commit_sealed ? RECORD_SEALED : 0,
                                   .replica = r->identity,
                                   .stamp = {.epoch = r->commit_epoch,
                                             .commit_seq = r->commit_seq,
                                             .sealed = r->commit_sealed}};
        add_record(g, item);
    }
}

enum group_end group_build(struct store *s)
{
    struct journal *j = &s->journal;
    struct group *g = &j->group;
    enum verdict verdict = ADMIT;

    begin(s);
    while (!g->closed && !list_empty(&j->queue) &&
           g->item_count < GROUP_RECORDS_MAX - COMMITS_MAX) {
        struct store_change *c = container_of(j->queue.next, struct store_change, link);

        verdict = admit(s, c);
        if (verdict == NEXT_GROUP || verdict == CHECKPOINT)
            break;
        if (g->items[g->item_count - 1].last)
            list_remove(&c->link);
    }
    if (g->item_count == 0 && verdict == CHECKPOINT)
        return GROUP_NEEDS_CHECKPOINT;
    g->changes = g->record_count > 0;
    if (g->changes || (j->idle_due && g->item_count == 0)) {
        j->idle_due = false;
        add_commits(s);
        return GROUP_BUILT;
    }
    return g->item_count > 0 ? GROUP_BUILT : GROUP_NOTHING;
}

void group_seal(struct store *s)
{
    struct journal *j = &s->journal;
    struct group *g = &j->group;
    struct format_group *h = (void *)g->meta;

    memset(g->meta + g->meta_used, 0, meta_bytes(g) - g->meta_used);
    h->incarnation = le64_of(j->incarnation);
    h->sequence = le64_of(j->sequence);
    h->predecessor = le64_of(j->predecessor);
    h->durable = le64_of(j->sequence - 1); /* one in flight: all before it are */
    h->list_count = le32_of(j->list_count);
    h->record_count = le32_of(g->record_count);
    h->payload_blocks = le32_of(g->block_count);
    format_seal(h, g->meta_used,
                &(struct format_name){GROUP_MAGIC, s->identity, j->head, s->root_number});
}

/* ---- its end ---- */

static void drop_payload(struct store *s)
{
    struct group *g = &s->journal.group;

    for (uint32_t i = 0; i < g->block_count; i++)
        if (g->blocks[i])
            pool_put(&s->stage.blocks, g->blocks[i]);
    g->block_count = 0;
}

/* The group is durable: what follows hangs on it. */
static void move_on(struct store *s)
{
    struct journal *j = &s->journal;
    struct group *g = &j->group;
    const struct format_group *h = (const void *)g->meta;

    j->head += group_bytes(g);
    j->named = le64_get(h->durable);
    if (g->changes)
        j->unnamed = j->sequence;
    j->sequence++;
    j->predecessor = le64_get(h->head.checksum);
    j->list_count = 0;
    for (uint32_t i = 0; i < g->item_count; i++)
        if (g->items[i].recorded)
            list_entry_encode(&j->list[j->list_count++], &g->items[i].fact);
}

static void apply(struct store *s)
{
    struct group *g = &s->journal.group;

    for (uint32_t i = 0; i < g->item_count; i++) {
        struct group_item *item = &g->items[i];
        enum err err;

        if (!item->recorded)
            continue;
        err = fact_apply(s, &item->fact);
        assert(!err); /* admit() made sure */
        if (item->change && item->change->kind == STORE_MAKE)
            item->change->replica = store_find(s, item->fact.replica);
    }
}

/* J3.  An answer may bring new changes, which wait in the queue. */
static void answer(struct group *g)
{
    uint32_t count = g->item_count;

    for (uint32_t i = 0; i < count; i++) {
        struct group_item *item = &g->items[i];

        if (item->change && item->last)
            item->change->done(item->change, item->recorded ? g->err : item->err);
    }
}

void group_finish(struct store *s)
{
    struct group *g = &s->journal.group;

    if (g->err)
        s->broken = true;
    if (!g->err && (g->record_count > 0 || g->item_count == 0)) {
        move_on(s);
        apply(s);
    }
    drop_payload(s);
    answer(g);
    g->item_count = 0;
}
