/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/nodes.c — the nodes: as recorded, and as their last heartbeats say. */
#include "control/api/api.h"
#include "control/api/view.h"

#include <string.h>

static uint32_t volumes_of(const struct record_list *heads, struct identity node)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < heads->count; i++) {
        struct head_record h;

        if (head_read(heads->records[i].value, &h) == E_OK && identity_equal(h.primary, node))
            count++;
    }
    return count;
}

static json_t *strings(char (*texts)[64], uint32_t count)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

static json_t *disks_json(const struct heartbeat *h)
{
    json_t *list = json_array();

    for (uint32_t i = 0; h && i < h->disk_count; i++)
        json_array_append_new(list, json_identity(h->disks[i].disk));
    return list;
}

static const char *node_state(const struct heartbeat *h, const struct heartbeat_set *set)
{
    if (!h || !heartbeats_alive(set, h->node))
        return "silent";
    return h->held[0] ? "held" : "up";
}

static json_t *status_json(const struct heartbeat *h)
{
    return h && *h->status_address ? json_string(h->status_address) : json_null();
}

static json_t *node_json(const struct node_record *r, const struct record_list *heads,
                         const struct heartbeat_set *set)
{
    const struct heartbeat *h = heartbeats_last(set, r->node);
    struct node_record copy = *r;

    return json_pack("{ss ss ss ss so so so so sI so}", "id", identity_show(r->node).text, "name",
                     r->name, "rack", r->rack, "state", node_state(h, set), "incarnation",
                     json_identity(h ? h->incarnation : (struct identity){0}), "portals",
                     h ? strings(h->portals, h->portal_count)
                       : strings(copy.portals, copy.portal_count),
                     "status_address", status_json(h), "disks", disks_json(h), "volumes",
                     (json_int_t)volumes_of(heads, r->node), "seen_ms_ago",
                     h ? json_integer((json_int_t)(set->now_ms - h->arrived_ms)) : json_null());
}

static void list_answer(const struct record_list *nodes, const struct record_list *heads,
                        const struct heartbeat_set *set, const struct paging *page,
                        struct http_answer *a)
{
    json_t *items = json_array();
    struct identity last = {0};
    bool more = false;

    for (uint32_t i = 0; i < nodes->count && !more; i++) {
        struct node_record r;

        if (node_read(nodes->records[i].value, &r) != E_OK || r.node.bits <= page->after.bits)
            continue;
        more = json_array_size(items) == page->limit;
        if (more)
            break;
        json_array_append_new(items, node_json(&r, heads, set));
        last = r.node;
    }
    paging_answer(a, items, more ? last : (struct identity){0});
}

void nodes_list(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct record_list nodes = {0}, heads = {0};
    struct heartbeat_set set = {0};
    struct paging page = {0};
    struct problem p;

    if (!paging_read(r, &page, &p) || !control_range(c, "node/", &nodes, &p) ||
        !control_range(c, "head/", &heads, &p))
        answer_problem(a, &p);
    else if (!board_snapshot(&c->board, &set))
        answer_json(a, 503, NULL);
    else
        list_answer(&nodes, &heads, &set, &page, a);
    board_release(&set);
    record_list_free(&nodes);
    record_list_free(&heads);
}

/* By identity or by name. */
static bool node_find(const struct record_list *nodes, const char *wanted, struct node_record *ret,
                      struct problem *p)
{
    struct identity id;
    bool by_id = identity_parse(wanted, &id);

    for (uint32_t i = 0; i < nodes->count; i++) {
        if (node_read(nodes->records[i].value, ret) != E_OK)
            continue;
        if (by_id ? identity_equal(ret->node, id) : strcmp(ret->name, wanted) == 0)
            return true;
    }
    return problem(p, E_NOT_FOUND, "no node has the name or identity %.80s", wanted);
}

void node_show(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct record_list nodes = {0}, heads = {0};
    struct heartbeat_set set = {0};
    struct node_record node = {0};
    struct problem p;

    if (!control_range(c, "node/", &nodes, &p) || !control_range(c, "head/", &heads, &p) ||
        !node_find(&nodes, r->params[0], &node, &p))
        answer_problem(a, &p);
    else if (!board_snapshot(&c->board, &set))
        answer_json(a, 503, NULL);
    else
        answer_json(a, 200, node_json(&node, &heads, &set));
    board_release(&set);
    record_list_free(&nodes);
    record_list_free(&heads);
}
