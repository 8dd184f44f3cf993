/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/initiator.c — connection, framing, login; requests are in initiator_request.c. */
#include "base/crc32c.h"
#include "base/util.h"
#include "tests/iscsi/initiator_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY_ROOM 4096u

/* ---- sending ---- */

struct sending {
    struct net_send send;
    struct iovec piece;
    struct list link;
    struct initiator *initiator;
    uint8_t bytes[];
};

static void sent(struct net_send *send, enum err err)
{
    struct sending *s = container_of(send, struct sending, send);

    (void)err; /* closed() tells */
    list_remove(&s->link);
    free(s);
}

void initiator_send(struct initiator *i, const void *bytes, uint32_t length)
{
    struct sending *s;

    if (!i->net || length == 0)
        return;
    s = calloc(1, sizeof *s + length);
    assert(s);
    memcpy(s->bytes, bytes, length);
    s->piece = (struct iovec){.iov_base = s->bytes, .iov_len = length};
    s->send = (struct net_send){.pieces = &s->piece, .piece_count = 1, .done = sent};
    s->initiator = i;
    list_append(&i->sends, &s->link);
    net_send(i->net, &s->send);
}

/* The digest of `length` bytes before it, one of which is changed behind its back if wanted. */
static uint32_t put_digest(uint8_t *at, uint32_t length, bool *spoil)
{
    le32 digest = le32_of(crc32c(at - length, length));

    memcpy(at, &digest, DIGEST_BYTES);
    if (*spoil)
        at[-1 - (ptrdiff_t)(length / 2)] ^= 0x10;
    *spoil = false;
    return DIGEST_BYTES;
}

void initiator_pdu(struct initiator *i, const union bhs *h, const void *data, uint32_t length)
{
    uint8_t *bytes = calloc(1, BHS_BYTES + length + pad_bytes(length) + 2 * DIGEST_BYTES);
    union bhs *copy = (union bhs *)(void *)bytes;
    uint32_t padded = length + pad_bytes(length), at = BHS_BYTES;

    assert(bytes);
    *copy = *h;
    copy->any.data_segment_length = be24_of(length);
    if (i->config.watch)
        i->config.watch->sent(i->config.watch, copy);
    if (i->full && i->header_digest)
        at += put_digest(bytes + at, BHS_BYTES, &i->spoil_header);
    if (data)
        memcpy(bytes + at, data, length);
    at += padded;
    if (i->full && i->data_digest && length > 0)
        at += put_digest(bytes + at, padded, &i->spoil_data);
    initiator_send(i, bytes, at);
    free(bytes);
}

void initiator_stamp(struct initiator *i, union bhs *h)
{
    h->any.initiator_task_tag = be32_of(i->next_itt++);
    h->any.sn = be32_of(i->cmd_sn);
    h->any.second_sn = be32_of(i->exp_stat_sn);
    if (!(h->any.opcode & OPCODE_IMMEDIATE))
        i->cmd_sn++;
}

/* ---- keys ---- */

const char *initiator_key(const struct initiator *i, const char *key)
{
    static char value[256];
    size_t length = strlen(key);

    for (const char *at = i->text; *at;) {
        const char *end = strchrnul(at, '\n');

        if (strncmp(at, key, length) == 0 && at[length] == '=') {
            snprintf(value, sizeof value, "%.*s", (int)(end - at - (ptrdiff_t)length - 1),
                     at + length + 1);
            return value;
        }
        at = *end ? end + 1 : end;
    }
    return NULL;
}

static void keep_text(struct initiator *i, const uint8_t *data, uint32_t length)
{
    uint32_t keep = min_u32(length, sizeof i->text - 1);

    memcpy(i->text, data, keep);
    i->text[keep] = 0;
    for (uint32_t at = 0; at < keep; at++)
        if (i->text[at] == 0)
            i->text[at] = '\n';
}

