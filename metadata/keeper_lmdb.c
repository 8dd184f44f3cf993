/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/keeper_lmdb.c — records in one LMDB file: the keeper of a cluster on one machine.
 *
 * Three tables:  records  key → le64 revision, document
 *                changes  be64 revision, be16 place → key     (the last KEEPER_CHANGES_MAX)
 *                meta     "format" "revision" "compacted" "lineage" → le64
 *
 * A transaction of ours is a write transaction of LMDB, synced before it is answered (K1).  A watch
 * reads the changes after its revision in one read transaction and shows the newest state of each
 * key; without any it sleeps on a condition variable that every commit wakes.
 *
 * What can go wrong:
 *   the folder is in use    a lock on keeper.lock says so: two processes would not see one
 *                           another's wakes
 *   the file is damaged     LMDB refuses it; nothing is repaired by guess
 *   a record is damaged     it is shown as a text that no reader takes: it costs what it is about
 *   the disk is full        E_NO_SPACE, nothing changed; lock.mdb, which LMDB maps, has its room
 *   the sync failed         E_IN_DOUBT: LMDB itself cannot say
 */
#include "metadata/keeper_lmdb.h"

#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FORMAT      1u
#define READERS_MAX 512u
#define LOCK_BYTES  (READERS_MAX * 64u + 4096u) /* a line of the cache each, and what LMDB adds */

struct lmdb {
    struct keeper keeper;
    MDB_env *env;
    MDB_dbi records, changes, meta;
    int lock_fd;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t committed;
    uint64_t revision;
    bool stopped;
};

struct change_key {
    be64 revision;
    be16 place;
};

static struct lmdb *lmdb_of(struct keeper *k)
{
    return container_of(k, struct lmdb, keeper);
}

enum err keeper_err_of_lmdb(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return E_OK;
    case MDB_MAP_FULL:
        return E_NO_SPACE;
    case MDB_READERS_FULL:
        return E_BUSY;
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_PAGE_NOTFOUND:
        return E_DAMAGED;
    case MDB_VERSION_MISMATCH:
        return E_UNSUPPORTED;
    case MDB_PANIC:
        return E_DISK;
    default:
        return rc > 0 ? err_of_errno(rc) : E_SYSTEM;
    }
}

static MDB_val val_of(const void *bytes, size_t length)
{
    return (MDB_val){.mv_size = length, .mv_data = (void *)(uintptr_t)bytes};
}

static MDB_val val_of_text(const char *text)
{
    return val_of(text, strlen(text));
}

/* ---- meta: four numbers ---- */

static int meta_get(struct lmdb *k, MDB_txn *txn, const char *name, uint64_t *ret)
{
    MDB_val key = val_of_text(name), value;
    le64 bytes;
    int rc = mdb_get(txn, k->meta, &key, &value);

    if (rc)
        return rc;
    if (value.mv_size != sizeof bytes)
        return MDB_CORRUPTED;
    memcpy(&bytes, value.mv_data, sizeof bytes);
    *ret = le64_get(bytes);
    return 0;
}

static int meta_put(struct lmdb *k, MDB_txn *txn, const char *name, uint64_t number)
{
    le64 bytes = le64_of(number);
    MDB_val key = val_of_text(name), value = val_of(&bytes, sizeof bytes);

    return mdb_put(txn, k->meta, &key, &value, 0);
}

/* ---- records ---- */

/* Also checks what will be copied out of the map.  One that cannot be split is an empty text, which
 * no reader takes, at a revision that every later reading gives it again. */
static void record_split(const MDB_val *value, uint64_t *ret_revision, const char **ret_text)
{
    le64 revision;
    const char *bytes = value->mv_data;

    *ret_revision = KEEPER_FIRST_REVISION;
    *ret_text = "";
    if (value->mv_size <= sizeof revision || bytes[value->mv_size - 1] != '\0')
        return;
    memcpy(&revision, bytes, sizeof revision);
    if (le64_get(revision) == 0 || le64_get(revision) > INT64_MAX)
        return;
    *ret_revision = le64_get(revision);
    *ret_text = bytes + sizeof revision;
}

static int record_revision(struct lmdb *k, MDB_txn *txn, const char *name, uint64_t *ret)
{
    MDB_val key = val_of_text(name), value;
    const char *text;
    int rc = mdb_get(txn, k->records, &key, &value);

    if (rc == MDB_NOTFOUND) {
        *ret = 0;
        return 0;
    }
    if (!rc)
        record_split(&value, ret, &text);
    return rc;
}

