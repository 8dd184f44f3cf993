/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper in LMDB promises beyond the one in memory: media, processes, threads. */
#include "metadata/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

/* Wherever `text` and its NUL stand in the file: old pages hold it, too. */
static void file_patch(const char *text, size_t at, char byte)
{
    static char bytes[1 << 20];
    char path[96];
    ssize_t length;
    int fd;

    snprintf(path, sizeof path, "%s/data.mdb", dir);
    fd = open(path, O_RDWR);
    length = read(fd, bytes, sizeof bytes);
    assert_true(length > 0);
    for (char *c = bytes; (c = memmem(c, (size_t)(bytes + length - c), text, strlen(text) + 1));
         c++)
        assert_int_equal(pwrite(fd, &byte, 1, c + at - bytes), 1);
    close(fd);
}

/* Its end, its revision: it is shown as nothing that a reader takes, and so are all others. */
static void a_damaged_record_is_one_record(void **state)
{
    static const char value[] = "{\"version\":1,\"damaged\":1}";
    static const struct {
        long at;
        char byte;
    } rows[] = {{sizeof value - 1, 0x40}, {-1, (char)0x80}, {-8, 0}};
    struct record_transaction t;
    struct keeper *k;
    uint64_t revision;

    (void)state;
    for (size_t i = 0; i < array_length(rows); i++) {
        struct record_list l;

        k = keeper_here(5);
        for (uint32_t n = 0; n < 3; n++)
            assert_int_equal(put_number(k, n), E_OK);
        transaction_init(&t);
        transaction_put(&t, key_number(1), strdup(value));
        assert_int_equal(keeper_transact(k, &t, &revision), E_OK);
        transaction_done(&t);
        keeper_close(k);
        file_patch(value, (size_t)rows[i].at, rows[i].byte);
        k = keeper_here(5);
        assert_int_equal(keeper_range(k, "", &l), E_OK);
        assert_int_equal(l.count, 3);
        assert_string_equal(l.records[1].value, "");
        assert_true(l.records[1].revision > 0 && l.records[1].revision <= l.revision);
        transaction_init(&t);
        transaction_compare(&t, key_number(1), l.records[1].revision);
        transaction_delete(&t, key_number(1));
        record_list_free(&l);
        assert_int_equal(keeper_transact(k, &t, &revision), E_OK);
        transaction_done(&t);
        assert_int_equal(keeper_watch(k, "", 1, 0, &l), E_OK);
        record_list_free(&l);
        keeper_close(k);
    }
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

/* ---- backup and restore ---- */

static char copy[96], elsewhere[96]; /* a backup, and a folder that is none yet */

static int setup_copy(void **state)
{
    int rc = setup(state);

    snprintf(copy, sizeof copy, "%s.copy", dir);
    snprintf(elsewhere, sizeof elsewhere, "%s.elsewhere", dir);
    return rc;
}

static int teardown_copy(void **state)
{
    char former[sizeof dir];
    int rc = teardown(state);

    unlink(copy);
    if (access(elsewhere, F_OK) != 0)
        return rc;
    memcpy(former, dir, sizeof dir);
    snprintf(dir, sizeof dir, "%.*s", (int)sizeof dir - 1, elsewhere);
    rc = rc || teardown(state);
    memcpy(dir, former, sizeof dir);
    return rc;
}

static const struct keeper_restore as_6 = {.lineage = {6}};

static void put(struct keeper *k, struct record_key key, char *value)
{
    struct record_transaction *t = malloc(sizeof *t);
    uint64_t revision;

    transaction_init(t);
    transaction_put(t, key, value);
    assert_int_equal(keeper_transact(k, t, &revision), E_OK);
    transaction_done(t);
    free(t);
}

static void put_volume(struct keeper *k, struct identity id, struct head_record head)
{
    struct volume_record volume = {.volume = id,
                                   .name = "v",
                                   .bytes = 4096,
                                   .logical_block_bytes = 512,
                                   .copies = 1,
                                   .min_copies = 1};

    head.volume = id;
    put(k, volume_key(id), volume_write(&volume, NULL));
    put(k, head_key(id), head_write(&head, NULL));
}

static void restored_done(struct keeper_restored *restored)
{
    record_list_free(&restored->volumes);
    record_list_free(&restored->attachments);
}

static struct keeper *restored_here(uint64_t fresh)
{
    struct keeper *k = NULL;
    char why[160];

    assert_int_equal(keeper_lmdb_open(elsewhere, (struct identity){fresh}, &k, why), E_OK);
    return k;
}

/* 120 heads: more than one transaction takes. */
static void a_restored_keeper_has_another_lineage_and_later_epochs(void **state)
{
    struct keeper_restored restored;
    struct keeper *k = keeper_here(5);
    struct record_list before, after;
    char why[160] = "";

    (void)state;
    for (uint64_t n = 1; n <= 120; n++)
        put_volume(
            k, (struct identity){n},
            (struct head_record){
                .epoch = n, .primary = {9}, .incarnation = {8}, .generation = 3, .nonce = 7});
    assert_int_equal(put_number(k, 1), E_OK);
    assert_int_equal(keeper_range(k, "", &before), E_OK);
    keeper_close(k);

    assert_int_equal(keeper_lmdb_backup(dir, copy, why), E_OK);
    assert_int_equal(keeper_lmdb_restore(copy, elsewhere, &as_6, &restored, why), E_OK);
    assert_int_equal(restored.former.bits, 5);
    assert_int_equal(restored.revision, before.revision);
    assert_int_equal(restored.volumes.count, 120);
    restored_done(&restored);

    k = restored_here(77);
    assert_int_equal(k->lineage.bits, 6);
    assert_int_equal(keeper_range(k, "", &after), E_OK);
    assert_int_equal(after.count, before.count);
    assert_true(after.revision > before.revision);
    for (uint64_t n = 0; n < 120; n++) {
        struct head_record was, is;

        assert_int_equal(head_read(before.records[n].value, &was), E_OK);
        assert_int_equal(head_read(after.records[n].value, &is), E_OK);
        assert_int_equal(is.epoch, was.epoch + KEEPER_RESTORE_EPOCHS);
        assert_int_equal(is.generation, 3);
        assert_true(identity_none(is.primary) && identity_none(is.incarnation));
        assert_int_not_equal(is.nonce, 7);
    }
    for (uint32_t n = 120; n < before.count; n++)
        assert_string_equal(after.records[n].value, before.records[n].value);
    record_list_free(&before);
    record_list_free(&after);
    keeper_close(k);
}

static uint64_t restored_epoch(const struct keeper_restore *how)
{
    struct keeper_restored restored;
    struct head_record head;
    struct record_list l;
    char why[160] = "", data[128];

    snprintf(data, sizeof data, "%s/data.mdb", elsewhere);
    assert_true(unlink(data) == 0 || errno == ENOENT); /* moved away by a human */
    assert_int_equal(keeper_lmdb_restore(copy, elsewhere, how, &restored, why), E_OK);
    restored_done(&restored);
    struct keeper *k = restored_here(77);

    assert_int_equal(keeper_range(k, "head/", &l), E_OK);
    assert_int_equal(l.count, 1);
    assert_int_equal(head_read(l.records[0].value, &head), E_OK);
    record_list_free(&l);
    keeper_close(k);
    return head.epoch;
}

/* Between two restores of one backup epochs were raised, which that backup does not know. */
static void the_same_backup_gives_later_epochs_each_time(void **state)
{
    struct keeper_restore how = {.lineage = {6}, .now_us = 1800000000000000};
    struct keeper *k = keeper_here(5);
    char why[160] = "";

    (void)state;
    put_volume(k, (struct identity){1}, (struct head_record){.epoch = 3});
    keeper_close(k);
    assert_int_equal(keeper_lmdb_backup(dir, copy, why), E_OK);

    assert_int_equal(restored_epoch(&how), how.now_us);
    how.now_us += 3 * KEEPER_RESTORE_EPOCHS;
    assert_int_equal(restored_epoch(&how), how.now_us);

    how.now_us = 0; /* a clock that lost its battery */
    assert_int_equal(restored_epoch(&how), 3 + KEEPER_RESTORE_EPOCHS);
}

/* 60 attachments: more than one transaction takes. */
static void put_attachments(struct keeper *k)
{
    struct attachment_record a = {.volume = {1}, .initiator = "iqn.2026-11.x:one", .shared = true};

    put_volume(k, a.volume, (struct head_record){.epoch = 1});
    for (uint64_t n = 1; n <= 60; n++) {
        a.attachment.bits = n;
        put(k, attachment_key(a.volume, a.attachment), attachment_write(&a, NULL));
    }
}

static void attachments_after(const struct keeper_restore *how, uint32_t count)
{
    struct keeper_restored restored;
    struct keeper *k = keeper_here(5);
    struct record_list l;
    char why[160] = "";

    put_attachments(k);
    keeper_close(k);
    assert_int_equal(keeper_lmdb_backup(dir, copy, why), E_OK);
    assert_int_equal(keeper_lmdb_restore(copy, elsewhere, how, &restored, why), E_OK);
    assert_int_equal(restored.attachments.count, 60); /* told either way */
    restored_done(&restored);

    k = restored_here(77);
    assert_int_equal(keeper_range(k, "attachment/", &l), E_OK);
    assert_int_equal(l.count, count);
    record_list_free(&l);
    keeper_close(k);
}

/* One may have been detached after the backup: it would get in again. */
static void a_restore_ends_every_attachment(void **state)
{
    (void)state;
    attachments_after(&as_6, 0);
}

static void a_restore_keeps_attachments_when_told(void **state)
{
    (void)state;
    attachments_after(&(struct keeper_restore){.lineage = {6}, .keep_attachments = true}, 60);
}

/* What was answered before the backup began is in it, and no transaction in part. */
static void a_backup_beside_a_writer_is_one_moment(void **state)
{
    struct keeper_restored restored;
    struct record_list l;
    char why[160] = "";
    int ends[2], status;
    uint32_t n = 0;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_write(ends[1]);
    while (n < 40)
        assert_int_equal(read(ends[0], &n, sizeof n), (ssize_t)sizeof n);
    if (keeper_lmdb_backup(dir, copy, why) != E_OK)
        fail_msg("%s", why);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    close(ends[0]);
    close(ends[1]);

    assert_int_equal(keeper_lmdb_restore(copy, elsewhere, &as_6, &restored, why), E_OK);
    struct keeper *k = restored_here(77);

    assert_int_equal(keeper_range(k, "k/", &l), E_OK);
    assert_true(l.count > 40);
    assert_int_equal(l.revision, restored.revision);
    restored_done(&restored);
    assert_int_equal(l.revision, KEEPER_FIRST_REVISION + l.count);
    record_list_free(&l);
    keeper_close(k);
}

/* A file that somebody laid under the other name beforehand keeps its mode, and its owner. */
static void a_backup_is_a_file_of_its_own(void **state)
{
    char part[300], why[160] = "";
    struct stat made;
    int fd;

    (void)state;
    keeper_close(keeper_here(5));
    snprintf(part, sizeof part, "%s.part", copy);
    fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0666), 0);
    assert_int_equal(keeper_lmdb_backup(dir, copy, why), E_OK);
    assert_int_equal(stat(copy, &made), 0);
    assert_int_equal(made.st_mode & 07777, 0600);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    close(fd);
    unlink(part);
}

