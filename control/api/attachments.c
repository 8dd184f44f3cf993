/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/attachments.c — who may log in to a volume (design 10, attach).
 *
 * An attachment is made in a transaction that also writes the volume's record anew: so two of them,
 * or one and a delete of the volume, can never both succeed unseen by one another.  It is answered
 * when the primary's heartbeat shows that it is known; its end, when the record is gone, which the
 * controller takes away once the primary has drained it.
 */
#include "control/api/api.h"
#include "control/api/chap.h"
#include "control/api/forms.h"
#include "control/api/view.h"

#include <stdio.h>
#include <string.h>

/* ---- showing ---- */

static const char *attachment_state(const struct attachment_record *r, const struct volume_view *v,
                                    const struct heartbeat_set *set)
{
    const struct heartbeat *h = heartbeats_alive(set, v->head.primary);

    if (r->ending)
        return "ending";
    if (h && identity_equal(h->incarnation, v->head.incarnation) &&
        heartbeat_attachment(h, r->attachment))
        return "attached";
    return "attaching";
}

static json_t *attachment_json(struct control *c, const struct attachment_record *r,
                               const struct volume_view *v, const struct heartbeat_set *set,
                               bool secrets)
{
    json_t *portals = view_portals(v, set);
    const char *portal = json_string_value(json_array_get(portals, 0));
    char target[128];

    view_target(c, r->volume, target);
    json_t *forms = forms_json(r, target, portal, secrets);
    return json_pack("{ss ss ss ss sb sb si ss ss si so so so}", "id",
                     identity_show(r->attachment).text, "volume", identity_show(r->volume).text,
                     "volume_name", v->volume.name, "initiator", r->initiator, "shared", r->shared,
                     "read_only", r->read_only, "deadline_seconds", (int)r->deadline_seconds,
                     "state", attachment_state(r, v, set), "target", target, "lun", 0, "portals",
                     portals, "forms", forms, "chap", chap_show(&r->chap, secrets));
}

/* NULL: *p says why; E_NOT_FOUND: its volume is going. */
static json_t *attachment_load_json(struct control *c, const struct attachment_record *r,
                                    const struct heartbeat_set *set, bool secrets,
                                    struct problem *p)
{
    struct volume_view v;
    json_t *json;

    if (view_load_any(c, identity_show(r->volume).text, &v, p) != E_OK)
        return NULL;
    problem_fill(p, E_NO_MEMORY, "no memory for the answer");
    json = attachment_json(c, r, &v, set, secrets);
    view_done(&v);
    return json;
}

/* ---- GET ---- */

static bool list_prefix(struct control *c, const char *volume, char ret[RECORD_KEY_MAX],
                        struct problem *p)
{
    struct volume_view v;

    snprintf(ret, RECORD_KEY_MAX, "attachment/");
    if (!volume)
        return true;
    if (view_load_any(c, volume, &v, p) != E_OK)
        return false;
    snprintf(ret, RECORD_KEY_MAX, "attachment/%s/", identity_show(v.volume.volume).text);
    view_done(&v);
    return true;
}

static int by_identity(const void *a, const void *b)
{
    const struct attachment_record *x = a, *y = b;

    return (x->attachment.bits > y->attachment.bits) - (x->attachment.bits < y->attachment.bits);
}

/* In the order of their identities (their keys are ordered by volume), beyond page->after. */
static uint32_t list_sorted(const struct record_list *list, const struct paging *page,
                            struct attachment_record *ret)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        if (attachment_read(list->records[i].value, &ret[count]) == E_OK &&
            ret[count].attachment.bits > page->after.bits)
            count++;
    }
    qsort(ret, count, sizeof *ret, by_identity);
    return count;
}

/* One whose volume is going, is of a newer version, or has more damaged than its own record, is
 * left out. */
static bool list_add(struct control *c, const struct attachment_record *r,
                     const struct heartbeat_set *set, json_t *items, struct problem *p)
{
    struct volume_view v;
    enum err err = view_load_any(c, identity_show(r->volume).text, &v, p);

    if (err)
        return err == E_NOT_FOUND || err == E_DAMAGED || err == E_UNSUPPORTED;
    json_array_append_new(items, attachment_json(c, r, &v, set, false));
    view_done(&v);
    return true;
}

