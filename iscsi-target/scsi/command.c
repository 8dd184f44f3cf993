/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/command.c — the life of a command: decode, perform, go on, answer.
 *
 * Comes from the transport; goes to the row of the opcode (operations.c) and to base/block.
 *
 * Decode refuses everything that can be refused from the CDB, in the order of SAM-5 5.3.3: the
 * logical unit, what the nexus must be told first, the opcode, write protection, the fields.
 * Perform acts.  Most commands are one request below; a long one (UNMAP, WRITE SAME, VERIFY) is a
 * sequence, one in flight, its rest in c->left.
 *
 * What can go wrong:
 *   no memory for data   TASK SET FULL before anything was handed down; it can be performed again
 *   the block fails      the answer says so; what a long operation has not begun is not begun
 *   it is aborted        the request that is under way is its last (U3)
 *   data-out came short  a write acts on the whole blocks; the transport reports the residual
 *
 * Promises: U1 a refused or failed command gives no data; its buffers are back.
 *           U2 `done` runs once, never inside scsi_perform().
 *           U3 a command that was stopped begins no further request.
 */
#include "iscsi-target/scsi/command.h"

#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/operation.h"

#include <assert.h>

static uint32_t control_byte(const struct scsi_command *c)
{
    return scsi_cdb_bytes(c->cdb[0]) - 1;
}

/* NACA: bit 2 of the CONTROL byte, which ends the CDB (SAM-5 5.2).  We have no ACA. */
static bool asks_for_aca(const struct scsi_command *c)
{
    return c->cdb[control_byte(c)] & 0x04;
}

static bool attention_delivered(struct scsi_command *c)
{
    uint16_t code;

    if (c->operation && (c->operation->traits & DESPITE_ATTENTION))
        return false;
    if (!scsi_nexus_take_attention(c->nexus, &code))
        return false;
    scsi_sense(c, UNIT_ATTENTION, code);
    return true;
}

static bool is_protected(const struct scsi_command *c)
{
    uint8_t traits = c->operation->traits;

    return (traits & PROTECTED && scsi_write_protected(c->nexus)) ||
           (traits & CHANGES_UNIT && c->nexus->read_only);
}

bool scsi_decode(struct scsi_command *c)
{
    c->operation = scsi_operation_find(c->cdb);
    c->data_out_bytes = c->data_in_bytes = 0;
    c->extent = c->left = (struct extent){0};
    c->descriptor = c->step = 0;
    c->stopped = false;
    c->status = SCSI_GOOD;
    c->starved = false;
    c->sense_bytes = 0;
    c->data_in.count = c->data_in.bytes = 0;
    c->request = (struct block_request){0};

    if (!scsi_lun_is_ours(c) && !(c->operation && (c->operation->traits & ANY_LUN)))
        return scsi_refuse(c, LOGICAL_UNIT_NOT_SUPPORTED);
    if (scsi_lun_is_ours(c) && attention_delivered(c))
        return false;
    if (!c->operation)
        return scsi_operation_refuse(c);
    if (is_protected(c)) {
        scsi_sense(c, DATA_PROTECT, WRITE_PROTECTED);
        return false;
    }
    if (asks_for_aca(c))
        return scsi_refuse_field(c, control_byte(c));
    return c->operation->decode(c);
}

/* UNMAP says in its data where. */
bool scsi_asks_block(const struct scsi_command *c)
{
    return c->extent.count > 0 || (c->operation->traits & PROTECTED);
}

bool scsi_changes(const struct scsi_command *c)
{
    return c->operation->traits & (PROTECTED | CHANGES_UNIT);
}

/* U1.  A command without data-in had data_in as its scratch. */
static void tidy(struct scsi_command *c)
{
    if (c->status == SCSI_GOOD && c->data_in_bytes > 0)
        return;
    payload_put(c->buffers, &c->data_in);
    c->data_in_bytes = 0;
}

bool scsi_perform(struct scsi_command *c)
{
    assert(c->operation);
    assert(c->status == SCSI_GOOD || c->starved);

    c->status = SCSI_GOOD;
    c->starved = false;
    if (!c->operation->perform(c))
        return false;
    if (!c->starved)
        tidy(c);
    return true;
}

static void request_answered(struct block_request *r, enum err err)
{
    struct scsi_command *c = container_of(r, struct scsi_command, request);

    if (c->stopped)
        c->status = SCSI_TASK_ABORTED;
    else if (err)
        scsi_fail(c, err);
    else if (c->operation->go_on && !c->operation->go_on(c))
        return;
    tidy(c);
    c->done(c);
}

void scsi_stop(struct scsi_command *c)
{
    c->stopped = true;
    c->request.unwanted = true;
}

