/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi_command.c — the SCSI Command PDU (RFC 7143 11.3): immediate data, and its turn.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/target.h"

#include <string.h>

#define ILLEGAL_REQUEST                           0x05u
#define ABORTED_COMMAND                           0x0bu
#define UNEXPECTED_UNSOLICITED_DATA               0x0c0cu /* 11.4.7.2 */
#define INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT 0x0e03u

static enum task_next scsi_act(struct command *c);

static const struct command_kind scsi_kind = {
    .name = "SCSI command", .act = scsi_act, .answer = scsi_answer};

bool command_is_scsi(const struct command *c)
{
    return c->kind == &scsi_kind;
}

static void scsi_done(struct scsi_command *s)
{
    struct command *c = container_of(s, struct command, scsi);

    c->performed = true;
    door_done(c);
    task_run(&c->task);
}

/* Only what waits at its turn can wait: what has its data-out, or asks no block, takes what there
 * is. */
static bool scsi_may_take(struct scsi_command *s, uint32_t bytes)
{
    struct command *c = container_of(s, struct command, scsi);

    c->need = bytes;
    return s->data_out.count > 0 || !scsi_asks_block(s) || memory_turn(c);
}

void scsi_command_refuse(struct command *c, uint8_t key, uint16_t code)
{
    scsi_sense(&c->scsi, key, code);
    c->scsi.data_out_bytes = 0;
    c->refused = true;
    c->unsolicited = false;
    send_cancel(&c->source); /* R2Ts that were not sent yet */
    task_run(&c->task);
}

static bool command_writes(const struct command *c)
{
    return c->bhs.scsi_command.flags & FLAG_WRITE;
}

/* Is what it announces and brings within what was negotiated?  0 or the code of the sense. */
static uint16_t data_refused(const struct command *c, uint32_t immediate)
{
    const struct parameters *p = &c->session->parameters;

    if (immediate == 0 && !c->unsolicited)
        return 0;
    if (!command_writes(c) || (c->unsolicited && p->initial_r2t) ||
        (immediate > 0 && !p->immediate_data) ||
        immediate > min_u32(c->edtl, p->first_burst_length))
        return UNEXPECTED_UNSOLICITED_DATA;
    return 0;
}

static void scsi_fill(struct command *c)
{
    const struct bhs_scsi_command *h = &c->bhs.scsi_command;

    c->scsi.nexus = &c->session->nexus;
    c->scsi.buffers = &c->session->target->buffers;
    c->scsi.data_out.held = c->scsi.data_in.held = &c->session->unit->held_bytes;
    c->scsi.lun = be64_get(h->lun);
    memcpy(c->scsi.cdb, h->cdb, sizeof c->scsi.cdb);
    c->scsi.done = scsi_done;
    c->scsi.may_take = scsi_may_take;
    c->edtl = be32_get(h->expected_data_transfer_length);
    c->scsi.data_out_offered = command_writes(c) ? c->edtl : 0;
    c->unsolicited = !(h->flags & FLAG_FINAL);
}

static void task_set_full(struct command *c)
{
    c->scsi.status = SCSI_TASK_SET_FULL;
    c->refused = true;
    c->unsolicited = false;
}

/* Memory for what comes without being asked for; TASK SET FULL, if it may have none now (T2). */
static void take_memory(struct command *c)
{
    c->need = min_u32(c->edtl, c->session->target->limits.transfer_bytes_max);
    if (!memory_get_at_once(c))
        task_set_full(c);
}

bool scsi_command_begin(struct connection *connection)
{
    struct command *c = command_begin(connection, &scsi_kind);
    uint32_t immediate = bhs_data_bytes(connection->receive.bhs);
    uint16_t code;

    if (!c)
        return false;
    scsi_fill(c);
    window_burden(c);
    code = data_refused(c, immediate);
    if (code)
        scsi_command_refuse(c, ABORTED_COMMAND, code);
    else if ((c->bhs.scsi_command.flags & (FLAG_READ | FLAG_WRITE)) == (FLAG_READ | FLAG_WRITE))
        scsi_command_refuse(c, ILLEGAL_REQUEST, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT);
    else if ((c->session->late > 0 && !c->immediate) || window_is_crowded(c->session))
        task_set_full(c); /* it came through a window that was shut, or is too wide */
    else if (immediate > 0 || c->unsolicited)
        take_memory(c);
    c->got = immediate;
    connection->receive.sink = (struct sink){.payload = &c->scsi.data_out};
    return true;
}

/* At its turn: everything that can be refused is refused here (house B7). */
static enum task_next scsi_act(struct command *c)
{
    struct iscsi_target *t = c->session->target;

    if (c->refused)
        return command_answer(c);
    order_begin(c);
    c->data_us = now_us(&t->env->clock);
    if (!scsi_decode(&c->scsi)) {
        c->scsi.data_out_bytes = 0;
        return command_answer(c);
    }
    gate_ask(c);
    c->want = command_writes(c) ? min_u32(c->edtl, c->scsi.data_out_bytes) : 0;
    c->want = min_u32(c->want, t->limits.transfer_bytes_max);
    payload_cut(&t->buffers, &c->scsi.data_out, c->want);
    return task_goto(&c->task, c->scsi.data_out.bytes < c->want ? MEMORY : GATHER);
}
