/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/page_cache.c — table pages in memory: a bounded number, least recently used goes first.
 *
 * Who wants a page says so with a `struct store_page_use`; the page stays pinned until page_drop().
 * Each user pins one page at a time, so that waiting for a slot ends.  Only the checkpoint changes
 * a page, and what it changes is staged meanwhile: no reader looks at those records (notes 45).
 */
#include "base/memory.h"
#include "store/inside.h"

enum err page_cache_open(struct store *s, uint32_t count)
{
    struct page_cache *c = &s->cache;

    count = max_u32(count, PAGE_JOBS + 8);
    list_init(&c->evictable);
    list_init(&c->starved);
    c->slots = calloc(count, sizeof *c->slots);
    c->memory = memory_take(PAGE_BYTES, (size_t)count * PAGE_BYTES, false);
    if (!c->slots || !c->memory || map_open(&c->map, count))
        return E_NO_MEMORY;
    c->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct cached_page *p = &c->slots[i];

        p->store = s;
        p->bytes = c->memory + (size_t)i * PAGE_BYTES;
        list_init(&p->uses);
        list_append(&c->evictable, &p->link);
    }
    return E_OK;
}

void page_cache_close(struct page_cache *c)
{
    free(c->slots);
    free(c->memory);
    map_close(&c->map);
}

static void pin(struct cached_page *p)
{
    if (p->pins++ == 0)
        list_remove(&p->link);
}

/* Nobody has it pinned, and no read of it is under way. */
static void release(struct store *s, struct cached_page *p)
{
    struct list *l;

    if (p->state != PAGE_GOOD) { /* the next one to ask may have more luck with the disk */
        map_remove(&s->cache.map, p->number);
        p->state = PAGE_FREE;
    }
    list_append(&s->cache.evictable, &p->link);
    while ((l = list_take(&s->cache.starved))) {
        struct store_page_use *next = container_of(l, struct store_page_use, link);

        next->linked = false;
        task_run(next->task);
    }
}

static void loaded(struct disk_io *io, enum err err)
{
    struct cached_page *p = container_of(io, struct cached_page, io);
    bool proved = !err && page_proved(p->store, p->number, p->bytes);
    struct list *l;

    if (!proved && ++p->tries < READ_TRIES) {
        disk_submit(p->store->disk, &p->io);
        return;
    }
    p->state = proved ? PAGE_GOOD : PAGE_UNPROVED;
    if (err) {
        p->state = PAGE_REFUSED;
        store_read_refused(p->store);
    }
    p->store->cache.loading--;
    if (p->store->cache.closer)
        task_run(p->store->cache.closer);
    while ((l = list_take(&p->uses))) {
        struct store_page_use *use = container_of(l, struct store_page_use, link);

        use->linked = false;
        task_run(use->task);
    }
    if (p->pins == 0)
        release(p->store, p);
}

/* A page that was never written needs no disk, one known to be bad gets none. */
static void load(struct store *s, struct cached_page *p)
{
    const struct page_entry *e = &s->index[p->number];

    if (!(e->flags & PAGE_WRITTEN) || (e->flags & PAGE_BAD)) {
        memset(p->bytes, 0, PAGE_BYTES);
        p->state = e->flags & PAGE_BAD ? PAGE_UNPROVED : PAGE_GOOD;
        return;
    }
    p->state = PAGE_LOADING;
    p->tries = 0;
    p->piece = (struct iovec){p->bytes, PAGE_BYTES};
    p->io = (struct disk_io){.op = DISK_READ,
                             .offset = page_offset(&s->geo, p->number, e->flags & PAGE_PLACE),
                             .pieces = &p->piece,
                             .piece_count = 1,
                             .done = loaded};
    s->cache.loading++;
    disk_submit(s->disk, &p->io);
}

static struct cached_page *evict(struct page_cache *c)
{
    struct cached_page *p;

    if (list_empty(&c->evictable))
        return NULL;
    p = container_of(c->evictable.next, struct cached_page, link);
    if (p->state != PAGE_FREE)
        map_remove(&c->map, p->number);
    p->state = PAGE_FREE;
    return p;
}

static struct cached_page *find_or_load(struct store *s, uint64_t page)
{
    struct cached_page *p = map_get(&s->cache.map, page);
    enum err err;

    if (p) {
        pin(p);
        return p;
    }
    p = evict(&s->cache);
    if (!p)
        return NULL;
    pin(p);
    p->number = page;
    err = map_put(&s->cache.map, page, p);
    assert(!err);
    load(s, p);
    return p;
}

static void wait_in(struct list *where, struct store_page_use *use)
{
    if (use->linked)
        return;
    use->linked = true;
    list_append(where, &use->link);
}

bool page_want(struct store *s, struct store_page_use *use, uint64_t page, struct task *task)
{
    use->task = task;
    if (!use->page) {
        if (use->linked)
            return false; /* starved */
        use->page = find_or_load(s, page);
    }
    assert(!use->page || use->page->number == page);
    if (!use->page) {
        wait_in(&s->cache.starved, use);
        return false;
    }
    if (use->page->state == PAGE_LOADING) {
        wait_in(&use->page->uses, use);
        return false;
    }
    return true;
}

void page_drop(struct store *s, struct store_page_use *use)
{
    struct cached_page *p = use->page;

    if (use->linked)
        list_remove(&use->link);
    use->linked = false;
    use->page = NULL;
    if (p && --p->pins == 0 && p->state != PAGE_LOADING)
        release(s, p); /* else: when it is loaded */
}

const uint8_t *page_at_hand(const struct store *s, uint64_t page)
{
    const struct cached_page *p = map_get(&s->cache.map, page);

    return p && p->state == PAGE_GOOD ? p->bytes : NULL;
}
