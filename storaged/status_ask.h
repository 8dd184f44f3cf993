/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/status_ask.h — a question to a reactor, from a thread that may wait, but not for ever.
 *
 * What belongs to a reactor is read on its thread alone.  The question goes there as mail and
 * carries memory for its answer; a reactor that stands still answers too late: then the memory
 * stays with the question, until that is answered or asks_close() awaits it.
 */
#ifndef STORAGED_STATUS_ASK_H
#define STORAGED_STATUS_ASK_H

#include "env/env.h"

#include <pthread.h>

#define ASK_MS       1000u
#define ASK_LATE_MAX 16u /* unanswered at once: more are not asked */

struct asks {
    pthread_mutex_t mutex; /* guards `late`; no reactor ever takes it */
    struct list late;
    uint32_t late_count;
};

void asks_open(struct asks *a);
/* Awaits what is unanswered: every env that was asked still turns. */
void asks_close(struct asks *a);

/*
 * Runs `answer(memory)` on the env's thread.  True: it has run.  False: it may still run; `memory`
 * (of malloc) is no longer the caller's.  Any thread but the env's.
 */
must_check bool ask(struct asks *a, struct env *env, void (*answer)(void *memory), void *memory);

#endif
