/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/load.c — from the root to the maps in memory: what open reads before the journal.
 *
 * Root (the newer of its two copies), index pages, map pages, log pages, each proved by the
 * checksum that the level above holds, and read a few times before it is called bad.  Checksum
 * pages are not read here: a read asks for them.
 *
 * What cannot be proved (S4):
 *   both roots           E_DAMAGED
 *   an index page        every table page that it names is bad
 *   a map page           the sums of the replicas that lost something do not come out, and these
 *                        are damaged: behind 0; its chunks are freed, but for those that the
 *                        journal names, by the next checkpoint, which writes the page anew
 *   a log page           its replica's activity log says "everything"
 *   a page that the disk refuses to read, and not for once: as one that it reads wrongly, up to
 *                        REFUSED_MOST of them, while it reads the root; beyond, it is the disk that
 *                        fails: E_DISK, nothing is settled by that
 */
#include "store/inside.h"

enum load_state {
    ROOT_ONE, /* copy 1              */
    ROOT_TWO, /* copy 2, the newer wins */
    INDEX,
    MAP,
    LOG,
    WITNESS, /* the root once more, where pages were refused */
    END,
};

static struct load *load_of(struct task *t)
{
    return container_of(t, struct load, task);
}

/* ---- root ---- */

static uint8_t *root_buffer(struct load *l, uint32_t copy)
{
    return copy == 0 ? l->store->checkpoint.root : l->buffer;
}

static void read_root(struct load *l, uint32_t copy)
{
    const struct geometry *g = &l->store->geo;

    open_io_read(&l->io, root_buffer(l, copy), g->root_offset[copy], g->root_bytes);
}

static uint64_t root_number(const struct store *s, const uint8_t *bytes, uint32_t copy)
{
    const struct format_head *h = (const void *)bytes;
    struct format_name name = {ROOT_MAGIC, s->identity, copy, 0};

    return format_prove(bytes, s->geo.root_bytes, &name) ? 0 : le64_get(h->checkpoint);
}

/* A copy that was read and is none is read again: it may be the only one of the newest, and then
 * the next checkpoint would write over its pages (C4).  True: that is under way. */
static bool root_again(struct load *l, uint32_t copy)
{
    if (l->io.mask || root_number(l->store, root_buffer(l, copy), copy) > 0 ||
        l->tries++ == READ_TRIES) {
        l->tries = 1;
        return false;
    }
    read_root(l, copy);
    return true;
}

static enum err take_root(struct load *l)
{
    struct store *s = l->store;
    uint64_t first = root_number(s, root_buffer(l, 0), 0);
    uint64_t second = root_number(s, root_buffer(l, 1), 1);
    const uint8_t *newer = root_buffer(l, first >= second ? 0 : 1);
    struct checkpoint *c = &s->checkpoint;
    enum err err;

    l->why = "the disk refuses to read its roots";
    if (first == 0 && second == 0 && l->io.refused > 0)
        return E_DISK;
    l->why = "both copies of the root are damaged: nothing on it can be found; restore its "
             "volumes, then `storaged --format PATH --force`";
    if (first == 0 && second == 0)
        return E_DAMAGED;
    c->root_first = first > second ? 1 : 0; /* C4 */
    c->unproved = first == 0 || second == 0;
    l->why = "the root uses a feature that this version does not know: use a newer one";
    err = format_features((const void *)newer, &s->read_only);
    if (err)
        return err;
    l->why = "the root does not fit the superblock, or the limits";
    c->root_used = le32_get(((const struct format_head *)newer)->bytes);
    memmove(c->root, newer, c->root_used);
    return root_decode(s, c->root);
}

/* ---- index ---- */

static bool index_page_proved(const struct store *s, uint64_t page, const void *bytes)
{
    const struct format_head *h = bytes;
    struct format_name name = {INDEX_MAGIC, s->identity, page, 0};

    return le64_get(h->checksum) == s->index_pages[page].checksum &&
           format_prove(bytes, PAGE_BYTES, &name) == E_OK;
}

static enum err take_index_page(struct store *s, uint64_t page, const uint8_t *bytes, bool proved)
{
    const struct format_index_page *p = (const void *)bytes;
    bool written = s->index_pages[page].flags & PAGE_WRITTEN;
    uint64_t first = page * INDEX_ENTRIES;

