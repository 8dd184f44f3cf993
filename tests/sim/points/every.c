/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/points/every.c — all points of all scripts are jobs with a number; children take the
 * next one from a board that they share, two at a time, and end after a batch: the dead processes
 * that they played leave their memory behind.  A child that breaks off takes one point with it.
 */
#include "tests/sim/points/every.h"

#include "tests/sim/store/player.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_A_TIME 2u
#define BATCH     16u

static struct board {
    struct tally tallies[WORKLOADS_MAX];
    uint64_t next, failed;           /* job; points so far */
    struct point current[AT_A_TIME]; /* what each child plays */
} * board;

static struct tally *tally_of(const struct point *p)
{
    return &board->tallies[p->workload - workloads];
}

static void count(uint64_t *number)
{
    __atomic_add_fetch(number, 1, __ATOMIC_RELAXED);
}

static void tell(const struct point *p, const char *why)
{
    char text[160];

    fprintf(stderr, "%s (commit %s): %s\n", point_text(p, text), sim_commit(), why);
    count(&tally_of(p)->failed);
    count(&board->failed);
}

/* ---- in a child ---- */

static struct point_result play(const struct point *p, uint32_t child)
{
    struct point_result r;

    board->current[child] = *p;
    r = point_play(p);
    if (!r.fine)
        tell(p, r.why);
    else if (p->first.moment != SIM_AFTER && !r.cut_first)
        tell(p, "this I/O never came: the script differs from run to run");
    return r;
}

/* The point itself, then its pairs; moments and ends of the second crash take turns. */
static void play_job(const struct every *e, struct point p, uint32_t child)
{
    uint64_t turn = (p.first.io * MOMENTS + p.first.moment) * ENDS + p.first.end;
    struct point_result r = play(&p, child);

    count(&tally_of(&p)->points);
    for (uint64_t io = 1; r.fine && io <= r.recovery_ios; io++) {
        if (++turn % e->pairs_one_in != 0)
            continue;
        p.second.io = io;
        p.second.moment = (enum sim_moment)((turn / e->pairs_one_in + io) % MOMENTS);
        p.second.end = (enum end)((turn / e->pairs_one_in + io / MOMENTS) % ENDS);
        (void)play(&p, child);
        count(&tally_of(&p)->pairs);
    }
}

/* The `number`-th cut: of each I/O and moment killed, and power lost, in all ways or in turn. */
static struct cut cut_of(const struct every *e, uint64_t number)
{
    uint64_t ends = e->all ? ENDS : 2, end = number % ends;
    struct cut c = {.io = number / ends / MOMENTS + 1,
                    .moment = (enum sim_moment)(number / ends % MOMENTS)};

    if (!e->all && end > 0)
        end += (c.io + c.moment) % (ENDS - 1);
    c.end = (enum end)end;
    return c;
}

/* False: there is no job of that number, or no more are wanted. */
static bool job_of(const struct every *e, uint64_t number, struct point *ret)
{
    if (e->first && __atomic_load_n(&board->failed, __ATOMIC_RELAXED) > 0)
        return false;
    number *= e->one_in;
    for (uint32_t i = 0; i < workload_count; i++) {
        uint64_t jobs = board->tallies[i].ios * MOMENTS * (e->all ? ENDS : 2);

        if (number >= jobs) {
            number -= jobs;
            continue;
        }
        *ret = (struct point){.workload = &workloads[i], .seed = e->seed};
        ret->first = cut_of(e, number);
        return true;
    }
    return false;
}

static void play_batch(const struct every *e, uint32_t child)
{
    struct point p;

    for (uint32_t i = 0; i < BATCH; i++) {
        if (!job_of(e, __atomic_fetch_add(&board->next, 1, __ATOMIC_RELAXED), &p))
            return;
        play_job(e, p, child);
    }
}

/* ---- in the parent ---- */

/* Each script once, uncut: how many I/Os it has. */
static bool count_ios(const struct every *e)
{
    bool fine = true;

    assert(workload_count <= WORKLOADS_MAX);
    for (uint32_t i = 0; i < workload_count; i++) {
        struct point p = {.workload = &workloads[i], .seed = e->seed};
        struct point_result r;

        if (e->only && e->only != p.workload)
            continue;
        r = point_play(&p);
        tally_of(&p)->ios = r.ios;
        if (!r.fine)
            tell(&p, r.why);
        fine &= r.fine;
    }
    return fine;
}

static pid_t begin_batch(const struct every *e, uint32_t child)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid != 0)
        return pid;
    player_heap_begin();
    play_batch(e, child);
    exit(0); /* not _exit: a leak checker has its say */
}

/* Waits until one has ended; which. */
static uint32_t end_batch(const pid_t *children)
{
    uint32_t child = 0;
    int status;
    pid_t pid;

    do
        pid = wait(&status);
    while (pid < 0 && errno == EINTR);
    while (children[child] != pid) {
        child++;
        assert(child < AT_A_TIME);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        tell(&board->current[child], "the process broke off");
    return child;
}

static void play_jobs(const struct every *e)
{
    pid_t children[AT_A_TIME];
    uint32_t playing = 0;
    struct point p;

    while (playing < AT_A_TIME) {
        children[playing] = begin_batch(e, playing);
        playing++;
    }
    while (playing > 0) {
        uint32_t child = end_batch(children);

        playing--;
        children[child] = 0;
        if (!job_of(e, __atomic_load_n(&board->next, __ATOMIC_RELAXED), &p))
            continue;
        children[child] = begin_batch(e, child);
        playing++;
    }
}

bool every_point(const struct every *every, struct tally ret[WORKLOADS_MAX])
{
    bool fine;

    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return false;
    fine = count_ios(every);
    play_jobs(every);
    for (uint32_t i = 0; i < WORKLOADS_MAX; i++) {
        ret[i] = board->tallies[i];
        fine &= ret[i].failed == 0;
    }
    munmap(board, sizeof *board);
    return fine;
}
