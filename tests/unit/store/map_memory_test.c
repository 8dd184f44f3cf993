/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/map_memory_test.c — a disk whose maps have all the memory that they may have. */
#include "tests/unit/store/gate.h"

#define LEAF   (MAP_LEAF * (uint64_t)CHUNK_BLOCKS) /* blocks */
#define GIB    (UINT64_C(1) << 30)
#define A_TURN (UINT64_C(100) * 1000) /* much longer than a write */

static struct store_limits two_leaves(void)
{
    struct store_limits l = rig_limits();

    l.map_bytes = 2 * MAP_LEAF * sizeof(uint64_t);
    return l;
}

/* Leaves 0 and 1 have a chunk at home, and there is no third. */
static struct rig begin(uint64_t seed)
{
    struct rig r = rig_begin(seed, 5 * LEAF);

    rig_close(&r);
    assert_int_equal(rig_open_with(&r, two_leaves()), E_OK);
    gate_begin(&r);
    assert_int_equal(rig_write(&r, 0, CHUNK_BLOCKS, 1000), E_OK);
    assert_int_equal(rig_write(&r, LEAF, CHUNK_BLOCKS, 2000), E_OK);
    gate_checkpoint(&r);
    return r;
}

static void reopen_after_power_loss(struct rig *r)
{
    rig_crash(r, SIM_POWER_LOST);
    assert_int_equal(rig_open_with(r, two_leaves()), E_OK);
    assert_false(rig_facts(r).damaged);
    gate_begin(r);
}

/* No record frees the chunk: a checkpoint does, when it finds it empty. */
static void unmap_by_halves(struct rig *r, uint64_t block)
{
    assert_int_equal(rig_unmap(r, block, CHUNK_BLOCKS / 2), E_OK);
    assert_int_equal(rig_unmap(r, block + CHUNK_BLOCKS / 2, CHUNK_BLOCKS / 2), E_OK);
}

/* … and a write that waits for it is not refused. */
static void what_holds_nothing_makes_room_for_a_leaf(void **state)
{
    struct rig r = begin(10);

    (void)state;
    unmap_by_halves(&r, 0);
    assert_true(store_fits(r.replica, (struct extent){2 * LEAF, 1}));
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 3000), E_OK);
    assert_int_equal(rig_write(&r, 3 * LEAF, 1, 3000), E_NO_SPACE);
    reopen_after_power_loss(&r);
    expect_blocks(&r, 0, CHUNK_BLOCKS, 0);
    expect_blocks(&r, 2 * LEAF, 1, 3000);
    rig_end(&r);
}

/* Half of it was unmapped before a checkpoint: the next one finds that nothing is left, and the one
 * after that frees it. */
static void what_is_found_empty_makes_room_for_a_leaf(void **state)
{
    struct rig r = begin(11);
    uint64_t root;

    (void)state;
    assert_int_equal(rig_unmap(&r, 0, CHUNK_BLOCKS / 2), E_OK);
    gate_checkpoint(&r);
    assert_int_equal(rig_unmap(&r, CHUNK_BLOCKS / 2, CHUNK_BLOCKS / 2), E_OK);
    gate_checkpoint(&r);
    root = r.store->root_number;
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 3000), E_OK);
    assert_int_equal(r.store->root_number, root + 1);
    assert_int_equal(rig_write(&r, 3 * LEAF, 1, 3000), E_NO_SPACE);
    assert_int_equal(r.store->root_number, root + 1);
    rig_end(&r);
}

/* … and that a close does not forget: only a checkpoint can tell. */
static void what_a_close_finds_empty_is_free_after_it(void **state)
{
    struct rig r = begin(14);

    (void)state;
    assert_int_equal(rig_unmap(&r, 0, CHUNK_BLOCKS / 2), E_OK);
    gate_checkpoint(&r);
    assert_int_equal(rig_unmap(&r, CHUNK_BLOCKS / 2, CHUNK_BLOCKS / 2), E_OK);
    rig_close(&r);
    assert_int_equal(rig_open_with(&r, two_leaves()), E_OK);
    assert_int_equal(map_entry(r.replica, 0), 0);
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 3000), E_OK);
    expect_blocks(&r, 0, CHUNK_BLOCKS, 0);
    rig_end(&r);
}

