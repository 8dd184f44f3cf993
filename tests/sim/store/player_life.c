/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/store/player_life.c — format, open, death, open again, and a look at everything. */
#include "base/memory.h"
#include "store/inside.h"
#include "tests/sim/store/contents.h"
#include "tests/sim/store/player.h"

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define DISK_BYTES_USUAL    (UINT64_C(18) << 20)
#define JOURNAL_BYTES_USUAL (UINT64_C(1) << 20)
#define IMAGE_PAGES_MAX     64u
#define LOOK_BLOCKS         256u
#define HEAP_BYTES          (1 << 30)
#define HEAP_HUGE_BYTES     (1 << 28) /* more than a seed takes */

void player_heap_begin(void)
{
    mallopt(M_MMAP_THRESHOLD, HEAP_BYTES);
    mallopt(M_TRIM_THRESHOLD, HEAP_BYTES);
    mallopt(M_TOP_PAD, HEAP_BYTES / 16);
    free(memory_take(BLOCK_BYTES, HEAP_HUGE_BYTES, true));
}

struct store_limits player_limits(void)
{
    return (struct store_limits){.replicas_max = 32,
                                 .map_bytes = 1u << 18,
                                 .stage_bytes = 4u << 20,
                                 .checksum_pages = 8,
                                 .changes_max = MODEL_UNANSWERED};
}

static void start(struct player *p)
{
    enum err err;

    p->env = sim_env(p->sim, "node");
    err = disk_open(p->env, "disk", 0, &p->disk);
    assert(!err);
    p->store = NULL;
    if (p->config.started)
        p->config.started(p);
}

static bool over_or_dead(void *arg)
{
    const struct player *p = arg;

    return p->over || sim_dead(p->env);
}

bool player_await(struct player *p, const char *what)
{
    return sim_run_until(p->sim, over_or_dead, p, 0) ||
           sim_run_until(p->sim, over_or_dead, p, PLAYER_BOUND_US) ||
           model_wrong(&p->model, "%s never ends", what);
}

/* ---- format: once a process, put onto many disks ---- */

static struct image {
    uint64_t disk_bytes, journal_bytes;
    uint32_t count; /* 0: not taken yet */
    struct image_page {
        uint64_t offset;
        uint8_t bytes[BLOCK_BYTES];
    } pages[IMAGE_PAGES_MAX];
} image;

static void format_done(struct store_format *f, enum err err)
{
    struct player *p = f->own;

    p->over = true;
    p->err = err;
}

static void image_take(const struct player_config *config)
{
    static const uint8_t zeros[BLOCK_BYTES];
    struct player p = {.sim = sim_open(0)};
    struct store_format f = {.identity = {0xd15c000000000001},
                             .journal_bytes = config->journal_bytes,
                             .done = format_done,
                             .own = &p};
    bool ended;

    p.medium = sim_disk_make(p.sim, "disk", config->disk_bytes);
    start(&p);
    f.env = p.env;
    f.disk = p.disk;
    store_format(&f);
    ended = player_await(&p, "format");
    assert(ended && !p.err);
    image.disk_bytes = config->disk_bytes;
    image.journal_bytes = config->journal_bytes;
    image.count = 0;
    for (uint64_t at = 0; at < config->disk_bytes; at += BLOCK_BYTES) {
        struct image_page *page = &image.pages[image.count];

        assert(image.count < IMAGE_PAGES_MAX);
        page->offset = at;
        sim_disk_peek(p.medium, at, page->bytes, BLOCK_BYTES);
        image.count += memcmp(page->bytes, zeros, BLOCK_BYTES) != 0;
    }
    sim_close(p.sim);
}

static struct player_config with_defaults(const struct player_config *config)
{
    struct player_config c = *config;

    if (!c.disk_bytes)
        c.disk_bytes = DISK_BYTES_USUAL;
    if (!c.journal_bytes)
        c.journal_bytes = JOURNAL_BYTES_USUAL;
    if (!c.limits.changes_max)
        c.limits = player_limits();
    return c;
}

void player_prepare(void)
{
    struct player_config config = with_defaults(&(struct player_config){0});

    image_take(&config);
}

static void image_put(struct player *p)
{
    if (image.count == 0 || image.disk_bytes != p->config.disk_bytes ||
        image.journal_bytes != p->config.journal_bytes)
        image_take(&p->config);
    for (uint32_t i = 0; i < image.count; i++)
        sim_disk_poke(p->medium, image.pages[i].offset, image.pages[i].bytes, BLOCK_BYTES);
}

struct player *player_open(const struct player_config *config)
{
    struct player *p = calloc(1, sizeof *p);
    struct player_result r;

    assert(p);
    p->config = with_defaults(config);
    if (config->trace)
        setenv("SIM_TRACE", "1", 1);
    model_init(&p->model);
    p->sim = sim_open(config->seed);
    p->medium = sim_disk_make(p->sim, "disk", p->config.disk_bytes);
    p->medium->write_through = config->write_through;
    image_put(p);
    start(p);
    r = player_reopen(p);
    assert(r.opened == PLAYER_OPEN);
    p->reopens = 0;
    return p;
}

