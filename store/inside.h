/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/inside.h — what the files of the store share: one `struct store` and its parts.
 *
 * Memory of a block's life: a change is copied into blocks of the *stage* while its group is
 * built; when the group is durable they are hung under their chunk (`struct staged_chunk`), where
 * reads find them; a checkpoint writes them home and lets them go.
 */
#ifndef STORE_INSIDE_H
#define STORE_INSIDE_H

#include "base/map.h"
#include "base/pool.h"
#include "store/format.h"

/* ---- geometry (superblock.c) ---- */

struct geometry {
    uint64_t size_bytes;
    uint64_t journal_offset, journal_bytes;
    uint64_t table_offset, index_offset;
    uint64_t root_offset[2], root_bytes;
    uint64_t data_offset, chunks;
    uint64_t map_pages, checksum_pages, log_pages, index_pages;
    uint32_t replicas_max;
};

static inline uint64_t table_pages(const struct geometry *g)
{
    return g->map_pages + g->checksum_pages + g->log_pages;
}
static inline uint64_t superblock_offset(uint64_t device_bytes, uint32_t copy)
{
    return copy == 0 ? 0 : round_down(device_bytes, PAGE_BYTES) - PAGE_BYTES;
}

/* The layout of a device; journal_bytes 0: 1/64 of it, 64 MiB to 4 GiB.  E_INVALID: no such
 * journal; E_NO_SPACE: less than four times its journal and tables; E_TOO_LARGE. */
enum err geometry_choose(uint64_t device_bytes, uint64_t journal_bytes, struct geometry *ret);
void superblock_encode(void *page, uint32_t copy, struct identity disk, const struct geometry *g);
enum err superblock_decode(const void *page, uint32_t copy, uint64_t device_bytes,
                           struct geometry *ret, struct identity *ret_disk);

/* ---- which chunks are taken (allocator.c) ---- */

struct allocator {
    uint64_t *taken; /* a bit a chunk: in use, or freed and not yet settled     */
    uint64_t *freed; /* freed since the last checkpoint: not handed out (notes 42) */
    uint64_t chunks, taken_count, freed_count;
    uint64_t promised; /* to staged chunks that have no place yet */
    uint64_t cursor;
};

must_check enum err allocator_open(struct allocator *a, uint64_t chunks);
void allocator_close(struct allocator *a);
static inline uint64_t allocator_left(const struct allocator *a)
{
    return a->chunks - a->taken_count - a->promised;
}
uint64_t allocator_take(struct allocator *a);             /* makes a promise true */
bool allocator_mark(struct allocator *a, uint64_t chunk); /* at open; false: it was already */
bool allocator_is_freed(const struct allocator *a, uint64_t chunk);
void allocator_free(struct allocator *a, uint64_t chunk);
void allocator_settle(struct allocator *a); /* the frees are durable */

/* ---- (replica, index) → chunk (chunk_map.c) ---- */

#define ENTRY_HERE    (UINT64_C(1) << 63) /* the chunk is taken …               */
#define ENTRY_PLACED  (UINT64_C(1) << 62) /* … and has a number                 */
#define ENTRY_CHUNK   ((UINT64_C(1) << 48) - 1)

#define MAP_LEAF      512u /* entries in a piece of map memory: 4 KiB */
#define SHARD_CHUNKS  ((uint32_t)(SHARD_BLOCKS / CHUNK_BLOCKS))
#define MAP_DIRECTORY (SHARD_CHUNKS / MAP_LEAF)

struct open_write; /* open_log.c */

struct store_replica {
    struct store *store;
    uint32_t slot;
    bool used;
    struct identity identity, volume;
    uint32_t shard;
    uint64_t size_blocks, promised;
    struct store_set set;
    uint64_t last_epoch, last_seq, commit_epoch, commit_seq;
    uint64_t floor_generation, floor_snapshot;
    bool empty, damaged;

    struct list open; /* its activity log, oldest first */
    uint32_t open_count;
    bool everything, older; /* overflowed; … with writes of epochs before everything_epoch */
    uint64_t everything_epoch, everything_seq;
    struct list dirty_link; /* its commit word is not on disk yet … */
    bool commit_sealed;     /* … and this went with it */

    uint64_t *directory[MAP_DIRECTORY];
    uint64_t map_sum;
    uint64_t chunk_count;
    uint64_t sum_told;  /* at open, by the root: what map_sum must come to … */
    uint32_t open_told; /* in the root: how many the log pages hold */
};

