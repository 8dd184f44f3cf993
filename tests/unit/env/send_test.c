/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/send_test.c — sends whose done nobody waits for, to a peer that is a plain socket.
 */
#include "base/util.h"
#include "tests/unit/env/rig.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#define ROUNDS 200u
#define MIB    (1u << 20)
#define PIECES 200u /* more than one message takes */

/* ---- the peer, on a thread of its own ---- */

struct peer {
    uint16_t port;
    pthread_t thread;
    uint64_t wants, received; /* 0: all that comes */
    bool reset;               /* it ended with an error, not with our FIN */
};

static int peer_connect(const struct peer *p)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(p->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int made = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(made >= 0);
    assert_int_equal(connect(made, (struct sockaddr *)&to, sizeof to), 0);
    return made;
}

/* Asks, waits for the answer, asks again. */
static void *peer_asks(void *argument)
{
    struct peer *p = argument;
    int socket = peer_connect(p);
    char byte = 'x';

    for (uint32_t i = 0; i < ROUNDS; i++) {
        if (send(socket, &byte, 1, MSG_NOSIGNAL) != 1 || recv(socket, &byte, 1, 0) != 1)
            break;
        p->received++;
    }
    close(socket);
    return NULL;
}

/* Asks once, and takes what comes to its end. */
static void *peer_takes(void *argument)
{
    static char bytes[64 * 1024];
    struct timeval bound = {.tv_sec = 20};
    struct peer *p = argument;
    int socket = peer_connect(p);
    ssize_t here = send(socket, bytes, 1, MSG_NOSIGNAL);

    assert_int_equal(setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound), 0);

    while (here > 0) {
        here = recv(socket, bytes, sizeof bytes, 0);
        p->received += here > 0 ? (uint64_t)here : 0;
        if (p->received == p->wants)
            break;
    }
    p->reset = here < 0;
    close(socket);
    return NULL;
}

/* ---- our end ---- */

static struct {
    struct net_conn *conn;
    struct net_send send;
    struct iovec pieces[PIECES];
    uint32_t piece_count; /* of equal size */
    uint32_t done, failed;
    size_t answer_bytes;
    bool closes; /* behind its answer */
    bool closed;
    enum err why;
} end;
static struct net_listener listener;
static uint8_t *bytes;

static void end_sent(struct net_send *s, enum err err)
{
    (void)s;
    end.done += err == E_OK;
    end.failed += err != E_OK;
}

static bool end_can_wait(const struct net_send *s)
{
    (void)s;
    return true;
}

static void end_received(struct net_conn *c, const uint8_t *from, uint32_t length)
{
    (void)from;
    (void)length;
    for (uint32_t i = 0; i < end.piece_count; i++)
        end.pieces[i] = (struct iovec){bytes, end.answer_bytes / end.piece_count};
    end.send = (struct net_send){.pieces = end.pieces,
                                 .piece_count = end.piece_count,
                                 .done = end_sent,
                                 .can_wait = end_can_wait};
    net_send(c, &end.send);
    if (end.closes)
        net_close(c, true);
}

static void end_closed(struct net_conn *c, enum err err)
{
    (void)c;
    end.closed = true;
    end.why = err;
    rig_stop();
}

static const struct net_events events = {.received = end_received, .closed = end_closed};

static void end_accepted(struct net_listener *l, struct net_conn *c)
{
    (void)l;
    end.conn = c;
    c->events = &events;
}

static int setup(void **state)
{
    struct net_address any = {"127.0.0.1:0"};

    rig_setup(state);
    memset(&end, 0, sizeof end);
    end.piece_count = 1;
    bytes = calloc(1, 32 * MIB);
    assert_non_null(bytes);
    listener = (struct net_listener){.accepted = end_accepted};
    assert_int_equal(net_listen(rig_env, &any, &listener), E_OK);
    return 0;
}

static int teardown(void **state)
{
    net_unlisten(rig_env, &listener);
    free(bytes);
    return rig_teardown(state);
}

static void run_with(struct peer *p, void *(*peer)(void *))
{
    p->port = (uint16_t)strtoul(strrchr(listener.address.text, ':') + 1, NULL, 10);
    assert_int_equal(pthread_create(&p->thread, NULL, peer, p), 0);
    while (!end.closed)
        rig_run();
    pthread_join(p->thread, NULL);
}

/* ---- the tests ---- */

/* One system call a round: it sends the answer and waits for what comes next. */
static void a_send_that_can_wait_takes_no_turn(void **state)
{
    struct peer p = {0};
    uint64_t before = metric_get(&reactor_metrics(rig_reactor)->enters), enters;

    (void)state;
    end.answer_bytes = 1;
    run_with(&p, peer_asks);
    enters = metric_get(&reactor_metrics(rig_reactor)->enters) - before;
    assert_int_equal(p.received, ROUNDS);
    assert_int_equal(end.done, ROUNDS);
    assert_in_range(enters, ROUNDS, ROUNDS + ROUNDS / 2);
}

/* What is behind the first message is nowhere but here: the loop must not sleep on it. */
static void a_send_of_many_pieces_goes_out_whole(void **state)
{
    struct peer p = {.wants = PIECES};

    (void)state;
    end.answer_bytes = end.piece_count = PIECES;
    run_with(&p, peer_takes);
    assert_int_equal(p.received, PIECES);
    assert_int_equal(end.done, 1);
}

static void a_send_that_finds_no_room_waits_for_it(void **state)
{
    struct peer p = {.wants = 32 * MIB};

    (void)state;
    end.answer_bytes = 32 * MIB;
    run_with(&p, peer_takes);
    assert_int_equal(p.received, 32 * MIB);
    assert_int_equal(end.done, 1);
    assert_int_equal(end.failed, 0);
}

/* The flush waits for it, though its owner does not. */
static void a_close_behind_a_send_that_can_wait_goes_out(void **state)
{
    struct peer p = {0};

    (void)state;
    end.answer_bytes = 100;
    end.closes = true;
    run_with(&p, peer_takes);
    assert_int_equal(p.received, 100);
    assert_false(p.reset);
    assert_int_equal(end.done, 1);
    assert_int_equal(end.why, E_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_send_that_can_wait_takes_no_turn),
        TEST(a_send_of_many_pieces_goes_out_whole),
        TEST(a_send_that_finds_no_room_waits_for_it),
        TEST(a_close_behind_a_send_that_can_wait_goes_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