/*
 * Nothing of a dead store runs again: most of its memory, what holds nothing that was allocated
 * apart, goes to the next one.  The rest is left as it was, as the world wants it.
 */
static void reuse_memory_of(struct store *s)
{
    if (!s) /* it died before it had any */
        return;
    free(s->open_writes.memory);
    free(s->leaves.memory);
    free(s->stage.blocks.memory);
    free(s->stage.chunks.memory);
    free(s->cache.memory);
    free(s->checkpoint.log_memory);
    free(s->checkpoint.job_memory);
    free(s->reads.memory);
    free(s->journal.redirects.memory);
    for (uint32_t i = 0; i < GROUPS_MAX; i++) {
        free(s->journal.groups[i].items);
        free(s->journal.groups[i].meta);
    }
}

/* What a dead process had asked for, or what the end of the world cuts. */
static void drop_requests(struct player *p)
{
    for (uint32_t i = 0; i < MODEL_UNANSWERED; i++) {
        free(p->changes[i].bytes);
        free(p->changes[i].checksums);
        p->changes[i] = (struct player_change){0};
    }
    for (uint32_t i = 0; i < PLAYER_READS; i++) {
        if (p->reads[i].busy)
            free(p->reads[i].bytes);
        p->reads[i].busy = false;
    }
    p->reads_busy = 0;
}

void player_close(struct player *p)
{
    if (p->store)
        sim_abandon(p->sim, p->store);
    sim_close(p->sim);
    drop_requests(p);
    model_done(&p->model);
    free(p);
}

/* ---- the end of a process ---- */

void player_crash(struct player *p, enum sim_death death)
{
    if (p->store) /* else it died again before it was open */
        p->model.disk_full = player_may_be_full(p);
    if (p->store)
        sim_abandon(p->sim, p->store);
    if (!sim_dead(p->env))
        sim_crash(p->sim, p->env, death);
    reuse_memory_of(p->store);
    p->crashes++;
    drop_requests(p);
    start(p);
}

static void close_done(struct store_close *c)
{
    ((struct player *)c->own)->over = true;
}

bool player_stop(struct player *p)
{
    p->over = false;
    p->closing = (struct store_close){.done = close_done, .own = p};
    store_close(p->store, &p->closing);
    if (!player_await(p, "close") || sim_dead(p->env))
        return false;
    p->store = NULL;
    sim_crash(p->sim, p->env, SIM_KILLED); /* nothing is left of it but its env */
    start(p);
    return true;
}

/* ---- open ---- */

static void open_done(struct store_open *o, enum err err)
{
    struct player *p = o->own;

    p->over = true;
    p->err = err;
}

static struct player_result opened(const struct player *p, enum player_opened how)
{
    struct player_result r = {.opened = how, .err = p->err};

    memcpy(r.why, p->opening.why, sizeof r.why);
    return r;
}

struct player_result player_reopen(struct player *p)
{
    p->over = false;
    p->err = E_OK;
    p->opening = (struct store_open){
        .env = p->env, .disk = p->disk, .limits = p->config.limits, .done = open_done, .own = p};
    store_open(&p->opening);
    if (!player_await(p, "open"))
        return opened(p, PLAYER_REFUSED);
    if (!p->over) {
        sim_abandon(p->sim, p->opening.store);
        sim_abandon(p->sim, p->opening.opening);
        reuse_memory_of(p->opening.store);
        p->deaths_in_recovery++;
        return opened(p, PLAYER_DIED);
    }
    player_tell(p, "opened: %s %s", err_text(p->err), p->opening.why);
    if (p->err)
        return opened(p, PLAYER_REFUSED);
    p->store = p->opening.store;
    p->reopens++;
    if (!player_look(p) && sim_dead(p->env))
        return opened(p, PLAYER_DIED);
    return opened(p, PLAYER_OPEN);
}

/* ---- a look at everything ---- */

static void look_done(struct store_read *read, enum err err)
{
    struct player *p = read->own;

    p->over = true;
    p->err = err;
}

/* False: it died, or the read never ended. */
static bool look_read(struct player *p, struct store_replica *r, struct extent e, uint8_t *bytes)
{
    struct iovec piece = {bytes, e.count * BLOCK_BYTES};
    struct player_read *own = &p->reads[0]; /* none is busy */

    p->over = false;
    own->piece = piece;
    own->read = (struct store_read){.replica = r,
                                    .extent = e,
                                    .pieces = &own->piece,
                                    .piece_count = 1,
                                    .done = look_done,
                                    .own = p};
    store_read(&own->read);
    return player_await(p, "a read") && p->over;
}