uint64_t map_entry(const struct store_replica *r, uint32_t index); /* 0: not taken */
/* False: no memory is left for a new leaf. */
bool map_set(struct store_replica *r, uint32_t index, uint64_t entry);
bool map_has_leaf(const struct store_replica *r, uint32_t index);
/* Gives the chunk its place: entry, sum, and the page that must tell it. */
void map_place(struct store_replica *r, uint32_t index, uint64_t chunk);
/* Frees the chunk, placed or not. */
void map_free(struct store_replica *r, uint32_t index);
void map_clear(struct store_replica *r); /* frees all of them, and the leaves */
/* How many chunks of the extent are not taken, and how many leaves they would need. */
uint64_t map_missing(const struct store_replica *r, struct extent blocks, uint64_t *ret_leaves);
/* One term of a replica's map_sum. */
uint64_t map_term(const struct store_replica *r, uint32_t index, uint64_t chunk);

/* ---- journaled blocks that are not home yet (stage.c) ---- */

struct staged_chunk {
    struct list link;
    struct store_replica *replica;
    uint32_t index;
    bool fresh;     /* placed by the checkpoint under way: its record starts anew */
    uint64_t chunk; /* once the checkpoint has collected it */
    uint64_t stamp;
    uint32_t states; /* BLOCK_ELSEWHERE: this block is not staged */
    uint32_t checksums[CHUNK_BLOCKS];
    uint8_t *blocks[CHUNK_BLOCKS]; /* of BLOCK_DATA */
};

struct stage {
    struct pool blocks, chunks;
    struct map map; /* (slot, index) → staged_chunk */
    struct list list;
};

must_check enum err stage_open(struct stage *st, uint64_t bytes);
void stage_close(struct stage *st);
struct staged_chunk *stage_find(struct store *s, const struct store_replica *r, uint32_t index);
struct staged_chunk *stage_get(struct store *s, struct store_replica *r, uint32_t index);
/* Takes the memory of `bytes` (BLOCK_DATA; else NULL), lets an older one go. */
void stage_set(struct store *s, struct staged_chunk *c, uint32_t block, enum block_state state,
               uint8_t *bytes);
void stage_drop(struct store *s, struct staged_chunk *c);
void stage_drop_all(struct store *s, const struct store_replica *of); /* NULL: of all */

/* ---- activity logs (open_log.c) ---- */

struct open_write {
    struct list link;
    struct extent extent;
    uint64_t epoch, seq, generation;
};

void open_log_add(struct store_replica *r, const struct open_write *w);
void open_log_commit(struct store_replica *r, uint64_t epoch, uint64_t seq, bool sealed);
void open_log_everything(struct store_replica *r); /* gives up naming them */
void open_log_clear(struct store_replica *r);

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

enum page_state { PAGE_FREE, PAGE_LOADING, PAGE_GOOD, PAGE_UNPROVED };

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
};

struct page_cache {
    struct cached_page *slots;
    uint8_t *memory;
    struct map map;
    struct list evictable;
    struct list starved; /* uses that found every slot pinned */
    uint32_t count;
};

must_check enum err page_cache_open(struct store *s, uint32_t count);
void page_cache_close(struct page_cache *c);
/* True: use->page is at hand (GOOD or UNPROVED) and pinned.  False: the task is run when it is
 * worth asking again. */
bool page_want(struct store *s, struct store_page_use *use, uint64_t page, struct task *task);
void page_drop(struct store *s, struct store_page_use *use); /* held, waited for, or neither */
const uint8_t *page_at_hand(const struct store *s, uint64_t page); /* NULL: not cached */

/* ---- records (record.c) ---- */

/* A change, or a piece of one, as the journal knows it. */
struct fact {
    enum record_kind kind;
    uint8_t flags;
    struct identity replica, volume;
    uint32_t shard;
    struct extent extent;
    struct store_stamp stamp;
    uint64_t epoch, size_blocks;
    const struct store_set *set;
    const uint32_t *checksums;
    uint8_t **blocks; /* WRITE: stage memory, taken by fact_apply(); NULL there: lost */
    uint32_t payload; /* first block in the group */
};

void set_encode(struct format_set *ret, const struct store_set *set);
void set_decode(const struct format_set *set, struct store_set *ret);
uint32_t record_bytes(const struct fact *f);
void record_encode(uint8_t *at, const struct fact *f);
void list_entry_encode(struct format_list_entry *ret, const struct fact *f);

/* Scratch that a decoded fact points into. */
struct record_scratch {
    uint32_t checksums[GROUP_BLOCKS_MAX];
    struct store_set set;
};
/* E_DAMAGED: not a record; E_UNSUPPORTED: of a kind that this version does not know. */
enum err record_decode(const uint8_t *at, size_t room, struct fact *ret, struct record_scratch *x);

/* ---- what a durable fact changes in memory (apply.c) ---- */

/* E_NO_SPACE, E_NO_MEMORY only at replay: the run-time path made sure before. */
enum err fact_apply(struct store *s, const struct fact *f);
/* A fact that a damaged group held, by the list in its successor: its blocks are lost. */
void fact_lost(struct store *s, const struct format_list_entry *e);

