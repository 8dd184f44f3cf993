/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/login.c — from the first byte to full feature phase (RFC 7143 6.3, 11.12, 11.13).
 *
 * The happy path: a request's text is gathered over its PDUs (C bit); with the first whole one the
 * directory says where the target lives, and if its home is another reactor's target all goes on
 * there (handover.c); each key is answered by its own result function; the answer leaves in pieces
 * of 8 KiB; with the last piece the stage changes, and into full feature phase a session is opened.
 * One request at a time: the answer is whole before the next is read.
 *
 * What can go wrong: see refuse(): one response with status class and detail, then the connection
 * ends.  Deadline and number of half-open logins: connection.c.
 */
#include "iscsi-target/login.h"

#include "iscsi-target/authentication.h"
#include "iscsi-target/handover.h"
#include "iscsi-target/pdu.h"
#include "iscsi-target/target.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- the answer ---- */

static bool login_next(struct source *source, struct pdu_out *ret)
{
    struct login *l = container_of(source, struct login, source);
    struct connection *c = container_of(l, struct connection, login);
    struct bhs_login_response *h = &ret->bhs.login_response;

    h->opcode = LOGIN_RESPONSE;
    h->flags = l->flags;
    memcpy(h->isid, l->isid, sizeof h->isid);
    h->tsih = be16_of(c->session ? c->session->tsih : l->tsih);
    h->initiator_task_tag = be32_of(l->itt);
    h->status = be16_of((uint16_t)l->status);
    ret->stat_sn = STAT_SN_TAKEN;
    if (c->text) {
        ret->flat = c->text->out + c->text->out_sent;
        ret->length = l->piece;
        c->text->out_sent += l->piece;
    }
    l->answering = false; /* whoever has read it may go on, even before we hear that it left */
    return false;
}

static void login_sent(struct source *source)
{
    struct login *l = container_of(source, struct login, source);
    struct connection *c = container_of(l, struct connection, login);

    if (c->phase != PHASE_LOGIN && !c->text_busy)
        connection_text_put(c);
}

static void answer(struct connection *c, uint8_t flags, uint32_t piece)
{
    struct login *l = &c->login;

    l->answering = true;
    l->flags = flags;
    l->piece = piece;
    send_urgent(c, &l->source);
}

/* Only a redirect has text to go with it: the new address. */
static void refuse(struct connection *c, enum login_status status)
{
    c->login.status = status;
    metrics_login(c->target, status);
    login_refused(c, status);
    if (c->text && status != LOGIN_MOVED_TEMPORARILY)
        c->text->out_bytes = c->text->out_sent = 0;
    answer(c, 0, c->text ? c->text->out_bytes : 0);
    connection_end_gently(c);
}

/* ---- a request's header ---- */

static void source_init(struct login *l)
{
    l->source = (struct source){.next = login_next, .sent = login_sent};
    list_init(&l->source.link);
}

static void login_first(struct connection *c, const struct bhs_login *h)
{
    struct login *l = &c->login;

    l->started = true;
    memcpy(l->isid, h->isid, sizeof l->isid);
    l->tsih = be16_get(h->tsih);
    l->cid = be16_get(h->cid);
    l->itt = be32_get(h->initiator_task_tag);
    l->cmd_sn = be32_get(h->cmd_sn);
    l->stage = (uint8_t)LOGIN_CSG(h->flags);
    source_init(l);
    c->sender.stat_sn = be32_get(h->exp_stat_sn);
}

static bool same_login(const struct login *l, const struct bhs_login *h)
{
    return memcmp(l->isid, h->isid, sizeof l->isid) == 0 && l->tsih == be16_get(h->tsih) &&
           l->cid == be16_get(h->cid) && l->itt == be32_get(h->initiator_task_tag);
}

/* 11.12.3: T not with C; to a later stage that exists. */
static bool legal_flags(const struct login *l, uint8_t flags)
{
    uint32_t csg = LOGIN_CSG(flags), nsg = LOGIN_NSG(flags);

    if (csg > STAGE_OPERATIONAL || csg != l->stage)
        return false;
    if (!(flags & FLAG_FINAL))
        return true;
    return !(flags & FLAG_CONTINUE) && nsg > csg && (nsg == 1 || nsg == STAGE_FULL_FEATURE);
}

static enum login_status check_header(struct connection *c, const struct bhs_login *h)
{
    if (!c->login.started)
        login_first(c, h);
    if (h->version_min > 0)
        return LOGIN_VERSION;
    if (!same_login(&c->login, h) || !legal_flags(&c->login, h->flags))
        return LOGIN_INITIATOR_ERROR;
    if (!connection_text_get(c))
        return LOGIN_OUT_OF_RESOURCES;
    if (be24_get(h->data_segment_length) > TEXT_BYTES_MAX - c->text->in_bytes)
        return LOGIN_INITIATOR_ERROR;
    return LOGIN_OK;
}