/* A chunk beside it holds something: the leaf stays, and no checkpoint is begun for it. */
static void what_frees_no_leaf_makes_no_room_for_one(void **state)
{
    struct rig r = begin(12);
    uint64_t root;

    (void)state;
    assert_int_equal(rig_write(&r, CHUNK_BLOCKS, 1, 3000), E_OK);
    unmap_by_halves(&r, 0);
    root = r.store->root_number;
    assert_false(store_fits(r.replica, (struct extent){2 * LEAF, 1}));
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 4000), E_NO_SPACE);
    assert_int_equal(r.store->root_number, root);
    assert_int_equal(rig_unmap(&r, CHUNK_BLOCKS, 1), E_OK); /* not home: all it had */
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 4000), E_OK);
    rig_end(&r);
}

/* The same for chunks, on a disk that has none left, and its reserve beside them. */
static void what_holds_nothing_makes_room_on_a_full_disk(void **state)
{
    struct rig r = rig_begin(13, SHARD_BLOCKS);
    uint64_t chunks = allocator_left(&r.store->allocator), reserve = reserve_chunks(r.store);

    (void)state;
    rig_fill(&r, 0, chunks);
    gate_begin(&r);
    gate_checkpoint(&r);
    for (uint64_t i = 0; i <= reserve; i++)
        unmap_by_halves(&r, i * CHUNK_BLOCKS);
    assert_int_equal(allocator_left(&r.store->allocator), 0);
    assert_int_equal(allocator_freed(&r.store->allocator), 0);
    assert_true(store_fits(r.replica, (struct extent){chunks * CHUNK_BLOCKS, 1}));
    assert_false(store_fits(r.replica, (struct extent){chunks * CHUNK_BLOCKS, CHUNK_BLOCKS + 1}));
    rig_fill(&r, chunks, reserve + 1);
    assert_int_equal(rig_write(&r, 0, 1, 7000), E_NO_SPACE);
    expect_blocks(&r, chunks * CHUNK_BLOCKS, 1, 1000 + chunks);
    rig_end(&r);
}

/* A write of one block that is not waited for. */
struct call {
    struct store_change change;
    struct iovec piece;
    uint32_t checksum;
    uint8_t bytes[BLOCK_BYTES];
    struct rig_wait wait;
};

static void write_start(struct rig *r, struct call *w, uint64_t block, uint64_t tag)
{
    *w = (struct call){.piece = {w->bytes, BLOCK_BYTES}};
    block_fill(w->bytes, tag);
    checksums_of(r->replica, (struct extent){block, 1}, w->bytes, &w->checksum);
    w->change = (struct store_change){.kind = STORE_WRITE,
                                      .replica = r->replica,
                                      .extent = {block, 1},
                                      .pieces = &w->piece,
                                      .piece_count = 1,
                                      .checksums = &w->checksum,
                                      .stamp = {.generation = 1, .epoch = 1, .seq = ++r->seq},
                                      .done = rig_change_done,
                                      .own = &w->wait};
    store_change(r->store, &w->change);
    sim_run_for(r->sim, A_TURN);
}

static void what_is_unmapped_gives_its_memory_back(void **state)
{
    struct rig r = begin(1);

    (void)state;
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 3000), E_NO_SPACE);
    assert_int_equal(rig_write(&r, CHUNK_BLOCKS, 1, 3000), E_OK); /* there is a leaf for it */
    assert_int_equal(rig_unmap(&r, 0, LEAF), E_OK);
    assert_int_equal(rig_unmap(&r, LEAF, CHUNK_BLOCKS), E_OK);
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 4000), E_OK);
    assert_int_equal(rig_write(&r, 3 * LEAF, 1, 5000), E_OK);
    assert_int_equal(rig_write(&r, 0, 1, 6000), E_NO_SPACE);
    reopen_after_power_loss(&r);
    expect_blocks(&r, 0, 32, 0);
    expect_blocks(&r, 2 * LEAF, 1, 4000);
    expect_blocks(&r, 3 * LEAF, 1, 5000);
    rig_end(&r);
}

