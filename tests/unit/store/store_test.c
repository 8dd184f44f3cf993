/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/store_test.c — what is written is read: at once, after a restart, after a crash.
 */
#include "tests/unit/store/rig.h"

#define SIZE 2000u /* blocks of the replica: 125 chunks */

static void a_block_is_read_back(void **state)
{
    struct rig r = rig_begin(1, SIZE);

    (void)state;
    expect_blocks(&r, 0, 64, 0);
    assert_int_equal(rig_write(&r, 5, 1, 100), E_OK);
    expect_blocks(&r, 5, 1, 100);
    expect_blocks(&r, 0, 5, 0);
    expect_blocks(&r, 6, 10, 0);
    rig_reopen(&r);
    expect_blocks(&r, 5, 1, 100);
    expect_blocks(&r, 6, 10, 0);
    rig_end(&r);
}

static void writes_overlap(void **state)
{
    struct rig r = rig_begin(2, SIZE);

    (void)state;
    assert_int_equal(rig_write(&r, 10, 20, 100), E_OK);
    assert_int_equal(rig_write(&r, 15, 3, 500), E_OK);
    expect_blocks(&r, 10, 5, 100);
    expect_blocks(&r, 15, 3, 500);
    expect_blocks(&r, 18, 12, 108);
    rig_reopen(&r);
    assert_int_equal(rig_write(&r, 16, 1, 900), E_OK);
    expect_blocks(&r, 10, 5, 100);
    expect_blocks(&r, 15, 1, 500);
    expect_blocks(&r, 16, 1, 900);
    expect_blocks(&r, 17, 1, 502);
    expect_blocks(&r, 18, 12, 108);
    rig_reopen(&r);
    expect_blocks(&r, 15, 1, 500);
    expect_blocks(&r, 16, 1, 900);
    rig_end(&r);
}

static void a_crash_keeps_what_was_answered(void **state)
{
    struct rig r = rig_begin(3, SIZE);

    (void)state;
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(rig_write(&r, i * 37, 3, 1000 * i + 1), E_OK);
    rig_crash_and_reopen(&r);
    assert_non_null(r.replica);
    for (uint64_t i = 0; i < 50; i++)
        expect_blocks(&r, i * 37, 3, 1000 * i + 1);
    rig_crash_and_reopen(&r);
    for (uint64_t i = 0; i < 50; i++)
        expect_blocks(&r, i * 37, 3, 1000 * i + 1);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_read_back),
        cmocka_unit_test(writes_overlap),
        cmocka_unit_test(a_crash_keeps_what_was_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
