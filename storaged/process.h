/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/process.h — what a node needs of the system that it runs on, before anything opens.
 *
 * File handles: one for each connection.  Memory: the budget, of the machine's and of the control
 * group's, which would kill it in the middle of something.  Addresses: the budget, and what stacks
 * and libraries take beside it.  Locked memory: nothing of the process is swapped out (a disk would
 * wait for a disk).  What is not to be had is one line that says how much is needed, and where it
 * is set.
 */
#ifndef STORAGED_PROCESS_H
#define STORAGED_PROCESS_H

#include "storaged/limits.h"

/* false: said. */
bool process_prepare(const struct node_config *c, const struct limits *l, struct log *log);

#endif
