/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/sense.c — what went wrong, in SCSI's words.
 *
 * The one exit of `enum err` towards an initiator.  What may pass by itself is BUSY or TASK SET
 * FULL, which every initiator repeats; NOT READY, ABORTED COMMAND and MEDIUM ERROR would reach the
 * guest as an I/O error, so that a file system goes read-only for a cause that lasts a second
 * (design 8).  MEDIUM ERROR is kept for bytes that are lost.
 */
#include "iscsi-target/scsi/sense.h"

#include "base/util.h"
#include "base/wire.h"

#include <assert.h>

struct sense_row {
    uint8_t status; /* enum scsi_status */
    uint8_t key;    /* with CHECK CONDITION only, as is the code */
    uint16_t code;
};

/* clang-format off */
static const struct sense_row sense_of[] = {
    [E_OK]          = {SCSI_GOOD,            0, 0},
    [E_NOT_PRIMARY] = {SCSI_BUSY,            0, 0},
    [E_STALE_EPOCH] = {SCSI_BUSY,            0, 0},
    [E_NO_QUORUM]   = {SCSI_BUSY,            0, 0},
    [E_NOT_READY]   = {SCSI_BUSY,            0, 0},
    [E_BUSY]        = {SCSI_BUSY,            0, 0},
    [E_TIMED_OUT]   = {SCSI_BUSY,            0, 0},
    [E_UNREACHABLE] = {SCSI_BUSY,            0, 0},
    [E_IN_DOUBT]    = {SCSI_BUSY,            0, 0},
    [E_CONFLICT]    = {SCSI_BUSY,            0, 0},
    [E_COMPACTED]   = {SCSI_BUSY,            0, 0},
    [E_CLOSED]      = {SCSI_BUSY,            0, 0},
    [E_MEDIUM]      = {SCSI_CHECK_CONDITION, MEDIUM_ERROR,    UNRECOVERED_READ_ERROR},
    [E_DAMAGED]     = {SCSI_CHECK_CONDITION, MEDIUM_ERROR,    UNRECOVERED_READ_ERROR},
    [E_NO_SPACE]    = {SCSI_CHECK_CONDITION, DATA_PROTECT,    SPACE_ALLOCATION_FAILED},
    [E_NO_MEMORY]   = {SCSI_TASK_SET_FULL,   0, 0},
    [E_TOO_LARGE]   = {SCSI_CHECK_CONDITION, ILLEGAL_REQUEST, INVALID_FIELD_IN_CDB},
    [E_LBA_RANGE]   = {SCSI_CHECK_CONDITION, ILLEGAL_REQUEST, LBA_OUT_OF_RANGE},
    [E_INVALID]     = {SCSI_CHECK_CONDITION, ILLEGAL_REQUEST, INVALID_FIELD_IN_CDB},
    [E_UNSUPPORTED] = {SCSI_CHECK_CONDITION, ILLEGAL_REQUEST, INVALID_COMMAND_OPERATION_CODE},
    [E_NOT_FOUND]   = {SCSI_CHECK_CONDITION, HARDWARE_ERROR,  INTERNAL_TARGET_FAILURE},
    [E_EXISTS]      = {SCSI_CHECK_CONDITION, HARDWARE_ERROR,  INTERNAL_TARGET_FAILURE},
    [E_FORBIDDEN]   = {SCSI_CHECK_CONDITION, ILLEGAL_REQUEST, ACCESS_DENIED},
    [E_READ_ONLY]   = {SCSI_CHECK_CONDITION, DATA_PROTECT,    WRITE_PROTECTED},
    [E_MISCOMPARE]  = {SCSI_CHECK_CONDITION, MISCOMPARE,      MISCOMPARE_DURING_VERIFY},
    [E_FOREIGN]     = {SCSI_CHECK_CONDITION, HARDWARE_ERROR,  INTERNAL_TARGET_FAILURE},
    [E_CONFIG]      = {SCSI_CHECK_CONDITION, HARDWARE_ERROR,  INTERNAL_TARGET_FAILURE},
    [E_DISK]        = {SCSI_CHECK_CONDITION, HARDWARE_ERROR,  INTERNAL_TARGET_FAILURE},
    [E_SYSTEM]      = {SCSI_CHECK_CONDITION, HARDWARE_ERROR,  INTERNAL_TARGET_FAILURE},
};
#define ERR_COUNT(name, class, text) +1
static_assert(array_length(sense_of) == 0 ERR_LIST(ERR_COUNT), "every err has its row");
#undef ERR_COUNT
/* clang-format on */

