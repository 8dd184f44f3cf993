/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/replay.c — the journal after a crash: every group that was durable, in order, and no other.
 *
 * Starts at the tail that the root names and follows the chain: position, incarnation, sequence and
 * the predecessor's checksum must all fit, so that an old lap, or a tail that was once cut off,
 * never comes back (notes 44).  A group that does not prove itself is the end, unless a later one
 * names it durable (J2): then it is damage, and what it held is taken from the list in the group
 * behind it (J4).
 *
 *   a bad block of a durable group      that block is lost
 *   a bad group, its successor whole    its blocks are lost; a promise, SET or other word lost with
 *                                       it damages its replica
 *   a write outside, as after a size    it is dropped; its replica is damaged, and nobody knows how
 *   was lost                            large it was
 *   several bad groups in a row         every replica is damaged: nobody knows what they held
 *   a page that the disk refuses        read again, a few times; where nothing says whether it was
 *                                       durable it is not the end: the disk is not opened
 *   a group names a root newer than     that root was lost, and what it said with it: every
 *   the newest we found (J5)            replica is damaged
 *
 * What does not fit into the stage goes home by a checkpoint in between, which moves the tail.
 * Where chunks wait for a root there is one before the first group (replay_space.c).
 *
 * A group may have been read that is not durable: a process that was killed left it in the disk's
 * cache.  Before a checkpoint writes home what was read (C2), a sync makes it durable: else a loss
 * of power could take the group, and leave its blocks over those that the last root speaks of.
 */
#include "store/replay.h"

#define SCANS 2u /* of the rest of the ring: what either of them finds is named */

enum replay_state {
    WINDOW,     /* part of the ring is read, up to where it wraps */
    REST,       /* … the part behind                              */
    AGAIN,      /* pages of the head's group, one by one          */
    GROUPS,     /* as many as the window holds                    */
    SCAN,       /* which chunks the rest of the ring names        */
    SCAN_REST,  /* … the part behind where it wraps               */
    FIRM,       /* what was read becomes durable                  */
    CHECKPOINT, /* the stage was full                             */
    END,
};

enum looked {
    LOOK_WHOLE,   /* proved, with its payload                */
    LOOK_PAYLOAD, /* proved, but for some of its payload     */
    LOOK_MORE,    /* it reaches beyond the window            */
    LOOK_BAD,     /* no group that could be the next one     */
};

static struct replay *replay_of(struct task *t)
{
    return container_of(t, struct replay, task);
}

static const uint8_t *payload_of(const struct format_group *h, const struct fact *f, uint64_t i)
{
    return (const uint8_t *)h + replay_meta_bytes(h) + (f->payload + i) * PAGE_BYTES;
}

static bool block_proved(const struct store_replica *r, const struct format_group *h,
                         const struct fact *f, uint64_t i)
{
    uint64_t block = replica_volume_block(r, f->extent.start + i);

    return block_checksum(r->volume, block, payload_of(h, f, i)) == f->checksums[i];
}

/* Whether a fact can be meant: what it names is inside its replica and its group. */
static bool makes_sense(const struct store *s, const struct store_replica *r,
                        const struct format_group *h, const struct fact *f)
{
    bool blocks = f->kind == RECORD_WRITE || f->kind == RECORD_UNMAP || f->kind == RECORD_REDIRECT;

    if ((f->kind == RECORD_MAKE || f->kind == RECORD_RESIZE) && f->size_blocks > SHARD_BLOCKS)
        return false;
    if (blocks && r && !extent_within(f->extent, r->size_blocks))
        return false;
    if (record_has_note(f) && r && !note_makes_sense(&f->note.of, r->size_blocks))
        return false;
    if (f->kind == RECORD_REDIRECT)
        return replay_chunks_make_sense(s, f);
    return f->kind != RECORD_WRITE || (f->payload <= le32_get(h->payload_blocks) &&
                                       f->extent.count <= le32_get(h->payload_blocks) - f->payload);
}

static bool payload_proved(struct replay *r, const struct format_group *h)
{
    struct replay_records c = replay_records(h);
    struct fact f;

    while (replay_next_record(&c, &f, r->scratch) == E_OK) {
        const struct store_replica *replica = store_find(r->store, f.replica);

        if (f.kind != RECORD_WRITE || !replica || !makes_sense(r->store, replica, h, &f))
            continue;
        for (uint64_t i = 0; i < f.extent.count; i++)
            if (!block_proved(replica, h, &f, i))
                return false;
    }
    return true;
}

