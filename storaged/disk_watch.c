/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/disk_watch.c — looks every five seconds whether a disk got on.
 *
 * With requests under way and not one answered between three looks it is silent: one line, and one
 * more when it answers again.  Nothing else follows: what was sent is waited for (P6), sessions are
 * the target's (P14), and a disk that is only slow comes back by itself.
 */
#include "storaged/disk_watch.h"

#include <inttypes.h>

#define LOOK_US      5000000u
#define LOOKS_SILENT 3u /* in a row: two times LOOK_US at least without an answer */

static uint32_t silent_s(const struct disk_watch *w)
{
    return (w->silent_looks - 1) * (LOOK_US / 1000000);
}

static void got_on(struct disk_watch *w)
{
    if (w->silent_looks >= LOOKS_SILENT)
        log_event(w->env->log, LOG_LEVEL_WARN, "storaged", "disk_answers",
                  "path=%s after %u s or more", w->disk->name, silent_s(w));
    w->silent_looks = 0;
    w->answered = w->disk->answered;
}

static void silent(struct disk_watch *w)
{
    if (++w->silent_looks == LOOKS_SILENT)
        log_event(w->env->log, LOG_LEVEL_ERROR, "storaged", "disk_silent",
                  "path=%s no answer for %u s, %" PRIu64 " requests wait", w->disk->name,
                  silent_s(w), w->disk->submitted - w->disk->answered);
}

static void look(struct timer *t)
{
    struct disk_watch *w = container_of(t, struct disk_watch, timer);
    bool waits = w->disk->submitted > w->disk->answered;

    if (waits && w->disk->answered == w->answered)
        silent(w);
    else
        got_on(w);
    timer_start(&w->env->clock, t, LOOK_US, look);
}

void disk_watch_start(struct disk_watch *w)
{
    w->answered = w->disk->answered;
    timer_start(&w->env->clock, &w->timer, LOOK_US, look);
}

void disk_watch_stop(struct disk_watch *w)
{
    timer_stop(&w->env->clock, &w->timer);
}
