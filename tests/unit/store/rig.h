/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/rig.h — a store on a simulated disk: format, open, crash, open again; calls
 * that wait for their answer.
 */
#ifndef TESTS_UNIT_STORE_RIG_H
#define TESTS_UNIT_STORE_RIG_H

#include "store/inside.h"
#include "tests/sim/world/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define RIG_BYTES         (UINT64_C(32) << 20)
#define RIG_JOURNAL       (UINT64_C(1) << 20)
#define RIG_LARGE_BYTES   (UINT64_C(256) << 20)
#define RIG_LARGE_JOURNAL (UINT64_C(32) << 20)
#define BOUND_US          (UINT64_C(600) * 1000 * 1000)
#define SHARD_TEST        3u /* so that volume and replica numbers of a block differ */

static const struct identity DISK = {0xd15c000000000001};
static const struct identity VOLUME = {0x0a00000000000001};
static const struct identity REPLICA = {0x0b00000000000001};

struct rig {
    struct sim *sim;
    struct env *env;
    struct sim_disk *medium;
    struct disk *disk;
    struct store *store;
    struct store_replica *replica; /* REPLICA, if it is there */
    uint64_t seq;
    char why[160];
};

static inline struct store_limits rig_limits(void)
{
    return (struct store_limits){
        .map_bytes = 1u << 20, .stage_bytes = 4u << 20, .checksum_pages = 64, .changes_max = 64};
}

/* ---- waiting ---- */

struct rig_wait {
    bool over;
    enum err err;
};

static inline bool rig_over(void *arg)
{
    return ((struct rig_wait *)arg)->over;
}

static inline enum err rig_await(struct rig *r, struct rig_wait *w)
{
    assert_true(sim_run_until(r->sim, rig_over, w, BOUND_US));
    return w->err;
}

static inline void rig_format_done(struct store_format *f, enum err err)
{
    *(struct rig_wait *)f->own = (struct rig_wait){true, err};
}
static inline void rig_open_done(struct store_open *o, enum err err)
{
    *(struct rig_wait *)o->own = (struct rig_wait){true, err};
}
static inline void rig_close_done(struct store_close *c)
{
    *(struct rig_wait *)c->own = (struct rig_wait){true, E_OK};
}
static inline void rig_change_done(struct store_change *c, enum err err)
{
    *(struct rig_wait *)c->own = (struct rig_wait){true, err};
}
static inline void rig_read_done(struct store_read *c, enum err err)
{
    *(struct rig_wait *)c->own = (struct rig_wait){true, err};
}

/* ---- a process on the disk ---- */

static inline void rig_start(struct rig *r)
{
    r->env = sim_env(r->sim, "node");
    assert_int_equal(r->env->ops->disk_open(r->env, "disk", 0, &r->disk), E_OK);
    r->store = NULL;
    r->replica = NULL;
}

static inline enum err rig_format_with(struct rig *r, uint64_t journal_bytes)
{
    struct rig_wait w = {0};
    struct store_format f = {.env = r->env,
                             .disk = r->disk,
                             .identity = DISK,
                             .journal_bytes = journal_bytes,
                             .done = rig_format_done,
                             .own = &w};

    store_format(&f);
    assert_false(w.over);
    return rig_await(r, &w);
}

static inline enum err rig_format(struct rig *r)
{
    return rig_format_with(r, RIG_JOURNAL);
}

static inline enum err rig_open_with(struct rig *r, struct store_limits limits)
{
    struct rig_wait w = {0};
    struct store_open o = {
        .env = r->env, .disk = r->disk, .limits = limits, .done = rig_open_done, .own = &w};

    store_open(&o);
    assert_false(w.over);
    (void)rig_await(r, &w);
    r->store = w.err ? NULL : o.store;
    memcpy(r->why, o.why, sizeof r->why);
    r->replica = r->store ? store_find(r->store, REPLICA) : NULL;
    return w.err;
}

static inline enum err rig_open(struct rig *r)
{
    return rig_open_with(r, rig_limits());
}

static inline void rig_close(struct rig *r)
{
    struct rig_wait w = {0};
    struct store_close c = {.done = rig_close_done, .own = &w};

    store_close(r->store, &c);
    (void)rig_await(r, &w);
    r->store = NULL;
    r->replica = NULL;
}

