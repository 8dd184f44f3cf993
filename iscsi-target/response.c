/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/response.c — status, sense and residual of a SCSI command (RFC 7143 11.4).
 */
#include "iscsi-target/command.h"

#include <string.h>

/*
 * 11.4.5: what the initiator expected against what the command has to move.  A direction that the
 * initiator did not announce moves nothing.
 */
void response_residual(const struct command *c, uint8_t *flags, be32 *residual)
{
    uint8_t direction = c->bhs.scsi_command.flags;
    uint32_t expected = direction & (FLAG_READ | FLAG_WRITE) ? c->edtl : 0;
    uint32_t moves = direction & FLAG_WRITE ? c->scsi.data_out_bytes : c->scsi.data_in.bytes;

    if (c->expired)
        moves = 0;
    if (expected > moves)
        *flags |= FLAG_UNDERFLOW;
    else if (expected < moves)
        *flags |= FLAG_OVERFLOW;
    *residual = be32_of(expected > moves ? expected - moves : moves - expected);
}

/* SenseLength, then the sense data: the data segment of a response (11.4.7). */
static uint32_t sense_segment(struct command *c)
{
    if (c->expired || c->scsi.sense_bytes == 0)
        return 0;
    be16_put(c->sense_segment, 0, (uint16_t)c->scsi.sense_bytes);
    memcpy(c->sense_segment + 2, c->scsi.sense, c->scsi.sense_bytes);
    return 2 + c->scsi.sense_bytes;
}

/* The next StatSN is this response's. */
static void owe(const struct command *c)
{
    const struct block_request *r = &c->scsi.request;

    if (!c->expired && r->op == BLOCK_COMPARE_AND_WRITE && r->note.initiator &&
        c->scsi.status == SCSI_GOOD)
        *acknowledge_owe(c->session) =
            (struct owed_status){c->session->connection->sender.stat_sn, r->extent, r->note};
}

void response_next(struct command *c, struct pdu_out *ret)
{
    struct bhs_scsi_response *h = &ret->bhs.scsi_response;

    h->opcode = SCSI_RESPONSE;
    h->flags = FLAG_FINAL;
    h->status = c->expired ? SCSI_BUSY : c->scsi.status; /* which the block may still change */
    h->initiator_task_tag = be32_of(c->itt);
    h->exp_data_sn = be32_of(c->in_sn + c->r2t_sn);
    response_residual(c, &h->flags, &h->residual);
    ret->flat = c->sense_segment;
    ret->length = sense_segment(c);
    ret->stat_sn = STAT_SN_TAKEN;
    owe(c);
}

bool scsi_answer(struct command *c, struct pdu_out *ret)
{
    bool response = !data_in_left(c);

    if (response)
        response_next(c, ret);
    else
        data_in_next(c, ret);
    if (data_in_left(c))
        return true;
    metrics_answered(c, response ? ret->bhs.scsi_response.status : ret->bhs.data_in.status);
    return false;
}
