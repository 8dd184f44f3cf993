/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/points/main.c — a store that crashes at every point.
 *
 *   sim_points [--workload NAME] [--seed N] [--all | --one-in N] [--pairs N] [--first]
 *   sim_points --at NAME:IO:MOMENT:END [--then IO:MOMENT:END] [--seed N] [--trace]
 *
 * Each script (workload.c) is played once to count its I/Os, then once for every I/O, moment
 * (before it is submitted, while it is under way, after the disk has performed it and before anyone
 * hears) and end (killed, and one of three ways to lose power in turn, with --all each of them:
 * chance decides, everything unsynced lost, everything unsynced torn).  Then the recovery is cut as
 * well: of the pairs (point, I/O of its recovery) one in PAIRS_ONE_IN, or --pairs; with --all every
 * one.  With --one-in only every N-th point is played (sanitizers are slow), with --first none
 * after the first that failed.  A point that fails is printed as the options that repeat it.
 */
#include "tests/sim/points/every.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAIRS_ONE_IN 97u

static int usage(const char *name)
{
    fprintf(stderr,
            "usage: %s [--workload NAME] [--seed N] [--all | --one-in N] [--pairs N] "
            "[--first]\n"
            "       %s --at NAME:IO:MOMENT:END [--then IO:MOMENT:END] [--seed N] [--trace]\n",
            name, name);
    return 2;
}

static int play_one(const struct point *p)
{
    struct point_result r = point_play(p);

    printf("%s after %" PRIu64 " I/Os and %" PRIu64 " of recovery: %s\n", r.fine ? "fine" : "WRONG",
           r.ios, r.recovery_ios, r.fine ? "everything agrees" : r.why);
    return r.fine ? 0 : 1;
}

static int play_every(const struct every *every)
{
    struct tally tallies[WORKLOADS_MAX], sum = {0};
    bool fine = every_point(every, tallies);

    for (uint32_t i = 0; i < workload_count; i++) {
        const struct tally *t = &tallies[i];

        if (t->ios)
            printf("%-12s %5" PRIu64 " I/Os %7" PRIu64 " points %7" PRIu64 " pairs %5" PRIu64
                   " failed\n",
                   workloads[i].name, t->ios, t->points, t->pairs, t->failed);
        sum.points += t->points;
        sum.pairs += t->pairs;
        sum.failed += t->failed;
    }
    printf("%" PRIu64 " points, %" PRIu64 " pairs, %" PRIu64 " failed\n", sum.points, sum.pairs,
           sum.failed);
    return fine ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"workload", required_argument, NULL, 'w'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"one-in", required_argument, NULL, 'n'},
                                            {"pairs", required_argument, NULL, 'p'},
                                            {"first", no_argument, NULL, 'f'},
                                            {"at", required_argument, NULL, '1'},
                                            {"then", required_argument, NULL, '2'},
                                            {"trace", no_argument, NULL, 't'},
                                            {0}};
    struct every every = {.seed = 1, .one_in = 1, .pairs_one_in = PAIRS_ONE_IN};
    struct point point = {0};
    bool right = true;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'w')
            right &= (every.only = workload_named(optarg, strlen(optarg))) != NULL;
        else if (option == 's')
            every.seed = strtoull(optarg, NULL, 0);
        else if (option == 'a')
            every.all = true;
        else if (option == 'p')
            right &= (every.pairs_one_in = strtoull(optarg, NULL, 0)) > 0;
        else if (option == 'f')
            every.first = true;
        else if (option == 'n')
            right &= (every.one_in = strtoull(optarg, NULL, 0)) > 0;
        else if (option == '1')
            right &= point_parse(optarg, &point);
        else if (option == '2')
            right &= cut_parse(optarg, &point.second);
        else if (option == 't')
            point.trace = true;
        else
            right = false;
    }
    if (!right || optind < argc || (point.second.io && !point.workload))
        return usage(argv[0]);
    point.seed = every.seed;
    if (every.all)
        every.pairs_one_in = 1;
    return point.workload ? play_one(&point) : play_every(&every);
}
