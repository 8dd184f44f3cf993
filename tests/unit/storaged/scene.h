/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/storaged/scene.h — the node of agent_test.c: how it is opened, fed and ended. */
#ifndef TESTS_UNIT_STORAGED_SCENE_H
#define TESTS_UNIT_STORAGED_SCENE_H

#include "metadata/keeper.h"
#include "storaged/agent.h"
#include "storaged/directory.h"
#include "storaged/heartbeat.h"
#include "storaged/operation.h"
#include "tests/sim/world/world.h"
#include "tests/unit/storaged/cluster.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BOUND_US   60000000u
#define DISK_PATH  "/nonexistent/sim-disk0"
#define DISK_BYTES (UINT64_C(1) << 30)
#define MIB        (UINT64_C(1) << 20)

struct scene {
    struct sim *sim;
    struct env *env;
    struct keeper *keeper;
    struct records *inner;
    struct records records; /* what the node is given: `inner`, unless metad is away */
    bool away, mute;        /* mute: for transactions only */
    struct list lost;
    struct timer timer;

    struct node_config config;
    struct limits limits;
    struct node_disks disks;
    struct node_arbiter arbiter;
    struct node_volumes volumes;
    struct node_directory directory;
    struct net_address portal;
    struct iscsi_target *target;
    struct iscsi_close target_close;
    struct agent agent;
    struct heartbeat heartbeat;
    struct metad_post *post; /* on its way to metad_heartbeat() of this file */
    struct timer post_timer;
    struct identity lineage; /* that metad answers with */
    uint32_t calls, posts;
    bool disks_are, stopped, heartbeat_gone;
    struct identity disk;
};

/* ---- the door that may be shut ---- */

static void lost_now(struct timer *t)
{
    struct scene *s = container_of(t, struct scene, timer);
    struct list *link = list_take(&s->lost);
    struct records_call *c = container_of(link, struct records_call, link);

    if (!list_empty(&s->lost))
        timer_start(&s->env->clock, &s->timer, 100, lost_now);
    c->done(c, E_UNREACHABLE);
}

static void called(struct records *r, struct records_call *c)
{
    struct scene *s = container_of(r, struct scene, records);

    s->calls++;
    if (!s->away && !(s->mute && c->op == RECORDS_TRANSACT)) {
        s->inner->call(s->inner, c);
        return;
    }
    list_append(&s->lost, &c->link);
    timer_start(&s->env->clock, &s->timer, 100, lost_now);
}

/* ---- records ---- */

static void put(struct scene *s, struct record_key key, char *json)
{
    struct record_transaction t;
    uint64_t revision;

    transaction_init(&t);
    assert_int_equal(json ? transaction_put(&t, key, json) : transaction_delete(&t, key), E_OK);
    assert_int_equal(keeper_transact(s->keeper, &t, &revision), E_OK);
    transaction_done(&t);
}

static void put_head(struct scene *s, uint64_t epoch, struct identity incarnation)
{
    struct record_list l = {0};
    struct head_record head = cluster_head(NODE, incarnation);

    assert_int_equal(keeper_range(s->keeper, head_key(VOLUME).text, &l), E_OK);
    if (l.count > 0)
        assert_int_equal(head_read(l.records[0].value, &head), E_OK);
    record_list_free(&l);
    head.epoch = epoch;
    head.incarnation = incarnation;
    put(s, head_key(VOLUME), head_write(&head, NULL));
}

static void put_volume(struct scene *s, uint64_t bytes, bool deleting)
{
    struct volume_record volume = cluster_volume(bytes);

    volume.deleting = deleting;
    put(s, volume_key(VOLUME), volume_write(&volume, NULL));
}

/* As POST /v1/volumes leaves it. */
static void create_volume(struct scene *s)
{
    struct page_record page = cluster_page(NODE, s->disk, 1);

    put_volume(s, 64 * MIB, false);
    put(s, page_key(VOLUME, 0), page_write(&page, NULL));
    put_head(s, 1, US);
}

/* ---- the node ---- */

static void volumes_changed(struct node_volumes *vs)
{
    agent_wake(&container_of(vs, struct scene, volumes)->agent);
}

static void agent_acted(struct agent *a)
{
    (void)a;
}

static void agent_stopped(struct agent *a)
{
    container_of(a, struct scene, agent)->stopped = true;
}

static void disks_done(struct node_disks *d)
{
    container_of(d, struct scene, disks)->disks_are = true;
}

static struct block *open_here(void *owner, struct identity volume)
{
    return volumes_block(&((struct scene *)owner)->volumes, volume);
}

