/* SPDX-License-Identifier: Apache-2.0 */
/* A keeper in LMDB whose keys are out of order is not opened: a search in it would miss records. */
#include "metadata/keeper.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static void path_of(const char *name, char ret[96])
{
    snprintf(ret, 96, "%s/%s", dir, name);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/dolmen-order-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "keeper.lock"};
    char path[96];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        path_of(files[i], path);
        unlink(path);
    }
    return rmdir(dir);
}

static enum err opened(struct keeper **ret, char why[160])
{
    return keeper_lmdb_open(dir, (struct identity){5}, ret, why);
}

static void put(struct keeper *k, const char *key)
{
    struct record_transaction *t = malloc(sizeof *t);
    struct record_key name = {{0}};
    uint64_t revision;

    snprintf(name.text, sizeof name.text, "%s", key);
    transaction_init(t);
    transaction_put(t, name, strdup("{\"version\":1}"));
    assert_int_equal(keeper_transact(k, t, &revision), E_OK);
    transaction_done(t);
    free(t);
}

/* In each copy that the file has of it. */
static void key_becomes(const char *key, const char *other)
{
    char path[96], *bytes;
    struct stat st;
    uint32_t found = 0;
    int fd;

    path_of("data.mdb", path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    bytes = malloc((size_t)st.st_size);
    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    for (char *p = bytes; (p = memmem(p, (size_t)(bytes + st.st_size - p), key, strlen(key)));
         p++) {
        assert_int_equal(pwrite(fd, other, strlen(other), p - bytes), strlen(other));
        found++;
    }
    assert_true(found > 0);
    free(bytes);
    close(fd);
}

static void one_key_out_of_its_place_is_refused(void **state)
{
    struct keeper *k = NULL;
    struct record_list l;
    char why[160] = "";

    (void)state;
    assert_int_equal(opened(&k, why), E_OK);
    put(k, "volume/a");
    put(k, "volume/b");
    put(k, "volume/c");
    keeper_close(k);

    key_becomes("volume/b", "wolume/b");
    assert_int_equal(opened(&k, why), E_DAMAGED);
    assert_non_null(strstr(why, "/data.mdb: it is damaged, its keys are out of order: restore"));

    key_becomes("wolume/b", "volume/b");
    assert_int_equal(opened(&k, why), E_OK);
    assert_int_equal(keeper_range(k, "volume/", &l), E_OK);
    assert_int_equal(l.count, 3);
    record_list_free(&l);
    keeper_close(k);
}

static void one_that_stays_in_its_place_costs_itself(void **state)
{
    struct keeper *k = NULL;
    struct record_list l;
    char why[160] = "";

    (void)state;
    assert_int_equal(opened(&k, why), E_OK);
    put(k, "volume/a1");
    put(k, "volume/a3");
    put(k, "volume/a7");
    keeper_close(k);

    key_becomes("volume/a3", "volume/a2");
    assert_int_equal(opened(&k, why), E_OK);
    assert_int_equal(keeper_range(k, "volume/", &l), E_OK);
    assert_int_equal(l.count, 3);
    assert_string_equal(l.records[1].key, "volume/a2");
    record_list_free(&l);
    keeper_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_key_out_of_its_place_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_stays_in_its_place_costs_itself, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
