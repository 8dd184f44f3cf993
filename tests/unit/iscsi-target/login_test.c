/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/login_test.c — every way into full feature phase, and out of it again. */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TO_FULL (FLAG_FINAL | STAGE_OPERATIONAL << 2 | STAGE_FULL_FEATURE)
#define WHO     "InitiatorName=iqn.a\n"
#define WHERE   "TargetName=" LAB_TARGET "\n"

static void logs_in_through_either_stage(void **state)
{
    struct lab w;
    struct initiator_config config = {.name = "iqn.a", .target = LAB_TARGET, .isid = {0x80}};
    struct initiator *one, *two;

    (void)state;
    lab_begin(&w);
    one = lab_connect(&w, &config);
    assert_true(one->full);
    assert_int_not_equal(one->tsih, 0);
    config.two_stages = true;
    config.isid[5] = 9;
    two = lab_connect(&w, &config);
    assert_true(two->full);
    assert_int_not_equal(two->tsih, one->tsih);
    assert_int_equal(iscsi_target_sessions(w.home, w.directory.answer.attachment), 2);
    lab_close(&w);
}

static void offers_fast_defaults(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_login(&w, "iqn.a", 1);
    assert_false(i->initial_r2t);
    assert_true(i->immediate_data);
    assert_int_equal(i->first_burst, 262144);
    assert_int_equal(i->max_burst, 1048576);
    assert_int_equal(i->max_r2t, 8);
    assert_int_equal(i->max_send, 262144);
    assert_string_equal(initiator_key(i, "MaxConnections"), "1");
    assert_string_equal(initiator_key(i, "ErrorRecoveryLevel"), "0");
    assert_string_equal(initiator_key(i, "TargetPortalGroupTag"), "1");
    assert_string_equal(initiator_key(i, "TargetAlias"), "ram");
    lab_close(&w);
}

/* ---- one login request, one status ---- */

struct attempt {
    const char *what;
    const char *keys;
    uint16_t status;
    uint8_t flags;
    uint8_t version_min;
    uint16_t tsih;
    enum directory_where where;
};

static const struct attempt attempts[] = {
    {"all is well", WHO WHERE, 0, TO_FULL, 0, 0, DIRECTORY_HERE},
    {"names in capitals",
     "InitiatorName=IQN.A\nTargetName=IQN.2026-11.internal.dolmen:"
     "1122334455667788\n",
     0, TO_FULL, 0, 0, DIRECTORY_HERE},
    {"no InitiatorName", WHERE, 0x0207, TO_FULL, 0, 0, DIRECTORY_HERE},
    {"no TargetName", WHO, 0x0207, TO_FULL, 0, 0, DIRECTORY_HERE},
    {"a discovery session needs none", WHO "SessionType=Discovery\n", 0, TO_FULL, 0, 0,
     DIRECTORY_HERE},
    {"a session type that is none", WHO WHERE "SessionType=Party\n", 0x0209, TO_FULL, 0, 0,
     DIRECTORY_HERE},
    {"unknown target", WHO "TargetName=iqn.b\n", 0x0203, TO_FULL, 0, 0, DIRECTORY_HERE},
    {"moved", WHO WHERE, 0x0101, TO_FULL, 0, 0, DIRECTORY_ELSEWHERE},
    {"forbidden", WHO WHERE, 0x0202, TO_FULL, 0, 0, DIRECTORY_FORBIDDEN},
    {"starting", WHO WHERE, 0x0301, TO_FULL, 0, 0, DIRECTORY_STARTING},
    {"a later version only", WHO WHERE, 0x0205, TO_FULL, 1, 0, DIRECTORY_HERE},
    {"a session that is not there", WHO WHERE, 0x020a, TO_FULL, 0, 77, DIRECTORY_HERE},
    {"CHAP or nothing", WHO WHERE "AuthMethod=CHAP\n", 0x0201, FLAG_FINAL | STAGE_FULL_FEATURE, 0,
     0, DIRECTORY_HERE},
    {"CHAP or None", WHO WHERE "AuthMethod=CHAP,None\n", 0, FLAG_FINAL | STAGE_FULL_FEATURE, 0, 0,
     DIRECTORY_HERE},
    {"T with C", WHO WHERE, 0x0200, TO_FULL | FLAG_CONTINUE, 0, 0, DIRECTORY_HERE},
    {"to stage 2, which is none", WHO WHERE, 0x0200, FLAG_FINAL | STAGE_OPERATIONAL << 2 | 2, 0, 0,
     DIRECTORY_HERE},
    {"to where it is", WHO WHERE, 0x0200, FLAG_FINAL | STAGE_OPERATIONAL << 2 | 1, 0, 0,
     DIRECTORY_HERE},
    {"from stage 3", WHO WHERE, 0x0200, FLAG_FINAL | 3 << 2 | 3, 0, 0, DIRECTORY_HERE},
    {"a key twice", WHO WHERE "MaxConnections=1\nMaxConnections=1\n", 0x0200, TO_FULL, 0, 0,
     DIRECTORY_HERE},
    {"a key without =", WHO WHERE "Nonsense\n", 0x0200, TO_FULL, 0, 0, DIRECTORY_HERE},
    {"= without a key", WHO WHERE "=Nonsense\n", 0x0200, TO_FULL, 0, 0, DIRECTORY_HERE},
    {"a key of 64 bytes",
     WHO WHERE "X-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1\n", 0x0200,
     TO_FULL, 0, 0, DIRECTORY_HERE},
};

