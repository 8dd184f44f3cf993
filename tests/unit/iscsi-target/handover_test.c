/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/handover_test.c — logins on their way from the portal's reactor to the
 * block's (T5).  The suites of login, CHAP, session and text run so as well (LAB_APART).
 */
#include "iscsi-target/target.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TO_FULL (FLAG_FINAL | STAGE_OPERATIONAL << 2 | STAGE_FULL_FEATURE)
#define NAMES   "InitiatorName=iqn.a\nTargetName=" LAB_TARGET "\n"
#define SECOND  1000000u
#define WAY_US  400u /* within so long a login has usually come to its home */

static void open_apart(struct lab *w, uint64_t seed)
{
    struct iscsi_limits limits = iscsi_limits_small();

    limits.buffer_bytes = 4u << 20;
    lab_open_apart(w, limits, seed);
}

static void assert_all_back(const struct pool *p)
{
    assert_int_equal(p->free_count, p->count);
}

/* Nothing of a login is left, here or there. */
static void assert_no_logins(const struct lab *w)
{
    const struct iscsi_target *both[] = {w->target, w->home};

    for (uint32_t n = 0; n < 2; n++) {
        assert_int_equal(both[n]->half_open_count, 0);
        assert_int_equal(both[n]->letters, 0);
        assert_all_back(&both[n]->handover_pool);
        assert_all_back(&both[n]->text_pool);
    }
}

static void a_session_lives_at_its_home(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    open_apart(&w, 1);
    i = lab_ready(&w, "iqn.a", 1);
    assert_int_equal(iscsi_target_sessions(w.home, w.directory.answer.attachment), 1);
    assert_int_equal(iscsi_target_sessions(w.target, w.directory.answer.attachment), 0);
    sim_run_for(w.sim, SECOND);
    assert_no_logins(&w);
    assert_all_back(&w.target->connection_pool);
    lab_alive(&w, i);
    lab_close(&w);
}

static void what_is_refused_does_not_move(void **state)
{
    static const struct {
        enum directory_where where;
        uint16_t status;
    } answers[] = {{DIRECTORY_STARTING, 0x0301},
                   {DIRECTORY_UNKNOWN, 0x0203},
                   {DIRECTORY_FORBIDDEN, 0x0202},
                   {DIRECTORY_ELSEWHERE, 0x0101}};
    struct lab w;

    (void)state;
    open_apart(&w, 1);
    w.directory.answer.address = (struct net_address){"10.0.0.2:3260"};
    for (uint32_t n = 0; n < array_length(answers); n++) {
        w.directory.answer.where = answers[n].where;
        assert_int_equal(lab_login(&w, "iqn.a", 1)->login_status, answers[n].status);
    }
    assert_int_equal(w.home->connection_pool.low_mark, w.home->connection_pool.count);
    lab_close(&w);
}

/* The initiator goes at any moment; half of them send the request in two parts (C bit). */
static void a_login_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 80; seed++) {
        struct initiator *i;
        struct lab w;

        open_apart(&w, seed);
        i = lab_raw(&w);
        if (seed % 2) {
            initiator_login(i, FLAG_CONTINUE | STAGE_OPERATIONAL << 2, "InitiatorName=iqn.a\n");
            sim_run_for(w.sim, sim_draw(w.sim, WAY_US));
            initiator_login(i, TO_FULL, "TargetName=" LAB_TARGET "\n");
        } else {
            initiator_login(i, TO_FULL, NAMES);
        }
        sim_run_for(w.sim, sim_draw(w.sim, 2 * WAY_US));
        lab_part(&w, i);
        sim_run_for(w.sim, SECOND);
        assert_no_logins(&w);
        assert_int_equal(iscsi_target_sessions(w.home, w.directory.answer.attachment), 0);
        lab_close(&w);
    }
}

/* ---- the directory changes its mind ---- */

struct order_to_drain {
    struct mail mail;
    struct iscsi_drain drain;
    struct iscsi_target *home;
    bool drained;
};

static void drained(struct iscsi_drain *d)
{
    container_of(d, struct order_to_drain, drain)->drained = true;
}

static void drain_at_home(struct mail *m)
{
    struct order_to_drain *o = container_of(m, struct order_to_drain, mail);

    iscsi_target_drain(o->home, &o->drain);
}

static bool is_drained(void *order)
{
    return ((struct order_to_drain *)order)->drained;
}

/* The end of the attachment is recorded, then the order goes to the home: whatever is on its way.
 */
static void a_drain_is_not_outrun(void **state)
{
    uint32_t refused = 0, ended = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        struct order_to_drain o = {.mail.opened = drain_at_home, .drain.done = drained};
        struct initiator *i;
        struct lab w;

        open_apart(&w, seed);
        o.home = w.home;
        o.drain.block = &w.ram.block;
        o.drain.attachment = w.directory.answer.attachment;
        i = lab_raw(&w);
        initiator_login(i, seed % 2 ? TO_FULL : STAGE_OPERATIONAL << 2, NAMES);
        sim_run_for(w.sim, sim_draw(w.sim, 2 * WAY_US));
        w.directory.answer.where = DIRECTORY_FORBIDDEN;
        mail_send(w.home_env, &o.mail);
        lab_until(&w, is_drained, &o);
        if (i->net && seed % 2 == 0)
            initiator_login(i, TO_FULL, "");
        sim_run_for(w.sim, SECOND);
        assert_int_equal(iscsi_target_sessions(w.home, o.drain.attachment), 0);
        assert_null(i->net);
        refused += i->login_status == 0x0202;
        ended += i->login_status == 0;
        lab_close(&w);
    }
    assert_true(refused > 10);
    assert_true(ended > 10);
}