static enum looked look(struct replay *r)
{
    const struct journal *j = &r->store->journal;
    const struct format_group *h = replay_group_at(r, j->head);
    uint64_t left = replay_window_left(r, j->head);

    if (left < GROUP_META_MAX && r->window_at != j->head)
        return LOOK_MORE;
    if (!replay_group_proved(r, h, j->head) || le64_get(h->head.page) != j->head ||
        le64_get(h->incarnation) != j->incarnation || le64_get(h->sequence) != j->sequence ||
        le64_get(h->predecessor) != j->predecessor)
        return r->window_at == j->head ? LOOK_BAD : LOOK_MORE;
    if (replay_group_bytes(h) > left)
        return r->window_at == j->head ? LOOK_BAD : LOOK_MORE;
    if (payload_proved(r, h))
        return LOOK_WHOLE;
    return r->window_at == j->head ? LOOK_PAYLOAD : LOOK_MORE;
}

/* ---- the group at the head once more, page by page: a read may go wrong, and a page that the disk
 * refuses says nothing, where a torn write says that it is torn ---- */

#define PAGE_TRIES 4u

/* How far the group at the head reaches, as far as its first page can tell. */
static uint64_t head_bytes(const struct replay *r)
{
    const struct journal *j = &r->store->journal;
    const struct format_group *h = replay_group_at(r, j->head);

    if (le32_get(h->head.magic) != GROUP_MAGIC || le64_get(h->head.page) != j->head ||
        le64_get(h->incarnation) != j->incarnation || le64_get(h->sequence) != j->sequence)
        return PAGE_BYTES;
    return min_u64(max_u64(replay_group_bytes(h), PAGE_BYTES), r->window_bytes);
}

static void read_page_again(struct replay *r)
{
    const struct geometry *g = &r->store->geo;

    r->refused = r->io.refused;
    open_io_read(&r->io, r->window + (r->again_at - r->window_at),
                 g->journal_offset + r->again_at % g->journal_bytes, PAGE_BYTES);
}

/* True: the first time in this window; AGAIN asks for the pages that matter. */
static bool ask_again(struct replay *r)
{
    if (r->asked_again)
        return false;
    r->asked_again = true;
    r->again_at = r->store->journal.head;
    r->tries = 1;
    read_page_again(r);
    return true;
}

static enum task_next again(struct replay *r)
{
    bool refused = r->io.refused > r->refused;

    if (refused && r->tries++ < PAGE_TRIES) {
        read_page_again(r);
        return TASK_WAIT;
    }
    r->head_refused |= refused;
    r->tries = 1;
    r->again_at += PAGE_BYTES;
    if (r->again_at - r->store->journal.head >= head_bytes(r))
        return task_goto(&r->task, GROUPS);
    read_page_again(r);
    return TASK_WAIT;
}

/* ---- past a group that is not whole ---- */

struct beyond {
    const struct format_group *next; /* the first group behind it of this chain; NULL: none */
    uint64_t durable;                /* the newest sequence that any of them names durable  */
};

static void look_beyond(struct replay *r, struct beyond *ret)
{
    const struct journal *j = &r->store->journal;

    *ret = (struct beyond){0};
    for (uint64_t at = j->head; replay_window_left(r, at) >= PAGE_BYTES; at += PAGE_BYTES) {
        const struct format_group *h = replay_group_at(r, at);
        uint64_t page = le64_get(h->head.page);

        if (le32_get(h->head.magic) != GROUP_MAGIC || !replay_group_proved(r, h, at))
            continue;
        replay_hear_root(r, h, at);
        if (page != at || le64_get(h->incarnation) != j->incarnation ||
            le64_get(h->sequence) <= j->sequence)
            continue;
        if (!ret->next)
            ret->next = h;
        ret->durable = max_u64(ret->durable, le64_get(h->durable));
    }
}

