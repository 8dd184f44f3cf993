/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/rivals.c — see rivals.h. */
#include "storaged/rivals.h"

#include "storaged/agent.h"

#include <stdio.h>

static struct rival *rival_of(struct rivals *r, struct identity disk)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (identity_equal(r->list[i].disk, disk))
            return &r->list[i];
    return NULL;
}

static void leave_aside(struct agent *a, struct rival *r)
{
    const struct disk_report *disk = census_disk(a->census, r->disk);

    r->aside = true;
    log_event(a->env->log, LOG_LEVEL_ERROR, "storaged", "disk_rival",
              "disk=%s path=%s %s; it is left aside here until storaged is started again: take it "
              "out of the disks of the node that must not have it",
              identity_show(r->disk).text, disk ? disk->path : "-", r->why);
}

void rivals_refused(struct agent *a, struct identity disk, const char *why)
{
    struct rivals *all = &a->rivals;
    struct rival *r = rival_of(all, disk);
    bool again = r != NULL;

    if (!r && all->count == CONFIG_DISKS_MAX)
        return;
    if (!r) {
        r = &all->list[all->count++];
        *r = (struct rival){.disk = disk};
    }
    snprintf(r->why, sizeof r->why, "%s", why);
    if (again && !r->aside)
        leave_aside(a, r);
}

void rivals_registered(struct agent *a, struct identity disk)
{
    struct rivals *all = &a->rivals;
    struct rival *r = rival_of(all, disk);

    if (r && !r->aside)
        *r = all->list[--all->count];
}

bool rivals_aside(const struct rivals *r, struct identity disk)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (identity_equal(r->list[i].disk, disk))
            return r->list[i].aside;
    return false;
}
