/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/points/every.h — every point of the scripts, played in children. */
#ifndef TESTS_SIM_POINTS_EVERY_H
#define TESTS_SIM_POINTS_EVERY_H

#include "tests/sim/points/point.h"

#define WORKLOADS_MAX 16u

struct every {
    const struct workload *only; /* NULL: all */
    uint64_t seed;
    bool all;              /* points with all kinds of lost power, not in turn */
    bool first;            /* ends when one has failed                         */
    uint64_t one_in;       /* of the points so many are played …               */
    uint64_t pairs_one_in; /* … and of the pairs (point, I/O of its recovery)  */
};

struct tally {
    uint64_t ios, points, pairs, failed;
};

/* Prints each point that fails to stderr; `ret` by workload.  False: something failed. */
bool every_point(const struct every *every, struct tally ret[WORKLOADS_MAX]);

#endif