    for (uint64_t i = 0; i < INDEX_ENTRIES && first + i < table_pages(&s->geo); i++) {
        struct page_entry *e = &s->index[first + i];

        if (proved) {
            e->checksum = le64_get(p->entries[i].checksum);
            e->flags = le32_get(p->entries[i].flags) & (PAGE_PLACE | PAGE_WRITTEN);
        } else if (written) {
            e->flags = PAGE_WRITTEN | PAGE_BAD;
        }
    }
    return E_OK;
}

/* ---- map ---- */

/* One record: E_DAMAGED if it says nothing that can be believed. */
static enum err take_record(struct store *s, const struct format_map_record *f, uint64_t chunk)
{
    struct store_replica *r = replica_of_slot(s, le32_get(f->slot));
    uint32_t index = le32_get(f->index);

    if (le32_get(f->check) != map_record_check(f, chunk) || f->kind != MAP_CHUNK)
        return E_DAMAGED;
    if (!r || (uint64_t)index * CHUNK_BLOCKS >= r->size_blocks || map_entry(r, index))
        return E_DAMAGED;
    if (!map_set(r, index, ENTRY_HERE | ENTRY_PLACED | chunk))
        return E_NO_MEMORY;
    r->map_sum += map_term(r, index, chunk);
    return E_OK;
}

static enum err take_map_page(struct store *s, uint64_t page, const uint8_t *bytes, bool proved)
{
    const struct format_map_page *p = (const void *)bytes;
    uint64_t first = page * MAP_RECORDS;
    enum err err;

    if (!(s->index[page].flags & PAGE_WRITTEN))
        return E_OK;
    for (uint32_t i = 0; i < MAP_RECORDS && first + i < s->geo.chunks; i++) {
        if (proved && p->records[i].kind == MAP_FREE)
            continue;
        err = proved ? take_record(s, &p->records[i], first + i) : E_DAMAGED;
        if (err == E_NO_MEMORY)
            return err;
        allocator_mark(&s->allocator, first + i);
        if (!err)
            continue;
        s->index[page].flags |= PAGE_BAD;
        allocator_free(&s->allocator, first + i);
    }
    if (s->index[page].flags & PAGE_BAD)
        map_page_dirty(s, page);
    return E_OK;
}

/* A sum that does not come out: the map lost something, and cannot say what (notes 43). */
static void prove_sums(struct store *s)
{
    for_each_replica(r, s)
        if (r->map_sum != r->sum_told)
            r->damaged = true;
}

/* ---- logs ---- */

static enum err take_log_page(struct store *s, uint64_t page, const uint8_t *bytes, bool proved)
{
    const struct format_log_page *p = (const void *)bytes;
    struct store_replica *r;
    uint32_t count;

    (void)page;
    if (!proved || le32_get(p->kind) != LOG_ACTIVITY)
        return E_OK;
    r = store_find(s, (struct identity){le64_get(p->replica)});
    count = min_u32(le32_get(p->count), LOG_ENTRIES);
    for (uint32_t i = 0; r && i < count; i++) {
        const struct format_open_write *f = &p->entries[i];
        struct open_write w = {.extent = {le64_get(f->start), le32_get(f->count)},
                               .epoch = le64_get(f->epoch),
                               .seq = le64_get(f->seq),
                               .generation = le64_get(f->generation)};

        if (extent_within(w.extent, r->size_blocks)) /* else the count does not come out */
            open_log_add(r, &w);
    }
    return E_OK;
}

/* A log that is not whole stands for everything, settled by the next sealed epoch. */
static void prove_logs(struct store *s)
{
    for_each_replica(r, s) {
        if (r->everything || r->open_count == r->open_told)
            continue;
        open_log_everything(r);
        r->everything = r->older = true;
        r->everything_epoch = max_u64(r->everything_epoch, r->last_epoch);
        r->everything_seq = max_u64(r->everything_seq, r->last_seq);
    }
}

/* ---- a sweep over pages, in both places where both are in use ---- */

struct sweep {
    uint64_t first, end; /* pages */
    bool index;
    bool (*proved)(const struct store *, uint64_t page, const void *bytes);
    /* E_NO_MEMORY; all else is taken for what it is */
    enum err (*take)(struct store *, uint64_t page, const uint8_t *bytes, bool proved);
};

