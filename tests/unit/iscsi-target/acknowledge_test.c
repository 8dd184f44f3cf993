/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/acknowledge_test.c — the block hears who asks for a COMPARE AND WRITE,
 * and when the initiator knows that it was done: by the next ExpStatSN, once, and not if it was
 * lost.
 */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The block of the lab, listened to. */
static struct heard {
    const struct block_ops *ram;
    struct block_note asked; /* the last COMPARE AND WRITE */
    struct block_note acknowledged;
    struct extent extent;
    uint32_t times;
} heard;

static void submit(struct block *b, struct block_request *r)
{
    if (r->op == BLOCK_COMPARE_AND_WRITE)
        heard.asked = r->note;
    heard.ram->submit(b, r);
}

static void acknowledged(struct block *b, struct extent extent, const struct block_note *note)
{
    (void)b;
    heard.acknowledged = *note;
    heard.extent = extent;
    heard.times++;
}

static void begin(struct lab *w)
{
    static const struct block_ops ops = {.submit = submit, .acknowledged = acknowledged};

    lab_begin(w);
    heard = (struct heard){.ram = w->ram.block.ops};
    w->ram.block.ops = &ops;
}

static uint8_t out[2 * 512];

/* Of block 3: the first half of `out` is what must be there, the second what shall be. */
static uint8_t compare_and_write(struct lab *w, struct initiator *i)
{
    struct initiator_request r = {
        .cdb = {0x89, [9] = 3, [13] = 1}, .out = out, .length = sizeof out};

    return lab_run(w, i, &r);
}

static uint8_t ready(struct lab *w, struct initiator *i)
{
    struct initiator_request r = {0};

    return lab_run(w, i, &r);
}

static void the_block_hears_who_asks(void **state)
{
    struct block_note first, again, other;
    struct initiator *a, *b;
    struct lab w;

    (void)state;
    begin(&w);
    memset(out, 0, sizeof out);
    a = lab_ready(&w, "iqn.a", 1);
    b = lab_ready(&w, "iqn.b", 1);
    assert_int_equal(compare_and_write(&w, a), 0);
    first = heard.asked;
    assert_int_equal(compare_and_write(&w, b), 0);
    other = heard.asked;
    a = lab_ready(&w, "iqn.a", 1); /* ends the session before */
    assert_int_equal(compare_and_write(&w, a), 0);
    again = heard.asked;
    assert_true(first.initiator && first.session && again.session && other.session);
    assert_true(first.initiator == again.initiator && first.session != again.session);
    assert_true(first.initiator != other.initiator);
    lab_close(&w);
}

static void the_next_pdu_acknowledges_it_once(void **state)
{
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    memset(out, 0, sizeof out);
    a = lab_ready(&w, "iqn.a", 1);
    assert_int_equal(compare_and_write(&w, a), 0);
    a->exp_stat_sn--; /* a ping that was sent before the status came */
    initiator_nop(a, "ping", 4);
    a->exp_stat_sn++;
    sim_run_for(w.sim, 100000);
    free(initiator_take(a));
    assert_int_equal(heard.times, 0);
    assert_int_equal(ready(&w, a), 0);
    assert_int_equal(heard.times, 1);
    assert_true(heard.acknowledged.initiator == heard.asked.initiator);
    assert_true(heard.acknowledged.session == heard.asked.session);
    assert_true(heard.extent.start == 3 && heard.extent.count == 1);
    assert_int_equal(ready(&w, a), 0);
    assert_int_equal(heard.times, 1);
    lab_close(&w);
}

static void a_miscompare_owes_nothing(void **state)
{
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    a = lab_ready(&w, "iqn.a", 1);
    memset(out, 1, sizeof out);
    assert_int_equal(compare_and_write(&w, a), 2);
    assert_int_equal(ready(&w, a), 0);
    assert_int_equal(heard.times, 0);
    lab_close(&w);
}

/* It was done, and nobody was told: a later session acknowledges nothing of it. */
static void a_lost_status_stays_owed(void **state)
{
    struct initiator_request r = {
        .cdb = {0x89, [9] = 3, [13] = 1}, .out = out, .length = sizeof out};
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    memset(out, 0, sizeof out);
    a = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    initiator_command(a, &r);
    sim_run_for(w.sim, 200000);
    a = lab_ready(&w, "iqn.a", 1);
    ram_block_go_on(&w.ram);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(ready(&w, a), 0);
    assert_int_equal(heard.times, 0);
    lab_close(&w);
}

/* More than are kept: the oldest are forgotten, none is acknowledged in another's place. */
static void many_at_once_are_acknowledged(void **state)
{
    static struct initiator_request r[12];
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    memset(out, 0, sizeof out);
    a = lab_ready(&w, "iqn.a", 1);
    for (uint32_t i = 0; i < array_length(r); i++) {
        r[i] = (struct initiator_request){
            .cdb = {0x89, [9] = (uint8_t)i, [13] = 1}, .out = out, .length = sizeof out};
        initiator_command(a, &r[i]);
    }
    for (uint32_t i = 0; i < array_length(r); i++)
        lab_until(&w, initiator_answered, &r[i]);
    assert_int_equal(ready(&w, a), 0);
    assert_in_range(heard.times, 8, 12);
    assert_int_equal(heard.extent.start, 11);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_block_hears_who_asks),
        cmocka_unit_test(the_next_pdu_acknowledges_it_once),
        cmocka_unit_test(a_miscompare_owes_nothing),
        cmocka_unit_test(a_lost_status_stays_owed),
        cmocka_unit_test(many_at_once_are_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
