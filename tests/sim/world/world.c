/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/world.c — time, processes and their end.
 *
 * A turn of the world: every process runs the tasks that are ready; then the clock jumps to the
 * next thing due, and that one thing happens: an event of the world (a disk has answered, bytes
 * arrive, mail is opened, work is done) or a process's timers.  Nothing else moves time.
 *
 * A process that dies in the middle of a call (sim_crash_at_io) only counts as dying until that
 * call has returned: what it still asks for comes to nothing.  It is buried before anything else
 * happens.
 */
#include "tests/sim/world/inside.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TIMERS_MAX      4096
#define STEPS_MAX       1000000 /* of tasks in one turn: more is a livelock */
#define STILL_TURNS_MAX 10000000

/* The dead, and what they owned: never freed, so that a leak checker finds it reachable. */
static struct list graveyard = {&graveyard, &graveyard};
static void **abandoned;
static size_t abandoned_count, abandoned_max;

/* ---- chance: splitmix64 ---- */

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void chance_fill(struct chance *c, void *bytes, size_t length)
{
    struct sim_chance *own = container_of(c, struct sim_chance, chance);
    uint8_t *to = bytes;

    while (length > 0) {
        uint64_t draw = splitmix(&own->state);
        size_t part = length < sizeof draw ? length : sizeof draw;

        memcpy(to, &draw, part);
        to += part;
        length -= part;
    }
}

static void chance_seed(struct sim_chance *c, uint64_t seed)
{
    c->chance.fill = chance_fill;
    c->state = seed;
}

uint64_t world_draw(struct sim *s, uint64_t below)
{
    assert(below > 0);
    return splitmix(&s->chance.state) % below;
}

uint64_t world_delay(struct sim *s, uint64_t least_us, uint64_t most_us)
{
    uint64_t us = least_us + world_draw(s, most_us - least_us + 1);

    return world_draw(s, 64) == 0 ? us * (1 + world_draw(s, 16)) : us;
}

uint64_t sim_draw(struct sim *s, uint64_t below)
{
    assert(below > 0);
    return splitmix(&s->test_chance.state) % below;
}

/* ---- logs ---- */

void sim_trace(struct sim *s, const char *who, const char *text)
{
    if (s->trace)
        fprintf(stderr, "%10.6f %-10s %s\n", (double)s->now_us / 1e6, who, text);
}

static void log_write(struct log *l, enum log_level level, const char *line)
{
    struct sim_process *p = container_of(l, struct sim_log, log)->process;

    (void)level;
    sim_trace(p->sim, p->name, line);
}

/* ---- events ---- */

void event_cancel(struct sim_event *e)
{
    if (e->link.next)
        list_remove(&e->link);
}

void event_schedule(struct sim *s, struct sim_event *e, uint64_t delay_us)
{
    struct list *before;

    event_cancel(e);
    before = s->events.previous; /* not `e` itself, which may have been the last */
    e->due_us = s->now_us + delay_us;
    while (before != &s->events && container_of(before, struct sim_event, link)->due_us > e->due_us)
        before = before->previous;
    list_append(before->next, &e->link);
}

static struct sim_event *event_next(struct sim *s)
{
    return list_empty(&s->events) ? NULL : container_of(s->events.next, struct sim_event, link);
}

/* ---- work and mail ---- */

struct work_event {
    struct sim_event event;
    struct work *work;
    bool was_run;
};

static void work_fires(struct sim_event *e)
{
    struct work_event *we = container_of(e, struct work_event, event);
    struct work *work = we->work;

    if (!we->was_run) {
        struct sim *s = e->process->sim;

        we->was_run = true;
        work->run(work);
        event_schedule(s, e, world_delay(s, 1, 50));
        return;
    }
    free(we);
    work->done(work);
}

static void work_dropped(struct sim_event *e)
{
    struct work_event *we = container_of(e, struct work_event, event);

    sim_abandon(e->process->sim, we->work);
    free(we);
}

static void world_work(struct env *e, struct work *work)
{
    struct sim_process *p = process_of(e);
    struct work_event *we = calloc(1, sizeof *we);

    assert(we);
    we->work = work;
    we->event.process = p;
    we->event.fire = work_fires;
    we->event.drop = work_dropped;
    event_schedule(p->sim, &we->event, world_delay(p->sim, 10, 2000));
}

static void mail_fires(struct sim_event *e)
{
    struct sim_process *p = e->process;
    struct mail *m = p->mail_first;

    p->mail_first = m->next;
    if (p->mail_first)
        event_schedule(p->sim, e, world_delay(p->sim, 0, 5));
    m->opened(m);
}

