/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/scrub.c — round the disk, one request at a time.
 *
 * Superblocks and roots first, then the tables in the order of chunk numbers: a checksum page, with
 * the map page that says whose its chunks are, both from the disk (a cached page would hide rot);
 * then its chunks, by address.  Nothing here goes through the page cache, so a round does not
 * wash it out.
 *
 * A block is judged by the record of its page alone, so it must be the one that counts: what is
 * staged is left out, and a page whose entry moved since it was read (a checkpoint wrote it anew)
 * is read again.  What is written home or freed while it is being read may look wrong once; asked
 * for again it is staged, or nobody's, or right.
 *
 * What can go wrong:
 *   bytes that cannot be proved     read again; what stays wrong is a finding
 *   the disk refuses                the same, and the finding says so
 *   the store closes                the request under way is awaited, nothing follows it
 */
#include "store/scrub.h"

#include "store/inside.h"

#include <inttypes.h>
#include <stdio.h>

#define SCRUB_TRIES    3u
#define PAGES_A_TURN   4096u /* that were never written: looked at, not read */
#define PACE_DEFAULT   ((uint64_t)1 << 20)
#define PERIOD_DEFAULT (UINT64_C(7) * 24 * 3600 * 1000 * 1000)

enum scrub_state {
    COPY,     /* a superblock or root is read                   */
    MAP_PAGE, /* … the map page of the chunks that come next    */
    SUM_PAGE, /* … their checksum page                          */
    CHUNK,    /* … one of them                                  */
    REST,     /* the pace has time                              */
};

struct scrub {
    struct store *store;
    struct task task;
    struct timer timer;
    struct store_scrub_pace pace;
    uint64_t passes;
    struct scrub_pass now, last;

    uint32_t copy;     /* 0, 1: superblocks; 2, 3: roots; 4: all were looked at */
    uint64_t page;     /* checksum page, from 0 */
    uint64_t map_page; /* whose bytes are in `map`; UINT64_MAX: none */
    uint32_t chunk;    /* the next of the page */
    bool page_held;    /* `sums` holds the page */
    bool map_bad;      /* … and nobody knows whose its chunks are */
    struct page_entry map_entry, sum_entry; /* as they were when they were read */
    uint64_t root_number;

    struct disk_io io;
    struct iovec piece;
    bool busy;
    enum err err;
    uint32_t tries;
    uint32_t mask;               /* its blocks that are judged */
    uint8_t *map, *sums, *bytes; /* a page, a page, a chunk or root */
    struct task *stopper;
};

/* ---- findings ---- */

static void found(struct scrub *c, const struct scrub_finding *f)
{
    struct scrub_pass *p = &c->now;
    char line[128];

    if (f->what == SCRUB_BLOCK)
        p->bad_blocks++;
    else
        p->bad_pages++;
    if (p->finding_count == SCRUB_FINDINGS)
        return;
    p->findings[p->finding_count++] = *f;
    scrub_finding_show(f, line);
    log_event(c->store->env->log, LOG_LEVEL_ERROR, "store", "scrub_found", "disk=%s %s",
              c->store->disk->name, line);
}

void scrub_finding_show(const struct scrub_finding *f, char ret[128])
{
    static const char *const names[] = {[SCRUB_TABLE_PAGE] = "table page",
                                        [SCRUB_ROOT] = "root copy",
                                        [SCRUB_SUPERBLOCK] = "superblock copy"};
    const char *how = f->refused ? "the disk does not read it" : "it is not what was written";

    if (f->what == SCRUB_BLOCK)
        snprintf(ret, 128, "block %" PRIu64 " of shard %" PRIu32 " of volume %s: %s", f->number,
                 f->shard, identity_show(f->volume).text, how);
    else
        snprintf(ret, 128, "%s %" PRIu64 ": %s", names[f->what], f->number, how);
}

/* ---- one request ---- */

static void read_done(struct disk_io *io, enum err err)
{
    struct scrub *c = container_of(io, struct scrub, io);

    c->busy = false;
    c->err = err;
    task_run(&c->task);
}

