/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/controller/stage.h — records in memory and heartbeats by hand, for reconcile().
 *
 * Everything is small numbers: volume 7 has replica 0x700 + shard on the disk of its node.
 */
#ifndef TESTS_UNIT_CONTROLLER_STAGE_H
#define TESTS_UNIT_CONTROLLER_STAGE_H

#include "control/controller/controller.h"
#include "metadata/keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID(n) ((struct identity){n})

struct stage {
    struct keeper *keeper;
    struct heartbeat *heartbeats[8];
    struct heartbeat_set set;
    struct changes changes;
    uint64_t seed;
};

static inline struct stage *stage_new(void)
{
    struct stage *s = calloc(1, sizeof *s);

    assert_int_equal(keeper_memory_open(ID(99), &s->keeper), E_OK);
    s->set = (struct heartbeat_set){.items = s->heartbeats, .now_ms = 100000};
    return s;
}

static inline void stage_free(struct stage *s)
{
    for (uint32_t i = 0; i < s->set.count; i++)
        heartbeat_put(s->heartbeats[i]);
    changes_done(&s->changes);
    keeper_close(s->keeper);
    free(s);
}

/* ---- records ---- */

static inline uint64_t stage_put(struct stage *s, struct record_key key, char *value)
{
    struct record_transaction *t = malloc(sizeof *t);
    uint64_t revision = 0;

    transaction_init(t);
    assert_int_equal(value ? transaction_put(t, key, value) : transaction_delete(t, key), E_OK);
    assert_int_equal(keeper_transact(s->keeper, t, &revision), E_OK);
    transaction_done(t);
    free(t);
    return revision;
}

/* A copy of the document, or NULL. */
static inline char *stage_get(struct stage *s, struct record_key key)
{
    struct record_list l;
    struct record *r;
    char *copy;

    assert_int_equal(keeper_range(s->keeper, key.text, &l), E_OK);
    r = record_list_find(&l, key.text);
    copy = r ? strdup(r->value) : NULL;
    record_list_free(&l);
    return copy;
}

static inline bool stage_has(struct stage *s, struct record_key key)
{
    char *json = stage_get(s, key);

    free(json);
    return json != NULL;
}

static inline void stage_node(struct stage *s, uint64_t node)
{
    struct node_record r = {.node = ID(node), .rack = "r1"};

    snprintf(r.name, sizeof r.name, "n%u", (unsigned)node);
    stage_put(s, node_key(r.node), node_write(&r, NULL));
}

/* The disk that pages place on `home`, as recorded to be in `node` now. */
static inline void stage_disk(struct stage *s, uint64_t home, uint64_t node)
{
    struct disk_record r = {.disk = ID(home + 0x1000), .node = ID(node), .bytes = 1 << 20};

    stage_put(s, disk_key(r.disk), disk_write(&r, NULL));
}

static inline struct head_record stage_head(struct stage *s, uint64_t volume)
{
    struct head_record h;
    char *json = stage_get(s, head_key(ID(volume)));

    assert_non_null(json);
    assert_int_equal(head_read(json, &h), E_OK);
    free(json);
    return h;
}

static inline uint64_t stage_mark(struct stage *s, uint64_t volume, bool deleting)
{
    struct volume_record r = {.volume = ID(volume),
                              .bytes = 3 * SHARD_BYTES,
                              .logical_block_bytes = 512,
                              .copies = 1,
                              .min_copies = 1,
                              .deleting = deleting};

    snprintf(r.name, sizeof r.name, "v%u", (unsigned)volume);
    return stage_put(s, volume_key(r.volume), volume_write(&r, NULL));
}

static inline void stage_page(struct stage *s, uint64_t volume, uint32_t index, uint32_t shards,
                              uint64_t node)
{
    struct page_record *p = calloc(1, sizeof *p);

    p->volume = ID(volume);
    p->index = index;
    p->disk_count = 1;
    p->disks[0].disk = ID(node + 0x1000);
    p->disks[0].node = ID(node);
    p->shard_count = shards;
    for (uint32_t i = 0; i < shards; i++) {
        p->shards[i].replica_count = 1;
        p->shards[i].replicas[0] = (struct page_replica){
            .replica = ID(volume * 0x100000 + index * 0x1000 + i), .in_sync = true};
    }
    stage_put(s, page_key(p->volume, index), page_write(p, NULL));
    free(p);
}

/* A human had the replica of a shard of the first page salvaged; it was `former` before. */
static inline void stage_salvage(struct stage *s, uint64_t volume, uint32_t shard,
                                 struct identity former)
{
    struct page_record *p = calloc(1, sizeof *p);
    char *json = stage_get(s, page_key(ID(volume), 0));

