/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/arbiter.c — changes in-sync sets in the records, one transaction at a time.
 *
 * The happy path: read the head, read the pages, put every change that is wanted into one
 * transaction (next generation, a fresh nonce), send it, answer.
 *
 * What can go wrong:
 *   the head names another process or epoch   E_NOT_PRIMARY to all (A1)
 *   a revision has moved on                   read again; the change is put together anew
 *   the answer was lost                       read the head: our nonce stands there: it is
 *                                             recorded.  The head has the revision that was
 *                                             compared: the lost request may still arrive, so the
 *                                             same transaction is sent again, on that revision and
 *                                             with that nonce: whichever arrives first wins, the
 *                                             other never can.  Anything else: it never will be.
 *   metad is away                             pause, longer each time up to 2 s, and read
 *
 * A conflict is looked at like a lost answer: a connection that broke may have carried the request
 * twice, and then the second copy meets the first one's revision.  If our nonce is not there then,
 * head or page have moved on, and no copy of the request can win any more.
 */
#include "storaged/arbiter.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS_FIRST 50u
#define PAUSE_MS_MAX   2000u
#define CHANGES_MAX    64u /* of one transaction: so many pages at most */

enum arbiter_state {
    READ_HEAD,  /* the head as it is now                                     */
    JUDGE_HEAD, /* ours still?  is a change in doubt settled by it?          */
    GATHER,     /* the pages are here: everything wanted into a transaction  */
    SEND,       /* … also once more, while it is in doubt                    */
    SENT,       /* its answer                                                */
    PAUSE,      /* metad is away, or busy                                    */
    OVER,       /* nothing is wanted, or nothing can be had                  */
};

/* ---- calls ---- */

static void call_done(struct records_call *call, enum err err)
{
    struct arbiter_volume *v = container_of(call, struct arbiter_volume, call);

    v->calling = false;
    v->answered = err;
    task_run(&v->task);
}

static void call(struct arbiter_volume *v)
{
    v->calling = true;
    v->call.done = call_done;
    v->call.list = (struct record_list){0};
    v->arbiter->records->call(v->arbiter->records, &v->call);
}

static void range(struct arbiter_volume *v, const char *what, const char *after)
{
    v->call.op = RECORDS_RANGE;
    snprintf(v->call.prefix, sizeof v->call.prefix, "%s/%s%s", what, identity_show(v->volume).text,
             after);
    call(v);
}

static void pause_over(struct timer *t)
{
    task_run(&container_of(t, struct arbiter_volume, pause)->task);
}

static enum task_next pause_then_read(struct arbiter_volume *v)
{
    timer_start(&v->arbiter->env->clock, &v->pause, (uint64_t)v->pause_ms * 1000, pause_over);
    v->pause_ms = min_u32(v->pause_ms * 2, PAUSE_MS_MAX);
    return task_wait_in(&v->task, PAUSE);
}

/* ---- answers ---- */

static void answer_list(struct list *changes, enum err err, uint64_t generation)
{
    struct list answered;
    struct list *link;

    list_init(&answered);
    list_move_all(&answered, changes); /* what is wanted from inside a `done` is another change */
    while ((link = list_take(&answered)) != NULL) {
        struct set_change *c = container_of(link, struct set_change, link);

        c->generation = generation;
        c->done(c, err);
    }
}

static void settled(struct arbiter_volume *v)
{
    v->in_doubt = v->conflict = false;
    v->pause_ms = PAUSE_MS_FIRST;
    transaction_done(&v->transaction);
}

static enum task_next recorded(struct arbiter_volume *v)
{
    uint64_t generation = v->head.generation + 1;

    settled(v);
    answer_list(&v->changing, E_OK, generation);
    return task_goto(&v->task, list_empty(&v->wanted) ? OVER : READ_HEAD);
}

static enum task_next give_up(struct arbiter_volume *v)
{
    settled(v);
    answer_list(&v->changing, E_NOT_PRIMARY, 0);
    answer_list(&v->wanted, E_NOT_PRIMARY, 0);
    return task_goto(&v->task, OVER);
}

/* ---- the head ---- */

static bool head_ours(const struct arbiter_volume *v, const struct head_record *head)
{
    return identity_equal(head->primary, v->arbiter->node) &&
           identity_equal(head->incarnation, v->arbiter->incarnation) && head->epoch == v->epoch;
}

/* The head from the answer; false: there is none that we can read. */
static bool head_take(struct arbiter_volume *v, struct head_record *ret, uint64_t *ret_revision)
{
    const struct record_list *list = &v->call.list;

    if (list->count != 1 || head_read(list->records[0].value, ret) != E_OK)
        return false;
    free(v->head_json);
    v->head_json = list->records[0].value;
    list->records[0].value = NULL;
    *ret_revision = list->records[0].revision;
    return true;
}

static enum task_next judge_head(struct arbiter_volume *v)
{
    struct head_record head;
    uint64_t revision = 0;
    bool readable = head_take(v, &head, &revision);