static void world_mail(struct env *to, struct mail *m)
{
    struct sim_process *p = process_of(to);

    if (p->dead) /* it opens nothing any more */
        return;
    m->next = NULL;
    if (p->mail_first) {
        p->mail_last->next = m;
    } else {
        p->mail_first = m;
        event_schedule(p->sim, &p->mail_event, world_delay(p->sim, 1, 20));
    }
    p->mail_last = m;
}

/* ---- processes ---- */

static const struct env_ops world_ops = {
    .disk_open = world_disk_open,
    .listen = world_listen,
    .unlisten = world_unlisten,
    .connect = world_connect,
    .adopt = world_adopt,
    .discard = world_discard,
    .work = world_work,
    .mail = world_mail,
};

static void process_set_now(struct sim_process *p)
{
    p->env.clock.now_us = p->sim->now_us;
    p->env.tasks.now_us = p->sim->now_us;
}

struct env *sim_env(struct sim *s, const char *name)
{
    struct sim_process *p = calloc(1, sizeof *p);

    assert(p);
    p->sim = s;
    p->whole = p;
    snprintf(p->name, sizeof p->name, "%s", name);
    chance_seed(&p->chance, splitmix(&s->chance.state));
    p->log = (struct sim_log){
        .log = {.write = log_write, .least = s->trace ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR},
        .process = p};
    list_init(&p->handles);
    list_init(&p->ends);
    list_init(&p->listeners);
    p->mail_event.process = p;
    p->mail_event.fire = mail_fires;
    p->env.ops = &world_ops;
    p->env.chance = &p->chance.chance;
    p->env.log = &p->log.log;
    task_queue_init(&p->env.tasks);
    if (clock_open(&p->env.clock, TIMERS_MAX))
        abort();
    process_set_now(p);
    list_append(&s->living, &p->link);
    return &p->env;
}

struct env *sim_env_beside(struct sim *s, struct env *e, const char *name)
{
    struct env *beside = sim_env(s, name);

    process_of(beside)->whole = process_of(e)->whole;
    return beside;
}

static void bury(struct sim_process *p)
{
    struct sim *s = p->sim;
    enum sim_death death = p->whole->death;

    sim_trace(s, p->name, death == SIM_KILLED ? "is killed" : "loses power");
    disks_of_dead(p, death);
    net_of_dead(p);
    list_for_each_safe(l, &s->events) {
        struct sim_event *e = container_of(l, struct sim_event, link);

        if (e->process != p)
            continue;
        event_cancel(e);
        if (e->drop)
            e->drop(e);
    }
    p->dead = true;
    list_remove(&p->link);
    list_append(&graveyard, &p->link);
}

void sim_crash(struct sim *s, struct env *e, enum sim_death death)
{
    struct sim_process *p = process_of(e);

    assert(p->sim == s);
    assert(!p->dead);
    p->whole->death = death;
    list_for_each_safe(l, &s->living) {
        struct sim_process *thread = container_of(l, struct sim_process, link);

        if (thread->whole == p->whole)
            bury(thread);
    }
}

void sim_crash_around_io(struct sim *s, struct env *e, struct sim_point at, enum sim_death death)
{
    struct sim_process *p = process_of(e)->whole;

    assert(p->sim == s);
    assert(at.io > 0);
    p->crash_at = p->io_count + at.io;
    p->moment = at.moment;
    p->death = death;
}

void sim_crash_at_io(struct sim *s, struct env *e, uint64_t n, enum sim_death death)
{
    sim_crash_around_io(s, e, (struct sim_point){n, SIM_BEFORE}, death);
}

bool process_issues(struct sim_process *thread)
{
    struct sim_process *p = thread->whole;

    p->io_count++;
    if (p->io_count == p->crash_at && p->moment == SIM_BEFORE)
        p->dying = true;
    return !p->dying;
}

bool process_has_issued(struct sim_process *thread)
{
    struct sim_process *p = thread->whole;

    if (p->io_count != p->crash_at)
        return false;
    if (p->moment == SIM_DURING)
        p->dying = true;
    return p->moment == SIM_AFTER;
}

void process_dies(struct sim_process *p)
{
    p->whole->dying = true;
}

uint64_t sim_io_count(const struct env *e)
{
    return container_of(e, const struct sim_process, env)->whole->io_count;
}

bool sim_dead(const struct env *e)
{
    const struct sim_process *p = container_of(e, const struct sim_process, env);

    return p->dead || process_dying(p);
}

