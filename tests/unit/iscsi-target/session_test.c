/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/session_test.c — how sessions end: reinstated, logged out, cut, drained,
 * moved, closed.
 */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t block[65536];

/* ---- reinstatement ---- */

static void the_same_name_and_isid_reinstates(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator_request r = {.owner = NULL};
    struct lab w;
    struct initiator *old, *new;

    (void)state;
    limits.sessions_max = 1;
    lab_open(&w, limits);
    old = lab_ready(&w, "iqn.a", 1);
    memset(block, 'r', 4096);
    w.ram.stalled = true;
    initiator_write(old, &r, 0, block, 4096);
    sim_run_for(w.sim, 200000);
    new = lab_ready(&w, "iqn.a", 1); /* at once, though the block does not answer */
    sim_run_for(w.sim, 1000000);
    assert_null(old->net);
    assert_int_equal(r.err, E_CLOSED);
    assert_int_equal(iscsi_target_sessions(w.home, w.directory.answer.attachment), 1);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, 200000);
    assert_memory_equal(w.ram.bytes, block, 4096); /* what the block had has run on */
    lab_alive(&w, new);
    lab_close(&w);
}

static void another_name_or_isid_does_not(void **state)
{
    struct lab w;
    struct initiator *one, *two, *three;

    (void)state;
    lab_begin(&w);
    one = lab_ready(&w, "iqn.a", 1);
    two = lab_ready(&w, "iqn.a", 2);
    three = lab_ready(&w, "iqn.b", 1);
    lab_alive(&w, one);
    lab_alive(&w, two);
    lab_alive(&w, three);
    lab_close(&w);
}

/* ---- the connection is gone ---- */

static void what_the_block_does_not_have_is_dropped(void **state)
{
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    h.scsi_command.expected_data_transfer_length = be32_of(65536);
    lab_raw_write(i, &h, (struct extent){0, 128}, block, 4096);
    free(lab_pdu(&w, i)); /* R2T for the rest */
    initiator_close(i);
    sim_run_for(w.sim, 1000000);
    assert_int_equal(w.ram.writes, 0);
    assert_int_equal(iscsi_target_sessions(w.home, w.directory.answer.attachment), 0);
    lab_close(&w);
}

/* ---- logout ---- */

static uint8_t log_out(struct lab *w, struct initiator *i, uint8_t reason, uint16_t cid)
{
    union bhs h = {.logout = {.opcode = LOGOUT, .reason = FLAG_FINAL | reason}};
    struct initiator_pdu *p;
    uint8_t response;

    initiator_stamp(i, &h);
    h.logout.cid = be16_of(cid);
    initiator_pdu(i, &h, NULL, 0);
    p = lab_pdu(w, i);
    assert_non_null(p);
    assert_int_equal(p->bhs.any.opcode, LOGOUT_RESPONSE);
    assert_int_equal(bhs_itt(&p->bhs), bhs_itt(&h));
    response = p->bhs.logout_response.response;
    free(p);
    return response;
}

static void logs_out(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    assert_int_equal(log_out(&w, i, LOGOUT_CONNECTION, 7), LOGOUT_NO_CID);
    assert_int_equal(log_out(&w, i, LOGOUT_RECOVERY, 0), LOGOUT_NO_RECOVERY);
    lab_alive(&w, i);
    assert_int_equal(log_out(&w, i, LOGOUT_CONNECTION, 0), LOGOUT_CLOSED);
    lab_until(&w, initiator_closed, i);
    assert_int_equal(i->closed_because, E_OK); /* FIN, not a reset */
    i = lab_ready(&w, "iqn.a", 1);
    assert_int_equal(log_out(&w, i, LOGOUT_SESSION, 0), LOGOUT_CLOSED);
    lab_until(&w, initiator_closed, i);
    lab_close(&w);
}

static void a_logout_does_not_wait_for_the_block(void **state)
{
    struct initiator_request r = {.owner = NULL};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    initiator_write(i, &r, 0, block, 4096);
    sim_run_for(w.sim, 200000);
    assert_int_equal(log_out(&w, i, LOGOUT_SESSION, 0), LOGOUT_CLOSED);
    lab_until(&w, initiator_closed, i);
    assert_int_equal(r.err, E_CLOSED);
    lab_close(&w);
}

/* ---- drain ---- */

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

static void a_drain_ends_the_sessions_of_an_attachment(void **state)
{
    struct draining d = {.drain = {.done = drained, .attachment = {0xa}}};
    struct initiator_request r = {.owner = NULL};
    struct lab w;
    struct initiator *i, *other;

    (void)state;
    lab_begin(&w);
    d.drain.block = &w.ram.block;
    w.directory.answer.attachment = (struct identity){0xa};
    i = lab_ready(&w, "iqn.a", 1);
    w.directory.answer.attachment = (struct identity){0xb};
    other = lab_ready(&w, "iqn.b", 1);
    w.ram.stalled = true;
    initiator_write(i, &r, 0, block, 4096);
    sim_run_for(w.sim, 200000);
    w.directory.answer.where = DIRECTORY_FORBIDDEN;
    iscsi_target_drain(w.home, &d.drain);
    lab_until(&w, initiator_closed, i);
    sim_run_for(w.sim, 1000000);
    assert_false(d.done); /* the block still has its write */
    assert_int_equal(iscsi_target_sessions(w.home, (struct identity){0xa}), 0);
    ram_block_go_on(&w.ram);
    lab_until(&w, is_drained, &d);
    assert_int_equal(lab_login(&w, "iqn.a", 1)->login_status, 0x0202);
    lab_alive(&w, other);
    lab_close(&w);
}

