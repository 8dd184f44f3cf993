/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/volume/volume_test.c — the operations of struct block, one promise each. */
#include "tests/unit/volume/rig.h"

#define BLOCK   8u /* units */
#define SHARD   (SHARD_BLOCKS_SMALL * BLOCK)
#define KEPT(g) ((g)->replicas[0])

static void requests_wait_until_the_shard_serves(void **state)
{
    struct vol g;
    struct ask *a;

    (void)state;
    vol_init(&g, 1, 2, 100);
    g.arbiter.stopped = true;
    vol_begin(&g);
    a = ask_begin(&g, BLOCK_WRITE, 3, 20, 'a');
    sim_run_for(g.sim, 1000 * 1000);
    assert_false(a->answered);
    assert_false(volume_serving(g.volume));
    assert_int_equal(volume_shards_serving(g.volume), 0);
    assert_string_not_equal(volume_why(g.volume), "");
    fake_arbiter_go_on(&g.arbiter);
    assert_int_equal(ask_await(&g, a), E_OK);
    assert_true(sim_run_until(g.sim, vol_is_serving, &g, BOUND_US));
    assert_string_equal(volume_why(g.volume), "");
    ask_free(a);
    ask_expect(&g, 3, 20, 'a');
    vol_done(&g);
}

/* One block written whole: one write below, nothing read, nothing merged. */
static void a_whole_block_is_one_write(void **state)
{
    struct vol g;

    (void)state;
    vol_init(&g, 2, 1, 100);
    vol_serve(&g);
    assert_int_equal(ask(&g, BLOCK_WRITE, 5 * BLOCK, BLOCK, 'a'), E_OK);
    assert_int_equal(g.store->reads_done, 0);
    assert_int_equal(KEPT(&g)->facts.last_seq, 1);
    vol_done(&g);
}

static void parts_of_blocks_are_merged(void **state)
{
    struct vol g;

    (void)state;
    vol_init(&g, 3, 2, 100);
    vol_serve(&g);
    assert_int_equal(ask(&g, BLOCK_WRITE, 0, 4 * BLOCK, 'a'), E_OK);
    assert_int_equal(ask(&g, BLOCK_WRITE, 3, 2 * BLOCK, 'b'), E_OK);
    ask_expect(&g, 0, 3, 'a');
    ask_expect(&g, 3, 2 * BLOCK, 'b');
    ask_expect(&g, 3 + 2 * BLOCK, 2 * BLOCK - 3, 'a');
    assert_int_equal(ask(&g, BLOCK_WRITE, SHARD - 5, 10, 'c'), E_OK); /* over a shard's end */
    ask_expect(&g, SHARD - 5, 10, 'c');
    ask_expect(&g, SHARD - 9, 4, 0);
    vol_done(&g);
}

static void part_of_a_lost_block_fails(void **state) /* V3 */
{
    const enum block_op ops[] = {BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE_ZEROES,
                                 BLOCK_COMPARE_AND_WRITE, BLOCK_OR_WRITE};
    struct vol g;

    (void)state;
    vol_init(&g, 4, 1, 100);
    vol_serve(&g);
    assert_int_equal(ask(&g, BLOCK_WRITE, 0, 4 * BLOCK, 'a'), E_OK);
    KEPT(&g)->blocks[2] = FAKE_LOST;
    for (size_t i = 0; i < array_length(ops); i++) {
        struct ask *a = ask_begin(&g, ops[i], 2 * BLOCK + 3, 2, 'b');

        assert_int_equal(ask_await(&g, a), E_MEDIUM);
        assert_int_equal(a->request.bad_unit, 2 * BLOCK + 3);
        ask_free(a);
        a = ask_begin(&g, ops[i], BLOCK + 1, 2 * BLOCK - 2, 'b'); /* its tail */
        assert_int_equal(ask_await(&g, a), E_MEDIUM);
        assert_int_equal(a->request.bad_unit, 2 * BLOCK);
        ask_free(a);
        assert_int_equal(KEPT(&g)->blocks[2], FAKE_LOST);
    }
    vol_done(&g);
}

