/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/shard.h — what the files of this room share: a shard on its primary.
 *
 * A replica is known by its place in the record: bit i of every set is replicas[i].
 */
#ifndef REPLICATION_SHARD_H
#define REPLICATION_SHARD_H

#include "replication/replication.h"

#define COMMIT_ALONE_US 25000u   /* design 6.1: within 50 ms */
#define READ_AGAIN_US   1000000u /* when a disk that read nothing is asked again */
#define WORD_NOTES      8u       /* acknowledged in one word: a replica keeps no more notes (8) */

/* What needs no answer: how far the shard is complete, and which statuses were acknowledged. */
struct word {
    struct rep_message message;
    bool commit; /* it tells these two */
    bool sealed;
    uint64_t commit_seq;
    uint32_t note_count;
    struct store_note notes[WORD_NOTES];
};

/* One copy of the shard, as its primary sees it. */
struct replica {
    struct rep_shard *shard;
    struct identity identity;
    struct store *store;         /* NULL: nothing can be asked of it today        */
    struct store_replica *local; /* … as it was found there; NULL: it was not yet */
    uint32_t bit;
    bool answered;            /* the question under way: a promise, a SET */
    enum err err;             /* what it answered                         */
    struct rep_order order;   /* the question                             */
    struct store_facts facts; /* lent with it: as of its promise          */
    struct word word;         /* on its way …                                   */
    bool word_under_way;      /* … and what there is to say when it has come back */
    bool owes_commit;
    uint32_t owed_notes;
    struct store_note owed[WORD_NOTES];
};

/* What was open is read from one source and written again (alike.c). */
struct alike {
    struct task task;
    struct rep_shard *shard;
    struct replica *source;
    struct rep_question question;
    struct extent *open; /* of the source's activity log */
    uint32_t count, next;
    struct extent run; /* being read or written */
    bool mapped;       /* the run holds data */
    bool busy;
    enum err err; /* what the last read or write was answered */
    uint64_t lost_blocks;
    uint8_t *buffer;
    uint64_t buffer_blocks;
    uint32_t *checksums;
    struct iovec piece;
    struct rep_fetch fetch;
    struct rep_write write;
    struct timer again; /* when a source that read nothing is asked again … */
    bool waits;         /* … and that it ever had to be */
};

struct rep_shard {
    struct env *env;
    struct arbiter *arbiter;
    struct rep_events *events;

    struct identity volume;
    uint32_t index;
    uint64_t size_blocks;
    uint64_t epoch, generation, snapshot;
    bool is_new;
    uint32_t min_copies;

    enum rep_state state;
    char why[160];
    struct task task; /* takeover, service, end: takeover.c */
    bool closing;

    uint32_t set;     /* the recorded in-sync set                       */
    bool set_settled; /* no change of it is under way                   */
    bool sealed;      /* what was open of older epochs is settled (P9)  */
    struct set_change change;
    bool change_under_way;
    enum err change_err;

    uint64_t last_seq, commit_seq, commit_told;
    bool commit_stands;          /* it may not pass what is open any more, or not yet */
    struct timer commit;         /* runs while an idle shard owes its members a word  */
    struct list in_flight;       /* rep_writes sent and not answered, by seq          */
    struct list parked;          /* rep_writes that wait for a shard that takes them  */
    struct list unread;          /* rep_reads of a disk that reads nothing now …      */
    struct timer again;          /* … when they are asked again                       */
    struct rep_metrics *metrics; /* or NULL */
    uint32_t reads;              /* under way                                         */
    uint32_t mail;               /* messages that another home has                    */
    struct extent_lock blocks;
    struct extent_claim all; /* the takeover's: until the shard serves */

    struct alike alike;
    uint32_t replica_count;
    struct replica replicas[];
};

#define for_each_replica(r, s)                                                                     \
    for (__typeof__(&(s)->replicas[0]) r = (s)->replicas; r < (s)->replicas + (s)->replica_count;  \
         r++)

