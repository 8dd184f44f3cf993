/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/keeper_lmdb_copy.c — a keeper's backup, and a keeper out of a backup.
 *
 * A backup is LMDB's own compacted copy: one moment of the keeper, read beside the metad that
 * writes it; and behind it a trailer with its checksum, which a restore demands.  It is made under
 * a name that nobody had (it holds secrets, and two may be under way), synced, and then takes its
 * own.
 *
 * A restore is made in a folder of its own, "restoring" in the keeper's, and moves to its place
 * when it is whole:
 *
 *   another lineage   nodes that saw the old history act on nothing of this one before they are
 *                     started again (design 6.7)
 *   higher epochs     what happened after the backup raised epochs that no record knows any more;
 *                     replicas promised them, and numbered writes in them; an earlier restore of
 *                     the same backup did so, too.  So every head names nobody and goes on at the
 *                     time of the restore in microseconds, which no count of takeovers reaches: no
 *                     epoch is used twice, unless the clock went back between two restores
 *   no attachments    who was detached after the backup would be let in again; so all end, and a
 *                     human makes those anew that shall be, or says that nobody was detached
 * (P2) same generations  a replica that knows a newer one stops its takeover: sets changed since
 *
 * What can go wrong:
 *   there is a keeper already   E_EXISTS: nothing is overwritten (P10)
 *   a metad runs on the folder  E_BUSY
 *   the file is no backup       E_DAMAGED, E_UNSUPPORTED; the folder stays as it was
 *   a record was damaged before it is kept as it is and told: nobody reads it (a head of a newer
 *                               version, whose epoch cannot go on, ends the restore)
 *   it is killed in the middle  "restoring" is made anew by the next one
 */
#include "base/util.h"
#include "metadata/keeper_lmdb.h"
#include "metadata/keeper_trailer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDS_AT_ONCE (PUTS_MAX / 2)

static enum err says(char why[160], const char *path, const char *what, int number)
{
    snprintf(why, 160, "%.80s: %.30s: %.40s", path, what, strerror(number));
    return number == EEXIST ? E_EXISTS : err_of_errno(number);
}

static bool join(char ret[PATH_MAX], const char *folder, const char *name, char why[160])
{
    if (snprintf(ret, PATH_MAX, "%s/%s", folder, name) < PATH_MAX)
        return true;
    snprintf(why, 160, "%.100s…: the path is too long", folder);
    return false;
}

/* `part` becomes `file`, which must not be there, and stays so over a loss of power. */
static enum err put_in_place(const char *part, const char *file, char why[160])
{
    char folder[PATH_MAX];
    char *slash;
    int fd, rc;

    if (renameat2(AT_FDCWD, part, AT_FDCWD, file, RENAME_NOREPLACE) != 0)
        return says(why, file, "cannot be put there", errno);
    snprintf(folder, sizeof folder, "%s", file);
    slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = fd >= 0 && fsync(fd) == 0 ? 0 : errno;
    if (fd >= 0)
        close(fd);
    return rc ? says(why, file, "its folder cannot be synced", rc) : E_OK;
}

/* ---- backup ---- */

static int env_look(const char *path, MDB_env **ret)
{
    int rc = mdb_env_create(ret);

    if (!rc)
        rc = mdb_env_set_mapsize(*ret, KEEPER_MAP_BYTES);
    if (!rc)
        rc = mdb_env_set_maxdbs(*ret, 1);
    return rc ? rc : mdb_env_open(*ret, path, MDB_RDONLY | MDB_NOTLS, 0600);
}

/* A copy of what is damaged would prove itself, and be refused when it is needed. */
static int tree_look(MDB_env *env, bool *ret_whole)
{
    MDB_txn *txn;
    MDB_dbi records;
    int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

    if (rc)
        return rc;
    rc = mdb_dbi_open(txn, "records", 0, &records);
    if (!rc)
        rc = keeper_tree_look(txn, records, ret_whole);
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? 0 : rc; /* a keeper that never was begun */
}

/* What the system answers to a copy is about `file`, which is written; the keeper is mapped. */
static enum err copy_to(const char *path, int fd, const char *file, char why[160])
{
    bool writes = false, whole = true;
    MDB_env *env = NULL;
    int dead, rc = keeper_lock_reserve(path);

