/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/checkpoint.c — what is in the journal goes home, then the journal's tail moves.
 *
 * Begun by the journal when ring or stage are nearly full, by open and by close.  Changes wait
 * while it runs (no group is in flight), reads go on.  In this order, each step durable before the
 * next (a DSYNC covers only its own write, so data and pages get a sync of the whole device):
 *
 *   data of staged blocks, in place, by address → sync
 *   table pages to their other places, then index pages to theirs → sync
 *   one copy of the root → durable → the other → durable
 *   in memory: freed chunks are free, the stage is empty, the tail moves
 *
 * What can go wrong:
 *   power fails anywhere     the former root and its journal are whole; replay does it again
 *   the disk refuses         the store takes no more changes; what is staged is read from memory
 *   a table page is rotten   it is written anew from what is known (chunk_table.c)
 *
 * Promises: C1  a staged block's home is written only when no read that began before it was staged
 *               is still fetching it (notes 45): the checkpoint waits for the reads it found, and
 *               later ones find what is staged in memory.
 *           C2  until the root is durable, nothing that the former root speaks of is overwritten,
 *               except homes whose content the journal holds.
 *           C3  a freed chunk is handed out after the root that records it (notes 42).
 *           C4  a copy of the root that alone holds the newest is written last: where power failed
 *               between the copies, the older one's pages are what the next checkpoint rewrites.
 */
#include "store/inside.h"

enum checkpoint_state {
    GRACE,       /* C1 */
    HOME,        /* blocks in place           */
    HOME_SYNC,   /* … durable                 */
    TABLE,       /* table pages, log pages    */
    INDEX,       /* index pages               */
    TABLE_SYNC,  /* … all durable             */
    ROOT_FIRST,  /* one copy (C4)             */
    ROOT_SECOND, /* the other                 */
    END,
};

static struct store *store_of(struct task *t)
{
    return container_of(container_of(t, struct checkpoint, task), struct store, checkpoint);
}

static void fail(struct checkpoint *c, enum err err)
{
    if (err && !c->err)
        c->err = E_DISK;
}

/* ---- places ---- */

static int by_chunk(const void *a, const void *b)
{
    const struct staged_chunk *x = *(struct staged_chunk *const *)a;
    const struct staged_chunk *y = *(struct staged_chunk *const *)b;

    return (x->chunk > y->chunk) - (x->chunk < y->chunk);
}

/* Every staged chunk gets its number, new ones a fresh one; then they are sorted by it. */
static void collect(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    c->chunk_count = 0;
    list_for_each(l, &s->stage.list) {
        struct staged_chunk *k = container_of(l, struct staged_chunk, link);
        uint64_t entry = map_entry(k->replica, k->index);

        assert(entry & ENTRY_HERE);
        if (!(entry & ENTRY_PLACED)) {
            k->fresh = true;
            map_place(k->replica, k->index, allocator_take(&s->allocator));
            entry = map_entry(k->replica, k->index);
        }
        k->chunk = entry & ENTRY_CHUNK;
        c->chunks[c->chunk_count++] = k;
    }
    qsort(c->chunks, c->chunk_count, sizeof *c->chunks, by_chunk);
}

/* ---- data ---- */

static void home_written(struct disk_io *io, enum err err)
{
    struct home_write *w = container_of(io, struct home_write, io);
    struct checkpoint *c = &w->store->checkpoint;

    fail(c, err);
    c->flying--;
    pool_put(&c->home_writes, w);
    task_run(&c->task);
}

/* The next run of staged blocks; 0: none is left. */
static uint32_t next_run(struct checkpoint *c, struct staged_chunk **ret, uint32_t *ret_first)
{
    for (; c->at_chunk < c->chunk_count; c->at_chunk++, c->at_block = 0) {
        struct staged_chunk *k = c->chunks[c->at_chunk];
        uint32_t first = c->at_block, end;

        while (first < CHUNK_BLOCKS && !k->blocks[first])
            first++;
        for (end = first; end < CHUNK_BLOCKS && k->blocks[end];)
            end++;
        if (first == CHUNK_BLOCKS)
            continue;
        c->at_block = end;
        *ret = k;
        *ret_first = first;
        return end - first;
    }
    return 0;
}

static void submit_run(struct store *s, struct home_write *w, const struct staged_chunk *k,
                       struct extent run)
{
    w->store = s;
    for (uint32_t i = 0; i < run.count; i++)
        w->pieces[i] = (struct iovec){k->blocks[run.start + i], BLOCK_BYTES};
    w->io = (struct disk_io){.op = DISK_WRITE,
                             .offset = chunk_offset(s, k->chunk) + run.start * BLOCK_BYTES,
                             .pieces = w->pieces,
                             .piece_count = (uint32_t)run.count,
                             .done = home_written};
    s->checkpoint.flying++;
    s->checkpoint.wrote = true;
    disk_submit(s->disk, &w->io);
}