static void read_bytes(struct scrub *c, uint8_t *to, uint64_t offset, uint64_t bytes)
{
    c->piece = (struct iovec){to, (size_t)bytes};
    c->io = (struct disk_io){.op = DISK_READ,
                             .offset = offset,
                             .pieces = &c->piece,
                             .piece_count = 1,
                             .done = read_done};
    c->busy = true;
    c->now.bytes_done += bytes;
    disk_submit(c->store->disk, &c->io);
}

/* What was read is wrong: true: it is asked for once more. */
static bool once_more(struct scrub *c)
{
    if (++c->tries < SCRUB_TRIES)
        return true;
    c->tries = 0;
    return false;
}

/* ---- pace ---- */

static uint64_t bytes_total(const struct store *s)
{
    return s->allocator.taken_count * CHUNK_BYTES +
           (s->geo.map_pages + s->geo.checksum_pages) * PAGE_BYTES + 2 * s->geo.root_bytes;
}

static uint64_t bytes_per_second(const struct scrub *c)
{
    uint64_t seconds = max_u64(c->pace.period_us / 1000000, 1);

    return max_u64(bytes_total(c->store) / seconds + 1, c->pace.bytes_per_second_least);
}

static void rested(struct timer *t)
{
    task_run(&container_of(t, struct scrub, timer)->task);
}

static enum task_next rest(struct scrub *c, uint64_t us)
{
    timer_start(&c->store->env->clock, &c->timer, max_u64(us, 1), rested);
    return task_wait_in(&c->task, REST);
}

/* For as long as the last request's bytes are worth. */
static enum task_next pause(struct scrub *c)
{
    return rest(c, c->piece.iov_len * UINT64_C(1000000) / bytes_per_second(c));
}

/* ---- superblocks and roots ---- */

static void read_copy(struct scrub *c)
{
    const struct store *s = c->store;

    c->root_number = s->root_number;
    if (c->copy < 2)
        read_bytes(c, c->bytes, superblock_offset(s->disk->size_bytes, c->copy), PAGE_BYTES);
    else
        read_bytes(c, c->bytes, s->geo.root_offset[c->copy - 2], s->geo.root_bytes);
}

static bool copy_proved(const struct scrub *c)
{
    const struct store *s = c->store;
    const struct format_head *h = (const void *)c->bytes;
    struct identity disk;
    struct geometry geo;

    if (c->copy < 2)
        return superblock_decode(c->bytes, c->copy, s->disk->size_bytes, &geo, &disk) == E_OK &&
               memcmp(&geo, &s->geo, sizeof geo) == 0 && identity_equal(disk, s->identity);
    return format_prove(c->bytes, s->geo.root_bytes,
                        &(struct format_name){ROOT_MAGIC, s->identity, c->copy - 2, 0}) == E_OK &&
           le64_get(h->checkpoint) == c->root_number;
}

static enum task_next judge_copy(struct scrub *c)
{
    const struct store *s = c->store;
    bool moved = c->copy >= 2 && (checkpoint_running(s) || c->root_number != s->root_number);

    if (!moved && (c->err || !copy_proved(c))) {
        if (once_more(c))
            return pause(c);
        found(c, &(struct scrub_finding){.what = c->copy < 2 ? SCRUB_SUPERBLOCK : SCRUB_ROOT,
                                         .refused = c->err != E_OK,
                                         .number = c->copy % 2});
    }
    c->tries = 0;
    c->copy++; /* a root that is being written is looked at next time */
    return pause(c);
}

/* ---- pages ---- */

static struct page_entry entry_of(const struct scrub *c, uint64_t page)
{
    return c->store->index[page];
}

static bool same_entry(struct page_entry a, struct page_entry b)
{
    return a.checksum == b.checksum && a.flags == b.flags;
}

static uint64_t table_page(const struct scrub *c)
{
    return c->store->geo.map_pages + c->page;
}

static uint64_t first_chunk(const struct scrub *c)
{
    return c->page * CHECKSUM_RECORDS;
}

