/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/storm/actor.h — an initiator that does whatever chance has it do.
 *
 * It has blocks of its own and a few commands in flight.  Every answer is held against the model of
 * its blocks (disk_model.h), every header against that of its session's numbers (numbers.h).
 */
#ifndef TESTS_ISCSI_STORM_ACTOR_H
#define TESTS_ISCSI_STORM_ACTOR_H

#include "tests/iscsi/fixture.h"
#include "tests/iscsi/storm/disk_model.h"
#include "tests/iscsi/storm/numbers.h"

#define BLOCKS     96u /* of each actor        */
#define JOBS       6u  /* in flight, of each   */
#define BLOCKS_MAX 64u /* of one command       */
#define GHOSTS     3u  /* writes of a dead session */

struct job {
    struct initiator_request request;
    uint32_t first, count, tag;
    bool used, writes;
    uint64_t sent_us;
    uint8_t *bytes;
};

struct actor {
    struct lab *lab;
    struct initiator *initiator;
    uint32_t number;
    const struct initiator_chap *chap;
    struct model_block blocks[BLOCKS];
    struct job jobs[JOBS];
    struct numbers numbers[2]; /* of this connection and the one before */
    uint32_t logins, tags, answered;
    uint8_t life;     /* a byte of its ISID */
    uint64_t shut_us; /* since when its window is shut; 0: it is open */
    uint32_t shut_at; /* … with this MaxCmdSN */

    struct initiator *ghost; /* that died, with bytes on their way; NULL: none */
    uint64_t ghost_us;       /* when these arrive, and 0 when they have        */
    struct initiator_request ghost_writes[GHOSTS];
    uint8_t ghost_bytes[MODEL_BLOCK]; /* which must never be seen */
};

static inline uint64_t draw(struct actor *a, uint64_t below)
{
    return sim_draw(a->lab->sim, below);
}
static inline struct numbers *actor_numbers(struct actor *a)
{
    return &a->numbers[a->logins % 2];
}

void actor_login(struct actor *a);
void actor_work(struct actor *a);   /* one read or write more */
void actor_listen(struct actor *a); /* takes what was answered, sends again what was spoiled */
/* The same, and it is not to be waiting: none of its commands is late, its window not shut. */
void actor_wait(struct actor *a);
void actor_ping(struct actor *a);
void actor_text(struct actor *a);
void actor_abort(struct actor *a);          /* ABORT TASK of something in flight */
void actor_return(struct actor *a);         /* logs out, breaks off or is reinstated; and back */
void actor_dies(struct actor *a);           /* and comes back before its last words arrive */
void actor_rests(struct actor *a);          /* its ghost, if there is one, has gone */
void actor_harvest_closed(struct actor *a); /* its connection has ended */

/* A function without a task; its response. */
uint8_t actor_function(struct actor *a, uint8_t function);
/* All that is still unanswered never will be: it may have been done, or not. */
void actor_forget(struct actor *a);

/* Everything is answered, and the disk holds what it may. */
void actor_finish(struct actor *a);

#endif