bool login_begin(struct connection *c)
{
    const struct bhs_login *h = &c->receive.bhs->login;
    enum login_status status;

    if (c->login.answering) { /* it did not wait for our answer */
        connection_end_now(c);
        return false;
    }
    status = check_header(c, h);
    if (status) {
        refuse(c, status);
        return false;
    }
    c->receive.sink =
        (struct sink){.flat = c->text->in, .at = c->text->in_bytes, .room = TEXT_BYTES_MAX};
    return true;
}

/* ---- a request's text ---- */

/* What is not there is empty; false: too long. */
static bool keep(char *ret, size_t size, const char *value)
{
    size_t length = value ? strlen(value) : 0;

    ret[0] = 0;
    if (length == 0)
        return true;
    if (length >= size)
        return false;
    memcpy(ret, value, length + 1);
    return true;
}

static void lower(char *name)
{
    for (; *name; name++)
        *name = (char)tolower((unsigned char)*name);
}

/* The names that say who wants to go where. */
static bool keep_names(struct login *l, struct text *t)
{
    if (!keep(l->initiator, sizeof l->initiator, text_value(t, "InitiatorName")) ||
        !keep(l->target, sizeof l->target, text_value(t, "TargetName")) ||
        !keep(l->session_type, sizeof l->session_type, text_value(t, "SessionType")))
        return false;
    lower(l->initiator);
    lower(l->target);
    return true;
}

static enum login_status login_keys(struct connection *c, struct auth_keys *ret)
{
    struct parameters ours = parameters_ours(&c->target->limits);
    enum login_status status = LOGIN_OK;
    struct text_pair pair;
    uint32_t cursor = 0;

    while (!status) {
        switch (text_next(c->text, &cursor, &pair)) {
        case TEXT_END:
            return LOGIN_OK;
        case TEXT_MALFORMED:
            return LOGIN_INITIATOR_ERROR;
        case TEXT_PAIR:
            auth_note(ret, pair);
            status = parameters_negotiate(&c->login.parameters, &ours, pair, c->text);
        }
    }
    return status;
}

/* ---- where to ---- */

static enum login_status status_of(enum directory_where where)
{
    switch (where) {
    case DIRECTORY_STARTING:
        return LOGIN_UNAVAILABLE;
    case DIRECTORY_UNKNOWN:
        return LOGIN_NOT_FOUND;
    case DIRECTORY_FORBIDDEN:
        return LOGIN_FORBIDDEN;
    case DIRECTORY_ELSEWHERE:
        return LOGIN_MOVED_TEMPORARILY;
    case DIRECTORY_HERE:
        return LOGIN_OK;
    }
    unreachable();
}

void directory_ask(struct iscsi_target *t, const struct login *l, struct directory_answer *ret)
{
    *ret = (struct directory_answer){.where = DIRECTORY_UNKNOWN};
    t->directory->find(t->directory, l->target, l->initiator, ret);
}

enum login_status login_directory(struct connection *c, struct directory_answer *ret)
{
    struct login *l = &c->login;
    enum login_status status;

    if (l->handed)
        *ret = l->where;
    else
        directory_ask(c->target, l, ret);
    status = status_of(ret->where);
    if (status)
        c->text->out_bytes = c->text->out_sent = 0;
    if (status == LOGIN_MOVED_TEMPORARILY)
        text_put(c->text, "TargetAddress", ret->address.text);
    return status;
}

/* MaxConnections is 1: a login to a session that lives cannot add a connection to it. */
static enum login_status check_tsih(const struct connection *c)
{
    if (c->login.tsih == 0)
        return LOGIN_OK;
    return session_has_tsih(c->target, c->login.tsih) ? LOGIN_TOO_MANY_CONNECTIONS
                                                      : LOGIN_NO_SESSION;
}

/* The target lives; at another reactor: the login goes there, and nothing is answered here. */
static enum login_status login_found(struct connection *c, const struct directory_answer *where)
{
    struct login *l = &c->login;
    enum login_status status;

    if (!l->handed && where->home && where->home != c->target)
        return handover_begin(c, where->home);
    status = check_tsih(c);
    if (status)
        return status;
    l->auth.required = where->chap.user[0] != 0;
    text_put_number(c->text, "TargetPortalGroupTag", c->target->portal_group_tag);
    if (where->alias[0])
        text_put(c->text, "TargetAlias", where->alias);
    return LOGIN_OK;
}

