/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/authentication.c — who logs in proves it (RFC 7143 12.1, 9.2.1).
 *
 * The happy path, each line a request and our answer:
 *
 *   AuthMethod=CHAP,None                       AuthMethod=CHAP
 *   CHAP_A=8,7,5                               CHAP_A=8 CHAP_I=… CHAP_C=…
 *   CHAP_N=… CHAP_R=… [CHAP_I=… CHAP_C=…]      [CHAP_N=… CHAP_R=…], and on
 *
 * Names and secrets are the attachment's, asked of the directory when they are needed and kept
 * nowhere here.  A target whose attachment has none is entered with AuthMethod=None.
 *
 * What can go wrong:
 *   a step too early, half a step        0x0200
 *   no method or algorithm of ours,      0x0201
 *   a wrong name or response
 *   our own challenge comes back,        0x0201: somebody wants us to answer what we asked
 *   or both secrets are the same
 *   too many failures from there         0x0301, whatever it says (failures.h)
 *
 * Promises: A1 a name or response is compared in constant time, and both before either counts.
 *           A2 we prove nothing to anybody who has not proved who he is.
 */
#include "iscsi-target/authentication.h"

#include "iscsi-target/login.h"
#include "iscsi-target/target.h"

#include <stdio.h>
#include <string.h>

void auth_note(struct auth_keys *k, struct text_pair pair)
{
    const struct {
        const char *key;
        const char **value;
    } keys[] = {{"AuthMethod", &k->method}, {"CHAP_A", &k->algorithms}, {"CHAP_I", &k->id},
                {"CHAP_C", &k->challenge},  {"CHAP_N", &k->name},       {"CHAP_R", &k->response}};

    for (uint32_t n = 0; n < array_length(keys); n++)
        if (strcmp(pair.key, keys[n].key) == 0)
            *keys[n].value = pair.value;
}

/* ---- the method ---- */

static enum login_status choose_method(struct connection *c, const char *list)
{
    struct auth *a = &c->login.auth;
    const char *method = a->required ? "CHAP" : "None";

    if (!text_list_has(list, method) || (a->required && c->login.stage != STAGE_SECURITY))
        return LOGIN_AUTHENTICATION;
    text_put(c->text, "AuthMethod", method);
    a->step = a->required ? AUTH_CHOSEN : AUTH_OPEN;
    return LOGIN_OK;
}

/* ---- our challenge ---- */

static enum login_status send_challenge(struct connection *c, const char *list)
{
    struct chance *chance = c->target->env->chance;
    struct auth *a = &c->login.auth;

    if (a->step != AUTH_CHOSEN)
        return LOGIN_INITIATOR_ERROR;
    a->algorithm = chap_choose(list);
    if (a->algorithm == CHAP_NONE)
        return LOGIN_AUTHENTICATION;
    chance->fill(chance, &a->id, sizeof a->id);
    chance->fill(chance, a->challenge, sizeof a->challenge);
    a->step = AUTH_CHALLENGED;
    text_put_number(c->text, "CHAP_A", a->algorithm);
    text_put_number(c->text, "CHAP_I", a->id);
    text_put_binary(c->text, "CHAP_C", a->challenge, sizeof a->challenge);
    return LOGIN_OK;
}

/* ---- its proof ---- */

/* A1: a name is compared with all of its field. */
static bool is_user(const char *name, const char *user)
{
    char theirs[ISCSI_CHAP_MAX] = {0}, ours[ISCSI_CHAP_MAX] = {0};
    size_t length = strlen(name);
    bool same;

    memcpy(theirs, name, length < sizeof theirs ? length : sizeof theirs - 1);
    memcpy(ours, user, strnlen(user, sizeof ours - 1));
    same = chap_equal(theirs, ours, sizeof ours);
    return same && length < sizeof theirs;
}

static bool is_proved(const struct auth *a, const struct auth_keys *k,
                      const struct iscsi_chap *chap)
{
    struct chap_challenge ours = {a->id, a->challenge, sizeof a->challenge};
    uint32_t wanted = chap_digest_bytes(a->algorithm), length = 0;
    uint8_t right[CHAP_DIGEST_MAX], theirs[CHAP_DIGEST_MAX] = {0};
    bool decoded = text_binary(k->response, theirs, wanted, &length);
    bool computed = chap->secret[0] && chap_response(a->algorithm, chap->secret, &ours, right);
    bool known = is_user(k->name, chap->user); /* A1: whatever became of the rest */
    bool same = computed && chap_equal(theirs, right, wanted);

    return decoded && length == wanted && known && same;
}

