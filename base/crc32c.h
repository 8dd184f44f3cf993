/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/crc32c.h — CRC32C (Castagnoli), and the checksum of a block.
 *
 * crc32c() is iSCSI's digest: initial value and final inversion as RFC 7143 12.1 has them.
 * crc32c_go_on() continues one: crc32c(ab) == crc32c_go_on(crc32c(a), b).
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/identity.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define BLOCK_BYTES 4096u /* the grain of a checksum (design 2) */

uint32_t crc32c(const void *bytes, size_t length);
uint32_t crc32c_go_on(uint32_t crc, const void *bytes, size_t length);

/*
 * The checksum of one block, seeded with the volume and the block's number in it: never with disk
 * address, replica or generation, so that it travels unchanged to other copies (design 4).
 */
uint32_t block_checksum(struct identity volume, uint64_t block, const void *bytes);

/* The same for `count` blocks from `block` on, gathered from pieces of any size and alignment. */
void block_checksums(struct identity volume, uint64_t block, uint64_t count,
                     const struct iovec *pieces, uint32_t *ret);

#endif
