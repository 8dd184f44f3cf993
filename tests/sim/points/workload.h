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

/* What a script is there for, and must come to at least this much when nothing cuts it. */
struct workload_least {
    uint64_t refused; /* writes, for want of space                */
    uint64_t rings;   /* the journal's head goes round so often   */
    uint64_t roots;   /* written                                  */
    uint64_t around;  /* bytes that are written around the journal */
};

struct workload {
    const char *name;
    const struct step *steps;
    uint32_t step_count;
    uint32_t prelude;     /* the first of them only prepare: no crash is looked for there */
    uint64_t stage_bytes; /* 0: the usual ones */
    struct workload_least least;
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
