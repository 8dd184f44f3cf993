/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/identity_test.c — sixteen digits, there and back. */
#include "base/identity.h"
#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void an_identity_is_written_as_sixteen_digits(void **state)
{
    (void)state;
    assert_string_equal(identity_show((struct identity){1}).text, "0000000000000001");
    assert_string_equal(identity_show((struct identity){0xfedcba9876543210}).text,
                        "fedcba9876543210");
}

static void what_was_written_is_read(void **state)
{
    uint64_t bits = 1;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct identity id = {bits}, back;

        assert_true(identity_parse(identity_show(id).text, &back));
        assert_true(identity_equal(id, back));
        bits = bits * 6364136223846793005u + 1442695040888963407u;
    }
}

static void upper_case_is_the_same_identity(void **state)
{
    struct identity id;

    (void)state;
    assert_true(identity_parse("FEDCBA9876543210", &id));
    assert_int_equal(id.bits, 0xfedcba9876543210);
}

static void what_is_no_identity_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "0000000000000000",
        "000000000000001",
        "00000000000000001",
        "000000000000000g",
        "0x00000000000001",
        " 000000000000001",
        "-000000000000001",
        "000000000000001 ",
    };

    (void)state;
    for (size_t i = 0; i < array_length(cases); i++) {
        struct identity id = {7};

        assert_false(identity_parse(cases[i], &id));
        assert_int_equal(id.bits, 7);
    }
    assert_true(identity_none((struct identity){0}));
    assert_false(identity_none((struct identity){1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_identity_is_written_as_sixteen_digits),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(upper_case_is_the_same_identity),
        cmocka_unit_test(what_is_no_identity_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
