/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/failures.c — see failures.h.  Each failure puts off by FAILURE_US when all are
 * forgiven; too many are FAILURES_AT_ONCE of these ahead of now. */
#include "iscsi-target/failures.h"

#include "base/util.h"

#include <stdio.h>
#include <string.h>

/* "10.0.0.1:4711" is 10.0.0.1: a new connection has a new port. */
static struct net_address without_port(const struct net_address *from)
{
    struct net_address ret = *from;
    char *colon = strrchr(ret.text, ':');

    if (colon)
        memset(colon, 0, sizeof ret.text - (size_t)(colon - ret.text));
    return ret;
}

static const struct failure *find(const struct failures *f, const struct net_address *from,
                                  struct identity attachment)
{
    struct net_address host = without_port(from);

    for (uint32_t n = 0; n < FAILURES_KEPT; n++)
        if (identity_equal(f->kept[n].attachment, attachment) &&
            strcmp(f->kept[n].from.text, host.text) == 0)
            return &f->kept[n];
    return NULL;
}

bool failures_too_many(const struct failures *f, const struct net_address *from,
                       struct identity attachment, uint64_t now)
{
    const struct failure *known = find(f, from, attachment);

    return known && known->forgiven_us > now + (FAILURES_AT_ONCE - 1) * FAILURE_US;
}

static struct failure *soonest_forgiven(struct failures *f)
{
    struct failure *ret = &f->kept[0];

    for (uint32_t n = 1; n < FAILURES_KEPT; n++)
        if (f->kept[n].forgiven_us < ret->forgiven_us)
            ret = &f->kept[n];
    return ret;
}

void failures_add(struct failures *f, const struct net_address *from, struct identity attachment,
                  uint64_t now)
{
    struct failure *known = (struct failure *)(uintptr_t)find(f, from, attachment);

    if (!known) {
        known = soonest_forgiven(f);
        *known = (struct failure){.from = without_port(from), .attachment = attachment};
    }
    known->forgiven_us = max_u64(known->forgiven_us, now) + FAILURE_US;
}
