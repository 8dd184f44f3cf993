/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/store/contents.h — the bytes of a block, made from who wrote them, and read back.
 *
 * Every word but the first differs from every other block's by chance alone, so that a mixture of
 * two never passes; the first says the version.
 */
#ifndef TESTS_SIM_STORE_CONTENTS_H
#define TESTS_SIM_STORE_CONTENTS_H

#include "base/crc32c.h"

#include <string.h>

#define CONTENTS_WORDS (BLOCK_BYTES / 8)

static inline uint64_t contents_seed(struct identity replica, uint64_t block, uint64_t version)
{
    return (replica.bits ^ block * UINT64_C(0x9e3779b97f4a7c15)) +
           version * UINT64_C(0xbf58476d1ce4e5b9);
}

static inline uint64_t contents_get(const uint8_t *bytes, uint64_t word)
{
    uint64_t value;

    memcpy(&value, bytes + word * 8, sizeof value);
    return value;
}

static inline void contents_put(uint8_t *bytes, uint64_t word, uint64_t value)
{
    memcpy(bytes + word * 8, &value, sizeof value);
}

static inline void contents_fill(uint8_t *bytes, struct identity replica, uint64_t block,
                                 uint64_t version)
{
    uint64_t seed = contents_seed(replica, block, version);

    for (uint64_t i = 0; i < CONTENTS_WORDS; i++)
        contents_put(bytes, i, seed + i);
    contents_put(bytes, 0, version);
}

/* Whether every word behind the first is `seed` and its number times `step`. */
static inline bool contents_agree(const uint8_t *bytes, uint64_t seed, uint64_t step)
{
    uint64_t differs = 0, word = seed;

    for (uint64_t i = 1; i < CONTENTS_WORDS; i++)
        differs |= contents_get(bytes, i) ^ (word += step);
    return differs == 0;
}

/* The version; 0: zeros; UINT64_MAX - 1: nobody's. */
static inline uint64_t contents_version(const uint8_t *bytes, struct identity replica,
                                        uint64_t block)
{
    uint64_t version = contents_get(bytes, 0);
    bool agree = version ? contents_agree(bytes, contents_seed(replica, block, version), 1)
                         : contents_agree(bytes, 0, 0);

    return agree ? version : UINT64_MAX - 1;
}

#endif
