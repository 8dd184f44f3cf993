/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/mode.c — the mode pages, and MODE SENSE(6) and (10) (SPC-5 6.14, SBC-4 6.5).
 *
 * Of all that the pages say, D_SENSE and SWP can be changed (mode_select.c), and nothing is saved.
 * The write cache is off (design 4: an answer means durable), DPO and FUA are accepted.
 */
#include "iscsi-target/scsi/mode.h"

#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/operation.h"

#define ALL_PAGES    0x3f
#define ALL_SUBPAGES 0xff
#define MODE_BYTES   128u

enum page_control { CURRENT, CHANGEABLE, DEFAULT, SAVED };

/* Control page: byte 2 and byte 4. */
#define CONTROL 0x0a
#define D_SENSE 0x04
#define SWP     0x08

const struct mode_page scsi_mode_pages[MODE_PAGES] = {
    /* read-write error recovery: AWRE, ARRE */
    {12, {0x01, 0x0a, 0xc0}, {0}},
    /* caching: WCE 0, RCD 0 */
    {20, {0x08, 0x12}, {0}},
    /* control: GLTSD, unrestricted reordering, busy for an unlimited time */
    {12, {CONTROL, 0x0a, 0x02, 0x10, 0, 0, 0, 0, 0xff, 0xff}, {0, 0, D_SENSE, 0, SWP}},
    /* informational exceptions control: DEXCPT */
    {12, {0x1c, 0x0a, 0x08}, {0}},
};

const struct mode_page *scsi_mode_page(uint8_t code)
{
    for (uint32_t i = 0; i < MODE_PAGES; i++)
        if (scsi_mode_pages[i].bytes[0] == code)
            return &scsi_mode_pages[i];
    return NULL;
}

void scsi_mode_current(const struct mode_page *p, struct scsi_mode mode, uint8_t *ret)
{
    memcpy(ret, p->bytes, MODE_PAGE_MAX);
    if (p->bytes[0] != CONTROL)
        return;
    ret[2] |= mode.descriptor_sense ? D_SENSE : 0;
    ret[4] |= mode.write_protected ? SWP : 0;
}

void scsi_mode_take(const struct mode_page *p, const uint8_t *bytes, struct scsi_mode *ret)
{
    if (p->bytes[0] != CONTROL)
        return;
    ret->descriptor_sense = bytes[2] & D_SENSE;
    ret->write_protected = bytes[4] & SWP;
}

uint32_t scsi_mode_descriptor(const struct scsi_command *c, bool is_long, uint8_t *ret)
{
    uint64_t blocks = scsi_capacity_blocks(c);

    if (is_long) {
        be64_put(ret, 0, blocks);
        be32_put(ret, 8, 0);
        be32_put(ret, 12, scsi_block_bytes(c));
        return 16;
    }
    be32_put(ret, 0, (uint32_t)min_u64(blocks, UINT32_MAX));
    be32_put(ret, 4, scsi_block_bytes(c)); /* its first byte is reserved */
    return 8;
}

/* ---- MODE SENSE ---- */

static bool is_6(const struct scsi_command *c)
{
    return scsi_cdb_bytes(c->cdb[0]) == 6;
}

bool scsi_mode_sense_decode(struct scsi_command *c)
{
    uint8_t page = c->cdb[2] & 0x3f, subpage = c->cdb[3];

    if (page != ALL_PAGES && !scsi_mode_page(page))
        return scsi_refuse_field(c, 2);
    if (subpage && subpage != ALL_SUBPAGES)
        return scsi_refuse_field(c, 3);
    if (c->cdb[2] >> 6 == SAVED)
        return scsi_refuse(c, SAVING_PARAMETERS_NOT_SUPPORTED);
    c->data_in_bytes = is_6(c) ? c->cdb[4] : be16_at(c->cdb, 7);
    return true;
}

/* A nexus that may only read can change nothing (CHANGES_UNIT). */
static void put_page(const struct scsi_nexus *n, const struct mode_page *p,
                     enum page_control control, uint8_t *at)
{
    uint8_t bytes[MODE_PAGE_MAX];

    scsi_mode_current(p, control == CURRENT ? n->mode : (struct scsi_mode){0}, bytes);
    for (uint32_t i = 2; control == CHANGEABLE && i < MODE_PAGE_MAX; i++)
        bytes[i] = n->read_only ? 0 : p->changes[i];
    memcpy(at, bytes, p->length);
}

static uint32_t put_pages(const struct scsi_command *c, uint8_t *at)
{
    uint8_t code = c->cdb[2] & 0x3f;
    uint32_t used = 0;

    for (uint32_t i = 0; i < MODE_PAGES; i++) {
        const struct mode_page *p = &scsi_mode_pages[i];

        if (code != ALL_PAGES && code != p->bytes[0])
            continue;
        put_page(c->nexus, p, c->cdb[2] >> 6, at + used);
        used += p->length;
    }
    return used;
}

bool scsi_mode_sense_perform(struct scsi_command *c)
{
    uint8_t data[MODE_BYTES] = {0};
    uint32_t head = is_6(c) ? 4 : 8, descriptor = 0, used;
    bool no_descriptor = c->cdb[1] & 0x08;
    bool is_long = !is_6(c) && (c->cdb[1] & 0x10);
    uint8_t specific = scsi_write_protected(c->nexus) ? 0x90 : 0x10; /* WP, DPOFUA */

    if (!no_descriptor)
        descriptor = scsi_mode_descriptor(c, is_long, data + head);
    used = head + descriptor + put_pages(c, data + head + descriptor);

    if (is_6(c)) {
        data[0] = (uint8_t)(used - 1);
        data[2] = specific;
        data[3] = (uint8_t)descriptor;
    } else {
        be16_put(data, 0, (uint16_t)(used - 2));
        data[3] = specific;
        data[4] = is_long && descriptor; /* LONGLBA */
        be16_put(data, 6, (uint16_t)descriptor);
    }
    return scsi_give(c, data, used);
}
