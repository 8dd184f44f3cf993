/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/net_test.c — connections between two ends on loopback, both on one reactor. */
#include "tests/unit/env/rig.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define MIB (1u << 20)

/* One end, and all that happened to it. */
struct end {
    struct net_conn *conn;
    uint64_t received;
    uint64_t checksum; /* of the bytes in their order */
    uint32_t sends_done, sends_failed, closed_count;
    enum err closed;
    bool echoes, close_on_bytes, closing_flushes;
    struct list echoed; /* struct echo */
};

static struct rig_counter progress;
static bool inside; /* a call of ours: nothing may complete in it */

static uint64_t sum_on(uint64_t sum, const uint8_t *bytes, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

struct sending {
    struct net_send send;
    struct iovec piece;
    struct end *end;
    bool owned; /* an echo: its memory goes with it */
};

static void sending_done(struct net_send *s, enum err err)
{
    struct sending *sending = container_of(s, struct sending, send);

    assert_false(inside);
    assert_int_equal(sending->end->closed_count, 0); /* before closed() */
    if (err)
        sending->end->sends_failed++;
    else
        sending->end->sends_done++;
    if (sending->owned)
        free(sending);
    rig_count(&progress);
}

static void send_bytes(struct end *end, struct sending *s, const void *bytes, size_t length)
{
    s->end = end;
    s->piece.iov_len = length;
    memcpy(&s->piece.iov_base, &bytes, sizeof bytes); /* only read */
    s->send = (struct net_send){.pieces = &s->piece, .piece_count = 1, .done = sending_done};
    inside = true;
    net_send(end->conn, &s->send);
    inside = false;
}

static void close_end(struct end *end, bool flush)
{
    bool outside = !inside;

    inside = true;
    net_close(end->conn, flush);
    inside = !outside;
}

static void echo(struct end *end, const uint8_t *bytes, uint32_t length)
{
    struct sending *s = calloc(1, sizeof *s + length);

    assert_non_null(s);
    memcpy(s + 1, bytes, length);
    s->owned = true;
    send_bytes(end, s, s + 1, length);
}

static void end_received(struct net_conn *c, const uint8_t *bytes, uint32_t length)
{
    struct end *end = c->owner;

    assert_false(inside);
    assert_true(length > 0);
    assert_int_equal(end->closed_count, 0);
    end->received += length;
    end->checksum = sum_on(end->checksum, bytes, length);
    if (end->echoes)
        echo(end, bytes, length);
    if (end->close_on_bytes)
        close_end(end, end->closing_flushes);
    rig_count(&progress);
}

static void end_closed(struct net_conn *c, enum err err)
{
    struct end *end = c->owner;

    assert_false(inside);
    end->closed_count++;
    end->closed = err;
    end->conn = NULL;
    rig_count(&progress);
}

static const struct net_events events = {.received = end_received, .closed = end_closed};

#define ENDS_MAX 600u
static struct net_listener listener;
static struct end here[ENDS_MAX], there[ENDS_MAX]; /* who connected, who accepted */
static uint32_t accepted_count;
static bool accepted_echoes, accepted_is_refused;

static void end_accepted(struct net_listener *l, struct net_conn *c)
{
    struct end *end = &there[accepted_count++];

    assert_ptr_equal(l, &listener);
    if (accepted_is_refused) {
        net_close(c, false);
    } else {
        end->conn = c;
        end->echoes = accepted_echoes;
        c->owner = end;
        c->events = &events;
    }
    rig_count(&progress);
}

static int setup_with(const struct reactor_config *config)
{
    struct net_address any = {"127.0.0.1:0"};

    alarm(RIG_PATIENCE_S);
    rig_open(config);
    memset(here, 0, sizeof here);
    memset(there, 0, sizeof there);
    accepted_count = 0;
    accepted_echoes = accepted_is_refused = false;
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

/* Two buffers of a page: most receives find none and must be asked for again. */
static int setup_few_buffers(void **state)
{
    struct reactor_config config = reactor_config_default();

    (void)state;
    config.receive_buffers = 2;
    config.receive_bytes = 4096;
    return setup_with(&config);
}

/* A ring of four: submissions and completions overflow all the time. */
static int setup_small_ring(void **state)
{
    struct reactor_config config = reactor_config_default();

    (void)state;
    config.ring_entries = 4;
    return setup_with(&config);
}

static int teardown(void **state)
{
    net_unlisten(rig_env, &listener);
    return rig_teardown(state);
}

static void connect_end(struct end *end)
{
    assert_int_equal(net_connect(rig_env, &listener.address, &events, end, &end->conn), E_OK);
}

/* Turns the loop as long as a condition does not hold; something must happen for it to change. */
#define run_while(condition)                                                                       \
    do {                                                                                           \
        while (condition) {                                                                        \
            progress.count = 0;                                                                    \
            rig_run_until(&progress, 1);                                                           \
        }                                                                                          \
    } while (0)

static void connect_both(void)
{
    connect_end(&here[0]);
    run_while(accepted_count == 0);
}

static uint8_t *noise(size_t length)
{
    uint8_t *bytes = malloc(length);
    uint32_t x = 12345;

    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(x >> 24);
    }
    return bytes;
}

/* ---- the tests ---- */

static void an_end_knows_both_addresses(void **state)
{
    struct net_address local;

    (void)state;
    connect_both();
    run_while(here[0].conn->local.text[0] == 0);
    local = here[0].conn->local;
    assert_string_equal(here[0].conn->peer.text, listener.address.text);
    assert_string_equal(there[0].conn->local.text, listener.address.text);
    assert_string_equal(there[0].conn->peer.text, local.text);
    net_close(here[0].conn, true);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
}

static void what_is_sent_comes_back(void **state)
{
    struct sending s = {0};

    (void)state;
    accepted_echoes = true;
    connect_end(&here[0]);
    send_bytes(&here[0], &s, "hello", 5); /* before the handshake: queued */
    run_while(here[0].received < 5);
    assert_int_equal(here[0].checksum, sum_on(0, (const uint8_t *)"hello", 5));
    net_close(here[0].conn, true);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
    assert_int_equal(here[0].closed, E_OK);
    assert_int_equal(there[0].closed, E_OK);
}

static void version_six_is_a_network_like_any_other(void **state)
{
    struct net_address six = {"[::1]:0"};
    struct sending s = {0};

    (void)state;
    net_unlisten(rig_env, &listener);
    if (net_listen(rig_env, &six, &listener) != E_OK)
        skip(); /* this machine has no IPv6 */
    assert_memory_equal(listener.address.text, "[::1]:", 6);
    accepted_echoes = true;
    connect_end(&here[0]);
    send_bytes(&here[0], &s, "six", 3);
    run_while(here[0].received < 3);
    assert_memory_equal(there[0].conn->peer.text, "[::1]:", 6);
    net_close(here[0].conn, true);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
}

static void big_transfers_both_ways(void **state)
{
    enum { COUNT = 24 };
    static struct sending sendings[COUNT];
    uint8_t *bytes = noise(COUNT * MIB);

    (void)state;
    accepted_echoes = true;
    connect_both();
    for (uint32_t i = 0; i < COUNT; i++)
        send_bytes(&here[0], &sendings[i], bytes + (size_t)i * MIB, MIB);
    run_while(here[0].received < COUNT * MIB);
    assert_int_equal(here[0].sends_done, COUNT);
    assert_int_equal(there[0].received, COUNT * MIB);
    assert_int_equal(there[0].checksum, sum_on(0, bytes, COUNT * MIB));
    assert_int_equal(here[0].checksum, there[0].checksum);
    net_close(here[0].conn, true);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
    free(bytes);
}

/* More pieces than one sendmsg takes, some of them empty, over many sends. */
static void pieces_arrive_in_their_order(void **state)
{
    enum { SENDS = 40, PIECES = 37 };
    static struct sending sendings[SENDS];
    static struct iovec pieces[SENDS][PIECES];
    uint8_t *bytes = noise(64 * SENDS * PIECES);
    uint8_t *at = bytes;

    (void)state;
    connect_both();
    for (uint32_t i = 0; i < SENDS; i++) {
        for (uint32_t p = 0; p < PIECES; p++) {
            pieces[i][p] = (struct iovec){at, (i * PIECES + p) % 64};
            at += pieces[i][p].iov_len;
        }
        sendings[i].end = &here[0];
        sendings[i].send = (struct net_send){
            .pieces = pieces[i], .piece_count = i == 7 ? 0 : PIECES, .done = sending_done};
        if (i == 7)
            at = pieces[i][0].iov_base;
        net_send(here[0].conn, &sendings[i].send);
    }
    run_while(there[0].received < (uint64_t)(at - bytes) || here[0].sends_done < SENDS);
    assert_int_equal(there[0].received, at - bytes);
    assert_int_equal(there[0].checksum, sum_on(0, bytes, (uint64_t)(at - bytes)));
    net_close(here[0].conn, true);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
    free(bytes);
}

static bool any_short_of(uint32_t count, uint64_t bytes)
{
    for (uint32_t i = 0; i < count; i++)
        if (here[i].received < bytes)
            return true;
    return false;
}

static bool any_open(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (here[i].closed_count == 0 || there[i].closed_count == 0)
            return true;
    return false;
}

static void many_connections_at_once(void **state)
{
    enum { COUNT = 200 };
    static struct sending sendings[COUNT];
    uint8_t *bytes = noise(100000);

    (void)state;
    accepted_echoes = true;
    for (uint32_t i = 0; i < COUNT; i++) {
        connect_end(&here[i]);
        send_bytes(&here[i], &sendings[i], bytes, 100000); /* far more than the receive buffers */
    }
    run_while(any_short_of(COUNT, 100000));
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(here[i].checksum, sum_on(0, bytes, 100000));
        net_close(here[i].conn, i % 2);
    }
    run_while(any_open(COUNT));
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(here[i].closed, E_OK); /* we closed */
    free(bytes);
}

