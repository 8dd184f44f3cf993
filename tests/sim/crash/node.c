/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/crash/node.c — starts and stops a node in straight lines, turning the world meanwhile.
 */
#include "tests/sim/crash/node.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BOUND_US   (UINT64_C(600) * 1000 * 1000)
#define DISK_BYTES (UINT64_C(24) << 20)
#define VOLUME     ((struct identity){0x0123456789abcdef})
#define DISK(i)    ((struct identity){0xd000 + (i)})
#define REPLICA(i) ((struct identity){0xa000 + (i)})

static const uint64_t shard_blocks[NODE_SHARDS] = {SHARD0_UNITS / 8, SHARD1_UNITS / 8};

static struct store_limits limits(void)
{
    return (struct store_limits){
        .map_bytes = 1u << 20, .stage_bytes = 2u << 20, .checksum_pages = 32, .changes_max = 128};
}

static const char *disk_name(uint32_t i)
{
    return i == 0 ? "disk0" : "disk1";
}

static uint32_t disk_of(const struct node *n, uint32_t shard)
{
    return shard % n->records->disks;
}

void keeper_found(struct keeper_records *r, uint32_t disks)
{
    *r = (struct keeper_records){.disks = disks};
    for (uint32_t i = 0; i < NODE_SHARDS; i++)
        r->is_new[i] = true;
}

/* ---- waiting ---- */

static bool nothing_to_come(void *arg)
{
    const struct node *n = arg;

    return n->to_come == 0 || sim_dead(n->env);
}

/* False: it died. */
static bool await_all(struct node *n)
{
    bool over = sim_run_until(n->sim, nothing_to_come, n, BOUND_US);

    assert(over);
    return !sim_dead(n->env);
}

/* ---- the arbiter: recorded first, answered later, so that a death may fall in between ---- */

static void arbiter_turn(struct timer *t)
{
    struct node_arbiter *a = container_of(t, struct node_arbiter, timer);
    struct node *n = container_of(a, struct node, arbiter);
    struct list *l = list_take(&a->recorded);

    if (l) {
        struct set_change *c = container_of(l, struct set_change, link);

        c->done(c, n->records->epoch == n->epoch ? E_OK : E_NOT_PRIMARY);
    } else if ((l = list_take(&a->waiting)) != NULL) {
        struct set_change *c = container_of(l, struct set_change, link);

        assert(n->records->is_new[c->shard]); /* R4 */
        n->records->is_new[c->shard] = false;
        c->generation = ++n->records->generation;
        list_append(&a->recorded, &c->link);
    }
    if (!list_empty(&a->waiting) || !list_empty(&a->recorded))
        timer_start(&n->env->clock, &a->timer, 1 + sim_draw(n->sim, 3000), arbiter_turn);
}

static void arbiter_change(struct arbiter *arbiter, struct set_change *c)
{
    struct node_arbiter *a = container_of(arbiter, struct node_arbiter, arbiter);
    struct node *n = container_of(a, struct node, arbiter);

    list_append(&a->waiting, &c->link);
    timer_start(&n->env->clock, &a->timer, 1 + sim_draw(n->sim, 3000), arbiter_turn);
}

/* ---- a process ---- */

static void changed(struct volume_events *events, struct volume *v)
{
    (void)events;
    (void)v;
}

static void closed(struct volume_events *events, struct volume *v)
{
    struct node *n = container_of(events, struct node, events);

    volume_free(v);
    n->volume = NULL;
    n->to_come--;
}

struct node *node_new(struct sim *s, struct keeper_records *r)
{
    struct node *n = calloc(1, sizeof *n);

    assert(n);
    n->sim = s;
    n->env = sim_env(s, "node");
    for (uint32_t i = 0; i < NODE_DISKS; i++)
        n->homes[i] = r->apart && i + 1 == r->disks ? sim_env_beside(s, n->env, "home1") : n->env;
    n->records = r;
    n->epoch = ++r->epoch;
    n->arbiter.arbiter.change = arbiter_change;
    list_init(&n->arbiter.waiting);
    list_init(&n->arbiter.recorded);
    n->events.changed = changed;
    n->events.closed = closed;
    return n;
}

static struct disk *disk_here(struct node *n, uint32_t i)
{
    struct disk *d;
    enum err err = disk_open(n->homes[i], disk_name(i), 0, &d);

    assert(err == E_OK);
    return d;
}

static void formatted(struct store_format *f, enum err err)
{
    struct node *n = f->own;

    assert(err == E_OK);
    n->to_come--;
}

