/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/log.c — LOG SENSE and READ DEFECT DATA: lists with nothing in them.
 *
 * The one log page is the list of log pages (SPC-5 6.8, 7.3), with and without subpages.  There are
 * no defects to list (SBC-4 5.17, 5.18): a block that cannot be stored in one place is stored in
 * another before anybody is answered.
 */
#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

#define ALL_SUBPAGES   0xff
#define SUBPAGE_FORMAT 0x40
#define SAVE           0x01

bool scsi_log_sense_decode(struct scsi_command *c)
{
    uint8_t page = c->cdb[2] & 0x3f, subpage = c->cdb[3];

    if (c->cdb[1] & SAVE)
        return scsi_refuse_field(c, 1);
    if (page)
        return scsi_refuse_field(c, 2);
    if (subpage && subpage != ALL_SUBPAGES)
        return scsi_refuse_field(c, 3);
    if (be16_at(c->cdb, 5)) /* PARAMETER POINTER: a list has no parameters */
        return scsi_refuse_field(c, 5);
    c->data_in_bytes = be16_at(c->cdb, 7);
    return true;
}

bool scsi_log_sense_perform(struct scsi_command *c)
{
    static const uint8_t pages[] = {0x00, 0x00, 0, 1, 0x00};
    static const uint8_t subpages[] = {SUBPAGE_FORMAT, ALL_SUBPAGES, 0,    4,
                                       0x00,           0x00,         0x00, ALL_SUBPAGES};

    if (c->cdb[3])
        return scsi_give(c, subpages, sizeof subpages);
    return scsi_give(c, pages, sizeof pages);
}

/* ---- READ DEFECT DATA ---- */

#define LISTS  0x18u /* REQ_PLIST, REQ_GLIST */
#define FORMAT 0x07u

static bool is_10(const struct scsi_command *c)
{
    return scsi_cdb_bytes(c->cdb[0]) == 10;
}

static uint8_t asked_for(const struct scsi_command *c)
{
    return c->cdb[is_10(c) ? 2 : 1] & (LISTS | FORMAT);
}

/* An empty list has every format but those of a vendor and of nobody (110b, 111b). */
bool scsi_read_defect_decode(struct scsi_command *c)
{
    c->data_in_bytes = is_10(c) ? be16_at(c->cdb, 7) : be32_at(c->cdb, 6);
    if ((asked_for(c) & FORMAT) > 5)
        return scsi_refuse_field(c, is_10(c) ? 2 : 1);
    return true;
}

bool scsi_read_defect_perform(struct scsi_command *c)
{
    uint8_t data[8] = {0, asked_for(c)};

    return scsi_give(c, data, is_10(c) ? 4 : 8);
}