bool scsi_submit(struct scsi_command *c, enum block_op op, struct extent extent,
                 const struct iovec *pieces, uint32_t piece_count)
{
    if (!extent_within(extent, c->nexus->block->size_units)) { /* it shrank since decode */
        scsi_fail(c, E_LBA_RANGE);
        return true;
    }
    c->request = (struct block_request){
        .op = op,
        .extent = extent,
        .pieces = pieces,
        .piece_count = piece_count,
        .done = request_answered,
        .note = {.initiator = c->nexus->initiator, .session = c->nexus->session},
    };
    if (op == BLOCK_STATUS) {
        c->request.runs = c->runs;
        c->request.run_max = c->descriptor;
    }
    block_submit(c->nexus->block, &c->request);
    return false;
}

struct extent scsi_take_left(struct scsi_command *c, uint64_t units)
{
    struct extent taken = {c->left.start, min_u64(c->left.count, units)};

    c->left.start += taken.count;
    c->left.count -= taken.count;
    return taken;
}

bool scsi_take_memory(struct scsi_command *c, uint32_t bytes)
{
    if ((!c->may_take || c->may_take(c, bytes)) && payload_get(c->buffers, &c->data_in, bytes))
        return true;
    scsi_fail(c, E_NO_MEMORY);
    c->starved = true;
    return false;
}

bool scsi_give(struct scsi_command *c, const uint8_t *bytes, uint32_t length)
{
    uint32_t given = min_u32(length, c->data_in_bytes);

    c->data_in_bytes = given;
    if (given == 0)
        return true;
    if (c->data_in.count == 0 && !scsi_take_memory(c, given))
        return true;
    payload_cut(c->buffers, &c->data_in, given);
    payload_write(&c->data_in, 0, bytes, given);
    return true;
}

/* ---- ranges ---- */

uint32_t scsi_transfer_bytes_max(const struct scsi_nexus *n)
{
    return min_u32(n->transfer_bytes_max, SEGMENT_LARGE_BYTES * (PAYLOAD_PIECES_MAX - 2));
}

struct scsi_range scsi_cdb_range(const uint8_t *cdb)
{
    switch (scsi_cdb_bytes(cdb[0])) {
    case 6: /* no blocks are 256 here alone */
        return (struct scsi_range){be24_at(cdb, 1) & 0x1fffff, cdb[4] ? cdb[4] : 256};
    case 10:
        return (struct scsi_range){be32_at(cdb, 2), be16_at(cdb, 7)};
    case 12:
        return (struct scsi_range){be32_at(cdb, 2), be32_at(cdb, 6)};
    default:
        return (struct scsi_range){be64_at(cdb, 2), be32_at(cdb, 10)};
    }
}

bool scsi_take_range(struct scsi_command *c, struct scsi_range range)
{
    struct extent blocks = {range.lba, range.blocks};

    if (!extent_within(blocks, scsi_capacity_blocks(c)))
        return scsi_refuse(c, LBA_OUT_OF_RANGE);
    c->extent.start = range.lba * scsi_block_units(c);
    c->extent.count = range.blocks * scsi_block_units(c);
    return true;
}

bool scsi_take_transfer(struct scsi_command *c)
{
    if (scsi_cdb_bytes(c->cdb[0]) > 6 && (c->cdb[1] & CDB_PROTECT))
        return scsi_refuse_field(c, 1);
    if (!scsi_take_range(c, scsi_cdb_range(c->cdb)))
        return false;
    if (c->extent.count > scsi_transfer_bytes_max(c->nexus) / UNIT_BYTES)
        return scsi_refuse_field(c, scsi_cdb_length_at(c->cdb[0]));
    return true;
}

bool scsi_take_range_to_end(struct scsi_command *c)
{
    struct scsi_range range = scsi_cdb_range(c->cdb);

    if (range.lba > scsi_capacity_blocks(c))
        return scsi_refuse(c, LBA_OUT_OF_RANGE);
    if (range.blocks == 0)
        range.blocks = scsi_capacity_blocks(c) - range.lba;
    return scsi_take_range(c, range);
}

void scsi_cut_to_data_out(struct scsi_command *c)
{
    uint32_t blocks = c->data_out.bytes / scsi_block_bytes(c);

    c->extent.count = min_u64(c->extent.count, (uint64_t)blocks * scsi_block_units(c));
}

bool scsi_take_exactly(struct scsi_command *c, uint32_t data_out_bytes)
{
    c->data_out_bytes = data_out_bytes;
    if (c->data_out_offered && data_out_bytes && c->data_out_offered != data_out_bytes)
        return scsi_refuse(c, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT);
    return true;
}
