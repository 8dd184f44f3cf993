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
#define DEPTH_MODEST 8u /* more than its turns at a door of 16 × 3 */
#define STORM_SEEDS  4u
#define STORM_EVENTS 120u
#define DEADLINE_US  (SECOND_US * 265 / 10) /* of 25 s: a tick, and the way there and back */
#define PING_US      (SECOND_US / 20)
#define PING_EACH_US (SECOND_US / 10)
#define SHUT_US      (SECOND_US * 13 / 10) /* a second, 0.2 s until it looks, and the way */

static uint32_t list_length(const struct list *head)
{
    uint32_t count = 0;

    list_for_each(l, head)
        count++;
    return count;
}

/* ---- a client that keeps its queue full ---- */

struct tagged {
    uint64_t tag; /* of the write: each of a client has a higher one than those before */
    uint8_t rest[4096 - sizeof(uint64_t)];
};

struct client {
    struct initiator *initiator;
    struct tagged blocks[DEPTH_GREEDY]; /* a request has a block of its own, on the disk, too */
    uint64_t acknowledged[DEPTH_GREEDY], tag, first_block;
    uint64_t pinged_us, ping_longest_us, pings, ping_turn; /* pinged_us: under way; 0: none is */
    struct initiator_request requests[DEPTH_GREEDY];
    uint64_t sent_us[DEPTH_GREEDY], longest_us;
    uint32_t depth, done, told_again;
    uint64_t shut_us; /* since when its window is shut; 0: it is open */

    char name[32];
    uint8_t life;            /* a byte of its ISID */
    struct initiator *ghost; /* that died, with commands on their way; NULL: none */
    uint64_t ghost_us;       /* when these arrive, and 0 when they have */
};

static void harvest(struct lab *w, struct client *c, uint32_t n)
{
    struct initiator_request *r = &c->requests[n];

    assert_int_equal(r->err, E_OK);
    assert_true(r->status == 0 || r->status == 0x08 || r->status == 0x28);
    c->done += r->status == 0;
    if (r->status == 0)
        c->acknowledged[n] = c->blocks[n].tag;
    c->told_again += r->status != 0;
    c->longest_us = max_u64(c->longest_us, sim_now_us(w->sim) - c->sent_us[n]);
    *r = (struct initiator_request){0};
}

static void check_window(struct lab *w, struct client *c)
{
    if ((int32_t)initiator_window(c->initiator) > 0)
        c->shut_us = 0;
    else if (c->shut_us == 0)
        c->shut_us = sim_now_us(w->sim);
    assert_true(c->shut_us == 0 || sim_now_us(w->sim) - c->shut_us <= SHUT_US);
}

static uint64_t tag_there(const struct lab *w, const struct client *c, uint32_t n)
{
    uint64_t tag;

    memcpy(&tag, w->ram.bytes + (c->first_block + n) * sizeof(struct tagged), sizeof tag);
    return tag;
}

/* Ten a second and one after the other, whatever else it has under way. */
static void ping(struct lab *w, struct client *c)
{
    struct initiator_pdu *answer = initiator_take(c->initiator);

    if (answer) {
        assert_int_equal(answer->bhs.any.opcode, NOP_IN);
        c->ping_longest_us = max_u64(c->ping_longest_us, sim_now_us(w->sim) - c->pinged_us);
        c->pinged_us = 0;
        c->pings++;
        free(answer);
    }
    if (c->pinged_us == 0 && sim_now_us(w->sim) / PING_EACH_US != c->ping_turn) {
        c->ping_turn = sim_now_us(w->sim) / PING_EACH_US;
        c->pinged_us = sim_now_us(w->sim);
        initiator_nop(c->initiator, NULL, 0);
    }
}

