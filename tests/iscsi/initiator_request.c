/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/initiator_request.c — SCSI commands of the initiator, and what the target may send.
 */
#include "base/util.h"
#include "tests/iscsi/initiator_inside.h"

#include <assert.h>
#include <string.h>

/* ---- sending data ---- */

/* [offset, offset + length) in PDUs that the target can take; F on the last. */
static void send_data(struct initiator_request *r, uint32_t ttt, uint32_t offset, uint32_t length)
{
    struct initiator *i = r->initiator;
    uint32_t data_sn = 0;

    while (length > 0) {
        uint32_t here = min_u32(length, i->max_send);
        union bhs h = {.data_out = {.opcode = DATA_OUT}};

        h.data_out.flags = here == length ? FLAG_FINAL : 0;
        h.data_out.lun = be64_of(r->lun);
        h.data_out.initiator_task_tag = be32_of(r->itt);
        h.data_out.target_transfer_tag = be32_of(ttt);
        h.data_out.exp_stat_sn = be32_of(i->exp_stat_sn);
        h.data_out.data_sn = be32_of(data_sn++);
        h.data_out.buffer_offset = be32_of(offset);
        initiator_pdu(i, &h, r->out + offset, here);
        offset += here;
        length -= here;
    }
}

static uint32_t expected(const struct initiator_request *r)
{
    return r->edtl || r->edtl_zero ? r->edtl : r->length;
}

void initiator_command(struct initiator *i, struct initiator_request *r)
{
    union bhs h = {.scsi_command = {.opcode = SCSI_COMMAND, .flags = FLAG_FINAL | r->attribute}};
    uint32_t offer = r->out ? min_u32(min_u32(r->length, expected(r)), i->first_burst) : 0;
    uint32_t immediate =
        i->immediate_data && !i->config.no_immediate_data ? min_u32(offer, i->max_send) : 0;

    r->cmd_sn = i->cmd_sn;
    initiator_stamp(i, &h);
    r->initiator = i;
    r->itt = bhs_itt(&h);
    r->answered = false;
    r->err = E_OK;
    list_append(&i->requests, &r->link);
    if (r->out)
        h.scsi_command.flags |= FLAG_WRITE;
    if (r->in)
        h.scsi_command.flags |= FLAG_READ;
    if (i->config.unsolicited && !i->initial_r2t && offer > immediate)
        h.scsi_command.flags &= (uint8_t)~FLAG_FINAL;
    h.scsi_command.lun = be64_of(r->lun);
    h.scsi_command.expected_data_transfer_length = be32_of(expected(r));
    memcpy(h.scsi_command.cdb, r->cdb, sizeof r->cdb);
    initiator_pdu(i, &h, r->out, immediate);
    if (!(h.scsi_command.flags & FLAG_FINAL))
        send_data(r, TAG_NONE, immediate, offer - immediate);
}

void initiator_retry(struct initiator_request *r, const union bhs *command)
{
    struct initiator *i = r->initiator;
    uint32_t immediate = bhs_data_bytes(command);
    uint32_t offer = min_u32(min_u32(r->length, expected(r)), i->first_burst);

    initiator_pdu(i, command, r->out, immediate);
    if (!(command->scsi_command.flags & FLAG_FINAL))
        send_data(r, TAG_NONE, immediate, offer - immediate);
}

static void rw16(struct initiator_request *r, uint8_t opcode, uint64_t lba, uint32_t length)
{
    *r = (struct initiator_request){.length = length,
                                    .done = r->done,
                                    .owner = r->owner,
                                    .lun = r->lun,
                                    .attribute = r->attribute};
    r->cdb[0] = opcode;
    be64_put(r->cdb, 2, lba);
    be32_put(r->cdb, 10, length / 512);
}

void initiator_read(struct initiator *i, struct initiator_request *r, uint64_t lba, void *bytes,
                    uint32_t length)
{
    rw16(r, 0x88, lba, length);
    r->in = bytes;
    initiator_command(i, r);
}

void initiator_write(struct initiator *i, struct initiator_request *r, uint64_t lba,
                     const void *bytes, uint32_t length)
{
    rw16(r, 0x8a, lba, length);
    r->out = bytes;
    initiator_command(i, r);
}