    record_list_free(&v->call.list);
    if (!readable || !head_ours(v, &head))
        return give_up(v);
    if (v->in_doubt && head.nonce == v->nonce)
        return recorded(v);
    if (v->in_doubt && !v->conflict && revision == v->head_revision)
        return task_goto(&v->task, SEND);
    settled(v); /* it never will be recorded: put it together anew (A3) */
    list_move_all(&v->changing, &v->wanted);
    list_move_all(&v->wanted, &v->changing);
    v->head = head;
    v->head_revision = revision;
    range(v, "page", "/");
    return task_wait_in(&v->task, GATHER);
}

/* ---- the transaction ---- */

static void shard_change(struct page_shard *s, uint32_t members, uint64_t generation)
{
    for (uint32_t i = 0; i < s->replica_count; i++) {
        struct page_replica *r = &s->replicas[i];
        bool member = members >> i & 1;

        if (r->in_sync && !member)
            r->behind = generation; /* it has all up to the set that was, and no more */
        else if (member)
            r->behind = 0;
        r->in_sync = member;
    }
    s->is_new = false;
}

/* E_CONFLICT: the record does not allow it. */
static enum err page_change(const struct arbiter_volume *v, struct page_record *page,
                            const struct set_change *c)
{
    struct page_shard *s;

    if (c->shard % PAGE_SHARDS >= page->shard_count)
        return E_CONFLICT;
    s = &page->shards[c->shard % PAGE_SHARDS];
    if (c->members == 0 || c->members >> s->replica_count != 0)
        return E_CONFLICT;
    shard_change(s, c->members, v->head.generation);
    return E_OK;
}

/* Takes what is wanted on this page, and allowed, into `changing`; how many there were. */
static uint32_t page_take(struct arbiter_volume *v, struct page_record *page)
{
    uint32_t taken = 0;

    list_for_each_safe(link, &v->wanted) {
        struct set_change *c = container_of(link, struct set_change, link);

        if (c->shard / PAGE_SHARDS != page->index || page_change(v, page, c) != E_OK)
            continue;
        list_remove(&c->link);
        list_append(&v->changing, &c->link);
        taken++;
    }
    return taken;
}

static enum err page_gather(struct arbiter_volume *v, const struct record *r)
{
    struct page_record page;
    enum err err;

    if (page_read(r->value, &page) != E_OK || !identity_equal(page.volume, v->volume))
        return E_OK; /* its changes stay wanted, and are refused */
    if (page_take(v, &page) == 0)
        return E_OK;
    err = transaction_compare(&v->transaction, page_key(v->volume, page.index), r->revision);
    if (err)
        return err;
    return transaction_put(&v->transaction, page_key(v->volume, page.index),
                           page_write(&page, r->value));
}

static enum err head_gather(struct arbiter_volume *v)
{
    struct head_record head = v->head;
    enum err err;

    head.generation++;
    head.nonce = v->nonce = chance_identity(v->arbiter->env->chance).bits;
    err = transaction_compare(&v->transaction, head_key(v->volume), v->head_revision);
    if (err)
        return err;
    return transaction_put(&v->transaction, head_key(v->volume), head_write(&head, v->head_json));
}

static enum task_next gather(struct arbiter_volume *v)
{
    const struct record_list *pages = &v->call.list;
    enum err err;

    transaction_init(&v->transaction);
    err = head_gather(v);
    for (uint32_t i = 0; i < pages->count && !err && i < CHANGES_MAX; i++)
        err = page_gather(v, &pages->records[i]);
    record_list_free(&v->call.list);
    answer_list(&v->wanted, E_CONFLICT, 0); /* what no page has, or allows */
    if (!err && !list_empty(&v->changing))
        return task_goto(&v->task, SEND);
    settled(v);
    answer_list(&v->changing, err ? err : E_CONFLICT, 0);
    return task_goto(&v->task, list_empty(&v->wanted) ? OVER : READ_HEAD);
}

static enum task_next send(struct arbiter_volume *v)
{
    v->in_doubt = true; /* until an answer says otherwise */
    v->call.op = RECORDS_TRANSACT;
    v->call.transaction = &v->transaction;
    call(v);
    return task_wait_in(&v->task, SENT);
}

static enum task_next sent(struct arbiter_volume *v)
{
    if (v->answered == E_OK)
        return recorded(v);
    v->conflict = v->answered == E_CONFLICT;
    if (v->conflict)
        return task_goto(&v->task, READ_HEAD);
    return pause_then_read(v);
}

/* ---- the task ---- */

static enum task_next arbiter_step(struct task *t)
{
    struct arbiter_volume *v = container_of(t, struct arbiter_volume, task);

