/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/read.c — verified bytes, chunk by chunk.
 *
 * What is staged comes from memory, the current generation before the frozen one; else the chunk's
 * checksum record says what each block is, and a block of data is fetched from home and held
 * against the checksum that stood for it when it was asked for.  Between looking and asking nothing
 * can change: both happen in one step.  Home reads are counted by parity, for the checkpoint's
 * grace (C1).
 *
 * Where the record's page has yet to come from the disk, the chunk's home is known already: it is
 * fetched *ahead*, beside the page, and judged when both are here.  A read ahead counts as under
 * way until then.  So no checkpoint frozen after it was asked for writes a page or a home before
 * (C1), or hands its chunk out again (C3); and one frozen earlier changes only records of blocks
 * that it has staged, which the read found in memory.  Hence the record that comes is the one that
 * stood, whatever became of the chunk since.
 *
 * A block is read into the caller's memory where that can be, and proved there; else, and ahead of
 * its page, into a buffer of the store's and copied.
 *
 * What can go wrong:
 *   the checksum does not match     E_MEDIUM with the first such block; the others are valid
 *   the disk refuses the read       asked again block by block: only what it refuses is E_MEDIUM …
 *   … and does not read anything    … if it reads a copy of the root, the witness: else E_DISK
 *   the checksum page is rotten     every block of it that is not staged is E_MEDIUM (P7)
 */
#include "base/memory.h"
#include "store/inside.h"

#define WITNESSES 4u /* reads of a copy of the root, in turn: one error may pass */

enum read_state {
    LOOK,    /* gives out the disk's part of it, chunk by chunk */
    HOME,    /* awaits that                                     */
    WITNESS, /* something was refused: does it read at all?     */
};

enum err reads_open(struct store *s)
{
    struct reads *r = &s->reads;

    list_init(&r->starved);
    r->memory = memory_take(PAGE_BYTES, HOME_READS * (size_t)CHUNK_BYTES, false);
    if (!r->memory)
        return E_NO_MEMORY;
    return pool_open(&r->home_reads, "home reads", sizeof(struct home_read), 64, HOME_READS);
}

void reads_close(struct reads *r)
{
    free(r->memory);
    pool_close(&r->home_reads);
}

static void bad(struct store_read *r, uint64_t block)
{
    if (r->task.err != E_MEDIUM || block < r->bad_block)
        r->bad_block = block;
    r->task.err = E_MEDIUM;
}

static void give(struct store_read *r, uint64_t block, const uint8_t *bytes)
{
    pieces_scatter(r->pieces, (block - r->extent.start) * BLOCK_BYTES, bytes, BLOCK_BYTES);
}

/* ---- the disk's part ---- */

static void submit(struct home_read *h);

static struct iovec first_piece(const struct home_read *h)
{
    return (struct iovec){h->buffer + (size_t)h->first * BLOCK_BYTES,
                          h->count * (size_t)BLOCK_BYTES};
}

/*
 * Where every block that is asked for comes from the disk, and the asker's memory can be read into
 * as it lies, it is: what is proved there needs no copy.  False: through the buffer.
 */
static bool pieces_are_direct(struct home_read *h)
{
    uint64_t offset = (h->block + h->first - h->read->extent.start) * BLOCK_BYTES;
    struct pieces_cursor at = {h->read->pieces, offset};
    uint32_t count = 0;

    for (uint32_t b = h->first; b < h->first + h->count; b++) {
        struct iovec *last = &h->pieces[count - (count > 0)], part = pieces_next(&at, BLOCK_BYTES);

        if (!(h->mask & 1u << b) || part.iov_len < BLOCK_BYTES ||
            (uintptr_t)part.iov_base % DISK_ALIGN != 0)
            return false;
        if (count > 0 && (uint8_t *)last->iov_base + last->iov_len == part.iov_base)
            last->iov_len += part.iov_len;
        else
            h->pieces[count++] = part;
    }
    h->piece_count = count;
    return true;
}

