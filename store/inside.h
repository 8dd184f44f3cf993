/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/inside.h — what the files of the store share: one `struct store` and its parts.
 *
 * A block's life in memory: a change is copied into blocks of the *stage* while its group is
 * built; when the group is durable they are hung under their chunk (`struct staged_chunk`), where
 * reads find them; a checkpoint writes them home and lets them go.
 */
#ifndef STORE_INSIDE_H
#define STORE_INSIDE_H

#include "store/journal.h"
#include "store/metrics.h"
#include "store/table.h"

/* ---- reads (read.c) ---- */

#define HOME_READS 64u

struct home_read {
    struct store_read *read;
    struct store *store;
    struct disk_io io;
    struct iovec pieces[CHUNK_BLOCKS]; /* the asker's memory, or one piece: the buffer */
    uint32_t piece_count;
    bool direct; /* the asker's */
    uint8_t *buffer;
    uint64_t block;         /* of the replica: block 0 of the chunk */
    uint64_t chunk, offset; /* its number, and where it is on disk  */
    uint32_t first, count;
    uint32_t mask;     /* blocks to verify and hand on …                      */
    uint32_t unjudged; /* … if their record says so: its page is not here yet */
    bool arrived;      /* the disk has answered …                             */
    enum err err;      /* … so                                                */
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

/* ---- the store ---- */

struct store {
    struct env *env;
    struct disk *disk;
    struct identity identity;
    struct geometry geo;
    struct store_limits limits;
    bool read_only; /* opened so, or a ro_compat feature */
    bool broken;    /* the disk refused a write: no more changes */
    bool full;      /* a write to a new place was refused, and there was little room since */
    uint64_t root_number;

