/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/checkpoint.c — what is in the journal goes home, then the journal's tail moves.
 *
 * Begun by the journal as ring and stage fill, by open and by close.  What it writes is frozen at
 * that moment (freeze.c); changes and reads go on beside it.  In this order:
 *
 *   data of frozen blocks, in place, by address
 *   table pages to their other places, then index pages to theirs
 *   sync: a DSYNC covers only its own write, so all of these are made durable by one of the device;
 *         nothing that is durable speaks of them before (C2), in whatever order they get there
 *   one copy of the root → durable → the other → durable
 *   in memory: settled chunks are free, the frozen stage is let go, the tail moves
 *
 * What can go wrong:
 *   power fails anywhere     the former root and its journal are whole; replay does it again
 *   the disk refuses         the store takes no more changes and stays as it is: what is staged, in
 *                            both generations, is read from memory
 *   a table page is rotten   it is written anew from what is known (chunk_table.c)
 *   a table page is refused  likewise, as long as the disk reads the root, and not too many are
 *                            (page_job.c)
 *
 * Promises: C1  a frozen block's home is written only when no read that began before the freeze is
 *               still fetching it (notes 45): the checkpoint waits for the reads it found, and
 *               later ones find it in memory, or a chunk that is another one.
 *           C2  until the root is durable, nothing that the former root speaks of is overwritten,
 *               except homes whose content the journal holds.
 *           C3  a freed chunk is handed out after the root that records it (notes 42), which is
 *               that of the checkpoint begun after it was freed.
 *           C4  a copy of the root that alone holds the newest is written last: where power failed
 *               between the copies, the older one's pages are what the next checkpoint rewrites.
 *               A copy that did not prove itself at open may be the newest, and readable again
 *               later: the first checkpoint makes it a copy of the root that was taken, before it
 *               writes a page.
 *           C5  a root is the state of its freeze, whole: what came later is in the journal behind
 *               the tail that it names.
 */
#include "base/memory.h"
#include "store/inside.h"

