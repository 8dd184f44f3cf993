/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/chap_test.c — CHAP: its arithmetic, its text, its steps, its limits (RFC
 * 7143 12.1, 9.2.1; iscsi.md 5.1). */
#include "base/util.h"
#include "iscsi-target/failures.h"
#include "iscsi-target/text_keys.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECURITY (STAGE_SECURITY << 2)
#define LEAVE    (FLAG_FINAL | SECURITY | STAGE_OPERATIONAL)
#define TO_FULL  (FLAG_FINAL | STAGE_OPERATIONAL << 2 | STAGE_FULL_FEATURE)
#define NAMES    "InitiatorName=iqn.a\nTargetName=" LAB_TARGET "\n"
#define SECOND   1000000u

/* ---- arithmetic ---- */

/* digest(0x25, "a secret of length", 00 01 … 0f), made with another implementation. */
static const struct {
    enum chap_algorithm algorithm;
    uint32_t length;
    const char *hex;
} vectors[] = {
    {CHAP_MD5, 16, "de1d75b5004bbab22bd101f38a858427"},
    {CHAP_SHA1, 20, "a885a604f459ad48b0b6d7291e010acc85866f7d"},
    {CHAP_SHA256, 32, "4eecd4feaf317abe344c68870214de7f2268cbef652760129738c053abd1c8c8"},
    {CHAP_SHA3_256, 32, "228265809a7579120562daba5d1c701731d99a6a6524e706af717c1f179e78fa"},
};

static void responses_are_those_of_others(void **state)
{
    uint8_t bytes[16], response[CHAP_DIGEST_MAX];
    struct chap_challenge challenge = {0x25, bytes, sizeof bytes};

    (void)state;
    for (uint32_t n = 0; n < sizeof bytes; n++)
        bytes[n] = (uint8_t)n;
    for (uint32_t v = 0; v < array_length(vectors); v++) {
        char hex[2 * CHAP_DIGEST_MAX + 1] = "";

        assert_int_equal(chap_digest_bytes(vectors[v].algorithm), vectors[v].length);
        assert_true(
            chap_response(vectors[v].algorithm, "a secret of length", &challenge, response));
        for (uint32_t n = 0; n < vectors[v].length; n++)
            snprintf(hex + 2 * n, 3, "%02x", response[n]);
        assert_string_equal(hex, vectors[v].hex);
    }
    assert_false(chap_response(CHAP_NONE, "x", &challenge, response));
    challenge.length = CHAP_CHALLENGE_MAX + 1;
    assert_false(chap_response(CHAP_MD5, "x", &challenge, response));
}

static void the_first_algorithm_that_we_know_is_chosen(void **state)
{
    static const struct {
        const char *list;
        enum chap_algorithm chosen;
    } offers[] = {
        {"8,7,6,5", CHAP_SHA3_256}, {"5,8", CHAP_MD5}, {"7", CHAP_SHA256}, {"6,5", CHAP_SHA1},
        {"9,4,5", CHAP_MD5},        {"", CHAP_NONE},   {"55", CHAP_NONE},  {"05", CHAP_NONE},
        {"5 ", CHAP_NONE},          {",,5", CHAP_MD5}, {"0", CHAP_NONE},   {"-5", CHAP_NONE},
    };

    (void)state;
    for (uint32_t n = 0; n < array_length(offers); n++)
        assert_int_equal(chap_choose(offers[n].list), offers[n].chosen);
}

/* ---- text ---- */

