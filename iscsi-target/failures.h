/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/failures.h — how fast somebody may guess a secret.
 *
 * A few failed logins are forgiven at once, then one in a while: counted for each attachment and
 * address that it was tried from, so that whoever guesses elsewhere locks nobody out here.  The
 * newest FAILURES_KEPT such pairs are known.
 */
#ifndef ISCSI_TARGET_FAILURES_H
#define ISCSI_TARGET_FAILURES_H

#include "env/env.h"

#define FAILURES_KEPT    64u
#define FAILURES_AT_ONCE 5u
#define FAILURE_US       (2ull * 1000 * 1000) /* after these, one in so long */

struct failure {
    struct net_address from; /* without the port */
    struct identity attachment;
    uint64_t forgiven_us; /* when all are */
};

struct failures {
    struct failure kept[FAILURES_KEPT]; /* zeroed: none */
};

/* One more attempt has to wait. */
bool failures_too_many(const struct failures *f, const struct net_address *from,
                       struct identity attachment, uint64_t now);
void failures_add(struct failures *f, const struct net_address *from, struct identity attachment,
                  uint64_t now);

#endif
