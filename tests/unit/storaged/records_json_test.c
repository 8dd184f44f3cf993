/* SPDX-License-Identifier: Apache-2.0 */
/* A transaction as a node asks for it while memory is short: all of it, or nothing. */
#include "storaged/records_json.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID(n) ((struct identity){0xfeed000000000000 + (n)})

static uint32_t asked, refused; /* allocations; the one that is refused, from 1 */

static void *one_refused(size_t bytes)
{
    return ++asked == refused ? NULL : malloc(bytes);
}

static void a_transaction_is_asked_for_as_a_whole(void **state)
{
    static struct record_transaction t;
    struct grave_record g = {.replica = ID(1), .node = ID(2), .disk = ID(3)};
    char *whole;

    (void)state;
    transaction_init(&t);
    assert_int_equal(transaction_compare(&t, head_key(ID(4)), 5), E_OK);
    assert_int_equal(transaction_compare(&t, page_key(ID(4), 0), 6), E_OK);
    assert_int_equal(transaction_put(&t, page_key(ID(4), 0), grave_write(&g, NULL)), E_OK);
    assert_int_equal(transaction_delete(&t, page_key(ID(4), 1)), E_OK);
    json_set_alloc_funcs(one_refused, free);
    refused = 0;
    whole = records_transaction_write(ID(2), &t);
    assert_non_null(whole);
    do {
        char *text;

        asked = 0;
        refused++;
        text = records_transaction_write(ID(2), &t);
        if (text)
            assert_string_equal(text, whole);
        free(text);
    } while (asked >= refused);
    assert_true(refused > 1);
    json_set_alloc_funcs(malloc, free);
    transaction_done(&t);
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_is_asked_for_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
