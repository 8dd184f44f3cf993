/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/parcel_test.c — a connection is detached, and adopted again (here by the reactor
 * that had it; between two of them: parcel_threads_test.c). */
#include "tests/unit/env/rig.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#define KEPT_MAX (16u << 20)
#define STREAM   (24u << 20)

/* The end that moves, and all that happened to it. */
struct end {
    struct net_conn *conn;
    struct net_parcel parcel;
    uint64_t received;
    uint32_t calls, moves, closed_count, sent, failed;
    uint32_t moves_wanted; /* it is detached at each `received`, so often */
    bool stays_detached, close_at_once, close_in_received;
    enum err closed, adopted;
};

static struct rig_counter progress;
static struct net_listener listener;
static struct end end;
static uint8_t kept[KEPT_MAX];

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 2654435761u >> 13);
}

static void end_detaches(uint32_t kept_max)
{
    end.parcel.kept = kept;
    end.parcel.kept_bytes = 0;
    end.parcel.kept_max = kept_max;
    net_detach(end.conn, &end.parcel);
}

static void end_received(struct net_conn *c, const uint8_t *bytes, uint32_t length)
{
    assert_ptr_equal(c, end.conn);
    for (uint32_t n = 0; n < length; n++)
        if (bytes[n] != byte_at(end.received + n))
            fail_msg("byte %llu is another", (unsigned long long)(end.received + n));
    end.received += length;
    end.calls++;
    if (end.close_in_received)
        net_close(c, false);
    else if (end.moves < end.moves_wanted)
        end_detaches(KEPT_MAX);
    rig_count(&progress);
}

static void end_closed(struct net_conn *c, enum err err)
{
    assert_ptr_equal(c, end.conn);
    end.closed_count++;
    end.closed = err;
    end.conn = NULL;
    rig_count(&progress);
}

static const struct net_events events = {.received = end_received, .closed = end_closed};

static void end_adopted(void)
{
    uint32_t length = end.parcel.kept_bytes;

    end.adopted = net_adopt(rig_env, &end.parcel, &events, &end, &end.conn);
    if (end.adopted == E_OK && end.close_at_once)
        net_close(end.conn, false);
    else if (end.adopted == E_OK && length > 0)
        end_received(end.conn, kept, length);
}

static void end_detached(struct net_parcel *p)
{
    assert_ptr_equal(p, &end.parcel);
    assert_int_equal(end.closed_count, 0);
    end.moves++;
    end.conn = NULL;
    if (!end.stays_detached)
        end_adopted();
    rig_count(&progress);
}

static void end_accepted(struct net_listener *l, struct net_conn *c)
{
    (void)l;
    end.conn = c;
    end.parcel = (struct net_parcel){.detached = end_detached};
    c->events = &events;
    c->owner = &end;
    rig_count(&progress);
}

static int setup_with(const struct reactor_config *config)
{
    struct net_address any = {"127.0.0.1:0"};

    alarm(RIG_PATIENCE_S);
    rig_open(config);
    memset(&end, 0, sizeof end);
    listener = (struct net_listener){.accepted = end_accepted};
    assert_int_equal(net_listen(rig_env, &any, &listener), E_OK);
    return 0;
}

static int setup(void **state)
{
    struct reactor_config config = reactor_config_default();

    (void)state;
    return setup_with(&config);
}

/* Two buffers of a page: most receives end for want of one. */
static int setup_few_buffers(void **state)
{
    struct reactor_config config = reactor_config_default();

    (void)state;
    config.receive_buffers = 2;
    config.receive_bytes = 4096;
    return setup_with(&config);
}

static int setup_small_ring(void **state)
{
    struct reactor_config config = reactor_config_default();

    (void)state;
    config.ring_entries = 4;
    return setup_with(&config);
}

static int setup_two_connections(void **state)
{
    struct reactor_config config = reactor_config_default();

    (void)state;
    config.connections_max = 2;
    return setup_with(&config);
}

static int teardown(void **state)
{
    net_unlisten(rig_env, &listener);
    return rig_teardown(state);
}

#define run_while(condition)                                                                       \
    do {                                                                                           \
        while (condition) {                                                                        \
            progress.count = 0;                                                                    \
            rig_run_until(&progress, 1);                                                           \
        }                                                                                          \
    } while (0)

/* A peer on a plain socket. */
static int peer(void)
{
    unsigned long port = strtoul(strrchr(listener.address.text, ':') + 1, NULL, 10);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int s = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(s, (struct sockaddr *)&to, sizeof to), 0);
    run_while(!end.conn);
    return s;
}