void initiator_nop(struct initiator *i, const void *data, uint32_t length)
{
    union bhs h = {.any = {.opcode = NOP_OUT | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};

    initiator_stamp(i, &h);
    h.any.target_transfer_tag = be32_of(TAG_NONE);
    initiator_pdu(i, &h, data, length);
}

void initiator_logout(struct initiator *i)
{
    union bhs h = {
        .logout = {.opcode = LOGOUT | OPCODE_IMMEDIATE, .reason = FLAG_FINAL | LOGOUT_SESSION}};

    initiator_stamp(i, &h);
    initiator_pdu(i, &h, NULL, 0);
}

/* ---- taking answers ---- */

static void answered(struct initiator_request *r, enum err err)
{
    list_remove(&r->link);
    r->answered = true;
    r->err = err;
    if (r->done)
        r->done(r);
}

void initiator_forget(struct initiator_request *r)
{
    list_remove(&r->link);
}

void requests_closed(struct initiator *i)
{
    while (!list_empty(&i->requests))
        answered(container_of(i->requests.next, struct initiator_request, link), E_CLOSED);
}

static void take_data_in(struct initiator_request *r, const struct bhs_data_in *h,
                         const uint8_t *data, uint32_t length)
{
    const struct initiator *i = r->initiator;

    assert(r->in);
    assert(be32_get(h->data_sn) == r->data_sn);
    assert(be32_get(h->buffer_offset) == r->got);
    assert(length <= i->max_recv);
    assert(length <= expected(r) - r->got);
    r->data_sn++;
    r->in_burst += length;
    assert(r->in_burst <= i->max_burst);
    assert(r->in_burst < i->max_burst || (h->flags & FLAG_FINAL));
    memcpy(r->in + r->got, data, min_u32(length, r->length - min_u32(r->got, r->length)));
    r->got += length;
    if (h->flags & FLAG_FINAL)
        r->in_burst = 0;
    if (!(h->flags & FLAG_STATUS))
        return;
    assert(h->flags & FLAG_FINAL);
    r->status = h->status;
    r->flags = h->flags & (FLAG_OVERFLOW | FLAG_UNDERFLOW);
    r->residual = be32_get(h->residual);
    answered(r, E_OK);
}

static void take_response(struct initiator_request *r, const struct bhs_scsi_response *h,
                          const uint8_t *data, uint32_t length)
{
    assert(h->response == 0);
    assert(be32_get(h->exp_data_sn) == r->data_sn + r->r2t_sn);
    r->status = h->status;
    r->flags = h->flags & (FLAG_OVERFLOW | FLAG_UNDERFLOW);
    r->residual = be32_get(h->residual);
    if (length >= 2) {
        r->sense_bytes = be16_at(data, 0);
        assert(r->sense_bytes <= length - 2 && r->sense_bytes <= sizeof r->sense);
        memcpy(r->sense, data + 2, r->sense_bytes);
    }
    answered(r, E_OK);
}

static void take_r2t(struct initiator_request *r, const struct bhs_r2t *h)
{
    uint32_t offset = be32_get(h->buffer_offset), length = be32_get(h->desired_length);

    assert(r->out);
    assert(be32_get(h->r2t_sn) == r->r2t_sn);
    assert(length > 0 && length <= r->initiator->max_burst);
    assert(offset <= r->length && length <= r->length - offset);
    r->r2t_sn++;
    send_data(r, be32_get(h->target_transfer_tag), offset, length);
}

static struct initiator_request *request_find(const struct initiator *i, uint32_t itt)
{
    list_for_each(l, &i->requests) {
        struct initiator_request *r = container_of(l, struct initiator_request, link);

        if (r->itt == itt)
            return r;
    }
    return NULL;
}

bool request_take(struct initiator *i, const union bhs *h, const uint8_t *data, uint32_t length)
{
    struct initiator_request *r = request_find(i, bhs_itt(h));

    if (!r)
        return false;
    if (h->any.opcode == DATA_IN)
        take_data_in(r, &h->data_in, data, length);
    else if (h->any.opcode == SCSI_RESPONSE)
        take_response(r, &h->scsi_response, data, length);
    else if (h->any.opcode == R2T)
        take_r2t(r, &h->r2t);
    else
        return false;
    return true;
}
