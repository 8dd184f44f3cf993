/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of in-sync sets over a keeper in memory, behind a door that the test holds in its hand:
 * each call waits until the test lets it through, loses its answer, or keeps it for later.
 */
#include "metadata/keeper.h"
#include "storaged/arbiter.h"
#include "tests/sim/world/world.h"
#include "tests/unit/storaged/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BOUND_US 10000000u

struct hand {
    struct sim *sim;
    struct env *env;
    struct keeper *keeper;
    struct records records;
    struct records_call *call;      /* that waits for the test */
    struct record_transaction copy; /* its caller heard nothing: it may arrive yet */
    uint32_t transactions;

    struct node_arbiter arbiter;
    struct arbiter_volume volume;
    struct set_change change[3];
    uint32_t answers;
    enum err answered[3];
    bool ended;
};

static void called(struct records *r, struct records_call *c)
{
    struct hand *h = container_of(r, struct hand, records);

    assert_null(h->call); /* A2: one at a time */
    h->call = c;
    h->transactions += c->op == RECORDS_TRANSACT;
}

static bool call_waits(void *arg)
{
    return ((struct hand *)arg)->call != NULL;
}

static struct records_call *next_call(struct hand *h, enum records_op op)
{
    assert_true(sim_run_until(h->sim, call_waits, h, BOUND_US));
    assert_int_equal(h->call->op, op);
    return h->call;
}

static void answer(struct hand *h, enum err err)
{
    struct records_call *c = h->call;

    h->call = NULL;
    c->done(c, err);
}

/* Lets the next call through to the keeper and back. */
static enum err through(struct hand *h, enum records_op op)
{
    struct records_call *c = next_call(h, op);
    enum err err = op == RECORDS_RANGE ? keeper_range(h->keeper, c->prefix, &c->list)
                                       : keeper_transact(h->keeper, c->transaction, &c->revision);

    answer(h, err);
    return err;
}

/* The keeper does it, the answer is lost. */
static void answer_lost(struct hand *h)
{
    struct records_call *c = next_call(h, RECORDS_TRANSACT);

    assert_int_equal(keeper_transact(h->keeper, c->transaction, &c->revision), E_OK);
    answer(h, E_IN_DOUBT);
}

/* Neither is known to the caller: the request is on its way somewhere. */
static void request_held(struct hand *h)
{
    struct records_call *c = next_call(h, RECORDS_TRANSACT);

    h->copy = *c->transaction;
    for (uint32_t i = 0; i < h->copy.put_count; i++)
        h->copy.puts[i].value = strdup(h->copy.puts[i].value);
    answer(h, E_IN_DOUBT);
}

static enum err held_arrives(struct hand *h)
{
    uint64_t revision;
    enum err err = keeper_transact(h->keeper, &h->copy, &revision);

    transaction_done(&h->copy);
    return err;
}

static void read_records(struct hand *h)
{
    through(h, RECORDS_RANGE); /* the head  */
    through(h, RECORDS_RANGE); /* the pages */
}

/* ---- records ---- */

static void put(struct hand *h, struct record_key key, char *json)
{
    struct record_transaction t;
    uint64_t revision;

    transaction_init(&t);
    assert_int_equal(transaction_put(&t, key, json), E_OK);
    assert_int_equal(keeper_transact(h->keeper, &t, &revision), E_OK);
    transaction_done(&t);
}

static void put_head(struct hand *h, struct head_record head)
{
    put(h, head_key(VOLUME), head_write(&head, NULL));
}

static void put_page(struct hand *h, struct page_record page)
{
    put(h, page_key(VOLUME, page.index), page_write(&page, NULL));
}

static struct head_record head_now(struct hand *h)
{
    struct record_list l = {0};
    struct head_record head;

    assert_int_equal(keeper_range(h->keeper, head_key(VOLUME).text, &l), E_OK);
    assert_int_equal(head_read(l.records[0].value, &head), E_OK);
    record_list_free(&l);
    return head;
}

static struct page_shard shard_now(struct hand *h, uint32_t shard)
{
    struct record_list l = {0};
    struct page_record page;

