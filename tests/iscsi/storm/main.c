/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/storm/main.c — random schedules against the target, one story a seed.
 *
 *   sim_iscsi [--seed N] [--fresh] [--seeds N] [--trace]
 *
 * Three initiators read and write, ping, abort, reset, log out, break off, come back under the same
 * name, spoil digests, die with bytes on their way that come late; meanwhile the block stalls, for
 * longer than deadlines too, memory is short, and at times the target is drained.  No command is
 * silent past its deadline, no window shut for longer than a second, no session ended for that,
 * nothing that a dead session asked for is done behind the back of the next.  What is answered is
 * held against a model of the disk, what is said against a model of each session's numbers.  At the
 * end everything is answered, and nothing is left.
 *
 * Plays seeds first … first + count - 1, two at a time; prints each that failed and ends with 1.
 * The first is 1, or with --fresh where the clock says.
 */
#include "base/util.h"
#include "tests/iscsi/storm/actor.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SEEDS_DEFAULT 1000u
#define ACTORS        3u
#define STEPS         160
#define SECOND_US     1000000u
#define SLICE_US      (SECOND_US / 5)

struct story {
    struct lab lab;
    struct actor actors[ACTORS];
};

static const struct initiator_chap chap = {"user", "a secret of ours", "target", "another secret",
                                           "7,5"};

/* ---- what reaches all ---- */

/* The block goes on, and who was told of spoiled data sends it again: then all that will ever be
 * answered is. */
static void settle(struct story *s)
{
    for (int n = 0; n < 3; n++) {
        ram_block_go_on(&s->lab.ram);
        sim_run_for(s->lab.sim, SECOND_US);
        for (uint32_t k = 0; k < ACTORS; k++)
            actor_listen(&s->actors[k]);
    }
}

static void reset(struct story *s, struct actor *by)
{
    static const uint8_t functions[] = {TMF_ABORT_TASK_SET, TMF_CLEAR_TASK_SET,
                                        TMF_LOGICAL_UNIT_RESET, TMF_TARGET_WARM_RESET};
    uint8_t function = functions[sim_draw(s->lab.sim, sizeof functions)];

    assert(actor_function(by, function) == TMF_COMPLETE);
    for (uint32_t k = 0; k < ACTORS; k++)
        numbers_open_order(actor_numbers(&s->actors[k]));
    settle(s);
    for (uint32_t k = 0; k < ACTORS; k++)
        if (&s->actors[k] == by || function != TMF_ABORT_TASK_SET)
            actor_forget(&s->actors[k]);
}

static void all_return(struct story *s)
{
    for (uint32_t k = 0; k < ACTORS; k++)
        actor_harvest_closed(&s->actors[k]);
    ram_block_go_on(&s->lab.ram);
    sim_run_for(s->lab.sim, SECOND_US / 10);
    for (uint32_t k = 0; k < ACTORS; k++)
        actor_login(&s->actors[k]);
}

static void reset_cold(struct story *s, struct actor *by)
{
    assert(actor_function(by, TMF_TARGET_COLD_RESET) == TMF_COMPLETE);
    all_return(s);
}

struct draining {
    struct iscsi_drain drain;
    bool done;
};

static void drained(struct iscsi_drain *d)
{
    container_of(d, struct draining, drain)->done = true;
}

static bool is_drained(void *arg)
{
    return ((struct draining *)arg)->done;
}

/* A planned move to nowhere: some log out as they are asked, some stay until they are put out. */
static void drain(struct story *s)
{
    struct draining d = {.drain = {.block = &s->lab.ram.block,
                                   .done = drained,
                                   .logout_seconds = (uint16_t)sim_draw(s->lab.sim, 3)}};

    iscsi_target_drain(s->lab.home, &d.drain);
    for (uint32_t k = 0; k < ACTORS; k++)
        if (sim_draw(s->lab.sim, 2))
            initiator_logout(s->actors[k].initiator);
    sim_run_for(s->lab.sim, sim_draw(s->lab.sim, SECOND_US));
    ram_block_go_on(&s->lab.ram);
    lab_until(&s->lab, is_drained, &d);
    all_return(s);
}

/* ---- time ---- */

