/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/controller/disks.c — disks that were removed from the cluster (C10).
 *
 * A human marks the record of a disk that does not come back.  What lies on it counts as buried, so
 * that deleted volumes go; then the record goes.  If the disk does come back, its node registers it
 * anew, and what is on it are orphans: kept, read by nobody (P8).
 */
#include "control/controller/inside.h"

static bool disk_listed(const struct pass *p, struct identity disk)
{
    for (uint32_t i = 0; i < p->heartbeats->count; i++) {
        const struct heartbeat *h = p->heartbeats->items[i];

        if (heartbeat_disk(h, disk) && heartbeats_alive(p->heartbeats, h->node))
            return true;
    }
    return false;
}

bool disk_removed(const struct pass *p, struct identity disk)
{
    const struct record *at = record_list_find(p->records, disk_key(disk).text);
    struct disk_record r;

    return at && disk_read(at->value, &r) == E_OK && r.removed && !disk_listed(p, disk);
}

/* Also where a page cannot be read: nobody knows what it names. */
static bool page_names(struct pass *p, struct identity disk)
{
    struct record_list pages = record_list_part(p->records, "page/");

    for (uint32_t i = 0; i < pages.count; i++) {
        if (page_read(pages.records[i].value, &p->page) != E_OK)
            return true;
        for (uint32_t d = 0; d < p->page.disk_count; d++)
            if (identity_equal(p->page.disks[d].disk, disk))
                return true;
    }
    return false;
}

static bool grave_names(const struct pass *p, struct identity disk)
{
    struct record_list graves = record_list_part(p->records, "grave/");

    for (uint32_t i = 0; i < graves.count; i++) {
        struct grave_record g;

        if (grave_read(graves.records[i].value, &g) != E_OK || identity_equal(g.disk, disk))
            return true;
    }
    return false;
}

static void disk_forget(struct pass *p, const struct record *at, struct identity disk)
{
    struct change *c = change_begin(p, CHANGE_FORGOTTEN, disk);
    enum err err;

    if (!c)
        return;
    err = transaction_compare(&c->transaction, disk_key(disk), at->revision);
    if (!err)
        err = transaction_delete(&c->transaction, disk_key(disk));
    change_end(p, err);
}

void disks_forget(struct pass *p)
{
    struct record_list disks = record_list_part(p->records, "disk/");

    for (uint32_t i = 0; i < disks.count; i++) {
        struct disk_record r;

        if (disk_read(disks.records[i].value, &r) == E_OK && r.removed && disk_removed(p, r.disk) &&
            !page_names(p, r.disk) && !grave_names(p, r.disk))
            disk_forget(p, &disks.records[i], r.disk);
    }
}
