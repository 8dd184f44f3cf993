/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/net.c — sockets: how they are made, listened at, accepted from, connected, adopted.
 * What happens on a connection is connection.c's.
 *
 * A listener has one multishot accept.  When it ends with an error (no handles left, say), that is
 * said and a timer asks again, so that a machine in want does not spin.  shutdown() of a listening
 * socket ends the accept and frees the port at once; the listener's memory goes with the last
 * completion.
 */
#include "env/uring/parts.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG          1024
#define USER_TIMEOUT_MS  60000        /* without progress (design 14) */
#define UNSENT_MAX       (128 * 1024) /* in the socket: what comes next does not wait behind more */
#define KEEPALIVE_IDLE_S 30           /* idle, then three probes: 60 s as well */
#define KEEPALIVE_EACH_S 10
#define KEEPALIVE_PROBES 3

static bool set(int socket, int level, int option, int value)
{
    return setsockopt(socket, level, option, &value, sizeof value) == 0;
}

/* A socket that refuses one of these is of no family we know. */
static bool options_set(int socket)
{
    return set(socket, IPPROTO_TCP, TCP_NODELAY, 1) &&
           set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS) &&
           set(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX) &&
           set(socket, SOL_SOCKET, SO_KEEPALIVE, 1) &&
           set(socket, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S) &&
           set(socket, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EACH_S) &&
           set(socket, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

static struct net_address address_here(int socket)
{
    union socket_address address = {0};
    socklen_t length = sizeof address;

    getsockname(socket, &address.any, &length);
    return address_show(&address);
}

/* ---- listening ---- */

static void accept_start(struct listener *l)
{
    struct io_uring_sqe *sqe = ring_entry(&l->reactor->ring);

    io_uring_prep_multishot_accept(sqe, l->socket, NULL, NULL, SOCK_CLOEXEC);
    ring_tag(sqe, RING_ACCEPT, l);
}

static void accept_again(struct timer *t)
{
    accept_start(container_of(t, struct listener, again));
}

static enum err listening_socket(const struct net_address *at, int *ret)
{
    union socket_address address;
    socklen_t length;
    int made;

    if (!address_read(at, &address, &length))
        return E_INVALID;
    made = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0)
        return err_of_errno(errno);
    if (!set(made, SOL_SOCKET, SO_REUSEADDR, 1) ||
        (address.any.sa_family == AF_INET6 && !set(made, IPPROTO_IPV6, IPV6_V6ONLY, 1)) ||
        bind(made, &address.any, length) < 0 || listen(made, BACKLOG) < 0) {
        enum err err = err_of_errno(errno);

        close(made);
        return err;
    }
    *ret = made;
    return E_OK;
}

enum err uring_listen(struct env *e, const struct net_address *at, struct net_listener *door)
{
    struct reactor *r = reactor_of(e);
    struct listener *l;
    enum err err;

    assert(reactor_here(r));
    assert(door->accepted);
    if (r->listener_count == LISTENERS_MAX)
        return E_NO_MEMORY;
    l = calloc(1, sizeof *l);
    if (!l)
        return E_NO_MEMORY;
    err = listening_socket(at, &l->socket);
    if (err) {
        free(l);
        return err;
    }
    l->door = door;
    l->reactor = r;
    list_append(&r->listeners, &l->link);
    r->listener_count++;
    door->world = l;
    door->address = address_here(l->socket);
    accept_start(l);
    return E_OK;
}

static void listener_free(struct listener *l)
{
    list_remove(&l->link);
    l->reactor->listener_count--;
    close(l->socket);
    free(l);
}

void uring_unlisten(struct env *e, struct net_listener *door)
{
    struct listener *l = door->world;

    assert(reactor_here(reactor_of(e)));
    if (!l)
        return;
    l->door = NULL;
    door->world = NULL;
    shutdown(l->socket, SHUT_RDWR);
    if (timer_running(&l->again)) { /* no accept is under way */
        timer_stop(&e->clock, &l->again);
        listener_free(l);
    }
}

/* Only those whose last completion never came: the ring is closed. */
void listeners_close(struct reactor *r)
{
    list_for_each_safe(l, &r->listeners) {
        struct listener *listener = container_of(l, struct listener, link);

        assert(!listener->door);
        listener_free(listener);
    }
}

/* ---- accepting ---- */

/* A new socket: to its owner, or closed when nobody wants it or no connection is free. */
static void welcome(struct listener *l, int socket)
{
    struct connection *c = NULL;

    if (l->door && options_set(socket))
        c = connection_new(l->reactor, socket);
    if (!c) {
        close(socket);
        return;
    }
    c->peer_length = sizeof c->peer;
    getpeername(socket, &c->peer.any, &c->peer_length);
    c->conn.peer = address_show(&c->peer);
    c->conn.local = address_here(socket);
    connection_begin(c, true);
    l->door->accepted(l->door, &c->conn);
    assert(c->conn.events || c->owner_closed);
}

void uring_accepted(const struct completion *completion)
{
    struct listener *l = completion->subject;
    struct env *e = &l->reactor->env;

    if (completion->result >= 0)
        welcome(l, completion->result);
    if (completion->flags & IORING_CQE_F_MORE)
        return;
    if (!l->door) {
        listener_free(l);
        return;
    }
    shortage_met(&l->shortage, -completion->result, now_us(&e->clock), e->log, "reactor");
    timer_start(&e->clock, &l->again, SHORTAGE_AGAIN_MS * UINT64_C(1000), accept_again);
}

/* ---- connecting ---- */

static enum err connecting_socket(const union socket_address *to, int *ret)
{
    int made = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (made < 0)
        return err_of_errno(errno);
    if (!options_set(made)) {
        enum err err = err_of_errno(errno);

        close(made);
        return err;
    }
    *ret = made;
    return E_OK;
}

enum err uring_connect(struct env *e, const struct net_address *to, const struct net_events *events,
                       void *owner, struct net_conn **ret)
{
    struct reactor *r = reactor_of(e);
    union socket_address peer;
    struct connection *c;
    socklen_t length;
    int made = -1;
    enum err err;

    assert(reactor_here(r));
    if (!address_read(to, &peer, &length))
        return E_INVALID;
    err = connecting_socket(&peer, &made);
    if (err)
        return err;
    c = connection_new(r, made);
    if (!c) {
        close(made);
        return E_NO_MEMORY;
    }
    c->peer = peer;
    c->peer_length = length;
    c->conn.peer = *to;
    c->conn.local.text[0] = 0; /* known once connected */
    c->conn.events = events;
    c->conn.owner = owner;
    connection_begin(c, false);
    *ret = &c->conn;
    return E_OK;
}

/* ---- from another reactor ---- */

enum err uring_adopt(struct env *e, struct net_parcel *p, const struct net_events *events,
                     void *owner, struct net_conn **ret)
{
    struct reactor *r = reactor_of(e);
    struct connection *c;

    assert(reactor_here(r));
    c = connection_new(r, p->socket);
    if (!c) {
        uring_discard(e, p);
        return E_NO_MEMORY;
    }
    c->conn.events = events;
    c->conn.owner = owner;
    c->conn.local = p->local;
    c->conn.peer = p->peer;
    connection_begin(c, true);
    *ret = &c->conn;
    return E_OK;
}

void uring_discard(struct env *e, struct net_parcel *p)
{
    (void)e;
    close(p->socket);
}
