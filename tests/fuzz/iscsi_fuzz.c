/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/iscsi_fuzz.c — a whole connection of a hostile initiator, on the simulated net.
 *
 * Two bytes (enum setup; the seed of the net, which cuts the stream), then steps (enum step in the
 * low three bits).  A step may take what the target has said last (StatSN, a TTT, what an R2T
 * asks), because nobody guesses these.
 *
 * What comes back must be whole PDUs that a target may send.  When the hostile one is gone, an
 * honest initiator logs in, writes and reads (T3), and nothing is left (T4).
 */
#include "base/crc32c.h"
#include "iscsi-target/rfc7143.h"
#include "tests/fuzz/fuzz.h"
#include "tests/iscsi/fixture.h"

#include <stdio.h>

#define STEPS_MAX    48u
#define DATA_MAX     (128u << 10)
#define SECOND_US    1000000u
#define DEADLINES_US (40u * SECOND_US) /* of a half-open login, of pings */

enum setup {
    LOGGED_IN = 1,
    DISCOVERY = 2,
    SMALL_BURSTS = 4, /* of the harness's login */
    READ_ONLY = 8,
    ELSEWHERE = 16,
    LITTLE_MEMORY = 32,
    DIGESTS = 64, /* of the harness's login; those of a hostile one count, too */
    CHAP = 128,   /* the target asks for it: harness's logins are refused */
};

/* Bits beside the step: the digests of what it sends are wrong. */
#define WRONG_HEADER 32u
#define WRONG_DATA   64u

enum step {
    RAW,     /* length (two bytes), bytes                                        */
    PDU,     /* header; length of data (two bytes); pattern                      */
    COMMAND, /* the same with ITT and sequence numbers as they should be         */
    DATA,    /* flags, lengths: a Data-Out for the last R2T, or nearly           */
    KEYS,    /* stages, length, text: a login or text request                    */
    PASS,    /* time: this many half milliseconds, or seconds if the step has 16 */
    STALL,   /* the disk answers no more, or does again; 16: initiators are asked to leave */
    CONNECT, /* again; 16: logged in, as the same initiator                      */
};

struct hostile {
    struct lab lab;
    struct net_conn *net; /* NULL: closed */
    struct iscsi_drain drain;
    bool draining;
    uint8_t setup;
    uint32_t cmd_sn, itt, exp_stat_sn;
    uint8_t bytes[BHS_BYTES + (1u << 24)]; /* received, not yet whole */
    uint32_t length;
    char answers[1 + (1u << 17)]; /* of the login: a NUL, then what the target said */
    uint32_t answered;
    bool header_digest, data_digest; /* in force */
    uint8_t wrong;
    union bhs r2t, last; /* what came, the last of each */
};

/* ---- receiving ---- */

static bool target_may_send(const union bhs *h)
{
    static const uint8_t opcodes[] = {NOP_IN,          SCSI_RESPONSE, TASK_MANAGEMENT_RESPONSE,
                                      LOGIN_RESPONSE,  TEXT_RESPONSE, DATA_IN,
                                      LOGOUT_RESPONSE, R2T,           ASYNC_MESSAGE,
                                      REJECT};

    return memchr(opcodes, h->any.opcode, sizeof opcodes) != NULL;
}

static bool is_settled(const struct hostile *x, const char *pair)
{
    char wanted[64] = "";
    size_t length = strlen(pair);

    memcpy(wanted + 1, pair, length + 1);
    return memmem(x->answers, 1 + x->answered, wanted, length + 2) != NULL;
}

/* With the last login response digests begin, if they were agreed. */
static void take_login(struct hostile *x, const uint8_t *text)
{
    const struct bhs_login_response *h = &x->last.login_response;
    uint32_t length = bhs_data_bytes(&x->last);

    assert(length <= sizeof x->answers - 1 - x->answered);
    memcpy(x->answers + 1 + x->answered, text, length);
    x->answered += length;
    if (be16_get(h->status) || !(h->flags & FLAG_FINAL) ||
        LOGIN_NSG(h->flags) != STAGE_FULL_FEATURE)
        return;
    x->header_digest = is_settled(x, "HeaderDigest=CRC32C");
    x->data_digest = is_settled(x, "DataDigest=CRC32C");
}

static void check_digest(const uint8_t *bytes, uint32_t length)
{
    le32 digest = le32_of(crc32c(bytes, length));

    assert(memcmp(bytes + length, &digest, DIGEST_BYTES) == 0);
}

