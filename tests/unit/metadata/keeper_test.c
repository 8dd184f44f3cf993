/* SPDX-License-Identifier: Apache-2.0 */
/* What every keeper promises, asked of both: the one in LMDB and the one in memory. */
#include "metadata/keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct keeper *keeper;
    char dir[64];
};

static int lmdb_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char why[160];

    snprintf(f->dir, sizeof f->dir, "/tmp/dolmen-keeper-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(keeper_lmdb_open(f->dir, (struct identity){77}, &f->keeper, why), E_OK);
    *state = f;
    return 0;
}

static int memory_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_int_equal(keeper_memory_open((struct identity){77}, &f->keeper), E_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "keeper.lock"};
    struct fixture *f = *state;

    keeper_close(f->keeper);
    for (size_t i = 0; f->dir[0] && i < 3; i++) {
        char path[96];

        snprintf(path, sizeof path, "%s/%s", f->dir, files[i]);
        unlink(path);
    }
    if (f->dir[0])
        rmdir(f->dir);
    free(f);
    return 0;
}

static struct record_key key_of(const char *text)
{
    struct record_key k = {{0}};

    memcpy(k.text, text, strlen(text) + 1);
    return k;
}

/* One put (value NULL: a delete), compared with `revision` unless that is UINT64_MAX. */
static enum err put(struct keeper *k, const char *key, const char *value, uint64_t revision,
                    uint64_t *ret)
{
    struct record_transaction *t = malloc(sizeof *t);
    enum err err;

    transaction_init(t);
    if (revision != UINT64_MAX)
        assert_int_equal(transaction_compare(t, key_of(key), revision), E_OK);
    if (value)
        assert_int_equal(transaction_put(t, key_of(key), strdup(value)), E_OK);
    else
        assert_int_equal(transaction_delete(t, key_of(key)), E_OK);
    err = keeper_transact(k, t, ret);
    transaction_done(t);
    free(t);
    return err;
}

#define ANY UINT64_MAX

static void a_range_is_ordered_and_bounded_by_its_prefix(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_list l;
    uint64_t r;

    put(k, "b/2", "2", ANY, &r);
    put(k, "b/1", "1", ANY, &r);
    put(k, "a/1", "0", ANY, &r);
    put(k, "c", "3", ANY, &r);
    assert_int_equal(keeper_range(k, "b/", &l), E_OK);
    assert_int_equal(l.count, 2);
    assert_string_equal(l.records[0].key, "b/1");
    assert_string_equal(l.records[0].value, "1");
    assert_string_equal(l.records[1].key, "b/2");
    assert_int_equal(l.revision, r);
    record_list_free(&l);
    assert_int_equal(keeper_range(k, "", &l), E_OK);
    assert_int_equal(l.count, 4);
    assert_non_null(record_list_find(&l, "a/1"));
    assert_null(record_list_find(&l, "a/2"));
    assert_int_equal(record_list_part(&l, "b").count, 2);
    assert_int_equal(record_list_part(&l, "d").count, 0);
    record_list_free(&l);
    assert_int_equal(keeper_range(k, "zz", &l), E_OK);
    assert_int_equal(l.count, 0);
    record_list_free(&l);
}

static void revisions_count_transactions(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_list l;
    uint64_t first, second;

    assert_int_equal(keeper_range(k, "", &l), E_OK);
    assert_int_equal(l.revision, KEEPER_FIRST_REVISION);
    assert_int_equal(put(k, "a", "1", ANY, &first), E_OK);
    assert_int_equal(first, KEEPER_FIRST_REVISION + 1);
    assert_int_equal(put(k, "a", "2", first, &second), E_OK);
    assert_int_equal(second, first + 1);
    assert_int_equal(keeper_range(k, "a", &l), E_OK);
    assert_int_equal(l.records[0].revision, second);
    record_list_free(&l);
    assert_int_equal(k->lineage.bits, 77);
}

