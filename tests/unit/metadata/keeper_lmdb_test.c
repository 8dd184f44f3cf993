/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper in LMDB promises beyond the one in memory: media, processes, threads. */
#include "metadata/keeper.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/dolmen-lmdb-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "keeper.lock"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char path[96];

        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static struct keeper *keeper_here(uint64_t fresh)
{
    struct keeper *k = NULL;
    char why[160] = "";

    if (keeper_lmdb_open(dir, (struct identity){fresh}, &k, why) != E_OK)
        fail_msg("%s", why);
    return k;
}

static struct record_key key_number(uint32_t n)
{
    struct record_key k = {{0}};

    snprintf(k.text, sizeof k.text, "k/%08u", n);
    return k;
}

static enum err put_number(struct keeper *k, uint32_t n)
{
    struct record_transaction *t = malloc(sizeof *t);
    uint64_t revision;
    enum err err;

    transaction_init(t);
    transaction_put(t, key_number(n), strdup("{\"version\":1}"));
    err = keeper_transact(k, t, &revision);
    transaction_done(t);
    free(t);
    return err;
}

static void a_restart_keeps_records_revision_lineage_and_changes(void **state)
{
    struct keeper *k = keeper_here(5);
    struct record_list before, l;

    (void)state;
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(put_number(k, i), E_OK);
    assert_int_equal(keeper_range(k, "", &before), E_OK);
    keeper_close(k);

    k = keeper_here(6);
    assert_int_equal(k->lineage.bits, 5);
    assert_int_equal(keeper_range(k, "", &l), E_OK);
    assert_int_equal(l.count, 10);
    assert_int_equal(l.revision, before.revision);
    for (uint32_t i = 0; i < 10; i++) {
        assert_string_equal(l.records[i].key, before.records[i].key);
        assert_int_equal(l.records[i].revision, before.records[i].revision);
    }
    record_list_free(&l);
    assert_int_equal(keeper_watch(k, "", before.revision - 3, 0, &l), E_OK);
    assert_int_equal(l.count, 3);
    record_list_free(&l);
    record_list_free(&before);
    keeper_close(k);
}

static void a_second_process_is_refused(void **state)
{
    struct keeper *k = keeper_here(5), *second = NULL;
    char why[160] = "";

    (void)state;
    assert_int_equal(keeper_lmdb_open(dir, (struct identity){6}, &second, why), E_BUSY);
    assert_null(second);
    assert_non_null(strstr(why, dir));
    keeper_close(k);
}

static void a_damaged_file_is_refused_by_name(void **state)
{
    char path[96], why[160] = "", junk[8192];
    struct keeper *k = NULL;
    int fd;

    (void)state;
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    memset(junk, 0x5a, sizeof junk);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, junk, sizeof junk), (ssize_t)sizeof junk);
    close(fd);
    assert_int_equal(keeper_lmdb_open(dir, (struct identity){5}, &k, why), E_DAMAGED);
    assert_non_null(strstr(why, "data.mdb"));
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
    struct keeper *k = NULL;
    char why[160] = "";

    (void)state;
    assert_int_equal(keeper_lmdb_open("/proc/no/such", (struct identity){5}, &k, why), E_NOT_FOUND);
    assert_non_null(strstr(why, "/proc/no/such"));
}

/* ---- watches that wait ---- */

struct watcher {
    struct keeper *keeper;
    pthread_t thread;
    uint64_t revision;
    uint32_t wait_ms;
    enum err err;
    struct record_list list;
};

static void *watcher_run(void *arg)
{
    struct watcher *w = arg;

    w->err = keeper_watch(w->keeper, "k/", w->revision, w->wait_ms, &w->list);
    return NULL;
}

static void a_commit_wakes_every_watch(void **state)
{
    struct keeper *k = keeper_here(5);
    struct watcher w[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        w[i] = (struct watcher){.keeper = k, .revision = 1, .wait_ms = UINT32_MAX};
        assert_int_equal(pthread_create(&w[i].thread, NULL, watcher_run, &w[i]), 0);
    }
    assert_int_equal(put_number(k, 1), E_OK);
    for (int i = 0; i < 8; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].err, E_OK);
        assert_int_equal(w[i].list.count, 1);
        assert_int_equal(w[i].list.revision, 2);
        record_list_free(&w[i].list);
    }
    keeper_close(k);
}

