/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/volume/homes_threads_test.c — two real reactors on threads of their own, one store.
 *
 * The store lives at the second; of two volumes upon it one lives there, too, and is served by
 * calls, the other lives at the first, and all that it wants of the store is mail.  Both are
 * written, compared and zeroed and read back by many askers at once, grow meanwhile, and close.
 * Also under the thread sanitizer.
 */
#include "env/uring/reactor.h"
#include "volume/volume.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S         240
#define IMAGE              "homes-test.img"
#define DISK_BYTES         (UINT64_C(64) << 20)
#define SHARDS             2u
#define SHARD_BLOCKS_FIRST 300u
#define GROWN_BLOCKS       (SHARD_BLOCKS_FIRST + 200u)
#define ASKERS             8u
#define ROUNDS             40u
#define AREA_UNITS         72u /* of each asker: 9 blocks, the ends of which it does not fill */

struct side {
    struct reactor *reactor;
    struct env *env;
    pthread_t thread;
};

struct asker {
    struct place *place;
    struct block_request request;
    struct iovec piece;
    uint8_t *bytes;
    struct extent units;
    uint32_t step;
    struct block_run run;
};

/* A volume, at its home. */
struct place {
    struct scene *scene;
    struct side *side;
    struct rep_config shards[SHARDS];
    struct arbiter arbiter;
    struct timer timer;
    struct list changes;
    uint64_t generation;
    struct volume_events events;
    struct volume *volume;
    struct volume_resize resize;
    struct asker askers[ASKERS];
    uint32_t busy;
    bool served;
};

struct scene {
    struct side sides[2];
    struct disk *disk;
    struct store_format format;
    struct store_open open;
    struct store_close close;
    struct store_change make[2 * SHARDS];
    struct store *store;
    struct place places[2];
    sem_t done; /* what the test waits for */
};

/* ---- a thing at a time, where it belongs ---- */

struct visit {
    struct mail mail;
    void (*run)(void *);
    void *arg;
};

static void visit_opened(struct mail *m)
{
    struct visit *v = container_of(m, struct visit, mail);

    v->run(v->arg);
}

static void begin(struct side *side, struct visit *v, void (*run)(void *), void *arg)
{
    *v = (struct visit){.mail.opened = visit_opened, .run = run, .arg = arg};
    mail_send(side->env, &v->mail);
}

static void await(struct scene *s)
{
    while (sem_wait(&s->done) != 0)
        ;
}

/* `run` sees to it that `done` is posted. */
static void at(struct side *side, struct scene *s, void (*run)(void *), void *arg)
{
    struct visit v;

    begin(side, &v, run, arg);
    await(s);
}

static void both_begin(struct scene *s, struct visit v[2], void (*run)(void *))
{
    for (uint32_t i = 0; i < 2; i++)
        begin(s->places[i].side, &v[i], run, &s->places[i]);
}

/* … and until both have done it. */
static void both(struct scene *s, void (*run)(void *))
{
    struct visit v[2];

    both_begin(s, v, run);
    await(s);
    await(s);
}

/* ---- the store ---- */

static void made(struct store_change *c, enum err err)
{
    struct scene *s = c->own;

    assert(err == E_OK);
    if (c == &s->make[2 * SHARDS - 1]) /* answered in order */
        sem_post(&s->done);
}

static void opened(struct store_open *o, enum err err)
{
    struct scene *s = o->own;

    assert(err == E_OK);
    s->store = o->store;
    for (uint32_t i = 0; i < 2 * SHARDS; i++) {
        s->make[i] = (struct store_change){.kind = STORE_MAKE,
                                           .identity = {100 + i},
                                           .volume = {1 + i / SHARDS},
                                           .shard = i % SHARDS,
                                           .size_blocks = SHARD_BLOCKS_FIRST,
                                           .done = made,
                                           .own = s};
        store_change(s->store, &s->make[i]);
    }
}

static void formatted(struct store_format *f, enum err err)
{
    struct scene *s = f->own;

    assert(err == E_OK);
    s->open = (struct store_open){.env = s->sides[1].env,
                                  .disk = s->disk,
                                  .limits = {.map_bytes = 1u << 20,
                                             .stage_bytes = 4u << 20,
                                             .checksum_pages = 64,
                                             .changes_max = 256},
                                  .done = opened,
                                  .own = s};
    store_open(&s->open);
}

