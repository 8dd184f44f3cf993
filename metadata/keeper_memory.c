/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/keeper_memory.c — a keeper in memory, for the simulation and for tests.
 *
 * Records lie in one sorted array, changes in another, in the order of their revisions.  Answers
 * the same as keeper_lmdb.c in all but durability and waiting: its watch never blocks.
 */
#include "metadata/keeper.h"

#include <stdlib.h>
#include <string.h>

struct change {
    uint64_t revision;
    char key[RECORD_KEY_MAX];
};

struct memory {
    struct keeper keeper;
    struct record_list records; /* sorted by key; .revision is the keeper's */
    struct change *changes;
    uint32_t change_count;
    uint64_t compacted; /* changes up to here may be gone */
    struct list listeners;
};

/* Some are kept beyond the promise, so that moving them down is rare. */
#define CHANGES_ROOM (KEEPER_CHANGES_MAX + KEEPER_CHANGES_MAX / 4)

static struct memory *memory_of(struct keeper *k)
{
    return container_of(k, struct memory, keeper);
}

static enum err memory_range(struct keeper *k, const char *prefix, struct record_list *ret)
{
    struct memory *m = memory_of(k);
    struct record_list part = record_list_part(&m->records, prefix);
    struct record_list list = {.revision = m->records.revision};

    for (uint32_t i = 0; i < part.count; i++) {
        const struct record *r = &part.records[i];
        enum err err = record_list_add(&list, r->key, r->revision, r->value);

        if (err) {
            record_list_free(&list);
            return err;
        }
    }
    *ret = list;
    return E_OK;
}

static void change_note(struct memory *m, const char *key, uint64_t revision)
{
    struct change *c;

    if (m->change_count == CHANGES_ROOM) {
        uint32_t drop = CHANGES_ROOM - KEEPER_CHANGES_MAX;

        m->compacted = m->changes[drop - 1].revision;
        memmove(m->changes, m->changes + drop, KEEPER_CHANGES_MAX * sizeof *c);
        m->change_count = KEEPER_CHANGES_MAX;
    }
    c = &m->changes[m->change_count++];
    c->revision = revision;
    memcpy(c->key, key, strlen(key) + 1);
}

static void record_remove(struct memory *m, struct record *r)
{
    size_t place = (size_t)(r - m->records.records);

    free(r->value);
    memmove(r, r + 1, (m->records.count - place - 1) * sizeof *r);
    m->records.count--;
}

/* Appends, then turns the new one into its place. */
static enum err record_insert(struct memory *m, const struct record_put *p, uint64_t revision)
{
    enum err err = record_list_add(&m->records, p->key, revision, p->value);
    uint32_t at;
    struct record last;

    if (err)
        return err;
    at = m->records.count - 1;
    last = m->records.records[at];
    for (; at > 0 && strcmp(m->records.records[at - 1].key, last.key) > 0; at--)
        m->records.records[at] = m->records.records[at - 1];
    m->records.records[at] = last;
    return E_OK;
}

static enum err put_apply(struct memory *m, const struct record_put *p, uint64_t revision)
{
    struct record *r = record_list_find(&m->records, p->key);
    char *copy;

    if (!p->value && r)
        record_remove(m, r);
    if (!p->value)
        return E_OK;
    if (!r)
        return record_insert(m, p, revision);
    copy = strdup(p->value);
    if (!copy)
        return E_NO_MEMORY;
    free(r->value);
    r->value = copy;
    r->revision = revision;
    return E_OK;
}

static bool compares_hold(struct memory *m, const struct record_transaction *t)
{
    for (uint32_t i = 0; i < t->compare_count; i++) {
        const struct record *r = record_list_find(&m->records, t->compares[i].key);

        if ((r ? r->revision : 0) != t->compares[i].revision)
            return false;
    }
    return true;
}

/* The world that this keeper serves has memory: without it, it ends here rather than in part (K1).
 */
