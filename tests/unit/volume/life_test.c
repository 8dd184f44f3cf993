/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/volume/life_test.c — a volume grows and closes, also under load. */
#include "tests/sim/client/client.h"
#include "tests/unit/volume/rig.h"

struct growth {
    struct volume_resize resize;
    bool answered;
    enum err err;
};

static void grown(struct volume_resize *resize, enum err err)
{
    struct growth *r = container_of(resize, struct growth, resize);

    r->answered = true;
    r->err = err;
}

static bool growth_answered(void *arg)
{
    return ((struct growth *)arg)->answered;
}

struct watcher {
    struct block_watcher watcher;
    uint32_t resized;
};

static void resized(struct block_watcher *w)
{
    container_of(w, struct watcher, watcher)->resized++;
}

/* `count` shards, the last of `last_blocks`; new ones are made empty. */
static void grow_begin(struct vol *g, struct growth *r, uint32_t count, uint64_t last_blocks)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t blocks = i + 1 < count ? SHARD_BLOCKS_SMALL : last_blocks;

        if (i >= g->config.shard_count)
            vol_shard(g, i, blocks);
        g->shards[i].size_blocks = blocks;
    }
    *r = (struct growth){
        .resize = {.size_bytes =
                       ((count - 1) * (uint64_t)SHARD_BLOCKS_SMALL + last_blocks) * BLOCK_BYTES,
                   .shard_count = count,
                   .shards = g->shards,
                   .done = grown}};
    volume_resize(g->volume, &r->resize);
}

static enum err grow(struct vol *g, uint32_t count, uint64_t last_blocks)
{
    struct growth r;

    grow_begin(g, &r, count, last_blocks);
    assert_true(sim_run_until(g->sim, growth_answered, &r, BOUND_US));
    return r.err;
}

static void a_volume_grows_by_its_last_shard_and_new_ones(void **state)
{
    struct vol g;
    struct watcher w = {.watcher.resized = resized};

    (void)state;
    vol_init(&g, 1, 1, 100);
    vol_serve(&g);
    block_watch(g.block, &w.watcher);
    assert_int_equal(ask(&g, BLOCK_WRITE, 0, 800, 'a'), E_OK);

    assert_int_equal(grow(&g, 1, 200), E_OK);
    assert_int_equal(g.block->size_units, 200 * 8);
    assert_int_equal(w.resized, 1);
    assert_int_equal(grow(&g, 4, 50), E_OK);
    assert_int_equal(g.block->size_units, (3 * SHARD_BLOCKS_SMALL + 50) * 8);
    assert_int_equal(w.resized, 2);
    assert_int_equal(volume_shards_serving(g.volume), 4);

    ask_expect(&g, 0, 800, 'a');
    ask_expect(&g, 800, g.block->size_units - 800, 0);
    assert_int_equal(ask(&g, BLOCK_WRITE, 7, g.block->size_units - 7, 'b'), E_OK);
    ask_expect(&g, 7, g.block->size_units - 7, 'b');
    vol_done(&g);
}

static void a_volume_does_not_shrink(void **state)
{
    struct vol g;

    (void)state;
    vol_init(&g, 2, 2, 100);
    vol_serve(&g);
    assert_int_equal(grow(&g, 2, 99), E_INVALID);
    assert_int_equal(g.block->size_units, (SHARD_BLOCKS_SMALL + 100) * 8);
    vol_done(&g);
}

static void a_volume_grows_under_load(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct vol g;
        struct growth r;
        struct client *c;

        vol_init(&g, seed, 2, 100);
        vol_serve(&g);
        c = client_open(g.sim, g.block->size_units);
        c->shard_units = SHARD_BLOCKS_SMALL * 8;
        client_attach(c, g.block);
        assert_true(client_run(c, g.env, 50));
        grow_begin(&g, &r, 3, 222);
        assert_true(client_run(c, g.env, 100));
        assert_true(sim_run_until(g.sim, growth_answered, &r, BOUND_US));
        assert_int_equal(r.err, E_OK);
        client_attach(c, g.block);
        assert_true(client_run(c, g.env, 100));
        assert_true(client_verify(c, g.env));
        client_close(c);
        vol_done(&g);
    }
}

