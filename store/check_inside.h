/* SPDX-License-Identifier: Apache-2.0 */
/* store/check_inside.h — what the files of the check share. */
#ifndef STORE_CHECK_INSIDE_H
#define STORE_CHECK_INSIDE_H

#include "store/check.h"
#include "store/inside.h"

/* A replica as the root has it; then as the journal's records change it. */
struct check_replica {
    struct identity identity, volume;
    uint32_t shard, slot;
    uint64_t size_blocks;
    uint64_t sum, sum_told;
    uint64_t open, open_told; /* entries of its activity log */
    bool everything;
    uint64_t *seen; /* a bit an index: some map record has it */
};

/* Table pages by number, index pages too: read window by window, proved, taken. */
enum sweep_part { SWEEP_INDEX, SWEEP_MAP, SWEEP_LOGS, SWEEP_CHECKSUMS };

struct check_sweep {
    struct task task;
    struct task *waiter;
    enum sweep_part part, last;
    uint64_t at, end; /* pages */
    uint32_t place;
    uint64_t refused[2]; /* a bit a page of the window, by place */
};

/* The journal's chain from the root's tail on. */
struct check_chain {
    struct task task;
    struct task *waiter;
    uint8_t *window;
    uint64_t window_at, window_bytes;
    uint64_t position, sequence, predecessor, incarnation; /* of the next group */
    uint64_t refused;                                      /* by the disk, before this window */
    struct record_scratch *scratch;
};

#define CHECK_READS       8u
#define CHECK_READ_BLOCKS 256u

struct check_read {
    struct store_read read;
    struct iovec piece;
    struct checking *checking;
    struct extent range; /* all of it; read.extent: what is being read */
    bool busy;
};

struct check_data {
    struct task task;
    struct task *waiter;
    struct store_replica *replica;
    uint64_t at; /* block of it */
    uint32_t flying;
    uint8_t *memory;
    struct check_read reads[CHECK_READS];
};

/* Where a finding is; blocks of the replica: count 0: of no single ones. */
struct check_where {
    struct identity replica, volume;
    uint32_t shard;
    struct extent blocks;
    uint64_t offset;
};

/* A finding that waits: the next blocks may belong to it. */
struct check_run {
    enum store_finding_kind kind;
    struct check_where where;
    const char *what;
};

struct checking {
    struct store_check *check;
    struct check_run run;
    struct open_io io;
    uint32_t copy;  /* of superblock or root that is being read */
    uint8_t *pages; /* superblocks: first, second, and second of a shorter device */
    struct geometry geo;
    uint8_t *roots[2];
    uint64_t root_number;
    uint32_t log_pages;

    struct page_entry *index_pages, *index;
    struct check_replica *replicas; /* by slot, those of the root; then what the journal makes */
    struct map by_identity;
    uint64_t *taken; /* a bit a chunk: some map record has it */
    uint8_t *buffer; /* LOAD_PAGES pages of each place */
    bool refused;    /* the disk did not say what a page holds that matters */

    struct check_sweep sweep;
    struct check_chain chain;
    struct check_data data;

    struct store_open open;
    struct store_close close;
    struct store *store; /* opened read-only; NULL: not, or refused */
    bool opened;         /* … it was tried                          */
    enum err open_err;
    uint64_t *owner; /* of each chunk: slot and index, + 1; 0: nobody */
};

/* ---- saying (check_say.c) ---- */

/* A place; the finding is told, counted, and gone. */
void check_say(struct checking *k, enum store_finding_kind kind, uint64_t offset,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
/* … of a replica, or of blocks of it. */
void check_say_of(struct checking *k, enum store_finding_kind kind, const struct check_where *w,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Blocks in their order: those that go on where the last ones ended are one finding with them. */
void check_say_blocks(struct checking *k, enum store_finding_kind kind, const struct check_where *w,
                      const char *what);
void check_flush(struct checking *k); /* the run is over */

/* ---- parts, in their order; each runs `waiter` when it is over ---- */

/* check_roots.c: what the bytes that were read say; E_OK: go on; else it is over, with the err of
 * the whole (E_DAMAGED: findings say it). */
enum err check_superblocks(struct checking *k);
enum err check_roots_open(struct checking *k);

/* check_tables.c */
void check_sweep_begin(struct checking *k, enum sweep_part first, enum sweep_part last,
                       struct task *waiter);
void check_sums(struct checking *k);

/* check_journal.c */
must_check enum err check_chain_open(struct checking *k, struct task *waiter);
void check_chain_close(struct checking *k);

/* check_store.c: the opened store against what was read */
void check_store_open(struct checking *k, void (*opened)(struct store_open *, enum err));
must_check enum err check_store_opened(struct checking *k);
void check_checksum_record(struct checking *k, const struct format_checksum_record *f,
                           uint64_t chunk);
/* Whether the block is known to be lost. */
bool check_lost(const struct checking *k, const struct store_replica *r, uint64_t block);

/* check_data.c */
must_check enum err check_data_open(struct checking *k, struct task *waiter);

/* By slot, of the root alone; NULL: none. */
struct check_replica *check_replica_at(const struct checking *k, uint32_t slot);

static inline bool check_bit(const uint64_t *bits, uint64_t n)
{
    return bits[n / 64] >> n % 64 & 1;
}
static inline void check_bit_set(uint64_t *bits, uint64_t n)
{
    bits[n / 64] |= UINT64_C(1) << n % 64;
}

#endif