static void list_answer(struct control *c, const struct record_list *list,
                        const struct paging *page, struct http_answer *a)
{
    struct attachment_record *sorted = calloc((size_t)list->count + 1, sizeof *sorted);
    uint32_t count = sorted ? list_sorted(list, page, sorted) : 0;
    uint32_t shown = count < page->limit ? count : page->limit;
    json_t *items = json_array();
    struct heartbeat_set set;
    struct problem p;
    bool ok = true;

    if (!board_snapshot(&c->board, &set))
        set = (struct heartbeat_set){0};
    for (uint32_t i = 0; i < shown && ok; i++)
        ok = list_add(c, &sorted[i], &set, items, &p);
    board_release(&set);
    if (ok) {
        paging_answer(a, items,
                      shown < count ? sorted[shown - 1].attachment : (struct identity){0});
    } else {
        json_decref(items);
        answer_problem(a, &p);
    }
    free(sorted);
}

void attachments_list(struct control *c, const struct http_request *r, struct http_answer *a)
{
    char prefix[RECORD_KEY_MAX];
    struct record_list list = {0};
    struct paging page = {0};
    struct problem p;

    if (!paging_read(r, &page, &p) || !list_prefix(c, http_query(r, "volume"), prefix, &p) ||
        !control_range(c, prefix, &list, &p)) {
        answer_problem(a, &p);
        return;
    }
    list_answer(c, &list, &page, a);
    record_list_free(&list);
}

/* The record with its key's revision; its document is the caller's to free. */
struct found {
    struct attachment_record record;
    uint64_t revision;
    char *json;
};

static bool found_in(struct record_list *list, const char *id, struct found *ret, struct problem *p)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct record *r = &list->records[i];

        if (strcmp(strrchr(r->key, '/') + 1, id) != 0)
            continue;
        if (attachment_read(r->value, &ret->record) != E_OK)
            return problem(p, E_DAMAGED, "the record %s cannot be read", r->key);
        ret->revision = r->revision;
        ret->json = r->value;
        r->value = NULL;
        return true;
    }
    return problem(p, E_NOT_FOUND, "no attachment has the identity %.80s", id);
}

static bool attachment_find(struct control *c, const char *id, struct found *ret, struct problem *p)
{
    struct record_list list = {0};
    struct identity parsed = {0};
    bool found;

    if (!identity_parse(id, &parsed))
        return problem(p, E_NOT_FOUND, "no attachment has the identity %.80s", id);
    if (!control_range(c, "attachment/", &list, p))
        return false;
    found = found_in(&list, identity_show(parsed).text, ret, p);
    record_list_free(&list);
    return found;
}

/* The answer that made it tells its secrets; no other does. */
static void show(struct control *c, const char *id, const struct heartbeat_set *set, bool secrets,
                 struct http_answer *a)
{
    struct found f = {0};
    struct problem p;
    json_t *json = NULL;

    if (attachment_find(c, id, &f, &p)) {
        json = attachment_load_json(c, &f.record, set, secrets, &p);
        free(f.json);
        if (!json && p.status == 404)
            problem_fill(&p, E_NOT_FOUND, "no attachment has the identity %.80s", id);
    }
    if (json)
        answer_json(a, 200, json);
    else
        answer_problem(a, &p);
}

void attachment_show(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct heartbeat_set set;

    if (!board_snapshot(&c->board, &set))
        set = (struct heartbeat_set){0};
    show(c, r->params[0], &set, false, a);
    board_release(&set);
}

/* ---- POST ---- */

static bool wish_read(const json_t *b, struct attachment_record *ret, const char **ret_volume,
                      struct problem *p)
{
    const char *initiator;

    *ret = (struct attachment_record){.deadline_seconds = ATTACHMENT_DEADLINE_S};
    if (!body_text(b, "volume", ret_volume, p) || !body_text(b, "initiator", &initiator, p) ||
        !body_flag(b, "shared", &ret->shared, p) ||
        !body_flag(b, "read_only", &ret->read_only, p) ||
        !body_u32_maybe(b, "deadline_seconds", &ret->deadline_seconds, p) ||
        !chap_wish(b, &ret->chap, p))
        return false;
    if (ret->deadline_seconds > ATTACHMENT_DEADLINE_S_MAX)
        return problem(p, E_INVALID, "\"deadline_seconds\" must be from 1 to %u, or 0: none",
                       ATTACHMENT_DEADLINE_S_MAX);
    if (!record_initiator_valid(initiator))
        return problem(p, E_INVALID,
                       "\"initiator\" must be an iSCSI name: iqn., eui. or naa., then letters, "
                       "digits and . : - _, below %u bytes",
                       RECORD_INITIATOR_MAX);
    memcpy(ret->initiator, initiator, strlen(initiator) + 1);
    return true;
}