/* A leaf goes with its last chunk, not before. */
static void a_leaf_that_holds_a_chunk_stays(void **state)
{
    struct rig r = begin(2);

    (void)state;
    assert_int_equal(rig_write(&r, CHUNK_BLOCKS, CHUNK_BLOCKS, 3000), E_OK);
    assert_int_equal(rig_unmap(&r, 0, CHUNK_BLOCKS), E_OK);
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 4000), E_NO_SPACE);
    expect_blocks(&r, CHUNK_BLOCKS, CHUNK_BLOCKS, 3000);
    assert_int_equal(rig_unmap(&r, CHUNK_BLOCKS, CHUNK_BLOCKS), E_OK);
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 4000), E_OK);
    rig_end(&r);
}

/* What is asked before a write is sent to replicas: without the memory it would be refused. */
static void what_has_no_memory_does_not_fit(void **state)
{
    struct rig r = begin(3);

    (void)state;
    assert_false(store_fits(r.replica, (struct extent){2 * LEAF, 1}));
    assert_true(store_fits(r.replica, (struct extent){CHUNK_BLOCKS, 1}));
    assert_int_equal(rig_unmap(&r, 0, CHUNK_BLOCKS), E_OK);
    assert_true(store_fits(r.replica, (struct extent){2 * LEAF, 1}));
    rig_end(&r);
}

static void it_is_told_how_much_is_in_use(void **state)
{
    struct rig r = begin(4);
    const struct store_metrics *m = store_metrics(r.store);

    (void)state;
    assert_int_equal(metric_get(&m->map_used_bytes), 2 * MAP_LEAF * sizeof(uint64_t));
    assert_int_equal(metric_get(&m->map_size_bytes), 2 * MAP_LEAF * sizeof(uint64_t));
    assert_int_equal(rig_unmap(&r, 0, CHUNK_BLOCKS), E_OK);
    assert_int_equal(metric_get(&m->map_used_bytes), MAP_LEAF * sizeof(uint64_t));
    rig_end(&r);
}

/* A write that needs a leaf waits for the checkpoint under way; with a crash before its root, it is
 * not there. */
static void expect_write_after_root(struct rig *r, bool crash)
{
    struct call w;

    write_start(r, &w, 2 * LEAF, 4000);
    assert_false(w.wait.over);
    if (crash) {
        reopen_after_power_loss(r);
        expect_blocks(r, 2 * LEAF, 1, 0);
        return;
    }
    gate_checkpoint_end(r);
    assert_int_equal(rig_await(r, &w.wait), E_OK);
    expect_blocks(r, 2 * LEAF, 1, 4000);
}

/* Until the root is durable replay finds the chunk where it was, and has no more memory than this.
 */
static void what_a_checkpoint_emptied_waits_for_its_root(void **state)
{
    (void)state;
    for (uint32_t crash = 0; crash < 2; crash++) {
        struct rig r = begin(5);

        unmap_by_halves(&r, 0);
        gate_checkpoint_begin(&r);
        assert_int_equal(map_entry(r.replica, 0), 0);
        expect_write_after_root(&r, crash);
        expect_blocks(&r, 0, CHUNK_BLOCKS, 0);
        rig_end(&r);
    }
}

/* … nor is it free when a record takes the other chunks of the leaf. */
static void what_a_checkpoint_emptied_in_part_waits_too(void **state)
{
    (void)state;
    for (uint32_t crash = 0; crash < 2; crash++) {
        struct rig r = begin(6);

        assert_int_equal(rig_write(&r, CHUNK_BLOCKS, CHUNK_BLOCKS, 3000), E_OK);
        unmap_by_halves(&r, 0);
        gate_checkpoint_begin(&r);
        assert_int_equal(rig_unmap(&r, CHUNK_BLOCKS, CHUNK_BLOCKS), E_OK);
        expect_write_after_root(&r, crash);
        expect_blocks(&r, 0, 2 * CHUNK_BLOCKS, 0);
        rig_end(&r);
    }
}

