/* SPDX-License-Identifier: Apache-2.0 */
/* metadata/keeper_trailer.c — see keeper_trailer.h.  LMDB has no checksums of its own. */
#include "metadata/keeper_trailer.h"

#include "base/crc64.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROVED (offsetof(struct keeper_trailer, checksum) + sizeof(le64)) /* and on, by it */

/* Of the first `length` bytes. */
static enum err checksum_of(int fd, uint64_t length, uint64_t *ret)
{
    static uint8_t bytes[1 << 16];
    uint64_t crc = 0;

    for (uint64_t at = 0; at < length;) {
        size_t wanted = length - at < sizeof bytes ? (size_t)(length - at) : sizeof bytes;
        ssize_t count = pread(fd, bytes, wanted, (off_t)at);

        if (count <= 0)
            return count < 0 ? err_of_errno(errno) : E_DAMAGED;
        crc = crc64_go_on(crc, bytes, (size_t)count);
        at += (uint64_t)count;
    }
    *ret = crc;
    return E_OK;
}

/* `so_far`: of what comes before. */
static uint64_t trailer_checksum(const struct keeper_trailer *t, uint64_t so_far)
{
    return crc64_go_on(so_far, (const uint8_t *)t + PROVED, sizeof *t - PROVED);
}

enum err keeper_trailer_write(int fd)
{
    struct keeper_trailer t = {.magic = le32_of(TRAILER_MAGIC),
                               .version = le32_of(TRAILER_VERSION),
                               .bytes = le32_of(sizeof t)};
    struct stat file;
    uint64_t crc = 0;
    ssize_t written;
    enum err err = fstat(fd, &file) == 0 ? E_OK : err_of_errno(errno);

    if (!err)
        err = checksum_of(fd, (uint64_t)file.st_size, &crc);
    if (err)
        return err;
    t.length = le64_of((uint64_t)file.st_size);
    t.checksum = le64_of(trailer_checksum(&t, crc));
    written = pwrite(fd, &t, sizeof t, file.st_size);
    if (written == (ssize_t)sizeof t)
        return E_OK;
    return written < 0 ? err_of_errno(errno) : E_NO_SPACE;
}

static enum err says(const char **ret_why, enum err err, const char *why)
{
    *ret_why = why;
    return err;
}

static enum err trailer_judge(const struct keeper_trailer *t, uint64_t length, uint64_t crc,
                              const char **ret_why)
{
    if (le64_get(t->checksum) != trailer_checksum(t, crc) || le64_get(t->length) != length)
        return says(ret_why, E_DAMAGED, "it is damaged: its checksum says so");
    if (le32_get(t->version) != TRAILER_VERSION || le32_get(t->incompat) != 0)
        return says(ret_why, E_UNSUPPORTED, "a newer version made it");
    return E_OK;
}

enum err keeper_trailer_check(int fd, uint64_t *ret_length, const char **ret_why)
{
    struct keeper_trailer t;
    struct stat file;
    uint64_t length, crc = 0;
    enum err err;

    if (fstat(fd, &file) != 0)
        return says(ret_why, err_of_errno(errno), "it cannot be read");
    length = file.st_size > (off_t)sizeof t ? (uint64_t)file.st_size - sizeof t : 0;
    if (length == 0 || pread(fd, &t, sizeof t, (off_t)length) != (ssize_t)sizeof t ||
        le32_get(t.magic) != TRAILER_MAGIC)
        return says(ret_why, E_DAMAGED, "its end is missing: it is cut short, or no backup");
    err = checksum_of(fd, length, &crc);
    if (err)
        return says(ret_why, err, "it cannot be read");
    *ret_length = length;
    return trailer_judge(&t, length, crc, ret_why);
}
