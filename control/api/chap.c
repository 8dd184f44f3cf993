/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/chap.c — see chap.h.
 *
 * A secret is told once, in the answer to the request that made it; later answers show who proves
 * what, and no secret.
 */
#include "control/api/chap.h"

#include "control/inside.h"

#include <stdio.h>
#include <string.h>

static bool word_take(const json_t *o, const char *name, char ret[RECORD_CHAP_MAX + 1],
                      struct problem *p)
{
    const char *word = "";

    if (!body_text_maybe(o, name, &word, p))
        return false;
    if (*word && !record_chap_word_valid(word))
        return problem(p, E_INVALID, "\"%s\" must be 1 to %u letters, digits and . _ ~ + / = : @ -",
                       name, RECORD_CHAP_MAX);
    memcpy(ret, word, strlen(word) + 1);
    return true;
}

#define SECRET_SIGNS 16u

/* 96 random bits in 16 signs: RFC 7143 9.2.1 asks for as many, and Windows takes no more signs. The
 * first is a letter, so that nobody reads a number in hex or base64 (5.1); none is special in a
 * URL. */
static void mint(char ret[RECORD_CHAP_MAX + 1])
{
    static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    uint64_t chance = 0;

    if (ret[0])
        return;
    for (uint32_t i = 0; i < SECRET_SIGNS; i++) {
        uint64_t kinds = i == 0 ? 52 : sizeof signs - 1;

        if (i % 8 == 0) /* eight signs are 48 of its 64 bits */
            chance = control_identity().bits;
        ret[i] = signs[chance % kinds];
        chance /= kinds;
    }
    ret[SECRET_SIGNS] = '\0';
}

static void mint_user(char ret[RECORD_CHAP_MAX + 1], const char *what)
{
    if (!ret[0])
        snprintf(ret, RECORD_CHAP_MAX + 1, "%s-%s", what, identity_show(control_identity()).text);
}

static void mint_missing(struct chap_record *chap, bool mutual)
{
    mint_user(chap->user, "initiator");
    mint(chap->secret);
    if (mutual || chap->mutual_user[0] || chap->mutual_secret[0]) {
        mint_user(chap->mutual_user, "target");
        mint(chap->mutual_secret);
    }
}

bool chap_wish(const json_t *body, struct chap_record *ret, struct problem *p)
{
    const json_t *o = json_object_get(body, "chap");
    bool mutual = false;

    *ret = (struct chap_record){0};
    if (!o || json_is_null(o))
        return true;
    if (!object_check(o, "\"chap\"", "mutual user secret mutual_user mutual_secret", p) ||
        !body_flag(o, "mutual", &mutual, p) || !word_take(o, "user", ret->user, p) ||
        !word_take(o, "secret", ret->secret, p) ||
        !word_take(o, "mutual_user", ret->mutual_user, p) ||
        !word_take(o, "mutual_secret", ret->mutual_secret, p))
        return false;
    mint_missing(ret, mutual);
    return record_chap_valid(ret) ||
           problem(p, E_INVALID,
                   "\"chap\": a secret has %u to %u bytes, and the two directions differ",
                   RECORD_SECRET_LEAST, RECORD_CHAP_MAX);
}

json_t *chap_show(const struct chap_record *chap, bool secrets)
{
    bool mutual = chap->mutual_user[0];
    json_t *v;

    if (!chap->user[0])
        return json_pack("{ss}", "kind", "none");
    v = json_pack("{ss ss}", "kind", mutual ? "mutual" : "one-way", "user", chap->user);
    if (mutual)
        json_object_set_new(v, "mutual_user", json_string(chap->mutual_user));
    if (secrets)
        json_object_set_new(v, "secret", json_string(chap->secret));
    if (secrets && mutual)
        json_object_set_new(v, "mutual_secret", json_string(chap->mutual_secret));
    return v;
}
