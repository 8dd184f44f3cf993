/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/node/transaction.c — POST /node/v1/transaction: what a node may change, and nothing else.
 *
 * A node changes head and pages of volumes whose primary it is, comparing the head (P3), and its
 * own node and disk records.  In a head it changes neither epoch nor primary: those are the
 * controller's.  The rights are judged on records read just before; that they still hold is what
 * the compare of the head's revision makes sure of.
 */
#include "control/api/view.h"
#include "control/inside.h"
#include "control/node/node.h"
#include "metadata/json_text.h"

#include <string.h>

struct request {
    struct identity node;
    struct record_transaction *transaction;
};

/* ---- decoding ---- */

static bool key_read(const json_t *o, struct record_key *ret, struct problem *p)
{
    const char *text;

    if (!body_text(o, "key", &text, p))
        return false;
    if (strlen(text) == 0 || strlen(text) >= RECORD_KEY_MAX)
        return problem(p, E_INVALID, "a key must have 1 to %u bytes", RECORD_KEY_MAX - 1);
    memcpy(ret->text, text, strlen(text) + 1);
    return true;
}

static bool compare_read(const json_t *o, struct record_transaction *t, struct problem *p)
{
    struct record_key key;
    uint64_t revision;
    enum err err;

    if (!object_check(o, "a compare", "key revision", p) || !key_read(o, &key, p) ||
        !body_u64(o, "revision", &revision, p))
        return false;
    err = transaction_compare(t, key, revision);
    return err ? problem(p, err, "at most %u compares", COMPARES_MAX) : true;
}

static bool put_read(const json_t *o, struct record_transaction *t, struct problem *p)
{
    const json_t *value = json_object_get(o, "value");
    struct record_key key;
    enum err err;

    if (!object_check(o, "a put", "key value", p) || !key_read(o, &key, p))
        return false;
    if (json_is_null(value))
        err = transaction_delete(t, key);
    else if (json_is_object(value))
        err = transaction_put(t, key, json_text_write(value));
    else
        return problem(p, E_INVALID, "the value of %.80s must be an object or null", key.text);
    return err ? problem(p, err, "at most %u puts, %u bytes each and %u together", PUTS_MAX,
                         RECORD_VALUE_MAX, TRANSACTION_BYTES_MAX)
               : true;
}

static bool too_many(const json_t *list, const char *name, uint32_t max, struct problem *p)
{
    if (json_is_array(list) && json_array_size(list) > max)
        return !problem(p, E_TOO_LARGE, "at most %u %s", max, name);
    return false;
}

static bool request_read(const json_t *b, struct request *q, struct problem *p)
{
    json_t *compares, *puts;

    if (too_many(json_object_get(b, "compares"), "compares", COMPARES_MAX, p) ||
        too_many(json_object_get(b, "puts"), "puts", PUTS_MAX, p) ||
        !body_identity(b, "node", &q->node, p) ||
        !body_array(b, "compares", COMPARES_MAX, &compares, p) ||
        !body_array(b, "puts", PUTS_MAX, &puts, p))
        return false;
    for (size_t i = 0; i < json_array_size(compares); i++) {
        if (!compare_read(json_array_get(compares, i), q->transaction, p))
            return false;
    }
    for (size_t i = 0; i < json_array_size(puts); i++) {
        if (!put_read(json_array_get(puts, i), q->transaction, p))
            return false;
    }
    return true;
}

/* ---- rights ---- */

static const struct record_compare *compare_of(const struct request *q, const char *key)
{
    for (uint32_t i = 0; i < q->transaction->compare_count; i++) {
        if (strcmp(q->transaction->compares[i].key, key) == 0)
            return &q->transaction->compares[i];
    }
    return NULL;
}

static bool forbidden(struct problem *p, const struct record_put *put, const char *why)
{
    return problem(p, E_FORBIDDEN, "%.160s: %s", put->key, why);
}

