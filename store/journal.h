/* SPDX-License-Identifier: Apache-2.0 */
/* store/journal.h — facts, their records, and the groups that make them durable. */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "store/chunks.h"

/* ---- records (record.c) ---- */

/* A change, or a piece of one, as the journal knows it. */
struct fact {
    enum record_kind kind;
    uint8_t flags;
    struct identity replica, volume;
    uint32_t shard;
    struct extent extent;
    struct store_stamp stamp;
    uint64_t epoch, size_blocks;
    const struct store_set *set;
    const uint32_t *checksums;
    uint8_t **blocks; /* WRITE: stage memory, taken by fact_apply(); NULL there: lost */
    uint32_t payload; /* first block in the group */
};

void set_encode(struct format_set *ret, const struct store_set *set);
void set_decode(const struct format_set *set, struct store_set *ret);
uint32_t record_bytes(const struct fact *f);
void record_encode(uint8_t *at, const struct fact *f);
void list_entry_encode(struct format_list_entry *ret, const struct fact *f);

/* Scratch that a decoded fact points into. */
struct record_scratch {
    uint32_t checksums[GROUP_BLOCKS_MAX];
    struct store_set set;
};
/* E_DAMAGED: not a record; E_UNSUPPORTED: of a kind that this version does not know. */
enum err record_decode(const uint8_t *at, size_t room, struct fact *ret, struct record_scratch *x);

/* ---- what a durable fact changes in memory (apply.c) ---- */

/* E_NO_SPACE, E_NO_MEMORY only at replay: the run-time path made sure before. */
enum err fact_apply(struct store *s, const struct fact *f);
/* A fact that a damaged group held, by the list in its successor: its blocks are lost. */
void fact_lost(struct store *s, const struct format_list_entry *e);

/* ---- journal (journal.c, group.c) ---- */

struct group_item {
    struct store_change *change; /* NULL: the store's own record */
    struct fact fact;
    bool recorded; /* else refused: err */
    bool last;     /* of the change: answer it */
    enum err err;
};

/* The group that is being built, then written. */
struct group {
    struct group_item *items; /* GROUP_ITEMS_MAX */
    uint32_t item_count, record_count, block_count;
    uint64_t chunks_needed, leaves_needed, staged_needed; /* at most, when it is applied */
    bool unmaps; /* a later write cannot be judged before these are applied */
    bool closed;
    bool changes; /* holds records of changes, not commit words alone */
    uint8_t *meta;
    uint32_t meta_used;
    uint8_t **blocks; /* GROUP_BLOCKS_MAX */
    struct iovec *pieces;
    struct disk_io io[2]; /* two where it wraps */
    uint32_t flying;
    enum err err;
};

struct journal {
    struct task task;
    struct list queue; /* changes given that are not in the group */
    struct group group;
    uint64_t head, tail; /* positions */
    uint64_t sequence;   /* of the next group */
    uint64_t predecessor, incarnation;
    uint64_t named;                 /* newest sequence that a durable group names durable */
    uint64_t unnamed;               /* newest sequence with records in it                 */
    uint64_t bytes_max;             /* of one group */
    struct format_list_entry *list; /* what the last group held */
    uint32_t list_count;
    uint32_t *checksums; /* scratch */
    struct timer idle;
    bool idle_due; /* a group without changes shall name what is durable */
    bool stopping;
    struct task *stop_waiter;
};

must_check enum err journal_open(struct store *s);
void journal_close(struct store *s);
void journal_begin(struct store *s); /* takes changes from now on */
/* Every change was answered; `waiter` is run when no group is under way any more. */
void journal_stop(struct store *s, struct task *waiter);
bool journal_stopped(const struct store *s);

enum group_end {
    GROUP_BUILT,            /* there is something to write or to answer           */
    GROUP_NOTHING,          /* the queue is empty                                 */
    GROUP_NEEDS_CHECKPOINT, /* the first change finds no room before one was made */
};
enum group_end group_build(struct store *s);
uint64_t group_bytes(const struct group *g);
void group_seal(struct store *s);
/* Applies what is durable and answers, in order. */
void group_finish(struct store *s);

#endif
