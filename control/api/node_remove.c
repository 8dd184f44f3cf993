/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/node_remove.c — DELETE /v1/nodes/{id or name}: a node that does not come back.
 *
 * Only its record goes: refused while it speaks, or may speak and was not heard yet, and while a
 * disk or a grave names it, so that nothing of it is needed any more.  Comes it back all the same,
 * it registers itself anew.
 */
#include "control/api/api.h"
#include "control/api/view.h"

#include <stdio.h>
#include <string.h>

/* The newest of that name may not be meant: a name that two nodes have is refused. */
static const struct record *node_named(const struct record_list *nodes, const char *wanted,
                                       struct node_record *ret, struct problem *p)
{
    const struct record *found = NULL;
    struct identity id = {0};
    bool by_id = identity_parse(wanted, &id);

    for (uint32_t i = 0; i < nodes->count; i++) {
        struct node_record r;

        if (node_read(nodes->records[i].value, &r) != E_OK ||
            !(by_id ? identity_equal(r.node, id) : strcmp(r.name, wanted) == 0))
            continue;
        if (found) {
            problem_fill(p, E_CONFLICT, "two nodes have the name %s: say which by its identity",
                         wanted);
            return NULL;
        }
        found = &nodes->records[i];
        *ret = r;
    }
    if (!found)
        problem_fill(p, E_NOT_FOUND, "no node has the name or identity %.80s", wanted);
    return found;
}

static bool silent(struct control *c, const struct node_record *node, struct problem *p)
{
    struct heartbeat_set set;
    bool ok;

    if (!board_snapshot(&c->board, &set))
        return problem(p, E_NO_MEMORY, "no memory for the heartbeats");
    if (heartbeats_alive(&set, node->node))
        ok = problem(p, E_CONFLICT, "node %s speaks: stop it first", node->name);
    else
        ok = nodes_heard(&set, p);
    board_release(&set);
    return ok;
}

static bool has_no_disks(struct control *c, const struct node_record *node, struct problem *p)
{
    struct record_list disks;
    bool ok = control_range(c, "disk/", &disks, p);

    if (!ok)
        return false;
    for (uint32_t i = 0; i < disks.count && ok; i++) {
        struct disk_record d;

        if (disk_read(disks.records[i].value, &d) != E_OK)
            ok = problem(p, E_DAMAGED, "the record %s cannot be read", disks.records[i].key);
        else if (identity_equal(d.node, node->node))
            ok = problem(p, E_CONFLICT,
                         "disk %s is recorded in it: move it to another node, or "
                         "remove it, first",
                         identity_show(d.disk).text);
    }
    record_list_free(&disks);
    return ok;
}

static bool has_no_graves(struct control *c, const struct node_record *node, struct problem *p)
{
    char prefix[RECORD_KEY_MAX];
    struct record_list graves;
    bool none;

    snprintf(prefix, sizeof prefix, "grave/%s/", identity_show(node->node).text);
    if (!control_range(c, prefix, &graves, p))
        return false;
    none = graves.count == 0;
    record_list_free(&graves);
    return none || problem(p, E_CONFLICT, "volumes that were deleted wait for node %s", node->name);
}

static bool forget(struct control *c, const struct record *at, struct identity node,
                   struct problem *p)
{
    struct record_transaction *t = transaction_new();
    uint64_t revision;
    enum err err = t ? transaction_compare(t, node_key(node), at->revision) : E_NO_MEMORY;

    if (!err)
        err = transaction_delete(t, node_key(node));
    if (!err)
        err = control_transact(c, t, &revision);
    transaction_free(t);
    if (err)
        control_refused(c, err, p, "node", identity_show(node).text);
    return !err;
}

void node_remove(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct record_list nodes = {0};
    struct node_record node;
    const struct record *at;
    struct problem p;
    bool ok = control_range(c, "node/", &nodes, &p);

    at = ok ? node_named(&nodes, r->params[0], &node, &p) : NULL;
    ok = at && silent(c, &node, &p) && has_no_disks(c, &node, &p) && has_no_graves(c, &node, &p) &&
         forget(c, at, node.node, &p);
    record_list_free(&nodes);
    if (!ok) {
        answer_problem(a, &p);
        return;
    }
    board_forget(&c->board, node.node);
    log_event(c->log, LOG_LEVEL_WARN, "metad", "node_removed", "node=%s name=%s",
              identity_show(node.node).text, node.name);
    a->status = 204;
}