static uint32_t shortages;

static void shortage_said(struct log *log, enum log_level level, const char *line)
{
    (void)log;
    (void)level;
    assert_non_null(strstr(line, "reactor connections_wait"));
    shortages++;
    rig_count(&progress);
}

/* It is said, and who connected is accepted when there are some again. */
static void without_handles_who_connects_waits(void **state)
{
    struct log says = {.write = shortage_said};
    struct log *before = rig_env->log;
    struct rlimit all, none;

    (void)state;
    rig_env->log = &says;
    connect_end(&here[0]);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    none = all;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    run_while(shortages == 0);
    assert_int_equal(accepted_count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    run_while(accepted_count == 0);
    rig_env->log = before;
    net_close(here[0].conn, true);
    run_while(any_open(1));
}

/* connections_max: the next one is closed, not served; its place is used again later. */
static void one_connection_too_many_is_closed(void **state)
{
    const uint32_t max = reactor_config_default().connections_max;
    uint32_t pairs = max / 2;
    struct net_conn *unused;

    (void)state;
    for (uint32_t i = 0; i < pairs; i++)
        connect_end(&here[i]);
    run_while(accepted_count < pairs);
    assert_int_equal(net_connect(rig_env, &listener.address, &events, NULL, &unused), E_NO_MEMORY);
    for (uint32_t i = 0; i < pairs; i++)
        net_close(here[i].conn, true);
    run_while(any_open(pairs));

    accepted_count = 0;
    memset(here, 0, sizeof here);
    memset(there, 0, sizeof there);
    for (uint32_t i = 0; i < max; i++) /* none is left for the accepted ends */
        connect_end(&here[i]);
    for (uint32_t i = 0; i < max; i++)
        run_while(here[i].closed_count == 0 && accepted_count == 0);
    for (uint32_t i = 0; i < max; i++)
        if (here[i].conn)
            net_close(here[i].conn, false);
    for (uint32_t i = 0; i < max; i++)
        run_while(here[i].closed_count == 0);
    for (uint32_t i = 0; i < accepted_count; i++)
        run_while(there[i].closed_count == 0);
}

static void a_refused_connect_is_closed_with_the_reason(void **state)
{
    struct net_address gone = listener.address;
    struct sending s = {0};

    (void)state;
    net_unlisten(rig_env, &listener);
    assert_int_equal(net_connect(rig_env, &gone, &events, &here[0], &here[0].conn), E_OK);
    send_bytes(&here[0], &s, "never", 5);
    run_while(here[0].closed_count == 0);
    assert_int_equal(here[0].closed, E_UNREACHABLE);
    assert_int_equal(here[0].sends_failed, 1);
    assert_int_equal(here[0].sends_done, 0);
}

static void a_port_can_be_listened_at_again_at_once(void **state)
{
    struct net_address same = listener.address;
    struct net_listener second = {.accepted = end_accepted};

    (void)state;
    connect_both();
    assert_int_equal(net_listen(rig_env, &same, &second), E_BUSY);
    net_unlisten(rig_env, &listener);
    assert_int_equal(net_listen(rig_env, &same, &listener), E_OK);
    assert_string_equal(listener.address.text, same.text);
    net_close(here[0].conn, true); /* the old listener's connections live on */
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
    accepted_count = 0;
    memset(here, 0, sizeof here);
    memset(there, 0, sizeof there);
    connect_both();
    net_close(here[0].conn, true);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
}

static void a_flush_sends_everything_before_it_closes(void **state)
{
    struct sending s = {0}, other = {0};
    uint8_t *bytes = noise(8 * MIB);

    (void)state;
    connect_both();
    send_bytes(&here[0], &s, bytes, 8 * MIB);
    send_bytes(&there[0], &other, "unread", 6); /* must not turn our FIN into a reset */
    close_end(&here[0], true);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
    assert_int_equal(here[0].received, 0); /* after net_close() nothing is received */
    assert_int_equal(here[0].sends_done, 1);
    assert_int_equal(there[0].received, 8 * MIB);
    assert_int_equal(there[0].checksum, sum_on(0, bytes, 8 * MIB));
    assert_int_equal(here[0].closed, E_OK);
    assert_int_equal(there[0].closed, E_OK);
    assert_int_equal(here[0].closed_count, 1);
    assert_int_equal(there[0].closed_count, 1);
    free(bytes);
}

static void a_close_without_flush_is_a_reset(void **state)
{
    struct sending s = {0};
    uint8_t *bytes = noise(32 * MIB);

    (void)state;
    connect_both();
    send_bytes(&here[0], &s, bytes, 32 * MIB); /* more than the sockets hold */
    run_while(there[0].received == 0);
    close_end(&here[0], false);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
    assert_int_equal(here[0].sends_failed + here[0].sends_done, 1);
    assert_int_equal(here[0].closed, E_OK);
    assert_int_equal(there[0].closed, E_UNREACHABLE);
    free(bytes);
}

static void a_close_during_the_handshake(void **state)
{
    struct sending s = {0};

    (void)state;
    connect_end(&here[0]);
    send_bytes(&here[0], &s, "x", 1);
    close_end(&here[0], false);
    run_while(here[0].closed_count == 0);
    assert_int_equal(here[0].closed, E_OK);
    assert_int_equal(here[0].sends_failed, 1);
    for (uint32_t i = 0; i < accepted_count; i++)
        run_while(there[i].closed_count == 0);
}

static void a_flush_during_the_handshake_still_sends(void **state)
{
    struct sending s = {0};

    (void)state;
    connect_end(&here[0]);
    send_bytes(&here[0], &s, "bye", 3);
    close_end(&here[0], true);
    run_while(accepted_count == 0 || here[0].closed_count == 0 || there[0].closed_count == 0);
    assert_int_equal(here[0].sends_done, 1);
    assert_int_equal(there[0].received, 3);
    assert_int_equal(there[0].closed, E_OK);
}

static void a_close_inside_received(void **state)
{
    struct sending s = {0};
    uint8_t *bytes = noise(4 * MIB);

    (void)state;
    connect_both();
    there[0].close_on_bytes = true;
    send_bytes(&here[0], &s, bytes, 4 * MIB);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
    assert_int_equal(there[0].closed, E_OK);
    assert_true(there[0].received <= reactor_config_default().receive_bytes); /* one call only */
    assert_int_equal(here[0].closed, E_UNREACHABLE);
    free(bytes);
}

static void an_unwanted_connection_is_closed_in_accepted(void **state)
{
    (void)state;
    accepted_is_refused = true;
    connect_end(&here[0]);
    run_while(here[0].closed_count == 0);
    assert_int_equal(accepted_count, 1);
}

/* A peer of another make, on a plain socket: connects, and is ours to misuse. */
static int stranger(void)
{
    unsigned long port = strtoul(strrchr(listener.address.text, ':') + 1, NULL, 10);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int s = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(s, (struct sockaddr *)&to, sizeof to), 0);
    return s;
}

