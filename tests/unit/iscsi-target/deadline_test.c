/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/deadline_test.c — no command is silent past its attachment's deadline. */
#include "base/util.h"
#include "iscsi-target/command.h"
#include "iscsi-target/target.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_US  1000000ull
#define BUSY       0x08
#define DEADLINE_S 25u

static uint8_t block[4096], big[2 << 20];

static void begin(struct lab *w, struct iscsi_limits limits, uint32_t deadline_seconds)
{
    lab_open(w, limits);
    w->directory.answer.deadline_seconds = deadline_seconds;
}

static struct initiator *begin_usual(struct lab *w, uint32_t deadline_seconds)
{
    struct iscsi_limits limits = iscsi_limits_small();

    limits.buffer_bytes = 24u << 20;
    begin(w, limits, deadline_seconds);
    return lab_ready(w, "iqn.a", 1);
}

/* Silent until just before, BUSY within a tick. */
static void expect_busy(struct lab *w, struct initiator_request *r, uint64_t since_us)
{
    uint64_t due = since_us + DEADLINE_S * SECOND_US;

    sim_run_for(w->sim, due - SECOND_US / 4 - sim_now_us(w->sim));
    assert_false(r->answered);
    sim_run_for(w->sim, SECOND_US);
    assert_true(r->answered);
    assert_int_equal(r->err, E_OK);
    assert_int_equal(r->status, BUSY);
    assert_int_equal(r->sense_bytes, 0);
}

static void what_the_block_has_is_told_busy_and_runs_on(void **state)
{
    struct initiator_request r = {0};
    struct initiator *i;
    struct lab w;
    uint64_t since;

    (void)state;
    i = begin_usual(&w, DEADLINE_S);
    memset(block, 0x5a, sizeof block);
    w.ram.stalled = true;
    since = sim_now_us(w.sim);
    initiator_write(i, &r, 0, block, sizeof block);
    expect_busy(&w, &r, since);
    assert_int_equal(r.residual, sizeof block);
    assert_int_equal(w.target->metrics.late_answers.value, 0);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, SECOND_US);
    assert_null(initiator_take(i)); /* one answer, and no second one */
    assert_memory_equal(w.ram.bytes, block, sizeof block);
    assert_int_equal(w.target->metrics.expired.value, 1);
    assert_int_equal(w.target->metrics.late_answers.value, 1);
    lab_alive(&w, i);
    lab_close(&w);
}

/* The block has answered, the tick comes in the same turn, before the command's step. */
static void an_answer_that_is_there_is_told(void **state)
{
    struct initiator_request r = {0};
    struct initiator *i;
    struct command *c;
    struct session *s;
    struct lab w;

    (void)state;
    i = begin_usual(&w, DEADLINE_S);
    w.ram.stalled = true;
    initiator_write(i, &r, 0, block, sizeof block);
    sim_run_for(w.sim, SECOND_US);
    s = container_of(w.target->sessions.next, struct session, link);
    c = container_of(s->commands.next, struct command, link);
    c->performed = true;
    deadline_look(s, sim_now_us(w.sim) + DEADLINE_S * SECOND_US);
    assert_false(c->expired);
    c->performed = false;
    deadline_look(s, sim_now_us(w.sim) + DEADLINE_S * SECOND_US);
    assert_true(c->expired);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, SECOND_US);
    assert_int_equal(r.status, BUSY);
    lab_close(&w);
}

/* The block fills its memory long after the initiator was told. */
static void a_late_read_keeps_its_memory(void **state)
{
    struct initiator_request r = {0};
    struct initiator *i;
    struct lab w;
    uint64_t since;

    (void)state;
    i = begin_usual(&w, DEADLINE_S);
    w.ram.stalled = true;
    since = sim_now_us(w.sim);
    initiator_read(i, &r, 0, big, sizeof big);
    expect_busy(&w, &r, since);
    assert_int_equal(r.residual, sizeof big);
    assert_false(buffers_idle(&w.target->buffers));
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, SECOND_US);
    assert_true(buffers_idle(&w.target->buffers));
    lab_alive(&w, i);
    lab_close(&w);
}

/* It is work that is not done: until then the window is narrower by it. */
static void a_late_command_keeps_its_slot(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    static struct initiator_request r[4];
    struct initiator *i;
    struct lab w;

    (void)state;
    limits.window = 4;
    limits.sessions_max = 1;
    limits.commands_max = 8;
    begin(&w, limits, DEADLINE_S);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < 4; n++)
        initiator_write(i, &r[n], 8ull * n, block, sizeof block);
    for (uint32_t n = 0; n < 4; n++)
        lab_until(&w, initiator_answered, &r[n]);
    for (uint32_t n = 0; n < 10; n++) { /* a late slot opens, and tells TASK SET FULL */
        struct initiator_request more = {0};

        sim_run_for(w.sim, 2 * SECOND_US);
        initiator_write(i, &more, 0, block, sizeof block);
        lab_until(&w, initiator_answered, &more);
        assert_int_equal(more.status, 0x28);
    }
    assert_int_equal(w.ram.writes, 4);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, 3 * SECOND_US);
    lab_alive(&w, i);
    assert_int_equal(initiator_window(i), 4);
    lab_close(&w);
}