/* A page of the table from where it stands now. */
static void read_page(struct scrub *c, uint64_t page, uint8_t *to, struct page_entry *ret)
{
    *ret = entry_of(c, page);
    read_bytes(c, to, page_offset(&c->store->geo, page, ret->flags & PAGE_PLACE), PAGE_BYTES);
}

/* True: the page at hand is what the table says; *ret_again: it is read once more. */
static bool page_judged(struct scrub *c, uint64_t page, const uint8_t *bytes,
                        const struct page_entry *as, bool *ret_again)
{
    bool moved = !same_entry(*as, entry_of(c, page));

    *ret_again = false;
    if (!moved && !c->err && page_proved(c->store, page, bytes)) {
        c->tries = 0;
        return true;
    }
    *ret_again = moved || once_more(c);
    if (!*ret_again)
        found(c, &(struct scrub_finding){
                     .what = SCRUB_TABLE_PAGE, .refused = c->err != E_OK, .number = page});
    return false;
}

static enum task_next next_page(struct scrub *c)
{
    c->page++;
    c->chunk = 0;
    c->page_held = false;
    return pause(c);
}

static enum task_next judge_map_page(struct scrub *c)
{
    uint64_t page = c->map_page;
    bool again, whole = page_judged(c, page, c->map, &c->map_entry, &again);

    if (again)
        c->map_page = UINT64_MAX;
    c->map_bad = !whole && !again;
    return pause(c);
}

static enum task_next judge_sum_page(struct scrub *c)
{
    bool again, whole = page_judged(c, table_page(c), c->sums, &c->sum_entry, &again);

    c->page_held = whole;
    return whole || again ? pause(c) : next_page(c);
}

/* ---- chunks ---- */

static const struct format_map_record *owner(const struct scrub *c, uint64_t chunk)
{
    return &((const struct format_map_page *)(const void *)c->map)->records[chunk % MAP_RECORDS];
}

static const struct format_checksum_record *record(const struct scrub *c)
{
    return &((const struct format_checksum_page *)(const void *)c->sums)->records[c->chunk];
}

/* The replica whose chunk it still is; NULL: nobody's. */
static struct store_replica *holder(const struct scrub *c, uint64_t chunk, uint32_t *ret_index)
{
    const struct format_map_record *m = owner(c, chunk);
    struct store_replica *r;

    if (m->kind != MAP_CHUNK || le32_get(m->slot) >= c->store->replicas_max ||
        le32_get(m->index) >= SHARD_CHUNKS)
        return NULL;
    *ret_index = le32_get(m->index);
    r = replica_of_slot(c->store, le32_get(m->slot));
    return r && map_entry(r, *ret_index) == (ENTRY_HERE | ENTRY_PLACED | chunk) ? r : NULL;
}

/* The page at hand knows the chunk as somebody else's, whose it was before. */
static bool starts_anew(const struct staged_view *staged)
{
    return (staged->in[0] && staged->in[0]->fresh) || (staged->in[1] && staged->in[1]->fresh);
}

/* Blocks whose bytes lie at home, as the page says. */
static uint32_t mask_of(const struct scrub *c, const struct store_replica *r, uint32_t index)
{
    struct staged_view staged = stage_view(c->store, r, index);
    uint32_t states = starts_anew(&staged) ? 0 : le32_get(record(c)->states), mask = 0;

    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++)
        if (state_of(states, b) == BLOCK_DATA && !staged_holder(&staged, b))
            mask |= 1u << b;
    return mask;
}

/* False: the chunk has nothing to be read. */
static bool read_chunk(struct scrub *c)
{
    uint64_t chunk = first_chunk(c) + c->chunk;
    uint32_t index;
    const struct store_replica *r = holder(c, chunk, &index);

    c->mask = r ? mask_of(c, r, index) : 0;
    if (c->mask == 0)
        return false;
    read_bytes(c, c->bytes, chunk_offset(c->store, chunk), CHUNK_BYTES);
    return true;
}

static bool block_proved(const struct scrub *c, const struct store_replica *r, uint64_t block,
                         uint32_t at)
{
    return block_checksum(r->volume, replica_volume_block(r, block),
                          c->bytes + (size_t)at * BLOCK_BYTES) ==
           le32_get(record(c)->checksums[at]);
}

