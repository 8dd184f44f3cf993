/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/disks.c — the disks: as recorded, and as their nodes' heartbeats say. */
#include "control/api/api.h"
#include "control/api/view.h"

#define CHUNK_BYTES ((json_int_t)65536)

static void replicas_count(const struct heartbeat *h, struct identity disk, json_int_t *replicas,
                           json_int_t *orphans)
{
    *replicas = *orphans = 0;
    for (uint32_t i = 0; h && i < h->replica_count; i++) {
        if (!identity_equal(h->replicas[i].disk, disk))
            continue;
        ++*replicas;
        if (!h->replicas[i].named)
            ++*orphans;
    }
}

static json_t *scrub_json(const struct heartbeat_disk *d)
{
    const struct heartbeat_scrub *s = &d->scrub;
    json_t *findings;

    if (!s->known)
        return json_null();
    findings = json_array();
    for (uint32_t i = 0; i < s->finding_count; i++)
        json_array_append_new(findings, json_string(s->findings[i]));
    return json_pack("{sI sI sI sI sI sI so}", "passes", (json_int_t)s->passes, "done_bytes",
                     (json_int_t)s->done_bytes, "total_bytes", (json_int_t)s->total_bytes,
                     "bytes_per_second", (json_int_t)s->bytes_per_second, "bad_blocks",
                     (json_int_t)s->bad_blocks, "bad_pages", (json_int_t)s->bad_pages, "findings",
                     findings);
}

/* What only a heartbeat knows is null until there is one. */
static json_t *disk_json(const struct disk_record *r, const struct heartbeat_set *set)
{
    const struct heartbeat *h = heartbeats_last(set, r->node);
    const struct heartbeat_disk *d = h ? heartbeat_disk(h, r->disk) : NULL;
    bool open = d && heartbeats_alive(set, r->node);
    json_int_t replicas, orphans;

    replicas_count(h, r->disk, &replicas, &orphans);
    return json_pack(
        "{ss ss ss? ss? sI so sb sI sI ss so}", "id", identity_show(r->disk).text, "node",
        identity_show(r->node).text, "node_name", h ? h->name : NULL, "path", d ? d->path : NULL,
        "size_bytes", (json_int_t)(d ? d->bytes : r->bytes), "free_bytes",
        d ? json_integer((json_int_t)d->chunks_free * CHUNK_BYTES) : json_null(), "read_only",
        d && d->read_only, "replicas", replicas, "orphans", orphans, "state",
        open         ? "open"
        : r->removed ? "removed"
                     : "silent",
        "scrub", d ? scrub_json(d) : json_null());
}

static void list_answer(const struct record_list *disks, const struct heartbeat_set *set,
                        const struct paging *page, struct http_answer *a)
{
    json_t *items = json_array();
    struct identity last = {0};
    bool more = false;

    for (uint32_t i = 0; i < disks->count && !more; i++) {
        struct disk_record r;

        if (disk_read(disks->records[i].value, &r) != E_OK || r.disk.bits <= page->after.bits)
            continue;
        more = json_array_size(items) == page->limit;
        if (more)
            break;
        json_array_append_new(items, disk_json(&r, set));
        last = r.disk;
    }
    paging_answer(a, items, more ? last : (struct identity){0});
}

void disks_list(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct record_list disks = {0};
    struct heartbeat_set set = {0};
    struct paging page = {0};
    struct problem p;

    if (!paging_read(r, &page, &p) || !control_range(c, "disk/", &disks, &p))
        answer_problem(a, &p);
    else if (!board_snapshot(&c->board, &set))
        answer_json(a, 503, NULL);
    else
        list_answer(&disks, &set, &page, a);
    board_release(&set);
    record_list_free(&disks);
}

static bool disk_find(struct control *c, const char *id, struct disk_record *ret, struct problem *p)
{
    struct record_list list = {0};
    struct identity parsed = {0};
    const struct record *at;
    bool found;

    if (!identity_parse(id, &parsed))
        return problem(p, E_NOT_FOUND, "no disk has the identity %.80s", id);
    if (!control_range(c, disk_key(parsed).text, &list, p))
        return false;
    at = record_list_find(&list, disk_key(parsed).text);
    found = at && disk_read(at->value, ret) == E_OK;
    record_list_free(&list);
    return found || problem(p, E_NOT_FOUND, "no disk has the identity %.80s", id);
}

void disk_show(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct heartbeat_set set = {0};
    struct disk_record disk = {0};
    struct problem p;
    json_t *json;

    if (!disk_find(c, r->params[0], &disk, &p)) {
        answer_problem(a, &p);
    } else if (!board_snapshot(&c->board, &set)) {
        answer_json(a, 503, NULL);
    } else {
        json = disk_json(&disk, &set);
        json_object_set_new(json, "volumes", disk_volumes(c, disk.disk));
        answer_json(a, 200, json);
    }
    board_release(&set);
}