/* The next bytes of the stream, as many as the socket takes. */
static uint64_t say(int s, uint64_t from, uint64_t most)
{
    uint8_t bytes[65536];
    uint64_t count = most < sizeof bytes ? most : sizeof bytes;
    ssize_t sent;

    for (uint64_t n = 0; n < count; n++)
        bytes[n] = byte_at(from + n);
    sent = send(s, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? (uint64_t)sent : 0;
}

static bool hears_the_end(int s)
{
    uint8_t byte;

    return recv(s, &byte, 1, 0) <= 0; /* FIN or reset; the test's alarm bounds the wait */
}

static void finish(int s)
{
    close(s);
    run_while(end.conn);
    assert_int_equal(end.closed_count, 1);
}

/* ---- the tests ---- */

static void tick_fired(struct timer *t)
{
    (void)t;
    rig_count(&progress);
}

/* The peer floods it; it moves with every call of `received`, most of them with bytes kept. */
static void every_byte_is_received_once_in_order(void **state)
{
    int s = peer();
    uint64_t said = 0;

    (void)state;
    end.moves_wanted = 400;
    while (end.received < STREAM) {
        struct timer tick = {0};

        said += say(s, said, STREAM - said);
        timer_start(&rig_env->clock, &tick, 100, tick_fired); /* for a peer that waits for room */
        progress.count = 0;
        rig_run_until(&progress, 1);
        timer_stop(&rig_env->clock, &tick);
    }
    assert_int_equal(end.received, STREAM);
    assert_true(end.moves > 50);
    finish(s);
}

static void it_keeps_its_addresses(void **state)
{
    int s = peer();
    struct net_address local = end.conn->local, remote = end.conn->peer;

    (void)state;
    end_detaches(KEPT_MAX);
    run_while(end.moves == 0);
    assert_string_equal(end.conn->local.text, local.text);
    assert_string_equal(end.conn->peer.text, remote.text);
    assert_string_equal(end.parcel.peer.text, remote.text);
    finish(s);
}

static void end_sent(struct net_send *send, enum err err)
{
    (void)send;
    assert_int_equal(end.moves, 0); /* before detached() */
    assert_int_equal(end.closed_count, 0);
    end.sent += err == E_OK;
    end.failed += err != E_OK;
    rig_count(&progress);
}

static void what_was_sent_goes_out_first(void **state)
{
    static uint8_t out[4u << 20], in[sizeof out];
    struct iovec piece = {out, sizeof out};
    struct net_send send = {.pieces = &piece, .piece_count = 1, .done = end_sent};
    size_t got = 0;
    int s = peer();

    (void)state;
    for (size_t n = 0; n < sizeof out; n++)
        out[n] = byte_at(n);
    net_send(end.conn, &send);
    end_detaches(KEPT_MAX);
    while (end.moves == 0 || got < sizeof out) {
        struct timer tick = {0};
        ssize_t here = recv(s, in + got, sizeof in - got, MSG_DONTWAIT);

        got += here > 0 ? (size_t)here : 0;
        timer_start(&rig_env->clock, &tick, 100, tick_fired);
        progress.count = 0;
        rig_run_until(&progress, 1);
        timer_stop(&rig_env->clock, &tick);
    }
    assert_int_equal(end.sent, 1);
    assert_memory_equal(in, out, sizeof out);
    assert_true(say(s, 0, 5) == 5); /* and it hears as before */
    run_while(end.received < 5);
    finish(s);
}

/* What the owner had in hand stands before what the world keeps, and both before the rest. */
static void what_the_owner_kept_comes_first(void **state)
{
    int s = peer();
    uint8_t first[3] = {byte_at(0), byte_at(1), byte_at(2)};

    (void)state;
    end.stays_detached = true;
    end_detaches(KEPT_MAX);
    assert_true(net_parcel_keep(&end.parcel, first, 3));
    run_while(end.moves == 0);
    assert_int_equal(end.received, 0);
    assert_true(say(s, 3, 100) == 100);
    end_adopted();
    run_while(end.received < 103);
    finish(s);
}

static void a_peer_that_ends_it_meanwhile_is_heard(void **state)
{
    struct linger at_once = {.l_onoff = 1};

    (void)state;
    for (uint32_t n = 0; n < 200; n++) {
        int s;

        memset(&end, 0, sizeof end);
        end.close_at_once = n % 3 == 0;
        s = peer();
        if (n % 2)
            setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        if (n % 4 < 2)
            end_detaches(KEPT_MAX);
        close(s);
        if (n % 4 >= 2)
            end_detaches(KEPT_MAX);
        run_while(end.closed_count == 0); /* here, or where it was adopted */
    }
}

static void its_owner_may_change_his_mind(void **state)
{
    int s = peer();

    (void)state;
    assert_true(say(s, 0, 1000) == 1000);
    end_detaches(KEPT_MAX);
    net_close(end.conn, false);
    run_while(end.closed_count == 0);
    assert_int_equal(end.moves, 0);
    assert_int_equal(end.received, 0);
    assert_int_equal(end.closed, E_OK);
    assert_true(hears_the_end(s));
    close(s);
}

/* He closes it in the call that brings what was kept: nothing more comes, `closed` does. */
static void it_may_be_closed_as_soon_as_it_is_there(void **state)
{
    int s = peer();
    uint8_t first = byte_at(0);

    (void)state;
    end.close_in_received = true;
    end_detaches(KEPT_MAX);
    assert_true(net_parcel_keep(&end.parcel, &first, 1));
    assert_true(say(s, 1, 5000) == 5000);
    run_while(end.closed_count == 0);
    assert_int_equal(end.calls, 1);
    assert_true(hears_the_end(s));
    close(s);
}

/* It cannot be said when bytes meet the asking: until they did once. */
static void more_than_can_be_kept_ends_it(void **state)
{
    uint32_t ended = 0;

    (void)state;
    for (uint32_t n = 0; n < 1000 && ended == 0; n++) {
        uint64_t said = 0;
        int s;

        memset(&end, 0, sizeof end);
        s = peer();
        while (said < 200000 && end.closed_count == 0 && end.moves == 0) {
            said += say(s, said, 65536);
            run_while(end.calls == 0);
            if (!end.parcel.kept)
                end_detaches(1);
            run_while(end.closed_count == 0 && end.moves == 0);
        }
        ended += end.closed_count == 1 && end.closed == E_TOO_LARGE;
        close(s);
        run_while(end.conn);
    }
    assert_int_equal(ended, 1);
}

static void one_that_is_wanted_nowhere_is_closed(void **state)
{
    int s = peer();

    (void)state;
    end.stays_detached = true;
    end_detaches(KEPT_MAX);
    run_while(end.moves == 0);
    net_discard(rig_env, &end.parcel);
    assert_true(hears_the_end(s));
    assert_int_equal(end.closed_count, 0);
    close(s);
}

static uint32_t refused_count;

static void refused(struct net_conn *c, enum err err)
{
    (void)c;
    assert_int_equal(err, E_UNREACHABLE);
    refused_count++;
    rig_count(&progress);
}

/* Both connections are in use where it comes to: it is discarded, and nothing is left of it. */
static void without_a_free_connection_it_is_discarded(void **state)
{
    static const struct net_events refusals = {.closed = refused};
    struct net_address nobody = listener.address;
    struct net_conn *unused;
    int s = peer();

    (void)state;
    refused_count = 0;
    end.stays_detached = true;
    end_detaches(KEPT_MAX);
    run_while(end.moves == 0);
    net_unlisten(rig_env, &listener);
    for (int n = 0; n < 2; n++)
        assert_int_equal(net_connect(rig_env, &nobody, &refusals, NULL, &unused), E_OK);
    end_adopted();
    assert_int_equal(end.adopted, E_NO_MEMORY);
    assert_true(hears_the_end(s));
    run_while(refused_count < 2);
    close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(every_byte_is_received_once_in_order),
        cmocka_unit_test_setup_teardown(every_byte_is_received_once_in_order, setup_few_buffers,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_byte_is_received_once_in_order, setup_small_ring,
                                        teardown),
        TEST(it_keeps_its_addresses),
        TEST(what_was_sent_goes_out_first),
        TEST(what_the_owner_kept_comes_first),
        TEST(a_peer_that_ends_it_meanwhile_is_heard),
        TEST(its_owner_may_change_his_mind),
        TEST(it_may_be_closed_as_soon_as_it_is_there),
        cmocka_unit_test_setup_teardown(more_than_can_be_kept_ends_it, setup_few_buffers, teardown),
        TEST(one_that_is_wanted_nowhere_is_closed),
        cmocka_unit_test_setup_teardown(without_a_free_connection_it_is_discarded,
                                        setup_two_connections, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
