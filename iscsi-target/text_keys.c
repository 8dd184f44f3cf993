/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/text_keys.c — one table: each key, its result function (RFC 7143 6.2 and 13), its
 * range, and where the result is kept.
 */
#include "iscsi-target/text_keys.h"

#include "base/util.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_clear(struct text *t)
{
    t->in_bytes = t->out_bytes = t->out_sent = 0;
    t->overflow = false;
    t->listed = 0;
    t->listing = false;
}

void text_put(struct text *t, const char *key, const char *value)
{
    uint32_t room = TEXT_BYTES_MAX - t->out_bytes;
    int length = snprintf(t->out + t->out_bytes, room, "%s=%s", key, value);

    if (length < 0 || (uint32_t)length >= room)
        t->overflow = true;
    else
        t->out_bytes += (uint32_t)length + 1;
}

void text_put_number(struct text *t, const char *key, uint32_t value)
{
    char digits[16];

    snprintf(digits, sizeof digits, "%u", value);
    text_put(t, key, digits);
}

enum text_parse text_next(struct text *t, uint32_t *cursor, struct text_pair *ret)
{
    char *key = t->in + *cursor, *equals;
    size_t length;

    if (*cursor >= t->in_bytes)
        return TEXT_END;
    t->in[t->in_bytes] = 0; /* the last pair may lack its NUL */
    length = strlen(key);
    equals = strchr(key, '=');
    if (!equals || equals == key || equals - key > (ptrdiff_t)KEY_NAME_MAX)
        return TEXT_MALFORMED;

    *equals = 0;
    *cursor += (uint32_t)length + 1;
    *ret = (struct text_pair){.key = key, .value = equals + 1};
    return TEXT_PAIR;
}

const char *text_value(struct text *t, const char *key)
{
    size_t length = strlen(key);
    uint32_t at = 0;

    t->in[t->in_bytes] = 0;
    while (at < t->in_bytes) {
        const char *pair = t->in + at;

        if (strncmp(pair, key, length) == 0 && pair[length] == '=')
            return pair + length + 1;
        at += (uint32_t)strlen(pair) + 1;
    }
    return NULL;
}

/* ---- the keys ---- */

enum result {
    ONE_OF,   /* lists: the first of theirs that is in `only` */
    SMALLEST, /* numbers                                     */
    LARGEST,
    BOTH,     /* booleans: Yes and Yes                       */
    EITHER,   /* booleans: Yes or Yes                        */
    DECLARED, /* theirs alone, a number; not answered        */
    NOTED,    /* no affair of this table: names, authentication */
    ALWAYS,   /* answered `only`, whatever is offered        */
    OURS,     /* a key that only a target may send           */
};

struct key {
    const char *name;
    enum result result;
    uint32_t least, most;
    size_t at; /* of the uint32_t in struct parameters; NOWHERE: not kept */
    const char *only;
};

#define NOWHERE      ((size_t)-1)
#define AT(field)    offsetof(struct parameters, field)
#define LENGTH_LEAST 512u
#define LENGTH_MOST  0xffffffu

