/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/cluster.c — what disks have promised, and where new shards go. */
#include "control/api/cluster.h"

#include <string.h>

#define CHUNK_BYTES 65536u

/* ---- the view ---- */

static uint32_t disks_alive(const struct heartbeat_set *set)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        if (heartbeats_alive(set, set->items[i]->node))
            count += set->items[i]->disk_count;
    }
    return count;
}

/* What no record names takes a place, too. */
static uint32_t orphans_on(const struct heartbeat *h, struct identity disk)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < h->replica_count; i++)
        count += !h->replicas[i].named && identity_equal(h->replicas[i].disk, disk);
    return count;
}

static void disks_take(const struct heartbeat_set *set, const struct heartbeat *h,
                       struct cluster *cluster)
{
    for (uint32_t i = 0; i < h->disk_count; i++) {
        const struct heartbeat_disk *d = &h->disks[i];

        cluster->disks[cluster->count++] = (struct placement_disk){
            .disk = d->disk,
            .node = h->node,
            .bytes = d->chunks * CHUNK_BYTES,
            .free_bytes = d->chunks_free * CHUNK_BYTES,
            .replicas = orphans_on(h, d->disk),
            .replicas_max = d->replicas_max,
            .alive = !h->held[0] && !heartbeats_rival(set, h->node, d->disk),
            .read_only = d->read_only};
    }
}

static struct placement_disk *disk_find(struct cluster *cluster, struct identity disk)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (identity_equal(cluster->disks[i].disk, disk))
            return &cluster->disks[i];
    }
    return NULL;
}

/* A shard counts in full: the last one of a volume may be shorter, and may grow. */
static void page_promises(struct cluster *cluster, const struct page_record *page,
                          uint64_t volume_bytes)
{
    for (uint32_t s = 0; s < page->shard_count; s++) {
        uint64_t start = ((uint64_t)page->index * PAGE_SHARDS + s) * SHARD_BYTES;
        uint64_t left = volume_bytes > start ? volume_bytes - start : 0;

        for (uint32_t r = 0; r < page->shards[s].replica_count; r++) {
            struct placement_disk *d =
                disk_find(cluster, page->disks[page->shards[s].replicas[r].disk].disk);

            if (!d)
                continue;
            d->promised_bytes += left < SHARD_BYTES ? left : SHARD_BYTES;
            d->replicas++;
        }
    }
}

static void promises_count(struct cluster *cluster, const struct record_list *volumes,
                           const struct record_list *pages, struct page_record *scratch)
{
    for (uint32_t i = 0; i < pages->count; i++) {
        struct volume_record volume;
        const struct record *r;

        if (page_read(pages->records[i].value, scratch) != E_OK)
            continue;
        r = record_list_find(volumes, volume_key(scratch->volume).text);
        if (r && volume_read(r->value, &volume) == E_OK)
            page_promises(cluster, scratch, volume.bytes);
    }
}

/* Its primary is there: what it holds open, or will. */
static uint32_t volumes_at(const struct record_list *heads, struct identity node)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < heads->count; i++) {
        struct head_record r;

        if (head_read(heads->records[i].value, &r) == E_OK && identity_equal(r.primary, node))
            count++;
    }
    return count;
}

static void node_take(const struct heartbeat *h, const struct record_list *heads,
                      struct cluster *cluster)
{
    if (h->volumes_max != UINT32_MAX || h->held[0])
        cluster->nodes[cluster->node_count++] =
            (struct placement_node){.node = h->node,
                                    .name = h->name,
                                    .volumes = volumes_at(heads, h->node),
                                    .volumes_max = h->volumes_max,
                                    .held = h->held[0] != '\0'};
}

void cluster_free(struct cluster *cluster)
{
    free(cluster->disks);
    free(cluster->nodes);
    *cluster = (struct cluster){0};
}

bool cluster_read(struct control *c, const struct heartbeat_set *set, struct cluster *ret,
                  struct problem *p)
{
    struct cluster cluster = {.disks = calloc((size_t)disks_alive(set) + 1, sizeof *cluster.disks),
                              .nodes = calloc((size_t)set->count + 1, sizeof *cluster.nodes)};
    struct page_record *scratch = malloc(sizeof *scratch);
    struct record_list volumes = {0}, pages = {0}, heads = {0};
    bool ok = cluster.disks && cluster.nodes && scratch;

    if (!ok)
        problem_fill(p, E_NO_MEMORY, "no memory for the view of the cluster");
    ok = ok && control_range(c, "volume/", &volumes, p) && control_range(c, "page/", &pages, p) &&
         control_range(c, "head/", &heads, p);
    if (ok) {
        for (uint32_t i = 0; i < set->count; i++) {
            if (!heartbeats_alive(set, set->items[i]->node))
                continue;
            disks_take(set, set->items[i], &cluster);
            node_take(set->items[i], &heads, &cluster);
        }
        promises_count(&cluster, &volumes, &pages, scratch);
        *ret = cluster;
    } else {
        cluster_free(&cluster);
    }
    record_list_free(&volumes);
    record_list_free(&pages);
    record_list_free(&heads);
    free(scratch);
    return ok;
}

/* ---- growing ---- */

