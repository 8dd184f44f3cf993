/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/chap.c — digests come from OpenSSL's libcrypto, and nothing else does. */
#include "iscsi-target/chap.h"

#include "base/util.h"
#include "iscsi-target/iscsi_target.h"
#include "iscsi-target/text_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

static const struct algorithm {
    enum chap_algorithm number;
    const char *text;
    uint32_t digest_bytes;
    const EVP_MD *(*digest)(void);
} algorithms[] = {
    {CHAP_MD5, "5", 16, EVP_md5},
    {CHAP_SHA1, "6", 20, EVP_sha1},
    {CHAP_SHA256, "7", 32, EVP_sha256},
    {CHAP_SHA3_256, "8", 32, EVP_sha3_256},
};

static const struct algorithm *algorithm_of(enum chap_algorithm number)
{
    for (uint32_t n = 0; n < array_length(algorithms); n++)
        if (algorithms[n].number == number)
            return &algorithms[n];
    return NULL;
}

/* One value of their list, up to its comma. */
static enum chap_algorithm algorithm_at(const char *value, size_t length)
{
    for (uint32_t n = 0; n < array_length(algorithms); n++) {
        const char *text = algorithms[n].text;

        if (strlen(text) == length && memcmp(text, value, length) == 0)
            return algorithms[n].number;
    }
    return CHAP_NONE;
}

enum chap_algorithm chap_choose(const char *list)
{
    for (const char *at = list;; at++) {
        const char *comma = strchrnul(at, ',');
        enum chap_algorithm found = algorithm_at(at, (size_t)(comma - at));

        if (found != CHAP_NONE || *comma == 0)
            return found;
        at = comma;
    }
}

uint32_t chap_digest_bytes(enum chap_algorithm algorithm)
{
    const struct algorithm *a = algorithm_of(algorithm);

    return a ? a->digest_bytes : 0;
}

bool chap_response(enum chap_algorithm algorithm, const char *secret,
                   const struct chap_challenge *challenge, uint8_t *ret)
{
    uint8_t bytes[1 + ISCSI_CHAP_MAX + CHAP_CHALLENGE_MAX] = {challenge->id};
    const struct algorithm *a = algorithm_of(algorithm);
    size_t length = strlen(secret);
    bool done;

    if (!a || length >= ISCSI_CHAP_MAX || challenge->length > CHAP_CHALLENGE_MAX)
        return false;
    memcpy(bytes + 1, secret, length);
    memcpy(bytes + 1 + length, challenge->bytes, challenge->length);
    done = EVP_Digest(bytes, 1 + length + challenge->length, ret, NULL, a->digest(), NULL) == 1;
    OPENSSL_cleanse(bytes, sizeof bytes);
    return done;
}

bool chap_equal(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}