static void store_begins(void *arg)
{
    struct scene *s = arg;
    enum err err = disk_open(s->sides[1].env, IMAGE, DISK_BYTES, &s->disk);

    assert(err == E_OK);
    s->format = (struct store_format){.env = s->sides[1].env,
                                      .disk = s->disk,
                                      .identity = {77},
                                      .journal_bytes = 1u << 20,
                                      .done = formatted,
                                      .own = s};
    store_format(&s->format);
}

static void store_closed(struct store_close *c)
{
    struct scene *s = c->own;

    disk_close(s->disk);
    sem_post(&s->done);
}

static void store_ends(void *arg)
{
    struct scene *s = arg;

    s->close = (struct store_close){.done = store_closed, .own = s};
    store_close(s->store, &s->close);
}

/* ---- volumes ---- */

static void change_due(struct timer *t)
{
    struct place *p = container_of(t, struct place, timer);
    struct list *l;

    while ((l = list_take(&p->changes)) != NULL) {
        struct set_change *c = container_of(l, struct set_change, link);

        c->generation = ++p->generation;
        c->done(c, E_OK);
    }
}

static void change(struct arbiter *a, struct set_change *c)
{
    struct place *p = container_of(a, struct place, arbiter);

    list_append(&p->changes, &c->link);
    timer_start(&p->side->env->clock, &p->timer, 500, change_due);
}

static void volume_changed(struct volume_events *events, struct volume *v)
{
    struct place *p = container_of(events, struct place, events);

    if (!p->served && volume_serving(v)) {
        p->served = true;
        sem_post(&p->scene->done);
    }
}

static void volume_closed(struct volume_events *events, struct volume *v)
{
    struct place *p = container_of(events, struct place, events);

    volume_free(v);
    sem_post(&p->scene->done);
}

static void volume_begins(void *arg)
{
    struct place *p = arg;
    uint64_t number = (uint64_t)(p - p->scene->places);
    struct volume_config config = {.identity = {1 + number},
                                   .size_bytes = 2 * SHARD_BLOCKS_FIRST * BLOCK_BYTES,
                                   .logical_block_bytes = UNIT_BYTES,
                                   .limits = volume_limits_default(),
                                   .shard_count = SHARDS,
                                   .shards = p->shards};
    enum err err;

    for (uint32_t i = 0; i < SHARDS; i++)
        p->shards[i] = (struct rep_config){
            .volume = config.identity,
            .shard = i,
            .size_blocks = SHARD_BLOCKS_FIRST,
            .epoch = 1,
            .is_new = true,
            .min_copies = 1,
            .replica_count = 1,
            .replicas = {{.identity = {100 + number * SHARDS + i}, .store = p->scene->store}}};
    p->arbiter.change = change;
    list_init(&p->changes);
    p->events = (struct volume_events){.changed = volume_changed, .closed = volume_closed};
    err = volume_open(p->side->env, &config, &p->arbiter, &p->events, &p->volume);
    assert(err == E_OK);
}

static void resized(struct volume_resize *r, enum err err)
{
    struct place *p = container_of(r, struct place, resize);

    assert(err == E_OK);
    sem_post(&p->scene->done);
}

static void volume_grows(void *arg)
{
    struct place *p = arg;

    p->shards[SHARDS - 1].size_blocks = GROWN_BLOCKS;
    p->resize =
        (struct volume_resize){.size_bytes = (SHARD_BLOCKS_FIRST + GROWN_BLOCKS) * BLOCK_BYTES,
                               .shard_count = SHARDS,
                               .shards = p->shards,
                               .done = resized};
    volume_resize(p->volume, &p->resize);
}

static void volume_ends(void *arg)
{
    volume_close(((struct place *)arg)->volume);
}

/* ---- askers: each goes through its steps, on an area of its own, again and again ---- */

/* clang-format off */
static const struct {
    enum block_op op;
    int fill;  /* of what is written: round + fill; of a read: what must be there */
    uint32_t skip, less; /* units left out at the beginning and at the end */
} steps[] = {
    {BLOCK_WRITE, 0, 0, 0}, {BLOCK_READ, 0, 0, 0}, {BLOCK_COMPARE_AND_WRITE, 1, 3, 65},
    {BLOCK_READ, 1, 3, 65}, {BLOCK_WRITE_ZEROES, 0, 8, 9}, {BLOCK_STATUS, 0, 8, 16},
    {BLOCK_READ, 0, 2, 69}, {BLOCK_UNMAP, 0, 0, 0}, {BLOCK_WRITE, 2, 5, 5}, {BLOCK_READ, 2, 5, 5},
};
/* clang-format on */
#define STEPS array_length(steps)

