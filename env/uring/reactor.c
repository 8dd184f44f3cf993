/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/reactor.c — the loop: what came is run, then we wait for more.
 *
 * A turn: read the clock, open mail, run the completions that were copied from the ring, fire
 * timers, step tasks, prepare the writes that could wait; then submit and wait in one system call.
 * Within a turn every few requests are submitted without waiting (ring.c), so that devices work
 * while the turn goes on.
 *
 * Waiting is always blocked in the kernel, never a spin: an idle reactor makes no turns at all.
 * (Design 7 allows a short spin while reads are expected; a spin while a sync is under way would
 * starve the kernel thread that completes it.)  docs/decisions/0002-the-ring.md has the reasons.
 *
 * Promises: R1 nothing completes inside its own submission: handlers run from turn() alone.
 *           R2 a ring of the bell after the mailbox was emptied ends the wait that follows.
 */
#include "env/uring/parts.h"

#include <assert.h>
#include <inttypes.h>
#include <time.h>

#define STEPS_PER_TURN                                                                             \
    512u /* of tasks; what is left is stepped in the next turn, which does not wait */

METRICS_TABLE(reactor_metric_table, reactor_metrics, "reactor", REACTOR_METRICS);

/* ---- the turn ---- */

static uint64_t boottime_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void dispatch(struct reactor *r, const struct completion *c)
{
    switch (c->kind) {
    case RING_WAKE:
        mailbox_rang(&r->mailbox, c);
        return;
    case RING_DISK:
        uring_disk_answered(c);
        return;
    case RING_ACCEPT:
        uring_accepted(c);
        return;
    case RING_CONNECT:
        connection_connected(c);
        return;
    case RING_RECEIVE:
        connection_received(c);
        return;
    case RING_SEND: /* sends_first() */
        return;
    case RING_CANCEL:
        connection_cancelled(c);
        return;
    }
    unreachable();
}

/* Sends that failed or had to wait have a completion; those without one are done then: before
 * anything else is heard of, so that it finds what they had. */
static void sends_first(struct reactor *r)
{
    for (uint32_t i = 0; i < r->ring.count; i++)
        if (r->ring.completions[i].kind == RING_SEND)
            connection_sent(&r->ring.completions[i]);
    if (!r->ring.withheld)
        connections_sent_silently(r);
}

static void turn(struct reactor *r)
{
    const struct completion *c;

    r->env.clock.now_us = r->env.tasks.now_us = boottime_us();
    mailbox_empty(&r->mailbox);
    ring_collect(&r->ring);
    sends_first(r);
    while ((c = ring_next(&r->ring)))
        dispatch(r, c);
    clock_fire(&r->env.clock);
    task_queue_run(&r->env.tasks, STEPS_PER_TURN);
    uring_disk_turn_ends(r);
    mailbox_listen(&r->mailbox, &r->ring);
}

/* The watchdog: whoever is served here waited for the whole of a turn (iscsi.md 3.2, 12). */
static void turn_took(struct reactor *r, uint64_t us)
{
    struct reactor_metrics *m = &r->metrics;

    metric_add(&m->turns, 1);
    metric_set(&m->enters, r->ring.enters);
    metric_record(&m->turn_seconds, us);
    if (us > metric_get(&m->longest_turn_seconds))
        metric_set(&m->longest_turn_seconds, us);
    if (us <= REACTOR_LONG_TURN_US)
        return;
    metric_add(&m->long_turns, 1);
    log_event(r->env.log, LOG_LEVEL_WARN, "reactor", "turn_long", "ms=%" PRIu64, us / 1000);
}

/* 0: there is work; UINT64_MAX: only a completion can bring some. */
static uint64_t wait_allowed_us(const struct reactor *r, uint64_t now)
{
    uint64_t due;

    if (!list_empty(&r->env.tasks.ready) || !connections_can_wait(r))
        return 0;
    due = clock_next_us(&r->env.clock);
    if (due == UINT64_MAX)
        return due;
    return due > now ? due - now : 0;
}

void reactor_run(struct reactor *r)
{
    uint64_t now;

    assert(reactor_here(r));
    r->bound = true;
    r->thread = pthread_self();
    ring_enter_thread(&r->ring);
    r->env.clock.now_us = r->env.tasks.now_us = boottime_us();
    while (!atomic_exchange(&r->stopping, false)) {
        turn(r);
        now = boottime_us();
        turn_took(r, now - r->env.clock.now_us);
        ring_wait(&r->ring, wait_allowed_us(r, now));
    }
    ring_leave_thread(&r->ring);
}