static bool has_login_response(void *arg)
{
    return initiator_has_pdu(arg);
}

static void attempt_once(const struct attempt *a)
{
    union bhs h = {.login = {.opcode = LOGIN | OPCODE_IMMEDIATE, .flags = a->flags}};
    char text[1024];
    uint32_t length = (uint32_t)strlen(a->keys);
    struct lab w;
    struct initiator *i;
    struct initiator_pdu *p;

    lab_begin(&w);
    w.directory.answer.where = a->where;
    w.directory.answer.address = (struct net_address){"10.0.0.2:3260"};
    i = lab_raw(&w);
    for (uint32_t at = 0; at < length; at++)
        text[at] = a->keys[at] == '\n' ? 0 : a->keys[at];
    h.login.version_min = a->version_min;
    h.login.tsih = be16_of(a->tsih);
    initiator_pdu(i, &h, text, length);
    lab_until(&w, has_login_response, i);
    p = initiator_take(i);
    if (!p || be16_get(p->bhs.login_response.status) != a->status)
        fail_msg("%s: got %04x", a->what, p ? be16_get(p->bhs.login_response.status) : 0xffffu);
    free(p);
    assert_int_equal(i->full, a->status == 0);
    if (a->status == 0x0101)
        assert_string_equal(i->redirect.text, "10.0.0.2:3260");
    if (a->status)
        lab_until(&w, initiator_closed, i); /* refused, then closed by the target */
    lab_close(&w);
}

static void answers_every_attempt_with_its_status(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < array_length(attempts); n++)
        attempt_once(&attempts[n]);
}

/* ---- what is said of it ---- */

static char said_lines[16][700];
static uint32_t said_count;

static void keep_line(struct log *l, enum log_level level, const char *line)
{
    (void)l;
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_true(said_count < array_length(said_lines));
    snprintf(said_lines[said_count++], sizeof said_lines[0], "%s", line);
}

static struct log said = {.write = keep_line, .least = LOG_LEVEL_INFO};

static void lab_begin_heard(struct lab *w)
{
    lab_begin(w);
    w->target_env->log = w->home_env->log = &said;
    said_count = 0;
}

static void refuse_one(struct lab *w, const char *name, const char *target, uint16_t status)
{
    struct initiator *i =
        lab_connect(w, &(struct initiator_config){.name = name, .target = target, .isid = {0x80}});

    assert_int_equal(i->login_status, status);
    lab_part(w, i);
}

