/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/gate.c — old commands (design 8): a write is handed on only while its session lives.
 *
 * Bytes of a session may come late: from a network that held them, from a host that stood still,
 * through a reactor that did.  Meanwhile their initiator may have come back as another session and
 * have written there itself; so what they ask for must not be done any more.  Whoever is suspected
 * answers a ping before its next command that changes anything is handed to the block:
 *
 *   a connection that brought nothing for OLD_US, asked when bytes come, and once more when a
 *     command is handed on.  That covers a reactor which stood still between two turns: no
 *     connection brings anything meanwhile.  One that stands still within a turn hands on what it
 *     has read; but then no newer session was served here either, and another primary is kept from
 *     harm by its epoch (P2).
 *   every older session of an initiator name that logs in to the same target with another ISID.
 *     It is pinged at once, and a ping from before does not count.
 *
 * While the ping is unanswered its reads, pings and functions are served as ever.  It ends after
 * 60 s of that, or after 5 s if a newer session of its name is logged in.
 *
 * Promise: G1 what a suspected session asks to change is not handed to the block before it has
 *             answered a ping that was sent after it became suspected.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/target.h"

#include <string.h>

#define SECOND_US     1000000ull
#define OLD_US        (3 * SECOND_US)  /* design 14 */
#define DEAD_US       (60 * SECOND_US) /* design 14 */
#define SUPERSEDED_US (5 * SECOND_US)

/* ---- suspicion ---- */

void gate_heard(struct connection *c, uint64_t now)
{
    if (now - c->received_us >= OLD_US)
        c->suspected = true;
}

static void ask_proof(struct connection *c)
{
    if (c->proof_asked_us > 0)
        return;
    c->proof_asked_us = now_us(&c->target->env->clock);
    if (c->proof_ttt == TAG_NONE) /* else the ping of an idle connection is on its way */
        nop_ping(c, true);
}

static bool same_initiator(const struct session *a, const struct session *b)
{
    return !a->discovery && strcmp(a->initiator, b->initiator) == 0 &&
           strcmp(a->target_name, b->target_name) == 0;
}

void gate_newer(struct session *newer)
{
    list_for_each(l, &newer->target->sessions) {
        struct session *s = container_of(l, struct session, link);

        if (s == newer || !s->connection || !same_initiator(s, newer))
            continue;
        s->connection->suspected = true;
        s->connection->proof_ttt = TAG_NONE;
        s->connection->proof_asked_us = 0;
        ask_proof(s->connection);
    }
}

/* ---- commands ---- */

void gate_ask(struct command *c)
{
    struct connection *connection = c->session->connection;

    if (connection && connection->suspected && scsi_changes(&c->scsi))
        ask_proof(connection);
}

bool gate_holds(struct command *c)
{
    struct connection *connection = c->session->connection;

    if (!connection)
        return false; /* it is about to be dropped */
    gate_heard(connection, now_us(&connection->target->env->clock));
    if (!connection->suspected || !scsi_changes(&c->scsi))
        return false;
    ask_proof(connection);
    if (!c->gated)
        metric_add(&connection->target->metrics.gated_writes, 1);
    c->gated = true;
    return true;
}

/* ---- proof ---- */

void gate_answered(struct connection *c, uint32_t ttt)
{
    if (c->proof_ttt == TAG_NONE || ttt != c->proof_ttt)
        return;
    metric_add(&c->target->metrics.pings_answered, 1);
    c->proof_ttt = TAG_NONE;
    c->proof_asked_us = 0;
    c->suspected = false;
    list_for_each(l, &c->session->commands) {
        struct command *held = container_of(l, struct command, link);

        if (held->gated)
            task_run(&held->task);
        held->gated = false;
    }
}

/* Sessions stand in the order of their logins. */
static bool is_superseded(const struct session *s)
{
    for (struct list *l = s->link.next; l != &s->target->sessions; l = l->next) {
        if (same_initiator(container_of(l, struct session, link), s))
            return true;
    }
    return false;
}

bool gate_is_over(const struct connection *c, uint64_t now)
{
    uint64_t asked = max_u64(c->proof_asked_us, c->listened_us); /* nobody answers in our pause */

    if (c->proof_asked_us == 0 || now - asked < SUPERSEDED_US)
        return false;
    return now - asked >= DEAD_US || is_superseded(c->session);
}