static const struct page_entry *entry_at(const struct load *l, const struct sweep *w, uint64_t page)
{
    return w->index ? &l->store->index_pages[page] : &l->store->index[page];
}

static uint64_t window_end(const struct load *l, const struct sweep *w)
{
    return min_u64(l->at + LOAD_PAGES, w->end);
}

static uint64_t place_at(const struct load *l, const struct sweep *w, uint64_t page, uint32_t place)
{
    const struct geometry *g = &l->store->geo;

    return w->index ? index_page_offset(g, page, place) : page_offset(g, page, place);
}

static bool in_use(const struct load *l, const struct sweep *w, uint64_t page)
{
    return (entry_at(l, w, page)->flags & (PAGE_WRITTEN | PAGE_BAD)) == PAGE_WRITTEN;
}

static bool wants_place(const struct load *l, const struct sweep *w, uint32_t place)
{
    for (uint64_t p = l->at; p < window_end(l, w); p++)
        if (in_use(l, w, p) && (entry_at(l, w, p)->flags & PAGE_PLACE) == place)
            return true;
    return false;
}

static uint8_t *bytes_at(const struct load *l, const struct sweep *w, uint64_t page)
{
    uint32_t place = entry_at(l, w, page)->flags & PAGE_PLACE;

    return l->buffer + ((uint64_t)place * LOAD_PAGES + (page - l->at)) * PAGE_BYTES;
}

static bool was_refused(const struct load *l, const struct sweep *w, uint64_t page)
{
    return l->refused[entry_at(l, w, page)->flags & PAGE_PLACE] >> (page - l->at) & 1;
}

static enum err tables_refused(struct load *l)
{
    l->why = "the disk refuses to read its tables";
    return E_DISK;
}

static void take_window(struct load *l, const struct sweep *w)
{
    l->why = "the memory set aside for chunk maps is too small";
    for (uint64_t p = l->at; p < window_end(l, w) && !l->err; p++) {
        if (in_use(l, w, p) && was_refused(l, w, p) && ++l->pages_refused > REFUSED_MOST) {
            l->err = tables_refused(l);
            return;
        }
        l->err = w->take(l->store, p, bytes_at(l, w, p), l->proved >> (p - l->at) & 1);
    }
}

/* The newest root was read a moment ago: false: it need not be read again. */
static bool ask_witness(struct load *l)
{
    const struct store *s = l->store;

    if (l->pages_refused == 0)
        return false;
    l->refused_before = l->io.refused;
    open_io_read(&l->io, l->buffer, s->geo.root_offset[s->checkpoint.root_first ^ 1], PAGE_BYTES);
    return true;
}

/* Which pages are what they should be.  One that was read and is not is read alone, so that a read
 * that goes wrong once costs nothing: true: that is under way. */
static bool prove_window(struct load *l, const struct sweep *w)
{
    for (; l->again < window_end(l, w); l->again++, l->tries = 1) {
        uint8_t *bytes = bytes_at(l, w, l->again);
        bool proved;

        if (!in_use(l, w, l->again) || was_refused(l, w, l->again))
            continue;
        proved = w->proved(l->store, l->again, bytes);
        l->proved |= (uint64_t)proved << (l->again - l->at);
        if (proved || l->tries++ == READ_TRIES)
            continue;
        open_io_read(&l->io, bytes,
                     place_at(l, w, l->again, entry_at(l, w, l->again)->flags & PAGE_PLACE),
                     PAGE_BYTES);
        return true;
    }
    return false;
}

/* A read is done: of a page that was wrong, or of the window in one place. */
static void take_refusals(struct load *l, const struct sweep *w)
{
    if (l->tries > 1)
        l->refused[entry_at(l, w, l->again)->flags & PAGE_PLACE] |= l->io.mask
                                                                    << (l->again - l->at);
    else if (l->place > 0)
        l->refused[l->place - 1] = l->io.mask;
}

static void next_window(struct load *l, uint64_t at)
{
    l->at = l->again = at;
    l->place = 0;
    l->tries = 1;
    l->refused[0] = l->refused[1] = l->proved = 0;
}