    if (!rc)
        rc = env_look(path, &env);
    if (!rc)
        rc = mdb_reader_check(env, &dead); /* one that was killed would hold pages for ever */
    if (!rc)
        rc = tree_look(env, &whole);
    if (!rc && whole) {
        rc = mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);
        writes = rc > 0;
    }
    if (env)
        mdb_env_close(env);
    if (writes)
        return says(why, file, "cannot be written", rc);
    if (rc)
        snprintf(why, 160, "%.80s: cannot be copied: %.50s", path, mdb_strerror(rc));
    return rc || whole ? keeper_err_of_lmdb(rc) : keeper_damaged(path, why);
}

/* `part` ends with XXXXXX, which becomes the name; who reads of it knows it as `file`. */
static enum err backup_write(const char *path, char *part, const char *file, char why[160])
{
    int fd = mkostemp(part, O_CLOEXEC); /* 0600 */
    enum err err;

    if (fd < 0)
        return says(why, file, "cannot be made", errno);
    err = copy_to(path, fd, file, why);
    if (!err) {
        err = keeper_trailer_write(fd);
        if (err)
            snprintf(why, 160, "%.80s: cannot be written: %.50s", file, err_text(err));
    }
    if (!err && fsync(fd) != 0)
        err = says(why, file, "cannot be synced", errno);
    close(fd);
    return err;
}

enum err keeper_lmdb_backup(const char *path, const char *file, char why[160])
{
    char data[PATH_MAX], part[PATH_MAX];
    enum err err;

    if (!join(data, path, "data.mdb", why))
        return E_TOO_LARGE;
    if (snprintf(part, sizeof part, "%s.XXXXXX", file) >= (int)sizeof part) {
        snprintf(why, 160, "%.100s…: the path is too long", file);
        return E_TOO_LARGE;
    }
    if (access(data, F_OK) != 0)
        return says(why, data, "there is no keeper", errno);
    if (access(file, F_OK) == 0)
        return says(why, file, "it is left as it is", EEXIST);
    err = backup_write(path, part, file, why);
    if (!err)
        err = put_in_place(part, file, why);
    if (err)
        unlink(part);
    return err;
}

/* ---- restore ---- */

static enum err bytes_copy(int from, uint64_t length, int to, char why[160])
{
    static char bytes[1 << 16];

    while (length > 0) {
        size_t wanted = length < sizeof bytes ? (size_t)length : sizeof bytes;
        ssize_t count = read(from, bytes, wanted), written;

        if (count <= 0)
            return says(why, "the backup", "cannot be read", count < 0 ? errno : EIO);
        written = write(to, bytes, (size_t)count);
        if (written != count)
            return says(why, "restoring/data.mdb", "cannot be written",
                        written < 0 ? errno : ENOSPC);
        length -= (uint64_t)count;
    }
    return fsync(to) == 0 ? E_OK : says(why, "restoring/data.mdb", "cannot be synced", errno);
}

static enum err proved_copy(int from, const char *file, const char *data, char why[160])
{
    const char *what = "";
    uint64_t length = 0;
    enum err err = keeper_trailer_check(from, &length, &what);
    int to;

    if (err) {
        snprintf(why, 160, "%.90s: %.60s", file, what);
        return err;
    }
    to = open(data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        return says(why, data, "cannot be made", errno);
    err = bytes_copy(from, length, to, why);
    close(to);
    return err;
}

static enum err file_copy(const char *file, const char *data, char why[160])
{
    int from = open(file, O_RDONLY | O_CLOEXEC);
    enum err err;