static void a_conflict_changes_nothing(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_transaction *t = malloc(sizeof *t);
    struct record_list l;
    uint64_t r, untouched = 99;

    put(k, "a", "1", ANY, &r);
    transaction_init(t);
    transaction_compare(t, key_of("a"), r);
    transaction_compare(t, key_of("b"), 5); /* it is not there */
    transaction_put(t, key_of("a"), strdup("2"));
    transaction_put(t, key_of("c"), strdup("3"));
    assert_int_equal(keeper_transact(k, t, &untouched), E_CONFLICT);
    assert_int_equal(untouched, 99);
    transaction_done(t);
    free(t);
    assert_int_equal(put(k, "a", "9", 0, &untouched), E_CONFLICT); /* 0: must not be there */
    assert_int_equal(keeper_range(k, "", &l), E_OK);
    assert_int_equal(l.count, 1);
    assert_string_equal(l.records[0].value, "1");
    assert_int_equal(l.revision, r);
    record_list_free(&l);
}

static void a_deleted_record_may_be_made_again(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_list l;
    uint64_t r;

    put(k, "a", "1", 0, &r);
    assert_int_equal(put(k, "a", NULL, r, &r), E_OK);
    assert_int_equal(put(k, "a", NULL, ANY, &r), E_OK); /* nothing to delete is no error */
    assert_int_equal(put(k, "a", "2", 0, &r), E_OK);
    assert_int_equal(keeper_range(k, "", &l), E_OK);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.records[0].revision, r);
    record_list_free(&l);
}

static void a_transaction_without_puts_only_asks(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_transaction *t = malloc(sizeof *t);
    uint64_t before, after;

    put(k, "a", "1", ANY, &before);
    transaction_init(t);
    transaction_compare(t, key_of("a"), before);
    assert_int_equal(keeper_transact(k, t, &after), E_OK);
    assert_int_equal(after, before);
    transaction_done(t);
    free(t);
}

static char *filled(size_t length)
{
    char *text = malloc(length + 1);

    memset(text, 'x', length);
    text[length] = '\0';
    return text;
}

static void the_limits_of_a_transaction_hold(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_transaction *t = malloc(sizeof *t);
    uint64_t r;
    char name[32];

    transaction_init(t);
    for (uint32_t i = 0; i < COMPARES_MAX; i++)
        assert_int_equal(transaction_compare(t, key_of("a"), 0), E_OK);
    assert_int_equal(transaction_compare(t, key_of("a"), 0), E_TOO_LARGE);
    for (uint32_t i = 0; i < PUTS_MAX; i++) {
        snprintf(name, sizeof name, "k%03u", i);
        assert_int_equal(transaction_put(t, key_of(name), filled(8)), E_OK);
    }
    assert_int_equal(transaction_put(t, key_of("more"), filled(8)), E_TOO_LARGE);
    assert_int_equal(keeper_transact(k, t, &r), E_OK);
    transaction_done(t);

    assert_int_equal(transaction_put(t, key_of("a"), filled(RECORD_VALUE_MAX)), E_OK);
    assert_int_equal(transaction_put(t, key_of("b"), filled(RECORD_VALUE_MAX + 1)), E_TOO_LARGE);
    for (uint32_t i = 1; i < 15; i++) {
        snprintf(name, sizeof name, "v%02u", i);
        assert_int_equal(transaction_put(t, key_of(name), filled(RECORD_VALUE_MAX)), E_OK);
    }
    assert_int_equal(transaction_put(t, key_of("z"), filled(RECORD_VALUE_MAX)), E_TOO_LARGE);
    assert_int_equal(keeper_transact(k, t, &r), E_OK);
    transaction_done(t);

    transaction_put(t, key_of("twice"), filled(1));
    transaction_put(t, key_of("twice"), filled(1));
    assert_int_equal(keeper_transact(k, t, &r), E_INVALID);
    transaction_done(t);
    transaction_put(t, key_of("with blank"), filled(1));
    assert_int_equal(keeper_transact(k, t, &r), E_INVALID);
    transaction_done(t);
    transaction_put(t, key_of(""), filled(1));
    assert_int_equal(keeper_transact(k, t, &r), E_INVALID);
    transaction_done(t);
    free(t);
}