static inline uint32_t set_members(uint32_t set)
{
    return (uint32_t)__builtin_popcount(set);
}

/* The number, in the volume, of a block of the shard: what its checksum is seeded with. */
static inline uint64_t block_in_volume(const struct rep_shard *s, uint64_t block)
{
    return s->index * SHARD_BLOCKS + block;
}

/* ---- shard.c ---- */

/* Goes to another state, with one line why, and tells whoever opened the shard.  From the loop. */
void shard_enter(struct rep_shard *s, enum rep_state state, const char *why, ...) printf_like(3, 4);

/* Runs everything that waits for the shard: its state has changed. */
void shard_wake(struct rep_shard *s);

/* A member that can be asked, or NULL; the nearest and the least busy come with remote ones. */
struct replica *shard_member(struct rep_shard *s);

/* Where there is none: what is said instead.  True. */
bool shard_answer_itself(struct rep_question *q, bool yes);

/* A request is over: a shard that closes may be waiting for the last one. */
void shard_request_ended(struct rep_shard *s);

/* What a member answered to a write or a read says that it, or we, cannot go on. */
void shard_suspect(struct replica *r, enum err err);

/* ---- takeover.c ---- */

void takeover_start(struct rep_shard *s);

/* ---- alike.c ---- */

/* Begins, with the source's activity log; runs the shard's task at the end; then alike.task.err. */
must_check enum err alike_start(struct rep_shard *s, struct replica *source);
void alike_done(struct alike *a); /* gives its memory back */

/* ---- commit.c ---- */

/* Something left in_flight: how far is the shard complete now? */
void commit_advance(struct rep_shard *s);
void commit_tell(struct rep_shard *s);  /* tells the members at once */
void commit_rides(struct rep_shard *s); /* a write that carries the word is being sent */

/* ---- message.c: one function for each message to a replica ---- */

/* PROMISE: persists the epoch, then facts are the replica's report; runs the shard's task. */
void message_promise(struct replica *r);

/* SET: the recorded set, stored; runs the shard's task. */
void message_set(struct replica *r);

/* WRITE, UNMAP: write_answered() when the replica has answered. */
void message_write(struct replica *r, struct rep_write *w);

/* True where the write surely fits, or where only its arrival can tell. */
bool message_fits(struct replica *r, const struct rep_write *w);

/* READ: fetch->read has extent and pieces; `returned` is called, inside this call or later. */
void message_read(struct replica *r, struct rep_fetch *fetch,
                  void (*returned)(struct rep_message *));

/* GROW: makes it as large as size_blocks; `returned` as above. */
void message_grow(struct replica *r, struct rep_order *order, uint64_t size_blocks,
                  void (*returned)(struct rep_message *));

/* Without answer: COMMIT alone; NOTE, the status of that command was acknowledged. */
void message_commit(struct replica *r);
void message_note_acknowledged(struct replica *r, const struct store_note *n);

/* Questions: is that mapped, does a write that is there answer that command, which writes are open?
 * True: answered already. */
bool message_mapped(struct replica *r, struct rep_question *q, struct task *waiter);
bool message_noted(struct replica *r, struct rep_question *q, struct task *waiter);
bool message_open_writes(struct replica *r, struct rep_question *q, struct task *waiter);

/* ---- receive.c: where a message arrives; each answers it, by message_answer() ---- */

void receive_promise(struct rep_message *m); /* of struct replica's order: fills facts */
void receive_set(struct rep_message *m);
void receive_write(struct rep_message *m);
void receive_read(struct rep_message *m);
void receive_grow(struct rep_message *m);
void receive_word(struct rep_message *m);
void receive_mapped(struct rep_message *m);
void receive_noted(struct rep_message *m);
void receive_open_writes(struct rep_message *m);

/* The store has the asker's home: a message is a call. */
bool message_is_near(const struct rep_message *m);
void message_answer(struct rep_message *m, enum err err);

/* ---- write.c ---- */

void write_answered(struct replica *r, struct rep_write *w, enum err err);

#endif
