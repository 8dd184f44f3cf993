/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/log_writer.c — two halves of memory: one is filled while the other is written.
 *
 * Everybody copies into one half, under a lock; the thread takes it whole, leaves the empty one in
 * its place, and writes without the lock.
 */
#include "env/log_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 5 /* how often an assertion looks whether all is out */

struct half {
    char text[LOG_WRITER_BYTES / 2];
    uint32_t bytes;
    uint64_t lost; /* after the last line of text */
};

static struct {
    struct half halves[2];
    pthread_mutex_t mutex;
    pthread_cond_t wanted, out;

    /* under the mutex */
    uint32_t filling;    /* which half; the other one is the thread's */
    atomic_bool all_out; /* a signal handler may look without */
    struct log_metrics metrics;
} writer;

METRICS_TABLE(log_metric_table, log_metrics, "log", LOG_METRICS);

/* ---- whoever logs ---- */

static void put(struct log *log, enum log_level level, const char *line)
{
    char out[LOG_LINE_MAX];
    uint32_t bytes = log_stamp(out, level, line);
    struct half *h;

    (void)log;
    pthread_mutex_lock(&writer.mutex);
    h = &writer.halves[writer.filling];
    if (h->lost > 0 || bytes > sizeof h->text - h->bytes) { /* a short one does not slip in */
        h->lost++;
        metric_add(&writer.metrics.lines_lost, 1);
    } else {
        memcpy(h->text + h->bytes, out, bytes);
        h->bytes += bytes;
        atomic_store(&writer.all_out, false);
        pthread_cond_signal(&writer.wanted);
    }
    pthread_mutex_unlock(&writer.mutex);
}

static void flush(struct log *log)
{
    struct timespec until;

    (void)log;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOG_FLUSH_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&writer.mutex);
    while (!atomic_load(&writer.all_out) &&
           pthread_cond_timedwait(&writer.out, &writer.mutex, &until) == 0)
        ;
    pthread_mutex_unlock(&writer.mutex);
}

/* The last lines before an assertion are the ones that tell why.  Raised by somebody else
 * (systemd's watchdog does) it ends the process, too. */
static void aborted(int number)
{
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};

    for (uint32_t ms = 0; ms < LOG_FLUSH_MS && !atomic_load(&writer.all_out); ms += LOOK_MS)
        nanosleep(&look, NULL);
    raise(number); /* SA_RESETHAND: the system's from now on */
}

const struct log_metrics *log_writer_metrics(void)
{
    return &writer.metrics;
}

/* ---- the thread ---- */

static void write_line(const char *line, size_t bytes)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};

    while (bytes > 0) {
        ssize_t n = write(STDERR_FILENO, line, bytes);

        if (n < 0 && errno == EAGAIN) { /* whoever shares it wants it so */
            poll(&room, 1, -1);
            continue;
        }
        if (n < 0)
            return; /* nobody is left to tell */
        line += n;
        bytes -= (size_t)n;
    }
}

static void write_now(struct log *log, enum log_level level, const char *line)
{
    char out[LOG_LINE_MAX];

    (void)log;
    write_line(out, log_stamp(out, level, line));
}

static struct log direct = {.write = write_now};

static void write_half(struct half *h)
{
    const char *at = h->text, *end = h->text + h->bytes;

    while (at < end) { /* each in one write, for others may write there, too */
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = (size_t)(newline - at) + 1;

        write_line(at, bytes);
        at += bytes;
    }
    if (h->lost > 0)
        log_event(&direct, LOG_LEVEL_WARN, "log", "lines_lost", "count=%" PRIu64, h->lost);
    h->bytes = 0;
    h->lost = 0;
}

/* The half with what there is to write, as soon as there is something. */
static struct half *next_half(void)
{
    struct half *h;

    pthread_mutex_lock(&writer.mutex);
    while (writer.halves[writer.filling].bytes == 0) {
        atomic_store(&writer.all_out, true);
        pthread_cond_broadcast(&writer.out);
        pthread_cond_wait(&writer.wanted, &writer.mutex);
    }
    h = &writer.halves[writer.filling];
    writer.filling = !writer.filling;
    pthread_mutex_unlock(&writer.mutex);
    return h;
}

static void *write_until_the_end(void *unused)
{
    (void)unused;
    for (;;)
        write_half(next_half());
    return NULL;
}

/* ---- the door ---- */

static int thread_start(void)
{
    pthread_t thread;
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, NULL, write_until_the_end, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        pthread_detach(thread);
    return failed;
}

enum err log_writer_start(void)
{
    struct sigaction action = {.sa_handler = aborted, .sa_flags = (int)SA_RESETHAND};
    pthread_condattr_t monotonic;
    int failed;

    memset(writer.halves, 0, sizeof writer.halves); /* its pages, now */
    pthread_mutex_init(&writer.mutex, NULL);
    pthread_cond_init(&writer.wanted, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.out, &monotonic);
    pthread_condattr_destroy(&monotonic);
    failed = thread_start();
    if (failed)
        return err_of_errno(failed);
    sigaction(SIGABRT, &action, NULL);
    log_stderr.write = put;
    log_stderr.flush = flush;
    return E_OK;
}
