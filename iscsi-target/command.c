/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/command.c — a command's life, from its PDU to its last byte on the wire.
 *
 * Comes from receive.c (command_begin, command_end) and window.c (delivered in order); a SCSI
 * command goes to scsi/ and through it to the block; the answer goes to send.c.
 *
 * What can go wrong:
 *   no memory, data came along      TASK SET FULL; its data is discarded
 *   no memory, no data yet          the R2T is withheld until a payload comes back
 *   no memory for what it reads     it waits, too: memory goes round (memory.c)
 *   no memory for a scratch         TASK SET FULL if it holds data-out: others may wait for that
 *   dropped before the block has it it ends at once, its CmdSN counts as received
 *   dropped when the block has it   it runs on, unseen (C2)
 *   its deadline is over            BUSY; what the block has runs on in LATE (deadline.c)
 *   another session resets          the same (task_management.c)
 *   its session may be dead         what changes anything waits for a ping's answer (gate.c)
 *   its session is asked to leave   it waits unanswered, unless the block has it
 */
#include "iscsi-target/command.h"

#include "iscsi-target/target.h"

#include <assert.h>
#include <string.h>

/* ---- a slot ---- */

static void payload_clear(struct payload *p)
{
    p->count = p->bytes = 0;
    p->held = NULL;
}

/* All but the arrays of pieces, which are most of it: what counts them is zero. */
static void scsi_clear(struct scsi_command *s)
{
    memset(s, 0, offsetof(struct scsi_command, data_out));
    payload_clear(&s->data_out);
    memset(&s->status, 0,
           offsetof(struct scsi_command, data_in) - offsetof(struct scsi_command, status));
    payload_clear(&s->data_in);
    memset(&s->request, 0,
           offsetof(struct scsi_command, pieces) - offsetof(struct scsi_command, request));
}

static enum task_next command_step(struct task *t);
static void command_release(struct task *t);

static const struct task_state command_states[] = {
    [TURN] = {"turn", TASK_FIRST},
    [MEMORY] = {"memory", TASK_AFTER(TURN)},
    [GATHER] = {"gather", TASK_AFTER(TURN) | TASK_AFTER(MEMORY)},
    [PERFORM] = {"perform", TASK_AFTER(GATHER)},
    [PERFORMING] = {"performing", TASK_AFTER(PERFORM)},
    [ANSWER] = {"answer", TASK_AFTER(TURN) | TASK_AFTER(MEMORY) | TASK_AFTER(GATHER) |
                              TASK_AFTER(PERFORM) | TASK_AFTER(PERFORMING)},
    [LATE] = {"late", TASK_AFTER(ANSWER)},
    [OVER] = {"over", TASK_AFTER(TURN) | TASK_AFTER(MEMORY) | TASK_AFTER(GATHER) |
                          TASK_AFTER(PERFORM) | TASK_AFTER(PERFORMING) | TASK_AFTER(ANSWER) |
                          TASK_AFTER(LATE)},
};

static bool command_invariant(const struct task *t)
{
    const struct command *c = container_of(t, struct command, task);

    return c->scsi.data_out.bytes <= c->session->target->limits.transfer_bytes_max &&
           c->r2t_unsent <= c->r2t_count && c->r2t_count <= R2T_MAX; /* C1 */
}

static const struct task_kind command_task = {
    .name = "iscsi command",
    .step = command_step,
    .done = command_release,
    .invariant = command_invariant,
    .states = command_states,
    .state_count = array_length(command_states),
};

/* The answer's last PDU is made: its tag may be used again, and if memory allows, its slot. */
static void command_leaves(struct command *c)
{
    struct iscsi_target *t = c->session->target;

    list_remove(&c->itt_link);
    if (!c->has_slot || command_is_below(c) || t->leaving == target_sizes(&t->limits).leaving)
        return;
    t->leaving++;
    c->leaving = true;
    c->has_slot = false;
    if (c->immediate)
        c->session->immediates--;
    else
        window_release(c->session);
}

static bool command_next(struct source *source, struct pdu_out *ret)
{
    struct command *c = container_of(source, struct command, source);
    bool more;

    if (c->task.state != ANSWER)
        return r2t_next(c, ret);
    more = c->kind->answer(c, ret);
    if (!more)
        command_leaves(c);
    return more;
}

static void command_sent(struct source *source)
{
    task_run(&container_of(source, struct command, source)->task);
}

static void command_clear(struct command *c)
{
    memset(c, 0, offsetof(struct command, scsi));
    scsi_clear(&c->scsi);
    list_init(&c->link);
    list_init(&c->itt_link);
    list_init(&c->wait_link);
    list_init(&c->door_link);
    list_init(&c->source.link);
    c->source.next = command_next;
    c->source.sent = command_sent;
}

static struct command *command_new(struct session *s, const struct command_kind *kind)
{
    struct command *c = pool_get(&s->target->command_pool);