static void all_of_a_lost_block_heals(void **state) /* V3 */
{
    const enum block_op ops[] = {BLOCK_WRITE, BLOCK_WRITE_ZEROES, BLOCK_UNMAP};

    (void)state;
    for (size_t i = 0; i < array_length(ops); i++) {
        struct vol g;

        vol_init(&g, 5, 1, 100);
        vol_serve(&g);
        assert_int_equal(ask(&g, BLOCK_WRITE, 0, 4 * BLOCK, 'a'), E_OK);
        KEPT(&g)->blocks[2] = FAKE_LOST;
        assert_int_equal(ask(&g, ops[i], 2 * BLOCK, BLOCK, 'b'), E_OK);
        ask_expect(&g, 2 * BLOCK, BLOCK, ops[i] == BLOCK_WRITE ? 'b' : 0);
        ask_expect(&g, BLOCK, BLOCK, 'a');
        vol_done(&g);
    }
}

static void zeroes_unmap_whole_blocks_and_merge_the_rest(void **state)
{
    const enum block_op ops[] = {BLOCK_WRITE_ZEROES, BLOCK_UNMAP};

    (void)state;
    for (size_t i = 0; i < array_length(ops); i++) {
        struct vol g;

        vol_init(&g, 6, 2, 100);
        vol_serve(&g);
        assert_int_equal(ask(&g, BLOCK_WRITE, 0, 10 * BLOCK, 'a'), E_OK);
        assert_int_equal(ask(&g, ops[i], 3, 5 * BLOCK, 0), E_OK);
        ask_expect(&g, 0, 3, 'a');
        ask_expect(&g, 3, 5 * BLOCK, 0);
        ask_expect(&g, 3 + 5 * BLOCK, 4 * BLOCK, 'a');
        assert_int_equal(g.store->blocks_unmapped, 4);
        assert_int_equal(KEPT(&g)->blocks[0], FAKE_DATA);
        assert_int_equal(KEPT(&g)->blocks[1], FAKE_NOTHING);
        vol_done(&g);
    }
}

static void zeroes_where_nothing_is_take_no_space(void **state)
{
    struct vol g;

    (void)state;
    vol_init(&g, 7, 1, 100);
    vol_serve(&g);
    assert_int_equal(ask(&g, BLOCK_WRITE_ZEROES, 3, 2, 0), E_OK);
    assert_int_equal(ask(&g, BLOCK_UNMAP, 2 * BLOCK + 1, BLOCK, 0), E_OK);
    for (int i = 0; i < 8; i++)
        assert_int_equal(KEPT(&g)->blocks[i], FAKE_NOTHING);
    assert_int_equal(KEPT(&g)->facts.last_seq, 0);
    vol_done(&g);
}

/* Twenty hosts want the same lock at once: one gets it. */
static void one_of_many_compares_wins(void **state) /* V2 */
{
    struct vol g;
    struct ask *asks[20];
    uint32_t won = 0;

    (void)state;
    vol_init(&g, 8, 2, 100);
    vol_serve(&g);
    for (uint8_t i = 0; i < 20; i++) {
        asks[i] = ask_begin(&g, BLOCK_COMPARE_AND_WRITE, SHARD - 1, 2, 0);
        memset(asks[i]->bytes + 2 * UNIT_BYTES, 'A' + i, 2 * UNIT_BYTES);
    }
    for (uint8_t i = 0; i < 20; i++) {
        enum err err = ask_await(&g, asks[i]);

        if (err == E_OK) {
            won++;
            ask_expect(&g, SHARD - 1, 2, (uint8_t)('A' + i));
        } else {
            assert_int_equal(err, E_MISCOMPARE);
            assert_int_equal(asks[i]->request.differs_at, 0);
        }
        ask_free(asks[i]);
    }
    assert_int_equal(won, 1);
    vol_done(&g);
}

static void a_miscompare_says_where(void **state)
{
    struct vol g;
    struct ask *a;

    (void)state;
    vol_init(&g, 9, 2, 100);
    vol_serve(&g);
    assert_int_equal(ask(&g, BLOCK_WRITE, SHARD - 100, 200, 'x'), E_OK);
    a = ask_begin(&g, BLOCK_COMPARE_AND_WRITE, SHARD - 100, 200, 'x');
    a->bytes[170 * UNIT_BYTES + 7] = 'y'; /* in the second shard */
    a->bytes[180 * UNIT_BYTES] = 'y';
    assert_int_equal(ask_await(&g, a), E_MISCOMPARE);
    assert_int_equal(a->request.differs_at, 170 * UNIT_BYTES + 7);
    ask_free(a);
    ask_expect(&g, SHARD - 100, 200, 'x');
    vol_done(&g);
}

