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

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log {
    /* Writes one finished line without newline; any thread may call. */
    void (*write)(struct log *, enum log_level, const char *line);
    enum log_level least; /* what is below is not formatted */
};

/* The process's stderr. */
extern struct log log_stderr;

/* subject: "volume=web01", "disk=/dev/sdb", "storaged" …  details: "key=value key=value", or NULL
 */
void log_event(struct log *log, enum log_level level, const char *subject, const char *event,
               const char *details, ...) printf_like(5, 6);

#endif
