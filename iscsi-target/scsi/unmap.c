/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/unmap.c — UNMAP: SBC-4 5.30.
 *
 * The parameter list: 8 bytes of header (UNMAP DATA LENGTH, UNMAP BLOCK DESCRIPTOR DATA LENGTH),
 * then descriptors of 16 bytes.  The whole list is judged before the first range is unmapped; a
 * descriptor of no blocks is no error wherever it points.  Ranges go down in order, in steps;
 * descriptors that go on where the one before ends are one range.
 */
#include "base/wire.h"
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

#define HEADER_BYTES     8u
#define DESCRIPTOR_BYTES 16u
#define ANCHOR           0x01u

bool scsi_unmap_decode(struct scsi_command *c)
{
    uint16_t length = be16_at(c->cdb, 7);

    if (c->cdb[1] & ANCHOR)
        return scsi_refuse_field(c, 1);
    if (length > 0 && length < HEADER_BYTES)
        return scsi_refuse(c, PARAMETER_LIST_LENGTH_ERROR);
    c->data_out_bytes = length;
    return true;
}

static struct scsi_range descriptor(const struct scsi_command *c, uint32_t number)
{
    uint8_t bytes[DESCRIPTOR_BYTES];

    payload_read(&c->data_out, HEADER_BYTES + number * DESCRIPTOR_BYTES, bytes, sizeof bytes);
    return (struct scsi_range){be64_at(bytes, 0), be32_at(bytes, 8)};
}

/* How many whole descriptors there are; an incomplete last one is ignored: SBC-4 5.30.2. */
static bool count_descriptors(struct scsi_command *c, uint32_t *ret)
{
    uint8_t header[HEADER_BYTES];
    uint16_t bytes;

    if (c->data_out.bytes < c->data_out_bytes)
        return scsi_refuse(c, PARAMETER_LIST_LENGTH_ERROR);
    payload_read(&c->data_out, 0, header, sizeof header);
    bytes = be16_at(header, 2);
    if (bytes > c->data_out_bytes - HEADER_BYTES)
        return scsi_refuse(c, PARAMETER_LIST_LENGTH_ERROR);
    *ret = bytes / DESCRIPTOR_BYTES;
    if (*ret > SCSI_UNMAP_DESCRIPTORS)
        return scsi_refuse_parameter(c, 2);
    return true;
}

static bool judge(struct scsi_command *c, uint32_t count)
{
    uint64_t units = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct scsi_range range = descriptor(c, i);

        if (range.blocks && !scsi_take_range(c, range))
            return false;
        units += range.blocks * scsi_block_units(c);
    }
    if (units > SCSI_UNMAP_UNITS_MAX)
        return scsi_refuse_parameter(c, HEADER_BYTES);
    return true;
}

/*
 * The next range into c->left: a descriptor and those behind it that go on where it ends, so that
 * a list of single blocks costs one change below, not one each.  c->step descriptors in all,
 * c->descriptor the next to take.
 */
static void take_descriptors(struct scsi_command *c)
{
    uint64_t units = scsi_block_units(c);

    for (; c->descriptor < c->step; c->descriptor++) {
        struct scsi_range range = descriptor(c, c->descriptor);

        if (range.blocks == 0)
            continue;
        if (c->left.count == 0)
            c->left.start = range.lba * units;
        else if (range.lba * units != extent_end(c->left))
            return;
        c->left.count += range.blocks * units;
    }
}

static bool next_step(struct scsi_command *c)
{
    if (c->left.count == 0)
        take_descriptors(c);
    if (c->left.count == 0)
        return true;
    return scsi_submit(c, BLOCK_UNMAP, scsi_take_left(c, SCSI_STEP_UNITS), NULL, 0);
}

bool scsi_unmap_perform(struct scsi_command *c)
{
    if (c->data_out_bytes == 0)
        return true;
    if (!count_descriptors(c, &c->step) || !judge(c, c->step))
        return true;
    return next_step(c);
}

bool scsi_unmap_go_on(struct scsi_command *c)
{
    return next_step(c);
}
