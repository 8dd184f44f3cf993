/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/records_http.h — this node's link to metad: /node/v1 over HTTP (design 10).
 *
 * It yields `struct records`, and a way to post a heartbeat.  Calls belong to the env's loop; the
 * blocking part runs on env's workers, at most METAD_LANES at once, further calls queue.  Nothing
 * is tried again here: an error is the caller's to answer.
 *
 * Errors: E_UNREACHABLE nothing was sent, or a reading call failed; E_TIMED_OUT; E_IN_DOUBT a
 * transaction was sent and no answer came; E_CONFLICT; E_COMPACTED; E_FORBIDDEN; E_DAMAGED what
 * came is no answer of metad; E_CLOSED after metad_stop().
 */
#ifndef STORAGED_RECORDS_HTTP_H
#define STORAGED_RECORDS_HTTP_H

#include "env/env.h"
#include "metadata/records.h"

#define METAD_LANES 6u /* as many workers should the env have */

struct metad;

must_check enum err metad_open(struct env *env, const char *url, struct identity node,
                               struct metad **ret);
struct records *metad_records(struct metad *m);

/* A heartbeat: `body` is taken, with free().  Memory is the caller's until done. */
struct metad_post {
    char *body;
    void (*done)(struct metad_post *, enum err);
    struct identity lineage;   /* E_OK: of the keeper */
    char why[RECORDS_WHY_MAX]; /* of an error, in metad's words; empty: it said nothing */
    struct list link;
};
void metad_heartbeat(struct metad *m, struct metad_post *p);

/* Every call under way, and every later one, ends soon (E_CLOSED). */
void metad_stop(struct metad *m);
/* None is under way. */
void metad_close(struct metad *m);

#endif
