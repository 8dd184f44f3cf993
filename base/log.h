/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log.h — one event, one line: time, level, subject, event, details.
 *
 *   2026-01-02T03:04:05.678Z info volume=web01 promoted epoch=7 copies=3
 *
 * Whoever decides logs, once, where the operation ends; never on the data path.  Event names are
 * nouns or past participles and never change: alerts hang on them.  Secrets never reach a log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/util.h"

#define LOG_LINE_MAX 1100u /* bytes of a line as it goes out: time, level, newline included */
#define LOG_FLUSH_MS 200u

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log {
    /* Writes one finished line without newline; any thread may call. */
    void (*write)(struct log *, enum log_level, const char *line);
    void (*flush)(struct log *); /* NULL: a line is out when write() returns */
    enum log_level least;        /* what is below is not formatted */
};

/* The process's stderr.  A line is out when it is logged, and waits for whoever reads it, until a
 * daemon starts a thread for that (env/log_writer.h). */
extern struct log log_stderr;

/* subject: "volume=web01", "disk=/dev/sdb", "storaged" …  details: "key=value key=value", or NULL
 */
void log_event(struct log *log, enum log_level level, const char *subject, const char *event,
               const char *details, ...) printf_like(5, 6);

/* How often a thing is said that may happen at any rate; zeroed: nothing was. */
struct log_pace {
    uint64_t forgiven_us; /* when the whole burst may be said again */
    uint64_t unsaid;      /* since the last line */
};
#define LOG_PACE_US (UINT64_C(60) * 1000 * 1000)

/* It happened: 0: no line now; else there is one, and of so many, this one included.  `burst` lines
 * at once, then one in LOG_PACE_US. */
uint64_t log_pace(struct log_pace *p, uint32_t burst, uint64_t now_us);

/* Before the process ends: returns when what was logged before is out, or after LOG_FLUSH_MS.  Any
 * thread; no signal handler. */
void log_flush(struct log *log);

/* For who writes a log: the line with time, level and newline, cut where it is too long.  Returns
 * how many bytes. */
uint32_t log_stamp(char ret[LOG_LINE_MAX], enum log_level level, const char *line);

#endif
