/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/ring.h — one io_uring: requests go in, completions come out as a queue of our own.
 * Private to env/uring.
 *
 * Every request is tagged with its kind and its subject (a struct of the caller's); the reactor's
 * table says which function hears of the completion.
 */
#ifndef ENV_URING_RING_H
#define ENV_URING_RING_H

#include "base/err.h"

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

/* What a request is for: the low bits of its user_data, above them the subject's address. */
enum ring_kind {
    RING_WAKE,    /* struct mailbox: another thread rang                           */
    RING_DISK,    /* struct disk_io                                                */
    RING_ACCEPT,  /* struct listener                                               */
    RING_CONNECT, /* struct connection, and so on                                  */
    RING_RECEIVE,
    RING_SEND,
    RING_CANCEL,
};
#define RING_KINDS       7u
#define RING_TAG_BITS    3u
#define RING_SUBMIT_EACH 8u /* requests prepared within a turn before they go out (design 7) */

struct completion {
    void *subject;
    enum ring_kind kind;
    int32_t result;
    uint32_t flags; /* IORING_CQE_F_… */
};

struct ring {
    struct io_uring uring;
    bool opened, enabled;
    uint32_t unsubmitted; /* prepared since the last submission */
    uint64_t prepared;    /* entries so far … */
    uint64_t taken;  /* … and how many of them the kernel had begun at the last ring_wait() */
    bool withheld;   /* it had more completions than were collected */
    uint64_t enters; /* system calls so far */
    struct completion *completions;
    uint32_t completions_max, count, next;
};

/* On failure *reterr_text says what is missing.  The ring belongs to the thread that enables it. */
must_check enum err ring_open(struct ring *g, uint32_t entries, const char **reterr_text);
void ring_close(struct ring *g);

/*
 * A free entry, never NULL: a full queue is submitted first.  The caller fills it with one of
 * io_uring_prep_…, then calls ring_tag(), before it asks for another.
 */
struct io_uring_sqe *ring_entry(struct ring *g);
void ring_tag(struct io_uring_sqe *sqe, enum ring_kind kind, void *subject);

/* The calling thread owns the ring from now on. */
void ring_enter_thread(struct ring *g);
void ring_leave_thread(struct ring *g); /* the same thread may come back */

/* Submits what is prepared, without waiting; what the kernel cannot take now stays queued. */
void ring_submit(struct ring *g);

/* Submits, and waits until a completion is there or `wait_us` have passed; UINT64_MAX: no bound. */
void ring_wait(struct ring *g, uint64_t wait_us);

/* Copies what has come to the queue; NULL when the queue is empty. */
void ring_collect(struct ring *g);
const struct completion *ring_next(struct ring *g);

uint64_t ring_bytes(const struct ring *g);

#endif
