/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume/volume.h — one volume on its primary: a `struct block` over its shards (design 4).
 *
 * Counts in 512-byte units above and in whole 4 KiB blocks below: what is less than a block is
 * merged with the verified old block, under the range lock.  Splits requests over shards, and
 * unmap, zeroes and large writes into pieces of at most 4 MiB.  Checksums are computed here, once.
 * At most `writes_max` writes are on their way; further ones wait their turn.
 *
 * All calls belong to the reactor that opened it.
 *
 * Promises: V1  overlapping requests are serialised; a read sees all of a write or nothing of it,
 *               block by block (P6).
 *           V2  COMPARE AND WRITE and ORWRITE are atomic against every other request.
 *           V3  part of a lost block cannot be written; all of it heals (notes 35).
 *           V4  no request is answered before it is complete below, whatever its asker does.
 */
#ifndef VOLUME_VOLUME_H
#define VOLUME_VOLUME_H

#include "base/block.h"
#include "base/metric.h"
#include "replication/replication.h"

struct volume;

/* clang-format off */
#define VOLUME_METRICS(X)                                                                         \
    X(HISTOGRAM, read_seconds,  "Reads at the doorway, from their being asked to their answer.")  \
    X(HISTOGRAM, write_seconds, "Whatever changes data at the doorway, from its being asked to its answer.") \
    X(COUNTER,   read_bytes,    "Data that was read.")                                            \
    X(COUNTER,   write_bytes,   "Data that was written.")                                         \
    X(COUNTER,   zeroed_bytes,  "Unmapped or zeroed without data.")                               \
    X(COUNTER,   errors,        "Requests that ended with an error, MISCOMPARE not counted.")     \
    X(COUNTER,   slot_waits,    "Requests that waited for one of the slots.")                     \
    X(COUNTER,   lock_waits,    "Parts of requests that waited for an overlapping one.")          \
    X(COUNTER,   window_waits,  "Parts of writes that waited because too much was on its way to replicas.") \
    X(GAUGE,     requests,      "Requests under way.")
/* clang-format on */
METRICS_STRUCT(volume_metrics, VOLUME_METRICS);
extern const struct metric_table volume_metric_table;

struct volume_limits {
    uint32_t requests_max;    /* of the struct block, at once; further ones wait in line */
    uint32_t writes_max;      /* pieces on their way to replicas (256)                */
    uint64_t write_bytes_max; /* … and their bytes (32 MiB)                          */
};
struct volume_limits volume_limits_default(void);
uint64_t volume_limits_bytes(const struct volume_limits *l);

struct volume_config {
    struct identity identity;
    char name[65];
    uint64_t size_bytes;          /* a multiple of the logical block */
    uint32_t logical_block_bytes; /* 512 (512e) or 4096 (4Kn) */
    struct volume_limits limits;
    uint32_t shard_count;
    const struct rep_config *shards; /* in order; read during the call only */
};

struct volume_events {
    /* A shard's state, or the volume's, has changed; from the loop. */
    void (*changed)(struct volume_events *, struct volume *);
    /* After volume_close(): every request was answered, every shard is closed; free it now. */
    void (*closed)(struct volume_events *, struct volume *);
};

must_check enum err volume_open(struct env *env, const struct volume_config *config,
                                struct arbiter *arbiter, struct volume_events *events,
                                struct volume **ret);

/* The doorway.  Requests to a shard that does not serve yet wait for it. */
struct block *volume_block(struct volume *v);

bool volume_serving(const struct volume *v); /* every shard serves */
uint32_t volume_shards_serving(const struct volume *v);
const char *volume_why(const struct volume *v); /* the first shard's reason not to serve; "" */

/* What it counts, and what its shards do.  On its reactor. */
struct volume_counts {
    struct volume_metrics volume;
    struct rep_metrics rep;
};
void volume_count(const struct volume *v, struct volume_counts *ret);

/*
 * The volume grew (only up; volume and page records say so): `shards` are all of it, the new ones
 * last.  When all of it is served, block_resized() tells the watchers.  One resize at a time.
 */
struct volume_resize {
    uint64_t size_bytes;
    uint32_t shard_count;
    const struct rep_config *shards; /* the caller's until done */
    /* E_OK: served and told.  E_CLOSED: the volume is being closed; E_INVALID: it would shrink, or
     * the shards do not fit the size; E_NO_MEMORY; what the store says. */
    void (*done)(struct volume_resize *, enum err);

    /* the volume's own */
    struct volume *volume;
    struct task task;
    struct rep_resize grow;
    bool growing;
};
void volume_resize(struct volume *v, struct volume_resize *r);

/* Takes no new request (E_CLOSED), awaits those under way, closes its shards, tells `closed`.  What
 * waits for a shard that does not serve is answered E_CLOSED. */
void volume_close(struct volume *v);
void volume_free(struct volume *v);

#endif
