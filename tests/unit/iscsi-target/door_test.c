/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/door_test.c — a slow block: the sessions take turns at it (D1), windows
 * follow what it gets done, and no command is late for that.
 */
#include "base/util.h"
#include "iscsi-target/target.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_US    1000000ull
#define CLIENTS      16u
#define DEPTH        32u
#define DEPTH_GREEDY 128u

static uint8_t block[4096];

static uint32_t list_length(const struct list *head)
{
    uint32_t count = 0;

    list_for_each(l, head)
        count++;
    return count;
}

/* ---- a client that keeps its queue full ---- */

struct client {
    struct initiator *initiator;
    struct initiator_request requests[DEPTH_GREEDY];
    uint64_t sent_us[DEPTH_GREEDY], longest_us;
    uint32_t depth, done, told_again;
};

static void harvest(struct lab *w, struct client *c, uint32_t n)
{
    struct initiator_request *r = &c->requests[n];

    assert_int_equal(r->err, E_OK);
    assert_true(r->status == 0 || r->status == 0x08 || r->status == 0x28);
    c->done += r->status == 0;
    c->told_again += r->status != 0;
    c->longest_us = max_u64(c->longest_us, sim_now_us(w->sim) - c->sent_us[n]);
    *r = (struct initiator_request){0};
}

static void client_turn(struct lab *w, struct client *c)
{
    for (uint32_t n = 0; n < c->depth; n++) {
        struct initiator_request *r = &c->requests[n];

        if (r->answered)
            harvest(w, c, n);
        if (r->initiator || (int32_t)initiator_window(c->initiator) <= 0)
            continue;
        c->sent_us[n] = sim_now_us(w->sim);
        initiator_write(c->initiator, r, 8ull * n, block, sizeof block);
    }
}

static void play(struct lab *w, struct client *clients, uint32_t count, uint64_t us)
{
    for (uint64_t end = sim_now_us(w->sim) + us; sim_now_us(w->sim) < end;) {
        for (uint32_t n = 0; n < count; n++)
            client_turn(w, &clients[n]);
        sim_run_for(w->sim, 5000);
    }
}

static struct client *clients_open(struct lab *w, uint32_t count, uint32_t depth)
{
    struct client *clients = calloc(count, sizeof *clients);

    for (uint32_t n = 0; n < count; n++) {
        char name[32];

        snprintf(name, sizeof name, "iqn.%u", n);
        clients[n].initiator = lab_ready(w, name, 1);
        clients[n].depth = depth;
    }
    return clients;
}

/* Everything is answered, nobody was dropped. */
static void clients_close(struct lab *w, struct client *clients, uint32_t count)
{
    w->ram.rate = 0;
    ram_block_go_on(&w->ram);
    for (uint32_t n = 0; n < count; n++) {
        assert_non_null(clients[n].initiator->net);
        for (uint32_t m = 0; m < clients[n].depth; m++)
            if (clients[n].requests[m].initiator)
                lab_until(w, initiator_answered, &clients[n].requests[m]);
    }
    free(clients);
    lab_close(w);
}

static uint32_t least(const struct client *clients, uint32_t count)
{
    uint32_t ret = UINT32_MAX;

    for (uint32_t n = 0; n < count; n++)
        ret = min_u32(ret, clients[n].done);
    return ret;
}

static uint32_t most(const struct client *clients, uint32_t count)
{
    uint32_t ret = 0;

    for (uint32_t n = 0; n < count; n++)
        ret = max_u32(ret, clients[n].done);
    return ret;
}

static uint64_t longest(const struct client *clients, uint32_t count)
{
    uint64_t ret = 0;

    for (uint32_t n = 0; n < count; n++)
        ret = max_u64(ret, clients[n].longest_us);
    return ret;
}

/* ---- the storm of the design ---- */

static void a_store_of_200_iops_serves_16_sessions_alike(void **state)
{
    struct client *clients;
    struct lab w;

    (void)state;
    lab_begin(&w);
    w.directory.answer.deadline_seconds = 25;
    clients = clients_open(&w, CLIENTS, DEPTH);
    w.ram.rate = 200;
    play(&w, clients, CLIENTS, 60 * SECOND_US);
    assert_true(least(clients, CLIENTS) > 500);
    assert_true(most(clients, CLIENTS) <= 2 * least(clients, CLIENTS));
    assert_true(longest(clients, CLIENTS) < 10 * SECOND_US);
    assert_int_equal(w.target->metrics.expired.value, 0);
    assert_int_equal(w.target->metrics.windows_opened_late.value, 0);
    clients_close(&w, clients, CLIENTS);
}

/* One asks for as much as it may, the others for little: they do not wait behind all that. */
static void a_greedy_session_does_not_starve_the_modest(void **state)
{
    struct client *clients;
    struct lab w;

    (void)state;
    lab_begin(&w);
    w.directory.answer.deadline_seconds = 25;
    clients = clients_open(&w, 4, 4);
    clients[0].depth = DEPTH_GREEDY;
    w.ram.rate = 200;
    play(&w, clients, 4, 10 * SECOND_US); /* its window was wide open */
    for (uint32_t n = 0; n < 4; n++)
        clients[n].done = 0, clients[n].longest_us = 0;
    play(&w, clients, 4, 60 * SECOND_US);
    /* In line with the others' 128 commands a round of 4 takes 0.7 s: 340 in a minute. */
    for (uint32_t n = 1; n < 4; n++) {
        assert_true(clients[n].done > 500);
        assert_true(clients[n].longest_us < SECOND_US);
    }
    clients_close(&w, clients, 4);
}

