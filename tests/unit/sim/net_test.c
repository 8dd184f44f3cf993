/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sim/net_test.c — streams keep their order and end exactly once. */
#include "tests/sim/world/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BOUND_US (60u * 1000 * 1000)
#define SENDS    8
#define PIECE    1000u

/* One side of a connection and what it has lived through. */
struct side {
    struct net_conn *conn;
    struct net_parcel parcel; /* in which it goes to another process, and its bytes behind it */
    uint8_t kept[SENDS * PIECE];
    struct env *home;
    int moves;
    struct net_send sends[SENDS];
    struct iovec pieces[SENDS];
    uint8_t out[SENDS][PIECE];
    int answered, failed; /* sends */
    uint8_t in[SENDS * PIECE];
    size_t received, calls;
    int closed;
    enum err err;
    bool close_when_received;
};

struct listening {
    struct net_listener listener;
    struct side *side;
    bool refuse;
};

static void received(struct net_conn *c, const uint8_t *bytes, uint32_t length)
{
    struct side *side = c->owner;

    assert_true(length > 0);
    assert_true(side->received + length <= sizeof side->in);
    assert_int_equal(side->closed, 0);
    memcpy(side->in + side->received, bytes, length);
    side->received += length;
    side->calls++;
    if (side->close_when_received)
        net_close(c, false);
}

static void closed(struct net_conn *c, enum err err)
{
    struct side *side = c->owner;

    side->closed++;
    side->err = err;
    side->conn = NULL;
}

static const struct net_events events = {.received = received, .closed = closed};

static struct side *sender; /* whose sends are being answered: one side sends in each test */

static void sent(struct net_send *s, enum err err)
{
    (void)s;
    assert_int_equal(sender->closed, 0);
    sender->answered += err == E_OK;
    sender->failed += err != E_OK;
}

static void send_all(struct side *side)
{
    sender = side;
    for (int i = 0; i < SENDS; i++) {
        for (size_t at = 0; at < PIECE; at++)
            side->out[i][at] = (uint8_t)(i * 31 + (int)at);
        side->pieces[i] = (struct iovec){side->out[i], PIECE};
        side->sends[i] =
            (struct net_send){.pieces = &side->pieces[i], .piece_count = 1, .done = sent};
        net_send(side->conn, &side->sends[i]);
    }
}

static void accepted(struct net_listener *l, struct net_conn *c)
{
    struct listening *own = container_of(l, struct listening, listener);

    if (own->refuse) {
        net_close(c, false);
        return;
    }
    own->side->conn = c;
    c->owner = own->side;
    c->events = &events;
}

/* Two processes, a connection from one to the other. */
struct stage {
    struct sim *sim;
    struct env *client_env, *server_env;
    struct side client, server;
    struct listening listening;
};

static void raise_curtain(struct stage *t, uint64_t seed)
{
    struct net_address any = {"127.0.0.1:0"};

    memset(t, 0, sizeof *t);
    t->sim = sim_open(seed);
    t->client_env = sim_env(t->sim, "client");
    t->server_env = sim_env(t->sim, "server");
    t->listening.listener.accepted = accepted;
    t->listening.side = &t->server;
    assert_int_equal(t->server_env->ops->listen(t->server_env, &any, &t->listening.listener), E_OK);
    assert_string_not_equal(t->listening.listener.address.text, any.text);
    assert_int_equal(t->client_env->ops->connect(t->client_env, &t->listening.listener.address,
                                                 &events, &t->client, &t->client.conn),
                     E_OK);
}

static bool both_closed(void *arg)
{
    struct stage *t = arg;

    return t->client.closed && t->server.closed;
}

static bool client_closed(void *arg)
{
    return ((struct stage *)arg)->client.closed;
}

static bool server_closed(void *arg)
{
    return ((struct stage *)arg)->server.closed;
}

static bool server_has_all(void *arg)
{
    return ((struct stage *)arg)->server.received == SENDS * PIECE;
}

static bool server_is_up(void *arg)
{
    return ((struct stage *)arg)->server.conn != NULL;
}

static void assert_prefix(const struct stage *t)
{
    for (size_t at = 0; at < t->server.received; at++)
        assert_int_equal(t->server.in[at], t->client.out[at / PIECE][at % PIECE]);
}

static void bytes_arrive_in_order_in_pieces_of_any_size(void **state)
{
    static struct stage t;
    size_t calls = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        raise_curtain(&t, seed);
        send_all(&t.client); /* before it is accepted: queued */
        assert_int_equal(t.client.answered, 0);
        assert_true(sim_run_until(t.sim, server_has_all, &t, BOUND_US));
        assert_prefix(&t);
        assert_int_equal(t.client.answered, SENDS);
        assert_string_equal(t.server.conn->peer.text, t.client.conn->local.text);
        calls += t.server.calls;
        sim_close(t.sim);
    }
    assert_true(calls > 30 * 2);
}

