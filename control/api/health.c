/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/health.c — one look at the whole: what is silent, what waits, and why. */
#include "base/size.h"
#include "control/api/api.h"
#include "control/api/view.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHY_MAX     16u
#define LISTS       4u  /* nodes, volumes, heads, disks */
#define NEARLY_FULL 20u /* less than one part in so many is free */

struct health {
    uint32_t nodes, nodes_silent, volumes, volumes_waiting;
    const char *iqn_prefix; /* of metad's configuration */
    json_t *why;
    uint32_t more; /* reasons that were left out */
};

static void health_say(struct health *h, json_t *line)
{
    if (json_array_size(h->why) < WHY_MAX) {
        json_array_append_new(h->why, line);
        return;
    }
    h->more++;
    json_decref(line);
}

/* A copy of its folder runs (C9). */
static void say_doubled(struct health *h, const struct heartbeat *node)
{
    health_say(h,
               json_sprintf("node %s is two processes, %s at %s and %s at %s: nothing is changed "
                            "for what lies on its disks; stop the one that is the copy",
                            node->name, identity_show(node->incarnation).text,
                            node->portal_count ? node->portals[0] : "no portal",
                            identity_show(node->before).text,
                            *node->before_portal ? node->before_portal : "no portal"));
}

struct name {
    char text[RECORD_NAME_MAX + 1];
    struct identity node;
};

static int name_order(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static uint32_t names_take(const struct record_list *nodes, struct name *ret)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < nodes->count; i++) {
        struct node_record r;

        if (node_read(nodes->records[i].value, &r) != E_OK)
            continue;
        ret[count].node = r.node;
        memcpy(ret[count++].text, r.name, sizeof r.name);
    }
    return count;
}

/* Both are taken, for a node that lost its folder comes back as another one of its name. */
static void look_at_names(struct health *h, const struct record_list *nodes)
{
    struct name *names = calloc(nodes->count + 1, sizeof *names);
    uint32_t count = names ? names_take(nodes, names) : 0;

    if (count > 1)
        qsort(names, count, sizeof *names, name_order);
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(names[i - 1].text, names[i].text) == 0)
            health_say(h, json_sprintf("two nodes are called %s: %s and %s; give one another name, "
                                       "or remove the one that is gone by its identity",
                                       names[i].text, identity_show(names[i - 1].node).text,
                                       identity_show(names[i].node).text));
    }
    free(names);
}

/* It knows none of the names that are given to initiators. */
static void look_at_prefix(struct health *h, const struct heartbeat *node)
{
    if (*node->iqn_prefix && strcmp(node->iqn_prefix, h->iqn_prefix) != 0)
        health_say(h, json_sprintf("node %s has iqn_prefix %s and metad has %s: initiators do not "
                                   "find its targets; make them the same and start it again",
                                   node->name, node->iqn_prefix, h->iqn_prefix));
}

static void look_at_nodes(struct health *h, const struct record_list *nodes,
                          const struct heartbeat_set *set)
{
    for (uint32_t i = 0; i < nodes->count; i++) {
        const struct heartbeat *alive;
        struct node_record r;

        h->nodes++;
        if (node_read(nodes->records[i].value, &r) != E_OK)
            continue;
        alive = heartbeats_alive(set, r.node);
        if (alive)
            look_at_prefix(h, alive);
        if (!alive) {
            h->nodes_silent++;
            health_say(h, json_sprintf("node %s is silent", r.name));
        } else if (heartbeats_doubled(set, r.node)) {
            say_doubled(h, alive);
        } else if (alive->held[0]) {
            health_say(h, json_sprintf("node %s is held: %s", r.name, alive->held));
        }
    }
}

/* What an operator has to do something about, while all is served yet. */
static void look_at_disk(struct health *h, const struct heartbeat *node,
                         const struct heartbeat_disk *d)
{
    const struct heartbeat_scrub *s = &d->scrub;

    if (d->read_only)
        health_say(h, json_sprintf("disk %s of node %s is read-only", d->path, node->name));
    if (d->chunks_free < d->chunks / NEARLY_FULL)
        health_say(h, json_sprintf("disk %s of node %s is nearly full: %s of %s free", d->path,
                                   node->name, size_show(d->chunks_free << 16).text,
                                   size_show(d->bytes).text));
    if (s->known && (s->bad_blocks > 0 || s->bad_pages > 0))
        health_say(h, json_sprintf("disk %s of node %s: the scrub found %llu bad blocks and %llu "
                                   "bad pages",
                                   d->path, node->name, (unsigned long long)s->bad_blocks,
                                   (unsigned long long)s->bad_pages));
}

/* It was refused, whoever had it then has it or not: it takes a human to say which one counts. */
static void say_aside(struct health *h, const struct heartbeat *node)
{
    for (uint32_t i = 0; i < node->aside_count; i++)
        health_say(h,
                   json_sprintf("node %s leaves its disk %s aside: %s; take it out of the disks "
                                "of the node that must not have it, and start node %s again",
                                node->name, node->asides[i].path, node->asides[i].why, node->name));
}

