/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/disk_inside.h — what the files of a simulated disk share: requests (disk.c),
 * what is on the medium (disk_medium.c), what goes wrong (disk_faults.c).
 */
#ifndef TESTS_SIM_WORLD_DISK_INSIDE_H
#define TESTS_SIM_WORLD_DISK_INSIDE_H

#include "tests/sim/world/inside.h"

#define SECTOR       512u
#define PAGE         4096u
#define PAGE_SECTORS (PAGE / SECTOR)

struct sim_page {
    uint8_t now[PAGE], durable[PAGE];
    uint64_t number[PAGE_SECTORS]; /* of the write that is durable there */
    uint32_t harm_now[PAGE_SECTORS], harm_durable[PAGE_SECTORS]; /* FAULT_BIT()s */
};

/* A request under way, then, if it is a write, perhaps a line of the cache. */
struct sim_io {
    struct sim_event event;
    struct list link;
    struct sim_disk *disk;
    struct disk_io *io; /* NULL: done */
    uint64_t request;   /* sim_disk.requests, when it was submitted */
    uint64_t number;    /* of a write, from when it is done; of a sync: the newest it covers */
    uint64_t offset, length;
    uint8_t *bytes;          /* what a write brings                                          */
    uint32_t harm;           /* what it does to its sectors; LOST_WRITE: it brings no bytes  */
    bool is_last;            /* the process dies with it, before it hears of it              */
    enum sim_fault_kind bad; /* what goes wrong with it, FAULT_NONE: nothing                 */
    struct sim_fault_rule rule;
};

struct sim_handle {
    struct disk disk;
    struct list link; /* in its process */
    struct sim_process *process;
    struct sim_disk *on;
    uint32_t under_way;
};

static inline struct extent io_extent(const struct sim_io *i)
{
    return (struct extent){i->offset, i->length};
}

void io_free(struct sim_io *i);

/* ---- disk_medium.c ---- */

struct sim_page *page_of(struct sim_disk *d, uint64_t offset);

/* A write is done: seen by every read, and durable or in the cache.  Owns `w` from here on. */
void medium_take(struct sim_disk *d, struct sim_io *w, bool durable);

/* Everything in the cache up to `number` is durable. */
void medium_flush(struct sim_disk *d, uint64_t number);

void medium_lose_power(struct sim_disk *d);

/* ---- disk_faults.c ---- */

/* At submission: what will go wrong with it, and by how much it is late. */
uint64_t faults_choose(struct sim_disk *d, struct sim_io *i);

/* E_DISK: the request touches sectors that cannot be read, or written. */
enum err faults_refuse(const struct sim_disk *d, const struct sim_io *i);

/*
 * When it is performed, by kind of request.  A write may change what it brings and where; of a
 * read the offset it comes from; false: it ends with E_DISK.
 */
bool faults_of_read(struct sim_disk *d, struct sim_io *i);
bool faults_of_write(struct sim_disk *d, struct sim_io *i);
bool faults_of_sync(struct sim_disk *d, struct sim_io *i);

/* What a rule says of an unsynced write; FAULT_NONE: chance alone. */
enum sim_fault_kind faults_of_power(struct sim_disk *d, const struct sim_io *w);

#endif
