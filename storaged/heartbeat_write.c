/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/heartbeat_write.c — the document of one heartbeat. */
#include "storaged/heartbeat.h"
#include "storaged/operation.h"
#include "store/scrub.h"

#include <jansson.h>
#include <string.h>

#define FINDINGS_TOLD 4u

static json_t *identity_json(struct identity id)
{
    return identity_none(id) ? json_null() : json_string(identity_show(id).text);
}

static json_t *portals_json(const struct node_record *n)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < n->portal_count; i++)
        json_array_append_new(list, json_string(n->portals[i]));
    return list;
}

/* The worse of two rounds: what was found stays visible while the next one is on its way. */
static json_t *scrub_json(const struct store_scrub_status *st)
{
    const struct scrub_pass *p;
    json_t *findings = json_array();
    char line[128];

    p = st->last.finding_count > st->now.finding_count ? &st->last : &st->now;
    for (uint32_t i = 0; i < min_u32(p->finding_count, FINDINGS_TOLD); i++) {
        scrub_finding_show(&p->findings[i], line);
        json_array_append_new(findings, json_string(line));
    }
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "passes", (json_int_t)st->passes, "done_bytes",
        (json_int_t)st->now.bytes_done, "total_bytes", (json_int_t)st->bytes_total,
        "bytes_per_second", (json_int_t)st->bytes_per_second, "bad_blocks",
        (json_int_t)max_u64(st->now.bad_blocks, st->last.bad_blocks), "bad_pages",
        (json_int_t)max_u64(st->now.bad_pages, st->last.bad_pages), "findings", findings);
}

static json_t *disk_json(const struct disk_report *d)
{
    const struct store_space *space = &d->space;

    return json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:b, s:o}", "disk", identity_json(d->disk),
                     "path", d->path, "bytes", (json_int_t)d->bytes, "chunks",
                     (json_int_t)space->chunks, "chunks_free", (json_int_t)space->chunks_writable,
                     "replicas_max", (json_int_t)space->replicas_max, "read_only", space->read_only,
                     "scrub", scrub_json(&d->scrub));
}

static json_t *disks_json(const struct agent *a)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < a->census->home_count; i++) {
        const struct home_report *r = &a->census->asked[i].told;

        for (uint32_t j = 0; j < r->disk_count; j++)
            if (!rivals_aside(&a->rivals, r->disks[j].disk))
                json_array_append_new(list, disk_json(&r->disks[j]));
    }
    return list;
}

/* Left aside, for another node has them. */
static json_t *rivals_json(const struct agent *a)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < a->rivals.count; i++) {
        const struct rival *r = &a->rivals.list[i];
        const struct disk_report *disk = census_disk(a->census, r->disk);

        if (r->aside)
            json_array_append_new(list, json_pack("{s:o, s:s, s:s}", "disk", identity_json(r->disk),
                                                  "path", disk ? disk->path : "", "why", r->why));
    }
    return list;
}

static json_t *replicas_json(const struct agent *a)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < a->facts.replica_count; i++) {
        const struct fact_replica *f = &a->facts.replicas[i];
        bool named = !view_ready(&a->view) || replica_named(&a->view, a->node.node, f);

        json_array_append_new(
            list, json_pack("{s:o, s:o, s:i, s:o, s:b, s:b}", "replica", identity_json(f->replica),
                            "volume", identity_json(f->volume), "shard", (int)f->shard, "disk",
                            identity_json(f->disk), "damaged", f->damaged, "named", named));
    }
    return list;
}

static json_t *volume_json(struct identity volume, uint64_t epoch, uint32_t shards)
{
    return json_pack("{s:o, s:I, s:i, s:i, s:I, s:I, s:s}", "volume", identity_json(volume),
                     "epoch", (json_int_t)epoch, "shards", (int)shards, "serving", 0, "generation",
                     (json_int_t)0, "bytes", (json_int_t)0, "why", "");
}

/* Why it is not served, or not as large as is recorded. */
static const char *why_not(const struct agent *a, const struct node_volume *n)
{
    const struct volume_record *record = view_volume(&a->view, n->volume);

    if (n->closing)
        return "it is being closed";
    if (!n->opened)
        return "it is being opened";
    if (n->hosted.told.serving && record && record->bytes > n->bytes)
        return agent_trouble(a, n->volume);
    return n->hosted.told.why;
}