static int list_add(struct record_list *list, const MDB_val *key, uint64_t revision,
                    const char *value)
{
    char name[RECORD_KEY_MAX];

    if (key->mv_size >= sizeof name)
        return MDB_CORRUPTED;
    memcpy(name, key->mv_data, key->mv_size);
    name[key->mv_size] = '\0';
    return record_list_add(list, name, revision, value) ? ENOMEM : 0;
}

static bool begins_with(const MDB_val *key, const char *prefix)
{
    size_t length = strlen(prefix);

    return key->mv_size >= length && memcmp(key->mv_data, prefix, length) == 0;
}

static int range_in(struct lmdb *k, MDB_txn *txn, const char *prefix, struct record_list *list)
{
    MDB_val key = val_of_text(prefix), value;
    MDB_cursor_op op = *prefix ? MDB_SET_RANGE : MDB_FIRST;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, k->records, &cursor);

    if (rc)
        return rc;
    for (; (rc = mdb_cursor_get(cursor, &key, &value, op)) == 0; op = MDB_NEXT) {
        uint64_t revision;
        const char *text;

        if (!begins_with(&key, prefix))
            break;
        record_split(&value, &revision, &text);
        rc = list_add(list, &key, revision, text);
        if (rc)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum err lmdb_range(struct keeper *keeper, const char *prefix, struct record_list *ret)
{
    struct lmdb *k = lmdb_of(keeper);
    struct record_list list = {0};
    MDB_txn *txn;
    int rc = mdb_txn_begin(k->env, NULL, MDB_RDONLY, &txn);

    if (rc)
        return keeper_err_of_lmdb(rc);
    rc = meta_get(k, txn, "revision", &list.revision);
    if (!rc)
        rc = range_in(k, txn, prefix, &list);
    mdb_txn_abort(txn);
    if (rc) {
        record_list_free(&list);
        return keeper_err_of_lmdb(rc);
    }
    *ret = list;
    return E_OK;
}

/* ---- transactions ---- */

static int compares_hold(struct lmdb *k, MDB_txn *txn, const struct record_transaction *t,
                         bool *ret)
{
    *ret = false;
    for (uint32_t i = 0; i < t->compare_count; i++) {
        uint64_t revision;
        int rc = record_revision(k, txn, t->compares[i].key, &revision);

        if (rc)
            return rc;
        if (revision != t->compares[i].revision)
            return 0;
    }
    *ret = true;
    return 0;
}

static int put_record(struct lmdb *k, MDB_txn *txn, const struct record_put *p, uint64_t revision)
{
    le64 number = le64_of(revision);
    size_t length = strlen(p->value) + 1;
    MDB_val key = val_of_text(p->key), value = {.mv_size = sizeof number + length};
    int rc = mdb_put(txn, k->records, &key, &value, MDB_RESERVE);

    if (rc)
        return rc;
    memcpy(value.mv_data, &number, sizeof number);
    memcpy((char *)value.mv_data + sizeof number, p->value, length);
    return 0;
}

static int put_apply(struct lmdb *k, MDB_txn *txn, const struct record_put *p, uint64_t revision)
{
    MDB_val key = val_of_text(p->key);
    int rc;

    if (p->value)
        return put_record(k, txn, p, revision);
    rc = mdb_del(txn, k->records, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int change_note(struct lmdb *k, MDB_txn *txn, const char *name, struct change_key at)
{
    MDB_val key = val_of(&at, sizeof at), value = val_of_text(name);

    return mdb_put(txn, k->changes, &key, &value, MDB_APPEND);
}

/* Forgets the oldest changes beyond the limit; a watch from before them is told so. */
static int changes_compact(struct lmdb *k, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_stat stat;
    uint64_t last = 0;
    int rc = mdb_stat(txn, k->changes, &stat);

    if (rc || stat.ms_entries <= KEEPER_CHANGES_MAX)
        return rc;
    rc = mdb_cursor_open(txn, k->changes, &cursor);
    if (rc)
        return rc;
    for (size_t n = stat.ms_entries - KEEPER_CHANGES_MAX; n > 0 && !rc; n--) {
        MDB_val key, value;

        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (rc)
            break;
        last = be64_at(key.mv_data, 0);
        rc = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    return rc ? rc : meta_put(k, txn, "compacted", last);
}

static int puts_apply(struct lmdb *k, MDB_txn *txn, const struct record_transaction *t,
                      uint64_t revision)
{
    int rc = 0;

    for (uint32_t i = 0; i < t->put_count && !rc; i++) {
        struct change_key at = {.revision = be64_of(revision), .place = be16_of((uint16_t)i)};

        rc = put_apply(k, txn, &t->puts[i], revision);
        if (!rc)
            rc = change_note(k, txn, t->puts[i].key, at);
    }
    if (!rc)
        rc = changes_compact(k, txn);
    return rc ? rc : meta_put(k, txn, "revision", revision);
}

static void tell_watches(struct lmdb *k, uint64_t revision)
{
    pthread_mutex_lock(&k->lock);
    if (revision > k->revision)
        k->revision = revision;
    pthread_cond_broadcast(&k->committed);
    pthread_mutex_unlock(&k->lock);
}

static enum err transact_commit(struct lmdb *k, MDB_txn *txn, uint64_t revision)
{
    int rc = mdb_txn_commit(txn);

    if (rc == ENOSPC || rc == MDB_MAP_FULL)
        return E_NO_SPACE;
    if (rc)
        return E_IN_DOUBT;
    tell_watches(k, revision);
    return E_OK;
}

static enum err lmdb_transact(struct keeper *keeper, const struct record_transaction *t,
                              uint64_t *ret_revision)
{
    struct lmdb *k = lmdb_of(keeper);
    uint64_t revision = 0;
    bool hold = false;
    MDB_txn *txn;
    enum err err = transaction_check(t);
    int rc;

    if (err)
        return err;
    rc = mdb_txn_begin(k->env, NULL, 0, &txn);
    if (rc)
        return keeper_err_of_lmdb(rc);
    rc = meta_get(k, txn, "revision", &revision);
    if (!rc)
        rc = compares_hold(k, txn, t, &hold);
    if (!rc && hold && t->put_count > 0)
        rc = puts_apply(k, txn, t, ++revision);
    if (rc || !hold || t->put_count == 0) {
        mdb_txn_abort(txn);
        err = rc ? keeper_err_of_lmdb(rc) : hold ? E_OK : E_CONFLICT;
    } else {
        err = transact_commit(k, txn, revision);
    }
    if (!err)
        *ret_revision = revision;
    return err;
}

/* ---- watches ---- */

/* A deleted key may have been noted more than once. */
static bool listed(const struct record_list *l, const MDB_val *key)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (strlen(l->records[i].key) == key->mv_size && begins_with(key, l->records[i].key))
            return true;
    }
    return false;
}

/* Newest state only: an older change of a key is skipped, its newest follows. */
static int change_show(struct lmdb *k, MDB_txn *txn, MDB_val *key, uint64_t revision,
                       struct record_list *list)
{
    MDB_val value;
    uint64_t newest;
    const char *text;
    int rc = mdb_get(txn, k->records, key, &value);

    if (rc == MDB_NOTFOUND)
        return listed(list, key) ? 0 : list_add(list, key, revision, NULL);
    if (rc)
        return rc;
    record_split(&value, &newest, &text);
    return newest == revision ? list_add(list, key, revision, text) : 0;
}

/* From the cursor's first change after list->revision on; leaves there how far it went: to `now`
 * when no change is left. */
static int changes_read(struct lmdb *k, MDB_cursor *cursor, const char *prefix, uint64_t now,
                        struct record_list *list)
{
    struct change_key from = {.revision = be64_of(list->revision + 1)};
    MDB_val key = val_of(&from, sizeof from), name;
    MDB_cursor_op op = MDB_SET_RANGE;
    int rc;

    for (; (rc = mdb_cursor_get(cursor, &key, &name, op)) == 0; op = MDB_NEXT) {
        uint64_t revision = be64_at(key.mv_data, 0);

        if (list->count >= KEEPER_WATCH_MAX && revision != list->revision)
            return 0; /* K2: cut between two transactions */
        list->revision = revision;
        if (!begins_with(&name, prefix))
            continue;
        rc = change_show(k, mdb_cursor_txn(cursor), &name, revision, list);
        if (rc)
            return rc;
    }
    if (rc == MDB_NOTFOUND)
        list->revision = now;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int watch_in(struct lmdb *k, MDB_txn *txn, const char *prefix, struct record_list *list)
{
    uint64_t now, compacted;
    MDB_cursor *cursor;
    int rc = meta_get(k, txn, "revision", &now);

    if (!rc)
        rc = meta_get(k, txn, "compacted", &compacted);
    if (rc)
        return rc;
    if (list->revision < compacted || list->revision > now)
        return MDB_NOTFOUND;
    rc = mdb_cursor_open(txn, k->changes, &cursor);
    if (rc)
        return rc;
    rc = changes_read(k, cursor, prefix, now, list);
    mdb_cursor_close(cursor);
    return rc;
}

static enum err watch_once(struct lmdb *k, const char *prefix, uint64_t revision,
                           struct record_list *ret)
{
    struct record_list list = {.revision = revision};
    MDB_txn *txn;
    int rc = mdb_txn_begin(k->env, NULL, MDB_RDONLY, &txn);

    if (rc)
        return keeper_err_of_lmdb(rc);
    rc = watch_in(k, txn, prefix, &list);
    mdb_txn_abort(txn);
    if (rc) {
        record_list_free(&list);
        return rc == MDB_NOTFOUND ? E_COMPACTED : keeper_err_of_lmdb(rc);
    }
    *ret = list;
    return E_OK;
}

static struct timespec deadline_in(uint32_t wait_ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += wait_ms / 1000;
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* True: something was committed after `revision`; false: the time is up, or we stop. */
static bool wait_for_commit(struct lmdb *k, uint64_t revision, const struct timespec *until)
{
    bool news;
    int rc = 0;

    pthread_mutex_lock(&k->lock);
    while (k->revision <= revision && !k->stopped && rc == 0)
        rc = pthread_cond_timedwait(&k->committed, &k->lock, until);
    news = k->revision > revision;
    pthread_mutex_unlock(&k->lock);
    return news;
}

static enum err lmdb_watch(struct keeper *keeper, const char *prefix, uint64_t revision,
                           uint32_t wait_ms, struct record_list *ret)
{
    struct lmdb *k = lmdb_of(keeper);
    struct timespec until = deadline_in(wait_ms);
    struct record_list list = {0};

    for (;;) {
        enum err err = watch_once(k, prefix, revision, &list);

        if (err)
            return err;
        if (list.count > 0 || !wait_for_commit(k, list.revision, &until))
            break;
        revision = list.revision; /* what was committed lay under another prefix */
    }
    *ret = list;
    return E_OK;
}

static void lmdb_stop(struct keeper *keeper)
{
    struct lmdb *k = lmdb_of(keeper);

    pthread_mutex_lock(&k->lock);
    k->stopped = true;
    pthread_cond_broadcast(&k->committed);
    pthread_mutex_unlock(&k->lock);
}

static void lmdb_close(struct keeper *keeper)
{
    struct lmdb *k = lmdb_of(keeper);

    if (k->env)
        mdb_env_close(k->env);
    if (k->lock_fd >= 0)
        close(k->lock_fd);
    pthread_cond_destroy(&k->committed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static const struct keeper_ops lmdb_ops = {.range = lmdb_range,
                                           .transact = lmdb_transact,
                                           .watch = lmdb_watch,
                                           .stop = lmdb_stop,
                                           .close = lmdb_close};

/* ---- opening ---- */

enum err keeper_folder_lock(const char *path, int *ret_fd, char why[160])
{
    char file[PATH_MAX];

    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        enum err err = err_of_errno(errno);

        snprintf(why, 160, "%s: cannot make the folder: %s", path, strerror(errno));
        return err;
    }
    snprintf(file, sizeof file, "%s/keeper.lock", path);
    *ret_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*ret_fd < 0) {
        enum err err = err_of_errno(errno);

        snprintf(why, 160, "%s/keeper.lock: %s", path, strerror(errno));
        return err;
    }
    if (flock(*ret_fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(why, 160, "%s: another process uses this keeper", path);
        return E_BUSY;
    }
    return E_OK;
}

static int tables_open(struct lmdb *k, MDB_txn *txn)
{
    int rc = mdb_dbi_open(txn, "records", MDB_CREATE, &k->records);

    if (!rc)
        rc = mdb_dbi_open(txn, "changes", MDB_CREATE, &k->changes);
    if (!rc)
        rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &k->meta);
    return rc;
}

static int meta_begin(struct lmdb *k, MDB_txn *txn, struct identity fresh)
{
    int rc = meta_put(k, txn, "format", FORMAT);

    if (!rc)
        rc = meta_put(k, txn, "revision", KEEPER_FIRST_REVISION);
    if (!rc)
        rc = meta_put(k, txn, "compacted", 0);
    return rc ? rc : meta_put(k, txn, "lineage", fresh.bits);
}

static int tables_begin(struct lmdb *k, MDB_txn *txn, struct identity fresh)
{
    uint64_t format = 0;
    int rc = tables_open(k, txn);

    if (rc)
        return rc;
    rc = meta_get(k, txn, "format", &format);
    if (rc == MDB_NOTFOUND) {
        rc = meta_begin(k, txn, fresh);
        format = FORMAT;
    }
    if (rc)
        return rc;
    if (format != FORMAT)
        return MDB_VERSION_MISMATCH;
    rc = meta_get(k, txn, "revision", &k->revision);
    return rc ? rc : meta_get(k, txn, "lineage", &k->keeper.lineage.bits);
}

/* By the order of its keys a tree is searched, in its branches as in its leaves: with one of either
 * out of place (a flipped bit) a search misses what is there, and a change makes it worse. */
int keeper_tree_look(MDB_txn *txn, MDB_dbi records, bool *ret_whole)
{
    MDB_val key, value, last = {0};
    MDB_cursor *walk, *search = NULL;
    int rc = mdb_cursor_open(txn, records, &walk);

    if (rc)
        return rc;
    rc = mdb_cursor_open(txn, records, &search);
    *ret_whole = true;
    while (!rc && *ret_whole && (rc = mdb_cursor_get(walk, &key, &value, MDB_NEXT)) == 0) {
        MDB_val there = key;

        *ret_whole = mdb_cursor_get(search, &there, &value, MDB_SET) == 0 &&
                     (last.mv_size == 0 || mdb_cmp(txn, records, &last, &key) < 0);
        last = key;
    }
    if (search)
        mdb_cursor_close(search);
    mdb_cursor_close(walk);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum err keeper_damaged(const char *path, char why[160])
{
    snprintf(why, 160, "%.60s/data.mdb: it is damaged, its keys are out of order: restore a backup",
             path);
    return E_DAMAGED;
}

int keeper_lock_reserve(const char *path)
{
    char file[PATH_MAX];
    int fd, rc;

    snprintf(file, sizeof file, "%s/lock.mdb", path);
    fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return 0;
    rc = posix_fallocate(fd, 0, LOCK_BYTES);
    close(fd);
    return rc;
}

static int env_open(struct lmdb *k, const char *path)
{
    int rc = mdb_env_create(&k->env);

    if (!rc)
        rc = mdb_env_set_mapsize(k->env, KEEPER_MAP_BYTES);
    if (!rc)
        rc = mdb_env_set_maxdbs(k->env, 3);
    if (!rc)
        rc = mdb_env_set_maxreaders(k->env, READERS_MAX);
    return rc ? rc : mdb_env_open(k->env, path, MDB_NOTLS, 0600);
}

static enum err lmdb_begin(struct lmdb *k, const char *path, struct identity fresh, char why[160])
{
    bool whole = true;
    MDB_txn *txn = NULL;
    int rc = keeper_lock_reserve(path);

    if (rc) {
        snprintf(why, 160, "%s/lock.mdb: %s", path, strerror(rc));
        return err_of_errno(rc);
    }
    rc = env_open(k, path);
    if (!rc)
        rc = mdb_txn_begin(k->env, NULL, 0, &txn);
    if (!rc)
        rc = tables_begin(k, txn, fresh);
    if (!rc)
        rc = keeper_tree_look(txn, k->records, &whole);
    if (txn && (rc || !whole))
        mdb_txn_abort(txn);
    else if (!rc)
        rc = mdb_txn_commit(txn);
    if (rc)
        snprintf(why, 160, "%.100s/data.mdb: %s", path, mdb_strerror(rc));
    return rc || whole ? keeper_err_of_lmdb(rc) : keeper_damaged(path, why);
}

static void wakes_init(struct lmdb *k)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&k->committed, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum err keeper_lmdb_open(const char *path, struct identity fresh, struct keeper **ret,
                          char why[160])
{
    struct lmdb *k = calloc(1, sizeof *k);
    enum err err;

    if (!k) {
        snprintf(why, 160, "%s", err_text(E_NO_MEMORY));
        return E_NO_MEMORY;
    }
    k->keeper.ops = &lmdb_ops;
    k->lock_fd = -1;
    wakes_init(k);
    err = keeper_folder_lock(path, &k->lock_fd, why);
    if (!err)
        err = lmdb_begin(k, path, fresh, why);
    if (err) {
        lmdb_close(&k->keeper);
        return err;
    }
    *ret = &k->keeper;
    return E_OK;
}

enum err keeper_lmdb_renew(struct keeper *keeper, struct identity lineage)
{
    struct lmdb *k = lmdb_of(keeper);
    MDB_txn *txn;
    int rc = mdb_txn_begin(k->env, NULL, 0, &txn);

    if (rc)
        return keeper_err_of_lmdb(rc);
    rc = meta_put(k, txn, "lineage", lineage.bits);
    if (rc)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    if (!rc)
        keeper->lineage = lineage;
    return keeper_err_of_lmdb(rc);
}