static uint32_t number_of(const struct initiator *i, const char *key, uint32_t otherwise)
{
    const char *value = initiator_key(i, key);

    return value ? (uint32_t)strtoul(value, NULL, 0) : otherwise;
}

static bool is_crc32c(const struct initiator *i, const char *key, bool otherwise)
{
    const char *value = initiator_key(i, key);

    return value ? strcmp(value, "CRC32C") == 0 : otherwise;
}

static bool truth_of(const struct initiator *i, const char *key, bool otherwise)
{
    const char *value = initiator_key(i, key);

    return value ? strcmp(value, "Yes") == 0 : otherwise;
}

/* ---- login ---- */

static const char usual_keys[] = "HeaderDigest=None\nDataDigest=None\nInitialR2T=No\n"
                                 "ImmediateData=Yes\nMaxBurstLength=1048576\n"
                                 "FirstBurstLength=262144\nMaxOutstandingR2T=8\n"
                                 "MaxRecvDataSegmentLength=262144\nDefaultTime2Wait=2\n"
                                 "DefaultTime2Retain=0\nMaxConnections=1\nErrorRecoveryLevel=0\n";

void initiator_login(struct initiator *i, uint8_t flags, const char *keys)
{
    union bhs h = {.login = {.opcode = LOGIN | OPCODE_IMMEDIATE, .flags = flags}};
    char *text = strdup(keys);
    uint32_t length = (uint32_t)strlen(keys);

    assert(text);
    for (uint32_t at = 0; at < length; at++)
        if (text[at] == '\n')
            text[at] = 0;
    memcpy(h.login.isid, i->config.isid, sizeof h.login.isid);
    h.login.cmd_sn = be32_of(i->cmd_sn);
    h.login.exp_stat_sn = be32_of(i->exp_stat_sn);
    initiator_pdu(i, &h, text, length);
    free(text);
}

static void first_request(struct initiator *i)
{
    const struct initiator_config *c = &i->config;
    const char *more = c->chap         ? "AuthMethod=CHAP,None\n"
                       : c->two_stages ? "AuthMethod=None\n"
                       : c->keys       ? c->keys
                                       : usual_keys;
    uint8_t flags = c->chap || c->two_stages
                        ? FLAG_FINAL | STAGE_SECURITY << 2 | STAGE_OPERATIONAL
                        : FLAG_FINAL | STAGE_OPERATIONAL << 2 | STAGE_FULL_FEATURE;
    char keys[2048];
    int length = snprintf(keys, sizeof keys, "InitiatorName=%s\n%s%s\n%s", c->name,
                          c->target ? "SessionType=Normal\nTargetName=" : "SessionType=Discovery",
                          c->target ? c->target : "", more);

    assert(length > 0 && (size_t)length < sizeof keys);
    initiator_login(i, flags, keys);
}

static void take_parameters(struct initiator *i)
{
    i->max_send = number_of(i, "MaxRecvDataSegmentLength", i->max_send);
    i->first_burst = number_of(i, "FirstBurstLength", i->first_burst);
    i->max_burst = number_of(i, "MaxBurstLength", i->max_burst);
    i->max_r2t = number_of(i, "MaxOutstandingR2T", i->max_r2t);
    i->initial_r2t = truth_of(i, "InitialR2T", i->initial_r2t);
    i->immediate_data = truth_of(i, "ImmediateData", i->immediate_data);
    i->header_digest = is_crc32c(i, "HeaderDigest", i->header_digest);
    i->data_digest = is_crc32c(i, "DataDigest", i->data_digest);
}

