/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/node.c — the roof: what is opened, in which order.
 *
 *   homes (reactors, and the targets of all but the first) → folder (lock, identity) → link to
 * metad → disks and stores → target (it listens; every name is "starting" until records were read)
 * → agent → status port → heartbeats
 *
 * All of it runs on home 0, but for what lives at other homes (home.h).  Stopping goes the other
 * way: no new actions, volumes closed (sessions drained), link, targets (the one with portals
 * first: it hands logins to the others), stores with a last checkpoint, so that the next start is
 * quick; then the threads of the other homes end.
 */
#include "storaged/node.h"

#include "env/ending.h"
#include "env/log_writer.h"
#include "env/notify.h"
#include "env/uring/reactor.h"
#include "storaged/agent.h"
#include "storaged/directory.h"
#include "storaged/folder.h"
#include "storaged/heartbeat.h"
#include "storaged/homes.h"
#include "storaged/process.h"
#include "storaged/records_http.h"
#include "storaged/status.h"
#include "storaged/watchdog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum node_state {
    DISKS,   /* formatted where blank, opened; and the targets beside control */
    LISTEN,  /* portals are taken: a killed process may have them for a while */
    RUN,     /* agent, heartbeats                         */
    RUNNING, /* until it is asked to stop                 */
    VOLUMES, /* closed, one and all                       */
    LINK,    /* agent, heartbeats and status port end     */
    TARGET,  /* its last sessions and its portals         */
    TARGETS, /* those of the other homes                  */
    STORES,  /* closed with a checkpoint                  */
};

/* A killed process has its folder and its ports until the kernel has ended what it had under way.
 */
#define PATIENCE_MS 5000u
#define AGAIN_MS    100u

struct node {
    const struct node_config *config;
    struct limits limits;
    struct homes homes;
    struct env *env; /* of home 0, as the target */
    struct folder folder;
    struct identity incarnation;
    struct metad *metad;
    struct census census;
    struct node_volumes volumes;
    struct node_arbiter arbiter;
    struct node_directory directory;
    struct net_address portals[NODE_PORTALS_MAX];
    struct iscsi_target *target;
    struct timer again; /* the portals are tried again … */
    uint32_t waited_ms; /* … after so long until now     */
    struct iscsi_close target_close;
    struct agent agent;
    struct heartbeat heartbeat;
    struct status_node status_node;
    struct status *status; /* NULL: no such port */
    struct work status_end;
    struct task task;
    struct ending ending;
    struct mail asked; /* to end */
    struct watchdog watchdog;
    struct node_told {
        uint32_t disks, served;
    } told; /* the supervisor */
    bool opened, stopping, agent_running, agent_gone, heartbeat_gone, target_gone, targets_gone;
    bool stores_gone, status_gone;
    int result;
};

static void failed(struct node *n, const char *what, const char *why)
{
    log_event(n->env->log, LOG_LEVEL_ERROR, "storaged", "start_failed", "%s%s%s", what,
              *why ? ": " : "", why);
    n->result = 1;
}

/* ---- being asked to end ---- */

static void asked_to_end(struct ending *e)
{
    struct node *n = container_of(e, struct node, ending);

    notify("STOPPING=1");
    mail_send(n->env, &n->asked);
}

static void stop(struct mail *m)
{
    struct node *n = container_of(m, struct node, asked);

    n->stopping = true;
    if (n->task.state == DISKS)
        homes_disks_stop(&n->homes);
    task_run(&n->task);
}

/* ---- what the supervisor is told ---- */

/* A node that stands still at one of its homes is better started anew. */
static void homes_turned(struct watchdog *w)
{
    (void)w;
    notify("WATCHDOG=1");
}

static void watchdog_begin(struct node *n)
{
    n->watchdog = (struct watchdog){
        .homes = &n->homes, .every_us = notify_watchdog_us(), .turned = homes_turned};
    if (n->watchdog.every_us > 0)
        watchdog_start(&n->watchdog);
}