/* How many chunks the loss of one entry stages, at most. */
static uint64_t chunks_lost(struct store *s, const struct format_list_entry *e)
{
    const struct store_replica *r = store_find(s, (struct identity){le64_get(e->replica)});
    struct extent lost = {le64_get(e->start), le32_get(e->count)};
    uint64_t chunks = 0;

    if (!r || (e->kind != RECORD_WRITE && e->kind != RECORD_UNMAP && e->kind != RECORD_REDIRECT) ||
        !extent_within(lost, r->size_blocks))
        return 0;
    for (uint32_t i = (uint32_t)(lost.start / CHUNK_BLOCKS);
         i * (uint64_t)CHUNK_BLOCKS < extent_end(lost); i++) {
        bool zeros = !map_entry(r, i) && hole_state(r, i) == BLOCK_ZERO;

        chunks += e->kind == RECORD_UNMAP && zeros ? 0 : 1; /* as fact_lost() */
    }
    return chunks;
}

/* Whether what the group at the head held can be called lost, by block, with what is staged. */
static bool stage_takes_loss(struct store *s, const struct format_group *next)
{
    uint64_t chunks = 0;

    for (uint32_t i = 0; i < le32_get(next->list_count); i++)
        chunks += chunks_lost(s, &replay_list(next)[i]);
    return chunks <= s->stage.chunks.free_count;
}

static void damage_all(struct store *s)
{
    for_each_replica(r, s)
        r->damaged = r->size_lost = true;
}

/* J5: before a checkpoint raises our number, and once more at the end, for what was made since. */
static void prove_root(struct replay *r)
{
    struct store *s = r->store;

    r->root_lost |= r->root_named > s->root_number;
    s->root_number = max_u64(s->root_number, r->root_named);
    if (r->root_lost)
        damage_all(s);
}

/* The group at the head is lost; its successor says what it held (J4). */
static void lose_group(struct store *s, const struct format_group *next)
{
    const struct format_list_entry *list = replay_list(next);

    if (le64_get(next->sequence) != s->journal.sequence + 1)
        damage_all(s);
    for (uint32_t i = 0; i < le32_get(next->list_count); i++)
        fact_lost(s, &list[i]);
    s->journal.head = le64_get(next->head.page);
    s->journal.sequence = le64_get(next->sequence);
    s->journal.predecessor = le64_get(next->predecessor);
}

/* ---- one group ---- */

static void take_payload(struct replay *r, const struct format_group *h, struct fact *f)
{
    const struct store_replica *replica = store_find(r->store, f->replica);

    f->blocks = r->blocks;
    memset(r->blocks, 0, sizeof r->blocks);
    for (uint64_t i = 0; replica && i < f->extent.count; i++) {
        if (!block_proved(replica, h, f, i))
            continue; /* lost */
        r->blocks[i] = pool_get(&r->store->stage.blocks);
        if (r->blocks[i]) /* a careless hand may name one payload twice */
            memcpy(r->blocks[i], payload_of(h, f, i), BLOCK_BYTES);
    }
}

static void drop_payload(struct replay *r)
{
    for (uint32_t i = 0; i < GROUP_BLOCKS_MAX; i++)
        if (r->blocks[i])
            pool_put(&r->store->stage.blocks, r->blocks[i]);
    memset(r->blocks, 0, sizeof r->blocks);
}

static enum err take_group(struct replay *r, const struct format_group *h)
{
    struct store *s = r->store;
    struct replay_records c = replay_records(h);
    enum err err;
    struct fact f;

    while ((err = replay_next_record(&c, &f, r->scratch)) == E_OK) {
        struct store_replica *replica = store_find(s, f.replica);

        if (!makes_sense(r->store, replica, h,
                         &f)) { /* after a size was lost a write may be outside */
            if (!replica)
                return E_DAMAGED;
            replica->damaged = replica->size_lost = true;
            continue;
        }
        if (f.kind == RECORD_WRITE)
            take_payload(r, h, &f);
        if (f.kind == RECORD_REDIRECT && replica) /* else its chunks are nobody's */
            replay_claim(r, &f);
        err = fact_apply(s, &f);
        drop_payload(r);
        if (err == E_NO_MEMORY)
            return err;
        if (err && replica)
            replica->damaged = true;
    }
    if (err != E_NOT_FOUND)
        return err;
    s->allocator.let_go = 0; /* none is claimed but by the journal, which had them */
    r->took = true;
    r->firm = false;
    s->journal.head += replay_group_bytes(h);
    s->journal.sequence++;
    s->journal.predecessor = le64_get(h->head.checksum);
    return E_OK;
}

