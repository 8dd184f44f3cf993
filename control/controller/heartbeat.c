/* SPDX-License-Identifier: Apache-2.0 */
/* control/controller/heartbeat.c — looking things up in heartbeats. */
#include "control/controller/heartbeat.h"

#include <stdlib.h>

struct heartbeat *heartbeat_new(void)
{
    struct heartbeat *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    atomic_init(&h->references, 1);
    h->volumes_max = h->attachments_max = UINT32_MAX;
    return h;
}

void heartbeat_get(struct heartbeat *h)
{
    atomic_fetch_add(&h->references, 1);
}

void heartbeat_put(struct heartbeat *h)
{
    if (!h || atomic_fetch_sub(&h->references, 1) != 1)
        return;
    free(h->portals);
    free(h->disks);
    free(h->asides);
    free(h->replicas);
    free(h->volumes);
    free(h->attachments);
    free(h->graves);
    free(h);
}

const struct heartbeat_volume *heartbeat_volume(const struct heartbeat *h, struct identity volume)
{
    for (uint32_t i = 0; i < h->volume_count; i++) {
        if (identity_equal(h->volumes[i].volume, volume))
            return &h->volumes[i];
    }
    return NULL;
}

const struct heartbeat_attachment *heartbeat_attachment(const struct heartbeat *h,
                                                        struct identity attachment)
{
    for (uint32_t i = 0; i < h->attachment_count; i++) {
        if (identity_equal(h->attachments[i].attachment, attachment))
            return &h->attachments[i];
    }
    return NULL;
}

const struct heartbeat_disk *heartbeat_disk(const struct heartbeat *h, struct identity disk)
{
    for (uint32_t i = 0; i < h->disk_count; i++) {
        if (identity_equal(h->disks[i].disk, disk))
            return &h->disks[i];
    }
    return NULL;
}

bool heartbeat_buried(const struct heartbeat *h, struct identity replica)
{
    for (uint32_t i = 0; i < h->grave_count; i++) {
        if (identity_equal(h->graves[i], replica))
            return true;
    }
    return false;
}

const struct heartbeat *heartbeats_last(const struct heartbeat_set *set, struct identity node)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (identity_equal(set->items[i]->node, node))
            return set->items[i];
    }
    return NULL;
}

const struct heartbeat *heartbeats_alive(const struct heartbeat_set *set, struct identity node)
{
    const struct heartbeat *h = heartbeats_last(set, node);

    return h && set->now_ms <= h->arrived_ms + HEARTBEAT_SILENT_MS ? h : NULL;
}

const struct heartbeat *heartbeats_doubled(const struct heartbeat_set *set, struct identity node)
{
    const struct heartbeat *h = heartbeats_last(set, node);
    bool doubled = h && h->doubled_ms && set->now_ms <= h->doubled_ms + HEARTBEAT_SILENT_MS;

    return doubled ? h : NULL;
}

const struct heartbeat *heartbeats_rival(const struct heartbeat_set *set, struct identity node,
                                         struct identity disk)
{
    const struct heartbeat *doubled = heartbeats_doubled(set, node);

    if (doubled)
        return doubled;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct heartbeat *h = set->items[i];

        if (!identity_equal(h->node, node) && heartbeat_disk(h, disk) &&
            heartbeats_alive(set, h->node))
            return h;
    }
    return NULL;
}

bool heartbeats_judge(const struct heartbeat_set *set)
{
    return set->now_ms >= set->started_ms + 2 * HEARTBEAT_SILENT_MS;
}

bool heartbeats_silent(const struct heartbeat_set *set, struct identity node)
{
    return heartbeats_judge(set) && !heartbeats_alive(set, node);
}
