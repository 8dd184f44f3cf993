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
    void (*done)(struct homes *);
    uint32_t to_come;
};

/* As many as the configuration wants and has disks for: their reactors, none of which turns yet.
 * *reterr_text as reactor_open()'s. */
must_check enum err homes_open(struct homes *h, const struct node_config *config,
                               const struct limits *limits, const char **reterr_text);

uint64_t homes_bytes(const struct homes *h); /* of the reactors */

/* Targets for those beside control; without portals, they take what is handed over to them. */
must_check enum err homes_targets_open(struct homes *h, const struct limits *limits);

/* Threads for those beside control; after that the rules of home.h. */
must_check enum err homes_turn(struct homes *h);

void homes_disks_open(struct homes *h, void (*done)(struct homes *));
void homes_disks_stop(struct homes *h);             /* while they are being opened: once */
uint32_t homes_disks_opened(const struct homes *h); /* after that, and before they are closed */
void homes_targets_close(struct homes *h, void (*done)(struct homes *)); /* beside control's */
void homes_disks_close(struct homes *h, void (*done)(struct homes *));

/* The control reactor turns no more: ends the threads, gives everything back. */
void homes_close(struct homes *h);

#endif