/* clang-format off */
static const struct key keys[] = {
    {"AuthMethod",               NOTED,    0, 0, NOWHERE, NULL},
    {"CHAP_A",                   NOTED,    0, 0, NOWHERE, NULL},
    {"CHAP_I",                   NOTED,    0, 0, NOWHERE, NULL},
    {"CHAP_C",                   NOTED,    0, 0, NOWHERE, NULL},
    {"CHAP_N",                   NOTED,    0, 0, NOWHERE, NULL},
    {"CHAP_R",                   NOTED,    0, 0, NOWHERE, NULL},
    {"HeaderDigest",             ONE_OF,   0, 1, AT(header_digest), "None,CRC32C"},
    {"DataDigest",               ONE_OF,   0, 1, AT(data_digest), "None,CRC32C"},
    {"TaskReporting",            ONE_OF,   0, 0, NOWHERE, "RFC3720"},
    {"MaxConnections",           SMALLEST, 1, 65535, AT(max_connections), NULL},
    {"InitialR2T",               EITHER,   0, 1, AT(initial_r2t), NULL},
    {"ImmediateData",            BOTH,     0, 1, AT(immediate_data), NULL},
    {"MaxRecvDataSegmentLength", DECLARED, LENGTH_LEAST, LENGTH_MOST, AT(max_recv_data_segment_length), NULL},
    {"MaxBurstLength",           SMALLEST, LENGTH_LEAST, LENGTH_MOST, AT(max_burst_length), NULL},
    {"FirstBurstLength",         SMALLEST, LENGTH_LEAST, LENGTH_MOST, AT(first_burst_length), NULL},
    {"DefaultTime2Wait",         LARGEST,  0, 3600, AT(time2wait), NULL},
    {"DefaultTime2Retain",       SMALLEST, 0, 3600, AT(time2retain), NULL},
    {"MaxOutstandingR2T",        SMALLEST, 1, 65535, AT(max_outstanding_r2t), NULL},
    {"DataPDUInOrder",           ALWAYS,   0, 1, NOWHERE, "Yes"},
    {"DataSequenceInOrder",      ALWAYS,   0, 1, NOWHERE, "Yes"},
    {"ErrorRecoveryLevel",       SMALLEST, 0, 2, AT(error_recovery_level), NULL},
    {"iSCSIProtocolLevel",       SMALLEST, 0, 31, AT(protocol_level), NULL},
    {"InitiatorName",            NOTED,    0, 0, NOWHERE, NULL},
    {"InitiatorAlias",           NOTED,    0, 0, NOWHERE, NULL},
    {"TargetName",               NOTED,    0, 0, NOWHERE, NULL},
    {"SessionType",              NOTED,    0, 0, NOWHERE, NULL},
    {"IFMarker",                 ALWAYS,   0, 1, NOWHERE, "No"},
    {"OFMarker",                 ALWAYS,   0, 1, NOWHERE, "No"},
    {"IFMarkInt",                ALWAYS,   0, 0, NOWHERE, "Irrelevant"},
    {"OFMarkInt",                ALWAYS,   0, 0, NOWHERE, "Irrelevant"},
    {"TargetAlias",              OURS,     0, 0, NOWHERE, NULL},
    {"TargetAddress",            OURS,     0, 0, NOWHERE, NULL},
    {"TargetPortalGroupTag",     OURS,     0, 0, NOWHERE, NULL},
    {"SendTargets",              OURS,     0, 0, NOWHERE, NULL},
};
/* clang-format on */
static_assert(array_length(keys) <= 64, "parameters.seen has a bit for each key");

void parameters_init(struct parameters *ret)
{
    *ret = (struct parameters){
        /* what holds when a key is not offered: RFC 7143 13 */
        .max_recv_data_segment_length = DATA_SEGMENT_LOGIN,
        .first_burst_length = 65536,
        .max_burst_length = 262144,
        .max_outstanding_r2t = 1,
        .initial_r2t = 1,
        .immediate_data = 1,
        .max_connections = 1,
        .time2wait = 2,
        .time2retain = 20,
    };
}

struct parameters parameters_ours(const struct iscsi_limits *l)
{
    return (struct parameters){
        .max_recv_data_segment_length = l->max_recv_data_segment_length,
        .first_burst_length = l->first_burst_length,
        .max_burst_length = l->max_burst_length,
        .max_outstanding_r2t = l->max_outstanding_r2t,
        .immediate_data = 1,
        .max_connections = 1,
        .protocol_level = 1,
    };
}