/* Verifies what came and hands it on. */
static void take_in(struct home_read *h, uint32_t first, uint32_t count, enum err err)
{
    const struct store_replica *replica = h->read->replica;
    struct pieces_cursor at = {h->pieces, 0};

    for (uint32_t b = first; b < first + count; b++) {
        const uint8_t *bytes = pieces_next(&at, BLOCK_BYTES).iov_base;
        uint64_t block = h->block + b;

        if (!(h->mask & 1u << b))
            continue;
        if (err || block_checksum(replica->volume, replica_volume_block(replica, block), bytes) !=
                       h->checksums[b])
            bad(h->read, block);
        else if (!h->direct)
            give(h->read, block, bytes);
    }
}

/* Its buffer goes to the next who waits for one. */
static void give_back(struct reads *reads, struct home_read *h)
{
    struct list *l = list_take(&reads->starved);

    pool_put(&reads->home_reads, h);
    if (l)
        task_run(&container_of(l, struct store_read, link)->task);
}

static void end(struct home_read *h)
{
    struct reads *reads = &h->store->reads;
    struct store_read *r = h->read;

    if (--reads->under_way[h->parity] == 0 && checkpoint_running(h->store))
        task_run(&h->store->checkpoint.task);
    r->flying--;
    give_back(reads, h);
    task_run(&r->task);
}

/* It came, and its checksums are known. */
static void came(struct home_read *h, enum err err)
{
    if (err && h->mask && !h->single && h->count > 1) {
        h->single = true;
        h->left = h->count;
        h->count = 1;
        submit(h);
        return;
    }
    if (err && h->mask & 1u << h->first) {
        h->read->refused = true;
        store_read_refused(h->store);
    }
    take_in(h, h->first, h->count, err);
    if (h->single && --h->left > 0) {
        h->first++;
        submit(h);
        return;
    }
    end(h);
}

static void fetched(struct disk_io *io, enum err err)
{
    struct home_read *h = container_of(io, struct home_read, io);

    h->arrived = true;
    h->err = err;
    if (!h->unjudged)
        came(h, err);
}

static void submit(struct home_read *h)
{
    h->direct = !h->unjudged && pieces_are_direct(h);
    if (!h->direct) {
        h->pieces[0] = first_piece(h);
        h->piece_count = 1;
    }
    h->io = (struct disk_io){.op = DISK_READ,
                             .offset = h->offset + h->first * (uint64_t)BLOCK_BYTES,
                             .pieces = h->pieces,
                             .piece_count = h->piece_count,
                             .done = fetched};
    disk_submit(h->store->disk, &h->io);
}

/* ---- looking ---- */

/* One chunk's part of a read, as it stands now. */
struct look {
    struct store *store;
    const struct store_replica *replica;
    uint32_t index, first, end; /* blocks of the chunk */
    uint64_t entry;
    struct staged_view staged;
    const struct format_checksum_record *record; /* NULL: none is needed, or it is not proved */
    bool ahead;                                  /* the record is on its way */
    uint32_t unjudged;                           /* blocks of which it will tell */
    uint32_t mask;                               /* blocks that only the disk has … */
    uint32_t checksums[CHUNK_BLOCKS];            /* … and theirs */
};

static struct look look_at(struct store_read *r)
{
    struct store *s = r->replica->store;
    uint64_t end = extent_end(r->extent);
    struct look k = {.store = s, .replica = r->replica, .index = (uint32_t)(r->at / CHUNK_BLOCKS)};
    uint64_t base = (uint64_t)k.index * CHUNK_BLOCKS;

    k.first = (uint32_t)(r->at - base);
    k.end = (uint32_t)min_u64(end - base, CHUNK_BLOCKS);
    k.entry = map_entry(r->replica, k.index);
    k.staged = stage_view(s, r->replica, k.index);
    return k;
}

static enum block_state staged_state(const struct look *k, uint32_t block)
{
    const struct staged_chunk *c = staged_holder(&k->staged, block);

    return c ? state_of(c->states, block) : BLOCK_ELSEWHERE;
}

/* Whether the record on disk says anything of this chunk yet. */
static bool has_record(const struct look *k)
{
    for (uint32_t i = 0; i < 2; i++)
        if (k->staged.in[i] && k->staged.in[i]->fresh)
            return false;
    return k->entry & ENTRY_PLACED;
}

