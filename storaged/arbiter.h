/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/arbiter.h — replication's `struct arbiter` over `struct records` (design 6.1).
 *
 * For each volume that is open here there is an `arbiter_volume`: its tenure, and a task while a
 * change is wanted.  All calls belong to the loop of the env that it was opened with; volumes that
 * live at a home ask through the `arbiter_door` of that home.
 *
 * Promises: A1  head and pages change only in a transaction that compares their revisions, and
 *               while the head names this process and this epoch (P3).
 *           A2  one change of a volume at a time; what is wanted meanwhile goes into the next one.
 *           A3  no answer E_OK before the change is recorded, and E_CONFLICT only when it is not
 *               and never will be.
 */
#ifndef STORAGED_ARBITER_H
#define STORAGED_ARBITER_H

#include "env/env.h"
#include "metadata/records.h"
#include "replication/replication.h"

struct node_arbiter {
    struct arbiter arbiter;
    struct env *env;
    struct records *records;
    struct identity node, incarnation; /* this process */
    struct list volumes;
};

/* One volume's tenure; the caller's memory from arbiter_begin() until `ended`. */
struct arbiter_volume {
    struct identity volume;
    uint64_t epoch;
    void (*ended)(struct arbiter_volume *);

    /* the arbiter's own */
    struct node_arbiter *arbiter;
    struct list link;
    struct list wanted, changing; /* set_changes: not yet taken up; in the transaction */
    struct task task;
    bool living, calling, superseded, ending;
    enum err answered; /* of the last call */
    struct records_call call;
    struct record_transaction transaction;
    struct head_record head;
    uint64_t head_revision;
    char *head_json;
    bool in_doubt; /* the transaction was sent, and its outcome is not known */
    bool conflict; /* … but a comparison failed */
    uint64_t nonce;
    struct timer pause;
    uint32_t pause_ms;
};

void node_arbiter_init(struct node_arbiter *a, struct env *env, struct records *records,
                       struct identity node, struct identity incarnation);

/* Changes of this volume are taken from now on, for this epoch; others are E_NOT_PRIMARY. */
void arbiter_begin(struct node_arbiter *a, struct arbiter_volume *v, struct identity volume,
                   uint64_t epoch);

/* The tenure is over as far as this process is concerned: from now on what is wanted is answered
 * E_NOT_PRIMARY, also what is in doubt. */
void arbiter_supersede(struct arbiter_volume *v);

/* The arbiter as it is asked from a home: a change goes to the arbiter by mail, and so does its
 * answer.  Lives as long as any volume of that home. */
struct arbiter_door {
    struct arbiter arbiter;
    struct node_arbiter *behind;
    struct env *home;
};
void arbiter_door_init(struct arbiter_door *d, struct node_arbiter *behind, struct env *home);

/* No change will be wanted any more; `ended` comes from the loop when nothing of it is left. */
void arbiter_end(struct arbiter_volume *v, void (*ended)(struct arbiter_volume *));

#endif
