/* SPDX-License-Identifier: Apache-2.0 */
/* control/inside.h — what metad's own files share.  Private. */
#ifndef CONTROL_INSIDE_H
#define CONTROL_INSIDE_H

#include "control/board.h"
#include "control/control.h"
#include "control/controller/controller.h"
#include "control/http/router.h"
#include "control/json.h"
#include "control/trouble.h"
#include "metadata/keeper.h"

#include <stdatomic.h>

#define CONNECTIONS_MAX     256u
#define WATCHES_MAX         128u /* of the connections: nodes that wait for records, …          */
#define CALLS_MAX           64u  /* … calls until they are in force; the others need not wait   */
#define REQUEST_BODY_MAX    (1u << 20)
#define HEARTBEAT_BODY_MAX  (16u << 20) /* one line per replica: some 100 000 of them */
#define WAIT_MS             30000u
#define CONNECTION_STACK    (1u << 20)
#define CONNECTION_HEADER   (32u << 10)
#define CONNECTION_IDLE_S   60u
#define CONTROLLER_EVERY_MS 500u
#define TRANSACT_TRIES      8u

struct control {
    struct control_config config;
    struct log *log;
    struct keeper *keeper;
    struct board board;
    struct trouble trouble;
    struct http_handler handler;
    struct http_server *http;
    pthread_t controller;
    bool controller_runs;
    atomic_bool held;           /* a node has seen more than our keeper holds (6.7) */
    pthread_mutex_t placing;    /* from reading what disks promise to promising more */
    struct record_list records; /* the controller's: as of its last pass */
    struct changes *changes;    /* the controller's, large */
};

struct identity control_identity(void);

/* keeper_range with the problem filled; keeper_transact: a change wakes who waits, and what the
 * keeper itself refuses is logged. */
bool control_range(struct control *c, const char *prefix, struct record_list *ret,
                   struct problem *p);
enum err control_transact(struct control *c, const struct record_transaction *t,
                          uint64_t *ret_revision);
/* Why a transaction about `what` ("volume") of that name was refused. */
void control_refused(const struct control *c, enum err err, struct problem *p, const char *what,
                     const char *name);

extern const struct route control_routes[];
extern const uint32_t control_route_count;

enum err controller_start(struct control *c);
void controller_join(struct control *c);

#endif
