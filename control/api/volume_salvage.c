/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/volume_salvage.c — POST /v1/volumes/{}/salvage: a damaged last copy goes on (6.7).
 *
 * A replica whose map lost something that it cannot name is never served by itself (P10, P11).
 * This is the human's command that it is the truth from now on, whatever it lost.  One transaction
 * gives each such replica a new identity beside its former one, in pages and head at the next epoch
 * and generation; the volume counts its salvaged shards.  The primary closes the volume, renames
 * the replica where it lies, and opens it again; what returns later under the former identity is an
 * orphan.
 *
 * What can go wrong:
 *   no shard is damaged            409: there is nothing to salvage, and nothing changes
 *   a last copy is on no open disk 409, with its name: no command brings it back
 *   the volume is being deleted    409; a deletion that comes later buries both identities (C2)
 */
#include "control/api/api.h"
#include "control/api/view.h"

struct salvage {
    const char *id_or_name;
    struct identity volume;
    uint32_t shards; /* that are given up what they lost */
};

/* The replica as its node reports it, or NULL. */
static const struct heartbeat_replica *reported(const struct heartbeat_set *set,
                                                struct identity replica)
{
    for (uint32_t n = 0; n < set->count; n++) {
        const struct heartbeat *h = heartbeats_alive(set, set->items[n]->node);

        for (uint32_t i = 0; h && i < h->replica_count; i++)
            if (identity_equal(h->replicas[i].replica, replica))
                return &h->replicas[i];
    }
    return NULL;
}

/* The shard's only replica in sync; NULL: there are more, or none. */
static struct page_replica *last_copy(struct page_shard *s)
{
    struct page_replica *last = NULL;

    for (uint32_t i = 0; i < s->replica_count; i++) {
        if (!s->replicas[i].in_sync)
            continue;
        if (last)
            return NULL;
        last = &s->replicas[i];
    }
    return last;
}

/* True: the shard is well, or salvaged now. */
static bool salvage_shard(const struct heartbeat_set *set, struct page_shard *s, uint32_t shard,
                          uint32_t *count, struct problem *p)
{
    struct page_replica *last = last_copy(s);
    const struct heartbeat_replica *r;

    if (s->is_new || !last)
        return true;
    r = reported(set, last->replica);
    if (!r && identity_none(last->former))
        return problem(p, E_CONFLICT,
                       "replica %s, the last copy of shard %u, is on no disk that is open now: "
                       "bring its node or disk back first",
                       identity_show(last->replica).text, shard);
    if (!r || !r->damaged)
        return true;
    last->former = last->replica;
    last->replica = control_identity();
    ++*count;
    return true;
}

static bool salvage_page(const struct heartbeat_set *set, const struct record *at,
                         struct salvage *z, struct record_transaction *t, struct problem *p)
{
    struct page_record page;
    uint32_t count = 0;
    struct record_key key;
    enum err err = page_read(at->value, &page);

    if (err)
        return problem(p, err, "the record %.140s cannot be read", at->key);
    for (uint32_t i = 0; i < page.shard_count; i++)
        if (!salvage_shard(set, &page.shards[i], page.index * PAGE_SHARDS + i, &count, p))
            return false;
    if (count == 0)
        return true;
    z->shards += count;
    key = page_key(page.volume, page.index);
    err = transaction_compare(t, key, at->revision);
    if (!err)
        err = transaction_put(t, key, page_write(&page, at->value));
    return !err || problem(p, err, "too many shards at once");
}

static bool salvage_pages(struct control *c, const struct heartbeat_set *set, struct salvage *z,
                          struct record_transaction *t, struct problem *p)
{
    char prefix[RECORD_KEY_MAX];
    struct record_list pages;
    bool ok = true;

    snprintf(prefix, sizeof prefix, "page/%s/", identity_show(z->volume).text);
    if (!control_range(c, prefix, &pages, p))
        return false;
    for (uint32_t i = 0; i < pages.count && ok; i++)
        ok = salvage_page(set, &pages.records[i], z, t, p);
    record_list_free(&pages);
    return ok;
}

