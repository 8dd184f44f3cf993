/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/agent.c — two tasks: one reads records, the other acts.
 *
 * The reader: everything once, then one watch after the other.  A watch that is too old begins it
 * anew.  While metad is away it pauses, longer each time up to 2 s, and goes on from the revision
 * that it knows.  It never goes back to an older revision.
 *
 * The actor sleeps until it is woken: a census of the disks, facts, plan, and for each action that
 * is not under way already the call that begins it.  It plans again until a plan brings nothing
 * new, because one action makes the next possible.
 */
#include "storaged/agent.h"

#include "storaged/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_MS       10000u
#define PAUSE_MS_FIRST 100u
#define PAUSE_MS_MAX   2000u

enum reader_state {
    READ,    /* every record                          */
    FILL,    /* the view from them                    */
    WATCH,   /* what changes                          */
    APPLY,   /* to the view                           */
    PAUSE,   /* metad is away                         */
    STOPPED, /* nothing is read any more              */
};

enum actor_state {
    WANTED, /* until something may have changed  */
    COUNT,  /* until the disks are told          */
    ACT,    /* facts, plan, actions              */
    ENDED,
};

/* ---- the reader ---- */

static void read_done(struct records_call *call, enum err err)
{
    struct agent *a = container_of(call, struct agent, read);

    a->reading = false;
    a->answered = err;
    task_run(&a->reader);
}

static void read_begin(struct agent *a, enum records_op op)
{
    a->reading = true;
    a->stale = false;
    a->read = (struct records_call){
        .op = op,
        .revision = a->view.revision,
        .wait_ms = WATCH_MS,
        .done = read_done,
    };
    a->records->call(a->records, &a->read);
}

static void pause_over(struct timer *t)
{
    task_run(&container_of(t, struct agent, pause)->reader);
}

static enum task_next reader_pause(struct agent *a)
{
    if (!a->away)
        log_event(a->env->log, LOG_LEVEL_WARN, "storaged", "metad_lost", "error=%s (%s)",
                  err_name(a->answered), err_text(a->answered));
    a->away = true;
    timer_start(&a->env->clock, &a->pause, (uint64_t)a->pause_ms * 1000, pause_over);
    a->pause_ms = min_u32(a->pause_ms * 2, PAUSE_MS_MAX);
    return task_wait_in(&a->reader, PAUSE);
}

static void reached(struct agent *a)
{
    if (a->away)
        log_event(a->env->log, LOG_LEVEL_INFO, "storaged", "metad_reached", "revision=%llu",
                  (unsigned long long)a->view.revision);
    a->away = false;
    a->pause_ms = PAUSE_MS_FIRST;
}

static enum task_next fill(struct agent *a)
{
    enum err err = a->answered;

    if (!err && (*a->strange || a->stale || a->read.list.revision < agent_revision(a))) {
        err = E_CONFLICT; /* another keeper, or one from before what we have seen (design 6.7): */
        a->again = true;  /* what it grows beyond that is another history, to be read whole */
    }
    if (!err && !a->held)
        err = view_fill(&a->view, &a->read.list);
    record_list_free(&a->read.list);
    a->answered = err;
    if (err)
        return reader_pause(a);
    a->again = a->suspect = false;
    reached(a);
    if (a->view.unreadable > 0)
        log_event(a->env->log, LOG_LEVEL_WARN, "storaged", "records_unreadable", "count=%u",
                  a->view.unreadable);
    agent_wake(a);
    return task_goto(&a->reader, WATCH);
}

static enum task_next apply(struct agent *a)
{
    bool changed = false;
    enum err err = a->answered;

    if (err == E_COMPACTED)
        return task_goto(&a->reader, READ);
    if (!err && a->suspect)
        err = E_CONFLICT;
    if (!err && !a->held) {
        changed = a->read.list.count > 0;
        err = view_apply(&a->view, &a->read.list);
        a->again = a->again || err; /* shown in part: not to be trusted */
    }
    record_list_free(&a->read.list);
    a->answered = err;
    if (err)
        return reader_pause(a);
    reached(a);
    if (changed)
        agent_wake(a);
    return task_goto(&a->reader, a->again ? READ : WATCH);
}

static enum task_next reader_step(struct task *t)
{
    struct agent *a = container_of(t, struct agent, reader);

