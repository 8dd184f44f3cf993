/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/task_management.c — aborts and resets (RFC 7143 11.5, 11.6; SAM-5 7).
 *
 * All are answered at once, whatever the block does: what it does not have yet is dropped; what it
 * has runs on under its blocks, which every later read and write waits for, so that nobody can see
 * it come late (P6), and its response is suppressed.  A reset tells every nexus by a unit
 * attention, its own too (SAM-5 6.3.3).
 *
 * Whoever asks knows that its own commands are gone.  Other sessions would learn it from the unit
 * attention of their next command, which may never come: an initiator without timers waits for the
 * answers (iscsi.md 3.2).  So theirs are told BUSY, as at a deadline: all ask again then, and meet
 * the attention.  TASK ABORTED (TAS 1) would be an error to a guest of QEMU.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/pdu.h"
#include "iscsi-target/target.h"

/* The one logical unit, in peripheral or flat space addressing (SAM-5 4.7). */
static bool lun_is_ours(const struct command *c)
{
    uint64_t lun = be64_get(c->bhs.task_management.lun);

    return lun == 0 || lun == 1ull << 62;
}

/* An immediate function has the CmdSN of the command that follows it, which may be here already. */
static bool is_behind(const struct command *c, const struct command *function)
{
    return c->session == function->session && sn_not_after(function->cmd_sn, c->cmd_sn);
}

/* Its last PDU is made, and may be under way. */
static bool is_answered(const struct command *c)
{
    return c->task.state > ANSWER || (c->task.state == ANSWER && !c->source.queued);
}

/* Every SCSI command of its session that came before the function, an immediate one by when it
 * arrived, any other by its CmdSN. */
static void drop_tasks(const struct command *function)
{
    struct session *s = function->session;
    bool arrived_behind = false;

    list_for_each(l, &s->commands) {
        struct command *c = container_of(l, struct command, link);

        arrived_behind |= c == function;
        if (!command_is_scsi(c) || c->dropped || is_answered(c) ||
            (c->immediate ? arrived_behind : is_behind(c, function)))
            continue;
        command_drop(c);
    }
}

/* BUSY for every command of another session that has had its turn, and is not as good as answered;
 * whether there was one. */
static bool turn_away(struct session *s)
{
    bool any = false;

    if (s->leaving) /* nothing ends with an error, and it ends soon */
        return false;
    list_for_each(l, &s->commands) {
        if (!command_expire(container_of(l, struct command, link)))
            continue;
        metric_add(&s->target->metrics.turned_away, 1);
        any = true;
    }
    return any;
}

/*
 * 11.6.1: a task that is not there is either done, or its command was lost on the way; then its
 * CmdSN counts as received.
 */
static uint8_t abort_task(struct command *c)
{
    const struct bhs_task_management *h = &c->bhs.task_management;
    struct session *s = c->session;
    struct command *task = session_find(s, be32_get(h->referenced_task_tag));
    uint32_t ref_cmd_sn = be32_get(h->ref_cmd_sn);

    if (task && command_is_scsi(task)) {
        command_drop(task);
        return TMF_COMPLETE;
    }
    if (!window_admits(s, ref_cmd_sn) || !sn_not_after(ref_cmd_sn + 1, c->cmd_sn))
        return TMF_NO_TASK;
    command_plug(s, ref_cmd_sn);
    return TMF_COMPLETE;
}

static void reset_unit(struct command *c, enum scsi_attention attention)
{
    struct session *own = c->session;

    list_for_each(l, &own->target->sessions) {
        struct session *s = container_of(l, struct session, link);

        if (s->block != own->block)
            continue;
        if (s == own)
            drop_tasks(c);
        else
            turn_away(s);
        scsi_nexus_attention(&s->nexus, attention);
    }
}

/* The task set is the logical unit's (TST 000b): whoever loses a command to another is told. */
static void clear_task_set(struct command *c)
{
    struct session *own = c->session;

    drop_tasks(c);
    list_for_each(l, &own->target->sessions) {
        struct session *s = container_of(l, struct session, link);

        if (s != own && s->block == own->block && turn_away(s))
            scsi_nexus_attention(&s->nexus, SCSI_UA_CLEARED);
    }
}

/* Every session of the target ends; ours behind the response. */
static void reset_cold(struct command *c)
{
    struct session *own = c->session;

    reset_unit(c, SCSI_UA_POWER_ON);
    list_for_each_safe(l, &own->target->sessions) {
        struct session *s = container_of(l, struct session, link);

        if (s->block != own->block || !s->connection)
            continue;
        if (s != own)
            async_drop(s->connection);
        connection_end_gently(s->connection);
    }
}

static uint8_t perform_on_unit(struct command *c, uint8_t function)
{
    if (!lun_is_ours(c))
        return TMF_NO_LUN;
    switch (function) {
    case TMF_ABORT_TASK:
        return abort_task(c);
    case TMF_ABORT_TASK_SET:
        drop_tasks(c);
        return TMF_COMPLETE;
    case TMF_CLEAR_TASK_SET:
        clear_task_set(c);
        return TMF_COMPLETE;
    case TMF_LOGICAL_UNIT_RESET:
        reset_unit(c, SCSI_UA_UNIT_RESET);
        return TMF_COMPLETE;
    default:
        return TMF_NOT_SUPPORTED;
    }
}

static uint8_t perform(struct command *c)
{
    uint8_t function = c->bhs.task_management.function & (uint8_t)~FLAG_FINAL;

    switch (function) {
    case TMF_TARGET_WARM_RESET:
        reset_unit(c, SCSI_UA_TARGET_RESET);
        return TMF_COMPLETE;
    case TMF_TARGET_COLD_RESET:
        reset_cold(c);
        return TMF_COMPLETE;
    case TMF_TASK_REASSIGN:
        return TMF_NO_REASSIGN;
    default:
        return perform_on_unit(c, function);
    }
}

static enum task_next task_management_act(struct command *c)
{
    c->response = perform(c);
    return command_answer(c);
}

static bool task_management_answer(struct command *c, struct pdu_out *ret)
{
    struct bhs_task_management_response *h = &ret->bhs.task_management_response;

    h->opcode = TASK_MANAGEMENT_RESPONSE;
    h->flags = FLAG_FINAL;
    h->response = c->response;
    ret->bhs.any.initiator_task_tag = be32_of(c->itt);
    ret->stat_sn = STAT_SN_TAKEN;
    metrics_waited(c, &c->session->target->metrics.tmf_seconds);
    return false;
}

static const struct command_kind task_management_kind = {.name = "task management",
                                                         .urgent = true,
                                                         .act = task_management_act,
                                                         .answer = task_management_answer};

bool task_management_begin(struct connection *c)
{
    return command_begin(c, &task_management_kind) != NULL;
}
