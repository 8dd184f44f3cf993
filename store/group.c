/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/group.c — one journal group: its bytes, and its end.
 *
 * It is built from the head of the queue (admit.c), sealed behind the group before it, and written;
 * up to GROUPS_MAX are on the disk's way at once.  They become durable in any order, but are
 * finished in theirs: applied to memory, where reads find them, and answered.
 *
 * Promises: J1  a change is answered E_OK only when its group is durable, and all before it (S1).
 *           J2  each group names the last one durable with all before it: what is bad at or before
 *               that one is damage.
 *           J3  answers come in the order in which the changes were given, refusals too (S2).
 *           J4  each group repeats what the one before it held, so that damage has a name.
 *           J5  each group names the newest durable root, so that a lost one shows.
 */
#include "store/inside.h"

static uint64_t meta_bytes(const struct group *g)
{
    return round_up(g->meta_used, PAGE_BYTES);
}

uint64_t group_bytes(const struct group *g)
{
    return meta_bytes(g) + (uint64_t)g->block_count * PAGE_BYTES;
}

static void begin(struct store *s, struct group *g)
{
    struct journal *j = &s->journal;

    g->item_count = g->record_count = g->block_count = g->answers = 0;
    g->need = (struct need){0};
    g->unmaps = g->closed = g->barrier = false;
    g->incompat = 0;
    g->err = E_OK;
    g->bytes_most = min_u64(j->bytes_max, pacing_ring_room(s));
    g->blocks_most = pacing_stage_room(s);
    g->meta_used =
        (uint32_t)(sizeof(struct format_group) + j->list_count * sizeof(struct format_list_entry));
    memset(g->meta, 0, sizeof(struct format_group));
    memcpy(g->meta + sizeof(struct format_group), j->list,
           j->list_count * sizeof(struct format_list_entry));
}

struct group_item *group_add_item(struct group *g, struct store_change *c)
{
    struct group_item *item = &g->items[g->item_count++];

    *item = (struct group_item){.change = c, .last = true};
    return item;
}

void group_add_record(struct group *g, struct group_item *item)
{
    item->recorded = true;
    record_encode(g->meta + g->meta_used, &item->fact);
    if (record_has_note(&item->fact) || (item->fact.flags & RECORD_AGAIN))
        g->incompat |= INCOMPAT_NOTES;
    g->meta_used += record_bytes(&item->fact);
    g->record_count++;
}

static void add_commit(struct group *g, const struct store_replica *r)
{
    struct group_item *item = group_add_item(g, NULL);

    item->fact = (struct fact){.kind = RECORD_COMMIT,
                               .flags = r->commit_sealed ? RECORD_SEALED : 0,
                               .replica = r->identity,
                               .stamp = {.epoch = r->commit_epoch,
                                         .commit_seq = r->commit_seq,
                                         .sealed = r->commit_sealed}};
    group_add_record(g, item);
}

static bool add_dropped_note(struct group *g, struct store_replica *r)
{
    struct note note;
    struct group_item *item;

    if (!notes_take_word(r, &note))
        return false;
    item = group_add_item(g, NULL);
    item->fact = (struct fact){.kind = RECORD_NOTE, .replica = r->identity, .note = note};
    group_add_record(g, item);
    return true;
}

/* Words that came without a write ride along, a few at a time: notes that are dropped, and behind
 * all of a replica's its commit word. */
static void add_words(struct store *s, struct group *g)
{
    uint32_t most = g->meta_used + (uint32_t)COMMITS_ROOM;

    while (!list_empty(&s->commit_dirty) &&
           g->meta_used + sizeof(struct format_record) + sizeof(struct format_note) <= most) {
        struct store_replica *r =
            container_of(s->commit_dirty.next, struct store_replica, dirty_link);

        if (add_dropped_note(g, r))
            continue;
        list_remove(&r->dirty_link);
        add_commit(g, r);
    }
}

/* Moves changes from the queue into the group; why it ended, VERDICT_ADMIT or VERDICT_REFUSE if for
 * its own sake.
 */
static enum verdict fill(struct store *s, struct group *g)
{
    struct journal *j = &s->journal;
    enum verdict verdict = VERDICT_ADMIT;

