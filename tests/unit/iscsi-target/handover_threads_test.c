/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/handover_threads_test.c — two reactors on two threads, a target and a
 * block on each, one portal: sessions to both through it, with writes, reads, drains by mail, and
 * a close in order.
 */
#include "env/uring/reactor.h"
#include "tests/iscsi/initiator.h"
#include "tests/iscsi/ram_block.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 240
#define SESSIONS   6u
#define ROUNDS     24u /* logins of each          */
#define REQUESTS   20u /* of each, read and write */
#define BYTES      8192u

struct side {
    struct reactor *reactor;
    struct iscsi_target *target;
    struct ram_block ram;
    struct ram_directory names; /* its target's, on the portal's thread */
    struct iscsi_close close;
    struct mail letter;
    char name[ISCSI_NAME_MAX];
};

static struct side sides[2];
static pthread_t home_thread;

/* ---- the portal's directory: two names, two homes ---- */

static void find(struct directory *d, const char *target, const char *initiator,
                 struct directory_answer *ret)
{
    (void)d;
    ret->where = DIRECTORY_UNKNOWN;
    for (int n = 0; n < 2; n++) {
        struct directory *own = &sides[n].names.directory;

        if (strcmp(target, sides[n].name) != 0)
            continue;
        own->find(own, target, initiator, ret);
        ret->home = sides[n].target;
    }
}

static struct directory both = {.find = find};

/* ---- initiators, on the portal's reactor ---- */

struct user {
    struct initiator *initiator;
    struct initiator_request request;
    struct timer again; /* looks how far it has come */
    uint32_t number, rounds, requests, lost;
    uint8_t wrote[BYTES], read[BYTES];
};

static struct user users[SESSIONS];
static uint32_t finished;

static void portal_close(void);
static void drain_order(void);
static void look_soon(struct user *u);

static void log_in(struct user *u)
{
    static char names[SESSIONS][16];
    struct initiator_config config = {.name = names[u->number],
                                      .target = sides[u->number % 2].name,
                                      .isid = {0x80, 0, 0, 0, 0, (uint8_t)u->number}};

    snprintf(names[u->number], sizeof names[0], "iqn.user%u", u->number);
    u->requests = 0;
    u->request.answered = false;
    u->request.initiator = NULL;
    u->initiator = initiator_open(reactor_env(sides[0].reactor), &config,
                                  iscsi_target_portal(sides[0].target, 0));
}

/* Its own blocks, written and read in turn; the first command meets a unit attention. */
static void next_request(struct user *u)
{
    struct initiator *i = u->initiator;
    uint64_t lba = u->number * 64ull;

    memset(&u->request, 0, sizeof u->request);
    if (u->requests == 0) {
        initiator_command(i, &u->request);
    } else if (u->requests % 2) {
        memset(u->wrote, (int)(u->rounds * 31 + u->requests), BYTES);
        initiator_write(i, &u->request, lba, u->wrote, BYTES);
    } else {
        initiator_read(i, &u->request, lba, u->read, BYTES);
    }
    u->requests++;
}

static void request_is_over(struct user *u)
{
    if (u->request.err == E_OK && u->requests > 1)
        assert_int_equal(u->request.status, 0);
    if (u->request.err == E_OK && u->requests > 1 && u->requests % 2)
        assert_memory_equal(u->read, u->wrote, BYTES);
}

/* With every third that nobody disturbed at home there is a drain: so both kinds come to be. */
static void next_round(struct user *u)
{
    bool lost = u->requests < REQUESTS;
    static uint32_t undisturbed;

    u->lost += lost;
    if (u->number % 2 && !lost && ++undisturbed % 3 == 0)
        drain_order();
    initiator_free(u->initiator);
    u->initiator = NULL;
    if (++u->rounds < ROUNDS)
        log_in(u);
    else if (++finished == SESSIONS)
        portal_close();
}

static void go_on(struct user *u)
{
    struct initiator *i = u->initiator;

    if (!i->net) {
        next_round(u);
        return;
    }
    if (!i->full || (u->request.initiator && !u->request.answered))
        return;
    if (u->request.initiator)
        request_is_over(u);
    if (u->requests < REQUESTS)
        next_request(u);
    else
        initiator_close(i);
}

static void looked(struct timer *t)
{
    struct user *u = container_of(t, struct user, again);

    go_on(u);
    if (u->initiator)
        look_soon(u);
}

static void look_soon(struct user *u)
{
    timer_start(&reactor_env(sides[0].reactor)->clock, &u->again, 200, looked);
}

