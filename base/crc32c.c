/* SPDX-License-Identifier: Apache-2.0 */
/* base/crc32c.c — ISA-L does the arithmetic, with whatever the CPU offers. */
#include "base/crc32c.h"

#include "base/util.h"
#include "base/wire.h"

#include <isa-l/crc.h>

uint32_t crc32c_go_on(uint32_t crc, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    crc = ~crc;
    while (length > 0) { /* the library counts in int */
        int part = (int)min_u64(length, 1u << 30);

        /* its parameter lacks a const; it only reads */
        crc = crc32_iscsi((unsigned char *)(uintptr_t)at, part, crc);
        at += part;
        length -= (size_t)part;
    }
    return ~crc;
}

uint32_t crc32c(const void *bytes, size_t length)
{
    return crc32c_go_on(0, bytes, length);
}

static uint32_t seed_of(struct identity volume, uint64_t block)
{
    struct {
        le64 volume, block;
    } seed = {le64_of(volume.bits), le64_of(block)};

    return crc32c(&seed, sizeof seed);
}

uint32_t block_checksum(struct identity volume, uint64_t block, const void *bytes)
{
    return crc32c_go_on(seed_of(volume, block), bytes, BLOCK_BYTES);
}

/* A place in a list of pieces. */
struct cursor {
    const struct iovec *piece;
    size_t used; /* of it */
};

static uint32_t gathered(struct cursor *at, uint32_t crc, size_t missing)
{
    while (missing > 0) {
        size_t part = (size_t)min_u64(missing, at->piece->iov_len - at->used);

        crc = crc32c_go_on(crc, (const uint8_t *)at->piece->iov_base + at->used, part);
        missing -= part;
        at->used += part;
        if (at->used == at->piece->iov_len) {
            at->piece++;
            at->used = 0;
        }
    }
    return crc;
}

void block_checksums(struct identity volume, uint64_t block, uint64_t count,
                     const struct iovec *pieces, uint32_t *ret)
{
    struct cursor at = {.piece = pieces};

    for (uint64_t i = 0; i < count; i++)
        ret[i] = gathered(&at, seed_of(volume, block + i), BLOCK_BYTES);
}