/* The data of one never comes, another has all memory that its unit may have, a third waits for it.
 */
static void who_waits_for_memory_or_data_is_told_busy(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator_config config = {.name = "iqn.a", .isid = {0x80}, .no_immediate_data = true};
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    static struct initiator_request first, second;
    struct initiator_pdu *p;
    struct initiator *i;
    struct lab w;

    (void)state;
    limits.buffer_bytes = 4u << 20;
    begin(&w, limits, DEADLINE_S);
    i = lab_ready_with(&w, config);
    w.ram.stalled = true;
    h.scsi_command.expected_data_transfer_length = be32_of(512);
    lab_raw_write(i, &h, (struct extent){5, 1}, NULL, 0);
    p = lab_pdu(&w, i);
    assert_int_equal(p->bhs.any.opcode, R2T);
    free(p);
    initiator_write(i, &first, 0, big, sizeof big);
    sim_run_for(w.sim, SECOND_US);
    initiator_write(i, &second, 0, big, sizeof big);
    lab_until(&w, initiator_answered, &first);
    assert_int_equal(first.status, BUSY);
    assert_int_equal(lab_response(&w, i, &h), BUSY);
    lab_until(&w, initiator_answered, &second);
    assert_int_equal(second.status, BUSY);
    assert_in_range(sim_now_us(w.sim), DEADLINE_S * SECOND_US, (DEADLINE_S + 4) * SECOND_US);
    assert_int_equal(w.ram.writes, 1);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, SECOND_US);
    assert_true(buffers_idle(&w.target->buffers));
    lab_alive(&w, i);
    lab_close(&w);
}

static void data_that_comes_after_busy_is_skipped(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .isid = {0x80}, .no_immediate_data = true};
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    union bhs data = {.data_out = {.opcode = DATA_OUT, .flags = FLAG_FINAL}};
    struct initiator_pdu *p;
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    w.directory.answer.deadline_seconds = DEADLINE_S;
    i = lab_ready_with(&w, config);
    h.scsi_command.expected_data_transfer_length = be32_of(sizeof block);
    lab_raw_write(i, &h, (struct extent){0, 8}, NULL, 0);
    p = lab_pdu(&w, i);
    data.data_out.initiator_task_tag = h.any.initiator_task_tag;
    data.data_out.target_transfer_tag = p->bhs.r2t.target_transfer_tag;
    free(p);
    assert_int_equal(lab_response(&w, i, &h), BUSY);
    assert_int_equal(w.ram.writes, 0);
    initiator_pdu(i, &data, block, sizeof block);
    sim_run_for(w.sim, SECOND_US);
    assert_null(initiator_take(i));
    assert_int_equal(w.ram.writes, 0);
    lab_alive(&w, i);
    lab_close(&w);
}

/* For libiscsi and QEMU, which have no timer and give up after seven BUSY. */
static void without_a_deadline_a_command_waits_for_ever(void **state)
{
    struct initiator_request r = {0};
    struct initiator *i;
    struct lab w;

    (void)state;
    i = begin_usual(&w, 0);
    w.ram.stalled = true;
    initiator_write(i, &r, 0, block, sizeof block);
    sim_run_for(w.sim, 600 * SECOND_US);
    assert_false(r.answered);
    ram_block_go_on(&w.ram);
    lab_until(&w, initiator_answered, &r);
    assert_int_equal(r.status, 0);
    lab_close(&w);
}

/* It answers pings and sends no data: what it holds comes back after a minute of that. */
static void memory_that_is_asked_for_data_in_vain_comes_back(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .isid = {0x80}, .no_immediate_data = true};
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready_with(&w, config);
    h.scsi_command.expected_data_transfer_length = be32_of(sizeof big);
    lab_raw_write(i, &h, (struct extent){0, sizeof big / 512}, NULL, 0);
    for (uint32_t n = 0; n < 2; n++) { /* an R2T for each MaxBurstLength */
        struct initiator_pdu *p = lab_pdu(&w, i);

        assert_int_equal(p->bhs.any.opcode, R2T);
        free(p);
    }
    sim_run_for(w.sim, 59 * SECOND_US);
    assert_null(initiator_take(i));
    assert_false(buffers_idle(&w.target->buffers));
    assert_int_equal(lab_response(&w, i, &h), BUSY);
    sim_run_for(w.sim, SECOND_US);
    assert_true(buffers_idle(&w.target->buffers));
    lab_alive(&w, i);
    lab_close(&w);
}

/* A session that ends while the block has a late command of its: nobody is told, nothing is lost.
 */
