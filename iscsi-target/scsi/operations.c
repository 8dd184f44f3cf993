/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/operations.c — the one table of what we support.
 *
 * Columns: name, decode, perform, go on, reservation class, traits, timeout in seconds, CDB usage
 * mask from byte 1 on (SPC-5 6.35.3).  A set bit of the mask is one that a good command may have
 * set.  A clear one is reserved or obsolete and ignored, as SPC-5 lets us, or asks for what is not
 * here (protection, an anchor, ACA, saved parameters) and is refused.  An opcode with service
 * actions points at rows of its own.
 */
#include "base/util.h"
#include "iscsi-target/scsi/operation.h"

/* clang-format off */
/* Usage masks by where LBA and length are: byte 1, then LBA, group number, length. */
#define RANGE_6(b1)        {b1, 0xff, 0xff, 0xff}
#define RANGE_10(b1)       {b1, 0xff, 0xff, 0xff, 0xff, GROUP, 0xff, 0xff}
#define RANGE_12(b1)       {b1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, GROUP}
#define RANGE_16(b1, last) {b1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, \
                            0xff, 0xff, 0xff, 0xff, last}
#define DPO_FUA 0x18
#define DPO     0x10
#define BYTCHK  0x06
#define COMPARE 0x02 /* BYTCHK of WRITE AND VERIFY: 01b at most */
#define IMMED   0x02
#define GROUP   0x3f

#define ONE_STEP NULL