enum checkpoint_state {
    UNPROVED,    /* C4: the root that was taken, over a copy that did not prove itself */
    GRACE,       /* C1 */
    HOME,        /* blocks in place           */
    TABLE,       /* table pages, log pages    */
    INDEX,       /* index pages               */
    SYNC,        /* … all durable             */
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

/* ---- data ---- */

static void home_written(struct disk_io *io, enum err err)
{
    struct home_write *w = container_of(io, struct home_write, io);
    struct checkpoint *c = &w->store->checkpoint;

    fail(c, err);
    c->flying--;
    c->work_done += w->io.piece_count;
    journal_room(&w->store->journal);
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
    uint32_t width = pacing_width(s);

    while (!c->err) {
        struct home_write *w = c->flying < width ? pool_get(&c->home_writes) : NULL;
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
    s->checkpoint.work_done++;
    journal_room(&s->journal);
    task_run(&s->checkpoint.task);
}

static bool page_is_dirty(const struct store *s, uint64_t page)
{
    const struct geometry *g = &s->geo;

    if (page < g->map_pages)
        return s->checkpoint.map_dirty[page];
    if (page < g->map_pages + g->checksum_pages)
        return s->checkpoint.checksums_dirty[page - g->map_pages];
    return page - g->map_pages - g->checksum_pages < s->checkpoint.log_count;
}

/* Gives out jobs for every page in turn that `dirty` names, as true as write_home(). */
static bool write_pages(struct store *s, bool index)
{
    struct checkpoint *c = &s->checkpoint;
    uint64_t end = index ? s->geo.index_pages : table_pages(&s->geo);
    uint32_t width = pacing_width(s);

    for (; c->at_page < end && !c->err; c->at_page++) {
        bool dirty = index ? c->index_dirty[c->at_page] : page_is_dirty(s, c->at_page);

        if (!dirty)
            continue;
        if (c->flying >= width || !page_job_begin(s, c->at_page, index))
            return false;
        c->flying++;
        c->wrote = true;
    }
    return c->flying == 0;
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

static void write_root(struct store *s, uint32_t copy, uint64_t number)
{
    struct checkpoint *c = &s->checkpoint;

    if (c->err)
        return;
    root_seal(s, c->root, c->root_used, copy, number);
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
    c->unproved = false;
    s->log_pages = c->log_count;
    s->journal.tail = c->tail;
    allocator_settle(&s->allocator); /* C3 */
    s->leaves_let_go = 0;
    stage_settle(s);
    memset(c->map_dirty, 0, s->geo.map_pages);
    memset(c->checksums_dirty, 0, s->geo.checksum_pages);
    memset(c->index_dirty, 0, s->geo.index_pages);
}

/* ---- its life ---- */

static enum task_next begin_pages(struct store *s, enum checkpoint_state state)
{
    s->checkpoint.at_page = 0;
    return task_goto(&s->checkpoint.task, state);
}

static void freeze(struct store *s)
{
    struct checkpoint *c = &s->checkpoint;

    checkpoint_freeze(s);
    c->grace = s->reads.parity;
    s->reads.parity ^= 1;
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
    case UNPROVED:
        freeze(s);
        return task_goto(t, GRACE);
    case GRACE:
        if (s->reads.under_way[c->grace] > 0)
            return TASK_WAIT;
        checkpoint_sort(c);
        return task_goto(t, HOME);
    case HOME:
        if (!write_home(s))
            return TASK_WAIT;
        return begin_pages(s, TABLE);
    case TABLE:
        if (!write_pages(s, false))
            return TASK_WAIT;
        return begin_pages(s, INDEX);
    case INDEX:
        if (!write_pages(s, true))
            return TASK_WAIT;
        sync_disk(s);
        return task_goto(t, SYNC);
    case SYNC:
        root_encode_index(s, c->root);
        write_root(s, c->root_first, c->number);
        return task_goto(t, ROOT_FIRST);
    case ROOT_FIRST:
        write_root(s, c->root_first ^ 1, c->number);
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
        store_break(s, "take part in a checkpoint");
    metric_add(&s->metrics.checkpoints, 1);
    metric_record(&s->metrics.checkpoint_seconds, now_us(&s->env->clock) - t->started_us);
    metrics_look(s);
    if (task_living(s->checkpoint.waiter))
        task_run(s->checkpoint.waiter);
}

static const struct task_state checkpoint_states[] = {
    [UNPROVED] = {"unproved", TASK_FIRST},
    [GRACE] = {"grace", TASK_FIRST | TASK_AFTER(UNPROVED)},
    [HOME] = {"home", TASK_AFTER(GRACE)},
    [TABLE] = {"table", TASK_AFTER(HOME)},
    [INDEX] = {"index", TASK_AFTER(TABLE)},
    [SYNC] = {"sync", TASK_AFTER(INDEX)},
    [ROOT_FIRST] = {"root_first", TASK_AFTER(SYNC)},
    [ROOT_SECOND] = {"root_second", TASK_AFTER(ROOT_FIRST)},
    [END] = {"end", TASK_AFTER(UNPROVED) | TASK_AFTER(GRACE) | TASK_AFTER(HOME) |
                        TASK_AFTER(TABLE) | TASK_AFTER(INDEX) | TASK_AFTER(SYNC) |
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
    c->keys[0] = calloc(s->stage.chunks.count, sizeof(struct chunk_key));
    c->keys[1] = calloc(s->stage.chunks.count, sizeof(struct chunk_key));
    c->map_dirty = calloc(s->geo.map_pages, 1);
    c->checksums_dirty = calloc(s->geo.checksum_pages, 1);
    c->index_dirty = calloc(s->geo.index_pages, 1);
    c->log_memory = aligned_alloc(PAGE_BYTES, s->geo.log_pages * PAGE_BYTES);
    c->job_memory = memory_take(PAGE_BYTES, (size_t)PAGE_JOBS * PAGE_BYTES, false);
    c->root = aligned_alloc(PAGE_BYTES, s->geo.root_bytes);
    if (!c->chunks || !c->keys[0] || !c->keys[1] || !c->map_dirty || !c->checksums_dirty ||
        !c->index_dirty || !c->log_memory || !c->job_memory || !c->root)
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
    free(c->keys[0]);
    free(c->keys[1]);
    free(c->map_dirty);
    free(c->checksums_dirty);
    free(c->index_dirty);
    free(c->log_memory);
    free(c->job_memory);
    free(c->root);
    pool_close(&c->home_writes);
    pool_close(&c->jobs);
}

void checkpoint_begin(struct store *s, struct task *waiter)
{
    struct checkpoint *c = &s->checkpoint;

    assert(!checkpoint_running(s));
    c->waiter = waiter;
    c->err = E_OK;
    c->number = s->root_number + 1 + c->unproved; /* which that copy may have */
    c->wrote = false;
    c->at_chunk = c->at_block = 0;
    c->work_done = 0;
    c->pages_refused = 0;
    if (c->unproved) {
        const struct format_head *taken = (const void *)c->root;

        task_start(&c->task, &checkpoint_kind, &s->env->tasks, UNPROVED);
        write_root(s, c->root_first, le64_get(taken->checkpoint)); /* J5 may have raised ours */
        return;
    }
    freeze(s);
    task_start(&c->task, &checkpoint_kind, &s->env->tasks, GRACE);
}

bool checkpoint_running(const struct store *s)
{
    return task_living(&s->checkpoint.task);
}

void checkpoint_await(struct store *s, struct task *waiter)
{
    s->checkpoint.waiter = waiter;
}

uint32_t checkpoint_progress(const struct store *s)
{
    const struct checkpoint *c = &s->checkpoint;
    uint64_t work = s->stage.frozen.block_count + c->page_count + 1;

    if (!checkpoint_running(s))
        return 1024;
    return (uint32_t)(min_u64(c->work_done, work - 1) * 1024 / work);
}
