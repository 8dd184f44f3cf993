/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/inquiry.c — who we are: INQUIRY, and what else answers without the medium.
 *
 * TEST UNIT READY, START STOP UNIT, REQUEST SENSE and REPORT LUNS live here too: none touches the
 * block.  INQUIRY, REQUEST SENSE and REPORT LUNS also answer for logical units that are not there
 * (SPC-5 4.9), so that an initiator can look around.
 */
#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"
#include "iscsi-target/scsi/vpd.h"

#define INQUIRY_BYTES   96u /* with all eight version descriptors: SPC-5 6.6.2 */
#define NO_LOGICAL_UNIT 0x7f

bool scsi_test_unit_ready_decode(struct scsi_command *c)
{
    (void)c;
    return true;
}

bool scsi_test_unit_ready_perform(struct scsi_command *c)
{
    (void)c;
    return true;
}

/* SBC-4 5.25.  Nothing turns here: start and stop are GOOD; there is no medium to load or eject
 * and no power condition to enter. */
bool scsi_start_stop_decode(struct scsi_command *c)
{
    bool load_eject = c->cdb[4] & 0x02;
    uint32_t power_condition = c->cdb[4] >> 4;

    if (load_eject || power_condition)
        return scsi_refuse_field(c, 4);
    return true;
}

/* ---- INQUIRY: SPC-5 6.6 ---- */

bool scsi_inquiry_decode(struct scsi_command *c)
{
    bool evpd = c->cdb[1] & 0x01;
    bool cmddt = c->cdb[1] & 0x02;
    uint8_t page = c->cdb[2];

    if (cmddt)
        return scsi_refuse_field(c, 1);
    if (!evpd && page)
        return scsi_refuse_field(c, 2);
    if (evpd && (!scsi_lun_is_ours(c) || !scsi_vpd_known(page)))
        return scsi_refuse_field(c, 2);
    c->data_in_bytes = be16_at(c->cdb, 3);
    return true;
}

/* "0.1.0" gives "0.1 ": the field has four characters. */
static void put_revision(uint8_t *at)
{
    static const char version[] = DOLMEN_VERSION;

    memset(at, ' ', 4);
    for (uint32_t i = 0; i < 4 && version[i]; i++)
        at[i] = (uint8_t)version[i];
    if (at[3] == '.')
        at[3] = ' ';
}

static const uint8_t vendor_and_product[24] = "DOLMEN  VOLUME          "; /* 8 and 16, no NUL */

static void put_standard(uint8_t *data, bool there)
{
    static const uint16_t versions[] = {
        0x00a0, /* SAM-5                         */
        0x0960, /* iSCSI                         */
        0x0460, /* SPC-4                         */
        0x04c0, /* SBC-3                         */
    };

    data[0] = there ? 0 : NO_LOGICAL_UNIT;
    data[2] = 0x06; /* SPC-4: what initiators know how to read */
    data[3] = 0x12; /* HISUP, response data format 2 */
    data[4] = INQUIRY_BYTES - 5;
    data[7] = 0x02; /* CMDQUE */
    memcpy(data + 8, vendor_and_product, sizeof vendor_and_product);
    put_revision(data + 32);
    for (uint32_t i = 0; i < array_length(versions); i++)
        be16_put(data, 58 + 2 * i, versions[i]);
}

bool scsi_inquiry_perform(struct scsi_command *c)
{
    uint8_t data[VPD_BYTES_MAX] = {0};
    bool evpd = c->cdb[1] & 0x01;

    if (evpd)
        return scsi_give(c, data, scsi_vpd_put(c, c->cdb[2], data));
    put_standard(data, scsi_lun_is_ours(c));
    return scsi_give(c, data, INQUIRY_BYTES);
}

/* ---- REQUEST SENSE: SPC-5 6.39 ---- */

bool scsi_request_sense_decode(struct scsi_command *c)
{
    c->data_in_bytes = c->cdb[4];
    return true;
}

bool scsi_request_sense_perform(struct scsi_command *c)
{
    uint32_t attentions = c->nexus->unit_attentions;
    bool descriptor_format = c->cdb[1] & 0x01;
    uint8_t data[SCSI_SENSE_MAX];
    uint16_t code = NO_ADDITIONAL_SENSE;
    enum sense_key key = NO_SENSE;

    if (!scsi_lun_is_ours(c)) {
        key = ILLEGAL_REQUEST;
        code = LOGICAL_UNIT_NOT_SUPPORTED;
    } else if (scsi_nexus_take_attention(c->nexus, &code)) {
        key = UNIT_ATTENTION;
    }
    scsi_give(c, data, scsi_sense_put(data, descriptor_format, key, code));
    if (c->starved)
        c->nexus->unit_attentions = attentions; /* it was not told */
    return true;
}

/* ---- REPORT LUNS: SPC-5 6.33 ---- */

bool scsi_report_luns_decode(struct scsi_command *c)
{
    c->data_in_bytes = be32_at(c->cdb, 6);
    if (c->cdb[2] > 2)
        return scsi_refuse_field(c, 2);
    if (c->data_in_bytes < 16)
        return scsi_refuse_field(c, 6);
    return true;
}

/* LUN 0 alone; there are no well known logical units (SELECT REPORT 01h). */
bool scsi_report_luns_perform(struct scsi_command *c)
{
    uint32_t luns = c->cdb[2] == 1 ? 0 : 1;
    uint8_t data[16] = {0};

    be32_put(data, 0, 8 * luns);
    return scsi_give(c, data, 8 + 8 * luns);
}
