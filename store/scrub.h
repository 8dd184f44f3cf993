/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/scrub.h — reads everything that is taken, slowly, for ever (design 7, scrub).
 *
 * A second door of the store.  It runs beside clients with one request at a time, at the pace that
 * goes round once in a period, and holds every page and block against the checksum that stands for
 * it; what it finds is counted and named, nothing is changed.  (With one copy there is nothing to
 * repair from: a bad block stays an error until it is written.)  All calls belong to the store's
 * reactor; the memory is the store's, taken at the start, given back by store_close().
 */
#ifndef STORE_SCRUB_H
#define STORE_SCRUB_H

#include "store/store.h"

#define SCRUB_FINDINGS 16u

struct store_scrub_pace {
    uint64_t period_us;              /* once round in so long …     */
    uint64_t bytes_per_second_least; /* … and never slower than that */
};
struct store_scrub_pace store_scrub_pace_default(void); /* 7 days, 1 MiB a second */

enum scrub_what {
    SCRUB_BLOCK,      /* of a replica: its bytes are not those that should be there        */
    SCRUB_TABLE_PAGE, /* number: the blocks that it describes cannot be proved             */
    SCRUB_ROOT,       /* number: which copy                                                */
    SCRUB_SUPERBLOCK, /* number: which copy                                                */
};

struct scrub_finding {
    enum scrub_what what;
    bool refused;                    /* the disk does not say what it holds */
    uint64_t number;                 /* of the block in its replica, of the page or the copy */
    struct identity replica, volume; /* SCRUB_BLOCK */
    uint32_t shard;
};

/* One time round. */
struct scrub_pass {
    uint64_t began_us; /* env's clock */
    uint64_t bytes_done;
    uint64_t bad_blocks, bad_pages; /* also beyond SCRUB_FINDINGS */
    uint32_t finding_count;
    struct scrub_finding findings[SCRUB_FINDINGS]; /* the first ones */
};

struct store_scrub_status {
    bool runs;
    uint64_t passes; /* whole ones since the start */
    uint64_t bytes_total, bytes_per_second;
    struct scrub_pass now, last; /* last: all zero before the first is whole */
};

/* Once, after store_open(): E_NO_MEMORY.  A second call changes the pace. */
must_check enum err store_scrub_start(struct store *s, const struct store_scrub_pace *pace);
void store_scrub_status(const struct store *s, struct store_scrub_status *ret);

/* As a line: "block 12 of shard 3 of volume …", for logs and heartbeats. */
void scrub_finding_show(const struct scrub_finding *f, char ret[128]);

#endif