static void binary_values_are_read(void **state)
{
    static const struct {
        const char *text;
        const char *bytes; /* NULL: none */
    } values[] = {
        {"0x616263", "abc"}, {"0X616263", "abc"}, {"0x4A4b", "JK"},     {"0bYWJj", "abc"},
        {"0BYWI=", "ab"},    {"0bYQ==", "a"},     {"0x", NULL},         {"0x6", NULL},
        {"0x6g", NULL},      {"0b", NULL},        {"0bYWJ", NULL},      {"0bYQ=a", NULL},
        {"0b====", NULL},    {"0bY===", NULL},    {"0bY-_j", NULL},     {"616263", NULL},
        {"", NULL},          {"0", NULL},         {"0x61626364", NULL}, {"0bYWJjZA==", NULL},
    };

    (void)state;
    for (uint32_t n = 0; n < array_length(values); n++) {
        uint8_t bytes[4] = {0, 0, 0, 0xee};
        uint32_t length = 99;
        bool read = text_binary(values[n].text, bytes, 3, &length);

        assert_int_equal(bytes[3], 0xee); /* nothing beyond its room, whatever it says */
        if (read != (values[n].bytes != NULL))
            fail_msg("%s", values[n].text);
        if (read) {
            assert_int_equal(length, strlen(values[n].bytes));
            assert_memory_equal(bytes, values[n].bytes, length);
        }
    }
}

/* ---- logins ---- */

static const struct initiator_chap right = {"user", "a secret of ours", NULL, NULL, "8,7,6,5"};
static const struct initiator_chap mutual = {"user", "a secret of ours", "target", "another secret",
                                             "8,7,6,5"};

static void ask_for_chap(struct lab *w)
{
    struct iscsi_chap *c = &w->directory.answer.chap;

    lab_begin(w);
    *c = (struct iscsi_chap){"user", "a secret of ours", "target", "another secret"};
}

static struct initiator *log_in(struct lab *w, const struct initiator_chap *chap)
{
    struct initiator_config config = {
        .name = "iqn.a", .target = LAB_TARGET, .isid = {0x80, 1}, .chap = chap};

    return lab_connect(w, &config);
}

static void each_algorithm_lets_in_both_ways(void **state)
{
    static const char *const lists[] = {"5", "6", "7", "8", "8,7,6,5", "5,6,7,8"};

    (void)state;
    for (uint32_t n = 0; n < array_length(lists); n++) {
        struct initiator_chap one = right, both = mutual;
        struct initiator *i;
        struct lab w;

        one.algorithms = both.algorithms = lists[n];
        ask_for_chap(&w);
        i = log_in(&w, &one);
        assert_true(i->full);
        assert_int_equal(i->chap_algorithm, lists[n][0] - '0');
        i = log_in(&w, &both);
        assert_true(i->full);
        assert_true(i->target_proved);
        lab_close(&w);
    }
}

static void a_target_without_secrets_chooses_none(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = log_in(&w, &right); /* offers CHAP,None */
    assert_true(i->full);
    assert_int_equal(i->chap_algorithm, CHAP_NONE);
    lab_close(&w);
}

static void whoever_does_not_know_is_refused(void **state)
{
    const struct initiator_chap wrong[] = {
        {"user", "a secret of OURS", NULL, NULL, "5"}, {"user", "", NULL, NULL, "7"},
        {"User", "a secret of ours", NULL, NULL, "7"}, {"use", "a secret of ours", NULL, NULL, "6"},
        {"user", "another secret", NULL, NULL, "8"},   {"", "a secret of ours", NULL, NULL, "8"},
        {"user", "a secret of ours", NULL, NULL, "9"},
    };

    (void)state;
    for (uint32_t n = 0; n < array_length(wrong); n++) {
        struct initiator *i;
        struct lab w;

        ask_for_chap(&w);
        i = log_in(&w, &wrong[n]);
        assert_int_equal(i->login_status, 0x0201);
        lab_until(&w, initiator_closed, i);
        assert_true(log_in(&w, &right)->full);
        lab_close(&w);
    }
}

/* A secret that is none lets nobody in. */
static void an_empty_secret_is_no_secret(void **state)
{
    static const struct initiator_chap empty = {"user", "", NULL, NULL, "7"};
    struct lab w;

    (void)state;
    ask_for_chap(&w);
    w.directory.answer.chap.secret[0] = 0;
    assert_int_equal(log_in(&w, &empty)->login_status, 0x0201);
    lab_close(&w);
}

