/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/control/node.h — a node that does what the records want.
 *
 * It is a thread: it watches through /node/v1 like storaged does, and its heartbeats say that
 * everything wanted is done.  What it leaves out is set per test.
 */
#ifndef TESTS_UNIT_CONTROL_NODE_H
#define TESTS_UNIT_CONTROL_NODE_H

#include "tests/unit/control/metad.h"

#include <pthread.h>
#include <stdatomic.h>

struct node {
    const struct metad *metad;
    uint64_t id;
    _Atomic uint64_t incarnation;
    const char *name;
    uint64_t disk;        /* its first; 0: id + 0x1000        */
    uint64_t second;      /* as large; 0: there is none       */
    uint64_t chunks;      /* of it                            */
    uint64_t used;        /* of these                         */
    bool read_only;       /* so is the disk                   */
    atomic_bool ignores;  /* serves and knows nothing new     */
    atomic_bool keeps;    /* neither drains nor buries        */
    atomic_bool digs_not; /* closes and drains, but buries nothing */
    atomic_bool stopping; /* the thread ends                  */
    pthread_t thread;
    json_int_t ahead; /* claims to have seen so much more */
    char lineage[20];
    const char *_Atomic held;  /* says so, and why             */
    const char *prefix;        /* has this iqn_prefix; NULL: says nothing */
    const char *aside;         /* leaves disk 0x77 aside, and says why; NULL: does not */
    const char *status;        /* says where its status port is; NULL: it has none */
    atomic_bool damaged;       /* says so of every replica that was never salvaged     */
    atomic_int orphan;         /* reports one of this shard of every volume; 0: none        */
    atomic_bool scrubs;        /* says how far it has come and what it found           */
    atomic_int most;           /* volumes and attachments that it takes; 0: says nothing */
    atomic_int places;         /* replicas that its disk holds; 0: says nothing       */
    const char *_Atomic fails; /* opens nothing, and says why  */
    _Atomic uint64_t stays;    /* serves so many bytes of each volume at most, and `fails` is why it
                                * grows no further; 0: all */
};

static inline json_t *hex(uint64_t n)
{
    return json_string(identity_show((struct identity){n}).text);
}

/* The first replica of the page's first shard, as recorded: it is on this node's disk. */
static inline void node_holds(struct node *n, const json_t *page, json_t *replicas)
{
    const json_t *shard = json_array_get(json_object_get(page, "shards"), 0);
    const json_t *r = json_array_get(json_object_get(shard, "replicas"), 0);
    bool salvaged = json_array_size(r) == 4;

    json_array_append_new(replicas,
                          json_pack("{sO sO si so sb}", "replica", json_array_get(r, 0), "volume",
                                    json_object_get(page, "volume"), "shard", 0, "disk",
                                    hex(n->disk ? n->disk : n->id + 0x1000), "damaged", !salvaged));
}

/* What no record names. */
static inline void node_keeps_orphan(struct node *n, const json_t *volume, json_t *replicas)
{
    json_array_append_new(replicas, json_pack("{so sO si so sb}", "replica", hex(0x0ff), "volume",
                                              json_object_get(volume, "volume"), "shard", n->orphan,
                                              "disk", hex(n->id + 0x1000), "named", 0));
}

/* What it does with one record. */
static inline void node_sees(struct node *n, const char *key, const json_t *value,
                             const json_t *all, json_t *lists[4])
{
    struct identity id;
    const char *primary = json_string_value(json_object_get(value, "primary"));
    bool mine = primary && identity_parse(primary, &id) && id.bits == n->id;

    if (strncmp(key, "head/", 5) == 0 && mine && !n->ignores) {
        char volume[64];
        const json_t *v;

        snprintf(volume, sizeof volume, "volume/%s", key + 5);
        v = json_object_get(all, volume);
        if (v && (!json_is_true(json_object_get(v, "deleting")) || n->keeps)) {
            uint64_t bytes = (uint64_t)json_integer_value(json_object_get(v, "bytes"));
            json_int_t shards;

            if (n->stays && bytes > n->stays)
                bytes = n->stays;
            shards = (json_int_t)volume_shards(bytes);

            json_array_append_new(
                lists[0], json_pack("{ss sO sI sI sI sI ss}", "volume", key + 5, "epoch",
                                    json_object_get(value, "epoch"), "shards", shards, "serving",
                                    n->fails && !n->stays ? 0 : shards, "generation", (json_int_t)1,
                                    "bytes", (json_int_t)bytes, "why", n->fails ? n->fails : ""));
        }
    } else if (strncmp(key, "attachment/", 11) == 0 && !n->ignores) {
        bool ending = json_is_true(json_object_get(value, "ending")) && !n->keeps;

        json_array_append_new(lists[1], json_pack("{sO ss}", "attachment",
                                                  json_object_get(value, "attachment"), "state",
                                                  ending ? "drained" : "known"));
    } else if (strncmp(key, "page/", 5) == 0 && n->damaged) {
        node_holds(n, value, lists[3]);
    } else if (strncmp(key, "volume/", 7) == 0 && n->orphan > 0) {
        node_keeps_orphan(n, value, lists[3]);
    } else if (strncmp(key, "grave/", 6) == 0 && !n->keeps && !n->digs_not) {
        json_array_append(lists[2], json_object_get(value, "replica"));
    }
}

