/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/script.c — see script.h. */
#include "tests/iscsi/script.h"

#include "base/util.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096u
#define WORDS_MAX      24u
#define DATA_MAX       (1u << 20)
#define SECOND_US      1000000u

struct player {
    struct lab *lab;
    struct initiator *initiator;
    const struct script *script;
    uint32_t line, times;
    uint32_t itt, ttt; /* of the last R2T, text response or ping */
    char *words[WORDS_MAX];
    uint32_t word_count;
};

/* ---- fields ---- */

struct field {
    const char *name;
    uint32_t at, bytes;
    bool hex; /* without 0x, too */
};

/* clang-format off */
static const struct field fields[] = {
    {"opcode", 0, 1, true},   {"flags", 1, 1, true},     {"function", 1, 1, true}, {"reason", 1, 1, true},
    {"b2", 2, 1, true},       {"b3", 3, 1, true},        {"why", 2, 1, false},     {"response", 2, 1, false},
    {"status", 3, 1, true},   {"ahs", 4, 1, false},      {"dsl", 5, 3, false},     {"lun", 8, 8, true},
    {"isid", 8, 6, true},     {"tsih", 14, 2, false},    {"itt", 16, 4, false},    {"ttt", 20, 4, false},
    {"edtl", 20, 4, false},   {"tag", 20, 4, false},     {"cid", 20, 2, false},    {"sn", 24, 4, false},
    {"expstatsn", 28, 4, false}, {"expcmdsn", 28, 4, false}, {"maxcmdsn", 32, 4, false},
    {"refcmdsn", 32, 4, false},  {"cdb", 32, 16, true},  {"datasn", 36, 4, false}, {"r2tsn", 36, 4, false},
    {"login", 36, 2, true},   {"event", 36, 1, false},   {"offset", 40, 4, false}, {"length", 44, 4, false},
    {"residual", 44, 4, false},
};

static const struct kind {
    const char *name;
    uint8_t opcode, flags;
} kinds[] = {
    {"login", LOGIN | OPCODE_IMMEDIATE, 0x87}, {"text", TEXT, 0x80},     {"scsi", SCSI_COMMAND, 0x80},
    {"read", SCSI_COMMAND, 0xc0},  {"write", SCSI_COMMAND, 0xa0},        {"data-out", DATA_OUT, 0x80},
    {"nop", NOP_OUT, 0x80},        {"tmf", TASK_MANAGEMENT, 0x80},       {"logout", LOGOUT, 0x80},
    {"snack", SNACK, 0x80},        {"pdu", 0, 0x80},
    /* the target's */
    {"nop-in", NOP_IN, 0},         {"response", SCSI_RESPONSE, 0},       {"tmf-response", TASK_MANAGEMENT_RESPONSE, 0},
    {"login-response", LOGIN_RESPONSE, 0}, {"text-response", TEXT_RESPONSE, 0}, {"data-in", DATA_IN, 0},
    {"logout-response", LOGOUT_RESPONSE, 0}, {"r2t", R2T, 0},            {"async", ASYNC_MESSAGE, 0},
    {"reject", REJECT, 0},
};
/* clang-format on */

static const struct kind *kind_find(const char *name)
{
    for (uint32_t n = 0; n < array_length(kinds); n++)
        if (strcmp(kinds[n].name, name) == 0)
            return &kinds[n];
    return NULL;
}

/* "name" of name=value, or @AT:BYTES; false: no field. */
static bool field_find(const char *word, struct field *ret)
{
    size_t length = strcspn(word, "=");

    if (sscanf(word, "@%u:%u=", &ret->at, &ret->bytes) == 2) {
        ret->hex = false;
        return ret->at + ret->bytes <= BHS_BYTES;
    }
    for (uint32_t n = 0; n < array_length(fields); n++)
        if (strlen(fields[n].name) == length && strncmp(fields[n].name, word, length) == 0) {
            *ret = fields[n];
            return true;
        }
    return false;
}

