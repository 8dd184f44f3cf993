/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/trouble.h — what is wrong with the records: found by the controller, logged when it
 * changes, shown by /healthz.
 *
 * Any thread may call, but trouble_look(), which is the controller's.
 */
#ifndef CONTROL_TROUBLE_H
#define CONTROL_TROUBLE_H

#include "base/log.h"
#include "metadata/records.h"

#include <pthread.h>

#define TROUBLE_KEYS_SHOWN 3u
#define TROUBLE_KEYS_BYTES 256u /* three of the longest, and more */

struct trouble {
    pthread_mutex_t lock;
    uint32_t unreadable;           /* records that no reader takes: what they are about waits */
    char keys[TROUBLE_KEYS_BYTES]; /* of the first of them: "volume/…, page/…" */
};

void trouble_init(struct trouble *t);
void trouble_done(struct trouble *t);

/* Judges all records, of every kind; says so in the log where it is not as it was. */
void trouble_look(struct trouble *t, const struct record_list *all, struct log *log);

/* How many cannot be read, and the first of them. */
uint32_t trouble_unreadable(struct trouble *t, char ret_keys[TROUBLE_KEYS_BYTES]);

#endif