static void a_stop_ends_a_watch_with_an_empty_list(void **state)
{
    struct keeper *k = keeper_here(5);
    struct watcher w = {.keeper = k, .revision = 1, .wait_ms = UINT32_MAX};

    (void)state;
    assert_int_equal(pthread_create(&w.thread, NULL, watcher_run, &w), 0);
    keeper_stop(k);
    pthread_join(w.thread, NULL);
    assert_int_equal(w.err, E_OK);
    assert_int_equal(w.list.count, 0);
    assert_int_equal(w.list.revision, 1);
    keeper_close(k);
}

static void a_watch_without_news_ends_by_itself(void **state)
{
    struct keeper *k = keeper_here(5);
    struct record_list l;

    (void)state;
    assert_int_equal(keeper_watch(k, "", 1, 20, &l), E_OK);
    assert_int_equal(l.count, 0);
    keeper_close(k);
}

/* ---- compaction ---- */

static void put_hundred(struct keeper *k, uint32_t round)
{
    struct record_transaction *t = malloc(sizeof *t);
    uint64_t revision;

    transaction_init(t);
    for (uint32_t i = 0; i < PUTS_MAX; i++)
        transaction_put(t, key_number(i), round % 2 ? strdup("1") : strdup("2"));
    assert_int_equal(keeper_transact(k, t, &revision), E_OK);
    transaction_done(t);
    free(t);
}

static void a_watch_older_than_the_kept_changes_is_told_so(void **state)
{
    struct keeper *k = keeper_here(5);
    uint32_t rounds = KEEPER_CHANGES_MAX / PUTS_MAX;
    struct record_list l;

    (void)state;
    for (uint32_t i = 0; i < rounds; i++)
        put_hundred(k, i);
    assert_int_equal(keeper_watch(k, "", 1, 0, &l), E_OK); /* exactly all of them are kept */
    record_list_free(&l);
    put_hundred(k, 0);
    assert_int_equal(keeper_watch(k, "", 1, 0, &l), E_COMPACTED);
    assert_int_equal(keeper_watch(k, "", 2, 0, &l), E_OK);
    assert_int_equal(l.count, PUTS_MAX); /* each key once, its newest state */
    record_list_free(&l);
    keeper_close(k);

    k = keeper_here(5);
    assert_int_equal(keeper_watch(k, "", 1, 0, &l), E_COMPACTED);
    keeper_close(k);
}

/* ---- kill -9 ---- */

/* Writes numbers until it is killed; says each to the pipe once it was answered. */
static void child_write(int out)
{
    struct keeper *k = NULL;
    char why[160];

    if (keeper_lmdb_open(dir, (struct identity){5}, &k, why) != E_OK)
        _exit(1);
    for (uint32_t n = 0;; n++) {
        if (put_number(k, n) != E_OK || write(out, &n, sizeof n) != sizeof n)
            _exit(2);
    }
}

static uint32_t answered_before_kill(uint32_t enough)
{
    uint32_t n, last = 0;
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_write(ends[1]);
    close(ends[1]);
    while (last < enough && read(ends[0], &n, sizeof n) == sizeof n)
        last = n;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    while (read(ends[0], &n, sizeof n) == sizeof n)
        last = n;
    close(ends[0]);
    return last;
}

static void a_killed_writer_loses_nothing_that_was_answered(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t last = answered_before_kill(40 + round * 17);
        struct keeper *k = keeper_here(6);
        struct record_list l;

        assert_int_equal(k->lineage.bits, 5);
        assert_int_equal(keeper_range(k, "k/", &l), E_OK);
        assert_true(l.count > last);
        for (uint32_t n = 0; n <= last; n++)
            assert_string_equal(l.records[n].key, key_number(n).text);
        record_list_free(&l);
        assert_int_equal(put_number(k, 0), E_OK); /* and it goes on */
        keeper_close(k);
    }
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_restart_keeps_records_revision_lineage_and_changes),
        TEST(a_second_process_is_refused),
        TEST(a_damaged_file_is_refused_by_name),
        TEST(a_folder_that_cannot_be_made_is_named),
        TEST(a_commit_wakes_every_watch),
        TEST(a_stop_ends_a_watch_with_an_empty_list),
        TEST(a_watch_without_news_ends_by_itself),
        TEST(a_watch_older_than_the_kept_changes_is_told_so),
        TEST(a_killed_writer_loses_nothing_that_was_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
