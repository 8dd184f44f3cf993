/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/replication.h — keeps the copies of a shard alike (design 6).
 *
 * A `struct rep_shard` is the primary's side of one shard: 8 GiB of a volume.  It takes whole
 * blocks with their checksums (rep_write, rep_unmap), serves reads, and lends its range lock
 * (rep_lock).  Opening it begins a takeover (6.3): every replica is asked to promise the epoch, a
 * new shard gets its first set, what was open is made alike; then it serves.  Whoever opened it is
 * told of every change of its state.
 *
 * All calls belong to the reactor that opened it, its home.  Nothing here blocks.  Today a shard
 * has one replica, on this node: a message to it is a call where the store has the same home, else
 * mail there and back; `lease` = 0 (a read asks the replica).
 *
 * Promises: R1  a replica that did not promise this epoch is neither read nor written (P2).
 *           R2  rep_write is answered E_OK only when complete: durable on every member of the
 *               recorded set, with at least min_copies members (P1).
 *           R3  before the first command is served, what was open is written again (P9).
 *           R4  no first set before every replica is made, empty and promised (6.1).
 */
#ifndef REPLICATION_REPLICATION_H
#define REPLICATION_REPLICATION_H

#include "base/extent.h"
#include "base/metric.h"
#include "env/env.h"
#include "store/store.h"

/* ---- what we ask of whoever keeps heads and pages ---- */

/* A new in-sync set for one shard: bit i is replicas[i] of its record. */
struct set_change {
    struct identity volume;
    uint32_t shard;
    uint32_t members;
    void (*done)(struct set_change *, enum err);
    uint64_t generation; /* E_OK: the one it was recorded with */
    struct list link;    /* the arbiter's */

    /* of who carries it to an arbiter that lives at another home, and back */
    void *carrier;
    void (*asker)(struct set_change *, enum err);
    enum err answer;
    struct mail mail;
};

/*
 * storaged/arbiter.c over struct records; the simulator.  One change of a volume at a time, made
 * in a transaction that compares head and page (P3); the arbiter may gather several shards' changes
 * in one.  It chooses the next generation.  E_OK: recorded.  E_NOT_PRIMARY: our epoch is over.
 * E_CONFLICT: the record is newer and does not allow it.  A change in doubt is resolved inside,
 * before any answer (nonce, design 6.1).
 */
struct arbiter {
    void (*change)(struct arbiter *, struct set_change *);
};

/* ---- a shard on its primary ---- */

struct rep_replica {
    struct identity identity;
    bool in_sync;
    uint64_t behind; /* a generation; 0: has nothing */
    struct store
        *store; /* where it lies, if it was made; NULL: its disk is not open on this node */
};

/* clang-format off */
#define REP_METRICS(X)                                                                            \
    X(GAUGE,     writes_in_flight, "Writes that were sent to replicas and are not answered.")     \
    X(HISTOGRAM, write_seconds,    "Writes, from admission to complete (P1).")                    \
    X(COUNTER,   parked_writes,    "Writes that waited for a shard which takes none.")            \
    X(COUNTER,   failed_writes,    "Writes that ended without being complete.")
/* clang-format on */
METRICS_STRUCT(rep_metrics, REP_METRICS);
extern const struct metric_table rep_metric_table;

struct rep_config {
    struct identity volume;
    uint32_t shard; /* index in the volume */
    uint64_t size_blocks;
    uint64_t epoch; /* this tenure, as the head says */
    uint64_t generation, snapshot;
    bool is_new; /* the record says: no set yet */
    uint32_t min_copies;
    struct rep_metrics *metrics; /* shared by the volume's shards; NULL: nobody counts */
    uint32_t replica_count;
    struct rep_replica replicas[REPLICAS_PER_SHARD];
};

enum rep_state {
    REP_PROMISING, /* the replicas are asked to promise                                     */
    REP_FIRST_SET, /* new: all promised, made, empty; the set is being recorded             */
    REP_ALIKE,     /* what was open is written again                                        */
    REP_SERVING,
    REP_WAITING,    /* too few members can be had; rep_shard_why() says which                */
    REP_SUPERSEDED, /* another process is the primary, or the record knows more than we do   */
    REP_CLOSED,
};

struct rep_shard;

struct rep_events {
    void (*changed)(struct rep_events *,
                    struct rep_shard *); /* from the loop, never inside a call */
};

/* Begins the takeover.  Memory is taken here; only a takeover that finds open writes takes a copy
 * buffer (at most 4 MiB, 64 KiB of extents) and gives it back before the shard serves.  One shard
 * at a time is open over a replica.  E_INVALID: the configuration makes no sense; E_NO_MEMORY. */
must_check enum err rep_shard_open(struct env *env, const struct rep_config *config,
                                   struct arbiter *arbiter, struct rep_events *events,
                                   struct rep_shard **ret);
enum rep_state rep_shard_state(const struct rep_shard *s);
const char *rep_shard_why(const struct rep_shard *s); /* one line for status; "" while it serves */
uint32_t rep_shard_index(const struct rep_shard *s);
uint64_t rep_shard_generation(const struct rep_shard *s);