/* The SALVAGE that was under way, and nothing else; NULL: there was none. */
static const struct model_change *salvage_under_way(const struct model *m)
{
    const struct model_change *c = &m->changes[m->answered];

    return m->answered < m->change_count && c->kind == STORE_SALVAGE ? c : NULL;
}

static uint32_t slot_of(const struct player *p, const struct store_replica *r)
{
    const struct model_change *salvage = salvage_under_way(&p->model);
    struct store_facts f;
    uint32_t slot = 0;

    store_facts(r, &f);
    if (salvage && identity_equal(salvage->identity, f.replica))
        return salvage->replica;
    while (slot < MODEL_REPLICAS && !identity_equal(p->model.replicas[slot].identity, f.replica))
        slot++;
    return slot;
}

/* What a run of blocks shows: at once, or, if one of them is bad, block by block. */
static bool look_at(struct player *p, struct store_replica *r, struct extent e, uint64_t *ret)
{
    static uint8_t bytes[LOOK_BLOCKS * BLOCK_BYTES];
    struct identity born = p->model.replicas[slot_of(p, r)].born;

    if (!look_read(p, r, e, bytes))
        return false;
    for (uint64_t i = 0; i < e.count && !p->err; i++)
        ret[i] = contents_version(bytes + i * BLOCK_BYTES, born, e.start + i);
    if (!p->err)
        return true;
    if (p->err != E_MEDIUM && !(p->err == E_DISK && p->model.disk_ails))
        return model_wrong(&p->model, "a read failed with \"%s\"", err_text(p->err));
    if (e.count == 1) {
        ret[0] = SHOWN_ERROR;
        p->look_errors++;
        return true;
    }
    for (uint64_t i = 0; i < e.count; i++)
        if (!look_at(p, r, (struct extent){e.start + i, 1}, &ret[i]))
            return false;
    return true;
}

static bool look_at_replica(struct player *p, struct store_replica *r, struct model_sight *ret)
{
    uint64_t blocks;

    ret->exists = true;
    store_facts(r, &ret->facts);
    blocks = min_u64(ret->facts.size_blocks, MODEL_BLOCKS);
    ret->shown = calloc(MODEL_BLOCKS, sizeof *ret->shown);
    ret->open = calloc(OPEN_EXTENTS_MAX, sizeof *ret->open);
    ret->mapped = calloc(MODEL_BLOCKS, sizeof *ret->mapped);
    assert(ret->shown && ret->open && ret->mapped);
    for (uint64_t b = 0; b < blocks; b++)
        ret->mapped[b] = map_entry(r, (uint32_t)(b / CHUNK_BLOCKS)) != 0;
    ret->open_count = store_open_writes(r, ret->open, OPEN_EXTENTS_MAX);
    for (uint64_t b = 0; b < blocks; b += LOOK_BLOCKS)
        if (!look_at(p, r, (struct extent){b, min_u64(LOOK_BLOCKS, blocks - b)}, &ret->shown[b]))
            return false;
    return true;
}

static bool look_at_all(struct player *p, struct model_sight *sights)
{
    for (struct store_replica *r = store_next(p->store, NULL); r; r = store_next(p->store, r)) {
        uint32_t slot = slot_of(p, r);

        if (slot == MODEL_REPLICAS)
            return model_wrong(&p->model, "there is a replica that was deleted, or never made");
        if (!look_at_replica(p, r, &sights[slot]))
            return false;
        p->damaged += sights[slot].facts.damaged;
    }
    return true;
}

/* After a crash the names of writes go on behind what is there. */
static void go_on(struct player *p)
{
    for (uint32_t i = 0; i < MODEL_REPLICAS; i++)
        if (p->model.replicas[i].certain.exists &&
            p->model.replicas[i].certain.last_epoch == p->epoch[i])
            p->seq[i] = max_u64(p->seq[i], p->model.replicas[i].certain.last_seq);
}

/* A SALVAGE that nobody answered was done if the replica has its new identity. */
static bool settle_salvage(struct player *p)
{
    const struct model_change *c = salvage_under_way(&p->model);

    if (!c || !store_find(p->store, c->identity))
        return true;
    return model_answer(&p->model, c->version, E_OK);
}

bool player_look(struct player *p)
{
    struct model_sight sights[MODEL_REPLICAS] = {0};
    bool firm = !store_space(p->store).read_only, fine;

    assert(p->reads_busy == 0);
    fine = look_at_all(p, sights) && settle_salvage(p);
    if (p->config.judging)
        p->config.judging(p);
    fine = fine && model_settle(&p->model, sights, firm);
    for (uint32_t i = 0; i < MODEL_REPLICAS; i++) {
        free(sights[i].shown);
        free(sights[i].open);
        free(sights[i].mapped);
    }
    go_on(p);
    fine = fine && (!firm || player_ask_notes(p));
    if (fine && firm && p->config.settled)
        p->config.settled(p);
    if (p->model.wrong[0])
        player_tell(p, "wrong: %s", p->model.wrong);
    return fine;
}