/* A whole chunk that is written anew beside a checkpoint finds its leaf as it was. */
static void a_redirect_over_a_lone_chunk_needs_no_leaf(void **state)
{
    struct rig r = begin(7);

    (void)state;
    gate_checkpoint_begin(&r);
    assert_int_equal(rig_write(&r, 0, CHUNK_BLOCKS, 3000), E_OK);
    assert_int_equal(rig_unmap(&r, LEAF, CHUNK_BLOCKS), E_OK);
    gate_checkpoint_end(&r);
    assert_int_equal(rig_write(&r, 2 * LEAF, 1, 4000), E_OK);
    expect_blocks(&r, 0, CHUNK_BLOCKS, 3000);
    rig_end(&r);
}

/* ---- a disk that is sold ten times over ---- */

#define VOLUMES     10u
#define GROUP       (UINT64_C(128) << 20 >> 12) /* blocks: a file system begins something in each */
#define GROUP_USED  (UINT64_C(1) << 20 >> 12)
#define VOLUME_SIZE (GIB / BLOCK_BYTES)

static struct rig begin_large(uint64_t seed)
{
    struct rig r = {.sim = sim_open(seed)};
    struct store_limits l = rig_limits();

    l.map_bytes = GIB / 8192; /* as store_limits_node() */
    r.medium = sim_disk_make(r.sim, "disk", GIB);
    rig_start(&r);
    assert_int_equal(rig_format(&r), E_OK);
    assert_int_equal(rig_open_with(&r, l), E_OK);
    return r;
}

static void thin_volumes_spread_as_file_systems_do(void **state)
{
    struct rig r = begin_large(8);

    (void)state;
    for (uint64_t v = 0; v < VOLUMES; v++) {
        assert_int_equal(rig_make(&r, (struct identity){REPLICA.bits + v}, VOLUME_SIZE), E_OK);
        for (uint64_t at = 0; at < VOLUME_SIZE; at += GROUP)
            assert_int_equal(rig_write(&r, at, GROUP_USED, v * VOLUME_SIZE + at), E_OK);
    }
    for (uint64_t v = 0; v < VOLUMES; v++) {
        r.replica = store_find(r.store, (struct identity){REPLICA.bits + v});
        expect_blocks(&r, VOLUME_SIZE - GROUP, GROUP_USED, (v + 1) * VOLUME_SIZE - GROUP);
    }
    rig_end(&r);
}

/* A volume that is discarded whole leaves to the next all that it had. */
static void a_discarded_volume_leaves_all_to_the_next(void **state)
{
    struct rig r = begin_large(9);

    (void)state;
    for (uint64_t v = 0; v < 2; v++) {
        assert_int_equal(rig_make(&r, (struct identity){REPLICA.bits + v}, VOLUME_SIZE), E_OK);
        for (uint64_t at = 0; at < VOLUME_SIZE; at += LEAF)
            assert_int_equal(rig_write(&r, at, 1, at + 1), E_OK);
        assert_int_equal(rig_unmap(&r, 0, VOLUME_SIZE), E_OK);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_unmapped_gives_its_memory_back),
        cmocka_unit_test(a_leaf_that_holds_a_chunk_stays),
        cmocka_unit_test(what_has_no_memory_does_not_fit),
        cmocka_unit_test(it_is_told_how_much_is_in_use),
        cmocka_unit_test(what_a_checkpoint_emptied_waits_for_its_root),
        cmocka_unit_test(what_a_checkpoint_emptied_in_part_waits_too),
        cmocka_unit_test(a_redirect_over_a_lone_chunk_needs_no_leaf),
        cmocka_unit_test(what_holds_nothing_makes_room_for_a_leaf),
        cmocka_unit_test(what_is_found_empty_makes_room_for_a_leaf),
        cmocka_unit_test(what_a_close_finds_empty_is_free_after_it),
        cmocka_unit_test(what_frees_no_leaf_makes_no_room_for_one),
        cmocka_unit_test(what_holds_nothing_makes_room_on_a_full_disk),
        cmocka_unit_test(thin_volumes_spread_as_file_systems_do),
        cmocka_unit_test(a_discarded_volume_leaves_all_to_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
