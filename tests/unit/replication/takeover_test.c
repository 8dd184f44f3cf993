/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/replication/takeover_test.c — from the promise to the first command (design 6.3). */
#include "tests/unit/replication/requests.h"

static void a_new_shard_gets_its_first_set_and_serves(void **state)
{
    struct rig g;
    struct store_facts facts;

    (void)state;
    rig_open(&g, 1);
    g.arbiter.generation = 6; /* other shards of the volume have sets already */
    rig_begin(&g);
    assert_int_equal(rep_shard_state(g.shard), REP_PROMISING);
    rig_until(&g, REP_FIRST_SET);
    rig_until(&g, REP_SERVING);

    assert_int_equal(g.arbiter.changes, 1);
    assert_int_equal(g.arbiter.last_members, 1);
    assert_int_equal(rep_shard_generation(g.shard), 7);
    store_facts(g.replica, &facts);
    assert_int_equal(facts.promised, 1);
    assert_int_equal(facts.set.generation, 7);
    assert_int_equal(facts.set.member_count, 1);
    assert_true(identity_equal(facts.set.members[0], REPLICA_ID));
    assert_string_equal(rep_shard_why(g.shard), "");
    rig_done(&g);
}

static void an_old_shard_gets_no_set_again(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 2);
    rig_serve_first(&g);
    rig_restart(&g);
    rig_serve(&g);
    assert_int_equal(g.arbiter.changes, 1);
    assert_int_equal(g.replica->facts.promised, 2);
    rig_done(&g);
}

/* Its primary died between the record and SET. */
static void a_member_that_was_not_told_its_set_is_told(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 3);
    rig_record(&g, 4);
    rig_serve(&g);
    assert_int_equal(g.arbiter.changes, 0);
    assert_int_equal(g.replica->facts.set.generation, 4);
    assert_int_equal(g.replica->facts.set.member_count, 1);
    rig_done(&g);
}

static void nothing_is_served_before_the_promise_is_durable(void **state)
{
    struct rig g;
    struct rig_write *w;

    (void)state;
    rig_open(&g, 4);
    rig_record(&g, 1);
    g.store->stopped = true;
    rig_begin(&g);
    w = rig_write_begin(&g, 0, 1, 'a');
    sim_run_for(g.sim, 1000 * 1000);
    assert_false(w->answered);
    assert_int_equal(g.replica->facts.promised, 0);
    assert_int_equal(g.store->changes_done, 0);
    fake_go_on(g.store);
    assert_int_equal(rig_write_end(&g, w), E_OK);
    rig_done(&g);
}

static void a_promise_that_fails_keeps_the_shard_waiting(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 5);
    rig_record(&g, 1);
    g.store->refuse[STORE_PROMISE] = E_DISK;
    rig_begin(&g);
    rig_until(&g, REP_WAITING);
    assert_non_null(strstr(rep_shard_why(g.shard), "00000000000000aa"));
    assert_non_null(strstr(rep_shard_why(g.shard), err_text(E_DISK)));
    rig_done(&g);
}

static void a_higher_promise_supersedes(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 6);
    rig_record(&g, 1);
    g.replica->facts.promised = 9;
    rig_begin(&g);
    rig_until(&g, REP_SUPERSEDED);
    assert_int_equal(g.replica->facts.promised, 9);
    assert_int_equal(g.arbiter.changes, 0);
    assert_int_equal(rig_write(&g, 0, 1, 'a'), E_NOT_PRIMARY);
    rig_done(&g);
}

/* Design 6.7: the record is older than the data. */
static void a_higher_generation_supersedes(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 7);
    rig_record(&g, 3);
    g.replica->facts.set =
        (struct store_set){.epoch = 1, .generation = 4, .member_count = 1, .members = {REPLICA_ID}};
    rig_begin(&g);
    rig_until(&g, REP_SUPERSEDED);
    assert_int_equal(g.arbiter.changes, 0);
    rig_done(&g);
}

static void a_written_replica_is_not_new(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 8);
    g.replica->facts.empty = false;
    rig_begin(&g);
    rig_until(&g, REP_SUPERSEDED);
    assert_int_equal(g.arbiter.changes, 0);
    rig_done(&g);
}

static void a_damaged_last_copy_waits(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 9);
    rig_record(&g, 1);
    g.replica->facts.damaged = true;
    rig_begin(&g);
    rig_until(&g, REP_WAITING);
    assert_non_null(strstr(rep_shard_why(g.shard), "cannot name"));
    rig_done(&g);
}