/* ---- the bytes: SPC-5 4.4 ---- */

#define INFORMATION_BYTES  12u /* sense data descriptors, with their heads */
#define KEY_SPECIFIC_BYTES 8u

uint32_t scsi_sense_put(uint8_t *ret, bool descriptor, enum sense_key key, uint16_t code)
{
    memset(ret, 0, SCSI_SENSE_MAX);
    if (descriptor) {
        ret[0] = 0x72;
        ret[1] = (uint8_t)key;
        be16_put(ret, 2, code);
        return SENSE_DESCRIPTOR_BYTES;
    }
    ret[0] = 0x70; /* current */
    ret[2] = (uint8_t)key;
    ret[7] = SENSE_FIXED_BYTES - 8;
    be16_put(ret, 12, code);
    return SENSE_FIXED_BYTES;
}

static_assert(SENSE_DESCRIPTOR_BYTES + INFORMATION_BYTES + KEY_SPECIFIC_BYTES <= SCSI_SENSE_MAX,
              "no sense has more descriptors than one of each");

static bool in_descriptors(const struct scsi_command *c)
{
    return c->sense[0] == 0x72;
}

/* A further descriptor of the sense that was just set. */
static uint8_t *append_descriptor(struct scsi_command *c, uint8_t type, uint32_t bytes)
{
    uint8_t *at = c->sense + c->sense_bytes;

    at[0] = type;
    at[1] = (uint8_t)(bytes - 2);
    c->sense_bytes += bytes;
    c->sense[7] = (uint8_t)(c->sense_bytes - SENSE_DESCRIPTOR_BYTES);
    return at;
}

void scsi_sense(struct scsi_command *c, uint8_t key, uint16_t code)
{
    c->status = SCSI_CHECK_CONDITION;
    c->sense_bytes = scsi_sense_put(c->sense, c->nexus->mode.descriptor_sense, key, code);
}

void scsi_sense_information(struct scsi_command *c, uint64_t information)
{
    uint8_t *at;

    if (in_descriptors(c)) {
        at = append_descriptor(c, 0x00, INFORMATION_BYTES);
        at[2] = 0x80; /* VALID */
        be64_put(at, 4, information);
    } else if (information <= UINT32_MAX) {
        c->sense[0] |= 0x80; /* VALID */
        be32_put(c->sense, 3, (uint32_t)information);
    }
}

/* FIELD POINTER; `where` is SKSV, with C/D if the field is one of the CDB. */
static void point_at(struct scsi_command *c, uint8_t where, uint32_t byte)
{
    uint8_t *at =
        in_descriptors(c) ? append_descriptor(c, 0x02, KEY_SPECIFIC_BYTES) + 4 : c->sense + 15;

    at[0] = where;
    be16_put(at, 1, (uint16_t)byte);
}

bool scsi_refuse(struct scsi_command *c, enum sense_code code)
{
    scsi_sense(c, ILLEGAL_REQUEST, (uint16_t)code);
    return false;
}

bool scsi_refuse_field(struct scsi_command *c, uint32_t byte)
{
    scsi_refuse(c, INVALID_FIELD_IN_CDB);
    point_at(c, 0xc0, byte);
    return false;
}

bool scsi_refuse_parameter(struct scsi_command *c, uint32_t byte)
{
    scsi_refuse(c, INVALID_FIELD_IN_PARAMETER_LIST);
    point_at(c, 0x80, byte);
    return false;
}

void scsi_fail(struct scsi_command *c, enum err err)
{
    assert(err != E_OK);
    assert((size_t)err < array_length(sense_of));

    const struct sense_row *row = &sense_of[err];

    c->status = row->status;
    c->sense_bytes = 0;
    if (row->status != SCSI_CHECK_CONDITION)
        return;

    scsi_sense(c, row->key, row->code);
    if (err == E_MEDIUM) /* the LBA of the first block that is lost: SBC-4 4.18.1 */
        scsi_sense_information(c, c->request.bad_unit * UNIT_BYTES /
                                      c->nexus->block->logical_block_bytes);
    if (err == E_MISCOMPARE) /* the offset of the first byte that differs: SBC-4 5.3 */
        scsi_sense_information(c, c->request.differs_at);
}