static const struct key *key_find(const char *name)
{
    for (uint32_t i = 0; i < array_length(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

bool text_number(const char *value, uint32_t least, uint32_t most, uint32_t *ret)
{
    bool hex = value[0] == '0' && (value[1] == 'x' || value[1] == 'X');
    const char *digits = hex ? value + 2 : value;
    uint64_t number;

    if (*digits == 0 || strlen(digits) > 10 ||
        strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
        return false;
    number = strtoull(digits, NULL, hex ? 16 : 10);
    if (number < least || number > most)
        return false;
    *ret = (uint32_t)number;
    return true;
}

static bool boolean_of(const char *value, uint32_t *ret)
{
    *ret = strcmp(value, "Yes") == 0;
    return *ret || strcmp(value, "No") == 0;
}

/* Which value of `list` it is, from 0; -1: none. */
static int list_place(const char *list, const char *value, size_t length)
{
    int place = 0;

    for (const char *at = list;; at++, place++) {
        const char *comma = strchrnul(at, ',');

        if ((size_t)(comma - at) == length && memcmp(at, value, length) == 0)
            return place;
        if (*comma == 0)
            return -1;
        at = comma;
    }
}

bool text_list_has(const char *list, const char *word)
{
    return list_place(list, word, strlen(word)) >= 0;
}

static uint32_t *kept(struct parameters *p, const struct key *k)
{
    return (uint32_t *)(void *)((char *)p + k->at);
}

static void settle_one_of(struct parameters *p, const struct key *k, struct text_pair pair,
                          struct text *answer)
{
    char chosen[16] = "Reject";

    for (const char *at = pair.value;; at++) {
        const char *comma = strchrnul(at, ',');
        int place = list_place(k->only, at, (size_t)(comma - at));

        if (place >= 0) {
            snprintf(chosen, sizeof chosen, "%.*s", (int)(comma - at), at);
            if (k->at != NOWHERE)
                *kept(p, k) = (uint32_t)place;
            break;
        }
        if (*comma == 0)
            break;
        at = comma;
    }
    text_put(answer, k->name, chosen);
}

static void settle_number(struct parameters *p, const struct parameters *ours, const struct key *k,
                          struct text_pair pair, struct text *answer)
{
    uint32_t theirs, mine = *kept((struct parameters *)(uintptr_t)ours, k);

    if (!text_number(pair.value, k->least, k->most, &theirs)) {
        text_put(answer, k->name, "Reject");
        return;
    }
    *kept(p, k) = k->result == LARGEST ? max_u32(theirs, mine) : min_u32(theirs, mine);
    text_put_number(answer, k->name, *kept(p, k));
}

static void settle_boolean(struct parameters *p, const struct parameters *ours, const struct key *k,
                           struct text_pair pair, struct text *answer)
{
    uint32_t theirs, mine = *kept((struct parameters *)(uintptr_t)ours, k);

    if (!boolean_of(pair.value, &theirs)) {
        text_put(answer, k->name, "Reject");
        return;
    }
    *kept(p, k) = k->result == EITHER ? theirs | mine : theirs & mine;
    text_put(answer, k->name, *kept(p, k) ? "Yes" : "No");
}

static void settle_declared(struct parameters *p, const struct key *k, struct text_pair pair,
                            struct text *answer)
{
    uint32_t theirs;

    if (text_number(pair.value, k->least, k->most, &theirs))
        *kept(p, k) = theirs;
    else
        text_put(answer, k->name, "Reject");
}

static void settle(struct parameters *p, const struct parameters *ours, const struct key *k,
                   struct text_pair pair, struct text *answer)
{
    switch (k->result) {
    case ONE_OF:
        settle_one_of(p, k, pair, answer);
        return;
    case SMALLEST:
    case LARGEST:
        settle_number(p, ours, k, pair, answer);
        return;
    case BOTH:
    case EITHER:
        settle_boolean(p, ours, k, pair, answer);
        return;
    case DECLARED:
        settle_declared(p, k, pair, answer);
        return;
    case NOTED:
        return;
    case ALWAYS:
        text_put(answer, k->name, k->only);
        return;
    case OURS:
        text_put(answer, k->name, "Reject");
        return;
    }
    unreachable();
}

enum login_status parameters_negotiate(struct parameters *p, const struct parameters *ours,
                                       struct text_pair pair, struct text *answer)
{
    const struct key *k = key_find(pair.key);
    uint64_t bit;

    if (!k) {
        text_put(answer, pair.key, "NotUnderstood");
        return LOGIN_OK;
    }
    bit = 1ull << (k - keys);
    if (p->seen & bit)
        return LOGIN_INITIATOR_ERROR; /* 6.3: never twice in one login */
    p->seen |= bit;
    settle(p, ours, k, pair, answer);
    return LOGIN_OK;
}

void parameters_declare(struct parameters *p, struct text_pair pair, struct text *answer)
{
    const struct key *k = key_find(pair.key);

    if (!k)
        text_put(answer, pair.key, "NotUnderstood");
    else if (k->result == DECLARED)
        settle_declared(p, k, pair, answer);
    else
        text_put(answer, k->name, "Reject");
}