static void a_missing_replica_is_waited_for(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 10);
    g.store->replica_count = 0; /* of a new shard: no first set before all are made (R4) */
    rig_begin(&g);
    rig_until(&g, REP_WAITING);
    assert_int_equal(g.arbiter.changes, 0);
    rig_close_shard(&g);

    rig_record(&g, 1);
    rig_begin(&g);
    rig_until(&g, REP_WAITING);
    assert_non_null(strstr(rep_shard_why(g.shard), "is not on its disk"));
    rig_close_shard(&g);

    g.config.replicas[0].store = NULL; /* nor is its disk here */
    rig_begin(&g);
    rig_until(&g, REP_WAITING);
    g.store->replica_count = 1;
    rig_done(&g);
}

static void a_replica_that_is_behind_does_not_count(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 11);
    rig_record(&g, 5);
    g.config.replicas[0].in_sync = false;
    g.config.replicas[0].behind = 4;
    rig_begin(&g);
    rig_until(&g, REP_WAITING);
    assert_int_equal(g.replica->facts.promised, 1); /* asked to promise all the same */
    rig_done(&g);
}

static void fewer_members_than_min_copies_wait(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 12);
    g.config.min_copies = 2;
    rig_begin(&g);
    rig_until(&g, REP_WAITING);
    rig_close_shard(&g);
    rig_record(&g, 1);
    rig_begin(&g);
    rig_until(&g, REP_WAITING);
    assert_int_equal(g.arbiter.changes, 0);
    rig_done(&g);
}

static void a_refused_first_set_supersedes(void **state)
{
    const enum err answers[] = {E_NOT_PRIMARY, E_CONFLICT};

    (void)state;
    for (size_t i = 0; i < array_length(answers); i++) {
        struct rig g;

        rig_open(&g, 13 + i);
        g.arbiter.answer = answers[i];
        rig_begin(&g);
        rig_until(&g, REP_SUPERSEDED);
        assert_int_equal(g.replica->facts.set.generation, 0);
        rig_done(&g);
    }
}

/* P9: what was open is an ordinary write of the new epoch, and then it is open no more. */
static void open_writes_are_written_again_and_sealed(void **state)
{
    struct rig g;
    struct rig_write *a, *b;

    (void)state;
    rig_open(&g, 20);
    rig_serve_first(&g);
    a = rig_write_begin(&g, 8, 4, 'a');
    b = rig_write_begin(&g, 30, 2, 'b');
    assert_int_equal(rig_write_end(&g, a), E_OK);
    assert_int_equal(rig_write_end(&g, b), E_OK);
    assert_int_equal(g.replica->open_count, 2);
    rig_restart(&g); /* before the word that they are complete went alone */
    rig_serve(&g);

    assert_int_equal(g.replica->facts.last_epoch, 2);
    assert_int_equal(g.replica->facts.last_seq, 2); /* two extents, two writes */
    assert_int_equal(g.replica->open_count, 0);
    rig_expect(&g, 8, 4, 'a');
    rig_expect(&g, 30, 2, 'b');
    rig_done(&g);
}

static void a_lost_block_stays_lost(void **state)
{
    struct rig g;
    struct rig_read *r = calloc(1, sizeof *r);

    (void)state;
    rig_open(&g, 21);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 0, 5, 'a'), E_OK);
    rig_restart(&g);
    g.replica->blocks[0] = FAKE_LOST;
    g.replica->blocks[3] = FAKE_LOST;
    rig_serve(&g);

    assert_int_equal(g.replica->facts.last_seq, 2); /* [1, 3) and [4, 5) */
    rig_expect(&g, 1, 2, 'a');
    rig_expect(&g, 4, 1, 'a');
    assert_int_equal(rig_read(&g, 0, 5, r), E_MEDIUM);
    assert_int_equal(r->read.bad_block, 0);
    assert_int_equal(rig_read(&g, 1, 4, r), E_MEDIUM);
    assert_int_equal(r->read.bad_block, 3);
    free(r);
    rig_done(&g);
}

