/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/node/heartbeat.c — POST /node/v1/heartbeat: decoded whole, then put on the board.
 *
 * A heartbeat changes no record.  Its revision counts only when its lineage is the keeper's: else
 * the node has seen something that this keeper never said, and is taken to have seen nothing.
 */
#include "control/inside.h"
#include "control/node/node.h"

#include <string.h>

#define DISKS_MAX       256u
#define REPLICAS_MAX    131072u
#define VOLUMES_MAX     16384u
#define ATTACHMENTS_MAX 16384u
#define GRAVES_MAX      131072u

/* Cuts what is too long; what is not plain ASCII becomes a question mark. */
static void text_take(char *to, size_t size, const char *from)
{
    size_t i = 0;

    for (; from[i] && i < size - 1; i++)
        to[i] = (char)(from[i] < ' ' || from[i] > '~' ? '?' : from[i]);
    to[i] = '\0';
}

/* As "127.0.0.1:3260"; false: it is not. */
static bool address_take(const char *text, char ret[64])
{
    if (!text || strlen(text) >= 64 || text[strspn(text, "0123456789abcdefABCDEF.:[]")] != '\0' ||
        !strchr(text, ':'))
        return false;
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

static bool portal_take(const json_t *v, char ret[64], struct problem *p)
{
    return address_take(json_string_value(v), ret) ||
           problem(p, E_INVALID, "\"portals\": each must be as 127.0.0.1:3260 or [::1]:3260");
}

static bool status_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    const char *text = NULL;

    return body_text_maybe(b, "status_address", &text, p) &&
           (!text || address_take(text, h->status_address) ||
            problem(p, E_INVALID, "\"status_address\": must be as 127.0.0.1:7490"));
}

static bool portals_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    json_t *list;

    if (!body_array(b, "portals", NODE_PORTALS_MAX, &list, p))
        return false;
    h->portals = calloc(json_array_size(list) + 1, sizeof *h->portals);
    for (size_t i = 0; h->portals && i < json_array_size(list); i++) {
        if (!portal_take(json_array_get(list, i), h->portals[h->portal_count++], p))
            return false;
    }
    return true;
}

static bool findings_take(const json_t *o, struct heartbeat_scrub *s, struct problem *p)
{
    json_t *list, *line;
    size_t i;

    if (!body_array(o, "findings", HEARTBEAT_FINDINGS, &list, p))
        return false;
    json_array_foreach(list, i, line)
    {
        if (!json_is_string(line))
            return problem(p, E_INVALID, "\"findings\": each must be a string");
        text_take(s->findings[s->finding_count++], sizeof s->findings[0], json_string_value(line));
    }
    return true;
}

static bool scrub_take(const json_t *disk, struct heartbeat_scrub *s, struct problem *p)
{
    const json_t *o = json_object_get(disk, "scrub");

    s->known = o != NULL;
    return !o ||
           (object_check(o, "a scrub",
                         "passes done_bytes total_bytes bytes_per_second bad_blocks bad_pages "
                         "findings",
                         p) &&
            body_u64(o, "passes", &s->passes, p) && body_u64(o, "done_bytes", &s->done_bytes, p) &&
            body_u64(o, "total_bytes", &s->total_bytes, p) &&
            body_u64(o, "bytes_per_second", &s->bytes_per_second, p) &&
            body_u64(o, "bad_blocks", &s->bad_blocks, p) &&
            body_u64(o, "bad_pages", &s->bad_pages, p) && findings_take(o, s, p));
}

static bool disk_take(const json_t *o, struct heartbeat_disk *d, struct problem *p)
{
    const char *path;

    d->replicas_max = UINT32_MAX;
    if (!object_check(o, "a disk",
                      "disk path bytes chunks chunks_free replicas_max read_only scrub", p) ||
        !body_identity(o, "disk", &d->disk, p) || !body_text(o, "path", &path, p) ||
        !body_u64(o, "bytes", &d->bytes, p) || !body_u64(o, "chunks", &d->chunks, p) ||
        !body_u64(o, "chunks_free", &d->chunks_free, p) ||
        !body_u32_maybe(o, "replicas_max", &d->replicas_max, p) ||
        !body_flag(o, "read_only", &d->read_only, p) || !scrub_take(o, &d->scrub, p))
        return false;
    text_take(d->path, sizeof d->path, path);
    if (d->chunks > (1ull << 46) || d->chunks_free > d->chunks)
        return problem(p, E_INVALID,
                       "a disk's chunks must be at most 2^46, chunks_free at most "
                       "chunks");
    return true;
}

