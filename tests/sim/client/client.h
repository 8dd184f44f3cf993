/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/client/client.h — an initiator's worth of random requests on a `struct block`, and what
 * every answer must be.
 *
 * Requests of all kinds overlap in flight.  The block serialises what overlaps in the order in
 * which it was submitted, so the client knows at submission what each must answer: `model` is the
 * disk as it will be when all of them are done, `stable` as it is if only the answered ones
 * happened.
 *
 * When the process that serves the block dies, what was not answered is in doubt: each of its units
 * holds what it held before, or what one of the requests in doubt would have left there.  Looking
 * (client_verify) settles it.  A wrong answer ends in assert().
 */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

#include "base/block.h"
#include "tests/sim/world/world.h"

struct client {
    struct sim *sim;
    struct block *block;
    uint64_t size_units;
    uint64_t shard_units; /* where requests that must be atomic are kept apart; 0: nowhere */
    uint32_t in_flight_max;
    uint32_t units_max; /* of a request */
    bool apart;         /* nothing overlaps in flight: the block may reorder */
    bool plain;         /* reads and writes only */
    uint8_t *model, *stable;
    uint64_t *stable_since; /* by unit: which submission left it there */
    struct list requests;   /* in flight, in the order submitted */
    struct list in_doubt;   /* … when their process died         */
    uint32_t in_flight;
    uint64_t submitted, answered;
};

struct client *client_open(struct sim *s, uint64_t size_units);
void client_close(struct client *c);

/* The block is served (again); it may have grown. */
void client_attach(struct client *c, struct block *b);

/* Submits `count` random requests, at most in_flight_max at once; turns the world meanwhile. False:
 * the process died, or nothing was answered for a minute. */
bool client_run(struct client *c, struct env *served_by, uint32_t count);

/* Until nothing is in flight; as client_run(). */
bool client_drain(struct client *c, struct env *served_by);

/* Its process died: what is in flight is in doubt. */
void client_cut(struct client *c);

/* Reads all of it and asserts every unit. */
bool client_verify(struct client *c, struct env *served_by);

#endif