/* ---- its life ---- */

#define END_REFUSED                                                                                \
    "the disk refuses to read the end of its journal, where answered writes may be: start again"

static enum task_next fail(struct replay *r, enum err err, const char *why)
{
    r->err = err;
    r->why = why;
    return task_fail(&r->task, END, err);
}

static enum task_next window_anew(struct replay *r)
{
    replay_read_window(r, r->store->journal.head);
    return task_wait_in(&r->task, WINDOW);
}

static void synced(struct disk_io *io, enum err err)
{
    struct replay *r = container_of(io, struct replay, sync);

    r->syncing = false;
    if (err)
        store_break(r->store, "make its journal durable");
    task_run(&r->task);
}

/*
 * Before the checkpoint that comes next: one in between, or the one of open.  Not groups alone: the
 * process that wrote the root that was read may have died before its disk said durable, and if that
 * copy is the only one, it must not go with the power while the next is written (C4).
 */
static enum task_next make_firm(struct replay *r, bool more)
{
    const struct store *s = r->store;

    r->more = more;
    if (!r->firm && !s->read_only && !s->disk->write_through) {
        r->syncing = true;
        r->sync = (struct disk_io){.op = DISK_SYNC, .done = synced};
        disk_submit(s->disk, &r->sync);
    }
    r->firm = true;
    r->took = false;
    return task_goto(&r->task, FIRM);
}

/* What is staged goes home, then the group at the head is looked at again.  The checkpoint hands
 * out chunks: the first time, what the rest of the ring names is kept from it (D2), or it is not
 * begun: a last group that the disk refuses may name any.  It raises the number of our root, too:
 * what the ring says of that comes first (J5). */
static enum task_next make_room(struct replay *r)
{
    if (r->scans == SCANS && !r->scanned)
        return fail(r, E_DISK, END_REFUSED);
    if (r->scans == SCANS) {
        prove_root(r);
        return make_firm(r, true);
    }
    r->scan_at = r->scan_seen = r->store->journal.head;
    replay_read_window(r, r->scan_at);
    return task_wait_in(&r->task, SCAN);
}

static enum task_next scan(struct replay *r)
{
    if (replay_scan(r)) {
        r->scans++;
        r->scanned |= !replay_unread_at(r, r->scan_seen);
        return make_room(r);
    }
    replay_read_window(r, r->scan_at);
    return task_wait_in(&r->task, SCAN);
}

static enum task_next firm(struct replay *r)
{
    if (!r->more) {
        replay_unname(r);
        return task_goto(&r->task, END);
    }
    if (r->store->broken)
        return fail(r, E_DISK, "the disk refuses to make its journal durable");
    checkpoint_begin(r->store, &r->task);
    return task_wait_in(&r->task, CHECKPOINT);
}

static bool can_make_room(const struct replay *r)
{
    return !r->store->read_only && !list_empty(&r->store->stage.current.list);
}

static enum task_next take(struct replay *r)
{
    const struct format_group *h = replay_group_at(r, r->store->journal.head);
    enum err err;

    if (replay_waits_for_space(r))
        return make_room(r);
    if (!replay_stage_has_room(r, h)) {
        if (can_make_room(r))
            return make_room(r);
        return fail(r, E_NO_MEMORY, "the stage is too small for the journal");
    }
    err = format_features(&h->head, &r->store->read_only);
    if (!err)
        err = take_group(r, h);
    if (err)
        return fail(r, err,
                    err == E_NO_MEMORY ? "the memory set aside for chunk maps is too small"
                                       : "the journal holds what this version does not know");
    return TASK_AGAIN;
}

/* The group at the head is not whole, and all that could speak of it is in the window. */
static enum task_next end_or_damage(struct replay *r, bool payload)
{
    struct store *s = r->store;
    struct beyond beyond;
    bool damage; /* it was durable */

