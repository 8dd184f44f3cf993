/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/output_test.c — a peer that reads slowly, or not at all. */
#include "base/util.h"
#include "iscsi-target/target.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_US 1000000ull
#define READS     8u
#define MIB       (1u << 20)

static uint8_t in[READS][MIB], block[4096];

/* How many bytes of Data-In came before the answer to the ping, or the function. */
struct order {
    struct initiator_watch watch;
    uint64_t data, before_ping, before_function;
};

static void sent(struct initiator_watch *w, const union bhs *h)
{
    (void)w;
    (void)h;
}

static void received(struct initiator_watch *w, const union bhs *h)
{
    struct order *o = container_of(w, struct order, watch);

    if (h->any.opcode == DATA_IN)
        o->data += bhs_data_bytes(h);
    if (h->any.opcode == NOP_IN && bhs_itt(h) != TAG_NONE)
        o->before_ping = o->data;
    if (h->any.opcode == TASK_MANAGEMENT_RESPONSE)
        o->before_function = o->data;
}

static void abort_nothing(struct initiator *i)
{
    union bhs h = {.task_management = {.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE,
                                       .function = FLAG_FINAL | TMF_ABORT_TASK}};

    initiator_stamp(i, &h);
    h.task_management.referenced_task_tag = be32_of(0x7fffffff);
    h.task_management.ref_cmd_sn = be32_of(i->cmd_sn);
    initiator_pdu(i, &h, NULL, 0);
}

/* 8 MiB are queued behind a peer that reads nothing; what is urgent passes all but what the network
 * and one batch have. */
static void pings_and_functions_pass_queued_data(void **state)
{
    struct order o = {.watch = {.sent = sent, .received = received}};
    struct initiator_config config = {.name = "iqn.a", .isid = {0x80}, .watch = &o.watch};
    static struct initiator_request r[READS];
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready_with(&w, config);
    memset(r, 0, sizeof r);
    sim_net_hold(i->net, SIM_RECEIVED, true);
    for (uint32_t n = 0; n < READS; n++)
        initiator_read(i, &r[n], 2048ull * n, in[n], MIB);
    sim_run_for(w.sim, SECOND_US);
    initiator_nop(i, "a ping", 7);
    abort_nothing(i);
    sim_run_for(w.sim, SECOND_US);
    sim_net_hold(i->net, SIM_RECEIVED, false);
    for (uint32_t n = 0; n < READS; n++)
        lab_until(&w, initiator_answered, &r[n]);
    assert_in_range(o.before_ping, 1, MIB);
    assert_in_range(o.before_function, 1, MIB);
    for (struct initiator_pdu *p; (p = initiator_take(i));)
        free(p);
    lab_alive(&w, i);
    lab_close(&w);
}

/* An immediate whose answer is with the network is under way no more, though that has not said so:
 * the initiator may have it, and send the next. */
static void answers_under_way_hold_no_immediates(void **state)
{
    struct initiator_request r = {0};
    uint32_t functions = 0;
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    sim_net_hold(i->net, SIM_RECEIVED, true);
    initiator_read(i, &r, 0, in[0], MIB / 4); /* the network takes that and no more */
    sim_run_for(w.sim, SECOND_US);
    abort_nothing(i);
    sim_run_for(w.sim, SECOND_US);
    for (uint32_t n = 0; n < IMMEDIATES_MAX; n++)
        abort_nothing(i);
    sim_run_for(w.sim, SECOND_US);
    sim_net_hold(i->net, SIM_RECEIVED, false);
    lab_until(&w, initiator_answered, &r);
    sim_run_for(w.sim, SECOND_US);
    for (struct initiator_pdu *p; (p = initiator_take(i));) {
        assert_int_equal(p->bhs.any.opcode, TASK_MANAGEMENT_RESPONSE);
        functions++;
        free(p);
    }
    assert_int_equal(functions, 1 + IMMEDIATES_MAX);
    lab_alive(&w, i);
    lab_close(&w);
}

/* It sends pings and reads nothing: what it holds comes back after a minute. */
static void who_reads_nothing_is_not_kept(void **state)
{
    static struct initiator_request r[64];
    static uint8_t ring[64][MIB];
    struct initiator *i, *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    w.directory.answer.deadline_seconds = 25;
    i = lab_ready(&w, "iqn.a", 1);
    other = lab_ready(&w, "iqn.b", 1);
    memset(r, 0, sizeof r);
    sim_net_hold(i->net, SIM_RECEIVED, true);
    for (uint32_t n = 0; n < 64; n++)
        initiator_read(i, &r[n], 2048ull * (n % 16), ring[n], MIB);
    for (uint32_t n = 0; n < 70 && i->net; n++) {
        sim_run_for(w.sim, SECOND_US);
        if (n < 55)
            assert_non_null(other->net);
        if (i->net && n % 10 == 0)
            initiator_nop(i, NULL, 0);
    }
    if (i->net)
        sim_net_hold(i->net, SIM_RECEIVED, false);
    lab_until(&w, initiator_closed, i);
    sim_run_for(w.sim, SECOND_US);
    assert_true(buffers_idle(&w.target->buffers));
    assert_int_equal(w.target->metrics.silent_ends.value, 1);
    for (struct initiator_pdu *p; (p = initiator_take(i));)
        free(p);
    assert_int_equal(lab_write(&w, other, 0, block, sizeof block), 0);
    lab_close(&w);
}

/* A peer that takes a little now and then is slow, and not dead. */
static void who_reads_slowly_is_kept(void **state)
{
    static struct initiator_request r[READS];
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    memset(r, 0, sizeof r);
    sim_net_hold(i->net, SIM_RECEIVED, true);
    for (uint32_t n = 0; n < READS; n++)
        initiator_read(i, &r[n], 2048ull * n, in[n], MIB);
    for (uint32_t n = 0; n < 5; n++) {
        sim_run_for(w.sim, 40 * SECOND_US);
        initiator_nop(i, NULL, 0); /* it is alive, for sure */
        sim_net_hold(i->net, SIM_RECEIVED, false);
        sim_run_for(w.sim, 300);
        sim_net_hold(i->net, SIM_RECEIVED, true);
    }
    assert_non_null(i->net);
    sim_net_hold(i->net, SIM_RECEIVED, false);
    for (uint32_t n = 0; n < READS; n++) {
        lab_until(&w, initiator_answered, &r[n]);
        assert_int_equal(r[n].status, 0);
    }
    for (struct initiator_pdu *p; (p = initiator_take(i));)
        free(p);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pings_and_functions_pass_queued_data),
        cmocka_unit_test(answers_under_way_hold_no_immediates),
        cmocka_unit_test(who_reads_nothing_is_not_kept),
        cmocka_unit_test(who_reads_slowly_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