/* The process dies; a new one has the disk. */
static inline void rig_crash(struct rig *r, enum sim_death death)
{
    if (r->store)
        sim_abandon(r->sim, r->store);
    if (!sim_dead(r->env))
        sim_crash(r->sim, r->env, death);
    rig_start(r);
}

static inline void rig_reopen(struct rig *r)
{
    rig_close(r);
    assert_int_equal(rig_open(r), E_OK);
}

static inline void rig_crash_and_reopen(struct rig *r)
{
    rig_crash(r, SIM_POWER_LOST);
    assert_int_equal(rig_open(r), E_OK);
}

/* ---- changes ---- */

static inline enum err rig_change(struct rig *r, struct store_change *c)
{
    struct rig_wait w = {0};

    c->done = rig_change_done;
    c->own = &w;
    store_change(r->store, c);
    assert_false(w.over);
    return rig_await(r, &w);
}

static inline enum err rig_make(struct rig *r, struct identity replica, uint64_t size_blocks)
{
    struct store_change c = {.kind = STORE_MAKE,
                             .identity = replica,
                             .volume = VOLUME,
                             .shard = SHARD_TEST,
                             .size_blocks = size_blocks};
    enum err err = rig_change(r, &c);

    if (!err) {
        assert_ptr_equal(c.replica, store_find(r->store, replica));
        r->replica = c.replica;
    }
    return err;
}

/* What format leaves that is not zero: formatted once, put onto many disks. */
struct rig_page {
    uint64_t offset;
    uint8_t bytes[PAGE_BYTES];
};
static struct rig_page rig_image[16];
static uint32_t rig_image_pages;

static inline void rig_image_take(void)
{
    static const uint8_t zeros[PAGE_BYTES];
    struct rig r = {.sim = sim_open(0)};

    r.medium = sim_disk_make(r.sim, "disk", RIG_BYTES);
    rig_start(&r);
    assert_int_equal(rig_format(&r), E_OK);
    for (uint64_t at = 0; at < RIG_BYTES; at += PAGE_BYTES) {
        struct rig_page *p = &rig_image[rig_image_pages];

        p->offset = at;
        sim_disk_peek(r.medium, at, p->bytes, PAGE_BYTES);
        if (memcmp(p->bytes, zeros, PAGE_BYTES) != 0)
            rig_image_pages++;
        assert_true(rig_image_pages < array_length(rig_image));
    }
    sim_close(r.sim);
}

/* A rig whose store is open and has REPLICA, of `size_blocks`. */
static inline struct rig rig_begin(uint64_t seed, uint64_t size_blocks)
{
    struct rig r = {.sim = sim_open(seed)};

    if (rig_image_pages == 0)
        rig_image_take();
    r.medium = sim_disk_make(r.sim, "disk", RIG_BYTES);
    for (uint32_t i = 0; i < rig_image_pages; i++)
        sim_disk_poke(r.medium, rig_image[i].offset, rig_image[i].bytes, PAGE_BYTES);
    rig_start(&r);
    assert_int_equal(rig_open(&r), E_OK);
    assert_int_equal(rig_make(&r, REPLICA, size_blocks), E_OK);
    return r;
}

/* … on a larger disk, with a journal that a test does not fill, and REPLICA of a whole shard. */
static inline struct rig rig_begin_large(uint64_t seed, struct store_limits limits)
{
    struct rig r = {.sim = sim_open(seed)};

    r.medium = sim_disk_make(r.sim, "disk", RIG_LARGE_BYTES);
    rig_start(&r);
    assert_int_equal(rig_format_with(&r, RIG_LARGE_JOURNAL), E_OK);
    assert_int_equal(rig_open_with(&r, limits), E_OK);
    assert_int_equal(rig_make(&r, REPLICA, SHARD_BLOCKS), E_OK);
    return r;
}

/* A bit of what the disk holds there turns. */
static inline void rig_rot(struct rig *r, uint64_t offset)
{
    uint8_t byte;

    sim_disk_peek(r->medium, offset, &byte, 1);
    byte ^= 0x10;
    sim_disk_poke(r->medium, offset, &byte, 1);
}

static inline void rig_end(struct rig *r)
{
    if (r->store)
        rig_close(r);
    sim_close(r->sim);
}

#endif
