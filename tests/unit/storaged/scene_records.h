/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/storaged/scene_records.h — what a scene has, and the records that its node reads. */
#ifndef TESTS_UNIT_STORAGED_SCENE_RECORDS_H
#define TESTS_UNIT_STORAGED_SCENE_RECORDS_H

#include "metadata/keeper.h"
#include "storaged/agent.h"
#include "storaged/directory.h"
#include "storaged/heartbeat.h"
#include "storaged/operation.h"
#include "tests/sim/world/world.h"
#include "tests/unit/storaged/cluster.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BOUND_US        60000000u
#define DISK_PATH       "/nonexistent/sim-disk0"
#define OTHER_DISK_PATH "/nonexistent/sim-disk1"
#define DISK_BYTES      (UINT64_C(1) << 30)
#define MIB             (UINT64_C(1) << 20)
#define OTHER_VOLUME    ID(22)

static bool scene_apart;

struct scene {
    struct sim *sim;
    struct env *env;
    struct keeper *keeper;
    struct records *inner;
    struct records records; /* what the node is given: `inner`, unless metad is away */
    bool away, mute;        /* mute: for transactions only */
    const char *refuses;    /* to change disk records, and why; NULL: it does not */
    struct list lost;
    struct timer timer;

    struct node_config config;
    struct limits limits;
    struct home homes[2];
    uint32_t home_count;
    struct home *home; /* of the disk */
    struct census census;
    struct node_arbiter arbiter;
    struct node_volumes volumes;
    struct node_directory directory;
    struct net_address portal;
    struct iscsi_close target_close;
    uint32_t targets; /* open */
    struct agent agent;
    struct heartbeat heartbeat;
    struct metad_post *post; /* on its way to metad_heartbeat() of this file */
    struct timer post_timer;
    struct identity lineage; /* that metad answers with */
    const char *refusal;     /* of heartbeats, by metad; NULL: it takes them */
    uint32_t calls, posts;
    bool disks_are, stopped, heartbeat_gone;
    struct identity disk, other_disk; /* the latter with two disks */
};

/* ---- the door that may be shut ---- */

static void lost_now(struct timer *t)
{
    struct scene *s = container_of(t, struct scene, timer);
    struct list *link = list_take(&s->lost);
    struct records_call *c = container_of(link, struct records_call, link);

    if (!list_empty(&s->lost))
        timer_start(&s->env->clock, &s->timer, 100, lost_now);
    c->done(c, *c->why ? E_FORBIDDEN : E_UNREACHABLE);
}

static bool refused(const struct scene *s, struct records_call *c)
{
    if (!s->refuses || c->op != RECORDS_TRANSACT ||
        strncmp(c->transaction->puts[0].key, "disk/", 5) != 0)
        return false;
    snprintf(c->why, sizeof c->why, "%s", s->refuses);
    return true;
}

static void called(struct records *r, struct records_call *c)
{
    struct scene *s = container_of(r, struct scene, records);

    s->calls++;
    if (!s->away && !(s->mute && c->op == RECORDS_TRANSACT) && !refused(s, c)) {
        s->inner->call(s->inner, c);
        return;
    }
    list_append(&s->lost, &c->link);
    timer_start(&s->env->clock, &s->timer, 100, lost_now);
}

/* ---- records ---- */

static void put(struct scene *s, struct record_key key, char *json)
{
    struct record_transaction t;
    uint64_t revision;

    transaction_init(&t);
    assert_int_equal(json ? transaction_put(&t, key, json) : transaction_delete(&t, key), E_OK);
    assert_int_equal(keeper_transact(s->keeper, &t, &revision), E_OK);
    transaction_done(&t);
}

static void put_head(struct scene *s, uint64_t epoch, struct identity incarnation)
{
    struct record_list l = {0};
    struct head_record head = cluster_head(NODE, incarnation);

    assert_int_equal(keeper_range(s->keeper, head_key(VOLUME).text, &l), E_OK);
    if (l.count > 0)
        assert_int_equal(head_read(l.records[0].value, &head), E_OK);
    record_list_free(&l);
    head.epoch = epoch;
    head.incarnation = incarnation;
    put(s, head_key(VOLUME), head_write(&head, NULL));
}

static void put_volume(struct scene *s, uint64_t bytes, bool deleting)
{
    struct volume_record volume = cluster_volume(bytes);

    volume.deleting = deleting;
    put(s, volume_key(VOLUME), volume_write(&volume, NULL));
}

/* As POST /v1/volumes leaves it. */
static inline void create_volume(struct scene *s)
{
    struct page_record page = cluster_page(NODE, s->disk, 1);

    put_volume(s, 64 * MIB, false);
    put(s, page_key(VOLUME, 0), page_write(&page, NULL));
    put_head(s, 1, US);
}

/* Full ones, of new shards on the first disk. */
static void put_pages(struct scene *s, uint32_t first, uint32_t end)
{
    struct page_record page = cluster_page(NODE, s->disk, PAGE_SHARDS);

    for (page.index = first; page.index < end; page.index++) {
        for (uint32_t i = 0; i < PAGE_SHARDS; i++)
            page.shards[i].replicas[0].replica = ID(1000 + page.index * PAGE_SHARDS + i);
        put(s, page_key(VOLUME, page.index), page_write(&page, NULL));
    }
}

/* A new one of so many full pages on the first disk, and after it one shard on the other disk. */
static inline void create_volume_of_pages_and_another(struct scene *s, uint32_t pages)
{
    struct page_record page = cluster_page(NODE, s->other_disk, 1);
    struct volume_record other = cluster_volume(64 * MIB);
    struct head_record head = cluster_head(NODE, US);

    put_volume(s, pages * PAGE_SHARDS * SHARD_BYTES, false);
    put_pages(s, 0, pages);
    put_head(s, 1, US);
    page.volume = other.volume = head.volume = OTHER_VOLUME;
    put(s, volume_key(OTHER_VOLUME), volume_write(&other, NULL));
    put(s, page_key(OTHER_VOLUME, 0), page_write(&page, NULL));
    put(s, head_key(OTHER_VOLUME), head_write(&head, NULL));
}

#endif