static void ors_add_up(void **state) /* V2 */
{
    struct vol g;
    struct ask *asks[8];

    (void)state;
    vol_init(&g, 10, 2, 100);
    vol_serve(&g);
    for (int i = 0; i < 8; i++) { /* one half over both shards, the other in the second only */
        uint64_t start = i % 2 ? SHARD : SHARD - 203;

        asks[i] = ask_begin(&g, BLOCK_OR_WRITE, start, SHARD + 208 - start, (uint8_t)(1 << i));
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(ask_await(&g, asks[i]), E_OK);
        ask_free(asks[i]);
    }
    ask_expect(&g, SHARD - 203, 203, 0x55);
    ask_expect(&g, SHARD, 208, 0xff);
    ask_expect(&g, SHARD - 204, 1, 0);
    ask_expect(&g, SHARD + 208, 1, 0);
    vol_done(&g);
}

static uint32_t given_to_the_store(const struct store *s)
{
    uint32_t count = 0;

    list_for_each(l, &s->changes)
        count++;
    return count;
}

static uint64_t bytes_given_to_the_store(const struct store *s)
{
    uint64_t bytes = 0;

    list_for_each(l, &s->changes)
        bytes += container_of(l, struct store_change, link)->extent.count * BLOCK_BYTES;
    return bytes;
}

static void at_most_a_window_is_on_its_way(void **state)
{
    struct vol g;
    struct ask *asks[40];

    (void)state;
    vol_init(&g, 11, 2, 200);
    g.config.limits = (struct volume_limits){
        .requests_max = 30, .writes_max = 5, .write_bytes_max = 40 * BLOCK_BYTES};
    vol_serve(&g);
    g.store->stopped = true;
    for (uint64_t i = 0; i < 40; i++) /* small ones: their number counts */
        asks[i] = ask_begin(&g, BLOCK_WRITE, i * BLOCK, BLOCK, (uint8_t)i);
    sim_run_for(g.sim, 1000 * 1000);
    assert_int_equal(given_to_the_store(g.store), 5);
    fake_go_on(g.store);
    for (uint64_t i = 0; i < 40; i++) {
        assert_int_equal(ask_await(&g, asks[i]), E_OK);
        ask_free(asks[i]);
        ask_expect(&g, i * BLOCK, BLOCK, (uint8_t)i);
    }
    g.store->stopped = true;
    for (uint64_t i = 0; i < 5; i++) /* large ones: their bytes do */
        asks[i] = ask_begin(&g, BLOCK_WRITE, i * 15 * BLOCK, 15 * BLOCK, (uint8_t)i);
    sim_run_for(g.sim, 1000 * 1000);
    assert_int_equal(bytes_given_to_the_store(g.store), 30 * BLOCK_BYTES);
    fake_go_on(g.store);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(ask_await(&g, asks[i]), E_OK);
        ask_free(asks[i]);
    }
    vol_done(&g);
}

/* A small write does not overtake a large one that waits for room. */
static void the_window_is_entered_in_order(void **state)
{
    struct vol g;
    struct ask *asks[3];

    (void)state;
    vol_init(&g, 18, 2, 200);
    g.config.limits.write_bytes_max = 40 * BLOCK_BYTES;
    vol_serve(&g);
    g.store->stopped = true;
    asks[0] = ask_begin(&g, BLOCK_WRITE, 0, 30 * BLOCK, 'a');
    asks[1] = ask_begin(&g, BLOCK_WRITE, 50 * BLOCK, 30 * BLOCK, 'b');
    asks[2] = ask_begin(&g, BLOCK_WRITE, 100 * BLOCK, BLOCK, 'c');
    sim_run_for(g.sim, 1000 * 1000);
    assert_int_equal(given_to_the_store(g.store), 1);
    fake_go_on(g.store);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask_await(&g, asks[i]), E_OK);
        ask_free(asks[i]);
    }
    vol_done(&g);
}

