/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/shortage.h — a listener finds no file handle, or no memory, for who connects: said in one
 * line, and not again within a minute.  What is served goes on; who connects waits.
 */
#ifndef ENV_SHORTAGE_H
#define ENV_SHORTAGE_H

#include "base/log.h"

#include <stdint.h>

#define SHORTAGE_AGAIN_MS 100u /* so soon a listener tries again */

/* Of one listener.  Zeroed: nothing was said yet. */
struct shortage {
    uint64_t silent_until_us;
};

/* number: of errno, what accept() failed with; other failures than these are none of ours.  On one
 * thread. */
void shortage_met(struct shortage *s, int number, uint64_t now_us, struct log *log,
                  const char *subject);

#endif
