/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/folder.c — lock and node.id; a new identity is on disk before it is used. */
#include "storaged/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_WHY 700
#define LOOK_MS    50u

static enum err system_says(char why[FOLDER_WHY], const char *what, const char *path)
{
    snprintf(why, FOLDER_WHY, "%s %s: %s", what, path, strerror(errno));
    return E_SYSTEM;
}

static bool lock_taken(int fd, uint32_t patience_ms)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};

    for (uint32_t waited = 0;; waited += LOOK_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK || waited >= patience_ms)
            return false;
        nanosleep(&pause, NULL);
    }
}

static enum err lock(const char *dir, uint32_t patience_ms, struct folder *f, char why[FOLDER_WHY])
{
    char path[600];

    snprintf(path, sizeof path, "%s/lock", dir);
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (f->lock < 0)
        return system_says(why, "cannot open", path);
    if (lock_taken(f->lock, patience_ms))
        return E_OK;
    if (errno != EWOULDBLOCK)
        return system_says(why, "cannot lock", path);
    snprintf(why, FOLDER_WHY, "%s is used by another storaged", dir);
    return E_BUSY;
}

/* E_NOT_FOUND: there is none yet. */
static enum err read_id(const char *path, struct identity *ret, char why[FOLDER_WHY])
{
    char text[64] = "";
    FILE *file = fopen(path, "re");

    if (!file)
        return errno == ENOENT ? E_NOT_FOUND : system_says(why, "cannot read", path);
    if (!fgets(text, sizeof text, file))
        text[0] = '\0';
    fclose(file);
    text[strcspn(text, "\n")] = '\0';
    if (identity_parse(text, ret))
        return E_OK;
    snprintf(why, FOLDER_WHY,
             "%s holds no identity (16 hex digits); its replicas belong to the "
             "one that stood there",
             path);
    return E_DAMAGED;
}

static bool write_durable(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok;

    if (fd < 0)
        return false;
    ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

static bool folder_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

static enum err mint_id(const char *dir, const char *path, struct identity id, char why[FOLDER_WHY])
{
    char fresh[640], text[IDENTITY_TEXT + 1];

    snprintf(fresh, sizeof fresh, "%s.new", path);
    snprintf(text, sizeof text, "%s\n", identity_show(id).text);
    if (!write_durable(fresh, text) || rename(fresh, path) != 0 || !folder_sync(dir))
        return system_says(why, "cannot write", path);
    return E_OK;
}

enum err folder_open(const char *path, struct chance *chance, uint32_t patience_ms,
                     struct folder *ret, char why[FOLDER_WHY])
{
    struct folder f = {.lock = -1};
    char id[600];
    enum err err;

    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return system_says(why, "cannot make", path);
    err = lock(path, patience_ms, &f, why);
    if (err) {
        folder_close(&f);
        return err;
    }
    snprintf(id, sizeof id, "%s/node.id", path);
    err = read_id(id, &f.node, why);
    if (err == E_NOT_FOUND) {
        f.node = chance_identity(chance);
        err = mint_id(path, id, f.node, why);
    }
    if (err) {
        folder_close(&f);
        return err;
    }
    *ret = f;
    return E_OK;
}

void folder_close(struct folder *f)
{
    if (f->lock >= 0)
        close(f->lock);
    f->lock = -1;
}