/* Head and volume: the next epoch closes what is open, the generation is a new one (P3). */
static bool salvage_head(const struct volume_view *v, const struct salvage *z,
                         struct record_transaction *t, struct problem *p)
{
    struct volume_record volume = v->volume;
    struct head_record head = v->head;
    enum err err;

    volume.salvaged += z->shards;
    head.epoch++;
    head.generation++;
    head.nonce = control_identity().bits;
    err = transaction_compare(t, volume_key(z->volume), v->volume_revision);
    if (!err)
        err = transaction_compare(t, head_key(z->volume), v->head_revision);
    if (!err)
        err = transaction_put(t, volume_key(z->volume), volume_write(&volume, v->volume_json));
    if (!err)
        err = transaction_put(t, head_key(z->volume), head_write(&head, v->head_json));
    return !err || problem(p, err, "the records do not fit one transaction");
}

/* E_CONFLICT: something changed meanwhile, come again; else *p says why not. */
static enum err salvage_once(struct control *c, struct salvage *z, struct record_transaction *t,
                             struct problem *p)
{
    struct heartbeat_set set = {0};
    struct volume_view v;
    uint64_t revision;
    enum err err = view_load(c, z->id_or_name, &v, p);
    bool ok;

    if (err)
        return err;
    z->volume = v.volume.volume;
    z->shards = 0;
    ok = !v.volume.deleting || problem(p, E_CONFLICT, "volume %s is being deleted", v.volume.name);
    ok = ok && (board_snapshot(&c->board, &set) || problem(p, E_NO_MEMORY, "no memory"));
    ok = ok && salvage_pages(c, &set, z, t, p);
    if (ok && z->shards == 0)
        ok = problem(p, E_CONFLICT, "no shard of volume %s is damaged: there is nothing to salvage",
                     v.volume.name);
    err = ok && salvage_head(&v, z, t, p) ? control_transact(c, t, &revision) : E_INVALID;
    if (err != E_INVALID)
        control_refused(c, err, p, "volume", v.volume.name);
    board_release(&set);
    view_done(&v);
    return err;
}

static enum err salvage_store(struct control *c, struct salvage *z, struct problem *p)
{
    enum err err = E_CONFLICT;

    for (uint32_t i = 0; i < TRANSACT_TRIES && err == E_CONFLICT; i++) {
        struct record_transaction *t = transaction_new();

        problem_fill(p, E_NO_MEMORY, "no memory for the request");
        err = t ? salvage_once(c, z, t, p) : E_NO_MEMORY;
        transaction_free(t);
    }
    return err;
}

static bool served_again(struct control *c, const struct heartbeat_set *set, void *about)
{
    const struct salvage *z = about;
    char why[HEARTBEAT_WHY_MAX];
    struct volume_view v;
    struct problem p;
    bool served;
    enum err err = view_load(c, identity_show(z->volume).text, &v, &p);

    if (err)
        return err == E_NOT_FOUND; /* deleted meanwhile */
    served = view_state(&v, set, why) == VOLUME_AVAILABLE;
    view_done(&v);
    return served;
}

void volume_salvage(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct salvage z = {.id_or_name = r->params[0]};
    struct wait w = {.in_force = served_again, .about = &z};
    struct heartbeat_set set;
    struct problem p;
    bool in_force;

    if (salvage_store(c, &z, &p) != E_OK) {
        answer_problem(a, &p);
        return;
    }
    log_event(c->log, LOG_LEVEL_WARN, "metad", "volume_salvaged", "volume=%s shards=%u",
              identity_show(z.volume).text, z.shards);
    in_force = wait_until(c, &w, &set);
    volume_answer(c, z.volume, &set, a);
    if (!in_force && a->status == 200)
        a->status = 202;
    board_release(&set);
}