static void names_are_never_decoded(void **state)
{
    static const char *const names[] = {"0x75736572", "0buser", "0buser=="};

    (void)state;
    for (uint32_t n = 0; n < array_length(names); n++) {
        struct initiator_chap chap = right;
        struct lab w;

        ask_for_chap(&w);
        snprintf(w.directory.answer.chap.user, ISCSI_CHAP_MAX, "%s", names[n]);
        assert_int_equal(log_in(&w, &right)->login_status, 0x0201);
        chap.user = names[n];
        assert_true(log_in(&w, &chap)->full);
        lab_close(&w);
    }
}

/* A proof of ours that cannot be given is no login. */
static void a_target_that_cannot_prove_itself_refuses(void **state)
{
    struct lab w;

    (void)state;
    ask_for_chap(&w);
    w.directory.answer.chap.mutual_secret[0] = 0;
    assert_int_equal(log_in(&w, &mutual)->login_status, 0x0201);
    assert_true(log_in(&w, &right)->full);
    snprintf(w.directory.answer.chap.mutual_secret, ISCSI_CHAP_MAX, "%s", right.secret);
    assert_int_equal(log_in(&w, &mutual)->login_status, 0x0201); /* the same both ways */
    lab_close(&w);
}

/* ---- by hand ---- */

static uint16_t say(struct lab *w, struct initiator *i, uint8_t flags, const char *keys)
{
    struct initiator_pdu *p;
    uint16_t status;

    initiator_login(i, flags, keys);
    p = lab_pdu(w, i);
    assert_non_null(p);
    assert_int_equal(p->bhs.any.opcode, LOGIN_RESPONSE);
    status = be16_get(p->bhs.login_response.status);
    free(p);
    return status;
}

/* The challenge for an MD5 response is out. */
static struct initiator *challenged(struct lab *w)
{
    struct initiator *i = lab_raw(w);

    assert_int_equal(say(w, i, SECURITY, NAMES "AuthMethod=CHAP\n"), 0);
    assert_int_equal(say(w, i, LEAVE, "CHAP_A=5\n"), 0); /* T is not granted yet */
    assert_string_equal(initiator_key(i, "CHAP_A"), "5");
    return i;
}

/* CHAP_N and the right CHAP_R, in hexadecimal or base64. */
static void right_answer(const struct initiator *i, char *ret, size_t room, bool base64)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[64], response[18] = {0};
    char text[40] = "";
    struct chap_challenge c = {.bytes = bytes};

    c.id = (uint8_t)strtoul(initiator_key(i, "CHAP_I"), NULL, 0);
    assert_true(text_binary(initiator_key(i, "CHAP_C"), bytes, sizeof bytes, &c.length));
    assert_true(chap_response(CHAP_MD5, right.secret, &c, response));
    for (uint32_t n = 0; !base64 && n < 16; n++)
        snprintf(text + 2 * n, 3, "%02X", response[n]);
    for (uint32_t n = 0; base64 && n < 18; n += 3) {
        uint32_t bits =
            (uint32_t)response[n] << 16 | (uint32_t)response[n + 1] << 8 | response[n + 2];

        for (uint32_t d = 0; d < 4; d++)
            text[n / 3 * 4 + d] = digits[bits >> (18 - 6 * d) & 63];
    }
    if (base64)
        memcpy(text + 22, "==", 3);
    snprintf(ret, room, "CHAP_N=user\nCHAP_R=%s%s\n", base64 ? "0b" : "0X", text);
}