static uint32_t take_pdu(struct hostile *x, uint32_t at)
{
    const union bhs *h = (const void *)(x->bytes + at);
    uint32_t left = x->length - at, padded, header, digest;

    if (left < BHS_BYTES)
        return 0;
    assert(target_may_send(h));
    assert(h->any.total_ahs_length == 0);
    padded = bhs_data_bytes(h) + pad_bytes(bhs_data_bytes(h));
    header = BHS_BYTES + (x->header_digest ? DIGEST_BYTES : 0);
    digest = x->data_digest && padded > 0 ? DIGEST_BYTES : 0;
    if (left < header + padded + digest)
        return 0;
    if (x->header_digest)
        check_digest(x->bytes + at, BHS_BYTES);
    if (digest)
        check_digest(x->bytes + at + header, padded);
    x->last = *h;
    if (h->any.opcode == LOGIN_RESPONSE)
        take_login(x, x->bytes + at + header);
    if (h->any.opcode == R2T)
        x->r2t = *h;
    else if (h->any.opcode != DATA_IN)
        x->exp_stat_sn = be32_get(h->any.sn) + 1;
    return header + padded + digest;
}

static void received(struct net_conn *net, const uint8_t *bytes, uint32_t length)
{
    struct hostile *x = net->owner;
    uint32_t at = 0, here;

    assert(length <= sizeof x->bytes - x->length);
    memcpy(x->bytes + x->length, bytes, length);
    x->length += length;
    while ((here = take_pdu(x, at)) > 0)
        at += here;
    memmove(x->bytes, x->bytes + at, x->length - at);
    x->length -= at;
}

static void closed(struct net_conn *net, enum err err)
{
    (void)err;
    ((struct hostile *)net->owner)->net = NULL;
}

static const struct net_events events = {.received = received, .closed = closed};

/* ---- sending ---- */

struct sending {
    struct net_send send;
    struct iovec piece;
    uint8_t bytes[];
};

static void sent(struct net_send *send, enum err err)
{
    (void)err;
    free(container_of(send, struct sending, send));
}

static void send_bytes(struct hostile *x, struct input in)
{
    struct sending *s;

    if (!x->net || in.left == 0)
        return;
    s = malloc(sizeof *s + in.left);
    assert(s);
    memcpy(s->bytes, in.at, in.left);
    s->piece = (struct iovec){s->bytes, in.left};
    s->send = (struct net_send){.pieces = &s->piece, .piece_count = 1, .done = sent};
    net_send(x->net, &s->send);
}

static uint32_t put_digest(uint8_t *at, const uint8_t *from, bool wrong)
{
    le32 digest = le32_of(crc32c(from, (size_t)(at - from)) + wrong);

    memcpy(at, &digest, DIGEST_BYTES);
    return DIGEST_BYTES;
}

static void put_pattern(uint8_t *at, uint32_t length, struct input pattern)
{
    memset(at, 0, length);
    for (uint32_t i = 0; i < length && pattern.left > 0; i++)
        at[i] = pattern.at[i % pattern.left];
}

/* The header, and `length` bytes of data that repeat the pattern; AHS do so, too. */
static void send_pdu(struct hostile *x, union bhs *h, uint32_t length, struct input pattern)
{
    static uint8_t bytes[BHS_BYTES + AHS_BYTES_MAX + DATA_MAX + 4 + 2 * DIGEST_BYTES];
    uint32_t at = BHS_BYTES + bhs_ahs_bytes(h), padded = length + pad_bytes(length);

    h->any.data_segment_length = be24_of(length);
    memcpy(bytes, h, BHS_BYTES);
    put_pattern(bytes + BHS_BYTES, bhs_ahs_bytes(h), pattern);
    if (x->header_digest)
        at += put_digest(bytes + at, bytes, x->wrong & WRONG_HEADER);
    put_pattern(bytes + at, padded, pattern);
    at += padded;
    if (x->data_digest && padded > 0)
        at += put_digest(bytes + at, bytes + at - padded, x->wrong & WRONG_DATA);
    send_bytes(x, (struct input){bytes, at});
}

static union bhs take_header(struct input *in)
{
    struct input part = input_part(in, BHS_BYTES);
    union bhs h = {.any = {.opcode = 0}};

    memcpy(&h, part.at, part.left);
    return h;
}