/* ---- journal (journal.c, group.c) ---- */

struct group_item {
    struct store_change *change; /* NULL: the store's own record */
    struct fact fact;
    bool recorded; /* else refused: err */
    bool last;     /* of the change: answer it */
    enum err err;
};

/* The group that is being built, then written. */
struct group {
    struct group_item *items; /* GROUP_ITEMS_MAX */
    uint32_t item_count, record_count, block_count;
    uint64_t chunks_needed, leaves_needed, staged_needed; /* at most, when it is applied */
    bool unmaps; /* a later write cannot be judged before these are applied */
    bool closed;
    bool changes; /* holds records of changes, not commit words alone */
    uint8_t *meta;
    uint32_t meta_used;
    uint8_t **blocks; /* GROUP_BLOCKS_MAX */
    struct iovec *pieces;
    struct disk_io io[2]; /* two where it wraps */
    uint32_t flying;
    enum err err;
};

struct journal {
    struct task task;
    struct list queue; /* changes given that are not in the group */
    struct group group;
    uint64_t head, tail; /* positions */
    uint64_t sequence;   /* of the next group */
    uint64_t predecessor, incarnation;
    uint64_t named;                 /* newest sequence that a durable group names durable */
    uint64_t unnamed;               /* newest sequence with records in it                 */
    uint64_t bytes_max;             /* of one group */
    struct format_list_entry *list; /* what the last group held */
    uint32_t list_count;
    uint32_t *checksums; /* scratch */
    struct timer idle;
    bool idle_due; /* a group without changes shall name what is durable */
    bool stopping;
    struct task *stop_waiter;
};

must_check enum err journal_open(struct store *s);
void journal_close(struct store *s);
void journal_begin(struct store *s); /* takes changes from now on */
/* Every change was answered; `waiter` is run when no group is under way any more. */
void journal_stop(struct store *s, struct task *waiter);
bool journal_stopped(const struct store *s);

enum group_end {
    GROUP_BUILT,            /* there is something to write or to answer           */
    GROUP_NOTHING,          /* the queue is empty                                 */
    GROUP_NEEDS_CHECKPOINT, /* the first change finds no room before one was made */
};
enum group_end group_build(struct store *s);
uint64_t group_bytes(const struct group *g);
void group_seal(struct store *s);
/* Applies what is durable and answers, in order. */
void group_finish(struct store *s);

/* ---- checkpoint (checkpoint.c, page_job.c) ---- */

#define HOME_WRITES 64u
#define PAGE_JOBS   32u

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
    enum err err;
};

struct checkpoint {
    struct task task;
    struct task *waiter; /* run when it ends */
    enum err err;
    uint64_t number;
    bool wrote;                   /* something that the next sync must cover */
    uint32_t grace;               /* parity of the reads to wait for */
    struct staged_chunk **chunks; /* in order of chunk number */
    uint32_t chunk_count;
    uint32_t at_chunk, at_block; /* home: the next to write */
    uint64_t at_page;            /* tables, then index: the next to look at */
    uint8_t *log_memory;         /* the log pages, as they will be */
    uint32_t log_count;
    uint32_t flying;
    struct pool home_writes, jobs;
    uint8_t *job_memory;
    uint8_t *root;
    size_t root_used;
    struct disk_io io;
    struct iovec piece;
    bool io_busy;
};

must_check enum err checkpoint_open(struct store *s);
void checkpoint_close(struct store *s);
/* No group is in flight and none begins before it is done; then `waiter` is run. */
void checkpoint_begin(struct store *s, struct task *waiter);
bool checkpoint_running(const struct store *s);

/* False: no job is free. */
bool page_job_begin(struct store *s, uint64_t page, bool index);
/* Of a job: its page is durable with the next sync, or err; runs the checkpoint. */
void checkpoint_job_done(struct store *s, enum err err);

/* ---- root (root.c) ---- */

/* As things are now; how many bytes. */
size_t root_encode(struct store *s, uint8_t *bytes);
void root_seal(struct store *s, uint8_t *bytes, size_t used, uint32_t copy, uint64_t number);
/* Index entries, replicas, tail: into the store.  The bytes are proved. */
enum err root_decode(struct store *s, const uint8_t *bytes);

/* ---- reads (read.c) ---- */

#define HOME_READS 64u

struct home_read {
    struct store_read *read;
    struct store *store;
    struct disk_io io;
    struct iovec piece;
    uint8_t *buffer;
    uint64_t block;  /* of the replica: block 0 of the chunk */
    uint64_t offset; /* of the chunk on disk */
    uint32_t first, count;
    uint32_t mask; /* blocks to verify and hand on */
    uint32_t checksums[CHUNK_BLOCKS];
    uint32_t parity;
    bool single;   /* block by block, after the whole failed … */
    uint32_t left; /* … so many */
};