static void a_response_may_be_hexadecimal_or_base64(void **state)
{
    (void)state;
    for (int base64 = 0; base64 < 2; base64++) {
        struct initiator *i;
        char keys[256];
        struct lab w;

        ask_for_chap(&w);
        i = challenged(&w);
        right_answer(i, keys, sizeof keys, base64);
        assert_int_equal(say(&w, i, LEAVE, keys), 0);
        assert_int_equal(say(&w, i, TO_FULL, ""), 0);
        assert_true(i->full);
        lab_close(&w);
    }
}

static void every_wrong_length_of_a_response_is_refused(void **state)
{
    static char keys[16384];

    (void)state;
    for (uint32_t length = 0; length <= 4096; length += length < 80 ? 1 : 251) {
        for (int base64 = 0; base64 < 2; base64++) {
            struct initiator *i;
            struct lab w;
            int at;

            ask_for_chap(&w);
            i = challenged(&w);
            at = snprintf(keys, sizeof keys, "CHAP_N=user\nCHAP_R=0%c", base64 ? 'b' : 'x');
            memset(keys + at, 'A', length);
            memcpy(keys + at + length, "\n", 2);
            assert_int_equal(say(&w, i, LEAVE, keys), 0x0201);
            lab_close(&w);
        }
    }
}

struct step {
    const char *what;
    const char *keys[3];
    uint16_t status; /* of the last */
    uint8_t flags;   /* of the last */
};

static const struct step steps[] = {
    {"None where CHAP is asked for", {NAMES "AuthMethod=None\n"}, 0x0201, LEAVE},
    {"nothing said", {NAMES}, 0x0201, LEAVE},
    {"straight to the operational stage", {NAMES}, 0x0201, TO_FULL},
    {"another method", {NAMES "AuthMethod=KRB5,SRP\n"}, 0x0201, SECURITY},
    {"an algorithm before the method", {NAMES "CHAP_A=5\n"}, 0x0200, SECURITY},
    {"all in one", {NAMES "AuthMethod=CHAP\nCHAP_A=5\n"}, 0x0200, SECURITY},
    {"a proof at once", {NAMES "CHAP_N=user\nCHAP_R=0x00\n"}, 0x0200, SECURITY},
    {"a proof without a challenge",
     {NAMES "AuthMethod=CHAP\n", "CHAP_N=user\nCHAP_R=0x00\n"},
     0x0200,
     SECURITY},
    {"no algorithm of ours", {NAMES "AuthMethod=CHAP\n", "CHAP_A=1,2,3\n"}, 0x0201, SECURITY},
    {"no name", {NAMES "AuthMethod=CHAP\n", "CHAP_A=5\n", "CHAP_R=0x00\n"}, 0x0200, SECURITY},
    {"no response", {NAMES "AuthMethod=CHAP\n", "CHAP_A=5\n", "CHAP_N=user\n"}, 0x0200, SECURITY},
    {"half a challenge",
     {NAMES "AuthMethod=CHAP\n", "CHAP_A=5\n", "CHAP_N=user\nCHAP_R=0x00\nCHAP_I=1\n"},
     0x0200,
     SECURITY},
    {"the algorithm twice",
     {NAMES "AuthMethod=CHAP\n", "CHAP_A=5\n", "CHAP_A=7\n"},
     0x0200,
     SECURITY},
    {"the method twice", {NAMES "AuthMethod=CHAP\n", "AuthMethod=CHAP\n"}, 0x0200, SECURITY},
    {"nothing more", {NAMES "AuthMethod=CHAP\n", ""}, 0, LEAVE},
};

static void no_step_is_left_out(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < array_length(steps); n++) {
        struct initiator *i;
        uint16_t status = 0;
        struct lab w;

        ask_for_chap(&w);
        i = lab_raw(&w);
        for (uint32_t k = 0; k < 3 && steps[n].keys[k]; k++) {
            bool last = k == 2 || !steps[n].keys[k + 1];

            assert_int_equal(status, 0);
            status = say(&w, i, last ? steps[n].flags : SECURITY, steps[n].keys[k]);
        }
        if (status != steps[n].status)
            fail_msg("%s: %04x", steps[n].what, status);
        assert_false(i->full);
        lab_close(&w);
    }
}

