/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/points/workload.h — what a store is asked to do before it crashes: short scripts that
 * together meet every way in which it changes its disk.
 */
#ifndef TESTS_SIM_POINTS_WORKLOAD_H
#define TESTS_SIM_POINTS_WORKLOAD_H

#include "base/extent.h"

enum step_kind {
    MAKE,    /* a replica of `number` blocks, in the first free slot      */
    DELETE,  /* when nothing of it is under way                           */
    RESIZE,  /* to `number` blocks                                        */
    PROMISE, /* epoch `number`, and writes are of it from then on         */
    SET,     /* the next generation                                       */
    WRITE,   /* `blocks`                                                  */
    UNMAP,   /* `blocks`                                                  */
    READ,    /* `blocks`                                                  */
    COMMIT,  /* all of this epoch so far is complete, older ones are done */
    WAIT,    /* until everything was answered                             */
    RESTART, /* stop in good order, open again                            */
};

/* With `times`, the step is done so often, each time `stride` blocks further, within `within`. */
struct step {
    enum step_kind kind;
    uint32_t replica; /* slot */
    struct extent blocks;
    uint64_t number;
    uint32_t times;
    uint64_t stride, within;
    bool one_by_one; /* each awaited */
};

/* What a script may be there for. */
/* clang-format off */
#define MET_LIST(X)                                                              \
    X(REFUSED,      "refusals for want of space")                                \
    X(GROUPS,       "groups of the journal")                                     \
    X(SHARED,       "writes that shared a group")                                \
    X(RINGS,        "rounds of the journal")                                     \
    X(ROOTS,        "roots")                                                     \
    X(AROUND,       "bytes around the journal")                                  \
    X(OVERLAPS,     "changes under way that another one overlaps")               \
    X(PARTS,        "chunks unmapped in part")                                   \
    X(FREED,        "chunks freed")                                              \
    X(CHUNKS_AGAIN, "chunks taken that were another replica's")                  \
    X(SLOTS_AGAIN,  "replicas made in the slot of one that is gone")             \
    X(GROWN_BESIDE, "growths beside writes that are under way")                  \
    X(GROWN_AMID,   "growths from the middle of a chunk that holds data")        \
    X(BEYOND,       "blocks with data behind where their replica ended at first") \
    X(PROMISES,     "promises kept")                                             \
    X(SETS,         "sets stored")                                               \
    X(LOGGED,       "extents in activity logs over a restart")
/* clang-format on */

#define MET_ENUM(name, words) MET_##name,
enum met_item { MET_LIST(MET_ENUM) MET_ITEMS };
#undef MET_ENUM

struct workload {
    const char *name;
    const struct step *steps;
    uint32_t step_count;
    uint32_t prelude;          /* the first of them only prepare: no crash is looked for there */
    uint64_t stage_bytes;      /* 0: the usual ones */
    uint64_t least[MET_ITEMS]; /* of each, when nothing cuts it */
};

extern const struct workload workloads[];
extern const uint32_t workload_count;

/* Where the i-th time of a step goes. */
static inline struct extent step_blocks(const struct step *s, uint32_t i)
{
    uint64_t on = s->stride * i;

    return (struct extent){s->blocks.start + (s->within ? on % s->within : on), s->blocks.count};
}

#endif
