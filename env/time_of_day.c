/* SPDX-License-Identifier: Apache-2.0 */
/* env/time_of_day.c — a timer that never fires, and is cancelled when the clock is set. */
#include "env/time_of_day.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int64_t us_of(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Though the thread may lose its core in between. */
static int64_t ahead_us(void)
{
    int64_t before = us_of(CLOCK_BOOTTIME), now = us_of(CLOCK_REALTIME);

    return now - before - (us_of(CLOCK_BOOTTIME) - before) / 2;
}

enum err time_of_day_open(struct time_of_day *t)
{
    static const struct itimerspec never = {
        .it_value = {.tv_sec = INT64_MAX}}; /* the kernel cuts it */
    enum err err;

    t->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (t->fd < 0)
        return err_of_errno(errno);
    if (timerfd_settime(t->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0) {
        err = err_of_errno(errno);
        time_of_day_close(t);
        return err;
    }
    t->ahead_us = ahead_us();
    return E_OK;
}

void time_of_day_close(struct time_of_day *t)
{
    close(t->fd);
}

int64_t time_of_day_look(struct time_of_day *t)
{
    int64_t before = t->ahead_us;
    uint64_t fired;

    (void)!read(t->fd, &fired, sizeof fired); /* ECANCELED; it waits for the next time by itself */
    t->ahead_us = ahead_us();
    return llabs(t->ahead_us - before) < TIME_OF_DAY_LEAST_US ? 0 : t->ahead_us - before;
}
