/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/facts.c — what this node does at this moment, gathered for the plan: the disks as the
 * last census has them, the volumes as they are.
 *
 * The arrays of disks, volumes and attachments have the size of their limits; that of replicas
 * grows with what the stores hold.
 */
#include "storaged/agent.h"

#include <stdlib.h>

static bool replica_room(struct agent *a, uint32_t wanted)
{
    uint32_t room = max_u32(256, wanted + wanted / 2);
    struct fact_replica *grown;

    if (wanted <= a->replica_room)
        return true;
    grown = realloc(a->facts.replicas, room * sizeof *grown);
    if (!grown)
        return false;
    a->facts.replicas = grown;
    a->replica_room = room;
    return true;
}

static bool gather_home(struct agent *a, const struct home_report *r)
{
    if (!replica_room(a, a->facts.replica_count + r->replica_count))
        return false;
    for (uint32_t i = 0; i < r->disk_count; i++)
        if (!rivals_aside(&a->rivals, r->disks[i].disk))
            a->facts.disks[a->facts.disk_count++] =
                (struct fact_disk){r->disks[i].disk, r->disks[i].bytes};
    for (uint32_t i = 0; i < r->replica_count; i++)
        if (!rivals_aside(&a->rivals, r->replicas[i].disk))
            a->facts.replicas[a->facts.replica_count++] = r->replicas[i];
    return true;
}

static bool gather_disks(struct agent *a)
{
    a->facts.disk_count = a->facts.replica_count = 0;
    for (uint32_t i = 0; i < a->census->home_count; i++)
        if (!gather_home(a, &a->census->asked[i].told))
            return false;
    return true;
}

static void gather_attachments(struct agent *a, const struct node_volume *n)
{
    list_for_each(link, &n->attachments) {
        const struct node_attachment *at = container_of(link, struct node_attachment, link);

        a->facts.attachments[a->facts.attachment_count++] =
            (struct fact_attachment){at->attachment, n->volume, at->drained};
    }
}

static void gather_volumes(struct agent *a)
{
    a->facts.volume_count = a->facts.attachment_count = 0;
    list_for_each(link, &a->volumes->open) {
        const struct node_volume *n = container_of(link, struct node_volume, link);

        a->facts.volumes[a->facts.volume_count++] =
            (struct fact_volume){n->volume, n->epoch, n->bytes, n->closing};
        gather_attachments(a, n);
    }
}

bool agent_gather(struct agent *a)
{
    if (!gather_disks(a))
        return false;
    gather_volumes(a);
    facts_sort(&a->facts);
    return true;
}
