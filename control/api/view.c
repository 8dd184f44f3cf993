/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/view.c — records and heartbeats put together into what REST shows. */
#include "control/api/view.h"

#include "base/size.h"

#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {[VOLUME_CREATING] = "creating",
                                          [VOLUME_AVAILABLE] = "available",
                                          [VOLUME_WAITING] = "waiting",
                                          [VOLUME_DELETING] = "deleting"};

void view_done(struct volume_view *v)
{
    free(v->volume_json);
    free(v->head_json);
    *v = (struct volume_view){0};
}

/* ---- loading ---- */

/* The record's document, the caller's to free; NULL: not there or not readable (*p says). */
static char *record_take(struct control *c, const char *key, uint64_t *ret_revision,
                         struct problem *p)
{
    struct record_list list;
    struct record *r;
    char *value = NULL;

    problem_fill(p, E_NOT_FOUND, "there is no %.140s", key);
    if (!control_range(c, key, &list, p))
        return NULL;
    r = record_list_find(&list, key);
    if (r) {
        value = r->value;
        r->value = NULL;
        *ret_revision = r->revision;
    }
    record_list_free(&list);
    return value;
}

static bool identity_of(struct control *c, const char *id_or_name, struct identity *ret,
                        struct problem *p)
{
    struct record_key key;
    uint64_t revision;
    char *json;
    enum err err;

    if (identity_parse(id_or_name, ret))
        return true;
    if (!record_name_valid(id_or_name))
        return problem(p, E_NOT_FOUND, "no volume has the name or identity %.80s", id_or_name);
    key = volume_name_key(id_or_name);
    json = record_take(c, key.text, &revision, p);
    if (!json && p->status == 404)
        return problem(p, E_NOT_FOUND, "no volume has the name %.80s", id_or_name);
    if (!json)
        return false;
    err = volume_name_read(json, ret);
    free(json);
    return err ? problem(p, err, "the record %.140s cannot be read", key.text) : true;
}

/* Head first: a volume whose records are being taken away is then not found, never half. */
static enum err view_take(struct control *c, struct identity id, struct volume_view *v,
                          struct problem *p)
{
    enum err err;

    v->head_json = record_take(c, head_key(id).text, &v->head_revision, p);
    if (v->head_json)
        v->volume_json = record_take(c, volume_key(id).text, &v->volume_revision, p);
    if (!v->volume_json)
        return p->status == 404 ? E_NOT_FOUND : E_SYSTEM;
    err = volume_read(v->volume_json, &v->volume);
    if (!err)
        err = head_read(v->head_json, &v->head);
    if (err)
        problem_fill(p, err, "the records of volume %s cannot be read", identity_show(id).text);
    return err;
}

/* The name whose record leads to the volume. */
static bool name_of(struct control *c, struct identity volume, char ret[RECORD_NAME_MAX + 1],
                    struct problem *p)
{
    struct record_list names;
    bool found = false;

    if (!control_range(c, "volume-name/", &names, p))
        return false;
    for (uint32_t i = 0; i < names.count && !found; i++) {
        struct identity id;

        found = record_check(&names.records[i]) == E_OK &&
                volume_name_read(names.records[i].value, &id) == E_OK && identity_equal(id, volume);
        if (found)
            snprintf(ret, RECORD_NAME_MAX + 1, "%s", strchr(names.records[i].key, '/') + 1);
    }
    record_list_free(&names);
    return found || problem(p, E_DAMAGED, "volume %s has no name", identity_show(volume).text);
}

/* Of a volume whose own record alone is damaged: what its other records say. */
static enum err view_mend(struct control *c, struct identity id, struct volume_view *v,
                          struct problem *p)
{
    struct volume_record as_it_was = {
        .volume = id, .bytes = 4096, .logical_block_bytes = 4096, .copies = 1, .min_copies = 1};

    if (head_read(v->head_json, &v->head) != E_OK || !name_of(c, id, as_it_was.name, p))
        return E_DAMAGED;
    free(v->volume_json);
    v->volume_json = NULL;
    v->volume = as_it_was;
    return E_OK;
}

static enum err load(struct control *c, const char *id_or_name, bool mend, struct volume_view *ret,
                     struct problem *p)
{
    struct volume_view v = {0};
    struct identity id;
    enum err err;

    if (!identity_of(c, id_or_name, &id, p))
        return p->status == 404 ? E_NOT_FOUND : E_SYSTEM;
    err = view_take(c, id, &v, p);
    if (err == E_NOT_FOUND)
        problem_fill(p, err, "no volume has the name or identity %.80s", id_or_name);
    if (err == E_DAMAGED && mend)
        err = view_mend(c, id, &v, p);
    if (err) {
        view_done(&v);
        return err;
    }
    *ret = v;
    return E_OK;
}