static void a_backup_overwrites_nothing(void **state)
{
    char why[160] = "";

    (void)state;
    keeper_close(keeper_here(5));
    assert_int_equal(keeper_lmdb_backup(dir, copy, why), E_OK);
    assert_int_equal(keeper_lmdb_backup(dir, copy, why), E_EXISTS);
    assert_non_null(strstr(why, copy));
    assert_int_equal(keeper_lmdb_backup(elsewhere, copy, why), E_NOT_FOUND);
    assert_non_null(strstr(why, "there is no keeper"));
}

static void a_restore_overwrites_nothing(void **state)
{
    struct keeper_restored restored;
    struct keeper *k = keeper_here(5);
    char why[160] = "";

    (void)state;
    assert_int_equal(put_number(k, 1), E_OK);
    assert_int_equal(keeper_lmdb_restore(copy, dir, &as_6, &restored, why), E_BUSY);
    keeper_close(k);
    assert_int_equal(keeper_lmdb_backup(dir, copy, why), E_OK);
    assert_int_equal(keeper_lmdb_restore(copy, dir, &as_6, &restored, why), E_EXISTS);
    assert_non_null(strstr(why, "move it away first"));
    k = keeper_here(7);
    assert_int_equal(k->lineage.bits, 5);
    keeper_close(k);
}