static void login_answered(struct initiator *i, const struct bhs_login_response *h)
{

    i->login_status = be16_get(h->status);
    if (i->login_status >> 8 == 1) {
        const char *address = initiator_key(i, "TargetAddress");

        if (address)
            snprintf(i->redirect.text, sizeof i->redirect.text, "%s", address);
    }
    if (i->login_status)
        return;
    take_parameters(i);
    if (initiator_chap_goes_on(i) || !(h->flags & FLAG_FINAL))
        return;
    if (LOGIN_NSG(h->flags) == STAGE_FULL_FEATURE) {
        i->full = true;
        i->tsih = be16_get(h->tsih);
    } else if (!i->config.raw) {
        initiator_login(i, FLAG_FINAL | STAGE_OPERATIONAL << 2 | STAGE_FULL_FEATURE,
                        i->config.keys ? i->config.keys : usual_keys);
    }
}

/* ---- receiving ---- */

static bool carries_stat_sn(const union bhs *h)
{
    if (h->any.opcode == DATA_IN)
        return h->any.flags & FLAG_STATUS;
    if (h->any.opcode == NOP_IN)
        return bhs_itt(h) != TAG_NONE;
    return h->any.opcode != R2T;
}

static void check_numbers(struct initiator *i, const union bhs *h)
{
    uint32_t stat_sn = be32_get(h->any.sn), max_cmd_sn = be32_get(h->any.third_sn);

    if (carries_stat_sn(h)) {
        assert(!i->stat_sn_known || stat_sn == i->exp_stat_sn);
        i->stat_sn_known = true;
        i->exp_stat_sn = stat_sn + 1;
    }
    if (h->any.opcode == LOGIN_RESPONSE && !i->full) {
        i->exp_cmd_sn = be32_get(h->any.second_sn);
        i->max_cmd_sn = max_cmd_sn;
        return;
    }
    assert(sn_not_after(i->exp_cmd_sn, be32_get(h->any.second_sn)));
    assert(sn_not_after(i->max_cmd_sn, max_cmd_sn));
    i->exp_cmd_sn = be32_get(h->any.second_sn);
    i->max_cmd_sn = max_cmd_sn;
}

static void keep_pdu(struct initiator *i, const union bhs *h, const uint8_t *data, uint32_t length)
{
    struct initiator_pdu *p = calloc(1, sizeof *p + length);

    assert(p);
    p->bhs = *h;
    p->length = length;
    if (length > 0)
        memcpy(p->data, data, length);
    list_append(&i->pdus, &p->link);
}

