/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/disks.h — the disks of one home: opened at start, formatted where they are blank.
 *
 * A disk that cannot be opened is said in one line, with the way out, and left aside; the others
 * go on.  All calls belong to the env's loop; opening blocks where store_probe() does.
 */
#ifndef STORAGED_DISKS_H
#define STORAGED_DISKS_H

#include "storaged/config.h"
#include "storaged/disk_watch.h"
#include "storaged/same_disks.h"
#include "store/store.h"

struct node_disk {
    const struct node_disk_config *config;
    const char *path;
    const struct same_disk *same; /* NULL: no other disk is looked at         */
    struct identity identity;     /* what was compared, or given at its format */
    struct disk *disk;
    struct store *store; /* NULL: not open */
    struct disk_watch watch;
};

struct node_disks {
    struct env *env;
    uint32_t count;
    struct node_disk disks[CONFIG_DISKS_MAX];
    void (*done)(struct node_disks *);

    /* its own */
    const struct node_config *config;
    struct task task;
    uint32_t at;
    bool busy, stopping;
    enum err err;
    uint32_t waited_us; /* for a disk that another process has */
    struct store_format format;
    struct store_open open;
    struct store_close close;
    struct timer progress;
};

/* Which of the configuration's: every `step`-th from `first` on. */
struct disks_share {
    uint32_t first, step;
    const struct same_disks *same; /* of all of them; NULL: in a simulated world */
};

/* Opens one after the other, then `done`.  config and share.same are the
 * caller's, for good. */
void disks_open(struct node_disks *d, struct env *env, const struct node_config *config,
                struct disks_share share, void (*done)(struct node_disks *));
/* While they are being opened: looks at no further one, breaks off a format; `done` comes soon. */
void disks_stop(struct node_disks *d);
uint32_t disks_opened(const struct node_disks *d);

/* Nothing uses them any more; then `done`. */
void disks_close(struct node_disks *d, void (*done)(struct node_disks *));

/* ---- for --format as well ---- */

enum disk_content {
    CONTENT_BLANK,
    CONTENT_STORE,   /* a Dolmen store                        */
    CONTENT_FOREIGN, /* something else: `what` says what      */
    CONTENT_MISSING, /* no such path                          */
    CONTENT_UNREADABLE,
};
enum disk_content disk_content(const char *path, char ret_what[80]);

/* Says how far a format has come; every FORMAT_SAY_US. */
#define FORMAT_SAY_US 1000000u
void format_say(struct env *env, const char *path, const struct store_format *f);

#endif