static void a_refused_login_is_said_with_who_and_where_to_and_why(void **state)
{
    struct lab w;

    (void)state;
    lab_begin_heard(&w);
    refuse_one(&w, "iqn.stranger", "iqn.nowhere", 0x0203);
    w.directory.answer.where = DIRECTORY_FORBIDDEN;
    refuse_one(&w, "iqn.a\xe2\x80\xa8\x1b[2J b\r", LAB_TARGET, 0x0202);
    w.directory.answer.where = DIRECTORY_STARTING;
    refuse_one(&w, "iqn.a", LAB_TARGET, 0x0301); /* it comes again by itself */
    w.directory.answer.where = DIRECTORY_HERE;
    snprintf(w.directory.answer.chap.user, ISCSI_CHAP_MAX, "user");
    snprintf(w.directory.answer.chap.secret, ISCSI_CHAP_MAX, "a secret of ours");
    refuse_one(&w, "iqn.a", LAB_TARGET, 0x0201);
    assert_int_equal(said_count, 3);
    assert_non_null(strstr(said_lines[0], "iscsi login_refused initiator=iqn.stranger address="));
    assert_non_null(strstr(said_lines[0],
                           " target=iqn.nowhere status=0203 there is no such target; "
                           "refused since"));
    assert_non_null(strstr(said_lines[1], "initiator=iqn.a????[2j?b? address="));
    assert_non_null(strstr(said_lines[1], " target=" LAB_TARGET " status=0202 no attachment lets"));
    assert_non_null(strstr(said_lines[2], " status=0201 it did not prove who it is"));
    assert_null(strstr(said_lines[2], "secret of ours"));
    lab_close(&w);
}

static void who_knocks_at_every_door_fills_no_log(void **state)
{
    struct lab w;

    (void)state;
    lab_begin_heard(&w);
    for (uint32_t n = 0; n < 40; n++)
        refuse_one(&w, "iqn.scanner", "iqn.nowhere", 0x0203);
    assert_int_equal(said_count, 10);
    sim_run_for(w.sim, LOG_PACE_US);
    refuse_one(&w, "iqn.scanner", "iqn.nowhere", 0x0203);
    refuse_one(&w, "iqn.scanner", "iqn.nowhere", 0x0203);
    assert_int_equal(said_count, 11);
    assert_non_null(strstr(said_lines[10], "refused since the last line: 31"));
    lab_close(&w);
}

static void a_name_may_have_223_bytes_and_no_more(void **state)
{
    struct lab w;
    char name[256] = "iqn.";
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    memset(name + 4, 'a', 219);
    i = lab_login(&w, name, 1);
    assert_true(i->full);
    name[223] = 'a';
    i = lab_login(&w, name, 2);
    assert_false(i->full);
    assert_int_equal(i->login_status, 0x0200);
    lab_close(&w);
}

static void text_may_come_in_several_pdus(void **state)
{
    struct lab w;
    struct initiator *i;
    struct initiator_pdu *p;

    (void)state;
    lab_begin(&w);
    i = lab_raw(&w);
    initiator_login(i, FLAG_CONTINUE | STAGE_OPERATIONAL << 2, "InitiatorName=iqn.a\nTarg");
    p = lab_pdu(&w, i);
    assert_int_equal(p->bhs.login_response.flags, STAGE_OPERATIONAL << 2);
    assert_int_equal(p->length, 0);
    free(p);
    initiator_login(i, TO_FULL, "etName=" LAB_TARGET "\n");
    p = lab_pdu(&w, i);
    assert_true(i->full);
    free(p);
    lab_close(&w);
}

/* ---- text beyond bounds ---- */

static char *keys_of(uint32_t bytes, const char *value)
{
    char *keys = malloc(bytes + 1);
    uint32_t at = 0;

    assert_non_null(keys);
    for (uint32_t n = 0; at + 11 + strlen(value) < bytes; n++)
        at += (uint32_t)snprintf(keys + at, bytes - at, "X-%06x=%s\n", n, value);
    keys[at] = 0;
    return keys;
}