static void a_drain_of_the_block_ends_all_its_sessions(void **state)
{
    struct draining d = {.drain = {.done = drained}};
    struct draining nobody = {.drain = {.done = drained}};
    struct lab w;
    struct initiator *one, *two;

    (void)state;
    lab_begin(&w);
    d.drain.block = &w.ram.block;
    nobody.drain.block = NULL;
    nobody.drain.attachment = (struct identity){0xc};
    one = lab_ready(&w, "iqn.a", 1);
    two = lab_ready(&w, "iqn.b", 1);
    iscsi_target_drain(w.home, &nobody.drain);
    assert_false(nobody.done); /* never inside the call */
    lab_until(&w, is_drained, &nobody);
    lab_alive(&w, one);
    iscsi_target_drain(w.home, &d.drain);
    lab_until(&w, is_drained, &d);
    lab_until(&w, initiator_closed, one);
    lab_until(&w, initiator_closed, two);
    lab_close(&w);
}

static void an_attachment_taken_during_the_login_counts(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    if (lab_all_apart())
        skip(); /* it is let in as the directory said when it was handed over (T5) */
    lab_begin(&w);
    i = lab_raw(&w);
    initiator_login(i, STAGE_OPERATIONAL << 2, "InitiatorName=iqn.a\nTargetName=" LAB_TARGET "\n");
    free(lab_pdu(&w, i));
    w.directory.answer.where = DIRECTORY_FORBIDDEN;
    initiator_login(i, FLAG_FINAL | STAGE_OPERATIONAL << 2 | STAGE_FULL_FEATURE, "");
    free(lab_pdu(&w, i));
    assert_int_equal(i->login_status, 0x0202);
    lab_close(&w);
}

static void a_moved_block_ends_its_sessions(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    block_moved(&w.ram.block);
    lab_until(&w, initiator_closed, i);
    assert_int_equal(iscsi_target_sessions(w.home, w.directory.answer.attachment), 0);
    lab_close(&w);
}

static void a_resized_block_is_told(void **state)
{
    struct initiator_request r = {.length = 0};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    block_resized(&w.ram.block, 8192);
    assert_int_equal(lab_run(&w, i, &r), 2);
    assert_int_equal(sense_code(&r), 0x062a09);
    lab_close(&w);
}

/* ---- open and close ---- */

static void a_close_under_load_leaves_nothing(void **state)
{
    static struct initiator_request r[32];
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (uint32_t n = 0; n < 32; n += 2) {
        initiator_write(i, &r[n], 128 * n, block, sizeof block);
        initiator_read(i, &r[n + 1], 0, block, 512);
    }
    lab_raw(&w);   /* half-open */
    lab_close(&w); /* asserts that pools, watchers and requests are back */
    for (uint32_t n = 0; n < 32; n++)
        assert_true(r[n].answered);
}

static void a_port_that_is_taken_is_named(void **state)
{
    struct iscsi_config config = {.portals = {{"10.0.0.1:3261"}, {"10.0.0.1:3260"}},
                                  .portal_count = 2,
                                  .limits = iscsi_limits_small()};
    struct iscsi_target *second;
    uint32_t portal = 9;
    struct lab w;

    (void)state;
    lab_begin(&w);
    assert_int_equal(
        iscsi_target_open(w.target_env, &config, &w.directory.directory, &second, &portal), E_BUSY);
    assert_int_equal(portal, 1);
    lab_close(&w);
}

static void limits_that_make_no_sense_are_refused(void **state)
{
    struct iscsi_config config = {.portal_count = 0, .limits = iscsi_limits_small()};
    struct iscsi_target *second;
    uint32_t portal;
    struct lab w;

    (void)state;
    lab_begin(&w);
    config.limits.commands_max = 1;
    assert_int_equal(
        iscsi_target_open(w.target_env, &config, &w.directory.directory, &second, &portal),
        E_CONFIG);
    config.limits = iscsi_limits_small();
    config.limits.transfer_bytes_max = 1u << 30;
    assert_int_equal(
        iscsi_target_open(w.target_env, &config, &w.directory.directory, &second, &portal),
        E_CONFIG);
    config.limits = iscsi_limits_small();
    assert_in_range(iscsi_limits_bytes(&config.limits), config.limits.buffer_bytes,
                    2 * config.limits.buffer_bytes);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_name_and_isid_reinstates),
        cmocka_unit_test(another_name_or_isid_does_not),
        cmocka_unit_test(what_the_block_does_not_have_is_dropped),
        cmocka_unit_test(logs_out),
        cmocka_unit_test(a_logout_does_not_wait_for_the_block),
        cmocka_unit_test(a_drain_ends_the_sessions_of_an_attachment),
        cmocka_unit_test(a_drain_of_the_block_ends_all_its_sessions),
        cmocka_unit_test(an_attachment_taken_during_the_login_counts),
        cmocka_unit_test(a_moved_block_ends_its_sessions),
        cmocka_unit_test(a_resized_block_is_told),
        cmocka_unit_test(a_close_under_load_leaves_nothing),
        cmocka_unit_test(a_port_that_is_taken_is_named),
        cmocka_unit_test(limits_that_make_no_sense_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
