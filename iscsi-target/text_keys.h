/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/text_keys.h — key=value text (RFC 7143 6) and what is negotiated with it (13).
 */
#ifndef ISCSI_TARGET_TEXT_KEYS_H
#define ISCSI_TARGET_TEXT_KEYS_H

#include "iscsi-target/iscsi_target.h"
#include "iscsi-target/rfc7143.h"

#define TEXT_BYTES_MAX     65536u /* of one request, gathered over its PDUs       */
#define KEY_NAME_MAX       63u    /* 6.1                                          */
#define DATA_SEGMENT_LOGIN 8192u  /* MaxRecvDataSegmentLength of both in the login */

/* A request gathered, and the answer that leaves in pieces. */
struct text {
    char in[TEXT_BYTES_MAX + 1];
    char out[TEXT_BYTES_MAX];
    uint32_t in_bytes, out_bytes, out_sent;
    bool overflow; /* the answer did not fit */
    /* SendTargets, whose list may take more than one filling of `out` */
    uint32_t listed; /* targets that went out before */
    bool listing;    /* there are more               */
};

void text_clear(struct text *t);

/* Appends "key=value" and its NUL to the answer, or sets overflow. */
void text_put(struct text *t, const char *key, const char *value);
void text_put_number(struct text *t, const char *key, uint32_t value);

/* "key=0x…": at most TEXT_BINARY_MAX bytes in hexadecimal. */
#define TEXT_BINARY_MAX 64u
void text_put_binary(struct text *t, const char *key, const uint8_t *bytes, uint32_t length);
/* A binary value (6.1: hexadecimal behind 0x, base64 behind 0b) of at most `room` bytes; false: it
 * is none, or longer. */
bool text_binary(const char *value, uint8_t *ret, uint32_t room, uint32_t *ret_length);

/* `word` stands in a list of values. */
bool text_list_has(const char *list, const char *word);
/* 6.1: decimal, or hexadecimal behind 0x, within [least, most]. */
bool text_number(const char *value, uint32_t least, uint32_t most, uint32_t *ret);

/* The value of a key in a request that nobody has begun to read; NULL: it is not there. */
const char *text_value(struct text *t, const char *key);

/* The next pair of in[*cursor …); false: no more, or not a pair (*ret_key is NULL then only). */
struct text_pair {
    const char *key, *value;
};
enum text_parse { TEXT_PAIR, TEXT_END, TEXT_MALFORMED };
enum text_parse text_next(struct text *t, uint32_t *cursor, struct text_pair *ret);

/* What login settles for a session, in the units of the keys; booleans are 0 or 1. */
struct parameters {
    uint32_t max_recv_data_segment_length; /* the initiator's: what we may send */
    uint32_t first_burst_length, max_burst_length, max_outstanding_r2t;
    uint32_t initial_r2t, immediate_data;
    uint32_t header_digest, data_digest; /* CRC32C, in full feature phase */
    uint32_t max_connections, error_recovery_level;
    uint32_t time2wait, time2retain;
    uint32_t protocol_level;
    uint64_t seen; /* bits: keys that the initiator has offered, each at most once */
};

/* What we offer: RFC 7143's defaults where the initiator says nothing are in *ret. */
void parameters_init(struct parameters *ret);
struct parameters parameters_ours(const struct iscsi_limits *l);

/*
 * Answers one offer with its key's own result function and keeps the result.  Names (InitiatorName
 * …) and authentication are answered elsewhere (login.c, authentication.c).
 * LOGIN_INITIATOR_ERROR: offered twice.
 */
enum login_status parameters_negotiate(struct parameters *p, const struct parameters *ours,
                                       struct text_pair pair, struct text *answer);

/* In full feature phase: MaxRecvDataSegmentLength may be declared anew, all else is refused. */
void parameters_declare(struct parameters *p, struct text_pair pair, struct text *answer);

#endif