static char *many_keys(uint32_t bytes)
{
    return keys_of(bytes, "1");
}

/* Sends pieces of at most 8 KiB with C, each answered, until refused or the last is sent. */
static void login_in_pieces(struct lab *w, struct initiator *i, char *keys)
{
    uint32_t length = (uint32_t)strlen(keys);

    for (uint32_t at = 0; at < length && i->net && !i->login_status; at += 8192) {
        uint32_t here = min_u32(8192, length - at);
        char after = keys[at + here];
        bool last = at + here == length;

        keys[at + here] = 0;
        initiator_login(i, last ? TO_FULL : FLAG_CONTINUE | STAGE_OPERATIONAL << 2, keys + at);
        keys[at + here] = after;
        free(lab_pdu(w, i));
    }
}

/* What counts comes last, behind more than half of what a request may hold. */
static void a_long_text_is_whole(void **state)
{
    struct lab w;
    struct initiator *i;
    char value[201] = {0}, *keys;
    const char *last = "InitiatorName=iqn.a\nTargetName=" LAB_TARGET "\n";

    (void)state;
    lab_begin(&w);
    i = lab_raw(&w);
    memset(value, 'a', sizeof value - 1);
    keys = keys_of(60000, value);
    keys[50000 / 210 * 210] = 0; /* room for what counts */
    assert_true(strlen(keys) > 48000 && strlen(keys) + strlen(last) < 60000);
    memcpy(keys + strlen(keys), last, strlen(last) + 1);
    login_in_pieces(&w, i, keys);
    assert_true(i->full);
    free(keys);
    lab_close(&w);
}

static void text_beyond_64_kib_is_refused(void **state)
{
    struct lab w;
    struct initiator *i;
    char *keys = many_keys(80000);

    (void)state;
    lab_begin(&w);
    i = lab_raw(&w);
    login_in_pieces(&w, i, keys);
    assert_int_equal(i->login_status, 0x0200);
    lab_until(&w, initiator_closed, i);
    free(keys);
    lab_close(&w);
}

static void a_long_answer_comes_in_pieces(void **state)
{
    struct lab w;
    struct initiator *i;
    struct initiator_pdu *p;
    uint32_t pieces = 0, bytes = 0;
    char *keys = many_keys(16000), *all = malloc(61000);

    (void)state;
    lab_begin(&w);
    i = lab_raw(&w);
    snprintf(all, 61000, "%s%s%s", WHO, WHERE, keys);
    login_in_pieces(&w, i, all); /* the last answer was its first piece */
    while (!i->full) {
        initiator_login(i, TO_FULL, "");
        p = lab_pdu(&w, i);
        assert_non_null(p);
        assert_true(p->length <= 8192);
        bytes += p->length;
        pieces++;
        free(p);
    }
    assert_true(pieces >= 2);
    assert_true(bytes > 2 * 8192);
    free(keys);
    free(all);
    lab_close(&w);
}

static void a_redirect_may_come_behind_a_long_answer(void **state)
{
    struct lab w;
    struct initiator *i;
    char *keys, *all;

    (void)state;
    if (lab_all_apart())
        skip(); /* it is let in as the directory said when it was handed over (T5) */
    lab_begin(&w);
    keys = many_keys(30000);
    all = malloc(61000);
    i = lab_raw(&w);
    snprintf(all, 61000, "%s%s%s", WHO, WHERE, keys);
    login_in_pieces(&w, i, all);
    w.directory.answer.where = DIRECTORY_ELSEWHERE; /* it has moved meanwhile */
    w.directory.answer.address = (struct net_address){"10.0.0.2:3260"};
    while (!i->login_status) {
        initiator_login(i, TO_FULL, "");
        free(lab_pdu(&w, i));
    }
    assert_int_equal(i->login_status, 0x0101);
    assert_string_equal(i->redirect.text, "10.0.0.2:3260");
    assert_string_equal(i->text, "TargetAddress=10.0.0.2:3260\n");
    free(keys);
    free(all);
    lab_close(&w);
}