/* An unmap that was open takes no chunk when it is written again. */
static void an_open_unmap_is_unmapped_again(void **state)
{
    struct rig g;
    struct rig_write w = {.write = {.unmap = true, .extent = {16, 16}, .done = rig_write_done}};

    (void)state;
    rig_open(&g, 22);
    rig_serve_first(&g);
    w.write.shard = g.shard;
    rep_write(&w.write);
    assert_true(sim_run_until(g.sim, rig_write_answered, &w, BOUND_US));
    rig_restart(&g);
    g.store->blocks_unmapped = 0;
    rig_serve(&g);
    assert_int_equal(g.store->blocks_unmapped, 16);
    assert_int_equal(g.replica->blocks[16], FAKE_NOTHING);
    rig_done(&g);
}

static void an_overflown_log_means_everything(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 23);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 3, 1, 'a'), E_OK);
    assert_int_equal(rig_write(&g, 500, 12, 'b'), E_OK);
    sim_run_for(g.sim, 60 * 1000);
    assert_int_equal(g.replica->open_count, 0);
    rig_restart(&g);
    g.replica->facts.open_everything = true;
    g.store->blocks_unmapped = 0;
    rig_serve(&g);
    assert_int_equal(g.store->blocks_unmapped, SHARD_SMALL - 13);
    assert_false(g.replica->facts.open_everything);
    rig_expect(&g, 3, 1, 'a');
    rig_expect(&g, 500, 12, 'b');
    rig_done(&g);
}

/* The window of the reserve: a full disk does not stop a takeover. */
static void a_full_disk_does_not_stop_a_takeover(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 24);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 3, 1, 'a'), E_OK);
    rig_restart(&g);
    g.store->full = true;
    rig_serve(&g);
    assert_int_equal(g.replica->facts.last_seq, 1);
    rig_done(&g);
}

static void a_disk_that_fails_in_a_takeover_keeps_it_waiting(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 25);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 3, 1, 'a'), E_OK);
    rig_restart(&g);
    g.store->refuse[STORE_WRITE] = E_DISK;
    rig_begin(&g);
    rig_until(&g, REP_WAITING);
    rig_done(&g);
}

/* What was open is read again until it comes; closing the shard ends the wait as well. */
static void a_disk_that_reads_nothing_in_a_takeover_is_asked_again(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 29);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 3, 1, 'a'), E_OK);
    rig_restart(&g);
    g.store->reads_nothing = true;
    rig_begin(&g);
    sim_run_for(g.sim, 5u * 1000 * 1000);
    assert_int_equal(rep_shard_state(g.shard), REP_ALIKE);
    assert_non_null(strstr(rep_shard_why(g.shard), err_text(E_DISK)));
    rig_close_shard(&g);
    assert_int_equal(g.replica->open_count, 1);

    rig_begin(&g);
    sim_run_for(g.sim, 5u * 1000 * 1000);
    g.store->reads_nothing = false;
    rig_until(&g, REP_SERVING);
    assert_string_equal(rep_shard_why(g.shard), "");
    rig_expect(&g, 3, 1, 'a');
    rig_done(&g);
}

/* A tenure that opens a shard twice never gives a number twice. */
static void numbers_go_on_within_an_epoch(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 26);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 3, 1, 'a'), E_OK);
    rig_close_shard(&g);
    rig_serve(&g);
    assert_int_equal(rig_write(&g, 3, 1, 'b'), E_OK);
    assert_int_equal(g.replica->facts.last_epoch, 1);
    assert_int_equal(g.replica->facts.last_seq, 2);
    rig_expect(&g, 3, 1, 'b');
    rig_done(&g);
}

static void a_number_that_was_refused_is_not_given_again(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 28);
    rig_serve_first(&g);
    g.store->refuse[STORE_WRITE] = E_NO_SPACE;
    assert_int_equal(rig_write(&g, 3, 1, 'a'), E_NO_SPACE);
    g.store->refuse[STORE_WRITE] = E_OK;
    rig_close_shard(&g); /* the word has passed it */
    rig_serve(&g);
    assert_int_equal(rig_write(&g, 3, 1, 'b'), E_OK);
    assert_int_equal(g.replica->facts.last_seq, 2);
    assert_int_equal(g.replica->open_count, 1);
    rig_done(&g);
}

