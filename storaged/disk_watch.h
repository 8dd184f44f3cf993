/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/disk_watch.h — says when a disk that was asked something does not answer.
 */
#ifndef STORAGED_DISK_WATCH_H
#define STORAGED_DISK_WATCH_H

#include "env/env.h"

struct disk_watch {
    struct env *env;
    const struct disk *disk;

    /* its own */
    struct timer timer;
    uint64_t answered; /* when it was last looked at */
    uint32_t silent_looks;
};

/* Zeroed but for env and disk, which lives until disk_watch_stop(); on the env's loop. */
void disk_watch_start(struct disk_watch *w);
void disk_watch_stop(struct disk_watch *w);

#endif