static void step_pdu(struct hostile *x, struct input *in, bool command)
{
    union bhs h = take_header(in);
    uint32_t length = (uint32_t)input_number(in, 2);
    struct input pattern = input_part(in, (size_t)input_number(in, 1));

    if (command) {
        h.any.total_ahs_length = 0;
        h.any.initiator_task_tag = be32_of(x->itt++);
        h.any.sn = be32_of(x->cmd_sn);
        h.any.second_sn = be32_of(x->exp_stat_sn);
        if (!(h.any.opcode & OPCODE_IMMEDIATE))
            x->cmd_sn++;
    }
    send_pdu(x, &h, length, pattern);
}

/* Offset and length differ by signed bytes from what was asked for. */
static void step_data(struct hostile *x, struct input *in)
{
    uint8_t flags = (uint8_t)input_number(in, 1);
    int8_t offset_off = (int8_t)input_number(in, 1), length_off = (int8_t)input_number(in, 1);
    uint32_t data_sn = (uint32_t)input_number(in, 1);
    uint32_t length = be32_get(x->r2t.r2t.desired_length) + (uint32_t)(length_off * 128);
    union bhs h = {.data_out = {.opcode = DATA_OUT, .flags = flags}};

    h.data_out.lun = x->r2t.r2t.lun;
    h.data_out.initiator_task_tag = x->r2t.r2t.initiator_task_tag;
    h.data_out.target_transfer_tag = flags & 1 ? be32_of(TAG_NONE) : x->r2t.r2t.target_transfer_tag;
    h.data_out.exp_stat_sn = be32_of(x->exp_stat_sn);
    h.data_out.data_sn = be32_of(data_sn);
    h.data_out.buffer_offset = be32_of(be32_get(x->r2t.r2t.buffer_offset) + (uint32_t)offset_off);
    send_pdu(x, &h, length % DATA_MAX, (struct input){(const uint8_t *)"out", 3});
}

/* A text request goes on where the target asked it to. */
static void step_keys(struct hostile *x, struct input *in, bool login)
{
    uint8_t flags = (uint8_t)input_number(in, 1);
    struct input text = input_part(in, (size_t)input_number(in, 2));
    union bhs h = {.any = {.opcode = login ? LOGIN | OPCODE_IMMEDIATE : TEXT, .flags = flags}};
    uint32_t itt = login ? 0 : x->itt++;

    if (login)
        h.login.isid[0] = 0x80;
    else if (x->last.any.opcode == TEXT_RESPONSE)
        h.any.target_transfer_tag = x->last.any.target_transfer_tag;
    else
        h.any.target_transfer_tag = be32_of(TAG_NONE);
    if (!login && x->last.any.opcode == TEXT_RESPONSE)
        itt = bhs_itt(&x->last);
    h.any.initiator_task_tag = be32_of(itt);
    h.any.sn = be32_of(x->cmd_sn);
    h.any.second_sn = be32_of(x->exp_stat_sn);
    if (!login)
        x->cmd_sn++;
    send_pdu(x, &h, (uint32_t)text.left, text);
}

/* ---- life ---- */

static void say(struct hostile *x, uint8_t flags, const char *keys)
{
    struct input in;
    uint8_t bytes[1024] = {flags};
    size_t length = strlen(keys);

    assert(length + 3 <= sizeof bytes);
    bytes[1] = (uint8_t)length;
    bytes[2] = (uint8_t)(length >> 8);
    for (size_t i = 0; i < length; i++)
        bytes[3 + i] = keys[i] == '\n' ? 0 : (uint8_t)keys[i];
    in = (struct input){bytes, length + 3};
    step_keys(x, &in, true);
}

static void log_in(struct hostile *x)
{
    const uint8_t flags = FLAG_FINAL | STAGE_OPERATIONAL << 2 | STAGE_FULL_FEATURE;
    const char *keys = x->setup & DISCOVERY ? "SessionType=Discovery\n"
                       : x->setup & SMALL_BURSTS
                           ? "TargetName=" LAB_TARGET "\nInitialR2T=Yes\nFirstBurstLength=512\n"
                             "MaxBurstLength=1024\nMaxRecvDataSegmentLength=512\n"
                           : "TargetName=" LAB_TARGET "\nInitialR2T=No\nFirstBurstLength=65536\n"
                             "MaxOutstandingR2T=4\nMaxRecvDataSegmentLength=65536\n";
    const char *digests = x->setup & DIGESTS ? "HeaderDigest=CRC32C\nDataDigest=CRC32C\n" : "";
    char all[512];

    snprintf(all, sizeof all, "InitiatorName=iqn.hostile\n%s%s", keys, digests);
    say(x, flags, all);
    sim_run_for(x->lab.sim, SECOND_US);
}

