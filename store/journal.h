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
    uint64_t chunk;   /* REDIRECT: the first of a run that lies together … */
    uint32_t lost;    /* … a bit for each that turned out to be another's  */
    struct note note; /* NOTE, and what is flagged so                      */
};

void set_encode(struct format_set *ret, const struct store_set *set);
void set_decode(const struct format_set *set, struct store_set *ret);
uint32_t record_bytes(const struct fact *f);
bool record_has_note(const struct fact *f);
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
/* A fact that a damaged group held, by the list in its successor: its blocks are lost, or what else
 * it said, its replica's size as well. */
void fact_lost(struct store *s, const struct format_list_entry *e);

/* ---- journal (journal.c), its groups (group.c), and what goes into them (admit.c) ---- */

#define GROUPS_MAX 4u /* on the disk's way at once */
/* As far as replay looks: a group, those in flight beside it, and the first that can name it. */
#define REPLAY_BYTES ((GROUPS_MAX + 1) * (uint64_t)GROUP_BYTES_MAX)

struct group_item {
    struct store_change *change; /* NULL: the store's own record */
    struct fact fact;
    bool recorded; /* else refused: err */
    bool last;     /* of the change: answer it */
    enum err err;
};

/* What facts take at most when they are applied. */
struct need {
    uint64_t chunks; /* that are not taken yet      */
    uint64_t leaves; /* of map memory               */
    uint64_t staged; /* chunks that the stage knows */
};

/* A group: it is built, written, and finished in its turn. */
struct group {
    struct group_item *items; /* GROUP_RECORDS_MAX */
    uint32_t item_count, record_count, block_count;
    uint32_t answers; /* changes that are answered when it is finished */
    struct need need;
    bool unmaps;       /* a later write cannot be told what it needs before these are applied */
    bool closed;       /* takes no more                                                       */
    bool barrier;      /* what comes behind it is judged when it is finished                  */
    bool changes;      /* holds records of changes, not commit words alone                    */
    uint32_t incompat; /* features that its records use */
    uint64_t sequence, durable; /* once sealed */
    uint64_t sent_us;           /* to the disk  */
    uint8_t *meta;
    uint32_t meta_used;
    uint64_t bytes_most;  /* on disk, as it was begun (pacing.c) */
    uint64_t blocks_most; /* of the stage                        */
    uint8_t **blocks;     /* GROUP_BLOCKS_MAX */
    struct iovec *pieces;
    struct journal *journal;
    struct disk_io io[2]; /* two where it wraps */
    uint32_t flying;
    enum err err;
};

/* ---- whole chunks around the journal (redirect.c) ---- */

#define REDIRECTS 32u /* at once */

/* Chunks that lie together, on their way to the disk. */
struct redirect_run {
    struct redirect *of;
    uint64_t chunk;
    uint32_t count;
    struct disk_io io;
};

struct redirect {
    struct store *store;
    struct store_change *change;
    struct extent whole; /* blocks */
    uint32_t run_count, flying;
    enum err err;
    struct redirect_run runs[WRITE_BLOCKS_MAX / CHUNK_BLOCKS];
    struct iovec pieces[WRITE_BLOCKS_MAX];
};

must_check enum err redirects_open(struct store *s);
/* Sends its whole chunks on their way, if it has any and may; false: not yet. */
bool redirect_launch(struct store *s, struct store_change *c);
bool redirect_under_way(const struct store_change *c);
enum err redirect_err(const struct store_change *c);
/* The write is refused: its chunks are nobody's.  Nothing to do if it has none. */
void redirect_drop(struct store *s, struct store_change *c);
/* Of a redirected write: the blocks before and behind its whole chunks; how many records at most;
 * those of its chunks, into the group. */
void redirect_ends(const struct store_change *c, struct extent *ret_head, struct extent *ret_tail);
uint32_t redirect_records(const struct store_change *c);
void redirect_add(struct store *s, struct group *g, struct store_change *c);

