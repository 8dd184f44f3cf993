/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/reactor.h — the real world: one thread and one io_uring (design 3 and 7, the ring).
 */
#ifndef ENV_URING_REACTOR_H
#define ENV_URING_REACTOR_H

#include "base/metric.h"
#include "env/env.h"

struct reactor_config {
    uint32_t ring_entries; /* submission queue; power of two                       */
    uint32_t timers_max;
    uint32_t connections_max; /* further ones are closed when they are accepted       */
    uint32_t receive_buffers; /* provided buffers, of receive_bytes each              */
    uint32_t receive_bytes;
    uint32_t workers; /* threads for blocking jobs                            */
};

struct reactor_config reactor_config_default(void);

struct reactor;

#define REACTOR_LONG_TURN_US 200000u /* a loop that stands still so long is reported */

/* clang-format off */
#define REACTOR_METRICS(X)                                                                         \
    X(COUNTER,   turns,                "Turns of the loop.")                                       \
    X(COUNTER,   enters,               "System calls that entered the ring.")                      \
    X(HISTOGRAM, turn_seconds,         "How long a turn took: what came meanwhile waited so long.") \
    X(GAUGE,     longest_turn_seconds, "The longest turn since the process started.")              \
    X(COUNTER,   long_turns,           "Turns of more than 200 ms; each is a line in the log.")
/* clang-format on */
METRICS_STRUCT(reactor_metrics, REACTOR_METRICS);
extern const struct metric_table reactor_metric_table;

/*
 * Opens the ring and probes what it offers; what Debian 12's kernel 6.1 has must serve.  On
 * failure *reterr_text says what is missing and where (static text).  The reactor may be opened,
 * and its disks and listeners too, on another thread than the one that runs it; the first run binds
 * it to its thread for good.
 */
must_check enum err reactor_open(const struct reactor_config *config, struct log *log,
                                 struct reactor **ret, const char **reterr_text);
struct env *reactor_env(struct reactor *r);

/* A disk to be read and not written, which its kernel holds us to: a write ends with E_DISK.
 * E_BUSY: somebody has it open to write. */
must_check enum err reactor_disk_look(struct reactor *r, const char *path, struct disk **ret);

/* What it costs, for the line printed at start. */
uint64_t reactor_bytes(const struct reactor *r);

/* Turns the loop on the calling thread until reactor_stop(); idle costs nothing. */
void reactor_run(struct reactor *r);
uint64_t reactor_turns(const struct reactor *r); /* so far: an idle reactor makes none */
/* Read by any thread, written by the reactor's. */
const struct reactor_metrics *reactor_metrics(const struct reactor *r);
void reactor_stop(struct reactor *r); /* any thread, also a signal handler */

/* Everything opened through its env was closed before. */
void reactor_close(struct reactor *r);

#endif
