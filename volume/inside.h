/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/inside.h — what the files of this room share.
 *
 * A request becomes an `struct op`; an op becomes legs.  A leg is a part of the request within one
 * shard, claimed, sent and answered as one.  COMPARE AND WRITE and ORWRITE claim everything first
 * (atomic.c).
 *
 * Memory: ops and their own leg, spare legs, edges and workspaces come from pools; who finds one
 * empty waits in line.  An op always has a leg of its own, so that no request waits for another
 * one's; spare legs only make large requests quicker.
 */
#ifndef VOLUME_INSIDE_H
#define VOLUME_INSIDE_H

#include "base/pool.h"
#include "volume/volume.h"

#define UNITS_PER_BLOCK    (BLOCK_BYTES / UNIT_BYTES)
#define LEG_BLOCKS_MAX     256u /* of a leg with payload: bounds its checksums */
#define LEG_PIECES_MAX     130u
#define WORKSPACE_BLOCKS   16u
#define SPARE_LEGS_MAX     64u
#define EDGES_MAX          64u
#define WORKSPACES_MAX     4u
#define STATUS_LOOKUPS_MAX 1024u /* of one BLOCK_STATUS: it answers what it has by then */

/* ---- supply.c: a pool with a line before it ---- */

struct supply {
    struct pool pool;
    struct list waiting;
};

struct supply_turn {
    struct list link;
    struct task *waiter;
    void *item; /* NULL: holds nothing */
};

must_check enum err supply_open(struct supply *s, const char *name, size_t item_bytes,
                                uint32_t count);
void supply_close(struct supply *s);

/* True: turn->item is there.  False: `waiter` is run when it is. */
bool supply_take(struct supply *s, struct supply_turn *turn, struct task *waiter);
void supply_give(struct supply *s, struct supply_turn *turn); /* nothing to do without item */

/* How many writes, and bytes of them, are on their way to replicas (design 6.1). */
struct window {
    uint32_t writes, writes_max;
    uint64_t bytes, bytes_max;
    struct list waiting;
};

struct window_turn {
    struct list link;
    struct task *waiter;
    uint64_t bytes;
    bool held;
};

void window_init(struct window *w, uint32_t writes_max, uint64_t bytes_max);
bool window_enter(struct window *w, struct window_turn *turn, uint64_t bytes, struct task *waiter);
void window_leave(struct window *w, struct window_turn *turn);

/* ---- pieces.c: bytes in pieces of any size ---- */

struct payload {
    const struct iovec *pieces;
    uint32_t count;
    uint64_t at; /* byte of the pieces where this payload begins */
};

void payload_gather(const struct payload *p, uint64_t at, void *ret, size_t length);
void payload_scatter(const struct payload *p, uint64_t at, const void *bytes, size_t length);

/* Slices [at, at + *bytes) into at most `max` pieces; how many.  *bytes becomes what fitted. */
uint32_t payload_slice(const struct payload *p, uint64_t at, uint64_t *bytes, struct iovec *ret,
                       uint32_t max);

/* The first byte of `bytes` that is not the payload's; `length`: none. */
size_t payload_differs(const struct payload *p, uint64_t at, const void *bytes, size_t length);
void payload_or(const struct payload *p, uint64_t at, uint8_t *bytes, size_t length);

/* ---- legs ---- */

/* Whole blocks around what a leg has only a part of. */
struct edges {
    uint8_t head[BLOCK_BYTES];
    uint8_t tail[BLOCK_BYTES];
};

struct op;

struct leg {
    struct task task;
    struct op *op;
    struct rep_shard *rep;
    uint64_t first_block; /* of the shard, in the volume */
    struct extent units;  /* of the volume: what it is about */
    struct extent blocks; /* of the shard: all that the units touch */
    bool head, tail;      /* the first, the last block goes through the edges */
    bool busy;
    enum err answer;             /* of the read or write that made it busy */
    bool fetch_head, fetch_tail; /* of a write: still to be read */
    struct extent_claim claim;
    struct supply_turn edges;
    struct window_turn window;
    const struct iovec *send; /* the pieces: the request's own, or `pieces` */
    uint32_t send_count;
    struct iovec edge; /* being fetched */

    /* from here on not zeroed when it is taken: whoever uses them fills them */
    struct rep_read read;
    struct rep_write write;
    struct rep_question question;
    uint32_t checksums[LEG_BLOCKS_MAX];
    struct iovec pieces[LEG_PIECES_MAX];
};

/* COMPARE AND WRITE, ORWRITE: what they hold from their first read to their last write. */
struct atomic {
    struct extent_claim claims[2]; /* two shards at most */
    uint32_t claimed;
    struct supply_turn workspace;
    struct extent run; /* of the volume, in blocks: in the workspace now */
};

