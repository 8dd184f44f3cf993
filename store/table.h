/* SPDX-License-Identifier: Apache-2.0 */
/* store/table.h — the chunk table in memory and on its way to the disk. */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include "store/chunks.h"

/* ---- table pages: index and cache (chunk_table.c, page_cache.c) ---- */

struct page_entry {
    uint64_t checksum;
    uint32_t flags;         /* PAGE_*, as on disk, and: */
#define PAGE_BAD (1u << 31) /* in memory: what the disk holds could not be proved */
};

static inline uint64_t page_offset(const struct geometry *g, uint64_t page, uint32_t place)
{
    return g->table_offset + (place * table_pages(g) + page) * PAGE_BYTES;
}
static inline uint64_t index_page_offset(const struct geometry *g, uint64_t page, uint32_t place)
{
    return g->index_offset + (place * g->index_pages + page) * PAGE_BYTES;
}

/* What a table page is, by its number. */
uint32_t page_magic(const struct geometry *g, uint64_t page);

/* Whether `bytes` are the page that its entry speaks of. */
bool page_proved(const struct store *s, uint64_t page, const void *bytes);

/* Writes into a map or checksum page what the checkpoint under way has to say in it. */
void chunk_table_update(struct store *s, uint64_t page, uint8_t *bytes, bool bad);

enum page_state {
    PAGE_FREE,
    PAGE_LOADING,
    PAGE_GOOD,
    PAGE_UNPROVED, /* what the disk holds is not the page   */
    PAGE_REFUSED,  /* the disk does not say what it holds   */
};

struct cached_page {
    struct list link; /* among the evictable, least recently used first */
    uint64_t number;
    enum page_state state;
    uint32_t pins;
    struct list uses; /* who waits until it is loaded */
    uint8_t *bytes;
    struct store *store;
    struct disk_io io;
    struct iovec piece;
    uint32_t tries; /* reads that the disk refused */
};

struct page_cache {
    struct cached_page *slots;
    uint8_t *memory;
    struct map map;
    struct list evictable;
    struct list starved; /* uses that found every slot pinned */
    uint32_t count;
    uint32_t loading;    /* reads under way, also for nobody any more */
    struct task *closer; /* waits for the last of them; NULL: nobody  */
};

must_check enum err page_cache_open(struct store *s, uint32_t count);
void page_cache_close(struct page_cache *c);
/* True: use->page is at hand (GOOD, UNPROVED, REFUSED) and pinned.  False: the task is run when it
 * is worth asking again. */
bool page_want(struct store *s, struct store_page_use *use, uint64_t page, struct task *task);
void page_drop(struct store *s, struct store_page_use *use); /* held, waited for, or neither */
const uint8_t *page_at_hand(const struct store *s, uint64_t page); /* NULL: not cached */

/* ---- checkpoint (checkpoint.c, page_job.c) ---- */

#define HOME_WRITES 64u
#define PAGE_JOBS   32u
/* Pages that the disk refuses in one opening, or in one checkpoint, and that count as rotten; more
 * are a disk that fails. */
#define REFUSED_MOST 8u

struct home_write {
    struct store *store;
    struct disk_io io;
    struct iovec pieces[CHUNK_BLOCKS];
};

/* One page on its way to its other place. */
struct page_job {
    struct task task;
    struct store *store;
    uint64_t page;
    bool index; /* a page of the index, not of the table */
    struct store_page_use use;
    uint8_t *own;   /* memory for a page of the index */
    uint8_t *bytes; /* what is written */
    struct disk_io io;
    struct iovec piece;
    bool io_busy;
    uint32_t tries; /* reads of the root, where the page was refused */
    enum err err;
};

struct chunk_key { /* for sorting */
    uint64_t chunk;
    struct staged_chunk *staged;
};

struct checkpoint {
    struct task task;
    struct task *waiter; /* run when it ends */
    enum err err;
    uint64_t number;
    uint64_t tail;                /* the journal's head at the freeze */
    bool wrote;                   /* something that the next sync must cover */
    uint32_t grace;               /* parity of the reads to wait for */
    struct staged_chunk **chunks; /* frozen ones, in order of chunk number */
    uint32_t chunk_count;
    struct chunk_key *keys[2];                          /* scratch of checkpoint_sort() */
    uint8_t *map_dirty, *checksums_dirty, *index_dirty; /* a byte a page: to be written */
    uint64_t page_count;         /* of the table, so marked; the index's not among them */
    uint64_t work_done;          /* blocks and pages that were written */
    uint32_t at_chunk, at_block; /* home: the next to write */
    uint64_t at_page;            /* tables, then index: the next to look at */
    uint32_t pages_refused;      /* by the disk */
    uint8_t *log_memory;         /* the log pages, as of the freeze */
    uint32_t log_count;
    uint32_t flying;
    struct pool home_writes, jobs;
    uint8_t *job_memory;
    uint8_t *root; /* as of the freeze, but for its index; before the first: the one taken */
    size_t root_used;
    uint32_t root_first; /* the copy to write first (C4) */
    bool unproved;       /* that copy, since open: it may be a newer one */
    struct disk_io io;
    struct iovec piece;
    bool io_busy;
};

must_check enum err checkpoint_open(struct store *s);
void checkpoint_close(struct store *s);
/* Freezes what there is, inside the call (the first one of an open perhaps later: nothing changes
 * meanwhile), and writes it beside whatever comes later; then `waiter` is run.  No group is in
 * flight at the moment of the call, and no other checkpoint. */
void checkpoint_begin(struct store *s, struct task *waiter);
bool checkpoint_running(const struct store *s);
/* Of the one that is running: `waiter` is run instead of whoever was to be. */
void checkpoint_await(struct store *s, struct task *waiter);
/* How much of the one that is running is done, of 1024; 1024: none is. */
uint32_t checkpoint_progress(const struct store *s);

/* Whether there is room for so many new chunks and leaves of the map, at the latest when the next
 * checkpoint is durable, which frees the chunks that it finds to hold nothing (freeze.c). */
bool checkpoint_makes_room(struct store *s, uint64_t chunks, uint64_t leaves);
/* The frozen state: all of it, at once; its chunks in order (freeze.c). */
void checkpoint_freeze(struct store *s);
void checkpoint_sort(struct checkpoint *c);

/* False: no job is free. */
bool page_job_begin(struct store *s, uint64_t page, bool index);
/* Of a job: its page is durable with the next sync, or err; runs the checkpoint. */
void checkpoint_job_done(struct store *s, enum err err);

/* ---- root (root.c) ---- */

/* Replicas and tail as they are now; how many bytes.  Where the index is comes last. */
size_t root_encode(struct store *s, uint8_t *bytes);
void root_encode_index(const struct store *s, uint8_t *bytes);
void root_seal(struct store *s, uint8_t *bytes, size_t used, uint32_t copy, uint64_t number);
/* Index entries, replicas, tail: into the store.  The bytes are proved. */
enum err root_decode(struct store *s, const uint8_t *bytes);

#endif