    assert_int_equal(keeper_range(h->keeper, page_key(VOLUME, shard / PAGE_SHARDS).text, &l), E_OK);
    assert_int_equal(page_read(l.records[0].value, &page), E_OK);
    record_list_free(&l);
    return page.shards[shard % PAGE_SHARDS];
}

/* ---- changes ---- */

static struct hand *the_hand;

static void change_answered(struct set_change *c, enum err err)
{
    uint32_t i = (uint32_t)(c - the_hand->change);

    the_hand->answered[i] = err;
    the_hand->answers++;
}

static void ask(struct hand *h, uint32_t i, uint32_t shard, uint32_t members)
{
    h->change[i] = (struct set_change){
        .volume = VOLUME,
        .shard = shard,
        .members = members,
        .done = change_answered,
    };
    h->arbiter.arbiter.change(&h->arbiter.arbiter, &h->change[i]);
}

static bool all_answered(void *arg)
{
    struct hand *h = arg;

    return h->answers == (uint32_t)(h->change[0].done != NULL) + (h->change[1].done != NULL) +
                             (h->change[2].done != NULL);
}

static void until_answered(struct hand *h)
{
    assert_true(sim_run_until(h->sim, all_answered, h, BOUND_US));
}

static int each_new(void **state)
{
    struct hand *h = calloc(1, sizeof *h);

    the_hand = h;
    h->sim = sim_open(1);
    h->env = sim_env(h->sim, "node");
    assert_int_equal(keeper_memory_open(ID(77), &h->keeper), E_OK);
    h->records.call = called;
    put_head(h, cluster_head(NODE, US));
    put_page(h, cluster_page(NODE, DISK, 3));
    node_arbiter_init(&h->arbiter, h->env, &h->records, NODE, US);
    arbiter_begin(&h->arbiter, &h->volume, VOLUME, 3);
    *state = h;
    return 0;
}

static void tenure_ended(struct arbiter_volume *v)
{
    container_of(v, struct hand, volume)->ended = true;
}

static bool has_ended(void *arg)
{
    return ((struct hand *)arg)->ended;
}

static int each_done(void **state)
{
    struct hand *h = *state;

    if (h->call)
        answer(h, E_CLOSED);
    if (!h->ended) {
        arbiter_end(&h->volume, tenure_ended);
        assert_true(sim_run_until(h->sim, has_ended, h, BOUND_US));
    }
    keeper_close(h->keeper);
    sim_close(h->sim);
    free(h);
    return 0;
}

/* ---- stories ---- */

static void a_first_set_is_recorded_with_the_next_generation(void **state)
{
    struct hand *h = *state;
    struct page_shard s;

    ask(h, 0, 1, 1);
    read_records(h);
    assert_int_equal(through(h, RECORDS_TRANSACT), E_OK);
    until_answered(h);
    assert_int_equal(h->answered[0], E_OK);
    assert_int_equal(h->change[0].generation, 1);
    assert_int_equal(head_now(h).generation, 1);
    assert_int_not_equal(head_now(h).nonce, 99);
    s = shard_now(h, 1);
    assert_false(s.is_new);
    assert_true(s.replicas[0].in_sync);
    assert_true(shard_now(h, 0).is_new); /* the others are as they were */
}

static void a_replica_that_leaves_is_behind_the_present_generation(void **state)
{
    struct hand *h = *state;
    struct head_record head = cluster_head(NODE, US);
    struct page_record page = cluster_page(NODE, DISK, 1);

    head.generation = 7;
    page.shards[0].is_new = false;
    page.shards[0].replica_count = 2;
    page.shards[0].replicas[0].in_sync = true;
    page.shards[0].replicas[1] = (struct page_replica){.replica = ID(32), .in_sync = true};
    put_head(h, head);
    put_page(h, page);
    ask(h, 0, 0, 1);
    read_records(h);
    through(h, RECORDS_TRANSACT);
    until_answered(h);
    assert_int_equal(h->change[0].generation, 8);
    assert_true(shard_now(h, 0).replicas[0].in_sync);
    assert_false(shard_now(h, 0).replicas[1].in_sync);
    assert_int_equal(shard_now(h, 0).replicas[1].behind, 7);
}

