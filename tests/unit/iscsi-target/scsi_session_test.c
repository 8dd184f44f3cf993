/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/scsi_session_test.c — SCSI as sessions see it, through the whole target:
 * what is of one nexus and what is of the unit, and that what is reported is what is done.
 */
#include "base/util.h"
#include "base/wire.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t in[4096];

static void begin(struct lab *w)
{
    lab_begin(w);
    memset(in, 0, sizeof in);
}

/* A command that gives at most `length` bytes into `in`; what was sensed stays in *r. */
static uint8_t ask(struct lab *w, struct initiator *i, struct initiator_request *r, uint32_t length)
{
    r->in = in;
    r->length = length;
    return lab_run(w, i, r);
}

static uint8_t bring(struct lab *w, struct initiator *i, struct initiator_request *r,
                     const void *bytes, uint32_t length)
{
    r->out = bytes;
    r->length = length;
    return lab_run(w, i, r);
}

static uint8_t ready(struct lab *w, struct initiator *i, struct initiator_request *ret)
{
    *ret = (struct initiator_request){.length = 0};
    return lab_run(w, i, ret);
}

/* MODE SELECT(6) with the control page. */
static uint8_t select_control(struct lab *w, struct initiator *i, uint8_t byte_2, uint8_t byte_4)
{
    const uint8_t list[16] = {0,    0,      0,           0,   0x0a, 0x0a, 0x02 | byte_2,
                              0x10, byte_4, [12] = 0xff, 0xff};
    struct initiator_request r = {.cdb = {0x15, 0x10, 0, 0, sizeof list}};

    return bring(w, i, &r, list, sizeof list);
}

/* ---- modes ---- */

static void a_mode_is_the_units_and_the_others_hear_of_it(void **state)
{
    struct initiator_request r;
    struct initiator *a, *b;
    struct lab w;

    (void)state;
    begin(&w);
    a = lab_ready(&w, "iqn.a", 1);
    b = lab_ready(&w, "iqn.b", 1);
    assert_int_equal(select_control(&w, a, 0x04, 0x08), 0);
    assert_int_equal(ready(&w, a, &r), 0);

    assert_int_equal(ready(&w, b, &r), 2); /* descriptor format: it is in force for b, too */
    assert_int_equal(r.sense_bytes, 8);
    assert_memory_equal(r.sense, "\x72\x06\x2a\x01", 4);
    assert_int_equal(ready(&w, b, &r), 0);
    assert_int_equal(lab_write(&w, b, 0, in, 512), 2);
    assert_int_equal(lab_read(&w, b, 0, in, 512), 0);

    assert_int_equal(select_control(&w, b, 0, 0), 0);
    assert_int_equal(ready(&w, a, &r), 2);
    assert_int_equal(sense_code(&r), 0x62a01);
    assert_int_equal(lab_write(&w, a, 0, in, 512), 0);
    lab_close(&w);
}

static void a_mode_ends_with_the_last_session(void **state)
{
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    a = lab_ready(&w, "iqn.a", 1);
    assert_int_equal(select_control(&w, a, 0, 0x08), 0);
    lab_part(&w, a);
    sim_run_for(w.sim, 1000000);
    a = lab_ready(&w, "iqn.a", 2);
    assert_int_equal(lab_write(&w, a, 0, in, 512), 0);
    lab_close(&w);
}

static void a_reset_ends_a_mode(void **state)
{
    union bhs h = {.task_management = {.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE,
                                       .function = FLAG_FINAL | TMF_LOGICAL_UNIT_RESET}};
    struct initiator_request r;
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    a = lab_ready(&w, "iqn.a", 1);
    assert_int_equal(select_control(&w, a, 0x04, 0x08), 0);
    initiator_stamp(a, &h);
    initiator_pdu(a, &h, NULL, 0);
    free(lab_pdu(&w, a));
    assert_int_equal(ready(&w, a, &r), 2);
    assert_int_equal(sense_code(&r), 0x62903); /* in fixed format again */
    assert_int_equal(lab_write(&w, a, 0, in, 512), 0);
    lab_close(&w);
}

/* ---- a read-only attachment ---- */

static void a_read_only_attachment_reads_and_changes_nothing(void **state)
{
    struct initiator_request r = {.cdb = {0x1a, 0x08, 0x3f, 0, 255}};
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    w.directory.answer.read_only = true;
    a = lab_ready(&w, "iqn.a", 1);
    assert_int_equal(lab_read(&w, a, 0, in, 512), 0);
    assert_int_equal(lab_write(&w, a, 0, in, 512), 2);
    assert_int_equal(select_control(&w, a, 0, 0x08), 2);
    assert_int_equal(ask(&w, a, &r, 255), 0);
    assert_int_equal(in[2], 0x90);
    assert_int_equal(w.ram.writes, 0);
    lab_close(&w);
}

/* ---- reports ---- */