enum err view_load(struct control *c, const char *id_or_name, struct volume_view *ret,
                   struct problem *p)
{
    return load(c, id_or_name, false, ret, p);
}

enum err view_load_any(struct control *c, const char *id_or_name, struct volume_view *ret,
                       struct problem *p)
{
    return load(c, id_or_name, true, ret, p);
}

bool view_of_records(const struct record_list *volumes, const struct record_list *heads,
                     uint32_t place, struct volume_view *ret)
{
    const struct record *r = &volumes->records[place], *head;

    *ret = (struct volume_view){.volume_revision = r->revision};
    if (volume_read(r->value, &ret->volume) != E_OK)
        return false;
    head = record_list_find(heads, head_key(ret->volume.volume).text);
    if (!head)
        return false;
    ret->head_revision = head->revision;
    return head_read(head->value, &ret->head) == E_OK;
}

/* ---- state ---- */

static const struct heartbeat *view_primary(const struct volume_view *v,
                                            const struct heartbeat_set *set)
{
    const struct heartbeat *h = heartbeats_alive(set, v->head.primary);

    return h && identity_equal(h->incarnation, v->head.incarnation) ? h : NULL;
}

const struct heartbeat_volume *view_serving(const struct volume_view *v,
                                            const struct heartbeat_set *set)
{
    const struct heartbeat *h = view_primary(v, set);
    const struct heartbeat_volume *open = h ? heartbeat_volume(h, v->volume.volume) : NULL;

    return open && open->epoch == v->head.epoch ? open : NULL;
}

/* All that the node has open of it, which is less than is recorded while it grows. */
static bool whole(const struct heartbeat_volume *open)
{
    return open && open->shards > 0 && open->serving >= open->shards;
}

static void explain(const struct volume_view *v, const struct heartbeat_set *set,
                    const struct heartbeat_volume *open, char why[HEARTBEAT_WHY_MAX])
{
    const struct heartbeat *last = heartbeats_last(set, v->head.primary);

    if (whole(open))
        snprintf(why, HEARTBEAT_WHY_MAX, "it grows to %s%s%.96s", size_show(v->volume.bytes).text,
                 open->why[0] ? ": " : "", open->why);
    else if (open && open->why[0])
        snprintf(why, HEARTBEAT_WHY_MAX, "%s", open->why);
    else if (open)
        snprintf(why, HEARTBEAT_WHY_MAX, "%u of %u shards are served", open->serving, open->shards);
    else if (identity_none(v->head.primary))
        snprintf(why, HEARTBEAT_WHY_MAX, "no primary is named yet");
    else if (!heartbeats_alive(set, v->head.primary))
        snprintf(why, HEARTBEAT_WHY_MAX, "node %s is silent",
                 last ? last->name : identity_show(v->head.primary).text);
    else
        snprintf(why, HEARTBEAT_WHY_MAX, "its primary, node %s, has not opened it yet", last->name);
}

enum volume_state view_state(const struct volume_view *v, const struct heartbeat_set *set,
                             char why[HEARTBEAT_WHY_MAX])
{
    const struct heartbeat_volume *open = view_serving(v, set);

    why[0] = '\0';
    if (v->volume.deleting)
        return VOLUME_DELETING;
    if (whole(open) && open->bytes >= v->volume.bytes)
        return VOLUME_AVAILABLE;
    explain(v, set, open, why);
    return v->head.generation == 0 && !whole(open) ? VOLUME_CREATING : VOLUME_WAITING;
}

/* Adds the records under `prefix`. */
static bool gather(struct control *c, const char *prefix, struct record_list *all)
{
    struct record_list part;
    struct problem p;
    enum err err = E_OK;

    if (!control_range(c, prefix, &part, &p))
        return false;
    for (uint32_t i = 0; i < part.count && !err; i++)
        err = record_list_add(all, part.records[i].key, part.records[i].revision,
                              part.records[i].value);
    record_list_free(&part);
    return !err;
}

/* What is read is in the order of keys. */
static void explain_deleting(struct control *c, struct identity volume,
                             const struct heartbeat_set *set, char why[HEARTBEAT_WHY_MAX])
{
    struct identity_text id = identity_show(volume);
    char attachments[RECORD_KEY_MAX], pages[RECORD_KEY_MAX];
    struct record_list all = {0};

    snprintf(attachments, sizeof attachments, "attachment/%s/", id.text);
    snprintf(pages, sizeof pages, "page/%s/", id.text);
    if (gather(c, attachments, &all) && gather(c, "disk/", &all) &&
        gather(c, head_key(volume).text, &all) && gather(c, pages, &all) &&
        gather(c, volume_key(volume).text, &all))
        deletion_waits(&all, set, volume, why);
    record_list_free(&all);
}

