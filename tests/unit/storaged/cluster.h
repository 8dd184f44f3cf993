/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/storaged/cluster.h — records of a small cluster, for the tests of this folder.
 *
 * Identities are small numbers: node 1 is ours, with disk 11; node 2 has disk 12; volume 21 has its
 * replicas 31, 32 … on disk 11.
 */
#ifndef TESTS_UNIT_STORAGED_CLUSTER_H
#define TESTS_UNIT_STORAGED_CLUSTER_H

#include "storaged/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID(number) ((struct identity){number})
#define NODE       ID(1)
#define OTHER_NODE ID(2)
#define US         ID(5) /* this process */
#define DISK       ID(11)
#define OTHER_DISK ID(12)
#define VOLUME     ID(21)
#define REPLICA    ID(31)
#define ATTACHMENT ID(41)
#define INITIATOR  "iqn.2026-11.example:one"
#define GIB        (UINT64_C(1) << 30)

/* Puts a document into a list that view_fill() reads; takes `json`. */
static inline void cluster_put(struct record_list *l, struct record_key key, char *json)
{
    if (!json || record_list_add(l, key.text, l->count + 1, json) != E_OK)
        abort();
    l->revision = l->count;
    free(json);
}

static inline struct node_record cluster_node(struct identity node, const char *portal)
{
    struct node_record n = {.node = node, .portal_count = 1};

    snprintf(n.name, sizeof n.name, "n%u", (unsigned)node.bits);
    snprintf(n.rack, sizeof n.rack, "r%u", (unsigned)node.bits);
    snprintf(n.portals[0], sizeof n.portals[0], "%s", portal);
    return n;
}

static inline struct volume_record cluster_volume(uint64_t bytes)
{
    return (struct volume_record){
        .volume = VOLUME,
        .name = "web01",
        .bytes = bytes,
        .logical_block_bytes = 512,
        .copies = 1,
        .min_copies = 1,
    };
}

static inline struct head_record cluster_head(struct identity primary, struct identity incarnation)
{
    return (struct head_record){
        .volume = VOLUME,
        .epoch = 3,
        .primary = primary,
        .incarnation = incarnation,
        .nonce = 99,
    };
}

/* One page: `shards` shards, each with replica 31, 32 … on `disk` of `node`. */
static inline struct page_record cluster_page(struct identity node, struct identity disk,
                                              uint32_t shards)
{
    struct page_record p = {.volume = VOLUME, .disk_count = 1, .shard_count = shards};

    p.disks[0].disk = disk;
    p.disks[0].node = node;
    for (uint32_t i = 0; i < shards; i++) {
        p.shards[i].is_new = true;
        p.shards[i].replica_count = 1;
        p.shards[i].replicas[0].replica = ID(31 + i);
    }
    return p;
}

static inline struct attachment_record cluster_attachment(void)
{
    struct attachment_record a = {.attachment = ATTACHMENT, .volume = VOLUME};

    snprintf(a.initiator, sizeof a.initiator, "%s", INITIATOR);
    return a;
}

#define cluster_put_node(l, r)   cluster_put(l, node_key((r).node), node_write(&(r), NULL))
#define cluster_put_disk(l, r)   cluster_put(l, disk_key((r).disk), disk_write(&(r), NULL))
#define cluster_put_volume(l, r) cluster_put(l, volume_key((r).volume), volume_write(&(r), NULL))
#define cluster_put_head(l, r)   cluster_put(l, head_key((r).volume), head_write(&(r), NULL))
#define cluster_put_page(l, r)                                                                     \
    cluster_put(l, page_key((r).volume, (r).index), page_write(&(r), NULL))
#define cluster_put_attachment(l, r)                                                               \
    cluster_put(l, attachment_key((r).volume, (r).attachment), attachment_write(&(r), NULL))
#define cluster_put_grave(l, r)                                                                    \
    cluster_put(l, grave_key((r).node, (r).replica), grave_write(&(r), NULL))

#endif
