/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/page_job.c — a checkpoint's way with one page: fetch, change, write to its other place.
 *
 * The place that the durable root speaks of is never touched (notes 43).  The entry in memory moves
 * when the page is written; a checkpoint that fails leaves the store without further ones, so that
 * a moved entry never leads to a second write of the same place.
 *
 * A page that the disk refuses is as good as rotten: damage costs what it hit, not the store.  But
 * it may be the disk that fails, and the page whole: so the root is read too, and no more than
 * REFUSED_MOST pages are given up in one checkpoint.  Beyond, the checkpoint fails, and what was
 * written in vain is in places that no root speaks of.
 */
#include "store/inside.h"

enum page_job_state {
    FETCH,   /* the page as it is                 */
    WITNESS, /* it was refused: is the root read? */
    PUT,     /* to the other place                */
    END,
};

static struct page_entry *entry_of(struct page_job *j)
{
    return j->index ? &j->store->index_pages[j->page] : &j->store->index[j->page];
}

static uint32_t other_place(const struct page_entry *e)
{
    return e->flags & PAGE_WRITTEN ? (e->flags & PAGE_PLACE) ^ PAGE_PLACE : 0;
}

static void encode_index(struct store *s, uint64_t page, struct format_index_page *ret)
{
    uint64_t first = page * INDEX_ENTRIES;

    memset(ret, 0, sizeof *ret);
    for (uint64_t i = 0; i < INDEX_ENTRIES && first + i < table_pages(&s->geo); i++) {
        const struct page_entry *e = &s->index[first + i];

        ret->entries[i].checksum = le64_of(e->checksum);
        ret->entries[i].flags = le32_of(e->flags & ~PAGE_BAD);
    }
}

static bool is_cached(const struct page_job *j)
{
    const struct geometry *g = &j->store->geo;

    return !j->index && j->page < g->map_pages + g->checksum_pages;
}

static uint8_t *log_page_memory(const struct store *s, uint64_t page)
{
    return s->checkpoint.log_memory +
           (page - s->geo.map_pages - s->geo.checksum_pages) * PAGE_BYTES;
}

/* False: the page is not at hand yet. */
static bool fetch(struct page_job *j)
{
    struct store *s = j->store;

    if (is_cached(j)) {
        if (!page_want(s, &j->use, j->page, &j->task))
            return false;
        j->bytes = j->use.page->bytes;
        return true;
    }
    if (j->index) {
        j->bytes = j->own;
        encode_index(s, j->page, (void *)j->own);
    } else {
        j->bytes = log_page_memory(s, j->page);
    }
    return true;
}

static void io_done(struct disk_io *io, enum err err)
{
    struct page_job *j = container_of(io, struct page_job, io);

    j->io_busy = false;
    j->err = err;
    task_run(&j->task);
}

static bool was_refused(const struct page_job *j)
{
    return is_cached(j) && j->use.page->state == PAGE_REFUSED;
}

static void submit(struct page_job *j, enum disk_op op, uint8_t *bytes, uint64_t offset)
{
    j->piece = (struct iovec){bytes, PAGE_BYTES};
    j->io = (struct disk_io){
        .op = op, .offset = offset, .pieces = &j->piece, .piece_count = 1, .done = io_done};
    j->io_busy = true;
    disk_submit(j->store->disk, &j->io);
}

/* A copy of the root, one in turn with the other. */
static void ask_witness(struct page_job *j)
{
    uint32_t copy = j->tries++ % 2;

    submit(j, DISK_READ, j->own, j->store->geo.root_offset[copy]);
}

/* The disk reads, but for this page. */
static void give_up_page(struct page_job *j)
{
    if (++j->store->checkpoint.pages_refused > REFUSED_MOST)
        j->err = E_DISK;
    else
        j->use.page->state = PAGE_UNPROVED;
}

static void put(struct page_job *j)
{
    struct store *s = j->store;
    uint32_t place = other_place(entry_of(j));
    uint32_t magic = j->index ? INDEX_MAGIC : page_magic(&s->geo, j->page);

    if (is_cached(j)) {
        chunk_table_update(s, j->page, j->bytes, j->use.page->state == PAGE_UNPROVED);
        j->use.page->state = PAGE_GOOD;
    }
    format_seal(j->bytes, PAGE_BYTES,
                &(struct format_name){magic, s->identity, j->page, s->checkpoint.number});
    submit(j, DISK_WRITE, j->bytes,
           j->index ? index_page_offset(&s->geo, j->page, place)
                    : page_offset(&s->geo, j->page, place));
}

static void move_entry(struct page_job *j)
{
    struct page_entry *e = entry_of(j);
    const struct format_head *h = (const void *)j->bytes;

    e->flags = PAGE_WRITTEN | other_place(e);
    e->checksum = le64_get(h->checksum);
    if (!j->index)
        j->store->checkpoint.index_dirty[j->page / INDEX_ENTRIES] = 1;
}

static enum task_next page_job_step(struct task *t)
{
    struct page_job *j = container_of(t, struct page_job, task);

    switch ((enum page_job_state)t->state) {
    case FETCH:
        if (!fetch(j))
            return TASK_WAIT;
        if (was_refused(j)) {
            ask_witness(j);
            return task_wait_in(t, WITNESS);
        }
        put(j);
        return task_wait_in(t, PUT);
    case WITNESS:
        if (j->io_busy)
            return TASK_WAIT;
        if (j->err && j->tries < READ_TRIES) {
            ask_witness(j);
            return TASK_WAIT;
        }
        if (!j->err)
            give_up_page(j);
        if (j->err)
            return task_goto(t, END);
        put(j);
        return task_wait_in(t, PUT);
    case PUT:
        if (j->io_busy)
            return TASK_WAIT;
        if (!j->err)
            move_entry(j);
        return task_goto(t, END);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void page_job_done(struct task *t)
{
    struct page_job *j = container_of(t, struct page_job, task);
    struct store *s = j->store;
    enum err err = j->err;

    page_drop(s, &j->use);
    pool_put(&s->checkpoint.jobs, j);
    checkpoint_job_done(s, err);
}

static const struct task_state page_job_states[] = {
    [FETCH] = {"fetch", TASK_FIRST},
    [WITNESS] = {"witness", TASK_AFTER(FETCH)},
    [PUT] = {"put", TASK_AFTER(FETCH) | TASK_AFTER(WITNESS)},
    [END] = {"end", TASK_AFTER(WITNESS) | TASK_AFTER(PUT)},
};
static const struct task_kind page_job_kind = {
    .name = "store_page_job",
    .step = page_job_step,
    .done = page_job_done,
    .states = page_job_states,
    .state_count = array_length(page_job_states),
};

bool page_job_begin(struct store *s, uint64_t page, bool index)
{
    struct page_job *j = pool_get(&s->checkpoint.jobs);
    size_t number;

    if (!j)
        return false;
    number = (size_t)((uint8_t *)j - s->checkpoint.jobs.memory) / s->checkpoint.jobs.item_bytes;
    memset(j, 0, sizeof *j);
    j->store = s;
    j->page = page;
    j->index = index;
    j->own = s->checkpoint.job_memory + number * PAGE_BYTES;
    task_start(&j->task, &page_job_kind, &s->env->tasks, FETCH);
    return true;
}
