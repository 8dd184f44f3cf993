/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/nop.c — pings both ways (RFC 7143 11.18, 11.19), ahead of queued data, without the
 * block.
 */
#include "iscsi-target/command.h"
#include "iscsi-target/pdu.h"
#include "iscsi-target/target.h"

static enum task_next nop_act(struct command *c)
{
    return c->itt == TAG_NONE ? command_over(c) : command_answer(c);
}

static bool nop_answer(struct command *c, struct pdu_out *ret)
{
    struct bhs_any *h = &ret->bhs.any;

    h->opcode = NOP_IN;
    h->flags = FLAG_FINAL;
    h->initiator_task_tag = be32_of(c->itt);
    h->target_transfer_tag = be32_of(TAG_NONE);
    ret->data = &c->scsi.data_in;
    ret->length = c->scsi.data_in.bytes;
    ret->stat_sn = STAT_SN_TAKEN;
    metrics_waited(c, &c->session->target->metrics.ping_seconds);
    return false;
}

static const struct command_kind nop_kind = {
    .name = "NOP-Out", .urgent = true, .act = nop_act, .answer = nop_answer};

/* Its data comes back as far as the initiator can take it; without memory, none does. */
bool nop_begin(struct connection *connection)
{
    const union bhs *h = connection->receive.bhs;
    uint32_t length =
        min_u32(bhs_data_bytes(h), connection->session->parameters.max_recv_data_segment_length);
    struct command *c;

    if (bhs_itt(h) == TAG_NONE)
        gate_answered(connection, be32_get(h->any.target_transfer_tag));
    if (bhs_itt(h) == TAG_NONE && (h->any.opcode & OPCODE_IMMEDIATE))
        return false; /* the answer to our ping: that it came is all */
    c = command_begin(connection, &nop_kind);
    if (!c)
        return false;
    if (bhs_itt(h) != TAG_NONE &&
        payload_get(&connection->target->buffers, &c->scsi.data_in, min_u32(length, DATA_IN_MAX)))
        connection->receive.sink = (struct sink){.payload = &c->scsi.data_in};
    return true;
}

/* ---- our own ---- */

static bool ping_next(struct source *source, struct pdu_out *ret)
{
    struct connection *c = container_of(source, struct connection, ping);
    struct bhs_any *h = &ret->bhs.any;

    h->opcode = NOP_IN;
    h->flags = FLAG_FINAL;
    h->initiator_task_tag = be32_of(TAG_NONE);
    h->target_transfer_tag = be32_of(TAG_NONE);
    if (c->answer_wanted) {
        c->proof_ttt = session_ttt(c->session);
        h->target_transfer_tag = be32_of(c->proof_ttt);
    }
    c->answer_wanted = false;
    ret->stat_sn = STAT_SN_SHOWN;
    metric_add(&c->target->metrics.pings_sent, 1);
    return false;
}

static void ping_sent(struct source *source)
{
    (void)source;
}

void nop_ping(struct connection *c, bool answer_wanted)
{
    if (!c->net || c->phase == PHASE_ENDING)
        return;
    if (!c->ping.next) {
        list_init(&c->ping.link);
        c->ping.next = ping_next;
        c->ping.sent = ping_sent;
    }
    c->answer_wanted |= answer_wanted; /* also if one is queued that did not want any */
    if (answer_wanted)
        c->pinged_us = now_us(&c->target->env->clock);
    send_urgent(c, &c->ping);
}