static void client_turn(struct lab *w, struct client *c)
{
    check_window(w, c);
    ping(w, c);
    for (uint32_t n = 0; n < c->depth; n++) {
        struct initiator_request *r = &c->requests[n];

        if (r->answered)
            harvest(w, c, n);
        assert_true(tag_there(w, c, n) >= c->acknowledged[n]); /* P6: what is old stays away */
        if (r->initiator || (int32_t)initiator_window(c->initiator) <= 0)
            continue;
        c->sent_us[n] = sim_now_us(w->sim);
        c->blocks[n].tag = ++c->tag;
        initiator_write(c->initiator, r, 8 * (c->first_block + n), (uint8_t *)&c->blocks[n],
                        sizeof c->blocks[n]);
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
        snprintf(clients[n].name, sizeof clients[n].name, "iqn.%u", n);
        clients[n].initiator = lab_ready(w, clients[n].name, ++clients[n].life);
        clients[n].depth = depth;
        clients[n].first_block = (uint64_t)n * DEPTH_GREEDY;
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

static uint64_t longest_ping(const struct client *clients, uint32_t count)
{
    uint64_t ret = 0;

    for (uint32_t n = 0; n < count; n++) {
        assert_true(clients[n].pings > 100);
        ret = max_u64(ret, clients[n].ping_longest_us);
    }
    return ret;
}

static uint64_t longest(const struct client *clients, uint32_t count)
{
    uint64_t ret = 0;

    for (uint32_t n = 0; n < count; n++)
        ret = max_u64(ret, clients[n].longest_us);
    return ret;
}

/* ---- one that ends and comes back ---- */

/* What is in flight is nobody's any more. */
static void client_forget(struct client *c)
{
    for (uint32_t n = 0; n < c->depth; n++) {
        if (c->requests[n].initiator && !c->requests[n].answered)
            initiator_forget(&c->requests[n]);
        c->requests[n] = (struct initiator_request){0};
    }
}

static void client_login(struct lab *w, struct client *c)
{
    c->initiator = lab_ready_with(
        w, (struct initiator_config){.name = c->name, .isid = {0x80, 0, 0, 0, 0, ++c->life}});
    c->shut_us = c->pinged_us = 0;
}

static void client_returns(struct lab *w, struct client *c)
{
    bool leaves = sim_draw(w->sim, 2);

    client_forget(c);
    if (leaves) {
        initiator_logout(c->initiator);
        lab_until(w, initiator_closed, c->initiator);
    }
    lab_part(w, c->initiator);
    client_login(w, c);
}

/* What the dead one sent arrives, and ends its session. */
static void client_haunt(struct lab *w, struct client *c)
{
    if (!c->ghost)
        return;
    if (c->ghost->net && c->ghost_us > 0 && sim_now_us(w->sim) >= c->ghost_us) {
        sim_net_hold(c->ghost->net, SIM_SENT, false);
        c->ghost_us = 0;
    }
    if (c->ghost->net)
        return;
    lab_part(w, c->ghost);
    c->ghost = NULL;
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
    assert_true(longest_ping(clients, CLIENTS) < PING_US);
    assert_int_equal(w.home->metrics.expired.value, 0);
    assert_int_equal(w.home->metrics.windows_opened_late.value, 0);
    clients_close(&w, clients, CLIENTS);
}

/* Its network stops, then its host dies: what it sent comes when it has long been back. */
static void client_dies(struct lab *w, struct client *clients, struct client *c)
{
    sim_net_hold(c->initiator->net, SIM_SENT, true);
    play(w, clients, CLIENTS, SECOND_US / 2);
    client_forget(c);
    c->ghost = c->initiator;
    c->ghost->config.mute = true;
    c->ghost_us = sim_now_us(w->sim) + 1 + sim_draw(w->sim, 8 * SECOND_US);
    client_login(w, c);
}

static void storm_event(struct lab *w, struct client *clients)
{
    struct client *c = &clients[sim_draw(w->sim, CLIENTS)];

    switch (sim_draw(w->sim, 6)) {
    case 0:
        w->ram.stalled = true;
        play(w, clients, CLIENTS, sim_draw(w->sim, 6 * SECOND_US));
        ram_block_go_on(&w->ram);
        return;
    case 1:
        client_returns(w, c);
        return;
    case 2:
        if (!c->ghost)
            client_dies(w, clients, c);
        return;
    default:
        play(w, clients, CLIENTS, sim_draw(w->sim, 2 * SECOND_US));
    }
    for (uint32_t n = 0; n < CLIENTS; n++)
        client_haunt(w, &clients[n]);
}

static bool ghosts_are_gone(struct lab *w, struct client *clients)
{
    bool ret = true;

    for (uint32_t n = 0; n < CLIENTS; n++) {
        client_haunt(w, &clients[n]);
        ret = ret && !clients[n].ghost;
    }
    return ret;
}

static void storm(uint64_t seed)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct client *clients;
    struct lab w;

    limits.buffer_bytes = 24u << 20;
    lab_open_from(&w, limits, seed);
    w.directory.answer.deadline_seconds = 25;
    clients = clients_open(&w, CLIENTS, DEPTH);
    for (uint32_t n = 0; n < CLIENTS; n += 4) {
        clients[n].depth = DEPTH_GREEDY;
        clients[n + 1].depth = DEPTH_MODEST;
    }
    w.ram.rate = 200;
    for (uint32_t n = 0; n < STORM_EVENTS; n++)
        storm_event(&w, clients);
    assert_true(most(clients, CLIENTS) <= 2 * least(clients, CLIENTS));
    assert_true(least(clients, CLIENTS) > 500);
    assert_true(longest(clients, CLIENTS) < DEADLINE_US);
    assert_true(longest_ping(clients, CLIENTS) < PING_US);
    assert_true(w.home->metrics.windows_opened_late.value > 0); /* it was one */
    for (int n = 0; n < 1000 && !ghosts_are_gone(&w, clients); n++)
        play(&w, clients, CLIENTS, SECOND_US / 50);
    assert_true(ghosts_are_gone(&w, clients));
    clients_close(&w, clients, CLIENTS);
}

/* The same while it stalls, sessions end and come back, and old bytes arrive late; a quarter of
 * them asks for four times as much as most, a quarter for a fourth.  They are told GOOD, BUSY or
 * TASK SET FULL, no window is shut for longer than a second, nothing acknowledged is written over
 * by what is older (client_turn), and pings do not wait. */
static void a_storm_leaves_them_alike(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= STORM_SEEDS; seed++)
        storm(seed);
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
    assert_true(w.home->metrics.task_set_full.value > 64);
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
    assert_int_equal(w.home->metrics.expired.value, 0);
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
        cmocka_unit_test(a_storm_leaves_them_alike),
        cmocka_unit_test(a_greedy_session_does_not_starve_the_modest),
        cmocka_unit_test(a_window_narrows_with_the_work_and_opens_again),
        cmocka_unit_test(who_comes_late_to_a_slow_block_is_told_task_set_full),
        cmocka_unit_test(a_hang_of_20_s_is_a_pause),
        cmocka_unit_test(nothing_waits_for_memory_behind_the_door),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