static void a_flushing_close_delivers_everything(void **state)
{
    static struct stage t;

    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        raise_curtain(&t, seed);
        send_all(&t.client);
        net_close(t.client.conn, true);
        assert_int_equal(t.client.closed, 0);
        assert_true(sim_run_until(t.sim, both_closed, &t, BOUND_US));
        assert_true(server_has_all(&t));
        assert_prefix(&t);
        assert_int_equal(t.client.err, E_OK);
        assert_int_equal(t.server.err, E_OK);
        assert_int_equal(t.client.answered, SENDS);
        sim_run_for(t.sim, 1000000);
        assert_int_equal(t.client.closed, 1);
        assert_int_equal(t.server.closed, 1);
        sim_close(t.sim);
    }
}

static void an_abrupt_close_delivers_a_prefix(void **state)
{
    static struct stage t;

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        raise_curtain(&t, seed);
        assert_true(sim_run_until(t.sim, server_is_up, &t, BOUND_US));
        send_all(&t.client);
        sim_run_for(t.sim, sim_draw(t.sim, 400));
        net_close(t.client.conn, false);
        assert_true(sim_run_until(t.sim, both_closed, &t, BOUND_US));
        assert_prefix(&t);
        assert_int_equal(t.client.err, E_OK);
        assert_int_not_equal(t.server.err, E_OK);
        assert_int_equal(t.client.answered + t.client.failed, SENDS);
        sim_close(t.sim);
    }
}

static void nothing_is_received_after_closing(void **state)
{
    static struct stage t;

    (void)state;
    raise_curtain(&t, 3);
    t.server.close_when_received = true;
    send_all(&t.client);
    assert_true(sim_run_until(t.sim, both_closed, &t, BOUND_US));
    assert_int_equal(t.server.calls, 1);
    sim_close(t.sim);
}

static void nobody_listens(void **state)
{
    static struct stage t;

    (void)state;
    raise_curtain(&t, 1);
    t.server_env->ops->unlisten(t.server_env, &t.listening.listener);
    send_all(&t.client);
    assert_true(sim_run_until(t.sim, client_closed, &t, BOUND_US));
    assert_int_equal(t.client.err, E_UNREACHABLE);
    sim_close(t.sim);
}

static void a_refused_connection_is_reset(void **state)
{
    static struct stage t;

    (void)state;
    raise_curtain(&t, 1);
    t.listening.refuse = true;
    assert_true(sim_run_until(t.sim, client_closed, &t, BOUND_US));
    assert_int_not_equal(t.client.err, E_OK);
    assert_int_equal(t.server.closed, 0);
    sim_close(t.sim);
}

static void a_taken_port_is_busy(void **state)
{
    static struct stage t;
    struct net_listener second = {.accepted = accepted};

    (void)state;
    raise_curtain(&t, 1);
    assert_int_equal(
        t.client_env->ops->listen(t.client_env, &t.listening.listener.address, &second), E_BUSY);
    sim_close(t.sim);
}

static void death_resets_the_peer_and_tells_the_dead_nothing(void **state)
{
    static struct stage t;

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        raise_curtain(&t, seed);
        sim_run_for(t.sim, sim_draw(t.sim, 600));
        send_all(&t.client);
        sim_run_for(t.sim, sim_draw(t.sim, 400));
        sim_crash(t.sim, t.client_env, SIM_KILLED);
        assert_true(sim_run_until(t.sim, server_closed, &t, BOUND_US));
        assert_int_not_equal(t.server.err, E_OK);
        assert_prefix(&t);
        assert_int_equal(t.client.closed, 0);
        sim_close(t.sim);
    }
}

static void a_restarted_server_takes_its_port_again(void **state)
{
    static struct stage t;
    struct net_address at;

    (void)state;
    raise_curtain(&t, 9);
    at = t.listening.listener.address;
    assert_true(sim_run_until(t.sim, server_is_up, &t, BOUND_US));
    sim_crash(t.sim, t.server_env, SIM_KILLED);
    assert_true(sim_run_until(t.sim, client_closed, &t, BOUND_US));
    assert_int_not_equal(t.client.err, E_OK);
    t.server_env = sim_env(t.sim, "server");
    assert_int_equal(t.server_env->ops->listen(t.server_env, &at, &t.listening.listener), E_OK);
    assert_string_equal(t.listening.listener.address.text, at.text);
    sim_close(t.sim);
}

/* ---- from one process to another ---- */

static void adopted(struct net_parcel *p)
{
    struct side *side = container_of(p, struct side, parcel);

    assert_int_equal(side->closed, 0);
    side->moves++;
    assert_int_equal(net_adopt(side->home, p, &events, side, &side->conn), E_OK);
    if (p->kept_bytes > 0)
        received(side->conn, p->kept, p->kept_bytes);
}

static void move_to(struct side *side, struct env *home)
{
    side->home = home;
    side->parcel =
        (struct net_parcel){.detached = adopted, .kept = side->kept, .kept_max = sizeof side->kept};
    net_detach(side->conn, &side->parcel);
}

static bool server_has_moved(void *arg)
{
    struct stage *t = arg;

    return t->server.moves == 1;
}

static bool server_has_moved_twice(void *arg)
{
    const struct stage *t = arg;

    return t->server.moves == 2;
}

