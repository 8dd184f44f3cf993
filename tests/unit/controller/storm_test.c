/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller among nodes that restart and a network that loses, doubles and reorders, from a
 * seed: whatever the order, nothing forbidden is written, and when the weather clears everything
 * wanted comes true.
 *
 * A node is what storaged promises to be: it sees records late, never goes back, opens what names
 * its present process, closes what is marked, and deletes a replica only by its grave.
 */
#include "tests/unit/controller/stage.h"

#define NODES   3u
#define VOLUMES 12u
#define ROUNDS  300u
#define FLIGHT  24u /* heartbeats on their way */

struct storm_node {
    uint64_t incarnation, revision; /* the process; what it has seen */
    bool running;
    bool open[VOLUMES + 1];
    uint64_t epoch[VOLUMES + 1];
    bool has[VOLUMES + 1][3];    /* replicas on its disk, by shard; they outlive the process */
    bool buried[VOLUMES + 1][3]; /* graves done                                             */
    bool known[VOLUMES + 1], drained[VOLUMES + 1]; /* the volume's one attachment */
};

struct storm {
    struct stage *stage;
    uint64_t chance;
    struct storm_node nodes[NODES + 1];
    struct heartbeat *flight[FLIGHT];
    struct record_list stale; /* an older answer to "all records" */
    bool born[VOLUMES + 1];   /* once only: identities are never reused  */
    bool wants[VOLUMES + 1];  /* the volume shall be there in the end    */
    bool attach[VOLUMES + 1]; /* … and its attachment                    */
};

static uint64_t draw(struct storm *s, uint64_t below)
{
    s->chance ^= s->chance << 13;
    s->chance ^= s->chance >> 7;
    s->chance ^= s->chance << 17;
    return s->chance % below;
}

static uint64_t home(uint64_t volume)
{
    return volume % NODES + 1;
}

static struct identity attachment_of(uint64_t volume)
{
    return ID(0xaa00 + volume);
}

/* ---- users ---- */

static bool marked(struct storm *s, uint64_t volume)
{
    struct volume_record r;
    char *json = stage_get(s->stage, volume_key(ID(volume)));
    bool deleting = json && volume_read(json, &r) == E_OK && r.deleting;

    free(json);
    return deleting;
}

static void user_acts(struct storm *s)
{
    uint64_t v = 1 + draw(s, VOLUMES), what = draw(s, 12);
    struct record_key key = attachment_key(ID(v), attachment_of(v));
    bool there = stage_has(s->stage, volume_key(ID(v)));

    if (what < 4 && !s->born[v]) {
        stage_volume(s->stage, v, home(v), s->nodes[home(v)].incarnation);
        s->born[v] = s->wants[v] = true;
    } else if (what < 6 && there && s->wants[v] && !stage_has(s->stage, key)) {
        stage_attachment(s->stage, v, attachment_of(v).bits, false);
        s->attach[v] = true;
    } else if (what < 8 && s->attach[v]) {
        stage_attachment(s->stage, v, attachment_of(v).bits, true);
        s->attach[v] = false;
    } else if (what == 8 && there && s->wants[v] && !stage_has(s->stage, key)) {
        stage_mark(s->stage, v, true);
        s->wants[v] = false;
    }
}

/* ---- nodes ---- */

static void node_restarts(struct storm *s, uint64_t node)
{
    struct storm_node *n = &s->nodes[node];

    n->running = !n->running;
    n->incarnation = 0x10000 + draw(s, 1ull << 40);
    n->revision = 0;
    memset(n->open, 0, sizeof n->open);
    memset(n->known, 0, sizeof n->known);
    memset(n->drained, 0, sizeof n->drained);
}

static void node_sees_volume(struct storm *s, uint64_t node, uint64_t v)
{
    struct storm_node *n = &s->nodes[node];
    struct head_record head = {0};
    char *json = stage_get(s->stage, head_key(ID(v)));

    if (json)
        assert_int_equal(head_read(json, &head), E_OK);
    free(json);
    n->open[v] =
        head.primary.bits == node && head.incarnation.bits == n->incarnation && !marked(s, v);
    n->epoch[v] = head.epoch;
    for (uint32_t i = 0; i < 3; i++) {
        bool grave = stage_has(s->stage, grave_key(ID(node), stage_replica(v, i)));

        if (n->open[v])
            n->has[v][i] = true;
        if (grave)
            n->has[v][i] = false;
        n->buried[v][i] = grave;
    }
}