static void a_late_command_outlives_its_session(void **state)
{
    static struct initiator_request r[8];
    struct initiator *i;
    struct lab w;

    (void)state;
    i = begin_usual(&w, 1);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < 8; n++)
        initiator_write(i, &r[n], 8ull * n, block, sizeof block);
    lab_until(&w, initiator_answered, &r[7]);
    lab_part(&w, i);
    i = lab_ready(&w, "iqn.a", 1);
    ram_block_go_on(&w.ram);
    lab_alive(&w, i);
    lab_close(&w);
}

static void a_long_command_begins_nothing_after_busy(void **state)
{
    struct initiator_request r = {.length = 512};
    struct initiator *i;
    struct lab w;

    (void)state;
    i = begin_usual(&w, DEADLINE_S);
    memset(block, 1, sizeof block);
    r.cdb[0] = 0x93; /* WRITE SAME(16) of 16 MiB: several requests */
    be32_put(r.cdb, 10, 32768);
    r.out = block;
    w.ram.stalled = true;
    initiator_command(i, &r);
    lab_until(&w, initiator_answered, &r);
    assert_int_equal(r.status, BUSY);
    assert_int_equal(w.ram.writes, 1);
    ram_block_go_on(&w.ram);
    sim_run_for(w.sim, SECOND_US);
    assert_int_equal(w.ram.writes, 1);
    lab_alive(&w, i);
    lab_close(&w);
}

/* Asked again it is another session's: the block then knows it by its note (base/block.h). */
static void compare_and_write_is_asked_anew(void **state)
{
    struct initiator_request r = {.length = 1024}, again = {.length = 1024};
    const struct block_request *below;
    struct initiator *i;
    struct lab w;
    uint64_t session;

    (void)state;
    i = begin_usual(&w, DEADLINE_S);
    r.cdb[0] = again.cdb[0] = 0x89;
    r.cdb[13] = again.cdb[13] = 1;
    r.out = again.out = big;
    w.ram.stalled = true;
    initiator_command(i, &r);
    lab_until(&w, initiator_answered, &r);
    assert_int_equal(r.status, BUSY);
    below = container_of(w.ram.requests.next, struct block_request, link);
    session = below->note.session;
    initiator_command(i, &again);
    sim_run_for(w.sim, SECOND_US);
    below = container_of(w.ram.requests.next->next, struct block_request, link);
    assert_int_equal(below->note.initiator != 0, 1);
    assert_int_not_equal(below->note.session, session);
    ram_block_go_on(&w.ram);
    lab_until(&w, initiator_answered, &again);
    lab_close(&w);
}

/* Without a deadline a write may wait for memory for long; its data has a minute from then on. */
static void data_is_waited_for_since_there_is_memory(void **state)
{
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    union bhs d = {.data_out = {.opcode = DATA_OUT, .flags = FLAG_FINAL}};
    static struct initiator_request r[64];
    struct initiator *i, *other;
    struct initiator_pdu *r2t;
    struct lab w;

    (void)state;
    i = begin_usual(&w, 0);
    other = lab_ready(&w, "iqn.b", 2);
    memset(r, 0, sizeof r);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < array_length(r);
         n++) /* half of the memory, and some that wait for it */
        initiator_read(other, &r[n], 0, big, 256 << 10);
    sim_run_for(w.sim, SECOND_US);
    h.scsi_command.expected_data_transfer_length = be32_of(sizeof block);
    lab_raw_write(i, &h, (struct extent){0, 8}, NULL, 0);
    sim_run_for(w.sim, 70 * SECOND_US);
    assert_null(initiator_take(i));
    ram_block_go_on(&w.ram);
    w.ram.stalled = false;
    r2t = lab_pdu(&w, i);
    assert_int_equal(r2t->bhs.any.opcode, R2T);
    sim_run_for(w.sim, SECOND_US);
    d.data_out.initiator_task_tag = h.any.initiator_task_tag;
    d.data_out.target_transfer_tag = r2t->bhs.any.target_transfer_tag;
    free(r2t);
    initiator_pdu(i, &d, block, sizeof block);
    assert_int_equal(lab_response(&w, i, &h), 0);
    for (uint32_t n = 0; n < array_length(r); n++)
        lab_until(&w, initiator_answered, &r[n]);
    lab_alive(&w, i);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_block_has_is_told_busy_and_runs_on),
        cmocka_unit_test(an_answer_that_is_there_is_told),
        cmocka_unit_test(data_is_waited_for_since_there_is_memory),
        cmocka_unit_test(a_late_read_keeps_its_memory),
        cmocka_unit_test(a_late_command_keeps_its_slot),
        cmocka_unit_test(who_waits_for_memory_or_data_is_told_busy),
        cmocka_unit_test(data_that_comes_after_busy_is_skipped),
        cmocka_unit_test(without_a_deadline_a_command_waits_for_ever),
        cmocka_unit_test(memory_that_is_asked_for_data_in_vain_comes_back),
        cmocka_unit_test(a_late_command_outlives_its_session),
        cmocka_unit_test(a_long_command_begins_nothing_after_busy),
        cmocka_unit_test(compare_and_write_is_asked_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