static bool needs_record(const struct look *k)
{
    if (!has_record(k))
        return false;
    for (uint32_t b = k->first; b < k->end; b++)
        if (staged_state(k, b) == BLOCK_ELSEWHERE)
            return true;
    return false;
}

static uint64_t page_of(const struct look *k)
{
    return k->store->geo.map_pages + (k->entry & ENTRY_CHUNK) / CHECKSUM_RECORDS;
}

static const struct format_checksum_record *record_in(const uint8_t *page, uint64_t chunk)
{
    return &((const struct format_checksum_page *)(const void *)page)
                ->records[chunk % CHECKSUM_RECORDS];
}

static enum block_state state_at(const struct look *k, uint32_t block)
{
    enum block_state state = staged_state(k, block);

    if (state != BLOCK_ELSEWHERE)
        return state;
    if (!k->entry)
        return hole_state(k->replica, k->index);
    if (!has_record(k))
        return BLOCK_ZERO; /* it was never written here */
    return k->record ? state_of(le32_get(k->record->states), block) : BLOCK_LOST;
}

static void answer_data(struct store_read *r, struct look *k, uint32_t b)
{
    const struct staged_chunk *c = staged_holder(&k->staged, b);

    if (c && c->blocks[b]) {
        give(r, (uint64_t)k->index * CHUNK_BLOCKS + b, c->blocks[b]);
        return;
    }
    assert(c || k->record); /* who else says that it is data? */
    k->mask |= 1u << b;
    k->checksums[b] = c ? c->checksums[b] : le32_get(k->record->checksums[b]);
}

/* What only the disk has is left in the mask. */
static void answer_from_memory(struct store_read *r, struct look *k)
{
    uint64_t base = (uint64_t)k->index * CHUNK_BLOCKS;

    for (uint32_t b = k->first; b < k->end; b++) {
        if (k->ahead && staged_state(k, b) == BLOCK_ELSEWHERE) {
            k->unjudged |= 1u << b;
            continue;
        }
        switch (state_at(k, b)) {
        case BLOCK_DATA:
            answer_data(r, k, b);
            break;
        case BLOCK_ELSEWHERE:
        case BLOCK_ZERO:
            give(r, base + b, NULL);
            break;
        case BLOCK_LOST:
            bad(r, base + b);
            break;
        }
    }
}

static uint8_t *buffer_of(const struct reads *reads, const struct home_read *h)
{
    size_t bytes = (size_t)((const uint8_t *)h - reads->home_reads.memory);

    return reads->memory + bytes / reads->home_reads.item_bytes * CHUNK_BYTES;
}

static void fetch(struct store_read *r, const struct look *k, struct home_read *h)
{
    struct reads *reads = &k->store->reads;

    *h = (struct home_read){
        .read = r,
        .store = k->store,
        .buffer = buffer_of(reads, h),
        .block = (uint64_t)k->index * CHUNK_BLOCKS,
        .chunk = k->entry & ENTRY_CHUNK,
        .offset = chunk_offset(k->store, k->entry & ENTRY_CHUNK),
        .mask = k->mask | k->unjudged,
        .unjudged = k->unjudged,
        .parity = reads->parity,
    };
    h->first = (uint32_t)__builtin_ctz(h->mask);
    h->count = 32 - (uint32_t)__builtin_clz(h->mask) - h->first;
    memcpy(h->checksums, k->checksums, sizeof h->checksums);
    reads->under_way[h->parity]++;
    r->flying++;
    submit(h);
}

/* ---- ahead of the page ---- */

/* The page is on its way: fetches the chunk's home beside it, if a buffer is to be had that nobody
 * waits for; else the read waits for the page, and looks again. */
static void fetch_ahead(struct store_read *r, struct look *k)
{
    struct reads *reads = &k->store->reads;
    struct home_read *h = list_empty(&reads->starved) ? pool_get(&reads->home_reads) : NULL;

    if (!h)
        return;
    k->ahead = true;
    answer_from_memory(r, k);
    fetch(r, k, h);
    r->ahead = h;
    r->at = (uint64_t)k->index * CHUNK_BLOCKS + k->end;
}