static void closing_answers_everything(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 3000; us += 100) {
        struct vol g;
        struct ask *asks[30], *late;

        vol_init(&g, 10 + us, 2, 100);
        g.config.limits.requests_max = 10;
        vol_serve(&g);
        for (uint64_t i = 0; i < 30; i++)
            asks[i] = ask_begin(&g, i % 3 ? BLOCK_WRITE : BLOCK_READ, i * 83, 83, (uint8_t)i);
        sim_run_for(g.sim, us);
        volume_close(g.volume);
        late = ask_begin(&g, BLOCK_READ, 0, 1, 0);
        assert_true(sim_run_until(g.sim, vol_is_closed, &g, BOUND_US));
        for (uint64_t i = 0; i < 30; i++) {
            assert_true(asks[i]->answered);
            assert_int_equal(asks[i]->err, E_OK);
            ask_free(asks[i]);
        }
        assert_true(late->answered);
        assert_int_equal(late->err, E_CLOSED);
        ask_free(late);
        for (uint32_t i = 0; i < 2; i++) /* nothing is left open for the next tenure */
            assert_int_equal(g.replicas[i]->open_count, 0);
        vol_done(&g);
    }
}

static void what_waits_for_a_shard_ends_when_it_closes(void **state)
{
    struct vol g;
    struct ask *a;

    (void)state;
    vol_init(&g, 3, 2, 100);
    g.shards[1].replicas[0].store = NULL; /* its disk is away */
    vol_begin(&g);
    a = ask_begin(&g, BLOCK_WRITE, SHARD_BLOCKS_SMALL * 8, 8, 'a');
    sim_run_for(g.sim, BOUND_US);
    assert_false(a->answered);
    assert_int_equal(volume_shards_serving(g.volume), 1);
    assert_int_equal(ask(&g, BLOCK_WRITE, 0, 8, 'b'), E_OK); /* the other one serves */
    vol_close(&g);
    assert_true(a->answered);
    assert_int_equal(a->err, E_CLOSED);
    ask_free(a);
    vol_done(&g);
}

static void a_failed_disk_does_not_hold_up_closing(void **state)
{
    struct vol g;
    struct ask *asks[20];

    (void)state;
    vol_init(&g, 4, 1, 100);
    g.config.limits.writes_max = 4;
    vol_serve(&g);
    g.store->refuse[STORE_WRITE] = E_DISK;
    for (uint64_t i = 0; i < 20; i++)
        asks[i] = ask_begin(&g, BLOCK_WRITE, i % 7 * 8, 9, 'a');
    sim_run_for(g.sim, BOUND_US);
    assert_string_not_equal(volume_why(g.volume), "");
    vol_close(&g);
    for (uint64_t i = 0; i < 20; i++) {
        assert_true(asks[i]->answered);
        assert_int_equal(asks[i]->err, E_CLOSED);
        ask_free(asks[i]);
    }
    vol_done(&g);
}

static void closing_ends_a_resize(void **state)
{
    struct vol g;
    struct growth r;

    (void)state;
    vol_init(&g, 5, 1, 100);
    vol_serve(&g);
    g.store->stopped = true;
    grow_begin(&g, &r, 3, 100);
    sim_run_for(g.sim, 1000);
    volume_close(g.volume);
    sim_run_for(g.sim, 1000);
    fake_go_on(g.store);
    assert_true(sim_run_until(g.sim, vol_is_closed, &g, BOUND_US));
    assert_true(r.answered);
    assert_int_equal(r.err, E_CLOSED);
    vol_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_grows_by_its_last_shard_and_new_ones),
        cmocka_unit_test(a_volume_does_not_shrink),
        cmocka_unit_test(a_volume_grows_under_load),
        cmocka_unit_test(closing_answers_everything),
        cmocka_unit_test(what_waits_for_a_shard_ends_when_it_closes),
        cmocka_unit_test(a_failed_disk_does_not_hold_up_closing),
        cmocka_unit_test(closing_ends_a_resize),
    };

    return rig_both(tests);
}