    assert_int_equal(page_read(json, p), E_OK);
    p->shards[shard].replicas[0].former = former;
    stage_put(s, page_key(ID(volume), 0), page_write(p, json));
    free(json);
    free(p);
}

static inline void stage_set_head(struct stage *s, uint64_t volume, uint64_t epoch, uint64_t node,
                                  uint64_t incarnation)
{
    struct head_record h = {.volume = ID(volume),
                            .epoch = epoch,
                            .primary = ID(node),
                            .incarnation = ID(incarnation),
                            .generation = 1,
                            .nonce = 5};

    stage_put(s, head_key(h.volume), head_write(&h, NULL));
}

/* A served volume of three shards on `node`, whose process is `incarnation`. */
static inline void stage_volume(struct stage *s, uint64_t volume, uint64_t node,
                                uint64_t incarnation)
{
    char name[32];

    snprintf(name, sizeof name, "v%u", (unsigned)volume);
    stage_mark(s, volume, false);
    stage_put(s, volume_name_key(name), volume_name_write(ID(volume)));
    stage_page(s, volume, 0, 3, node);
    stage_set_head(s, volume, 1, node, incarnation);
}

static inline uint64_t stage_attachment(struct stage *s, uint64_t volume, uint64_t id, bool ending)
{
    struct attachment_record r = {.attachment = ID(id),
                                  .volume = ID(volume),
                                  .initiator = "iqn.2000-01.test:a",
                                  .ending = ending};

    return stage_put(s, attachment_key(r.volume, r.attachment), attachment_write(&r, NULL));
}

static inline struct identity stage_replica(uint64_t volume, uint32_t shard)
{
    return ID(volume * 0x100000 + shard);
}

static inline void stage_grave(struct stage *s, uint64_t node, struct identity replica)
{
    struct grave_record g = {.replica = replica, .node = ID(node), .disk = ID(node + 0x1000)};

    stage_put(s, grave_key(g.node, g.replica), grave_write(&g, NULL));
}

/* ---- heartbeats ---- */

/* Arrived just now, having seen everything. */
static inline struct heartbeat *stage_heartbeat(struct stage *s, uint64_t node,
                                                uint64_t incarnation)
{
    struct heartbeat *h = heartbeat_new();
    struct record_list l;

    h->node = ID(node);
    h->incarnation = ID(incarnation);
    snprintf(h->name, sizeof h->name, "n%u", (unsigned)node);
    h->arrived_ms = s->set.now_ms;
    assert_int_equal(keeper_range(s->keeper, "~", &l), E_OK);
    h->revision = l.revision;
    h->volumes = calloc(16, sizeof *h->volumes);
    h->attachments = calloc(16, sizeof *h->attachments);
    h->graves = calloc(256, sizeof *h->graves);
    s->heartbeats[s->set.count++] = h;
    return h;
}

static inline void says_open(struct heartbeat *h, uint64_t volume)
{
    h->volumes[h->volume_count++] = (struct heartbeat_volume){.volume = ID(volume), .epoch = 1};
}

static inline void says_disk(struct heartbeat *h, uint64_t home)
{
    if (!h->disks)
        h->disks = calloc(4, sizeof *h->disks);
    h->disks[h->disk_count++] = (struct heartbeat_disk){.disk = ID(home + 0x1000)};
}

static inline void says_attachment(struct heartbeat *h, uint64_t id, bool drained)
{
    h->attachments[h->attachment_count++] =
        (struct heartbeat_attachment){.attachment = ID(id), .drained = drained};
}

static inline void says_buried(struct heartbeat *h, struct identity replica)
{
    h->graves[h->grave_count++] = replica;
}

/* ---- reconcile ---- */

/* How many changes it wants; they stay in s->changes. */
static inline uint32_t stage_look(struct stage *s)
{
    struct record_list l;

    changes_done(&s->changes);
    assert_int_equal(keeper_range(s->keeper, "", &l), E_OK);
    reconcile(&l, &s->set, ++s->seed, &s->changes);
    record_list_free(&l);
    return s->changes.count;
}

/* Looks, and does what it wants. */
static inline uint32_t stage_act(struct stage *s)
{
    uint32_t count = stage_look(s);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t revision;

        assert_int_equal(keeper_transact(s->keeper, &s->changes.items[i].transaction, &revision),
                         E_OK);
    }
    for (uint32_t i = 0; i < s->set.count; i++) /* the nodes see it */
        s->heartbeats[i]->revision += count;
    return count;
}

#endif