/* What there is to do about one that the initiator has already. */
static const char *way_out(const struct attachment_record *o)
{
    if (o->ending)
        return "it is ending; ask again when it has gone";
    return o->chap.user[0] ? "delete it to make it anew; its secrets are not told again"
                           : "delete it to make it anew";
}

static bool others_allow(const struct record_list *others, const struct attachment_record *wish,
                         struct problem *p)
{
    for (uint32_t i = 0; i < others->count; i++) {
        struct attachment_record o;

        if (attachment_read(others->records[i].value, &o) != E_OK)
            return problem(p, E_DAMAGED, "the record %s cannot be read", others->records[i].key);
        if (strcasecmp(o.initiator, wish->initiator) == 0)
            return problem(p, E_CONFLICT, "attachment %s gives it to %s already: %s",
                           identity_show(o.attachment).text, o.initiator, way_out(&o));
        if (!o.shared || !wish->shared)
            return problem(p, E_CONFLICT,
                           "attachment %s (%s%s) is there: an exclusive one tolerates "
                           "no other; end one, or make all of them shared",
                           identity_show(o.attachment).text, o.initiator,
                           o.ending ? ", ending" : "");
    }
    return true;
}

/* Those of all volumes whose primary the node is, the ending ones with them: they are there yet. */
static uint32_t attachments_at(const struct record_list *attachments,
                               const struct record_list *heads, struct identity node)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < attachments->count; i++) {
        struct attachment_record r;
        struct head_record head;
        const struct record *at;

        if (attachment_read(attachments->records[i].value, &r) != E_OK)
            continue;
        at = record_list_find(heads, head_key(r.volume).text);
        if (at && head_read(at->value, &head) == E_OK && identity_equal(head.primary, node))
            count++;
    }
    return count;
}

/* Under c->placing, so that two requests do not take the same last place. */
static bool node_allows(struct control *c, const struct volume_view *v, struct problem *p)
{
    struct record_list attachments = {0}, heads = {0};
    const struct heartbeat *h;
    struct heartbeat_set set;
    uint32_t count;
    bool ok = board_snapshot(&c->board, &set) || problem(p, E_NO_MEMORY, "no memory");

    if (!ok)
        return false;
    h = heartbeats_last(&set, v->head.primary);
    if (h && h->attachments_max != UINT32_MAX) {
        ok = control_range(c, "attachment/", &attachments, p) &&
             control_range(c, "head/", &heads, p);
        count = attachments_at(&attachments, &heads, h->node);
        if (ok && count >= h->attachments_max)
            ok = problem(p, E_NO_SPACE,
                         "node %s has %u attachments and takes %u (four for each of its setting "
                         "\"volumes\")",
                         h->name, count, h->attachments_max);
    }
    record_list_free(&attachments);
    record_list_free(&heads);
    board_release(&set);
    return ok;
}

static bool volume_allows(struct control *c, const struct volume_view *v,
                          const struct attachment_record *wish, struct problem *p)
{
    char prefix[RECORD_KEY_MAX];
    struct record_list others = {0};
    bool allowed;

    if (v->volume.deleting)
        return problem(p, E_CONFLICT, "volume %s is being deleted", v->volume.name);
    snprintf(prefix, sizeof prefix, "attachment/%s/", identity_show(v->volume.volume).text);
    if (!control_range(c, prefix, &others, p))
        return false;
    allowed = others_allow(&others, wish, p);
    record_list_free(&others);
    return allowed;
}

static enum err wish_put(struct control *c, const struct volume_view *v,
                         const struct attachment_record *wish)
{
    struct record_transaction *t = transaction_new();
    struct record_key key = attachment_key(wish->volume, wish->attachment);
    struct record_key volume = volume_key(wish->volume);
    uint64_t revision;
    enum err err = t ? transaction_compare(t, volume, v->volume_revision) : E_NO_MEMORY;

    if (!err)
        err = transaction_put(t, volume, volume_write(&v->volume, v->volume_json));
    if (!err)
        err = transaction_compare(t, key, 0);
    if (!err)
        err = transaction_put(t, key, attachment_write(wish, NULL));
    if (!err)
        err = control_transact(c, t, &revision);
    transaction_free(t);
    return err;
}