static json_t *open_volume_json(const struct agent *a, const struct node_volume *n)
{
    const struct head_record *head = view_head(&a->view, n->volume);
    json_t *volume = volume_json(n->volume, n->epoch, volume_shards(n->bytes));

    json_object_set_new(volume, "serving",
                        json_integer(n->closing ? 0 : (int)n->hosted.told.shards_serving));
    json_object_set_new(volume, "generation",
                        json_integer(head ? (json_int_t)head->generation : 0));
    json_object_set_new(volume, "bytes", json_integer((json_int_t)n->bytes));
    json_object_set_new(volume, "why", json_string(why_not(a, n)));
    return volume;
}

/* A volume that this process should serve and cannot open yet, with what is in the way. */
static void waiting_volume(const struct agent *a, const struct action *action, json_t *list)
{
    const struct volume_record *record = view_volume(&a->view, action->volume);
    const char *trouble = agent_trouble(a, action->volume);
    char why[160];
    json_t *volume;

    if (!record)
        return;
    if (!identity_none(action->disk))
        snprintf(why, sizeof why, "disk %s is not open here", identity_show(action->disk).text);
    else
        snprintf(why, sizeof why, "%s%s%s",
                 action->kind == ACTION_WAIT ? "its replicas are being made" : "it is being opened",
                 *trouble ? ": " : "", trouble);
    volume = volume_json(action->volume, action->epoch, volume_shards(record->bytes));
    json_object_set_new(volume, "why", json_string(why));
    json_array_append_new(list, volume);
}

static json_t *volumes_json(const struct agent *a)
{
    json_t *list = json_array();

    list_for_each(link, &a->volumes->open)
        json_array_append_new(list,
                              open_volume_json(a, container_of(link, struct node_volume, link)));
    for (uint32_t i = 0; i < a->plan.count; i++) {
        const struct action *action = &a->plan.actions[i];
        bool opens = action->kind == ACTION_WAIT || action->kind == ACTION_OPEN_VOLUME;

        if (opens && !volumes_find(a->volumes, action->volume))
            waiting_volume(a, action, list);
    }
    return list;
}

static json_t *attachments_json(const struct agent *a)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < a->facts.attachment_count; i++) {
        const struct fact_attachment *f = &a->facts.attachments[i];

        json_array_append_new(list,
                              json_pack("{s:o, s:s}", "attachment", identity_json(f->attachment),
                                        "state", f->drained ? "drained" : "known"));
    }
    return list;
}

static json_t *graves_json(const struct agent *a)
{
    json_t *list = json_array();
    char prefix[RECORD_KEY_MAX];

    snprintf(prefix, sizeof prefix, "grave/%s/", identity_show(a->node.node).text);
    view_for_each(e, &a->view, prefix)
    {
        const struct grave_record *g = e->decoded;

        if (grave_done(&a->facts, g) && !operation_changes(a, g->replica))
            json_array_append_new(list, identity_json(g->replica));
    }
    return list;
}

char *heartbeat_write(const struct heartbeat *h)
{
    const struct agent *a = h->agent;
    json_t *body =
        json_pack("{s:o, s:o, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "node",
                  identity_json(a->node.node), "incarnation", identity_json(a->incarnation), "name",
                  a->node.name, "rack", a->node.rack, "revision", (json_int_t)agent_revision(a),
                  "lineage", identity_json(h->lineage), "portals", portals_json(&a->node), "disks",
                  disks_json(a), "replicas", replicas_json(a), "volumes", volumes_json(a),
                  "attachments", attachments_json(a), "graves", graves_json(a), "volumes_max",
                  (json_int_t)a->limits->volumes_max, "attachments_max",
                  (json_int_t)a->limits->attachments_max);
    char *text;

    if (a->rivals.count > 0)
        json_object_set_new(body, "rivals", rivals_json(a));
    if (*a->strange)
        json_object_set_new(body, "held", json_string(a->strange));
    if (h->iqn_prefix)
        json_object_set_new(body, "iqn_prefix", json_string(h->iqn_prefix));
    if (h->status && *h->status)
        json_object_set_new(body, "status_address", json_string(h->status));
    text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}
