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

void block_checksums(struct identity volume, uint64_t block, uint64_t count,
                     const struct iovec *pieces, uint32_t *ret)
{
    size_t used = 0; /* of *pieces */

    for (uint64_t i = 0; i < count; i++) {
        uint32_t crc = seed_of(volume, block + i);
        size_t missing = BLOCK_BYTES;

        while (missing > 0) {
            size_t part = (size_t)min_u64(missing, pieces->iov_len - used);

            crc = crc32c_go_on(crc, (const uint8_t *)pieces->iov_base + used, part);
            missing -= part;
            used += part;
            if (used == pieces->iov_len) {
                pieces++;
                used = 0;
            }
        }
        ret[i] = crc;
    }
}
