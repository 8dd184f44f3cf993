/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/plan.c — compares records with facts, volume by volume.
 *
 * The order of the parts does not matter: each looks at the records and the facts alone.  What one
 * action makes possible (a replica is made, then its volume opens) comes with the next plan.
 */
#include "storaged/plan.h"

#include "storaged/config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SHIFT 12

/* ---- facts ---- */

static int order(struct identity a, struct identity b)
{
    return (a.bits > b.bits) - (a.bits < b.bits);
}

/* Each kind of fact begins with the identity that it is found by. */
static int fact_order(const void *a, const void *b)
{
    return order(*(const struct identity *)a, *(const struct identity *)b);
}

static const void *fact_find(struct identity id, const void *facts, uint32_t count, size_t bytes)
{
    return count > 0 ? bsearch(&id, facts, count, bytes, fact_order) : NULL;
}

static void fact_sort(void *facts, uint32_t count, size_t bytes)
{
    if (count > 1)
        qsort(facts, count, bytes, fact_order);
}

void facts_sort(struct facts *f)
{
    fact_sort(f->disks, f->disk_count, sizeof *f->disks);
    fact_sort(f->replicas, f->replica_count, sizeof *f->replicas);
    fact_sort(f->volumes, f->volume_count, sizeof *f->volumes);
    fact_sort(f->attachments, f->attachment_count, sizeof *f->attachments);
}

const struct fact_disk *fact_disk(const struct facts *f, struct identity disk)
{
    return fact_find(disk, f->disks, f->disk_count, sizeof *f->disks);
}

const struct fact_replica *fact_replica(const struct facts *f, struct identity replica)
{
    return fact_find(replica, f->replicas, f->replica_count, sizeof *f->replicas);
}

const struct fact_volume *fact_volume(const struct facts *f, struct identity volume)
{
    return fact_find(volume, f->volumes, f->volume_count, sizeof *f->volumes);
}

const struct fact_attachment *fact_attachment(const struct facts *f, struct identity attachment)
{
    return fact_find(attachment, f->attachments, f->attachment_count, sizeof *f->attachments);
}

/* ---- the plan ---- */

struct planner {
    const struct view *view;
    const struct facts *facts;
    struct plan *plan;
    uint32_t changes[CONFIG_DISKS_MAX]; /* of the store on each disk of the facts */
};

static_assert(CONFIG_DISKS_MAX * PLAN_DISK_MAX + PLAN_WAITS_MAX < PLAN_ACTIONS_MAX,
              "there is room for what is neither");

/* P12: the disk has room for it, or it is no change of a store. */
static bool disk_takes(struct planner *p, const struct action *action)
{
    const struct fact_disk *disk;

    if (action->kind < ACTION_MAKE_REPLICA || action->kind > ACTION_DELETE_REPLICA)
        return true;
    disk = fact_disk(p->facts, action->disk);
    return p->changes[disk - p->facts->disks]++ < PLAN_DISK_MAX;
}

static void act(struct planner *p, struct action action)
{
    if (p->plan->count == PLAN_ACTIONS_MAX || !disk_takes(p, &action))
        return;
    if (action.kind == ACTION_WAIT && p->plan->waits++ >= PLAN_WAITS_MAX)
        return;
    p->plan->actions[p->plan->count++] = action;
}

/* This process is the primary that the head names. */
static bool primary_here(const struct planner *p, const struct head_record *head)
{
    return head && identity_equal(head->primary, p->facts->node.node) &&
           identity_equal(head->incarnation, p->facts->incarnation);
}

static bool node_differs(const struct node_record *a, const struct node_record *b)
{
    if (strcmp(a->name, b->name) != 0 || strcmp(a->rack, b->rack) != 0 ||
        a->portal_count != b->portal_count)
        return true;
    for (uint32_t i = 0; i < a->portal_count; i++)
        if (strcmp(a->portals[i], b->portals[i]) != 0)
            return true;
    return false;
}

static void plan_registration(struct planner *p)
{
    const struct facts *f = p->facts;
    const struct node_record *node = view_node(p->view, f->node.node);

    if (!node || node_differs(node, &f->node))
        act(p, (struct action){.kind = ACTION_REGISTER_NODE});
    for (uint32_t i = 0; i < f->disk_count; i++) {
        const struct view_entry *e = view_find(p->view, disk_key(f->disks[i].disk));
        const struct disk_record *disk = e ? e->decoded : NULL;

        if (!disk || disk->removed || !identity_equal(disk->node, f->node.node) ||
            disk->bytes != f->disks[i].bytes)
            act(p, (struct action){.kind = ACTION_REGISTER_DISK,
                                   .disk = f->disks[i].disk,
                                   .size_blocks = f->disks[i].bytes >> BLOCK_SHIFT});
    }
}

