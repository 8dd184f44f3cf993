/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/compare.c — COMPARE AND WRITE: SBC-4 5.3.
 *
 * The data-out is what must be there, then what shall be: of the same length each.  The block does
 * both under its range lock; where they differ comes back as the INFORMATION of MISCOMPARE.
 */
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

#define BLOCKS_AT 13u /* NUMBER OF LOGICAL BLOCKS: one byte of the CDB */

bool scsi_compare_and_write_decode(struct scsi_command *c)
{
    struct scsi_range range = {scsi_cdb_range(c->cdb).lba, c->cdb[BLOCKS_AT]};

    if (c->cdb[1] & CDB_PROTECT)
        return scsi_refuse_field(c, 1);
    if (range.blocks == 0 && c->data_out_offered) /* more than 255, as its initiator meant it */
        return scsi_refuse_field(c, BLOCKS_AT);
    if (!scsi_take_range(c, range))
        return false;
    if (2 * c->extent.count > scsi_transfer_bytes_max(c->nexus) / UNIT_BYTES)
        return scsi_refuse_field(c, BLOCKS_AT);
    return scsi_take_exactly(c, 2 * (uint32_t)c->extent.count * UNIT_BYTES);
}

bool scsi_compare_and_write_perform(struct scsi_command *c)
{
    uint32_t count;

    if (c->extent.count == 0)
        return true;
    if (c->data_out.bytes < c->data_out_bytes) {
        scsi_refuse(c, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT);
        return true;
    }
    count = payload_pieces(&c->data_out, 0, c->data_out_bytes, c->pieces);
    return scsi_submit(c, BLOCK_COMPARE_AND_WRITE, c->extent, c->pieces, count);
}
