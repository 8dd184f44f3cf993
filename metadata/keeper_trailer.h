/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/keeper_trailer.h — the end of a backup, by which it proves itself
 * (docs/formats/backup.md).
 */
#ifndef METADATA_KEEPER_TRAILER_H
#define METADATA_KEEPER_TRAILER_H

#include "base/err.h"
#include "base/wire.h"

#include <assert.h>

#define TRAILER_MAGIC   UINT32_C(0x42524c44) /* "DLRB" */
#define TRAILER_VERSION 1u

struct keeper_trailer {
    le64 checksum; /* CRC-64/XZ of all that comes before, and of what follows here */
    le32 magic;
    le32 version;
    le32 compat, ro_compat, incompat;
    le32 bytes;  /* of this structure */
    le64 length; /* of what comes before */
    uint8_t reserve[24];
};
static_assert(sizeof(struct keeper_trailer) == 64, "docs/formats/backup.md");

/* Behind all that is in `fd`, which is open for reading and writing. */
enum err keeper_trailer_write(int fd);

/* E_OK: all of it is as it was written; *ret_length of it are the keeper's.  Else *ret_why: static.
 */
enum err keeper_trailer_check(int fd, uint64_t *ret_length, const char **ret_why);

#endif