/* 13.9, 13.4, 13.21: with its first whole request an initiator says who it is and what it wants. */
static enum login_status login_named(struct connection *c)
{
    struct login *l = &c->login;
    struct directory_answer where;
    enum login_status status;

    if (!keep_names(l, c->text))
        return LOGIN_INITIATOR_ERROR;
    l->named = true;
    l->discovery = strcmp(l->session_type, "Discovery") == 0;
    if (!l->discovery && l->session_type[0] && strcmp(l->session_type, "Normal") != 0)
        return LOGIN_SESSION_TYPE;
    if (l->initiator[0] == 0 || (!l->discovery && l->target[0] == 0))
        return LOGIN_MISSING_PARAMETER;
    if (l->discovery)
        return check_tsih(c);
    status = login_directory(c, &where);
    if (!status)
        status = login_found(c, &where);
    explicit_bzero(&where, sizeof where);
    return status;
}

/* ---- an exchange ---- */

/* Our own declaration, once, when the operational stage has begun. */
static void declare_ours(struct connection *c)
{
    struct login *l = &c->login;

    if (l->declared || l->stage != STAGE_OPERATIONAL)
        return;
    l->declared = true;
    text_put_number(c->text, "MaxRecvDataSegmentLength",
                    c->target->limits.max_recv_data_segment_length);
}

static enum login_status exchange(struct connection *c)
{
    struct text *text = c->text;
    enum login_status status = LOGIN_OK;
    struct auth_keys auth = {0};

    text->out_bytes = text->out_sent = 0;
    if (!c->login.named)
        status = login_named(c);
    if (status || c->handover)
        return status;
    status = login_keys(c, &auth);
    text->in_bytes = 0;
    if (!status)
        status = auth_exchange(c, &auth);
    if (status)
        return status;
    declare_ours(c);
    return text->overflow ? LOGIN_INITIATOR_ERROR : LOGIN_OK;
}

/* The stage changes with the last piece of the answer. */
static enum login_status transit(struct connection *c, uint8_t *flags)
{
    struct login *l = &c->login;
    struct session *s;
    enum login_status status;

    if (!(l->wanted & FLAG_FINAL) || !auth_settled(c))
        return LOGIN_OK;
    if (l->auth.required && l->auth.step != AUTH_PROVED)
        return LOGIN_AUTHENTICATION;
    if (LOGIN_NSG(l->wanted) == STAGE_FULL_FEATURE) {
        status = session_open(c, &s);
        if (status)
            return status;
        connection_join(c, s);
        metrics_login(c->target, LOGIN_OK);
    }
    l->stage = (uint8_t)LOGIN_NSG(l->wanted);
    *flags |= (uint8_t)(FLAG_FINAL | LOGIN_NSG(l->wanted));
    return LOGIN_OK;
}

static void answer_piece(struct connection *c)
{
    uint32_t left = c->text->out_bytes - c->text->out_sent;
    uint32_t piece = min_u32(left, DATA_SEGMENT_LOGIN);
    uint8_t flags = (uint8_t)(c->login.stage << 2);
    enum login_status status = LOGIN_OK;

    if (piece < left)
        flags |= FLAG_CONTINUE;
    else
        status = transit(c, &flags);
    if (status)
        refuse(c, status);
    else
        answer(c, flags, piece);
}

/* A request is whole, its flags are login.wanted. */
static void login_whole(struct connection *c)
{
    enum login_status status = exchange(c);

    if (status)
        refuse(c, status);
    else if (!c->handover)
        answer_piece(c);
}

void login_end(struct connection *c)
{
    const struct bhs_login *h = &c->receive.bhs->login;

    c->text->in_bytes += be24_get(h->data_segment_length);
    if (h->flags & FLAG_CONTINUE) {
        answer(c, (uint8_t)(c->login.stage << 2), 0);
        return;
    }
    if (c->text->out_sent < c->text->out_bytes) { /* it asks for the rest of our answer */
        answer_piece(c);
        return;
    }
    c->login.wanted = h->flags;
    login_whole(c);
}

void login_arrived(struct connection *c, const struct login *l, const struct text *request)
{
    c->login = *l;
    c->login.named = false; /* what its request says is read here, all of it */
    source_init(&c->login);
    if (!connection_text_get(c)) {
        refuse(c, LOGIN_OUT_OF_RESOURCES);
        return;
    }
    memcpy(c->text->in, request->in, request->in_bytes);
    c->text->in_bytes = request->in_bytes;
    login_whole(c);
}
