/* SPDX-License-Identifier: Apache-2.0 */
/* base/crc64.h — CRC-64 (ECMA-182, reflected; "XZ"). */
#ifndef BASE_CRC64_H
#define BASE_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that come in pieces: begins with crc = 0. */
uint64_t crc64_go_on(uint64_t crc, const void *bytes, size_t length);

static inline uint64_t crc64(const void *bytes, size_t length)
{
    return crc64_go_on(0, bytes, length);
}

#endif
