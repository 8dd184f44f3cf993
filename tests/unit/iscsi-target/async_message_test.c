/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/async_message_test.c — a planned move or stop: initiators are asked to
 * log out, what the block has is answered, nothing else begins, and nothing ends with an error
 * (RFC 7143 11.9, iscsi.md 4.2, 4.3).
 */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND  1000000u
#define SECONDS 3u /* to log out in */

static uint8_t block[65536];

struct draining {
    struct iscsi_drain drain;
    bool done;
};

static void drained(struct iscsi_drain *d)
{
    container_of(d, struct draining, drain)->done = true;
}

static bool is_drained(void *arg)
{
    return ((struct draining *)arg)->done;
}

static void drain(struct lab *w, struct draining *d, uint16_t seconds)
{
    *d = (struct draining){
        .drain = {.block = &w->ram.block, .done = drained, .logout_seconds = seconds}};
    w->directory.answer.where = DIRECTORY_STARTING;
    iscsi_target_drain(w->home, &d->drain);
}

static void expect_event(struct lab *w, struct initiator *i, enum async_event event,
                         uint16_t seconds)
{
    struct initiator_pdu *p = lab_pdu(w, i);

    assert_non_null(p);
    assert_int_equal(p->bhs.any.opcode, ASYNC_MESSAGE);
    assert_int_equal(bhs_itt(&p->bhs), TAG_NONE);
    assert_int_equal(p->bhs.async_message.event, event);
    assert_int_equal(be16_get(p->bhs.async_message.parameter2), 0);
    assert_int_equal(be16_get(p->bhs.async_message.parameter3), seconds);
    free(p);
}

static void expect_logout_response(struct lab *w, struct initiator *i)
{
    struct initiator_pdu *p = lab_pdu(w, i);

    assert_non_null(p);
    assert_int_equal(p->bhs.any.opcode, LOGOUT_RESPONSE);
    assert_int_equal(p->bhs.logout_response.response, LOGOUT_CLOSED);
    free(p);
    lab_until(w, initiator_closed, i);
    assert_int_equal(i->closed_because, E_OK); /* FIN */
}

static void whoever_is_asked_logs_out(void **state)
{
    struct draining d;
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    drain(&w, &d, SECONDS);
    expect_event(&w, i, ASYNC_LOGOUT, SECONDS);
    assert_false(d.done);
    initiator_logout(i);
    expect_logout_response(&w, i);
    lab_until(&w, is_drained, &d);
    assert_int_equal(lab_login(&w, "iqn.a", 1)->login_status, 0x0301);
    lab_close(&w);
}

/* Given before: answered.  Given later: not answered, and never done. */
static void what_the_block_has_is_answered_and_nothing_else(void **state)
{
    struct initiator_request before = {.owner = NULL}, after[3] = {{.owner = NULL}};
    struct initiator *i;
    struct draining d;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    initiator_write(i, &before, 0, block, 4096);
    sim_run_for(w.sim, SECOND / 10);
    drain(&w, &d, SECONDS);
    expect_event(&w, i, ASYNC_LOGOUT, SECONDS);
    initiator_write(i, &after[0], 8, block, 4096);
    initiator_write(i, &after[1], 128, block, sizeof block);
    initiator_read(i, &after[2], 0, block, 4096);
    initiator_logout(i); /* immediate: it overtakes them, not what the block has */
    sim_run_for(w.sim, SECOND / 2);
    assert_null(initiator_take(i));
    assert_non_null(i->net);
    ram_block_go_on(&w.ram);
    expect_logout_response(&w, i);
    assert_int_equal(before.err, E_OK);
    assert_int_equal(before.status, 0);
    assert_int_equal(w.ram.writes, 1);
    for (uint32_t n = 0; n < array_length(after); n++)
        assert_int_equal(after[n].err, E_CLOSED);
    lab_until(&w, is_drained, &d);
    lab_close(&w);
}

static void pings_are_answered_meanwhile(void **state)
{
    struct initiator_request held = {.owner = NULL};
    struct initiator_pdu *p;
    struct initiator *i;
    struct draining d;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    drain(&w, &d, SECONDS);
    expect_event(&w, i, ASYNC_LOGOUT, SECONDS);
    initiator_write(i, &held, 8, block, 4096);
    initiator_nop(i, "ping", 4);
    p = lab_pdu(&w, i);
    assert_int_equal(p->bhs.any.opcode, NOP_IN);
    free(p);
    assert_false(held.answered);
    lab_close(&w);
}