/* More legs than there is room for, and then a write where the last of them goes (P6): told BUSY at
 * its deadline, the large one is still under way when its initiator writes anew. */
static void a_late_leg_does_not_come_after_a_newer_write(void **state)
{
    const enum block_op ops[] = {BLOCK_UNMAP, BLOCK_WRITE_ZEROES, BLOCK_WRITE};
    struct vol g;

    (void)state;
    for (size_t i = 0; i < array_length(ops); i++) {
        struct ask *large, *anew;

        vol_init(&g, 19, 5, 200);
        g.config.limits = (struct volume_limits){
            .requests_max = 8, .writes_max = 1, .write_bytes_max = UINT64_C(4) << 20};
        vol_serve(&g);
        g.store->stopped = true;
        large = ask_begin(&g, ops[i], 0, 4 * SHARD + 100 * BLOCK, 'o');
        sim_run_for(g.sim, 1000 * 1000);
        anew = ask_begin(&g, BLOCK_WRITE, 4 * SHARD + 50 * BLOCK, BLOCK, 'n');
        sim_run_for(g.sim, 1000 * 1000);
        fake_go_on(g.store);
        assert_int_equal(ask_await(&g, large), E_OK);
        assert_int_equal(ask_await(&g, anew), E_OK);
        ask_expect(&g, 4 * SHARD + 50 * BLOCK, BLOCK, 'n');
        ask_expect(&g, 4 * SHARD + 49 * BLOCK, BLOCK, ops[i] == BLOCK_WRITE ? 'o' : 0);
        ask_free(large);
        ask_free(anew);
        vol_done(&g);
    }
}

/* The same of one that waits for a claim in its first shard, and has none yet in its second. */
static void a_late_or_does_not_come_after_a_newer_write(void **state)
{
    struct vol g;
    struct ask *first, * or, *anew;

    (void)state;
    vol_init(&g, 20, 2, 200);
    vol_serve(&g);
    g.store->stopped = true;
    first = ask_begin(&g, BLOCK_WRITE, SHARD - BLOCK, BLOCK, 0x01);
    or = ask_begin(&g, BLOCK_OR_WRITE, SHARD - BLOCK, 2 * BLOCK, 0x02);
    sim_run_for(g.sim, 1000 * 1000);
    anew = ask_begin(&g, BLOCK_WRITE, SHARD, BLOCK, 0x04);
    sim_run_for(g.sim, 1000 * 1000);
    fake_go_on(g.store);
    assert_int_equal(ask_await(&g, first), E_OK);
    assert_int_equal(ask_await(&g, or), E_OK);
    assert_int_equal(ask_await(&g, anew), E_OK);
    ask_expect(&g, SHARD - BLOCK, BLOCK, 0x03);
    ask_expect(&g, SHARD, BLOCK, 0x04);
    ask_free(first);
    ask_free(or);
    ask_free(anew);
    vol_done(&g);
}

static void a_full_disk_refuses_writes_and_serves_the_rest(void **state)
{
    struct vol g;

    (void)state;
    vol_init(&g, 12, 1, 100);
    vol_serve(&g);
    assert_int_equal(ask(&g, BLOCK_WRITE, 0, 4 * BLOCK, 'a'), E_OK);
    g.store->full = true;
    assert_int_equal(ask(&g, BLOCK_WRITE, 40, 4 * BLOCK, 'b'), E_NO_SPACE);
    ask_expect(&g, 0, 4 * BLOCK, 'a');
    assert_int_equal(ask(&g, BLOCK_UNMAP, 0, 4 * BLOCK, 0), E_OK);
    ask_expect(&g, 0, 4 * BLOCK, 0);
    vol_done(&g);
}

