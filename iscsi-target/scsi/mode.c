/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/mode.c — MODE SENSE(6) and (10) (SPC-5 6.14, 7.5; SBC-4 6.5).
 *
 * Nothing can be changed: there is no MODE SELECT, the changeable values are zeros.  The write
 * cache is off (design 4: an answer means durable), DPO and FUA are accepted.
 */
#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

#define ALL_PAGES    0x3f
#define ALL_SUBPAGES 0xff
#define MODE_BYTES   128u

enum page_control { CURRENT, CHANGEABLE, DEFAULT, SAVED };

/* A page as it lies on the wire, from its page code on; bytes not named are zero. */
struct mode_page {
    uint8_t length; /* whole, with the two bytes of its head */
    uint8_t bytes[20];
};

static const struct mode_page pages[] = {
    /* read-write error recovery: AWRE, ARRE */
    {12, {0x01, 0x0a, 0xc0}},
    /* caching: WCE 0, RCD 0 */
    {20, {0x08, 0x12}},
    /* control: GLTSD, unrestricted reordering, busy for an unlimited time */
    {12, {0x0a, 0x0a, 0x02, 0x10, 0, 0, 0, 0, 0xff, 0xff}},
    /* informational exceptions control: DEXCPT */
    {12, {0x1c, 0x0a, 0x08}},
};

static bool page_known(uint8_t code)
{
    for (uint32_t i = 0; i < array_length(pages); i++)
        if (pages[i].bytes[0] == code)
            return true;
    return code == ALL_PAGES;
}

static bool is_6(const struct scsi_command *c)
{
    return scsi_cdb_bytes(c->cdb[0]) == 6;
}

bool scsi_mode_sense_decode(struct scsi_command *c)
{
    uint8_t subpage = c->cdb[3];

    if (!page_known(c->cdb[2] & 0x3f))
        return scsi_refuse_field(c, 2);
    if (subpage && subpage != ALL_SUBPAGES)
        return scsi_refuse_field(c, 3);
    if (c->cdb[2] >> 6 == SAVED)
        return scsi_refuse(c, SAVING_PARAMETERS_NOT_SUPPORTED);
    c->data_in_bytes = is_6(c) ? c->cdb[4] : be16_at(c->cdb, 7);
    return true;
}

/* The block descriptor, short (8 bytes) or long (16): SBC-4 6.5.2. */
static uint32_t put_block_descriptor(const struct scsi_command *c, uint8_t *at, bool is_long)
{
    uint64_t blocks = scsi_capacity_blocks(c);

    if (is_long) {
        be64_put(at, 0, blocks);
        be32_put(at, 12, scsi_block_bytes(c));
        return 16;
    }
    be32_put(at, 0, (uint32_t)min_u64(blocks, UINT32_MAX));
    be32_put(at, 4, scsi_block_bytes(c)); /* its first byte is reserved */
    return 8;
}

static uint32_t put_pages(uint8_t *at, uint8_t code, enum page_control control)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < array_length(pages); i++) {
        const struct mode_page *p = &pages[i];

        if (code != ALL_PAGES && code != p->bytes[0])
            continue;
        memcpy(at + used, p->bytes, control == CHANGEABLE ? 2 : p->length);
        used += p->length;
    }
    return used;
}

bool scsi_mode_sense_perform(struct scsi_command *c)
{
    uint8_t data[MODE_BYTES] = {0};
    uint32_t head = is_6(c) ? 4 : 8;
    bool no_descriptor = c->cdb[1] & 0x08;
    bool is_long = !is_6(c) && (c->cdb[1] & 0x10);
    uint8_t specific = c->nexus->read_only ? 0x90 : 0x10; /* WP, DPOFUA */
    uint32_t used = head;

    if (!no_descriptor)
        used += put_block_descriptor(c, data + head, is_long);
    uint32_t descriptor = used - head;
    used += put_pages(data + used, c->cdb[2] & 0x3f, c->cdb[2] >> 6);

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
