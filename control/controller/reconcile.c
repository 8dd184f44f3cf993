/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/controller/reconcile.c — the rules, and one pass over all of them.
 *
 * Comes from the controller's thread (metad) or a test; goes nowhere: it only writes transactions
 * down.  The deletion of a volume has a file of its own, delete.c.
 */
#include "control/controller/inside.h"

#include <stdlib.h>
#include <string.h>

const char *change_name(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_PROMOTE:
        return "promoted";
    case CHANGE_DEMOTE:
        return "demoted";
    case CHANGE_BURY:
        return "buried";
    case CHANGE_DELETE:
        return "deleted";
    case CHANGE_DETACH:
        return "detached";
    case CHANGE_CONFIRMED:
        return "confirmed";
    case CHANGE_FORGOTTEN:
        return "forgotten";
    }
    unreachable();
}

/* ---- changes ---- */

struct change *change_begin(struct pass *p, enum change_kind kind, struct identity subject)
{
    struct change *c = &p->out->items[p->out->count];

    if (p->out->count == CHANGES_MAX)
        return NULL;
    c->kind = kind;
    c->subject = subject;
    c->epoch = 0;
    c->node = (struct identity){0};
    transaction_init(&c->transaction);
    return c;
}

void change_end(struct pass *p, enum err err)
{
    if (err)
        transaction_done(&p->out->items[p->out->count].transaction);
    else
        p->out->count++;
}

void changes_done(struct changes *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        transaction_done(&c->items[i].transaction);
    c->count = 0;
}