static inline json_t *node_scrub(void)
{
    return json_pack("{si si si si si si s[ss]}", "passes", 3, "done_bytes", 100, "total_bytes",
                     200, "bytes_per_second", 10, "bad_blocks", 2, "bad_pages", 1, "findings",
                     "block 7 of it", "a \x01 b");
}

static inline json_t *node_disk(struct node *n, uint64_t disk)
{
    return json_pack("{so ss sI sI sI sb so*}", "disk", hex(disk), "path", "/dev/test", "bytes",
                     (json_int_t)(n->chunks << 16), "chunks", (json_int_t)n->chunks, "chunks_free",
                     (json_int_t)(n->chunks - n->used), "read_only", n->read_only, "scrub",
                     n->scrubs ? node_scrub() : NULL);
}

static inline json_t *node_body(struct node *n, json_int_t revision, json_t *lists[4])
{
    return json_pack("{so so ss ss sI so s[s] s[oo*] so so so so}", "node", hex(n->id),
                     "incarnation", hex(n->incarnation), "name", n->name, "rack", "r1", "revision",
                     revision, "lineage", n->lineage[0] ? json_string(n->lineage) : json_null(),
                     "portals", "127.0.0.1:3260", "disks",
                     node_disk(n, n->disk ? n->disk : n->id + 0x1000),
                     n->second ? node_disk(n, n->second) : NULL, "replicas", lists[3], "volumes",
                     lists[0], "attachments", lists[1], "graves", lists[2]);
}

/* Reads everything, then says that everything is done. */
static inline void node_beat(struct node *n)
{
    struct reply range = call(n->metad, "GET", "/node/v1/range", NULL), r;
    json_t *all = json_object();
    json_t *lists[4] = {json_array(), json_array(), json_array(), json_array()};
    json_t *body, *record;
    char *text;
    size_t i;

    assert_int_equal(range.status, 200);
    json_array_foreach(json_object_get(range.json, "records"), i, record)
    {
        json_object_set(all, json_string_value(json_object_get(record, "key")),
                        json_object_get(record, "value"));
    }
    json_array_foreach(json_object_get(range.json, "records"), i, record)
    {
        node_sees(n, json_string_value(json_object_get(record, "key")),
                  json_object_get(record, "value"), all, lists);
    }
    body = node_body(n, number_of(&range, "revision") + n->ahead, lists);
    if (n->held)
        json_object_set_new(body, "held", json_string(n->held));
    if (n->places > 0)
        json_object_set_new(json_array_get(json_object_get(body, "disks"), 0), "replicas_max",
                            json_integer(n->places));
    if (n->prefix)
        json_object_set_new(body, "iqn_prefix", json_string(n->prefix));
    if (n->aside)
        json_object_set_new(
            body, "rivals",
            json_pack("[{so ss ss}]", "disk", hex(0x77), "path", "/dev/other", "why", n->aside));
    if (n->status)
        json_object_set_new(body, "status_address", json_string(n->status));
    if (n->most > 0) {
        json_object_set_new(body, "volumes_max", json_integer(n->most));
        json_object_set_new(body, "attachments_max", json_integer(n->most));
    }
    text = json_dumps(body, 0);
    r = call(n->metad, "POST", "/node/v1/heartbeat", text);
    assert_int_equal(r.status, 200);
    snprintf(n->lineage, sizeof n->lineage, "%s", text_of(&r, "lineage"));
    free(text);
    json_decref(body);
    json_decref(all);
    reply_done(&range);
    reply_done(&r);
}

/* Its own records, as storaged writes them at its first start. */
static inline void node_register(struct node *n)
{
    struct identity_text id = identity_show((struct identity){n->id});
    struct identity_text disk = identity_show((struct identity){n->id + 0x1000});
    char body[1024];
    struct reply r;

    snprintf(body, sizeof body,
             "{\"node\":\"%s\",\"compares\":[],\"puts\":[{\"key\":\"node/%s\",\"value\":{"
             "\"version\":1,\"node\":\"%s\",\"name\":\"%s\",\"rack\":\"r1\"}},{\"key\":\"disk/%s\","
             "\"value\":{\"version\":1,\"disk\":\"%s\",\"node\":\"%s\",\"bytes\":1048576}}]}",
             id.text, id.text, id.text, n->name, disk.text, disk.text, id.text);
    r = call(n->metad, "POST", "/node/v1/transaction", body);
    assert_int_equal(r.status, 200);
    reply_done(&r);
}

/* A long poll between two heartbeats: it acts as soon as something changes. */
static inline void *node_run(void *arg)
{
    struct node *n = arg;
    json_int_t revision = 0;

    while (!n->stopping) {
        char path[96];
        struct reply r;

        node_beat(n);
        snprintf(path, sizeof path, "/node/v1/watch?revision=%lld&wait_ms=200",
                 (long long)revision);
        r = call(n->metad, "GET", path, NULL);
        revision = r.status == 200 ? number_of(&r, "revision") : 0;
        reply_done(&r);
    }
    return NULL;
}

static inline void node_start(struct node *n, const struct metad *m, uint64_t id, const char *name)
{
    *n = (struct node){
        .metad = m, .id = id, .incarnation = id + 0x2000, .name = name, .chunks = 1 << 21};
    node_register(n);
    node_beat(n); /* learns the lineage */
    node_beat(n);
    assert_int_equal(pthread_create(&n->thread, NULL, node_run, n), 0);
}

static inline void node_stop(struct node *n)
{
    n->stopping = true;
    pthread_join(n->thread, NULL);
}

#endif
