/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/window.c — CmdSN, ExpCmdSN, MaxCmdSN (RFC 7143 4.2.2.1).
 *
 * The window is the memory we have and the work that the block does (unit_share): each session gets
 * slots up to its share of both.  What a session does not use is the others', so the shares of the
 * moment count those sessions alone that have commands.  MaxCmdSN never shrinks: a window that is
 * wider than its share narrows by growing by one for every two commands that end, so that it moves
 * on as long as the block does.  Where that is too slow, because a wide window was granted to a
 * session that had been idle, and commands would outlive their deadline, new ones are told TASK SET
 * FULL.  Commands are delivered in order of CmdSN; one that comes before its turn is held.
 *
 * A window that stays shut would keep out pings, too (libiscsi's are not immediate): one that was
 * shut from one tick to the next opens by LATE_SLOTS for commands that are only told TASK SET FULL
 * (design 8).  They have memory of their own.  A full queue that moves is shut at most moments, and
 * stays as it is.
 *
 * Promise: W1 what is sure of live sessions, plus what they were granted beyond it, plus what ended
 *             sessions still use, plus slots_free, is limits.commands_max.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/target.h"

#include <assert.h>

/* What a session takes from the common stock. */
static uint32_t slots_taken(const struct session *s)
{
    return s->ended ? s->slots : max_u32(s->slots, s->target->slots_sure);
}

static void slots_set(struct session *s, uint32_t slots)
{
    uint32_t before = slots_taken(s);

    s->slots = slots;
    assert(s->target->slots_free + before >= slots_taken(s));
    s->target->slots_free += before - slots_taken(s);
    assert(s->target->slots_free <= s->target->limits.commands_max); /* W1 */
}

/* What it costs at most commands: one comparison. */
static void look(struct session *s)
{
    if (window_shut(s) != (s->shut_us != 0))
        metrics_window(s);
}

bool window_open(struct session *s, uint32_t cmd_sn)
{
    struct iscsi_target *t = s->target;

    if (t->slots_free < t->slots_sure)
        return false; /* ended sessions still have them: T2 */
    t->slots_free -= t->slots_sure;
    s->exp_cmd_sn = cmd_sn;
    s->max_cmd_sn = cmd_sn - 1;
    window_grow(s);
    return true;
}

/* What was granted and not used goes back; the caller sets `ended` before. */
void window_close(struct session *s)
{
    struct iscsi_target *t = s->target;
    uint32_t used = 0;

    assert(s->ended);
    list_for_each(l, &s->commands) {
        const struct command *c = container_of(l, struct command, link);

        used += c->has_slot && !c->immediate;
    }
    assert(used <= s->slots + s->late);
    metrics_window(s);
    s->late = used > s->slots ? used - s->slots : 0;
    t->slots_free += max_u32(s->slots, t->slots_sure) - (used - s->late);
    s->slots = used - s->late;
}

/* Of the memory: what is sure, and as much of the rest as every busy session can have. */
static uint32_t memory_share(const struct iscsi_target *t)
{
    uint32_t sure = t->slots_sure, rest = t->limits.commands_max - t->limits.sessions_max * sure;

    return sure + rest / max_u32(t->busy, 1);
}

static uint32_t width(const struct session *s)
{
    uint32_t width = min_u32(s->target->limits.window, memory_share(s->target));

    return s->unit ? min_u32(width, unit_share(s->unit)) : width;
}

/* How many slots more it may have by its share of memory and work. */
static uint32_t deserves(const struct session *s)
{
    uint32_t most;

    if (s->ended || s->slots >= s->target->limits.window)
        return 0;
    most = width(s);
    if (s->slots < most)
        return most - s->slots;
    return s->released >= 2;
}

static uint32_t grantable(const struct session *s)
{
    const struct iscsi_target *t = s->target;
    uint32_t others, shared, sure, wanted = deserves(s);

    if (wanted == 0)
        return 0;
    others = (t->limits.sessions_max - t->session_count) * t->slots_sure;
    shared = t->slots_free > others ? t->slots_free - others : 0;
    sure = t->slots_sure > s->slots ? t->slots_sure - s->slots : 0;
    return min_u32(wanted, sure + shared);
}

void window_grow(struct session *s)
{
    uint32_t grant = grantable(s);

    if (grant == 0)
        return;
    s->released = 0;
    slots_set(s, s->slots + grant);
    s->max_cmd_sn += grant;
    look(s);
}

bool window_shut(const struct session *s)
{
    return s->max_cmd_sn == s->exp_cmd_sn - 1;
}

/* MaxCmdSN never shrinks: shut now and no command since the last tick, so it was shut all along. */
bool window_open_late(struct session *s)
{
    bool moved = s->exp_cmd_sn != s->ticked_cmd_sn;

    s->ticked_cmd_sn = s->exp_cmd_sn;
    if (s->ended || s->leaving || !window_shut(s))
        return false;
    if (grantable(s) > 0)
        return true;
    if (s->late > 0 || moved)
        return false;
    s->late = LATE_SLOTS;
    s->max_cmd_sn += LATE_SLOTS;
    metric_add(&s->target->metrics.windows_opened_late, 1);
    look(s);
    return true;
}

void window_release(struct session *s)
{
    assert(s->slots + s->late > 0);
    if (s->late > 0)
        s->late--;
    else
        slots_set(s, s->slots - 1);
    s->released++;
}

void window_burden(struct command *c)
{
    struct session *s = c->session;

    c->burdens = true;
    if (s->burden++ > 0)
        return;
    s->unit->busy++;
    s->target->busy++;
}

void window_relieve(struct command *c)
{
    struct session *s = c->session;

    if (!c->burdens || --s->burden > 0)
        return;
    s->unit->busy--;
    s->target->busy--;
}

bool window_is_crowded(const struct session *s)
{
    return s->deadline_us > 0 && s->burden > unit_share(s->unit) &&
           unit_is_crowded(s->unit, s->deadline_us * 3 / 5, now_us(&s->target->env->clock));
}

/* 4.2.2.1: what is outside the window, or came before, is ignored in silence. */
bool window_admits(const struct session *s, uint32_t cmd_sn)
{
    if (!sn_not_after(s->exp_cmd_sn, cmd_sn) || !sn_not_after(cmd_sn, s->max_cmd_sn))
        return false;
    list_for_each(l, &s->held) {
        if (container_of(l, struct command, wait_link)->cmd_sn == cmd_sn)
            return false;
    }
    return true;
}

static void deliver(struct command *c)
{
    c->delivered = true;
    list_remove(&c->wait_link);
    task_run(&c->task);
}

static struct command *held_find(const struct session *s, uint32_t cmd_sn)
{
    list_for_each(l, &s->held) {
        struct command *c = container_of(l, struct command, wait_link);

        if (c->cmd_sn == cmd_sn)
            return c;
    }
    return NULL;
}

void window_arrived(struct command *c)
{
    struct session *s = c->session;

    if (c->immediate) {
        deliver(c);
        return;
    }
    if (c->cmd_sn != s->exp_cmd_sn) {
        list_append(&s->held, &c->wait_link);
        return;
    }
    while (c) {
        s->exp_cmd_sn++;
        deliver(c);
        c = held_find(s, s->exp_cmd_sn);
    }
    look(s);
}
