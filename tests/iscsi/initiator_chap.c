/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/initiator_chap.c — the initiator's side of CHAP (RFC 7143 12.1.3).
 *
 * Asks for what config.chap says, answers the target's challenge, and with a mutual secret holds
 * the target to its own proof: i->target_proved.
 */
#include "base/util.h"
#include "iscsi-target/chap.h"
#include "iscsi-target/text_keys.h"
#include "tests/iscsi/initiator_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECURITY (STAGE_SECURITY << 2)
#define LEAVE    (FLAG_FINAL | SECURITY | STAGE_OPERATIONAL)

/* What we ask the target: any bytes will do in a test. */
static const uint8_t ours[24] = "are you who you say?";
#define OUR_ID 77u

static uint32_t binary_of(const struct initiator *i, const char *key, uint8_t *ret, uint32_t room)
{
    const char *value = initiator_key(i, key);
    uint32_t length;

    assert(value);
    assert(strlen(value) > 2 && text_binary(value, ret, room, &length));
    return length;
}

static void print_hex(char *at, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t n = 0; n < length; n++)
        snprintf(at + 2 * n, 3, "%02x", bytes[n]);
}

static enum chap_algorithm algorithm_of(const struct initiator *i)
{
    const char *value = initiator_key(i, "CHAP_A");

    return value ? chap_choose(value) : i->chap_algorithm;
}

static void answer_challenge(struct initiator *i)
{
    const struct initiator_chap *c = i->config.chap;
    uint8_t challenge[CHAP_CHALLENGE_MAX], response[CHAP_DIGEST_MAX];
    struct chap_challenge theirs = {.bytes = challenge};
    char keys[1024], hex[2 * CHAP_DIGEST_MAX + 1] = "", mine[2 * sizeof ours + 1] = "";
    bool done;

    i->chap_algorithm = algorithm_of(i);
    theirs.id = (uint8_t)strtoul(initiator_key(i, "CHAP_I"), NULL, 0);
    theirs.length = binary_of(i, "CHAP_C", challenge, sizeof challenge);
    done = chap_response(i->chap_algorithm, c->secret, &theirs, response);
    assert(done);
    print_hex(hex, response, chap_digest_bytes(i->chap_algorithm));
    print_hex(mine, ours, sizeof ours);
    if (c->mutual_secret)
        snprintf(keys, sizeof keys, "CHAP_N=%s\nCHAP_R=0x%s\nCHAP_I=%u\nCHAP_C=0x%s\n", c->user,
                 hex, OUR_ID, mine);
    else
        snprintf(keys, sizeof keys, "CHAP_N=%s\nCHAP_R=0x%s\n", c->user, hex);
    initiator_login(i, LEAVE, keys);
}

static void check_target(struct initiator *i)
{
    const struct initiator_chap *c = i->config.chap;
    struct chap_challenge mine = {OUR_ID, ours, sizeof ours};
    uint8_t right[CHAP_DIGEST_MAX], theirs[CHAP_DIGEST_MAX];
    uint32_t length = binary_of(i, "CHAP_R", theirs, sizeof theirs);
    bool done = chap_response(i->chap_algorithm, c->mutual_secret, &mine, right);

    assert(done);
    i->target_proved = length == chap_digest_bytes(i->chap_algorithm) &&
                       memcmp(theirs, right, length) == 0 &&
                       strcmp(initiator_key(i, "CHAP_N"), c->mutual_user) == 0;
}

bool initiator_chap_goes_on(struct initiator *i)
{
    char keys[64];

    if (!i->config.chap)
        return false;
    if (initiator_key(i, "CHAP_C")) {
        answer_challenge(i);
        return true;
    }
    if (initiator_key(i, "AuthMethod") && strcmp(initiator_key(i, "AuthMethod"), "CHAP") == 0) {
        snprintf(keys, sizeof keys, "CHAP_A=%s\n", i->config.chap->algorithms);
        initiator_login(i, SECURITY, keys);
        return true;
    }
    if (initiator_key(i, "CHAP_R") && i->config.chap->mutual_secret)
        check_target(i);
    return false;
}
