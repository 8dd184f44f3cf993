/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/connection.c — a connection's life: half-open, full feature phase, ending, over.
 *
 * Half-open connections are bounded and each has a deadline (T2).  When their number is reached, a
 * new one takes the place of the oldest if that has had a second to log in, else it is closed: so
 * neither a flood of silent connections nor a thousand honest ones at once lock anybody out.
 *
 * An end has two steps: phase ENDING, after which nothing is read; and `closed` from the net, after
 * which the sender drops what is queued and the memory goes back.
 */
#include "iscsi-target/connection.h"

#include "iscsi-target/handover.h"
#include "iscsi-target/target.h"

#include <assert.h>
#include <string.h>

#define SECOND_US    1000000ull
#define ENDING_US    (5 * SECOND_US)
#define TICK_US      (SECOND_US / 2)  /* design 14: a window is shut for two of them at most */
#define LIFE_US      (2 * SECOND_US)  /* design 14: a busy connection shows life */
#define PING_IDLE_US (15 * SECOND_US) /* iscsi.md 3.2: an idle initiator is pinged */
#define TEXT_US      (5 * SECOND_US)  /* between two requests of one negotiation */
#define SILENT_US    (60 * SECOND_US) /* design 14: TCP without progress           */
#define PAUSE_US     (3 * SECOND_US)  /* a tick that comes so late                 */

/* ---- text buffers ---- */

/*
 * In full feature phase only a few may have one at a time, and each only while its negotiation goes
 * on: so that no logins are refused for want of one.
 */
static bool may_borrow(struct connection *c)
{
    if (c->phase == PHASE_LOGIN || c->text_borrowed)
        return true;
    if (c->target->texts_borrowed >= TEXTS_BORROWED_MAX)
        return false;
    c->target->texts_borrowed++;
    c->text_borrowed = true;
    return true;
}

bool connection_text_get(struct connection *c)
{
    if (!may_borrow(c))
        return false;
    c->text_us = now_us(&c->target->env->clock);
    c->text_spent = false;
    if (c->text)
        return true;
    c->text = pool_get(&c->target->text_pool);
    if (!c->text) {
        connection_text_put(c);
        return false;
    }
    text_clear(c->text);
    return true;
}

/* An answer that is under way still lies in it: then when the batch has left (N1). */
void connection_text_put(struct connection *c)
{
    c->text_busy = false;
    c->text_spent = c->text && c->sender.batch.under_way;
    if (c->text_spent)
        return;
    c->target->texts_borrowed -= c->text_borrowed;
    c->text_borrowed = false;
    if (c->text)
        pool_put(&c->target->text_pool, c->text);
    c->text = NULL;
}

void connection_batch_left(struct connection *c)
{
    if (c->text_spent)
        connection_text_put(c);
}

/* The initiator has our answer, and does not go on with its negotiation. */
static bool text_abandoned(const struct connection *c, uint64_t now)
{
    return c->text && !c->text_owner && now - c->text_us >= TEXT_US &&
           source_idle(&c->login.source);
}

/* ---- ending ---- */

static void leave_half_open(struct connection *c)
{
    if (!c->half_open)
        return;
    c->half_open = false;
    metric_set(&c->target->metrics.half_open, --c->target->half_open_count);
    list_remove(&c->link);
    list_append(&c->target->connections, &c->link);
}

static void ask_close(struct connection *c, bool flush)
{
    if (c->close_asked || !c->net)
        return;
    c->close_asked = true;
    net_close(c->net, flush);
}

void connection_end_now(struct connection *c)
{
    c->phase = PHASE_ENDING;
    leave_half_open(c);
    ask_close(c, false);
}

static void ending_too_long(struct timer *t)
{
    ask_close(container_of(t, struct connection, timer), false);
}

void connection_end_gently(struct connection *c)
{
    if (c->phase == PHASE_ENDING || !c->net)
        return;
    c->phase = PHASE_ENDING;
    leave_half_open(c);
    timer_start(&c->target->env->clock, &c->timer, ENDING_US, ending_too_long);
    task_run(&c->sender.task);
}

void connection_drained(struct connection *c)
{
    if (c->phase == PHASE_ENDING && sender_idle(c))
        ask_close(c, true);
    else if (c->phase == PHASE_MOVING && sender_idle(c))
        handover_go(c);
}

static void closed(struct net_conn *net, enum err err)
{
    struct connection *c = net->owner;

    (void)err; /* the session ends in any case: ErrorRecoveryLevel 0 */
    c->phase = PHASE_ENDING;
    c->net = NULL;
    timer_stop(&c->target->env->clock, &c->timer);
    if (c->session)
        session_end(c->session);
    task_run(&c->sender.task);
}

void connection_over(struct connection *c)
{
    struct iscsi_target *t = c->target;
    struct session *s = c->session;

    leave_half_open(c);
    handover_left(c);
    connection_text_put(c);
    list_remove(&c->link);
    explicit_bzero(&c->login.where, sizeof c->login.where);
    pool_put(&t->connection_pool, c);
    if (s)
        session_disconnected(s);
    target_settle(t);
}

/* ---- beginning ---- */

static void login_too_long(struct timer *t)
{
    connection_end_now(container_of(t, struct connection, timer));
}

