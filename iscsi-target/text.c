/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/text.c — text requests in full feature phase: SendTargets and little else (RFC 7143
 * 11.10, 11.11, appendix C).
 *
 * A connection has one text negotiation at a time.  Its request is gathered over its PDUs (C bit),
 * its answer leaves in pieces of the initiator's MaxRecvDataSegmentLength; while there is more,
 * F is clear and a Target Transfer Tag says which negotiation the next request belongs to.  A list
 * of targets that does not fit the buffer is made anew from where it broke off.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/pdu.h"
#include "iscsi-target/target.h"

#include <stdio.h>
#include <string.h>

static struct text *text_of(const struct command *c)
{
    return c->session->connection->text;
}

/* ---- SendTargets ---- */

struct listing {
    struct command *command;
    const char *only; /* NULL: all */
    uint32_t number;  /* of targets seen so far */
};

static void list_each(void *arg, const char *target, const char *portal)
{
    struct listing *l = arg;
    struct text *t = text_of(l->command);
    char address[sizeof(struct net_address) + 8];
    uint32_t before = t->out_bytes;

    if ((l->only && strcmp(l->only, target) != 0) || t->listing || l->number++ < t->listed)
        return;
    snprintf(address, sizeof address, "%s,%u", portal,
             l->command->session->target->portal_group_tag);
    text_put(t, "TargetName", target);
    text_put(t, "TargetAddress", address);
    if (!t->overflow) {
        t->listed++;
        return;
    }
    t->overflow = false; /* the next filling begins with this one */
    t->listing = true;
    t->out_bytes = before;
}

static void list_own(struct command *c)
{
    struct listing l = {.command = c};

    list_each(&l, c->session->target_name, c->session->connection->net->local.text);
}

/* Appendix C: all in a discovery session, else no other than the session's own target, where it is
 * reached: the directory may be another reactor's. */
static void list_targets(struct command *c, const char *value)
{
    struct session *s = c->session;
    struct directory *d = s->target->directory;
    struct listing l = {.command = c, .only = strcmp(value, "All") == 0 ? NULL : value};

    text_of(c)->listing = false;
    if (s->discovery)
        d->list(d, s->initiator, list_each, &l);
    else
        list_own(c);
}

static bool send_targets_legal(const struct session *s, const char *value)
{
    if (s->discovery)
        return value[0] != 0;
    return value[0] == 0 || strcmp(value, "All") == 0 || strcmp(value, s->target_name) == 0;
}

static void send_targets(struct command *c, const char *value)
{
    if (send_targets_legal(c->session, value))
        list_targets(c, value);
    else
        text_put(text_of(c), "SendTargets", "Reject");
}

/* ---- a whole request ---- */

static bool text_keys(struct command *c)
{
    struct text *t = text_of(c);
    struct text_pair pair;
    uint32_t cursor = 0;

    t->out_bytes = t->out_sent = t->listed = 0;
    for (;;) {
        switch (text_next(t, &cursor, &pair)) {
        case TEXT_END:
            t->in_bytes = 0;
            return !t->overflow;
        case TEXT_MALFORMED:
            return false;
        case TEXT_PAIR:
            if (strcmp(pair.key, "SendTargets") == 0)
                send_targets(c, pair.value);
            else
                parameters_declare(&c->session->parameters, pair, t);
        }
    }
}

/* The buffer is empty and there are more targets: fills it again. */
static void list_on(struct command *c)
{
    struct text *t = text_of(c);

    t->out_bytes = t->out_sent = 0;
    list_targets(c, "All");
}

static enum task_next text_act(struct command *c)
{
    struct connection *connection = c->session->connection;
    struct text *t;

    if (!connection || !connection->text)
        return command_over(c);
    t = connection->text;
    if (c->bhs.any.flags & FLAG_CONTINUE) /* more of the request will come */
        return command_answer(c);
    if (t->out_sent < t->out_bytes)
        return command_answer(c);
    if (t->listing) {
        list_on(c);
        return command_answer(c);
    }
    if (text_keys(c))
        return command_answer(c);
    c->response = true; /* the negotiation is over */
    header_reject(connection, REJECT_PROTOCOL, c->bhs.bytes, BHS_BYTES);
    return command_over(c);
}

/* ---- the answer ---- */

static bool text_answer(struct command *c, struct pdu_out *ret)
{
    struct session *s = c->session;
    struct text *t = text_of(c);
    struct bhs_any *h = &ret->bhs.any;
    bool more = c->bhs.any.flags & FLAG_CONTINUE;

    if (!more) {
        ret->flat = t->out + t->out_sent;
        ret->length =
            min_u32(t->out_bytes - t->out_sent, s->parameters.max_recv_data_segment_length);
        t->out_sent += ret->length;
        more = t->out_sent < t->out_bytes || t->listing;
        h->flags = more ? FLAG_CONTINUE : FLAG_FINAL;
    }
    if (more)
        s->text_ttt = session_ttt(s);
    c->response = !more;
    h->opcode = TEXT_RESPONSE;
    h->initiator_task_tag = be32_of(c->itt);
    h->target_transfer_tag = be32_of(more ? s->text_ttt : TAG_NONE);
    ret->stat_sn = STAT_SN_TAKEN;
    return false;
}

/* The negotiation is over, or broke off; unless a newer one has taken the buffer. */
static void text_over(struct command *c)
{
    struct connection *connection = c->session->connection;

    if (connection->text_owner != c)
        return;
    connection->text_owner = NULL;
    if (c->dropped || c->response)
        connection_text_put(connection);
}

static const struct command_kind text_kind = {.name = "text request",
                                              .urgent = true,
                                              .act = text_act,
                                              .answer = text_answer,
                                              .over = text_over};

/* ---- it arrives ---- */

/* 0, or why this request cannot be taken now. */
static uint8_t refused_because(const struct connection *c, const struct bhs_any *h)
{
    const struct command *owner = c->text_owner;
    uint32_t ttt = be32_get(h->target_transfer_tag);

    if (bhs_itt(c->receive.bhs) == TAG_NONE)
        return REJECT_INVALID_FIELD;
    if (owner && session_find(c->session, owner->itt) == owner)
        return REJECT_PROTOCOL; /* it did not wait for our answer */
    if (ttt != TAG_NONE && (!c->text_busy || ttt != c->session->text_ttt))
        return REJECT_INVALID_FIELD;
    return 0;
}

static void text_sink(struct connection *c)
{
    c->receive.sink =
        (struct sink){.flat = c->text->in, .at = c->text->in_bytes, .room = TEXT_BYTES_MAX};
}

bool text_begin(struct connection *c)
{
    const union bhs *h = c->receive.bhs;
    uint8_t reason = refused_because(c, &h->any);
    struct command *command;

    if (!reason && !connection_text_get(c))
        reason = REJECT_OUT_OF_RESOURCES;
    if (!reason && be32_get(h->any.target_transfer_tag) == TAG_NONE)
        text_clear(c->text);
    if (!reason && bhs_data_bytes(h) > TEXT_BYTES_MAX - c->text->in_bytes)
        reason = REJECT_OUT_OF_RESOURCES;
    if (reason) {
        pdu_reject(c, reason);
        return false;
    }
    command = command_begin(c, &text_kind);
    if (!command)
        return false;
    c->text_busy = true;
    c->text_owner = command;
    text_sink(c);
    return true;
}

void text_end(struct connection *c)
{
    c->text->in_bytes += bhs_data_bytes(c->receive.bhs);
    command_end(c);
}
