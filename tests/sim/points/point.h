/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/points/point.h — one point: a script that is cut by a crash at a certain I/O, perhaps a
 * recovery that is cut too, and everything held against the model.
 */
#ifndef TESTS_SIM_POINTS_POINT_H
#define TESTS_SIM_POINTS_POINT_H

#include "tests/sim/points/workload.h"
#include "tests/sim/world/world.h"

enum end {
    END_KILLED, /* what was done stays; what was under way was performed or not  */
    END_POWER,  /* each write that was not durable stays, goes, or tears: drawn  */
    END_LOST,   /* nothing that was not durable stays                            */
    END_TORN,   /* single sectors of whatever was not durable stay, others do not */
    ENDS
};
#define MOMENTS 3u /* enum sim_moment */

/* A crash around the io-th I/O of a life. */
struct cut {
    uint64_t io; /* from 1; 0: there is none */
    enum sim_moment moment;
    enum end end;
};

struct point {
    const struct workload *workload;
    uint64_t seed;
    struct cut first;  /* counted from the prelude's end, over its restarts   */
    struct cut second; /* counted from the first attempt to open after `first` */
    bool trace;
};

struct point_result {
    bool fine;
    uint64_t ios;               /* of the script, if nothing cut it                        */
    uint64_t recovery_ios;      /* of opening after `first`, if nothing cut that           */
    bool cut_first, cut_second; /* they came to pass: fewer I/Os than expected otherwise */
    char why[320];
};

struct point_result point_play(const struct point *point);

/* words.c: "--seed 1 --at small:17:during:torn --then 3:after:lost", and what follows --at, --then.
 */
const char *point_text(const struct point *p, char ret[160]);
bool point_parse(const char *text, struct point *ret);
bool cut_parse(const char *text, struct cut *ret);
const struct workload *workload_named(const char *name, size_t length); /* NULL: there is none */

#endif
