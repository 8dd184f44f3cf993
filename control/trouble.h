/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/trouble.h — what is wrong with the records: found by the controller or by a change that
 * the keeper refuses, logged when it changes, shown by /healthz.
 *
 * Any thread may call, but trouble_look(), which is the controller's.
 */
#ifndef CONTROL_TROUBLE_H
#define CONTROL_TROUBLE_H

#include "base/log.h"
#include "metadata/records.h"

#include <pthread.h>

struct trouble {
    pthread_mutex_t lock;
    struct record_census census; /* what a record that cannot be read is about waits */
    enum err refused;            /* the keeper's answer to the last change; E_OK: it is stored */
    struct log_pace pace;        /* of what the log is told of these */
};

void trouble_init(struct trouble *t);
void trouble_done(struct trouble *t);

/* Judges all records, of every kind; says so in the log where it is not as it was. */
void trouble_look(struct trouble *t, const struct record_list *all, struct log *log);

/* What the keeper, which is in `dir`, answered to a change.  Said once a minute while it is so. */
struct trouble_stored {
    enum err err;
    const char *dir;
    uint64_t now_ms;
};
void trouble_stored(struct trouble *t, const struct trouble_stored *answer, struct log *log);
enum err trouble_refused(struct trouble *t); /* E_OK: the last change is stored */

/* As of the last look. */
struct record_census trouble_census(struct trouble *t);

#endif
