/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/probe_sample.c — data of a kind that nobody can name.
 *
 * Encrypted devices, raw databases and half a RAID have no signature.  So both ends of a device are
 * read in full, and pages spread evenly over the rest: what was never used, or was discarded, is
 * zeros there (or ones, as erased flash reads), and anything else is somebody's.  It is a sample:
 * a little that lies between two places is not seen.  A rotating disk does it in some seconds.
 *
 * A root that a format alone has written is ours, and nobody's data (probe.h): a format of a blank
 * disk that was broken off is begun again.
 */
#include "store/inside.h"
#include "store/probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define ENDS_BYTES (UINT64_C(4) << 20) /* each */
#define PLACES     512u                /* between them */

static bool of_a_format(const uint8_t *page)
{
    struct format_head head;

    memcpy(&head, page, sizeof head);
    return probe_is_of_a_format(page, le32_get(head.magic));
}

/* The page from `offset` on, or what the device has of it.  Never E_OK unread. */
static enum err look_at(int fd, uint64_t bytes, uint64_t offset, char ret_text[80])
{
    size_t length = (size_t)min_u64(PAGE_BYTES, bytes - offset);
    uint8_t page[PAGE_BYTES] = {0};

    for (uint32_t tries = 1; pread(fd, page, length, (off_t)offset) != (ssize_t)length; tries++) {
        if (tries < READ_TRIES) /* an error may pass */
            continue;
        snprintf(ret_text, 80, "what cannot be read (at byte %" PRIu64 ")", offset);
        return E_DISK;
    }
    if (of_a_format(page))
        return E_OK;
    for (size_t i = 0; i < length; i++) {
        if (page[i] == page[0] && (page[i] == 0 || page[i] == 0xff))
            continue;
        snprintf(ret_text, 80, "data of an unknown kind (at byte %" PRIu64 ")", offset + i);
        return E_FOREIGN;
    }
    return E_OK;
}

static enum err look_through(int fd, uint64_t bytes, struct extent part, char ret_text[80])
{
    enum err err = E_OK;

    for (uint64_t at = part.start; at < extent_end(part) && !err; at += PAGE_BYTES)
        err = look_at(fd, bytes, at, ret_text);
    return err;
}

enum err probe_sample(int fd, uint64_t bytes, char ret_text[80])
{
    uint64_t end = min_u64(bytes, ENDS_BYTES);
    uint64_t last = round_down(bytes - end, PAGE_BYTES);
    enum err err = look_through(fd, bytes, (struct extent){0, end}, ret_text);

    for (uint64_t i = 1; i < PLACES && !err; i++)
        err = look_at(fd, bytes, round_down(bytes / PLACES * i, PAGE_BYTES), ret_text);
    if (!err)
        err = look_through(fd, bytes, (struct extent){last, bytes - last}, ret_text);
    return err;
}
