/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/ending.h — how a daemon ends: asked once, it ends in good order; asked twice, or too slow, at
 * once.
 *
 * A thread of its own waits for SIGTERM and SIGINT, which the caller has blocked in every thread
 * before; meanwhile it says when somebody sets the clock.  At the first signal it tells the daemon,
 * and then watches: a second signal, or ENDING_MS without an end (a disk that hangs, a checkpoint
 * of many small writes), and the process is over, in one line, for which it waits LOG_FLUSH_MS at
 * most. What was acknowledged is durable already, so that only the next start takes longer.
 */
#ifndef ENV_ENDING_H
#define ENV_ENDING_H

#include "base/err.h"
#include "base/log.h"
#include "env/time_of_day.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define ENDING_MS      4500u /* of the five seconds that a supervisor may count on */
#define ENDING_ONCE_MS 1000u /* signals within this are one */

struct ending {
    struct log *log;
    const char *subject;            /* "storaged" */
    void (*asked)(struct ending *); /* once, on the thread of its own */

    /* its own */
    struct time_of_day time_of_day;
    int signals; /* a signalfd */
    pthread_t thread;
    atomic_bool over;
};

/* Else what keeps it from starting: no file handle, no memory, no thread. */
must_check enum err ending_start(struct ending *e);
/* It has ended well: nobody watches any more.  Once, after a start that was E_OK. */
void ending_done(struct ending *e);

#endif
