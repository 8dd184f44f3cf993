/* SPDX-License-Identifier: Apache-2.0 */
/* store/chunks.h — what is on the disk where: geometry, chunks, replicas, and what is staged. */
#ifndef STORE_CHUNKS_H
#define STORE_CHUNKS_H

#include "base/map.h"
#include "base/pool.h"
#include "store/format_journal.h"

/* ---- geometry (superblock.c) ---- */

#define DEVICE_MOST (UINT64_C(1) << 50) /* bytes */

struct geometry {
    uint64_t size_bytes;
    uint64_t journal_offset, journal_bytes;
    uint64_t table_offset, index_offset;
    uint64_t root_offset[2], root_bytes;
    uint64_t data_offset, chunks;
    uint64_t map_pages, checksum_pages, log_pages, index_pages;
    uint32_t replicas_max, zero; /* no holes: it is compared as bytes */
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
/* E_NOT_FOUND: none; E_UNSUPPORTED: of another version; E_DAMAGED: it does not prove itself, or
 * does not fit the device. */
enum err superblock_decode(const void *page, uint32_t copy, uint64_t device_bytes,
                           struct geometry *ret, struct identity *ret_disk);

struct superblock {
    uint32_t copy;
    struct geometry geo;
    struct identity disk;
};
/* Of both pages, read one behind the other: the one that a store is opened by.  E_UNSUPPORTED: one
 * is of another version; else, without any: E_DAMAGED as soon as one has our magic, E_NOT_FOUND. */
enum err superblock_choose(const uint8_t *pages, uint64_t device_bytes, struct superblock *ret);

/* ---- which chunks are taken (allocator.c) ---- */

struct allocator {
    uint64_t *taken;    /* a bit a chunk: in use, claimed, or freed and not yet settled     */
    uint64_t *freed;    /* since the last checkpoint was begun: not handed out (notes 42)   */
    uint64_t *settling; /* … before that: free when the checkpoint under way is durable     */
    uint64_t chunks, taken_count, freed_count, settling_count;
    uint64_t promised;        /* to staged chunks that have no place yet                 */
    uint64_t let_go;          /* promises that nobody needs any more: they wait as freed */
    uint64_t let_go_settling; /* … and as settling chunks do                             */
    uint64_t cursor;
};

must_check enum err allocator_open(struct allocator *a, uint64_t chunks);
void allocator_close(struct allocator *a);
static inline uint64_t allocator_left(const struct allocator *a)
{
    return a->chunks - a->taken_count - a->promised - a->let_go - a->let_go_settling;
}
/* What checkpoints will make free: the one under way, and the next. */
static inline uint64_t allocator_freed(const struct allocator *a)
{
    return a->freed_count + a->settling_count + a->let_go + a->let_go_settling;
}
uint64_t allocator_take(struct allocator *a); /* makes a promise true       */
void allocator_let_go(struct allocator *a);   /* … or does not need it (D2) */
/* A chunk for data that go there before their record: nobody's yet.  False: none is left. */
must_check bool allocator_claim(struct allocator *a, uint64_t *ret);
void allocator_unclaim(struct allocator *a, uint64_t chunk); /* no record names it */
/* At open: it is somebody's; also one that was freed there, for want of a proof that it was taken.
 * False: it was already, or all that is left is promised. */
bool allocator_mark(struct allocator *a, uint64_t chunk);
bool allocator_is_settling(const struct allocator *a, uint64_t chunk);
void allocator_free(struct allocator *a, uint64_t chunk);
void allocator_freeze(struct allocator *a); /* a checkpoint begins: it records what is freed */
void allocator_settle(struct allocator *a); /* it is durable */

/* ---- (replica, index) → chunk (chunk_map.c) ---- */

#define ENTRY_HERE    (UINT64_C(1) << 63) /* the chunk is taken …               */
#define ENTRY_PLACED  (UINT64_C(1) << 62) /* … and has a number                 */
#define ENTRY_CHUNK   ((UINT64_C(1) << 48) - 1)

#define MAP_LEAF      128u /* entries in a piece of map memory: 1 KiB, for 8 MiB */
#define SHARD_CHUNKS  ((uint32_t)(SHARD_BLOCKS / CHUNK_BLOCKS))
#define MAP_DIRECTORY (SHARD_CHUNKS / MAP_LEAF)

struct open_write; /* open_log.c */

struct note {
    struct store_note of;
    uint64_t epoch, seq; /* of its write                                            */
    bool acknowledged;   /* counts no more …                                        */
    bool told;           /* … and a group that says so is on its way                */
};

struct store_replica {
    struct store *store;
    uint32_t slot;
    bool used;
    struct identity identity, volume;
    uint32_t shard;
    uint64_t size_blocks, promised;
    uint64_t asked; /* the newest epoch that was given to be promised; in memory alone */
    struct store_set set;
    uint64_t last_epoch, last_seq, commit_epoch, commit_seq;
    uint64_t floor_generation, floor_snapshot;
    bool empty, damaged;
    bool size_lost;         /* damaged, and may have held something behind size_blocks */
    uint64_t unsure_chunks; /* salvaged: what the map does not have below it is lost, not zero */

    struct list open; /* its activity log, oldest first */
    uint32_t open_count;
    bool everything, older; /* overflowed; … with writes of epochs before everything_epoch */
    uint64_t everything_epoch, everything_seq;
    struct list dirty_link; /* its commit word is not on disk yet … */
    bool commit_sealed;     /* … and this went with it */

