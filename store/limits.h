/* SPDX-License-Identifier: Apache-2.0 */
/* store/limits.h — sizes that follow from the limits, for open and for the budget alike. */
#ifndef STORE_LIMITS_H
#define STORE_LIMITS_H

#include "store/inside.h"

/* A group, and one to replay. */
#define STAGE_LEAST      (GROUP_BLOCKS_MAX * UINT64_C(2) * BLOCK_BYTES)
#define GROUP_STAGED_MAX (STAGE_LEAST / BLOCK_BYTES) /* chunks: any stage can replay it */
#define OPEN_WRITES_MOST 65536u /* of all replicas; one of them has OPEN_EXTENTS_MAX at most */

/* Open writes wait for a commit word, which comes within a few windows of writes. */
static inline uint32_t open_writes_of(const struct store_limits *l)
{
    return min_u32(OPEN_WRITES_MOST, max_u32(OPEN_EXTENTS_MAX, l->changes_max * 64));
}

/* Of the chunk maps. */
static inline uint32_t leaves_of(const struct store_limits *l)
{
    return (uint32_t)max_u64(l->map_bytes / (MAP_LEAF * sizeof(uint64_t)), 1);
}

#endif
