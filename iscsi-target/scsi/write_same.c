/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/write_same.c — WRITE SAME(10) and (16): SBC-4 5.53, 5.54.
 *
 * One block of data for a range.  UNMAP unmaps, whatever the block holds: SBC-4 would have a block
 * that is not zeros written, but every target of the field unmaps, and iscsi-test-cu expects to
 * read zeros then.  Zeros (also NDOB, no data-out) are written as zeroes below; anything else is
 * one segment (data_in, which gives nothing here) filled with the block, which all pieces of a
 * request point at.  A range goes down in steps, one in flight.
 */
#include "base/util.h"
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

#include <assert.h>
#include <string.h>

#define PIECES 64u
static_assert(PIECES <= PAYLOAD_PIECES_MAX, "a step fits into the pieces of a command");

#define ANCHOR 0x10u
#define UNMAP  0x08u
#define NDOB   0x01u /* WRITE SAME(16) alone */

static bool without_data(const struct scsi_command *c)
{
    return scsi_cdb_bytes(c->cdb[0]) == 16 && (c->cdb[1] & NDOB);
}

bool scsi_write_same_decode(struct scsi_command *c)
{
    struct scsi_range range = scsi_cdb_range(c->cdb);

    if (c->cdb[1] & (CDB_PROTECT | ANCHOR)) /* nothing is anchored here: VPD B2 ANC_SUP 0 */
        return scsi_refuse_field(c, 1);
    if (range.blocks == 0 && range.lba >= scsi_capacity_blocks(c))
        return scsi_refuse(c, LBA_OUT_OF_RANGE);
    if (!scsi_take_range_to_end(c))
        return false;
    if (c->extent.count > SCSI_WRITE_SAME_BLOCKS_MAX * (uint64_t)scsi_block_units(c))
        return scsi_refuse_field(c, scsi_cdb_length_at(c->cdb[0]));
    return scsi_take_exactly(c, without_data(c) ? 0 : scsi_block_bytes(c));
}

static bool all_zero(const uint8_t *bytes, uint32_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static enum block_op operation_for(const struct scsi_command *c, const uint8_t *pattern)
{
    if (c->cdb[1] & UNMAP)
        return BLOCK_UNMAP;
    return all_zero(pattern, scsi_block_bytes(c)) ? BLOCK_WRITE_ZEROES : BLOCK_WRITE;
}

/* Fills a segment, large if there is one, with the block. */
static bool spread_pattern(struct scsi_command *c, const uint8_t *pattern)
{
    if (!scsi_take_memory(c, SEGMENT_LARGE_BYTES))
        return false;
    payload_cut(c->buffers, &c->data_in, (uint32_t)c->data_in.pieces[0].iov_len);
    for (uint32_t at = 0; at < c->data_in.bytes; at += scsi_block_bytes(c))
        payload_write(&c->data_in, at, pattern, scsi_block_bytes(c));
    return true;
}

static bool write_step(struct scsi_command *c)
{
    struct iovec segment = c->data_in.pieces[0];
    uint64_t most = min_u64(PIECES * segment.iov_len, SCSI_STEP_WRITE_BYTES);
    struct extent e = scsi_take_left(c, most / UNIT_BYTES);
    uint64_t bytes = e.count * UNIT_BYTES;
    uint32_t count = 0;

    while (bytes > 0) {
        c->pieces[count] = segment;
        c->pieces[count].iov_len = min_u64(bytes, segment.iov_len);
        bytes -= c->pieces[count++].iov_len;
    }
    return scsi_submit(c, BLOCK_WRITE, e, c->pieces, count);
}

static bool next_step(struct scsi_command *c)
{
    if (c->left.count == 0)
        return true;
    if (c->step == BLOCK_WRITE)
        return write_step(c);
    return scsi_submit(c, (enum block_op)c->step, scsi_take_left(c, SCSI_STEP_UNITS), NULL, 0);
}

bool scsi_write_same_perform(struct scsi_command *c)
{
    uint8_t pattern[4096] = {0};

    if (c->data_out.bytes < c->data_out_bytes) {
        scsi_refuse(c, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT);
        return true;
    }
    if (!without_data(c))
        payload_read(&c->data_out, 0, pattern, scsi_block_bytes(c));
    c->step = operation_for(c, pattern);
    if (c->step == BLOCK_WRITE && !spread_pattern(c, pattern))
        return true;
    c->left = c->extent;
    return next_step(c);
}

bool scsi_write_same_go_on(struct scsi_command *c)
{
    return next_step(c);
}