static bool disks_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    json_t *list;

    if (!body_array(b, "disks", DISKS_MAX, &list, p))
        return false;
    h->disks = calloc(json_array_size(list) + 1, sizeof *h->disks);
    for (size_t i = 0; h->disks && i < json_array_size(list); i++) {
        if (!disk_take(json_array_get(list, i), &h->disks[h->disk_count++], p))
            return false;
    }
    return true;
}

static bool aside_take(const json_t *o, struct heartbeat_aside *d, struct problem *p)
{
    const char *path, *why;

    if (!object_check(o, "a rival", "disk path why", p) || !body_identity(o, "disk", &d->disk, p) ||
        !body_text(o, "path", &path, p) || !body_text(o, "why", &why, p))
        return false;
    text_take(d->path, sizeof d->path, path);
    text_take(d->why, sizeof d->why, why);
    return true;
}

static bool asides_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    json_t *list;

    if (!json_object_get(b, "rivals"))
        return true;
    if (!body_array(b, "rivals", DISKS_MAX, &list, p))
        return false;
    h->asides = calloc(json_array_size(list) + 1, sizeof *h->asides);
    if (!h->asides)
        return problem(p, E_NO_MEMORY, "no memory for the heartbeat");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!aside_take(json_array_get(list, i), &h->asides[h->aside_count++], p))
            return false;
    }
    return true;
}

static bool replica_take(const json_t *o, struct heartbeat_replica *r, struct problem *p)
{
    r->named = true;
    return object_check(o, "a replica", "replica volume shard disk damaged named", p) &&
           body_identity(o, "replica", &r->replica, p) &&
           body_identity(o, "volume", &r->volume, p) && body_u32(o, "shard", &r->shard, p) &&
           body_identity(o, "disk", &r->disk, p) && body_flag(o, "damaged", &r->damaged, p) &&
           body_flag(o, "named", &r->named, p);
}

static bool replicas_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    json_t *list;

    if (!body_array(b, "replicas", REPLICAS_MAX, &list, p))
        return false;
    h->replicas = calloc(json_array_size(list) + 1, sizeof *h->replicas);
    for (size_t i = 0; h->replicas && i < json_array_size(list); i++) {
        if (!replica_take(json_array_get(list, i), &h->replicas[h->replica_count++], p))
            return false;
    }
    return true;
}

static bool volume_take(const json_t *o, struct heartbeat_volume *v, struct problem *p)
{
    const char *why;

    if (!object_check(o, "a volume", "volume epoch shards serving generation bytes why", p) ||
        !body_identity(o, "volume", &v->volume, p) || !body_u64(o, "epoch", &v->epoch, p) ||
        !body_u32(o, "shards", &v->shards, p) || !body_u32(o, "serving", &v->serving, p) ||
        !body_u64(o, "generation", &v->generation, p) || !body_u64(o, "bytes", &v->bytes, p) ||
        !body_text(o, "why", &why, p))
        return false;
    text_take(v->why, sizeof v->why, why);
    return true;
}

static bool volumes_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    json_t *list;

    if (!body_array(b, "volumes", VOLUMES_MAX, &list, p))
        return false;
    h->volumes = calloc(json_array_size(list) + 1, sizeof *h->volumes);
    for (size_t i = 0; h->volumes && i < json_array_size(list); i++) {
        if (!volume_take(json_array_get(list, i), &h->volumes[h->volume_count++], p))
            return false;
    }
    return true;
}

static bool attachment_take(const json_t *o, struct heartbeat_attachment *a, struct problem *p)
{
    const char *state;

    if (!object_check(o, "an attachment", "attachment state", p) ||
        !body_identity(o, "attachment", &a->attachment, p) || !body_text(o, "state", &state, p))
        return false;
    a->drained = strcmp(state, "drained") == 0;
    if (!a->drained && strcmp(state, "known") != 0)
        return problem(p, E_INVALID, "an attachment's state must be \"known\" or \"drained\"");
    return true;
}

