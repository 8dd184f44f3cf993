/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/time_of_day.h — somebody sets the clock by which logs and records tell the time.
 *
 * Nothing of ours waits by it (env.h: CLOCK_BOOTTIME), so that it is only to be said.  One thread;
 * nobody polls: the kernel makes `fd` readable (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
 */
#ifndef ENV_TIME_OF_DAY_H
#define ENV_TIME_OF_DAY_H

#include "base/err.h"

#include <stdint.h>

#define TIME_OF_DAY_LEAST_US 1000000 /* less is a clock that is kept right: unsaid */

struct time_of_day {
    int fd;           /* to wait for */
    int64_t ahead_us; /* of CLOCK_BOOTTIME, when it was last looked at */
};

/* E_NO_MEMORY: no file handle, no memory. */
must_check enum err time_of_day_open(struct time_of_day *t);
void time_of_day_close(struct time_of_day *t);
/* When `fd` is readable: by how many µs the clock was set since the last look; 0: by less than
 * TIME_OF_DAY_LEAST_US, or the machine has slept, which sets nothing. */
int64_t time_of_day_look(struct time_of_day *t);

#endif
