/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/volumes.c — volumes listed, shown, grown and deleted; made in volume_create.c.
 *
 * A change reads, decides and compares what it read; when a record changed meanwhile it does so
 * again, a bounded number of times.
 */
#include "control/api/api.h"
#include "control/api/cluster.h"

#include <stdio.h>
#include <string.h>

/* ---- GET ---- */

static void list_fill(struct control *c, const struct record_list *volumes,
                      const struct record_list *heads, const struct paging *page,
                      struct http_answer *a)
{
    json_t *items = json_array();
    struct identity last = {0};
    struct heartbeat_set set;
    bool more = false;

    if (!board_snapshot(&c->board, &set))
        set = (struct heartbeat_set){0};
    for (uint32_t i = 0; i < volumes->count && !more; i++) {
        struct volume_view v;

        if (!view_of_records(volumes, heads, i, &v) || v.volume.volume.bits <= page->after.bits)
            continue;
        more = json_array_size(items) == page->limit;
        if (more)
            break;
        json_array_append_new(items, view_json(c, &v, &set));
        last = v.volume.volume;
    }
    board_release(&set);
    paging_answer(a, items, more ? last : (struct identity){0});
}

void volumes_list(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct record_list volumes = {0}, heads = {0};
    struct paging page = {0};
    struct problem p;

    if (paging_read(r, &page, &p) && control_range(c, "volume/", &volumes, &p) &&
        control_range(c, "head/", &heads, &p))
        list_fill(c, &volumes, &heads, &page, a);
    else
        answer_problem(a, &p);
    record_list_free(&volumes);
    record_list_free(&heads);
}

static void show(struct control *c, const char *id_or_name, const struct heartbeat_set *set,
                 struct http_answer *a)
{
    struct volume_view v;
    struct problem p;
    json_t *json;

    if (view_load(c, id_or_name, &v, &p) != E_OK) {
        answer_problem(a, &p);
        return;
    }
    json = view_json(c, &v, set);
    json_object_set_new(json, "disks", volume_disks(c, v.volume.volume));
    answer_json(a, 200, json);
    view_done(&v);
}

void volume_answer(struct control *c, struct identity volume, const struct heartbeat_set *set,
                   struct http_answer *a)
{
    show(c, identity_show(volume).text, set, a);
}

void volume_show(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct heartbeat_set set;

    if (!board_snapshot(&c->board, &set))
        set = (struct heartbeat_set){0};
    show(c, r->params[0], &set, a);
    board_release(&set);
}

/* ---- PATCH: only up ---- */

struct resize {
    const char *id_or_name;
    uint64_t bytes;
    struct identity volume;
};

static bool resize_check(const struct volume_view *v, uint64_t bytes, struct problem *p)
{
    if (v->volume.deleting)
        return problem(p, E_CONFLICT, "volume %s is being deleted", v->volume.name);
    if (bytes % 4096 != 0 || bytes < v->volume.bytes)
        return problem(p, E_INVALID,
                       "size_bytes must be a multiple of 4096 and at least what it is, %llu: "
                       "volumes only grow",
                       (unsigned long long)v->volume.bytes);
    if (bytes > VOLUME_BYTES_MAX)
        return problem(p, E_INVALID, "size_bytes must be at most %llu",
                       (unsigned long long)VOLUME_BYTES_MAX);
    return true;
}

static enum err resize_records(const struct volume_view *v, const struct volume_record *grown,
                               struct record_transaction *t)
{
    enum err err = transaction_compare(t, volume_key(grown->volume), v->volume_revision);

    if (!err) /* pages change only with the head compared (P3) */
        err = transaction_compare(t, head_key(grown->volume), v->head_revision);
    return err ? err
               : transaction_put(t, volume_key(grown->volume), volume_write(grown, v->volume_json));
}

/* A replica of a shard that the volume does not have, and who reported it; or NULL. */
static const struct heartbeat_replica *replica_beyond(const struct heartbeat_set *set,
                                                      const struct volume_view *v,
                                                      const struct heartbeat **ret_by)
{
    for (uint32_t n = 0; n < set->count; n++) {
        const struct heartbeat *h = set->items[n];

        for (uint32_t i = 0; i < h->replica_count; i++) {
            const struct heartbeat_replica *r = &h->replicas[i];

            if (!identity_equal(r->volume, v->volume.volume) ||
                r->shard < volume_shards(v->volume.bytes))
                continue;
            *ret_by = h;
            return r;
        }
    }
    return NULL;
}

/* P7: records that were restored may be older than a shard; one made anew in its place would read
 * as zeros what was written to it. */