/* Blocks of the mask that could not be proved; those of a chunk that is nobody's now are well. */
static uint32_t unproved(const struct scrub *c, const struct store_replica *r, uint32_t index)
{
    uint32_t bad = 0;

    for (uint32_t b = 0; r && b < CHUNK_BLOCKS; b++)
        if ((c->mask & 1u << b) &&
            (c->err || !block_proved(c, r, (uint64_t)index * CHUNK_BLOCKS + b, b)))
            bad |= 1u << b;
    return bad;
}

static enum task_next judge_chunk(struct scrub *c)
{
    uint32_t index = 0;
    const struct store_replica *r = holder(c, first_chunk(c) + c->chunk, &index);
    uint32_t bad = unproved(c, r, index);

    if (bad && once_more(c))
        return pause(c);
    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++)
        if (bad & 1u << b)
            found(c, &(struct scrub_finding){.what = SCRUB_BLOCK,
                                             .refused = c->err != E_OK,
                                             .number = (uint64_t)index * CHUNK_BLOCKS + b,
                                             .replica = r->identity,
                                             .volume = r->volume,
                                             .shard = r->shard});
    c->tries = 0;
    c->chunk++;
    return pause(c);
}

/* ---- its life ---- */

static void pass_begin(struct scrub *c)
{
    c->now = (struct scrub_pass){.began_us = now_us(&c->store->env->clock)};
    c->copy = 0;
    c->page = c->chunk = 0;
    c->map_page = UINT64_MAX;
    c->page_held = false;
}

static enum task_next pass_end(struct scrub *c)
{
    uint64_t used = now_us(&c->store->env->clock) - c->now.began_us;

    log_event(c->store->env->log, LOG_LEVEL_INFO, "store", "scrubbed",
              "disk=%s read=%" PRIu64 " bad_blocks=%" PRIu64 " bad_pages=%" PRIu64,
              c->store->disk->name, c->now.bytes_done, c->now.bad_blocks, c->now.bad_pages);
    c->last = c->now;
    c->passes++;
    pass_begin(c);
    return rest(c, used < c->pace.period_us ? c->pace.period_us - used : 0);
}

/* A page of which nothing was written, or which is known to be bad, describes no chunk. */
static bool nothing_there(const struct scrub *c, uint64_t page)
{
    uint32_t flags = entry_of(c, page).flags;

    return !(flags & PAGE_WRITTEN) || (flags & PAGE_BAD);
}

/* The map pages of this page's chunks: with 50 records to 126, one or two. */
static uint64_t map_page_of(const struct scrub *c)
{
    return (first_chunk(c) + c->chunk) / MAP_RECORDS;
}

static enum task_next next(struct scrub *c)
{
    const struct geometry *g = &c->store->geo;
    uint32_t looked = 0;

    if (c->copy < 4) {
        read_copy(c);
        return task_wait_in(&c->task, COPY);
    }
    while (c->page < g->checksum_pages && nothing_there(c, table_page(c))) {
        c->page++;
        c->chunk = 0;
        c->page_held = false;
        if (++looked == PAGES_A_TURN)
            return rest(c, 1);
    }
    if (c->page == g->checksum_pages)
        return pass_end(c);
    if (!c->page_held || !same_entry(c->sum_entry, entry_of(c, table_page(c)))) {
        read_page(c, table_page(c), c->sums, &c->sum_entry);
        return task_wait_in(&c->task, SUM_PAGE);
    }
    for (; c->chunk < CHECKSUM_RECORDS && first_chunk(c) + c->chunk < g->chunks; c->chunk++) {
        if (le32_get(record(c)->states) == 0)
            continue;
        if (c->map_page != map_page_of(c) || !same_entry(c->map_entry, entry_of(c, c->map_page))) {
            c->map_page = map_page_of(c);
            c->map_bad = nothing_there(c, c->map_page);
            c->map_entry = entry_of(c, c->map_page);
            if (c->map_bad)
                continue;
            read_page(c, c->map_page, c->map, &c->map_entry);
            return task_wait_in(&c->task, MAP_PAGE);
        }
        if (!c->map_bad && read_chunk(c))
            return task_wait_in(&c->task, CHUNK);
    }
    c->piece.iov_len = 0;
    return next_page(c);
}

