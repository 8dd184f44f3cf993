/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/drain.c — ends sessions and says when they are gone.
 *
 * Initiators may be given time to log out (session_leave).  A session that ends leaves at once what
 * it had not handed to the block; it is gone when the block has answered the rest and its
 * connection is closed.  Then the settle task looks who waits.
 */
#include "iscsi-target/portal.h"
#include "iscsi-target/target.h"

enum settle_state { WATCHING };

static bool drain_names(const struct iscsi_drain *d, const struct block *block,
                        struct identity attachment)
{
    return block == d->block &&
           (identity_none(d->attachment) || identity_equal(d->attachment, attachment));
}

static bool drain_wants(const struct iscsi_drain *d, const struct session *s)
{
    return drain_names(d, s->block, s->attachment);
}

static bool drain_finds(const struct iscsi_drain *d, const struct list *sessions)
{
    list_for_each(l, sessions) {
        if (drain_wants(d, container_of(l, struct session, link)))
            return true;
    }
    return false;
}

/* A login that another target has handed over holds what the directory said before (T5). */
static void drain_logins(struct iscsi_target *t, const struct iscsi_drain *d)
{
    list_for_each_safe(l, &t->half_open) {
        struct connection *c = container_of(l, struct connection, link);
        const struct directory_answer *where = &c->login.where;

        if (c->login.handed && drain_names(d, where->block, where->attachment))
            connection_end_now(c);
    }
}

static void drains_look(struct iscsi_target *t)
{
    list_for_each_safe(l, &t->drains) {
        struct iscsi_drain *d = container_of(l, struct iscsi_drain, link);

        if (drain_finds(d, &t->sessions) || drain_finds(d, &t->ended))
            continue;
        list_remove(&d->link);
        d->done(d);
        task_run(&t->settle); /* it may have changed the list: look again */
        return;
    }
}

static bool all_gone(const struct iscsi_target *t)
{
    return list_empty(&t->half_open) && list_empty(&t->connections) && list_empty(&t->sessions) &&
           list_empty(&t->ended) && t->letters == 0;
}

static enum task_next settle_step(struct task *task)
{
    struct iscsi_target *t = container_of(task, struct iscsi_target, settle);

    drains_look(t);
    if (t->closing && all_gone(t) && list_empty(&t->drains))
        return TASK_DONE;
    return TASK_WAIT;
}

static void settle_done(struct task *task)
{
    struct iscsi_target *t = container_of(task, struct iscsi_target, settle);

    t->closing->done(t->closing);
}

static const struct task_state settle_states[] = {[WATCHING] = {"watching", TASK_FIRST}};

static const struct task_kind settle_kind = {
    .name = "iscsi target",
    .step = settle_step,
    .done = settle_done,
    .states = settle_states,
    .state_count = array_length(settle_states),
};

void settle_start(struct iscsi_target *t)
{
    task_start(&t->settle, &settle_kind, &t->env->tasks, WATCHING);
}

void target_settle(struct iscsi_target *t)
{
    task_run(&t->settle);
}

void iscsi_target_drain(struct iscsi_target *t, struct iscsi_drain *d)
{
    list_append(&t->drains, &d->link);
    list_for_each_safe(l, &t->sessions) {
        struct session *s = container_of(l, struct session, link);

        if (!drain_wants(d, s))
            continue;
        session_leave(s, d->logout_seconds);
    }
    drain_logins(t, d);
    target_settle(t);
}

uint32_t iscsi_target_sessions(const struct iscsi_target *t, struct identity attachment)
{
    uint32_t count = 0;

    list_for_each(l, &t->sessions) {
        const struct session *s = container_of(l, struct session, link);

        count += !s->discovery && identity_equal(s->attachment, attachment);
    }
    return count;
}

static void end_all(struct list *connections, uint16_t logout_seconds)
{
    list_for_each_safe(l, connections) {
        struct connection *c = container_of(l, struct connection, link);

        if (c->session)
            session_leave(c->session, logout_seconds);
        else
            connection_end_gently(c);
    }
}

void iscsi_target_close(struct iscsi_target *t, struct iscsi_close *c)
{
    t->closing = c;
    portals_close(t);
    end_all(&t->connections, c->logout_seconds);
    end_all(&t->half_open, 0);
    target_settle(t);
}
