/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/controller/delete.c — the end of a volume (C2), one step a pass.
 *
 * The happy path: the primary's heartbeat shows that it has seen the mark and closed the volume;
 * a grave per identity of each replica is written; their nodes confirm them; page by page the
 * graves and the page go, and with the first page head, volume, name and attachments.
 *
 * What can go wrong:
 *   the primary is silent, or another process   the epoch is raised to nobody first
 *   a node never confirms                       the volume stays "deleting", and says for whom it
 *                                               waits (deletion_waits)
 *   an attachment is there still                it goes first, by C3 or with the rest
 *
 * Every transaction compares the head and the volume, so that what was decided on still holds.
 */
#include "control/controller/inside.h"

#include <assert.h>
#include <stdio.h>

/* Graves in one transaction: with the two compares and a page beside them. */
#define GRAVES_AT_ONCE 90u

static enum err compare_view(struct change *c, const struct volume_view *v)
{
    struct identity volume = v->volume.volume;
    enum err err = transaction_compare(&c->transaction, volume_key(volume), v->volume_at->revision);

    return err ? err : transaction_compare(&c->transaction, head_key(volume), v->head_at->revision);
}

/* A replica's grave, as it should be; its node may be asked, or not. */
struct due {
    struct grave_record grave;
    bool known; /* exactly one node has the disk, and may be believed about it (C9) */
};

static struct due due(const struct pass *p, const struct page_replica *r, struct identity replica)
{
    struct due d = {.grave = {.replica = replica, .disk = p->page.disks[r->disk].disk}};

    d.known = view_disk_node(p, r->disk, &d.grave.node) &&
              !heartbeats_rival(p->heartbeats, d.grave.node, d.grave.disk);
    return d;
}

typedef enum err visit_grave(struct pass *p, const struct due *d, void *about);

/* A salvaged replica lies there under its former identity until its node has seen that: it has two.
 */
static enum err replica_graves(struct pass *p, const struct page_replica *r, visit_grave *visit,
                               void *about)
{
    struct due d = due(p, r, r->replica);
    enum err err = visit(p, &d, about);

    if (err || identity_none(r->former))
        return err;
    d = due(p, r, r->former);
    return visit(p, &d, about);
}

/* Those of the page in p->page, up to the first error. */
static enum err page_graves(struct pass *p, visit_grave *visit, void *about)
{
    enum err err = E_OK;

    for (uint32_t s = 0; s < p->page.shard_count; s++) {
        for (uint32_t i = 0; i < p->page.shards[s].replica_count && !err; i++)
            err = replica_graves(p, &p->page.shards[s].replicas[i], visit, about);
    }
    return err;
}

static const struct record *grave_find(const struct pass *p, const struct grave_record *g)
{
    return record_list_find(p->records, grave_key(g->node, g->replica).text);
}

/* ---- writing graves ---- */

static enum err bury(struct pass *p, const struct due *d, void *about)
{
    struct change *c = about;
    struct record_key key = grave_key(d->grave.node, d->grave.replica);
    enum err err;

    assert(c->kind == CHANGE_BURY);
    if (grave_find(p, &d->grave) || c->transaction.put_count == GRAVES_AT_ONCE)
        return E_OK; /* it is there, or comes in the next pass */
    err = transaction_compare(&c->transaction, key, 0);
    return err ? err : transaction_put(&c->transaction, key, grave_write(&d->grave, NULL));
}

struct graves {
    bool missing;   /* one was not written */
    bool confirmed; /* all of them         */
};

static bool confirmed(const struct pass *p, const struct due *d)
{
    const struct heartbeat *h = heartbeats_last(p->heartbeats, d->grave.node);

    return disk_removed(p, d->grave.disk) ||
           (d->known && h && heartbeat_buried(h, d->grave.replica));
}

static enum err look(struct pass *p, const struct due *d, void *about)
{
    struct graves *g = about;

    if (!grave_find(p, &d->grave))
        g->missing = true;
    if (!confirmed(p, d))
        g->confirmed = false;
    return E_OK;
}

/* ---- taking records away ---- */

/* As many as fit: what is left then is no volume's any more, and goes by C4. */
static enum err unbury(struct pass *p, const struct due *d, void *about)
{
    struct change *c = about;

    (void)p;
    if (c->transaction.put_count == GRAVES_AT_ONCE)
        return E_OK;
    return transaction_delete(&c->transaction, grave_key(d->grave.node, d->grave.replica));
}

/* Head, volume and name; the caller takes the last page in the same transaction. */
static enum err forget_volume(struct change *c, const struct volume_view *v)
{
    enum err err = transaction_delete(&c->transaction, head_key(v->volume.volume));

    if (!err)
        err = transaction_delete(&c->transaction, volume_key(v->volume.volume));
    return err ? err : transaction_delete(&c->transaction, volume_name_key(v->volume.name));
}

/* The page in p->page goes, with its graves; the first page goes last and takes the rest along. */
static void page_delete(struct pass *p, const struct volume_view *v, const struct record *at)
{
    struct change *c = change_begin(p, CHANGE_DELETE, v->volume.volume);
    struct record_key key = page_key(v->volume.volume, p->page.index);
    enum err err;

    if (!c)
        return;
    err = compare_view(c, v);
    if (!err)
        err = transaction_compare(&c->transaction, key, at->revision);
    if (!err)
        err = page_graves(p, unbury, c);
    if (!err)
        err = transaction_delete(&c->transaction, key);
    if (!err && p->page.index == 0)
        err = forget_volume(c, v);
    change_end(p, err);
}