/* ---- drains, ordered on the portal's thread for the other ---- */

static struct iscsi_drain drain;
static struct mail drain_there, drain_back;
static uint32_t drains;

static bool drain_under_way, drain_was_last;

static void close_now(void);

static void drain_is_back(struct mail *m)
{
    (void)m;
    drains++;
    drain_under_way = false;
    if (drain_was_last)
        close_now();
}

static void drained(struct iscsi_drain *d)
{
    (void)d;
    drain_back.opened = drain_is_back;
    mail_send(reactor_env(sides[0].reactor), &drain_back);
}

static void drain_arrived(struct mail *m)
{
    (void)m;
    iscsi_target_drain(sides[1].target, &drain);
}

static void drain_order(void)
{
    if (drain_under_way)
        return;
    drain_under_way = true;
    drain = (struct iscsi_drain){.block = &sides[1].ram.block, .done = drained};
    drain_there.opened = drain_arrived;
    mail_send(reactor_env(sides[1].reactor), &drain_there);
}

/* ---- the end: the portal's target first, then the home's ---- */

static void home_closed(struct iscsi_close *c)
{
    (void)c;
    ram_block_close(&sides[1].ram);
    reactor_stop(sides[1].reactor);
    reactor_stop(sides[0].reactor);
}

static void home_close(struct mail *m)
{
    (void)m;
    sides[1].close.done = home_closed;
    iscsi_target_close(sides[1].target, &sides[1].close);
}

static void portal_closed(struct iscsi_close *c)
{
    (void)c;
    ram_block_close(&sides[0].ram);
    sides[1].letter.opened = home_close;
    mail_send(reactor_env(sides[1].reactor), &sides[1].letter);
}

static void close_now(void)
{
    sides[0].close.done = portal_closed;
    iscsi_target_close(sides[0].target, &sides[0].close);
}

/* A drain under way comes back first. */
static void portal_close(void)
{
    drain_was_last = drain_under_way;
    if (!drain_under_way)
        close_now();
}

/* ---- the stage ---- */

static void side_open(struct side *s, uint32_t number)
{
    struct reactor_config rc = reactor_config_default();
    struct iscsi_config config = {.portals = {{"127.0.0.1:0"}},
                                  .portal_count = number == 0,
                                  .portal_group_tag = 1,
                                  .limits = iscsi_limits_small()};
    const char *text = NULL;
    uint32_t portal;

    rc.workers = 0;
    config.limits.buffer_bytes = 8u << 20;
    assert_int_equal(reactor_open(&rc, &log_stderr, &s->reactor, &text), E_OK);
    assert_int_equal(ram_block_open(reactor_env(s->reactor), 1u << 20, &s->ram), E_OK);
    s->ram.block.identity.bits += number;
    iscsi_target_name(ISCSI_PREFIX, s->ram.block.identity, s->name);
    ram_directory_init(&s->names, &s->ram, s->name);
    assert_int_equal(iscsi_target_open(reactor_env(s->reactor), &config, number == 0 ? &both : NULL,
                                       &s->target, &portal),
                     E_OK);
}

static void *run_home(void *side)
{
    reactor_run(((struct side *)side)->reactor);
    return NULL;
}

static void sessions_to_both_through_one_portal(void **state)
{
    uint32_t undisturbed = 0;

    (void)state;
    alarm(PATIENCE_S);
    for (uint32_t n = 0; n < 2; n++)
        side_open(&sides[n], n);
    for (uint32_t n = 0; n < SESSIONS; n++) {
        users[n].number = n;
        log_in(&users[n]);
        look_soon(&users[n]);
    }
    assert_int_equal(pthread_create(&home_thread, NULL, run_home, &sides[1]), 0);
    reactor_run(sides[0].reactor);
    pthread_join(home_thread, NULL);
    for (uint32_t n = 0; n < SESSIONS; n++) {
        assert_int_equal(users[n].rounds, ROUNDS);
        if (n % 2 == 0) /* nobody drains the portal's own */
            assert_int_equal(users[n].lost, 0);
        undisturbed += ROUNDS - users[n].lost;
    }
    assert_true(drains > 0);
    assert_true(undisturbed > SESSIONS / 2 * ROUNDS + 3);
    for (uint32_t n = 0; n < 2; n++) {
        iscsi_target_free(sides[n].target);
        reactor_close(sides[n].reactor);
    }
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sessions_to_both_through_one_portal)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