/* From one process to a second and on to a third, at any moment of the stream. */
static void a_detached_stream_goes_on_where_it_is_adopted(void **state)
{
    static struct stage t;
    uint32_t with_bytes = 0, before = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct env *second, *third;
        struct net_address peer;

        raise_curtain(&t, seed);
        second = sim_env(t.sim, "second");
        third = sim_env(t.sim, "third");
        send_all(&t.client);
        assert_true(sim_run_until(t.sim, server_is_up, &t, BOUND_US));
        peer = t.server.conn->peer;
        sim_run_for(t.sim, sim_draw(t.sim, 500));
        before += t.server.received > 0 && t.server.received < SENDS * PIECE;
        move_to(&t.server, second);
        assert_true(sim_run_until(t.sim, server_has_moved, &t, BOUND_US));
        with_bytes += t.server.parcel.kept_bytes > 0;
        sim_run_for(t.sim, sim_draw(t.sim, 500));
        move_to(&t.server, third);
        assert_true(sim_run_until(t.sim, server_has_moved_twice, &t, BOUND_US));
        assert_true(sim_run_until(t.sim, server_has_all, &t, BOUND_US));
        assert_prefix(&t);
        assert_string_equal(t.server.conn->peer.text, peer.text);
        net_close(t.client.conn, true);
        assert_true(sim_run_until(t.sim, both_closed, &t, BOUND_US));
        sim_close(t.sim);
    }
    assert_true(with_bytes > 10);
    assert_true(before > 10);
}

static void an_end_meanwhile_is_heard_once(void **state)
{
    static struct stage t;
    int moved = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct env *second;

        raise_curtain(&t, seed);
        second = sim_env(t.sim, "second");
        assert_true(sim_run_until(t.sim, server_is_up, &t, BOUND_US));
        send_all(&t.client);
        sim_run_for(t.sim, sim_draw(t.sim, 100));
        move_to(&t.server, second);
        sim_run_for(t.sim, sim_draw(t.sim, 100));
        if (seed % 3 == 0 && t.server.conn)
            net_close(t.server.conn, seed % 2);
        else
            net_close(t.client.conn, seed % 2);
        assert_true(sim_run_until(t.sim, both_closed, &t, BOUND_US));
        assert_prefix(&t);
        sim_run_for(t.sim, 1000000);
        assert_int_equal(t.server.closed, 1);
        moved += t.server.moves;
        sim_close(t.sim);
    }
    assert_true(moved > 10);
    assert_true(moved < 190);
}

static void more_than_is_kept_ends_it(void **state)
{
    static struct stage t;
    int ended = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        raise_curtain(&t, seed);
        send_all(&t.client);
        assert_true(sim_run_until(t.sim, server_is_up, &t, BOUND_US));
        move_to(&t.server, t.server_env);
        t.server.parcel.kept_max = 1;
        sim_run_for(t.sim, 1000);
        ended += t.server.closed && t.server.err == E_TOO_LARGE;
        if (t.client.conn)
            net_close(t.client.conn, false);
        assert_true(sim_run_until(t.sim, both_closed, &t, BOUND_US));
        sim_close(t.sim);
    }
    assert_true(ended > 10);
    assert_true(ended < 90);
}

static void stays_detached(struct net_parcel *p)
{
    container_of(p, struct side, parcel)->moves++;
}

/* Wherever it is on its way: nobody's, it is still somebody's to lose. */
static void a_parcel_that_goes_nowhere_resets_the_peer(void **state)
{
    static struct stage t;

    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct env *second;

        raise_curtain(&t, seed);
        second = sim_env(t.sim, "second");
        assert_true(sim_run_until(t.sim, server_is_up, &t, BOUND_US));
        move_to(&t.server, second);
        if (seed % 3 < 2)
            t.server.parcel.detached = stays_detached;
        assert_true(sim_run_until(t.sim, server_has_moved, &t, BOUND_US));
        if (seed % 3 == 0)
            sim_crash(t.sim, t.server_env, SIM_KILLED);
        else if (seed % 3 == 1)
            net_discard(t.server_env, &t.server.parcel);
        else
            sim_crash(t.sim, second, SIM_KILLED);
        assert_true(sim_run_until(t.sim, client_closed, &t, BOUND_US));
        assert_int_not_equal(t.client.err, E_OK);
        assert_int_equal(t.server.closed, 0);
        sim_close(t.sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_in_order_in_pieces_of_any_size),
        cmocka_unit_test(a_flushing_close_delivers_everything),
        cmocka_unit_test(an_abrupt_close_delivers_a_prefix),
        cmocka_unit_test(nothing_is_received_after_closing),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(a_refused_connection_is_reset),
        cmocka_unit_test(a_taken_port_is_busy),
        cmocka_unit_test(death_resets_the_peer_and_tells_the_dead_nothing),
        cmocka_unit_test(a_restarted_server_takes_its_port_again),
        cmocka_unit_test(a_detached_stream_goes_on_where_it_is_adopted),
        cmocka_unit_test(an_end_meanwhile_is_heard_once),
        cmocka_unit_test(more_than_is_kept_ends_it),
        cmocka_unit_test(a_parcel_that_goes_nowhere_resets_the_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
