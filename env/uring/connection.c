/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/connection.c — the life of one TCP connection.
 *
 * The happy path: CONNECT (only for those that we began), OPEN, the owner closes with a flush,
 * FLUSH, LINGER, END.  Completions note what they saw and run the task; the task decides.
 * One that goes to another reactor leaves OPEN for DETACH, and is OPEN there.
 *
 * Sending: one sendmsg is under way, of everything that was queued when it was prepared.  The task
 * runs behind those that became ready before it, so what a whole turn sends goes out together.  It
 * does not wait for room in the socket, so it is over when the kernel has begun it, and has no
 * completion when all went out: one turn and one system call less, if nobody waits for its done.
 * The rest of one that found no room is sent again, and waits.
 * Receiving: one multishot receive, into provided buffers.  The bytes are copied once, by the
 * kernel; the owner sees them where they lie and leaves with what he needs.
 *
 * What can go wrong:
 *   the peer finishes or resets    END; what was not sent is answered E_CLOSED, or why
 *   no provided buffer is free     the receive ends with ENOBUFS; asked for anew
 *   the completion queue is full   the kernel ends the receive with its last bytes; the same
 *   the handshake takes too long   END with E_TIMED_OUT
 *   the peer does not take what is flushed, or does not finish after our FIN
 *                                  END with RST, 5 s after net_close()
 *   one that is to be detached is ended, or sends more than is kept
 *                                  END, its socket goes nowhere
 *
 * Promises: C1 closed() comes once, last, after the done of every net_send.
 *           C2 a connection is given back when the kernel has nothing of it: every request that
 *              names it has had its last completion, or is over without one.
 *           C3 after net_close() or the peer's end nothing is received.
 *           C4 every byte of one that is detached is received once, in order, here or there: the
 *              receive has had its last completion before the socket goes.
 */
#include "env/uring/parts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_US 5000000u
#define FLUSH_US   5000000u

enum connection_state {
    CONNECT, /* the handshake is under way; what is sent waits                          */
    OPEN,    /* bytes flow both ways                                                    */
    DETACH,  /* to another: what was sent goes out, what comes is kept                  */
    FLUSH,   /* the owner has closed it: what he sent before goes out                   */
    LINGER,  /* our FIN is out; closing before the peer's would reset what he still reads */
    END,     /* what the kernel has of it is called back and awaited                    */
};

static const struct task_state connection_states[] = {
    [CONNECT] = {"connect", TASK_FIRST},
    [OPEN] = {"open", TASK_FIRST | TASK_AFTER(CONNECT)},
    [DETACH] = {"detach", TASK_AFTER(OPEN)},
    [FLUSH] = {"flush", TASK_AFTER(OPEN)},
    [LINGER] = {"linger", TASK_AFTER(FLUSH)},
    [END] = {"end", TASK_AFTER(CONNECT) | TASK_AFTER(OPEN) | TASK_AFTER(DETACH) |
                        TASK_AFTER(FLUSH) | TASK_AFTER(LINGER)},
};

/* There is nothing more to wait for; the first reason stands, and after net_close() there is none.
 */
static void end_because(struct connection *c, enum err why)
{
    if (!c->over && !c->owner_closed)
        c->why = why;
    c->over = true;
    task_run(&c->task);
}

static bool kernel_has_some(const struct connection *c)
{
    return c->connecting || c->receiving || c->sending || c->cancelling;
}

/* It is on its way to another reactor, and nothing has come between. */
static bool is_leaving(const struct connection *c)
{
    return c->leaving && !c->over && !c->owner_closed;
}

/* ---- receiving ---- */

