/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/disks.c — one disk after the other: what does it hold? format, open; and close.
 *
 *   blank, or a file that is not there and has a size   formatted, then opened
 *   a Dolmen store, whole or not                        opened, or refused: never formatted
 *   something else                                      refused: it is somebody's data
 *   a copy of another disk of the node                  refused, both: same_disks.h
 *
 * With --allow-faults each disk is opened behind one that fails on purpose (env/faulty_disk.h).
 */
#include "storaged/disks.h"

#include "base/size.h"
#include "env/faulty_disk.h"
#include "storaged/limits.h"
#include "store/scrub.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_US           5000000u /* for who has the disk to let it go */
#define BUSY_AGAIN_US     100000u

#define DAMAGED_SAID_MOST 16u /* lines for a disk */

enum disks_state {
    LOOK,   /* at the next disk: what it holds       */
    FORMAT, /* until it is written                   */
    OPEN,   /* its store                             */
    OPENED, /* its store, or not                     */
    NEXT,   /* opened or refused                     */
    CLOSE,  /* the next store                        */
    CLOSED, /* then its disk                         */
    ALL,    /* disks are done                        */
};

enum disk_content disk_content(const char *path, char ret_what[80])
{
    struct stat file;

    ret_what[0] = '\0';
    if (stat(path, &file) != 0)
        return errno == ENOENT ? CONTENT_MISSING : CONTENT_UNREADABLE;
    switch ((int)store_probe(path, ret_what)) {
    case E_OK:
        return CONTENT_BLANK;
    case E_EXISTS:
        return CONTENT_STORE;
    case E_FOREIGN:
        return CONTENT_FOREIGN;
    default:
        return CONTENT_UNREADABLE;
    }
}

void format_say(struct env *env, const char *path, const struct store_format *f)
{
    log_event(env->log, LOG_LEVEL_INFO, "storaged", "formatting", "disk=%s written=%s of=%s", path,
              size_show(f->bytes_done).text, size_show(f->bytes_total).text);
}

static struct node_disk *current(struct node_disks *d)
{
    return &d->disks[d->at];
}

static void refused(struct node_disks *d, const char *why)
{
    log_event(d->env->log, LOG_LEVEL_ERROR, "storaged", "disk_refused", "disk=%s %s",
              current(d)->path, why);
}

static void woken(struct node_disks *d, enum err err)
{
    d->busy = false;
    d->err = err;
    task_run(&d->task);
}

/* ---- format ---- */

static void progress_due(struct timer *t)
{
    struct node_disks *d = container_of(t, struct node_disks, progress);

    format_say(d->env, current(d)->path, &d->format);
    timer_start(&d->env->clock, t, FORMAT_SAY_US, progress_due);
}

static void formatted(struct store_format *f, enum err err)
{
    struct node_disks *d = container_of(f, struct node_disks, format);

    timer_stop(&d->env->clock, &d->progress);
    woken(d, err);
}

static void format_begin(struct node_disks *d)
{
    current(d)->identity = chance_identity(d->env->chance);
    d->format = (struct store_format){
        .env = d->env,
        .disk = current(d)->disk,
        .identity = current(d)->identity,
        .done = formatted,
    };
    log_event(d->env->log, LOG_LEVEL_INFO, "storaged", "format_begun", "disk=%s bytes=%" PRIu64,
              current(d)->path, current(d)->disk->size_bytes);
    d->busy = true;
    timer_start(&d->env->clock, &d->progress, FORMAT_SAY_US, progress_due);
    store_format(&d->format);
}

/* ---- open ---- */

static void opened(struct store_open *o, enum err err)
{
    woken(container_of(o, struct node_disks, open), err);
}

static void open_begin(struct node_disks *d)
{
    d->open = (struct store_open){
        .env = d->env,
        .disk = current(d)->disk,
        .limits = limits_store(d->config, current(d)->disk->size_bytes),
        .only = current(d)->same ? &current(d)->identity : NULL,
        .done = opened,
    };
    d->busy = true;
    store_open(&d->open);
}

/* false: it is another disk of the node, or nobody knows which of them is the newer one (said). */
static bool is_unique(struct node_disks *d)
{
    const struct same_disk *same = current(d)->same;
    char why[CONFIG_PATH_MAX + 200];

    if (!same || (!same->alias_of && !same->copy_of))
        return true;
    if (same->alias_of)
        snprintf(why, sizeof why, "is the same disk as %s", same->alias_of);
    else
        snprintf(why, sizeof why,
                 "and %s are copies of one disk, %s, and nobody can tell which is the newer one: "
                 "neither is opened; take one of them out of the configuration",
                 same->copy_of, identity_show(same->identity).text);
    refused(d, why);
    return false;
}

static void look_again(struct timer *t)
{
    task_run(&container_of(t, struct node_disks, progress)->task);
}