/* An empty file, junk, a cut one: each is refused, and the folder holds no keeper afterwards. */
static void what_is_no_backup_is_refused(void **state)
{
    struct keeper_restored restored;
    char why[160] = "", junk[65536], data[128];

    (void)state;
    memset(junk, 0x5a, sizeof junk);
    snprintf(data, sizeof data, "%s/data.mdb", elsewhere);
    for (size_t length = 0; length <= sizeof junk; length += sizeof junk / 4) {
        int fd = open(copy, O_CREAT | O_TRUNC | O_WRONLY, 0600);

        assert_int_equal(write(fd, junk, length), (ssize_t)length);
        close(fd);
        assert_int_equal(keeper_lmdb_restore(copy, elsewhere, &as_6, &restored, why), E_DAMAGED);
        assert_int_equal(strncmp(why, copy, strlen(copy)), 0);
        assert_int_not_equal(access(data, F_OK), 0);
    }
}

static void a_backup_that_was_damaged_is_refused(void **state)
{
    static char bytes[1 << 20];
    struct keeper *k = keeper_here(5);
    struct keeper_restored restored;
    char why[160] = "", data[128];
    ssize_t length;
    int fd;

    (void)state;
    put_volume(k, (struct identity){1}, (struct head_record){.epoch = 3});
    keeper_close(k);
    assert_int_equal(keeper_lmdb_backup(dir, copy, why), E_OK);
    fd = open(copy, O_RDWR);
    length = read(fd, bytes, sizeof bytes);
    snprintf(data, sizeof data, "%s/data.mdb", elsewhere);
    for (char *c = bytes; (c = memmem(c, (size_t)(bytes + length - c), "volume/", 7)); c++) {
        assert_int_equal(pwrite(fd, "l", 1, c + 4 - bytes), 1); /* one bit of what LMDB takes */
        assert_int_equal(keeper_lmdb_restore(copy, elsewhere, &as_6, &restored, why), E_DAMAGED);
        assert_non_null(strstr(why, "its checksum says so"));
        assert_int_not_equal(access(data, F_OK), 0);
        assert_int_equal(pwrite(fd, c + 4, 1, c + 4 - bytes), 1);
    }
    assert_int_equal(ftruncate(fd, length - 64), 0); /* LMDB's whole copy */
    assert_int_equal(keeper_lmdb_restore(copy, elsewhere, &as_6, &restored, why), E_DAMAGED);
    assert_non_null(strstr(why, "its end is missing"));
    close(fd);
}

