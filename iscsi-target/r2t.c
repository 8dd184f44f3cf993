/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/r2t.c — asks for the data that did not come by itself (RFC 7143 11.8).
 *
 * Up to MaxOutstandingR2T at a time, each at most MaxBurstLength, in order of offset.  A Buffer
 * Offset beyond what the command wants is never asked for: what an initiator may send is what it
 * was granted.
 */
#include "iscsi-target/command.h"

#include <assert.h>

static void grant(struct command *c)
{
    struct r2t *r = &c->r2ts[(c->r2t_first + c->r2t_count) % R2T_MAX];

    r->ttt = session_ttt(c->session);
    r->offset = c->asked;
    r->length = min_u32(c->want - c->asked, c->session->parameters.max_burst_length);
    c->asked += r->length;
    c->r2t_count++;
    c->r2t_unsent++;
}

void r2t_ask(struct command *c)
{
    uint32_t most = min_u32(c->session->parameters.max_outstanding_r2t, R2T_MAX);

    if (c->unsolicited || !c->session->connection)
        return;
    if (c->asked < c->got)
        c->asked = c->got;
    while (c->r2t_count < most && c->asked < c->want)
        grant(c);
    if (c->r2t_unsent > 0)
        send_urgent(c->session->connection, &c->source);
}

bool r2t_next(struct command *c, struct pdu_out *ret)
{
    const struct r2t *r = &c->r2ts[(c->r2t_first + c->r2t_count - c->r2t_unsent) % R2T_MAX];
    struct bhs_r2t *h = &ret->bhs.r2t;

    assert(c->r2t_unsent > 0);
    h->opcode = R2T;
    h->flags = FLAG_FINAL;
    h->lun = c->bhs.any.lun;
    h->initiator_task_tag = be32_of(c->itt);
    h->target_transfer_tag = be32_of(r->ttt);
    h->r2t_sn = be32_of(c->r2t_sn++);
    h->buffer_offset = be32_of(r->offset);
    h->desired_length = be32_of(r->length);
    ret->stat_sn = STAT_SN_SHOWN;
    return --c->r2t_unsent > 0;
}
