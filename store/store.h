/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/store.h — one disk: whole blocks with their checksums, made durable (design 7).
 *
 * A `struct store` is one open disk; it holds replicas, each a sparse array of 4 KiB blocks in
 * 64 KiB chunks.  What changes a replica (a write, an unmap, a promise, a set …) is a
 * `struct store_change`: it goes through the journal in the order given, and its `done` comes, in
 * that order, when it is durable.  Reads verify every block against the checksum that stands for
 * what should be there now.
 *
 * The store knows nothing of other copies: epochs, generations and sequence numbers are facts that
 * it keeps for replication.  All calls belong to the reactor whose env it was opened with.
 * Requests are the caller's memory until `done`; nothing completes inside its own submission.
 *
 * Promises: S1  `done` with E_OK means durable: it is there after power loss at any later instant
 * (P11). S2  changes become durable and are answered in the order in which they were given. S3  a
 * read returns the last bytes answered, or bytes of a write not yet answered, or E_MEDIUM; never
 * other bytes, never zeros for a block that was lost (P7). S4  what opening cannot prove is
 * reported: a bad block by E_MEDIUM when it is read, a map that lost something it cannot name by
 * facts.damaged (P11). S5  without space, changes that need none go on, and the store always opens.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/crc32c.h"
#include "base/extent.h"
#include "base/identity.h"
#include "env/env.h"

#define CHUNK_BYTES        65536u
#define CHUNK_BLOCKS       16u
#define SHARD_BLOCKS       (UINT64_C(8) << 30 >> 12) /* 8 GiB */
#define REPLICAS_PER_SHARD 8u
#define WRITE_BLOCKS_MAX   1024u /* 4 MiB: larger ones come in pieces (design 6.1) */
#define OPEN_EXTENTS_MAX   4096u /* beyond, the activity log says "everything" */

struct store;
struct store_replica;

/* ---- format and open ---- */

/* What a device holds, asked before it is formatted; blocking, for start.  E_OK: nothing, as far as
 * a sample tells.  E_FOREIGN: *ret_text says what, e.g. "ext4 file system" (static text of at most
 * 80 bytes).  E_EXISTS: a Dolmen store, or what is left of one.  E_DISK, E_SYSTEM: it cannot be
 * told; *ret_text says where, or nothing. */
enum err store_probe(const char *path, char ret_text[80]);
/* By which identity a store would be opened; none: by no one.  Blocking, for start. */
struct identity store_identify(const char *path);

struct store_format {
    struct env *env;
    struct disk *disk;
    struct identity identity; /* the disk's, from now on */
    uint64_t journal_bytes;   /* 0: 1/64 of the disk, 64 MiB to 4 GiB (design 7) */
    void (*done)(struct store_format *, enum err);
    uint64_t bytes_done, bytes_total; /* progress: what is written in full */
    void *own;                        /* the caller's */

    /* the store's own */
    struct task task;
    struct making *making;
};

/* Writes the journal and table regions in full, of a file everything, and both superblocks last;
 * E_TOO_LARGE, E_NO_SPACE (the device is too small: less than four times its journal and tables),
 * E_DISK. */
void store_format(struct store_format *f);

/* Breaks it off: done comes with E_CLOSED when the disk has answered what is under way; what is
 * left is no store, or at the very end a whole one.  Only between store_format() and done. */
void store_format_stop(struct store_format *f);

struct store_limits {
    uint32_t replicas_max;   /* open at once; 0: what the format has room for  */
    uint64_t map_bytes;      /* chunk maps of all replicas                     */
    uint64_t stage_bytes;    /* journaled blocks kept in memory until written home */
    uint32_t checksum_pages; /* cached table pages                             */
    uint32_t changes_max;    /* in flight; the caller keeps to it              */
    uint64_t device_bytes;   /* the disk whose tables count in the sum; 0: not counted */
};
struct store_limits store_limits_small(void); /* `dolmen up`, tests */
/* A node's disk of that size: 128 MiB per TiB for the map, 256 MiB for all the rest (design 7). */
struct store_limits store_limits_node(uint64_t device_bytes);
/* What a store with these limits takes, at most. */
uint64_t store_limits_bytes(const struct store_limits *l);

struct store_open {
    struct env *env;
    struct disk *disk;
    struct store_limits limits;
    const struct identity *only; /* NULL: whichever it is */
    bool read_only; /* not a single write: no checkpoint, no changes; the journal stays staged */
    void (*done)(struct store_open *, enum err);
    struct store *store; /* when done with E_OK */
    char why[160];       /* else: what is wrong and where, one line */
    void *own;           /* the caller's */