/* A2: what is wanted together is recorded together; what comes later, in the next. */
static void changes_are_gathered_in_one_transaction(void **state)
{
    struct hand *h = *state;

    ask(h, 0, 0, 1);
    ask(h, 1, 1, 1);
    read_records(h);
    next_call(h, RECORDS_TRANSACT);
    ask(h, 2, 2, 1);
    through(h, RECORDS_TRANSACT);
    assert_int_equal(h->answers, 0); /* nothing is answered inside a call */
    read_records(h);
    assert_int_equal(h->answers, 2);
    through(h, RECORDS_TRANSACT);
    until_answered(h);
    assert_int_equal(h->transactions, 2);
    assert_int_equal(h->change[0].generation, 1);
    assert_int_equal(h->change[1].generation, 1);
    assert_int_equal(h->change[2].generation, 2);
}

static void a_lost_answer_is_found_by_its_nonce(void **state)
{
    struct hand *h = *state;

    ask(h, 0, 0, 1);
    read_records(h);
    answer_lost(h);
    through(h, RECORDS_RANGE); /* the head tells */
    until_answered(h);
    assert_int_equal(h->answered[0], E_OK);
    assert_int_equal(h->change[0].generation, 1);
    assert_int_equal(head_now(h).generation, 1); /* recorded once */
    assert_int_equal(h->transactions, 1);
}

/* Design 6.1: another transaction on the same revision, and the lost one never will be. */
static void a_lost_request_is_overtaken(void **state)
{
    struct hand *h = *state;

    ask(h, 0, 0, 1);
    read_records(h);
    request_held(h);
    through(h, RECORDS_RANGE);
    through(h, RECORDS_TRANSACT);
    until_answered(h);
    assert_int_equal(h->answered[0], E_OK);
    assert_int_equal(held_arrives(h), E_CONFLICT);
    assert_int_equal(head_now(h).generation, 1);
}

/* … or it arrives before the other: then that one meets a conflict, and the nonce is ours. */
static void a_lost_request_that_wins_after_all_is_seen(void **state)
{
    struct hand *h = *state;

    ask(h, 0, 0, 1);
    read_records(h);
    request_held(h);
    through(h, RECORDS_RANGE);
    next_call(h, RECORDS_TRANSACT);
    assert_int_equal(held_arrives(h), E_OK);
    assert_int_equal(through(h, RECORDS_TRANSACT), E_CONFLICT);
    through(h, RECORDS_RANGE);
    until_answered(h);
    assert_int_equal(h->answered[0], E_OK);
    assert_int_equal(h->change[0].generation, 1);
    assert_int_equal(head_now(h).generation, 1);
}

/* A3: while it is in doubt nothing is answered, whatever else fails. */
static void a_change_in_doubt_is_not_answered(void **state)
{
    struct hand *h = *state;

    ask(h, 0, 0, 1);
    read_records(h);
    request_held(h);
    for (int i = 0; i < 5; i++) {
        next_call(h, RECORDS_RANGE);
        answer(h, E_UNREACHABLE);
        sim_run_for(h->sim, 10000);
        assert_int_equal(h->answers, 0);
    }
    assert_int_equal(held_arrives(h), E_OK);
    through(h, RECORDS_RANGE);
    until_answered(h);
    assert_int_equal(h->answered[0], E_OK);
}

/* The controller added a replica to the page meanwhile: read again, put together anew. */
static void a_conflict_on_a_page_is_read_again(void **state)
{
    struct hand *h = *state;
    struct page_record page = cluster_page(NODE, DISK, 3);

    ask(h, 0, 0, 1);
    read_records(h);
    page.shards[0].replica_count = 2;
    page.shards[0].replicas[1] = (struct page_replica){.replica = ID(50)};
    put_page(h, page);
    assert_int_equal(through(h, RECORDS_TRANSACT), E_CONFLICT);
    read_records(h);
    assert_int_equal(through(h, RECORDS_TRANSACT), E_OK);
    until_answered(h);
    assert_int_equal(h->answered[0], E_OK);
    assert_true(shard_now(h, 0).replicas[0].in_sync);
    assert_false(shard_now(h, 0).replicas[1].in_sync);
}

