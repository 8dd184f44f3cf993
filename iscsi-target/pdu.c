/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/pdu.c — the table of PDUs that an initiator may send (RFC 7143 11). */
#include "iscsi-target/pdu.h"

#include "iscsi-target/command.h"

#define AHS_HEAD 3u /* AHSLength, AHSType; the length counts what follows */

/* clang-format off */
const struct pdu_kind pdu_kinds[OPCODE_MASK + 1] = {
    [NOP_OUT]         = {"NOP-Out", IN(PHASE_FULL), nop_begin, command_end, command_spoiled},
    [SCSI_COMMAND]    = {"SCSI Command", IN(PHASE_FULL), scsi_command_begin, command_end, command_spoiled},
    [TASK_MANAGEMENT] = {"Task Management", IN(PHASE_FULL), task_management_begin, command_end, command_spoiled},
    [LOGIN]           = {"Login", IN(PHASE_LOGIN), login_begin, login_end, NULL},
    [TEXT]            = {"Text", IN(PHASE_FULL) | IN(PHASE_DISCOVERY), text_begin, text_end, command_spoiled},
    [DATA_OUT]        = {"Data-Out", IN(PHASE_FULL), data_out_begin, data_out_end, data_out_spoiled},
    [LOGOUT]          = {"Logout", IN(PHASE_FULL) | IN(PHASE_DISCOVERY), logout_begin, command_end, command_spoiled},
    [SNACK]           = {"SNACK", IN(PHASE_FULL), snack_begin, NULL, NULL},
};
/* clang-format on */

bool pdu_ahs_whole(const struct connection *c)
{
    const uint8_t *ahs = c->receive.bhs->bytes + BHS_BYTES;
    uint32_t left = bhs_ahs_bytes(c->receive.bhs);

    while (left > 0) {
        uint32_t length = AHS_HEAD + be16_at(ahs, 0);

        length += pad_bytes(length);
        if (length > left)
            return false;
        ahs += length;
        left -= length;
    }
    return true;
}

/* ErrorRecoveryLevel 0 has nothing to send again (11.16). */
bool snack_begin(struct connection *c)
{
    pdu_reject(c, REJECT_SNACK);
    return false;
}