static enum err memory_transact(struct keeper *k, const struct record_transaction *t,
                                uint64_t *ret_revision)
{
    struct memory *m = memory_of(k);
    enum err err = transaction_check(t);

    if (err)
        return err;
    if (!compares_hold(m, t))
        return E_CONFLICT;
    if (t->put_count > 0)
        m->records.revision++;
    for (uint32_t i = 0; i < t->put_count; i++) {
        if (put_apply(m, &t->puts[i], m->records.revision) != E_OK)
            abort();
        change_note(m, t->puts[i].key, m->records.revision);
    }
    *ret_revision = m->records.revision;
    if (t->put_count > 0) {
        list_for_each_safe(l, &m->listeners) {
            struct keeper_listener *listener = container_of(l, struct keeper_listener, link);

            listener->changed(listener);
        }
    }
    return E_OK;
}

/* A deleted key may have been noted more than once. */
static bool listed(const struct record_list *l, const char *key)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (strcmp(l->records[i].key, key) == 0)
            return true;
    }
    return false;
}

/* Newest state only: an older change of a key is skipped, its newest follows. */
static enum err change_show(struct memory *m, const struct change *c, struct record_list *list)
{
    const struct record *r = record_list_find(&m->records, c->key);

    if (!r)
        return listed(list, c->key) ? E_OK : record_list_add(list, c->key, c->revision, NULL);
    if (r->revision != c->revision)
        return E_OK;
    return record_list_add(list, r->key, r->revision, r->value);
}

static uint32_t change_after(const struct memory *m, uint64_t revision)
{
    uint32_t from = 0, to = m->change_count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (m->changes[middle].revision <= revision)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static enum err memory_watch(struct keeper *k, const char *prefix, uint64_t revision,
                             uint32_t wait_ms, struct record_list *ret)
{
    struct memory *m = memory_of(k);
    struct record_list list = {.revision = m->records.revision};
    uint64_t last = revision;

    (void)wait_ms;
    if (revision < m->compacted || revision > m->records.revision)
        return E_COMPACTED;
    for (uint32_t i = change_after(m, revision); i < m->change_count; i++) {
        const struct change *c = &m->changes[i];

        if (list.count >= KEEPER_WATCH_MAX && c->revision != last) {
            list.revision = last;
            break;
        }
        last = c->revision;
        if (strncmp(c->key, prefix, strlen(prefix)) == 0 && change_show(m, c, &list) != E_OK) {
            record_list_free(&list);
            return E_NO_MEMORY;
        }
    }
    *ret = list;
    return E_OK;
}

static void memory_stop(struct keeper *k)
{
    (void)k; /* its watches never wait */
}

static void memory_close(struct keeper *k)
{
    struct memory *m = memory_of(k);

    record_list_free(&m->records);
    free(m->changes);
    free(m);
}

static const struct keeper_ops memory_ops = {.range = memory_range,
                                             .transact = memory_transact,
                                             .watch = memory_watch,
                                             .stop = memory_stop,
                                             .close = memory_close};

enum err keeper_memory_open(struct identity fresh, struct keeper **ret)
{
    struct memory *m = calloc(1, sizeof *m);

    if (!m)
        return E_NO_MEMORY;
    m->changes = calloc(CHANGES_ROOM, sizeof *m->changes);
    if (!m->changes) {
        free(m);
        return E_NO_MEMORY;
    }
    m->keeper = (struct keeper){.ops = &memory_ops, .lineage = fresh};
    m->records.revision = KEEPER_FIRST_REVISION;
    list_init(&m->listeners);
    *ret = &m->keeper;
    return E_OK;
}

void keeper_memory_listen(struct keeper *k, struct keeper_listener *l)
{
    list_append(&memory_of(k)->listeners, &l->link);
}

void keeper_memory_unlisten(struct keeper_listener *l)
{
    list_remove(&l->link);
}