void reactor_stop(struct reactor *r)
{
    atomic_store(&r->stopping, true);
    mailbox_ring(&r->mailbox);
}

uint64_t reactor_turns(const struct reactor *r)
{
    return metric_get(&r->metrics.turns);
}

const struct reactor_metrics *reactor_metrics(const struct reactor *r)
{
    return &r->metrics;
}

bool reactor_here(const struct reactor *r)
{
    return !r->bound || pthread_equal(r->thread, pthread_self());
}

/* ---- the env ---- */

static void uring_work(struct env *e, struct work *work)
{
    assert(reactor_here(reactor_of(e)));
    workers_start(&reactor_of(e)->workers, work);
}

static void uring_mail(struct env *e, struct mail *letter)
{
    mailbox_put(&reactor_of(e)->mailbox, letter);
}

static const struct env_ops uring_ops = {
    .disk_open = uring_disk_open,
    .listen = uring_listen,
    .unlisten = uring_unlisten,
    .connect = uring_connect,
    .adopt = uring_adopt,
    .discard = uring_discard,
    .work = uring_work,
    .mail = uring_mail,
};

struct env *reactor_env(struct reactor *r)
{
    return &r->env;
}

/* ---- opening and closing ---- */

struct reactor_config reactor_config_default(void)
{
    return (struct reactor_config){
        .ring_entries = 256,
        .timers_max = 4096,
        .connections_max = 512,
        .receive_buffers = 256,
        .receive_bytes = 32768,
        .workers = 2,
    };
}

/* What can fail, in the order in which close() undoes it backwards. */
static enum err parts_open(struct reactor *r, const struct reactor_config *config,
                           const char **reterr_text)
{
    uint32_t timers = config->timers_max + config->connections_max + LISTENERS_MAX;
    enum err err;

    err = ring_open(&r->ring, config->ring_entries, reterr_text);
    if (err)
        return err;
    err =
        receive_buffers_open(&r->buffers, &r->ring, config->receive_buffers, config->receive_bytes);
    if (err == E_UNSUPPORTED)
        *reterr_text = "io_uring: no rings of provided buffers; Linux 6.1 or newer is needed";
    else
        *reterr_text = "reactor: not enough memory for buffers, timers and connections";
    if (err)
        return err;
    err = clock_open(&r->env.clock, timers);
    if (err)
        return err;
    err = pool_open(&r->connections, "connections", sizeof(struct connection), 64,
                    config->connections_max);
    if (err)
        return err;
    *reterr_text = "reactor: no eventfd";
    err = mailbox_open(&r->mailbox);
    if (err)
        return err;
    *reterr_text = "reactor: no threads for the workers (TasksMax=, `ulimit -u`)";
    return workers_open(&r->workers, config->workers, &r->mailbox);
}

enum err reactor_open(const struct reactor_config *config, struct log *log, struct reactor **ret,
                      const char **reterr_text)
{
    struct reactor *r = calloc(1, sizeof *r);
    enum err err;

    if (!r) {
        *reterr_text = "reactor: not enough memory";
        return E_NO_MEMORY;
    }
    r->env.ops = &uring_ops;
    r->env.log = log;
    r->env.chance = &system_chance;
    r->mailbox.bell = -1;
    list_init(&r->listeners);
    list_init(&r->late_writes);
    list_init(&r->silent);
    task_queue_init(&r->env.tasks);
    atomic_init(&r->stopping, false);
    err = parts_open(r, config, reterr_text);
    if (err) {
        reactor_close(r);
        return err;
    }
    r->env.clock.now_us = r->env.tasks.now_us = boottime_us();
    *ret = r;
    return E_OK;
}

uint64_t reactor_bytes(const struct reactor *r)
{
    return sizeof *r + ring_bytes(&r->ring) + pool_bytes(&r->connections) +
           (uint64_t)r->buffers.count * (r->buffers.bytes_each + sizeof(struct io_uring_buf)) +
           (uint64_t)r->env.clock.max * sizeof(struct timer *);
}

void reactor_close(struct reactor *r)
{
    if (!r)
        return;
    assert(r->disk_count == 0);
    workers_close(&r->workers);
    ring_close(&r->ring);
    listeners_close(r);
    receive_buffers_close(&r->buffers);
    mailbox_close(&r->mailbox);
    if (r->connections.memory)
        pool_close(&r->connections);
    clock_close(&r->env.clock);
    free(r);
}
