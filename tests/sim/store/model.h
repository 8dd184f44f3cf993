/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/store/model.h — what a store may answer: every block's values, every replica's facts.
 *
 * Each change that is given gets a number, its *version*, never used again; a block that a write
 * brings shows the write's version (player.c makes bytes of it), an unmapped one shows 0.  The
 * model holds what is *certain* (as of the newest change answered) and the changes behind it that
 * were given and not answered.  From these it says
 *
 *   M1  which versions a read may return: what was certain when it began, or any change given
 *       since; never another; an error only where a fault may have hit the block;
 *   M2  after a crash: that the store shows exactly what the first k changes made, for one k that
 *       is not below the last answered, blocks and facts of all replicas together (S2), and of
 *       the change behind these perhaps some blocks;
 *   M3  that the activity log covers every write that is not known complete, and nothing else;
 *   M4  which refusals are right.
 *
 * Damage: model_may_fail() names blocks that a fault may have hit: each may be an error until a
 * later change of it is answered, or a look found it whole.  model_may_be_damaged(): the map may
 * have lost something that it cannot name; a replica that says so is held to its own bytes only.
 * Salvaged it is held to what it showed then, or an error; never zeros for what was lost, unless
 * its map had them from before a write whose group was lost, or that was dropped behind a RESIZE in
 * such a group (model_may_be_older()).
 *
 * Nothing here aborts: the first thing that disagrees stands in `wrong`, and stays.
 */
#ifndef TESTS_SIM_STORE_MODEL_H
#define TESTS_SIM_STORE_MODEL_H

#include "store/store.h"

#define MODEL_REPLICAS   8u    /* at one time: a slot is used again after a DELETE */
#define MODEL_BLOCKS     2048u /* of one replica, at most */
#define MODEL_UNANSWERED 256u  /* changes in flight, at most */

#define SHOWN_ERROR      (UINT64_MAX) /* instead of a version: the block could not be read … */
#define SHOWN_OTHER      (UINT64_MAX - 1) /* … or holds bytes that nobody wrote there            */

enum model_state {
    MODEL_GIVEN,
    MODEL_DONE,    /* answered E_OK                                                       */
    MODEL_REFUSED, /* nothing changed                                                     */
    MODEL_DOUBT,   /* E_DISK, E_READ_ONLY: it may be there in part, or after a restart      */
};

struct model_change {
    uint64_t version; /* model_give() fills it in */
    enum store_change_kind kind;
    uint32_t replica; /* slot; STORE_MAKE: model_give() fills it in */
    enum model_state state;
    struct extent extent;
    struct store_stamp stamp;
    uint64_t epoch;       /* STORE_PROMISE                  */
    uint64_t size_blocks; /* STORE_MAKE, STORE_RESIZE       */
    uint64_t generation;  /* STORE_SET: of the set          */
    struct identity identity;
};

/* The facts of a replica that the changes decide. */
struct model_facts {
    bool exists;
    uint64_t size_blocks, promised, set_generation;
    uint64_t last_epoch, last_seq;
};

struct model_replica {
    struct identity identity; /* a salvage gives it another one … */
    struct identity born;     /* … and what its blocks hold is made from this one */
    struct model_facts certain;
    bool may_be_damaged, damaged;  /* … and said so */
    bool may_be_older;             /* writes that a lost RESIZE had made room for were dropped */
    bool salvaged;                 /* zeros take space where the map has nothing */
    uint64_t told_epoch, told_seq; /* the newest commit word that was given … */
    uint64_t sealed_epoch;         /* … and the newest epoch that a word sealed */
    uint64_t versions[MODEL_BLOCKS];
    bool may_fail[MODEL_BLOCKS];
    uint64_t failed_at[MODEL_BLOCKS]; /* how many changes there were when it was last hit */
    bool any[MODEL_BLOCKS];           /* an error hid which of several versions it has */
    bool gone[MODEL_BLOCKS];          /* damaged, it showed zeros: the map lost what was there,
                                       * and has not those of a time before */
    struct model_change
        *names; /* writes and unmaps done, and not known complete at the last look */
    uint32_t name_count, name_max;
};

