/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/metrics_test.c — overload is visible (iscsi.md 3.2, 13): what is counted.
 */
#include "base/util.h"
#include "iscsi-target/metrics.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)

static uint8_t block[4096];

static uint64_t count_of(const struct metric_histogram *h)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < METRIC_BUCKETS; i++)
        count += metric_get(&h->buckets[i]);
    return count;
}

static struct iscsi_session_info only_session(const struct lab *w)
{
    static struct iscsi_session_info info[2];

    memset(info, 0, sizeof info);
    assert_int_equal(iscsi_target_tell(w->target, info, 2), 1);
    return info[0];
}

static void commands_are_counted_by_what_they_do(void **state)
{
    struct initiator_request inquiry = {.cdb = {0x12, 0, 0, 0, 36}, .in = block, .length = 36};
    struct initiator_request unknown = {.cdb = {0xff}};
    const struct iscsi_metrics *m;
    struct iscsi_session_info s;
    uint64_t others;
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    m = iscsi_target_metrics(w.target);
    others = count_of(&m->other_seconds);
    for (uint32_t n = 0; n < 3; n++)
        assert_int_equal(lab_write(&w, i, 0, block, 4096), 0);
    assert_int_equal(lab_read(&w, i, 0, block, 2048), 0);
    assert_int_equal(lab_run(&w, i, &inquiry), 0);
    assert_int_equal(lab_run(&w, i, &unknown), 2);

    assert_int_equal(count_of(&m->write_seconds), 3);
    assert_int_equal(metric_get(&m->write_bytes), 3 * 4096);
    assert_int_equal(count_of(&m->read_seconds), 1);
    assert_int_equal(metric_get(&m->read_bytes), 2048);
    assert_int_equal(count_of(&m->other_seconds), others + 2);
    assert_true(metric_get(&m->check_conditions) > 0);
    s = only_session(&w);
    assert_int_equal(count_of(&s.metrics.write_seconds), 3);
    assert_int_equal(metric_get(&s.metrics.write_bytes), 3 * 4096);
    assert_int_equal(count_of(&s.metrics.read_seconds), 1);
    assert_int_equal(metric_get(&s.metrics.read_bytes), 2048);
    lab_close(&w);
}

static void a_slow_block_shows_in_latency_and_in_what_is_outstanding(void **state)
{
    struct initiator_request r = {0};
    const struct iscsi_metrics *m;
    struct iscsi_session_info s;
    struct lab w;
    struct initiator *i;
    uint64_t us;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    m = iscsi_target_metrics(w.target);
    w.ram.stalled = true;
    initiator_write(i, &r, 0, block, sizeof block);
    sim_run_for(w.sim, SECOND);
    s = only_session(&w);
    assert_int_equal(s.outstanding, 1);
    assert_true(s.received_us_ago >= SECOND / 2 && s.received_us_ago <= SECOND);
    assert_int_equal(count_of(&m->write_seconds), 0);
    ram_block_go_on(&w.ram);
    lab_until(&w, initiator_answered, &r);
    us = metric_get(&m->write_seconds.sum_us);
    assert_true(us >= SECOND / 2 && us <= 2 * SECOND);
    assert_int_equal(only_session(&w).outstanding, 0);
    lab_close(&w);
}

/* A window that is shut and opened for late commands: they are told TASK SET FULL. */
static void a_shut_window_is_counted_while_it_is_shut(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    static struct initiator_request r[8];
    const struct iscsi_metrics *m;
    struct iscsi_session_info s;
    struct lab w;
    struct initiator *i;
    uint64_t us;

    (void)state;
    limits.window = 8;
    limits.sessions_max = 1;
    limits.commands_max = 16;
    lab_open(&w, limits);
    i = lab_ready(&w, "iqn.a", 1);
    m = iscsi_target_metrics(w.target);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < 8; n++)
        initiator_write(i, &r[n], 8ull * n, block, sizeof block);
    sim_run_for(w.sim, 1500000);
    assert_int_equal(only_session(&w).outstanding, 8);
    assert_int_equal(only_session(&w).window, 8);
    us = metric_get(&m->window_shut_seconds);
    assert_true(us >= SECOND / 4 && us <= 1500000);
    assert_int_equal(metric_get(&m->windows_opened_late), 1);
    assert_int_equal(lab_write(&w, i, 0, block, sizeof block), 0x28);
    assert_int_equal(metric_get(&m->task_set_full), 1);
    s = only_session(&w);
    assert_int_equal(metric_get(&s.metrics.told_again), 1);
    assert_int_equal(metric_get(&s.metrics.window_shut_seconds), us);
    ram_block_go_on(&w.ram);
    for (uint32_t n = 0; n < 8; n++)
        lab_until(&w, initiator_answered, &r[n]);
    lab_close(&w);
}

