/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/crc32c_test.c — the vectors of RFC 3720 B.4, and a block's checksum. */
#include "base/crc32c.h"
#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The plainest form: one bit at a time, reflected polynomial 0x82f63b78. */
static uint32_t by_bits(const uint8_t *bytes, size_t length)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    return ~crc;
}

static void the_vectors_of_the_rfc(void **state)
{
    static const uint8_t read_10[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                                        0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                                        0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
    uint8_t bytes[32];

    (void)state;
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(bytes, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(bytes, 32), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(bytes, 32), 0x113fdb5c);
    assert_int_equal(crc32c(read_10, sizeof read_10), 0xd9963a56);
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c("", 0), 0);
}

static void any_length_and_address_is_the_same_polynomial(void **state)
{
    uint8_t bytes[600];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i + 3 * i);
    for (size_t length = 0; length < 500; length += 7)
        for (size_t start = 0; start < 9; start++)
            assert_int_equal(crc32c(bytes + start, length), by_bits(bytes + start, length));
}

static void a_checksum_may_be_continued_anywhere(void **state)
{
    uint8_t bytes[64];
    uint32_t whole;

    (void)state;
    for (uint8_t i = 0; i < 64; i++)
        bytes[i] = (uint8_t)(i * 7);
    whole = crc32c(bytes, 64);
    for (size_t cut = 0; cut <= 64; cut++)
        assert_int_equal(crc32c_go_on(crc32c(bytes, cut), bytes + cut, 64 - cut), whole);
}

/* design 4: seeded with the volume and the block's number, little-endian, in that order. */
static void a_blocks_checksum_names_its_place(void **state)
{
    uint8_t seeded[16 + BLOCK_BYTES] = {0};
    struct identity volume = {0x0102030405060708}, other = {0x0102030405060709};
    uint32_t crc;

    (void)state;
    memset(seeded + 16, 0xc3, BLOCK_BYTES);
    for (int i = 0; i < 8; i++)
        seeded[i] = (uint8_t)(8 - i);
    seeded[8] = 0x2a;
    crc = block_checksum(volume, 42, seeded + 16);
    assert_int_equal(crc, by_bits(seeded, sizeof seeded));
    assert_int_not_equal(crc, block_checksum(volume, 43, seeded + 16));
    assert_int_not_equal(crc, block_checksum(other, 42, seeded + 16));
}

static void pieces_of_any_size_give_the_same_checksums(void **state)
{
    enum { BLOCKS = 5 };
    struct identity volume = {77};
    uint8_t *bytes = malloc(BLOCKS * BLOCK_BYTES);
    struct iovec pieces[BLOCKS * BLOCK_BYTES / 100 + 64];
    static const size_t sizes[] = {1, 4096, 513, 0, 100, 3000, 8192, 7};

    (void)state;
    for (size_t i = 0; i < BLOCKS * BLOCK_BYTES; i++)
        bytes[i] = (uint8_t)(i ^ i >> 8);
    for (size_t first = 0; first < array_length(sizes); first++) {
        uint32_t got[BLOCKS], count = 0;
        size_t at = 0;

        for (size_t i = first; at < BLOCKS * BLOCK_BYTES; i++) {
            size_t size = sizes[i % array_length(sizes)];

            size = size < BLOCKS * BLOCK_BYTES - at ? size : BLOCKS * BLOCK_BYTES - at;
            pieces[count++] = (struct iovec){bytes + at, size};
            at += size;
        }
        block_checksums(volume, 9, BLOCKS, pieces, got);
        for (uint32_t b = 0; b < BLOCKS; b++)
            assert_int_equal(got[b], block_checksum(volume, 9 + b, bytes + b * BLOCK_BYTES));
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc),
        cmocka_unit_test(any_length_and_address_is_the_same_polynomial),
        cmocka_unit_test(a_checksum_may_be_continued_anywhere),
        cmocka_unit_test(a_blocks_checksum_names_its_place),
        cmocka_unit_test(pieces_of_any_size_give_the_same_checksums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