/* ---- the steps ---- */

static struct record_list attachments(const struct pass *p, struct identity volume)
{
    struct record_key key = attachment_key(volume, volume);
    char *last = key.text + sizeof "attachment/" - 1 + IDENTITY_TEXT;

    *last = '\0'; /* "attachment/<volume>/" */
    return record_list_part(p->records, key.text);
}

/* Of all pages; where one cannot be read, none counts as confirmed and none as missing. */
static struct graves graves_look(struct pass *p, const struct volume_view *v)
{
    struct record_list pages = view_pages(p, v);
    struct graves g = {.confirmed = true};

    for (uint32_t i = 0; i < pages.count; i++) {
        if (page_read(pages.records[i].value, &p->page) != E_OK ||
            page_graves(p, look, &g) != E_OK) {
            p->out->unreadable++;
            return (struct graves){0};
        }
    }
    return g;
}

static void graves_write(struct pass *p, const struct volume_view *v)
{
    struct change *c = change_begin(p, CHANGE_BURY, v->volume.volume);
    struct record_list pages = view_pages(p, v);
    enum err err;

    if (!c)
        return;
    err = compare_view(c, v);
    for (uint32_t i = 0; i < pages.count && !err; i++) {
        err = page_read(pages.records[i].value, &p->page);
        if (!err)
            err = page_graves(p, bury, c);
    }
    change_end(p, err);
}

static void last_page_delete(struct pass *p, const struct volume_view *v)
{
    struct record_list pages = view_pages(p, v);
    const struct record *at;

    if (pages.count == 0)
        return;
    at = &pages.records[pages.count - 1];
    if (page_read(at->value, &p->page) == E_OK)
        page_delete(p, v, at);
}

void delete_volume(struct pass *p, const struct volume_view *v)
{
    const struct heartbeat *h = heartbeats_alive(p->heartbeats, v->head.primary);
    struct graves g;

    if (!view_closed(p, v)) {
        bool other = h && !identity_equal(h->incarnation, v->head.incarnation);

        if (other || heartbeats_silent(p->heartbeats, v->head.primary))
            raise_epoch(p, v, (struct identity){0}, (struct identity){0});
        return;
    }
    g = graves_look(p, v);
    if (g.missing)
        graves_write(p, v);
    else if (g.confirmed && attachments(p, v->volume.volume).count == 0)
        last_page_delete(p, v);
}

/* ---- why it is not over yet ---- */

static enum err unconfirmed(struct pass *p, const struct due *d, void *about)
{
    struct due *first = about;

    if (confirmed(p, d))
        return E_OK;
    *first = *d;
    return E_BUSY; /* one will do */
}

static bool first_unconfirmed(struct pass *p, const struct volume_view *v, struct due *ret)
{
    struct record_list pages = view_pages(p, v);
    enum err err = E_OK;

    for (uint32_t i = 0; i < pages.count && !err; i++)
        if (page_read(pages.records[i].value, &p->page) == E_OK)
            err = page_graves(p, unconfirmed, ret);
    return err == E_BUSY;
}

static void explain_grave(const struct pass *p, const struct due *d, char why[HEARTBEAT_WHY_MAX])
{
    const struct heartbeat *h = heartbeats_last(p->heartbeats, d->grave.node);
    struct identity_text disk = identity_show(d->grave.disk), node = identity_show(d->grave.node);
    const char *name = h ? h->name : node.text;

    if (!d->known)
        snprintf(why, HEARTBEAT_WHY_MAX,
                 "node %s is not believed about disk %s: another process lists it, too", name,
                 disk.text);
    else if (!heartbeats_alive(p->heartbeats, d->grave.node))
        snprintf(why, HEARTBEAT_WHY_MAX, "node %s, which has disk %s, is silent", name, disk.text);
    else if (!heartbeat_disk(h, d->grave.disk))
        snprintf(why, HEARTBEAT_WHY_MAX, "disk %s of node %s is not open there", disk.text, name);
    else
        snprintf(why, HEARTBEAT_WHY_MAX, "node %s has not deleted replica %s on disk %s yet", name,
                 identity_show(d->grave.replica).text, disk.text);
}

static void explain_open(const struct pass *p, const struct volume_view *v,
                         char why[HEARTBEAT_WHY_MAX])
{
    const struct heartbeat *h = heartbeats_last(p->heartbeats, v->head.primary);
    struct identity_text node = identity_show(v->head.primary);
    struct record_list list = attachments(p, v->volume.volume);
    struct attachment_record a;

    if (list.count > 0 && attachment_read(list.records[0].value, &a) == E_OK)
        snprintf(why, HEARTBEAT_WHY_MAX, "attachment %s is ending: its last writes are being done",
                 identity_show(a.attachment).text);
    else
        snprintf(why, HEARTBEAT_WHY_MAX, "its primary, node %s, has not closed it yet",
                 h ? h->name : node.text);
}

void deletion_waits(const struct record_list *records, const struct heartbeat_set *heartbeats,
                    struct identity volume, char why[HEARTBEAT_WHY_MAX])
{
    struct pass p = {.records = records, .heartbeats = heartbeats};
    struct volume_view v;
    struct due first;

    why[0] = '\0';
    if (!view_read(&p, volume, &v))
        return;
    if (!view_closed(&p, &v))
        explain_open(&p, &v, why);
    else if (first_unconfirmed(&p, &v, &first))
        explain_grave(&p, &first, why);
}
