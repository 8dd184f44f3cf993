/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/env/parcel_threads_test.c — connections go to and fro between two reactors, each on a
 * thread of its own, while their peers talk.
 */
#include "tests/unit/env/rig.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define PEERS      6u
#define STREAM     (3u << 20) /* of each peer                    */
#define MOVE_EVERY 20000u     /* bytes between two moves of one  */
#define KEPT_MAX   (8u << 20)
#define ECHOED_MAX 65536u

struct side {
    struct reactor *reactor;
    pthread_t thread;
};

static struct side sides[2];
static atomic_uint open_count;

/* What comes is echoed; of every MOVE_EVERY bytes one call sends it to the other side. */
struct echo {
    struct net_conn *conn;
    struct net_parcel parcel;
    struct mail letter;
    uint32_t at; /* which side has it */
    uint64_t received, moves;
    uint8_t kept[KEPT_MAX];
};

static struct echo echoes[PEERS];
static uint32_t accepted_count;

struct sending {
    struct net_send send;
    struct iovec piece;
    uint8_t bytes[];
};

static void sent(struct net_send *s, enum err err)
{
    (void)err;
    free(container_of(s, struct sending, send));
}

static void send_back(struct echo *e, const uint8_t *bytes, uint32_t length)
{
    struct sending *s = malloc(sizeof *s + length);

    assert_non_null(s);
    memcpy(s->bytes, bytes, length);
    s->piece = (struct iovec){s->bytes, length};
    s->send = (struct net_send){.pieces = &s->piece, .piece_count = 1, .done = sent};
    net_send(e->conn, &s->send);
}

static void received(struct net_conn *c, const uint8_t *bytes, uint32_t length)
{
    struct echo *e = c->owner;

    assert_true(pthread_equal(pthread_self(), sides[e->at].thread));
    send_back(e, bytes, length);
    e->received += length;
    if (e->received / MOVE_EVERY <= e->moves)
        return;
    e->parcel.kept_bytes = 0;
    net_detach(c, &e->parcel);
}

static void closed(struct net_conn *c, enum err err)
{
    (void)err;
    (void)c;
    if (atomic_fetch_sub(&open_count, 1) > 1)
        return;
    for (int n = 0; n < 2; n++)
        reactor_stop(sides[n].reactor);
}

static const struct net_events events = {.received = received, .closed = closed};

static void opened(struct mail *m)
{
    struct echo *e = container_of(m, struct echo, letter);
    struct net_parcel *p = &e->parcel;

    assert_int_equal(net_adopt(reactor_env(sides[e->at].reactor), p, &events, e, &e->conn), E_OK);
    if (p->kept_bytes > 0)
        received(e->conn, p->kept, p->kept_bytes);
}

static void detached(struct net_parcel *p)
{
    struct echo *e = container_of(p, struct echo, parcel);

    e->moves++;
    e->at = 1 - e->at;
    e->letter.opened = opened;
    mail_send(reactor_env(sides[e->at].reactor), &e->letter);
}

static void accepted(struct net_listener *l, struct net_conn *c)
{
    struct echo *e = &echoes[accepted_count++];

    (void)l;
    e->conn = c;
    e->parcel = (struct net_parcel){.detached = detached, .kept = e->kept, .kept_max = KEPT_MAX};
    c->owner = e;
    c->events = &events;
}

/* ---- the peers ---- */

struct peer {
    pthread_t thread;
    unsigned long port;
    uint32_t number;
    uint64_t right; /* bytes that came back as they were said */
};

static uint8_t byte_at(const struct peer *p, uint64_t offset)
{
    return (uint8_t)((offset + p->number) * 2654435761u >> 11);
}

/* What is on its way stays below what the sockets hold, so that a plain blocking peer does. */
static void *talk(void *argument)
{
    struct peer *p = argument;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)p->port)};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    uint64_t said = 0;
    uint8_t bytes[4096];

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(s, (struct sockaddr *)&to, sizeof to))
        return NULL;
    while (p->right < STREAM) {
        ssize_t here;

        while (said < STREAM && said - p->right < ECHOED_MAX) {
            uint32_t count = 1 + (uint32_t)(said * 7919 % sizeof bytes);

            for (uint32_t n = 0; n < count; n++)
                bytes[n] = byte_at(p, said + n);
            if (send(s, bytes, count, MSG_NOSIGNAL) != (ssize_t)count)
                return NULL;
            said += count;
        }
        here = recv(s, bytes, sizeof bytes, 0);
        for (ssize_t n = 0; n < here; n++)
            if (bytes[n] != byte_at(p, p->right++))
                return NULL;
        if (here <= 0)
            return NULL;
    }
    close(s);
    return NULL;
}

static void *run_side(void *argument)
{
    struct side *side = argument;

    side->thread = pthread_self();
    reactor_run(side->reactor);
    return NULL;
}

static void open_side(struct side *side)
{
    struct reactor_config config = reactor_config_default();
    const char *text;

    config.receive_buffers = 16;
    config.receive_bytes = 4096;
    config.workers = 0;
    assert_int_equal(reactor_open(&config, &log_stderr, &side->reactor, &text), E_OK);
    side->thread = pthread_self();
}

static void every_byte_comes_back_whoever_has_the_connection(void **state)
{
    struct net_address any = {"127.0.0.1:0"};
    struct net_listener listener = {.accepted = accepted};
    static struct peer peers[PEERS];
    pthread_t thread;

    (void)state;
    alarm(4 * RIG_PATIENCE_S);
    for (int n = 0; n < 2; n++)
        open_side(&sides[n]);
    atomic_store(&open_count, PEERS);
    assert_int_equal(net_listen(reactor_env(sides[0].reactor), &any, &listener), E_OK);
    for (uint32_t n = 0; n < PEERS; n++) {
        peers[n].number = n;
        peers[n].port = strtoul(strrchr(listener.address.text, ':') + 1, NULL, 10);
        assert_int_equal(pthread_create(&peers[n].thread, NULL, talk, &peers[n]), 0);
    }
    assert_int_equal(pthread_create(&thread, NULL, run_side, &sides[1]), 0);
    run_side(&sides[0]);
    pthread_join(thread, NULL);
    for (uint32_t n = 0; n < PEERS; n++) {
        pthread_join(peers[n].thread, NULL);
        assert_true(peers[n].right >= STREAM);
        assert_true(echoes[n].moves > 20);
    }
    net_unlisten(reactor_env(sides[0].reactor), &listener);
    for (int n = 0; n < 2; n++)
        reactor_close(sides[n].reactor);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_comes_back_whoever_has_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
