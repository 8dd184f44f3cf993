/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/board.h — each node's last heartbeat, and the news that waiting threads wake up on.
 *
 * Any thread may call.  News is a number that grows with every heartbeat and every change of the
 * records made through this metad; whoever waits asks anew each time it has grown.
 */
#ifndef CONTROL_BOARD_H
#define CONTROL_BOARD_H

#include "control/controller/heartbeat.h"

#include <pthread.h>

#define BOARD_NODES_MAX 1024u

/* Who waits: a node for records that change, or a call until it is in force.  Neither takes the
 * places of the other: what users wait for is done by nodes that hear of it. */
enum board_waiter {
    BOARD_WATCH,
    BOARD_CALL,
};

struct board {
    pthread_mutex_t lock;
    pthread_cond_t grown;
    struct heartbeat *last[BOARD_NODES_MAX];
    uint32_t count;
    uint32_t waiting[2]; /* threads that wait on behalf of a request, by board_waiter */
    uint64_t news, started_ms;
    bool stopped;
};

uint64_t monotonic_ms(void);

void board_init(struct board *b);
void board_done(struct board *b);

/* Takes the reference; E_TOO_LARGE: more nodes than BOARD_NODES_MAX. */
must_check enum err board_put(struct board *b, struct heartbeat *h);
void board_forget(struct board *b, struct identity node); /* it is no node any more */
void board_tell(struct board *b);                         /* the records changed */
void board_stop(struct board *b);                         /* nobody waits any more */
bool board_stopped(struct board *b);

/* References to all of them; board_release() gives them back.  False: no memory. */
must_check bool board_snapshot(struct board *b, struct heartbeat_set *ret);
void board_release(struct heartbeat_set *set);

uint64_t board_news(struct board *b);
/* Until news differ from `seen`, the deadline (monotonic) or the stop.  False: nothing more to
 * wait for. */
bool board_wait(struct board *b, uint64_t seen, uint64_t until_ms);

/* A request may only wait while fewer than `max` of its kind do: long polls never take all threads.
 */
bool board_wait_begin(struct board *b, enum board_waiter who, uint32_t max);
void board_wait_end(struct board *b, enum board_waiter who);

#endif
