/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/acknowledge.c — which COMPARE AND WRITEs the initiator knows to be done.
 *
 * The block remembers each of them until then, so that one whose status was lost with its session
 * can be asked again (design 8).  Every PDU of an initiator carries ExpStatSN, which acknowledges
 * all statuses before it (RFC 7143 4.2.2.2).  A session that ends owes on: that is the point.
 */
#include "iscsi-target/session.h"

#include <string.h>

/* Of more than OWED_MAX at once the oldest is never acknowledged: the next ones push its note out.
 */
struct owed_status *acknowledge_owe(struct session *s)
{
    if (s->owed_count == OWED_MAX)
        memmove(&s->owed[0], &s->owed[1], --s->owed_count * sizeof s->owed[0]);
    return &s->owed[s->owed_count++];
}

void acknowledge_heard(struct session *s, uint32_t exp_stat_sn)
{
    uint32_t heard = 0;

    while (!s->ended && heard < s->owed_count &&
           sn_not_after(s->owed[heard].stat_sn + 1, exp_stat_sn)) {
        block_acknowledged(s->block, s->owed[heard].extent, &s->owed[heard].note);
        heard++;
    }
    s->owed_count -= heard;
    memmove(&s->owed[0], &s->owed[heard], s->owed_count * sizeof s->owed[0]);
}