/* ---- the journal ---- */

struct journal {
    struct task task;
    struct list incoming; /* changes given … */
    struct list queue;    /* … their data on the way, if they go around; not in a group in full */
    uint32_t queued;      /* in both */
    uint64_t queued_chunks; /* that these may need */
    struct pool redirects;
    struct group groups[GROUPS_MAX];
    uint32_t first, in_flight; /* groups[first] is the oldest                    */
    uint32_t unanswered;       /* changes in them                                */
    uint32_t unmapping;        /* how many of them unmap                         */
    struct need reserved;      /* by all of them                                 */
    bool failed;               /* one could not be written: nothing behind it is */
    uint64_t head, tail;       /* positions: of the next group; of the oldest    */
    uint64_t finished_us;      /* when a group was, the last time                */
    uint64_t sequence;         /* of the next group                              */
    uint64_t finished;         /* newest sequence that is durable with all before it */
    uint64_t predecessor, incarnation;
    uint64_t named;                 /* newest sequence that a durable group names durable */
    uint64_t unnamed;               /* newest sequence with changes in it                 */
    uint64_t bytes_max;             /* of one group */
    struct format_list_entry *list; /* what the last group held */
    uint32_t list_count;
    uint32_t *checksums; /* scratch */
    struct timer idle;
    bool idle_due; /* a group without changes shall name what is durable */
    bool narrowed; /* changes wait for the progress of a checkpoint */
    bool stopping;
    struct task *stop_waiter;
};

must_check enum err journal_open(struct store *s);
void journal_close(struct store *s);
void journal_begin(struct store *s); /* takes changes from now on */
/* Every change was answered; `waiter` is run when no group is under way any more. */
void journal_stop(struct store *s, struct task *waiter);
bool journal_stopped(const struct store *s);

/* A checkpoint has come further: there may be room again. */
static inline void journal_room(struct journal *j)
{
    if (j->narrowed)
        task_run(&j->task);
}

/* ---- pacing (pacing.c) ---- */

bool checkpoint_due(const struct store *s);
uint64_t pacing_ring_room(const struct store *s);  /* bytes for the next group            */
uint64_t pacing_stage_room(const struct store *s); /* blocks for it                       */
uint32_t pacing_width(const struct store *s);      /* requests of the checkpoint in flight  */

/* ---- groups ---- */

enum group_end {
    GROUP_BUILT,            /* there is something to write or to answer           */
    GROUP_NOTHING,          /* the queue is empty, or waits for groups in flight  */
    GROUP_NEEDS_CHECKPOINT, /* the first change finds no room before one came further */
};
enum group_end group_build(struct store *s, struct group *g);
uint64_t group_bytes(const struct group *g);
/* Its bytes are final, and the journal moves on behind it. */
void group_seal(struct store *s, struct group *g);
/* In its turn: applies it, if it is durable, and answers. */
void group_finish(struct store *s, struct group *g);

enum verdict {
    VERDICT_ADMIT,      /* it is in the group */
    VERDICT_REFUSE,     /* answered with an error, in its turn */
    VERDICT_NEXT_GROUP, /* the group is full */
    VERDICT_SETTLED,    /* what it needs can be told when no group is in flight */
    VERDICT_CHECKPOINT, /* only a checkpoint makes room */
    VERDICT_UNDER_WAY,  /* its data are not durable yet */
};
#define COMMITS_MAX  8u
#define COMMITS_ROOM (COMMITS_MAX * sizeof(struct format_record))

/* The change at the head of the queue: into the group, or why not. */
enum verdict group_admit(struct store *s, struct group *g, struct store_change *c);
struct group_item *group_add_item(struct group *g, struct store_change *c);
/* A piece of a write, not recorded yet. */
struct group_item *group_add_piece(struct group *g, struct store_change *c, enum record_kind kind,
                                   struct extent e);
void group_add_record(struct group *g, struct group_item *item);

#endif