static void node_sees_attachment(struct storm *s, uint64_t node, uint64_t v)
{
    struct storm_node *n = &s->nodes[node];
    struct attachment_record r = {0};
    char *json = stage_get(s->stage, attachment_key(ID(v), attachment_of(v)));

    if (json)
        assert_int_equal(attachment_read(json, &r), E_OK);
    n->known[v] = json && n->open[v];
    n->drained[v] = r.ending;
    free(json);
}

static void node_sees(struct storm *s, uint64_t node)
{
    struct record_list l;

    assert_int_equal(keeper_range(s->stage->keeper, "~", &l), E_OK);
    s->nodes[node].revision = l.revision;
    for (uint64_t v = 1; v <= VOLUMES; v++) {
        node_sees_volume(s, node, v);
        node_sees_attachment(s, node, v);
    }
}

static struct heartbeat *node_speaks(struct storm *s, uint64_t node)
{
    struct storm_node *n = &s->nodes[node];
    struct heartbeat *h = stage_heartbeat(s->stage, node, n->incarnation);

    s->stage->set.count--; /* it is on its way, not there */
    h->revision = n->revision;
    for (uint64_t v = 1; v <= VOLUMES; v++) {
        if (n->open[v])
            says_open(h, v);
        if (n->known[v])
            says_attachment(h, attachment_of(v).bits, n->drained[v]);
        for (uint32_t i = 0; i < 3; i++) {
            if (n->buried[v][i])
                says_buried(h, stage_replica(v, i));
        }
    }
    return h;
}

/* ---- the weather ---- */

static void heartbeat_arrives(struct storm *s, struct heartbeat *h)
{
    struct heartbeat_set *set = &s->stage->set;

    heartbeat_get(h);
    h->arrived_ms = set->now_ms;
    for (uint32_t i = 0; i < set->count; i++) {
        if (identity_equal(set->items[i]->node, h->node)) {
            heartbeat_put(set->items[i]);
            set->items[i] = h;
            return;
        }
    }
    set->items[set->count++] = h;
}

/* Lost when the place is taken; one in flight arrives now, later, or twice. */
static void network_acts(struct storm *s)
{
    uint64_t node = 1 + draw(s, NODES), from = draw(s, FLIGHT), to = draw(s, FLIGHT);

    if (s->nodes[node].running && !s->flight[to])
        s->flight[to] = node_speaks(s, node);
    if (s->flight[from]) {
        heartbeat_arrives(s, s->flight[from]);
        if (draw(s, 3) != 0) { /* else it will come again */
            heartbeat_put(s->flight[from]);
            s->flight[from] = NULL;
        }
    }
}

/* ---- what the controller may and may not ---- */

static bool is_page(const char *key)
{
    return strncmp(key, "page/", 5) == 0;
}

/* Nobody who serves the volume still lets its initiator in. */
static void check_detached(struct storm *s, uint64_t v)
{
    struct head_record head = stage_head(s->stage, v);

    assert_false(s->attach[v]);
    for (uint64_t n = 1; n <= NODES; n++) {
        const struct storm_node *at = &s->nodes[n];

        if (at->running && at->open[v] && at->epoch[v] == head.epoch)
            assert_false(at->known[v] && !at->drained[v]);
    }
}

static void check_put(struct storm *s, const struct record_put *p)
{
    uint64_t node, replica;

    if (strncmp(p->key, "attachment/", 11) == 0)
        check_detached(s, strtoull(p->key + 11, NULL, 16));

    if (is_page(p->key))
        assert_null(p->value); /* C5 */
    if (strncmp(p->key, "grave/", 6) == 0 && p->value) {
        assert_int_equal(sscanf(p->key, "grave/%16lx/%16lx", &node, &replica), 2);
        assert_true(marked(s, replica / 0x100000)); /* C6 */
        for (uint64_t n = 1; n <= NODES; n++) {     /* nobody serves what is buried */
            struct head_record head = stage_head(s->stage, replica / 0x100000);

            assert_false(s->nodes[n].running && s->nodes[n].open[replica / 0x100000] &&
                         s->nodes[n].epoch[replica / 0x100000] == head.epoch);
        }
    }
    if (strncmp(p->key, "volume/", 7) == 0) {
        assert_null(p->value);
        assert_true(marked(s, strtoull(p->key + 7, NULL, 16)));
    }
}

static void check_epoch(struct storm *s, const struct record_put *p)
{
    struct head_record wish;

    if (strncmp(p->key, "head/", 5) != 0 || !p->value)
        return;
    assert_int_equal(head_read(p->value, &wish), E_OK);
    assert_int_equal(wish.epoch, stage_head(s->stage, wish.volume.bits).epoch + 1);
    assert_int_equal(wish.generation, 1);
}