    while (!g->closed && !list_empty(&j->queue) &&
           g->item_count < GROUP_RECORDS_MAX - COMMITS_MAX) {
        struct store_change *c = container_of(j->queue.next, struct store_change, link);

        verdict = group_admit(s, g, c);
        if (verdict != VERDICT_ADMIT && verdict != VERDICT_REFUSE)
            break;
        if (g->items[g->item_count - 1].last) {
            list_remove(&c->link);
            j->queued--;
            j->queued_chunks -= c->chunks;
            g->answers++;
        }
    }
    return verdict;
}

enum group_end group_build(struct store *s, struct group *g)
{
    struct journal *j = &s->journal;
    enum verdict verdict;

    begin(s, g);
    verdict = fill(s, g);
    if (g->item_count == 0 && verdict == VERDICT_CHECKPOINT)
        return GROUP_NEEDS_CHECKPOINT;
    g->changes = g->record_count > 0;
    if (g->changes || (j->idle_due && g->item_count == 0 && j->in_flight == 0)) {
        j->idle_due = false;
        add_words(s, g);
        return GROUP_BUILT;
    }
    return g->item_count > 0 ? GROUP_BUILT : GROUP_NOTHING;
}

/* What follows hangs on this group. */
static void move_on(struct journal *j, const struct group *g)
{
    const struct format_group *h = (const void *)g->meta;

    j->head += group_bytes(g);
    j->sequence++;
    j->predecessor = le64_get(h->head.checksum);
    j->list_count = 0;
    for (uint32_t i = 0; i < g->item_count; i++)
        if (g->items[i].recorded)
            list_entry_encode(&j->list[j->list_count++], &g->items[i].fact);
}

void group_seal(struct store *s, struct group *g)
{
    struct journal *j = &s->journal;
    struct format_group *h = (void *)g->meta;

    g->sequence = j->sequence;
    g->durable = j->finished;
    memset(g->meta + g->meta_used, 0, meta_bytes(g) - g->meta_used);
    h->incarnation = le64_of(j->incarnation);
    h->sequence = le64_of(g->sequence);
    h->predecessor = le64_of(j->predecessor);
    h->durable = le64_of(g->durable);
    h->list_count = le32_of(j->list_count);
    h->record_count = le32_of(g->record_count);
    h->payload_blocks = le32_of(g->block_count);
    format_seal_with(h, g->meta_used,
                     &(struct format_name){GROUP_MAGIC, s->identity, j->head, s->root_number},
                     g->incompat);
    move_on(j, g);
}

/* ---- its end ---- */

static void drop_payload(struct store *s, struct group *g)
{
    for (uint32_t i = 0; i < g->block_count; i++)
        if (g->blocks[i])
            pool_put(&s->stage.blocks, g->blocks[i]);
    g->block_count = 0;
}

static void apply(struct store *s, struct group *g)
{
    for (uint32_t i = 0; i < g->item_count; i++) {
        struct group_item *item = &g->items[i];
        enum err err;

        if (!item->recorded)
            continue;
        err = fact_apply(s, &item->fact);
        assert(!err); /* A1 */
        if (item->change && item->change->kind == STORE_MAKE)
            item->change->replica = store_find(s, item->fact.replica);
    }
}

/* J3.  An answer may bring new changes, which wait in the queue. */
static void answer(struct store *s, struct group *g)
{
    for (uint32_t i = 0; i < g->item_count; i++) {
        struct group_item *item = &g->items[i];

        if (!item->change || !item->last)
            continue;
        if (item->recorded && !g->err)
            metrics_change(s, item->change);
        item->change->done(item->change, item->recorded ? g->err : item->err);
    }
}

static bool was_written(const struct group *g)
{
    return g->record_count > 0 || g->item_count == 0; /* else refusals alone */
}

void group_finish(struct store *s, struct group *g)
{
    struct journal *j = &s->journal;

    if (g->err) {
        j->failed = true;
        store_break(s, "write its journal");
    }
    if (j->failed)
        g->err = E_DISK;
    if (!g->err && was_written(g)) {
        j->finished = g->sequence;
        j->named = g->durable;
        if (g->changes)
            j->unnamed = g->sequence;
        apply(s, g);
        metrics_group(s, g);
    }
    drop_payload(s, g);
    metrics_look(s);
    answer(s, g);
    g->item_count = 0;
}