    struct store_replica *replicas;
    uint32_t replicas_max, replica_count;
    struct map by_identity;
    struct list commit_dirty;
    struct pool open_writes;
    struct pool leaves;
    uint32_t leaves_let_go; /* since the checkpoint under way was begun: not counted on, C3 */
    struct allocator allocator;
    struct stage stage;
    struct page_entry *index, *index_pages;
    uint8_t *map_dirty; /* a byte a map page: changed since the last checkpoint was begun … */
    uint64_t map_dirty_count; /* … so many */
    uint32_t log_pages;       /* in use on disk */
    struct page_cache cache;
    struct journal journal;
    struct checkpoint checkpoint;
    struct reads reads;
    struct extent *sorted;         /* scratch of store_open_writes() */
    struct scrub *scrub;           /* NULL: was never started */
    struct log_pace refused_reads; /* of clients' blocks, of table pages; of the journal */
    struct log_pace unproved_reads;
    struct log_pace fulls; /* how often it had room again */
    struct store_metrics metrics;
};

static inline bool takes_changes(const struct store *s)
{
    return !s->read_only && !s->broken;
}
/* The disk refused to `what`: no more changes; said once. */
void store_break(struct store *s, const char *what);
void store_read_refused(struct store *s);
void store_full(struct store *s);      /* a write to a new place is refused: said once … */
void store_full_look(struct store *s); /* … until there is room again                    */
void store_read_unproved(struct store *s, const struct store_read *r); /* one that is E_MEDIUM */
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
/* What writes may take: with what the next checkpoint settles, without the reserve. */
static inline uint64_t chunks_writable(const struct store *s)
{
    uint64_t all = allocator_left(&s->allocator) + allocator_freed(&s->allocator);

    return all - min_u64(all, reserve_chunks(s));
}
static inline uint64_t reserve_leaves(const struct store *s)
{
    return min_u64(s->leaves.count / 32, 640); /* of that window: two for a write at worst */
}

/* ---- open (open.c, load.c, replay.c) ---- */

/* Positions and numbers grow only by what was written: none comes near this in a disk's life, and
 * one that is believed can never wrap. */
#define COUNTS_MOST (UINT64_C(1) << 62)

#define READ_TRIES  4u  /* of a table page that is refused, or wrong: one error may pass */
#define UNREAD_MOST 64u /* pages of the ring that are remembered */

/* Reads a range for open; a page that the disk refuses READ_TRIES times reads as zeros, which
 * prove nothing. */
struct open_io {
    struct disk *disk;
    struct task *waiter;
    uint8_t *buffer;
    uint64_t offset, bytes;
    uint64_t at; /* page by page, after the whole failed */
    bool single, busy;
    uint64_t refused;             /* pages, ever */
    uint64_t mask;                /* of the first 64 pages of the range: the refused ones */
    uint64_t places[UNREAD_MOST]; /* of the first refused ones of the range: their offsets */
    uint32_t place_count;
    uint32_t tries; /* of the page */
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
    uint8_t *buffer;         /* LOAD_PAGES pages of each place */
    uint64_t at;             /* page */
    uint32_t place;          /* which one is being read */
    uint64_t again;          /* a page that was wrong is read alone … */
    uint32_t tries;          /* … so often, with the first time; a root too */
    uint64_t refused[2];     /* a bit a page of the window, by place */
    uint64_t proved;         /* a bit a page of it */
    uint32_t pages_refused;  /* in use, of all */
    uint64_t refused_before; /* … by the disk, before the last read */
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
    uint64_t refused;                 /* by the disk in all, before what is being read         */
    uint64_t again_at;                /* a page of the group at the head, read again alone …   */
    uint32_t tries;                   /* … so often                                            */
    bool asked_again;                 /* that was done for this window                         */
    bool head_refused;                /* and the disk goes on to refuse one of its pages       */
    bool took;                        /* groups, since the last checkpoint                     */
    bool firm;                        /* what was read is not in the disk's cache alone        */
    bool more;                        /* once they are durable: goes on                        */
    bool syncing;
    struct disk_io sync;
    uint64_t root_named;          /* the newest root that any group in sight names (J5) */
    bool root_lost;               /* … and it was newer than ours */
    uint64_t *named;              /* a bit a chunk: the rest of the ring names it … */
    uint32_t scans;               /* … looks for it that are over                   */
    bool scanned;                 /* … and one of them could read where the ring ends */
    uint64_t scan_at, scan_seen;  /* positions: the next to look at; behind the last group found */
    uint64_t unread[UNREAD_MOST]; /* pages of the ring that were refused when they were last read:
                                   * their offsets on the disk */
    uint32_t unread_count;
    uint8_t *blocks[GROUP_BLOCKS_MAX];
    struct record_scratch *scratch;
    enum err err;
    const char *why;
};
must_check enum err replay_begin(struct store *s, struct replay *r, struct task *waiter);

void store_free(struct store *s);

/* ---- what is counted (metrics.c) ---- */

void metrics_look(struct store *s); /* the gauges: a group or a checkpoint has ended */
void metrics_group(struct store *s, const struct group *g);         /* it is durable */
void metrics_change(struct store *s, const struct store_change *c); /* with E_OK     */
void metrics_read(struct store *s, const struct store_read *r);     /* it is over    */

/* ---- scrub (scrub.c; its door is store/scrub.h) ---- */

void scrub_stop(struct store *s, struct task *waiter); /* for close */
bool scrub_stopped(const struct store *s);
void scrub_free(struct store *s);

/* ---- pieces (pieces.c) ---- */

/* Copies `length` bytes between byte `offset` of the pieces and flat memory. */
void pieces_gather(uint8_t *to, const struct iovec *pieces, uint64_t offset, uint64_t length);
/* Where somebody stands in pieces.  The next `length` bytes as pieces of their own; how many. */
struct pieces_cursor {
    const struct iovec *at;
    uint64_t offset;
};
uint32_t pieces_slice(struct pieces_cursor *c, uint64_t length, struct iovec *ret);
/* The next bytes as far as they lie together, at most `length`. */
struct iovec pieces_next(struct pieces_cursor *c, uint64_t length);
void pieces_scatter(const struct iovec *pieces, uint64_t offset, const uint8_t *from,
                    uint64_t length); /* from NULL: zeros */

#endif