static enum err wish_store(struct control *c, const char *volume, struct attachment_record *wish,
                           struct problem *p)
{
    enum err err = E_CONFLICT;

    wish->attachment = control_identity();
    for (uint32_t i = 0; i < TRANSACT_TRIES && err == E_CONFLICT; i++) {
        struct volume_view v;

        err = view_load(c, volume, &v, p);
        if (err)
            break;
        wish->volume = v.volume.volume;
        err = volume_allows(c, &v, wish, p) && node_allows(c, &v, p) ? E_OK : E_INVALID;
        if (!err) {
            err = wish_put(c, &v, wish);
            control_refused(c, err, p, "volume", v.volume.name);
        }
        view_done(&v);
    }
    return err;
}

static bool attachment_known(struct control *c, const struct heartbeat_set *set, void *about)
{
    const struct attachment_record *r = about;
    struct volume_view v;
    struct problem p;
    bool known;
    enum err err = view_load(c, identity_show(r->volume).text, &v, &p);

    if (err)
        return err == E_NOT_FOUND; /* deleted meanwhile */
    known = strcmp(attachment_state(r, &v, set), "attached") == 0;
    view_done(&v);
    return known;
}

void attachment_create(struct control *c, const struct http_request *r, struct http_answer *a)
{
    AUTO_JSON *b = NULL;
    struct attachment_record wish = {0};
    struct wait w = {.in_force = attachment_known, .about = &wish};
    struct heartbeat_set set;
    const char *volume = NULL;
    struct problem p;
    unsigned status;
    enum err err = E_INVALID;

    if (body_read(r, "volume initiator shared read_only deadline_seconds chap", &b, &p) &&
        wish_read(b, &wish, &volume, &p)) {
        pthread_mutex_lock(&c->placing);
        err = wish_store(c, volume, &wish, &p);
        pthread_mutex_unlock(&c->placing);
    }
    if (err) {
        answer_problem(a, &p);
        return;
    }
    log_event(c->log, LOG_LEVEL_INFO, "metad", "attachment_created",
              "attachment=%s volume=%s initiator=%s", identity_show(wish.attachment).text,
              identity_show(wish.volume).text, wish.initiator);
    status = wait_until(c, &w, &set) ? 201 : 202;
    show(c, identity_show(wish.attachment).text, &set, true, a);
    if (a->status == 200)
        a->status = status;
    snprintf(a->location, sizeof a->location, "/v1/attachments/%s",
             identity_show(wish.attachment).text);
    board_release(&set);
}

/* ---- DELETE ---- */

static enum err end_once(struct control *c, struct found *f)
{
    struct record_key key = attachment_key(f->record.volume, f->record.attachment);
    struct record_transaction *t;
    uint64_t revision;
    enum err err;

    if (f->record.ending)
        return E_OK;
    t = transaction_new();
    f->record.ending = true;
    err = t ? transaction_compare(t, key, f->revision) : E_NO_MEMORY;
    if (!err)
        err = transaction_put(t, key, attachment_write(&f->record, f->json));
    if (!err)
        err = control_transact(c, t, &revision);
    transaction_free(t);
    return err;
}

static enum err end_store(struct control *c, const char *id, struct problem *p)
{
    enum err err = E_CONFLICT;

    for (uint32_t i = 0; i < TRANSACT_TRIES && err == E_CONFLICT; i++) {
        struct found f = {0};

        if (!attachment_find(c, id, &f, p))
            return E_NOT_FOUND;
        err = end_once(c, &f);
        free(f.json);
        if (err)
            control_refused(c, err, p, "attachment", id);
    }
    return err;
}

static bool attachment_gone(struct control *c, const struct heartbeat_set *set, void *about)
{
    struct found f = {0};
    struct problem p;

    (void)set;
    if (!attachment_find(c, about, &f, &p))
        return p.status == 404;
    free(f.json);
    return false;
}

void attachment_delete(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct wait w = {.in_force = attachment_gone, .about = (void *)(uintptr_t)r->params[0]};
    struct heartbeat_set set;
    struct problem p;

    if (end_store(c, r->params[0], &p) != E_OK) {
        answer_problem(a, &p);
        return;
    }
    if (wait_until(c, &w, &set))
        a->status = 204;
    else
        show(c, r->params[0], &set, false, a);
    if (a->status == 200)
        a->status = 202;
    board_release(&set);
}