static bool is_on_its_way(void *target)
{
    const struct iscsi_target *t = target;

    return t->handover_pool.free_count < t->handover_pool.count && t->letters == 0;
}

static void another_home_meanwhile_is_tried_again(void **state)
{
    struct initiator *i;
    struct lab w;

    (void)state;
    open_apart(&w, 1);
    i = lab_raw(&w);
    initiator_login(i, TO_FULL, NAMES);
    lab_until(&w, is_on_its_way, w.target);
    w.directory.answer.home = NULL;
    free(lab_pdu(&w, i));
    assert_int_equal(i->login_status, 0x0301);
    lab_close(&w);
}

/* ---- a home that has no room ---- */

struct taken {
    struct pool *pool;
    void *items[1024];
    uint32_t count;
};

static void take_all(struct taken *t, struct pool *p)
{
    t->pool = p;
    t->count = 0;
    while ((t->items[t->count] = pool_get(p)))
        t->count++;
}

static void give_all(struct taken *t)
{
    while (t->count > 0)
        pool_put(t->pool, t->items[--t->count]);
}

static void a_home_without_room_closes_or_refuses(void **state)
{
    static struct taken taken;
    struct initiator *i;
    struct lab w;

    (void)state;
    open_apart(&w, 1);
    take_all(&taken, &w.home->connection_pool);
    i = lab_login(&w, "iqn.a", 1);
    assert_null(i->net);
    assert_false(i->full);
    give_all(&taken);
    take_all(&taken, &w.home->text_pool);
    assert_int_equal(lab_login(&w, "iqn.a", 2)->login_status, 0x0302);
    give_all(&taken);
    sim_run_for(w.sim, SECOND);
    assert_no_logins(&w);
    lab_alive(&w, lab_ready(&w, "iqn.a", 3));
    lab_close(&w);
}

/* ---- what comes behind the request ---- */

static void more_than_is_kept_ends_it(void **state)
{
    static uint8_t much[200000];

    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct initiator *i;
        struct lab w;

        open_apart(&w, seed);
        i = lab_raw(&w);
        initiator_login(i, STAGE_OPERATIONAL << 2, NAMES);
        initiator_send(i, much, sizeof much);
        lab_until(&w, initiator_closed, i);
        sim_run_for(w.sim, SECOND);
        assert_no_logins(&w);
        lab_close(&w);
    }
}

/* Its commands are in the same bytes as its login: none is lost, none comes twice. */
static void commands_behind_the_login_come_along(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        union bhs pings[8];
        struct initiator *i;
        struct lab w;

        open_apart(&w, seed);
        i = lab_raw(&w);
        initiator_login(i, TO_FULL, NAMES);
        memset(pings, 0, sizeof pings);
        for (uint32_t n = 0; n < array_length(pings); n++) {
            pings[n].any.opcode = NOP_OUT;
            pings[n].any.flags = FLAG_FINAL;
            pings[n].any.target_transfer_tag = be32_of(TAG_NONE);
            initiator_stamp(i, &pings[n]);
        }
        initiator_send(i, pings, sizeof pings);
        free(lab_pdu(&w, i));
        assert_true(i->full);
        for (uint32_t n = 0; n < array_length(pings); n++) {
            struct initiator_pdu *p = lab_pdu(&w, i);

            assert_non_null(p);
            assert_int_equal(p->bhs.any.opcode, NOP_IN);
            assert_int_equal(bhs_itt(&p->bhs), bhs_itt(&pings[n]));
            free(p);
        }
        lab_close(&w);
    }
}

/* ---- bounds ---- */

static void a_login_at_home_keeps_its_deadline(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator *i;
    struct lab w;

    (void)state;
    limits.login_seconds_max = 10;
    lab_open_apart(&w, limits, 1);
    i = lab_raw(&w);
    sim_run_for(w.sim, 6 * SECOND); /* silent at the portal … */
    initiator_login(i, STAGE_OPERATIONAL << 2, NAMES);
    free(lab_pdu(&w, i));
    sim_run_for(w.sim, 3 * SECOND); /* … and at home */
    assert_non_null(i->net);
    sim_run_for(w.sim, 2 * SECOND);
    assert_null(i->net);
    assert_no_logins(&w);
    lab_close(&w);
}

/* Asserts, in freeing both, that nothing is out. */
static void a_close_waits_for_what_is_on_its_way(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct lab w;

        open_apart(&w, seed);
        for (uint32_t n = 0; n < 4; n++) {
            struct initiator *i = lab_raw(&w);

            i->config.isid[5] = (uint8_t)n;
            initiator_login(i, TO_FULL, NAMES);
        }
        sim_run_for(w.sim, sim_draw(w.sim, 2 * WAY_US));
        lab_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_lives_at_its_home),
        cmocka_unit_test(what_is_refused_does_not_move),
        cmocka_unit_test(a_login_may_be_cut_anywhere),
        cmocka_unit_test(a_drain_is_not_outrun),
        cmocka_unit_test(another_home_meanwhile_is_tried_again),
        cmocka_unit_test(a_home_without_room_closes_or_refuses),
        cmocka_unit_test(more_than_is_kept_ends_it),
        cmocka_unit_test(commands_behind_the_login_come_along),
        cmocka_unit_test(a_login_at_home_keeps_its_deadline),
        cmocka_unit_test(a_close_waits_for_what_is_on_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
