/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/target.h — what the whole target has: portals, pools, sessions. */
#ifndef ISCSI_TARGET_TARGET_H
#define ISCSI_TARGET_TARGET_H

#include "base/pool.h"
#include "iscsi-target/failures.h"
#include "iscsi-target/metrics.h"
#include "iscsi-target/session.h"

#define PORTALS_MAX        4u
#define TEXTS_BORROWED_MAX 8u /* text negotiations of all sessions at a time */
#define REJECTS_SURE       2u /* of every connection */

struct portal {
    struct net_listener listener;
    struct iscsi_target *target;
};

struct iscsi_target {
    struct env *env;
    struct directory *directory;
    struct iscsi_limits limits;
    uint16_t portal_group_tag;
    struct portal portals[PORTALS_MAX];
    uint32_t portal_count;

    struct pool connection_pool, session_pool, unit_pool, command_pool, text_pool, reject_pool;
    struct pool handover_pool;
    struct buffers buffers;

    struct list half_open;   /* connections before full feature phase, oldest first */
    struct list connections; /* the others */
    uint32_t half_open_count;
    uint32_t letters; /* handed over and not back yet: they count as half-open, too */
    struct list sessions, ended, units;
    uint32_t session_count;
    uint32_t busy; /* sessions that have SCSI commands */
    uint16_t last_tsih;
    struct failures failures; /* of CHAP */
    struct log_pace refusals; /* of logins */
    struct iscsi_metrics metrics;

    uint32_t slots_sure; /* of every live session */
    uint32_t slots_free; /* neither sure of a session nor granted */
    uint32_t texts_borrowed;
    uint32_t rejects_shared; /* beyond those that are sure of each connection */
    uint32_t leaving;        /* commands whose slot was given back before their last byte left */
    struct list hungry;      /* units whose commands wait for memory, next first */

    struct task settle; /* looks whether drains and close are done */
    struct list drains;
    struct iscsi_close *closing;
};

/* How many of each the pools hold, for `l`. */
struct target_sizes {
    uint32_t connections, sessions, commands, texts, rejects, rejects_shared, slots_sure, leaving;
};
struct target_sizes target_sizes(const struct iscsi_limits *l);

/* drain.c: watches for what drains and the close wait for; a session or a connection is gone. */
void settle_start(struct iscsi_target *t);
void target_settle(struct iscsi_target *t);

void memory_back(struct iscsi_target *t); /* memory.c: some is: who is next looks at it */

void metrics_login(struct iscsi_target *t, enum login_status status); /* how one ended */

/* What the directory says of the target that the login names. */
void directory_ask(struct iscsi_target *t, const struct login *l, struct directory_answer *ret);

size_t reject_bytes(void); /* of one, for its pool */

#endif