static void until(struct scene *s, bool (*is_true)(void *))
{
    if (!sim_run_until(s->sim, is_true, s, BOUND_US))
        fail_msg("it never came true");
}

static bool disks_are(void *arg)
{
    return ((struct scene *)arg)->disks_are;
}

static void open_disks(struct scene *s)
{
    sim_disk_make(s->sim, DISK_PATH, DISK_BYTES);
    s->config.disk_count = 1;
    s->config.disks[0].bytes = DISK_BYTES;
    snprintf(s->config.disks[0].path, sizeof s->config.disks[0].path, DISK_PATH);
    disks_open(&s->disks, s->env, &s->config, disks_done);
    until(s, disks_are);
    assert_int_equal(disks_opened(&s->disks), 1);
    s->disk = store_identity(s->disks.disks[0].store);
}

static void open_target(struct scene *s)
{
    struct iscsi_config config = {.portal_count = 1, .limits = s->limits.iscsi};
    uint32_t which;

    node_directory_init(&s->directory);
    s->directory.view = &s->agent.view;
    s->directory.node = NODE;
    s->directory.prefix = ISCSI_PREFIX;
    s->directory.open_here = open_here;
    s->directory.owner = s;
    snprintf(config.portals[0].text, sizeof config.portals[0].text, "127.0.0.1:3260");
    assert_int_equal(
        iscsi_target_open(s->env, &config, &s->directory.directory, &s->target, &which), E_OK);
}

static void open_agent(struct scene *s)
{
    node_arbiter_init(&s->arbiter, s->env, &s->records, NODE, US);
    s->volumes = (struct node_volumes){
        .env = s->env,
        .view = &s->agent.view,
        .disks = &s->disks,
        .arbiter = &s->arbiter,
        .target = s->target,
        .limits = &s->limits,
        .changed = volumes_changed,
    };
    assert_int_equal(volumes_init(&s->volumes), E_OK);
    s->agent.env = s->env;
    s->agent.records = &s->records;
    s->agent.disks = &s->disks;
    s->agent.volumes = &s->volumes;
    s->agent.node = cluster_node(NODE, "127.0.0.1:3260");
    s->agent.incarnation = US;
    s->agent.limits = &s->limits;
    s->agent.acted = agent_acted;
    s->agent.stopped = agent_stopped;
    assert_int_equal(agent_init(&s->agent), E_OK);
    agent_start(&s->agent);
}

static int each_new(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    s->sim = sim_open(7);
    s->env = sim_env(s->sim, "n1");
    s->config = (struct node_config){.profile = "small",
                                     .sessions = 32,
                                     .commands = 1024,
                                     .window = 128,
                                     .volumes = 64,
                                     .buffer_bytes = 16u << 20,
                                     .cache_bytes = 4u << 20};
    s->limits = limits_of(&s->config);
    list_init(&s->lost);
    assert_int_equal(keeper_memory_open(ID(77), &s->keeper), E_OK);
    assert_int_equal(records_of_keeper_open(s->env, s->keeper, 200, &s->inner), E_OK);
    s->records.call = called;
    open_disks(s);
    open_target(s);
    open_agent(s);
    *state = s;
    return 0;
}

static bool no_volume_open(void *arg)
{
    return list_empty(&((struct scene *)arg)->volumes.open);
}

static bool agent_has_stopped(void *arg)
{
    return ((struct scene *)arg)->stopped;
}

static bool disks_are_not(void *arg)
{
    return !((struct scene *)arg)->disks_are;
}

static void disks_gone(struct node_disks *d)
{
    container_of(d, struct scene, disks)->disks_are = false;
}

static void target_gone(struct iscsi_close *c)
{
    struct scene *s = container_of(c, struct scene, target_close);

    iscsi_target_free(s->target);
    s->target = NULL;
}

static bool no_target(void *arg)
{
    return !((struct scene *)arg)->target;
}

/* The end of a node, in the order of node.c. */
static int each_done(void **state)
{
    struct scene *s = *state;

    agent_hold(&s->agent);
    volumes_close_all(&s->volumes);
    until(s, no_volume_open);
    agent_stop(&s->agent);
    until(s, agent_has_stopped);
    s->target_close.done = target_gone;
    iscsi_target_close(s->target, &s->target_close);
    until(s, no_target);
    disks_close(&s->disks, disks_gone);
    until(s, disks_are_not);
    agent_done(&s->agent);
    volumes_done(&s->volumes);
    records_of_keeper_close(s->inner);
    keeper_close(s->keeper);
    sim_close(s->sim);
    free(s);
    return 0;
}

#endif
