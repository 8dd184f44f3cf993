/* SPDX-License-Identifier: Apache-2.0 */
/* env/rlimits.c — soft limits go up to the hard ones, and no further. */
#include "env/rlimits.h"

#include "base/size.h"
#include "env/memory_max.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* *ret_most: what it may be at most. */
static bool allowed(__rlimit_resource_t resource, uint64_t needed, uint64_t *ret_most)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur >= needed)
        return true;
    *ret_most = limit.rlim_max >= needed ? limit.rlim_cur : limit.rlim_max;
    if (limit.rlim_max < needed)
        return false;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(resource, &limit) == 0;
}

enum err rlimits_files(uint32_t needed, const char *or_else, char why[RLIMITS_WHY])
{
    uint64_t most = 0;

    if (allowed(RLIMIT_NOFILE, needed, &most))
        return E_OK;
    snprintf(why, RLIMITS_WHY,
             "file handles: %u are needed, RLIMIT_NOFILE allows %" PRIu64
             "; set LimitNOFILE=%u (systemd) or `ulimit -n %u`%s",
             needed, most, needed, needed, or_else);
    return E_NO_MEMORY;
}

enum err rlimits_memory(uint64_t needed_bytes, const char *or_else, char why[RLIMITS_WHY])
{
    struct memory_max max = memory_max("");

    if (needed_bytes <= max.bytes)
        return E_OK;
    snprintf(why, RLIMITS_WHY,
             "memory: %s are needed, %s allows %s; raise that (MemoryMax= in systemd)%s",
             size_show(needed_bytes).text, max.whose, size_show(max.bytes).text, or_else);
    return E_NO_MEMORY;
}

enum err rlimits_addresses(uint64_t needed_bytes, const char *or_else, char why[RLIMITS_WHY])
{
    uint64_t most = 0;

    if (allowed(RLIMIT_AS, needed_bytes, &most))
        return E_OK;
    snprintf(why, RLIMITS_WHY,
             "memory: %s of addresses are needed, RLIMIT_AS allows %s; set LimitAS=infinity "
             "(systemd) or `ulimit -v unlimited`%s",
             size_show(needed_bytes).text, size_show(most).text, or_else);
    return E_NO_MEMORY;
}

static bool may_lock_all(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

    return syscall(SYS_capget, &header, data) == 0 &&
           (data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK));
}

enum err rlimits_locked(uint64_t needed_bytes, const char *or_else, char why[RLIMITS_WHY])
{
    uint64_t most = 0;

    if (may_lock_all() || allowed(RLIMIT_MEMLOCK, needed_bytes, &most))
        return E_OK;
    snprintf(why, RLIMITS_WHY,
             "memory cannot be locked: %s are needed, RLIMIT_MEMLOCK allows %s; set "
             "LimitMEMLOCK=infinity (systemd) or `ulimit -l unlimited`%s",
             size_show(needed_bytes).text, size_show(most).text, or_else);
    return E_NO_MEMORY;
}

uint64_t rlimits_stack_bytes(void)
{
    pthread_attr_t attributes;
    size_t bytes = 0;

    pthread_attr_init(&attributes);
    pthread_attr_getstacksize(&attributes, &bytes);
    pthread_attr_destroy(&attributes);
    return bytes;
}
