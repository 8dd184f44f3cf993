/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/chap.h — the arithmetic of CHAP (RFC 1994, RFC 7143 12.1.3); who says what when is
 * authentication.c's affair. */
#ifndef ISCSI_TARGET_CHAP_H
#define ISCSI_TARGET_CHAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAP_DIGEST_MAX    32u
#define CHAP_CHALLENGE_MAX 1024u /* RFC 7143 12.1.3 */

enum chap_algorithm { /* IANA, "PPP Authentication Algorithms" */
                      CHAP_NONE = 0,
                      CHAP_MD5 = 5,
                      CHAP_SHA1 = 6,
                      CHAP_SHA256 = 7,
                      CHAP_SHA3_256 = 8,
};

struct chap_challenge {
    uint8_t id;
    const uint8_t *bytes;
    uint32_t length; /* at most CHAP_CHALLENGE_MAX */
};

/* The first of "8,7,5" that we know; CHAP_NONE: none of them. */
enum chap_algorithm chap_choose(const char *list);

uint32_t chap_digest_bytes(enum chap_algorithm algorithm);

/* digest(id, secret, challenge) into ret[chap_digest_bytes()]; false: this machine refuses the
 * algorithm, or a length is beyond its bound. */
bool chap_response(enum chap_algorithm algorithm, const char *secret,
                   const struct chap_challenge *challenge, uint8_t *ret);

/* In a time that does not tell where they differ. */
bool chap_equal(const void *a, const void *b, size_t length);

#endif
