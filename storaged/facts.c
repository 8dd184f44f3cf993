/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/facts.c — what this node does at this moment, gathered for the plan.
 *
 * The arrays of disks, volumes and attachments have the size of their limits; that of replicas
 * grows with what the stores hold.
 */
#include "storaged/agent.h"

#include <stdlib.h>

static void gather_replica(struct agent *a, struct identity disk, const struct store_replica *r)
{
    struct store_facts facts;

    store_facts(r, &facts);
    a->facts.replicas[a->facts.replica_count++] = (struct fact_replica){
        .replica = facts.replica,
        .volume = facts.volume,
        .disk = disk,
        .shard = facts.shard,
        .size_blocks = facts.size_blocks,
    };
}

static bool replica_room(struct agent *a)
{
    uint32_t room = a->replica_room ? a->replica_room * 2 : 256;
    struct fact_replica *grown;

    if (a->facts.replica_count < a->replica_room)
        return true;
    grown = realloc(a->facts.replicas, room * sizeof *grown);
    if (!grown)
        return false;
    a->facts.replicas = grown;
    a->replica_room = room;
    return true;
}

static bool gather_disks(struct agent *a)
{
    a->facts.disk_count = a->facts.replica_count = 0;
    for (uint32_t i = 0; i < a->disks->count; i++) {
        const struct node_disk *d = &a->disks->disks[i];

        if (!d->store)
            continue;
        a->facts.disks[a->facts.disk_count++] =
            (struct fact_disk){store_identity(d->store), d->disk->size_bytes};
        for (struct store_replica *r = NULL; (r = store_next(d->store, r)) != NULL;) {
            if (!replica_room(a))
                return false;
            gather_replica(a, store_identity(d->store), r);
        }
    }
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