static void a_peers_reset_closes(void **state)
{
    int s = stranger();
    struct linger at_once = {.l_onoff = 1};
    static struct sending sending;
    uint8_t *bytes = noise(32 * MIB);

    (void)state;
    run_while(accepted_count == 0);
    send_bytes(&there[0], &sending, bytes, 32 * MIB);
    setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(s);
    run_while(there[0].closed_count == 0);
    assert_int_equal(there[0].closed, E_UNREACHABLE);
    assert_int_equal(there[0].sends_failed, 1);
    assert_int_equal(there[0].closed_count, 1);
    free(bytes);
}

/* A port where the handshake never ends: its owner accepts nobody, and its queue is full. */
static int full_port(struct net_address *ret, int queued[3])
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s, 0), 0);
    assert_int_equal(getsockname(s, (struct sockaddr *)&at, &length), 0);
    snprintf(ret->text, sizeof ret->text, "127.0.0.1:%u", ntohs(at.sin_port));
    for (int i = 0; i < 3; i++) {
        queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(queued[i], (struct sockaddr *)&at, sizeof at); /* the last ones hang */
    }
    return s;
}

static void a_close_ends_a_handshake_that_hangs(void **state)
{
    struct net_address full = {""};
    int queued[3], s = full_port(&full, queued);

    (void)state;
    assert_int_equal(net_connect(rig_env, &full, &events, &here[0], &here[0].conn), E_OK);
    connect_end(&here[1]);
    run_while(accepted_count == 0); /* by now the kernel has the other handshake, too */
    close_end(&here[0], false);
    close_end(&here[1], false);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
    assert_int_equal(here[0].closed, E_OK);
    for (int i = 0; i < 3; i++)
        close(queued[i]);
    close(s);
}

