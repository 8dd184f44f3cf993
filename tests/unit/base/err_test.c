/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/err_test.c — the vocabulary is whole, and errno finds its word. */
#include "base/err.h"
#include "base/util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_ONE(name, class, text) +1
#define ERR_COUNT                    (0 ERR_LIST(COUNT_ONE))

static void every_error_has_a_name_a_text_and_a_class(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        assert_true(strlen(err_name((enum err)i)) > 0);
        assert_true(strlen(err_text((enum err)i)) > 0);
        assert_true((err_class((enum err)i) == ERR_NONE) == (i == E_OK));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(err_name((enum err)i), err_name((enum err)j));
    }
    assert_int_equal(E_OK, 0);
    assert_string_equal(err_name(E_NO_SPACE), "NO_SPACE");
    assert_int_equal(err_class(E_MEDIUM), ERR_DATA);
    assert_int_equal(err_class(E_NOT_PRIMARY), ERR_RETRY);
    assert_int_equal(err_class(E_NO_SPACE), ERR_LIMIT);
    assert_int_equal(err_class(E_LBA_RANGE), ERR_REFUSED);
    assert_int_equal(err_class(E_DISK), ERR_BROKEN);
}

static void errno_finds_its_word(void **state)
{
    static const struct {
        int number;
        enum err err;
    } cases[] = {
        {0, E_OK},
        {ENOENT, E_NOT_FOUND},
        {ENOTDIR, E_NOT_FOUND},
        {EEXIST, E_EXISTS},
        {EACCES, E_FORBIDDEN},
        {EROFS, E_READ_ONLY},
        {ENOSPC, E_NO_SPACE},
        {ENOMEM, E_NO_MEMORY},
        {ENOBUFS, E_NO_MEMORY},
        {EADDRINUSE, E_BUSY},
        {EWOULDBLOCK, E_BUSY},
        {ETIMEDOUT, E_TIMED_OUT},
        {ECONNREFUSED, E_UNREACHABLE},
        {ECONNRESET, E_UNREACHABLE},
        {ECONNABORTED, E_UNREACHABLE},
        {EPIPE, E_UNREACHABLE},
        {EIO, E_DISK},
        {EINVAL, E_INVALID},
        {ELOOP, E_SYSTEM},
    };

    (void)state;
    for (size_t i = 0; i < array_length(cases); i++)
        assert_int_equal(err_of_errno(cases[i].number), cases[i].err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_name_a_text_and_a_class),
        cmocka_unit_test(errno_finds_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
