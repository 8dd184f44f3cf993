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

enum { ANYWHERE, IN_BRANCHES = 0x01 }; /* LMDB's flag of such a page */

/* In each copy that such pages of the file have of it. */
static void key_becomes(const char *key, const char *other, int where)
{
    char path[96], *bytes, *end;
    struct stat st;
    uint32_t found = 0;
    int fd;

    path_of("data.mdb", path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    bytes = malloc((size_t)st.st_size);
    end = bytes + st.st_size;
    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    for (char *p = bytes; (p = memmem(p, (size_t)(end - p), key, strlen(key))); p++) {
        const char *page = bytes + (p - bytes) / 4096 * 4096;

        if (where != ANYWHERE && page[10] != where)
            continue;
        assert_int_equal(pwrite(fd, other, strlen(other), p - bytes), strlen(other));
        found++;
    }
    assert_true(found > 0);
    free(bytes);
    close(fd);
}

static void keys_put(uint32_t count)
{
    struct keeper *k = NULL;
    char why[160] = "", key[32];

    assert_int_equal(opened(&k, why), E_OK);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(key, sizeof key, "volume/%04u", i * 2);
        put(k, key);
    }
    keeper_close(k);
}

static void expect_refused(void)
{
    struct keeper *k = NULL;
    char why[160] = "", file[96];

    assert_int_equal(opened(&k, why), E_DAMAGED);
    assert_non_null(strstr(why, "/data.mdb: it is damaged, its keys are out of order: restore"));
    path_of("backup", file); /* nor is there a copy that a restore would refuse */
    assert_int_equal(keeper_lmdb_backup(dir, file, why), E_DAMAGED);
    assert_int_not_equal(access(file, F_OK), 0);
}

static void expect_opened(uint32_t count, const char *second)
{
    struct keeper *k = NULL;
    struct record_list l;
    char why[160] = "";

    assert_int_equal(opened(&k, why), E_OK);
    assert_int_equal(keeper_range(k, "volume/", &l), E_OK);
    assert_int_equal(l.count, count);
    assert_string_equal(l.records[1].key, second);
    record_list_free(&l);
    keeper_close(k);
}

static void one_key_out_of_its_place_is_refused(void **state)
{
    (void)state;
    keys_put(3);
    key_becomes("volume/0002", "wolume/0002", ANYWHERE);
    expect_refused();
    key_becomes("wolume/0002", "volume/0002", ANYWHERE);
    expect_opened(3, "volume/0002");
}

/* The leaves are in order, and a search does not come to them. */
static void so_is_one_in_the_branches(void **state)
{
    (void)state;
    keys_put(300);
    key_becomes("volume/0", "aolume/0", IN_BRANCHES);
    expect_refused();
}

static void one_that_stays_in_its_place_costs_itself(void **state)
{
    (void)state;
    keys_put(3);
    key_becomes("volume/0002", "volume/0003", ANYWHERE);
    expect_opened(3, "volume/0003");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_key_out_of_its_place_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(so_is_one_in_the_branches, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_stays_in_its_place_costs_itself, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
