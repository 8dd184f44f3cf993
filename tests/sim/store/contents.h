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

static inline void contents_fill(uint8_t *bytes, struct identity replica, uint64_t block,
                                 uint64_t version)
{
    uint64_t words[CONTENTS_WORDS];
    uint64_t seed = contents_seed(replica, block, version);

    words[0] = version;
    for (uint64_t i = 1; i < CONTENTS_WORDS; i++)
        words[i] = seed + i;
    memcpy(bytes, words, sizeof words);
}

/* The version; 0: zeros; UINT64_MAX - 1: nobody's. */
static inline uint64_t contents_version(const uint8_t *bytes, struct identity replica,
                                        uint64_t block)
{
    uint64_t words[CONTENTS_WORDS], differs = 0;
    uint64_t seed;

    memcpy(words, bytes, sizeof words);
    seed = words[0] ? contents_seed(replica, block, words[0]) : 0;
    for (uint64_t i = 1; i < CONTENTS_WORDS; i++)
        differs |= words[i] ^ (words[0] ? seed + i : 0);
    return differs ? UINT64_MAX - 1 : words[0];
}

#endif