/* What formatting leaves on each disk. */
static struct image {
    uint64_t count;
    uint64_t *offsets;
    uint8_t (*pages)[DISK_ALIGN];
} images[NODE_DISKS];

static void keep_image(const struct sim_disk *d, struct image *ret)
{
    static const uint8_t zeros[DISK_ALIGN];
    uint8_t page[DISK_ALIGN];

    for (uint64_t at = 0; at < DISK_BYTES; at += DISK_ALIGN) {
        sim_disk_peek(d, at, page, sizeof page);
        if (memcmp(page, zeros, sizeof page) == 0)
            continue;
        ret->offsets = realloc(ret->offsets, (ret->count + 1) * sizeof *ret->offsets);
        ret->pages = realloc(ret->pages, (ret->count + 1) * sizeof *ret->pages);
        assert(ret->offsets && ret->pages);
        memcpy(ret->pages[ret->count], page, sizeof page);
        ret->offsets[ret->count++] = at;
    }
}

void node_format_disks(void)
{
    struct keeper_records none = {.disks = NODE_DISKS};
    struct sim *s = sim_open(1);
    struct node *n = node_new(s, &none);
    bool alive;

    for (uint32_t i = 0; i < NODE_DISKS; i++) {
        sim_disk_make(s, disk_name(i), DISK_BYTES);
        n->format[i] = (struct store_format){.env = n->env,
                                             .disk = disk_here(n, i),
                                             .identity = DISK(i),
                                             .journal_bytes = 1u << 20,
                                             .done = formatted,
                                             .own = n};
        n->to_come++;
        store_format(&n->format[i]);
    }
    alive = await_all(n);
    assert(alive);
    for (uint32_t i = 0; i < NODE_DISKS; i++) {
        disk_close(n->format[i].disk);
        keep_image(sim_disk_find(s, disk_name(i)), &images[i]);
    }
    sim_close(s);
    free(n);
}

void node_make_disks(struct sim *s, uint32_t disks)
{
    for (uint32_t i = 0; i < disks; i++) {
        struct sim_disk *d = sim_disk_make(s, disk_name(i), DISK_BYTES);

        d->write_through = sim_draw(s, 4) == 0;
        for (uint64_t p = 0; p < images[i].count; p++)
            sim_disk_poke(d, images[i].offsets[p], images[i].pages[p], DISK_ALIGN);
    }
}

static void opened(struct store_open *o, enum err err)
{
    struct node *n = o->own;

    if (err)
        fprintf(stderr, "the store does not open: %s: %s\n", err_name(err), o->why);
    assert(err == E_OK);
    n->to_come--;
}

static bool open_stores(struct node *n)
{
    for (uint32_t i = 0; i < n->records->disks; i++) {
        n->open[i] = (struct store_open){.env = n->homes[i],
                                         .disk = disk_here(n, i),
                                         .limits = limits(),
                                         .done = opened,
                                         .own = n};
        n->to_come++;
        store_open(&n->open[i]);
    }
    return await_all(n);
}

static void made(struct store_change *c, enum err err)
{
    struct node *n = container_of(c, struct node_make, change)->node;

    assert(err == E_OK);
    n->to_come--;
}

/* What the record names and the disk does not have is made; never again once it has a set. */
static bool make_replicas(struct node *n)
{
    for (uint32_t i = 0; i < NODE_SHARDS; i++) {
        struct store *store = n->open[disk_of(n, i)].store;

        if (store_find(store, REPLICA(i)))
            continue;
        assert(n->records->is_new[i]);
        n->make[i] = (struct node_make){.node = n,
                                        .change = {.kind = STORE_MAKE,
                                                   .identity = REPLICA(i),
                                                   .volume = VOLUME,
                                                   .shard = i,
                                                   .size_blocks = shard_blocks[i],
                                                   .done = made}};
        n->to_come++;
        store_change(store, &n->make[i].change);
    }
    return await_all(n);
}

static struct rep_config shard_config(struct node *n, uint32_t i)
{
    return (struct rep_config){
        .volume = VOLUME,
        .shard = i,
        .size_blocks = shard_blocks[i],
        .epoch = n->epoch,
        .generation = n->records->generation,
        .is_new = n->records->is_new[i],
        .min_copies = 1,
        .replica_count = 1,
        .replicas = {{.identity = REPLICA(i),
                      .in_sync = !n->records->is_new[i],
                      .store = n->open[disk_of(n, i)].store}},
    };
}

