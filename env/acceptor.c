/* SPDX-License-Identifier: Apache-2.0 */
/* env/acceptor.c — one thread, a socket and a bell. */
#include "env/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static uint64_t boottime_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void ring(struct acceptor *a)
{
    uint64_t one = 1;

    (void)!write(a->bell, &one, sizeof one); /* a bell that is full rings already */
}

/* False: it did not ring within `ms`; -1 is for ever. */
static bool rang(struct acceptor *a, int ms)
{
    struct pollfd bell = {.fd = a->bell, .events = POLLIN};
    uint64_t rings;

    if (poll(&bell, 1, ms) <= 0)
        return false;
    (void)!read(a->bell, &rings, sizeof rings);
    return true;
}

static bool full(struct acceptor *a)
{
    return atomic_load(&a->begun) - atomic_load(&a->gone) >= a->most;
}

static void somebody_or_bell(struct acceptor *a)
{
    struct pollfd either[] = {{.fd = a->bell, .events = POLLIN},
                              {.fd = a->listening, .events = POLLIN}};

    (void)poll(either, 2, -1);
    if (either[0].revents)
        (void)rang(a, 0);
}

static void accept_one(struct acceptor *a)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    unsigned begun = atomic_load(&a->begun);
    int socket =
        accept4(a->listening, (struct sockaddr *)&from, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (socket >= 0) {
        a->accepted(a, socket, (const struct sockaddr *)&from, length);
        while (atomic_load(&a->begun) == begun && rang(a, SHORTAGE_AGAIN_MS))
            ;
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        shortage_met(&a->shortage, errno, boottime_us(), a->log, a->subject);
        (void)rang(a, SHORTAGE_AGAIN_MS);
    }
}

static void *accept_until_ending(void *argument)
{
    struct acceptor *a = argument;

    while (!atomic_load(&a->ending)) {
        if (full(a)) {
            (void)rang(a, -1);
            continue;
        }
        somebody_or_bell(a);
        if (!atomic_load(&a->ending))
            accept_one(a);
    }
    return NULL;
}

enum err acceptor_start(struct acceptor *a)
{
    int failed;

    atomic_init(&a->begun, 0);
    atomic_init(&a->gone, 0);
    atomic_init(&a->ending, false);
    a->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->bell < 0)
        return err_of_errno(errno);
    a->opened = true;
    failed = pthread_create(&a->thread, NULL, accept_until_ending, a);
    a->runs = failed == 0;
    return failed ? err_of_errno(failed) : E_OK;
}

void acceptor_begun(struct acceptor *a)
{
    atomic_fetch_add(&a->begun, 1);
    ring(a);
}

void acceptor_gone(struct acceptor *a)
{
    atomic_fetch_add(&a->gone, 1);
    ring(a);
}

void acceptor_stop(struct acceptor *a)
{
    if (!a->runs)
        return;
    atomic_store(&a->ending, true);
    ring(a);
    pthread_join(a->thread, NULL);
    a->runs = false;
}

void acceptor_close(struct acceptor *a)
{
    if (a->opened)
        close(a->bell);
    a->opened = false;
}
