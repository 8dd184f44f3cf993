/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/operation.h — an opcode is a row.
 *
 * The rows drive decode and perform and are what REPORT SUPPORTED OPERATION CODES says.  To add a
 * command: one row, one decode, one perform, one test.
 */
#ifndef ISCSI_TARGET_SCSI_OPERATION_H
#define ISCSI_TARGET_SCSI_OPERATION_H

#include "iscsi-target/scsi/sense.h"

/* What passes a reservation that another nexus holds (SPC-5 and SBC-4: commands allowed in the
 * presence of reservations).  FREE passes every one, AS_READ one that is exclusive for writing
 * alone, AS_WRITE none. */
enum scsi_reservation { FREE, AS_READ, AS_WRITE };

enum scsi_traits {
    ANY_LUN = 1,           /* answers for logical units that are not there, too */
    DESPITE_ATTENTION = 2, /* does not report a pending unit attention: SPC-5 5.14 */
    PROTECTED = 4,         /* changes the medium: 27/00 where that is write protected */
    CHANGES_UNIT = 8,      /* changes it for every nexus: 27/00 for one that may only read */
};

struct scsi_actions;

struct scsi_operation {
    const char *name; /* NULL: not supported */
    bool (*decode)(struct scsi_command *);
    bool (*perform)(struct scsi_command *);
    bool (*go_on)(struct scsi_command *); /* after an answer of the block; NULL: that was all */
    enum scsi_reservation reservation;
    uint8_t traits;
    uint16_t seconds;                   /* recommended command timeout: SPC-5 6.35.4 */
    uint8_t usage[SCSI_CDB_MAX - 1];    /* CDB usage mask, from byte 1 on */
    uint8_t service_action;             /* of a row of `actions` */
    const struct scsi_actions *actions; /* the opcode has service actions: the rows to use */
};

struct scsi_actions {
    const struct scsi_operation *rows;
    uint32_t count;
};

/* By opcode. */
extern const struct scsi_operation scsi_operations[256];

/* The row of this CDB; NULL if there is none. */
const struct scsi_operation *scsi_operation_find(const uint8_t *cdb);
const struct scsi_operation *scsi_operation_action(const struct scsi_operation *o, uint32_t action);

/* Refuses a CDB for which there is none: its opcode, or its service action.  False. */
bool scsi_operation_refuse(struct scsi_command *c);

/* How long a CDB is, by the group code in its opcode (SPC-5 4.2.5.1); 16 where none is defined. */
uint32_t scsi_cdb_bytes(uint8_t opcode);
uint32_t scsi_cdb_length_at(uint8_t opcode); /* where the transfer or allocation length begins */

/* The performers, by file. */
bool scsi_test_unit_ready_decode(struct scsi_command *c);
bool scsi_test_unit_ready_perform(struct scsi_command *c);
bool scsi_start_stop_decode(struct scsi_command *c);
bool scsi_request_sense_decode(struct scsi_command *c);
bool scsi_request_sense_perform(struct scsi_command *c);
bool scsi_report_luns_decode(struct scsi_command *c);
bool scsi_report_luns_perform(struct scsi_command *c);
bool scsi_inquiry_decode(struct scsi_command *c);
bool scsi_inquiry_perform(struct scsi_command *c);
bool scsi_mode_sense_decode(struct scsi_command *c);
bool scsi_mode_sense_perform(struct scsi_command *c);
bool scsi_mode_select_decode(struct scsi_command *c);
bool scsi_mode_select_perform(struct scsi_command *c);
bool scsi_log_sense_decode(struct scsi_command *c);
bool scsi_log_sense_perform(struct scsi_command *c);
bool scsi_read_defect_decode(struct scsi_command *c);
bool scsi_read_defect_perform(struct scsi_command *c);
bool scsi_read_capacity_10_decode(struct scsi_command *c);
bool scsi_read_capacity_10_perform(struct scsi_command *c);
bool scsi_read_capacity_16_decode(struct scsi_command *c);
bool scsi_read_capacity_16_perform(struct scsi_command *c);
bool scsi_read_decode(struct scsi_command *c);
bool scsi_read_perform(struct scsi_command *c);
bool scsi_write_decode(struct scsi_command *c);
bool scsi_write_perform(struct scsi_command *c);
bool scsi_or_write_perform(struct scsi_command *c);
bool scsi_flush_decode(struct scsi_command *c);
bool scsi_flush_perform(struct scsi_command *c);
bool scsi_verify_decode(struct scsi_command *c);
bool scsi_verify_perform(struct scsi_command *c);
bool scsi_verify_go_on(struct scsi_command *c);
bool scsi_write_verify_decode(struct scsi_command *c);
bool scsi_write_verify_perform(struct scsi_command *c);
bool scsi_write_verify_go_on(struct scsi_command *c);
bool scsi_write_same_decode(struct scsi_command *c);
bool scsi_write_same_perform(struct scsi_command *c);
bool scsi_write_same_go_on(struct scsi_command *c);
bool scsi_unmap_decode(struct scsi_command *c);
bool scsi_unmap_perform(struct scsi_command *c);
bool scsi_unmap_go_on(struct scsi_command *c);
bool scsi_compare_and_write_decode(struct scsi_command *c);
bool scsi_compare_and_write_perform(struct scsi_command *c);
bool scsi_get_lba_status_decode(struct scsi_command *c);
bool scsi_get_lba_status_perform(struct scsi_command *c);
bool scsi_get_lba_status_go_on(struct scsi_command *c);
bool scsi_report_opcodes_decode(struct scsi_command *c);
bool scsi_report_opcodes_perform(struct scsi_command *c);
bool scsi_report_functions_decode(struct scsi_command *c);
bool scsi_report_functions_perform(struct scsi_command *c);

#endif
