/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/replication/write_test.c — writes and reads of a served shard, and the commit word. */
#include "tests/unit/replication/requests.h"

#define IDLE_US (50u * 1000) /* design 6.1 */

static void numbers_go_out_in_order_without_gaps(void **state)
{
    struct rig g;
    struct rig_write *w[20];

    (void)state;
    rig_open(&g, 1);
    rig_serve_first(&g);
    for (uint64_t i = 0; i < 20; i++)
        w[i] = rig_write_begin(&g, i * 3, 3, (uint8_t)i); /* the store asserts each stamp */
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(rig_write_end(&g, w[i]), E_OK);
    assert_int_equal(g.replica->facts.last_seq, 20);
    for (uint64_t i = 0; i < 20; i++)
        rig_expect(&g, i * 3, 3, (uint8_t)i);
    rig_done(&g);
}

static void an_idle_shard_has_nothing_open(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 2);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 0, 4, 'a'), E_OK);
    assert_int_equal(g.replica->open_count, 1);
    sim_run_for(g.sim, IDLE_US);
    assert_int_equal(g.replica->open_count, 0);
    assert_int_equal(g.store->commits, 1);
    sim_run_for(g.sim, 100 * IDLE_US); /* told once, not again and again */
    assert_int_equal(g.store->commits, 1);
    rig_done(&g);
}

/* While writes come, the word rides on them; it never passes one that is in flight. */
static void the_word_rides_on_writes(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 3);
    rig_serve_first(&g);
    for (uint8_t i = 0; i < 50; i++)
        assert_int_equal(rig_write(&g, i, 1, i), E_OK);
    assert_int_equal(g.store->commits, 0);
    assert_int_equal(g.replica->facts.commit_seq, 49);
    assert_int_equal(g.replica->open_count, 1);
    rig_done(&g);
}

static void the_word_does_not_pass_what_is_in_flight(void **state)
{
    struct rig g;
    struct rig_write *w;

    (void)state;
    rig_open(&g, 4);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 0, 1, 'a'), E_OK);
    g.store->stopped = true;
    w = rig_write_begin(&g, 1, 1, 'b');
    sim_run_for(g.sim, 10 * IDLE_US);
    assert_int_equal(g.store->commits, 0);
    fake_go_on(g.store);
    assert_int_equal(rig_write_end(&g, w), E_OK);
    sim_run_for(g.sim, IDLE_US);
    assert_int_equal(g.replica->facts.commit_seq, 2);
    rig_done(&g);
}

static void the_word_is_as_old_as_the_oldest_in_flight(void **state)
{
    struct rig g;
    struct rig_write *w[60];

    (void)state;
    rig_open(&g, 14);
    rig_serve_first(&g);
    for (uint64_t i = 0; i < 60; i++) { /* the store asserts the word of each */
        w[i] = rig_write_begin(&g, i, 1, (uint8_t)i);
        sim_run_for(g.sim, 50);
    }
    for (uint64_t i = 0; i < 60; i++)
        assert_int_equal(rig_write_end(&g, w[i]), E_OK);
    rig_done(&g);
}

static void closing_says_the_word(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 5);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 0, 4, 'a'), E_OK);
    rig_close_shard(&g);
    assert_int_equal(g.replica->open_count, 0);
    rig_done(&g);
}

static void a_full_replica_is_not_sent_the_write(void **state)
{
    struct rig g;

    (void)state;
    rig_open(&g, 6);
    rig_serve_first(&g);
    g.store->full = true;
    assert_int_equal(rig_write(&g, 0, 1, 'a'), E_NO_SPACE);
    assert_int_equal(g.replica->facts.last_seq, 0);
    assert_int_equal(rep_shard_state(g.shard), REP_SERVING);
    g.store->full = false;
    assert_int_equal(rig_write(&g, 0, 1, 'a'), E_OK);
    rig_done(&g);
}

/* The store refused, nothing has changed anywhere: the asker hears why, the shard goes on. */
static void a_refused_write_changes_nothing(void **state)
{
    const enum err answers[] = {E_NO_SPACE, E_MEDIUM};

    (void)state;
    for (size_t i = 0; i < array_length(answers); i++) {
        struct rig g;

        rig_open(&g, 7);
        rig_serve_first(&g);
        g.store->refuse[STORE_WRITE] = answers[i];
        assert_int_equal(rig_write(&g, 0, 1, 'a'), answers[i]);
        assert_int_equal(rep_shard_state(g.shard), REP_SERVING);
        rig_expect(&g, 0, 1, 0);
        rig_done(&g);
    }
}

