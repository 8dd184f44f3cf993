/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/takeover.c — the life of a shard on its primary: from the promise to the end.
 *
 * The happy path of an old shard: every replica persists our epoch and reports; one that is in sync
 * is the source; what is open in its activity log is read and written again as writes of this epoch
 * (alike.c); then the shard is served and says `sealed`.  Of a new shard: every replica has
 * promised and answered made and empty; the first set is recorded, told to its members, and the
 * shard is served.
 *
 * What can go wrong:
 *   a replica knows a higher epoch       superseded: stop, exclude nobody (design 6.3.3, 6.7)
 *   … or a higher generation             the record is older than the data: the same
 *   the last copy is damaged or missing  the shard waits and says so; it is never given up (P10)
 *   fewer members than min_copies        the same
 *   the arbiter refuses the first set    superseded
 *
 * Promises: T1  nothing is read or written before the promise is durable (R1, P2).
 *           T2  all blocks of the shard are claimed until it serves, so P9 precedes every command.
 *           T3  a set is recorded only for a shard that the record calls new (R4).
 */
#include "replication/shard.h"

#include <assert.h>
#include <stdio.h>

enum takeover_state {
    PROMISE,   /* every replica is asked                               */
    JUDGE,     /* all have answered: what do they say together?        */
    FIRST_SET, /* new: until the set is recorded                       */
    TELL_SET,  /* until every member has stored the set                */
    ALIKE,     /* until what was open is written again (P9)            */
    SERVE,     /* until it is closed                                   */
    STOP,      /* it waits, or is not ours: until it is closed         */
    CLOSE,     /* until what is on its way has come back               */
};

static const struct task_state takeover_states[] = {
    [PROMISE] = {"promise", TASK_FIRST},
    [JUDGE] = {"judge", TASK_AFTER(PROMISE) | TASK_AFTER(JUDGE)},
    [FIRST_SET] = {"first set", TASK_AFTER(JUDGE)},
    [TELL_SET] = {"tell set", TASK_AFTER(JUDGE) | TASK_AFTER(FIRST_SET)},
    [ALIKE] = {"alike", TASK_AFTER(JUDGE) | TASK_AFTER(TELL_SET)},
    [SERVE] = {"serve", TASK_AFTER(ALIKE)},
    [STOP] = {"stop",
              TASK_AFTER(JUDGE) | TASK_AFTER(FIRST_SET) | TASK_AFTER(TELL_SET) | TASK_AFTER(ALIKE)},
    [CLOSE] = {"close", TASK_AFTER(JUDGE) | TASK_AFTER(FIRST_SET) | TASK_AFTER(TELL_SET) |
                            TASK_AFTER(ALIKE) | TASK_AFTER(SERVE) | TASK_AFTER(STOP)},
};

static bool is_member(const struct replica *r)
{
    return r->shard->set & r->bit;
}

/* ---- what the answers say ---- */

/* 6.3.3: an answer that knows more than the head is not silence. */
static bool knows_more(struct replica *r)
{
    struct rep_shard *s = r->shard;
    struct identity_text name = identity_show(r->identity);

    if (r->err == E_STALE_EPOCH || (r->err == E_OK && r->facts.promised > s->epoch)) {
        shard_enter(s, REP_SUPERSEDED, "replica %s has promised epoch %llu, the record says %llu",
                    name.text, (unsigned long long)r->facts.promised, (unsigned long long)s->epoch);
        return true;
    }
    if (r->err == E_OK && r->facts.set.generation > s->generation) {
        shard_enter(s, REP_SUPERSEDED, "replica %s knows generation %llu, the record says %llu",
                    name.text, (unsigned long long)r->facts.set.generation,
                    (unsigned long long)s->generation);
        return true;
    }
    return false;
}

static const char *why_not_usable(const struct replica *r)
{
    if (r->err == E_NOT_FOUND)
        return "is not on its disk";
    if (r->err)
        return err_text(r->err);
    if (r->facts.damaged)
        return "lost something of its map that it cannot name";
    return NULL;
}

/* Members that hold what they acknowledged; the first that does not is named in `why`. */
static uint32_t usable_members(struct rep_shard *s, char why[120])
{
    uint32_t usable = 0;

    why[0] = '\0';
    for_each_replica(r, s) {
        const char *fault = why_not_usable(r);

        if (!is_member(r))
            continue;
        if (!fault)
            usable |= r->bit;
        else if (!why[0])
            (void)snprintf(why, 120, "replica %s %s", identity_show(r->identity).text, fault);
    }
    return usable;
}

/* R4: made, empty, promised, all of them. */
static bool ready_for_first_set(struct rep_shard *s)
{
    for_each_replica(r, s) {
        const char *fault = why_not_usable(r);
        struct identity_text name = identity_show(r->identity);

        if (fault) {
            shard_enter(s, REP_WAITING, "new: replica %s %s", name.text, fault);
            return false;
        }
        if (!r->facts.empty || r->facts.set.generation > 0) {
            shard_enter(s, REP_SUPERSEDED, "the record calls the shard new, replica %s does not",
                        name.text);
            return false;
        }
    }
    if (s->replica_count < s->min_copies) {
        shard_enter(s, REP_WAITING, "new: %u replicas, a write needs %u copies", s->replica_count,
                    s->min_copies);
        return false;
    }
    return true;
}

