/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/process.c — resource limits: raised where that is allowed, else refused with a number.
 */
#include "storaged/process.h"

#include "base/memory.h"
#include "env/rlimits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

/* Pages are locked as they come (ONFAULT): what is counted is populated, and no more than that. */
static enum err memory_lock(uint64_t bytes, char why[RLIMITS_WHY])
{
    enum err err = rlimits_locked(bytes, ", or lock_memory = false", why);

    if (err || mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
        return err;
    snprintf(why, RLIMITS_WHY, "memory cannot be locked: %s; lock_memory = false goes without",
             strerror(errno));
    return err_of_errno(errno);
}

bool process_prepare(const struct node_config *c, const struct limits *l, struct log *log)
{
    uint64_t addresses = limits_addresses(l, c);
    char why[RLIMITS_WHY];
    enum err err = rlimits_files(l->files_max, ", or fewer sessions", why);

    if (!err)
        err = rlimits_memory(limits_bytes(l, c), ", or fewer volumes and sessions", why);
    if (!err)
        err = rlimits_addresses(addresses, ", or fewer volumes and sessions", why);
    if (!err && c->lock_memory)
        err = memory_lock(addresses, why);
    if (err) {
        log_event(log, LOG_LEVEL_ERROR, "storaged", "start_failed", "%s", why);
        return false;
    }
    memory_populate();
    return true;
}