/* All are there and listen, some go on working. */
static void pass_time(struct story *s, uint64_t us, bool working)
{
    for (uint64_t end = sim_now_us(s->lab.sim) + us; sim_now_us(s->lab.sim) < end;) {
        for (uint32_t k = 0; k < ACTORS; k++) {
            actor_wait(&s->actors[k]);
            if (working)
                actor_work(&s->actors[k]);
        }
        sim_run_for(s->lab.sim, SLICE_US);
    }
}

/* Longer than most deadlines; not longer than an initiator has patience. */
static void hang(struct story *s)
{
    s->lab.ram.stalled = true;
    pass_time(s, sim_draw(s->lab.sim, 30) * SECOND_US, sim_draw(s->lab.sim, 2));
    ram_block_go_on(&s->lab.ram);
}

/* ---- a story ---- */

static void step(struct story *s, struct actor *a)
{
    actor_listen(a);
    switch (sim_draw(s->lab.sim, 60)) {
    case 0:
    case 1:
        actor_return(a);
        return;
    case 2:
    case 3:
    case 4:
        actor_abort(a);
        return;
    case 5:
        actor_ping(a);
        return;
    case 6:
        actor_text(a);
        return;
    case 7:
        reset(s, a);
        return;
    case 8:
        if (sim_draw(s->lab.sim, 4) == 0)
            reset_cold(s, a);
        else if (sim_draw(s->lab.sim, 2))
            drain(s);
        return;
    case 9:
        hang(s);
        return;
    case 10:
        pass_time(s, sim_draw(s->lab.sim, 10) * SECOND_US, false);
        return;
    case 11:
    case 12:
        actor_dies(a);
        return;
    default:
        actor_work(a);
    }
}

static struct iscsi_limits tight(void)
{
    struct iscsi_limits limits = iscsi_limits_small();

    limits.sessions_max = 2 * ACTORS; /* dead ones have a place until they are found out */
    limits.commands_max = 64;
    limits.window = 12;
    limits.half_open_max = 8;
    limits.buffer_bytes = 2u << 20;
    return limits;
}

static void begin(struct story *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    lab_open_from(&s->lab, tight(), seed);
    s->lab.directory.answer.deadline_seconds = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 25 : 2;
    if (seed % 4 == 0)
        s->lab.directory.answer.chap =
            (struct iscsi_chap){"user", "a secret of ours", "target", "another secret"};
    for (uint32_t n = 0; n < ACTORS; n++) {
        s->actors[n].lab = &s->lab;
        s->actors[n].number = n;
        s->actors[n].chap = seed % 4 == 0 ? &chap : NULL;
        actor_login(&s->actors[n]);
    }
}

static bool play(uint64_t seed)
{
    static struct story s;
    uint32_t answered = 0;

    begin(&s, seed);
    for (int n = 0; n < STEPS; n++) {
        step(&s, &s.actors[sim_draw(s.lab.sim, ACTORS)]);
        sim_run_for(s.lab.sim, sim_draw(s.lab.sim, 3000));
        if (sim_draw(s.lab.sim, 20) > 0)
            continue;
        if (s.lab.ram.stalled)
            ram_block_go_on(&s.lab.ram);
        else
            s.lab.ram.stalled = true;
    }
    settle(&s);
    for (uint32_t n = 0; n < ACTORS; n++) {
        actor_rests(&s.actors[n]);
        actor_finish(&s.actors[n]);
        answered += s.actors[n].answered;
    }
    lab_close(&s.lab);
    return answered > STEPS / 20;
}

static int usage(const char *name)
{
    fprintf(stderr, "usage: %s [--seed N] [--fresh] [--seeds N] [--trace]\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seeds", required_argument, NULL, 'n'},
                                            {"fresh", no_argument, NULL, 'f'},
                                            {"trace", no_argument, NULL, 't'},
                                            {0}};
    uint32_t count = SEEDS_DEFAULT, failed;
    uint64_t first = 1;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 's') {
            first = strtoull(optarg, NULL, 0);
            count = 1;
        } else if (option == 'n') {
            count = (uint32_t)strtoul(optarg, NULL, 0);
        } else if (option == 'f') {
            first = (uint64_t)time(NULL) << 20;
        } else if (option == 't') {
            setenv("SIM_TRACE", "1", 1);
        } else {
            return usage(argv[0]);
        }
    }
    failed = sim_seeds(first, count, play);
    printf("%u seeds from %llu, %u failed\n", count, (unsigned long long)first, failed);
    return failed ? 1 : 0;
}