static void a_window_narrows_with_the_work_and_opens_again(void **state)
{
    struct client *clients;
    struct lab w;

    (void)state;
    lab_begin(&w);
    w.directory.answer.deadline_seconds = 25;
    clients = clients_open(&w, 4, DEPTH_GREEDY);
    play(&w, clients, 4, 2 * SECOND_US);
    assert_int_equal(clients[0].initiator->max_cmd_sn - clients[0].initiator->exp_cmd_sn + 1 +
                         list_length(&clients[0].initiator->requests),
                     DEPTH_GREEDY);
    w.ram.rate = 20; /* 512 commands are 25 s of work */
    play(&w, clients, 4, 60 * SECOND_US);
    for (uint32_t n = 0; n < 4; n++) {
        assert_true(list_length(&clients[n].initiator->requests) <= 40);
        clients[n].longest_us = 0;
    }
    play(&w, clients, 4, 60 * SECOND_US);
    assert_true(longest(clients, 4) < 10 * SECOND_US); /* 5 s is what windows aim at */
    w.ram.rate = 0;
    ram_block_go_on(&w.ram);
    play(&w, clients, 4, 5 * SECOND_US);
    for (uint32_t n = 0; n < 4; n++)
        assert_int_equal(clients[n].initiator->max_cmd_sn - clients[n].initiator->exp_cmd_sn + 1 +
                             list_length(&clients[n].initiator->requests),
                         DEPTH_GREEDY);
    clients_close(&w, clients, 4);
}

/* Its window was granted when nothing was slow, and is used when all is. */
static void who_comes_late_to_a_slow_block_is_told_task_set_full(void **state)
{
    struct client *clients;
    struct lab w;

    (void)state;
    lab_begin(&w);
    w.directory.answer.deadline_seconds = 25;
    clients = clients_open(&w, 4, 30);
    w.ram.rate = 5;
    play(&w, clients, 3, 60 * SECOND_US);
    clients[3].depth = DEPTH_GREEDY;
    play(&w, clients, 4, SECOND_US);
    assert_true(clients[3].told_again > 64);
    assert_true(w.target->metrics.task_set_full.value > 64);
    clients_close(&w, clients, 4);
}

/* A disk that hangs for 20 s: nobody is late, nobody is dropped, and then all is as before. */
static void a_hang_of_20_s_is_a_pause(void **state)
{
    struct client *clients;
    struct lab w;

    (void)state;
    lab_begin(&w);
    w.directory.answer.deadline_seconds = 25;
    clients = clients_open(&w, CLIENTS, DEPTH);
    play(&w, clients, CLIENTS, SECOND_US);
    w.ram.stalled = true;
    play(&w, clients, CLIENTS, 20 * SECOND_US);
    ram_block_go_on(&w.ram);
    play(&w, clients, CLIENTS, SECOND_US / 4);
    assert_int_equal(w.target->metrics.expired.value, 0);
    for (uint32_t n = 0; n < CLIENTS; n++)
        clients[n].done = 0;
    play(&w, clients, CLIENTS, SECOND_US / 4);
    assert_true(least(clients, CLIENTS) > 25 * DEPTH); /* 5 ms a round: the door is open */
    assert_true(longest(clients, CLIENTS) < 25 * SECOND_US);
    clients_close(&w, clients, CLIENTS);
}

/* All memory is in writes that wait at the door, behind which reads want some (D2). */
static void nothing_waits_for_memory_behind_the_door(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    static struct initiator_request writes[100], reads[20];
    static uint8_t big[64 << 10], in[20][64 << 10];
    struct initiator *i;
    struct lab w;

    (void)state;
    limits.buffer_bytes = 4u << 20;
    lab_open(&w, limits);
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.rate = 50; /* the door is as narrow as can be */
    for (uint32_t n = 0; n < 20; n++)
        initiator_read(i, &reads[n], 128ull * n, in[n], sizeof in[n]);
    for (uint32_t n = 0; n < 100; n++)
        initiator_write(i, &writes[n], 128ull * n, big, sizeof big);
    for (uint32_t n = 0; n < 100; n++)
        lab_until(&w, initiator_answered, &writes[n]);
    for (uint32_t n = 0; n < 20; n++) {
        lab_until(&w, initiator_answered, &reads[n]);
        assert_int_equal(reads[n].status, 0);
    }
    w.ram.rate = 0;
    lab_alive(&w, i);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_of_200_iops_serves_16_sessions_alike),
        cmocka_unit_test(a_greedy_session_does_not_starve_the_modest),
        cmocka_unit_test(a_window_narrows_with_the_work_and_opens_again),
        cmocka_unit_test(who_comes_late_to_a_slow_block_is_told_task_set_full),
        cmocka_unit_test(a_hang_of_20_s_is_a_pause),
        cmocka_unit_test(nothing_waits_for_memory_behind_the_door),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