static void whoever_stays_is_ended_in_time(void **state)
{
    struct initiator_request stuck = {.owner = NULL}, held = {.owner = NULL};
    struct initiator *i;
    struct draining d;
    uint64_t began;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    initiator_write(i, &stuck, 0, block, 4096);
    sim_run_for(w.sim, SECOND / 10);
    began = sim_now_us(w.sim);
    drain(&w, &d, SECONDS);
    initiator_write(i, &held, 8, block, 4096);
    initiator_logout(i); /* it waits for the block, but not for ever */
    expect_event(&w, i, ASYNC_LOGOUT, SECONDS);
    expect_event(&w, i, ASYNC_DROP_SESSION, 0);
    lab_until(&w, initiator_closed, i);
    assert_in_range(sim_now_us(w.sim) - began, SECONDS * SECOND, (SECONDS + 1) * SECOND);
    assert_false(d.done); /* the block still has the write */
    ram_block_go_on(&w.ram);
    lab_until(&w, is_drained, &d);
    assert_int_equal(w.ram.writes, 1);
    lab_close(&w);
}

static void without_time_the_session_is_dropped(void **state)
{
    struct initiator *i;
    struct draining d;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    drain(&w, &d, 0);
    expect_event(&w, i, ASYNC_DROP_SESSION, 0);
    lab_until(&w, initiator_closed, i);
    lab_until(&w, is_drained, &d);
    w.directory.answer.where = DIRECTORY_HERE;
    i = lab_ready(&w, "iqn.a", 1);
    block_moved(&w.ram.block);
    expect_event(&w, i, ASYNC_DROP_SESSION, 0);
    lab_close(&w);
}

struct reading {
    struct initiator_request requests[12];
    uint32_t handed; /* to the block, before they were asked to log out */
};

static uint32_t length_of(const struct list *all)
{
    uint32_t length = 0;

    for (const struct list *l = all->next; l != all; l = l->next)
        length++;
    return length;
}

static bool what_was_handed_is_answered(void *arg)
{
    const struct reading *r = arg;
    uint32_t answered = 0;

    for (uint32_t n = 0; n < array_length(r->requests); n++)
        answered += r->requests[n].answered;
    return answered == r->handed;
}

static void memory_is_not_kept(uint64_t seed)
{
    static uint8_t bytes[4u << 20];
    struct draining d = {.drain = {.done = drained, .attachment = {0xa}, .logout_seconds = 60}};
    struct iscsi_limits limits = iscsi_limits_small();
    struct reading reading = {0};
    struct initiator *i, *other;
    struct lab w;

    limits.buffer_bytes = 24u << 20;
    lab_open_from(&w, limits, seed);
    d.drain.block = &w.ram.block;
    w.directory.answer.attachment = (struct identity){0xa};
    i = lab_ready(&w, "iqn.a", 1);
    w.directory.answer.attachment = (struct identity){0xb};
    other = lab_ready(&w, "iqn.b", 1);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < array_length(reading.requests);
         n++) /* more than there is memory for */
        initiator_read(i, &reading.requests[n], 0, bytes, sizeof bytes);
    sim_run_for(w.sim, SECOND / 10);
    reading.handed = length_of(&w.ram.requests);
    assert_in_range(reading.handed, 1, array_length(reading.requests) - 1);
    iscsi_target_drain(w.home, &d.drain);
    ram_block_go_on(&w.ram);
    lab_until(&w, what_was_handed_is_answered, &reading); /* until then the memory is in use */
    lab_alive(&w, other);
    lab_close(&w);
}

/* One that waits for memory in the way of others gives up its place in the line. */
static void who_leaves_keeps_no_memory_from_others(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++)
        memory_is_not_kept(seed);
}

static void a_stop_asks_everybody(void **state)
{
    struct initiator_config discovery = {.name = "iqn.c"};
    struct iscsi_close closing = {.logout_seconds = SECONDS};
    struct initiator *i, *finder;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    finder = lab_connect(&w, &discovery);
    lab_close_begin(&w, &closing);
    lab_until(&w, initiator_closed, finder); /* there is nothing to wait for */
    assert_null(initiator_take(finder));
    expect_event(&w, i, ASYNC_LOGOUT, SECONDS);
    initiator_logout(i);
    expect_logout_response(&w, i);
    lab_close_end(&w, &closing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_asked_logs_out),
        cmocka_unit_test(what_the_block_has_is_answered_and_nothing_else),
        cmocka_unit_test(pings_are_answered_meanwhile),
        cmocka_unit_test(whoever_stays_is_ended_in_time),
        cmocka_unit_test(without_time_the_session_is_dropped),
        cmocka_unit_test(who_leaves_keeps_no_memory_from_others),
        cmocka_unit_test(a_stop_asks_everybody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
