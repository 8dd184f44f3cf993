/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/heartbeat.h — tells metad what this node is and does: every 500 ms, and at once after
 * the agent acted (design 10).
 *
 * One is on its way at a time; what changes meanwhile goes into the next, at once.  A heartbeat
 * names the revision of the records that are looked at, so that metad may trust what it does *not*
 * list: as of these records it is not open, and lets nobody in.  The agent may not have acted upon
 * them yet; what it will open, or let in, is listed from that moment on.
 */
#ifndef STORAGED_HEARTBEAT_H
#define STORAGED_HEARTBEAT_H

#include "storaged/agent.h"
#include "storaged/records_http.h"

struct heartbeat {
    struct env *env;
    struct metad *metad;
    struct agent *agent;
    const char *status;                  /* address of the status port; "": there is none */
    const char *iqn_prefix;              /* that it knows targets by */
    void (*stopped)(struct heartbeat *); /* after heartbeat_stop() */

    /* its own */
    struct metad_post post;
    struct timer timer;
    struct census_wait count;
    bool sending; /* from the census to the answer */
    bool again, stopping;
    bool strange;            /* metad's keeper is not the one that this process knew */
    bool refused;            /* metad does not take them */
    uint64_t revision;       /* that the last one told */
    struct identity lineage; /* of the keeper, as metad first said; none: not yet */
};

void heartbeat_start(struct heartbeat *h);
void heartbeat_now(struct heartbeat *h);
void heartbeat_stop(struct heartbeat *h);

/* The body, from the agent's facts (agent_gather() was called); free() it; NULL without memory. */
char *heartbeat_write(const struct heartbeat *h);

#endif