/* ---- JSON ---- */

void view_target(struct control *c, struct identity volume, char ret[128])
{
    snprintf(ret, 128, "%s:%s", c->config.iqn_prefix, identity_show(volume).text);
}

json_t *view_portals(const struct volume_view *v, const struct heartbeat_set *set)
{
    const struct heartbeat *h = heartbeats_last(set, v->head.primary);
    json_t *list = json_array();

    for (uint32_t i = 0; h && i < h->portal_count; i++)
        json_array_append_new(list, json_string(h->portals[i]));
    return list;
}

static json_t *primary_json(const struct volume_view *v, const struct heartbeat_set *set)
{
    const struct heartbeat *h = heartbeats_last(set, v->head.primary);

    if (identity_none(v->head.primary))
        return json_null();
    return json_pack("{ss ss?}", "node", identity_show(v->head.primary).text, "name",
                     h ? h->name : NULL);
}

json_t *view_json(struct control *c, const struct volume_view *v, const struct heartbeat_set *set)
{
    const struct heartbeat_volume *open = view_serving(v, set);
    char why[HEARTBEAT_WHY_MAX], target[128];
    enum volume_state state = view_state(v, set, why);

    if (state == VOLUME_DELETING)
        explain_deleting(c, v->volume.volume, set, why);
    view_target(c, v->volume.volume, target);
    return json_pack(
        "{ss ss sI sI sI sI ss ss sI sI so ss so sI sI sI}", "id",
        identity_show(v->volume.volume).text, "name", v->volume.name, "size_bytes",
        (json_int_t)v->volume.bytes, "logical_block_bytes",
        (json_int_t)v->volume.logical_block_bytes, "copies", (json_int_t)v->volume.copies,
        "min_copies", (json_int_t)v->volume.min_copies, "state", state_names[state], "why", why,
        "epoch", (json_int_t)v->head.epoch, "generation", (json_int_t)v->head.generation, "primary",
        primary_json(v, set), "target", target, "portals", view_portals(v, set), "shards",
        (json_int_t)volume_shards(v->volume.bytes), "shards_serving",
        (json_int_t)(open ? open->serving : 0), "salvaged", (json_int_t)v->volume.salvaged);
}

/* ---- waiting ---- */

static bool ask(struct control *c, const struct wait *w, struct heartbeat_set *set)
{
    board_release(set);
    return board_snapshot(&c->board, set) && w->in_force(c, set, w->about);
}

bool wait_until(struct control *c, const struct wait *w, struct heartbeat_set *set)
{
    uint64_t until = monotonic_ms() + WAIT_MS, seen = board_news(&c->board);
    bool in_force;

    *set = (struct heartbeat_set){0};
    in_force = ask(c, w, set);
    if (in_force || !board_wait_begin(&c->board, BOARD_CALL, CALLS_MAX))
        return in_force;
    while (!in_force && board_wait(&c->board, seen, until)) {
        seen = board_news(&c->board);
        in_force = ask(c, w, set);
    }
    board_wait_end(&c->board, BOARD_CALL);
    return in_force;
}

bool nodes_heard(const struct heartbeat_set *set, struct problem *p)
{
    return heartbeats_judge(set) ||
           problem(p, E_NOT_READY,
                   "metad has just started: a node that speaks may not have been heard yet, try "
                   "again in %u seconds",
                   (unsigned)(2 * HEARTBEAT_SILENT_MS / 1000));
}

/* ---- paging ---- */

bool paging_read(const struct http_request *r, struct paging *ret, struct problem *p)
{
    const char *limit = http_query(r, "limit"), *after = http_query(r, "after");

    *ret = (struct paging){.limit = 100};
    if (limit) {
        char *end;
        unsigned long n = strtoul(limit, &end, 10);

        if (*limit < '0' || *limit > '9' || *end || n < 1 || n > 1000)
            return problem(p, E_INVALID, "limit must be from 1 to 1000");
        ret->limit = (uint32_t)n;
    }
    if (after && !identity_parse(after, &ret->after))
        return problem(p, E_INVALID, "after must be an identity: the \"next\" of the last page");
    return true;
}

void paging_answer(struct http_answer *a, json_t *items, struct identity next)
{
    answer_json(a, 200, json_pack("{so so}", "items", items, "next", json_identity(next)));
}
