/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/deadline.c — no command is silent past the deadline of its attachment (design 8).
 *
 * A kernel initiator gives up a command after 30 s, and then its session; one that was told BUSY
 * asks again.  So whatever has not been answered by the deadline, counted from when its PDU came,
 * is told BUSY, wherever it waits: for memory, for data, for its turn at the block, for the block.
 *
 * What the block has runs on under its blocks (P6) with all its memory; its answer is suppressed
 * (state LATE).  It keeps its slot meanwhile: it is work that was not done, and the window is
 * narrower by it.  A long command begins no further request, and a read is not held any longer for
 * a disk that reads nothing (block.h: unwanted).
 *
 * Without a deadline only those are told BUSY whose data was asked for and does not come: what an
 * initiator holds without doing anything for it comes back.
 *
 * One look a tick suffices: a session's commands stand in the order in which they came.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/target.h"

#define DATA_US (60ull * 1000 * 1000) /* design 14: without progress */

/* Not before its turn: an answer acknowledges its CmdSN and all before it.  Nor when the block has
 * answered: its step comes in this turn, and tells that. */
static bool may_expire(const struct command *c)
{
    return command_is_scsi(c) && c->delivered && !c->dropped && !c->expired && !c->performed &&
           c->task.state < ANSWER;
}

static bool is_due(const struct command *c, uint64_t now)
{
    uint64_t deadline = c->session->deadline_us;

    return (deadline > 0 && now - c->task.started_us >= deadline) ||
           (c->task.state == GATHER && now - c->data_us >= DATA_US);
}

bool command_expire(struct command *c)
{
    if (!may_expire(c))
        return false;
    c->expired = true;
    send_cancel(&c->source); /* R2Ts that were not sent yet */
    if (c->task.state == PERFORMING)
        command_runs_on(c);
    task_run(&c->task);
    return true;
}

void deadline_look(struct session *s, uint64_t now)
{
    if (s->leaving) /* nothing ends with an error, and it ends soon */
        return;
    list_for_each(l, &s->commands) {
        struct command *c = container_of(l, struct command, link);

        if (is_due(c, now) && command_expire(c))
            metric_add(&s->target->metrics.expired, 1);
    }
}