/* Reads all there is, and keeps sending what nobody wants. */
struct talker {
    int socket;
    uint64_t received, checksum;
};

static void *talk(void *argument)
{
    struct talker *t = argument;
    uint8_t bytes[16384];
    ssize_t got;

    do {
        (void)send(t->socket, "?", 1, MSG_NOSIGNAL);
        got = recv(t->socket, bytes, sizeof bytes, 0);
        if (got > 0) {
            t->received += (uint64_t)got;
            t->checksum = sum_on(t->checksum, bytes, (uint64_t)got);
        }
    } while (got > 0);
    close(t->socket);
    return NULL;
}

/* Closed at once, the socket would answer its bytes with a reset, and take our last ones along. */
static void a_peer_that_talks_on_still_gets_what_was_flushed(void **state)
{
    struct talker talker = {.socket = stranger()};
    static struct sending sending;
    uint8_t *bytes = noise(2 * MIB);
    pthread_t thread;

    (void)state;
    run_while(accepted_count == 0);
    send_bytes(&there[0], &sending, bytes, 2 * MIB);
    close_end(&there[0], true);
    assert_int_equal(pthread_create(&thread, NULL, talk, &talker), 0);
    run_while(there[0].closed_count == 0);
    pthread_join(thread, NULL);
    assert_int_equal(talker.received, 2 * MIB);
    assert_int_equal(talker.checksum, sum_on(0, bytes, 2 * MIB));
    assert_int_equal(there[0].closed, E_OK);
    free(bytes);
}

