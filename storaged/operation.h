/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/operation.h — one action of the plan that takes time: a change of a store, or a record.
 *
 * An operation that is done is gone; one that failed stays until its pause is over, so that the
 * plan does not begin it again at once.
 */
#ifndef STORAGED_OPERATION_H
#define STORAGED_OPERATION_H

#include "storaged/agent.h"

struct operation {
    struct agent *agent;
    struct action action;
    struct list link;
    bool living;
    enum err err;         /* failed: why */
    uint64_t again_at_us; /* failed: not before */
    struct errand errand; /* of the change, to the store's home */
    struct store *store;
    struct store_change change;
    enum err change_err;
    struct records_call call;
    struct record_transaction *transaction; /* of the node's own records; NULL: none is made */
};

/* Where there is no room for it now, one that ends makes room and wakes the agent. */
void operation_begin(struct agent *a, const struct action *action);

/* The same thing is under way, or failed a moment ago. */
bool operation_known(const struct agent *a, const struct action *action);

/* The replica is being made or deleted at this moment: what the stores show of it will change. */
bool operation_changes(const struct agent *a, struct identity replica);

/* A failure of something that is no operation, said and remembered like one of these; false: there
 * is no room for it now. */
bool operation_failed(struct agent *a, const struct action *action, enum err err);

/* Forgets failures whose pause is over; when the next one is (UINT64_MAX: none). */
uint64_t operations_forget(struct agent *a);

#endif