static uint8_t manage(struct lab *w, struct initiator *i, uint8_t function)
{
    union bhs h = {.task_management = {.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE}};
    struct initiator_pdu *p;
    uint8_t response;

    initiator_stamp(i, &h);
    h.task_management.function = function | FLAG_FINAL;
    h.task_management.referenced_task_tag = be32_of(TAG_NONE);
    initiator_pdu(i, &h, NULL, 0);
    p = lab_pdu(w, i);
    assert_non_null(p);
    assert_int_equal(p->bhs.any.opcode, TASK_MANAGEMENT_RESPONSE);
    response = p->bhs.task_management_response.response;
    free(p);
    return response;
}

/* RFC 7143 11.5.1 by SPC-5 6.36; a warm reset is TARGET RESET. */
static void what_is_reported_of_task_management_is_done(void **state)
{
    static const struct {
        uint8_t function, byte, bit;
    } functions[] = {
        {TMF_ABORT_TASK, 0, 0x80},        {TMF_ABORT_TASK_SET, 0, 0x40},
        {TMF_CLEAR_TASK_SET, 0, 0x10},    {TMF_LOGICAL_UNIT_RESET, 0, 0x08},
        {TMF_TARGET_WARM_RESET, 0, 0x02}, {TMF_CLEAR_ACA, 0, 0x20},
    };
    struct initiator_request r = {.cdb = {0xa3, 0x0d, [9] = 16}};
    uint8_t report[4];
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    a = lab_ready(&w, "iqn.a", 1);
    assert_int_equal(ask(&w, a, &r, 16), 0);
    memcpy(report, in, sizeof report);
    for (uint32_t n = 0; n < array_length(functions); n++) {
        bool reported = report[functions[n].byte] & functions[n].bit;
        bool done = manage(&w, a, functions[n].function) != TMF_NOT_SUPPORTED;

        assert_int_equal(reported, done);
    }
    lab_close(&w);
}

static void logical_units_and_pages_are_listed_in_order(void **state)
{
    struct initiator_request luns = {.cdb = {0xa0, [8] = 1, 0}};
    struct initiator_request pages = {.cdb = {0x12, 1, 0, 0, 255}};
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    a = lab_ready(&w, "iqn.a", 1);
    assert_int_equal(ask(&w, a, &luns, 256), 0);
    assert_int_equal(be32_at(in, 0), 8);
    assert_int_equal(be64_at(in, 8), 0);
    assert_int_equal(ask(&w, a, &pages, 255), 0);
    for (uint32_t n = 1; n < be16_at(in, 2); n++)
        assert_true(in[4 + n] > in[3 + n]);
    lab_close(&w);
}

/* A session that has ended while the block had its write is no nexus any more: the reset that it
 * did not live to see holds for whoever comes next. */
static void a_mode_does_not_come_back_from_an_ended_session(void **state)
{
    struct initiator_request r, write = {.owner = NULL};
    struct initiator *a, *b, *c;
    struct lab w;

    (void)state;
    begin(&w);
    a = lab_ready(&w, "iqn.a", 1);
    b = lab_ready(&w, "iqn.b", 1);
    assert_int_equal(select_control(&w, a, 0x04, 0), 0);
    w.ram.stalled = true;
    initiator_write(a, &write, 0, in, sizeof in);
    sim_run_for(w.sim, 200000);
    initiator_close(a);
    lab_until(&w, initiator_closed, a);
    sim_run_for(w.sim, 200000);
    assert_int_equal(manage(&w, b, TMF_LOGICAL_UNIT_RESET), TMF_COMPLETE);
    c = lab_login(&w, "iqn.c", 1);
    assert_int_equal(ready(&w, c, &r), 2);
    assert_int_equal(r.sense[0], 0x70);
    lab_close(&w);
}

/* ---- miscompare ---- */

static void a_miscompare_says_where(void **state)
{
    struct initiator_request r = {.cdb = {0x89, [13] = 2}};
    static uint8_t out[4 * 512];
    struct initiator *a;
    struct lab w;

    (void)state;
    begin(&w);
    a = lab_ready(&w, "iqn.a", 1);
    out[27] = 1;
    assert_int_equal(bring(&w, a, &r, out, sizeof out), 2);
    assert_int_equal(sense_code(&r), 0xe1d00);
    assert_int_equal(r.sense[0], 0xf0);
    assert_int_equal(be32_at(r.sense, 3), 27);
    out[27] = 0;
    out[512 + 3] = 1;
    r = (struct initiator_request){.cdb = {0x89, [13] = 2}};
    assert_int_equal(bring(&w, a, &r, out, sizeof out), 2);
    assert_int_equal(be32_at(r.sense, 3), 515);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mode_is_the_units_and_the_others_hear_of_it),
        cmocka_unit_test(a_mode_ends_with_the_last_session),
        cmocka_unit_test(a_reset_ends_a_mode),
        cmocka_unit_test(a_mode_does_not_come_back_from_an_ended_session),
        cmocka_unit_test(a_read_only_attachment_reads_and_changes_nothing),
        cmocka_unit_test(what_is_reported_of_task_management_is_done),
        cmocka_unit_test(logical_units_and_pages_are_listed_in_order),
        cmocka_unit_test(a_miscompare_says_where),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