static bool unreadable(struct problem *p, const struct record_put *put, enum err err)
{
    return problem(p, err == E_UNSUPPORTED ? err : E_INVALID,
                   "the value of %.160s is not such a record: %s", put->key, err_text(err));
}

static bool node_may(const struct request *q, const struct record_put *put, struct problem *p)
{
    struct node_record r;
    enum err err;

    if (strcmp(put->key, node_key(q->node).text) != 0)
        return forbidden(p, put, "a node changes its own node record only");
    err = put->value ? node_read(put->value, &r) : E_OK;
    if (err)
        return unreadable(p, put, err);
    if (put->value && !identity_equal(r.node, q->node))
        return forbidden(p, put, "the record names another node");
    return true;
}

/* Two nodes that both list a disk would take it from each other for ever; and who has it may not
 * have been heard yet, where all were started at once.  No conflict: that would mean that the
 * record has changed, and the node would ask again at once. */
static bool disk_free(struct control *c, const struct request *q, struct identity disk,
                      struct problem *p)
{
    struct heartbeat_set set;
    const struct heartbeat *rival;
    bool ok;

    if (!board_snapshot(&c->board, &set))
        return problem(p, E_NO_MEMORY, "no memory for the heartbeats");
    rival = heartbeats_rival(&set, q->node, disk);
    if (rival && identity_equal(rival->node, q->node)) /* its folder was copied: no disk's affair */
        ok = problem(p, E_NOT_READY, "two processes speak for this node");
    else
        ok = rival ? problem(p, E_FORBIDDEN, "disk %s is listed by node %s, which speaks",
                             identity_show(disk).text, rival->name)
                   : nodes_heard(&set, p);
    board_release(&set);
    return ok;
}

/* A disk that was another node's may be taken over, knowingly: its record is compared. */
static bool disk_may(struct control *c, const struct request *q, const struct record_put *put,
                     struct problem *p)
{
    struct disk_record wish = {0}, there = {0};
    struct record_list list;
    const struct record *at;
    bool mine;
    enum err err = put->value ? disk_read(put->value, &wish) : E_OK;

    if (err)
        return unreadable(p, put, err);
    if (put->value && strcmp(put->key, disk_key(wish.disk).text) != 0)
        return forbidden(p, put, "the record is another disk's");
    if (put->value && !identity_equal(wish.node, q->node))
        return forbidden(p, put, "the record names another node");
    if (!control_range(c, put->key, &list, p))
        return false;
    at = record_list_find(&list, put->key);
    mine = !at || (disk_read(at->value, &there) == E_OK && identity_equal(there.node, q->node));
    record_list_free(&list);
    if (!mine && !(put->value && compare_of(q, put->key)))
        return forbidden(p, put, "the disk is another node's");
    return mine || disk_free(c, q, wish.disk, p);
}

/* The head of the volume whose head or page is put, as the transaction compares it. */
static bool head_mine(struct control *c, const struct request *q, const struct record_put *put,
                      struct head_record *ret, struct problem *p)
{
    char key[RECORD_KEY_MAX];
    struct record_list list;
    const struct record *at;
    const struct record_compare *compare;
    enum err err;

    snprintf(key, sizeof key, "head/%.16s", strchr(put->key, '/') + 1);
    compare = compare_of(q, key);
    if (!compare)
        return forbidden(p, put, "the volume's head must be compared");
    if (!control_range(c, key, &list, p))
        return false;
    at = record_list_find(&list, key);
    err = at && at->revision == compare->revision ? head_read(at->value, ret) : E_CONFLICT;
    record_list_free(&list);
    if (err)
        return problem(p, err, "%s is not at revision %llu", key,
                       (unsigned long long)compare->revision);
    if (!identity_equal(ret->primary, q->node))
        return forbidden(p, put, "the node is not the volume's primary");
    return true;
}

static bool head_may(struct control *c, const struct request *q, const struct record_put *put,
                     struct problem *p)
{
    struct head_record there = {0}, wish;
    enum err err;