struct reads {
    struct pool home_reads;
    uint8_t *memory;
    struct list starved;   /* store_reads that wait for a home_read */
    uint32_t under_way[2]; /* home reads, by parity of the grace period */
    uint32_t parity;
    uint32_t count; /* store_reads */
};

must_check enum err reads_open(struct store *s);
void reads_close(struct reads *r);

/* ---- replicas (replica.c) ---- */

struct store_replica *replica_make(struct store *s, struct identity identity); /* NULL: no room */
struct store_replica *replica_make_at(struct store *s, uint32_t slot, struct identity identity);
void replica_forget(struct store_replica *r);
struct store_replica *replica_of_slot(struct store *s, uint32_t slot); /* NULL: unused */
uint64_t replica_volume_block(const struct store_replica *r, uint64_t block);
/* Chunks are counted to the replica's end, so that its last one may be short. */
uint32_t replica_chunk_blocks(const struct store_replica *r, uint32_t index);

#define for_each_replica(r, s)                                                                     \
    for (struct store_replica *r = store_next(s, NULL); r; r = store_next(s, r))

/* ---- the store ---- */

struct store {
    struct env *env;
    struct disk *disk;
    struct identity identity;
    struct geometry geo;
    struct store_limits limits;
    bool read_only; /* a ro_compat feature */
    bool broken;    /* the disk refused a write: no more changes */
    uint64_t root_number;

    struct store_replica *replicas;
    uint32_t replicas_max, replica_count;
    struct map by_identity;
    struct list commit_dirty;
    struct pool open_writes;
    struct pool leaves;
    struct allocator allocator;
    struct stage stage;
    struct page_entry *index, *index_pages;
    uint8_t *map_dirty, *checksums_dirty, *index_dirty; /* a byte a page */
    uint32_t log_pages;                                 /* in use on disk */
    struct page_cache cache;
    struct journal journal;
    struct checkpoint checkpoint;
    struct reads reads;
    struct extent *sorted; /* scratch of store_open_writes() */
};

static inline bool takes_changes(const struct store *s)
{
    return !s->read_only && !s->broken;
}
static inline uint32_t durable_flag(const struct store *s)
{
    return s->disk->write_through ? 0 : DISK_DSYNC;
}
static inline uint64_t chunk_offset(const struct store *s, uint64_t chunk)
{
    return s->geo.data_offset + chunk * CHUNK_BYTES;
}
static inline uint64_t reserve_chunks(const struct store *s)
{
    return min_u64(s->geo.chunks / 32, 640); /* one window: 32 MiB in 256 writes, and a little */
}

/* ---- open (open.c, load.c, replay.c) ---- */

/* Reads a range for open; a page that the disk refuses reads as zeros, which prove nothing. */
struct open_io {
    struct disk *disk;
    struct task *waiter;
    uint8_t *buffer;
    uint64_t offset, bytes;
    uint64_t at; /* page by page, after the whole failed */
    bool single, busy;
    uint64_t refused; /* pages, ever */
    struct disk_io io;
    struct iovec piece;
};
void open_io_read(struct open_io *o, uint8_t *buffer, uint64_t offset, uint64_t bytes);

/* What open reads and proves before the journal (load.c). */
struct load {
    struct task task;
    struct task *waiter;
    struct store *store;
    struct open_io io;
    uint8_t *buffer; /* LOAD_PAGES pages of each place */
    uint64_t at;     /* page */
    uint32_t place;  /* which one is being read */
    enum err err;
    const char *why;
};
#define LOAD_PAGES 64u
/* The root, the index, the map and the logs; then `waiter` is run. */
must_check enum err load_begin(struct store *s, struct load *l, struct task *waiter);

/* The journal, from j->head on, which it moves along; then `waiter` is run. */
struct replay {
    struct task task;
    struct task *waiter;
    struct store *store;
    struct open_io io;
    uint8_t *window;
    uint64_t window_at, window_bytes; /* position of its first byte */
    uint8_t *blocks[GROUP_BLOCKS_MAX];
    struct record_scratch *scratch;
    enum err err;
    const char *why;
};
must_check enum err replay_begin(struct store *s, struct replay *r, struct task *waiter);

void store_free(struct store *s);

/* ---- pieces (pieces.c) ---- */

/* Copies `length` bytes between byte `offset` of the pieces and flat memory. */
void pieces_gather(uint8_t *to, const struct iovec *pieces, uint64_t offset, uint64_t length);
void pieces_scatter(const struct iovec *pieces, uint64_t offset, const uint8_t *from,
                    uint64_t length); /* from NULL: zeros */

#endif