static void pings_and_task_management_are_counted(void **state)
{
    union bhs h = {.task_management = {.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE,
                                       .function = FLAG_FINAL | TMF_ABORT_TASK_SET}};
    const struct iscsi_metrics *m;
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    m = iscsi_target_metrics(w.target);
    initiator_nop(i, block, 8);
    free(lab_pdu(&w, i));
    assert_int_equal(count_of(&m->ping_seconds), 1);
    initiator_stamp(i, &h);
    initiator_pdu(i, &h, NULL, 0);
    free(lab_pdu(&w, i));
    assert_int_equal(count_of(&m->tmf_seconds), 1);
    assert_int_equal(metric_get(&m->pings_sent), 0);
    sim_run_for(w.sim, 20 * SECOND); /* an idle initiator is pinged */
    assert_int_equal(metric_get(&m->pings_sent), 1);
    lab_close(&w);
}

static void logins_are_counted_by_how_they_end(void **state)
{
    const struct initiator_config stranger = {.name = "iqn.x", .target = "iqn.none"};
    const struct iscsi_metrics *m;
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    m = iscsi_target_metrics(w.target);
    i = lab_login(&w, "iqn.a", 1);
    assert_int_equal(metric_get(&m->logins), 1);
    assert_int_equal(metric_get(&m->sessions), 1);
    lab_part(&w, i);
    assert_int_equal(metric_get(&m->sessions), 0);
    lab_connect(&w, &stranger);
    assert_int_equal(metric_get(&m->logins_refused), 1);
    w.directory.answer.where = DIRECTORY_FORBIDDEN;
    lab_login(&w, "iqn.a", 2);
    assert_int_equal(metric_get(&m->logins_denied), 1);
    w.directory.answer.where = DIRECTORY_STARTING;
    lab_login(&w, "iqn.a", 3);
    assert_int_equal(metric_get(&m->logins_unavailable), 1);
    w.directory.answer.where = DIRECTORY_ELSEWHERE;
    lab_login(&w, "iqn.a", 4);
    assert_int_equal(metric_get(&m->logins_moved), 1);
    assert_int_equal(metric_get(&m->logins), 1);
    lab_raw(&w);
    sim_run_for(w.sim, 100000);
    assert_int_equal(metric_get(&m->half_open), 1);
    sim_run_for(w.sim, 60 * SECOND);
    assert_int_equal(metric_get(&m->half_open), 0);
    lab_close(&w);
}

static void what_cannot_be_understood_is_counted(void **state)
{
    union bhs h = {.any = {.opcode = 0x3f, .flags = FLAG_FINAL}};
    const struct iscsi_metrics *m;
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    m = iscsi_target_metrics(w.target);
    initiator_pdu(i, &h, NULL, 0);
    free(lab_pdu(&w, i));
    assert_int_equal(metric_get(&m->rejects), 1);
    lab_close(&w);
}

/* Who is silent for a minute is gone. */
static void a_dead_session_is_counted(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .mute = true};
    const struct iscsi_metrics *m;
    struct iscsi_session_info info;
    struct lab w;

    (void)state;
    lab_begin(&w);
    lab_ready_with(&w, config);
    m = iscsi_target_metrics(w.target);
    info = only_session(&w);
    assert_string_equal(info.initiator, "iqn.a");
    assert_true(info.volume.bits == w.ram.block.identity.bits);
    assert_true(*info.address.text);
    sim_run_for(w.sim, 70 * SECOND);
    assert_int_equal(metric_get(&m->silent_ends), 1);
    assert_int_equal(metric_get(&m->sessions), 0);
    assert_int_equal(iscsi_target_tell(w.target, &info, 1), 0);
    lab_close(&w);
}

static void more_sessions_than_room_are_said(void **state)
{
    struct iscsi_session_info info[2];
    struct lab w;

    (void)state;
    lab_begin(&w);
    for (uint8_t n = 0; n < 3; n++)
        lab_ready(&w, "iqn.a", n);
    assert_int_equal(iscsi_target_tell(w.target, info, 2), 3);
    assert_int_equal(info[0].isid[5], 0);
    assert_int_equal(info[1].isid[5], 1);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_counted_by_what_they_do),
        cmocka_unit_test(a_slow_block_shows_in_latency_and_in_what_is_outstanding),
        cmocka_unit_test(a_shut_window_is_counted_while_it_is_shut),
        cmocka_unit_test(pings_and_task_management_are_counted),
        cmocka_unit_test(logins_are_counted_by_how_they_end),
        cmocka_unit_test(what_cannot_be_understood_is_counted),
        cmocka_unit_test(a_dead_session_is_counted),
        cmocka_unit_test(more_sessions_than_room_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
