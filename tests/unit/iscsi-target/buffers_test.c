/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/buffers_test.c — payloads are cut from counted segments. */
#include "base/util.h"
#include "iscsi-target/buffers.h"
#include "iscsi-target/iscsi_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1u << 20)

static struct payload p, q;

static void a_payload_has_just_its_bytes(void **state)
{
    const uint32_t sizes[] = {0,
                              1,
                              512,
                              4096,
                              4097,
                              16384,
                              16385,
                              65536,
                              65537,
                              MIB,
                              63 * SEGMENT_LARGE_BYTES + 16384,
                              4 * MIB};
    struct buffers b;

    (void)state;
    assert_int_equal(buffers_open(&b, 16 * MIB), E_OK);
    for (uint32_t n = 0; n < array_length(sizes); n++) {
        uint64_t bytes = 0;

        assert_true(payload_get(&b, &p, sizes[n]));
        assert_int_equal(p.bytes, sizes[n]);
        assert_true(p.count <= PAYLOAD_PIECES_MAX);
        for (uint32_t i = 0; i < p.count; i++) {
            assert_int_equal((uintptr_t)p.pieces[i].iov_base % 4096, 0);
            bytes += p.pieces[i].iov_len;
        }
        assert_int_equal(bytes, sizes[n]);
        payload_put(&b, &p);
        assert_int_equal(p.count + p.bytes, 0);
    }
    buffers_close(&b); /* asserts that all is back */
}

static void a_small_payload_holds_little(void **state)
{
    struct buffers b;

    (void)state;
    assert_int_equal(buffers_open(&b, 4 * MIB), E_OK);
    assert_true(payload_get(&b, &p, 8192));
    assert_int_equal(b.small.free_count, b.small.count - 2);
    assert_int_equal(b.large.free_count, b.large.count);
    payload_put(&b, &p);
    buffers_close(&b);
}

static void without_memory_nothing_is_taken(void **state)
{
    struct buffers b;
    uint32_t large, small;

    (void)state;
    assert_int_equal(buffers_open(&b, MIB), E_OK);
    assert_true(payload_get(&b, &p, 512 * 1024));
    large = b.large.free_count;
    small = b.small.free_count;
    assert_false(payload_get(&b, &q, MIB));
    assert_int_equal(q.count + q.bytes, 0);
    assert_int_equal(b.large.free_count, large);
    assert_int_equal(b.small.free_count, small);
    payload_put(&b, &p);
    buffers_close(&b);
}

static void one_pool_helps_the_other_out(void **state)
{
    struct buffers b;
    static struct payload all[32];
    uint32_t count = 0;

    (void)state;
    assert_int_equal(buffers_open(&b, MIB), E_OK); /* 32 small, 14 large */
    assert_true(payload_get(&b, &p, 14 * SEGMENT_LARGE_BYTES));
    assert_true(payload_get(&b, &q, SEGMENT_LARGE_BYTES)); /* of small ones */
    assert_int_equal(q.count, 16);
    payload_put(&b, &p);
    while (count < 32 && b.small.free_count > 0)
        assert_true(payload_get(&b, &all[count++], 4096));
    assert_true(payload_get(&b, &p, 4096)); /* of a large one */
    assert_int_equal(b.large.free_count, b.large.count - 1);
    payload_put(&b, &p);
    payload_put(&b, &q);
    while (count > 0)
        payload_put(&b, &all[--count]);
    buffers_close(&b);
}

/* However many small segments are left, a large payload cannot be cut from them. */
static void small_segments_are_of_no_use_to_large_payloads(void **state)
{
    const uint32_t most = PAYLOAD_PIECES_MAX * SEGMENT_SMALL_BYTES;
    struct buffers b;

    (void)state;
    assert_int_equal(buffers_open(&b, 4 * MIB), E_OK); /* 128 small, 56 large */
    assert_int_equal(buffers_free_bytes(&b, most), 4 * MIB);
    assert_int_equal(buffers_free_bytes(&b, most + 1), 56 * SEGMENT_LARGE_BYTES);
    assert_true(payload_get(&b, &p, 56 * SEGMENT_LARGE_BYTES));
    assert_int_equal(buffers_free_bytes(&b, most), 128 * SEGMENT_SMALL_BYTES);
    assert_int_equal(buffers_free_bytes(&b, most + 1), 0);
    assert_true(buffers_have(&b, most));
    assert_false(buffers_have(&b, most + 1));
    assert_false(payload_get(&b, &q, most + 1));
    assert_true(payload_get(&b, &q, most));
    assert_false(buffers_have(&b, most));
    payload_put(&b, &q);
    payload_put(&b, &p);
    buffers_close(&b);
}