/* The disk's place in the page's list; UINT32_MAX: the list is full. */
static uint32_t page_disk(struct page_record *page, const struct placement_disk *d)
{
    for (uint32_t i = 0; i < page->disk_count; i++) {
        if (identity_equal(page->disks[i].disk, d->disk))
            return i;
    }
    if (page->disk_count == PAGE_DISKS_MAX)
        return UINT32_MAX;
    page->disks[page->disk_count].disk = d->disk;
    page->disks[page->disk_count].node = d->node;
    return page->disk_count++;
}

static bool page_add(struct page_record *page, const struct placement_disk *d)
{
    struct page_shard *s = &page->shards[page->shard_count];
    uint32_t place = page_disk(page, d);

    if (place == UINT32_MAX)
        return false;
    page->shard_count++;
    *s = (struct page_shard){.is_new = true, .replica_count = 1};
    s->replicas[0] = (struct page_replica){.replica = control_identity(), .disk = place};
    return true;
}

static enum err page_put(struct record_transaction *t, const struct page_record *page,
                         const struct record *last)
{
    struct record_key key = page_key(page->volume, page->index);
    bool former = last && strcmp(last->key, key.text) == 0;
    enum err err = transaction_compare(t, key, former ? last->revision : 0);

    return err ? err : transaction_put(t, key, page_write(page, former ? last->value : NULL));
}

static void page_begin(struct page_record *page, struct identity volume, uint32_t index)
{
    memset(page, 0, sizeof *page);
    page->volume = volume;
    page->index = index;
}

/* `places` are the chosen disks of the shards from `first` on. */
static enum err pages_put(const struct cluster *cluster, const struct growth *g,
                          const uint32_t *places, struct page_record *page,
                          struct record_transaction *t)
{
    uint32_t first = volume_shards(g->bytes_before), end = volume_shards(g->volume->bytes);
    enum err err = E_OK;

    for (uint32_t shard = first; shard < end && !err; shard++) {
        if (shard % PAGE_SHARDS == 0)
            page_begin(page, g->volume->volume, shard / PAGE_SHARDS);
        if (!page_add(page, &cluster->disks[places[shard - first]]))
            return E_TOO_LARGE;
        if (shard + 1 == end || (shard + 1) % PAGE_SHARDS == 0)
            err = page_put(t, page, g->last);
    }
    return err;
}

/* What the last shard has grown by stays on its disk; is there room? */
static bool last_shard_fits(const struct cluster *cluster, const struct growth *g,
                            const struct page_record *page, struct problem *p)
{
    uint64_t whole = (uint64_t)volume_shards(g->bytes_before) * SHARD_BYTES;
    uint64_t end = g->volume->bytes < whole ? g->volume->bytes : whole;
    const struct page_shard *s = &page->shards[page->shard_count - 1];
    struct placement_disk *d =
        disk_find((struct cluster *)(uintptr_t)cluster, page->disks[s->replicas[0].disk].disk);
    uint64_t room = d ? placement_room(d, PLACEMENT_OVERCOMMIT) : 0;

    if (!d)
        return problem(p, E_NOT_READY, "the disk of its last shard, %s, is not open",
                       identity_show(page->disks[s->replicas[0].disk].disk).text);
    if (end - g->bytes_before > room)
        return problem(p, E_NO_SPACE,
                       "its last shard would grow by %llu bytes; disk %s may promise %llu more",
                       (unsigned long long)(end - g->bytes_before), identity_show(d->disk).text,
                       (unsigned long long)room);
    d->promised_bytes += end - g->bytes_before;
    return true;
}

static bool grow_placed(const struct cluster *cluster, struct growth *g, uint32_t *places,
                        struct record_transaction *t, struct problem *p)
{
    uint64_t before = (uint64_t)volume_shards(g->bytes_before) * SHARD_BYTES;
    struct placement_spec spec = {
        .shard_bytes = SHARD_BYTES, .overcommit = PLACEMENT_OVERCOMMIT, .node = g->node};
    struct page_record *page = calloc(1, sizeof *page);
    char why[PLACEMENT_WHY];
    enum err err = E_OK;
    bool ok = page != NULL;

    if (!ok)
        problem_fill(p, E_NO_MEMORY, "no memory for a page");
    if (ok && g->last && page_read(g->last->value, page) != E_OK)
        ok = problem(p, E_DAMAGED, "the record %s cannot be read", g->last->key);
    ok = ok && (!g->last || last_shard_fits(cluster, g, page, p));
    if (ok && g->volume->bytes > before) {
        spec.bytes = g->volume->bytes - before;
        if (g->bytes_before == 0) {
            spec.nodes = cluster->nodes;
            spec.node_count = cluster->node_count;
        }
        err = placement_choose(cluster->disks, cluster->count, &spec, places, why);
        ok = err ? problem(p, err, "%s", why) : true;
        if (ok)
            g->ret_node = cluster->disks[places[0]].node;
    }
    err = ok ? pages_put(cluster, g, places, page, t) : E_OK;
    free(page);
    return ok && err ? problem(p, err, "the volume's pages do not fit one transaction") : ok;
}

bool cluster_grow(const struct cluster *cluster, struct growth *g, struct record_transaction *t,
                  struct problem *p)
{
    uint32_t *places = calloc(PLACEMENT_SHARDS_MAX, sizeof *places);
    bool ok = places ? grow_placed(cluster, g, places, t, p)
                     : problem(p, E_NO_MEMORY, "no memory for the choice");

    free(places);
    return ok;
}
