/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/check_journal.c — the journal's chain from the root's tail on, read by the rules of
 * docs/formats/journal.md: where it ends, and what in it is damaged.
 *
 * A group that is not whole is the end, unless a later one of its incarnation names it durable.
 * What the records say is held against the replicas of the root, which MAKE, DELETE and RESIZE
 * change on the way; what they do to blocks is the business of the store that is opened next.
 */
#include "store/check_inside.h"

#include <inttypes.h>

enum chain_state {
    WINDOW, /* part of the ring is read, up to where it wraps */
    REST,   /* … the part behind                              */
    GROUPS,
    END,
};

static struct checking *checking_of(struct task *t)
{
    return container_of(container_of(t, struct check_chain, task), struct checking, chain);
}

static const struct format_group *at_position(const struct check_chain *c, uint64_t position)
{
    return (const void *)(c->window + (position - c->window_at));
}

static uint64_t window_left(const struct check_chain *c, uint64_t position)
{
    return c->window_at + c->window_bytes - position;
}

static uint64_t place_of(const struct checking *k, uint64_t position)
{
    return k->geo.journal_offset + position % k->geo.journal_bytes;
}

static uint64_t meta_bytes(const struct format_group *h)
{
    return round_up(le32_get(h->head.bytes), PAGE_BYTES);
}

static uint64_t bytes_of(const struct format_group *h)
{
    return meta_bytes(h) + (uint64_t)le32_get(h->payload_blocks) * PAGE_BYTES;
}

/* Whether a group lies here, wherever it belongs; its payload aside. */
static bool is_group(const struct checking *k, const struct format_group *h, uint64_t left)
{
    struct format_name name = {GROUP_MAGIC, k->check->identity, le64_get(h->head.page), 0};
    uint32_t bytes = le32_get(h->head.bytes);

    if (le32_get(h->head.magic) != GROUP_MAGIC || bytes < sizeof *h || bytes > GROUP_META_MAX)
        return false;
    if (format_prove(h, (size_t)left, &name))
        return false;
    return le64_get(h->sequence) < COUNTS_MOST && le64_get(h->head.checkpoint) < COUNTS_MOST &&
           le32_get(h->list_count) <= GROUP_RECORDS_MAX &&
           le32_get(h->record_count) <= GROUP_RECORDS_MAX &&
           le32_get(h->payload_blocks) <= GROUP_BLOCKS_MAX &&
           sizeof *h + le32_get(h->list_count) * sizeof(struct format_list_entry) <= bytes;
}

static bool is_next(const struct checking *k, const struct format_group *h)
{
    const struct check_chain *c = &k->chain;

    return is_group(k, h, window_left(c, c->position)) && le64_get(h->head.page) == c->position &&
           le64_get(h->incarnation) == c->incarnation && le64_get(h->sequence) == c->sequence &&
           le64_get(h->predecessor) == c->predecessor;
}

/* ---- records ---- */

struct records {
    const uint8_t *at, *end;
    uint32_t left;
};

static struct records records_of(const struct format_group *h)
{
    const uint8_t *bytes = (const void *)h;

    return (struct records){bytes + sizeof *h +
                                le32_get(h->list_count) * sizeof(struct format_list_entry),
                            bytes + le32_get(h->head.bytes), le32_get(h->record_count)};
}

/* E_NOT_FOUND: none is left. */
static enum err next_of(struct records *r, struct fact *ret, struct record_scratch *x)
{
    struct format_record head;
    enum err err;

    if (r->left == 0)
        return E_NOT_FOUND;
    err = record_decode(r->at, (size_t)(r->end - r->at), ret, x);
    if (err)
        return err;
    memcpy(&head, r->at, sizeof head);
    r->at += le32_get(head.bytes);
    r->left--;
    return E_OK;
}

static bool block_proved(const struct check_replica *r, const struct format_group *h,
                         const struct fact *f, uint64_t i)
{
    const uint8_t *bytes = (const uint8_t *)h + meta_bytes(h) + (f->payload + i) * PAGE_BYTES;

    return block_checksum(r->volume, r->shard * SHARD_BLOCKS + f->extent.start + i, bytes) ==
           f->checksums[i];
}

/* The blocks of a write that its replica and its group have; else none can be looked at. */
static bool has_payload(const struct check_replica *r, const struct format_group *h,
                        const struct fact *f)
{
    uint32_t blocks = le32_get(h->payload_blocks);

    return f->kind == RECORD_WRITE && r && extent_within(f->extent, r->size_blocks) &&
           f->payload <= blocks && f->extent.count <= blocks - f->payload;
}

/* How many payload blocks do not prove themselves; says which, if told to. */
static uint64_t bad_payload(struct checking *k, const struct format_group *h, bool say)
{
    struct records records = records_of(h);
    uint64_t bad = 0;
    struct fact f;

    while (next_of(&records, &f, k->chain.scratch) == E_OK) {
        const struct check_replica *r = map_get(&k->by_identity, f.replica.bits);

        for (uint64_t i = 0; has_payload(r, h, &f) && i < f.extent.count; i++) {
            if (block_proved(r, h, &f, i))
                continue;
            bad++;
            if (say)
                check_say_of(k, FINDING_JOURNAL_BLOCK,
                             &(struct check_where){r->identity,
                                                   r->volume,
                                                   r->shard,
                                                   {f.extent.start + i, 1},
                                                   place_of(k, k->chain.position + meta_bytes(h) +
                                                                   (f.payload + i) * PAGE_BYTES)},
                             "a block in the journal fails its checksum");
        }
    }
    return bad;
}