/* Why the disk cannot be used as it is; false: it is refused (said). */
static bool content_allows(struct node_disks *d, enum disk_content content, const char *what)
{
    const struct node_disk_config *c = current(d)->config;
    char why[400];

    switch (content) {
    case CONTENT_BLANK:
    case CONTENT_STORE:
        return true;
    case CONTENT_MISSING:
        if (c->bytes > 0)
            return true;
        refused(d, "is not there, and has no size to be made with");
        return false;
    case CONTENT_FOREIGN:
        snprintf(why, sizeof why,
                 "holds %s; to overwrite it for good: storaged --format %.200s --force", what,
                 c->path);
        refused(d, why);
        return false;
    case CONTENT_UNREADABLE:
        if (*what)
            snprintf(why, sizeof why,
                     "may hold %s; to overwrite it for good: storaged --format %.200s "
                     "--force",
                     what, c->path);
        refused(d, *what ? why : "cannot be read");
        return false;
    }
    unreachable();
}

/* A process that was killed has its disks until the kernel has ended what it had under way. */
static bool worth_waiting(struct node_disks *d)
{
    if (d->err != E_BUSY || d->waited_us >= BUSY_US)
        return false;
    if (d->waited_us == 0)
        log_event(d->env->log, LOG_LEVEL_INFO, "storaged", "disk_busy",
                  "disk=%s another process has it; waiting up to %u s", current(d)->path,
                  BUSY_US / 1000000);
    d->waited_us += BUSY_AGAIN_US;
    timer_start(&d->env->clock, &d->progress, BUSY_AGAIN_US, look_again);
    return true;
}

static enum err open_path(struct node_disks *d, uint64_t create_bytes)
{
    struct node_disk *disk = current(d);
    enum err err = disk_open(d->env, disk->path, create_bytes, &disk->disk);

    if (err || !d->config->allow_faults)
        return err;
    err = faulty_disk_open(d->env, disk->disk, &disk->disk);
    if (err) {
        disk_close(disk->disk);
        disk->disk = NULL;
    }
    return err;
}

static void close_disk(struct node_disk *disk)
{
    disk_watch_stop(&disk->watch);
    disk_close(disk->disk);
    disk->disk = NULL;
}

static enum task_next look(struct node_disks *d)
{
    const struct node_disk_config *c;
    enum disk_content content;
    char what[80], why[120];

    if (d->at == d->count || d->stopping)
        return task_goto(&d->task, ALL);
    if (!is_unique(d))
        return task_goto(&d->task, NEXT);
    c = current(d)->config;
    content = disk_content(c->path, what);
    if (!content_allows(d, content, what))
        return task_goto(&d->task, NEXT);
    d->err = open_path(d, content == CONTENT_MISSING ? c->bytes : 0);
    if (worth_waiting(d))
        return TASK_WAIT;
    d->waited_us = 0;
    if (d->err) {
        snprintf(why, sizeof why, "cannot be opened: %s", err_text(d->err));
        refused(d, why);
        return task_goto(&d->task, NEXT);
    }
    current(d)->watch = (struct disk_watch){.env = d->env, .disk = current(d)->disk};
    disk_watch_start(&current(d)->watch);
    if (content == CONTENT_STORE)
        return task_goto(&d->task, OPEN);
    format_begin(d);
    return task_wait_in(&d->task, FORMAT);
}

static enum task_next format_ended(struct node_disks *d)
{
    char why[200];

    if (!d->err)
        return task_goto(&d->task, OPEN);
    if (d->stopping) /* it is begun again at the next start */
        return task_goto(&d->task, NEXT);
    snprintf(why, sizeof why, "cannot be formatted: %s", err_text(d->err));
    refused(d, why);
    return task_goto(&d->task, NEXT);
}

/* The disk is in use, or refused and let go; on to the next. */
static enum task_next next_disk(struct node_disks *d)
{
    struct node_disk *disk = current(d);

    if (disk->disk && !disk->store)
        close_disk(disk);
    d->at++;
    return task_goto(&d->task, LOOK);
}

/* Without memory for it the disk is used all the same. */
static void scrub_begin(struct node_disks *d)
{
    struct store_scrub_pace pace = {
        .period_us = d->config->scrub_days * 24 * 3600 * 1000 * 1000,
        .bytes_per_second_least = d->config->scrub_mib_per_second << 20,
    };
    enum err err = store_scrub_start(current(d)->store, &pace);

    if (err)
        log_event(d->env->log, LOG_LEVEL_WARN, "storaged", "not_scrubbed", "disk=%s %s",
                  current(d)->path, err_text(err));
}

static void replica_is_damaged(struct node_disks *d, const struct store_facts *f)
{
    log_event(d->env->log, LOG_LEVEL_ERROR, "storaged", "replica_damaged",
              "disk=%s path=%s volume=%s shard=%" PRIu32 " replica=%s it lost something of its map "
              "that it cannot name: it is not served until it is salvaged",
              identity_show(store_identity(current(d)->store)).text, current(d)->path,
              identity_show(f->volume).text, f->shard, identity_show(f->replica).text);
}