/* True: all are home, or it has failed and nothing is under way. */
static bool write_home(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    while (!c->err) {
        struct home_write *w = pool_get(&c->home_writes);
        struct staged_chunk *k;
        uint32_t first, count;

        if (!w)
            return false;
        count = next_run(c, &k, &first);
        if (count == 0) {
            pool_put(&c->home_writes, w);
            break;
        }
        submit_run(s, w, k, (struct extent){first, count});
    }
    return c->flying == 0;
}

/* ---- pages ---- */

void checkpoint_job_done(struct store *s, enum err err)
{
    fail(&s->checkpoint, err);
    s->checkpoint.flying--;
    task_run(&s->checkpoint.task);
}

static void encode_log_page(struct checkpoint *c, const struct store_replica *r, struct list **at,
                            uint32_t count)
{
    struct format_log_page *page = (void *)(c->log_memory + c->log_count++ * (size_t)PAGE_BYTES);

    memset(page, 0, sizeof *page);
    page->replica = le64_of(r->identity.bits);
    page->kind = le32_of(LOG_ACTIVITY);
    page->count = le32_of(count);
    for (uint32_t i = 0; i < count; i++, *at = (*at)->next) {
        const struct open_write *w = container_of(*at, struct open_write, link);

        page->entries[i] = (struct format_open_write){
            .start = le64_of(w->extent.start),
            .epoch = le64_of(w->epoch),
            .seq = le64_of(w->seq),
            .generation = le64_of(w->generation),
            .count = le32_of((uint32_t)w->extent.count),
        };
    }
}

/* The log pages as of now: a commit word may shorten the lists while pages are written.  A replica
 * whose log does not fit says "everything". */
static void encode_logs(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    c->log_count = 0;
    for_each_replica(r, s) {
        struct list *at = r->open.next;

        if (c->log_count + div_up(r->open_count, LOG_ENTRIES) > s->geo.log_pages)
            open_log_everything(r);
        r->open_told = r->open_count;
        for (uint32_t left = r->open_count; left > 0; left -= min_u32(left, LOG_ENTRIES))
            encode_log_page(c, r, &at, min_u32(left, LOG_ENTRIES));
    }
}

static bool page_is_dirty(const struct store *s, uint64_t page)
{
    const struct geometry *g = &s->geo;

    if (page < g->map_pages)
        return s->map_dirty[page];
    if (page < g->map_pages + g->checksum_pages)
        return s->checksums_dirty[page - g->map_pages];
    return page - g->map_pages - g->checksum_pages < s->checkpoint.log_count;
}

/* Gives out jobs for every page in turn that `dirty` names, as true as write_home(). */
static bool write_pages(struct store *s, bool index)
{
    struct checkpoint *c = &s->checkpoint;
    uint64_t end = index ? s->geo.index_pages : table_pages(&s->geo);

    for (; c->at_page < end && !c->err; c->at_page++) {
        bool dirty = index ? s->index_dirty[c->at_page] : page_is_dirty(s, c->at_page);

        if (!dirty)
            continue;
        if (!page_job_begin(s, c->at_page, index))
            return false;
        c->flying++;
        c->wrote = true;
    }
    return c->flying == 0;
}

static void mark_checksum_pages(struct store *s)
{
    const struct checkpoint *c = &s->checkpoint;

    for (uint32_t i = 0; i < c->chunk_count; i++)
        s->checksums_dirty[c->chunks[i]->chunk / CHECKSUM_RECORDS] = 1;
}

/* ---- syncs and roots ---- */

static void io_done(struct disk_io *io, enum err err)
{
    struct checkpoint *c = container_of(io, struct checkpoint, io);

    fail(c, err);
    c->io_busy = false;
    task_run(&c->task);
}

/* Makes what was written durable, if anything was. */
static void sync_disk(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    if (!c->wrote || s->disk->write_through || c->err)
        return;
    c->wrote = false;
    c->io_busy = true;
    c->io = (struct disk_io){.op = DISK_SYNC, .done = io_done};
    disk_submit(s->disk, &c->io);
}

static void write_root(struct store *s, uint32_t copy)
{
    struct checkpoint *c = &s->checkpoint;

    if (c->err)
        return;
    root_seal(s, c->root, c->root_used, copy, c->number);
    c->io_busy = true;
    c->piece = (struct iovec){c->root, (size_t)round_up(c->root_used, PAGE_BYTES)};
    c->io = (struct disk_io){.op = DISK_WRITE,
                             .flags = durable_flag(s),
                             .offset = s->geo.root_offset[copy],
                             .pieces = &c->piece,
                             .piece_count = 1,
                             .done = io_done};
    disk_submit(s->disk, &c->io);
}

/* The root is durable in both copies. */
static void settle(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    s->root_number = c->number;
    s->journal.tail = s->journal.head;
    allocator_settle(&s->allocator); /* C3 */
    stage_drop_all(s, NULL);
    memset(s->map_dirty, 0, s->geo.map_pages);
    memset(s->checksums_dirty, 0, s->geo.checksum_pages);
    memset(s->index_dirty, 0, s->geo.index_pages);
}