    if (from < 0)
        return says(why, file, "cannot be read", errno);
    err = proved_copy(from, file, data, why);
    close(from);
    return err;
}

/* Puts down what becomes of one record. */
typedef enum err record_change(struct record_transaction *t, const struct record *at,
                               const struct keeper_restore *how);

static enum err head_go_on(struct record_transaction *t, const struct record *at,
                           const struct keeper_restore *how)
{
    struct head_record head;
    enum err err = record_check(at);

    if (!err)
        err = head_read(at->value, &head);
    if (err) /* a damaged one names no primary to anybody */
        return err == E_DAMAGED ? E_OK : err;
    head.epoch = max_u64(head.epoch + KEEPER_RESTORE_EPOCHS, how->now_us);
    head.primary = head.incarnation = (struct identity){0};
    head.nonce ^= how->lineage.bits;
    return transaction_put(t, head_key(head.volume), head_write(&head, at->value));
}

static enum err attachment_end(struct record_transaction *t, const struct record *at,
                               const struct keeper_restore *how)
{
    struct record_key key;

    (void)how;
    memcpy(key.text, at->key, sizeof key.text);
    return transaction_delete(t, key);
}

static enum err each(struct keeper *k, const struct record_list *list, record_change *change,
                     const struct keeper_restore *how)
{
    struct record_transaction *t = malloc(sizeof *t);
    uint64_t revision;
    enum err err = t ? E_OK : E_NO_MEMORY;

    for (uint32_t at = 0; at < list->count && !err;) {
        transaction_init(t);
        for (uint32_t n = 0; n < RECORDS_AT_ONCE && at < list->count && !err; n++, at++)
            err = change(t, &list->records[at], how);
        if (!err)
            err = keeper_transact(k, t, &revision);
        transaction_done(t);
    }
    free(t);
    return err;
}

static enum err history_begin(struct keeper *k, const struct keeper_restore *how,
                              struct keeper_restored *ret)
{
    struct record_list heads = {0}, all = {0};
    enum err err = keeper_range(k, "", &all);

    record_census(&all, &ret->census);
    ret->former = k->lineage;
    ret->revision = all.revision;
    record_list_free(&all);
    if (!err)
        err = keeper_range(k, "head/", &heads);
    if (!err)
        err = keeper_range(k, "volume/", &ret->volumes);
    if (!err)
        err = keeper_range(k, "attachment/", &ret->attachments);
    if (!err)
        err = each(k, &heads, head_go_on, how);
    if (!err && !how->keep_attachments)
        err = each(k, &ret->attachments, attachment_end, how);
    record_list_free(&heads);
    return err ? err : keeper_lmdb_renew(k, how->lineage);
}

/* In the folder of its own: a whole keeper, of another lineage. */
static enum err staged_make(const char *file, const char *staging, const struct keeper_restore *how,
                            struct keeper_restored *ret, char why[160])
{
    char data[PATH_MAX];
    struct keeper *k = NULL;
    enum err err;

    if (mkdir(staging, 0700) != 0 && errno != EEXIST)
        return says(why, staging, "cannot be made", errno);
    if (!join(data, staging, "data.mdb", why))
        return E_TOO_LARGE;
    err = file_copy(file, data, why);
    if (err)
        return err;
    err = keeper_lmdb_open(staging, how->lineage, &k, why);
    if (err) {
        char reason[160];

        memcpy(reason, why, sizeof reason);
        snprintf(why, 160, "%.50s: it cannot be used: %.88s", file, reason);
        return err;
    }
    if (identity_equal(k->lineage, how->lineage)) { /* it was begun just now: the file was empty */
        snprintf(why, 160, "%.100s: it holds no keeper", file);
        err = E_DAMAGED;
    } else {
        err = history_begin(k, how, ret);
        if (err)
            snprintf(why, 160, "%.100s: its records: %s", file, err_text(err));
    }
    keeper_close(k);
    return err;
}

static void staged_remove(const char *staging)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "keeper.lock"};
    char path[PATH_MAX], why[160];

    for (size_t i = 0; i < array_length(names); i++)
        if (join(path, staging, names[i], why))
            unlink(path);
    rmdir(staging);
}

enum err keeper_lmdb_restore(const char *file, const char *path, const struct keeper_restore *how,
                             struct keeper_restored *ret, char why[160])
{
    struct keeper_restored restored = {0};
    char data[PATH_MAX], staging[PATH_MAX], staged[PATH_MAX];
    int lock = -1;
    enum err err;

    if (!join(data, path, "data.mdb", why) || !join(staging, path, "restoring", why) ||
        !join(staged, staging, "data.mdb", why))
        return E_TOO_LARGE;
    err = keeper_folder_lock(path, &lock, why);
    if (!err && access(data, F_OK) == 0)
        err = says(why, data, "move it away first", EEXIST);
    if (!err) {
        staged_remove(staging);
        err = staged_make(file, staging, how, &restored, why);
        if (!err)
            err = put_in_place(staged, data, why);
        staged_remove(staging);
    }
    if (lock >= 0)
        close(lock);
    if (err) {
        record_list_free(&restored.volumes);
        record_list_free(&restored.attachments);
    } else {
        *ret = restored;
    }
    return err;
}
