/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/data_out.c — data that an initiator sends, unsolicited or for an R2T (RFC
 * 7143 11.7).
 *
 * DataPDUInOrder and DataSequenceInOrder are Yes: so there is one offset at which the next byte of
 * a command may be, and one DataSN.  Anything else is refused before a byte is placed (C1): Reject,
 * and CHECK CONDITION for the command.  Data for a command that is no more is skipped in silence:
 * the initiator sent it before it knew.
 *
 * Where a data digest is wrong the PDU is rejected and the command goes on taking what it has asked
 * for, asks for no more, and then ends with CHECK CONDITION (7.8, without recovery R2Ts).
 */
#include "iscsi-target/command.h"

#include <assert.h>

#define ABORTED_COMMAND        0x0bu
#define UNEXPECTED_UNSOLICITED 0x0c0cu /* 11.4.7.2 */
#define INCORRECT_AMOUNT       0x0c0du
#define PROTOCOL_SERVICE_CRC   0x4705u /* also a lost PDU, at ErrorRecoveryLevel 0 */

static bool gathering(const struct command *c)
{
    return command_is_scsi(c) && !c->refused && !c->dropped &&
           (c->task.state == TURN || c->task.state == GATHER);
}

/* Where the sequence that arrives must end: FirstBurstLength, or its R2T. */
static uint32_t sequence_end(const struct command *c, uint32_t ttt)
{
    const struct r2t *r = &c->r2ts[c->r2t_first];

    if (ttt == TAG_NONE)
        return min_u32(c->edtl, c->session->parameters.first_burst_length);
    return r->offset + r->length;
}

/* 0, or the code of the sense. */
static uint16_t refused_because(const struct command *c, const struct bhs_data_out *h)
{
    uint32_t ttt = be32_get(h->target_transfer_tag);
    uint32_t length = be24_get(h->data_segment_length), end;
    bool final = h->flags & FLAG_FINAL;

    if (ttt == TAG_NONE && !c->unsolicited)
        return UNEXPECTED_UNSOLICITED;
    if (ttt != TAG_NONE && (c->r2t_count == c->r2t_unsent || c->r2ts[c->r2t_first].ttt != ttt))
        return INCORRECT_AMOUNT;
    if (be32_get(h->data_sn) != c->data_sn)
        return PROTOCOL_SERVICE_CRC;
    end = sequence_end(c, ttt);
    if (be32_get(h->buffer_offset) != c->got || c->got > end || length > end - c->got)
        return INCORRECT_AMOUNT;
    if (final != (c->got + length == end) && (ttt != TAG_NONE || !final))
        return INCORRECT_AMOUNT;
    return 0;
}

bool data_out_begin(struct connection *connection)
{
    const struct bhs_data_out *h = &connection->receive.bhs->data_out;
    struct command *c = session_find(connection->session, be32_get(h->initiator_task_tag));
    uint16_t code;

    if (!c || !gathering(c))
        return false;
    code = refused_because(c, h);
    if (code) {
        pdu_reject(connection, REJECT_INVALID_FIELD);
        scsi_command_refuse(c, ABORTED_COMMAND, code);
        return false;
    }
    connection->receive.command = c;
    connection->receive.sink = (struct sink){.payload = &c->scsi.data_out, .at = c->got};
    return true;
}

static void sequence_over(struct command *c)
{
    c->data_sn = 0;
    if (c->unsolicited) {
        c->unsolicited = false;
        return;
    }
    assert(c->r2t_count > 0);
    c->r2t_first = (c->r2t_first + 1) % R2T_MAX;
    c->r2t_count--;
}

void data_out_end(struct connection *connection)
{
    const struct bhs_data_out *h = &connection->receive.bhs->data_out;
    struct command *c = connection->receive.command;

    c->got += be24_get(h->data_segment_length);
    c->data_us = connection->received_us;
    c->data_sn++;
    if (!(h->flags & FLAG_FINAL))
        return;
    sequence_over(c);
    task_run(&c->task);
}

void data_out_spoiled(struct connection *connection)
{
    struct command *c = connection->receive.command;

    pdu_reject(connection, REJECT_DATA_DIGEST);
    if (gathering(c)) { /* else it was answered in the midst of the PDU: that is to go out */
        c->spoiled = true;
        c->r2t_count -= c->r2t_unsent;
        c->r2t_unsent = 0;
        send_cancel(&c->source);
    }
    data_out_end(connection);
}

bool data_out_settled(const struct command *c)
{
    return !c->unsolicited && c->r2t_count == 0;
}

void data_out_refuse_spoiled(struct command *c)
{
    scsi_command_refuse(c, ABORTED_COMMAND, PROTOCOL_SERVICE_CRC);
}

bool data_out_whole(const struct command *c)
{
    return !c->unsolicited && c->got >= c->want;
}