static bool has_chunks(const struct checking *k, const struct fact *f)
{
    return extent_within((struct extent){f->chunk, f->extent.count / CHUNK_BLOCKS}, k->geo.chunks);
}

static void make(struct checking *k, const struct fact *f)
{
    for (uint32_t i = 0; i < k->geo.replicas_max; i++) {
        struct check_replica *r = &k->replicas[i];

        if (!identity_none(r->identity))
            continue;
        r->identity = f->replica;
        r->volume = f->volume;
        r->shard = f->shard;
        r->size_blocks = f->size_blocks;
        if (map_put(&k->by_identity, f->replica.bits, r))
            r->identity = (struct identity){0};
        return;
    }
}

/* What a record does to the replicas; NULL: it can be meant. */
static const char *take_record(struct checking *k, const struct format_group *h,
                               const struct fact *f)
{
    struct check_replica *r = map_get(&k->by_identity, f->replica.bits);
    bool sized = f->kind == RECORD_MAKE || f->kind == RECORD_RESIZE;

    if (sized && f->size_blocks > SHARD_BLOCKS)
        return "gives a size beyond a shard";
    if (f->kind == RECORD_MAKE && !r)
        make(k, f);
    else if (f->kind == RECORD_MAKE)
        return "makes a replica that is there";
    else if (!r)
        return f->kind == RECORD_COMMIT || f->kind == RECORD_NOTE
                   ? NULL
                   : "names a replica that is not there";
    else if (record_has_note(f) && !note_makes_sense(&f->note.of, r->size_blocks))
        return "has a note that lies outside its replica";
    else if (f->kind == RECORD_RESIZE)
        r->size_blocks = max_u64(r->size_blocks, f->size_blocks);
    else if (f->kind == RECORD_WRITE && !has_payload(r, h, f))
        return "lies outside its replica or its group";
    else if ((f->kind == RECORD_UNMAP || f->kind == RECORD_REDIRECT) &&
             !extent_within(f->extent, r->size_blocks))
        return "lies outside its replica";
    else if (f->kind == RECORD_REDIRECT && !has_chunks(k, f))
        return "names chunks that are not there";
    else if (f->kind == RECORD_SALVAGE) {
        map_remove(&k->by_identity, r->identity.bits);
        r->identity = (struct identity){f->extent.start};
        if (map_put(&k->by_identity, r->identity.bits, r))
            return "gives an identity that another has";
    } else if (f->kind == RECORD_DELETE) {
        map_remove(&k->by_identity, r->identity.bits);
        r->identity = (struct identity){0};
    }
    return NULL;
}

static void take_group(struct checking *k, const struct format_group *h)
{
    struct check_chain *c = &k->chain;
    struct records records = records_of(h);
    const char *wrong;
    struct fact f;
    enum err err;

    while ((err = next_of(&records, &f, c->scratch)) == E_OK) {
        wrong = take_record(k, h, &f);
        k->check->counts.records++;
        if (wrong)
            check_say_of(k, FINDING_JOURNAL_RECORD,
                         &(struct check_where){.replica = f.replica,
                                               .volume = f.volume,
                                               .offset = place_of(k, c->position)},
                         "a record of the journal %s", wrong);
    }
    if (err != E_NOT_FOUND)
        check_say(k, FINDING_JOURNAL_RECORD, place_of(k, c->position),
                  "a group of the journal holds a record that cannot be read: %s", err_text(err));
    k->check->counts.groups++;
    k->check->bytes_done += bytes_of(h);
    c->position += bytes_of(h);
    c->sequence++;
    c->predecessor = le64_get(h->head.checksum);
}

/* ---- past a group that is not whole ---- */

struct beyond {
    const struct format_group *next; /* the first of this chain behind it; NULL: none */
    uint64_t durable;                /* the newest sequence that any of them names durable  */
    uint64_t root;                   /* the newest root that any group in sight names       */
};

static struct beyond look_beyond(const struct checking *k)
{
    const struct check_chain *c = &k->chain;
    struct beyond b = {0};

    for (uint64_t at = c->position; window_left(c, at) >= PAGE_BYTES; at += PAGE_BYTES) {
        const struct format_group *h = at_position(c, at);
        uint64_t page = le64_get(h->head.page);

        if (!is_group(k, h, window_left(c, at)))
            continue;
        if (page >= at && (page - at) % k->geo.journal_bytes == 0)
            b.root = max_u64(b.root, le64_get(h->head.checkpoint));
        if (page != at || le64_get(h->incarnation) != c->incarnation ||
            le64_get(h->sequence) <= c->sequence)
            continue;
        if (!b.next)
            b.next = h;
        b.durable = max_u64(b.durable, le64_get(h->durable));
    }
    return b;
}