/* True: all pages were taken; false: a read is under way. */
static bool sweep(struct load *l, const struct sweep *w)
{
    take_refusals(l, w);
    for (; l->at < w->end && !l->err; next_window(l, l->at + LOAD_PAGES)) {
        for (; l->place < 2; l->place++) {
            if (!wants_place(l, w, l->place))
                continue;
            open_io_read(&l->io, l->buffer + (size_t)l->place * LOAD_PAGES * PAGE_BYTES,
                         place_at(l, w, l->at, l->place), (window_end(l, w) - l->at) * PAGE_BYTES);
            l->place++;
            return false;
        }
        if (prove_window(l, w))
            return false;
        take_window(l, w);
    }
    return true;
}

static enum task_next next_sweep(struct load *l, enum load_state state, uint64_t first)
{
    next_window(l, first);
    memset(l->buffer, 0, (size_t)2 * LOAD_PAGES * PAGE_BYTES);
    return task_goto(&l->task, state);
}

static enum task_next load_step(struct task *t)
{
    struct load *l = load_of(t);
    struct store *s = l->store;
    const struct geometry *g = &s->geo;
    uint64_t logs = g->map_pages + g->checksum_pages;

    if (l->io.busy)
        return TASK_WAIT;
    if (l->err && t->state != END)
        return task_fail(t, END, l->err);
    switch ((enum load_state)t->state) {
    case ROOT_ONE:
        if (root_again(l, 0))
            return TASK_WAIT;
        read_root(l, 1);
        return task_wait_in(t, ROOT_TWO);
    case ROOT_TWO:
        if (root_again(l, 1))
            return TASK_WAIT;
        l->err = take_root(l);
        return next_sweep(l, INDEX, 0);
    case INDEX:
        if (!sweep(l, &(struct sweep){0, g->index_pages, true, index_page_proved, take_index_page}))
            return TASK_WAIT;
        return next_sweep(l, MAP, 0);
    case MAP:
        if (!sweep(l, &(struct sweep){0, g->map_pages, false, page_proved, take_map_page}))
            return TASK_WAIT;
        prove_sums(s);
        return next_sweep(l, LOG, logs);
    case LOG:
        if (!sweep(l,
                   &(struct sweep){logs, logs + s->log_pages, false, page_proved, take_log_page}))
            return TASK_WAIT;
        prove_logs(s);
        if (!ask_witness(l))
            return task_goto(t, END);
        return task_wait_in(t, WITNESS);
    case WITNESS:
        if (l->io.refused > l->refused_before)
            l->err = tables_refused(l);
        return task_goto(t, END);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void load_done(struct task *t)
{
    struct load *l = load_of(t);

    free(l->buffer);
    l->buffer = NULL;
    task_run(l->waiter);
}

static const struct task_state load_states[] = {
    [ROOT_ONE] = {"root_one", TASK_FIRST},
    [ROOT_TWO] = {"root_two", TASK_AFTER(ROOT_ONE)},
    [INDEX] = {"index", TASK_AFTER(ROOT_TWO)},
    [MAP] = {"map", TASK_AFTER(INDEX)},
    [LOG] = {"log", TASK_AFTER(MAP)},
    [WITNESS] = {"witness", TASK_AFTER(LOG)},
    [END] = {"end", TASK_AFTER(INDEX) | TASK_AFTER(MAP) | TASK_AFTER(LOG) | TASK_AFTER(WITNESS)},
};
static const struct task_kind load_kind = {
    .name = "store_load",
    .step = load_step,
    .done = load_done,
    .states = load_states,
    .state_count = array_length(load_states),
};

enum err load_begin(struct store *s, struct load *l, struct task *waiter)
{
    size_t bytes = (size_t)max_u64((uint64_t)2 * LOAD_PAGES * PAGE_BYTES, s->geo.root_bytes);

    *l = (struct load){.store = s, .waiter = waiter, .tries = 1};
    l->buffer = aligned_alloc(PAGE_BYTES, bytes);
    if (!l->buffer)
        return E_NO_MEMORY;
    l->io.disk = s->disk;
    l->io.waiter = &l->task;
    task_start(&l->task, &load_kind, &s->env->tasks, ROOT_ONE);
    read_root(l, 0);
    return E_OK;
}
