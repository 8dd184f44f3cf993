/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void sizes_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"4096", 4096},
        {"4096B", 4096},
        {"1K", 1024},
        {"512MiB", UINT64_C(512) << 20},
        {"10G", UINT64_C(10) << 30},
        {"10g", UINT64_C(10) << 30},
        {"10 GiB", UINT64_C(10) << 30},
        {"1.5T", UINT64_C(3) << 39},
        {"2P", UINT64_C(2) << 50},
        {"0.5K", 512},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 7;

        assert_true(size_parse(cases[i].text, &bytes));
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const cases[] = {
        "",     "G",  "-1",     "10GB",     "10X",    "1.5", "1.",
        "1..5", "+1", "10GiBs", "9999999P", "10 G G", ".5G", "99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 7;

        assert_false(size_parse(cases[i], &bytes));
        assert_int_equal(bytes, 7);
    }
}

static void sizes_are_shown_short_and_never_rounded_up(void **state)
{
    (void)state;
    assert_string_equal(size_show(0).text, "0 B");
    assert_string_equal(size_show(1023).text, "1023 B");
    assert_string_equal(size_show(UINT64_C(10) << 30).text, "10 GiB");
    assert_string_equal(size_show((UINT64_C(3) << 39)).text, "1.5 TiB");
    assert_string_equal(size_show((UINT64_C(1) << 30) - 1).text, "1023.9 MiB");
    assert_string_equal(size_show(UINT64_MAX >> 1).text, "8191.9 PiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_as_people_write_them),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(sizes_are_shown_short_and_never_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
