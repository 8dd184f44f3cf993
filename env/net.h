/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/net.h — byte streams: a part of env/env.h, which says the rules; include that.
 *
 * Where they come from stands there too: net_listen(), net_connect(), net_adopt().
 */
#ifndef ENV_NET_H
#define ENV_NET_H

#include "base/err.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* "127.0.0.1:3260", "[::1]:3260"; port 0 asks for a free one. */
struct net_address {
    char text[64];
};

/* Numbers only, no names.  Puts the one spelling of it into *ret; false leaves that alone. */
bool net_address_parse(const char *text, struct net_address *ret);

struct net_conn;

/* One write of the stream.  Sent in the order given; pieces stay untouched until done. */
struct net_send {
    const struct iovec *pieces;
    uint32_t piece_count;
    void (*done)(struct net_send *, enum err); /* E_OK: handed to the network, not "arrived" */
    /* Optional, asked when there is nothing else to do: true when nobody waits for `done`, which
     * may then come with whatever happens next instead of waking anybody for it. */
    bool (*can_wait)(const struct net_send *);
    /* the world's own */
    struct list link;
    uint64_t bytes, bytes_done;
};

/* What a connection tells its owner. */
struct net_events {
    /* `bytes` are valid during the call only.  The socket is always read (P14). */
    void (*received)(struct net_conn *, const uint8_t *bytes, uint32_t length);
    /*
     * Exactly once, last, for every connection, also after net_close(): E_OK the peer finished or
     * we closed, else why.  Every net_send had its done before.  The conn is gone after the call.
     */
    void (*closed)(struct net_conn *, enum err);
};

/*
 * A connection on its way from one env to another.  Memory is the caller's, that of `kept` too:
 * bytes that nobody was told of yet, in order; the caller may have put the first of them there.
 * Whoever adopts it reads them himself.
 */
struct net_parcel {
    /* On the old env's thread, instead of closed(): the conn is gone. */
    void (*detached)(struct net_parcel *);
    uint8_t *kept;
    uint32_t kept_bytes, kept_max;
    struct net_address local, peer;
    /* the world's own */
    int socket;
    void *end;
};

/* Appends to what is kept; false: there is no room. */
bool net_parcel_keep(struct net_parcel *p, const uint8_t *bytes, uint32_t length);

struct net_conn_ops {
    void (*send)(struct net_conn *, struct net_send *);
    void (*close)(struct net_conn *, bool flush);
    void (*detach)(struct net_conn *, struct net_parcel *);
};

struct net_conn {
    const struct net_conn_ops *ops;
    const struct net_events *events; /* the owner sets both before it returns from accepted() */
    void *owner;
    struct net_address local, peer;
};

static inline void net_send(struct net_conn *c, struct net_send *s)
{
    c->ops->send(c, s);
}

/* Ends it; nothing is received any more.  flush: what was given to net_send goes out first (bounded
 * by the world: 5 s), then FIN; else at once. */
static inline void net_close(struct net_conn *c, bool flush)
{
    c->ops->close(c, flush);
}

/*
 * Takes it from this env.  Nothing more is received or may be sent; what was sent goes out, what
 * arrives is kept.  Then detached(); or closed(), and the parcel is yours, if the peer ends it
 * before, more comes than can be kept (E_TOO_LARGE), or it is closed here.
 */
static inline void net_detach(struct net_conn *c, struct net_parcel *p)
{
    c->ops->detach(c, p);
}

struct net_listener {
    /* A new connection: set events and owner, or net_close() it. */
    void (*accepted)(struct net_listener *, struct net_conn *);
    void *owner;
    struct net_address address; /* with the port that was given */
    void *world;                /* the world's own */
};

#endif