static void supervisor_told(struct node *n)
{
    struct node_told now = {homes_disks_opened(&n->homes), 0};

    list_for_each(l, &n->volumes.open)
        now.served += container_of(l, struct node_volume, link)->hosted.told.serving;
    if (now.disks == n->told.disks && now.served == n->told.served)
        return;
    n->told = now;
    notify("STATUS=disks %u of %u open, volumes %u served", now.disks, n->config->disk_count,
           now.served);
}

static void supervisor_ready(struct node *n)
{
    notify("READY=1");
    supervisor_told(n);
    watchdog_begin(n);
}

/* ---- parts that tell each other ---- */

static void volumes_changed(struct node_volumes *vs)
{
    struct node *n = container_of(vs, struct node, volumes);

    agent_wake(&n->agent);
    supervisor_told(n);
    if (n->stopping)
        task_run(&n->task);
}

static void volume_open_failed(struct node_volumes *vs, struct identity volume, enum err err)
{
    agent_open_failed(&container_of(vs, struct node, volumes)->agent, volume, err);
}

static void agent_acted(struct agent *a)
{
    heartbeat_now(&container_of(a, struct node, agent)->heartbeat);
}

static const struct hosted *open_here(void *owner, struct identity volume,
                                      struct identity attachment)
{
    struct node *n = owner;

    return volumes_hosted(&n->volumes, volume, attachment);
}

static void agent_stopped(struct agent *a)
{
    struct node *n = container_of(a, struct node, agent);

    n->agent_gone = true;
    task_run(&n->task);
}

static void heartbeat_stopped(struct heartbeat *h)
{
    struct node *n = container_of(h, struct node, heartbeat);

    n->heartbeat_gone = true;
    task_run(&n->task);
}

static void target_closed(struct iscsi_close *c)
{
    struct node *n = container_of(c, struct node, target_close);

    n->target_gone = true;
    task_run(&n->task);
}

static void homes_are_filled(struct homes *h)
{
    struct node *n = container_of(h, struct node, homes);

    n->opened = true;
    task_run(&n->task);
}

static void targets_closed(struct homes *h)
{
    struct node *n = container_of(h, struct node, homes);

    n->targets_gone = true;
    task_run(&n->task);
}

static void disks_are_closed(struct homes *h)
{
    struct node *n = container_of(h, struct node, homes);

    n->stores_gone = true;
    task_run(&n->task);
}

/* ---- opening ---- */

static void cannot_listen(struct node *n, const struct net_address *portal, enum err err)
{
    char why[128];

    snprintf(why, sizeof why, "portal %s: %s", portal->text,
             err == E_BUSY ? "the port is taken" : err_text(err));
    failed(n, "cannot listen", why);
}

/* E_BUSY: not yet said. */
static enum err target_open(struct node *n)
{
    const struct node_config *c = n->config;
    struct iscsi_config config = {
        .portal_count = c->portal_count,
        .portal_group_tag = 1,
        .limits = n->limits.iscsi,
    };
    uint32_t which = 0;
    enum err err;

    memcpy(config.portals, c->portals, sizeof config.portals);
    err = iscsi_target_open(n->env, &config, &n->directory.directory, &n->target, &which);
    if (err && (err != E_BUSY || n->waited_ms >= PATIENCE_MS))
        cannot_listen(n, &c->portals[which], err);
    else if (err && n->waited_ms == 0)
        log_event(n->env->log, LOG_LEVEL_WARN, "storaged", "portal_busy",
                  "portal=%s the port is taken; waits %u s for it", c->portals[which].text,
                  PATIENCE_MS / 1000);
    if (!err)
        n->homes.list[0].target = n->target;
    return err;
}

static void listen_again(struct timer *t)
{
    task_run(&container_of(t, struct node, again)->task);
}

static void portals_note(struct node *n)
{
    struct node_record *record = &n->agent.node;

    for (uint32_t i = 0; i < n->config->portal_count; i++) {
        n->portals[i] = *iscsi_target_portal(n->target, i);
        snprintf(record->portals[i], sizeof record->portals[i], "%s", n->portals[i].text);
        log_event(n->env->log, LOG_LEVEL_INFO, "storaged", "ready", "portal=%s node=%s name=%s",
                  n->portals[i].text, identity_show(n->folder.node).text, n->config->name);
    }
    record->portal_count = n->directory.portal_count = n->config->portal_count;
}

