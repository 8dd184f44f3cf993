/* SPDX-License-Identifier: Apache-2.0 */
/* env/ending.c — one thread, two waits, and an eye on the clock while it is in the first. */
#include "env/ending.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static_assert(ENDING_MS + LOG_FLUSH_MS < 5000, "a stop in good order takes five seconds at most");

static sigset_t ends(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

static void end_at_once(struct ending *e, const char *why)
{
    log_event(e->log, LOG_LEVEL_WARN, e->subject, "cut_short",
              "%s; nothing acknowledged is lost, the next start reads the journal", why);
    log_flush(e->log);
    _exit(0);
}

static uint32_t ms_since(const struct timespec *then)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint32_t)((now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000);
}

/* Whoever asks a whole group, and then each of it, means it once. */
static bool asked_again(struct ending *e, const sigset_t *set)
{
    struct timespec begun;
    uint32_t ms = 0;

    clock_gettime(CLOCK_BOOTTIME, &begun);
    while (ms < ENDING_MS && !atomic_load(&e->over)) {
        uint32_t left = ENDING_MS - ms;
        struct timespec bound = {.tv_sec = left / 1000, .tv_nsec = (long)(left % 1000) * 1000000};
        int number = sigtimedwait(set, NULL, &bound);

        ms = ms_since(&begun);
        if (number > 0 && ms >= ENDING_ONCE_MS)
            return true;
    }
    return false;
}

static void say_clock_set(struct ending *e)
{
    int64_t us = time_of_day_look(&e->time_of_day);

    if (us != 0)
        log_event(e->log, LOG_LEVEL_WARN, e->subject, "clock_set",
                  "by_s=%+.1f; nothing here waits by it, times in the log are the new clock's",
                  (double)us / 1e6);
}

static bool any_ready(struct pollfd waits[2])
{
    int count = poll(waits, 2, -1);

    assert(count > 0 || errno == EINTR || errno == ENOMEM);
    return count > 0;
}

static int first_signal(struct ending *e)
{
    struct pollfd waits[] = {{.fd = e->signals, .events = POLLIN},
                             {.fd = e->time_of_day.fd, .events = POLLIN}};
    struct signalfd_siginfo signal;

    for (;;) {
        if (!any_ready(waits))
            continue;
        if (waits[1].revents)
            say_clock_set(e);
        if (waits[0].revents && read(e->signals, &signal, sizeof signal) == sizeof signal)
            return (int)signal.ssi_signo;
    }
}

static void *wait_and_watch(void *argument)
{
    struct ending *e = argument;
    int number = first_signal(e);
    sigset_t set = ends();
    bool again;

    if (atomic_load(&e->over))
        return NULL;
    log_event(e->log, LOG_LEVEL_INFO, e->subject, "ending", "signal=%d", number);
    e->asked(e);
    again = asked_again(e, &set);
    if (!atomic_load(&e->over))
        end_at_once(e, again ? "a second signal" : "not ended in time");
    return NULL;
}

static void close_waits(struct ending *e)
{
    close(e->signals);
    time_of_day_close(&e->time_of_day);
}

enum err ending_start(struct ending *e)
{
    sigset_t set = ends();
    enum err err = time_of_day_open(&e->time_of_day);
    int failed;

    if (err)
        return err;
    e->signals = signalfd(-1, &set, SFD_CLOEXEC);
    atomic_init(&e->over, false);
    failed = e->signals < 0 ? errno : pthread_create(&e->thread, NULL, wait_and_watch, e);
    if (failed)
        close_waits(e);
    return failed ? err_of_errno(failed) : E_OK;
}

void ending_done(struct ending *e)
{
    atomic_store(&e->over, true);
    kill(getpid(), SIGTERM); /* whichever wait it is in; everybody else has it blocked */
    pthread_join(e->thread, NULL);
    close_waits(e);
}
