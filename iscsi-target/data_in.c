/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/data_in.c — data to the initiator, straight from the payload's segments (RFC 7143
 * 11.7): in PDUs of its MaxRecvDataSegmentLength, in sequences of MaxBurstLength.  The last PDU of
 * a command that went well carries the status, so no response follows.
 */
#include "iscsi-target/command.h"

void data_in_start(struct command *c)
{
    if (c->scsi.status == SCSI_GOOD && (c->bhs.scsi_command.flags & FLAG_READ))
        c->in_total = min_u32(c->edtl, c->scsi.data_in.bytes);
}

bool data_in_left(const struct command *c)
{
    return c->in_sent < c->in_total;
}

static uint32_t piece_length(const struct command *c)
{
    const struct parameters *p = &c->session->parameters;
    uint32_t burst_left = p->max_burst_length - c->in_burst;
    uint32_t most = min_u32(p->max_recv_data_segment_length, DATA_IN_MAX);

    return min_u32(c->in_total - c->in_sent, min_u32(burst_left, most));
}

/* A sequence ends with its burst, or with the command. */
static uint8_t move_on(struct command *c, uint32_t length)
{
    c->in_sent += length;
    c->in_burst += length;
    if (data_in_left(c) && c->in_burst < c->session->parameters.max_burst_length)
        return 0;
    c->in_burst = 0;
    return FLAG_FINAL;
}

void data_in_next(struct command *c, struct pdu_out *ret)
{
    struct bhs_data_in *h = &ret->bhs.data_in;

    ret->data = &c->scsi.data_in;
    ret->at = c->in_sent;
    ret->length = piece_length(c);
    h->opcode = DATA_IN;
    h->initiator_task_tag = be32_of(c->itt);
    h->target_transfer_tag = be32_of(TAG_NONE);
    h->data_sn = be32_of(c->in_sn++);
    h->buffer_offset = be32_of(c->in_sent);
    h->flags = move_on(c, ret->length);
    if (data_in_left(c))
        return;
    h->flags |= FLAG_STATUS;
    h->status = c->scsi.status;
    response_residual(c, &h->flags, &h->residual);
    ret->stat_sn = STAT_SN_TAKEN;
}