static enum task_next scrub_step(struct task *t)
{
    struct scrub *c = container_of(t, struct scrub, task);

    if (c->busy)
        return TASK_WAIT;
    if (c->stopper && t->state != CHUNK)
        return TASK_DONE;
    switch ((enum scrub_state)t->state) {
    case COPY:
        return judge_copy(c);
    case MAP_PAGE:
        return judge_map_page(c);
    case SUM_PAGE:
        return judge_sum_page(c);
    case CHUNK:
        return judge_chunk(c);
    case REST:
        return timer_running(&c->timer) ? TASK_WAIT : next(c);
    }
    unreachable();
}

static void scrub_done(struct task *t)
{
    struct scrub *c = container_of(t, struct scrub, task);

    timer_stop(&c->store->env->clock, &c->timer);
    task_run(c->stopper);
}

#define WHEREVER                                                                                   \
    (TASK_AFTER(COPY) | TASK_AFTER(MAP_PAGE) | TASK_AFTER(SUM_PAGE) | TASK_AFTER(CHUNK) |          \
     TASK_AFTER(REST))

static const struct task_state scrub_states[] = {
    [COPY] = {"copy", TASK_AFTER(REST)},         [MAP_PAGE] = {"map_page", TASK_AFTER(REST)},
    [SUM_PAGE] = {"sum_page", TASK_AFTER(REST)}, [CHUNK] = {"chunk", TASK_AFTER(REST)},
    [REST] = {"rest", TASK_FIRST | WHEREVER},
};
static const struct task_kind scrub_kind = {
    .name = "store_scrub",
    .step = scrub_step,
    .done = scrub_done,
    .states = scrub_states,
    .state_count = array_length(scrub_states),
};

/* ---- the door ---- */

struct store_scrub_pace store_scrub_pace_default(void)
{
    return (struct store_scrub_pace){PERIOD_DEFAULT, PACE_DEFAULT};
}

static size_t chunk_or_root(const struct store *s)
{
    return (size_t)max_u64(CHUNK_BYTES, s->geo.root_bytes);
}

static struct scrub *scrub_open(struct store *s)
{
    struct scrub *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->map = aligned_alloc(PAGE_BYTES, (size_t)2 * PAGE_BYTES + chunk_or_root(s));
    if (!c->map) {
        free(c);
        return NULL;
    }
    c->sums = c->map + PAGE_BYTES;
    c->bytes = c->sums + PAGE_BYTES;
    c->store = s;
    return c;
}

enum err store_scrub_start(struct store *s, const struct store_scrub_pace *pace)
{
    if (!s->scrub) {
        s->scrub = scrub_open(s);
        if (!s->scrub)
            return E_NO_MEMORY;
        pass_begin(s->scrub);
        s->scrub->pace = *pace;
        task_start(&s->scrub->task, &scrub_kind, &s->env->tasks, REST);
    }
    s->scrub->pace = *pace;
    return E_OK;
}

void store_scrub_status(const struct store *s, struct store_scrub_status *ret)
{
    *ret = (struct store_scrub_status){.runs = s->scrub != NULL};
    if (!s->scrub)
        return;
    ret->passes = s->scrub->passes;
    ret->bytes_total = bytes_total(s);
    ret->bytes_per_second = bytes_per_second(s->scrub);
    ret->now = s->scrub->now;
    ret->last = s->scrub->last;
}

void scrub_stop(struct store *s, struct task *waiter)
{
    if (!s->scrub)
        return;
    s->scrub->stopper = waiter;
    task_run(&s->scrub->task);
}

bool scrub_stopped(const struct store *s)
{
    return !s->scrub || !task_living(&s->scrub->task);
}

void scrub_free(struct store *s)
{
    if (!s->scrub)
        return;
    free(s->scrub->map);
    free(s->scrub);
}
