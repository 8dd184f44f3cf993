/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/env.h — everything a room may ask of the outside (design 12).
 *
 * One `struct env` belongs to one reactor: a thread with a loop.  Two builders open it: env/uring
 * (the real world: env/uring/reactor.h) and tests/sim/world (a virtual one, from a seed).  No room
 * calls time(), open(), socket() or rand(), or reads a global.
 *
 * Rules for everything here: calls belong to the env's thread (mail_send and work excepted, as
 * said there); a request is the caller's memory until its `done`; nothing completes inside its own
 * submission; nothing blocks, except where a function says that it is for start and stop.
 */
#ifndef ENV_ENV_H
#define ENV_ENV_H

#include "base/err.h"
#include "base/identity.h"
#include "base/list.h"
#include "base/log.h"
#include "base/task.h"
#include "env/net.h" /* byte streams */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* ---- clock: when this turn of the loop began, and timers ---- */

/*
 * Microseconds of CLOCK_BOOTTIME (design 6.4), read once a turn; virtual in simulation.  The clock
 * is plain data: the world sets now_us, then fires what is due (clock.c).
 */
struct clock {
    uint64_t now_us;
    struct timer **heap; /* by due time, then by order of their start; [1] is next */
    uint32_t used, max;
    uint64_t starts; /* so far: the order of the next one */
};

/* Zeroed is "not running".  Memory is the caller's. */
struct timer {
    void (*fire)(struct timer *);
    uint64_t due_us;
    uint64_t order; /* among timers due together: as they were started */
    uint32_t place; /* in the heap, from 1; 0: not running */
};

static inline uint64_t now_us(const struct clock *c)
{
    return c->now_us;
}
static inline uint64_t now_ms(const struct clock *c)
{
    return c->now_us / 1000;
}

/* Fires once, `delay_us` after this turn or later, from the loop; a running timer starts anew. */
void timer_start(struct clock *c, struct timer *t, uint64_t delay_us, void (*fire)(struct timer *));
void timer_stop(struct clock *c, struct timer *t); /* nothing to do if it does not run */
static inline bool timer_running(const struct timer *t)
{
    return t->place != 0;
}

/*
 * For the worlds: memory for `max` timers running at once (one more is our own mistake: asserted);
 * when the next is due (UINT64_MAX: none); fire what was due when the call began, in order.
 */
must_check enum err clock_open(struct clock *c, uint32_t max);
void clock_close(struct clock *c);
uint64_t clock_next_us(const struct clock *c);
void clock_fire(struct clock *c);

/* ---- disk: aligned blocks ---- */

enum disk_op { DISK_READ, DISK_WRITE, DISK_SYNC };

#define DISK_DSYNC      1u /* durable when it is done: this write and no other (design 7, sync) */
#define DISK_ALIGN      4096u
#define DISK_PIECES_MAX 1024u

/*
 * One request.  Offset, every piece's address and length are multiples of DISK_ALIGN.  A short
 * transfer is continued inside; done says all or an error (E_DISK, E_NO_SPACE).  DISK_SYNC makes
 * every write that was *done* before it durable.
 */
struct disk_io {
    enum disk_op op;
    uint32_t flags;
    uint64_t offset;
    const struct iovec *pieces;
    uint32_t piece_count;
    void (*done)(struct disk_io *, enum err);

    /* the world's own */
    struct disk *disk;
    struct list link;
    uint64_t bytes_done;
    struct iovec rest; /* of a piece that a short transfer cut */
};

struct disk_ops {
    void (*submit)(struct disk *, struct disk_io *);
    void (*close)(struct disk *);
};

struct disk {
    const struct disk_ops *ops;
    const char *name; /* the path, for logs and errors; lives as long as the disk */
    uint64_t size_bytes;
    bool write_through;           /* every write that is done is durable: no sync needed */
    bool is_file;                 /* its first write to a place costs more than later ones  */
    uint64_t submitted, answered; /* requests so far: what is between them is under way */
};

void disk_submit(struct disk *d, struct disk_io *io); /* checks the contract, hands it on */
void disk_answer(struct disk_io *io, enum err err);   /* the worlds' way back to its done */
static inline void disk_close(struct disk *d)
{
    d->ops->close(d);
} /* no request is under way */

/* ---- chance ---- */

struct chance {
    void (*fill)(struct chance *, void *bytes,
                 size_t length); /* fit for secrets in the real world */
};

uint64_t chance_u64(struct chance *c);
struct identity chance_identity(struct chance *c); /* never none */

/* ---- workers: blocking jobs away from the loop ---- */

/* run() on a worker thread, then done() on the env's own.  Memory is the caller's until done. */
struct work {
    void (*run)(struct work *);
    void (*done)(struct work *);
    struct list link;
};

/* ---- mail: from any thread to a reactor ---- */

/* Memory is the sender's until it was opened.  Delivery order per sender. */
struct mail {
    void (*opened)(struct mail *); /* on the receiver's thread, from its loop */
    struct mail *next;
};

/* ---- the env ---- */

struct env;

struct env_ops {
    /* For start: opens a raw block device or a file, O_DIRECT, and locks it against a second
     * process.  create_bytes > 0: a file that is not there is made with that size (sparse; the
     * store's format writes it in full). */
    enum err (*disk_open)(struct env *, const char *path, uint64_t create_bytes, struct disk **ret);
    /* The listener is the caller's memory; E_BUSY: the port is taken. */
    enum err (*listen)(struct env *, const struct net_address *, struct net_listener *);
    void (*unlisten)(struct env *, struct net_listener *);
    /* The conn is there at once, with what is sent queued; a failure is its `closed`. */
    enum err (*connect)(struct env *, const struct net_address *, const struct net_events *,
                        void *owner, struct net_conn **ret);
    /* What net_detach() gave elsewhere goes on here: `received` brings what comes behind the bytes
     * kept.  E_NO_MEMORY: no connection is free, it was discarded. */
    enum err (*adopt)(struct env *, struct net_parcel *, const struct net_events *, void *owner,
                      struct net_conn **ret);
    void (*discard)(struct env *, struct net_parcel *); /* detached, wanted nowhere: closed */
    void (*work)(struct env *, struct work *);
    void (*mail)(struct env *, struct mail *); /* any thread */
};

struct env {
    const struct env_ops *ops;
    struct clock clock;
    struct chance *chance;
    struct log *log;
    struct task_queue tasks;
};

/* env_ops says what they do. */
must_check static inline enum err disk_open(struct env *e, const char *path, uint64_t create_bytes,
                                            struct disk **ret)
{
    return e->ops->disk_open(e, path, create_bytes, ret);
}
must_check static inline enum err net_listen(struct env *e, const struct net_address *at,
                                             struct net_listener *l)
{
    return e->ops->listen(e, at, l);
}
static inline void net_unlisten(struct env *e, struct net_listener *l)
{
    e->ops->unlisten(e, l);
}
must_check static inline enum err net_connect(struct env *e, const struct net_address *to,
                                              const struct net_events *events, void *owner,
                                              struct net_conn **ret)
{
    return e->ops->connect(e, to, events, owner, ret);
}
must_check static inline enum err net_adopt(struct env *e, struct net_parcel *p,
                                            const struct net_events *events, void *owner,
                                            struct net_conn **ret)
{
    return e->ops->adopt(e, p, events, owner, ret);
}
static inline void net_discard(struct env *e, struct net_parcel *p)
{
    e->ops->discard(e, p);
}
static inline void work_start(struct env *e, struct work *w)
{
    e->ops->work(e, w);
}
static inline void mail_send(struct env *to, struct mail *m)
{
    to->ops->mail(to, m);
}

#endif