/* A discovery session needs no secret, so it must not pass for a session that does: not for the one
 * of the same name, ISID and target, which would be reinstated. */
static void a_discovery_session_ends_no_other(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .target = LAB_TARGET, .chap = &right};
    struct initiator_config stranger = {.raw = true};
    struct initiator *owner, *i;
    struct lab w;

    (void)state;
    ask_for_chap(&w);
    owner = lab_connect(&w, &config);
    assert_true(owner->full);
    i = lab_connect(&w, &stranger);
    assert_int_equal(say(&w, i, TO_FULL, NAMES "SessionType=Discovery\n"), 0);
    sim_run_for(w.sim, SECOND);
    assert_non_null(owner->net);
    assert_int_equal(iscsi_target_sessions(w.home, w.directory.answer.attachment), 1);
    lab_close(&w);
}

/* A right answer with our own challenge as its question: of this login, or of another. */
static void a_reflected_challenge_is_refused(void **state)
{
    (void)state;
    for (int other = 0; other < 3; other++) {
        struct initiator *i, *second;
        char keys[512], answer[256];
        uint16_t status;
        struct lab w;

        ask_for_chap(&w);
        i = challenged(&w);
        second = challenged(&w);
        right_answer(i, answer, sizeof answer, false);
        snprintf(keys, sizeof keys, "%sCHAP_I=1\nCHAP_C=%s\n", answer,
                 other == 2 ? "0x0102030405060708" : initiator_key(other ? second : i, "CHAP_C"));
        status = say(&w, i, LEAVE, keys);
        assert_int_equal(status, other == 2 ? 0 : 0x0201);
        assert_int_equal(initiator_key(i, "CHAP_R") != NULL, other == 2);
        lab_close(&w);
    }
}

static void challenges_do_not_repeat(void **state)
{
    char seen[16][80];

    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct lab w;

        lab_open_from(&w, iscsi_limits_small(), seed + 1);
        w.directory.answer.chap = (struct iscsi_chap){"user", "a secret of ours", "", ""};
        for (uint32_t n = 0; n < 2; n++)
            snprintf(seen[2 * seed + n], sizeof seen[0], "%s",
                     initiator_key(challenged(&w), "CHAP_C"));
        lab_close(&w);
    }
    for (uint32_t n = 0; n < 16; n++) {
        assert_int_equal(strlen(seen[n]), 2 + 64);
        for (uint32_t k = 0; k < n; k++)
            assert_string_not_equal(seen[n], seen[k]);
    }
}

/* Nobody is asked who he is before he is told to go elsewhere, or to wait (iscsi.md 4.1). */
static void where_it_is_comes_before_who_asks(void **state)
{
    static const struct {
        enum directory_where where;
        uint16_t status;
    } answers[] = {{DIRECTORY_ELSEWHERE, 0x0101}, {DIRECTORY_STARTING, 0x0301}};

    (void)state;
    for (uint32_t n = 0; n < array_length(answers); n++) {
        struct initiator *i;
        struct lab w;

        ask_for_chap(&w);
        w.directory.answer.where = answers[n].where;
        w.directory.answer.address = (struct net_address){"10.0.0.2:3260"};
        i = lab_raw(&w);
        assert_int_equal(say(&w, i, SECURITY, NAMES "AuthMethod=CHAP,None\n"), answers[n].status);
        lab_close(&w);
    }
}

/* The attachment gets a secret while its initiator logs in without one. */
static void a_secret_that_comes_late_counts(void **state)
{
    struct initiator *i;
    struct lab w;

    (void)state;
    if (lab_all_apart())
        skip(); /* it is let in as the directory said when it was handed over (T5) */
    lab_begin(&w);
    i = lab_raw(&w);
    assert_int_equal(say(&w, i, STAGE_OPERATIONAL << 2, NAMES), 0);
    w.directory.answer.chap = (struct iscsi_chap){"user", "a secret of ours", "", ""};
    assert_int_equal(say(&w, i, TO_FULL, ""), 0x0201);
    lab_close(&w);
}