static bool attachments_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    json_t *list;

    if (!body_array(b, "attachments", ATTACHMENTS_MAX, &list, p))
        return false;
    h->attachments = calloc(json_array_size(list) + 1, sizeof *h->attachments);
    for (size_t i = 0; h->attachments && i < json_array_size(list); i++) {
        if (!attachment_take(json_array_get(list, i), &h->attachments[h->attachment_count++], p))
            return false;
    }
    return true;
}

static bool graves_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    json_t *list;

    if (!body_array(b, "graves", GRAVES_MAX, &list, p))
        return false;
    h->graves = calloc(json_array_size(list) + 1, sizeof *h->graves);
    for (size_t i = 0; h->graves && i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (!text || !identity_parse(text, &h->graves[h->grave_count++]))
            return problem(p, E_INVALID, "\"graves\": each must be an identity: 16 hex digits");
    }
    return true;
}

static bool revision_take(struct control *c, const json_t *b, struct heartbeat *h,
                          struct problem *p)
{
    struct identity lineage = {0};

    if (!body_u64(b, "revision", &h->revision, p))
        return false;
    if (!json_is_null(json_object_get(b, "lineage")) && !body_identity(b, "lineage", &lineage, p))
        return false;
    if (!identity_equal(lineage, c->keeper->lineage))
        h->revision = 0;
    return true;
}

static bool held_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    const char *held = "";

    if (!body_text_maybe(b, "held", &held, p))
        return false;
    text_take(h->held, sizeof h->held, held);
    return true;
}

static bool prefix_take(const json_t *b, struct heartbeat *h, struct problem *p)
{
    const char *prefix = "";

    if (!body_text_maybe(b, "iqn_prefix", &prefix, p))
        return false;
    text_take(h->iqn_prefix, sizeof h->iqn_prefix, prefix);
    return true;
}

/* calloc's failures are found here: a list with members but without memory. */
static bool lists_complete(const struct heartbeat *h, struct problem *p)
{
    if (h->portals && h->disks && h->replicas && h->volumes && h->attachments && h->graves)
        return true;
    return problem(p, E_NO_MEMORY, "no memory for the heartbeat");
}

static bool heartbeat_read(struct control *c, const json_t *b, struct heartbeat *h,
                           struct problem *p)
{
    return body_identity(b, "node", &h->node, p) &&
           body_identity(b, "incarnation", &h->incarnation, p) &&
           body_name(b, "name", h->name, p) && body_name(b, "rack", h->rack, p) &&
           revision_take(c, b, h, p) && held_take(b, h, p) && prefix_take(b, h, p) &&
           status_take(b, h, p) && body_u32_maybe(b, "volumes_max", &h->volumes_max, p) &&
           body_u32_maybe(b, "attachments_max", &h->attachments_max, p) && portals_take(b, h, p) &&
           disks_take(b, h, p) && asides_take(b, h, p) && replicas_take(b, h, p) &&
           volumes_take(b, h, p) && attachments_take(b, h, p) && graves_take(b, h, p) &&
           lists_complete(h, p);
}

/* The keeper's revision now: nothing lies under a prefix that no key has. */
static bool revision_now(struct control *c, uint64_t *ret, struct problem *p)
{
    struct record_list none;

    if (!control_range(c, "~", &none, p))
        return false;
    *ret = none.revision;
    record_list_free(&none);
    return true;
}

static bool heartbeat_take(struct control *c, const struct http_request *r, struct problem *p)
{
    AUTO_JSON *b = NULL;
    struct heartbeat *h;

    if (!body_read(
            r,
            "node incarnation name rack revision lineage portals disks replicas volumes "
            "attachments graves held volumes_max attachments_max status_address rivals iqn_prefix",
            &b, p))
        return false;
    h = heartbeat_new();
    if (!h)
        return problem(p, E_NO_MEMORY, "no memory for the heartbeat");
    if (!heartbeat_read(c, b, h, p)) {
        heartbeat_put(h);
        return false;
    }
    h->arrived_ms = monotonic_ms();
    if (board_put(&c->board, h) != E_OK)
        return problem(p, E_NO_MEMORY, "more than %u nodes", BOARD_NODES_MAX);
    return true;
}

void node_heartbeat(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct problem p;
    uint64_t revision;

    if (heartbeat_take(c, r, &p) && revision_now(c, &revision, &p))
        answer_json(a, 200,
                    json_pack("{sI ss}", "revision", (json_int_t)revision, "lineage",
                              identity_show(c->keeper->lineage).text));
    else
        answer_problem(a, &p);
}
