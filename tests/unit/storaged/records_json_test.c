/* SPDX-License-Identifier: Apache-2.0 */
/* A transaction as a node asks for it while memory is short: all of it, or nothing. */
#include "storaged/records_json.h"
#include "tests/unit/metadata/short_memory.h"

#define ID(n) ((struct identity){0xfeed000000000000 + (n)})

static struct record_transaction transaction;

static char *write_transaction(void)
{
    return records_transaction_write(ID(2), &transaction);
}

static void a_transaction_is_asked_for_as_a_whole(void **state)
{
    struct record_transaction *t = &transaction;
    struct grave_record g = {.replica = ID(1), .node = ID(2), .disk = ID(3)};

    (void)state;
    transaction_init(t);
    assert_int_equal(transaction_compare(t, head_key(ID(4)), 5), E_OK);
    assert_int_equal(transaction_compare(t, page_key(ID(4), 0), 6), E_OK);
    assert_int_equal(transaction_put(t, page_key(ID(4), 0), grave_write(&g, NULL)), E_OK);
    assert_int_equal(transaction_delete(t, page_key(ID(4), 1)), E_OK);
    whole_or_nothing(write_transaction);
    transaction_done(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_is_asked_for_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
