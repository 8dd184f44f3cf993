/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/scsi/sense.h — the sense keys and codes that we send (SPC-5 4.4.8, annex F). */
#ifndef ISCSI_TARGET_SCSI_SENSE_H
#define ISCSI_TARGET_SCSI_SENSE_H

#include "iscsi-target/scsi/scsi.h"

enum sense_key {
    NO_SENSE = 0x0,
    MEDIUM_ERROR = 0x3,
    HARDWARE_ERROR = 0x4,
    ILLEGAL_REQUEST = 0x5,
    UNIT_ATTENTION = 0x6,
    DATA_PROTECT = 0x7,
    MISCOMPARE = 0xe,
};

/* Additional sense code and its qualifier. */
enum sense_code {
    NO_ADDITIONAL_SENSE = 0x0000,
    INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT = 0x0e03,
    UNRECOVERED_READ_ERROR = 0x1100,
    PARAMETER_LIST_LENGTH_ERROR = 0x1a00,
    MISCOMPARE_DURING_VERIFY = 0x1d00,
    INVALID_COMMAND_OPERATION_CODE = 0x2000,
    ACCESS_DENIED = 0x2002,
    LBA_OUT_OF_RANGE = 0x2100,
    INVALID_FIELD_IN_CDB = 0x2400,
    LOGICAL_UNIT_NOT_SUPPORTED = 0x2500,
    INVALID_FIELD_IN_PARAMETER_LIST = 0x2600,
    WRITE_PROTECTED = 0x2700,
    SPACE_ALLOCATION_FAILED = 0x2707,
    POWER_ON_OR_RESET = 0x2900,
    SCSI_BUS_RESET = 0x2902,
    BUS_DEVICE_RESET_FUNCTION = 0x2903,
    MODE_PARAMETERS_CHANGED = 0x2a01,
    CAPACITY_DATA_CHANGED = 0x2a09,
    COMMANDS_CLEARED_BY_ANOTHER = 0x2f00,
    SAVING_PARAMETERS_NOT_SUPPORTED = 0x3900,
    INTERNAL_TARGET_FAILURE = 0x4400,
};

#define SENSE_FIXED_BYTES      18u
#define SENSE_DESCRIPTOR_BYTES 8u /* without descriptors */

/* Descriptor or fixed format (SPC-5 4.4.2, 4.4.3) into ret, which has room for SCSI_SENSE_MAX; its
 * length. */
uint32_t scsi_sense_put(uint8_t *ret, bool descriptor, enum sense_key key, uint16_t code);

/* ILLEGAL REQUEST with this code.  Always false: what a decode returns. */
bool scsi_refuse(struct scsi_command *c, enum sense_code code);

/* INVALID FIELD IN CDB, or IN PARAMETER LIST, with the byte as FIELD POINTER (SPC-5 4.4.2.4.2).
 * False. */
bool scsi_refuse_field(struct scsi_command *c, uint32_t byte);
bool scsi_refuse_parameter(struct scsi_command *c, uint32_t byte);

/* Puts a number into the INFORMATION of the sense that was just set (SPC-5 4.4.2.2); in fixed
 * format only if four bytes hold it. */
void scsi_sense_information(struct scsi_command *c, uint64_t information);

#endif
