/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/vpd.c — the vital product data pages.
 *
 * Page 83h is what multipath, udev and clusters know a volume by: all of it follows from the
 * volume's identity and names, so it is the same on every node and for the volume's life.  Pages
 * B0h to B2h say what the rest of this folder keeps to (command.h).
 */
#include "iscsi-target/scsi/vpd.h"

#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/command.h"

#include <stdio.h>

enum vpd_page {
    SUPPORTED_PAGES = 0x00,
    UNIT_SERIAL_NUMBER = 0x80,
    DEVICE_IDENTIFICATION = 0x83,
    EXTENDED_INQUIRY = 0x86,
    BLOCK_LIMITS = 0xb0,
    BLOCK_CHARACTERISTICS = 0xb1,
    BLOCK_PROVISIONING = 0xb2,
};

static const uint8_t supported_pages[] = {
    SUPPORTED_PAGES, UNIT_SERIAL_NUMBER,    DEVICE_IDENTIFICATION, EXTENDED_INQUIRY,
    BLOCK_LIMITS,    BLOCK_CHARACTERISTICS, BLOCK_PROVISIONING,
};

bool scsi_vpd_known(uint8_t page)
{
    return memchr(supported_pages, page, sizeof supported_pages) != NULL;
}

static uint32_t put_serial(const struct scsi_command *c, uint8_t *at)
{
    struct identity_text serial = identity_show(c->nexus->block->identity);

    memcpy(at, serial.text, IDENTITY_TEXT - 1);
    return IDENTITY_TEXT - 1;
}

/* ---- 83h: designators (SPC-5 7.7.6) ---- */

enum code_set { BINARY = 1, ASCII = 2, UTF_8 = 3 };
enum association { OF_UNIT = 0x00, OF_PORT = 0x10, OF_TARGET = 0x20 };
enum designator { T10_VENDOR_ID = 1, NAA = 3, RELATIVE_PORT = 4, PORT_GROUP = 5, SCSI_NAME = 8 };

#define PROTOCOL_ISCSI 0x50
#define PIV            0x80 /* the protocol identifier is valid */

/* The four bytes before a designator's own; with them its length. */
static uint32_t put_designator(uint8_t *at, enum code_set code, unsigned kind, uint32_t bytes)
{
    bool of_unit = (kind & 0x30) == OF_UNIT;

    at[0] = (uint8_t)(of_unit ? code : PROTOCOL_ISCSI | code);
    at[1] = (uint8_t)(of_unit ? kind : PIV | kind);
    at[3] = (uint8_t)bytes;
    return 4 + bytes;
}

static uint32_t put_naa(const struct scsi_command *c, uint8_t *at)
{
    uint64_t bits = c->nexus->block->identity.bits;

    be64_put(at, 4, 3ull << 60 | (bits & ~(0xfull << 60))); /* 3h: locally assigned */
    return put_designator(at, BINARY, OF_UNIT | NAA, 8);
}

static uint32_t put_t10(const struct scsi_command *c, uint8_t *at)
{
    const char *alias = c->nexus->alias ? c->nexus->alias : "";
    struct identity_text serial = identity_show(c->nexus->block->identity);
    char text[8 + IDENTITY_TEXT + 64 + 1];
    int length = snprintf(text, sizeof text, "DOLMEN  %s%.64s", serial.text, alias);

    memcpy(at + 4, text, (size_t)length);
    return put_designator(at, ASCII, OF_UNIT | T10_VENDOR_ID, (uint32_t)length);
}

/* The target's name with what makes it that of a unit or a port: with NUL, to a multiple of 4. */
static uint32_t put_name(const struct scsi_command *c, uint8_t *at, enum association of)
{
    char text[256];
    const char *name = c->nexus->target_name ? c->nexus->target_name : "";
    int length = 0;

    switch (of) {
    case OF_UNIT:
        length = snprintf(text, sizeof text, "%.223s,L,0x%016x", name, 0u);
        break;
    case OF_PORT:
        length = snprintf(text, sizeof text, "%.223s,t,0x%04x", name, c->nexus->portal_group_tag);
        break;
    case OF_TARGET:
        length = snprintf(text, sizeof text, "%.223s", name);
        break;
    }
    memcpy(at + 4, text, (size_t)length);
    return put_designator(at, UTF_8, of | SCSI_NAME, (uint32_t)round_up((uint64_t)length + 1, 4));
}

