/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/receive.c — cuts a stream of bytes into PDUs.
 *
 * Comes from env/net with bytes in a provided buffer; goes to the rows of pdu.c.  A header that
 * came in one piece is read where it lies; one that was cut is gathered in receive.header.  The
 * data segment is copied once, straight to where it belongs.
 *
 * What can go wrong:
 *   a PDU before login that is no login   closed without a word (a scanner, TLS, HTTP, zeros)
 *   an opcode that is none, or not now    Reject, its data is skipped
 *   a data segment above our limit        Reject, closed: its sender cannot be trusted to frame
 *   a wrong header digest                 closed: nobody knows where the next PDU begins (7.7)
 *   a wrong data digest                   Reject; the rest is its row's affair (7.8): `spoiled`
 *
 * Promise: T1 no byte is placed before its PDU's length was checked.
 */
#include "base/crc32c.h"
#include "iscsi-target/handover.h"
#include "iscsi-target/pdu.h"
#include "iscsi-target/target.h"

#include <assert.h>
#include <string.h>

void receive_discard(struct connection *c)
{
    c->receive.kind = NULL;
    c->receive.command = NULL;
    c->receive.sink = (struct sink){0};
}

static uint32_t data_segment_max(const struct connection *c)
{
    return c->phase == PHASE_LOGIN ? DATA_SEGMENT_LOGIN
                                   : c->target->limits.max_recv_data_segment_length;
}

/* False: the PDU was refused. */
static bool may_begin(struct connection *c, const struct pdu_kind *kind)
{
    if (c->receive.data_left > data_segment_max(c)) {
        if (c->phase != PHASE_LOGIN)
            pdu_reject(c, REJECT_INVALID_FIELD);
        connection_end_gently(c);
        return false;
    }
    if (!pdu_ahs_whole(c)) {
        pdu_reject(c, REJECT_INVALID_FIELD);
        return false;
    }
    if (!kind->begin) {
        pdu_reject(c, REJECT_NOT_SUPPORTED);
        return false;
    }
    if (!(kind->phases & IN(c->phase))) {
        pdu_reject(c, REJECT_PROTOCOL);
        return false;
    }
    return true;
}

static uint32_t header_length(const struct connection *c, const union bhs *h)
{
    return BHS_BYTES + bhs_ahs_bytes(h) + (c->header_digest ? DIGEST_BYTES : 0);
}

static bool digest_is(const uint8_t *bytes, uint32_t crc)
{
    le32 digest = le32_of(crc);

    return memcmp(bytes, &digest, DIGEST_BYTES) == 0;
}

/* Behind the additional header segments stands the digest of all before it. */
static bool header_is_spoiled(const struct connection *c)
{
    const uint8_t *header = c->receive.bhs->bytes;
    uint32_t bytes = BHS_BYTES + bhs_ahs_bytes(c->receive.bhs);

    return c->header_digest && !digest_is(header + bytes, crc32c(header, bytes));
}

/* The header, its additional segments and its digest are whole. */
static void pdu_begin(struct connection *c)
{
    struct receiver *r = &c->receive;
    const struct pdu_kind *kind = &pdu_kinds[r->bhs->any.opcode & OPCODE_MASK];

    if (header_is_spoiled(c)) {
        connection_end_now(c);
        return;
    }
    receive_discard(c);
    r->data_left = bhs_data_bytes(r->bhs);
    r->pad_left = pad_bytes(r->data_left);
    r->has_digest = c->data_digest && r->data_left > 0;
    r->digest_left = r->has_digest ? DIGEST_BYTES : 0;
    r->crc = 0;
    r->in_data = true;
    if (c->session)
        acknowledge_heard(c->session, be32_get(r->bhs->any.second_sn));
    if (may_begin(c, kind) && kind->begin(c))
        r->kind = kind;
    else
        receive_discard(c);
}

static void pdu_end(struct connection *c)
{
    struct receiver *r = &c->receive;

    r->in_data = false;
    if (r->kind && r->has_digest && !digest_is(r->digest, r->crc))
        r->kind->spoiled(c);
    else if (r->kind && r->kind->end)
        r->kind->end(c);
    receive_discard(c);
    r->header_bytes = 0;
}

