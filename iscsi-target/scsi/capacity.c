/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/scsi/capacity.c — READ CAPACITY(10) and (16): SBC-4 5.20, 5.21. */
#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

bool scsi_read_capacity_10_decode(struct scsi_command *c)
{
    c->data_in_bytes = 8;
    return true;
}

/* All ones say "ask READ CAPACITY(16)". */
bool scsi_read_capacity_10_perform(struct scsi_command *c)
{
    uint8_t data[8];

    be32_put(data, 0, (uint32_t)min_u64(scsi_capacity_blocks(c) - 1, UINT32_MAX));
    be32_put(data, 4, scsi_block_bytes(c));
    return scsi_give(c, data, sizeof data);
}

bool scsi_read_capacity_16_decode(struct scsi_command *c)
{
    c->data_in_bytes = be32_at(c->cdb, 10);
    return true;
}

bool scsi_read_capacity_16_perform(struct scsi_command *c)
{
    uint8_t data[32] = {0};

    be64_put(data, 0, scsi_capacity_blocks(c) - 1);
    be32_put(data, 8, scsi_block_bytes(c));
    data[13] = scsi_block_bytes(c) == UNIT_BYTES ? 3 : 0; /* 2^3 logical blocks in 4 KiB */
    data[14] = 0xc0;                                      /* LBPME, LBPRZ */
    return scsi_give(c, data, sizeof data);
}
