/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/superblock.c — where everything lies on the device, and the page that says so.
 *
 * The layout is chosen once, at format.  The superblock never changes afterwards; its two copies
 * lie at the two ends of the device, so that no single scratch takes both.
 */
#include "store/inside.h"

#define MIB               (UINT64_C(1) << 20)
#define JOURNAL_LEAST     MIB /* a group, an eighth of it, holds a whole chunk */
#define JOURNAL_AUTO_MIN  (64 * MIB)
#define JOURNAL_AUTO_MAX  (4096 * MIB)
#define REPLICAS_LEAST    256u
#define BYTES_PER_REPLICA (UINT64_C(2) << 30) /* four per 8 GiB (design 7) */
#define LOG_PAGES_SPARE   64u

/* Everything but the chunks, for `chunks` of them; fills in all that depends on the number. */
static uint64_t lay_out(struct geometry *g, uint64_t chunks)
{
    uint64_t at = PAGE_BYTES;

    g->chunks = chunks;
    g->map_pages = div_up(chunks, MAP_RECORDS);
    g->checksum_pages = div_up(chunks, CHECKSUM_RECORDS);
    g->log_pages = g->replicas_max + LOG_PAGES_SPARE;
    g->index_pages = div_up(table_pages(g), INDEX_ENTRIES);
    g->root_bytes =
        round_up(sizeof(struct format_root) + g->index_pages * sizeof(struct format_page_entry) +
                     g->replicas_max * sizeof(struct format_replica),
                 PAGE_BYTES);
    g->root_offset[0] = at;
    at += g->root_bytes;
    g->journal_offset = at;
    at += g->journal_bytes;
    g->table_offset = at;
    at += 2 * table_pages(g) * PAGE_BYTES;
    g->index_offset = at;
    at += 2 * g->index_pages * PAGE_BYTES;
    g->data_offset = round_up(at, CHUNK_BYTES);
    at = g->data_offset + chunks * CHUNK_BYTES;
    g->root_offset[1] = at;
    at += g->root_bytes;
    return at + PAGE_BYTES;
}

enum err geometry_choose(uint64_t device_bytes, uint64_t journal_bytes, struct geometry *ret)
{
    struct geometry g = {.size_bytes = round_down(device_bytes, PAGE_BYTES)};
    uint64_t low = 0, high = g.size_bytes / CHUNK_BYTES;

    if (device_bytes > DEVICE_MOST)
        return E_TOO_LARGE;
    if (journal_bytes == 0)
        journal_bytes = min_u64(max_u64(device_bytes / 64, JOURNAL_AUTO_MIN), JOURNAL_AUTO_MAX);
    g.journal_bytes = round_down(journal_bytes, PAGE_BYTES);
    if (g.journal_bytes < JOURNAL_LEAST || g.journal_bytes > JOURNAL_AUTO_MAX)
        return E_INVALID;
    g.replicas_max = max_u32(REPLICAS_LEAST, (uint32_t)div_up(g.size_bytes, BYTES_PER_REPLICA));
    while (low < high) { /* the most chunks that fit */
        uint64_t middle = low + (high - low + 1) / 2;

        if (lay_out(&g, middle) <= g.size_bytes)
            low = middle;
        else
            high = middle - 1;
    }
    lay_out(&g, low);
    if (low == 0 || g.size_bytes / 4 < g.size_bytes - low * CHUNK_BYTES)
        return E_NO_SPACE;
    *ret = g;
    return E_OK;
}

void superblock_encode(void *page, uint32_t copy, struct identity disk, const struct geometry *g)
{
    struct format_superblock *b = page;

    memset(b, 0, sizeof *b);
    b->size_bytes = le64_of(g->size_bytes);
    b->journal_offset = le64_of(g->journal_offset);
    b->journal_bytes = le64_of(g->journal_bytes);
    b->table_offset = le64_of(g->table_offset);
    b->index_offset = le64_of(g->index_offset);
    b->root_offset[0] = le64_of(g->root_offset[0]);
    b->root_offset[1] = le64_of(g->root_offset[1]);
    b->root_bytes = le64_of(g->root_bytes);
    b->data_offset = le64_of(g->data_offset);
    b->chunks = le64_of(g->chunks);
    b->map_pages = le64_of(g->map_pages);
    b->checksum_pages = le64_of(g->checksum_pages);
    b->log_pages = le64_of(g->log_pages);
    b->index_pages = le64_of(g->index_pages);
    b->block_bytes = le32_of(BLOCK_BYTES);
    b->chunk_bytes = le32_of(CHUNK_BYTES);
    b->replicas_max = le32_of(g->replicas_max);
    format_seal(b, sizeof *b, &(struct format_name){SUPERBLOCK_MAGIC, disk, copy, 0});
}