/* A disk that two nodes list, both speaking: a clone, or one that is plugged in twice (C9). */
static void look_at_disks(struct health *h, const struct heartbeat_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct heartbeat *a = set->items[i], *b;

        if (!heartbeats_alive(set, a->node))
            continue;
        say_aside(h, a);
        for (uint32_t d = 0; d < a->disk_count; d++) {
            look_at_disk(h, a, &a->disks[d]);
            b = heartbeats_rival(set, a->node, a->disks[d].disk);
            if (b && a->node.bits < b->node.bits)
                health_say(h, json_sprintf("disk %s is listed by nodes %s and %s: nothing is "
                                           "changed for what lies on it",
                                           identity_show(a->disks[d].disk).text, a->name, b->name));
        }
    }
}

/* One that is being made waits only if its primary says for what. */
static bool waits(const struct volume_view *v, const struct heartbeat_set *set,
                  char why[HEARTBEAT_WHY_MAX])
{
    enum volume_state state = view_state(v, set, why);
    const struct heartbeat_volume *open = view_serving(v, set);

    return state == VOLUME_WAITING || (state == VOLUME_CREATING && open && open->why[0]);
}

static void look_at_volumes(struct health *h, const struct record_list *volumes,
                            const struct record_list *heads, const struct heartbeat_set *set)
{
    for (uint32_t i = 0; i < volumes->count; i++) {
        char why[HEARTBEAT_WHY_MAX];
        struct volume_view v;

        h->volumes++;
        if (!view_of_records(volumes, heads, i, &v)) {
            health_say(h,
                       json_sprintf("the records of %s cannot be read", volumes->records[i].key));
        } else if (waits(&v, set, why)) {
            h->volumes_waiting++;
            health_say(h, json_sprintf("volume %s waits: %s", v.volume.name, why));
        }
    }
}

/* Of a node that speaks: of a silent one, that says enough. */
static void look_for_disks(struct health *h, const struct record_list *disks,
                           const struct heartbeat_set *set)
{
    for (uint32_t i = 0; i < disks->count; i++) {
        const struct heartbeat *node;
        struct disk_record r;

        if (disk_read(disks->records[i].value, &r) != E_OK)
            continue;
        node = heartbeats_alive(set, r.node);
        if (node && !r.removed && !heartbeat_disk(node, r.disk))
            health_say(h, json_sprintf("disk %s of node %s is not open there",
                                       identity_show(r.disk).text, node->name));
    }
}

static void say_unreadable(struct control *c, struct health *h)
{
    struct record_census census = trouble_census(&c->trouble);

    if (census.unreadable > 0)
        health_say(h, json_sprintf("%u of the records cannot be read, and what they are about is "
                                   "left alone: %s%s",
                                   census.unreadable, census.keys,
                                   census.unreadable > CENSUS_KEYS_SHOWN ? ", …" : ""));
}

static void say_refused(struct control *c, struct health *h)
{
    enum err err = trouble_refused(&c->trouble);

    if (err)
        health_say(h, json_sprintf("the last change of the records was not stored in %s: %s",
                                   c->config.dir, err_text(err)));
}

static void look(struct control *c, struct health *h, const struct record_list lists[LISTS],
                 struct http_answer *a)
{
    struct heartbeat_set set;

    if (!board_snapshot(&c->board, &set))
        set = (struct heartbeat_set){0};
    if (atomic_load(&c->held))
        health_say(h, json_string("a node has seen a newer revision than the keeper holds: "
                                  "nothing is changed"));
    say_unreadable(c, h);
    say_refused(c, h);
    look_at_nodes(h, &lists[0], &set);
    look_at_names(h, &lists[0]);
    look_at_disks(h, &set);
    look_for_disks(h, &lists[3], &set);
    look_at_volumes(h, &lists[1], &lists[2], &set);
    board_release(&set);
    if (h->more > 0)
        json_array_append_new(h->why, json_sprintf("and %u more", h->more));
    answer_json(a, 200,
                json_pack("{ss sI sI sI sI sI so}", "status",
                          json_array_size(h->why) ? "degraded" : "ok", "pid", (json_int_t)getpid(),
                          "nodes", (json_int_t)h->nodes, "nodes_silent",
                          (json_int_t)h->nodes_silent, "volumes", (json_int_t)h->volumes,
                          "volumes_waiting", (json_int_t)h->volumes_waiting, "why", h->why));
}

void health_show(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct record_list lists[LISTS] = {{0}};
    struct health h = {.iqn_prefix = c->config.iqn_prefix};
    struct problem p;

    (void)r;
    if (control_range(c, "node/", &lists[0], &p) && control_range(c, "volume/", &lists[1], &p) &&
        control_range(c, "head/", &lists[2], &p) && control_range(c, "disk/", &lists[3], &p)) {
        h.why = json_array();
        look(c, &h, lists, a);
    } else {
        answer_problem(a, &p);
    }
    for (uint32_t i = 0; i < LISTS; i++)
        record_list_free(&lists[i]);
}