/* ---- replicas ---- */

uint64_t shard_size_blocks(uint64_t volume_bytes, uint32_t shard)
{
    uint64_t start = (uint64_t)shard * SHARD_BYTES;
    uint64_t bytes = volume_bytes > start ? min_u64(volume_bytes - start, SHARD_BYTES) : 0;

    return (bytes + (1u << BLOCK_SHIFT) - 1) >> BLOCK_SHIFT;
}

/* A replica that holds nothing by the record may be made; one that is in sync may not (P8). */
static bool may_be_made(const struct page_shard *s, const struct page_replica *r)
{
    return s->is_new || (!r->in_sync && r->behind == 0);
}

/* It is here, damaged, under its former identity, and a human has said that it is the truth now. */
static bool plan_salvage(struct planner *p, struct action action, struct identity former)
{
    const struct fact_replica *fact = fact_replica(p->facts, former);

    if (identity_none(former) || !fact || !identity_equal(fact->disk, action.disk))
        return false;
    action.kind = ACTION_SALVAGE_REPLICA;
    action.former = former;
    if (!fact_volume(p->facts, action.volume))
        act(p, action);
    return true;
}

/* True: the replica is as it should be, or will never be: its volume need not wait for it. */
static bool plan_replica(struct planner *p, const struct volume_record *volume, uint32_t shard,
                         const struct page_shard *s, uint32_t index)
{
    const struct page_record *page;
    const struct page_replica *r = &s->replicas[index];
    const struct fact_replica *fact = fact_replica(p->facts, r->replica);
    struct action action = {
        .volume = volume->volume,
        .replica = r->replica,
        .shard = shard,
        .size_blocks = shard_size_blocks(volume->bytes, shard),
    };

    view_shard(p->view, volume->volume, shard, &page);
    action.disk = page->disks[r->disk].disk;
    if (!fact && plan_salvage(p, action, r->former))
        return false;
    if (!fact) {
        if (!may_be_made(s, r) || view_find(p->view, grave_key(p->facts->node.node, r->replica)))
            return true;
        action.kind = ACTION_MAKE_REPLICA;
        act(p, action);
        return false;
    }
    if (fact->size_blocks >= action.size_blocks)
        return true;
    if (fact_volume(p->facts, volume->volume))
        return true; /* the open volume's resize makes it larger */
    action.kind = ACTION_GROW_REPLICA;
    act(p, action);
    return false;
}

/* What keeps a volume from being opened here. */
struct readiness {
    bool pages;                   /* every shard has its record                 */
    bool replicas;                /* every replica of this node is made         */
    bool local;                   /* every shard has a replica on an open disk  */
    struct identity missing_disk; /* of one that has none */
};

static void plan_shard(struct planner *p, const struct volume_record *volume, uint32_t shard,
                       struct readiness *ready)
{
    const struct page_record *page;
    const struct page_shard *s = view_shard(p->view, volume->volume, shard, &page);
    bool local = false;

    if (!s) {
        ready->pages = false;
        return;
    }
    for (uint32_t i = 0; i < s->replica_count; i++) {
        /* a disk is where it is open, whoever had it before */
        if (!fact_disk(p->facts, page->disks[s->replicas[i].disk].disk))
            continue;
        local = true;
        ready->replicas = plan_replica(p, volume, shard, s, i) && ready->replicas;
    }
    if (!local && s->replica_count > 0)
        ready->missing_disk = page->disks[s->replicas[0].disk].disk;
    ready->local = ready->local && local;
}

static struct readiness plan_replicas(struct planner *p, const struct volume_record *volume)
{
    struct readiness ready = {.pages = true, .replicas = true, .local = true};
    uint32_t shards = volume_shards(volume->bytes);

    for (uint32_t shard = 0; shard < shards; shard++)
        plan_shard(p, volume, shard, &ready);
    return ready;
}

/* ---- volumes ---- */

static void plan_opening(struct planner *p, const struct volume_record *volume,
                         const struct head_record *head, const struct readiness *ready)
{
    struct action action = {.volume = volume->volume, .epoch = head->epoch};

    action.kind =
        ready->pages && ready->replicas && ready->local ? ACTION_OPEN_VOLUME : ACTION_WAIT;
    if (!ready->local)
        action.disk = ready->missing_disk;
    act(p, action);
}