static bool is_serving(void *arg)
{
    const struct node *n = arg;

    return volume_serving(n->volume) || sim_dead(n->env);
}

static bool serve(struct node *n)
{
    struct rep_config shards[NODE_SHARDS];
    struct volume_config config = {
        .identity = VOLUME,
        .name = "volume",
        .size_bytes = (SHARD0_UNITS + SHARD1_UNITS) * UNIT_BYTES,
        .logical_block_bytes = 512,
        .limits = {.requests_max = 16, .writes_max = 32, .write_bytes_max = 1 << 20},
        .shard_count = NODE_SHARDS,
        .shards = shards,
    };
    bool over;
    enum err err;

    for (uint32_t i = 0; i < NODE_SHARDS; i++)
        shards[i] = shard_config(n, i);
    err = volume_open(n->env, &config, &n->arbiter.arbiter, &n->events, &n->volume);
    assert(err == E_OK);
    over = sim_run_until(n->sim, is_serving, n, BOUND_US);
    if (!over)
        fprintf(stderr, "the volume does not serve: %s\n", volume_why(n->volume));
    assert(over);
    return !sim_dead(n->env);
}

/* ---- its target ---- */

void node_target_name(char ret[ISCSI_NAME_MAX])
{
    iscsi_target_name(ISCSI_PREFIX, VOLUME, ret);
}

static void find_target(struct directory *d, const char *target, const char *initiator,
                        struct directory_answer *ret)
{
    struct node *n = container_of(d, struct node, directory);
    char name[ISCSI_NAME_MAX];

    (void)initiator;
    node_target_name(name);
    *ret = (struct directory_answer){.where = DIRECTORY_UNKNOWN};
    if (strcmp(name, target) != 0)
        return;
    ret->where = DIRECTORY_HERE;
    ret->block = volume_block(n->volume);
    ret->attachment = (struct identity){1};
}

static void list_targets(struct directory *d, const char *initiator,
                         void (*each)(void *arg, const char *target, const char *portal), void *arg)
{
    char name[ISCSI_NAME_MAX];

    (void)d;
    (void)initiator;
    node_target_name(name);
    each(arg, name, NODE_PORTAL);
}

static bool listen_to_initiators(struct node *n)
{
    struct iscsi_config config = {
        .portals = {{NODE_PORTAL}},
        .portal_count = 1,
        .portal_group_tag = 1,
        .limits = iscsi_limits_small(),
    };
    uint32_t portal;
    enum err err;

    if (!n->records->attached)
        return true;
    config.limits.sessions_max = config.limits.half_open_max = 4;
    config.limits.commands_max = 128;
    config.limits.window = 16;
    config.limits.buffer_bytes = 4u << 20;
    config.limits.transfer_bytes_max = 1u << 20;
    n->directory = (struct directory){.find = find_target, .list = list_targets};
    err = iscsi_target_open(n->env, &config, &n->directory, &n->target, &portal);
    assert(err == E_OK);
    return true;
}

static void target_closed(struct iscsi_close *c)
{
    struct node *n = container_of(c, struct node, target_close);

    iscsi_target_free(n->target);
    n->target = NULL;
    n->to_come--;
}

bool node_start(struct node *n)
{
    return open_stores(n) && make_replicas(n) && serve(n) && listen_to_initiators(n);
}

bool node_reopen_volume(struct node *n)
{
    n->to_come++;
    volume_close(n->volume);
    return await_all(n) && serve(n);
}

static void store_closed(struct store_close *c)
{
    container_of(c, struct node_close, close)->node->to_come--;
}

void node_stop(struct node *n)
{
    bool alive;

    if (n->target) {
        n->to_come++;
        n->target_close.done = target_closed;
        iscsi_target_close(n->target, &n->target_close);
        alive = await_all(n);
        assert(alive);
    }
    n->to_come++;
    volume_close(n->volume);
    alive = await_all(n);
    assert(alive);
    for (uint32_t i = 0; i < n->records->disks; i++) {
        n->close[i].node = n;
        n->close[i].close.done = store_closed;
        n->to_come++;
        store_close(n->open[i].store, &n->close[i].close);
    }
    alive = await_all(n);
    assert(alive);
    for (uint32_t i = 0; i < n->records->disks; i++)
        disk_close(n->open[i].disk);
    sim_crash(n->sim, n->env, SIM_KILLED); /* it has nothing left to lose */
    free(n);
}

void node_bury(struct node *n)
{
    sim_abandon(n->sim, n);
}