/* ---- its life ---- */

static enum task_next begin_pages(struct store *s, enum checkpoint_state state)
{
    s->checkpoint.at_page = 0;
    if (state == TABLE) {
        mark_checksum_pages(s);
        encode_logs(s);
    }
    return task_goto(&s->checkpoint.task, state);
}

static enum task_next checkpoint_step(struct task *t)
{
    struct store *s = store_of(t);
    struct checkpoint *c = &s->checkpoint;

    if (c->io_busy)
        return TASK_WAIT;
    if (c->err && c->flying == 0 && t->state != END)
        return task_fail(t, END, c->err);

    switch ((enum checkpoint_state)t->state) {
    case GRACE:
        if (s->reads.under_way[c->grace] > 0)
            return TASK_WAIT;
        collect(s);
        return task_goto(t, HOME);
    case HOME:
        if (!write_home(s))
            return TASK_WAIT;
        sync_disk(s);
        return task_goto(t, HOME_SYNC);
    case HOME_SYNC:
        return begin_pages(s, TABLE);
    case TABLE:
        if (!write_pages(s, false))
            return TASK_WAIT;
        return begin_pages(s, INDEX);
    case INDEX:
        if (!write_pages(s, true))
            return TASK_WAIT;
        sync_disk(s);
        return task_goto(t, TABLE_SYNC);
    case TABLE_SYNC:
        s->log_pages = c->log_count;
        c->root_used = root_encode(s, c->root);
        write_root(s, c->root_first);
        return task_goto(t, ROOT_FIRST);
    case ROOT_FIRST:
        write_root(s, c->root_first ^ 1);
        return task_goto(t, ROOT_SECOND);
    case ROOT_SECOND:
        settle(s);
        return task_goto(t, END);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void checkpoint_done(struct task *t)
{
    struct store *s = store_of(t);

    if (s->checkpoint.err)
        s->broken = true;
    task_run(s->checkpoint.waiter);
}

static const struct task_state checkpoint_states[] = {
    [GRACE] = {"grace", TASK_FIRST},
    [HOME] = {"home", TASK_AFTER(GRACE)},
    [HOME_SYNC] = {"home_sync", TASK_AFTER(HOME)},
    [TABLE] = {"table", TASK_AFTER(HOME_SYNC)},
    [INDEX] = {"index", TASK_AFTER(TABLE)},
    [TABLE_SYNC] = {"table_sync", TASK_AFTER(INDEX)},
    [ROOT_FIRST] = {"root_first", TASK_AFTER(TABLE_SYNC)},
    [ROOT_SECOND] = {"root_second", TASK_AFTER(ROOT_FIRST)},
    [END] = {"end", TASK_AFTER(GRACE) | TASK_AFTER(HOME) | TASK_AFTER(HOME_SYNC) |
                        TASK_AFTER(TABLE) | TASK_AFTER(INDEX) | TASK_AFTER(TABLE_SYNC) |
                        TASK_AFTER(ROOT_FIRST) | TASK_AFTER(ROOT_SECOND)},
};
static const struct task_kind checkpoint_kind = {
    .name = "store_checkpoint",
    .step = checkpoint_step,
    .done = checkpoint_done,
    .states = checkpoint_states,
    .state_count = array_length(checkpoint_states),
};

enum err checkpoint_open(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;
    enum err err;

    c->chunks = calloc(s->stage.chunks.count, sizeof(struct staged_chunk *));
    c->log_memory = aligned_alloc(PAGE_BYTES, s->geo.log_pages * PAGE_BYTES);
    c->job_memory = aligned_alloc(PAGE_BYTES, (size_t)PAGE_JOBS * PAGE_BYTES);
    c->root = aligned_alloc(PAGE_BYTES, s->geo.root_bytes);
    if (!c->chunks || !c->log_memory || !c->job_memory || !c->root)
        return E_NO_MEMORY;
    err = pool_open(&c->home_writes, "home writes", sizeof(struct home_write), 64, HOME_WRITES);
    if (!err)
        err = pool_open(&c->jobs, "page jobs", sizeof(struct page_job), 64, PAGE_JOBS);
    return err;
}

void checkpoint_close(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    free(c->chunks);
    free(c->log_memory);
    free(c->job_memory);
    free(c->root);
    pool_close(&c->home_writes);
    pool_close(&c->jobs);
}

void checkpoint_begin(struct store *s, struct task *waiter)
{
    struct checkpoint *c = &s->checkpoint;

    c->waiter = waiter;
    c->err = E_OK;
    c->number = s->root_number + 1;
    c->wrote = false;
    c->chunk_count = c->at_chunk = c->at_block = 0;
    c->grace = s->reads.parity;
    s->reads.parity ^= 1;
    task_start(&c->task, &checkpoint_kind, &s->env->tasks, GRACE);
}

bool checkpoint_running(const struct store *s)
{
    return task_living(&s->checkpoint.task);
}