    /* the store's own */
    struct task task;
    struct opening *opening;
};

/* Takes the disk on success; the caller closes it after store_close().  E_NOT_FOUND: no Dolmen
 * store here; E_UNSUPPORTED: an incompat feature; E_DAMAGED: both superblocks or both roots;
 * E_FOREIGN: not `only` that disk's. */
void store_open(struct store_open *o);

struct store_close {
    void (*done)(struct store_close *);
    void *own; /* the caller's */

    /* the store's own */
    struct store *store;
    struct task task;
};
/* Every change and read was answered.  Makes a checkpoint, so that the next start is quick. */
void store_close(struct store *s, struct store_close *c);

struct identity store_identity(const struct store *s);
struct env *store_env(const struct store *s); /* its home, for good; asked on any thread */

struct store_space {
    uint64_t chunks, chunks_free; /* free: may be taken now                              */
    uint64_t chunks_writable;     /* by writes, which wait for a checkpoint: see store_fits() */
    uint64_t chunks_freed;        /* with the next checkpoint, which a write waits for   */
    uint64_t chunks_reserved;     /* not handed to writes: deletes and repair need them  */
    uint32_t replicas_max;        /* it holds no more at once                            */
    bool read_only;               /* the disk refused a write, a ro_compat feature, or opened so */
};
/* A store that is read-only from its opening may show writes that were never answered and are not
 * durable: its disk may have refused to make them so.  Nothing can be promised on it, so no volume
 * is served from it. */
struct store_space store_space(const struct store *s);

/* ---- replicas ---- */

/* A SET as a primary recorded it (design 6.2); members by identity. */
struct store_set {
    uint64_t epoch, generation, snapshot;
    uint32_t member_count;
    struct identity members[REPLICAS_PER_SHARD];
};

struct store_facts {
    struct identity replica, volume;
    uint32_t shard;
    uint64_t size_blocks;
    uint64_t promised;                 /* the only epoch it serves; 0: never asked          */
    uint64_t asked;                    /* … and the newest that it was asked to promise: as  */
                                       /* soon as that is above, it serves none              */
    struct store_set set;              /* the last it stored; generation 0: none            */
    uint64_t last_epoch, last_seq;     /* the last write applied                            */
    uint64_t commit_epoch, commit_seq; /* the newest word that writes are complete         */
    uint32_t open_extents;             /* in the activity log                               */
    bool open_everything;              /* … which overflowed                                */
    bool empty;                        /* never written since it was made                   */
    bool damaged;                      /* its map lost something it cannot name: behind 0   */
};

struct store_replica *store_find(struct store *s, struct identity replica); /* NULL: not here */
/* Walks all: NULL begins, NULL ends. */
struct store_replica *store_next(struct store *s, const struct store_replica *after);
void store_facts(const struct store_replica *r, struct store_facts *ret);

/* Copies the activity log: extents of blocks of writes durable here and not known complete, at
 * most `max`; how many there are.  Overlaps are merged. */
uint32_t store_open_writes(const struct store_replica *r, struct extent *ret, uint32_t max);

/* ---- changes ---- */

enum store_change_kind {
    STORE_MAKE,    /* facts of a new replica: identity, volume, shard, size_blocks; ret .replica */
    STORE_DELETE,  /* by a grave: the replica and all its chunks                                 */
    STORE_SALVAGE, /* identity: a damaged replica goes on under it, by a human's command (6.7);  */
                   /* what is not in its map was perhaps lost: E_MEDIUM until it is written      */
    STORE_RESIZE,  /* size_blocks; only up                                                       */
    STORE_PROMISE, /* epoch: persisted behind every change given before (P2)                     */
    STORE_SET,     /* set: stored, and chunks of the activity log stamped with its generation,   */
                   /* except frozen ones (design 6.2)                                            */
    STORE_WRITE,   /* extent, pieces, checksums, stamp                                           */
    STORE_UNMAP,   /* extent, stamp: reads as zeros; a whole chunk becomes free                  */
};

/* With each write and unmap. */
struct store_stamp {
    uint64_t generation, snapshot;
    uint64_t epoch, seq; /* the write's name (design 6.1)                        */
    uint64_t commit_seq; /* of this epoch: all up to it are complete             */
    bool sealed;         /* older epochs are settled: their open writes are not  */
};

/* The trace of a COMPARE AND WRITE (design 8): the same command of the same initiator in a later
 * session can be told from another one. */
struct store_note {
    uint64_t initiator;   /* hash of its name; 0: no note                              */
    uint64_t session;     /* of that initiator, never reused; in memory alone, 0: past */
    uint32_t unit, units; /* of 512 bytes, of the replica                              */
    uint64_t hash[2];     /* of its data                                               */
};

