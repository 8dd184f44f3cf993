/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/homes.h — all homes of a node: opened, turned, asked to do one thing each, closed.
 *
 * The control reactor is turned by the caller, the others by threads of their own.  What all are
 * asked is asked one thing at a time; `done` comes on the control reactor when all have done it.
 */
#ifndef STORAGED_HOMES_H
#define STORAGED_HOMES_H

#include "storaged/home.h"
#include "storaged/limits.h"

struct homes {
    struct home *list; /* [0]: control */
    uint32_t count;

    /* its own */
    const struct node_config *config;
    const struct limits *limits;
    struct same_disks same; /* written before any home opens its disks */
    void (*done)(struct homes *);
    uint32_t to_come;
};

/* As many as the configuration wants and has disks for: their reactors, none of which turns yet.
 * Both are the caller's, for good.  *reterr_text as reactor_open()'s. */
must_check enum err homes_open(struct homes *h, const struct node_config *config,
                               const struct limits *limits, const char **reterr_text);

uint64_t homes_bytes(const struct homes *h); /* of the reactors */

/* Threads for those beside control; after that the rules of home.h. */
must_check enum err homes_turn(struct homes *h);

/* Blocks until it is known which disks are copies; then each opens its own, and beside control a
 * target for the sessions of its volumes. */
void homes_fill(struct homes *h, void (*done)(struct homes *));
must_check enum err homes_err(const struct homes *h); /* after that: a target could not be opened */
void homes_disks_stop(struct homes *h);               /* while they are being opened: once */
uint32_t homes_disks_opened(const struct homes *h);   /* after that, and before they are closed */
void homes_targets_close(struct homes *h, void (*done)(struct homes *)); /* beside control's */
void homes_disks_close(struct homes *h, void (*done)(struct homes *));

/* The control reactor turns no more, and what was filled is closed: ends the threads, gives
 * everything back. */
void homes_close(struct homes *h);

#endif
