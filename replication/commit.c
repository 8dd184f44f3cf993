/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/commit.c — the word that writes are complete.
 *
 * commit_seq: every write of this epoch up to it is complete.  It rides on each write that is sent
 * later; where none comes it goes alone, so that an idle shard has nothing open (design 6.1).  It
 * never passes a write that is in flight, nor one whose fate we do not know.
 */
#include "replication/shard.h"

void commit_tell(struct rep_shard *s)
{
    timer_stop(&s->env->clock, &s->commit);
    s->commit_told = s->commit_seq;
    for_each_replica(r, s)
        message_commit(r);
}

static void idle_long_enough(struct timer *t)
{
    struct rep_shard *s = container_of(t, struct rep_shard, commit);

    commit_tell(s);
}

void commit_advance(struct rep_shard *s)
{
    bool idle = list_empty(&s->in_flight);

    if (s->commit_stands)
        return;
    if (idle)
        s->commit_seq = s->last_seq;
    else
        s->commit_seq = container_of(s->in_flight.next, struct rep_write, link)->seq - 1;
    if (idle && s->commit_seq != s->commit_told)
        timer_start(&s->env->clock, &s->commit, COMMIT_ALONE_US, idle_long_enough);
}

void commit_rides(struct rep_shard *s)
{
    timer_stop(&s->env->clock, &s->commit);
    s->commit_told = s->commit_seq;
}