    if (!c)
        return NULL;
    command_clear(c);
    c->session = s;
    c->kind = kind;
    list_append(&s->commands, &c->link);
    task_start(&c->task, &command_task, &s->target->env->tasks, TURN);
    return c;
}

/* ---- it arrives ---- */

/* Why not, after the window has admitted it; 0: it may come. */
static uint8_t refused_because(const struct session *s, bool immediate, uint32_t itt)
{
    if (immediate && s->immediates >= IMMEDIATES_MAX)
        return REJECT_IMMEDIATE;
    if (itt != TAG_NONE && session_find(s, itt))
        return REJECT_TASK_IN_PROGRESS;
    return 0;
}

struct command *command_begin(struct connection *c, const struct command_kind *kind)
{
    const union bhs *h = c->receive.bhs;
    struct session *s = c->session;
    bool immediate = h->any.opcode & OPCODE_IMMEDIATE;
    uint32_t itt = bhs_itt(h), cmd_sn = be32_get(h->any.sn);
    struct command *command;
    uint8_t reason;

    if (!immediate && !window_admits(s, cmd_sn))
        return NULL;
    reason = refused_because(s, immediate, itt);
    command = reason ? NULL : command_new(s, kind);
    if (!command) {
        pdu_reject(c, reason ? reason : REJECT_OUT_OF_RESOURCES);
        return NULL;
    }
    memcpy(&command->bhs, h, sizeof command->bhs);
    command->itt = itt;
    command->cmd_sn = cmd_sn;
    command->immediate = immediate;
    command->has_slot = true;
    s->immediates += immediate;
    if (itt != TAG_NONE)
        list_append(&s->by_itt[itt % ITT_BUCKETS], &command->itt_link);
    c->receive.command = command;
    return command;
}

void command_end(struct connection *c)
{
    window_arrived(c->receive.command);
}

/*
 * What it was granted stays granted: it is not over, it never came.  Until it is gone it counts
 * with those that leave; where there are too many of these, the session ends.
 */
static void keep_grant(struct command *c)
{
    struct iscsi_target *t = c->session->target;

    if (c->immediate)
        return;
    if (t->leaving == target_sizes(&t->limits).leaving) {
        connection_end_gently(c->session->connection);
        return;
    }
    t->leaving++;
    c->leaving = true;
    c->has_slot = false;
}

void command_spoiled(struct connection *connection)
{
    struct command *c = connection->receive.command;

    pdu_reject(connection, REJECT_DATA_DIGEST);
    keep_grant(c);
    c->dropped = c->delivered = true;
    list_remove(&c->itt_link);
    task_run(&c->task);
}

/* Nothing to do: it only lets the CmdSN of a command that never came count as received. */
static const struct command_kind plug_kind = {.name = "plug", .act = command_over};

void command_plug(struct session *s, uint32_t cmd_sn)
{
    struct command *c = command_new(s, &plug_kind);

    if (!c)
        return;
    c->itt = TAG_NONE;
    c->cmd_sn = cmd_sn;
    c->has_slot = true;
    window_arrived(c);
}

/* ---- it goes ---- */

void command_runs_on(struct command *c)
{
    scsi_stop(&c->scsi);
    if (c->scsi.request.op == BLOCK_COMPARE_AND_WRITE)
        session_ask_anew(c->session);
}

void command_drop(struct command *c)
{
    c->dropped = true;
    list_remove(&c->itt_link);
    send_cancel(&c->source);
    if (c->task.state == PERFORMING)
        command_runs_on(c);
    order_look(c->session);
    task_run(&c->task);
}

static void slot_put(struct command *c)
{
    struct session *s = c->session;

    s->immediates -= c->has_slot && c->immediate;
    s->target->leaving -= c->leaving;
    if (!c->has_slot || c->immediate)
        return;
    window_release(s);
    if (!s->ended && s->connection && window_shut(s))
        nop_ping(s->connection, false); /* no other PDU may come to tell that it is open again */
}

static void command_release(struct task *task)
{
    struct command *c = container_of(task, struct command, task);
    struct session *s = c->session;
    struct iscsi_target *t = s->target;

    if (s->connection && s->connection->receive.command == c)
        receive_discard(s->connection);
    list_remove(&c->itt_link);
    list_remove(&c->link);
    payload_put(&t->buffers, &c->scsi.data_out);
    payload_put(&t->buffers, &c->scsi.data_in);
    if (!c->delivered)
        list_remove(&c->wait_link); /* of those that were held */
    order_end(c);
    if (s->unit)
        door_leave(c);
    window_relieve(c); /* the shares of those that wait for memory are wider */
    memory_leave(c);
    slot_put(c);
    if (c->kind->over && s->connection)
        c->kind->over(c);
    if (s->logout == c)
        s->logout = NULL;
    else if (s->logout)
        task_run(&s->logout->task); /* perhaps it was the last of those it waits for */
    pool_put(&t->command_pool, c);
    session_settle(s);
}

