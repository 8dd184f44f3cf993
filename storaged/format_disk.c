/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/format_disk.c — a reactor for the length of one format. */
#include "storaged/format_disk.h"

#include "env/uring/reactor.h"
#include "storaged/disks.h"

#include <stdio.h>

struct formatting {
    struct reactor *reactor;
    struct env *env;
    const char *path;
    struct disk *disk;
    struct store_format format;
    struct timer progress;
    enum err err;
    const char *failed; /* what, if it did */
};

static int refuse(const char *path, const char *why)
{
    log_event(&log_stderr, LOG_LEVEL_ERROR, "storaged", "format_refused", "disk=%s %s", path, why);
    return 1;
}

/* Whether the disk may be written over; false: said. */
static bool may_format(const char *path, uint64_t bytes, bool force)
{
    char what[80], why[200];

    switch (disk_content(path, what)) {
    case CONTENT_BLANK:
        return true;
    case CONTENT_MISSING:
        if (bytes == 0)
            refuse(path, "is not there; to make a file: --size SIZE");
        return bytes > 0;
    case CONTENT_UNREADABLE:
        if (force) /* a write may mend it */
            return true;
        if (!*what) {
            refuse(path, "cannot be read");
            return false;
        }
        break;
    case CONTENT_STORE:
        snprintf(what, sizeof what, "a Dolmen store");
        break;
    case CONTENT_FOREIGN:
        break;
    }
    snprintf(why, sizeof why, "holds %s; to lose that for good: --force", what);
    if (!force)
        refuse(path, why);
    return force;
}

static void progress_due(struct timer *t)
{
    struct formatting *f = container_of(t, struct formatting, progress);

    format_say(f->env, f->path, &f->format);
    timer_start(&f->env->clock, t, FORMAT_SAY_US, progress_due);
}

static void formatted(struct store_format *format, enum err err)
{
    struct formatting *f = container_of(format, struct formatting, format);

    f->err = err;
    timer_stop(&f->env->clock, &f->progress);
    reactor_stop(f->reactor);
}

static enum err run(struct formatting *f, uint64_t bytes)
{
    enum err err = disk_open(f->env, f->path, bytes, &f->disk);

    if (err) {
        f->failed = "cannot be opened";
        return err;
    }
    f->failed = "cannot be formatted";
    f->format = (struct store_format){
        .env = f->env,
        .disk = f->disk,
        .identity = chance_identity(f->env->chance),
        .done = formatted,
    };
    timer_start(&f->env->clock, &f->progress, FORMAT_SAY_US, progress_due);
    store_format(&f->format);
    reactor_run(f->reactor);
    disk_close(f->disk);
    return f->err;
}

int format_disk(const char *path, uint64_t bytes, bool force)
{
    struct reactor_config config = reactor_config_default();
    struct formatting f = {.path = path};
    const char *text = "";
    char why[120];
    enum err err;

    if (!may_format(path, bytes, force))
        return 1;
    err = reactor_open(&config, &log_stderr, &f.reactor, &text);
    if (err)
        return refuse(path, text);
    f.env = reactor_env(f.reactor);
    err = run(&f, bytes);
    if (!err)
        log_event(&log_stderr, LOG_LEVEL_INFO, "storaged", "formatted", "disk=%s identity=%s", path,
                  identity_show(f.format.identity).text);
    reactor_close(f.reactor);
    if (!err)
        return 0;
    snprintf(why, sizeof why, "%s: %s", f.failed, err_text(err));
    return refuse(path, why);
}