static void a_watch_shows_the_newest_state_of_each_key(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_list l;
    uint64_t start, r;

    put(k, "p/old", "0", ANY, &start);
    put(k, "p/a", "1", ANY, &r);
    put(k, "p/a", "2", ANY, &r);
    put(k, "p/b", "1", ANY, &r);
    put(k, "p/b", NULL, ANY, &r);
    put(k, "p/b", "3", ANY, &r);
    put(k, "p/b", NULL, ANY, &r);
    put(k, "q/c", "1", ANY, &r);
    assert_int_equal(keeper_watch(k, "p/", start, 0, &l), E_OK);
    assert_int_equal(l.count, 2);
    assert_string_equal(l.records[0].key, "p/a");
    assert_string_equal(l.records[0].value, "2");
    assert_string_equal(l.records[1].key, "p/b");
    assert_null(l.records[1].value);
    assert_int_equal(l.revision, r); /* also past what lay under another prefix */
    record_list_free(&l);
    assert_int_equal(keeper_watch(k, "p/", r, 0, &l), E_OK);
    assert_int_equal(l.count, 0);
    assert_int_equal(l.revision, r);
    record_list_free(&l);
}

static void a_watch_from_nothing_seen_reaches_the_present(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_list l;
    uint64_t r;

    assert_int_equal(keeper_watch(k, "", 0, 0, &l), E_OK);
    assert_int_equal(l.count, 0);
    assert_int_equal(l.revision, KEEPER_FIRST_REVISION);
    put(k, "a", "1", ANY, &r);
    assert_int_equal(keeper_watch(k, "", 0, 0, &l), E_OK);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.revision, r);
    record_list_free(&l);
}

static void a_watch_from_the_future_must_read_again(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_list l;

    assert_int_equal(keeper_watch(k, "", 1000, 0, &l), E_COMPACTED);
}

/* K2: large transactions are never cut, and following list.revision misses nothing. */
static void a_long_watch_comes_in_parts_without_a_gap(void **state)
{
    struct keeper *k = ((struct fixture *)*state)->keeper;
    struct record_transaction *t = malloc(sizeof *t);
    uint64_t from = KEEPER_FIRST_REVISION, r = 0;
    uint32_t seen = 0, rounds = KEEPER_WATCH_MAX / 99 + 3, parts = 0;
    struct record_list l;

    for (uint32_t i = 0; i < rounds; i++) {
        transaction_init(t);
        for (uint32_t j = 0; j < 99; j++) {
            char name[32];

            snprintf(name, sizeof name, "k/%04u/%02u", i, j);
            transaction_put(t, key_of(name), strdup("1"));
        }
        assert_int_equal(keeper_transact(k, t, &r), E_OK);
        transaction_done(t);
    }
    free(t);
    do {
        assert_int_equal(keeper_watch(k, "k/", from, 0, &l), E_OK);
        assert_int_equal(l.count % 99, 0);
        seen += l.count;
        from = l.revision;
        parts++;
        record_list_free(&l);
    } while (from < r);
    assert_int_equal(seen, rounds * 99);
    assert_true(parts > 1);
}

#define BOTH(test)                                                                                 \
    {"lmdb: " #test, test, lmdb_setup, teardown, NULL},                                            \
    {                                                                                              \
        "memory: " #test, test, memory_setup, teardown, NULL                                       \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_range_is_ordered_and_bounded_by_its_prefix),
        BOTH(revisions_count_transactions),
        BOTH(a_conflict_changes_nothing),
        BOTH(a_deleted_record_may_be_made_again),
        BOTH(a_transaction_without_puts_only_asks),
        BOTH(the_limits_of_a_transaction_hold),
        BOTH(a_watch_shows_the_newest_state_of_each_key),
        BOTH(a_watch_from_nothing_seen_reaches_the_present),
        BOTH(a_watch_from_the_future_must_read_again),
        BOTH(a_long_watch_comes_in_parts_without_a_gap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