static void a_second_takeover_meets_nothing_new(void **state)
{
    struct rig g;

    (void)state;
    for (uint64_t seed = 100; seed < 130; seed++) {
        rig_open(&g, seed);
        rig_serve_first(&g);
        assert_int_equal(rig_write(&g, 0, 3, 'a'), E_OK);
        assert_int_equal(rig_write(&g, 9, 3, 'b'), E_OK);
        assert_int_equal(rig_write(&g, 1, 1, 'c'), E_OK);
        for (int i = 0; i < 3; i++) { /* each dies somewhere in its takeover */
            rig_restart(&g);
            rig_begin(&g);
            sim_run_for(g.sim, sim_draw(g.sim, 3000));
        }
        rig_restart(&g);
        rig_serve(&g);
        rig_expect(&g, 0, 1, 'a');
        rig_expect(&g, 1, 1, 'c');
        rig_expect(&g, 2, 1, 'a');
        rig_expect(&g, 9, 3, 'b');
        assert_int_equal(g.replica->open_count, 0);
        rig_done(&g);
    }
}

static void a_shard_that_grew_grows_its_replica(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 27);
    g.replica->facts.size_blocks = 100;
    rig_serve(&g);
    assert_int_equal(g.replica->facts.size_blocks, SHARD_SMALL);
    rig_done(&g);
}

/* Records restored from before it grew (6.7): what is open beyond their size is made alike, too. */
static void what_is_open_beyond_the_record_is_written_again(void **state)
{
    struct rig g;
    struct rig_write *open;

    (void)state;
    for (uint32_t everything = 0; everything < 2; everything++) {
        rig_open(&g, 29 + everything);
        rig_serve_first(&g);
        open = rig_write_begin(&g, 500, 12, 'b');
        assert_int_equal(rig_write_end(&g, open), E_OK);
        rig_restart(&g);
        g.replica->facts.open_everything = everything;
        g.config.size_blocks = 100;
        rig_serve(&g);
        assert_int_equal(g.replica->open_count, 0);
        assert_int_equal(g.replica->facts.size_blocks, SHARD_SMALL);
        assert_false(g.replica->facts.open_everything);
        rig_expect(&g, 500, 12, 'b');
        rig_done(&g);
    }
}

/* Closed at any moment of its beginning it ends, and nothing is left behind. */
static void a_takeover_can_be_closed_at_any_time(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 4000; us += 100) {
        struct rig g;

        rig_open(&g, 200 + us);
        if (us % 200 == 0) {
            rig_serve_first(&g);
            assert_int_equal(rig_write(&g, 0, 3, 'a'), E_OK);
            rig_restart(&g);
        }
        rig_begin(&g);
        sim_run_for(g.sim, us);
        rig_done(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_shard_gets_its_first_set_and_serves),
        cmocka_unit_test(an_old_shard_gets_no_set_again),
        cmocka_unit_test(a_member_that_was_not_told_its_set_is_told),
        cmocka_unit_test(nothing_is_served_before_the_promise_is_durable),
        cmocka_unit_test(a_promise_that_fails_keeps_the_shard_waiting),
        cmocka_unit_test(a_higher_promise_supersedes),
        cmocka_unit_test(a_higher_generation_supersedes),
        cmocka_unit_test(a_written_replica_is_not_new),
        cmocka_unit_test(a_damaged_last_copy_waits),
        cmocka_unit_test(a_missing_replica_is_waited_for),
        cmocka_unit_test(a_replica_that_is_behind_does_not_count),
        cmocka_unit_test(fewer_members_than_min_copies_wait),
        cmocka_unit_test(a_refused_first_set_supersedes),
        cmocka_unit_test(open_writes_are_written_again_and_sealed),
        cmocka_unit_test(a_lost_block_stays_lost),
        cmocka_unit_test(an_open_unmap_is_unmapped_again),
        cmocka_unit_test(an_overflown_log_means_everything),
        cmocka_unit_test(a_full_disk_does_not_stop_a_takeover),
        cmocka_unit_test(a_disk_that_fails_in_a_takeover_keeps_it_waiting),
        cmocka_unit_test(a_disk_that_reads_nothing_in_a_takeover_is_asked_again),
        cmocka_unit_test(numbers_go_on_within_an_epoch),
        cmocka_unit_test(a_number_that_was_refused_is_not_given_again),
        cmocka_unit_test(a_second_takeover_meets_nothing_new),
        cmocka_unit_test(a_shard_that_grew_grows_its_replica),
        cmocka_unit_test(what_is_open_beyond_the_record_is_written_again),
        cmocka_unit_test(a_takeover_can_be_closed_at_any_time),
    };

    return rig_both(tests);
}