/* P12: whatever has to be read for it; and what was to be written after it is not. */
static void what_nobody_wants_is_not_held(void **state)
{
    const enum block_op ops[] = {BLOCK_READ, BLOCK_WRITE, BLOCK_COMPARE_AND_WRITE, BLOCK_OR_WRITE};
    struct ask *held[array_length(ops)];
    struct vol g;

    (void)state;
    vol_init(&g, 17, 1, 64);
    vol_serve(&g);
    assert_int_equal(ask(&g, BLOCK_WRITE, 0, 64, 'a'), E_OK);
    g.store->reads_nothing = true;
    for (uint32_t i = 0; i < array_length(ops); i++)
        held[i] = ask_begin(&g, ops[i], i * 16 + 1, 2, 'b');
    sim_run_for(g.sim, BOUND_US);
    for (uint32_t i = 0; i < array_length(ops); i++) {
        assert_false(held[i]->answered);
        held[i]->request.unwanted = true;
    }
    for (uint32_t i = 0; i < array_length(ops); i++) {
        assert_int_equal(ask_await(&g, held[i]), E_DISK);
        ask_free(held[i]);
    }
    g.store->reads_nothing = false;
    ask_expect(&g, 0, 64, 'a');
    vol_done(&g);
}

static void a_superseded_volume_says_so(void **state)
{
    struct vol g;

    (void)state;
    vol_init(&g, 13, 1, 100);
    vol_serve(&g);
    KEPT(&g)->facts.promised = 7;
    assert_int_equal(ask(&g, BLOCK_WRITE, 0, 3, 'a'), E_NOT_PRIMARY);
    assert_int_equal(ask(&g, BLOCK_READ, 0, 3, 'a'), E_NOT_PRIMARY);
    assert_int_equal(ask(&g, BLOCK_STATUS, 0, 3, 'a'), E_NOT_PRIMARY);
    assert_false(volume_serving(g.volume));
    vol_done(&g);
}

/* A part of a block that holds nothing, which would be zeroed by doing nothing. */
static void a_superseded_volume_zeroes_nothing(void **state)
{
    const enum block_op ops[] = {BLOCK_WRITE_ZEROES, BLOCK_UNMAP};
    struct vol g;

    (void)state;
    vol_init(&g, 22, 1, 100);
    vol_serve(&g);
    for (size_t i = 0; i < array_length(ops); i++)
        assert_int_equal(ask(&g, ops[i], 3, 2, 0), E_OK);
    KEPT(&g)->facts.promised = 7;
    assert_int_equal(ask(&g, BLOCK_WRITE, 40, 3, 'a'), E_NOT_PRIMARY);
    for (size_t i = 0; i < array_length(ops); i++)
        assert_int_equal(ask(&g, ops[i], 3, 2, 0), E_NOT_PRIMARY);
    vol_done(&g);
}

static void status_tells_data_from_nothing(void **state)
{
    struct vol g;
    struct ask *a;

    (void)state;
    vol_init(&g, 14, 2, 100);
    vol_serve(&g);
    assert_int_equal(ask(&g, BLOCK_WRITE, SHARD - 16, 32, 'a'), E_OK);
    a = ask_begin(&g, BLOCK_STATUS, SHARD - 30, 100, 0);
    assert_int_equal(ask_await(&g, a), E_OK);
    assert_int_equal(a->request.run_count, 3);
    assert_false(a->runs[0].mapped);
    assert_int_equal(a->runs[0].count, 14);
    assert_true(a->runs[1].mapped); /* over the shard's end, as one */
    assert_int_equal(a->runs[1].count, 32);
    assert_false(a->runs[2].mapped);
    assert_int_equal(a->runs[2].count, 54);
    ask_free(a);
    a = ask_begin(&g, BLOCK_STATUS, SHARD + 13, 1, 0);
    assert_int_equal(ask_await(&g, a), E_OK);
    assert_int_equal(a->request.run_count, 1);
    assert_int_equal(a->runs[0].count, 1);
    assert_true(a->runs[0].mapped);
    ask_free(a);
    vol_done(&g);
}

static void runs_end_where_the_array_does(void **state)
{
    struct vol g;
    struct ask *a;
    uint64_t covered = 0;

    (void)state;
    vol_init(&g, 15, 2, 100);
    vol_serve(&g);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(ask(&g, BLOCK_WRITE, 2 * i * BLOCK, BLOCK, 'a'), E_OK);
    a = ask_begin(&g, BLOCK_STATUS, 0, 40 * BLOCK, 0);
    assert_int_equal(ask_await(&g, a), E_OK);
    assert_int_equal(a->request.run_count, array_length(a->runs));
    for (size_t i = 0; i < array_length(a->runs); i++)
        covered += a->runs[i].count;
    assert_int_equal(covered, array_length(a->runs) * BLOCK);
    ask_free(a);
    vol_done(&g);
}