struct op {
    struct volume *volume;
    struct block_request *request;
    struct payload payload;
    uint64_t at, end; /* units: [at, end) is not given to a leg yet */
    uint32_t legs;    /* under way */
    enum err err;
    uint64_t err_unit; /* where: the lowest counts */
    bool claimed;      /* by atomic.c: its legs claim nothing */
    uint32_t lookups;  /* of a BLOCK_STATUS, so far */
    struct atomic atomic;
    bool own_busy;
    struct leg own;
};

struct volume_shard {
    struct rep_shard *rep;
    uint64_t first_block, blocks;
    bool serving, closing;
};

struct volume {
    struct block block;
    struct env *env;
    struct arbiter *arbiter;
    struct volume_events *events;
    struct rep_events rep_events;
    struct identity identity;
    char name[65];
    struct task task; /* its life: volume.c */
    bool closing, half_open;
    struct volume_resize *resize; /* under way */

    struct volume_shard *shards;
    uint32_t shard_count, shards_serving;
    uint64_t shard_blocks; /* of each but the last */

    struct pool ops, spare_legs;
    struct list waiting; /* requests for an op, in order */
    struct op *partial;  /* changes blocks, and waits for legs: nothing begins until it has them */
    struct list refused; /* requests that came after volume_close() */
    struct supply edges, workspaces;
    struct window window;
    struct volume_metrics metrics;
    struct rep_metrics rep_metrics; /* of all shards */
};

/* ---- volume.c ---- */

struct volume_shard *shard_at(const struct volume *v, uint64_t block);

/* Shards in order, all but the last of one size, that hold size_bytes. */
bool shards_make_sense(const struct rep_config *configs, uint32_t count, uint64_t size_bytes);

/* Opens shards [v->shard_count, count).  What was opened before one that failed stays. */
must_check enum err shards_open(struct volume *v, const struct rep_config *configs, uint32_t count);

/* ---- request.c ---- */

void request_submit(struct block *b, struct block_request *r);
bool requests_under_way(const struct volume *v);
void op_advance(struct op *op); /* gives out legs; ends the op after the last */
void op_failed(struct op *op, enum err err, uint64_t unit);
void op_leg_ended(struct leg *leg); /* by its task's done */
void op_end(struct op *op);

/* ---- leg_read.c, leg_write.c, atomic.c, status.c: what a leg, or an op, does ---- */

void leg_read_start(struct leg *leg);
void leg_write_start(struct leg *leg); /* also zeroes and unmap */
void atomic_start(struct op *op);
void atomic_ended(struct op *op); /* its legs have: gives up what it claimed */

/* ---- note.c: COMPARE AND WRITEs are remembered ---- */

void note_begin(struct op *op); /* hashes what it brings, if it is to be remembered */
/* Was it done, in an earlier session?  Asks as rep_note_answers() does, with the op's own leg. */
bool note_asked(struct op *op);
struct store_note note_of_leg(const struct leg *leg); /* what the leg's write brings: or none */
void note_acknowledged(struct block *b, struct extent units, const struct block_note *note);

void status_start(struct op *op);

/* ---- metrics.c ---- */

void metrics_request(struct volume *v, const struct block_request *r, enum err err);

/* ---- leg.c: what their steps share ---- */

void leg_clear(struct leg *leg);                      /* what the pool left there */
void leg_place(struct leg *leg, struct extent units); /* its shard, and the blocks it touches */
void leg_prepare(struct leg *leg); /* pieces and edges; may cut it shorter, at a block */
bool leg_zeroes(const struct leg *leg);
bool leg_lock(struct leg *leg, enum extent_mode mode);
bool leg_held(const struct leg *leg);
void leg_edges_taken(struct leg *leg);        /* their addresses become pieces */
uint64_t leg_bad_unit(const struct leg *leg); /* after a read that answered E_MEDIUM */

/* The part of the first, of the last block that the leg has: in its edge, and in the payload. */
struct leg_part {
    uint64_t skip; /* bytes of the block before it */
    uint64_t bytes;
    uint64_t payload_at; /* byte of the op's payload */
};
struct leg_part leg_head_part(const struct leg *leg);
struct leg_part leg_tail_part(const struct leg *leg);

/* Blocks of the leg's shard; its task is run when they are answered, in leg->answer. */
void leg_read(struct leg *leg, struct extent blocks, const struct iovec *pieces, uint32_t count);
void leg_write(struct leg *leg, struct extent blocks, const struct iovec *pieces, uint32_t count);
void leg_unmap(struct leg *leg);

void leg_task_done(struct task *t); /* the done of every leg's kind */

#endif