/* ---- failures ---- */

static void failures_have_to_wait(void **state)
{
    static struct initiator_chap wrong = {"user", "guess", NULL, NULL, "5"};
    struct lab w;

    (void)state;
    ask_for_chap(&w);
    for (uint32_t n = 0; n < FAILURES_AT_ONCE; n++)
        assert_int_equal(log_in(&w, &wrong)->login_status, 0x0201);
    assert_int_equal(log_in(&w, &wrong)->login_status, 0x0301);
    assert_int_equal(log_in(&w, &right)->login_status, 0x0301); /* it does not tell a right one */
    w.directory.answer.attachment = (struct identity){0xb};
    assert_true(log_in(&w, &right)->full); /* others are let in */
    w.directory.answer.attachment = (struct identity){0xa77ac4};
    sim_run_for(w.sim, 3 * SECOND);
    assert_int_equal(log_in(&w, &wrong)->login_status, 0x0201);
    assert_int_equal(log_in(&w, &wrong)->login_status, 0x0301);
    sim_run_for(w.sim, 3 * SECOND);
    assert_true(log_in(&w, &right)->full);
    lab_close(&w);
}

static void failures_are_counted_by_host_and_attachment(void **state)
{
    static struct failures f;
    const struct net_address here = {"10.0.0.1:1"}, again = {"10.0.0.1:2"}, v6 = {"[fd00::1]:1"};
    const struct identity a = {1}, b = {2};

    (void)state;
    memset(&f, 0, sizeof f);
    for (uint32_t n = 0; n < FAILURES_AT_ONCE; n++) {
        assert_false(failures_too_many(&f, &here, a, SECOND));
        failures_add(&f, n % 2 ? &here : &again, a, SECOND);
    }
    assert_true(failures_too_many(&f, &here, a, SECOND));
    assert_true(failures_too_many(&f, &again, a, SECOND));
    assert_false(failures_too_many(&f, &here, b, SECOND));
    assert_false(failures_too_many(&f, &v6, a, SECOND));
    assert_false(failures_too_many(&f, &here, a, SECOND + FAILURE_US + 1));
    for (uint32_t n = 0; n < 2 * FAILURES_KEPT; n++) /* bounded: the oldest go */
        failures_add(&f, &v6, (struct identity){100 + n}, 100ull * SECOND + n);
    assert_false(failures_too_many(&f, &here, a, SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_are_those_of_others),
        cmocka_unit_test(the_first_algorithm_that_we_know_is_chosen),
        cmocka_unit_test(binary_values_are_read),
        cmocka_unit_test(each_algorithm_lets_in_both_ways),
        cmocka_unit_test(a_target_without_secrets_chooses_none),
        cmocka_unit_test(whoever_does_not_know_is_refused),
        cmocka_unit_test(an_empty_secret_is_no_secret),
        cmocka_unit_test(names_are_never_decoded),
        cmocka_unit_test(a_target_that_cannot_prove_itself_refuses),
        cmocka_unit_test(a_response_may_be_hexadecimal_or_base64),
        cmocka_unit_test(every_wrong_length_of_a_response_is_refused),
        cmocka_unit_test(no_step_is_left_out),
        cmocka_unit_test(a_discovery_session_ends_no_other),
        cmocka_unit_test(a_reflected_challenge_is_refused),
        cmocka_unit_test(challenges_do_not_repeat),
        cmocka_unit_test(where_it_is_comes_before_who_asks),
        cmocka_unit_test(a_secret_that_comes_late_counts),
        cmocka_unit_test(failures_have_to_wait),
        cmocka_unit_test(failures_are_counted_by_host_and_attachment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