/* ---- its steps ---- */

enum task_next command_answer(struct command *c)
{
    struct connection *connection = c->session->connection;

    order_look(c->session);
    if (!connection || c->dropped)
        return task_goto(&c->task, OVER);
    if (c->kind->urgent)
        send_urgent(connection, &c->source);
    else
        send_bulk(connection, &c->source);
    return task_wait_in(&c->task, ANSWER);
}

enum task_next command_over(struct command *c)
{
    return task_goto(&c->task, OVER);
}

static enum task_next memory_or_not(struct command *c)
{
    if (c->session->leaving) { /* it is never answered, and comes again in the next one */
        memory_leave(c);
        return TASK_WAIT;
    }
    if (memory_get(c)) {
        c->data_us = now_us(&c->session->target->env->clock);
        return task_goto(&c->task, GATHER);
    }
    if (memory_comes(c)) {
        memory_wait(c);
        return TASK_WAIT;
    }
    memory_leave(c);
    scsi_fail(&c->scsi, E_NO_MEMORY);
    return command_answer(c);
}

static enum task_next task_set_full(struct command *c)
{
    c->scsi.status = SCSI_TASK_SET_FULL;
    return command_answer(c);
}

static enum task_next not_now(struct command *c, enum order order)
{
    door_leave(c);
    memory_leave(c);
    return order == ORDER_GIVE_UP && !c->session->leaving ? task_set_full(c) : TASK_WAIT;
}

/* What was written is nobody's any more.  It goes back before the answer goes out: whoever has that
 * may bring as much at once, and is not to find the memory taken. */
static enum task_next performed(struct command *c)
{
    payload_put(&c->session->target->buffers, &c->scsi.data_out);
    memory_leave(c);
    data_in_start(c);
    return command_answer(c);
}

static enum task_next scsi_performed_or_not(struct command *c)
{
    enum order order = order_of(c);

    if (c->session->leaving || order != ORDER_GO || gate_holds(c))
        return not_now(c, order);
    if (!door_passes(c)) {
        memory_leave(c); /* others need it now, and this one may wait for long */
        return TASK_WAIT;
    }
    if (!scsi_perform(&c->scsi)) {
        memory_leave(c);
        c->handed = true;
        return task_wait_in(&c->task, PERFORMING);
    }
    door_leave(c); /* D2 */
    if (c->scsi.starved && memory_comes(c)) {
        memory_wait(c);
        return TASK_WAIT;
    }
    return performed(c);
}

static enum task_next gathered_or_not(struct command *c)
{
    if (c->spoiled && data_out_settled(c))
        data_out_refuse_spoiled(c);
    if (c->refused)
        return command_answer(c);
    if (c->spoiled)
        return TASK_WAIT;
    if (data_out_whole(c))
        return task_goto(&c->task, PERFORM);
    r2t_ask(c);
    return TASK_WAIT;
}

/* It waits for something that nobody needs any more. */
static bool is_pointless(const struct command *c)
{
    return c->dropped &&
           (c->task.state == MEMORY || c->task.state == GATHER || c->task.state == PERFORM);
}

static enum task_next late(struct command *c)
{
    metric_add(&c->session->target->metrics.late_answers, 1);
    return task_goto(&c->task, OVER);
}

/* Told BUSY now, wherever it is; unless there is nobody to tell. */
static bool is_overdue(const struct command *c)
{
    return c->expired && !c->dropped && c->session->connection && c->task.state < ANSWER;
}

static enum task_next command_step(struct task *t)
{
    struct command *c = container_of(t, struct command, task);

    if (is_pointless(c))
        return task_goto(t, OVER);
    if (is_overdue(c)) {
        if (t->state == PERFORM)
            door_leave(c);
        memory_leave(c);
        return command_answer(c);
    }
    switch ((enum command_state)t->state) {
    case TURN:
        if (!c->delivered && !c->session->ended)
            return TASK_WAIT; /* dropped or not: its CmdSN has its turn */
        if (c->dropped)
            return task_goto(t, OVER);
        return c->kind->act(c);

    case MEMORY:
        return memory_or_not(c);

    case GATHER:
        return gathered_or_not(c);

    case PERFORM:
        return scsi_performed_or_not(c);

    case PERFORMING:
        return c->performed ? performed(c) : TASK_WAIT;

    case ANSWER:
        if (!source_idle(&c->source))
            return TASK_WAIT;
        return command_is_below(c) ? task_wait_in(t, LATE) : task_goto(t, OVER);

    case LATE:
        return c->performed ? late(c) : TASK_WAIT;

    case OVER:
        return source_idle(&c->source) ? TASK_DONE : TASK_WAIT;
    }
    unreachable();
}