/* What is said next waits behind what the socket has taken: of 8 MiB that is little. */
static void a_socket_takes_little_for_a_peer_that_does_not_read(void **state)
{
    static struct sending sendings[9];
    uint8_t *bytes = noise(MIB);
    int reads_nothing = stranger();

    (void)state;
    run_while(accepted_count == 0);
    send_bytes(&there[0], &sendings[0], bytes, 1);
    for (uint32_t n = 1; n < array_length(sendings); n++)
        send_bytes(&there[0], &sendings[n], bytes, MIB);
    run_while(there[0].sends_done == 0); /* the first, and all that went with it */
    assert_int_equal(there[0].sends_done, 1);
    close(reads_nothing);
    run_while(there[0].closed_count == 0);
    free(bytes);
}

/* All that only a peer could end is ended by the world's own bounds; they run side by side. */
static void no_peer_can_hold_us_for_ever(void **state)
{
    struct net_address full = {""};
    int queued[3], port = full_port(&full, queued);
    int takes_nothing = stranger(), never_finishes = stranger();
    static struct sending large, small;
    uint8_t *bytes = noise(32 * MIB);

    (void)state;
    assert_int_equal(net_connect(rig_env, &full, &events, &here[0], &here[0].conn), E_OK);
    run_while(accepted_count < 2);
    send_bytes(&there[0], &large, bytes, 32 * MIB);
    close_end(&there[0], true);
    send_bytes(&there[1], &small, bytes, 100);
    close_end(&there[1], true);
    run_while(there[0].closed_count == 0 || there[1].closed_count == 0);
    assert_int_equal(there[0].closed, E_OK);
    assert_int_equal(there[0].sends_failed, 1);
    assert_int_equal(there[1].closed, E_OK);
    assert_int_equal(there[1].sends_done, 1);
    run_while(here[0].closed_count == 0);
    assert_int_equal(here[0].closed, E_TIMED_OUT);
    for (int i = 0; i < 3; i++)
        close(queued[i]);
    close(port);
    close(takes_nothing);
    close(never_finishes);
    free(bytes);
}