static void directory_init(struct node *n)
{
    node_directory_init(&n->directory);
    n->directory.view = &n->agent.view;
    n->directory.node = n->folder.node;
    n->directory.prefix = n->config->iqn_prefix;
    n->directory.portals = n->portals;
    n->directory.open_here = open_here;
    n->directory.owner = n;
}

static enum err volumes_start(struct node *n)
{
    node_arbiter_init(&n->arbiter, n->env, metad_records(n->metad), n->folder.node, n->incarnation);
    for (uint32_t i = 0; i < n->homes.count; i++)
        arbiter_door_init(&n->homes.list[i].arbiter, &n->arbiter, n->homes.list[i].env);
    n->volumes = (struct node_volumes){
        .env = n->env,
        .view = &n->agent.view,
        .census = &n->census,
        .arbiter = &n->arbiter,
        .limits = &n->limits,
        .changed = volumes_changed,
        .open_failed = volume_open_failed,
    };
    return volumes_init(&n->volumes);
}

static enum err agent_prepare(struct node *n)
{
    struct agent *a = &n->agent;

    a->env = n->env;
    a->records = metad_records(n->metad);
    a->census = &n->census;
    a->volumes = &n->volumes;
    a->incarnation = n->incarnation;
    a->limits = &n->limits;
    a->acted = agent_acted;
    a->stopped = agent_stopped;
    n->census =
        (struct census){.env = n->env, .homes = n->homes.list, .home_count = n->homes.count};
    return census_init(&n->census) ? E_NO_MEMORY : agent_init(a);
}

/* Nothing but numbers depends on it: a port that is taken does not keep a node from serving. */
static void status_start(struct node *n)
{
    char why[160];

    if (!*n->config->status)
        return;
    n->status_node = (struct status_node){
        .node = n->folder.node,
        .name = n->config->name,
        .homes = n->homes.list,
        .home_count = n->homes.count,
        .limits = &n->limits,
    };
    if (status_open(n->config->status, &n->status_node, &n->status, why)) {
        log_event(n->env->log, LOG_LEVEL_WARN, "storaged", "status_failed", "%s", why);
        return;
    }
    log_event(n->env->log, LOG_LEVEL_INFO, "storaged", "status_ready", "url=http://%s",
              status_address(n->status));
}

/* Everything above disks and target; false: said. */
static bool run(struct node *n)
{
    n->agent.node.node = n->folder.node;
    snprintf(n->agent.node.name, sizeof n->agent.node.name, "%s", n->config->name);
    snprintf(n->agent.node.rack, sizeof n->agent.node.rack, "%s", n->config->rack);
    portals_note(n);
    if (volumes_start(n) || agent_prepare(n)) {
        failed(n, "no memory for volumes", "");
        return false;
    }
    status_start(n);
    n->heartbeat = (struct heartbeat){
        .env = n->env,
        .metad = n->metad,
        .agent = &n->agent,
        .status = n->status ? status_address(n->status) : "",
        .iqn_prefix = n->config->iqn_prefix,
        .stopped = heartbeat_stopped,
    };
    n->agent_running = true;
    agent_start(&n->agent);
    heartbeat_start(&n->heartbeat);
    supervisor_ready(n);
    return true;
}

/* ---- the life of a node ---- */

/* What it cannot serve without; NULL: nothing. */
static const char *lacks(const struct node *n)
{
    if (homes_err(&n->homes))
        return "no memory for targets";
    return homes_disks_opened(&n->homes) == 0 ? "no disk could be opened" : NULL;
}

static enum task_next listen_or_wait(struct node *n)
{
    const char *lack;
    enum err err;

