/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/status.c — GET LBA STATUS(16): SBC-4 5.7.
 *
 * The first descriptor begins at the LBA that was asked for, be it in the middle of a run or of a
 * physical block, each other where the one before ends (5.7.2.3; QEMU takes any other for an
 * error). An answer covers at most STATUS_UNITS and SCSI_RUNS_MAX descriptors; the initiator asks
 * on from where it ends.
 */
#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

#define REPORT_TYPE_AT   14u
#define HEADER_BYTES     8u
#define DESCRIPTOR_BYTES 16u
#define ANSWER_BYTES_MAX (HEADER_BYTES + SCSI_RUNS_MAX * DESCRIPTOR_BYTES)
#define STATUS_UNITS     (8ull * 1024 * 1024 * 1024 / UNIT_BYTES)

enum { MAPPED, DEALLOCATED };

bool scsi_get_lba_status_decode(struct scsi_command *c)
{
    uint64_t lba = be64_at(c->cdb, 2);
    uint64_t capacity = scsi_capacity_blocks(c);

    if (c->cdb[REPORT_TYPE_AT] != 0) /* all descriptors, whatever they say */
        return scsi_refuse_field(c, REPORT_TYPE_AT);
    if (lba >= capacity)
        return scsi_refuse(c, LBA_OUT_OF_RANGE);
    c->data_in_bytes = be32_at(c->cdb, 10);
    c->extent.start = lba * scsi_block_units(c);
    c->extent.count = min_u64((capacity - lba) * scsi_block_units(c), STATUS_UNITS);
    return true;
}

bool scsi_get_lba_status_perform(struct scsi_command *c)
{
    uint32_t room = 1;

    if (c->data_in_bytes >= HEADER_BYTES + DESCRIPTOR_BYTES)
        room = (c->data_in_bytes - HEADER_BYTES) / DESCRIPTOR_BYTES;
    c->descriptor = min_u32(room, SCSI_RUNS_MAX);
    if (!scsi_take_memory(c, min_u32(c->data_in_bytes, ANSWER_BYTES_MAX)))
        return true;
    return scsi_submit(c, BLOCK_STATUS, c->extent, NULL, 0);
}

bool scsi_get_lba_status_go_on(struct scsi_command *c)
{
    uint8_t data[ANSWER_BYTES_MAX] = {0};
    uint64_t lba = c->extent.start / scsi_block_units(c);
    uint32_t used = HEADER_BYTES;

    for (uint32_t i = 0; i < c->request.run_count; i++) {
        uint64_t blocks = c->runs[i].count / scsi_block_units(c);

        be64_put(data, used, lba);
        be32_put(data, used + 8, (uint32_t)blocks);
        data[used + 12] = c->runs[i].mapped ? MAPPED : DEALLOCATED;
        lba += blocks;
        used += DESCRIPTOR_BYTES;
    }
    be32_put(data, 0, used - 4);
    return scsi_give(c, data, used);
}
