/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/control.h — metad: the REST API, the nodes' door to the records, the controller.
 *
 * Ordinary threads: one per HTTP connection, one for the controller.  Truth is in the keeper; what
 * metad holds in memory (heartbeats) comes back within half a second of a start.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "base/log.h"
#include "control/config.h"

#include <stdio.h>

struct control;

/* What it needs of the system's limits, before anything opens.  why: one line on failure. */
must_check enum err control_prepare(char why[CONFIG_WHY]);

/* Opens the keeper and the port, starts the controller.  why: one line on failure. */
must_check enum err control_open(const struct control_config *config, struct log *log,
                                 struct control **ret, char why[CONFIG_WHY]);
const char *control_url(const struct control *c); /* with the port that was given */
/* Ends waiting requests with what is known, answers them, then closes.  NULL: nothing to do. */
void control_close(struct control *c);

/* What GET /metrics tells, as a table for people (docs/metrics.md). */
void control_metrics_list(FILE *to);

#endif