static const struct scsi_operation service_action_in_16[] = {
    {"READ CAPACITY(16)", scsi_read_capacity_16_decode, scsi_read_capacity_16_perform, ONE_STEP,
     FREE, 0, 30, .usage = {0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
     .service_action = 0x10},
    {"GET LBA STATUS(16)", scsi_get_lba_status_decode, scsi_get_lba_status_perform,
     scsi_get_lba_status_go_on, AS_READ, 0, 30, .usage = RANGE_16(0x12, 0),
     .service_action = 0x12},
};

static const struct scsi_operation maintenance_in[] = {
    {"REPORT SUPPORTED OPERATION CODES", scsi_report_opcodes_decode, scsi_report_opcodes_perform,
     ONE_STEP, AS_WRITE, 0, 30, .usage = {0x0c, 0x83, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
     .service_action = 0x0c},
    {"REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", scsi_report_functions_decode,
     scsi_report_functions_perform, ONE_STEP, AS_WRITE, 0, 30,
     .usage = {0x0d, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
     .service_action = 0x0d},
};

#define ACTIONS(array) &(const struct scsi_actions){array, array_length(array)}

const struct scsi_operation scsi_operations[256] = {
    [0x00] = {"TEST UNIT READY", scsi_test_unit_ready_decode, scsi_test_unit_ready_perform,
              ONE_STEP, FREE, 0, 30, .usage = {0}},
    [0x03] = {"REQUEST SENSE", scsi_request_sense_decode, scsi_request_sense_perform, ONE_STEP,
              FREE, ANY_LUN | DESPITE_ATTENTION, 30, .usage = {0x01, 0, 0, 0xff}},
    [0x08] = {"READ(6)", scsi_read_decode, scsi_read_perform, ONE_STEP,
              AS_READ, 0, 30, .usage = RANGE_6(0x1f)},
    [0x0a] = {"WRITE(6)", scsi_write_decode, scsi_write_perform, ONE_STEP,
              AS_WRITE, PROTECTED, 30, .usage = RANGE_6(0x1f)},
    [0x12] = {"INQUIRY", scsi_inquiry_decode, scsi_inquiry_perform, ONE_STEP,
              FREE, ANY_LUN | DESPITE_ATTENTION, 30, .usage = {0x01, 0xff, 0xff, 0xff}},
    [0x15] = {"MODE SELECT(6)", scsi_mode_select_decode, scsi_mode_select_perform, ONE_STEP,
              AS_WRITE, CHANGES_UNIT, 30, .usage = {0x10, 0, 0, 0xff}},
    [0x1a] = {"MODE SENSE(6)", scsi_mode_sense_decode, scsi_mode_sense_perform, ONE_STEP,
              AS_WRITE, 0, 30, .usage = {0x08, 0xff, 0xff, 0xff}},
    [0x1b] = {"START STOP UNIT", scsi_start_stop_decode, scsi_test_unit_ready_perform, ONE_STEP,
              AS_WRITE, 0, 30, .usage = {0x01, 0, 0, 0x01}},
    [0x25] = {"READ CAPACITY(10)", scsi_read_capacity_10_decode, scsi_read_capacity_10_perform,
              ONE_STEP, FREE, 0, 30, .usage = {0}},
    [0x28] = {"READ(10)", scsi_read_decode, scsi_read_perform, ONE_STEP,
              AS_READ, 0, 30, .usage = RANGE_10(DPO_FUA)},
    [0x2a] = {"WRITE(10)", scsi_write_decode, scsi_write_perform, ONE_STEP,
              AS_WRITE, PROTECTED, 30, .usage = RANGE_10(DPO_FUA)},
    [0x2e] = {"WRITE AND VERIFY(10)", scsi_write_verify_decode, scsi_write_verify_perform,
              scsi_write_verify_go_on, AS_WRITE, PROTECTED, 60, .usage = RANGE_10(DPO | COMPARE)},
    [0x2f] = {"VERIFY(10)", scsi_verify_decode, scsi_verify_perform, scsi_verify_go_on,
              AS_READ, 0, 60, .usage = RANGE_10(DPO | BYTCHK)},
    [0x34] = {"PRE-FETCH(10)", scsi_flush_decode, scsi_flush_perform, ONE_STEP,
              AS_READ, 0, 30, .usage = RANGE_10(IMMED)},
    [0x35] = {"SYNCHRONIZE CACHE(10)", scsi_flush_decode, scsi_flush_perform, ONE_STEP,
              AS_WRITE, 0, 60, .usage = RANGE_10(IMMED)},
    [0x37] = {"READ DEFECT DATA(10)", scsi_read_defect_decode, scsi_read_defect_perform, ONE_STEP,
              AS_READ, 0, 30, .usage = {0, 0x1f, 0, 0, 0, 0, 0xff, 0xff}},
    [0x41] = {"WRITE SAME(10)", scsi_write_same_decode, scsi_write_same_perform,
              scsi_write_same_go_on, AS_WRITE, PROTECTED, 60, .usage = RANGE_10(0x08)},
    [0x42] = {"UNMAP", scsi_unmap_decode, scsi_unmap_perform, scsi_unmap_go_on,
              AS_WRITE, PROTECTED, 60, .usage = {0, 0, 0, 0, 0, GROUP, 0xff, 0xff}},
    [0x4d] = {"LOG SENSE", scsi_log_sense_decode, scsi_log_sense_perform, ONE_STEP,
              FREE, 0, 30, .usage = {0, 0xff, 0xff, 0, 0, 0, 0xff, 0xff}},
    [0x55] = {"MODE SELECT(10)", scsi_mode_select_decode, scsi_mode_select_perform, ONE_STEP,
              AS_WRITE, CHANGES_UNIT, 30, .usage = {0x10, 0, 0, 0, 0, 0, 0xff, 0xff}},
    [0x5a] = {"MODE SENSE(10)", scsi_mode_sense_decode, scsi_mode_sense_perform, ONE_STEP,
              AS_WRITE, 0, 30, .usage = {0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff}},
    [0x88] = {"READ(16)", scsi_read_decode, scsi_read_perform, ONE_STEP,
              AS_READ, 0, 30, .usage = RANGE_16(DPO_FUA, GROUP)},
    [0x89] = {"COMPARE AND WRITE", scsi_compare_and_write_decode, scsi_compare_and_write_perform,
              ONE_STEP, AS_WRITE, PROTECTED, 30,
              .usage = {DPO_FUA, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff,
                        GROUP}},
    [0x8a] = {"WRITE(16)", scsi_write_decode, scsi_write_perform, ONE_STEP,
              AS_WRITE, PROTECTED, 30, .usage = RANGE_16(DPO_FUA, GROUP)},
    [0x8b] = {"ORWRITE(16)", scsi_write_decode, scsi_or_write_perform, ONE_STEP,
              AS_WRITE, PROTECTED, 30, .usage = RANGE_16(DPO_FUA, GROUP)},
    [0x8e] = {"WRITE AND VERIFY(16)", scsi_write_verify_decode, scsi_write_verify_perform,
              scsi_write_verify_go_on, AS_WRITE, PROTECTED, 60,
              .usage = RANGE_16(DPO | COMPARE, GROUP)},
    [0x8f] = {"VERIFY(16)", scsi_verify_decode, scsi_verify_perform, scsi_verify_go_on,
              AS_READ, 0, 60, .usage = RANGE_16(DPO | BYTCHK, GROUP)},
    [0x90] = {"PRE-FETCH(16)", scsi_flush_decode, scsi_flush_perform, ONE_STEP,
              AS_READ, 0, 30, .usage = RANGE_16(IMMED, GROUP)},
    [0x91] = {"SYNCHRONIZE CACHE(16)", scsi_flush_decode, scsi_flush_perform, ONE_STEP,
              AS_WRITE, 0, 60, .usage = RANGE_16(IMMED, GROUP)},
    [0x93] = {"WRITE SAME(16)", scsi_write_same_decode, scsi_write_same_perform,
              scsi_write_same_go_on, AS_WRITE, PROTECTED, 60, .usage = RANGE_16(0x09, GROUP)},
    [0x9e] = {"SERVICE ACTION IN(16)", .actions = ACTIONS(service_action_in_16)},
    [0xa0] = {"REPORT LUNS", scsi_report_luns_decode, scsi_report_luns_perform, ONE_STEP,
              FREE, ANY_LUN | DESPITE_ATTENTION, 30,
              .usage = {0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
    [0xa3] = {"MAINTENANCE IN", .actions = ACTIONS(maintenance_in)},
    [0xa8] = {"READ(12)", scsi_read_decode, scsi_read_perform, ONE_STEP,
              AS_READ, 0, 30, .usage = RANGE_12(DPO_FUA)},
    [0xaa] = {"WRITE(12)", scsi_write_decode, scsi_write_perform, ONE_STEP,
              AS_WRITE, PROTECTED, 30, .usage = RANGE_12(DPO_FUA)},
    [0xae] = {"WRITE AND VERIFY(12)", scsi_write_verify_decode, scsi_write_verify_perform,
              scsi_write_verify_go_on, AS_WRITE, PROTECTED, 60, .usage = RANGE_12(DPO | COMPARE)},
    [0xaf] = {"VERIFY(12)", scsi_verify_decode, scsi_verify_perform, scsi_verify_go_on,
              AS_READ, 0, 60, .usage = RANGE_12(DPO | BYTCHK)},
    [0xb7] = {"READ DEFECT DATA(12)", scsi_read_defect_decode, scsi_read_defect_perform, ONE_STEP,
              AS_READ, 0, 30, .usage = {0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
};
/* clang-format on */

const struct scsi_operation *scsi_operation_action(const struct scsi_operation *o, uint32_t action)
{
    for (uint32_t i = 0; i < o->actions->count; i++)
        if (o->actions->rows[i].service_action == action)
            return &o->actions->rows[i];
    return NULL;
}

const struct scsi_operation *scsi_operation_find(const uint8_t *cdb)
{
    const struct scsi_operation *o = &scsi_operations[cdb[0]];

    if (!o->name)
        return NULL;
    return o->actions ? scsi_operation_action(o, cdb[1] & 0x1f) : o;
}

enum scsi_traffic scsi_traffic(const uint8_t *cdb)
{
    const struct scsi_operation *o = scsi_operation_find(cdb);

    if (!o)
        return SCSI_ELSE;
    if (o->traits & PROTECTED)
        return SCSI_CHANGES;
    return o->perform == scsi_read_perform ? SCSI_READS : SCSI_ELSE;
}

bool scsi_operation_refuse(struct scsi_command *c)
{
    if (scsi_operations[c->cdb[0]].name)
        return scsi_refuse_field(c, 1);
    return scsi_refuse(c, INVALID_COMMAND_OPERATION_CODE);
}

uint32_t scsi_cdb_length_at(uint8_t opcode)
{
    switch (scsi_cdb_bytes(opcode)) {
    case 6:
        return 4;
    case 10:
        return 7;
    case 12:
        return 6;
    default:
        return 10;
    }
}

uint32_t scsi_cdb_bytes(uint8_t opcode)
{
    static const uint8_t bytes_of_group[8] = {6, 10, 10, 16, 16, 12, 16, 16};

    return bytes_of_group[opcode >> 5];
}
