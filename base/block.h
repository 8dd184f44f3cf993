/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/block.h — the doorway between protocol and storage (design 4).
 *
 * A `struct block` is a disk of bytes: what an initiator sees as a logical unit.  It counts in
 * 512-byte units and states its logical block size.  The doorway checks the contract both ways:
 * the layer above may rely on nothing less, the layer below on nothing more.
 *
 * A request is the caller's memory until its `done`; the pieces too.  `done` never runs inside
 * block_submit().  A request that was submitted cannot be recalled: it ends when it ends (P6).  One
 * that is `unwanted` is only not held for a disk that reads nothing: it ends with E_DISK within a
 * second or so, and writes nothing that was not on its way.  All calls belong to the block's home.
 */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

#include "base/err.h"
#include "base/extent.h"
#include "base/identity.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define UNIT_BYTES 512u

enum block_op {
    BLOCK_READ,              /* pieces are filled                                             */
    BLOCK_WRITE,             /* durable when answered (P1)                                    */
    BLOCK_COMPARE_AND_WRITE, /* pieces: what must be there, then what shall be; extent: one of them
                              */
    BLOCK_OR_WRITE,          /* bitwise or of pieces and what is there                        */
    BLOCK_WRITE_ZEROES,      /* no pieces                                                     */
    BLOCK_UNMAP,             /* no pieces; reads as zeros afterwards                          */
    BLOCK_STATUS,            /* no pieces; which parts hold data                              */
};

/* One answer of BLOCK_STATUS: `count` units from the previous end on. */
struct block_run {
    uint64_t count;
    bool mapped;
};

struct block;

/* By what a COMPARE AND WRITE is remembered until its status is acknowledged (design 8): asked
 * again by the same name in a later session it is E_OK, though what it compares is not there. */
struct block_note {
    uint64_t initiator; /* hash of the asker's name; 0: nobody, and no note            */
    uint64_t session;   /* of that name; not 0, and another one for each that we serve */
    uint64_t hash[2];   /* of its data; the layer below fills it                       */
};

struct block_request {
    enum block_op op;
    struct extent extent; /* in 512-byte units, multiples of the logical block; count > 0 */
    const struct iovec *pieces;
    uint32_t piece_count;
    void (*done)(struct block_request *, enum err);
    struct block_note note; /* COMPARE AND WRITE: who asks */
    bool unwanted;          /* set by the asker when nobody waits for the answer any more */

    /* answers */
    uint64_t differs_at;    /* E_MISCOMPARE: byte of the first difference within the extent */
    uint64_t bad_unit;      /* E_MEDIUM: the first unit that could not be proved */
    struct block_run *runs; /* BLOCK_STATUS: the caller's array, adjacent runs differ */
    uint32_t run_max, run_count;

    /* the doorway's and the layer below's own */
    struct block *block;
    bool in_flight;
    uint64_t submitted_us; /* on its clock */
    struct list link;
    void *below;
};

struct block_ops {
    void (*submit)(struct block *, struct block_request *);
    void (*acknowledged)(struct block *, struct extent, const struct block_note *); /* optional */
};

/* Whoever wants to know: memory is the watcher's. */
struct block_watcher {
    void (*resized)(struct block_watcher *); /* size_units has changed */
    void (*moved)(struct block_watcher *);   /* served elsewhere from now on: end your sessions */
    struct list link;
};

struct block {
    const struct block_ops *ops;
    struct identity identity;     /* of the volume, for its whole life */
    uint64_t size_units;          /* of 512 bytes; a multiple of the logical block */
    uint32_t logical_block_bytes; /* 512 (512e: the physical block is 4 KiB) or 4096 */
    uint32_t unmap_grain_units;   /* what frees space when unmapped whole: a chunk */
    struct list watchers;
    uint32_t in_flight; /* requests between submit and done */
};

void block_init(struct block *b, const struct block_ops *ops);

/* Asserts the contract, hands the request down. */
void block_submit(struct block *b, struct block_request *r);

/* For the layer below: the request is finished; calls done.  Never inside submit. */
void block_answer(struct block_request *r, enum err err);

/* The initiator has the status of a COMPARE AND WRITE of that extent, answered with E_OK. */
void block_acknowledged(struct block *b, struct extent extent, const struct block_note *note);

void block_watch(struct block *b, struct block_watcher *w);
void block_unwatch(struct block_watcher *w); /* also when it watches nothing but was zeroed */
void block_resized(struct block *b, uint64_t size_units); /* below says so; tells the watchers */
void block_moved(struct block *b);

#endif