static bool would_hold(struct storm *s, const struct record_transaction *t)
{
    struct record_transaction *only = malloc(sizeof *only);
    uint64_t revision;
    bool holds;

    transaction_init(only);
    memcpy(only->compares, t->compares, sizeof t->compares);
    only->compare_count = t->compare_count;
    holds = keeper_transact(s->stage->keeper, only, &revision) == E_OK;
    free(only);
    return holds;
}

/* A transaction is lost on the way there, or (the same to us) its answer on the way back. */
static void change_travels(struct storm *s, const struct change *c, bool calm)
{
    uint64_t revision;

    if ((!calm && draw(s, 4) == 0) || !would_hold(s, &c->transaction))
        return;
    for (uint32_t i = 0; i < c->transaction.put_count; i++) {
        check_put(s, &c->transaction.puts[i]);
        check_epoch(s, &c->transaction.puts[i]);
    }
    assert_int_equal(keeper_transact(s->stage->keeper, &c->transaction, &revision), E_OK);
}

/* Decides on records that may be old; what it wants is tried against those that are. */
static void controller_acts(struct storm *s, bool calm)
{
    struct changes *c = &s->stage->changes;

    if (calm || draw(s, 2) == 0) {
        record_list_free(&s->stale);
        assert_int_equal(keeper_range(s->stage->keeper, "", &s->stale), E_OK);
    }
    changes_done(c);
    reconcile(&s->stale, &s->stage->set, draw(s, UINT64_MAX), c);
    for (uint32_t i = 0; i < c->count; i++)
        change_travels(s, &c->items[i], calm);
}

/* ---- the story ---- */

static void one_round(struct storm *s)
{
    s->stage->set.now_ms += draw(s, 900);
    user_acts(s);
    if (draw(s, 20) == 0)
        node_restarts(s, 1 + draw(s, NODES));
    for (uint64_t n = 1; n <= NODES; n++) {
        if (s->nodes[n].running && draw(s, 2) == 0)
            node_sees(s, n);
    }
    network_acts(s);
    network_acts(s);
    controller_acts(s, false);
}

static void the_weather_clears(struct storm *s)
{
    for (uint32_t i = 0; i < FLIGHT; i++) {
        heartbeat_put(s->flight[i]);
        s->flight[i] = NULL;
    }
    for (uint64_t n = 1; n <= NODES; n++) {
        if (!s->nodes[n].running)
            node_restarts(s, n);
    }
    for (uint32_t round = 0; round < 40; round++) {
        s->stage->set.now_ms += 500;
        for (uint64_t n = 1; n <= NODES; n++) {
            struct heartbeat *h;

            node_sees(s, n);
            h = node_speaks(s, n);
            heartbeat_arrives(s, h);
            heartbeat_put(h);
        }
        controller_acts(s, true);
    }
}

static void expect_all_true(struct storm *s)
{
    assert_int_equal(s->stage->changes.count, 0); /* and nothing more to do */
    for (uint64_t v = 1; v <= VOLUMES; v++) {
        const struct storm_node *n = &s->nodes[home(v)];

        assert_int_equal(stage_has(s->stage, volume_key(ID(v))), s->wants[v]);
        assert_int_equal(stage_has(s->stage, attachment_key(ID(v), attachment_of(v))),
                         s->attach[v]);
        assert_int_equal(n->open[v], s->wants[v]);
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(n->has[v][i], s->wants[v]);
            assert_false(stage_has(s->stage, grave_key(ID(home(v)), stage_replica(v, i))));
        }
        if (s->wants[v])
            assert_int_equal(stage_head(s->stage, v).incarnation.bits, n->incarnation);
    }
}

static void one_storm(uint64_t seed)
{
    struct storm *s = calloc(1, sizeof *s);

    print_message("seed=0x%llx\n", (unsigned long long)seed);
    s->stage = stage_new();
    s->chance = seed;
    for (uint64_t n = 1; n <= NODES; n++) {
        stage_node(s->stage, n);
        node_restarts(s, n);
    }
    for (uint32_t i = 0; i < ROUNDS; i++)
        one_round(s);
    the_weather_clears(s);
    expect_all_true(s);
    record_list_free(&s->stale);
    stage_free(s->stage);
    free(s);
}

static void whatever_is_lost_doubled_or_late_it_comes_true(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 12; i++)
        one_storm(i * 0x9e3779b97f4a7c15ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_lost_doubled_or_late_it_comes_true),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