static void bytes_go_in_and_out_anywhere(void **state)
{
    static uint8_t in[200000], out[200000];
    struct buffers b;

    (void)state;
    for (uint32_t n = 0; n < sizeof in; n++)
        in[n] = (uint8_t)(n * 7 + n / 251);
    assert_int_equal(buffers_open(&b, 4 * MIB), E_OK);
    assert_true(payload_get(&b, &p, sizeof in));
    for (uint32_t at = 0; at < sizeof in; at += 999)
        payload_write(&p, at, in + at, min_u32(999, (uint32_t)sizeof in - at));
    payload_read(&p, 0, out, sizeof out);
    assert_memory_equal(in, out, sizeof in);
    payload_read(&p, 65530, out, 20);
    assert_memory_equal(in + 65530, out, 20);
    payload_write(&p, p.bytes, in, 0); /* at the very end: nothing */
    payload_put(&b, &p);
    buffers_close(&b);
}

static void pieces_of_a_range_are_those_bytes(void **state)
{
    struct iovec pieces[PAYLOAD_PIECES_MAX];
    struct buffers b;
    uint32_t count;

    (void)state;
    assert_int_equal(buffers_open(&b, 4 * MIB), E_OK);
    assert_true(payload_get(&b, &p, 3 * SEGMENT_LARGE_BYTES));
    count = payload_pieces(&p, SEGMENT_LARGE_BYTES - 10, SEGMENT_LARGE_BYTES + 20, pieces);
    assert_int_equal(count, 3);
    assert_int_equal(pieces[0].iov_len, 10);
    assert_int_equal(pieces[1].iov_len, SEGMENT_LARGE_BYTES);
    assert_int_equal(pieces[2].iov_len, 10);
    assert_ptr_equal(pieces[2].iov_base, p.pieces[2].iov_base);
    assert_int_equal(payload_pieces(&p, 100, 0, pieces), 0);
    payload_put(&b, &p);
    buffers_close(&b);
}

static void a_cut_gives_the_rest_back(void **state)
{
    struct buffers b;

    (void)state;
    assert_int_equal(buffers_open(&b, 4 * MIB), E_OK);
    assert_true(payload_get(&b, &p, MIB));
    payload_cut(&b, &p, 2 * MIB); /* no longer than that */
    assert_int_equal(p.bytes, MIB);
    payload_cut(&b, &p, SEGMENT_LARGE_BYTES + 1);
    assert_int_equal(p.bytes, SEGMENT_LARGE_BYTES + 1);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.pieces[1].iov_len, 1);
    payload_cut(&b, &p, SEGMENT_LARGE_BYTES);
    assert_int_equal(p.count, 1);
    payload_cut(&b, &p, 0);
    assert_int_equal(p.count + p.bytes, 0);
    buffers_close(&b);
}

/* ---- names (name.c) ---- */

static void a_volumes_name_leads_back_to_it(void **state)
{
    struct identity volume = {0x0123456789abcdef}, found = {0};
    char name[ISCSI_NAME_MAX];

    (void)state;
    iscsi_target_name(ISCSI_PREFIX, volume, name);
    assert_string_equal(name, "iqn.2026-11.internal.dolmen:0123456789abcdef");
    assert_true(iscsi_target_volume(ISCSI_PREFIX, name, &found));
    assert_true(identity_equal(found, volume));
    assert_false(iscsi_target_volume("iqn.other", name, &found));
    assert_false(iscsi_target_volume(ISCSI_PREFIX, ISCSI_PREFIX, &found));
    assert_false(iscsi_target_volume(ISCSI_PREFIX, ISCSI_PREFIX ":", &found));
    assert_false(iscsi_target_volume(ISCSI_PREFIX, ISCSI_PREFIX ":0123456789abcde", &found));
    assert_false(iscsi_target_volume(ISCSI_PREFIX, ISCSI_PREFIX ":0123456789abcdef0", &found));
    assert_false(iscsi_target_volume(ISCSI_PREFIX, ISCSI_PREFIX ":0000000000000000", &found));
    assert_false(iscsi_target_volume(ISCSI_PREFIX, "", &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_has_just_its_bytes),
        cmocka_unit_test(a_small_payload_holds_little),
        cmocka_unit_test(without_memory_nothing_is_taken),
        cmocka_unit_test(one_pool_helps_the_other_out),
        cmocka_unit_test(small_segments_are_of_no_use_to_large_payloads),
        cmocka_unit_test(bytes_go_in_and_out_anywhere),
        cmocka_unit_test(pieces_of_a_range_are_those_bytes),
        cmocka_unit_test(a_cut_gives_the_rest_back),
        cmocka_unit_test(a_volumes_name_leads_back_to_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
