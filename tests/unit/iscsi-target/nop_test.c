/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/nop_test.c — pings both ways (P14). */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t data[300000], seen[4][4u << 20];

static void expect_echo(struct lab *w, struct initiator *i, uint32_t length)
{
    struct initiator_pdu *p = lab_pdu(w, i);

    assert_non_null(p);
    assert_int_equal(p->bhs.any.opcode, NOP_IN);
    assert_int_equal(be32_get(p->bhs.any.target_transfer_tag), TAG_NONE);
    assert_int_equal(p->length, length);
    assert_memory_equal(p->data, data, length);
    free(p);
}

static void a_ping_comes_back_with_its_data(void **state)
{
    const uint32_t lengths[] = {0, 1, 3, 4, 512, 65537, 262144};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    fill(data, sizeof data, 5);
    for (uint32_t n = 0; n < array_length(lengths); n++) {
        initiator_nop(i, data, lengths[n]);
        expect_echo(&w, i, lengths[n]);
    }
    lab_close(&w);
}

static void its_data_is_cut_to_what_the_initiator_takes(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .keys = "MaxRecvDataSegmentLength=1024\n"};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready_with(&w, config);
    initiator_nop(i, data, 4096);
    expect_echo(&w, i, 1024);
    lab_close(&w);
}

static void a_ping_in_order_uses_a_cmd_sn(void **state)
{
    union bhs h = {.any = {.opcode = NOP_OUT, .flags = FLAG_FINAL}};
    struct lab w;
    struct initiator *i;
    uint32_t exp;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    exp = i->exp_cmd_sn;
    initiator_stamp(i, &h);
    h.any.target_transfer_tag = be32_of(TAG_NONE);
    initiator_pdu(i, &h, NULL, 0);
    expect_echo(&w, i, 0);
    assert_int_equal(i->exp_cmd_sn, exp + 1);
    lab_close(&w);
}

static void a_ping_goes_before_queued_data(void **state)
{
    static struct initiator_request r[4];
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < 4; n++)
        initiator_read(i, &r[n], 0, seen[n], 4u << 20);
    sim_run_for(w.sim, 100000);
    initiator_nop(i, NULL, 0);
    ram_block_go_on(&w.ram); /* 16 MiB queue now, before the ping has arrived */
    expect_echo(&w, i, 0);
    assert_false(r[3].answered);
    assert_int_equal(r[3].got, 0);
    for (uint32_t n = 0; n < 4; n++)
        lab_until(&w, initiator_answered, &r[n]);
    lab_close(&w);
}

static void a_ping_does_not_wait_for_the_block(void **state)
{
    struct initiator_request r = {.owner = NULL};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    initiator_write(i, &r, 0, data, 4096);
    initiator_nop(i, NULL, 0);
    expect_echo(&w, i, 0);
    assert_false(r.answered);
    lab_close(&w);
}

/* ---- from the target ---- */

static struct initiator *mute(struct lab *w)
{
    struct initiator_config config = {.name = "iqn.a", .mute = true};

    return lab_ready_with(w, config);
}

static void a_busy_silent_connection_shows_life(void **state)
{
    struct initiator_request r = {.owner = NULL};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = mute(&w);
    w.ram.stalled = true;
    initiator_write(i, &r, 0, data, 4096);
    for (int n = 0; n < 3; n++) {
        uint64_t began = sim_now_us(w.sim);
        struct initiator_pdu *p = lab_pdu(&w, i);

        assert_int_equal(p->bhs.any.opcode, NOP_IN);
        assert_int_equal(bhs_itt(&p->bhs), TAG_NONE);
        assert_int_equal(be32_get(p->bhs.any.target_transfer_tag), TAG_NONE);
        assert_true(sim_now_us(w.sim) - began < 2600000);
        free(p);
    }
    lab_close(&w);
}

static void an_idle_connection_is_pinged(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1); /* answers */
    sim_run_for(w.sim, 300ull * 1000 * 1000);
    lab_alive(&w, i);
    lab_close(&w);
}

/* Its own pings apart, an initiator has nothing to say while the block is slow. */
static void a_slow_block_ends_no_session(void **state)
{
    struct initiator_request r = {.owner = NULL};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    initiator_write(i, &r, 0, data, 4096);
    sim_run_for(w.sim, 300ull * 1000 * 1000);
    assert_non_null(i->net);
    ram_block_go_on(&w.ram);
    lab_until(&w, initiator_answered, &r);
    assert_int_equal(r.err, E_OK);
    assert_int_equal(r.status, 0);
    lab_close(&w);
}

static void whoever_never_answers_is_gone_after_a_minute(void **state)
{
    struct lab w;
    struct initiator *i;
    struct initiator_pdu *p;
    uint64_t began;

    (void)state;
    lab_begin(&w);
    i = mute(&w);
    began = sim_now_us(w.sim);
    p = lab_pdu(&w, i);
    assert_int_equal(p->bhs.any.opcode, NOP_IN);
    assert_int_not_equal(be32_get(p->bhs.any.target_transfer_tag), TAG_NONE);
    free(p);
    lab_until(&w, initiator_closed, i);
    assert_in_range(sim_now_us(w.sim) - began, 59000000, 64000000);
    lab_close(&w);
}

static void a_discovery_session_is_not_pinged(void **state)
{
    struct initiator_config config = {.name = "iqn.a"};
    struct lab w;
    struct initiator *i;
    uint64_t began;

    (void)state;
    lab_begin(&w);
    i = lab_connect(&w, &config);
    assert_true(i->full);
    began = sim_now_us(w.sim);
    lab_until(&w, initiator_closed, i); /* silent as it is, it ends as any other */
    assert_null(initiator_take(i));
    assert_in_range(sim_now_us(w.sim) - began, 59000000, 64000000);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_comes_back_with_its_data),
        cmocka_unit_test(its_data_is_cut_to_what_the_initiator_takes),
        cmocka_unit_test(a_ping_in_order_uses_a_cmd_sn),
        cmocka_unit_test(a_ping_goes_before_queued_data),
        cmocka_unit_test(a_ping_does_not_wait_for_the_block),
        cmocka_unit_test(a_busy_silent_connection_shows_life),
        cmocka_unit_test(an_idle_connection_is_pinged),
        cmocka_unit_test(a_slow_block_ends_no_session),
        cmocka_unit_test(whoever_never_answers_is_gone_after_a_minute),
        cmocka_unit_test(a_discovery_session_is_not_pinged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
