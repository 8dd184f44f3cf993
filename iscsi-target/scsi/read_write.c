/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/read_write.c — READ, WRITE, ORWRITE, SYNCHRONIZE CACHE, PRE-FETCH (SBC-4 5).
 *
 * DPO and FUA cost nothing and change nothing: what was answered is durable (P1), and there is no
 * cache that a read could be answered from wrongly.
 */
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

bool scsi_read_decode(struct scsi_command *c)
{
    if (!scsi_take_transfer(c))
        return false;
    c->data_in_bytes = (uint32_t)c->extent.count * UNIT_BYTES;
    return true;
}

bool scsi_read_perform(struct scsi_command *c)
{
    if (c->extent.count == 0)
        return true;
    if (!scsi_take_memory(c, c->data_in_bytes))
        return true;
    return scsi_submit(c, BLOCK_READ, c->extent, c->data_in.pieces, c->data_in.count);
}

bool scsi_write_decode(struct scsi_command *c)
{
    if (!scsi_take_transfer(c))
        return false;
    c->data_out_bytes = (uint32_t)c->extent.count * UNIT_BYTES;
    return true;
}

static bool write_blocks(struct scsi_command *c, enum block_op op)
{
    uint32_t count;

    scsi_cut_to_data_out(c);
    if (c->extent.count == 0)
        return true;
    count = payload_pieces(&c->data_out, 0, (uint32_t)c->extent.count * UNIT_BYTES, c->pieces);
    return scsi_submit(c, op, c->extent, c->pieces, count);
}

bool scsi_write_perform(struct scsi_command *c)
{
    return write_blocks(c, BLOCK_WRITE);
}

bool scsi_or_write_perform(struct scsi_command *c)
{
    return write_blocks(c, BLOCK_OR_WRITE);
}

/* SYNCHRONIZE CACHE, PRE-FETCH: only the range can be wrong. */
bool scsi_flush_decode(struct scsi_command *c)
{
    return scsi_take_range_to_end(c);
}

/* What was answered is durable; what is not answered may come before or after (SAM-5 8.9).  GOOD
 * to PRE-FETCH says that not all blocks fit into the cache: SBC-4 5.10. */
bool scsi_flush_perform(struct scsi_command *c)
{
    (void)c;
    return true;
}
