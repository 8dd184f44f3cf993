/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/wire_test.c — each byte stands where its order says, at any address. */
#include "base/wire.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static_assert(sizeof(be16) == 2, "no padding");
static_assert(sizeof(be24) == 3, "no padding");
static_assert(sizeof(le64) == 8, "no padding");
static_assert(_Alignof(be64) == 1, "it may lie anywhere");

static void big_endian_bytes(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
    be64 whole = be64_of(0x0102030405060708);
    be32 half = be32_of(0x01020304);
    be24 three = be24_of(0x010203);
    be16 two = be16_of(0x0102);

    (void)state;
    assert_memory_equal(&whole, bytes, 8);
    assert_memory_equal(&half, bytes, 4);
    assert_memory_equal(&three, bytes, 3);
    assert_memory_equal(&two, bytes, 2);
    assert_int_equal(be64_get(whole), 0x0102030405060708);
    assert_int_equal(be32_get(half), 0x01020304);
    assert_int_equal(be24_get(three), 0x010203);
    assert_int_equal(be16_get(two), 0x0102);
}

static void little_endian_bytes(void **state)
{
    static const uint8_t bytes[] = {8, 7, 6, 5, 4, 3, 2, 1};
    le64 whole = le64_of(0x0102030405060708);
    le32 half = le32_of(0x05060708);
    le16 two = le16_of(0x0708);

    (void)state;
    assert_memory_equal(&whole, bytes, 8);
    assert_memory_equal(&half, bytes, 4);
    assert_memory_equal(&two, bytes, 2);
    assert_int_equal(le64_get(whole), 0x0102030405060708);
    assert_int_equal(le32_get(half), 0x05060708);
    assert_int_equal(le16_get(two), 0x0708);
}

static void fields_at_odd_places(void **state)
{
    uint8_t bytes[16] = {0};

    (void)state;
    for (unsigned at = 0; at < 8; at++) {
        be64_put(bytes, at, 0xf1f2f3f4f5f6f7f8);
        assert_int_equal(be64_at(bytes, at), 0xf1f2f3f4f5f6f7f8);
        assert_int_equal(bytes[at], 0xf1);
        be32_put(bytes, at, 0xe1e2e3e4);
        assert_int_equal(be32_at(bytes, at), 0xe1e2e3e4);
        assert_int_equal(be24_at(bytes, at + 1), 0xe2e3e4);
        be16_put(bytes, at, 0xd1d2);
        assert_int_equal(be16_at(bytes, at), 0xd1d2);
        assert_int_equal(bytes[at + 2], 0xe3);
    }
}

static void the_highest_bits_survive(void **state)
{
    (void)state;
    assert_int_equal(be24_get(be24_of(0xffffff)), 0xffffff);
    assert_int_equal(be24_get(be24_of(0xff000001)), 1); /* only 24 of them */
    assert_int_equal(be64_get(be64_of(UINT64_MAX)), UINT64_MAX);
    assert_int_equal(le32_get(le32_of(UINT32_MAX)), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(big_endian_bytes),
        cmocka_unit_test(little_endian_bytes),
        cmocka_unit_test(fields_at_odd_places),
        cmocka_unit_test(the_highest_bits_survive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