/* What the record says of one block; NULL: nothing that is proved. */
static void judge_block(struct home_read *h, uint32_t b,
                        const struct format_checksum_record *record)
{
    switch (record ? state_of(le32_get(record->states), b) : BLOCK_LOST) {
    case BLOCK_DATA:
        h->checksums[b] = le32_get(record->checksums[b]);
        return;
    case BLOCK_ELSEWHERE:
    case BLOCK_ZERO:
        give(h->read, h->block + b, NULL);
        break;
    case BLOCK_LOST:
        bad(h->read, h->block + b);
        break;
    }
    h->mask &= ~(1u << b); /* whatever lies at home */
}

/* The page of a read ahead is here; false: it is not. */
static bool judge(struct store_read *r)
{
    struct home_read *h = r->ahead;
    const struct cached_page *page = r->use.page;
    bool good = page->state == PAGE_GOOD;

    if (page->state == PAGE_LOADING)
        return false;
    r->refused |= page->state == PAGE_REFUSED;
    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++)
        if (h->unjudged & 1u << b)
            judge_block(h, b, good ? record_in(page->bytes, h->chunk) : NULL);
    h->unjudged = 0;
    r->ahead = NULL;
    page_drop(h->store, &r->use);
    if (h->arrived)
        came(h, h->err);
    return true;
}

/* ---- a read ---- */

/* The record of the chunk, if it needs one; false: its page is not here yet. */
static bool look_up(struct store_read *r, struct look *k)
{
    bool needed = needs_record(k);

    if (r->use.page && (!needed || r->use.page->number != page_of(k)))
        page_drop(k->store, &r->use); /* the chunk changed while we waited */
    if (!needed)
        return true;
    if (!page_want(k->store, &r->use, page_of(k), &r->task))
        return false;
    r->refused |= r->use.page->state == PAGE_REFUSED;
    if (r->use.page->state == PAGE_GOOD)
        k->record = record_in(r->use.page->bytes, k->entry & ENTRY_CHUNK);
    return true;
}

/* One chunk further; false: it has to wait for a page or a buffer. */
static bool look_further(struct store_read *r)
{
    struct look k = look_at(r);
    struct home_read *h;

    if (!look_up(r, &k)) {
        if (r->use.page)
            fetch_ahead(r, &k);
        return false;
    }
    h = pool_get(&k.store->reads.home_reads);
    if (!h) {
        if (list_empty(&r->link))
            list_append(&k.store->reads.starved, &r->link);
        return false;
    }
    list_remove(&r->link); /* it may have been in the queue, and found one otherwise */
    answer_from_memory(r, &k);
    if (k.mask)
        fetch(r, &k, h);
    else
        give_back(&k.store->reads, h);
    page_drop(k.store, &r->use);
    r->at = (uint64_t)k.index * CHUNK_BLOCKS + k.end;
    return true;
}

/* ---- the witness ---- */

static void ask_witness(struct home_read *h);

static void witnessed(struct disk_io *io, enum err err)
{
    struct home_read *h = container_of(io, struct home_read, io);
    struct store_read *r = h->read;

    if (err && ++r->witnesses < WITNESSES) {
        ask_witness(h);
        return;
    }
    if (err)
        r->task.err = E_DISK;
    r->refused = false;
    give_back(&h->store->reads, h);
    task_run(&r->task);
}

static void ask_witness(struct home_read *h)
{
    h->pieces[0] = (struct iovec){h->buffer, PAGE_BYTES};
    h->io = (struct disk_io){.op = DISK_READ,
                             .offset = h->store->geo.root_offset[h->read->witnesses % 2],
                             .pieces = h->pieces,
                             .piece_count = 1,
                             .done = witnessed};
    disk_submit(h->store->disk, &h->io);
}

/* Once a buffer is to be had; it answers once. */
static enum task_next call_witness(struct store_read *r)
{
    struct store *s = r->replica->store;
    struct home_read *h;

    if (!r->refused)
        return TASK_DONE;
    if (r->witness_called)
        return TASK_WAIT;
    h = pool_get(&s->reads.home_reads);
    if (!h) {
        if (list_empty(&r->link))
            list_append(&s->reads.starved, &r->link);
        return TASK_WAIT;
    }
    list_remove(&r->link);
    r->witness_called = true;
    *h = (struct home_read){.read = r, .store = s, .buffer = buffer_of(&s->reads, h)};
    ask_witness(h);
    return TASK_WAIT;
}

