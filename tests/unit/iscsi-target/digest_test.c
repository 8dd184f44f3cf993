/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/digest_test.c — CRC32C over headers and data, right and wrong (RFC 7143
 * 7.7, 7.8, 13.1).  The initiator holds every digest of the target against its own. */
#include "base/crc32c.h"
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define USUAL   "InitialR2T=No\nImmediateData=Yes\nMaxRecvDataSegmentLength=262144\n"
#define NEITHER "HeaderDigest=None\nDataDigest=None\n" USUAL
#define HEADER  "HeaderDigest=CRC32C,None\nDataDigest=None\n" USUAL
#define DATA    "HeaderDigest=None\nDataDigest=CRC32C,None\n" USUAL
#define BOTH    "HeaderDigest=CRC32C\nDataDigest=CRC32C\n" USUAL

static uint8_t pattern[300000], seen[300000];

static struct initiator *ready(struct lab *w, const char *keys)
{
    struct initiator_config config = {.name = "iqn.a", .isid = {0x80}, .keys = keys};

    return lab_ready_with(w, config);
}

/* ---- right ---- */

static void every_kind_of_pdu(struct lab *w, struct initiator *i)
{
    const uint32_t sizes[] = {512, 4096, 65536, 262144 + 4096};
    struct initiator_pdu *p;

    for (uint32_t n = 0; n < array_length(sizes); n++) {
        fill(pattern, sizes[n], n + 1);
        assert_int_equal(lab_write(w, i, 0, pattern, sizes[n]), 0);
        assert_int_equal(lab_read(w, i, 0, seen, sizes[n]), 0);
        assert_memory_equal(seen, pattern, sizes[n]);
    }
    for (uint32_t length = 0; length < 9; length++) { /* every padding */
        initiator_nop(i, "12345678", length);
        p = lab_pdu(w, i);
        assert_int_equal(p->length, length);
        free(p);
    }
    initiator_logout(i);
    lab_until(w, initiator_closed, i);
}

static void digests_are_those_negotiated(void **state)
{
    static const struct {
        const char *keys;
        bool header, data;
    } ways[] = {
        {NEITHER, false, false}, {HEADER, true, false}, {DATA, false, true}, {BOTH, true, true}};

    (void)state;
    for (uint32_t n = 0; n < array_length(ways); n++)
        for (uint64_t seed = 1; seed <= 8; seed++) { /* the net cuts them anywhere */
            struct initiator *i;
            struct lab w;

            lab_open_from(&w, iscsi_limits_small(), seed);
            i = ready(&w, ways[n].keys);
            assert_int_equal(i->header_digest, ways[n].header);
            assert_int_equal(i->data_digest, ways[n].data);
            every_kind_of_pdu(&w, i);
            lab_close(&w);
        }
}