static void pong(struct initiator *i, const union bhs *h)
{
    union bhs answer = {.any = {.opcode = NOP_OUT | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};

    answer.any.initiator_task_tag = be32_of(TAG_NONE);
    answer.any.target_transfer_tag = h->any.target_transfer_tag;
    answer.any.lun = h->any.lun;
    answer.any.sn = be32_of(i->cmd_sn);
    answer.any.second_sn = be32_of(i->exp_stat_sn);
    initiator_pdu(i, &answer, NULL, 0);
}

static void take_pdu(struct initiator *i, const union bhs *h, const uint8_t *data, uint32_t length)
{
    if (i->config.watch)
        i->config.watch->received(i->config.watch, h);
    if (i->lenient)
        return;
    check_numbers(i, h);
    if (h->any.opcode == LOGIN_RESPONSE || h->any.opcode == TEXT_RESPONSE)
        keep_text(i, data, length);
    if (h->any.opcode == LOGIN_RESPONSE)
        login_answered(i, &h->login_response);
    if (h->any.opcode == LOGIN_RESPONSE && !i->config.raw)
        return;
    if (!i->config.raw && !i->config.mute && h->any.opcode == NOP_IN && bhs_itt(h) == TAG_NONE) {
        if (be32_get(h->any.target_transfer_tag) != TAG_NONE)
            pong(i, h);
        return;
    }
    if (!request_take(i, h, data, length))
        keep_pdu(i, h, data, length);
}

/* Digests of the target's are always right. */
static void check_digest(const uint8_t *bytes, uint32_t length)
{
    le32 digest = le32_of(crc32c(bytes, length));

    assert(memcmp(bytes + length, &digest, DIGEST_BYTES) == 0);
}

/* The first whole PDU of the bytes that are there; how long it was. */
static uint32_t take_first(struct initiator *i, uint32_t at)
{
    const uint8_t *bytes = i->bytes + at;
    const union bhs *h = (const union bhs *)(const void *)bytes;
    uint32_t header = BHS_BYTES + (i->full && i->header_digest ? DIGEST_BYTES : 0);
    uint32_t left = i->length - at, length, padded, digest;

    if (left < header)
        return 0;
    length = bhs_data_bytes(h);
    padded = length + pad_bytes(length);
    digest = i->full && i->data_digest && length > 0 ? DIGEST_BYTES : 0;
    assert(h->any.total_ahs_length == 0);
    if (left < header + padded + digest)
        return 0;
    if (header > BHS_BYTES)
        check_digest(bytes, BHS_BYTES);
    if (digest)
        check_digest(bytes + header, padded);
    take_pdu(i, h, bytes + header, length);
    return header + padded + digest;
}

static void received(struct net_conn *net, const uint8_t *bytes, uint32_t length)
{
    struct initiator *i = net->owner;
    uint32_t at = 0, here;

    if (i->room < i->length + length) {
        i->room = 2 * (i->length + length) + READY_ROOM;
        i->bytes = realloc(i->bytes, i->room);
        assert(i->bytes);
    }
    memcpy(i->bytes + i->length, bytes, length);
    i->length += length;
    while ((here = take_first(i, at)) > 0)
        at += here;
    memmove(i->bytes, i->bytes + at, i->length - at);
    i->length -= at;
}

/* ---- life ---- */

static void closed(struct net_conn *net, enum err err)
{
    struct initiator *i = net->owner;

    i->net = NULL;
    i->closed_because = err;
    requests_closed(i);
}

static const struct net_events events = {.received = received, .closed = closed};

struct initiator *initiator_open(struct env *env, const struct initiator_config *config,
                                 const struct net_address *to)
{
    struct initiator *i = calloc(1, sizeof *i);

    assert(i);
    i->env = env;
    i->config = *config;
    i->cmd_sn = config->first_cmd_sn ? config->first_cmd_sn : 1;
    i->next_itt = 1;
    i->max_send = 8192;
    i->max_recv = 262144;
    i->first_burst = 65536;
    i->max_burst = 262144;
    i->max_r2t = 1;
    i->initial_r2t = i->immediate_data = true;
    list_init(&i->pdus);
    list_init(&i->requests);
    list_init(&i->sends);
    if (env->ops->connect(env, to, &events, i, &i->net)) {
        i->net = NULL;
        return i;
    }
    if (!config->raw)
        first_request(i);
    return i;
}

void initiator_close(struct initiator *i)
{
    if (i->net)
        net_close(i->net, false);
}

void initiator_free(struct initiator *i)
{
    struct initiator_pdu *p;

    if (!i)
        return;
    assert(!i->net);
    while ((p = initiator_take(i)))
        free(p);
    free(i->bytes);
    free(i);
}

struct initiator_pdu *initiator_take(struct initiator *i)
{
    struct list *l = list_take(&i->pdus);

    return l ? container_of(l, struct initiator_pdu, link) : NULL;
}

/* ---- questions ---- */

bool initiator_settled(void *initiator)
{
    const struct initiator *i = initiator;

    return i->full || i->login_status || !i->net;
}

bool initiator_closed(void *initiator)
{
    return ((const struct initiator *)initiator)->net == NULL;
}

bool initiator_has_pdu(void *initiator)
{
    const struct initiator *i = initiator;

    return !list_empty(&i->pdus) || !i->net;
}

uint32_t initiator_window(const struct initiator *i)
{
    return i->max_cmd_sn + 1 - i->cmd_sn;
}

bool initiator_answered(void *request)
{
    return ((const struct initiator_request *)request)->answered;
}