/* ---- our proof ---- */

/* 9.2.1: what comes back may be the challenge of any login that is under way here. */
static bool is_reflected(const struct iscsi_target *t, const uint8_t *challenge, uint32_t length)
{
    list_for_each(l, &t->half_open) {
        const struct auth *a = &container_of(l, struct connection, link)->login.auth;

        if (a->step == AUTH_CHALLENGED && length == sizeof a->challenge &&
            memcmp(a->challenge, challenge, length) == 0)
            return true;
    }
    return false;
}

static enum login_status prove_ours(struct connection *c, const struct auth_keys *k,
                                    const struct iscsi_chap *chap)
{
    uint8_t bytes[CHAP_CHALLENGE_MAX], response[CHAP_DIGEST_MAX];
    enum chap_algorithm algorithm = c->login.auth.algorithm;
    struct chap_challenge theirs = {.bytes = bytes};
    uint32_t id;

    if (!text_number(k->id, 0, UINT8_MAX, &id) ||
        !text_binary(k->challenge, bytes, sizeof bytes, &theirs.length))
        return LOGIN_INITIATOR_ERROR;
    theirs.id = (uint8_t)id;
    if (chap->mutual_secret[0] == 0 || strcmp(chap->mutual_secret, chap->secret) == 0 ||
        is_reflected(c->target, bytes, theirs.length) ||
        !chap_response(algorithm, chap->mutual_secret, &theirs, response))
        return LOGIN_AUTHENTICATION;
    text_put(c->text, "CHAP_N", chap->mutual_user);
    text_put_binary(c->text, "CHAP_R", response, chap_digest_bytes(algorithm));
    return LOGIN_OK;
}

/* ---- a whole proof, both ways ---- */

static enum login_status prove(struct connection *c, const struct auth_keys *k,
                               const struct directory_answer *where)
{
    struct failures *failures = &c->target->failures;
    const struct net_address *peer = &c->net->peer;
    uint64_t now = now_us(&c->target->env->clock);
    enum login_status status = LOGIN_OK;

    if (failures_too_many(failures, peer, where->attachment, now))
        return LOGIN_UNAVAILABLE;
    if (!is_proved(&c->login.auth, k, &where->chap)) {
        failures_add(failures, peer, where->attachment, now);
        return LOGIN_AUTHENTICATION;
    }
    if (k->challenge)
        status = prove_ours(c, k, &where->chap); /* A2 */
    if (!status)
        c->login.auth.step = AUTH_PROVED;
    return status;
}

static enum login_status take_proof(struct connection *c, const struct auth_keys *k)
{
    struct directory_answer where;
    enum login_status status;

    if (c->login.auth.step != AUTH_CHALLENGED || !k->name || !k->response ||
        !k->id != !k->challenge || !c->net)
        return LOGIN_INITIATOR_ERROR;
    status = login_directory(c, &where);
    if (!status)
        status = prove(c, k, &where);
    explicit_bzero(&where, sizeof where);
    return status;
}

/* ---- a request ---- */

enum login_status auth_exchange(struct connection *c, const struct auth_keys *k)
{
    const struct auth *a = &c->login.auth;
    bool proof = k->id || k->challenge || k->name || k->response;

    if ((k->method != NULL) + (k->algorithms != NULL) + proof > 1)
        return LOGIN_INITIATOR_ERROR; /* one step at a time */
    if (k->method)
        return choose_method(c, k->method);
    if (k->algorithms)
        return send_challenge(c, k->algorithms);
    if (proof)
        return take_proof(c, k);
    if (a->required && a->step != AUTH_PROVED && c->login.stage != STAGE_SECURITY)
        return LOGIN_AUTHENTICATION;
    return LOGIN_OK;
}

bool auth_settled(const struct connection *c)
{
    enum auth_step step = c->login.auth.step;

    return step == AUTH_OPEN || step == AUTH_PROVED;
}

bool auth_suffices(const struct connection *c, const struct directory_answer *where)
{
    return where->chap.user[0] == 0 || c->login.auth.step == AUTH_PROVED;
}
