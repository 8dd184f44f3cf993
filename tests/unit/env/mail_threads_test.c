/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/mail_threads_test.c — mail between reactors, each on a thread of its own. */
#include "tests/unit/env/rig.h"

#include <pthread.h>

#define LETTERS 20000u
#define SENDERS 3u

/* ---- two reactors, letters to and fro ---- */

struct side {
    struct reactor *reactor;
    struct side *other;
    struct mail letter; /* the one that goes round starts from the first side */
    uint32_t opened;
    pthread_t thread;
};

struct travelling {
    struct mail mail;
    struct side *at; /* whose thread opens it */
    uint32_t rounds; /* plain memory: the mailbox alone orders the two threads */
};

static void opened_and_sent_on(struct mail *m)
{
    struct travelling *t = container_of(m, struct travelling, mail);
    struct side *here = t->at;

    assert_true(pthread_equal(pthread_self(), here->thread));
    here->opened++;
    t->rounds++;
    if (t->rounds == LETTERS) {
        reactor_stop(here->reactor);
        reactor_stop(here->other->reactor);
        return;
    }
    t->at = here->other;
    mail_send(reactor_env(here->other->reactor), &t->mail);
}

static void *run_side(void *argument)
{
    struct side *side = argument;

    side->thread = pthread_self();
    reactor_run(side->reactor);
    return NULL;
}

static struct reactor *open_one(void)
{
    struct reactor_config config = reactor_config_default();
    struct reactor *r;
    const char *text;

    config.receive_buffers = 16;
    config.workers = 0;
    assert_int_equal(reactor_open(&config, &log_stderr, &r, &text), E_OK);
    return r;
}

/* A letter is asleep on one side at every moment: a lost ring of the bell would end the test here.
 */
static void a_letter_goes_round_between_two_reactors(void **state)
{
    struct side a = {.reactor = open_one()}, b = {.reactor = open_one()};
    struct travelling t = {.mail.opened = opened_and_sent_on, .at = &b};
    pthread_t thread;

    (void)state;
    a.other = &b;
    b.other = &a;
    a.thread = b.thread = pthread_self();
    assert_int_equal(pthread_create(&thread, NULL, run_side, &b), 0);
    mail_send(reactor_env(b.reactor), &t.mail);
    run_side(&a);
    pthread_join(thread, NULL);
    assert_int_equal(t.rounds, LETTERS);
    assert_int_equal(a.opened, LETTERS / 2);
    assert_int_equal(b.opened, LETTERS / 2);
    reactor_close(a.reactor);
    reactor_close(b.reactor);
}

/* ---- many senders, one receiver ---- */

struct numbered {
    struct mail mail;
    uint32_t sender, number;
};

static struct numbered letters[SENDERS][LETTERS];
static uint32_t next_of[SENDERS], opened_in_all;

static void opened_in_order(struct mail *m)
{
    struct numbered *n = container_of(m, struct numbered, mail);

    assert_int_equal(n->number, next_of[n->sender]);
    next_of[n->sender]++;
    n->mail.opened = NULL; /* its memory is ours again */
    if (++opened_in_all == SENDERS * LETTERS)
        rig_stop();
}

static void *send_all(void *argument)
{
    struct numbered *own = argument;

    for (uint32_t i = 0; i < LETTERS; i++)
        mail_send(rig_env, &own[i].mail);
    return NULL;
}

static void every_letter_arrives_once_in_its_senders_order(void **state)
{
    pthread_t threads[SENDERS];

    (void)state;
    memset(next_of, 0, sizeof next_of);
    opened_in_all = 0;
    for (uint32_t s = 0; s < SENDERS; s++)
        for (uint32_t i = 0; i < LETTERS; i++)
            letters[s][i] = (struct numbered){{opened_in_order, NULL}, s, i};
    for (uint32_t s = 0; s < SENDERS; s++)
        assert_int_equal(pthread_create(&threads[s], NULL, send_all, letters[s]), 0);
    rig_run();
    for (uint32_t s = 0; s < SENDERS; s++) {
        pthread_join(threads[s], NULL);
        assert_int_equal(next_of[s], LETTERS);
    }
}

static void opened_and_stops(struct mail *m)
{
    m->opened = NULL;
    rig_stop();
}

/* The mailbox is emptied before the first wait; the letter needs no bell. */
static void a_letter_from_before_the_run_is_opened(void **state)
{
    struct mail m = {.opened = opened_and_stops};

    (void)state;
    mail_send(rig_env, &m);
    rig_run();
    assert_null(m.opened);
}

/*
 * Where completions overflow, the kernel ends the poll of the bell: it must be begun again.  A ring
 * of four, hundreds of connects that are refused at once, and a ring of the bell with each.
 */
#define KNOCKS 300u

static uint32_t knocks_failed, letters_opened;

static void to_self_opened(struct mail *m)
{
    m->opened = NULL;
}

static void knock_failed(struct net_conn *c, enum err err)
{
    struct mail *to_self = c->owner;

    assert_int_equal(err, E_UNREACHABLE);
    if (!to_self->opened) {
        to_self->opened = to_self_opened;
        mail_send(rig_env, to_self);
    }
    if (++knocks_failed == KNOCKS)
        rig_stop();
}

static void nothing_accepted(struct net_listener *l, struct net_conn *c)
{
    (void)l;
    net_close(c, false);
}

static struct net_address address_of_nobody(void)
{
    struct net_address any = {"127.0.0.1:0"};
    struct net_listener l = {.accepted = nothing_accepted};

    assert_int_equal(net_listen(rig_env, &any, &l), E_OK);
    net_unlisten(rig_env, &l);
    return l.address;
}

static void letter_opened(struct mail *m)
{
    (void)m;
    letters_opened++;
    rig_stop();
}

static void *send_one(void *argument)
{
    mail_send(rig_env, argument);
    return NULL;
}

static void the_bell_is_heard_after_an_overflow(void **state)
{
    static const struct net_events knocking = {.closed = knock_failed};
    struct reactor_config small = reactor_config_default();
    struct mail to_self = {.opened = NULL}, letter = {.opened = letter_opened};
    struct net_address nobody;
    struct net_conn *c;
    pthread_t thread;

    (void)state;
    reactor_close(rig_reactor);
    small.ring_entries = 4;
    rig_open(&small);
    nobody = address_of_nobody();
    knocks_failed = letters_opened = 0;
    for (uint32_t i = 0; i < KNOCKS; i++)
        assert_int_equal(net_connect(rig_env, &nobody, &knocking, &to_self, &c), E_OK);
    rig_run();
    assert_int_equal(knocks_failed, KNOCKS);
    assert_int_equal(pthread_create(&thread, NULL, send_one, &letter), 0);
    rig_run();
    pthread_join(thread, NULL);
    assert_int_equal(letters_opened, 1);
}

/* ---- stopped from outside ---- */

static void *stop_it(void *argument)
{
    reactor_stop(argument);
    return NULL;
}

static void another_thread_may_stop_it(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, stop_it, rig_reactor), 0);
        rig_run();
        pthread_join(thread, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_goes_round_between_two_reactors),
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
        TEST(every_letter_arrives_once_in_its_senders_order),
        TEST(a_letter_from_before_the_run_is_opened),
        TEST(the_bell_is_heard_after_an_overflow),
        TEST(another_thread_may_stop_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