/* splitmix64: a nonce need only differ from every other one. */
static uint64_t pass_nonce(struct pass *p)
{
    uint64_t z = p->seed += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* ---- views ---- */

/* `err`: what reading the volume's own record comes to. */
static bool view_read_as(const struct pass *p, struct identity volume, enum err err,
                         struct volume_view *ret)
{
    ret->volume_at = record_list_find(p->records, volume_key(volume).text);
    ret->head_at = record_list_find(p->records, head_key(volume).text);
    if (!ret->volume_at || !ret->head_at)
        return false;
    return volume_read(ret->volume_at->value, &ret->volume) == err &&
           head_read(ret->head_at->value, &ret->head) == E_OK;
}

bool view_read(struct pass *p, struct identity volume, struct volume_view *ret)
{
    return view_read_as(p, volume, E_OK, ret);
}

struct record_list view_pages(const struct pass *p, const struct volume_view *v)
{
    char prefix[RECORD_KEY_MAX];
    struct record_key first = page_key(v->volume.volume, 0);

    memcpy(prefix, first.text, sizeof prefix);
    *(strrchr(prefix, '/') + 1) = '\0';
    return record_list_part(p->records, prefix);
}

bool view_disk_node(const struct pass *p, uint32_t place, struct identity *ret)
{
    struct identity disk = p->page.disks[place].disk;
    const struct record *at = record_list_find(p->records, disk_key(disk).text);
    struct disk_record r;

    *ret = p->page.disks[place].node;
    if (at && disk_read(at->value, &r) != E_OK)
        return false;
    if (at)
        *ret = r.node;
    return true;
}

const struct heartbeat *view_primary(const struct pass *p, const struct volume_view *v)
{
    const struct heartbeat *h = heartbeats_alive(p->heartbeats, v->head.primary);

    return h && identity_equal(h->incarnation, v->head.incarnation) ? h : NULL;
}

bool view_closed(const struct pass *p, const struct volume_view *v)
{
    const struct heartbeat *h = view_primary(p, v);

    if (!v->volume.deleting)
        return false;
    if (identity_none(v->head.primary)) /* the epoch was raised to nobody */
        return true;
    return h && h->revision >= v->volume_at->revision && !heartbeat_volume(h, v->volume.volume);
}

/* ---- C1: epochs ---- */

void raise_epoch(struct pass *p, const struct volume_view *v, struct identity node,
                 struct identity incarnation)
{
    enum change_kind kind = identity_none(node) ? CHANGE_DEMOTE : CHANGE_PROMOTE;
    struct change *c = change_begin(p, kind, v->volume.volume);
    struct head_record head = v->head;
    struct record_key key = head_key(v->volume.volume);
    enum err err;

    if (!c)
        return;
    head.epoch++;
    head.primary = node;
    head.incarnation = incarnation;
    head.nonce = pass_nonce(p);
    c->epoch = head.epoch;
    c->node = node;
    err = transaction_compare(&c->transaction, key, v->head_at->revision);
    if (!err)
        err = transaction_put(&c->transaction, key, head_write(&head, v->head_at->value));
    change_end(p, err);
}

/* The node that holds the replicas: with one copy, the only choice; and the first one's disk. */
static bool view_holder(struct pass *p, const struct volume_view *v, struct identity *ret,
                        struct identity *ret_disk)
{
    struct record_list pages = view_pages(p, v);
    uint32_t place;

    if (pages.count == 0 || page_read(pages.records[0].value, &p->page) != E_OK)
        return false;
    place = p->page.shards[0].replicas[0].disk;
    *ret_disk = p->page.disks[place].disk;
    return view_disk_node(p, place, ret);
}

/* A process that lives is left alone, wherever it is (6.4), but where the disk has moved away under
 * it and nothing is served: with one copy it never will be there. */
static bool primary_keeps(const struct heartbeat *primary, const struct volume_view *v,
                          const struct heartbeat *holder, struct identity disk)
{
    const struct heartbeat_volume *open = heartbeat_volume(primary, v->volume.volume);

    return heartbeat_disk(primary, disk) || (open && open->serving > 0) ||
           !heartbeat_disk(holder, disk);
}

static void keep_primary(struct pass *p, const struct volume_view *v)
{
    const struct heartbeat *primary = view_primary(p, v), *h;
    struct identity holder, disk;

    if (!view_holder(p, v, &holder, &disk))
        return;
    h = heartbeats_alive(p->heartbeats, holder);
    if (!h) /* C7 */
        return;
    if (identity_equal(v->head.primary, holder) &&
        identity_equal(v->head.incarnation, h->incarnation))
        return;
    if (primary && !identity_equal(v->head.primary, holder) && primary_keeps(primary, v, h, disk))
        return;
    if (heartbeats_rival(p->heartbeats, holder, disk)) /* C9 */
        return;
    raise_epoch(p, v, holder, h->incarnation);
}

static void volumes_reconcile(struct pass *p)
{
    struct record_list volumes = record_list_part(p->records, "volume/");

    for (uint32_t i = 0; i < volumes.count; i++) {
        struct volume_view v;
        struct volume_record r;

        if (volume_read(volumes.records[i].value, &r) != E_OK || !view_read(p, r.volume, &v)) {
            p->out->unreadable++;
            continue;
        }
        if (v.volume.deleting)
            delete_volume(p, &v);
        else
            keep_primary(p, &v);
    }
}

/* ---- C3: attachments ---- */

/* Of a damaged volume the head names no new process (C1): the one that came in the place of the one
 * it names has its word, as it would have once named.  Not where two speak (C9). */
static const struct heartbeat *damaged_primary(const struct pass *p, const struct volume_view *v)
{
    if (heartbeats_doubled(p->heartbeats, v->head.primary))
        return NULL;
    return heartbeats_alive(p->heartbeats, v->head.primary);
}

static bool attachment_over(struct pass *p, const struct record *at,
                            const struct attachment_record *a)
{
    const struct heartbeat_attachment *seen;
    const struct heartbeat *h;
    struct volume_view v;

    if (view_read(p, a->volume, &v)) {
        if (view_closed(p, &v))
            return true;
        h = view_primary(p, &v);
    } else if (view_read_as(p, a->volume, E_DAMAGED, &v)) {
        h = damaged_primary(p, &v);
    } else {
        return false;
    }
    if (!a->ending || !h || h->revision < at->revision || h->revision < v.head_at->revision)
        return false;
    seen = heartbeat_attachment(h, a->attachment);
    return !seen || seen->drained;
}

static void attachments_reconcile(struct pass *p)
{
    struct record_list list = record_list_part(p->records, "attachment/");

    for (uint32_t i = 0; i < list.count; i++) {
        const struct record *at = &list.records[i];
        struct attachment_record a;
        struct record_key key;
        struct change *c;
        enum err err;

        if (attachment_read(at->value, &a) != E_OK) {
            p->out->unreadable++;
            continue;
        }
        if (!attachment_over(p, at, &a))
            continue;
        c = change_begin(p, CHANGE_DETACH, a.attachment);
        if (!c)
            return;
        key = attachment_key(a.volume, a.attachment);
        err = transaction_compare(&c->transaction, key, at->revision);
        if (!err)
            err = transaction_delete(&c->transaction, key);
        change_end(p, err);
    }
}

/* ---- C4: graves of volumes that are gone ---- */

static int by_bits(const void *a, const void *b)
{
    uint64_t x = ((const struct identity *)a)->bits, y = ((const struct identity *)b)->bits;

    return (x > y) - (x < y);
}

/* The replicas that pages still name, also as they were before a salvage: their graves are C2's
 * affair. */
struct named {
    struct identity *replicas;
    uint32_t count, room;
};

static bool named_room(struct named *n, uint32_t more)
{
    uint32_t room = n->room ? n->room : 1024;
    struct identity *replicas;

    while (room < n->count + more)
        room *= 2;
    if (room == n->room)
        return true;
    replicas = realloc(n->replicas, room * sizeof *replicas);
    if (!replicas)
        return false;
    n->replicas = replicas;
    n->room = room;
    return true;
}

static bool named_add(struct named *n, const struct page_record *page)
{
    if (!named_room(n, 2 * PAGE_SHARDS * PAGE_REPLICAS_MAX))
        return false;
    for (uint32_t s = 0; s < page->shard_count; s++) {
        for (uint32_t i = 0; i < page->shards[s].replica_count; i++) {
            const struct page_replica *r = &page->shards[s].replicas[i];

            n->replicas[n->count++] = r->replica;
            if (!identity_none(r->former))
                n->replicas[n->count++] = r->former;
        }
    }
    return true;
}

/* False: a page cannot be read, so that nobody knows whose graves these are. */
static bool named_read(struct pass *p, struct named *n)
{
    struct record_list pages = record_list_part(p->records, "page/");

    for (uint32_t i = 0; i < pages.count; i++) {
        if (page_read(pages.records[i].value, &p->page) != E_OK || !named_add(n, &p->page))
            return false;
    }
    if (n->count > 0)
        qsort(n->replicas, n->count, sizeof *n->replicas, by_bits);
    return true;
}

/* Another node has the disk now: this one will never confirm. */
static bool grave_left(struct pass *p, const struct grave_record *g)
{
    const struct record *at = record_list_find(p->records, disk_key(g->disk).text);
    struct disk_record r;

    return at && disk_read(at->value, &r) == E_OK && !identity_equal(r.node, g->node);
}

/* A grave that no page's replica needs: its volume has gone, so whoever had the disk confirmed. */
static bool grave_over(struct pass *p, const struct named *n, const struct grave_record *g)
{
    const struct heartbeat *h = heartbeats_last(p->heartbeats, g->node);

    if (n->count > 0 && bsearch(&g->replica, n->replicas, n->count, sizeof g->replica, by_bits))
        return false;
    return disk_removed(p, g->disk) || grave_left(p, g) || (h && heartbeat_buried(h, g->replica));
}

static void graves_clear(struct pass *p, const struct named *n)
{
    struct record_list list = record_list_part(p->records, "grave/");

    for (uint32_t i = 0; i < list.count; i++) {
        const struct record *at = &list.records[i];
        struct grave_record g;
        struct change *c;
        enum err err;

        if (grave_read(at->value, &g) != E_OK || !grave_over(p, n, &g))
            continue;
        c = change_begin(p, CHANGE_CONFIRMED, g.replica);
        if (!c)
            return;
        err = transaction_compare(&c->transaction, grave_key(g.node, g.replica), at->revision);
        if (!err)
            err = transaction_delete(&c->transaction, grave_key(g.node, g.replica));
        change_end(p, err);
    }
}

static void graves_reconcile(struct pass *p)
{
    struct named n = {0};

    if (record_list_part(p->records, "grave/").count == 0)
        return;
    if (named_read(p, &n))
        graves_clear(p, &n);
    free(n.replicas);
}

/* ---- one pass ---- */

/* Who is no node of this cluster, or has gone silent, has no say: it would hold it for ever. */
static bool somebody_saw_more(const struct record_list *records, const struct heartbeat_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct heartbeat *h = set->items[i];

        if (h->revision > records->revision && heartbeats_alive(set, h->node) &&
            record_list_find(records, node_key(h->node).text))
            return true;
    }
    return false;
}

void reconcile(const struct record_list *records, const struct heartbeat_set *heartbeats,
               uint64_t seed, struct changes *ret)
{
    struct pass p = {.records = records, .heartbeats = heartbeats, .out = ret, .seed = seed};

    ret->count = ret->unreadable = 0;
    ret->held = somebody_saw_more(records, heartbeats); /* C8 */
    if (ret->held)
        return;
    volumes_reconcile(&p);
    attachments_reconcile(&p);
    graves_reconcile(&p);
    disks_forget(&p);
}
