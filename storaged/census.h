/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/census.h — what lies on the disks of all homes, as each home tells it.
 *
 * The control reactor asks every home, which copies what its stores say; the copies stay until the
 * next time.  A census under which something has changed (census_changed()) is taken anew before
 * anybody hears of it: whoever plans by it must not do again what has just been done.
 */
#ifndef STORAGED_CENSUS_H
#define STORAGED_CENSUS_H

#include "storaged/errand.h"
#include "storaged/home.h"
#include "storaged/plan.h"
#include "store/scrub.h"

struct disk_report { /* of one that is open */
    struct identity disk;
    const char *path;
    uint64_t bytes;
    struct home *home;
    struct store *store; /* for errands to its home */
    struct store_space space;
    struct store_scrub_status scrub;
};

struct home_report {
    uint32_t disk_count;
    struct disk_report *disks; /* CONFIG_DISKS_MAX */
    uint32_t replica_count;    /* that there are; as many as there is room for are here */
    uint32_t replica_room;
    struct fact_replica *replicas;
};

struct home_asked {
    struct census *census;
    struct home *home;
    struct errand errand;
    struct home_report filling; /* the home's, while it is asked */
    struct home_report told;    /* control's: the last one       */
};

struct census {
    struct env *env; /* control's */
    struct home *homes;
    uint32_t home_count;

    /* its own */
    struct home_asked *asked;  /* of each home */
    struct list waiting, next; /* census_waits: for the one under way, for the one after */
    uint32_t to_come;
    uint64_t changes, changes_begun, changes_told; /* … when it began, when the last one did */
    bool no_memory;
};

struct census_wait {
    /* From the loop.  E_OK: the reports are of now; E_NO_MEMORY: they are what they were. */
    void (*taken)(struct census_wait *, enum err);
    struct list link;
};

/* The first three are the caller's to fill. */
must_check enum err census_init(struct census *c);
void census_done(struct census *c); /* none is under way */

/* Begins after this call. */
void census_take(struct census *c, struct census_wait *w);

/* A replica was made, grown, salvaged or deleted. */
void census_changed(struct census *c);
/* Nothing has changed since the last census. */
bool census_fresh(const struct census *c);

/* As of the last one; NULL: not open here. */
const struct disk_report *census_disk(const struct census *c, struct identity disk);

#endif