    if (n->stopping) {
        timer_stop(&n->env->clock, &n->again);
        return task_goto(&n->task, RUN);
    }
    if (timer_running(&n->again))
        return TASK_WAIT;
    lack = lacks(n);
    if (lack) {
        failed(n, lack, "");
        n->stopping = true;
        return task_goto(&n->task, RUN);
    }
    err = target_open(n);
    if (err == E_BUSY && n->waited_ms < PATIENCE_MS) {
        n->waited_ms += AGAIN_MS;
        timer_start(&n->env->clock, &n->again, AGAIN_MS * UINT64_C(1000), listen_again);
        return TASK_WAIT;
    }
    n->stopping = err != E_OK;
    return task_goto(&n->task, RUN);
}

static enum task_next stop_volumes(struct node *n)
{
    agent_hold(&n->agent); /* or it would open them again */
    volumes_close_all(&n->volumes);
    return task_goto(&n->task, VOLUMES);
}

/* It asks this reactor, so it is not awaited here. */
static void status_end(struct work *w)
{
    status_close(container_of(w, struct node, status_end)->status);
}

static void status_ended(struct work *w)
{
    struct node *n = container_of(w, struct node, status_end);

    n->status = NULL;
    n->status_gone = true;
    task_run(&n->task);
}

static void stop_status(struct node *n)
{
    if (!n->status) {
        n->status_gone = true;
        return;
    }
    n->status_end = (struct work){.run = status_end, .done = status_ended};
    work_start(n->env, &n->status_end);
}

static enum task_next stop_link(struct node *n)
{
    stop_status(n);
    metad_stop(n->metad);
    if (!n->agent_running) {
        n->agent_gone = n->heartbeat_gone = true;
        return task_goto(&n->task, LINK);
    }
    agent_stop(&n->agent);
    heartbeat_stop(&n->heartbeat);
    return task_goto(&n->task, LINK);
}

static enum task_next stop_target(struct node *n)
{
    if (!n->target) {
        n->target_gone = true;
        return task_goto(&n->task, TARGET);
    }
    n->target_close.done = target_closed;
    iscsi_target_close(n->target, &n->target_close);
    return task_wait_in(&n->task, TARGET);
}

static enum task_next node_step(struct task *t)
{
    struct node *n = container_of(t, struct node, task);

    switch ((enum node_state)t->state) {
    case DISKS:
        return n->opened ? task_goto(t, LISTEN) : TASK_WAIT;

    case LISTEN:
        return listen_or_wait(n);

    case RUN:
        n->stopping = n->stopping || !run(n);
        return task_goto(t, RUNNING);

    case RUNNING:
        return n->stopping ? stop_volumes(n) : TASK_WAIT;

    case VOLUMES:
        return list_empty(&n->volumes.open) ? stop_link(n) : TASK_WAIT;

    case LINK:
        return n->agent_gone && n->heartbeat_gone && n->status_gone ? stop_target(n) : TASK_WAIT;

    case TARGET:
        if (!n->target_gone)
            return TASK_WAIT;
        homes_targets_close(&n->homes, targets_closed);
        return task_goto(t, TARGETS);

    case TARGETS:
        if (!n->targets_gone)
            return TASK_WAIT;
        homes_disks_close(&n->homes, disks_are_closed);
        return task_wait_in(t, STORES);

    case STORES:
        return n->stores_gone ? TASK_DONE : TASK_WAIT;
    }
    unreachable();
}

static void node_done(struct task *t)
{
    reactor_stop(container_of(t, struct node, task)->homes.list[0].reactor);
}

/* clang-format off */
static const struct task_state node_states[] = {
    [DISKS]   = {"disks", TASK_FIRST},
    [LISTEN]  = {"listen", TASK_AFTER(DISKS)},
    [RUN]     = {"run", TASK_AFTER(LISTEN)},
    [RUNNING] = {"running", TASK_AFTER(RUN)},
    [VOLUMES] = {"volumes", TASK_AFTER(RUNNING)},
    [LINK]    = {"link", TASK_AFTER(VOLUMES)},
    [TARGET]  = {"target", TASK_AFTER(LINK)},
    [TARGETS] = {"targets", TASK_AFTER(TARGET)},
    [STORES]  = {"stores", TASK_AFTER(TARGETS)},
};
/* clang-format on */

