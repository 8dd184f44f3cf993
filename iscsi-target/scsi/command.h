/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/command.h — what the decoders and performers of all commands share.
 *
 * A decode returns false when it has refused.  A perform, and a go_on after every answer of the
 * block, returns true when the command is answered, false when a request is under way.
 */
#ifndef ISCSI_TARGET_SCSI_COMMAND_H
#define ISCSI_TARGET_SCSI_COMMAND_H

#include "iscsi-target/scsi/sense.h"

/* One request of a long operation is at most so long, so that no step holds others for long. */
#define SCSI_STEP_UNITS       (16u * 1024u * 1024u / UNIT_BYTES) /* unmap, zeroes: no data */
#define SCSI_STEP_WRITE_BYTES (4ull * 1024u * 1024u)             /* a pattern, written    */

/* What VPD B0 promises.  WRITE SAME: what its 10-byte form can say, and few enough for the time
 * that a command has (design 8). */
#define SCSI_UNMAP_UNITS_MAX       (512u * 1024u * 1024u / UNIT_BYTES)
#define SCSI_UNMAP_DESCRIPTORS     256u
#define SCSI_WRITE_SAME_BLOCKS_MAX 65535u
#define SCSI_COMPARE_BLOCKS_MAX    255u

/* CDB byte 1 of READ, WRITE, VERIFY and their kin: no logical unit of ours has protection. */
#define CDB_PROTECT 0xe0u

/* The one logical unit, in peripheral or in flat space addressing (SAM-5 4.7.7). */
static inline bool scsi_lun_is_ours(const struct scsi_command *c)
{
    return c->lun == 0 || c->lun == 1ull << 62;
}

static inline uint32_t scsi_block_bytes(const struct scsi_command *c)
{
    return c->nexus->block->logical_block_bytes;
}
static inline uint32_t scsi_block_units(const struct scsi_command *c)
{
    return scsi_block_bytes(c) / UNIT_BYTES;
}
static inline uint64_t scsi_capacity_blocks(const struct scsi_command *c)
{
    return c->nexus->block->size_units / scsi_block_units(c);
}

/* What one command may carry: VPD B0 MAXIMUM TRANSFER LENGTH, in bytes. */
uint32_t scsi_transfer_bytes_max(const struct scsi_nexus *n);

/* A range in logical blocks, as a CDB or a descriptor says it. */
struct scsi_range {
    uint64_t lba, blocks;
};
struct scsi_range scsi_cdb_range(const uint8_t *cdb); /* by its group code: SPC-5 4.2 */

/* Puts the range into c->extent; 21/00 if it leaves the medium. */
bool scsi_take_range(struct scsi_command *c, struct scsi_range range);

/* The CDB's range into c->extent; also refuses protection and more than one transfer may have. */
bool scsi_take_transfer(struct scsi_command *c);

/* The CDB's range, where 0 blocks mean "to the end of the medium". */
bool scsi_take_range_to_end(struct scsi_command *c);

/*
 * Data-out that came short of the CDB (the residual tells the initiator): the command acts on the
 * whole blocks that came.  Sets c->extent.
 */
void scsi_cut_to_data_out(struct scsi_command *c);

/* WRITE SAME, COMPARE AND WRITE: 0E/03 if the initiator announced another size than theirs. */
bool scsi_take_exactly(struct scsi_command *c, uint32_t data_out_bytes);

/* Memory for data_in, or for scratch, before anything is handed down; false: TASK SET FULL, and the
 * command may be performed again. */
must_check bool scsi_take_memory(struct scsi_command *c, uint32_t bytes);

/* Parameter data, cut to the allocation length that decode left in data_in_bytes, in the memory
 * that was taken for it if any was.  True. */
bool scsi_give(struct scsi_command *c, const uint8_t *bytes, uint32_t length);

/* Hands a request down; false: under way.  The pieces are the command's until it is answered. */
bool scsi_submit(struct scsi_command *c, enum block_op op, struct extent extent,
                 const struct iovec *pieces, uint32_t piece_count);

/* Takes at most `units` from the front of c->left. */
struct extent scsi_take_left(struct scsi_command *c, uint64_t units);

/* For all nexuses of its block; the others are told (2A/01). */
void scsi_nexus_set_mode(struct scsi_nexus *n, struct scsi_mode mode);

static inline bool scsi_write_protected(const struct scsi_nexus *n)
{
    return n->read_only || n->mode.write_protected;
}

/* The bits that a nexus must still be told, as sense code; clears the first. */
bool scsi_nexus_take_attention(struct scsi_nexus *n, uint16_t *ret);

#endif
