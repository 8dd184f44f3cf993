/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/agent.h — makes this node do what the records want (design 10).
 *
 * It reads the records once, then watches them; after every change of records or facts it plans
 * (plan.h) and acts on what is not under way already.  What failed is tried again after a pause.
 * While metad is away the records stay as they were last read, and the node serves what it serves.
 * All of it runs on the env's loop.
 */
#ifndef STORAGED_AGENT_H
#define STORAGED_AGENT_H

#include "storaged/census.h"
#include "storaged/rivals.h"
#include "storaged/volumes.h"

struct operation;

#define SAID_MAX (RECORDS_WHY_MAX + 40u)

/* A failure that the log has: it is not said again while it stays the same. */
struct said {
    struct action action;
    char text[SAID_MAX]; /* "": none */
    uint64_t at_us;      /* when it was there last */
};

struct agent {
    struct env *env;
    struct records *records;
    struct census *census; /* of the disks */
    struct node_volumes *volumes;
    struct node_record node; /* as its record should be */
    struct identity incarnation;
    const struct limits *limits;
    void (*acted)(struct agent *);   /* something that a heartbeat tells may have changed */
    void (*stopped)(struct agent *); /* after agent_stop() */

    /* its own */
    struct view view;
    struct facts facts; /* as of the last plan */
    struct census_wait count;
    bool counted;
    enum err count_err;
    uint32_t replica_room;
    struct plan plan;
    struct task reader, actor;
    struct records_call read;
    bool reading, wanted, held, stopping, away;
    bool again;        /* read everything anew: the view is not whole */
    bool suspect;      /* the view may hold another keeper's records */
    bool stale;        /* the read under way may be answered by another keeper */
    char strange[160]; /* why nothing is planned: another keeper answers; "": none does */
    uint64_t trusted;  /* a revision that surely is our keeper's */
    enum err answered;
    struct timer pause, retry;
    uint32_t pause_ms;
    struct pool operations;
    struct list under_way; /* struct operation: living, or failed and waiting to be tried again */
    struct said said[64];
    struct rivals rivals;
};

/* The members above "its own" are the caller's to fill; the view is empty and ready for lookups. */
must_check enum err agent_init(struct agent *a);
void agent_start(struct agent *a);

/* Facts changed: plan again, soon. */
void agent_wake(struct agent *a);

/* For good: plans nothing any more, and the view stays as it is; what is under way goes on. */
void agent_hold(struct agent *a);

/*
 * Another keeper answers at metad's address: nothing is planned and its records are left alone,
 * until agent_rejoin() says that the first is back; then everything is read anew.
 */
void agent_estrange(struct agent *a, const char *why);
void agent_rejoin(struct agent *a);
/* What a heartbeat says; agent_trust(): a heartbeat that said so was answered by our keeper. */
uint64_t agent_revision(const struct agent *a);
void agent_trust(struct agent *a, uint64_t revision);

/* Begins nothing any more; `stopped` when nothing is under way.  The link to metad was stopped. */
void agent_stop(struct agent *a);
void agent_done(struct agent *a);

/* The facts as of the last census, and of now, sorted, in agent->facts; false: no memory. */
bool agent_gather(struct agent *a);

/* A volume could not be opened: it is tried again after a pause. */
void agent_open_failed(struct agent *a, struct identity volume, enum err err);

/* Why a volume that should be open here is not: the last failure of its operations, or "". */
const char *agent_trouble(const struct agent *a, struct identity volume);

#endif
