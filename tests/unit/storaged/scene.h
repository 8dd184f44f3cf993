/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/storaged/scene.h — the node of agent_test.c: how it is opened, fed and ended.
 *
 * Its disk (or two) lives at home 0, or with `scene_apart` at a home beside it, with the volume:
 * then all that control wants of either is mail.
 */
#ifndef TESTS_UNIT_STORAGED_SCENE_H
#define TESTS_UNIT_STORAGED_SCENE_H

#include "tests/unit/storaged/scene_records.h"

/* ---- what it says ---- */

/* Lines that tell of a failed action; the simulated log is the process's own. */
struct failure_log {
    struct log log;
    struct log *former;
    const char *what;
    uint32_t failures;
};

static inline void failure_seen(struct log *l, enum log_level level, const char *line)
{
    struct failure_log *f = container_of(l, struct failure_log, log);

    f->failures += strstr(line, f->what) != NULL;
    if (level >= f->former->least)
        f->former->write(f->former, level, line);
}

static inline struct failure_log failures_of(struct log *former, const char *what)
{
    return (struct failure_log){
        .log = {.write = failure_seen, .least = LOG_LEVEL_INFO}, .former = former, .what = what};
}

/* How often something failed in that time. */
static inline uint32_t tries_in(struct scene *s, uint64_t us)
{
    uint64_t last = 0;
    uint32_t tries = 0;

    for (uint64_t ran = 0; ran < us; ran += 10000) {
        sim_run_for(s->sim, 10000);
        list_for_each(link, &s->agent.under_way) {
            const struct operation *o = container_of(link, struct operation, link);

            tries += !o->living && o->again_at_us > last;
            last = o->living ? last : max_u64(last, o->again_at_us);
        }
    }
    return tries;
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

static void open_failed(struct node_volumes *vs, struct identity volume, enum err err)
{
    agent_open_failed(&container_of(vs, struct scene, volumes)->agent, volume, err);
}

static void disks_done(struct node_disks *d)
{
    container_of(d, struct scene, homes[scene_apart].disks)->disks_are = true;
}

static const struct hosted *open_here(void *owner, struct identity volume,
                                      struct identity attachment)
{
    return volumes_hosted(&((struct scene *)owner)->volumes, volume, attachment);
}

static void open_homes(struct scene *s)
{
    s->home_count = 1 + scene_apart;
    s->home = &s->homes[scene_apart];
    for (uint32_t i = 0; i < s->home_count; i++) {
        s->homes[i].number = i;
        s->homes[i].env = i ? sim_env_beside(s->sim, s->env, "home1") : s->env;
        list_init(&s->homes[i].volumes);
    }
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
    static const char *const paths[] = {DISK_PATH, OTHER_DISK_PATH};
    struct disks_share share = {.first = 0, .step = 1};

    for (uint32_t i = 0; i < s->config.disk_count; i++) {
        sim_disk_make(s->sim, paths[i], DISK_BYTES);
        s->config.disks[i].bytes = DISK_BYTES;
        snprintf(s->config.disks[i].path, sizeof s->config.disks[i].path, "%s", paths[i]);
    }
    disks_open(&s->home->disks, s->home->env, &s->config, share, disks_done);
    until(s, disks_are);
    assert_int_equal(disks_opened(&s->home->disks), s->config.disk_count);
    s->disk = store_identity(s->home->disks.disks[0].store);
    if (s->config.disk_count > 1)
        s->other_disk = store_identity(s->home->disks.disks[1].store);
}

static void open_targets(struct scene *s)
{
    struct iscsi_config config = {.limits = s->limits.iscsi};
    uint32_t which;

    node_directory_init(&s->directory);
    s->directory.view = &s->agent.view;
    s->directory.node = NODE;
    s->directory.prefix = ISCSI_PREFIX;
    s->directory.open_here = open_here;
    s->directory.owner = s;
    snprintf(config.portals[0].text, sizeof config.portals[0].text, "127.0.0.1:3260");
    for (uint32_t i = 0; i < s->home_count; i++) {
        config.portal_count = i == 0;
        assert_int_equal(iscsi_target_open(s->homes[i].env, &config, &s->directory.directory,
                                           &s->homes[i].target, &which),
                         E_OK);
        s->targets++;
    }
}

static void open_agent(struct scene *s)
{
    node_arbiter_init(&s->arbiter, s->env, &s->records, NODE, US);
    for (uint32_t i = 0; i < s->home_count; i++)
        arbiter_door_init(&s->homes[i].arbiter, &s->arbiter, s->homes[i].env);
    s->census = (struct census){.env = s->env, .homes = s->homes, .home_count = s->home_count};
    assert_int_equal(census_init(&s->census), E_OK);
    s->volumes = (struct node_volumes){
        .env = s->env,
        .view = &s->agent.view,
        .census = &s->census,
        .arbiter = &s->arbiter,
        .limits = &s->limits,
        .changed = volumes_changed,
        .open_failed = open_failed,
    };
    assert_int_equal(volumes_init(&s->volumes), E_OK);
    s->agent.env = s->env;
    s->agent.records = &s->records;
    s->agent.census = &s->census;
    s->agent.volumes = &s->volumes;
    s->agent.node = cluster_node(NODE, "127.0.0.1:3260");
    s->agent.incarnation = US;
    s->agent.limits = &s->limits;
    s->agent.acted = agent_acted;
    s->agent.stopped = agent_stopped;
    assert_int_equal(agent_init(&s->agent), E_OK);
    agent_start(&s->agent);
}

static int each_new_of(void **state, uint32_t disks)
{
    struct scene *s = calloc(1, sizeof *s);

    s->sim = sim_open(7);
    s->env = sim_env(s->sim, "n1");
    s->config = (struct node_config){.profile = "small",
                                     .sessions = 32,
                                     .commands = 1024,
                                     .window = 128,
                                     .volumes = 64,
                                     .disk_count = disks,
                                     .buffer_bytes = 16u << 20,
                                     .cache_bytes = 4u << 20};
    s->limits = limits_of(&s->config);
    list_init(&s->lost);
    assert_int_equal(keeper_memory_open(ID(77), &s->keeper), E_OK);
    assert_int_equal(records_of_keeper_open(s->env, s->keeper, 200, &s->inner), E_OK);
    s->records.call = called;
    open_homes(s);
    open_disks(s);
    open_targets(s);
    open_agent(s);
    *state = s;
    return 0;
}

static int each_new(void **state)
{
    return each_new_of(state, 1);
}

static inline int each_new_with_two_disks(void **state)
{
    return each_new_of(state, 2);
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
    container_of(d, struct scene, homes[scene_apart].disks)->disks_are = false;
}

static void target_gone(struct iscsi_close *c)
{
    struct scene *s = container_of(c, struct scene, target_close);

    s->targets--;
    iscsi_target_free(s->homes[s->home_count - 1 - s->targets].target);
}

static bool one_is_gone(void *arg)
{
    return ((struct scene *)arg)->targets < ((struct scene *)arg)->home_count;
}

static bool no_target(void *arg)
{
    return ((struct scene *)arg)->targets == 0;
}

static void close_targets(struct scene *s) /* the one with portals first */
{
    s->target_close.done = target_gone;
    iscsi_target_close(s->homes[0].target, &s->target_close);
    until(s, one_is_gone);
    if (scene_apart)
        iscsi_target_close(s->homes[1].target, &s->target_close);
    until(s, no_target);
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
    close_targets(s);
    disks_close(&s->home->disks, disks_gone);
    until(s, disks_are_not);
    census_done(&s->census);
    agent_done(&s->agent);
    volumes_done(&s->volumes);
    records_of_keeper_close(s->inner);
    keeper_close(s->keeper);
    sim_close(s->sim);
    free(s);
    return 0;
}

#endif
