/* SPDX-License-Identifier: Apache-2.0 */
/* What a volume counts of its requests, and of the writes that its shards send. */
#include "tests/unit/volume/rig.h"

static uint64_t count_of(const struct metric_histogram *h)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < METRIC_BUCKETS; i++)
        count += metric_get(&h->buckets[i]);
    return count;
}

static void requests_are_counted_by_what_they_do(void **state)
{
    static struct vol g;
    struct volume_counts c;

    (void)state;
    vol_init(&g, 1, 2, SHARD_BLOCKS_SMALL);
    vol_serve(&g);
    assert_int_equal(ask(&g, BLOCK_WRITE, 0, 16, 7), E_OK);
    assert_int_equal(ask(&g, BLOCK_WRITE, 8, 8, 8), E_OK);
    assert_int_equal(ask(&g, BLOCK_READ, 0, 8, 0), E_OK);
    assert_int_equal(ask(&g, BLOCK_UNMAP, 0, 8, 0), E_OK);
    assert_int_equal(ask(&g, BLOCK_STATUS, 0, 8, 0), E_OK);
    assert_int_equal(ask(&g, BLOCK_COMPARE_AND_WRITE, 8, 1, 9), E_MISCOMPARE);
    volume_count(g.volume, &c);
    assert_int_equal(count_of(&c.volume.write_seconds), 4);
    assert_int_equal(count_of(&c.volume.read_seconds), 1);
    assert_int_equal(metric_get(&c.volume.write_bytes), (16 + 8 + 1) * UNIT_BYTES);
    assert_int_equal(metric_get(&c.volume.read_bytes), 8 * UNIT_BYTES);
    assert_int_equal(metric_get(&c.volume.zeroed_bytes), 8 * UNIT_BYTES);
    assert_int_equal(metric_get(&c.volume.errors), 0); /* a miscompare is an answer */
    assert_int_equal(metric_get(&c.volume.requests), 0);
    assert_int_equal(count_of(&c.rep.write_seconds), 3);
    assert_int_equal(metric_get(&c.rep.writes_in_flight), 0);
    vol_done(&g);
}

static void who_waits_for_an_overlapping_one_is_counted(void **state)
{
    static struct vol g;
    struct volume_counts c;
    struct ask *asks[3];

    (void)state;
    vol_init(&g, 2, 1, SHARD_BLOCKS_SMALL);
    vol_serve(&g);
    for (uint32_t i = 0; i < 3; i++)
        asks[i] = ask_begin(&g, BLOCK_WRITE, 0, 8, (uint8_t)i);
    volume_count(g.volume, &c);
    assert_int_equal(metric_get(&c.volume.requests), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(ask_await(&g, asks[i]), E_OK);
        ask_free(asks[i]);
    }
    volume_count(g.volume, &c);
    assert_int_equal(metric_get(&c.volume.lock_waits), 2);
    assert_int_equal(metric_get(&c.volume.slot_waits), 0);
    vol_done(&g);
}

static void who_waits_for_a_slot_or_the_window_is_counted(void **state)
{
    static struct vol g;
    struct volume_counts c;
    struct ask *asks[4];

    (void)state;
    vol_init(&g, 3, 1, SHARD_BLOCKS_SMALL);
    g.config.limits.requests_max = 2;
    g.config.limits.writes_max = 1;
    vol_serve(&g);
    for (uint32_t i = 0; i < 4; i++)
        asks[i] = ask_begin(&g, BLOCK_WRITE, 8ull * i, 8, (uint8_t)i);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(ask_await(&g, asks[i]), E_OK);
        ask_free(asks[i]);
    }
    volume_count(g.volume, &c);
    assert_int_equal(metric_get(&c.volume.slot_waits), 2);
    assert_true(metric_get(&c.volume.window_waits) > 0);
    assert_true(metric_get(&c.volume.write_seconds.sum_us) >=
                metric_get(&c.rep.write_seconds.sum_us));
    vol_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_counted_by_what_they_do),
        cmocka_unit_test(who_waits_for_an_overlapping_one_is_counted),
        cmocka_unit_test(who_waits_for_a_slot_or_the_window_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
