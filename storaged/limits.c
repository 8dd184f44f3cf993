/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/limits.c — the profiles, and the budget printed at start. */
#include "storaged/limits.h"

#include "base/size.h"
#include "storaged/records_http.h"

#include <inttypes.h>

struct limits limits_small(void)
{
    struct limits l = {
        .reactor = reactor_config_default(),
        .store = store_limits_small(),
        .volume = volume_limits_default(),
        .iscsi = iscsi_limits_small(),
        .volumes_max = 64,
        .attachments_max = 256,
        .operations_max = 64,
    };

    l.reactor.workers = METAD_LANES + 2; /* the links to metad, the signals, one to spare */
    return l;
}

static uint64_t budget_line(struct log *log, const char *pool, uint32_t count, uint64_t bytes)
{
    log_event(log, LOG_LEVEL_INFO, "storaged", "budget", "pool=%s count=%u bytes=%" PRIu64 " (%s)",
              pool, count, bytes * count, size_show(bytes * count).text);
    return bytes * count;
}

void limits_print(const struct limits *l, uint64_t reactor_bytes, uint32_t disks, struct log *log)
{
    uint64_t sum = 0;

    sum += budget_line(log, "reactor", 1, reactor_bytes);
    sum += budget_line(log, "target", 1, iscsi_limits_bytes(&l->iscsi));
    sum += budget_line(log, "stores", disks, store_limits_bytes(&l->store));
    sum += budget_line(log, "volumes", l->volumes_max, volume_limits_bytes(&l->volume));
    budget_line(log, "all", 1, sum);
}
