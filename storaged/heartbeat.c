/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/heartbeat.c — when one goes out, and what its answer says of the keeper. */
#include "storaged/heartbeat.h"

#include <stdio.h>

#define HEARTBEAT_US 500000u

static void send(struct heartbeat *h);

static void due(struct timer *t)
{
    send(container_of(t, struct heartbeat, timer));
}

static void strange_keeper(struct heartbeat *h, struct identity lineage)
{
    char why[160];

    snprintf(why, sizeof why,
             "metad answers with keeper %s, not with %s that this process knew; a restart of "
             "storaged takes it",
             identity_show(lineage).text, identity_show(h->lineage).text);
    h->strange = true;
    log_event(h->env->log, LOG_LEVEL_ERROR, "storaged", "keeper_changed", "%s", why);
    agent_estrange(h->agent, why);
}

/*
 * A keeper of another lineage has another history (design 6.7).  Nothing of it is acted upon; what
 * is served goes on, heartbeats say that and what this node has seen before, and when the first
 * keeper answers again, all is read anew.
 */
static void lineage_seen(struct heartbeat *h, struct identity lineage)
{
    if (identity_none(h->lineage))
        h->lineage = lineage;
    if (!identity_equal(h->lineage, lineage)) {
        if (!h->strange)
            strange_keeper(h, lineage);
        return;
    }
    agent_trust(h->agent, h->revision);
    if (!h->strange)
        return;
    h->strange = false;
    log_event(h->env->log, LOG_LEVEL_INFO, "storaged", "keeper_back", "keeper=%s",
              identity_show(lineage).text);
    agent_rejoin(h->agent);
}

/* metad does not take what this node says of itself: for it the node is silent.  Said once. */
static void say_refused(struct heartbeat *h, enum err err)
{
    bool refused = err == E_INVALID || err == E_FORBIDDEN || err == E_TOO_LARGE;

    if (refused && !h->refused)
        log_event(h->env->log, LOG_LEVEL_ERROR, "storaged", "heartbeat_refused", "error=%s (%s)",
                  err_name(err), *h->post.why ? h->post.why : err_text(err));
    h->refused = refused || (h->refused && err);
}

static void answered(struct metad_post *post, enum err err)
{
    struct heartbeat *h = container_of(post, struct heartbeat, post);

    h->sending = false;
    if (h->stopping) {
        h->stopped(h);
        return;
    }
    say_refused(h, err);
    if (!err)
        lineage_seen(h, post->lineage);
    if (h->again && !err)
        send(h);
    else
        timer_start(&h->env->clock, &h->timer, HEARTBEAT_US, due);
}

/* Without memory: once more, later. */
static void post(struct heartbeat *h, enum err err)
{
    h->post = (struct metad_post){.done = answered};
    h->revision = agent_revision(h->agent);
    if (!err && agent_gather(h->agent))
        h->post.body = heartbeat_write(h);
    if (h->post.body) {
        metad_heartbeat(h->metad, &h->post);
        return;
    }
    h->sending = false;
    timer_start(&h->env->clock, &h->timer, HEARTBEAT_US, due);
}

static void counted(struct census_wait *w, enum err err)
{
    struct heartbeat *h = container_of(w, struct heartbeat, count);

    if (!h->stopping) {
        post(h, err);
        return;
    }
    h->sending = false;
    h->stopped(h);
}

static void send(struct heartbeat *h)
{
    if (h->sending || h->stopping) {
        h->again = true;
        return;
    }
    timer_stop(&h->env->clock, &h->timer);
    h->again = false;
    h->sending = true;
    h->count.taken = counted;
    census_take(h->agent->census, &h->count);
}

void heartbeat_start(struct heartbeat *h)
{
    send(h);
}

void heartbeat_now(struct heartbeat *h)
{
    send(h);
}

void heartbeat_stop(struct heartbeat *h)
{
    h->stopping = true;
    timer_stop(&h->env->clock, &h->timer);
    if (!h->sending)
        h->stopped(h);
}
