/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/logout.c — an initiator takes its leave (RFC 7143 11.14, 11.15).
 *
 * What was answered leaves before the logout response, what the block has runs on unseen, the rest
 * is dropped; then the connection, which is the session's only one, is closed.  Whoever was asked
 * to log out has what the block was given answered first (iscsi.md 4.3): until its time is over.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/pdu.h"

static uint8_t logout_response(const struct command *c)
{
    const struct bhs_logout *h = &c->bhs.logout;

    switch (h->reason & (uint8_t)~FLAG_FINAL) {
    case LOGOUT_SESSION:
        return LOGOUT_CLOSED;
    case LOGOUT_CONNECTION:
        return be16_get(h->cid) == c->session->cid ? LOGOUT_CLOSED : LOGOUT_NO_CID;
    default:
        return LOGOUT_NO_RECOVERY;
    }
}

static bool block_has_some(const struct session *s)
{
    list_for_each(l, &s->commands) {
        if (container_of(l, struct command, link)->task.state == PERFORMING)
            return true;
    }
    return false;
}

static enum task_next logout_act(struct command *c)
{
    struct session *s = c->session;

    if (s->leaving && block_has_some(s)) {
        s->logout = c;
        return TASK_WAIT;
    }
    c->response = logout_response(c);
    if (c->response != LOGOUT_CLOSED)
        return command_answer(c);
    list_for_each(l, &s->commands) {
        struct command *other = container_of(l, struct command, link);

        if (other != c && other->task.state != ANSWER)
            command_drop(other);
    }
    if (s->connection)
        connection_end_gently(s->connection);
    return command_answer(c);
}

static bool logout_answer(struct command *c, struct pdu_out *ret)
{
    struct bhs_logout_response *h = &ret->bhs.logout_response;

    h->opcode = LOGOUT_RESPONSE;
    h->flags = FLAG_FINAL;
    h->response = c->response;
    ret->bhs.any.initiator_task_tag = be32_of(c->itt);
    ret->stat_sn = STAT_SN_TAKEN;
    return false;
}

static const struct command_kind logout_kind = {
    .name = "logout", .act = logout_act, .answer = logout_answer};

bool logout_begin(struct connection *c)
{
    return command_begin(c, &logout_kind) != NULL;
}