static void an_answer_beyond_64_kib_is_refused(void **state)
{
    struct lab w;
    struct initiator *i;
    char *keys = many_keys(60000), *all = malloc(61000);

    (void)state;
    lab_begin(&w);
    i = lab_raw(&w);
    snprintf(all, 61000, "%s%s%s", WHO, WHERE, keys);
    login_in_pieces(&w, i, all);
    assert_int_equal(i->login_status, 0x0200);
    free(keys);
    free(all);
    lab_close(&w);
}

static void a_segment_above_8_kib_ends_a_login(void **state)
{
    struct lab w;
    struct initiator *i;
    static uint8_t zeros[8196];
    union bhs h = {.login = {.opcode = LOGIN | OPCODE_IMMEDIATE, .flags = TO_FULL}};

    (void)state;
    lab_begin(&w);
    i = lab_raw(&w);
    initiator_pdu(i, &h, zeros, sizeof zeros);
    assert_null(lab_pdu(&w, i));
    lab_close(&w);
}

/* ---- half-open ---- */

static void a_half_open_login_has_a_deadline(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct lab w;
    struct initiator *i;
    uint64_t began;

    (void)state;
    limits.login_seconds_max = 5;
    lab_open(&w, limits);
    i = lab_raw(&w);
    began = sim_now_us(w.sim);
    initiator_login(i, FLAG_CONTINUE | STAGE_OPERATIONAL << 2, WHO);
    free(lab_pdu(&w, i));
    lab_until(&w, initiator_closed, i);
    assert_in_range(sim_now_us(w.sim) - began, 4900000, 6000000);
    lab_close(&w);
}

static void half_open_logins_are_bounded(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator *silent[4], *late;
    struct lab w;

    (void)state;
    limits.half_open_max = 3;
    lab_open(&w, limits);
    for (uint32_t n = 0; n < 4; n++) {
        silent[n] = lab_raw(&w);
        sim_run_for(w.sim, 100000);
    }
    assert_null(silent[3]->net); /* the others are too young to be put out */
    sim_run_for(w.sim, 1000000);
    assert_non_null(silent[0]->net);
    late = lab_login(&w, "iqn.a", 1); /* takes the place of the oldest */
    assert_true(late->full);
    sim_run_for(w.sim, 100000);
    assert_null(silent[0]->net);
    assert_non_null(silent[1]->net);
    lab_close(&w);
}

static void sessions_are_bounded(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct lab w;
    struct initiator *one, *two, *three;

    (void)state;
    limits.sessions_max = 2;
    lab_open(&w, limits);
    one = lab_login(&w, "iqn.a", 1);
    two = lab_login(&w, "iqn.a", 2);
    assert_true(one->full && two->full);
    three = lab_login(&w, "iqn.a", 3);
    assert_int_equal(three->login_status, 0x0302);
    initiator_logout(one);
    lab_until(&w, initiator_closed, one);
    three = lab_login(&w, "iqn.a", 3);
    assert_true(three->full);
    lab_close(&w);
}

/* A discovery session proves nothing: however many there are, they take nobody's place. */
static void discovery_sessions_make_room(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .isid = {0x80}};
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator *many[5], *one, *two;
    struct lab w;

    (void)state;
    if (lab_all_apart())
        skip(); /* they are the portal's, the others not */
    limits.sessions_max = 2;
    lab_open(&w, limits);
    for (uint32_t n = 0; n < array_length(many); n++) {
        config.isid[5] = (uint8_t)n;
        many[n] = lab_connect(&w, &config);
        assert_true(many[n]->full);
    }
    sim_run_for(w.sim, 1000);
    assert_null(many[2]->net);
    assert_non_null(many[3]->net);
    one = lab_login(&w, "iqn.a", 1);
    two = lab_login(&w, "iqn.a", 2);
    assert_true(one->full && two->full);
    assert_int_equal(lab_login(&w, "iqn.a", 3)->login_status, 0x0302);
    assert_int_equal(lab_connect(&w, &config)->login_status, 0x0302);
    sim_run_for(w.sim, 1000);
    assert_null(many[4]->net);
    assert_true(one->net && two->net);
    lab_close(&w);
}