static void many_pieces_are_gathered(void **state)
{
    struct vol g;
    struct ask *a = calloc(1, sizeof *a);
    struct iovec *pieces = calloc(4 * BLOCK_BYTES, sizeof *pieces);
    uint8_t *bytes = malloc(4 * BLOCK_BYTES);

    (void)state;
    vol_init(&g, 16, 1, 100);
    vol_serve(&g);
    for (size_t i = 0; i < 4 * BLOCK_BYTES; i++) { /* one byte each: no leg has room for them */
        bytes[i] = (uint8_t)(i * 7 + i / 256);
        pieces[i] = (struct iovec){bytes + i, 1};
    }
    for (int turn = 0; turn < 2; turn++) { /* written, then read into the same pieces */
        a->answered = false;
        a->request = (struct block_request){.op = turn ? BLOCK_READ : BLOCK_WRITE,
                                            .extent = {5, 4 * BLOCK},
                                            .pieces = pieces,
                                            .piece_count = 4 * BLOCK_BYTES,
                                            .done = ask_done};
        block_submit(g.block, &a->request);
        assert_int_equal(ask_await(&g, a), E_OK);
        for (size_t i = 0; i < 4 * BLOCK_BYTES; i++)
            assert_int_equal(bytes[i], (uint8_t)(i * 7 + i / 256));
        memset(bytes, turn ? bytes[0] : 0, turn ? 1 : 4 * BLOCK_BYTES);
    }
    free(pieces);
    free(bytes);
    free(a);
    vol_done(&g);
}

static void nonsense_is_not_opened(void **state)
{
    struct vol g;
    struct volume *v;

    (void)state;
    vol_init(&g, 17, 3, 100);
#define REFUSED()                                                                                  \
    assert_int_equal(volume_open(g.env, &g.config, &g.arbiter.arbiter, &g.events, &v), E_INVALID)
    g.config.size_bytes += 1;
    REFUSED();
    g.config.size_bytes += BLOCK_BYTES - 1; /* more than the shards hold */
    REFUSED();
    g.config.size_bytes -= BLOCK_BYTES;
    g.config.logical_block_bytes = 1024;
    REFUSED();
    g.config.logical_block_bytes = 512;
    g.config.limits.writes_max = 0;
    REFUSED();
    g.config.limits = volume_limits_default();
    g.shards[1].size_blocks--;
    REFUSED();
    g.shards[1].size_blocks++;
    g.shards[2].epoch = 0; /* two shards are open when this one is refused */
    REFUSED();
#undef REFUSED
    sim_run_for(g.sim, BOUND_US); /* what was half open ends by itself */
    g.shards[2].epoch = 1;
    vol_serve(&g);
    vol_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_wait_until_the_shard_serves),
        cmocka_unit_test(a_whole_block_is_one_write),
        cmocka_unit_test(parts_of_blocks_are_merged),
        cmocka_unit_test(part_of_a_lost_block_fails),
        cmocka_unit_test(all_of_a_lost_block_heals),
        cmocka_unit_test(zeroes_unmap_whole_blocks_and_merge_the_rest),
        cmocka_unit_test(zeroes_where_nothing_is_take_no_space),
        cmocka_unit_test(one_of_many_compares_wins),
        cmocka_unit_test(a_miscompare_says_where),
        cmocka_unit_test(ors_add_up),
        cmocka_unit_test(at_most_a_window_is_on_its_way),
        cmocka_unit_test(the_window_is_entered_in_order),
        cmocka_unit_test(a_late_leg_does_not_come_after_a_newer_write),
        cmocka_unit_test(a_late_or_does_not_come_after_a_newer_write),
        cmocka_unit_test(a_full_disk_refuses_writes_and_serves_the_rest),
        cmocka_unit_test(what_nobody_wants_is_not_held),
        cmocka_unit_test(a_superseded_volume_says_so),
        cmocka_unit_test(a_superseded_volume_zeroes_nothing),
        cmocka_unit_test(status_tells_data_from_nothing),
        cmocka_unit_test(runs_end_where_the_array_does),
        cmocka_unit_test(many_pieces_are_gathered),
        cmocka_unit_test(nonsense_is_not_opened),
    };

    return rig_both(tests);
}
