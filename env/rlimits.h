/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/rlimits.h — what a daemon needs of the system's limits, asked before anything opens: raised
 * where that is allowed, else refused in one line with the number, and where it is set.
 *
 * What is found missing later is found by whichever library asks first, and not each of them can
 * say so.
 */
#ifndef ENV_RLIMITS_H
#define ENV_RLIMITS_H

#include "base/err.h"

#include <stdint.h>

#define RLIMITS_WHY 288u

/* Each E_NO_MEMORY with `why`; or_else: what else helps, ", or fewer sessions", or "".  Any thread,
 * for the whole process. */
must_check enum err rlimits_files(uint32_t needed, const char *or_else, char why[RLIMITS_WHY]);
/* Pages, of the machine and of the control group. */
must_check enum err rlimits_memory(uint64_t needed_bytes, const char *or_else,
                                   char why[RLIMITS_WHY]);
/* Addresses, not pages: stacks and maps count in full. */
must_check enum err rlimits_addresses(uint64_t needed_bytes, const char *or_else,
                                      char why[RLIMITS_WHY]);
/* Addresses again: so the kernel counts what is locked as it comes.  Who has CAP_IPC_LOCK has no
 * such limit. */
must_check enum err rlimits_locked(uint64_t needed_bytes, const char *or_else,
                                   char why[RLIMITS_WHY]);

/* Of a thread whose maker asks for none in particular. */
uint64_t rlimits_stack_bytes(void);

#endif
