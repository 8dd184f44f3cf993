/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/crash/main.c — store, replication and volume through crashes, one story a seed.
 *
 *   run [--seed N] [--seeds N] [--trace]
 *
 * A node serves a volume; a client writes, to the block itself or, one seed in three, over iSCSI;
 * the node dies just before some I/O, or at some moment, by kill or by loss of power; it starts
 * again with a raised epoch, at times dying once more on the way; then every acknowledged block
 * must be there, and writing goes on.  In two seeds of five the last disk has a home of its own. At
 * the end the node stops in good order, and once more everything must be there.  With each seed
 * also: a COMPARE AND WRITE cut by a death (again.c).
 *
 * Plays seeds first … first + count - 1, two at a time; prints each that failed and ends with 1.
 */
#include "tests/sim/client/client.h"
#include "tests/sim/crash/again.h"
#include "tests/sim/crash/node.h"
#include "tests/sim/crash/remote.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>

#define SEEDS_DEFAULT   300u
#define REQUEST_UNITS   100u
#define REQUESTS        80u
#define IO_MOST         70u /* of these one is the last */
#define NEVER           (UINT64_MAX / 2)
#define DEATHS_AT_START 3u /* at most, one after the other */

struct story {
    struct sim *sim;
    struct keeper_records records;
    struct node *node;
    struct client *client;
    struct remote remote;       /* over iSCSI: between client and volume */
    uint32_t deaths, in_flight; /* … and requests that they cut */
};

static bool tells; /* one seed alone: says what happened */

static enum sim_death draw_death(struct sim *s)
{
    return sim_draw(s, 3) == 0 ? SIM_KILLED : SIM_POWER_LOST;
}

static void start(struct story *s)
{
    s->node = node_new(s->sim, &s->records);
}

/* False: it died. */
static bool serves(struct story *s)
{
    if (!s->records.attached) {
        client_attach(s->client, volume_block(s->node->volume));
        return true;
    }
    if (!remote_login(&s->remote, s->node->env))
        return false;
    client_attach(s->client, &s->remote.block);
    return true;
}

/* Requests, and with a session pings among them; false: it died. */
static bool work(struct story *s)
{
    for (uint32_t i = 0; i < REQUESTS; i += 10) {
        if (!client_run(s->client, s->node->env, 10))
            return false;
        if (s->records.attached)
            remote_ping(&s->remote);
    }
    return true;
}

/* The node is dead, or dies now. */
static void death(struct story *s)
{
    if (!sim_dead(s->node->env))
        sim_crash(s->sim, s->node->env, draw_death(s->sim));
    node_bury(s->node);
    if (s->remote.initiator) {
        sim_run_for(s->sim, 5000); /* answers that were sent before still arrive, and count */
        remote_cut(&s->remote);
    }
    s->deaths++;
    s->in_flight += s->client->in_flight;
    client_cut(s->client);
}

/* Until a start succeeds; the first few may be cut short. */
static void start_again(struct story *s)
{
    uint64_t deaths = sim_draw(s->sim, 2) ? 0 : sim_draw(s->sim, DEATHS_AT_START + 1);

    for (;; death(s)) {
        start(s);
        if (deaths > 0)
            sim_crash_at_io(s->sim, s->node->env, 1 + sim_draw(s->sim, 12), draw_death(s->sim));
        deaths = deaths ? deaths - 1 : 0;
        if (node_start(s->node) && serves(s) && client_verify(s->client, s->node->env)) {
            sim_crash_at_io(s->sim, s->node->env, NEVER, SIM_KILLED);
            return;
        }
    }
}

/* Writes until it dies. */
static void live_and_die(struct story *s)
{
    sim_crash_at_io(s->sim, s->node->env, 1 + sim_draw(s->sim, IO_MOST), draw_death(s->sim));
    if (node_start(s->node) && serves(s)) {
        if (work(s))
            sim_run_for(s->sim, sim_draw(s->sim, sim_draw(s->sim, 4) ? 500 : 60 * 1000));
    } /* at times it falls idle before it dies */
    death(s);
}

static void begin(struct story *s, uint64_t seed)
{
    uint32_t disks = seed % 4 ? 1 : NODE_DISKS;

    *s = (struct story){.sim = sim_open(seed)};
    keeper_found(&s->records, disks);
    s->records.attached = seed % 3 == 0;
    s->records.apart = seed % 5 < 2;
    node_make_disks(s->sim, disks);
    s->client = client_open(s->sim, SHARD0_UNITS + SHARD1_UNITS);
    s->client->shard_units = SHARD0_UNITS;
    s->client->units_max = REQUEST_UNITS;
    s->client->plain = s->client->apart = s->records.attached; /* the wire may reorder */
    if (s->records.attached)
        remote_init(&s->remote, s->sim, SHARD0_UNITS + SHARD1_UNITS);
}

/* The volume is closed and opened again by the same process, as the agent may. */
static bool reopened(struct story *s)
{
    return node_reopen_volume(s->node) && serves(s) && client_run(s->client, s->node->env, 10) &&
           client_verify(s->client, s->node->env);
}

/* In good order, pings answered and all. */
static void stop(struct story *s)
{
    bool quiet;

    if (s->remote.initiator) {
        quiet = sim_run_until(s->sim, remote_is_quiet, &s->remote, 60u * 1000 * 1000);
        assert(quiet);
        remote_cut(&s->remote);
    }
    node_stop(s->node);
}

static bool play(uint64_t seed)
{
    struct story s;
    bool fine;

    begin(&s, seed);
    start(&s);
    live_and_die(&s);
    start_again(&s);
    fine = work(&s) && client_verify(s.client, s.node->env);
    assert(fine);
    fine = s.records.attached || reopened(&s);
    assert(fine);
    stop(&s);
    start(&s);
    fine = node_start(s.node) && serves(&s) && client_verify(s.client, s.node->env);
    assert(fine);
    stop(&s);
    if (tells)
        printf("%u deaths cut %u requests; %llu of %llu were answered\n", s.deaths, s.in_flight,
               (unsigned long long)s.client->answered, (unsigned long long)s.client->submitted);
    client_close(s.client);
    sim_close(s.sim);
    return true;
}

static int usage(const char *name)
{
    fprintf(stderr, "usage: %s [--seed N] [--seeds N] [--trace]\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seeds", required_argument, NULL, 'n'},
                                            {"trace", no_argument, NULL, 't'},
                                            {0}};
    uint64_t first = 1;
    uint32_t count = 0, failed;
    bool alone = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 's') {
            first = strtoull(optarg, NULL, 0);
            alone = true;
        } else if (option == 'n') {
            count = (uint32_t)strtoul(optarg, NULL, 0);
        } else if (option == 't') {
            setenv("SIM_TRACE", "1", 1);
        } else {
            return usage(argv[0]);
        }
    }
    if (count == 0)
        count = alone ? 1 : SEEDS_DEFAULT;
    tells = count == 1;
    node_format_disks();
    failed = sim_seeds(first, count, play);
    failed += sim_seeds(first, count, again_play);
    printf("%u seeds from %llu, %u failed\n", count, (unsigned long long)first, failed);
    return failed ? 1 : 0;
}