/* P3: another process is the primary, or this one in another tenure. */
static void a_superseded_primary_changes_nothing(void **state)
{
    struct hand *h = *state;
    struct head_record head = cluster_head(NODE, US);

    head.epoch = 4;
    put_head(h, head);
    ask(h, 0, 0, 1);
    ask(h, 1, 1, 1);
    through(h, RECORDS_RANGE);
    until_answered(h);
    assert_int_equal(h->answered[0], E_NOT_PRIMARY);
    assert_int_equal(h->answered[1], E_NOT_PRIMARY);
    assert_true(shard_now(h, 0).is_new);
    assert_int_equal(h->transactions, 0);
}

static void an_epoch_raised_in_between_is_met_by_the_comparison(void **state)
{
    struct hand *h = *state;
    struct head_record head = cluster_head(OTHER_NODE, ID(6));

    ask(h, 0, 0, 1);
    read_records(h);
    head.epoch = 4;
    put_head(h, head);
    assert_int_equal(through(h, RECORDS_TRANSACT), E_CONFLICT);
    through(h, RECORDS_RANGE);
    until_answered(h);
    assert_int_equal(h->answered[0], E_NOT_PRIMARY);
    assert_true(shard_now(h, 0).is_new);
}

static void what_the_record_does_not_allow_is_a_conflict(void **state)
{
    struct hand *h = *state;

    ask(h, 0, 0, 2);  /* a second replica that is not there */
    ask(h, 1, 70, 1); /* a shard that is not there */
    ask(h, 2, 1, 1);
    read_records(h);
    through(h, RECORDS_TRANSACT);
    until_answered(h);
    assert_int_equal(h->answered[0], E_CONFLICT);
    assert_int_equal(h->answered[1], E_CONFLICT);
    assert_int_equal(h->answered[2], E_OK);
    assert_true(shard_now(h, 0).is_new);
    assert_false(shard_now(h, 1).is_new);
}

static void metad_away_is_waited_for(void **state)
{
    struct hand *h = *state;

    ask(h, 0, 0, 1);
    for (int i = 0; i < 10; i++) {
        next_call(h, RECORDS_RANGE);
        answer(h, E_UNREACHABLE);
    }
    read_records(h);
    through(h, RECORDS_TRANSACT);
    until_answered(h);
    assert_int_equal(h->answered[0], E_OK);
}

/* The end does not wait for metad: a change in doubt is given up with the tenure. */
static void the_end_of_a_tenure_answers_everything(void **state)
{
    struct hand *h = *state;

    ask(h, 0, 0, 1);
    read_records(h);
    request_held(h);
    ask(h, 1, 1, 1);
    arbiter_supersede(&h->volume);
    until_answered(h);
    assert_int_equal(h->answered[0], E_NOT_PRIMARY);
    assert_int_equal(h->answered[1], E_NOT_PRIMARY);
    ask(h, 2, 2, 1); /* one that comes still */
    until_answered(h);
    assert_int_equal(h->answered[2], E_NOT_PRIMARY);
    transaction_done(&h->copy);
}

#define each(test) cmocka_unit_test_setup_teardown(test, each_new, each_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        each(a_first_set_is_recorded_with_the_next_generation),
        each(a_replica_that_leaves_is_behind_the_present_generation),
        each(changes_are_gathered_in_one_transaction),
        each(a_lost_answer_is_found_by_its_nonce),
        each(a_lost_request_is_overtaken),
        each(a_lost_request_that_wins_after_all_is_seen),
        each(a_change_in_doubt_is_not_answered),
        each(a_conflict_on_a_page_is_read_again),
        each(a_superseded_primary_changes_nothing),
        each(an_epoch_raised_in_between_is_met_by_the_comparison),
        each(what_the_record_does_not_allow_is_a_conflict),
        each(metad_away_is_waited_for),
        each(the_end_of_a_tenure_answers_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
