/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/log_writer.h — a daemon's log goes out on a thread of its own.
 *
 * stderr is a pipe or a socket that somebody else reads: a journal that stands still would make
 * every thread stand still that has something to say, reactors and all their sessions included.  So
 * a line is copied into memory, and a thread writes what is there, a line at a time, and may wait
 * as long as it has to.
 *
 * Promises: W1 whoever logs waits for a copy of at most LOG_LINE_MAX bytes by another thread, and
 *              for nothing else; it takes no memory.
 *           W2 the lines of a thread go out in its order.
 *           W3 when memory is full lines are lost, and counted; in the place of each run of
 *              them the log says `lines_lost`, and how many.
 *           W4 log_flush(), and the end by an assertion (SIGABRT), wait for what is in memory,
 *              but no longer than LOG_FLUSH_MS.  What ends a process otherwise loses it.
 */
#ifndef ENV_LOG_WRITER_H
#define ENV_LOG_WRITER_H

#include "base/err.h"
#include "base/log.h"
#include "base/metric.h"

#define LOG_WRITER_BYTES (UINT64_C(128) << 10) /* some thousand lines */

/* clang-format off */
#define LOG_METRICS(X)                                                                             \
    X(COUNTER, lines_lost, "Lines of the log for which there was no room, for nobody reads stderr fast enough.")
/* clang-format on */

METRICS_STRUCT(log_metrics, LOG_METRICS);
extern const struct metric_table log_metric_table;

/* From now on log_stderr is written by a thread, which ends with the process.  Once, before anybody
 * else may log; an error: log_stderr is as it was. */
must_check enum err log_writer_start(void);

/* Any thread may read them. */
const struct log_metrics *log_writer_metrics(void);

#endif
