/* SPDX-License-Identifier: Apache-2.0 */
/* A backup proves itself by its end: nothing that was cut off, added or flipped is taken. */
#include "base/crc64.h"
#include "base/util.h"
#include "metadata/keeper_trailer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LENGTH 3000u
#define WHOLE  (LENGTH + sizeof(struct keeper_trailer))

static int fd;
static uint8_t whole[WHOLE];

static int setup(void **state)
{
    char name[] = "/tmp/dolmen-trailer-XXXXXX";

    (void)state;
    fd = mkstemp(name);
    unlink(name);
    for (uint32_t i = 0; i < LENGTH; i++)
        whole[i] = (uint8_t)(i * 7);
    if (pwrite(fd, whole, LENGTH, 0) != LENGTH || keeper_trailer_write(fd) != E_OK)
        return -1;
    return pread(fd, whole, WHOLE, 0) == WHOLE ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return close(fd);
}

static enum err check(void)
{
    const char *why = NULL;
    uint64_t length = 0;
    enum err err = keeper_trailer_check(fd, &length, &why);

    if (!err)
        assert_int_equal(length, LENGTH);
    else
        assert_non_null(why);
    return err;
}

/* docs/formats/backup.md */
static void it_is_laid_out_as_described(void **state)
{
    static const uint8_t after[] = {'D', 'L', 'R', 'B', 1,  0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0,
                                    0,   0,   0,   0,   64, 0, 0, 0, 0xb8, 0x0b, 0, 0, 0, 0, 0, 0};
    uint8_t proved[WHOLE - 8];
    le64 checksum;

    (void)state;
    assert_memory_equal(whole + LENGTH + 8, after, sizeof after);
    memcpy(proved, whole, LENGTH);
    memcpy(proved + LENGTH, whole + LENGTH + 8, sizeof proved - LENGTH);
    memcpy(&checksum, whole + LENGTH, sizeof checksum);
    assert_int_equal(le64_get(checksum), crc64(proved, sizeof proved));
    assert_int_equal(check(), E_OK);
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    for (uint32_t bit = 0; bit < WHOLE * 8; bit++) {
        uint8_t byte = whole[bit / 8] ^ (uint8_t)(1u << bit % 8);

        assert_int_equal(pwrite(fd, &byte, 1, bit / 8), 1);
        assert_int_equal(check(), E_DAMAGED);
        assert_int_equal(pwrite(fd, whole + bit / 8, 1, bit / 8), 1);
    }
    assert_int_equal(check(), E_OK);
}

static void what_is_cut_short_or_grew_is_found(void **state)
{
    (void)state;
    assert_int_equal(ftruncate(fd, WHOLE + 1), 0);
    assert_int_equal(check(), E_DAMAGED);
    for (uint32_t length = WHOLE; length-- > 0;) {
        assert_int_equal(ftruncate(fd, length), 0);
        assert_int_equal(check(), E_DAMAGED);
    }
    /* its middle is missing, its end is there */
    assert_int_equal(pwrite(fd, whole, 1000, 0), 1000);
    assert_int_equal(pwrite(fd, whole + 2000, WHOLE - 2000, 1000), WHOLE - 2000);
    assert_int_equal(check(), E_DAMAGED);
}

static void a_newer_ones_is_not_guessed_at(void **state)
{
    struct keeper_trailer t;
    uint64_t crc = crc64(whole, LENGTH);

    (void)state;
    memcpy(&t, whole + LENGTH, sizeof t);
    t.incompat = le32_of(1);
    t.checksum = le64_of(crc64_go_on(crc, (uint8_t *)&t + 8, sizeof t - 8));
    assert_int_equal(pwrite(fd, &t, sizeof t, LENGTH), sizeof t);
    assert_int_equal(check(), E_UNSUPPORTED);
    t.incompat = le32_of(0);
    t.compat = le32_of(1); /* means nothing to us */
    t.checksum = le64_of(crc64_go_on(crc, (uint8_t *)&t + 8, sizeof t - 8));
    assert_int_equal(pwrite(fd, &t, sizeof t, LENGTH), sizeof t);
    assert_int_equal(check(), E_OK);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_laid_out_as_described),
        TEST(every_flipped_bit_is_found),
        TEST(what_is_cut_short_or_grew_is_found),
        TEST(a_newer_ones_is_not_guessed_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