/* It is still the only one there is: what can be read comes back. */
static void a_record_that_was_damaged_before_the_backup_is_kept_and_told(void **state)
{
    struct keeper *k = keeper_here(5);
    struct keeper_restored restored;
    struct record_list l;
    char why[160] = "";

    (void)state;
    for (uint64_t n = 1; n <= 3; n++)
        put_volume(k, (struct identity){n}, (struct head_record){.epoch = n});
    put(k, head_key((struct identity){2}), strdup("{\"version\":1,\"epoch\":02}"));
    assert_int_equal(put_number(k, 1), E_OK);
    keeper_close(k);
    assert_int_equal(keeper_lmdb_backup(dir, copy, why), E_OK);
    assert_int_equal(keeper_lmdb_restore(copy, elsewhere, &as_6, &restored, why), E_OK);
    assert_int_equal(restored.census.unreadable, 2);
    assert_string_equal(restored.census.keys, "head/0000000000000002, k/00000001");
    assert_string_equal(record_kinds[3], "head");
    assert_int_equal(restored.census.counts[3], 2);
    restored_done(&restored);

    k = restored_here(77);
    assert_int_equal(keeper_range(k, "head/", &l), E_OK);
    assert_int_equal(l.count, 3);
    assert_non_null(strstr(l.records[1].value, "02}"));
    record_list_free(&l);
    keeper_close(k);
}

static void a_backup_that_cannot_be_written_names_itself(void **state)
{
    struct rlimit before, little = {.rlim_cur = 8192};
    struct keeper *k = keeper_here(5);
    char why[160] = "", nowhere[128], expected[192];

    (void)state;
    keeper_close(k);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    assert_int_not_equal(keeper_lmdb_backup(dir, copy, why), E_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    snprintf(expected, sizeof expected, "%s: cannot be written: File too large", copy);
    assert_string_equal(why, expected);
    assert_int_not_equal(access(copy, F_OK), 0);

    snprintf(nowhere, sizeof nowhere, "%s/none/backup", dir);
    assert_int_equal(keeper_lmdb_backup(dir, nowhere, why), E_NOT_FOUND);
    snprintf(expected, sizeof expected, "%s: cannot be made: No such file or directory", nowhere);
    assert_string_equal(why, expected);
}

#define TEST(t)      cmocka_unit_test_setup_teardown(t, setup, teardown)
#define TEST_COPY(t) cmocka_unit_test_setup_teardown(t, setup_copy, teardown_copy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_restart_keeps_records_revision_lineage_and_changes),
        TEST(a_second_process_is_refused),
        TEST(a_damaged_file_is_refused_by_name),
        TEST(a_damaged_record_is_one_record),
        TEST(a_folder_that_cannot_be_made_is_named),
        TEST(a_commit_wakes_every_watch),
        TEST(a_stop_ends_a_watch_with_an_empty_list),
        TEST(a_watch_without_news_ends_by_itself),
        TEST_COPY(a_restored_keeper_has_another_lineage_and_later_epochs),
        TEST_COPY(the_same_backup_gives_later_epochs_each_time),
        TEST_COPY(a_restore_ends_every_attachment),
        TEST_COPY(a_restore_keeps_attachments_when_told),
        TEST_COPY(a_backup_beside_a_writer_is_one_moment),
        TEST_COPY(a_backup_is_a_file_of_its_own),
        TEST_COPY(a_backup_overwrites_nothing),
        TEST_COPY(a_restore_overwrites_nothing),
        TEST_COPY(what_is_no_backup_is_refused),
        TEST_COPY(a_backup_that_was_damaged_is_refused),
        TEST_COPY(a_record_that_was_damaged_before_the_backup_is_kept_and_told),
        TEST_COPY(a_backup_that_cannot_be_written_names_itself),
        TEST(a_watch_older_than_the_kept_changes_is_told_so),
        TEST(a_killed_writer_loses_nothing_that_was_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