/* 6.3.4; today nobody is excluded: the shard waits for every member. */
static bool enough_members(struct rep_shard *s)
{
    char why[120];
    uint32_t usable = usable_members(s, why);

    if (s->set == 0)
        shard_enter(s, REP_WAITING, "no replica is in sync");
    else if (usable != s->set)
        shard_enter(s, REP_WAITING, "%s", why);
    else if (set_members(s->set) < s->min_copies)
        shard_enter(s, REP_WAITING, "%u in sync, a write needs %u copies", set_members(s->set),
                    s->min_copies);
    else
        return true;
    return false;
}

/* The member with the highest (epoch, seq): any would do (6.3.5). */
static struct replica *source_of(struct rep_shard *s)
{
    struct replica *best = NULL;

    for_each_replica(r, s) {
        const struct store_facts *f = &r->facts;

        if (!is_member(r))
            continue;
        if (!best || f->last_epoch > best->facts.last_epoch ||
            (f->last_epoch == best->facts.last_epoch && f->last_seq > best->facts.last_seq))
            best = r;
    }
    return best;
}

static bool knows_member(const struct store_set *set, struct identity member)
{
    for (uint32_t i = 0; i < set->member_count; i++) {
        if (identity_equal(set->members[i], member))
            return true;
    }
    return false;
}

static bool knows_set(const struct replica *r)
{
    const struct rep_shard *s = r->shard;

    for_each_replica(member, s) {
        if (is_member(member) != knows_member(&r->facts.set, member->identity))
            return false;
    }
    return true;
}

/* When its primary died between record and SET, a member does not know the set that it is in. */
static bool set_is_untold(const struct rep_shard *s)
{
    for_each_replica(r, s) {
        if (is_member(r) && !knows_set(r))
            return true;
    }
    return false;
}

/* A shard that is opened a second time in one epoch goes on counting: a number names one write,
 * also one that was refused, which the commit word alone may have passed. */
static void go_on_counting(struct rep_shard *s, const struct store_facts *f)
{
    uint64_t applied = f->last_epoch == s->epoch ? f->last_seq : 0;

    s->commit_seq = s->commit_told = f->commit_epoch == s->epoch ? f->commit_seq : 0;
    s->last_seq = max_u64(applied, s->commit_seq);
    s->commit_stands = s->last_seq > 0; /* until what is open is written again */
}

/* ---- what is asked ---- */

static void ask_promises(struct rep_shard *s)
{
    for_each_replica(r, s)
        message_promise(r);
}

static void tell_set(struct rep_shard *s)
{
    for_each_replica(r, s) {
        if (is_member(r))
            message_set(r);
    }
}

static bool all_answered(const struct rep_shard *s)
{
    for_each_replica(r, s) {
        if (!r->answered)
            return false;
    }
    return true;
}

static void change_answered(struct set_change *c, enum err err)
{
    struct rep_shard *s = container_of(c, struct rep_shard, change);

    s->change_under_way = false;
    s->change_err = err;
    task_run(&s->task);
}

static void record_first_set(struct rep_shard *s)
{
    assert(s->is_new); /* T3 */
    s->change = (struct set_change){.volume = s->volume,
                                    .shard = s->index,
                                    .members = (1u << s->replica_count) - 1,
                                    .done = change_answered};
    s->set_settled = false;
    s->change_under_way = true;
    s->arbiter->change(s->arbiter, &s->change);
}

/* Records that were restored may be from before the shard grew (6.7): what its members have open
 * lies beyond the record's size then, and is made alike, too.  True: the smaller ones are asked to
 * grow. */
static bool grows_to_the_largest(struct rep_shard *s)
{
    uint64_t least = UINT64_MAX;

    for_each_replica(r, s) {
        if (!is_member(r))
            continue;
        s->size_blocks = max_u64(s->size_blocks, r->facts.size_blocks);
        least = min_u64(least, r->facts.size_blocks);
    }
    if (least >= s->size_blocks)
        return false;
    ask_promises(s);
    return true;
}

/* ---- the steps ---- */

static enum task_next begin_alike(struct rep_shard *s)
{
    struct replica *source = source_of(s);
    enum err err;

    go_on_counting(s, &source->facts);
    shard_enter(s, REP_ALIKE, "%u open extents are written again", source->facts.open_extents);
    err = alike_start(s, source);
    if (err) {
        shard_enter(s, REP_WAITING, "what was open cannot be written again: %s", err_text(err));
        return task_goto(&s->task, STOP);
    }
    return task_wait_in(&s->task, ALIKE);
}

