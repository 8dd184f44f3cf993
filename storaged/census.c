/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/census.c — one errand to each home; once more where there was too little room. */
#include "storaged/census.h"

#include <stdlib.h>

#define ROOM_FIRST 256u /* replicas */

/* ---- at a home ---- */

static void report_replica(struct home_report *r, struct identity disk,
                           const struct store_replica *replica)
{
    struct store_facts facts;

    if (r->replica_count++ >= r->replica_room)
        return;
    store_facts(replica, &facts);
    r->replicas[r->replica_count - 1] = (struct fact_replica){
        .replica = facts.replica,
        .volume = facts.volume,
        .disk = disk,
        .shard = facts.shard,
        .size_blocks = facts.size_blocks,
        .damaged = facts.damaged,
    };
}

static void report_disk(struct home_report *r, struct home *home, const struct node_disk *d)
{
    struct disk_report *disk = &r->disks[r->disk_count++];

    *disk = (struct disk_report){
        .disk = store_identity(d->store),
        .path = d->path,
        .bytes = d->disk->size_bytes,
        .home = home,
        .store = d->store,
        .space = store_space(d->store),
    };
    store_scrub_status(d->store, &disk->scrub);
    for (struct store_replica *replica = NULL; (replica = store_next(d->store, replica)) != NULL;)
        report_replica(r, disk->disk, replica);
}

static void report(struct errand *e)
{
    struct home_asked *a = container_of(e, struct home_asked, errand);
    const struct node_disks *disks = &a->home->disks;

    a->filling.disk_count = a->filling.replica_count = 0;
    for (uint32_t i = 0; i < disks->count; i++)
        if (disks->disks[i].store)
            report_disk(&a->filling, a->home, &disks->disks[i]);
    errand_end(e);
}

/* ---- at control ---- */

static void send(struct home_asked *a)
{
    a->census->to_come++;
    errand_send(&a->errand, a->census->env, a->home->env);
}

static void begin(struct census *c)
{
    c->changes_begun = c->changes;
    c->no_memory = false;
    for (uint32_t i = 0; i < c->home_count; i++)
        send(&c->asked[i]);
}

static void take_reports(struct census *c)
{
    for (uint32_t i = 0; i < c->home_count; i++) {
        struct home_report told = c->asked[i].told;

        c->asked[i].told = c->asked[i].filling;
        c->asked[i].filling = told;
    }
}

static void ended(struct census *c)
{
    enum err err = c->no_memory ? E_NO_MEMORY : E_OK;
    struct list taken, *link;

    if (c->changes != c->changes_begun) {
        begin(c);
        return;
    }
    c->changes_told = c->changes_begun;
    if (!err)
        take_reports(c);
    list_init(&taken);
    list_move_all(&taken, &c->waiting);
    list_move_all(&c->waiting, &c->next);
    if (!list_empty(&c->waiting))
        begin(c);
    while ((link = list_take(&taken)) != NULL) {
        struct census_wait *w = container_of(link, struct census_wait, link);

        w->taken(w, err);
    }
}

static bool grown(struct home_report *r)
{
    uint32_t room = r->replica_count + r->replica_count / 2;
    struct fact_replica *replicas = realloc(r->replicas, room * sizeof *replicas);

    if (!replicas)
        return false;
    r->replicas = replicas;
    r->replica_room = room;
    return true;
}

static void reported(struct errand *e)
{
    struct home_asked *a = container_of(e, struct home_asked, errand);
    struct census *c = a->census;

    c->to_come--;
    if (a->filling.replica_count > a->filling.replica_room) {
        if (grown(&a->filling))
            send(a);
        else
            c->no_memory = true;
    }
    if (c->to_come == 0)
        ended(c);
}

void census_take(struct census *c, struct census_wait *w)
{
    if (c->to_come > 0) {
        list_append(&c->next, &w->link);
        return;
    }
    list_append(&c->waiting, &w->link);
    begin(c);
}

void census_changed(struct census *c)
{
    c->changes++;
}

bool census_fresh(const struct census *c)
{
    return c->changes == c->changes_told;
}

const struct disk_report *census_disk(const struct census *c, struct identity disk)
{
    for (uint32_t i = 0; i < c->home_count; i++) {
        const struct home_report *r = &c->asked[i].told;

        for (uint32_t j = 0; j < r->disk_count; j++)
            if (identity_equal(r->disks[j].disk, disk))
                return &r->disks[j];
    }
    return NULL;
}

/* ---- opening ---- */

static bool report_open(struct home_report *r)
{
    r->disks = calloc(CONFIG_DISKS_MAX, sizeof *r->disks);
    r->replicas = calloc(ROOM_FIRST, sizeof *r->replicas);
    r->replica_room = r->replicas ? ROOM_FIRST : 0;
    return r->disks && r->replicas;
}

static void report_close(struct home_report *r)
{
    free(r->disks);
    free(r->replicas);
}

enum err census_init(struct census *c)
{
    bool opened = true;

    list_init(&c->waiting);
    list_init(&c->next);
    c->asked = calloc(c->home_count, sizeof *c->asked);
    for (uint32_t i = 0; c->asked && i < c->home_count; i++) {
        struct home_asked *a = &c->asked[i];

        a->census = c;
        a->home = &c->homes[i];
        a->errand = (struct errand){.perform = report, .done = reported};
        opened = report_open(&a->told) && report_open(&a->filling) && opened;
    }
    return c->asked && opened ? E_OK : E_NO_MEMORY;
}

void census_done(struct census *c)
{
    for (uint32_t i = 0; c->asked && i < c->home_count; i++) {
        report_close(&c->asked[i].told);
        report_close(&c->asked[i].filling);
    }
    free(c->asked);
    c->asked = NULL;
}
