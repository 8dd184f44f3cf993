/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/acceptor.h — accepts connections for a library that serves each of them with a thread.
 *
 * A thread of its own waits at the listening socket.  Who connects waits in the socket's queue as
 * long as `most` are being served, or as long as the system has no handle for him: that is said
 * (shortage.h) and tried again after a while, so that a machine in want does not spin.
 */
#ifndef ENV_ACCEPTOR_H
#define ENV_ACCEPTOR_H

#include "base/err.h"
#include "env/shortage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

struct acceptor {
    struct log *log;
    const char *subject; /* "metad" */
    int listening;       /* non-blocking; the caller's, open until acceptor_stop() has returned */
    uint32_t most;       /* served at once */
    /* On the thread of its own; the socket, non-blocking, is given away. */
    void (*accepted)(struct acceptor *, int socket, const struct sockaddr *, socklen_t);

    /* its own */
    pthread_t thread;
    int bell; /* eventfd: one began, one is gone, the end */
    atomic_uint begun, gone;
    atomic_bool ending;
    bool opened, runs;
    struct shortage shortage;
};

/* A failure is closed, too. */
must_check enum err acceptor_start(struct acceptor *a);
/* The library serves one that it was given, and is done with it: each once, any thread.  The next
 * is accepted when the one before has begun; one that never does is waited for 100 ms. */
void acceptor_begun(struct acceptor *a);
void acceptor_gone(struct acceptor *a);
/* After this nothing is accepted.  Nothing to do where none was started. */
void acceptor_stop(struct acceptor *a);
/* After the stop, and when the library is done with all that it was given. */
void acceptor_close(struct acceptor *a);

#endif