/* Whoever hears of a failed send may close at once: closed() still comes once. */
static void send_failed_and_closes(struct net_send *s, enum err err)
{
    struct sending *sending = container_of(s, struct sending, send);

    sending_done(s, err);
    close_end(sending->end, false);
}

static void a_failed_send_may_close(void **state)
{
    static struct sending sendings[3];
    uint8_t *bytes = noise(32 * MIB);

    (void)state;
    connect_both();
    for (int i = 0; i < 3; i++) {
        send_bytes(&here[0], &sendings[i], bytes, 32 * MIB);
        sendings[i].send.done = send_failed_and_closes;
    }
    run_while(there[0].received == 0);
    close_end(&there[0], false);
    run_while(here[0].closed_count == 0 || there[0].closed_count == 0);
    assert_true(here[0].sends_failed >= 1);
    assert_int_equal(here[0].sends_failed + here[0].sends_done, 3);
    assert_int_equal(here[0].closed_count, 1);
    free(bytes);
}

static void a_wrong_address_is_refused(void **state)
{
    struct net_address wrong = {"localhost:1"}, foreign = {"192.0.2.1:1"};
    struct net_listener l = {.accepted = end_accepted};
    struct net_conn *c;

    (void)state;
    assert_int_equal(net_listen(rig_env, &wrong, &l), E_INVALID);
    assert_int_equal(net_connect(rig_env, &wrong, &events, NULL, &c), E_INVALID);
    assert_int_not_equal(net_listen(rig_env, &foreign, &l), E_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(an_end_knows_both_addresses),
        TEST(what_is_sent_comes_back),
        TEST(version_six_is_a_network_like_any_other),
        TEST(big_transfers_both_ways),
        TEST(pieces_arrive_in_their_order),
        TEST(many_connections_at_once),
        cmocka_unit_test_setup_teardown(many_connections_at_once, setup_few_buffers, teardown),
        cmocka_unit_test_setup_teardown(big_transfers_both_ways, setup_few_buffers, teardown),
        cmocka_unit_test_setup_teardown(many_connections_at_once, setup_small_ring, teardown),
        TEST(without_handles_who_connects_waits),
        TEST(one_connection_too_many_is_closed),
        TEST(a_refused_connect_is_closed_with_the_reason),
        TEST(a_port_can_be_listened_at_again_at_once),
        TEST(a_flush_sends_everything_before_it_closes),
        TEST(a_close_without_flush_is_a_reset),
        TEST(a_close_during_the_handshake),
        TEST(a_flush_during_the_handshake_still_sends),
        TEST(a_close_inside_received),
        TEST(an_unwanted_connection_is_closed_in_accepted),
        TEST(a_peers_reset_closes),
        TEST(a_close_ends_a_handshake_that_hangs),
        TEST(a_peer_that_talks_on_still_gets_what_was_flushed),
        TEST(a_socket_takes_little_for_a_peer_that_does_not_read),
        TEST(no_peer_can_hold_us_for_ever),
        TEST(a_failed_send_may_close),
        TEST(a_wrong_address_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
