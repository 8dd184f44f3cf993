/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/session.c — opening, reinstating, ending.
 *
 * A login with the initiator name, ISID and target name of a living session reinstates it (RFC
 * 7143 6.3.5): the old one ends at once, whatever its commands are waiting for.  A discovery
 * session, which proves nothing, reinstates none but a discovery session.
 */
#include "iscsi-target/session.h"

#include "base/crc64.h"
#include "iscsi-target/authentication.h"
#include "iscsi-target/command.h"
#include "iscsi-target/login.h"
#include "iscsi-target/target.h"

#include <assert.h>
#include <string.h>

static bool same_nexus(const struct session *s, const struct login *l)
{
    return s->discovery == l->discovery && memcmp(s->isid, l->isid, sizeof s->isid) == 0 &&
           strcmp(s->initiator, l->initiator) == 0 && strcmp(s->target_name, l->target) == 0;
}

static struct session *session_of_nexus(const struct iscsi_target *t, const struct login *l)
{
    list_for_each(link, &t->sessions) {
        struct session *s = container_of(link, struct session, link);

        if (same_nexus(s, l))
            return s;
    }
    return NULL;
}

bool session_has_tsih(const struct iscsi_target *t, uint16_t tsih)
{
    list_for_each(link, &t->sessions) {
        if (container_of(link, struct session, link)->tsih == tsih)
            return true;
    }
    return false;
}

static uint16_t tsih_new(struct iscsi_target *t)
{
    do
        t->last_tsih++;
    while (t->last_tsih == 0 || session_has_tsih(t, t->last_tsih));
    return t->last_tsih;
}

static void resized(struct block_watcher *w)
{
    (void)w; /* the nexus has a watcher of its own for that */
}

static void moved(struct block_watcher *w)
{
    session_expel(container_of(w, struct session, watcher));
}

/* Who asks, in the block's records (block_note): two sessions at once differ by their TSIH. */
static void name_asker(struct session *s)
{
    uint64_t name = crc64(s->initiator, strlen(s->initiator));

    s->nexus.initiator = name ? name : 1;
    s->nexus.session = now_us(&s->target->env->clock) << 16 | s->tsih;
}

/* The next number that no session of another TSIH can have. */
void session_ask_anew(struct session *s)
{
    uint64_t now = now_us(&s->target->env->clock) << 16 | s->tsih;

    s->nexus.session = max_u64(now, s->nexus.session + (1u << 16));
}

static void nexus_open(struct session *s, const struct directory_answer *where)
{
    struct iscsi_target *t = s->target;

    s->block = where->block;
    s->unit = unit_get(t, where->block, now_us(&t->env->clock));
    s->attachment = where->attachment;
    s->deadline_us = where->deadline_seconds * 1000000ull;
    memcpy(s->alias, where->alias, sizeof s->alias);
    scsi_nexus_open(&s->nexus, where->block);
    s->nexus.read_only = where->read_only;
    s->nexus.transfer_bytes_max = t->limits.transfer_bytes_max;
    s->nexus.target_name = s->target_name;
    s->nexus.alias = s->alias;
    s->nexus.portal_group_tag = t->portal_group_tag;
    name_asker(s);
    s->watcher = (struct block_watcher){.resized = resized, .moved = moved};
    block_watch(s->block, &s->watcher);
}

static void session_init(struct session *s, struct connection *c)
{
    const struct login *l = &c->login;

    memset(s, 0, sizeof *s);
    s->target = c->target;
    s->connection = c;
    memcpy(s->initiator, l->initiator, sizeof s->initiator);
    memcpy(s->target_name, l->target, sizeof s->target_name);
    memcpy(s->isid, l->isid, sizeof s->isid);
    s->cid = l->cid;
    s->discovery = l->discovery;
    s->parameters = l->parameters;
    s->parameters.first_burst_length =
        min_u32(l->parameters.first_burst_length, l->parameters.max_burst_length);
    list_init(&s->commands);
    list_init(&s->held);
    list_init(&s->at_door);
    list_init(&s->turn_link);
    for (uint32_t i = 0; i < ITT_BUCKETS; i++)
        list_init(&s->by_itt[i]);
}

