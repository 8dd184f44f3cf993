/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/read.c — one read on the primary: from a replica in sync, verified there.
 *
 * Its blocks are claimed by the caller, so it waits for the writes that it overlaps (P6) and shows
 * nothing that a takeover may still drop (P7).  `lease` = 0: the replica is asked on every read.
 *
 * What can go wrong:
 *   a block cannot be proved      E_MEDIUM
 *   the disk reads nothing        it may have been pulled, or come back: asked again every second,
 *                                 until it does, nobody wants the answer any more (E_DISK), or the
 *                                 shard is closed (as with a write: 6.5)
 *   another epoch was promised    superseded
 */
#include "replication/shard.h"

#include <assert.h>

enum rep_read_state {
    CHOOSE, /* a member that can be asked            */
    GATHER, /* until it has answered                 */
    ANSWER, /* with its bytes, or why there are none */
};

static const struct task_state read_states[] = {
    [CHOOSE] = {"choose", TASK_FIRST | TASK_AFTER(GATHER)},
    [GATHER] = {"gather", TASK_AFTER(CHOOSE)},
    [ANSWER] = {"answer", TASK_AFTER(CHOOSE) | TASK_AFTER(GATHER)},
};

static enum err may_read(const struct rep_shard *s)
{
    if (s->state == REP_SUPERSEDED)
        return E_NOT_PRIMARY;
    if (s->closing)
        return E_CLOSED;
    return s->sealed ? E_OK : E_NOT_READY;
}

static void answered(struct rep_message *m)
{
    struct rep_read *r = container_of(m, struct rep_read, fetch.message);

    r->bad_block = r->fetch.read.bad_block;
    r->answer = m->err;
    r->under_way = false;
    task_run(&r->task);
}

static enum task_next ask(struct rep_read *r)
{
    struct rep_shard *s = r->shard;
    struct replica *source = shard_member(s);
    enum err err = may_read(s);

    list_remove(&r->link); /* if it was asked before */
    if (err)
        return task_fail(&r->task, ANSWER, err);
    if (!source)
        return task_fail(&r->task, ANSWER, E_NO_QUORUM);
    r->fetch.read = (struct store_read){
        .extent = r->extent, .pieces = r->pieces, .piece_count = r->piece_count};
    r->under_way = true;
    message_read(source, &r->fetch, answered);
    return task_wait_in(&r->task, GATHER);
}

static void ask_again(struct timer *t)
{
    struct rep_shard *s = container_of(t, struct rep_shard, again);

    list_for_each(l, &s->unread)
        task_run(&container_of(l, struct rep_read, link)->task);
}

static enum task_next hold(struct rep_read *r)
{
    struct rep_shard *s = r->shard;

    list_append(&s->unread, &r->link);
    if (!timer_running(&s->again))
        timer_start(&s->env->clock, &s->again, READ_AGAIN_US, ask_again);
    if (s->closing)
        return task_goto(&r->task, CHOOSE);
    return task_wait_in(&r->task, CHOOSE);
}

static enum task_next gather(struct rep_read *r)
{
    if (r->under_way)
        return TASK_WAIT;
    if (r->answer == E_DISK && !*r->unwanted)
        return hold(r);
    if (r->answer != E_STALE_EPOCH)
        return task_fail(&r->task, ANSWER, r->answer); /* E_OK fails nothing */
    shard_suspect(r->fetch.message.replica, r->answer);
    return task_fail(&r->task, ANSWER, E_NOT_PRIMARY);
}

static enum task_next read_step(struct task *t)
{
    struct rep_read *r = container_of(t, struct rep_read, task);

    switch ((enum rep_read_state)t->state) {
    case CHOOSE:
        return ask(r);

    case GATHER:
        return gather(r);

    case ANSWER:
        return TASK_DONE;
    }
    unreachable();
}

static void read_done(struct task *t)
{
    struct rep_read *r = container_of(t, struct rep_read, task);
    struct rep_shard *s = r->shard;

    s->reads--;
    shard_request_ended(s);
    r->done(r, t->err);
}

static const struct task_kind read_kind = {
    .name = "rep_read",
    .step = read_step,
    .done = read_done,
    .states = read_states,
    .state_count = array_length(read_states),
};

void rep_read(struct rep_read *r)
{
    assert(r->extent.count > 0 && r->extent.count <= WRITE_BLOCKS_MAX);
    assert(extent_within(r->extent, r->shard->size_blocks));

    r->under_way = false;
    r->answer = E_OK;
    list_init(&r->link);
    r->shard->reads++;
    task_start(&r->task, &read_kind, &r->shard->env->tasks, CHOOSE);
}