static void receive_start(struct connection *c)
{
    struct io_uring_sqe *sqe = ring_entry(&c->reactor->ring);

    assert(!c->receiving);
    io_uring_prep_recv_multishot(sqe, c->socket, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    ring_tag(sqe, RING_RECEIVE, c);
    c->receiving = true;
}

static void bytes_arrived(struct connection *c, uint32_t buffer, uint32_t length)
{
    struct receive_buffers *buffers = &c->reactor->buffers;

    if (is_leaving(c)) {
        if (!net_parcel_keep(c->leaving, receive_buffers_at(buffers, buffer), length))
            end_because(c, E_TOO_LARGE);
    } else if (!c->owner_closed && !c->over) { /* C3 */
        c->conn.events->received(&c->conn, receive_buffers_at(buffers, buffer), length);
    }
    receive_buffers_give_back(buffers, buffer);
}

/* The receive ended, and may be asked for again. */
static bool is_passing(const struct connection *c, int32_t result)
{
    return result == -ENOBUFS || result == -EAGAIN || result == -EINTR ||
           (result == -ECANCELED && is_leaving(c));
}

void connection_received(const struct completion *completion)
{
    struct connection *c = completion->subject;
    int32_t result = completion->result;

    if (!(completion->flags & IORING_CQE_F_MORE))
        c->receiving = false;
    if (result > 0)
        bytes_arrived(c, completion->flags >> IORING_CQE_BUFFER_SHIFT, (uint32_t)result);
    else if (result == 0)
        end_because(c, E_OK);
    else if (!is_passing(c, result))
        end_because(c, err_of_errno(-result));
    if (c->over || c->leaving)
        task_run(&c->task);
    else if (!c->receiving)
        receive_start(c);
}

/* ---- sending ---- */

static struct net_send *first_send(const struct connection *c)
{
    return container_of(c->sends.next, struct net_send, link);
}

/* Adds what is left of one send to the message; its bytes. */
static uint64_t gather_one(struct connection *c, const struct net_send *s)
{
    uint64_t skip = s->bytes_done, bytes = 0;

    for (uint32_t i = 0; i < s->piece_count && c->message.msg_iovlen < GATHER_MAX; i++) {
        const struct iovec *piece = &s->pieces[i];
        struct iovec *to = &c->gather[c->message.msg_iovlen];

        if (skip >= piece->iov_len) {
            skip -= piece->iov_len;
            continue;
        }
        *to = (struct iovec){(uint8_t *)piece->iov_base + skip, piece->iov_len - skip};
        c->message.msg_iovlen++;
        bytes += to->iov_len;
        skip = 0;
    }
    return bytes;
}

static uint64_t gather(struct connection *c)
{
    uint64_t bytes = 0;

    c->message = (struct msghdr){.msg_iov = c->gather};
    list_for_each(l, &c->sends) {
        if (c->message.msg_iovlen == GATHER_MAX)
            break;
        bytes += gather_one(c, container_of(l, struct net_send, link));
    }
    return bytes;
}

/* It takes what the socket has room for, at once, and has a completion only if that is not all. */
static void make_silent(struct connection *c, struct io_uring_sqe *sqe, uint64_t bytes)
{
    sqe->msg_flags |= MSG_DONTWAIT | MSG_WAITALL;
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    c->silent_entry = c->reactor->ring.prepared;
    c->silent_bytes = bytes;
    list_append(&c->reactor->silent, &c->silent_link);
}

static void send_start(struct connection *c)
{
    struct io_uring_sqe *sqe;
    uint64_t bytes;

    if (c->sending || list_empty(&c->sends))
        return;
    bytes = gather(c);
    sqe = ring_entry(&c->reactor->ring);
    io_uring_prep_sendmsg(sqe, c->socket, &c->message, MSG_NOSIGNAL);
    ring_tag(sqe, RING_SEND, c);
    c->sending = true;
    if (!c->full)
        make_silent(c, sqe, bytes);
}

/* `bytes` of the stream are with the network: which sends does that finish? */
static void sends_progress(struct connection *c, uint64_t bytes)
{
    while (!list_empty(&c->sends)) {
        struct net_send *s = first_send(c);
        uint64_t part = min_u64(bytes, s->bytes - s->bytes_done);

        s->bytes_done += part;
        bytes -= part;
        if (s->bytes_done < s->bytes)
            return;
        list_remove(&s->link);
        s->done(s, E_OK);
    }
    assert(bytes == 0);
}

static void sends_fail(struct connection *c)
{
    enum err err = c->why ? c->why : E_CLOSED;
    struct list *l;

    while ((l = list_take(&c->sends))) {
        struct net_send *s = container_of(l, struct net_send, link);

        s->done(s, err);
    }
}

void connection_sent(const struct completion *completion)
{
    struct connection *c = completion->subject;
    int32_t result = completion->result;

    c->sending = false;
    c->full = !list_empty(&c->silent_link); /* else it has waited for room */
    list_remove(&c->silent_link);
    if (result >= 0)
        sends_progress(c, (uint32_t)result);
    else if (result != -EAGAIN && result != -EINTR)
        end_because(c, err_of_errno(-result));
    task_run(&c->task);
}

void connections_sent_silently(struct reactor *r)
{
    list_for_each_safe(l, &r->silent) {
        struct connection *c = container_of(l, struct connection, silent_link);

        if (c->silent_entry > r->ring.taken)
            return;
        c->sending = false;
        list_remove(&c->silent_link);
        sends_progress(c, c->silent_bytes);
        task_run(&c->task);
    }
}

/* Only while nothing but its owner waits for what it sends, he does not, and the kernel has all of
 * it: one message takes GATHER_MAX pieces. */
static bool can_wait(const struct connection *c)
{
    uint64_t left = 0;

    if (c->owner_closed || c->leaving || c->over)
        return false;
    list_for_each(l, &c->sends) {
        const struct net_send *s = container_of(l, struct net_send, link);

        if (!s->can_wait || !s->can_wait(s))
            return false;
        left += s->bytes - s->bytes_done;
    }
    return left == c->silent_bytes;
}

bool connections_can_wait(const struct reactor *r)
{
    list_for_each(l, &r->silent) {
        if (!can_wait(container_of(l, struct connection, silent_link)))
            return false;
    }
    return true;
}

static void connection_send(struct net_conn *conn, struct net_send *s)
{
    struct connection *c = container_of(conn, struct connection, conn);

    assert(reactor_here(c->reactor));
    assert(!c->owner_closed);
    assert(!c->leaving);
    assert(s->done);
    s->bytes = s->bytes_done = 0;
    for (uint32_t i = 0; i < s->piece_count; i++)
        s->bytes += s->pieces[i].iov_len;
    list_append(&c->sends, &s->link);
    task_run(&c->task);
}

/* ---- beginning ---- */

static void connect_start(struct connection *c)
{
    struct io_uring_sqe *sqe = ring_entry(&c->reactor->ring);

    io_uring_prep_connect(sqe, c->socket, &c->peer.any, c->peer_length);
    ring_tag(sqe, RING_CONNECT, c);
    c->connecting = true;
}

void connection_connected(const struct completion *completion)
{
    struct connection *c = completion->subject;
    union socket_address here = {0};
    socklen_t length = sizeof here;

    c->connecting = false;
    if (completion->result < 0) {
        end_because(c, err_of_errno(-completion->result));
        return;
    }
    c->connected = true;
    getsockname(c->socket, &here.any, &length);
    c->conn.local = address_show(&here);
    task_run(&c->task);
}

static void bound_reached(struct timer *t)
{
    struct connection *c = container_of(t, struct connection, bound);

    c->reset = true;
    end_because(c, E_TIMED_OUT);
}

static void bound_start(struct connection *c, uint64_t us)
{
    timer_start(&c->reactor->env.clock, &c->bound, us, bound_reached);
}

/* ---- ending ---- */

static void connection_close(struct net_conn *conn, bool flush)
{
    struct connection *c = container_of(conn, struct connection, conn);

    assert(reactor_here(c->reactor));
    if (c->owner_closed && (flush || c->reset))
        return; /* once more, or less than before */
    if (!c->over)
        c->why = E_OK;
    c->owner_closed = true;
    if (flush && !c->over) {
        bound_start(c, FLUSH_US);
    } else {
        c->reset = c->reset || !c->over;
        c->over = true;
    }
    task_run(&c->task);
}

/* Everything on this socket; each request then has its last completion. */
static void cancel_start(struct connection *c)
{
    struct io_uring_sqe *sqe;

    if (c->cancelled)
        return;
    sqe = ring_entry(&c->reactor->ring);
    io_uring_prep_cancel_fd(sqe, c->socket, IORING_ASYNC_CANCEL_ALL);
    ring_tag(sqe, RING_CANCEL, c);
    c->cancelled = c->cancelling = true;
}

/* Whatever the cancel did not find ends with the socket's own shutdown; one that goes on elsewhere
 * is asked again: its last completion is on its way. */
void connection_cancelled(const struct completion *completion)
{
    struct connection *c = completion->subject;
    bool missed = completion->result <= 0;

    c->cancelling = false;
    if (is_leaving(c) && missed)
        c->cancelled = false;
    else if (kernel_has_some(c) && missed)
        shutdown(c->socket, SHUT_RDWR);
    task_run(&c->task);
}

/* With RST if asked for: nothing that is still in the socket goes out any more. */
static void socket_close(struct connection *c)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (c->reset)
        setsockopt(c->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(c->socket);
}

/* ---- from one reactor to another ---- */

static void connection_detach(struct net_conn *conn, struct net_parcel *p)
{
    struct connection *c = container_of(conn, struct connection, conn);

    assert(reactor_here(c->reactor));
    assert(!c->owner_closed);
    assert(!c->leaving);
    c->leaving = p;
    task_run(&c->task);
}

/* What was sent is out, and the kernel has nothing of it here: what comes now waits in the socket.
 */
static bool is_let_go(struct connection *c)
{
    send_start(c);
    if (list_empty(&c->sends) && kernel_has_some(c)) /* C4 */
        cancel_start(c);
    return !kernel_has_some(c);
}

static void detached(struct connection *c)
{
    struct net_parcel *p = c->leaving;

    p->socket = c->socket;
    p->local = c->conn.local;
    p->peer = c->conn.peer;
    pool_put(&c->reactor->connections, c);
    p->detached(p);
}

/* ---- the life ---- */

static enum task_next connection_step(struct task *t)
{
    struct connection *c = container_of(t, struct connection, task);

    switch ((enum connection_state)t->state) {
    case CONNECT:
        if (c->over)
            return task_goto(t, END);
        if (!c->connected)
            return TASK_WAIT;
        if (!c->owner_closed)
            timer_stop(&c->reactor->env.clock, &c->bound);
        receive_start(c);
        return task_goto(t, OPEN);

    case OPEN:
        if (c->over)
            return task_goto(t, END);
        if (c->owner_closed)
            return task_goto(t, FLUSH);
        if (c->leaving)
            return task_goto(t, DETACH);
        send_start(c);
        return TASK_WAIT;

    case DETACH:
        if (!is_leaving(c))
            return task_goto(t, END);
        return is_let_go(c) ? TASK_DONE : TASK_WAIT;

    case FLUSH:
        if (c->over)
            return task_goto(t, END);
        if (!list_empty(&c->sends)) {
            send_start(c);
            return TASK_WAIT;
        }
        shutdown(c->socket, SHUT_WR);
        return task_goto(t, LINGER);

    case LINGER:
        return c->over ? task_goto(t, END) : TASK_WAIT;

    case END:
        if (kernel_has_some(c)) { /* C2 */
            cancel_start(c);
            return TASK_WAIT;
        }
        sends_fail(c); /* C1 */
        return TASK_DONE;
    }
    unreachable();
}

static void connection_done(struct task *t)
{
    struct connection *c = container_of(t, struct connection, task);

    timer_stop(&c->reactor->env.clock, &c->bound);
    if (t->state == DETACH) {
        detached(c);
        return;
    }
    socket_close(c);
    if (c->conn.events) /* not if it was closed in accepted(), by whom had no use for it */
        c->conn.events->closed(&c->conn, c->why);
    pool_put(&c->reactor->connections, c);
}

static const struct task_kind connection_kind = {
    .name = "connection",
    .step = connection_step,
    .done = connection_done,
    .states = connection_states,
    .state_count = array_length(connection_states),
};

static const struct net_conn_ops connection_ops = {
    .send = connection_send,
    .close = connection_close,
    .detach = connection_detach,
};

struct connection *connection_new(struct reactor *r, int socket)
{
    struct connection *c = pool_get(&r->connections);

    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    c->reactor = r;
    c->socket = socket;
    c->conn.ops = &connection_ops;
    list_init(&c->sends);
    list_init(&c->silent_link);
    return c;
}

void connection_begin(struct connection *c, bool connected)
{
    c->connected = connected;
    if (connected) {
        receive_start(c);
    } else {
        connect_start(c);
        bound_start(c, CONNECT_US);
    }
    task_start(&c->task, &connection_kind, &c->reactor->env.tasks, connected ? OPEN : CONNECT);
}