static enum login_status session_begin(struct session *s, struct connection *c,
                                       const struct directory_answer *where)
{
    struct iscsi_target *t = c->target;

    session_init(s, c);
    if (!window_open(s, c->login.cmd_sn)) {
        pool_put(&t->session_pool, s);
        return LOGIN_OUT_OF_RESOURCES;
    }
    s->tsih = tsih_new(t);
    if (!s->discovery)
        nexus_open(s, where);
    list_append(&t->sessions, &s->link);
    metric_set(&t->metrics.sessions, ++t->session_count);
    return LOGIN_OK;
}

static void session_cut(struct session *s)
{
    session_end(s);
    if (s->connection)
        connection_end_now(s->connection);
}

/* A discovery session proves nothing and lives for one question: the oldest gives its place to
 * whoever comes, so that no number of them keeps others out. */
static bool session_room(struct iscsi_target *t)
{
    if (t->session_count < t->limits.sessions_max)
        return true;
    list_for_each(link, &t->sessions) {
        struct session *s = container_of(link, struct session, link);

        if (!s->discovery)
            continue;
        session_cut(s);
        return true;
    }
    return false;
}

enum login_status session_open(struct connection *c, struct session **ret)
{
    struct iscsi_target *t = c->target;
    struct directory_answer where = {.where = DIRECTORY_HERE};
    struct session *old = session_of_nexus(t, &c->login), *s;
    enum login_status status = LOGIN_OK;

    if (!c->login.discovery)
        status = login_directory(c, &where); /* again: it may have changed since */
    if (!status && !auth_suffices(c, &where))
        status = LOGIN_AUTHENTICATION;
    explicit_bzero(&where.chap, sizeof where.chap);
    if (status)
        return status;
    if (!old && !session_room(t))
        return LOGIN_OUT_OF_RESOURCES;
    s = pool_get(&t->session_pool);
    if (!s)
        return LOGIN_OUT_OF_RESOURCES;
    if (old)
        session_cut(old);
    status = session_begin(s, c, &where);
    if (status)
        return status;
    gate_newer(s);
    *ret = s;
    return LOGIN_OK;
}

void session_end(struct session *s)
{
    struct iscsi_target *t = s->target;

    if (s->ended)
        return;
    s->ended = true;
    list_remove(&s->link);
    list_append(&t->ended, &s->link);
    metric_set(&t->metrics.sessions, --t->session_count);
    block_unwatch(&s->watcher);
    scsi_nexus_close(&s->nexus);
    window_close(s);
    list_for_each(l, &s->commands) {
        struct command *c = container_of(l, struct command, link);

        if (c->task.state != ANSWER)
            command_drop(c);
    }
}

void session_expel(struct session *s)
{
    struct connection *c = s->connection;

    session_end(s);
    if (!c)
        return;
    async_drop(c);
    connection_end_gently(c);
}

void session_leave(struct session *s, uint16_t seconds)
{
    if (seconds == 0 || s->discovery || !s->connection) {
        session_expel(s);
        return;
    }
    s->leaving = true;
    s->leave_by_us = now_us(&s->target->env->clock) + seconds * 1000000ull;
    async_logout(s->connection, seconds);
}

void session_disconnected(struct session *s)
{
    s->connection = NULL;
    session_end(s);
    session_settle(s);
}

void session_settle(struct session *s)
{
    struct iscsi_target *t = s->target;

    if (!s->ended || s->connection || !list_empty(&s->commands))
        return;
    list_remove(&s->link);
    unit_put(t, s->unit);
    pool_put(&t->session_pool, s);
    target_settle(t);
}

/* ---- tags ---- */

struct command *session_find(const struct session *s, uint32_t itt)
{
    list_for_each(l, &s->by_itt[itt % ITT_BUCKETS]) {
        struct command *c = container_of(l, struct command, itt_link);

        if (c->itt == itt)
            return c;
    }
    return NULL;
}

uint32_t session_ttt(struct session *s)
{
    if (++s->next_ttt == TAG_NONE)
        s->next_ttt = 1;
    return s->next_ttt;
}