/* Its fate is open: no answer, no further write; reads go on; closing ends the wait. */
static void a_failed_disk_leaves_the_write_unanswered(void **state)
{
    struct rig g;
    struct rig_write *failed, *later;

    (void)state;
    rig_open(&g, 8);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 5, 1, 'z'), E_OK);
    g.store->refuse[STORE_WRITE] = E_DISK;
    failed = rig_write_begin(&g, 0, 1, 'a');
    rig_until(&g, REP_WAITING);
    assert_non_null(strstr(rep_shard_why(g.shard), err_text(E_DISK)));
    g.store->refuse[STORE_WRITE] = E_OK;
    later = rig_write_begin(&g, 1, 1, 'b');
    sim_run_for(g.sim, BOUND_US);
    assert_false(failed->answered);
    assert_false(later->answered);
    rig_expect(&g, 5, 1, 'z');

    rig_close_shard(&g);
    assert_int_equal(failed->err, E_CLOSED);
    assert_int_equal(later->err, E_CLOSED);
    assert_true(failed->answered && later->answered);
    assert_int_equal(g.replica->facts.last_seq, 1);
    free(failed);
    free(later);
    rig_done(&g);
}

/* Nothing is known of its blocks: no answer until it reads again, or until the end. */
static void a_disk_that_reads_nothing_is_asked_again(void **state)
{
    struct rig g;
    struct rig_read *held = calloc(2, sizeof *held);

    (void)state;
    rig_open(&g, 9);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 5, 2, 'z'), E_OK);
    g.store->reads_nothing = true;
    rig_read_begin(&g, 5, 1, &held[0]);
    rig_read_begin(&g, 6, 1, &held[1]);
    sim_run_for(g.sim, BOUND_US);
    assert_false(held[0].answered || held[1].answered);
    assert_int_equal(rep_shard_state(g.shard), REP_SERVING);
    assert_int_equal(rig_write(&g, 9, 1, 'y'), E_OK); /* what the disk takes goes on */
    g.store->reads_nothing = false;
    assert_true(sim_run_until(g.sim, rig_read_answered, &held[0], BOUND_US));
    assert_true(sim_run_until(g.sim, rig_read_answered, &held[1], BOUND_US));
    assert_int_equal(held[0].err, E_OK);
    assert_int_equal(held[0].bytes[0], 'z');
    assert_int_equal(held[1].err, E_OK);

    g.store->reads_nothing = true;
    rig_read_begin(&g, 5, 1, &held[0]);
    sim_run_for(g.sim, BOUND_US);
    rig_close_shard(&g);
    assert_true(held[0].answered);
    assert_int_equal(held[0].err, E_CLOSED);
    free(held);
    rig_done(&g);
}

/* P12: nobody's read waits for no disk; the others' go on waiting. */
static void an_unwanted_read_is_not_held(void **state)
{
    struct rig g;
    struct rig_read *held = calloc(2, sizeof *held);

    (void)state;
    rig_open(&g, 16);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 5, 2, 'z'), E_OK);
    g.store->reads_nothing = true;
    rig_read_begin(&g, 5, 1, &held[0]);
    rig_read_begin(&g, 6, 1, &held[1]);
    sim_run_for(g.sim, BOUND_US);
    held[0].unwanted = true;
    assert_true(sim_run_until(g.sim, rig_read_answered, &held[0], 2u * 1000 * 1000));
    assert_int_equal(held[0].err, E_DISK);
    assert_false(held[1].answered);
    assert_int_equal(rep_shard_state(g.shard), REP_SERVING);
    g.store->reads_nothing = false;
    assert_true(sim_run_until(g.sim, rig_read_answered, &held[1], BOUND_US));
    assert_int_equal(held[1].err, E_OK);
    assert_int_equal(held[1].bytes[0], 'z');
    free(held);
    rig_done(&g);
}

static void nobody_waits_for(struct store_change *c, enum err err)
{
    (void)c;
    assert_int_equal(err, E_OK);
}

/* P2: behind the question it takes nothing of ours, though the answer is not durable yet: a write
 * between the two would be in no report. */
static void a_replica_that_is_asked_refuses_our_requests(void **state)
{
    struct rig g;
    struct rig_write *w;
    struct store_change promise;

    (void)state;
    rig_open(&g, 21);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 0, 1, 'a'), E_OK);
    g.store->stopped = true;
    promise = (struct store_change){.kind = STORE_PROMISE,
                                    .replica = g.replica,
                                    .epoch = g.config.epoch + 1,
                                    .done = nobody_waits_for};
    store_change(g.store, &promise);
    w = rig_write_begin(&g, 1, 1, 'b');
    sim_run_for(g.sim, IDLE_US); /* nor a commit word */
    assert_int_equal(g.replica->seen_seq, 1);
    assert_int_equal(g.store->commits, 0);
    fake_go_on(g.store);
    assert_int_equal(rig_write_end(&g, w), E_NOT_PRIMARY);
    assert_int_equal(g.replica->facts.last_seq, 1);
    assert_int_equal(rep_shard_state(g.shard), REP_SUPERSEDED);
    rig_done(&g);
}