static uint32_t put_port(uint8_t *at, enum designator what, uint16_t number)
{
    be16_put(at, 6, number);
    return put_designator(at, BINARY, OF_PORT | what, 4);
}

static uint32_t put_identification(const struct scsi_command *c, uint8_t *at)
{
    uint32_t used = 0;

    used += put_naa(c, at + used);
    used += put_t10(c, at + used);
    used += put_name(c, at + used, OF_UNIT);
    used += put_name(c, at + used, OF_PORT);
    used += put_port(at + used, RELATIVE_PORT, 1);
    used += put_port(at + used, PORT_GROUP, c->nexus->portal_group_tag);
    used += put_name(c, at + used, OF_TARGET);
    return used;
}

/* ---- 86h, B0h, B1h, B2h; `at` is byte 4 of the page ---- */

static uint32_t put_extended(uint8_t *at)
{
    at[1] = 0x07; /* HEADSUP, ORDSUP, SIMPSUP: task attributes */
    at[3] = 0x01; /* LUICLR: what a nexus must be told is its own */
    return 0x3c;
}

static uint32_t put_limits(const struct scsi_command *c, uint8_t *page)
{
    const struct block *b = c->nexus->block;
    uint32_t units = scsi_block_units(c);
    uint32_t transfer = scsi_transfer_bytes_max(c->nexus) / scsi_block_bytes(c);

    page[5] =
        (uint8_t)min_u32(SCSI_COMPARE_BLOCKS_MAX,
                         transfer / 2); /* and WSNZ, byte 4, is 0: no blocks mean "to the end" */
    be16_put(page, 6, (uint16_t)(4096 / scsi_block_bytes(c)));
    be32_put(page, 8, transfer);
    be32_put(page, 12, min_u32(transfer, 1024 * 1024 / scsi_block_bytes(c)));
    be32_put(page, 20, SCSI_UNMAP_UNITS_MAX / units);
    be32_put(page, 24, SCSI_UNMAP_DESCRIPTORS);
    be32_put(page, 28, b->unmap_grain_units / units);
    be32_put(page, 32, 1u << 31); /* UGAVALID: grains are aligned to 0 */
    be64_put(page, 36, SCSI_WRITE_SAME_BLOCKS_MAX);
    return 0x3c;
}

static uint32_t put_characteristics(uint8_t *at)
{
    be16_put(at, 0, 1); /* the medium does not rotate */
    return 0x3c;
}

static uint32_t put_provisioning(uint8_t *at)
{
    at[1] = 0xe4; /* LBPU, LBPWS, LBPWS10, LBPRZ 001b */
    at[2] = 0x02; /* thin */
    return 4;
}

static uint32_t put_supported(uint8_t *at)
{
    memcpy(at, supported_pages, sizeof supported_pages);
    return sizeof supported_pages;
}

static uint32_t put_page(const struct scsi_command *c, enum vpd_page page, uint8_t *ret)
{
    uint8_t *at = ret + 4;

    switch (page) {
    case SUPPORTED_PAGES:
        return put_supported(at);
    case UNIT_SERIAL_NUMBER:
        return put_serial(c, at);
    case DEVICE_IDENTIFICATION:
        return put_identification(c, at);
    case EXTENDED_INQUIRY:
        return put_extended(at);
    case BLOCK_LIMITS:
        return put_limits(c, ret);
    case BLOCK_CHARACTERISTICS:
        return put_characteristics(at);
    case BLOCK_PROVISIONING:
        return put_provisioning(at);
    }
    unreachable();
}

uint32_t scsi_vpd_put(const struct scsi_command *c, uint8_t page, uint8_t *ret)
{
    uint32_t length = put_page(c, (enum vpd_page)page, ret);

    ret[1] = page;
    be16_put(ret, 2, (uint16_t)length);
    return 4 + length;
}