/* How much of the header must be there to know how long it is, then all of it. */
static uint32_t header_wanted(const struct connection *c)
{
    const struct receiver *r = &c->receive;
    const union bhs *h = (const union bhs *)(const void *)r->header;

    return r->header_bytes < BHS_BYTES ? BHS_BYTES : header_length(c, h);
}

static uint32_t gather_header(struct connection *c, const uint8_t *bytes, uint32_t length)
{
    struct receiver *r = &c->receive;
    uint32_t here = min_u32(length, header_wanted(c) - r->header_bytes);

    memcpy(r->header + r->header_bytes, bytes, here);
    r->header_bytes += here;
    if (r->header_bytes < BHS_BYTES || r->header_bytes < header_wanted(c))
        return here;
    r->bhs = (const union bhs *)(const void *)r->header;
    pdu_begin(c);
    return here;
}

static uint32_t receive_header(struct connection *c, const uint8_t *bytes, uint32_t length)
{
    struct receiver *r = &c->receive;
    const union bhs *h = (const union bhs *)(const void *)bytes;
    uint32_t whole;

    if (c->phase == PHASE_LOGIN && r->header_bytes == 0 && (bytes[0] & OPCODE_MASK) != LOGIN) {
        connection_end_now(c); /* a stranger: its first byte tells */
        return length;
    }
    if (r->header_bytes > 0 || length < BHS_BYTES)
        return gather_header(c, bytes, length);
    whole = header_length(c, h);
    if (length < whole)
        return gather_header(c, bytes, length);
    r->bhs = h;
    pdu_begin(c);
    return whole;
}

/* A payload may have been cut while its PDU arrived: the command had its turn (C1). */
static uint32_t sink_room(const struct sink *s)
{
    return s->payload ? s->payload->bytes - min_u32(s->at, s->payload->bytes) : s->room - s->at;
}

static void sink_take(struct sink *s, const uint8_t *bytes, uint32_t length)
{
    uint32_t here = min_u32(length, sink_room(s));

    if (here == 0)
        return;
    if (s->payload)
        payload_write(s->payload, s->at, bytes, here);
    else
        memcpy(s->flat + s->at, bytes, here);
    s->at += here;
}

static uint32_t receive_data(struct connection *c, const uint8_t *bytes, uint32_t length)
{
    struct receiver *r = &c->receive;
    uint32_t data = min_u32(length, r->data_left);
    uint32_t pad = min_u32(length - data, r->pad_left);
    uint32_t digest = min_u32(length - data - pad, r->digest_left);

    sink_take(&r->sink, bytes, data);
    if (r->has_digest)
        r->crc = crc32c_go_on(r->crc, bytes, data + pad);
    memcpy(r->digest + DIGEST_BYTES - r->digest_left, bytes + data + pad, digest);
    r->data_left -= data;
    r->pad_left -= pad;
    r->digest_left -= digest;
    return data + pad + digest;
}

/* The bytes will be gone when this call returns: keeps the header of an unfinished PDU. */
static void keep_header(struct receiver *r)
{
    uint32_t whole = BHS_BYTES + bhs_ahs_bytes(r->bhs);

    if ((const uint8_t *)r->bhs == r->header)
        return;
    memcpy(r->header, r->bhs, whole);
    r->header_bytes = whole;
    r->bhs = (const union bhs *)(const void *)r->header;
}

static bool is_read(const struct connection *c)
{
    return c->phase < PHASE_MOVING;
}

void receive_bytes(struct connection *c, const uint8_t *bytes, uint32_t length)
{
    struct receiver *r = &c->receive;

    gate_heard(c, now_us(&c->target->env->clock));
    c->received_us = now_us(&c->target->env->clock);
    while (length > 0 && is_read(c)) {
        uint32_t used =
            r->in_data ? receive_data(c, bytes, length) : receive_header(c, bytes, length);

        assert(used <= length);
        bytes += used;
        length -= used;
        if (is_read(c) && r->in_data && r->data_left + r->pad_left + r->digest_left == 0)
            pdu_end(c);
    }
    if (c->phase == PHASE_MOVING)
        handover_keep(c, bytes, length);
    else if (r->in_data)
        keep_header(r);
}
