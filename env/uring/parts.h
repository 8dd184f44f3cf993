/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/parts.h — what a reactor is made of.  Private to env/uring.
 *
 * Everything here belongs to the reactor's thread, but for the heads of the mailbox, the stop flag
 * and what the workers' mutex guards.
 */
#ifndef ENV_URING_PARTS_H
#define ENV_URING_PARTS_H

#include "base/pool.h"
#include "env/address.h"
#include "env/shortage.h"
#include "env/uring/reactor.h"
#include "env/uring/ring.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- mail.c ---- */

struct mailbox {
    _Atomic(struct mail *) newest; /* a stack: the receiver turns it round */
    int bell;                      /* an eventfd, never read: each ring of it is one completion */
    bool listening;
};

must_check enum err mailbox_open(struct mailbox *m);
void mailbox_close(struct mailbox *m);
void mailbox_put(struct mailbox *m, struct mail *letter); /* any thread */
void mailbox_ring(const struct mailbox *m);               /* any thread, signal handlers */
void mailbox_listen(struct mailbox *m, struct ring *g);   /* from now on the bell wakes */
void mailbox_rang(struct mailbox *m, const struct completion *c);
uint32_t mailbox_empty(struct mailbox *m); /* opens what is there; how much */

/* ---- workers.c ---- */

struct workers {
    pthread_mutex_t mutex; /* guards jobs, finished, told, ending */
    pthread_cond_t wanted;
    struct list jobs, finished;
    bool told; /* `news` is on its way */
    bool ending;
    struct mail news;
    struct mailbox *mailbox;
    pthread_t *threads;
    uint32_t count;
    uint32_t unfinished; /* the reactor's own count: jobs whose done() has not run */
};

must_check enum err workers_open(struct workers *w, uint32_t count, struct mailbox *mailbox);
void workers_close(struct workers *w); /* nothing is unfinished */
void workers_start(struct workers *w, struct work *work);

/* ---- receive_buffers.c ---- */

struct receive_buffers {
    struct io_uring_buf_ring *ring; /* shared with the kernel */
    uint8_t *memory;
    uint32_t count, bytes_each;
};

must_check enum err receive_buffers_open(struct receive_buffers *b, struct ring *g, uint32_t count,
                                         uint32_t bytes_each);
void receive_buffers_close(struct receive_buffers *b); /* after the ring */
const uint8_t *receive_buffers_at(const struct receive_buffers *b, uint32_t number);
void receive_buffers_give_back(struct receive_buffers *b, uint32_t number);

/* ---- disk.c ---- */

enum err uring_disk_open(struct env *e, const char *path, uint64_t create_bytes, struct disk **ret);
void uring_disk_answered(const struct completion *c);
void uring_disk_turn_ends(struct reactor *r); /* what can wait goes to the ring now */

/* ---- net.c, connection.c ---- */

#define LISTENERS_MAX 16u
#define GATHER_MAX    64u /* pieces in one sendmsg */

struct listener {
    struct net_listener *door; /* NULL: unlistened, waits for the kernel's last word */
    struct reactor *reactor;
    int socket;
    struct timer again;
    struct shortage shortage;
    struct list link;
};

struct connection {
    struct net_conn conn;
    struct task task;
    struct reactor *reactor;
    int socket;

    /* what the kernel has of it */
    bool connecting, receiving, sending, cancelling;
    /* what has happened */
    bool connected;    /* the handshake is over          */
    bool owner_closed; /* nothing more is received       */
    bool over;         /* there is no more to wait for   */
    bool reset;        /* ends with RST, not with FIN    */
    bool cancelled;    /* the kernel was asked to let go */
    enum err why;
    struct net_parcel *leaving; /* to another reactor: what is received goes into it */
    struct timer bound;         /* of the handshake, then of the flush */

    struct list sends; /* struct net_send, first is being sent */
    struct list silent_link;
    uint64_t silent_entry; /* the send under way, in the reactor's `silent` */
    uint64_t silent_bytes;
    bool full; /* the socket took less than it was given: the next send waits for room */
    struct iovec gather[GATHER_MAX];
    struct msghdr message;
    union socket_address peer;
    socklen_t peer_length;
};

enum err uring_listen(struct env *e, const struct net_address *at, struct net_listener *door);
void uring_unlisten(struct env *e, struct net_listener *door);
void uring_accepted(const struct completion *c);
void listeners_close(struct reactor *r);
enum err uring_connect(struct env *e, const struct net_address *to, const struct net_events *events,
                       void *owner, struct net_conn **ret);

enum err uring_adopt(struct env *e, struct net_parcel *p, const struct net_events *events,
                     void *owner, struct net_conn **ret);
void uring_discard(struct env *e, struct net_parcel *p);

/* Takes the socket; NULL (the socket is the caller's again) when all connections are in use. */
struct connection *connection_new(struct reactor *r, int socket);
void connection_begin(struct connection *c, bool connected);
void connection_connected(const struct completion *c);
void connection_received(const struct completion *c);
void connection_sent(const struct completion *c);
void connections_sent_silently(struct reactor *r);  /* what was sent without a word is done */
bool connections_can_wait(const struct reactor *r); /* nobody waits for what is sent so */
void connection_cancelled(const struct completion *c);

/* ---- chance.c ---- */

extern struct chance system_chance;

/* ---- reactor.c ---- */

struct reactor {
    struct env env;
    struct ring ring;
    struct mailbox mailbox;
    struct workers workers;
    struct receive_buffers buffers;
    struct pool connections;
    struct list listeners;
    struct list late_writes; /* struct disk_io: they go out at the end of the turn */
    struct list silent;      /* struct connection, by their entries: connection.c */
    uint32_t listener_count, disk_count;
    atomic_bool stopping;
    struct reactor_metrics metrics;
    bool bound; /* to the thread that runs it */
    pthread_t thread;
};

/* Asserted by everything that belongs to the reactor's thread; before the
 * first run, any. */
bool reactor_here(const struct reactor *r);

static inline struct reactor *reactor_of(struct env *e)
{
    return container_of(e, struct reactor, env);
}

#endif