static bool resize_hides_nothing(const struct heartbeat_set *set, const struct volume_view *v,
                                 const struct volume_record *grown, struct problem *p)
{
    const struct heartbeat *by;
    const struct heartbeat_replica *r;

    if (volume_shards(grown->bytes) == volume_shards(v->volume.bytes))
        return true;
    r = replica_beyond(set, v, &by);
    return !r ||
           problem(p, E_CONFLICT,
                   "replica %s on disk %s of node %s holds what was written to shard %u of volume "
                   "%s after the backup that was restored; a new shard would hide it: restore a "
                   "later backup, or copy the volume to a larger one",
                   identity_show(r->replica).text, identity_show(r->disk).text, by->name, r->shard,
                   v->volume.name);
}

static bool resize_pages(struct control *c, const struct volume_view *v,
                         const struct volume_record *grown, struct record_transaction *t,
                         struct problem *p)
{
    uint32_t index = (volume_shards(v->volume.bytes) - 1) / PAGE_SHARDS;
    struct record_key key = page_key(grown->volume, index);
    struct growth g = {.volume = grown, .bytes_before = v->volume.bytes};
    struct heartbeat_set set = {0};
    struct record_list pages = {0};
    struct cluster cluster = {0};
    bool ok = board_snapshot(&c->board, &set) || problem(p, E_NO_MEMORY, "no memory");

    ok = ok && resize_hides_nothing(&set, v, grown, p) && control_range(c, key.text, &pages, p) &&
         cluster_read(c, &set, &cluster, p);
    g.last = ok ? record_list_find(&pages, key.text) : NULL;
    g.node = v->head.primary; /* its shards share a process today */
    if (ok && !g.last)
        ok = problem(p, E_CONFLICT, "the volume's last page has gone");
    if (ok && identity_none(g.node))
        ok = problem(p, E_NOT_READY, "the volume has no primary now");
    ok = ok && cluster_grow(&cluster, &g, t, p);
    cluster_free(&cluster);
    record_list_free(&pages);
    board_release(&set);
    return ok;
}

/* Who does not serve it, or is held, cannot grow it, and the wish would lie there until somebody
 * does. */
static bool resize_served(struct control *c, const struct volume_view *v, struct problem *p)
{
    const struct heartbeat_volume *open;
    const struct heartbeat *primary;
    struct heartbeat_set set;
    char why[HEARTBEAT_WHY_MAX];
    bool ok = true;

    if (!board_snapshot(&c->board, &set))
        return problem(p, E_NO_MEMORY, "no memory for the heartbeats");
    open = view_serving(v, &set);
    primary = heartbeats_alive(&set, v->head.primary);
    view_state(v, &set, why);
    if (!open || open->serving == 0)
        ok =
            problem(p, E_CONFLICT, "volume %s is not served now (%s): it can be resized when it is",
                    v->volume.name, why);
    else if (primary->held[0])
        ok = problem(p, E_CONFLICT, "node %s is held (%s): volume %s can be resized when it is not",
                     primary->name, primary->held, v->volume.name);
    board_release(&set);
    return ok;
}

/* E_CONFLICT: something changed meanwhile, come again; else *p says why not. */
static enum err resize_once(struct control *c, struct resize *z, struct record_transaction *t,
                            struct problem *p)
{
    struct volume_view v;
    struct volume_record grown;
    uint64_t revision;
    enum err err = view_load(c, z->id_or_name, &v, p);

    if (err)
        return err;
    z->volume = v.volume.volume;
    grown = v.volume;
    grown.bytes = z->bytes;
    if (!resize_check(&v, z->bytes, p) || !resize_served(c, &v, p) ||
        resize_records(&v, &grown, t) != E_OK ||
        (grown.bytes > v.volume.bytes && !resize_pages(c, &v, &grown, t, p)))
        err = E_INVALID;
    if (!err) {
        err = control_transact(c, t, &revision);
        control_refused(c, err, p, "volume", v.volume.name);
    }
    view_done(&v);
    return err;
}

static enum err resize_store(struct control *c, struct resize *z, struct problem *p)
{
    enum err err = E_CONFLICT;

    for (uint32_t i = 0; i < TRANSACT_TRIES && err == E_CONFLICT; i++) {
        struct record_transaction *t = transaction_new();

        problem_fill(p, E_NO_MEMORY, "no memory for the request");
        err = t ? resize_once(c, z, t, p) : E_NO_MEMORY;
        transaction_free(t);
    }
    return err;
}

static bool resize_in_force(struct control *c, const struct heartbeat_set *set, void *about)
{
    const struct resize *z = about;
    const struct heartbeat_volume *open;
    struct volume_view v;
    struct problem p;
    bool in_force;
    enum err err = view_load(c, identity_show(z->volume).text, &v, &p);

    if (err)
        return err == E_NOT_FOUND; /* deleted meanwhile */
    open = view_serving(&v, set);
    in_force = open && open->bytes >= z->bytes && open->serving >= volume_shards(z->bytes);
    view_done(&v);
    return in_force;
}