/* P2: from the moment a replica has promised another epoch it takes nothing of ours. */
static void a_newer_promise_fences(void **state)
{
    struct rig g;
    struct rig_read *r = calloc(1, sizeof *r);

    (void)state;
    rig_open(&g, 9);
    rig_serve_first(&g);
    assert_int_equal(rig_write(&g, 0, 1, 'a'), E_OK);
    sim_run_for(g.sim, IDLE_US);
    g.replica->facts.promised = 2;
    assert_int_equal(rig_write(&g, 0, 1, 'b'), E_NOT_PRIMARY);
    assert_int_equal(rep_shard_state(g.shard), REP_SUPERSEDED);
    assert_int_equal(rig_read(&g, 0, 1, r), E_NOT_PRIMARY);
    assert_int_equal(g.replica->facts.last_seq, 1);
    free(r);
    rig_done(&g);
}

static void a_newer_promise_fences_reads(void **state)
{
    struct rig g;
    struct rig_read *r = calloc(1, sizeof *r);

    (void)state;
    rig_open(&g, 10);
    rig_serve_first(&g);
    g.replica->facts.promised = 2;
    assert_int_equal(rig_read(&g, 0, 1, r), E_NOT_PRIMARY);
    assert_int_equal(g.store->reads_done, 0);
    assert_int_equal(rep_shard_state(g.shard), REP_SUPERSEDED);
    free(r);
    rig_done(&g);
}

static void closing_awaits_what_is_on_its_way(void **state)
{
    struct rig g;
    struct rig_write *w;

    (void)state;
    rig_open(&g, 11);
    rig_serve_first(&g);
    g.store->stopped = true;
    w = rig_write_begin(&g, 0, 1, 'a');
    sim_run_for(g.sim, 1000);
    rep_shard_close(g.shard);
    sim_run_for(g.sim, 1000 * 1000);
    assert_non_null(g.shard);
    fake_go_on(g.store);
    assert_int_equal(rig_write_end(&g, w), E_OK);
    assert_true(sim_run_until(g.sim, rig_is_closed, &g, BOUND_US));
    rig_done(&g);
}

struct rig_resize {
    struct rep_resize resize;
    bool answered;
    enum err err;
};

static void resized(struct rep_resize *resize, enum err err)
{
    struct rig_resize *r = container_of(resize, struct rig_resize, resize);

    r->answered = true;
    r->err = err;
}

static bool resize_answered(void *arg)
{
    return ((struct rig_resize *)arg)->answered;
}

static void growing_makes_the_replica_larger(void **state)
{
    struct rig g;
    struct rig_resize r = {.resize = {.size_blocks = SHARD_SMALL, .done = resized}};

    (void)state;
    rig_open(&g, 12);
    g.config.size_blocks = g.replica->facts.size_blocks = 100;
    rig_serve_first(&g);
    rep_shard_resize(g.shard, &r.resize);
    assert_true(sim_run_until(g.sim, resize_answered, &r, BOUND_US));
    assert_int_equal(r.err, E_OK);
    assert_int_equal(g.replica->facts.size_blocks, SHARD_SMALL);
    assert_int_equal(rig_write(&g, SHARD_SMALL - 1, 1, 'a'), E_OK);
    rig_done(&g);
}

/* One word is on its way at a time: what is acknowledged meanwhile goes with the next. */
static void acknowledgements_that_come_together_arrive(void **state)
{
    struct rig g;
    struct store_note note = {.initiator = 7, .session = 1, .units = 1};

    (void)state;
    rig_open(&g, 15);
    rig_serve_first(&g);
    g.replica->note = note;
    for (uint32_t i = 3; i > 0; i--) {
        note.unit = i;
        rep_note_acknowledged(g.shard, &note);
    }
    note.unit = 0;
    rep_note_acknowledged(g.shard, &note);
    rig_close_shard(&g); /* it waits for the word */
    assert_int_equal(g.replica->note.initiator, 0);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_that_is_asked_refuses_our_requests),
        cmocka_unit_test(numbers_go_out_in_order_without_gaps),
        cmocka_unit_test(an_idle_shard_has_nothing_open),
        cmocka_unit_test(the_word_rides_on_writes),
        cmocka_unit_test(the_word_does_not_pass_what_is_in_flight),
        cmocka_unit_test(the_word_is_as_old_as_the_oldest_in_flight),
        cmocka_unit_test(closing_says_the_word),
        cmocka_unit_test(a_full_replica_is_not_sent_the_write),
        cmocka_unit_test(a_refused_write_changes_nothing),
        cmocka_unit_test(a_failed_disk_leaves_the_write_unanswered),
        cmocka_unit_test(a_disk_that_reads_nothing_is_asked_again),
        cmocka_unit_test(an_unwanted_read_is_not_held),
        cmocka_unit_test(a_newer_promise_fences),
        cmocka_unit_test(a_newer_promise_fences_reads),
        cmocka_unit_test(closing_awaits_what_is_on_its_way),
        cmocka_unit_test(growing_makes_the_replica_larger),
        cmocka_unit_test(acknowledgements_that_come_together_arrive),
    };

    return rig_both(tests);
}