struct model {
    struct model_replica replicas[MODEL_REPLICAS];
    struct model_change *changes; /* since the last look: version `first` and on */
    uint32_t change_count, change_max;
    uint32_t answered; /* of these; in order (J3) */
    uint32_t doubted;  /* the first of these in doubt; change_count or more: none */
    uint64_t first;
    uint64_t stray_at; /* how many changes there were when a fault last hit what is nobody's */
    bool disk_full;    /* E_NO_SPACE is right for whatever needs space: the player says so */
    bool disk_ails;    /* E_DISK and E_READ_ONLY are right */
    char wrong[256];
};

void model_init(struct model *m);
void model_done(struct model *m);

/* Notes the first disagreement; always false. */
bool model_wrong(struct model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- changes ---- */

/* A slot that no replica uses and none is being made in; MODEL_REPLICAS: there is none. */
uint32_t model_free_slot(const struct model *m);

/* The change goes to the store now; its version.  A write's stamp counts as told. */
uint64_t model_give(struct model *m, struct model_change c);

/* A commit word without a write (store_commit). */
void model_commit(struct model *m, uint32_t replica, const struct store_stamp *word);

/* S5: whether it may be refused where there is no space, whatever the replica has. */
static inline bool model_may_need_space(const struct model *m, const struct model_change *c)
{
    return c->kind == STORE_WRITE || (c->kind == STORE_UNMAP && m->replicas[c->replica].salvaged);
}

/* Its answer; false: out of order, or an error that it may not get (M4). */
bool model_answer(struct model *m, uint64_t version, enum err err);

static inline uint32_t model_in_flight(const struct model *m)
{
    return m->change_count - m->answered;
}
static inline struct model_change *model_change_of(struct model *m, uint64_t version)
{
    return &m->changes[version - m->first];
}
/* Whether a change that is not answered names the replica. */
bool model_busy(const struct model *m, uint32_t replica);

/* ---- reads ---- */

/* What is certain when a read begins: kept by the reader until its answer. */
struct model_view {
    uint32_t replica;
    struct extent extent;
    uint64_t since; /* changes with this version and later may show too */
    uint64_t versions[WRITE_BLOCKS_MAX];
    bool may_fail[WRITE_BLOCKS_MAX], any[WRITE_BLOCKS_MAX];
};
void model_view(const struct model *m, uint32_t replica, struct extent e, struct model_view *ret);

/* M1: a block of the view showed this. */
bool model_may_show(struct model *m, const struct model_view *v, uint64_t block, uint64_t shown);

/* ---- faults ---- */

void model_may_fail(struct model *m, uint32_t replica, struct extent blocks);
void model_may_be_damaged(struct model *m, uint32_t replica);
void model_may_be_older(struct model *m, uint32_t replica);

/* What is nobody's now was hit: a read may still be at it whose blocks have moved since it began.
 */
void model_stray_fault(struct model *m);

/* ---- a store that was opened (settle.c) ---- */

/* What it shows of one slot's replica; no replica of that identity: exists is false. */
struct model_sight {
    bool exists;
    struct store_facts facts;
    uint64_t *shown; /* by block, facts.size_blocks of them (at most MODEL_BLOCKS) … */
    bool *mapped;    /* … and whether the map has its chunk */
    struct extent *open;
    uint32_t open_count;
};

/*
 * M2, M3: `sights` by slot, all MODEL_REPLICAS of them.  What they show is certain from now on, and
 * every change that was given is settled.  Not so where the store opened and takes no changes
 * (`firm` is false): its disk may have refused to make durable what its journal holds, and what was
 * never answered may be gone after the next loss of power.  False: no number of changes explains
 * it.
 */
bool model_settle(struct model *m, const struct model_sight *sights, bool firm);

#endif
