/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/crash/again.c — an initiator that lost the status of a COMPARE AND WRITE (design 8). */
#include "tests/sim/crash/again.h"

#include "tests/sim/crash/node.h"
#include "tests/sim/crash/remote.h"

#include <assert.h>
#include <string.h>

#define IO_MOST  6u /* the command makes one, or two with what it compares */
#define BOUND_US (60u * 1000 * 1000)

struct again {
    struct sim *sim;
    struct keeper_records records;
    struct node *node;
    struct remote remote;
    struct initiator_request request;
    uint8_t lba, bytes[2 * UNIT_BYTES]; /* zeros, then what takes their place */
};

static bool answered_or_dead(void *arg)
{
    struct again *a = arg;

    return initiator_answered(&a->request) || sim_dead(a->node->env);
}

/* False: the node died first. */
static bool ask(struct again *a)
{
    bool over;

    a->request = (struct initiator_request){
        .cdb = {0x89, [9] = a->lba, [13] = 1}, .out = a->bytes, .length = sizeof a->bytes};
    initiator_command(a->remote.initiator, &a->request);
    over = sim_run_until(a->sim, answered_or_dead, a, BOUND_US);
    assert(over);
    return initiator_answered(&a->request) && !a->request.err;
}

static void start(struct again *a)
{
    bool fine;

    a->node = node_new(a->sim, &a->records);
    fine = node_start(a->node) && remote_login(&a->remote, a->node->env);
    assert(fine);
}

static void die(struct again *a, enum sim_death death)
{
    if (!sim_dead(a->node->env))
        sim_crash(a->sim, a->node->env, death);
    node_bury(a->node);
    remote_cut(&a->remote);
}

static struct again *begin(uint64_t seed)
{
    struct again *a = calloc(1, sizeof *a);

    a->sim = sim_open(seed);
    keeper_found(&a->records, 1);
    a->records.attached = true;
    a->records.apart = seed % 2;
    node_make_disks(a->sim, 1);
    remote_init(&a->remote, a->sim, SHARD0_UNITS + SHARD1_UNITS);
    a->lba = (uint8_t)sim_draw(a->sim, 200);
    memset(a->bytes + UNIT_BYTES, 'x', UNIT_BYTES);
    return a;
}

bool again_play(uint64_t seed)
{
    struct again *a = begin(seed);
    enum sim_death death = sim_draw(a->sim, 3) ? SIM_POWER_LOST : SIM_KILLED;
    bool answered;

    start(a);
    sim_crash_at_io(a->sim, a->node->env, 1 + sim_draw(a->sim, IO_MOST), death);
    if (ask(a))
        assert(a->request.status == 0);
    die(a, death);
    start(a);
    answered = ask(a);
    assert(answered && a->request.status == 0);
    answered = ask(a); /* in the same session it is another command */
    assert(answered && a->request.status == 2);
    remote_cut(&a->remote);
    node_stop(a->node);
    sim_close(a->sim);
    free(a);
    return true;
}