    if (ask_again(r))
        return task_wait_in(&r->task, AGAIN);
    look_beyond(r, &beyond);
    damage = beyond.next && beyond.durable >= s->journal.sequence;
    if (damage && payload)
        return take(r);
    if (damage && le64_get(beyond.next->sequence) <= beyond.durable + 1) {
        if (replay_waits_for_space(r))
            return make_room(r);
        if (!stage_takes_loss(s, beyond.next) && can_make_room(r))
            return make_room(r);
        lose_group(s, beyond.next);
        return window_anew(r);
    }
    if (damage)
        damage_all(s); /* the group that would say what was lost was never durable */
    else if (r->head_refused)
        return fail(r, E_DISK, END_REFUSED);
    prove_root(r);
    return make_firm(r, false);
}

static enum task_next groups(struct replay *r)
{
    switch (look(r)) {
    case LOOK_WHOLE:
        return take(r);
    case LOOK_MORE:
        return window_anew(r);
    case LOOK_PAYLOAD:
        return end_or_damage(r, true);
    case LOOK_BAD:
        return end_or_damage(r, false);
    }
    unreachable();
}

static enum task_next replay_step(struct task *t)
{
    struct replay *r = replay_of(t);

    if (r->io.busy || r->syncing || checkpoint_running(r->store))
        return TASK_WAIT;
    replay_heed(r);
    switch ((enum replay_state)t->state) {
    case WINDOW:
        (void)replay_read_rest(r);
        return task_goto(t, REST);
    case REST:
        return task_goto(t, GROUPS);
    case GROUPS:
        return groups(r);
    case AGAIN:
        return again(r);
    case SCAN:
        (void)replay_read_rest(r);
        return task_goto(t, SCAN_REST);
    case SCAN_REST:
        return scan(r);
    case FIRM:
        return firm(r);
    case CHECKPOINT:
        if (r->store->checkpoint.err)
            return fail(r, E_DISK, "a checkpoint during replay failed");
        return window_anew(r);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void replay_done(struct task *t)
{
    struct replay *r = replay_of(t);

    free(r->window);
    free(r->scratch);
    free(r->named);
    r->window = NULL;
    r->scratch = NULL;
    r->named = NULL;
    task_run(r->waiter);
}

static const struct task_state replay_states[] = {
    [WINDOW] = {"window", TASK_FIRST | TASK_AFTER(GROUPS) | TASK_AFTER(CHECKPOINT)},
    [REST] = {"rest", TASK_AFTER(WINDOW)},
    [GROUPS] = {"groups", TASK_AFTER(REST) | TASK_AFTER(AGAIN)},
    [AGAIN] = {"again", TASK_AFTER(GROUPS)},
    [SCAN] = {"scan", TASK_AFTER(GROUPS) | TASK_AFTER(SCAN_REST)},
    [SCAN_REST] = {"scan_rest", TASK_AFTER(SCAN)},
    [FIRM] = {"firm", TASK_AFTER(GROUPS) | TASK_AFTER(SCAN_REST)},
    [CHECKPOINT] = {"checkpoint", TASK_AFTER(FIRM)},
    [END] = {"end", TASK_AFTER(GROUPS) | TASK_AFTER(SCAN_REST) | TASK_AFTER(FIRM) |
                        TASK_AFTER(CHECKPOINT)},
};
static const struct task_kind replay_kind = {
    .name = "store_replay",
    .step = replay_step,
    .done = replay_done,
    .states = replay_states,
    .state_count = array_length(replay_states),
};

enum err replay_begin(struct store *s, struct replay *r, struct task *waiter)
{
    memset(r, 0, sizeof *r);
    r->store = s;
    r->waiter = waiter;
    r->window_bytes = min_u64(s->geo.journal_bytes, REPLAY_BYTES);
    r->window = aligned_alloc(PAGE_BYTES, (size_t)r->window_bytes);
    r->scratch = malloc(sizeof *r->scratch);
    r->named = calloc((size_t)div_up(s->geo.chunks, 64), sizeof *r->named);
    if (!r->window || !r->scratch || !r->named) {
        free(r->window);
        free(r->scratch);
        free(r->named);
        return E_NO_MEMORY;
    }
    r->io.disk = s->disk;
    r->io.waiter = &r->task;
    task_start(&r->task, &replay_kind, &s->env->tasks, WINDOW);
    replay_read_window(r, r->store->journal.head);
    return E_OK;
}