static uint8_t fill_of(const struct asker *a)
{
    return (uint8_t)(1 + a->step / STEPS + 100 * (uint32_t)steps[a->step % STEPS].fill);
}

static void check(const struct asker *a)
{
    const struct block_request *r = &a->request;

    if (r->op == BLOCK_STATUS)
        assert(r->run_count == 1 && !r->runs[0].mapped);
    if (r->op == BLOCK_READ)
        for (uint64_t i = 0; i < r->extent.count * UNIT_BYTES; i++)
            assert(a->bytes[i] == fill_of(a));
}

static void go_on(struct asker *a);

static void answered(struct block_request *r, enum err err)
{
    struct asker *a = container_of(r, struct asker, request);

    assert(err == E_OK);
    check(a);
    if (++a->step < ROUNDS * STEPS) {
        go_on(a);
        return;
    }
    free(a->bytes);
    if (--a->place->busy == 0)
        sem_post(&a->place->scene->done);
}

static void fill(struct asker *a, size_t bytes)
{
    memset(a->bytes, a->request.op == BLOCK_READ ? 0xee : fill_of(a), bytes);
    if (a->request.op == BLOCK_COMPARE_AND_WRITE) /* its first half is what was written first */
        memset(a->bytes, (int)(1 + a->step / STEPS), bytes / 2);
}

static void go_on(struct asker *a)
{
    uint32_t which = a->step % STEPS;
    enum block_op op = steps[which].op;
    struct extent units = {a->units.start + steps[which].skip,
                           a->units.count - steps[which].skip - steps[which].less};
    size_t bytes = units.count * UNIT_BYTES * (op == BLOCK_COMPARE_AND_WRITE ? 2 : 1);
    bool carries = op != BLOCK_WRITE_ZEROES && op != BLOCK_UNMAP && op != BLOCK_STATUS;

    a->piece = (struct iovec){a->bytes, bytes};
    a->request = (struct block_request){.op = op,
                                        .extent = units,
                                        .pieces = carries ? &a->piece : NULL,
                                        .piece_count = carries,
                                        .runs = &a->run,
                                        .run_max = 1,
                                        .done = answered,
                                        .note = {.initiator = 7, .session = 1}};
    fill(a, bytes);
    block_submit(volume_block(a->place->volume), &a->request);
}

static void askers_begin(void *arg)
{
    struct place *p = arg;

    p->busy = ASKERS;
    for (uint32_t i = 0; i < ASKERS; i++) { /* one of them over the border of the shards */
        struct asker *a = &p->askers[i];
        uint64_t first = (SHARD_BLOCKS_FIRST - 4 * 9 - 5) * 8;

        *a = (struct asker){.place = p, .units = {first + i * AREA_UNITS, AREA_UNITS}};
        a->bytes = malloc(2 * AREA_UNITS * UNIT_BYTES);
        assert(a->bytes);
        go_on(a);
    }
}

/* ---- the story ---- */

static void *turn(void *reactor)
{
    reactor_run(reactor);
    return NULL;
}

static void side_open(struct side *side)
{
    struct reactor_config config = reactor_config_default();
    const char *text = "";

    config.receive_buffers = 16;
    config.workers = 0;
    assert_int_equal(reactor_open(&config, &log_stderr, &side->reactor, &text), E_OK);
    side->env = reactor_env(side->reactor);
    assert_int_equal(pthread_create(&side->thread, NULL, turn, side->reactor), 0);
}

static void side_close(struct side *side)
{
    reactor_stop(side->reactor);
    pthread_join(side->thread, NULL);
    reactor_close(side->reactor);
}

static void volumes_near_and_far_are_served_alike(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    struct visit asking[2], growing[2];

    (void)state;
    alarm(PATIENCE_S);
    unlink(IMAGE);
    sem_init(&s->done, 0, 0);
    for (uint32_t i = 0; i < 2; i++) {
        side_open(&s->sides[i]);
        s->places[i] = (struct place){.scene = s, .side = &s->sides[i]};
    }
    at(&s->sides[1], s, store_begins, s);
    both(s, volume_begins);
    both_begin(s, asking, askers_begin);
    both_begin(s, growing, volume_grows); /* while they are asked */
    for (uint32_t i = 0; i < 4; i++)
        await(s);
    both(s, volume_ends);
    at(&s->sides[1], s, store_ends, s);
    for (uint32_t i = 0; i < 2; i++)
        side_close(&s->sides[i]);
    sem_destroy(&s->done);
    unlink(IMAGE);
    free(s);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(volumes_near_and_far_are_served_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
