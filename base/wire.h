/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/wire.h — bytes on a wire or a disk have types of their own.
 *
 * Each byte order is a struct of bytes: the compiler refuses to mix it with a number, there is no
 * padding and no alignment trap, and be32_get still compiles to one load and one swap.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* clang-format off */
typedef struct { uint8_t b[2]; } be16;
typedef struct { uint8_t b[3]; } be24;
typedef struct { uint8_t b[4]; } be32;
typedef struct { uint8_t b[8]; } be64;
typedef struct { uint8_t b[2]; } le16;
typedef struct { uint8_t b[4]; } le32;
typedef struct { uint8_t b[8]; } le64;

static inline uint16_t be16_get(be16 x) { uint16_t v; memcpy(&v, &x, sizeof v); return be16toh(v); }
static inline uint32_t be32_get(be32 x) { uint32_t v; memcpy(&v, &x, sizeof v); return be32toh(v); }
static inline uint64_t be64_get(be64 x) { uint64_t v; memcpy(&v, &x, sizeof v); return be64toh(v); }
static inline uint16_t le16_get(le16 x) { uint16_t v; memcpy(&v, &x, sizeof v); return le16toh(v); }
static inline uint32_t le32_get(le32 x) { uint32_t v; memcpy(&v, &x, sizeof v); return le32toh(v); }
static inline uint64_t le64_get(le64 x) { uint64_t v; memcpy(&v, &x, sizeof v); return le64toh(v); }
static inline uint32_t be24_get(be24 x) { return (uint32_t)x.b[0] << 16 | (uint32_t)x.b[1] << 8 | x.b[2]; }

static inline be16 be16_of(uint16_t v) { be16 x; v = htobe16(v); memcpy(&x, &v, sizeof x); return x; }
static inline be32 be32_of(uint32_t v) { be32 x; v = htobe32(v); memcpy(&x, &v, sizeof x); return x; }
static inline be64 be64_of(uint64_t v) { be64 x; v = htobe64(v); memcpy(&x, &v, sizeof x); return x; }
static inline le16 le16_of(uint16_t v) { le16 x; v = htole16(v); memcpy(&x, &v, sizeof x); return x; }
static inline le32 le32_of(uint32_t v) { le32 x; v = htole32(v); memcpy(&x, &v, sizeof x); return x; }
static inline le64 le64_of(uint64_t v) { le64 x; v = htole64(v); memcpy(&x, &v, sizeof x); return x; }
static inline be24 be24_of(uint32_t v) { return (be24){{(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}}; }

/* A field at byte `at` of foreign bytes whose length was checked before. */
static inline uint16_t be16_at(const uint8_t *p, unsigned at) { be16 x; memcpy(&x, p + at, sizeof x); return be16_get(x); }
static inline uint32_t be24_at(const uint8_t *p, unsigned at) { be24 x; memcpy(&x, p + at, sizeof x); return be24_get(x); }
static inline uint32_t be32_at(const uint8_t *p, unsigned at) { be32 x; memcpy(&x, p + at, sizeof x); return be32_get(x); }
static inline uint64_t be64_at(const uint8_t *p, unsigned at) { be64 x; memcpy(&x, p + at, sizeof x); return be64_get(x); }
static inline void be16_put(uint8_t *p, unsigned at, uint16_t v) { be16 x = be16_of(v); memcpy(p + at, &x, sizeof x); }
static inline void be32_put(uint8_t *p, unsigned at, uint32_t v) { be32 x = be32_of(v); memcpy(p + at, &x, sizeof x); }
static inline void be64_put(uint8_t *p, unsigned at, uint64_t v) { be64 x = be64_of(v); memcpy(p + at, &x, sizeof x); }
/* clang-format on */

#endif
