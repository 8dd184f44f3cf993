/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/mail.c — mail from any thread, without a lock.
 *
 * Senders push on a stack with one compare-and-swap; the receiver takes the whole stack with one
 * exchange and turns it round, so what one sender sent arrives in order.  Only the sender that
 * found the stack empty rings the bell: later ones are taken along by the same exchange.
 *
 * The bell is an eventfd under a multishot poll.  It is never read: each ring of it wakes the poll,
 * which costs one system call less than reading, and 2^64 rings are not to be lived through.
 */
#include "env/uring/parts.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum err mailbox_open(struct mailbox *m)
{
    atomic_init(&m->newest, NULL);
    m->listening = false;
    m->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return m->bell >= 0 ? E_OK : err_of_errno(errno);
}

void mailbox_close(struct mailbox *m)
{
    if (m->bell >= 0)
        close(m->bell);
    m->bell = -1;
}

void mailbox_put(struct mailbox *m, struct mail *letter)
{
    struct mail *newest = atomic_load_explicit(&m->newest, memory_order_relaxed);

    do {
        letter->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&m->newest, &newest, letter,
                                                    memory_order_release, memory_order_relaxed));
    if (!newest)
        mailbox_ring(m);
}

void mailbox_ring(const struct mailbox *m)
{
    int before = errno; /* a signal handler leaves no trace */
    uint64_t one = 1;
    ssize_t written = write(m->bell, &one, sizeof one);

    (void)written; /* fails only when full: then it has been rung already */
    errno = before;
}

void mailbox_listen(struct mailbox *m, struct ring *g)
{
    struct io_uring_sqe *sqe;

    if (m->listening)
        return;
    sqe = ring_entry(g);
    io_uring_prep_poll_multishot(sqe, m->bell, POLLIN);
    ring_tag(sqe, RING_WAKE, m);
    m->listening = true;
}

void mailbox_rang(struct mailbox *m, const struct completion *c)
{
    if (!(c->flags & IORING_CQE_F_MORE))
        m->listening = false;
}

static struct mail *turned_round(struct mail *newest)
{
    struct mail *oldest = NULL;

    while (newest) {
        struct mail *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

uint32_t mailbox_empty(struct mailbox *m)
{
    struct mail *letter;
    uint32_t opened = 0;

    if (!atomic_load_explicit(&m->newest, memory_order_relaxed))
        return 0;
    letter = turned_round(atomic_exchange_explicit(&m->newest, NULL, memory_order_acquire));
    while (letter) {
        struct mail *next = letter->next; /* its memory is the sender's once it is opened */

        letter->opened(letter);
        letter = next;
        opened++;
    }
    return opened;
}