    if (a->reading)
        return TASK_WAIT;
    if (a->stopping && t->state != STOPPED) {
        if (t->state == FILL || t->state == APPLY)
            record_list_free(&a->read.list);
        return task_goto(t, STOPPED);
    }
    switch ((enum reader_state)t->state) {
    case READ:
        read_begin(a, RECORDS_RANGE);
        return task_wait_in(t, FILL);

    case FILL:
        return fill(a);

    case WATCH:
        read_begin(a, RECORDS_WATCH);
        return task_wait_in(t, APPLY);

    case APPLY:
        return apply(a);

    case PAUSE:
        if (timer_running(&a->pause))
            return TASK_WAIT;
        return task_goto(t, a->again || !view_ready(&a->view) ? READ : WATCH);

    case STOPPED:
        return TASK_DONE;
    }
    unreachable();
}

/* ---- the actor ---- */

static enum err volume_action(struct agent *a, const struct action *action)
{
    switch ((int)action->kind) {
    case ACTION_OPEN_VOLUME:
        return volumes_open(a->volumes, action->volume);
    case ACTION_CLOSE_VOLUME:
        volumes_close(a->volumes, action->volume);
        return E_OK;
    case ACTION_RESIZE_VOLUME:
        return volumes_resize(a->volumes, action->volume);
    case ACTION_KNOW:
        return volumes_know(a->volumes, action->volume, action->attachment);
    case ACTION_DRAIN:
        volumes_drain(a->volumes, action->volume, action->attachment);
        return E_OK;
    case ACTION_FORGET:
        volumes_forget(a->volumes, action->volume, action->attachment);
        return E_OK;
    default:
        return E_OK; /* ACTION_WAIT: told by the heartbeat */
    }
}

static void act_on(struct agent *a, const struct action *action)
{
    enum err err;

    if (operation_known(a, action))
        return;
    if (action->kind <= ACTION_DELETE_REPLICA) {
        operation_begin(a, action);
        return;
    }
    err = volume_action(a, action);
    if (err && err != E_BUSY)
        (void)operation_failed(a, action, err); /* no room: the next plan tries it again */
}

/* A resize that failed waits like an operation that did; where there is no room, until there is. */
static void take_resize_failures(struct agent *a)
{
    list_for_each(link, &a->volumes->open) {
        struct node_volume *n = container_of(link, struct node_volume, link);
        struct action action = {.kind = ACTION_RESIZE_VOLUME, .volume = n->volume};

        if (n->resize_err && operation_failed(a, &action, n->resize_err))
            n->resize_err = E_OK;
    }
}

static void retry_due(struct timer *t)
{
    agent_wake(container_of(t, struct agent, retry));
}

static void counted(struct census_wait *w, enum err err)
{
    struct agent *a = container_of(w, struct agent, count);

    a->counted = true;
    a->count_err = err;
    task_run(&a->actor);
}

static enum task_next count(struct agent *a)
{
    a->wanted = a->counted = false;
    a->count.taken = counted;
    census_take(a->census, &a->count);
    return task_wait_in(&a->actor, COUNT);
}

static void act(struct agent *a)
{
    uint64_t again_at;

    operations_forget(a);
    if (a->count_err || !agent_gather(a))
        return;
    if (a->held || a->suspect) {
        a->acted(a);
        return;
    }
    take_resize_failures(a);
    agent_plan(&a->view, &a->facts, &a->plan);
    for (uint32_t i = 0; i < a->plan.count; i++)
        act_on(a, &a->plan.actions[i]);
    again_at = operations_forget(a);
    if (again_at != UINT64_MAX)
        timer_start(&a->env->clock, &a->retry, again_at - now_us(&a->env->clock), retry_due);
    a->acted(a);
}

static bool at_rest(struct agent *a)
{
    operations_forget(a);
    return list_empty(&a->under_way) && !task_living(&a->reader);
}

static enum task_next actor_step(struct task *t)
{
    struct agent *a = container_of(t, struct agent, actor);

    switch ((enum actor_state)t->state) {
    case WANTED:
        if (a->stopping)
            return at_rest(a) ? task_goto(t, ENDED) : TASK_WAIT;
        return a->wanted ? count(a) : TASK_WAIT;

    case COUNT:
        if (!a->counted)
            return TASK_WAIT;
        return !a->stopping && !census_fresh(a->census) ? count(a) : task_goto(t, ACT);

    case ACT:
        if (!a->stopping)
            act(a);
        return task_goto(t, WANTED);

    case ENDED:
        return TASK_DONE;
    }
    unreachable();
}

static void actor_done(struct task *t)
{
    struct agent *a = container_of(t, struct agent, actor);

    a->stopped(a);
}

static void reader_done(struct task *t)
{
    agent_wake(container_of(t, struct agent, reader));
}