/* ---- one after another ---- */

static void the_isid_must_not_change(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_raw(&w);
    initiator_login(i, FLAG_CONTINUE | STAGE_OPERATIONAL << 2, WHO);
    free(lab_pdu(&w, i));
    i->config.isid[5] = 1;
    initiator_login(i, TO_FULL, WHERE);
    free(lab_pdu(&w, i));
    assert_int_equal(i->login_status, 0x0200);
    lab_close(&w);
}

static void a_connection_cannot_join_a_session(void **state)
{
    struct lab w;
    struct initiator *i, *second;
    union bhs h = {.login = {.opcode = LOGIN | OPCODE_IMMEDIATE, .flags = TO_FULL}};
    static const char names[] = "InitiatorName=iqn.a\0TargetName=" LAB_TARGET;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    second = lab_raw(&w);
    h.login.tsih = be16_of(i->tsih);
    initiator_pdu(second, &h, names, sizeof names - 1);
    free(lab_pdu(&w, second));
    assert_int_equal(second->login_status, 0x0206);
    lab_alive(&w, i);
    lab_close(&w);
}

/* The answer to the first is ready in the same turn, and has nowhere to go any more. */
static void two_requests_at_once_end_a_login(void **state)
{
    static const char text[] = WHO WHERE;
    union bhs h = {.login = {.opcode = LOGIN | OPCODE_IMMEDIATE, .flags = STAGE_OPERATIONAL << 2}};
    uint8_t twice[2 * (BHS_BYTES + sizeof text + 3)] = {0};
    uint32_t length = sizeof text - 1, whole = BHS_BYTES + length + pad_bytes(length);

    (void)state;
    h.any.data_segment_length = be24_of(length);
    memcpy(twice, &h, BHS_BYTES);
    for (uint32_t i = 0; i < length; i++)
        twice[BHS_BYTES + i] = text[i] == '\n' ? 0 : (uint8_t)text[i];
    memcpy(twice + whole, twice, whole);
    for (uint64_t seed = 1; seed <= 16; seed++) { /* the net cuts it anywhere */
        struct lab w;
        struct initiator *i;

        lab_open_from(&w, iscsi_limits_small(), seed);
        i = lab_raw(&w);
        initiator_send(i, twice, 2 * whole);
        lab_until(&w, initiator_closed, i);
        lab_alive(&w, lab_ready(&w, "iqn.b", 2));
        lab_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_in_through_either_stage),
        cmocka_unit_test(offers_fast_defaults),
        cmocka_unit_test(answers_every_attempt_with_its_status),
        cmocka_unit_test(a_refused_login_is_said_with_who_and_where_to_and_why),
        cmocka_unit_test(who_knocks_at_every_door_fills_no_log),
        cmocka_unit_test(a_name_may_have_223_bytes_and_no_more),
        cmocka_unit_test(text_may_come_in_several_pdus),
        cmocka_unit_test(a_long_text_is_whole),
        cmocka_unit_test(text_beyond_64_kib_is_refused),
        cmocka_unit_test(a_long_answer_comes_in_pieces),
        cmocka_unit_test(a_redirect_may_come_behind_a_long_answer),
        cmocka_unit_test(an_answer_beyond_64_kib_is_refused),
        cmocka_unit_test(a_segment_above_8_kib_ends_a_login),
        cmocka_unit_test(a_half_open_login_has_a_deadline),
        cmocka_unit_test(half_open_logins_are_bounded),
        cmocka_unit_test(sessions_are_bounded),
        cmocka_unit_test(discovery_sessions_make_room),
        cmocka_unit_test(two_requests_at_once_end_a_login),
        cmocka_unit_test(the_isid_must_not_change),
        cmocka_unit_test(a_connection_cannot_join_a_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
