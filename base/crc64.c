/* SPDX-License-Identifier: Apache-2.0 */
/* base/crc64.c — CRC-64, by isa-l. */
#include "base/crc64.h"

#include <isa-l/crc64.h>
#include <stdbool.h>

/* Its dispatcher asks for SSE4 only, and what it takes then needs PCLMULQDQ: a virtual CPU may have
 * the one without the other (QEMU's Nehalem). */
static bool quick(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("pclmul");
#else
    return true;
#endif
}

uint64_t crc64_go_on(uint64_t crc, const void *bytes, size_t length)
{
    return quick() ? crc64_ecma_refl(crc, bytes, length) : crc64_ecma_refl_base(crc, bytes, length);
}
