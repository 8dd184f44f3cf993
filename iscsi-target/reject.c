/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/reject.c — what cannot be understood is sent back with a reason (RFC 7143 11.17).
 *
 * The data of a Reject is the whole header of the PDU, additional segments included.  A connection
 * that has more of them coming than it reads is closed: nothing it sends makes sense.  A few are
 * sure of every connection, so that those who send nonsense do not close the others.
 */
#include "iscsi-target/pdu.h"
#include "iscsi-target/target.h"

#include <string.h>

#define REJECTS_MAX 16u /* of one connection at a time */

static bool is_shared(uint32_t nth)
{
    return nth > REJECTS_SURE;
}

static bool reject_may(const struct connection *c)
{
    if (!is_shared(c->rejects + 1))
        return true;
    return c->rejects < REJECTS_MAX &&
           c->target->rejects_shared < target_sizes(&c->target->limits).rejects_shared;
}

struct reject {
    struct source source;
    struct connection *connection;
    uint8_t reason;
    uint32_t bytes;
    uint8_t header[BHS_BYTES + AHS_BYTES_MAX];
};

size_t reject_bytes(void)
{
    return sizeof(struct reject);
}

static bool reject_next(struct source *source, struct pdu_out *ret)
{
    struct reject *r = container_of(source, struct reject, source);
    struct bhs_reject *h = &ret->bhs.reject;

    h->opcode = REJECT;
    h->flags = FLAG_FINAL;
    h->reason = r->reason;
    ret->bhs.any.initiator_task_tag = be32_of(TAG_NONE);
    ret->flat = r->header;
    ret->length = r->bytes;
    ret->stat_sn = STAT_SN_TAKEN;
    return false;
}

static void reject_sent(struct source *source)
{
    struct reject *r = container_of(source, struct reject, source);

    r->connection->target->rejects_shared -= is_shared(r->connection->rejects--);
    pool_put(&r->connection->target->reject_pool, r);
}

void header_reject(struct connection *c, uint8_t reason, const uint8_t *header, uint32_t bytes)
{
    struct reject *r = reject_may(c) ? pool_get(&c->target->reject_pool) : NULL;

    if (!r) {
        connection_end_gently(c);
        return;
    }
    *r = (struct reject){.connection = c, .reason = reason, .bytes = bytes};
    memcpy(r->header, header, bytes);
    list_init(&r->source.link);
    r->source.next = reject_next;
    r->source.sent = reject_sent;
    c->target->rejects_shared += is_shared(++c->rejects);
    metric_add(&c->target->metrics.rejects, 1);
    send_urgent(c, &r->source);
}

void pdu_reject(struct connection *c, uint8_t reason)
{
    const union bhs *h = c->receive.bhs;

    header_reject(c, reason, h->bytes, BHS_BYTES + bhs_ahs_bytes(h));
}