/* Where a whole root was lost that may be all of them. */
static void damaged_say(struct node_disks *d)
{
    struct store_replica *r = NULL;
    struct store_facts facts;
    uint32_t damaged = 0;

    while ((r = store_next(current(d)->store, r))) {
        store_facts(r, &facts);
        if (facts.damaged && damaged++ < DAMAGED_SAID_MOST)
            replica_is_damaged(d, &facts);
    }
    if (damaged > DAMAGED_SAID_MOST)
        log_event(d->env->log, LOG_LEVEL_ERROR, "storaged", "replica_damaged",
                  "disk=%s path=%s and %" PRIu32 " more replicas of it",
                  identity_show(store_identity(current(d)->store)).text, current(d)->path,
                  damaged - DAMAGED_SAID_MOST);
}

static enum task_next open_ended(struct node_disks *d)
{
    struct node_disk *disk = current(d);
    char why[300];

    if (d->err) {
        snprintf(why, sizeof why, "cannot be used: %s%s%s", err_text(d->err),
                 *d->open.why ? ": " : "", d->open.why);
        refused(d, why);
        return task_goto(&d->task, NEXT);
    }
    disk->store = d->open.store;
    log_event(d->env->log, LOG_LEVEL_INFO, "storaged", "disk_opened", "disk=%s path=%s",
              identity_show(store_identity(disk->store)).text, disk->path);
    damaged_say(d);
    scrub_begin(d);
    return task_goto(&d->task, NEXT);
}

/* ---- close ---- */

static void store_closed(struct store_close *c)
{
    woken(container_of(c, struct node_disks, close), E_OK);
}

static enum task_next close_next(struct node_disks *d)
{
    while (d->at < d->count && !current(d)->store)
        d->at++;
    if (d->at == d->count)
        return task_goto(&d->task, ALL);
    d->busy = true;
    d->close = (struct store_close){.done = store_closed};
    store_close(current(d)->store, &d->close);
    return task_wait_in(&d->task, CLOSED);
}

static enum task_next disks_step(struct task *t)
{
    struct node_disks *d = container_of(t, struct node_disks, task);

    if (d->busy)
        return TASK_WAIT;
    switch ((enum disks_state)t->state) {
    case LOOK:
        return look(d);

    case FORMAT:
        return format_ended(d);

    case OPEN:
        open_begin(d);
        return task_wait_in(t, OPENED);

    case OPENED:
        return open_ended(d);

    case NEXT:
        return next_disk(d);

    case CLOSE:
        return close_next(d);

    case CLOSED:
        current(d)->store = NULL;
        close_disk(current(d));
        return task_goto(t, CLOSE);

    case ALL:
        return TASK_DONE;
    }
    unreachable();
}

static void disks_done(struct task *t)
{
    struct node_disks *d = container_of(t, struct node_disks, task);

    d->done(d);
}

static const struct task_state disks_states[] = {
    [LOOK] = {"look", TASK_FIRST | TASK_AFTER(NEXT)},
    [FORMAT] = {"format", TASK_AFTER(LOOK)},
    [OPEN] = {"open", TASK_AFTER(LOOK) | TASK_AFTER(FORMAT)},
    [OPENED] = {"opened", TASK_AFTER(OPEN)},
    [NEXT] = {"next", TASK_AFTER(OPENED) | TASK_AFTER(LOOK) | TASK_AFTER(FORMAT)},
    [CLOSE] = {"close", TASK_FIRST | TASK_AFTER(CLOSED)},
    [CLOSED] = {"closed", TASK_AFTER(CLOSE)},
    [ALL] = {"all", TASK_AFTER(LOOK) | TASK_AFTER(CLOSE)},
};

static const struct task_kind disks_kind = {
    .name = "disks",
    .step = disks_step,
    .done = disks_done,
    .states = disks_states,
    .state_count = array_length(disks_states),
};

/* ---- the door ---- */

void disks_open(struct node_disks *d, struct env *env, const struct node_config *config,
                struct disks_share share, void (*done)(struct node_disks *))
{
    *d = (struct node_disks){.env = env, .done = done, .config = config};
    for (uint32_t i = share.first; i < config->disk_count; i += share.step) {
        struct node_disk *disk = &d->disks[d->count++];

        *disk = (struct node_disk){.config = &config->disks[i], .path = config->disks[i].path};
        if (share.same) {
            disk->same = &share.same->disks[i];
            disk->identity = disk->same->identity;
        }
    }
    task_start(&d->task, &disks_kind, &env->tasks, LOOK);
}

void disks_close(struct node_disks *d, void (*done)(struct node_disks *))
{
    d->done = done;
    d->at = 0;
    task_start(&d->task, &disks_kind, &d->env->tasks, CLOSE);
}

void disks_stop(struct node_disks *d)
{
    d->stopping = true;
    if (d->busy && d->task.state == FORMAT)
        store_format_stop(&d->format);
}

uint32_t disks_opened(const struct node_disks *d)
{
    uint32_t opened_count = 0;

    for (uint32_t i = 0; i < d->count; i++)
        opened_count += d->disks[i].store != NULL;
    return opened_count;
}
