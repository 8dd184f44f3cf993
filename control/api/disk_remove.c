/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/disk_remove.c — DELETE /v1/disks/{id}: a disk that does not come back.
 *
 * The happy path: no node that speaks has it, no volume that is wanted lies on it; its record is
 * marked, the controller lets deleted volumes that wait for it go, and then the record (C10).
 *
 * What can go wrong:
 *   a node has it open           409: it is taken out of that node's configuration first
 *   a volume lies on it          409: only its owner's delete gives up a last copy (P10)
 *   deleted volumes take longer  202: marked, and it goes with the last of them
 *   metad has just started       503: who has it may not have been heard yet
 */
#include "control/api/api.h"
#include "control/api/view.h"

#include <stdio.h>
#include <stdlib.h>

/* Somebody has it: then it is not gone. */
static bool nobody_has(struct control *c, struct identity disk, struct problem *p)
{
    struct heartbeat_set set;
    bool ok = true;

    if (!board_snapshot(&c->board, &set))
        return problem(p, E_NO_MEMORY, "no memory for the heartbeats");
    for (uint32_t i = 0; i < set.count && ok; i++) {
        const struct heartbeat *h = set.items[i];

        if (heartbeat_disk(h, disk) && heartbeats_alive(&set, h->node))
            ok = problem(p, E_CONFLICT,
                         "disk %s is open on node %s: take it out of the node's configuration and "
                         "start the node again first",
                         identity_show(disk).text, h->name);
    }
    ok = ok && nodes_heard(&set, p);
    board_release(&set);
    return ok;
}

static bool volume_given_up(struct control *c, struct identity volume, struct problem *p)
{
    struct volume_view v;
    bool deleting;

    if (view_load(c, identity_show(volume).text, &v, p) != E_OK)
        return false;
    deleting = v.volume.deleting;
    if (!deleting)
        problem_fill(p, E_CONFLICT,
                     "volume %s lies on it: bring the disk back, or delete the volume first",
                     v.volume.name);
    view_done(&v);
    return deleting;
}

/* Only volumes that are being deleted may name it. */
static bool nothing_wanted(struct control *c, struct identity disk, struct problem *p)
{
    struct page_record *page = malloc(sizeof *page);
    struct record_list pages = {0};
    bool ok = page ? control_range(c, "page/", &pages, p)
                   : problem(p, E_NO_MEMORY, "no memory for the pages");

    for (uint32_t i = 0; i < pages.count && ok; i++) {
        if (page_read(pages.records[i].value, page) != E_OK)
            ok = problem(p, E_DAMAGED, "the record %s cannot be read", pages.records[i].key);
        else if (page_has(page, disk))
            ok = volume_given_up(c, page->volume, p);
    }
    record_list_free(&pages);
    free(page);
    return ok;
}

static enum err mark(struct control *c, const struct record *at, struct disk_record *disk)
{
    struct record_transaction *t = transaction_new();
    struct record_key key = disk_key(disk->disk);
    uint64_t revision;
    enum err err = t ? transaction_compare(t, key, at->revision) : E_NO_MEMORY;

    disk->removed = true;
    if (!err)
        err = transaction_put(t, key, disk_write(disk, at->value));
    if (!err)
        err = control_transact(c, t, &revision);
    transaction_free(t);
    return err;
}

/* Under c->placing, so that no volume is put there meanwhile. */
static bool disk_mark(struct control *c, const char *id, struct identity *ret, struct problem *p)
{
    struct record_list list = {0};
    struct disk_record disk;
    const struct record *at;
    enum err err;
    bool ok;

    if (!identity_parse(id, ret))
        return problem(p, E_NOT_FOUND, "no disk has the identity %.80s", id);
    if (!control_range(c, disk_key(*ret).text, &list, p))
        return false;
    at = record_list_find(&list, disk_key(*ret).text);
    if (!at || disk_read(at->value, &disk) != E_OK)
        ok = problem(p, E_NOT_FOUND, "no disk has the identity %.80s", id);
    else
        ok = nobody_has(c, *ret, p) && nothing_wanted(c, *ret, p);
    if (ok) {
        err = mark(c, at, &disk);
        ok = !err;
        if (err)
            control_refused(c, err, p, "disk", id);
    }
    record_list_free(&list);
    return ok;
}

static bool disk_gone(struct control *c, const struct heartbeat_set *set, void *about)
{
    struct record_key key = disk_key(*(const struct identity *)about);
    struct record_list list;
    struct problem p;
    bool gone;

    (void)set;
    if (!control_range(c, key.text, &list, &p))
        return false;
    gone = !record_list_find(&list, key.text);
    record_list_free(&list);
    return gone;
}

void disk_remove(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct identity disk = {0};
    struct wait w = {.in_force = disk_gone, .about = &disk};
    struct heartbeat_set set;
    struct problem p;
    bool ok;

    pthread_mutex_lock(&c->placing);
    ok = disk_mark(c, r->params[0], &disk, &p);
    pthread_mutex_unlock(&c->placing);
    if (!ok) {
        answer_problem(a, &p);
        return;
    }
    log_event(c->log, LOG_LEVEL_WARN, "metad", "disk_removed", "disk=%s", identity_show(disk).text);
    if (wait_until(c, &w, &set)) {
        a->status = 204;
    } else {
        disk_show(c, r, a);
        if (a->status == 200)
            a->status = 202;
    }
    board_release(&set);
}
