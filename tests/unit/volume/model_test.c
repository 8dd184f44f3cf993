/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/volume/model_test.c — random requests of all kinds against an array of bytes. */
#include "tests/sim/client/client.h"
#include "tests/unit/volume/rig.h"

struct shape {
    uint32_t shards;
    uint64_t last_blocks;
    uint64_t size_less_units; /* the volume ends within its last block */
    uint32_t logical_block_bytes;
    struct volume_limits limits;
};

static const struct shape shapes[] = {
    {3, 200, 0, 512, {256, 256, 32 << 20}}, {1, 320, 0, 512, {256, 256, 32 << 20}},
    {2, 77, 3, 512, {256, 256, 32 << 20}},  {3, 320, 0, 4096, {256, 256, 32 << 20}},
    {3, 200, 0, 512, {2, 1, 4096}}, /* everything in line */
    {3, 200, 0, 512, {5, 3, 64 << 10}},
};

static struct client *serve_shape(struct vol *g, uint64_t seed, const struct shape *s)
{
    struct client *c;

    vol_init(g, seed, s->shards, s->last_blocks);
    g->config.size_bytes -= s->size_less_units * UNIT_BYTES;
    g->config.logical_block_bytes = s->logical_block_bytes;
    g->config.limits = s->limits;
    vol_serve(g);
    c = client_open(g->sim, g->block->size_units);
    c->shard_units = s->shards > 1 ? SHARD_BLOCKS_SMALL * 8 : 0;
    c->apart = s->limits.writes_max < 256;
    client_attach(c, g->block);
    return c;
}

static void every_answer_is_the_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_length(shapes); i++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct vol g;
            struct client *c = serve_shape(&g, seed, &shapes[i]);

            c->units_max =
                seed == 1 ? 2500 : 300; /* several legs, two shards; or many small ones */
            assert_true(client_run(c, g.env, 250));
            assert_true(client_verify(c, g.env));
            assert_int_equal(g.block->in_flight, 0);
            client_close(c);
            vol_done(&g);
        }
    }
}

/* The node dies at any moment, several times; each time the epoch is higher. */
static void every_acknowledged_block_survives_crashes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 18; seed++) {
        struct vol g;
        struct client *c = serve_shape(&g, seed, &shapes[seed % array_length(shapes)]);

        for (int i = 0; i < 3; i++) {
            assert_true(client_run(c, g.env, 30 + (uint32_t)sim_draw(g.sim, 40)));
            sim_run_for(g.sim, sim_draw(g.sim, 2000));
            client_cut(c);
            vol_restart(&g);
            vol_serve(&g);
            client_attach(c, g.block);
            assert_true(client_verify(c, g.env));
        }
        client_close(c);
        vol_done(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_the_models),
        cmocka_unit_test(every_acknowledged_block_survives_crashes),
    };

    return rig_both(tests);
}