static void skip_to(struct checking *k, const struct format_group *next)
{
    struct check_chain *c = &k->chain;

    check_say(k, FINDING_JOURNAL_GROUP, place_of(k, c->position),
              "%" PRIu64 " durable groups of the journal do not prove themselves, from number "
              "%" PRIu64 " on",
              le64_get(next->sequence) - c->sequence, c->sequence);
    c->position = le64_get(next->head.page);
    c->sequence = le64_get(next->sequence);
    c->predecessor = le64_get(next->predecessor);
}

/* ---- its life ---- */

static enum task_next window_anew(struct checking *k)
{
    struct check_chain *c = &k->chain;
    uint64_t start = c->position % k->geo.journal_bytes;

    c->window_at = c->position;
    c->refused = k->io.refused;
    open_io_read(&k->io, c->window, k->geo.journal_offset + start,
                 min_u64(c->window_bytes, k->geo.journal_bytes - start));
    return task_wait_in(&c->task, WINDOW);
}

static void read_rest(struct checking *k)
{
    struct check_chain *c = &k->chain;
    uint64_t first =
        min_u64(c->window_bytes, k->geo.journal_bytes - c->window_at % k->geo.journal_bytes);

    if (first < c->window_bytes)
        open_io_read(&k->io, c->window + first, k->geo.journal_offset, c->window_bytes - first);
}

static enum task_next end_or_damage(struct checking *k, bool payload)
{
    struct check_chain *c = &k->chain;
    struct beyond b = look_beyond(k);

    if (b.next && b.durable >= c->sequence && payload) {
        (void)bad_payload(k, at_position(c, c->position), true);
        take_group(k, at_position(c, c->position));
        return TASK_AGAIN;
    }
    if (b.next && b.durable >= c->sequence) {
        skip_to(k, b.next);
        return window_anew(k);
    }
    if (k->io.refused > c->refused) {
        check_say(k, FINDING_UNREADABLE, place_of(k, c->position),
                  "the disk refuses to read pages where the journal seems to end");
        k->refused = true;
    }
    if (b.root > k->root_number)
        check_say(k, FINDING_ROOT_LOST, k->geo.root_offset[0],
                  "the journal names root %" PRIu64 ", the newest that is left is %" PRIu64, b.root,
                  k->root_number);
    k->check->counts.journal_end = c->position;
    return task_goto(&c->task, END);
}

static enum task_next groups(struct checking *k)
{
    struct check_chain *c = &k->chain;
    const struct format_group *h = at_position(c, c->position);
    uint64_t left = window_left(c, c->position);
    bool anew = c->window_at != c->position;

    if (anew && left < GROUP_META_MAX)
        return window_anew(k);
    if (!is_next(k, h) || bytes_of(h) > left)
        return anew ? window_anew(k) : end_or_damage(k, false);
    if (bad_payload(k, h, false) > 0)
        return anew ? window_anew(k) : end_or_damage(k, true);
    take_group(k, h);
    return TASK_AGAIN;
}

static enum task_next chain_step(struct task *t)
{
    struct checking *k = checking_of(t);

    if (k->io.busy)
        return TASK_WAIT;
    switch ((enum chain_state)t->state) {
    case WINDOW:
        read_rest(k);
        return task_goto(t, REST);
    case REST:
        return task_goto(t, GROUPS);
    case GROUPS:
        return groups(k);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void chain_done(struct task *t)
{
    task_run(checking_of(t)->chain.waiter);
}

static const struct task_state chain_states[] = {
    [WINDOW] = {"window", TASK_FIRST | TASK_AFTER(GROUPS)},
    [REST] = {"rest", TASK_AFTER(WINDOW)},
    [GROUPS] = {"groups", TASK_AFTER(REST)},
    [END] = {"end", TASK_AFTER(GROUPS)},
};
static const struct task_kind chain_kind = {
    .name = "store_check_chain",
    .step = chain_step,
    .done = chain_done,
    .states = chain_states,
    .state_count = array_length(chain_states),
};

enum err check_chain_open(struct checking *k, struct task *waiter)
{
    struct check_chain *c = &k->chain;

    c->waiter = waiter;
    c->window_bytes = min_u64(k->geo.journal_bytes, 2 * (uint64_t)GROUP_BYTES_MAX);
    c->window = aligned_alloc(PAGE_BYTES, (size_t)c->window_bytes);
    c->scratch = malloc(sizeof *c->scratch);
    if (!c->window || !c->scratch)
        return E_NO_MEMORY;
    k->io.waiter = &c->task;
    task_start(&c->task, &chain_kind, &k->check->env->tasks, WINDOW);
    c->window_at = c->position;
    c->refused = k->io.refused;
    open_io_read(
        &k->io, c->window, place_of(k, c->position),
        min_u64(c->window_bytes, k->geo.journal_bytes - c->position % k->geo.journal_bytes));
    return E_OK;
}

void check_chain_close(struct checking *k)
{
    free(k->chain.window);
    free(k->chain.scratch);
    k->chain.window = NULL;
    k->chain.scratch = NULL;
}
