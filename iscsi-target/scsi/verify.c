/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/verify.c — VERIFY, and WRITE AND VERIFY: SBC-4 5.33 to 5.41.
 *
 * The blocks are read window by window into buffers of the command (data_in, which gives nothing
 * here): reading is the verification of the medium, since a block that fails its checksum is an
 * error.  BYTCHK 01b compares them with the data-out, 11b each with its only block.
 *
 * The window is taken before WRITE AND VERIFY writes: being out of memory must change nothing.
 */
#include "base/util.h"
#include "iscsi-target/scsi/command.h"
#include "iscsi-target/scsi/operation.h"

#include <assert.h>
#include <string.h>

#define WINDOW_BYTES 262144u

enum { VERIFYING, WRITING };

static uint32_t byte_check(const struct scsi_command *c)
{
    return c->cdb[1] >> 1 & 3;
}

bool scsi_verify_decode(struct scsi_command *c)
{
    if (byte_check(c) == 2)
        return scsi_refuse_field(c, 1);
    if (!scsi_take_transfer(c))
        return false;
    if (byte_check(c) == 1)
        c->data_out_bytes = (uint32_t)c->extent.count * UNIT_BYTES;
    if (byte_check(c) == 3 && c->extent.count)
        c->data_out_bytes = scsi_block_bytes(c);
    return true;
}

/* The offset of the first byte in which they differ; `length` if none does. */
static uint32_t first_difference(const uint8_t *a, const uint8_t *b, uint32_t length)
{
    uint32_t i = 0;

    if (memcmp(a, b, length) == 0)
        return length;
    while (a[i] == b[i])
        i++;
    return i;
}

/* Compares a window's bytes with those of the data-out from `at` on; sense if they differ. */
static bool compare_window(struct scsi_command *c, uint32_t at, uint32_t length)
{
    uint32_t done = 0, step, same;
    uint8_t want[512], have[512];

    static_assert(sizeof want == UNIT_BYTES, "a piece never crosses a block");
    for (; done < length; done += step) {
        uint32_t from = byte_check(c) == 3 ? (at + done) % scsi_block_bytes(c) : at + done;

        step = min_u32(UNIT_BYTES, length - done);
        payload_read(&c->data_out, from, want, step);
        payload_read(&c->data_in, done, have, step);
        same = first_difference(want, have, step);
        if (same == step)
            continue;
        c->request.differs_at = at + done + same;
        scsi_fail(c, E_MISCOMPARE);
        return false;
    }
    return true;
}

static bool get_window(struct scsi_command *c)
{
    uint32_t bytes = (uint32_t)min_u64(c->extent.count * UNIT_BYTES, WINDOW_BYTES);

    return scsi_take_memory(c, bytes);
}

static bool read_window(struct scsi_command *c)
{
    struct extent window = scsi_take_left(c, WINDOW_BYTES / UNIT_BYTES);
    uint32_t count;

    if (window.count == 0)
        return true;
    count = payload_pieces(&c->data_in, 0, (uint32_t)window.count * UNIT_BYTES, c->pieces);
    return scsi_submit(c, BLOCK_READ, window, c->pieces, count);
}

bool scsi_verify_perform(struct scsi_command *c)
{
    if (c->extent.count == 0)
        return true;
    if (c->data_out.bytes < c->data_out_bytes) { /* not GOOD for bytes that nobody compared */
        scsi_refuse(c, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT);
        return true;
    }
    if (!get_window(c))
        return true;
    c->step = VERIFYING;
    c->left = c->extent;
    return read_window(c);
}

bool scsi_verify_go_on(struct scsi_command *c)
{
    struct extent window = c->request.extent;
    uint32_t at = (uint32_t)(window.start - c->extent.start) * UNIT_BYTES;

    if (byte_check(c) && !compare_window(c, at, (uint32_t)window.count * UNIT_BYTES))
        return true;
    return read_window(c);
}

bool scsi_write_verify_decode(struct scsi_command *c)
{
    if (byte_check(c) > 1)
        return scsi_refuse_field(c, 1);
    return scsi_write_decode(c);
}

bool scsi_write_verify_perform(struct scsi_command *c)
{
    uint32_t count;

    scsi_cut_to_data_out(c);
    if (c->extent.count == 0)
        return true;
    if (!get_window(c))
        return true;
    c->step = WRITING;
    count = payload_pieces(&c->data_out, 0, (uint32_t)c->extent.count * UNIT_BYTES, c->pieces);
    return scsi_submit(c, BLOCK_WRITE, c->extent, c->pieces, count);
}

bool scsi_write_verify_go_on(struct scsi_command *c)
{
    if (c->step == VERIFYING)
        return scsi_verify_go_on(c);
    c->step = VERIFYING;
    c->left = c->extent;
    return read_window(c);
}
