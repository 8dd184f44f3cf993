/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/limits.c — how much memory a store may take, and what it comes to.
 *
 * Design 7: 128 MiB per TiB for the map, 256 MiB a disk for all the rest.  Of the rest some grows
 * with the disk (the index, what is known of each chunk and page), the stage is fixed, and the
 * cache of checksum pages takes what is left.
 */
#include "store/limits.h"

#define MIB        (UINT64_C(1) << 20)
#define REST_BYTES (256 * MIB)
#define STAGE_NODE (128 * MIB)
#define PAGES_MIN  1024u

struct store_limits store_limits_small(void)
{
    return (struct store_limits){.map_bytes = UINT64_C(16) << 20,
                                 .stage_bytes = UINT64_C(16) << 20,
                                 .checksum_pages = 1024,
                                 .changes_max = 512};
}

/* Slots of a map (base/map.h) of so many entries. */
static uint64_t map_slots(uint64_t entries)
{
    uint64_t slots = 8;

    while (slots < entries * 2)
        slots *= 2;
    return slots * sizeof(struct map_entry);
}

/* Each leaf has its place in the pool's stack. */
static uint64_t map_memory(const struct store_limits *l)
{
    return leaves_of(l) * (MAP_LEAF * sizeof(uint64_t) + sizeof(void *));
}

static uint64_t stage_memory(const struct store_limits *l)
{
    uint64_t stage = max_u64(l->stage_bytes, STAGE_LEAST), blocks = stage / BLOCK_BYTES;
    uint64_t chunks = blocks + CHUNKS_SPARE;
    /* the chunk, its place in the pool's stack and in the checkpoint, and its turn there */
    uint64_t each = sizeof(struct staged_chunk) + 2 * sizeof(void *) + 2 * sizeof(struct chunk_key);

    return stage + blocks * sizeof(void *) + chunks * each + 2 * map_slots(chunks);
}

static uint64_t cache_memory(uint64_t pages)
{
    return pages * (PAGE_BYTES + sizeof(struct cached_page)) + map_slots(pages);
}

/* What is known of every table page, chunk and replica of a disk. */
static uint64_t disk_memory(uint64_t device_bytes)
{
    struct geometry g;

    if (geometry_choose(device_bytes, 0, &g))
        return 0;
    return table_pages(&g) * sizeof(struct page_entry) + 2 * g.map_pages + g.checksum_pages +
           g.index_pages * (sizeof(struct page_entry) + 1) + g.log_pages * PAGE_BYTES +
           2 * g.root_bytes + 3 * (g.chunks / 8) + g.replicas_max * sizeof(struct store_replica) +
           map_slots(g.replicas_max);
}

uint64_t store_limits_bytes(const struct store_limits *l)
{
    return map_memory(l) + stage_memory(l) + cache_memory(l->checksum_pages) +
           disk_memory(l->device_bytes) + (uint64_t)l->replicas_max * sizeof(struct store_replica) +
           open_writes_of(l) * (sizeof(struct open_write) + sizeof(void *)) +
           (OPEN_EXTENTS_MAX + 1) * sizeof(struct extent) +
           REDIRECTS * (sizeof(struct redirect) + sizeof(void *)) +
           HOME_READS * ((uint64_t)CHUNK_BYTES + sizeof(struct home_read)) +
           HOME_WRITES * sizeof(struct home_write) +
           PAGE_JOBS * (PAGE_BYTES + sizeof(struct page_job)) +
           GROUPS_MAX * (GROUP_META_MAX + GROUP_RECORDS_MAX * sizeof(struct group_item) +
                         GROUP_BLOCKS_MAX * (sizeof(struct iovec) + sizeof(void *))) +
           REPLAY_BYTES; /* the last while it opens */
}

struct store_limits store_limits_node(uint64_t device_bytes)
{
    uint64_t bytes = min_u64(device_bytes, DEVICE_MOST); /* what is larger does not open */
    struct store_limits l = {.device_bytes = bytes,
                             .map_bytes = bytes / 8192, /* 8 bytes for each 64 KiB */
                             .stage_bytes = STAGE_NODE,
                             .changes_max = 1024};
    uint64_t allowed = l.map_bytes + REST_BYTES, taken;

    l.map_bytes = max_u64(round_up(l.map_bytes, PAGE_BYTES), 4 * MIB);
    taken = store_limits_bytes(&l) + MIB / 2; /* what is small */
    l.checksum_pages = PAGES_MIN;
    while (taken + cache_memory(l.checksum_pages + (uint64_t)PAGES_MIN) <= allowed)
        l.checksum_pages += PAGES_MIN;
    return l;
}
