/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/process.c — resource limits: raised where that is allowed, else refused with a number.
 */
#include "storaged/process.h"

#include "base/memory.h"
#include "base/size.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

static bool files_raised(uint32_t needed, struct log *log)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return true;
    if (limit.rlim_max >= needed) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
            return true;
    }
    log_event(log, LOG_LEVEL_ERROR, "storaged", "start_failed",
              "file handles: %u are needed, RLIMIT_NOFILE allows %" PRIu64
              "; set LimitNOFILE=%u (systemd) or `ulimit -n %u`, or fewer sessions",
              needed, (uint64_t)limit.rlim_max, needed, needed);
    return false;
}

/* Pages are locked as they come (ONFAULT): what is counted is populated, and no more than that. */
static bool memory_locked(struct log *log)
{
    struct rlimit limit = {0};

    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
        return true;
    (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    log_event(log, LOG_LEVEL_ERROR, "storaged", "start_failed",
              "memory cannot be locked: RLIMIT_MEMLOCK is %s; set LimitMEMLOCK=infinity (systemd) "
              "or `ulimit -l unlimited`, or lock_memory = false",
              limit.rlim_cur == RLIM_INFINITY ? "unlimited" : size_show(limit.rlim_cur).text);
    return false;
}

bool process_prepare(const struct node_config *c, const struct limits *l, struct log *log)
{
    if (!files_raised(l->files_max, log) || (c->lock_memory && !memory_locked(log)))
        return false;
    memory_populate();
    return true;
}