void sim_abandon(struct sim *s, void *root)
{
    (void)s;
    if (abandoned_count == abandoned_max) {
        size_t max = abandoned_max ? abandoned_max * 2 : 64;
        void **more = realloc(abandoned, max * sizeof *abandoned);

        assert(more);
        abandoned = more;
        abandoned_max = max;
    }
    abandoned[abandoned_count++] = root;
}

/* ---- time ---- */

static void bury_the_dying(struct sim *s)
{
    list_for_each_safe(l, &s->living) {
        struct sim_process *p = container_of(l, struct sim_process, link);

        if (process_dying(p))
            bury(p);
    }
}

/* How many steps there were. */
static uint32_t run_tasks_of(struct sim_process *p)
{
    uint32_t steps = 0;

    while (!process_dying(p) && task_queue_run(&p->env.tasks, 1) > 0) {
        steps++;
        assert(steps < STEPS_MAX);
    }
    return steps;
}

/* Until nobody has anything ready: a task may make another's ready. */
static void run_tasks(struct sim *s)
{
    uint32_t rounds = 0;
    uint32_t steps;

    do {
        steps = 0;
        list_for_each(l, &s->living)
            steps += run_tasks_of(container_of(l, struct sim_process, link));
        rounds++;
        assert(rounds < STEPS_MAX);
    } while (steps > 0);
}

static void set_now(struct sim *s, uint64_t us)
{
    s->still = us == s->now_us ? s->still + 1 : 0;
    assert(s->still < STILL_TURNS_MAX);
    s->now_us = us;
    list_for_each(l, &s->living)
        process_set_now(container_of(l, struct sim_process, link));
}

/* Whose timers are due first; NULL: nobody's run. */
static struct sim_process *first_timer(struct sim *s, uint64_t *ret_due)
{
    struct sim_process *first = NULL;

    *ret_due = UINT64_MAX;
    list_for_each(l, &s->living) {
        struct sim_process *p = container_of(l, struct sim_process, link);
        uint64_t due = clock_next_us(&p->env.clock);

        if (due < *ret_due) {
            *ret_due = due;
            first = p;
        }
    }
    return first;
}

/* One turn; false: nothing is due until `deadline`, which it is now. */
static bool turn(struct sim *s, uint64_t deadline)
{
    struct sim_event *e;
    struct sim_process *timers;
    uint64_t timers_due;
    uint64_t due;

    run_tasks(s);
    bury_the_dying(s);
    e = event_next(s);
    timers = first_timer(s, &timers_due);
    due = e ? min_u64(e->due_us, timers_due) : timers_due;
    if (due > deadline) {
        set_now(s, deadline);
        return false;
    }
    set_now(s, max_u64(due, s->now_us));
    if (e && e->due_us <= timers_due) {
        event_cancel(e);
        e->fire(e);
    } else {
        clock_fire(&timers->env.clock);
    }
    run_tasks(s); /* so that whoever asks after this turn sees all that it did */
    bury_the_dying(s);
    return true;
}

bool sim_run_until(struct sim *s, bool (*is_true)(void *), void *arg, uint64_t bound_us)
{
    uint64_t deadline = s->now_us + bound_us;

    while (!is_true(arg))
        if (!turn(s, deadline)) {
            run_tasks(s);
            return is_true(arg);
        }
    return true;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

void sim_run_for(struct sim *s, uint64_t us)
{
    (void)sim_run_until(s, never, NULL, us);
}

void sim_jump(struct sim *s, uint64_t us)
{
    set_now(s, s->now_us + us);
}

uint64_t sim_now_us(const struct sim *s)
{
    return s->now_us;
}

/* ---- the world ---- */

struct sim *sim_open(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof *s);

    assert(s);
    chance_seed(&s->chance, seed);
    chance_seed(&s->test_chance, splitmix(&s->chance.state));
    list_init(&s->events);
    list_init(&s->living);
    list_init(&s->disks);
    list_init(&s->pairs);
    s->now_us = 1000000 + world_draw(s, 1000000);
    s->next_port = 10000;
    s->trace = getenv("SIM_TRACE") != NULL;
    return s;
}

void sim_close(struct sim *s)
{
    struct list *l;

    if (!s)
        return;
    net_free(s);
    while ((l = list_take(&s->events))) {
        struct sim_event *e = container_of(l, struct sim_event, link);

        if (e->drop)
            e->drop(e);
    }
    disks_free(s);
    while ((l = list_take(&s->living))) {
        struct sim_process *p = container_of(l, struct sim_process, link);

        clock_close(&p->env.clock);
        free(p);
    }
    free(s);
}
