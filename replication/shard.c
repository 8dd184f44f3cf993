/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/shard.c — a shard on its primary: opened, asked, closed.
 *
 * Its life is a task (takeover.c).  Until the shard serves, that task claims all its blocks: what
 * comes early waits in the range lock, in order, and needs no queue of its own.
 */
#include "replication/shard.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

METRICS_TABLE(rep_metric_table, rep_metrics, "replication", REP_METRICS);

static void replica_init(struct replica *r, struct rep_shard *s, const struct rep_config *config)
{
    uint32_t place = (uint32_t)(r - s->replicas);
    const struct rep_replica *record = &config->replicas[place];

    r->shard = s;
    r->bit = 1u << place;
    r->identity = record->identity;
    r->store = record->store;
    if (record->in_sync)
        s->set |= r->bit;
}

static void shard_init(struct rep_shard *s, const struct rep_config *config)
{
    s->volume = config->volume;
    s->index = config->shard;
    s->size_blocks = config->size_blocks;
    s->epoch = config->epoch;
    s->generation = config->generation;
    s->snapshot = config->snapshot;
    s->is_new = config->is_new;
    s->min_copies = config->min_copies;
    s->metrics = config->metrics;
    s->replica_count = config->replica_count;
    s->set_settled = true;
    list_init(&s->in_flight);
    list_init(&s->parked);
    list_init(&s->unread);
    extent_lock_init(&s->blocks);
    for_each_replica(r, s)
        replica_init(r, s, config);
}

static bool config_makes_sense(const struct rep_config *c)
{
    return c->epoch > 0 && c->min_copies > 0 && c->replica_count > 0 &&
           c->replica_count <= REPLICAS_PER_SHARD && c->size_blocks > 0 &&
           c->size_blocks <= SHARD_BLOCKS;
}

enum err rep_shard_open(struct env *env, const struct rep_config *config, struct arbiter *arbiter,
                        struct rep_events *events, struct rep_shard **ret)
{
    struct rep_shard *s;

    if (!config_makes_sense(config))
        return E_INVALID;
    s = calloc(1, sizeof *s + config->replica_count * sizeof s->replicas[0]);
    if (!s)
        return E_NO_MEMORY;
    s->env = env;
    s->arbiter = arbiter;
    s->events = events;
    shard_init(s, config);
    takeover_start(s);
    *ret = s;
    return E_OK;
}

enum rep_state rep_shard_state(const struct rep_shard *s)
{
    return s->state;
}

const char *rep_shard_why(const struct rep_shard *s)
{
    return s->why;
}

uint32_t rep_shard_index(const struct rep_shard *s)
{
    return s->index;
}

uint64_t rep_shard_generation(const struct rep_shard *s)
{
    return s->generation;
}

bool rep_lock(struct rep_shard *s, struct extent_claim *claim, struct extent blocks,
              enum extent_mode mode, struct task *waiter)
{
    return extent_claim(&s->blocks, claim, blocks, mode, waiter);
}

struct replica *shard_member(struct rep_shard *s)
{
    for_each_replica(r, s) {
        if ((s->set & r->bit) && r->local)
            return r;
    }
    return NULL;
}

bool shard_answer_itself(struct rep_question *q, bool yes)
{
    q->answered = true;
    q->err = E_OK;
    q->yes = yes;
    return true;
}

bool rep_mapped(struct rep_shard *s, struct rep_question *q, struct extent blocks,
                struct task *waiter)
{
    struct replica *r = shard_member(s);

    q->blocks = blocks;
    if (r)
        return message_mapped(r, q, waiter);
    q->count = blocks.count;
    return shard_answer_itself(q, true);
}

void shard_enter(struct rep_shard *s, enum rep_state state, const char *why, ...)
{
    va_list arguments;

    if (s->state == REP_SUPERSEDED && state == REP_WAITING)
        return; /* that it is not ours says more than that a copy is missing */
    s->state = state;
    va_start(arguments, why);
    (void)vsnprintf(s->why, sizeof s->why, why, arguments);
    va_end(arguments);
    shard_wake(s);
    s->events->changed(s->events, s); /* last: it may free the shard */
}

void shard_wake(struct rep_shard *s)
{
    list_for_each(l, &s->in_flight)
        task_run(&container_of(l, struct rep_write, link)->task);
    list_for_each(l, &s->parked)
        task_run(&container_of(l, struct rep_write, link)->task);
    list_for_each(l, &s->unread)
        task_run(&container_of(l, struct rep_read, link)->task);
    if (task_living(&s->alike.task))
        task_run(&s->alike.task);
    if (task_living(&s->task))
        task_run(&s->task);
}

void shard_request_ended(struct rep_shard *s)
{
    if (s->closing && task_living(&s->task))
        task_run(&s->task);
}

void shard_suspect(struct replica *r, enum err err)
{
    struct rep_shard *s = r->shard;

    if (err == E_STALE_EPOCH) {
        if (s->state != REP_SUPERSEDED)
            shard_enter(s, REP_SUPERSEDED, "replica %s has promised another epoch than %llu",
                        identity_show(r->identity).text, (unsigned long long)s->epoch);
    } else if (s->state == REP_SERVING ||
               s->state == REP_ALIKE) { /* never the last one: nobody is excluded (6.5) */
        shard_enter(s, REP_WAITING, "replica %s takes no writes: %s",
                    identity_show(r->identity).text, err_text(err));
    }
}

void rep_shard_close(struct rep_shard *s)
{
    assert(s->state != REP_CLOSED);
    s->closing = true;
    shard_wake(s);
}

void rep_shard_free(struct rep_shard *s)
{
    if (!s)
        return;
    assert(s->state == REP_CLOSED);
    assert(list_empty(&s->blocks.claims));
    assert(s->mail == 0);
    free(s);
}