/* A sealed superblock may still come from a careless hand: nothing may overlap or lie outside. */
static bool sane(const struct geometry *g, uint64_t device_bytes)
{
    struct geometry want = *g;

    if (g->size_bytes > device_bytes || g->size_bytes > DEVICE_MOST)
        return false;
    if (g->chunks == 0 || g->chunks > g->size_bytes / CHUNK_BYTES)
        return false;
    if (g->journal_bytes < JOURNAL_LEAST || g->journal_bytes > JOURNAL_AUTO_MAX ||
        g->journal_bytes % PAGE_BYTES)
        return false;
    if (g->replicas_max == 0 || g->replicas_max > DEVICE_MOST / BYTES_PER_REPLICA)
        return false;
    return lay_out(&want, g->chunks) <= g->size_bytes && memcmp(&want, g, sizeof want) == 0;
}

enum err superblock_decode(const void *page, uint32_t copy, uint64_t device_bytes,
                           struct geometry *ret, struct identity *ret_disk)
{
    const struct format_superblock *b = page;
    struct identity disk = {le64_get(b->head.disk)};
    struct geometry g;
    enum err err =
        format_prove(page, PAGE_BYTES, &(struct format_name){SUPERBLOCK_MAGIC, disk, copy, 0});
    bool read_only;

    if (!err) /* of another version: nothing else of it is ours to read */
        err = format_features(&b->head, &read_only);
    if (err)
        return err;
    memset(&g, 0, sizeof g);
    g.size_bytes = le64_get(b->size_bytes);
    g.journal_offset = le64_get(b->journal_offset);
    g.journal_bytes = le64_get(b->journal_bytes);
    g.table_offset = le64_get(b->table_offset);
    g.index_offset = le64_get(b->index_offset);
    g.root_offset[0] = le64_get(b->root_offset[0]);
    g.root_offset[1] = le64_get(b->root_offset[1]);
    g.root_bytes = le64_get(b->root_bytes);
    g.data_offset = le64_get(b->data_offset);
    g.chunks = le64_get(b->chunks);
    g.map_pages = le64_get(b->map_pages);
    g.checksum_pages = le64_get(b->checksum_pages);
    g.log_pages = le64_get(b->log_pages);
    g.index_pages = le64_get(b->index_pages);
    g.replicas_max = le32_get(b->replicas_max);
    if (le32_get(b->block_bytes) != BLOCK_BYTES || le32_get(b->chunk_bytes) != CHUNK_BYTES ||
        !sane(&g, device_bytes))
        return E_DAMAGED;
    *ret = g;
    *ret_disk = disk;
    return E_OK;
}

/* Either copy is enough; but where one is of another version, the other was not reached by it. */
enum err superblock_choose(const uint8_t *pages, uint64_t device_bytes, struct superblock *ret)
{
    struct superblock found[2];
    enum err err[2];

    for (uint32_t copy = 0; copy < 2; copy++) {
        found[copy].copy = copy;
        err[copy] = superblock_decode(pages + (size_t)copy * PAGE_BYTES, copy, device_bytes,
                                      &found[copy].geo, &found[copy].disk);
    }
    if (err[0] == E_UNSUPPORTED || err[1] == E_UNSUPPORTED)
        return E_UNSUPPORTED;
    if (err[0] && err[1])
        return err[0] == E_DAMAGED || err[1] == E_DAMAGED ? E_DAMAGED : E_NOT_FOUND;
    *ret = found[err[0] ? 1 : 0];
    return E_OK;
}
