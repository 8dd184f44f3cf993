/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/controller/delete.c — the end of a volume (C2), one step a pass.
 *
 * The happy path: the primary's heartbeat shows that it has seen the mark and closed the volume;
 * one grave per replica is written; their nodes confirm them; page by page the graves and the page
 * go, and with the first page head, volume, name and attachments.
 *
 * What can go wrong:
 *   the primary is silent, or another process   the epoch is raised to nobody first
 *   a node never confirms                       the volume stays "deleting", and says so
 *   an attachment is there still                it goes first, by C3 or with the rest
 *
 * Every transaction compares the head and the volume, so that what was decided on still holds.
 */
#include "control/controller/inside.h"

#include <assert.h>

/* Graves in one transaction: with the two compares and a page beside them. */
#define GRAVES_AT_ONCE 90u

static enum err compare_view(struct change *c, const struct volume_view *v)
{
    struct identity volume = v->volume.volume;
    enum err err = transaction_compare(&c->transaction, volume_key(volume), v->volume_at->revision);

    return err ? err : transaction_compare(&c->transaction, head_key(volume), v->head_at->revision);
}

/* *ret_known: exactly one node has the disk, and may be believed about it (C9). */
static struct grave_record grave_of(const struct pass *p, const struct page_replica *r,
                                    bool *ret_known)
{
    struct grave_record g = {.replica = r->replica, .disk = p->page.disks[r->disk].disk};

    *ret_known =
        view_disk_node(p, r->disk, &g.node) && !heartbeats_rival(p->heartbeats, g.node, g.disk);
    return g;
}

static const struct record *grave_find(const struct pass *p, const struct grave_record *g)
{
    return record_list_find(p->records, grave_key(g->node, g->replica).text);
}

/* ---- writing graves ---- */

static enum err bury_one(struct pass *p, struct change *c, const struct page_replica *r)
{
    bool known;
    struct grave_record g = grave_of(p, r, &known);
    struct record_key key = grave_key(g.node, g.replica);

    assert(c->kind == CHANGE_BURY);
    if (grave_find(p, &g) || c->transaction.put_count == GRAVES_AT_ONCE)
        return E_OK; /* it is there, or comes in the next pass */
    enum err err = transaction_compare(&c->transaction, key, 0);
    return err ? err : transaction_put(&c->transaction, key, grave_write(&g, NULL));
}

static enum err bury_page(struct pass *p, struct change *c)
{
    enum err err = E_OK;

    for (uint32_t s = 0; s < p->page.shard_count && !err; s++) {
        for (uint32_t i = 0; i < p->page.shards[s].replica_count && !err; i++)
            err = bury_one(p, c, &p->page.shards[s].replicas[i]);
    }
    return err;
}

/* All graves of the page in p->page are there and confirmed; *ret_missing: one was not written. */
static bool page_confirmed(struct pass *p, bool *ret_missing)
{
    bool confirmed = true;

    for (uint32_t s = 0; s < p->page.shard_count; s++) {
        for (uint32_t i = 0; i < p->page.shards[s].replica_count; i++) {
            bool known;
            struct grave_record g = grave_of(p, &p->page.shards[s].replicas[i], &known);
            const struct heartbeat *h = heartbeats_last(p->heartbeats, g.node);

            if (!grave_find(p, &g))
                *ret_missing = true;
            if (disk_removed(p, g.disk))
                continue;
            if (!known || !h || !heartbeat_buried(h, g.replica))
                confirmed = false;
        }
    }
    return confirmed && !*ret_missing;
}

/* ---- taking records away ---- */

/* As many as fit; the others are then nobody's, and go by C4. */
static enum err unbury_page(struct pass *p, struct change *c)
{
    enum err err = E_OK;

    for (uint32_t s = 0; s < p->page.shard_count; s++) {
        for (uint32_t i = 0; i < p->page.shards[s].replica_count && !err; i++) {
            bool known;
            struct grave_record g = grave_of(p, &p->page.shards[s].replicas[i], &known);

            if (c->transaction.put_count == GRAVES_AT_ONCE)
                return E_OK;
            err = transaction_delete(&c->transaction, grave_key(g.node, g.replica));
        }
    }
    return err;
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
        err = unbury_page(p, c);
    if (!err)
        err = transaction_delete(&c->transaction, key);
    if (!err && p->page.index == 0)
        err = forget_volume(c, v);
    change_end(p, err);
}

/* ---- the steps ---- */

static bool has_attachments(const struct pass *p, struct identity volume)
{
    struct record_key key = attachment_key(volume, volume);
    char *last = key.text + sizeof "attachment/" - 1 + IDENTITY_TEXT;

    *last = '\0'; /* "attachment/<volume>/" */
    return record_list_part(p->records, key.text).count > 0;
}

/* False: a page cannot be read, or a grave was not there. */
static bool graves_written(struct pass *p, const struct volume_view *v, bool *ret_all_confirmed)
{
    struct record_list pages = view_pages(p, v);
    bool missing = false;

    *ret_all_confirmed = true;
    for (uint32_t i = 0; i < pages.count; i++) {
        if (page_read(pages.records[i].value, &p->page) != E_OK) {
            p->out->unreadable++;
            *ret_all_confirmed = false;
            return true;
        }
        if (!page_confirmed(p, &missing))
            *ret_all_confirmed = false;
    }
    return !missing;
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
            err = bury_page(p, c);
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
    bool confirmed;

    if (!view_closed(p, v)) {
        bool other = h && !identity_equal(h->incarnation, v->head.incarnation);

        if (other || heartbeats_silent(p->heartbeats, v->head.primary))
            raise_epoch(p, v, (struct identity){0}, (struct identity){0});
        return;
    }
    if (!graves_written(p, v, &confirmed))
        graves_write(p, v);
    else if (confirmed && !has_attachments(p, v->volume.volume))
        last_page_delete(p, v);
}