void volume_resize(struct control *c, const struct http_request *r, struct http_answer *a)
{
    AUTO_JSON *b = NULL;
    struct resize z = {.id_or_name = r->params[0]};
    struct wait w = {.in_force = resize_in_force, .about = &z};
    struct heartbeat_set set;
    struct problem p;
    enum err err;

    if (!body_read(r, "size_bytes", &b, &p) || !body_u64(b, "size_bytes", &z.bytes, &p)) {
        answer_problem(a, &p);
        return;
    }
    pthread_mutex_lock(&c->placing);
    err = resize_store(c, &z, &p);
    pthread_mutex_unlock(&c->placing);
    if (err) {
        answer_problem(a, &p);
        return;
    }
    bool in_force = wait_until(c, &w, &set);
    volume_answer(c, z.volume, &set, a);
    if (!in_force && a->status == 200)
        a->status = 202;
    board_release(&set);
}

/* ---- DELETE ---- */

/* The attachments that stand in the way of a delete; as many are named as fit into a refusal. */
struct in_the_way {
    uint32_t count, named;
    char names[280];
};

static void in_the_way_add(struct in_the_way *w, const struct record *at)
{
    char one[RECORD_KEY_MAX + RECORD_INITIATOR_MAX + 64];
    struct attachment_record r;
    bool readable = attachment_read(at->value, &r) == E_OK;
    size_t used = strlen(w->names);

    if (readable && r.ending)
        return;
    w->count++;
    snprintf(one, sizeof one, "%s%s (%s)", w->named > 0 ? ", " : "", strrchr(at->key, '/') + 1,
             readable ? r.initiator : "its record cannot be read: restore a backup");
    if (used + strlen(one) >= sizeof w->names)
        return;
    memcpy(w->names + used, one, strlen(one) + 1);
    w->named++;
}

static bool attached(struct control *c, const struct volume_view *v, struct problem *p)
{
    char prefix[RECORD_KEY_MAX];
    struct record_list list;
    struct in_the_way w = {0};

    snprintf(prefix, sizeof prefix, "attachment/%s/", identity_show(v->volume.volume).text);
    if (!control_range(c, prefix, &list, p))
        return true;
    for (uint32_t i = 0; i < list.count; i++)
        in_the_way_add(&w, &list.records[i]);
    record_list_free(&list);
    if (w.count > 0)
        problem_fill(p, E_CONFLICT,
                     "volume %s is attached (%u): %s%s; end each first: dolmen attachment delete "
                     "ID",
                     v->volume.name, w.count, w.names, w.named < w.count ? ", ..." : "");
    return w.count > 0;
}

/* Marks it; an attachment made meanwhile changes the volume's record, so that the compare fails. */
static enum err mark_once(struct control *c, struct volume_view *v, struct problem *p)
{
    struct record_transaction *t;
    struct volume_record marked = v->volume;
    uint64_t revision;
    enum err err;

    if (v->volume.deleting)
        return E_OK;
    if (attached(c, v, p))
        return E_INVALID;
    t = transaction_new();
    marked.deleting = true;
    err = t ? transaction_compare(t, volume_key(marked.volume), v->volume_revision) : E_NO_MEMORY;
    if (!err) /* design 10: one transaction that compares the head */
        err = transaction_compare(t, head_key(marked.volume), v->head_revision);
    if (!err)
        err = transaction_put(t, volume_key(marked.volume), volume_write(&marked, v->volume_json));
    if (!err)
        err = control_transact(c, t, &revision);
    transaction_free(t);
    if (err)
        control_refused(c, err, p, "volume", v->volume.name);
    return err;
}

static enum err mark_deleting(struct control *c, const char *id_or_name, struct identity *ret,
                              struct problem *p)
{
    enum err err = E_CONFLICT;

    for (uint32_t i = 0; i < TRANSACT_TRIES && err == E_CONFLICT; i++) {
        struct volume_view v;

        err = view_load_any(c, id_or_name, &v, p); /* a damaged one is its owner's, too */
        if (err)
            break;
        *ret = v.volume.volume;
        err = mark_once(c, &v, p);
        view_done(&v);
    }
    return err;
}

static bool volume_gone(struct control *c, const struct heartbeat_set *set, void *about)
{
    const struct identity *volume = about;
    struct volume_view v;
    struct problem p;
    enum err err = view_load(c, identity_show(*volume).text, &v, &p);

    (void)set;
    if (!err)
        view_done(&v);
    return err == E_NOT_FOUND;
}

void volume_delete(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct identity volume;
    struct wait w = {.in_force = volume_gone, .about = &volume};
    struct heartbeat_set set;
    struct problem p;

    if (mark_deleting(c, r->params[0], &volume, &p) != E_OK) {
        answer_problem(a, &p);
        return;
    }
    if (wait_until(c, &w, &set)) {
        a->status = 204;
    } else {
        volume_answer(c, volume, &set, a);
        if (a->status == 200)
            a->status = 202;
    }
    board_release(&set);
}