/* Takes no further request.  What is on its way to a disk is awaited; what waits for a takeover, or
 * for a member that failed, is answered E_CLOSED: whoever serves the shard next settles it.  Then
 * REP_CLOSED is told through `changed`; when no claim is held any more the caller frees the shard
 * with rep_shard_free(), also from inside `changed`.  A change that the arbiter has is awaited. */
void rep_shard_close(struct rep_shard *s);
void rep_shard_free(struct rep_shard *s);

/* ---- what a request carries to a replica, and back: message.c ---- */

struct rep_message {
    struct replica *replica;
    struct store *store;
    struct store_replica *local;            /* NULL: looked for where it arrives           */
    struct env *asker;                      /* whose home asks                             */
    void (*arrived)(struct rep_message *);  /* at the store's home: performs it            */
    void (*returned)(struct rep_message *); /* at the asker's, with err                    */
    uint64_t epoch;                         /* that the replica must have promised (R1)    */
    enum err err;
    struct mail mail;
};

/* A change of the store, a read of it. */
struct rep_order {
    struct rep_message message;
    struct store_change change;
};
struct rep_fetch {
    struct rep_message message;
    struct store_read read;
};

/* The shard grew (only up): makes the local replica larger, then `done`.  Not while it closes. */
struct rep_resize {
    uint64_t size_blocks;
    void (*done)(struct rep_resize *, enum err);

    /* replication's own */
    struct rep_shard *shard;
    struct task task;
    struct rep_order order;
    bool under_way;
};
void rep_shard_resize(struct rep_shard *s, struct rep_resize *r);

/* ---- the range lock: one for all that touches the shard's blocks (P6) ---- */

/* As extent_claim(), in blocks of the shard: shared to read, exclusive to change.  A shard that
 * does not serve yet holds all its blocks itself: claims wait until it serves, or will never do so.
 */
bool rep_lock(struct rep_shard *s, struct extent_claim *claim, struct extent blocks,
              enum extent_mode mode, struct task *waiter);

/* ---- requests, under a claim that the caller holds until `done` ---- */

struct rep_write {
    struct rep_shard *shard;
    bool unmap;           /* no pieces, no checksums; reads as zeros                */
    struct extent extent; /* blocks of the shard, at most WRITE_BLOCKS_MAX          */
    const struct iovec *pieces;
    uint32_t piece_count;
    const uint32_t *checksums;
    struct store_note note; /* of the COMPARE AND WRITE that it is; else zero       */
    /* E_OK: complete (R2).  E_NO_SPACE, E_MEDIUM (the payload is not what its checksums say):
     * nothing has changed.  E_NOT_PRIMARY, E_CLOSED: whoever serves the shard next settles it. */
    void (*done)(struct rep_write *, enum err);

    /* replication's own */
    struct task task;
    struct rep_order order;
    uint64_t seq;
    uint32_t sent, durable, refused, failed; /* bits of replicas */
    enum err err;                            /* why they refused */
    struct list link;
};
void rep_write(struct rep_write *w);

struct rep_read {
    struct rep_shard *shard;
    struct extent extent;
    const struct iovec *pieces;
    uint32_t piece_count;
    const bool *unwanted; /* the asker's: nobody waits for it any more */
    /* E_MEDIUM: of a block that cannot be proved.  E_DISK: only of one that is unwanted.
     * E_NOT_PRIMARY, E_CLOSED, E_NOT_READY, E_NO_QUORUM: the shard does not serve it. */
    void (*done)(struct rep_read *, enum err);
    uint64_t bad_block; /* E_MEDIUM: of the shard */

    /* replication's own */
    struct task task;
    struct rep_fetch fetch;
    struct list link;
    bool under_way;
    enum err answer;
};
void rep_read(struct rep_read *r);

/* ---- questions, of a member on this node, under a claim of the blocks that they are about ---- */

/* The caller's memory until it is answered.  Whoever asks gets true where the answer is there at
 * once (the homes agree, or nobody can be asked); else `waiter` is run when it is. */
struct rep_question {
    bool answered;
    enum err err;   /* E_STALE_EPOCH: the replica does not serve us, and says nothing */
    bool yes;       /* E_OK: what it says                                             */
    uint64_t count; /* … of rep_mapped(): of so many blocks                           */

    /* replication's own */
    struct rep_message message;
    struct task *waiter;
    struct extent blocks;    /* mapped? */
    struct store_note note;  /* noted?  */
    struct extent *open_ret; /* which are open?  Their number is `count`, at most open_max. */
    uint32_t open_max;
};

/* As store_mapped(): from blocks.start on. */
bool rep_mapped(struct rep_shard *s, struct rep_question *q, struct extent blocks,
                struct task *waiter);
/* As store_note_answers(). */
bool rep_note_answers(struct rep_shard *s, struct rep_question *q, const struct store_note *n,
                      struct task *waiter);

/* As store_note_acknowledged(), of all replicas. */
void rep_note_acknowledged(struct rep_shard *s, const struct store_note *n);

/* ---- the replica's side ---- */

/* What a heartbeat says of a replica on this node comes from store_facts(). */

#endif
