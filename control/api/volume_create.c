/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/volume_create.c — POST /v1/volumes (design 10; the second walk of the README).
 *
 * The happy path: decode and refuse; choose the disks; one transaction puts volume, name, head at
 * epoch 1 naming the chosen node's process, and pages whose shards are new; the nodes' agents do
 * the rest; answered when the primary's heartbeat shows every shard served.
 *
 * What can go wrong:
 *   the name is taken           the compare on its record says so: 409
 *   nothing is large enough     507 with the cap and the number
 *   the node dies meanwhile     answered after 30 s with state "creating"; the controller goes on
 */
#include "base/size.h"
#include "control/api/api.h"
#include "control/api/cluster.h"

#include <stdio.h>
#include <string.h>

struct creation {
    struct volume_record volume;
    struct head_record head;
    bool wait;
};

static bool size_check(uint64_t bytes, struct problem *p)
{
    if (bytes == 0 || bytes % 4096 != 0)
        return problem(p, E_INVALID, "size_bytes must be a multiple of 4096 above 0, not %llu",
                       (unsigned long long)bytes);
    if (bytes > VOLUME_BYTES_MAX)
        return problem(p, E_INVALID, "size_bytes must be at most %llu (%s)",
                       (unsigned long long)VOLUME_BYTES_MAX, size_show(VOLUME_BYTES_MAX).text);
    return true;
}

static bool block_read(const json_t *b, uint32_t *ret, struct problem *p)
{
    *ret = 512;
    if (!json_object_get(b, "logical_block_bytes"))
        return true;
    if (!body_u32(b, "logical_block_bytes", ret, p))
        return false;
    if (*ret != 512 && *ret != 4096)
        return problem(p, E_INVALID, "\"logical_block_bytes\" must be 512 or 4096");
    return true;
}

static bool creation_read(const struct http_request *r, struct creation *ret, struct problem *p)
{
    AUTO_JSON *b = NULL;
    struct volume_record *v = &ret->volume;

    *ret = (struct creation){.wait = true};
    v->copies = v->min_copies = 1;
    return body_read(r, "name size_bytes logical_block_bytes wait", &b, p) &&
           body_name(b, "name", v->name, p) && body_u64(b, "size_bytes", &v->bytes, p) &&
           size_check(v->bytes, p) && block_read(b, &v->logical_block_bytes, p) &&
           body_flag(b, "wait", &ret->wait, p);
}

/* All but the pages. */
static bool records_put(struct creation *n, struct record_transaction *t, struct problem *p)
{
    struct identity id = n->volume.volume;
    enum err err = transaction_compare(t, volume_name_key(n->volume.name), 0);

    if (!err)
        err = transaction_put(t, volume_name_key(n->volume.name), volume_name_write(id));
    if (!err)
        err = transaction_compare(t, volume_key(id), 0);
    if (!err)
        err = transaction_put(t, volume_key(id), volume_write(&n->volume, NULL));
    if (!err)
        err = transaction_compare(t, head_key(id), 0);
    if (!err)
        err = transaction_put(t, head_key(id), head_write(&n->head, NULL));
    return err ? problem(p, err, "the volume's records do not fit one transaction") : true;
}

static bool creation_commit(struct control *c, struct creation *n, struct record_transaction *t,
                            struct problem *p)
{
    uint64_t revision;
    enum err err = control_transact(c, t, &revision);

    if (err == E_CONFLICT)
        return problem(p, E_EXISTS, "a volume has the name %s already", n->volume.name);
    if (err) {
        control_refused(c, err, p, "volume", n->volume.name);
        return false;
    }
    log_event(c->log, LOG_LEVEL_INFO, "metad", "volume_created", "volume=%s name=%s bytes=%llu",
              identity_show(n->volume.volume).text, n->volume.name,
              (unsigned long long)n->volume.bytes);
    return true;
}

static bool creation_place(const struct heartbeat_set *set, const struct cluster *cluster,
                           struct creation *n, struct record_transaction *t, struct problem *p)
{
    struct growth g = {.volume = &n->volume};
    const struct heartbeat *h;

    if (!cluster_grow(cluster, &g, t, p))
        return false;
    h = heartbeats_last(set, g.ret_node);
    if (!h)
        return problem(p, E_NOT_READY, "the chosen node has gone");
    n->head = (struct head_record){.volume = n->volume.volume,
                                   .epoch = 1,
                                   .primary = h->node,
                                   .incarnation = h->incarnation,
                                   .nonce = control_identity().bits};
    return records_put(n, t, p);
}

/* Under c->placing. */
static bool creation_store(struct control *c, struct creation *n, struct problem *p)
{
    struct record_transaction *t = transaction_new();
    struct heartbeat_set set = {0};
    struct cluster cluster = {0};
    bool ok = t && board_snapshot(&c->board, &set);

    if (!ok)
        problem_fill(p, E_NO_MEMORY, "no memory for the request");
    n->volume.volume = control_identity();
    ok = ok && cluster_read(c, &set, &cluster, p) && creation_place(&set, &cluster, n, t, p) &&
         creation_commit(c, n, t, p);
    cluster_free(&cluster);
    board_release(&set);
    transaction_free(t);
    return ok;
}

static bool shards_served(struct control *c, const struct heartbeat_set *set, void *about)
{
    const struct creation *n = about;
    struct volume_view v;
    struct problem p;
    const struct heartbeat_volume *open;
    bool served;
    enum err err = view_load(c, identity_show(n->volume.volume).text, &v, &p);

    if (err)
        return err == E_NOT_FOUND; /* deleted meanwhile */
    open = view_serving(&v, set);
    served = open && open->serving >= volume_shards(n->volume.bytes);
    view_done(&v);
    return served;
}

static void creation_answer(struct control *c, struct creation *n, struct http_answer *a)
{
    struct wait w = {.in_force = shards_served, .about = n};
    struct identity_text id = identity_show(n->volume.volume);
    struct heartbeat_set set = {0};

    if (n->wait)
        wait_until(c, &w, &set);
    else if (!board_snapshot(&c->board, &set))
        set = (struct heartbeat_set){0};
    volume_answer(c, n->volume.volume, &set, a);
    if (a->status == 200) {
        a->status = 201;
        snprintf(a->location, sizeof a->location, "/v1/volumes/%s", id.text);
    }
    board_release(&set);
}

void volume_create(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct creation n;
    struct problem p;
    bool ok = creation_read(r, &n, &p);

    if (ok) {
        pthread_mutex_lock(&c->placing);
        ok = creation_store(c, &n, &p);
        pthread_mutex_unlock(&c->placing);
    }
    if (ok)
        creation_answer(c, &n, a);
    else
        answer_problem(a, &p);
}
