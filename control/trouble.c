/* SPDX-License-Identifier: Apache-2.0 */
/* control/trouble.c — see trouble.h. */
#include "control/trouble.h"

#include <string.h>

void trouble_init(struct trouble *t)
{
    *t = (struct trouble){0};
    pthread_mutex_init(&t->lock, NULL);
}

void trouble_done(struct trouble *t)
{
    pthread_mutex_destroy(&t->lock);
}

void trouble_look(struct trouble *t, const struct record_list *all, struct log *log)
{
    struct record_census now;

    record_census(all, &now);
    pthread_mutex_lock(&t->lock);
    if (now.unreadable > 0 &&
        (now.unreadable != t->census.unreadable || strcmp(now.keys, t->census.keys) != 0))
        log_event(log, LOG_LEVEL_ERROR, "metad", "records_unreadable", "count=%u keys=\"%s\"",
                  now.unreadable, now.keys);
    t->census = now;
    pthread_mutex_unlock(&t->lock);
}

void trouble_stored(struct trouble *t, const struct trouble_stored *answer, struct log *log)
{
    enum err err = answer->err;

    pthread_mutex_lock(&t->lock);
    t->refused = err;
    if (err && log_pace(&t->pace, 1, answer->now_ms * 1000) > 0)
        log_event(log, LOG_LEVEL_ERROR, "metad", "change_failed", "dir=\"%s\" why=\"%s\"",
                  answer->dir, err_text(err));
    pthread_mutex_unlock(&t->lock);
}

enum err trouble_refused(struct trouble *t)
{
    enum err err;

    pthread_mutex_lock(&t->lock);
    err = t->refused;
    pthread_mutex_unlock(&t->lock);
    return err;
}

struct record_census trouble_census(struct trouble *t)
{
    struct record_census census;

    pthread_mutex_lock(&t->lock);
    census = t->census;
    pthread_mutex_unlock(&t->lock);
    return census;
}