static void received(struct net_conn *net, const uint8_t *bytes, uint32_t length)
{
    receive_bytes(net->owner, bytes, length);
}

static const struct net_events events = {.received = received, .closed = closed};

/* Room for one more half-open connection, if need be by ending the oldest. */
static bool half_open_room(struct iscsi_target *t)
{
    struct connection *oldest;

    if (t->half_open_count + t->letters < t->limits.half_open_max)
        return true;
    if (list_empty(&t->half_open))
        return false;
    oldest = container_of(t->half_open.next, struct connection, link);
    if (now_us(&t->env->clock) - oldest->opened_us < SECOND_US)
        return false;
    connection_end_now(oldest);
    return true;
}

static struct connection *connection_new(struct iscsi_target *t)
{
    struct connection *c = t->closing || !half_open_room(t) ? NULL : pool_get(&t->connection_pool);

    if (!c)
        metric_add(&t->metrics.connections_refused, 1);
    return c;
}

static uint64_t login_bound_us(const struct connection *c)
{
    uint64_t due = c->opened_us + c->target->limits.login_seconds_max * SECOND_US;

    return due - min_u64(due, now_us(&c->target->env->clock));
}

static void connection_begin_login(struct connection *c, struct iscsi_target *t, uint64_t opened_us)
{
    memset(c, 0, sizeof *c);
    c->target = t;
    c->phase = PHASE_LOGIN;
    c->half_open = true;
    c->opened_us = opened_us;
    c->received_us = now_us(&t->env->clock);
    parameters_init(&c->login.parameters);
    list_append(&t->half_open, &c->link);
    metric_set(&t->metrics.half_open, ++t->half_open_count);
    sender_start(c);
    timer_start(&t->env->clock, &c->timer, login_bound_us(c), login_too_long);
}

void connection_accept(struct iscsi_target *t, struct net_conn *net)
{
    struct connection *c = connection_new(t);

    if (!c) {
        net_close(net, false);
        return;
    }
    connection_begin_login(c, t, now_us(&t->env->clock));
    c->net = net;
    net->events = &events;
    net->owner = c;
}

struct connection *connection_adopt(struct iscsi_target *t, struct net_parcel *p,
                                    uint64_t opened_us)
{
    struct connection *c = connection_new(t);
    struct net_conn *net;

    if (!c) {
        net_discard(t->env, p);
        return NULL;
    }
    if (net_adopt(t->env, p, &events, c, &net)) {
        pool_put(&t->connection_pool, c);
        return NULL;
    }
    connection_begin_login(c, t, opened_us);
    c->net = net;
    return c;
}

/* ---- full feature phase ---- */

/*
 * iscsi.md 3.2: a window that stays shut opens for late commands; a busy connection that has sent
 * nothing for 2 s shows that we live; an idle one is pinged; one that brought nothing for a minute,
 * not even the answer to a ping, is dead.  Nobody pings in a discovery session (RFC 7143 4.3).
 */
static void show_life(struct connection *c, uint64_t now)
{
    if (c->phase != PHASE_FULL)
        return;
    if (now - c->received_us >= PING_IDLE_US && now - c->pinged_us >= PING_IDLE_US)
        nop_ping(c, true);
    else if (window_open_late(c->session) ||
             (!list_empty(&c->session->commands) && now - c->sender.sent_us >= LIFE_US))
        nop_ping(c, false);
}

/* A clock that jumps, or a reactor that stood still: nobody listened, so nobody was silent. */
static bool is_silent(struct connection *c, uint64_t now)
{
    bool stuck = sender_stuck(&c->sender, SILENT_US, now); /* at every tick: it compares */

    if (now - c->timer.due_us >= PAUSE_US)
        c->listened_us = now;
    return now - c->listened_us >= SILENT_US && (now - c->received_us >= SILENT_US || stuck);
}

static void tick(struct timer *t)
{
    struct connection *c = container_of(t, struct connection, timer);
    uint64_t now = now_us(&c->target->env->clock);

    if (is_silent(c, now)) {
        metric_add(&c->target->metrics.silent_ends, 1);
        connection_end_now(c);
        return;
    }
    if (gate_is_over(c, now)) {
        metric_add(&c->target->metrics.unproved_ends, 1);
        connection_end_now(c);
        return;
    }
    if (c->session->leaving && now >= c->session->leave_by_us) {
        session_expel(c->session);
        return;
    }
    if (text_abandoned(c, now))
        connection_text_put(c);
    if (c->session->unit)
        unit_measure(c->session->unit, now);
    deadline_look(c->session, now);
    show_life(c, now);
    timer_start(&c->target->env->clock, &c->timer, TICK_US, tick);
}

void connection_join(struct connection *c, struct session *s)
{
    leave_half_open(c);
    explicit_bzero(&c->login.where, sizeof c->login.where);
    c->session = s;
    c->suspected = false;
    c->proof_ttt = TAG_NONE;
    c->header_digest = s->parameters.header_digest;
    c->data_digest = s->parameters.data_digest;
    c->phase = s->discovery ? PHASE_DISCOVERY : PHASE_FULL;
    timer_start(&c->target->env->clock, &c->timer, TICK_US, tick);
}
