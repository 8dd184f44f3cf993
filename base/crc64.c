/* SPDX-License-Identifier: Apache-2.0 */
/* base/crc64.c — CRC-64, by isa-l. */
#include "base/crc64.h"

#include <isa-l/crc64.h>

uint64_t crc64_go_on(uint64_t crc, const void *bytes, size_t length)
{
    return crc64_ecma_refl(crc, bytes, length);
}