/* Two digits are a byte; how many. */
static uint32_t hex_of(const char *digits, uint8_t *ret)
{
    uint32_t length = 0;

    for (; digits[0] && digits[1]; digits += 2) {
        const char two[3] = {digits[0], digits[1], 0};

        ret[length++] = (uint8_t)strtoul(two, NULL, 16);
    }
    return length;
}

/* The value as big-endian bytes; long ones (a CDB) stand in hexadecimal and begin at the left. */
static void field_bytes(const struct player *p, const struct field *f, const char *value,
                        uint8_t *ret)
{
    uint64_t number = strtoull(value, NULL, f->hex ? 16 : 0);

    memset(ret, 0, 16);
    if (f->bytes > 8) {
        assert(strlen(value) <= 32);
        hex_of(value, ret);
        return;
    }
    if (strcmp(value, "last") == 0)
        number = f->at == 16 ? p->itt : p->ttt;
    else if (value[0] == '+')
        number += p->initiator->exp_cmd_sn;
    else if (value[0] == '-' && f->at == 24)
        number = p->initiator->exp_cmd_sn + (uint32_t)strtol(value, NULL, 10);
    for (uint32_t n = 0; n < f->bytes; n++)
        ret[n] = (uint8_t)(number >> (8 * (f->bytes - 1 - n)));
}

static const char *word_value(const struct player *p, const char *name)
{
    size_t length = strlen(name);

    for (uint32_t n = 0; n < p->word_count; n++)
        if (strncmp(p->words[n], name, length) == 0 && p->words[n][length] == '=')
            return p->words[n] + length + 1;
    return NULL;
}

static bool has_word(const struct player *p, const char *word)
{
    for (uint32_t n = 0; n < p->word_count; n++)
        if (strcmp(p->words[n], word) == 0)
            return true;
    return false;
}

static bool complain(const struct player *p, const char *what)
{
    fprintf(stderr, "%s, %s (%s): line %u: %s\n", p->script->section, p->script->rule,
            p->script->way == KEPT ? "kept" : "broken", p->line, what);
    return false;
}

/* ---- saying ---- */

/* What an honest initiator would put there. */
static void usual(struct player *p, const struct kind *k, union bhs *h)
{
    struct initiator *i = p->initiator;

    h->any.opcode = k->opcode | (has_word(p, "immediate") ? OPCODE_IMMEDIATE : 0);
    h->any.flags = k->flags;
    if (k->opcode == DATA_OUT) {
        h->any.initiator_task_tag = be32_of(p->itt);
        h->any.target_transfer_tag = be32_of(p->ttt);
        h->any.second_sn = be32_of(i->exp_stat_sn);
    } else if ((k->opcode & OPCODE_MASK) == LOGIN) {
        memcpy(h->login.isid, i->config.isid, sizeof h->login.isid);
        h->login.cmd_sn = be32_of(i->cmd_sn);
    } else {
        initiator_stamp(i, h);
        if (word_value(p, "sn") && !(h->any.opcode & OPCODE_IMMEDIATE))
            i->cmd_sn--;
    }
    if (k->opcode == NOP_OUT || k->opcode == TEXT || k->opcode == TASK_MANAGEMENT)
        h->any.target_transfer_tag = be32_of(TAG_NONE);
}

static uint32_t data_of(const struct player *p, uint8_t *ret)
{
    const char *keys = word_value(p, "keys"), *data = word_value(p, "data");
    const char *hex = word_value(p, "hex");
    uint32_t length = keys ? (uint32_t)strlen(keys) : data ? (uint32_t)strtoul(data, NULL, 0) : 0;

    if (hex)
        return hex_of(hex, ret);
    assert(length < DATA_MAX);
    memset(ret, 'd', length);
    for (uint32_t n = 0; keys && n < length; n++)
        ret[n] = keys[n] == ';' ? 0 : (uint8_t)keys[n];
    return length;
}