static enum task_next judge(struct rep_shard *s)
{
    if (!all_answered(s))
        return TASK_WAIT;
    if (s->closing)
        return task_goto(&s->task, CLOSE);
    for_each_replica(r, s) {
        if (knows_more(r))
            return task_goto(&s->task, STOP);
    }
    if (s->is_new) {
        if (!ready_for_first_set(s))
            return task_goto(&s->task, STOP);
        shard_enter(s, REP_FIRST_SET, "the first set is being recorded");
        record_first_set(s);
        return task_wait_in(&s->task, FIRST_SET);
    }
    if (!enough_members(s))
        return task_goto(&s->task, STOP);
    if (grows_to_the_largest(s))
        return task_goto(&s->task, JUDGE);
    if (!set_is_untold(s))
        return begin_alike(s);
    tell_set(s);
    return task_goto(&s->task, TELL_SET);
}

static enum task_next first_set(struct rep_shard *s)
{
    enum err err = s->change_err;

    if (s->change_under_way)
        return TASK_WAIT;
    if (s->closing)
        return task_goto(&s->task, CLOSE);
    if (err == E_NOT_PRIMARY || err == E_CONFLICT) {
        shard_enter(s, REP_SUPERSEDED, "the first set was refused: %s", err_text(err));
        return task_goto(&s->task, STOP);
    }
    if (err) {
        shard_enter(s, REP_WAITING, "the first set is not recorded: %s", err_text(err));
        return task_goto(&s->task, STOP);
    }
    assert(s->change.generation > 0);
    s->generation = s->change.generation;
    s->set = s->change.members;
    s->is_new = false;
    tell_set(s);
    return task_goto(&s->task, TELL_SET);
}

/* Nothing completes before every member has stored the set (P4). */
static enum task_next told(struct rep_shard *s)
{
    if (!all_answered(s))
        return TASK_WAIT;
    if (s->closing)
        return task_goto(&s->task, CLOSE);
    for_each_replica(r, s) {
        if (!is_member(r) || !r->err)
            continue;
        shard_suspect(r, r->err);
        shard_enter(s, REP_WAITING, "replica %s did not store the set: %s",
                    identity_show(r->identity).text, err_text(r->err));
        return task_goto(&s->task, STOP);
    }
    s->set_settled = true;
    return begin_alike(s);
}

static enum task_next made_alike(struct rep_shard *s)
{
    struct alike *a = &s->alike;

    if (task_living(&a->task))
        return TASK_WAIT;
    alike_done(a);
    if (s->closing)
        return task_goto(&s->task, CLOSE);
    if (a->err) {
        shard_enter(s, REP_WAITING, "what was open is not written again: %s", err_text(a->err));
        return task_goto(&s->task, STOP);
    }
    s->sealed = true; /* P9 holds from here on */
    s->commit_stands = false;
    s->commit_seq = s->last_seq;
    if (a->source->facts.open_extents || a->source->facts.open_everything)
        commit_tell(s);
    extent_release(&s->all); /* T2 */
    shard_enter(s, REP_SERVING, "%s", "");
    return task_wait_in(&s->task, SERVE);
}

/* Whoever waits for blocks hears now that the shard will not serve them. */
static enum task_next stop(struct rep_shard *s)
{
    if (s->closing)
        return task_goto(&s->task, CLOSE);
    if (s->state == REP_SUPERSEDED)
        extent_release(&s->all);
    return TASK_WAIT;
}

static enum task_next end(struct rep_shard *s)
{
    extent_release(&s->all);
    if (!list_empty(&s->in_flight) || !list_empty(&s->parked) || s->reads > 0)
        return TASK_WAIT;
    timer_stop(&s->env->clock, &s->commit);
    timer_stop(&s->env->clock, &s->again);
    if (s->commit_seq != s->commit_told)
        commit_tell(s);
    return s->mail > 0 ? TASK_WAIT : TASK_DONE;
}

static enum task_next takeover_step(struct task *t)
{
    struct rep_shard *s = container_of(t, struct rep_shard, task);

    switch ((enum takeover_state)t->state) {
    case PROMISE:
        (void)extent_claim(&s->blocks, &s->all, (struct extent){0, SHARD_BLOCKS}, EXTENT_EXCLUSIVE,
                           t);
        ask_promises(s);
        return task_goto(t, JUDGE);
    case JUDGE:
        return judge(s);
    case FIRST_SET:
        return first_set(s);
    case TELL_SET:
        return told(s);
    case ALIKE:
        return made_alike(s);
    case SERVE:
        return s->closing ? task_goto(t, CLOSE) : TASK_WAIT;
    case STOP:
        return stop(s);
    case CLOSE:
        return end(s);
    }
    unreachable();
}

static void takeover_done(struct task *t)
{
    struct rep_shard *s = container_of(t, struct rep_shard, task);

    shard_enter(s, REP_CLOSED, "closed");
}

static bool takeover_invariant(const struct task *t)
{
    const struct rep_shard *s = container_of(t, const struct rep_shard, task);

    if (t->state != SERVE)
        return true;
    return s->sealed && !s->all.lock && set_members(s->set) >= s->min_copies; /* P1, P9, T2 */
}

static const struct task_kind takeover_kind = {
    .name = "rep_shard",
    .step = takeover_step,
    .done = takeover_done,
    .invariant = takeover_invariant,
    .states = takeover_states,
    .state_count = array_length(takeover_states),
};

void takeover_start(struct rep_shard *s)
{
    task_start(&s->task, &takeover_kind, &s->env->tasks, PROMISE);
}
