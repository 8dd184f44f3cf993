/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/order_test.c — task attributes (RFC 7143 11.3.1, SAM-5 8.6). */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORKS 5u

static uint8_t block[4u << 20];
static struct initiator_request works[WORKS];

/* A write of one block each, all handed over as far as their order lets them. */
static void begin(struct lab *w, struct initiator *i, const uint8_t *attributes)
{
    memset(works, 0, sizeof works);
    w->ram.stalled = true;
    w->ram.writes = 0;
    for (uint32_t n = 0; n < WORKS; n++) {
        works[n].attribute = attributes[n];
        initiator_write(i, &works[n], 8 * n, block, 4096);
    }
    sim_run_for(w->sim, 200000);
}

static bool all_answered(void *arg)
{
    (void)arg;
    for (uint32_t n = 0; n < WORKS; n++)
        if (!works[n].answered)
            return false;
    return true;
}

static void go_on(struct lab *w)
{
    ram_block_go_on(&w->ram);
    lab_until(w, all_answered, NULL);
    for (uint32_t n = 0; n < WORKS; n++)
        assert_int_equal(works[n].status, 0);
    assert_int_equal(w->ram.writes, WORKS);
}

static void what_is_ordered_keeps_the_rest_apart(void **state)
{
    static const struct {
        uint8_t attributes[WORKS];
        uint32_t at_once; /* so many does the block have while it answers none */
    } cases[] = {
        {{SIMPLE, SIMPLE, UNTAGGED, SIMPLE, ACA}, 5},
        {{ORDERED, SIMPLE, SIMPLE, SIMPLE, SIMPLE}, 1},
        {{SIMPLE, SIMPLE, ORDERED, SIMPLE, SIMPLE}, 2},
        {{SIMPLE, ORDERED, ORDERED, ORDERED, ORDERED}, 1},
        {{SIMPLE, SIMPLE, SIMPLE, SIMPLE, ORDERED}, 4},
        {{SIMPLE, ORDERED, HEAD_OF_QUEUE, SIMPLE, HEAD_OF_QUEUE}, 3},
    };
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (uint32_t n = 0; n < array_length(cases); n++) {
        begin(&w, i, cases[n].attributes);
        assert_int_equal(w.ram.writes, cases[n].at_once);
        go_on(&w);
    }
    lab_close(&w);
}

static void other_sessions_do_not_wait(void **state)
{
    static const uint8_t attributes[WORKS] = {SIMPLE, ORDERED, SIMPLE, SIMPLE, SIMPLE};
    struct initiator_request others = {.owner = NULL};
    struct initiator *i, *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    other = lab_ready(&w, "iqn.b", 1);
    begin(&w, i, attributes);
    assert_int_equal(w.ram.writes, 1);
    initiator_write(other, &others, 800, block, 4096);
    sim_run_for(w.sim, 200000);
    assert_int_equal(w.ram.writes, 2);
    w.ram.writes = 1;
    go_on(&w);
    lab_until(&w, initiator_answered, &others);
    lab_close(&w);
}

static uint8_t abort_task(struct lab *w, struct initiator *i, uint32_t itt)
{
    union bhs h = {.task_management = {.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE,
                                       .function = FLAG_FINAL | TMF_ABORT_TASK}};
    struct initiator_pdu *p;
    uint8_t response;

    initiator_stamp(i, &h);
    h.task_management.referenced_task_tag = be32_of(itt);
    initiator_pdu(i, &h, NULL, 0);
    p = lab_pdu(w, i);
    response = p->bhs.task_management_response.response;
    free(p);
    return response;
}

static void an_aborted_one_lets_the_rest_go(void **state)
{
    static const uint8_t attributes[WORKS] = {SIMPLE, ORDERED, SIMPLE, SIMPLE, SIMPLE};
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    begin(&w, i, attributes);
    assert_int_equal(abort_task(&w, i, works[1].itt), TMF_COMPLETE);
    initiator_forget(&works[1]);
    sim_run_for(w.sim, 200000);
    assert_int_equal(w.ram.writes, 4);
    works[1].answered = true;
    w.ram.writes = 5;
    go_on(&w);
    lab_close(&w);
}

/* A write that is ordered has its data; the large read before it waits for that very memory. */
static void nobody_waits_for_memory_in_a_circle(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator_request read[4] = {{.owner = NULL}}, write[4] = {{.owner = NULL}};
    static uint8_t bytes[4][1u << 20];
    struct initiator *i;
    struct lab w;

    (void)state;
    limits.buffer_bytes = 2u << 20;
    lab_open(&w, limits);
    i = lab_ready(&w, "iqn.a", 1);
    for (uint32_t n = 0; n < 4; n++) {
        initiator_read(i, &read[n], 0, bytes[n], sizeof bytes[n]);
        write[n].attribute = ORDERED;
        initiator_write(i, &write[n], 8192, block, 262144);
    }
    for (uint32_t n = 0; n < 4; n++) {
        lab_until(&w, initiator_answered, &read[n]);
        lab_until(&w, initiator_answered, &write[n]);
        assert_int_equal(read[n].status, 0);
        assert_true(write[n].status == 0 || write[n].status == 0x28);
    }
    lab_alive(&w, i);
    lab_close(&w);
}

/* The same over one between them: a command that is ordered and holds nothing waits for the read,
 * and the writes that have the memory wait for that command. */
static void nobody_waits_for_memory_in_a_longer_circle(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator_request read = {.owner = NULL}, write[8] = {{.owner = NULL}};
    struct initiator_request first = {.attribute = ORDERED}, between = {.attribute = ORDERED};
    static uint8_t bytes[1u << 20];
    struct initiator *i;
    struct lab w;

    (void)state;
    limits.buffer_bytes = 2u << 20;
    lab_open(&w, limits);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    initiator_write(i, &first, 0, block, 512);
    sim_run_for(w.sim, 200000);
    initiator_read(i, &read, 0, bytes, sizeof bytes);
    initiator_command(i, &between); /* TEST UNIT READY */
    for (uint32_t n = 0; n < array_length(write); n++)
        initiator_write(i, &write[n], 8192, block, 262144);
    sim_run_for(w.sim, 200000);
    ram_block_go_on(&w.ram);
    lab_until(&w, initiator_answered, &read);
    lab_until(&w, initiator_answered, &between);
    assert_int_equal(read.status, 0);
    assert_int_equal(between.status, 0);
    for (uint32_t n = 0; n < array_length(write); n++) {
        lab_until(&w, initiator_answered, &write[n]);
        assert_true(write[n].status == 0 || write[n].status == 0x28);
    }
    lab_alive(&w, i);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_ordered_keeps_the_rest_apart),
        cmocka_unit_test(other_sessions_do_not_wait),
        cmocka_unit_test(an_aborted_one_lets_the_rest_go),
        cmocka_unit_test(nobody_waits_for_memory_in_a_circle),
        cmocka_unit_test(nobody_waits_for_memory_in_a_longer_circle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
