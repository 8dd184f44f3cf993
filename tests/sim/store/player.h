/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/store/player.h — a store in the simulated world, played against the model.
 *
 *   struct player *p = player_open(&(struct player_config){.seed = 7});
 *   uint32_t r = player_make(p, 512);         // changes are only given: answers come with time
 *   player_settle_down(p);                    // … all of them
 *   player_write(p, r, (struct extent){0, 16});
 *   sim_crash_at_io(p->sim, p->env, 3, SIM_POWER_LOST);
 *   player_settle_down(p);                    // returns when it is dead, too
 *   player_crash(p, SIM_POWER_LOST);          // buries it; a new process has the disk
 *   assert(player_reopen(p) == PLAYER_OPEN);  // opens, reads everything, holds it against the
 * model assert(!p->model.wrong[0]); player_close(p);
 *
 * What a write brings is made from (replica, block, version), so nothing is kept of it.  What
 * disagrees first stands in p->model.wrong; nothing here aborts for it.
 */
#ifndef TESTS_SIM_STORE_PLAYER_H
#define TESTS_SIM_STORE_PLAYER_H

#include "tests/sim/store/model.h"
#include "tests/sim/world/world.h"

#define PLAYER_READS    16u
#define PLAYER_BOUND_US (UINT64_C(600) * 1000 * 1000) /* virtual: nothing takes as long */

struct player;

struct player_config {
    uint64_t seed;
    uint64_t disk_bytes, journal_bytes; /* 0: 18 MiB, 1 MiB */
    struct store_limits limits;         /* all 0: player_limits() */
    bool write_through;
    bool trace; /* tells the story on stderr */

    /*
     * For whoever watches, each may be NULL: a new process has the disk (p->disk may be replaced);
     * an error of a read is about to be held against the model, or everything that is there (what
     * faults have cost is told to the model now); the model is settled; a change was answered.
     */
    void (*started)(struct player *);
    void (*judging)(struct player *);
    void (*settled)(struct player *);
    void (*answered)(struct player *, enum store_change_kind, enum err);
    void *own;
};
struct store_limits player_limits(void); /* small, so that checkpoints come soon */

/* Requests of this process; they die with it. */
struct player_change {
    struct store_change change;
    struct player *player;
    uint64_t version; /* 0: free */
    uint8_t *bytes;
    uint32_t *checksums;
    struct iovec pieces[3];
};
struct player_read {
    struct store_read read;
    struct player *player;
    bool busy;
    uint8_t *bytes;
    struct iovec piece;
    struct model_view view;
};

/* What a write left, as that of a COMPARE AND WRITE does. */
struct player_note {
    uint64_t version; /* 0: none */
    struct extent blocks;
    bool done, acknowledged;
};
#define PLAYER_NOTES 8u /* a replica's newest: the store keeps as many */

struct player {
    struct player_config config;
    struct model model;
    struct sim *sim;
    struct env *env;
    struct sim_disk *medium;
    struct disk *disk;
    struct store *store; /* NULL: not open */
    struct player_change changes[MODEL_UNANSWERED];
    struct player_read reads[PLAYER_READS];
    uint32_t reads_busy;
    uint64_t identities; /* made so far */
    uint64_t epoch[MODEL_REPLICAS], seq[MODEL_REPLICAS];
    struct player_note notes[MODEL_REPLICAS][PLAYER_NOTES];
    uint64_t sessions; /* of the initiator that asks for notes */

    uint64_t commands;               /* changes and reads given */
    uint64_t refused_space, refused; /* answers */
    uint64_t read_errors;            /* … of reads, E_MEDIUM */
    uint64_t look_errors;            /* blocks that a look could not read */
    uint64_t notes_found;            /* by looks */
    uint64_t crashes, reopens, deaths_in_recovery;
    uint32_t damaged; /* replicas that said so */

    /* the player's own */
    struct store_open opening;
    struct store_close closing;
    bool over;
    enum err err;
};

/* In a child that plays: what was freed is used again, not given back, and comes in huge pages
 * where the system has them: else page faults are half of the time. */
void player_heap_begin(void);

/* Formats a disk of the usual size once, for all children that will be forked. */
void player_prepare(void);

/* A formatted disk, the store open on it, no replica. */
struct player *player_open(const struct player_config *config);
void player_close(struct player *p); /* with the store still open: the world simply ends */

/* ---- commands: given, not awaited.  `replica` is a slot that exists and nobody deletes ---- */

uint32_t player_make(struct player *p, uint64_t blocks); /* its slot */
void player_delete(struct player *p, uint32_t replica);  /* nothing of it may be under way */
/* Damaged; nothing else is under way until it is answered. */
void player_salvage(struct player *p, uint32_t replica);
void player_resize(struct player *p, uint32_t replica, uint64_t blocks);
void player_promise(struct player *p, uint32_t replica, uint64_t epoch);
void player_set(struct player *p, uint32_t replica); /* the next generation */
void player_write(struct player *p, uint32_t replica, struct extent e);
void player_unmap(struct player *p, uint32_t replica, struct extent e);
void player_commit(struct player *p, uint32_t replica, uint64_t seq, bool sealed);
void player_read(struct player *p, uint32_t replica, struct extent e);

/* Writes of it are of `epoch` from now on, and begin at 1 again. */
void player_raise_epoch(struct player *p, uint32_t replica, uint64_t epoch);

bool player_can_change(const struct player *p); /* a place is free … */
bool player_can_read(const struct player *p);
/* Whether what is free may not be enough for what is in flight. */
bool player_may_be_full(const struct player *p);
bool player_read_busy(const struct player *p, uint32_t replica);
struct store_replica *player_replica(const struct player *p, uint32_t replica);

/* ---- time ---- */

/* Until everything was answered, or it is dead; false: neither, ever. */
bool player_settle_down(struct player *p);

/* ---- its end, and after ---- */

/* Dies now, if it has not; a new process has the disk. */
void player_crash(struct player *p, enum sim_death death);

/* Stops in good order (everything was answered); false: it died.  A new process has the disk. */
bool player_stop(struct player *p);

enum player_opened {
    PLAYER_OPEN,
    PLAYER_DIED,    /* by a crash that was arranged: player_crash() and again */
    PLAYER_REFUSED, /* an error: err and why */
};
struct player_result {
    enum player_opened opened;
    enum err err;
    char why[160];
};

/* Opens the disk, and if that went well reads everything and holds it against the model. */
struct player_result player_reopen(struct player *p);

/* Reads all blocks of all replicas, which are quiet, and settles the model; false: wrong. */
bool player_look(struct player *p);

/* … and asks for the notes: each that is found holds, and none of an answered write is gone. */
bool player_ask_notes(struct player *p);

/*
 * Checks the disk, which no store has open, offline; how much it found.  Clean: only crashes have
 * touched the disk, and whatever is found is wrong.  Data: every block is proved, too.
 */
uint64_t player_check(struct player *p, bool clean, bool data);

/* Until p->over, or it is dead; false: it never ends, which is wrong.  For player_*.c. */
bool player_await(struct player *p, const char *what);

/* A line of the story, if it is told. */
void player_tell(const struct player *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