    if (v->calling)
        return TASK_WAIT; /* what was asked is always awaited */
    if (v->superseded && t->state != OVER) {
        record_list_free(&v->call.list);
        v->call.list = (struct record_list){0};
        return give_up(v);
    }
    switch ((enum arbiter_state)t->state) {
    case READ_HEAD:
        range(v, "head", "");
        return task_wait_in(t, JUDGE_HEAD);

    case JUDGE_HEAD:
        return v->answered ? pause_then_read(v) : judge_head(v);

    case GATHER:
        return v->answered ? pause_then_read(v) : gather(v);

    case SEND:
        return send(v);

    case SENT:
        return sent(v);

    case PAUSE:
        return timer_running(&v->pause) ? TASK_WAIT : task_goto(t, READ_HEAD);

    case OVER:
        return TASK_DONE;
    }
    unreachable();
}

/* A1, A3: nothing that may be recorded is put together anew. */
static bool arbiter_invariant(const struct task *t)
{
    const struct arbiter_volume *v = container_of(t, const struct arbiter_volume, task);

    if (t->state == GATHER)
        return !v->in_doubt && list_empty(&v->changing);
    return t->state != SEND || !list_empty(&v->changing);
}

static void arbiter_task_done(struct task *t);

static const struct task_state arbiter_states[] = {
    [READ_HEAD] = {"read head", TASK_FIRST | TASK_AFTER(PAUSE) | TASK_AFTER(SENT) |
                                    TASK_AFTER(GATHER) | TASK_AFTER(JUDGE_HEAD)},
    [JUDGE_HEAD] = {"judge head", TASK_AFTER(READ_HEAD)},
    [GATHER] = {"gather", TASK_AFTER(JUDGE_HEAD)},
    [SEND] = {"send", TASK_AFTER(GATHER) | TASK_AFTER(JUDGE_HEAD)},
    [SENT] = {"sent", TASK_AFTER(SEND)},
    [PAUSE] = {"pause", TASK_AFTER(JUDGE_HEAD) | TASK_AFTER(GATHER) | TASK_AFTER(SENT)},
    [OVER] = {"over", TASK_AFTER(READ_HEAD) | TASK_AFTER(JUDGE_HEAD) | TASK_AFTER(GATHER) |
                          TASK_AFTER(SEND) | TASK_AFTER(SENT) | TASK_AFTER(PAUSE)},
};

static const struct task_kind arbiter_kind = {
    .name = "arbiter",
    .step = arbiter_step,
    .done = arbiter_task_done,
    .invariant = arbiter_invariant,
    .states = arbiter_states,
    .state_count = array_length(arbiter_states),
};

static void begin_task(struct arbiter_volume *v)
{
    v->living = true;
    v->pause_ms = PAUSE_MS_FIRST;
    task_start(&v->task, &arbiter_kind, &v->arbiter->env->tasks, READ_HEAD);
}

static void arbiter_task_done(struct task *t)
{
    struct arbiter_volume *v = container_of(t, struct arbiter_volume, task);

    v->living = false;
    timer_stop(&v->arbiter->env->clock, &v->pause);
    free(v->head_json);
    v->head_json = NULL;
    if (v->ending) {
        list_remove(&v->link);
        v->ended(v);
    } else if (!list_empty(&v->wanted)) {
        begin_task(v);
    }
}

/* ---- the door ---- */

static void change(struct arbiter *arbiter, struct set_change *c)
{
    struct node_arbiter *a = container_of(arbiter, struct node_arbiter, arbiter);

    list_for_each(link, &a->volumes) {
        struct arbiter_volume *v = container_of(link, struct arbiter_volume, link);

        if (!identity_equal(v->volume, c->volume))
            continue;
        list_append(&v->wanted, &c->link);
        if (!v->living)
            begin_task(v);
        return;
    }
    assert(false); /* a shard is open only between arbiter_begin() and arbiter_end() */
}

void node_arbiter_init(struct node_arbiter *a, struct env *env, struct records *records,
                       struct identity node, struct identity incarnation)
{
    *a = (struct node_arbiter){
        .arbiter = {.change = change},
        .env = env,
        .records = records,
        .node = node,
        .incarnation = incarnation,
    };
    list_init(&a->volumes);
}

void arbiter_begin(struct node_arbiter *a, struct arbiter_volume *v, struct identity volume,
                   uint64_t epoch)
{
    memset(v, 0, sizeof *v);
    v->arbiter = a;
    v->volume = volume;
    v->epoch = epoch;
    list_init(&v->wanted);
    list_init(&v->changing);
    list_append(&a->volumes, &v->link);
}

void arbiter_supersede(struct arbiter_volume *v)
{
    v->superseded = true;
    timer_stop(&v->arbiter->env->clock, &v->pause);
    if (v->living)
        task_run(&v->task);
}

void arbiter_end(struct arbiter_volume *v, void (*ended)(struct arbiter_volume *))
{
    arbiter_supersede(v);
    v->ending = true;
    v->ended = ended;
    if (v->living)
        task_run(&v->task);
    else
        begin_task(v); /* so that `ended` comes from the loop */
}
