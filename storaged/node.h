/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/node.h — one storage node: opens the rooms in order, and closes them in reverse.
 *
 * All of it runs on reactor 0's loop; what blocks runs on its workers.
 */
#ifndef STORAGED_NODE_H
#define STORAGED_NODE_H

#include "storaged/config.h"

struct node;

/*
 * Runs a node until SIGTERM or SIGINT, which the caller has blocked in every thread.  Returns the
 * process's exit code: 0 ended as asked, 1 it could not start (one line on the log says why).
 */
int node_run(const struct node_config *config);

#endif