/* Whole, or the first so many bytes; AHS and a false length go as they were set. */
static void send_pdu(struct player *p, const union bhs *h, const uint8_t *data, uint32_t length)
{
    const char *cut = word_value(p, "cut");
    uint32_t whole = BHS_BYTES + length + pad_bytes(length);
    uint8_t *bytes;

    if (!cut && !word_value(p, "dsl")) {
        initiator_pdu(p->initiator, h, data, length);
        return;
    }
    bytes = calloc(1, whole);
    assert(bytes);
    memcpy(bytes, h, BHS_BYTES);
    memcpy(bytes + BHS_BYTES, data, length);
    initiator_send(p->initiator, bytes,
                   cut ? min_u32((uint32_t)strtoul(cut, NULL, 0), whole) : whole);
    free(bytes);
}

static bool say(struct player *p)
{
    static uint8_t data[DATA_MAX];
    const struct kind *k = kind_find(p->words[0]);
    uint32_t length = data_of(p, data);
    union bhs h = {.any = {.opcode = 0}};

    if (!k)
        return complain(p, "no such kind");
    usual(p, k, &h);
    h.any.data_segment_length = be24_of(length);
    for (uint32_t n = 1; n < p->word_count; n++) {
        uint8_t value[16];
        struct field f;

        if (!strchr(p->words[n], '=') || !field_find(p->words[n], &f))
            continue;
        field_bytes(p, &f, strchr(p->words[n], '=') + 1, value);
        memcpy(h.bytes + f.at, value, f.bytes);
    }
    if (k->opcode == SCSI_COMMAND)
        p->itt = bhs_itt(&h);
    p->initiator->spoil_header = has_word(p, "spoil-header");
    p->initiator->spoil_data = has_word(p, "spoil-data");
    send_pdu(p, &h, data, length);
    return true;
}

static bool say_bytes(struct player *p)
{
    uint8_t bytes[LINE_MAX_BYTES / 2];
    uint32_t length = hex_of(p->words[1], bytes);

    initiator_send(p->initiator, bytes, length);
    return true;
}

/* ---- hearing ---- */

static bool hear_nothing(struct player *p)
{
    struct initiator_pdu *pdu;

    sim_run_for(p->lab->sim, SECOND_US);
    pdu = initiator_take(p->initiator);
    free(pdu);
    return pdu ? complain(p, "something came") : true;
}

static bool hear_closed(struct player *p)
{
    struct initiator_pdu *pdu = lab_pdu(p->lab, p->initiator);

    free(pdu);
    return pdu ? complain(p, "something came, and no end") : true;
}

static bool hear_whatever(struct player *p)
{
    struct initiator_pdu *pdu;

    sim_run_for(p->lab->sim, 3 * SECOND_US);
    while ((pdu = initiator_take(p->initiator)))
        free(pdu);
    return true;
}

static bool fields_are(struct player *p, const struct initiator_pdu *pdu)
{
    for (uint32_t n = 2; n < p->word_count; n++) {
        uint8_t value[16];
        struct field f;

        if (!strchr(p->words[n], '=') || !field_find(p->words[n], &f))
            continue;
        field_bytes(p, &f, strchr(p->words[n], '=') + 1, value);
        if (memcmp(pdu->bhs.bytes + f.at, value, f.bytes) != 0)
            return complain(p, p->words[n]);
    }
    return true;
}

static bool sense_is(struct player *p, const struct initiator_pdu *pdu)
{
    struct initiator_request r = {.sense_bytes = pdu->length > 2 ? pdu->length - 2 : 0};
    const char *wanted = word_value(p, "sense");

    if (!wanted)
        return true;
    if (r.sense_bytes < 14 || r.sense_bytes > sizeof r.sense)
        return complain(p, "no sense");
    memcpy(r.sense, pdu->data + 2, r.sense_bytes);
    return sense_code(&r) == strtoul(wanted, NULL, 16) ? true : complain(p, "another sense");
}

static bool text_has(struct player *p, const struct initiator_pdu *pdu)
{
    const char *wanted = word_value(p, "has");
    size_t length = wanted ? strlen(wanted) + 1 : 0;

    if (!wanted || memmem(pdu->data, pdu->length, wanted, length))
        return true;
    return complain(p, wanted);
}

static bool length_is(struct player *p, const struct initiator_pdu *pdu)
{
    const char *wanted = word_value(p, "data");

    return !wanted || strtoul(wanted, NULL, 0) == pdu->length ? true
                                                              : complain(p, "another length");
}