static void a_header_with_more_segments_has_one_digest(void **state)
{
    static const uint8_t ahs[8] = {0, 5, 2};
    union bhs h = {.any = {.opcode = SCSI_COMMAND | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};
    uint8_t bytes[BHS_BYTES + sizeof ahs + DIGEST_BYTES];
    struct initiator_pdu *p;
    struct initiator *i;
    struct lab w;
    le32 digest;

    (void)state;
    lab_begin(&w);
    i = ready(&w, HEADER);
    h.any.total_ahs_length = 2;
    initiator_stamp(i, &h);
    memcpy(bytes, &h, BHS_BYTES);
    memcpy(bytes + BHS_BYTES, ahs, sizeof ahs);
    digest = le32_of(crc32c(bytes, BHS_BYTES + sizeof ahs));
    memcpy(bytes + BHS_BYTES + sizeof ahs, &digest, DIGEST_BYTES);
    initiator_send(i, bytes, sizeof bytes);
    p = lab_pdu(&w, i);
    assert_int_equal(p->bhs.any.opcode, SCSI_RESPONSE);
    free(p);
    lab_alive(&w, i);
    lab_close(&w);
}

/* ---- a wrong header ---- */

static void a_wrong_header_digest_ends_the_connection(void **state)
{
    struct initiator_request r = {.owner = NULL};
    struct initiator *i, *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.b", 1);
    for (int n = 0; n < 2; n++) {
        i = ready(&w, n ? BOTH : HEADER);
        i->spoil_header = true;
        initiator_write(i, &r, 0, pattern, 4096);
        lab_until(&w, initiator_closed, i);
        assert_int_equal(r.err, E_CLOSED);
    }
    assert_int_equal(w.ram.writes, 0);
    lab_alive(&w, other);
    lab_close(&w);
}

/* A flipped bit anywhere in the header or its digest. */
static void every_bit_of_a_header_counts(void **state)
{
    struct lab w;

    (void)state;
    lab_begin(&w);
    for (uint32_t bit = 0; bit < 8 * (BHS_BYTES + DIGEST_BYTES); bit += 5) {
        union bhs h = {.any = {.opcode = NOP_OUT | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};
        struct initiator *i = ready(&w, HEADER);
        uint8_t bytes[BHS_BYTES + DIGEST_BYTES + 4096 + AHS_BYTES_MAX] = {0};
        le32 digest;

        initiator_stamp(i, &h);
        digest = le32_of(crc32c(&h, BHS_BYTES));
        memcpy(bytes, &h, BHS_BYTES);
        memcpy(bytes + BHS_BYTES, &digest, DIGEST_BYTES);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        initiator_send(i, bytes, sizeof bytes); /* more than a wrong TotalAHSLength asks for */
        lab_until(&w, initiator_closed, i);
        assert_null(initiator_take(i));
        initiator_free(i);
        w.initiator_count--;
    }
    lab_close(&w);
}

/* ---- wrong data ---- */

/* 7.8: a command whose immediate data is wrong never came; the same CmdSN may come again. */
static void a_command_with_wrong_data_may_come_again(void **state)
{
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    uint32_t cmd_sn, itt;
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = ready(&w, BOTH);
    cmd_sn = i->cmd_sn;
    itt = i->next_itt;
    h.scsi_command.expected_data_transfer_length = be32_of(512);
    for (uint32_t n = 0; n < 20; n++) { /* more often than there are Rejects at a time */
        i->cmd_sn = cmd_sn;
        i->next_itt = itt;
        i->spoil_data = true;
        lab_raw_write(i, &h, (struct extent){0, 1}, pattern, 512);
        lab_expect_reject(&w, i, REJECT_DATA_DIGEST, SCSI_COMMAND);
        assert_int_equal(i->exp_cmd_sn, cmd_sn);
        assert_int_equal(i->max_cmd_sn + 1 - i->exp_cmd_sn, w.limits.window); /* granted once */
    }
    assert_int_equal(w.ram.writes, 0);
    i->cmd_sn = cmd_sn;
    i->next_itt = itt;
    lab_raw_write(i, &h, (struct extent){0, 1}, pattern, 512);
    assert_int_equal(lab_response(&w, i, &h), 0);
    assert_int_equal(w.ram.writes, 1);
    lab_alive(&w, i);
    lab_close(&w);
}

static void pings_and_text_with_wrong_data_are_forgotten(void **state)
{
    union bhs h = {.any = {.opcode = TEXT | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};
    struct initiator_pdu *p;
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = ready(&w, DATA);
    i->spoil_data = true;
    initiator_nop(i, "ping", 4);
    lab_expect_reject(&w, i, REJECT_DATA_DIGEST, NOP_OUT | OPCODE_IMMEDIATE);
    for (int n = 0; n < 2; n++) {
        i->spoil_data = n == 0;
        initiator_stamp(i, &h);
        h.any.target_transfer_tag = be32_of(TAG_NONE);
        initiator_pdu(i, &h, "SendTargets=", 13);
        if (n == 0)
            lab_expect_reject(&w, i, REJECT_DATA_DIGEST, TEXT | OPCODE_IMMEDIATE);
    }
    p = lab_pdu(&w, i);
    assert_int_equal(p->bhs.any.opcode, TEXT_RESPONSE);
    free(p);
    lab_alive(&w, i);
    lab_close(&w);
}

/* 4 KiB of what an R2T (or nobody) asked for, from `offset` on. */
static void send_data(struct initiator *i, const union bhs *to, const union bhs *r2t,
                      uint32_t offset, bool final)
{
    union bhs d = {.data_out = {.opcode = DATA_OUT, .flags = final ? FLAG_FINAL : 0}};

    d.data_out.initiator_task_tag = to->any.initiator_task_tag;
    d.data_out.target_transfer_tag = r2t->any.target_transfer_tag;
    d.data_out.data_sn = be32_of(offset / 4096);
    d.data_out.buffer_offset = be32_of(be32_get(r2t->r2t.buffer_offset) + offset);
    initiator_pdu(i, &d, pattern, 4096);
}

static void expect_silence(struct lab *w, struct initiator *i)
{
    sim_run_for(w->sim, 1000000);
    assert_null(initiator_take(i));
}

/* 7.8: Reject at once; CHECK CONDITION when all that R2Ts asked for has come; no further R2T. */
static void a_write_with_wrong_data_waits_for_the_rest(void **state)
{
    struct initiator_config config = {.name = "iqn.a",
                                      .keys = "DataDigest=CRC32C\nMaxBurstLength=8192\n"
                                              "MaxOutstandingR2T=2\nImmediateData=No\n"};
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}}, r2t[2];
    struct initiator_pdu *p;
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready_with(&w, config);
    h.scsi_command.expected_data_transfer_length = be32_of(32768);
    lab_raw_write(i, &h, (struct extent){0, 64}, NULL, 0);
    for (int n = 0; n < 2; n++) {
        p = lab_pdu(&w, i);
        r2t[n] = p->bhs;
        free(p);
    }
    i->spoil_data = true;
    send_data(i, &h, &r2t[0], 0, false);
    lab_expect_reject(&w, i, REJECT_DATA_DIGEST, DATA_OUT);
    send_data(i, &h, &r2t[0], 4096, true);
    expect_silence(&w, i);
    send_data(i, &h, &r2t[1], 0, false);
    send_data(i, &h, &r2t[1], 4096, true);
    assert_int_equal(lab_response(&w, i, &h), 0x0b4705);
    assert_int_equal(w.ram.writes, 0);
    expect_silence(&w, i);
    lab_alive(&w, i);
    lab_close(&w);
}

static void an_abort_ends_the_wait(void **state)
{
    union bhs h = {.any = {.flags = FLAG_WRITE}}, r2t = {.any = {.flags = 0}};
    union bhs abort = {.task_management = {.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE,
                                           .function = FLAG_FINAL | TMF_ABORT_TASK}};
    struct initiator_pdu *p;
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = ready(&w, DATA);
    h.scsi_command.expected_data_transfer_length = be32_of(8192);
    lab_raw_write(i, &h, (struct extent){0, 16}, NULL, 0); /* unsolicited data follows */
    r2t.any.target_transfer_tag = be32_of(TAG_NONE);
    i->spoil_data = true;
    send_data(i, &h, &r2t, 0, false);
    lab_expect_reject(&w, i, REJECT_DATA_DIGEST, DATA_OUT);
    initiator_stamp(i, &abort);
    abort.task_management.referenced_task_tag = h.any.initiator_task_tag;
    initiator_pdu(i, &abort, NULL, 0);
    p = lab_pdu(&w, i);
    assert_int_equal(p->bhs.any.opcode, TASK_MANAGEMENT_RESPONSE);
    assert_int_equal(p->bhs.task_management_response.response, TMF_COMPLETE);
    free(p);
    expect_silence(&w, i);
    assert_int_equal(w.ram.writes, 0);
    lab_alive(&w, i);
    lab_close(&w);
}

/* It was told BUSY in the midst of a PDU, behind much that the peer does not read; then the digest
 * of that PDU is wrong. */
static void an_answer_that_waits_is_not_taken_back(void **state)
{
    union bhs h = {.any = {.flags = FLAG_WRITE}};
    union bhs d = {.data_out = {.opcode = DATA_OUT, .flags = FLAG_FINAL}};
    uint8_t bytes[BHS_BYTES + 4096 + DIGEST_BYTES] = {0};
    static uint8_t in[1 << 20];
    struct initiator_request r = {0};
    uint32_t busy = 0, rejects = 0;
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    w.directory.answer.deadline_seconds = 25;
    i = ready(&w, DATA);
    sim_net_hold(i->net, SIM_RECEIVED, true);
    initiator_read(i, &r, 0, in, sizeof in);
    h.scsi_command.expected_data_transfer_length = be32_of(4096);
    lab_raw_write(i, &h, (struct extent){0, 8}, NULL, 0); /* unsolicited data follows */
    d.data_out.initiator_task_tag = h.any.initiator_task_tag;
    d.data_out.target_transfer_tag = be32_of(TAG_NONE);
    d.data_out.data_segment_length = be24_of(4096);
    memcpy(bytes, &d, BHS_BYTES);
    initiator_send(i, bytes, BHS_BYTES + 100);
    sim_run_for(w.sim, 26 * 1000000);
    initiator_send(i, bytes + BHS_BYTES + 100, sizeof bytes - BHS_BYTES - 100);
    sim_run_for(w.sim, 1000000);
    sim_net_hold(i->net, SIM_RECEIVED, false);
    lab_until(&w, initiator_answered, &r);
    sim_run_for(w.sim, 1000000);
    for (struct initiator_pdu *p; (p = initiator_take(i));) {
        rejects += p->bhs.any.opcode == REJECT;
        busy += p->bhs.any.opcode == SCSI_RESPONSE && bhs_itt(&p->bhs) == bhs_itt(&h) &&
                p->bhs.scsi_response.status == 0x08;
        free(p);
    }
    assert_int_equal(rejects, 1);
    assert_int_equal(busy, 1);
    lab_alive(&w, i);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_negotiated),
        cmocka_unit_test(a_header_with_more_segments_has_one_digest),
        cmocka_unit_test(a_wrong_header_digest_ends_the_connection),
        cmocka_unit_test(every_bit_of_a_header_counts),
        cmocka_unit_test(a_command_with_wrong_data_may_come_again),
        cmocka_unit_test(pings_and_text_with_wrong_data_are_forgotten),
        cmocka_unit_test(a_write_with_wrong_data_waits_for_the_rest),
        cmocka_unit_test(an_abort_ends_the_wait),
        cmocka_unit_test(an_answer_that_waits_is_not_taken_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