static void plan_volume(struct planner *p, const struct volume_record *volume)
{
    const struct head_record *head = view_head(p->view, volume->volume);
    const struct fact_volume *fact = fact_volume(p->facts, volume->volume);
    struct readiness ready;

    if (volume->deleting)
        return; /* graves and closing are planned from the facts */
    ready = plan_replicas(p, volume);
    if (!primary_here(p, head))
        return;
    if (!fact)
        plan_opening(p, volume, head, &ready);
    else if (!fact->closing && fact->epoch == head->epoch && volume->bytes > fact->bytes &&
             ready.pages && ready.replicas && ready.local)
        act(p, (struct action){.kind = ACTION_RESIZE_VOLUME,
                               .volume = volume->volume,
                               .size_blocks = volume->bytes >> BLOCK_SHIFT});
}

/* What is open here and should not be: another process or epoch, deleted, or being deleted. */
static void plan_closing(struct planner *p)
{
    for (uint32_t i = 0; i < p->facts->volume_count; i++) {
        const struct fact_volume *fact = &p->facts->volumes[i];
        const struct volume_record *volume = view_volume(p->view, fact->volume);
        const struct head_record *head = view_head(p->view, fact->volume);

        if (fact->closing)
            continue;
        if (!volume || volume->deleting || !primary_here(p, head) || head->epoch != fact->epoch)
            act(p, (struct action){.kind = ACTION_CLOSE_VOLUME, .volume = fact->volume});
    }
}

/* ---- graves ---- */

bool grave_done(const struct facts *f, const struct grave_record *g)
{
    return fact_disk(f, g->disk) && !fact_replica(f, g->replica);
}

static void plan_graves(struct planner *p)
{
    char prefix[RECORD_KEY_MAX];

    snprintf(prefix, sizeof prefix, "grave/%s/", identity_show(p->facts->node.node).text);
    view_for_each(e, p->view, prefix)
    {
        const struct grave_record *g = e->decoded;
        const struct fact_replica *fact = fact_replica(p->facts, g->replica);

        if (fact && identity_equal(fact->disk, g->disk) && !fact_volume(p->facts, fact->volume))
            act(p, (struct action){.kind = ACTION_DELETE_REPLICA,
                                   .replica = g->replica,
                                   .volume = fact->volume,
                                   .disk = g->disk});
    }
}

/* ---- attachments ---- */

static void plan_new_attachments(struct planner *p)
{
    view_for_each(e, p->view, "attachment/")
    {
        const struct attachment_record *a = e->decoded;

        if (fact_volume(p->facts, a->volume) && !fact_attachment(p->facts, a->attachment))
            act(p, (struct action){
                       .kind = ACTION_KNOW, .attachment = a->attachment, .volume = a->volume});
    }
}

static void plan_attachments(struct planner *p)
{
    plan_new_attachments(p);
    for (uint32_t i = 0; i < p->facts->attachment_count; i++) {
        const struct fact_attachment *fact = &p->facts->attachments[i];
        const struct attachment_record *a =
            view_attachment(p->view, fact->volume, fact->attachment);
        struct action action = {.attachment = fact->attachment, .volume = fact->volume};

        if (a && !a->ending)
            continue;
        if (!fact->drained)
            action.kind = ACTION_DRAIN;
        else if (!a)
            action.kind = ACTION_FORGET;
        else
            continue; /* drained, and reported until its record goes */
        act(p, action);
    }
}

void agent_plan(const struct view *v, const struct facts *f, struct plan *ret)
{
    struct planner p = {.view = v, .facts = f, .plan = ret};

    ret->count = ret->waits = 0;
    if (!view_ready(v))
        return;
    plan_registration(&p);
    plan_closing(&p);
    plan_attachments(&p);
    plan_graves(&p);
    view_for_each(e, v, "volume/") plan_volume(&p, e->decoded);
}

bool replica_named(const struct view *v, struct identity node, const struct fact_replica *r)
{
    const struct page_record *page;
    const struct page_shard *s = view_shard(v, r->volume, r->shard, &page);

    for (uint32_t i = 0; s && i < s->replica_count; i++)
        if (identity_equal(s->replicas[i].replica, r->replica) &&
            identity_equal(page->disks[s->replicas[i].disk].disk, r->disk))
            return true;
    return view_find(v, grave_key(node, r->replica)) != NULL;
}
