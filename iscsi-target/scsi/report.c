/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/report.c — REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS
 * (SPC-5 6.35, 6.36): the table of operations, as an initiator reads it.
 */
#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

#include <assert.h>

#define REPORT_BYTES_MAX 2048u
#define TIMEOUTS_BYTES   12u

enum reporting_options { ALL_COMMANDS, WITHOUT_ACTION, WITH_ACTION, EITHER };
enum support { NOT_SUPPORTED = 1, AS_STANDARD = 3 };

static enum reporting_options options(const struct scsi_command *c)
{
    return c->cdb[2] & 7;
}

/* An opcode with service actions is asked for with one, any other without. */
bool scsi_report_opcodes_decode(struct scsi_command *c)
{
    const struct scsi_operation *o = &scsi_operations[c->cdb[3]];

    if (options(c) > EITHER)
        return scsi_refuse_field(c, 2);
    if (options(c) == WITHOUT_ACTION && o->actions)
        return scsi_refuse_field(c, 2);
    if (options(c) == WITH_ACTION && o->name && !o->actions)
        return scsi_refuse_field(c, 2);
    c->data_in_bytes = be32_at(c->cdb, 6);
    return true;
}

static bool wants_timeouts(const struct scsi_command *c)
{
    return c->cdb[2] & 0x80; /* RCTD */
}

/* The command timeouts descriptor: SPC-5 6.35.4. */
static uint32_t put_timeouts(const struct scsi_operation *o, uint8_t *at)
{
    be16_put(at, 0, TIMEOUTS_BYTES - 2);
    be32_put(at, 8, o->seconds);
    return TIMEOUTS_BYTES;
}

static uint32_t put_row(const struct scsi_command *c, uint8_t opcode,
                        const struct scsi_operation *o, uint8_t *at)
{
    bool has_actions = scsi_operations[opcode].actions != NULL;

    at[0] = opcode;
    at[3] = o->service_action;
    at[5] = (uint8_t)((wants_timeouts(c) ? 0x02 : 0) | (has_actions ? 0x01 : 0));
    be16_put(at, 6, (uint16_t)scsi_cdb_bytes(opcode));
    return 8 + (wants_timeouts(c) ? put_timeouts(o, at + 8) : 0);
}

static uint32_t put_all(const struct scsi_command *c, uint8_t *data)
{
    uint32_t used = 4;

    for (uint32_t opcode = 0; opcode < array_length(scsi_operations); opcode++) {
        const struct scsi_operation *o = &scsi_operations[opcode];
        uint32_t rows = o->actions ? o->actions->count : o->name ? 1 : 0;

        for (uint32_t i = 0; i < rows; i++)
            used += put_row(c, (uint8_t)opcode, o->actions ? &o->actions->rows[i] : o, data + used);
    }
    assert(used <= REPORT_BYTES_MAX);
    be32_put(data, 0, used - 4);
    return used;
}

/* The row that the CDB asks about; NULL: not supported. */
static const struct scsi_operation *asked_for(const struct scsi_command *c)
{
    const struct scsi_operation *o = &scsi_operations[c->cdb[3]];
    uint16_t action = be16_at(c->cdb, 4);

    if (!o->name)
        return NULL;
    if (o->actions)
        return scsi_operation_action(o, action);
    return options(c) == EITHER && action != 0 ? NULL : o;
}

static uint32_t put_one(const struct scsi_command *c, uint8_t *data)
{
    const struct scsi_operation *o = asked_for(c);
    uint32_t bytes = scsi_cdb_bytes(c->cdb[3]);

    if (!o) {
        data[1] = NOT_SUPPORTED;
        return 4;
    }
    data[1] = AS_STANDARD | (wants_timeouts(c) ? 0x80 : 0);
    be16_put(data, 2, (uint16_t)bytes);
    data[4] = c->cdb[3];
    memcpy(data + 5, o->usage, bytes - 1);
    return 4 + bytes + (wants_timeouts(c) ? put_timeouts(o, data + 4 + bytes) : 0);
}

bool scsi_report_opcodes_perform(struct scsi_command *c)
{
    uint8_t data[REPORT_BYTES_MAX] = {0};
    bool all = options(c) == ALL_COMMANDS;

    return scsi_give(c, data, all ? put_all(c, data) : put_one(c, data));
}

bool scsi_report_functions_decode(struct scsi_command *c)
{
    c->data_in_bytes = be32_at(c->cdb, 6);
    return true;
}

/* ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, TARGET RESET:
 * iscsi-target/task_management.c */
bool scsi_report_functions_perform(struct scsi_command *c)
{
    bool extended = c->cdb[2] & 0x80; /* REPD */
    uint8_t data[16] = {0x80 | 0x40 | 0x10 | 0x08 | 0x02};

    if (extended)
        data[3] = 0x0c; /* ADDITIONAL DATA LENGTH; the timeouts are not reported */
    return scsi_give(c, data, extended ? 16 : 4);
}
