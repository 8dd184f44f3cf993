/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/page.c — a page as a document: 64 shards with their replicas, in ≤ 100 bytes a shard.
 *
 *   {"version":1,"volume":"…","index":0,
 *    "disks":[["disk","node"], …],
 *    "shards":[{"new":true,"replicas":[["replica",place in disks,behind,"former"], …]}, …]}
 *
 * A replica whose third element is missing or null is in sync; the fourth is there after a salvage.
 * "new" is left out when it is false.
 */
#include "metadata/document.h"

#include <string.h>

static bool read_disk(const json_t *pair, struct page_record *p)
{
    if (!json_is_array(pair) || json_array_size(pair) != 2)
        return false;
    if (!value_identity(json_array_get(pair, 0), &p->disks[p->disk_count].disk) ||
        !value_identity(json_array_get(pair, 1), &p->disks[p->disk_count].node))
        return false;
    p->disk_count++;
    return true;
}

static bool read_disks(const json_t *list, struct page_record *p)
{
    if (!json_is_array(list) || json_array_size(list) > PAGE_DISKS_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!read_disk(json_array_get(list, i), p))
            return false;
    }
    return true;
}

static bool read_replica(const json_t *v, const struct page_record *p, struct page_replica *ret)
{
    size_t elements = json_array_size(v); /* 0: not an array */
    uint64_t place;

    if (elements < 2 || elements > 4)
        return false;
    if (!value_identity(json_array_get(v, 0), &ret->replica) ||
        !value_u64(json_array_get(v, 1), &place) || place >= p->disk_count)
        return false;
    ret->disk = (uint32_t)place;
    ret->in_sync = elements == 2 || json_is_null(json_array_get(v, 2));
    if (!ret->in_sync && !value_u64(json_array_get(v, 2), &ret->behind))
        return false;
    return elements < 4 || value_identity(json_array_get(v, 3), &ret->former);
}

static bool read_shard(const json_t *v, struct page_record *p)
{
    struct page_shard *s = &p->shards[p->shard_count++];
    const json_t *replicas = json_object_get(v, "replicas");
    size_t count = json_array_size(replicas);

    if (!json_is_object(v) || !member_flag(v, "new", &s->is_new) || count == 0 ||
        count > PAGE_REPLICAS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct page_replica *r = &s->replicas[s->replica_count++];

        if (!read_replica(json_array_get(replicas, i), p, r))
            return false;
        if (s->is_new && (r->in_sync || r->behind != 0)) /* no set was recorded yet */
            return false;
    }
    return true;
}

static bool read_shards(const json_t *list, struct page_record *p)
{
    size_t count = json_array_size(list);

    if (count == 0 || count > PAGE_SHARDS)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!read_shard(json_array_get(list, i), p))
            return false;
    }
    return true;
}

enum err page_read(const char *json, struct page_record *ret)
{
    AUTO_JSON *d = NULL;
    struct page_record p;
    enum err err = document_open(json, &d);

    if (err)
        return err;
    memset(&p, 0, sizeof p);
    if (!member_identity(d, "volume", &p.volume) || !member_u32(d, "index", &p.index) ||
        p.index >= VOLUME_PAGES_MAX || !read_disks(json_object_get(d, "disks"), &p) ||
        !read_shards(json_object_get(d, "shards"), &p))
        return E_DAMAGED;
    *ret = p;
    return E_OK;
}

static json_t *write_disks(struct draft *d, const struct page_record *p)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < p->disk_count; i++)
        append_json(d, list,
                    json_pack("[ss]", identity_show(p->disks[i].disk).text,
                              identity_show(p->disks[i].node).text));
    return list;
}

static json_t *write_replica(struct draft *d, const struct page_replica *r)
{
    json_t *v = json_pack("[sI]", identity_show(r->replica).text, (json_int_t)r->disk);
    bool salvaged = !identity_none(r->former);

    if (!r->in_sync)
        append_json(d, v, json_integer((json_int_t)r->behind));
    else if (salvaged)
        append_json(d, v, json_null());
    if (salvaged)
        append_json(d, v, json_string(identity_show(r->former).text));
    return v;
}

/* `shard` is the former document's, or empty. */
static void write_shard(struct draft *d, const struct page_shard *s, json_t *shard)
{
    json_t *replicas = json_array();

    for (uint32_t i = 0; i < s->replica_count; i++)
        append_json(d, replicas, write_replica(d, &s->replicas[i]));
    if (json_object_set_new(shard, "replicas", replicas) != 0)
        d->failed = true;
    if (!s->is_new)
        json_object_del(shard, "new");
    else if (json_object_set_new(shard, "new", json_true()) != 0)
        d->failed = true;
}

static json_t *write_shards(struct draft *d, const struct page_record *p, const json_t *former)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < p->shard_count; i++) {
        json_t *old = json_array_get(former, i);
        json_t *shard = json_is_object(old) ? json_incref(old) : json_object();

        write_shard(d, &p->shards[i], shard);
        append_json(d, list, shard);
    }
    return list;
}

char *page_write(const struct page_record *p, const char *former)
{
    struct draft d = document_begin(former);

    set_identity(&d, "volume", p->volume);
    set_u64(&d, "index", p->index);
    set_json(&d, "disks", write_disks(&d, p));
    set_json(&d, "shards", write_shards(&d, p, json_object_get(d.root, "shards")));
    return document_finish(&d);
}
