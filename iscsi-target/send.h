/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/send.h — what leaves a connection, and in which order.
 *
 * A source is something that has PDUs to send.  It stands in one of two queues and makes its next
 * PDU when there is room for it: so sequence numbers are those of the order on the wire, and an
 * urgent source goes before queued data at the next PDU boundary.  All that is ready leaves as one
 * batch in one net_send; the next batch gathers while it is under way.
 *
 * Promises: N1 a source's `sent` is called once for each time it was queued, when none of its PDUs
 *              is queued or under way any more; its memory and data stay until then.
 *           N2 a batch is at most BATCH_BYTES and the PDU that crosses that line.
 */
#ifndef ISCSI_TARGET_SEND_H
#define ISCSI_TARGET_SEND_H

#include "base/task.h"
#include "env/env.h"
#include "iscsi-target/buffers.h"
#include "iscsi-target/rfc7143.h"

#define BATCH_PDUS     32u
#define BATCH_BYTES    (256u * 1024)
#define BATCH_PIECES   256u
#define PDU_PIECES_MAX (PAYLOAD_PIECES_MAX + 3) /* header, payload, padding, digest */
#define DATA_IN_MAX    (256u * 1024)            /* of one Data-In PDU       */

enum stat_sn { STAT_SN_NONE, STAT_SN_SHOWN, STAT_SN_TAKEN };

/* One PDU as its source fills it; zeroed before. */
struct pdu_out {
    union bhs bhs;      /* without lengths and sequence numbers: the sender's */
    le32 header_digest; /* follows bhs on the wire                            */
    le32 data_digest;
    const struct payload *data; /* the data segment: [at, at + length) of a payload … */
    const void *flat;           /* … or flat memory; both stay until `sent`           */
    uint32_t at, length;
    enum stat_sn stat_sn;
    struct source *source;
};

/* Zeroed and list_init'ed link: idle. */
struct source {
    struct list link;
    bool (*next)(struct source *, struct pdu_out *ret); /* true: more will follow */
    void (*sent)(struct source *);
    uint32_t under_way; /* PDUs in the batch */
    bool queued;
};

static inline bool source_idle(const struct source *s)
{
    return !s->queued && s->under_way == 0;
}

struct batch {
    struct pdu_out pdus[BATCH_PDUS];
    struct iovec pieces[BATCH_PIECES];
    struct net_send send;
    uint32_t pdu_count, piece_count, bytes;
    bool under_way;
};

struct connection;

struct sender {
    struct task task;
    struct list urgent, bulk; /* of struct source */
    struct batch batch;
    uint32_t stat_sn;
    uint64_t sent_us; /* when a batch last left */
    uint64_t taken,
        taken_us; /* of the one under way: by the network, as of the tick that saw more */
};

/* Runs until the connection has lost its net; then drops what is queued: connection_over(). */
void sender_start(struct connection *c);

void send_urgent(struct connection *c, struct source *s); /* before all data */
void send_bulk(struct connection *c, struct source *s);   /* after what is queued */

/* Out of its queue: what is under way stays under way. */
void send_cancel(struct source *s);

/* At each tick: the network has taken nothing of a batch for `us`. */
bool sender_stuck(struct sender *s, uint64_t us, uint64_t now);

/* Nothing is queued or under way. */
bool sender_idle(const struct connection *c);

#endif