static void join(struct hostile *x, bool logged_in)
{
    enum err err;

    if (x->net)
        net_close(x->net, false);
    sim_run_for(x->lab.sim, SECOND_US);
    assert(!x->net);
    x->cmd_sn = 1;
    x->itt = 1;
    x->exp_stat_sn = 0;
    x->length = x->answered = 0;
    x->header_digest = x->data_digest = false;
    memset(&x->r2t, 0, sizeof x->r2t);
    memset(&x->last, 0, sizeof x->last);
    err = net_connect(x->lab.initiator_env, iscsi_target_portal(x->lab.target, 0), &events, x,
                      &x->net);
    assert(!err);
    if (logged_in)
        log_in(x);
}

static void stall(struct hostile *x)
{
    if (x->lab.ram.stalled)
        ram_block_go_on(&x->lab.ram);
    else
        x->lab.ram.stalled = true;
}

static void drained(struct iscsi_drain *d)
{
    container_of(d, struct hostile, drain)->draining = false;
}

static void drain(struct hostile *x)
{
    if (x->draining)
        return;
    x->draining = true;
    x->drain =
        (struct iscsi_drain){.block = &x->lab.ram.block, .logout_seconds = 1, .done = drained};
    iscsi_target_drain(x->lab.target, &x->drain);
}

static void step(struct hostile *x, struct input *in)
{
    uint8_t what = (uint8_t)input_number(in, 1);
    bool more = what & 16;

    x->wrong = what & (WRONG_HEADER | WRONG_DATA);
    switch ((enum step)(what & 7)) {
    case RAW:
        send_bytes(x, input_part(in, (size_t)input_number(in, 2)));
        break;
    case PDU:
        step_pdu(x, in, false);
        break;
    case COMMAND:
        step_pdu(x, in, true);
        break;
    case DATA:
        step_data(x, in);
        break;
    case KEYS:
        step_keys(x, in, more);
        break;
    case PASS:
        sim_run_for(x->lab.sim, input_number(in, 1) * (more ? SECOND_US : 500));
        break;
    case STALL:
        if (more)
            drain(x);
        else
            stall(x);
        break;
    case CONNECT:
        join(x, more);
        break;
    }
}

static struct iscsi_limits limits_of(uint8_t setup)
{
    struct iscsi_limits l = iscsi_limits_small();

    l.sessions_max = 4;
    l.commands_max = 64;
    l.window = 16;
    l.half_open_max = 4;
    l.max_recv_data_segment_length = 64 << 10;
    l.transfer_bytes_max = 1 << 20;
    l.buffer_bytes = (setup & LITTLE_MEMORY ? 2ull : 8ull) << 20;
    return l;
}

static void leave(struct hostile *x)
{
    struct lab *w = &x->lab;

    if (w->ram.stalled)
        ram_block_go_on(&w->ram);
    if (x->net)
        net_close(x->net, false);
    sim_run_for(w->sim, DEADLINES_US);
    assert(!x->net);
    assert(!x->draining);
    w->directory.answer.where = DIRECTORY_HERE;
    w->directory.answer.read_only = false;
    w->directory.answer.chap.user[0] = 0;
    lab_alive(w, lab_ready(w, "iqn.honest", 1));
    lab_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct hostile x;
    struct input in = {bytes, length};
    struct directory_answer *answer = &x.lab.directory.answer;

    x.setup = (uint8_t)input_number(&in, 1);
    lab_open_from(&x.lab, limits_of(x.setup), input_number(&in, 1));
    answer->read_only = x.setup & READ_ONLY;
    if (x.setup & CHAP)
        answer->chap = (struct iscsi_chap){"user", "a secret of ours", "target", "another one"};
    if (x.setup & ELSEWHERE) {
        answer->where = DIRECTORY_ELSEWHERE;
        answer->address = (struct net_address){"10.0.0.2:3260"};
    }
    x.net = NULL;
    x.draining = false;
    join(&x, x.setup & LOGGED_IN);
    for (uint32_t n = 0; n < STEPS_MAX && in.left > 0; n++)
        step(&x, &in);
    sim_run_for(x.lab.sim, SECOND_US);
    leave(&x);
    return 0;
}
