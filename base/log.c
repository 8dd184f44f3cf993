/* SPDX-License-Identifier: Apache-2.0 */
/* base/log.c — lines to stderr, each in one write, and how often one is said. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

uint32_t log_stamp(char ret[LOG_LINE_MAX], enum log_level level, const char *line)
{
    char when[32];
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    int length = snprintf(ret, LOG_LINE_MAX, "%s.%03ldZ %s %s\n", when, now.tv_nsec / 1000000,
                          level_names[level], line);
    if (length < (int)LOG_LINE_MAX)
        return (uint32_t)length;
    ret[LOG_LINE_MAX - 2] = '\n';
    return LOG_LINE_MAX - 1;
}

static void write_stderr(struct log *log, enum log_level level, const char *line)
{
    char out[LOG_LINE_MAX];
    ssize_t ignored = write(STDERR_FILENO, out, log_stamp(out, level, line));

    (void)log;
    (void)ignored; /* nobody is left to tell */
}

struct log log_stderr = {.write = write_stderr, .least = LOG_LEVEL_INFO};

void log_event(struct log *log, enum log_level level, const char *subject, const char *event,
               const char *details, ...)
{
    char line[1024];
    int used;
    va_list args;

    if (level < log->least)
        return;
    used = snprintf(line, sizeof line, "%s %s", subject, event);
    if (details && used < (int)sizeof line - 1) {
        line[used++] = ' ';
        va_start(args, details);
        vsnprintf(line + used, sizeof line - (size_t)used, details, args);
        va_end(args);
    }
    log->write(log, level, line);
}

uint64_t log_pace(struct log_pace *p, uint32_t burst, uint64_t now_us)
{
    uint64_t count = p->unsaid + 1;

    p->unsaid = count;
    if (p->forgiven_us > now_us + (burst - 1) * LOG_PACE_US)
        return 0;
    p->forgiven_us = max_u64(p->forgiven_us, now_us) + LOG_PACE_US;
    p->unsaid = 0;
    return count;
}

void log_flush(struct log *log)
{
    if (log->flush)
        log->flush(log);
}