struct store_change {
    enum store_change_kind kind;
    struct store_replica *replica; /* STORE_MAKE: set when done */
    void (*done)(struct store_change *, enum err);

    struct extent extent;       /* blocks of the replica; at most WRITE_BLOCKS_MAX for a write */
    const struct iovec *pieces; /* any sizes and alignment, together extent.count blocks       */
    uint32_t piece_count;
    const uint32_t *checksums; /* one a block, block_checksum() of volume and block number    */
    struct store_stamp stamp;
    struct store_note note; /* STORE_WRITE: comes with it; within the extent                */
    bool again;             /* STORE_WRITE, STORE_UNMAP: what is there already: notes stay  */
    uint64_t epoch;         /* STORE_PROMISE                                               */
    uint64_t size_blocks;   /* STORE_MAKE, STORE_RESIZE                                    */
    struct store_set set;   /* STORE_SET                                                   */
    struct identity identity,
        volume; /* STORE_MAKE: the replica's, its volume's; SALVAGE: its new */
    uint32_t shard;

    void *own; /* the caller's */

    /* the store's own */
    struct store *store;
    struct list link;
    uint64_t blocks_done;      /* of a write that goes in several groups           */
    struct redirect *redirect; /* of one whose whole chunks go around the journal */
    uint32_t chunks;           /* that it may need, beside these                   */
};

/*
 * Hands a change to the journal.  Answers: E_OK durable (S1); E_NO_SPACE nothing changed;
 * E_MEDIUM the payload does not match its checksums, nothing changed; E_EXISTS (MAKE);
 * E_READ_ONLY, E_DISK: the store takes no more changes; E_LBA_RANGE; E_STALE_EPOCH (PROMISE of an
 * epoch below the promised one); E_INVALID (a set too large, a size that shrinks, a salvage of what
 * is not damaged).  STORE_DELETE, STORE_SALVAGE: no change or read of the replica is under way;
 * from a deletion's done on the pointer is dead.
 */
void store_change(struct store *s, struct store_change *c);

/* Commit word without a write: forgets open writes of `epoch` up to seq, and with `sealed` those
 * of older epochs.  In memory now, on disk with the next record. */
void store_commit(struct store_replica *r, uint64_t epoch, uint64_t seq, bool sealed);

/* ---- notes: a replica keeps the newest 8; a change of one of its blocks ends a note ---- */

/* Whether a write that is there left this note in another session; from then on it is this one's.
 */
bool store_note_answers(struct store_replica *r, const struct store_note *n);
/* The status of that command was acknowledged, in the session that the note is of: it is dropped,
 * in memory now, on disk with the next record.  Nothing to do where it is not there. */
void store_note_acknowledged(struct store_replica *r, const struct store_note *n);

/* Whether a write of these blocks would find space, and memory for the map, reserves included
 * (design 6.1). */
bool store_fits(const struct store_replica *r, struct extent blocks);

/* ---- reads ---- */

struct store_page_use { /* the store's own: a page of the chunk table, held or waited for */
    struct cached_page *page;
    struct task *task;
    struct list link;
    bool linked;
};

struct store_read {
    struct store_replica *replica;
    struct extent extent; /* blocks, at most WRITE_BLOCKS_MAX */
    const struct iovec *pieces;
    uint32_t piece_count;
    void (*done)(struct store_read *, enum err);
    uint64_t bad_block; /* E_MEDIUM: the first that could not be proved: anything may lie in its
                           place; those that are proved are valid */
    void *own;          /* the caller's */

    /* the store's own */
    struct task task;
    struct list link;
    uint64_t at;     /* the next block to look at */
    uint32_t flying; /* reads of the disk under way */
    struct store_page_use use;
    struct home_read *ahead; /* of the page that `use` waits for; NULL: none */
    bool refused;            /* the disk did not read a block or a page, and nothing is known … */
    bool witness_called;     /* … of whether it reads at all */
    uint32_t witnesses;      /* that failed */
};

/* Verified bytes, zeros where nothing was written (S3).  E_DISK: the disk reads nothing, not even
 * its root, so nothing is known of the blocks: the read may be asked again. */
void store_read(struct store_read *r);

/* Whether block `at` holds data, and in *ret_count for how many blocks from there, at most `max`,
 * that is so.  From memory and cached pages where it can be told; a chunk that is taken counts as
 * data where its page is not at hand. */
bool store_mapped(const struct store_replica *r, uint64_t at, uint64_t max, uint64_t *ret_count);

#endif
