/* SPDX-License-Identifier: Apache-2.0 */
/* cli/process.h — daemons: started, recognised, ended. */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include "cli/cluster.h"

#include <stdio.h>

/* The binary beside our own; false: it is not there (*ret names where it should be). */
bool process_binary(const char *name, char ret[CLUSTER_PATH_MAX]);

/*
 * Starts `binary --config p->config [option]` in a session of its own, stdin empty, stdout and
 * stderr appended to p->log, and notes pid and start time in *p.  False: errno says why.
 */
bool process_start(const char *binary, const char *option, struct cluster_process *p);

/* Whether it runs: this very process, not one that got its id later. */
bool process_alive(const struct cluster_process *p);

/* Asks it to end (SIGTERM).  process_end() waits, and kills it after `seconds`; true: it is gone.
 */
void process_ask(const struct cluster_process *p);
bool process_end(struct cluster_process *p, uint32_t seconds);

/* Start time of a process: field 22 of /proc/PID/stat; false: no such process, or a dead one. */
bool process_start_time(int64_t pid, uint64_t *ret);

/* The last `lines` lines of a log, each indented. */
void process_log_tail(const char *path, uint32_t lines, FILE *to);
uint64_t process_log_bytes(const char *path);

void pause_ms(uint32_t ms);

#endif
