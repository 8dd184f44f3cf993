/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/target.c — opens and frees the target, counts its memory.
 *
 * All memory is taken here, by the limits (T2).  How sessions are drained and the target is closed:
 * drain.c.
 */
#include "iscsi-target/target.h"

#include "iscsi-target/command.h"
#include "iscsi-target/handover.h"
#include "iscsi-target/portal.h"

#include <assert.h>
#include <stdlib.h>

#define CONNECTIONS_SPARE 2u /* for one that lives, one that ends */
#define SESSIONS_SPARE    2u
#define LEAVING_SHARE     8u /* of the commands may be on their way out */

/* ---- limits ---- */

struct iscsi_limits iscsi_limits_small(void)
{
    return (struct iscsi_limits){
        .sessions_max = 64,
        .commands_max = 4096,
        .window = 128,
        .buffer_bytes = 64ull << 20,
        .max_recv_data_segment_length = 256 << 10,
        .first_burst_length = 256 << 10,
        .max_burst_length = 1 << 20,
        .max_outstanding_r2t = 8,
        .transfer_bytes_max = 4 << 20,
        .login_seconds_max = 15,
        .half_open_max = 32,
    };
}

struct target_sizes target_sizes(const struct iscsi_limits *l)
{
    uint32_t sure = l->commands_max / (2 * l->sessions_max);
    uint32_t sessions = l->sessions_max * SESSIONS_SPARE;
    uint32_t leaving = l->commands_max / LEAVING_SHARE;
    uint32_t connections = (l->sessions_max + l->half_open_max) * CONNECTIONS_SPARE;

    return (struct target_sizes){
        .connections = connections,
        .sessions = sessions,
        .commands = l->commands_max + leaving + sessions * (IMMEDIATES_MAX + LATE_SLOTS),
        .texts = l->half_open_max + TEXTS_BORROWED_MAX,
        .rejects = connections * REJECTS_SURE + l->sessions_max,
        .rejects_shared = l->sessions_max,
        .slots_sure = min_u32(max_u32(sure, 1), l->window),
        .leaving = leaving,
    };
}

uint64_t iscsi_limits_bytes(const struct iscsi_limits *l)
{
    struct target_sizes n = target_sizes(l);

    return n.connections * sizeof(struct connection) +
           n.sessions * (sizeof(struct session) + sizeof(struct unit)) +
           n.commands * sizeof(struct command) + n.texts * sizeof(struct text) +
           n.rejects * reject_bytes() + l->half_open_max * handover_bytes() + l->buffer_bytes;
}

/* ---- open ---- */

static enum err pools_open(struct iscsi_target *t)
{
    struct target_sizes n = target_sizes(&t->limits);
    const struct {
        struct pool *pool;
        const char *name;
        size_t bytes;
        uint32_t count;
    } pools[] = {
        {&t->connection_pool, "iscsi connections", sizeof(struct connection), n.connections},
        {&t->session_pool, "iscsi sessions", sizeof(struct session), n.sessions},
        {&t->unit_pool, "iscsi units", sizeof(struct unit), n.sessions},
        {&t->command_pool, "iscsi commands", sizeof(struct command), n.commands},
        {&t->text_pool, "iscsi texts", sizeof(struct text), n.texts},
        {&t->reject_pool, "iscsi rejects", reject_bytes(), n.rejects},
        {&t->handover_pool, "iscsi handovers", handover_bytes(), t->limits.half_open_max},
    };
    enum err err;

    for (uint32_t i = 0; i < array_length(pools); i++) {
        err = pool_open(pools[i].pool, pools[i].name, pools[i].bytes, 64, pools[i].count);
        if (err)
            return err;
    }
    return buffers_open(&t->buffers, t->limits.buffer_bytes);
}

static void pools_close(struct iscsi_target *t)
{
    buffers_close(&t->buffers);
    pool_close(&t->handover_pool);
    pool_close(&t->reject_pool);
    pool_close(&t->text_pool);
    pool_close(&t->command_pool);
    pool_close(&t->unit_pool);
    pool_close(&t->session_pool);
    pool_close(&t->connection_pool);
}

static bool limits_make_sense(const struct iscsi_limits *l)
{
    return l->sessions_max > 0 && l->half_open_max > 0 && l->window > 0 &&
           l->commands_max >= 2 * l->sessions_max && l->max_outstanding_r2t > 0 &&
           l->max_outstanding_r2t <= R2T_MAX && l->login_seconds_max > 0 &&
           l->transfer_bytes_max <= (PAYLOAD_PIECES_MAX - 2) * SEGMENT_LARGE_BYTES &&
           l->first_burst_length <= l->max_burst_length && l->transfer_bytes_max > 0 &&
           l->max_recv_data_segment_length >= DATA_SEGMENT_LOGIN;
}

static void target_init(struct iscsi_target *t, struct env *env, const struct iscsi_config *config,
                        struct directory *directory)
{
    t->env = env;
    t->directory = directory;
    t->limits = config->limits;
    t->portal_group_tag = config->portal_group_tag;
    t->slots_free = t->limits.commands_max;
    t->slots_sure = target_sizes(&t->limits).slots_sure;
    list_init(&t->half_open);
    list_init(&t->connections);
    list_init(&t->sessions);
    list_init(&t->ended);
    list_init(&t->units);
    list_init(&t->hungry);
    list_init(&t->drains);
}

enum err iscsi_target_open(struct env *env, const struct iscsi_config *config,
                           struct directory *directory, struct iscsi_target **ret,
                           uint32_t *reterr_portal)
{
    struct iscsi_target *t;
    enum err err;

    *reterr_portal = 0;
    if (!limits_make_sense(&config->limits) || config->portal_count > PORTALS_MAX)
        return E_CONFIG;
    t = calloc(1, sizeof *t);
    if (!t)
        return E_NO_MEMORY;
    target_init(t, env, config, directory);
    err = pools_open(t);
    if (!err)
        err = portals_open(t, config, reterr_portal);
    if (err) {
        portals_close(t);
        iscsi_target_free(t);
        return err;
    }
    settle_start(t);
    *ret = t;
    return E_OK;
}

void iscsi_target_free(struct iscsi_target *t)
{
    if (!t)
        return;
    assert(!task_living(&t->settle));
    pools_close(t);
    free(t);
}