/* clang-format off */
static const struct task_state reader_states[] = {
    [READ]    = {"read", TASK_FIRST | TASK_AFTER(PAUSE) | TASK_AFTER(APPLY)},
    [FILL]    = {"fill", TASK_AFTER(READ)},
    [WATCH]   = {"watch", TASK_AFTER(FILL) | TASK_AFTER(APPLY) | TASK_AFTER(PAUSE)},
    [APPLY]   = {"apply", TASK_AFTER(WATCH)},
    [PAUSE]   = {"pause", TASK_AFTER(FILL) | TASK_AFTER(APPLY)},
    [STOPPED] = {"stopped", TASK_AFTER(READ) | TASK_AFTER(FILL) | TASK_AFTER(WATCH) |
                            TASK_AFTER(APPLY) | TASK_AFTER(PAUSE)},
};
static const struct task_state actor_states[] = {
    [WANTED] = {"wanted", TASK_FIRST | TASK_AFTER(ACT)},
    [COUNT]  = {"count", TASK_AFTER(WANTED) | TASK_AFTER(COUNT)},
    [ACT]    = {"act", TASK_AFTER(COUNT)},
    [ENDED]  = {"ended", TASK_AFTER(WANTED)},
};
/* clang-format on */

static const struct task_kind reader_kind = {
    .name = "record reader",
    .step = reader_step,
    .done = reader_done,
    .states = reader_states,
    .state_count = array_length(reader_states),
};

static const struct task_kind actor_kind = {
    .name = "agent",
    .step = actor_step,
    .done = actor_done,
    .states = actor_states,
    .state_count = array_length(actor_states),
};

/* ---- the door ---- */

void agent_wake(struct agent *a)
{
    a->wanted = true;
    if (task_living(&a->actor))
        task_run(&a->actor);
}

void agent_hold(struct agent *a)
{
    a->held = true;
    agent_wake(a);
}

void agent_estrange(struct agent *a, const char *why)
{
    snprintf(a->strange, sizeof a->strange, "%s", why);
    a->suspect = a->again = true;
    agent_wake(a);
}

void agent_rejoin(struct agent *a)
{
    a->strange[0] = '\0';
    a->stale = a->reading;
    a->pause_ms = PAUSE_MS_FIRST;
    if (timer_running(&a->pause)) {
        timer_stop(&a->env->clock, &a->pause);
        task_run(&a->reader);
    }
    agent_wake(a);
}

uint64_t agent_revision(const struct agent *a)
{
    return a->suspect ? a->trusted : a->view.revision;
}

void agent_trust(struct agent *a, uint64_t revision)
{
    a->trusted = revision;
}

void agent_open_failed(struct agent *a, struct identity volume, enum err err)
{
    struct action action = {.kind = ACTION_OPEN_VOLUME, .volume = volume};

    (void)operation_failed(a, &action, err); /* no room: the next plan tries it again */
    agent_wake(a);
}

const char *agent_trouble(const struct agent *a, struct identity volume)
{
    list_for_each(link, &a->under_way) {
        const struct operation *o = container_of(link, struct operation, link);

        if (o->err && identity_equal(o->action.volume, volume))
            return err_text(o->err);
    }
    return "";
}

enum err agent_init(struct agent *a)
{
    view_init(&a->view);
    list_init(&a->under_way);
    a->pause_ms = PAUSE_MS_FIRST;
    a->facts.node = a->node;
    a->facts.incarnation = a->incarnation;
    a->facts.disks = calloc(CONFIG_DISKS_MAX, sizeof *a->facts.disks);
    a->facts.volumes = calloc(a->limits->volumes_max, sizeof *a->facts.volumes);
    a->facts.attachments = calloc(a->limits->attachments_max, sizeof *a->facts.attachments);
    if (!a->facts.disks || !a->facts.volumes || !a->facts.attachments)
        return E_NO_MEMORY;
    return pool_open(&a->operations, "operations", sizeof(struct operation),
                     _Alignof(struct operation), a->limits->operations_max);
}

void agent_start(struct agent *a)
{
    task_start(&a->reader, &reader_kind, &a->env->tasks, READ);
    task_start(&a->actor, &actor_kind, &a->env->tasks, WANTED);
}

void agent_stop(struct agent *a)
{
    a->stopping = true;
    timer_stop(&a->env->clock, &a->pause);
    timer_stop(&a->env->clock, &a->retry);
    if (task_living(&a->reader))
        task_run(&a->reader);
    if (task_living(&a->actor))
        task_run(&a->actor);
    else
        a->stopped(a);
}

void agent_done(struct agent *a)
{
    view_done(&a->view);
    free(a->facts.disks);
    free(a->facts.replicas);
    free(a->facts.volumes);
    free(a->facts.attachments);
    pool_close(&a->operations);
}