static enum task_next read_step(struct task *t)
{
    struct store_read *r = container_of(t, struct store_read, task);

    switch ((enum read_state)t->state) {
    case LOOK:
        if (r->ahead && !judge(r))
            return TASK_WAIT;
        while (r->at < extent_end(r->extent))
            if (!look_further(r))
                return TASK_WAIT;
        return task_goto(t, HOME);
    case HOME:
        if (r->flying > 0)
            return TASK_WAIT;
        return r->refused ? task_goto(t, WITNESS) : TASK_DONE;
    case WITNESS:
        return call_witness(r);
    }
    unreachable();
}

static void read_done(struct task *t)
{
    struct store_read *r = container_of(t, struct store_read, task);

    r->replica->store->reads.count--;
    metrics_read(r->replica->store, r);
    r->done(r, t->err);
}

static const struct task_state read_states[] = {
    [LOOK] = {"look", TASK_FIRST},
    [HOME] = {"home", TASK_AFTER(LOOK)},
    [WITNESS] = {"witness", TASK_AFTER(HOME)},
};
static const struct task_kind read_kind = {
    .name = "store_read",
    .step = read_step,
    .done = read_done,
    .states = read_states,
    .state_count = array_length(read_states),
};

void store_read(struct store_read *r)
{
    struct store *s = r->replica->store;

    assert(r->done);
    assert(r->extent.count > 0 && r->extent.count <= WRITE_BLOCKS_MAX);
    assert(extent_within(r->extent, r->replica->size_blocks));
    r->at = r->extent.start;
    r->flying = 0;
    r->ahead = NULL;
    r->bad_block = 0;
    r->refused = r->witness_called = false;
    r->witnesses = 0;
    memset(&r->use, 0, sizeof r->use);
    list_init(&r->link);
    s->reads.count++;
    task_start(&r->task, &read_kind, &s->env->tasks, LOOK);
}

/* ---- what is mapped ---- */

static bool holds_data(const struct look *k, uint32_t block)
{
    enum block_state state = staged_state(k, block);

    if (state == BLOCK_ELSEWHERE && has_record(k) && !k->record)
        return true; /* taken, and its page is not at hand */
    state = state_at(k, block);
    return state == BLOCK_DATA || state == BLOCK_LOST;
}

/* How many blocks from `at` on, below `end` and in its chunk, are alike; whether they hold data. */
static uint64_t run_in_chunk(const struct store_replica *r, uint64_t at, uint64_t end, bool *mapped)
{
    struct look k = {.store = r->store, .replica = r, .index = (uint32_t)(at / CHUNK_BLOCKS)};
    uint64_t base = (uint64_t)k.index * CHUNK_BLOCKS, block = at;
    const uint8_t *page;

    end = min_u64(end, base + CHUNK_BLOCKS);
    k.entry = map_entry(r, k.index);
    *mapped = false;
    if (!k.entry) {
        *mapped = hole_state(r, k.index) == BLOCK_LOST;
        return end - at;
    }
    k.staged = stage_view(r->store, r, k.index);
    page = has_record(&k) ? page_at_hand(r->store, page_of(&k)) : NULL;
    k.record = page ? record_in(page, k.entry & ENTRY_CHUNK) : NULL;
    *mapped = holds_data(&k, (uint32_t)(at - base));
    while (block < end && holds_data(&k, (uint32_t)(block - base)) == *mapped)
        block++;
    return block - at;
}

bool store_mapped(const struct store_replica *r, uint64_t at, uint64_t max, uint64_t *ret_count)
{
    uint64_t end = at + min_u64(max, r->size_blocks - at), block;
    bool mapped, next;

    assert(at < r->size_blocks);
    assert(max > 0);
    block = at + run_in_chunk(r, at, end, &mapped);
    while (block < end && block % CHUNK_BLOCKS == 0) {
        uint64_t count = run_in_chunk(r, block, end, &next);

        if (next != mapped)
            break;
        block += count;
    }
    *ret_count = block - at;
    return mapped;
}