    if (!head_mine(c, q, put, &there, p))
        return false;
    if (!put->value)
        return forbidden(p, put, "a node takes no head away");
    err = head_read(put->value, &wish);
    if (err)
        return unreadable(p, put, err);
    if (strcmp(put->key, head_key(wish.volume).text) != 0)
        return forbidden(p, put, "the record is another head's");
    if (!identity_equal(wish.volume, there.volume) || wish.epoch != there.epoch ||
        !identity_equal(wish.primary, there.primary) ||
        !identity_equal(wish.incarnation, there.incarnation))
        return forbidden(p, put, "epoch and primary are the controller's to change");
    return true;
}

static bool page_may(struct control *c, const struct request *q, const struct record_put *put,
                     struct problem *p)
{
    struct head_record there = {0};
    struct page_record *page;
    bool right;
    enum err err;

    if (!head_mine(c, q, put, &there, p))
        return false;
    if (!put->value)
        return forbidden(p, put, "a node takes no page away");
    page = malloc(sizeof *page);
    if (!page)
        return problem(p, E_NO_MEMORY, "no memory for a page");
    err = page_read(put->value, page);
    right = !err && strcmp(put->key, page_key(there.volume, page->index).text) == 0;
    free(page);
    if (err)
        return unreadable(p, put, err);
    return right || forbidden(p, put, "the record is another page's");
}

static bool begins(const char *key, const char *with)
{
    return strncmp(key, with, strlen(with)) == 0;
}

static bool put_may(struct control *c, const struct request *q, const struct record_put *put,
                    struct problem *p)
{
    if (begins(put->key, "node/"))
        return node_may(q, put, p);
    if (begins(put->key, "disk/"))
        return disk_may(c, q, put, p);
    if (begins(put->key, "head/"))
        return head_may(c, q, put, p);
    if (begins(put->key, "page/"))
        return page_may(c, q, put, p);
    return forbidden(p, put, "a node changes node, disk, head and page records only");
}

/* ---- the request ---- */

/* A node's record, or a disk's, that is damaged is as good as none: its node knows all that stands
 * in it and writes it anew.  Else that would be refused as a conflict, for ever. */
static bool damaged_are_missing(struct control *c, struct record_transaction *t, struct problem *p)
{
    for (uint32_t i = 0; i < t->compare_count; i++) {
        struct record_compare *compare = &t->compares[i];
        struct record_list list;
        const struct record *at;

        if (compare->revision != 0 ||
            !(begins(compare->key, "node/") || begins(compare->key, "disk/")))
            continue;
        if (!control_range(c, compare->key, &list, p))
            return false;
        at = record_list_find(&list, compare->key);
        if (at && record_check(at) == E_DAMAGED)
            compare->revision = at->revision;
        record_list_free(&list);
    }
    return true;
}

static bool request_run(struct control *c, const struct http_request *r, struct request *q,
                        uint64_t *ret_revision, struct problem *p)
{
    AUTO_JSON *b = NULL;
    enum err err;

    if (!body_read(r, "node compares puts", &b, p) || !request_read(b, q, p))
        return false;
    for (uint32_t i = 0; i < q->transaction->put_count; i++) {
        if (!put_may(c, q, &q->transaction->puts[i], p))
            return false;
    }
    if (!damaged_are_missing(c, q->transaction, p))
        return false;
    err = control_transact(c, q->transaction, ret_revision);
    if (err)
        control_refused(c, err, p, "what was compared by node", identity_show(q->node).text);
    return !err;
}

void node_transaction(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct request q = {.transaction = transaction_new()};
    struct problem p;
    uint64_t revision = 0;
    bool ok = q.transaction || problem(&p, E_NO_MEMORY, "no memory for the transaction");

    ok = ok && request_run(c, r, &q, &revision, &p);
    transaction_free(q.transaction);
    if (ok)
        answer_json(a, 200, json_pack("{sI}", "revision", (json_int_t)revision));
    else
        answer_problem(a, &p);
}