    struct note notes[NOTES_MAX]; /* the oldest first */
    uint32_t note_count;

    uint32_t directory[MAP_DIRECTORY]; /* the number of a leaf, from 1; 0: none */
    uint64_t map_sum;
    uint64_t chunk_count;
    uint64_t sum_told;  /* at open, by the root: what map_sum must come to … */
    uint32_t open_told; /* in the root: how many the log pages hold */
};

uint64_t map_entry(const struct store_replica *r, uint32_t index); /* 0: not taken */
/* What a block is that neither map nor stage knows. */
static inline enum block_state hole_state(const struct store_replica *r, uint32_t index)
{
    return index < r->unsure_chunks ? BLOCK_LOST : BLOCK_ZERO;
}
/* False: no memory is left for a new leaf. */
bool map_set(struct store_replica *r, uint32_t index, uint64_t entry);
bool map_has_leaf(const struct store_replica *r, uint32_t index);
/* Gives the chunk its place: entry, sum, and the page that must tell it. */
void map_place(struct store_replica *r, uint32_t index, uint64_t chunk);
/* Frees the chunk, placed or not, and forgets what is staged of it.  Its leaf stays … */
void map_free(struct store_replica *r, uint32_t index);
void map_prune(struct store_replica *r, uint32_t index); /* … until here, if it is empty */
void map_clear(struct store_replica *r);                 /* frees all of them, and the leaves */
void map_page_dirty(struct store *s, uint64_t page);     /* the next checkpoint writes it */
/* How many chunks of the extent are not taken, and how many leaves they would need. */
uint64_t map_missing(const struct store_replica *r, struct extent blocks, uint64_t *ret_leaves);
/* The replica has another identity: its sum, of what has a place. */
void map_sum_anew(struct store_replica *r);
/* One term of a replica's map_sum. */
uint64_t map_term(const struct store_replica *r, uint32_t index, uint64_t chunk);

/* ---- journaled blocks that are not home yet (stage.c) ---- */

/* What is staged of one chunk in one generation. */
struct staged_chunk {
    struct list link;
    struct store_replica *replica; /* while it is listed */
    uint32_t slot, index;
    bool listed;    /* reads find it; else the chunk was freed since the freeze */
    bool fresh;     /* no table page knows the chunk yet: its record starts anew */
    bool emptied;   /* its record says that every block is zero */
    uint64_t chunk; /* once it is frozen */
    uint64_t stamp;
    uint32_t states; /* BLOCK_ELSEWHERE: this block is not staged */
    uint32_t checksums[CHUNK_BLOCKS];
    uint8_t *blocks[CHUNK_BLOCKS]; /* of BLOCK_DATA; NULL: it is at home in the entry's chunk */
};
#define STATES_ZERO UINT32_C(0xaaaaaaaa) /* BLOCK_ZERO, every block */

struct stage_generation {
    struct map map;   /* (slot, index) → staged_chunk, the listed ones */
    struct list list; /* all of them, oldest first */
    uint32_t block_count, chunk_count;
    uint32_t blank_count; /* chunks of which zeros are staged, and nothing else */
};

struct stage {
    struct pool blocks, chunks;
    struct stage_generation current; /* since the last checkpoint was begun */
    struct stage_generation frozen;  /* what it writes                      */
};

#define CHUNKS_SPARE 512u /* a chunk may be staged without a block (an unmap, a stamp) */

must_check enum err stage_open(struct stage *st, uint64_t bytes);
void stage_close(struct stage *st);
/* Of the current generation: what changes go into. */
struct staged_chunk *stage_find(struct store *s, const struct store_replica *r, uint32_t index);
struct staged_chunk *stage_get(struct store *s, struct store_replica *r, uint32_t index);
/* Takes the memory of `bytes`, lets an older one go; BLOCK_DATA without: at home. */
void stage_set(struct store *s, struct staged_chunk *c, uint32_t block, enum block_state state,
               uint8_t *bytes);
/* For reads: what is staged of the chunk, newest first; NULL where nothing is. */
struct staged_view {
    const struct staged_chunk *in[2];
};
struct staged_view stage_view(const struct store *s, const struct store_replica *r, uint32_t index);
/* Who knows the block: the newest of them; NULL: neither. */
static inline const struct staged_chunk *staged_holder(const struct staged_view *v, uint32_t block)
{
    for (uint32_t i = 0; i < 2; i++)
        if (v->in[i] && state_of(v->in[i]->states, block) != BLOCK_ELSEWHERE)
            return v->in[i];
    return NULL;
}
/* The chunk is nobody's any more.  What is frozen of it is still written, and not found. */
void stage_forget(struct store *s, const struct store_replica *r, uint32_t index);
void stage_freeze(struct store *s); /* the current generation is frozen; a new one begins */
void stage_settle(struct store *s); /* the frozen one is home */
void stage_clear(struct store *s);  /* both */

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

/* ---- notes (note.c) ---- */

void note_encode(struct format_note *ret, const struct note *n);
void note_decode(const struct format_note *f, struct note *ret);
bool note_makes_sense(const struct store_note *n, uint64_t size_blocks);
void notes_add(struct store_replica *r, const struct note *n);
void notes_overwritten(struct store_replica *r, struct extent blocks);
void notes_dropped(struct store_replica *r, const struct note *n); /* by its write's name */
/* An acknowledged note that no group tells of yet; this one will.  False: none. */
bool notes_take_word(struct store_replica *r, struct note *ret);

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

#endif