static const struct task_kind node_kind = {
    .name = "node",
    .step = node_step,
    .done = node_done,
    .states = node_states,
    .state_count = array_length(node_states),
};

/* ---- the door ---- */

/* Reactors, and what is beside control; false: said. */
static bool homes_begin(struct node *n)
{
    const char *text = "";
    enum err err = homes_open(&n->homes, n->config, &n->limits, &text);

    if (!err) {
        n->env = n->homes.list[0].env;
        text = "no threads for reactors (TasksMax=, `ulimit -u`)";
        err = homes_turn(&n->homes);
    }
    if (err)
        log_event(&log_stderr, LOG_LEVEL_ERROR, "storaged", "start_failed", "%s: %s", err_text(err),
                  text);
    return !err;
}

/* Before the threads that log; false: said. */
static bool log_begin(void)
{
    enum err err = log_writer_start();

    if (err)
        log_event(&log_stderr, LOG_LEVEL_ERROR, "storaged", "start_failed",
                  "no thread that writes the log: %s", err_text(err));
    return !err;
}

/* Log, homes, folder, link; false: said. */
static bool node_open(struct node *n, const struct node_config *config)
{
    char why[700];
    enum err err;

    n->config = config;
    n->limits = limits_of(config);
    list_init(&n->volumes.open);
    if (!process_prepare(config, &n->limits, &log_stderr) || !log_begin() || !homes_begin(n))
        return false;
    err = folder_open(config->dir, n->env->chance, PATIENCE_MS, &n->folder, why);
    if (err) {
        failed(n, why, "");
        return false;
    }
    n->incarnation = chance_identity(n->env->chance);
    err = metad_open(n->env, config->metad, n->folder.node, &n->metad);
    if (err)
        failed(n, "no link to metad", err_text(err));
    return !err;
}

/* false: said. */
static bool ending_begin(struct node *n)
{
    enum err err;

    n->asked = (struct mail){.opened = stop};
    n->ending = (struct ending){.log = n->env->log, .subject = "storaged", .asked = asked_to_end};
    err = ending_start(&n->ending);
    if (err)
        failed(n, "cannot wait for signals", err_text(err));
    return !err;
}

static void node_close(struct node *n)
{
    if (n->agent_running) {
        agent_done(&n->agent);
        volumes_done(&n->volumes);
    }
    census_done(&n->census);
    metad_close(n->metad);
    folder_close(&n->folder);
    homes_close(&n->homes);
}

int node_run(const struct node_config *config)
{
    struct node *n = calloc(1, sizeof *n);
    int result;

    if (!n)
        return 1;
    n->folder.lock = -1;
    if (!node_open(n, config) || !ending_begin(n)) {
        node_close(n);
        free(n);
        return 1;
    }
    log_event(n->env->log, LOG_LEVEL_INFO, "storaged", "started",
              "version=%s node=%s name=%s incarnation=%s", DOLMEN_VERSION,
              identity_show(n->folder.node).text, config->name, identity_show(n->incarnation).text);
    if (config->allow_faults)
        log_event(n->env->log, LOG_LEVEL_WARN, "storaged", "faults_allowed",
                  "for tests: the status port can make disks slow, hang and fail");
    limits_print(&n->limits, config, homes_bytes(&n->homes), n->env->log);
    directory_init(n);
    homes_fill(&n->homes, homes_are_filled);
    task_start(&n->task, &node_kind, &n->env->tasks, DISKS);
    reactor_run(n->homes.list[0].reactor);
    if (n->watchdog.every_us > 0)
        watchdog_stop(&n->watchdog);
    if (n->result == 0)
        log_event(n->env->log, LOG_LEVEL_INFO, "storaged", "ended", NULL);
    result = n->result;
    ending_done(&n->ending); /* it may still be ringing here */
    node_close(n);
    free(n);
    return result;
}