static bool pdu_is(struct player *p, const struct kind *k, const struct initiator_pdu *pdu)
{
    if (pdu->bhs.any.opcode != k->opcode) {
        fprintf(stderr, "opcode %02x, byte 2 %02x\n", pdu->bhs.any.opcode, pdu->bhs.bytes[2]);
        return complain(p, "another PDU");
    }
    if (k->opcode == R2T)
        p->itt = bhs_itt(&pdu->bhs);
    if (k->opcode == R2T || k->opcode == TEXT_RESPONSE || k->opcode == NOP_IN)
        p->ttt = be32_get(pdu->bhs.any.target_transfer_tag);
    return fields_are(p, pdu) && sense_is(p, pdu) && text_has(p, pdu) && length_is(p, pdu);
}

static bool hear(struct player *p)
{
    const struct kind *k = kind_find(p->words[1]);
    struct initiator_pdu *pdu;
    bool is;

    if (strcmp(p->words[1], "nothing") == 0)
        return hear_nothing(p);
    if (strcmp(p->words[1], "closed") == 0)
        return hear_closed(p);
    if (strcmp(p->words[1], "whatever") == 0)
        return hear_whatever(p);
    if (!k)
        return complain(p, "no such kind");
    pdu = lab_pdu(p->lab, p->initiator);
    if (!pdu)
        return complain(p, "the connection ended");
    is = pdu_is(p, k, pdu);
    free(pdu);
    return is;
}

/* ---- lines ---- */

static void join(struct player *p)
{
    struct initiator_config config = {.name = "iqn.script",
                                      .target = LAB_TARGET,
                                      .isid = {0x80, 0, 0, 0, 0, 0x55},
                                      .keys = p->script->login,
                                      .mute = true};

    if (p->script->login && strncmp(p->script->login, "discovery", 9) == 0) {
        config.target = NULL;
        config.keys = "";
        p->initiator = lab_connect(p->lab, &config);
    } else if (p->script->login) {
        p->initiator = lab_ready_with(p->lab, config);
    } else {
        p->initiator = lab_raw(p->lab);
        memcpy(p->initiator->config.isid, config.isid, sizeof config.isid);
    }
    p->initiator->config.raw = true; /* every PDU is the script's from now on */
}

static bool do_words(struct player *p)
{
    if (strcmp(p->words[0], "<") == 0)
        return p->word_count > 1 && hear(p);
    if (strcmp(p->words[0], "bytes") == 0)
        return p->word_count > 1 && say_bytes(p);
    if (strcmp(p->words[0], "wait") == 0) {
        sim_run_for(p->lab->sim, strtoul(p->words[1], NULL, 0) * 1000);
        return true;
    }
    if (strcmp(p->words[0], "new") == 0) {
        lab_part(p->lab, p->initiator);
        join(p);
        return true;
    }
    return say(p);
}

static bool do_line(struct player *p, const char *from, size_t length)
{
    char line[LINE_MAX_BYTES], *save = NULL;
    uint32_t times = p->times;

    assert(length < sizeof line);
    memcpy(line, from, length);
    line[length] = 0;
    p->word_count = 0;
    for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        assert(p->word_count < WORDS_MAX);
        p->words[p->word_count++] = w;
    }
    p->times = 1;
    if (p->word_count == 0)
        return true;
    if (strcmp(p->words[0], "times") == 0) {
        p->times = (uint32_t)strtoul(p->words[1], NULL, 0);
        return true;
    }
    for (uint32_t n = 0; n < times; n++)
        if (!do_words(p))
            return false;
    return true;
}

bool script_play(struct lab *w, const struct script *s)
{
    struct player p = {.lab = w, .script = s, .times = 1};
    bool fine = true;

    join(&p);
    for (const char *at = s->lines; fine && *at;) {
        const char *end = strchrnul(at, '\n');

        p.line++;
        fine = do_line(&p, at, (size_t)(end - at));
        at = *end ? end + 1 : end;
    }
    lab_part(w, p.initiator);
    return fine;
}
