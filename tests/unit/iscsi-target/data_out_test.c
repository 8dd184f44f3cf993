/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/iscsi-target/data_out_test.c — data to the target: immediate, unsolicited, for R2Ts.
 */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1u << 20)

static uint8_t pattern[4 * MIB], seen[4 * MIB];

static bool disk_holds(const struct lab *w, uint64_t lba, const uint8_t *bytes, uint32_t length)
{
    return memcmp(w->ram.bytes + lba * 512, bytes, length) == 0;
}

/* ---- kept ---- */

static void write_each_size(struct lab *w, struct initiator *i)
{
    const uint32_t sizes[] = {512, 4096, 5120, 65536, 262144, 262656, MIB, 4 * MIB};

    for (uint32_t n = 0; n < array_length(sizes); n++) {
        fill(pattern, sizes[n], n + 1);
        assert_int_equal(lab_write(w, i, 8 * n, pattern, sizes[n]), 0);
        assert_true(disk_holds(w, 8 * n, pattern, sizes[n]));
        assert_int_equal(lab_read(w, i, 8 * n, seen, sizes[n]), 0);
        assert_memory_equal(seen, pattern, sizes[n]);
    }
}

static void every_size_arrives_by_every_way(void **state)
{
    struct lab w;

    (void)state;
    lab_begin(&w);
    for (uint8_t n = 0; n < 4; n++) {
        struct initiator_config config = {
            .name = "iqn.a", .isid = {0x80, n}, .no_immediate_data = n & 1, .unsolicited = n & 2};

        write_each_size(&w, lab_ready_with(&w, config));
    }
    lab_close(&w);
}

static void small_negotiated_numbers_are_kept(void **state)
{
    struct initiator_config config = {
        .name = "iqn.a",
        .isid = {0x80},
        .unsolicited = true,
        .keys = "InitialR2T=No\nImmediateData=Yes\nMaxBurstLength=2048\nFirstBurstLength=1024\n"
                "MaxOutstandingR2T=2\nMaxRecvDataSegmentLength=512\n"};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready_with(&w, config);
    i->max_recv = 512;
    assert_int_equal(i->max_burst, 2048);
    fill(pattern, 65536, 3);
    assert_int_equal(lab_write(&w, i, 0, pattern, 65536), 0);
    assert_int_equal(lab_read(&w, i, 0, seen, 65536), 0);
    assert_memory_equal(seen, pattern, 65536);
    lab_close(&w);
}

/* The R2Ts that come before any data was sent for them. */
static void expect_r2ts(struct lab *w, struct initiator *i, uint32_t count, uint32_t length)
{
    for (uint32_t n = 0; n < count; n++) {
        struct initiator_pdu *p = lab_pdu(w, i);

        assert_int_equal(p->bhs.any.opcode, R2T);
        assert_int_equal(be32_get(p->bhs.r2t.r2t_sn), n);
        assert_int_equal(be32_get(p->bhs.r2t.buffer_offset), n * length);
        assert_int_equal(be32_get(p->bhs.r2t.desired_length), length);
        free(p);
    }
    sim_run_for(w->sim, 1000000);
    assert_null(initiator_take(i));
}

static void several_r2ts_are_outstanding(void **state)
{
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    h.scsi_command.expected_data_transfer_length = be32_of(4 * MIB);
    lab_raw_write(i, &h, (struct extent){0, 8192}, NULL, 0);
    expect_r2ts(&w, i, 4, MIB);
    lab_close(&w);
}

static void r2ts_are_as_many_as_negotiated(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .keys = "MaxOutstandingR2T=2\n"};
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready_with(&w, config);
    h.scsi_command.expected_data_transfer_length = be32_of(MIB);
    lab_raw_write(i, &h, (struct extent){0, 2048}, NULL, 0);
    expect_r2ts(&w, i, 2, 262144); /* MaxBurstLength was not offered: its default */
    lab_close(&w);
}

/* ---- broken: a Data-Out for an R2T of [0, 8192) ---- */

struct broken {
    const char *what;
    uint32_t ttt_plus, data_sn, offset, length;
    bool final;
    uint32_t code;
};

static const struct broken brokens[] = {
    {"offset behind", 0, 0, 512, 512, false, 0x0b0c0d},
    {"offset wild", 0, 0, 0xfffffe00, 512, false, 0x0b0c0d},
    {"more than granted", 0, 0, 0, 8704, true, 0x0b0c0d},
    {"another TTT", 1, 0, 0, 8192, true, 0x0b0c0d},
    {"DataSN 1 first", 0, 1, 0, 8192, true, 0x0b4705},
    {"DataSN -1", 0, 0xffffffff, 0, 8192, true, 0x0b4705},
    {"no F at the end", 0, 0, 0, 8192, false, 0x0b0c0d},
    {"F before the end", 0, 0, 0, 4096, true, 0x0b0c0d},
};

static void send_broken(struct initiator *i, const struct broken *b, const union bhs *command,
                        uint32_t ttt)
{
    union bhs h = {.data_out = {.opcode = DATA_OUT, .flags = b->final ? FLAG_FINAL : 0}};

    h.data_out.initiator_task_tag = command->any.initiator_task_tag;
    h.data_out.target_transfer_tag = be32_of(ttt + b->ttt_plus);
    h.data_out.data_sn = be32_of(b->data_sn);
    h.data_out.buffer_offset = be32_of(b->offset);
    initiator_pdu(i, &h, pattern, b->length);
}

static void a_wrong_data_out_changes_nothing(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    memset(pattern, 0xee, sizeof pattern);
    for (uint32_t n = 0; n < array_length(brokens); n++) {
        union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
        uint32_t writes = w.ram.writes, code;
        struct initiator_pdu *p;

        h.scsi_command.expected_data_transfer_length = be32_of(8192);
        lab_raw_write(i, &h, (struct extent){0, 16}, NULL, 0);
        p = lab_pdu(&w, i);
        assert_int_equal(p->bhs.any.opcode, R2T);
        send_broken(i, &brokens[n], &h, be32_get(p->bhs.any.target_transfer_tag));
        free(p);
        lab_expect_reject(&w, i, REJECT_INVALID_FIELD, DATA_OUT);
        code = lab_response(&w, i, &h);
        if (code != brokens[n].code)
            fail_msg("%s: %06x", brokens[n].what, code);
        assert_int_equal(w.ram.writes, writes);
        lab_alive(&w, i);
    }
    lab_close(&w);
}

static void data_for_a_command_that_is_not_there_is_skipped(void **state)
{
    union bhs h = {.data_out = {.opcode = DATA_OUT, .flags = FLAG_FINAL}};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    h.data_out.initiator_task_tag = be32_of(4711);
    initiator_pdu(i, &h, pattern, 8192);
    lab_alive(&w, i);
    assert_null(initiator_take(i));
    lab_close(&w);
}

/* ---- broken: what a command announces and brings ---- */

struct announcement {
    const char *what;
    const char *keys;
    uint8_t flags;
    uint32_t edtl, immediate, code;
};

#define USUAL "InitialR2T=No\nImmediateData=Yes\nFirstBurstLength=4096\n"

static const struct announcement announcements[] = {
    {"all is well", USUAL, FLAG_FINAL | FLAG_WRITE, 512, 512, 0},
    {"immediate data that was not agreed", "ImmediateData=No\n", FLAG_FINAL | FLAG_WRITE, 512, 512,
     0x0b0c0c},
    {"unsolicited data that was not agreed", "InitialR2T=Yes\n", FLAG_WRITE, 512, 0, 0x0b0c0c},
    {"more than FirstBurstLength", USUAL, FLAG_FINAL | FLAG_WRITE, 8192, 8192, 0x0b0c0c},
    {"more than it announces", USUAL, FLAG_FINAL | FLAG_WRITE, 512, 1024, 0x0b0c0c},
    {"data with a read", USUAL, FLAG_FINAL | FLAG_READ, 512, 512, 0x0b0c0c},
    {"data without a direction", USUAL, FLAG_FINAL, 512, 512, 0x0b0c0c},
    {"more to come of a read", USUAL, FLAG_READ, 512, 0, 0x0b0c0c},
    {"both directions", USUAL, FLAG_FINAL | FLAG_READ | FLAG_WRITE, 512, 0, 0x050e03},
};

static void what_was_not_agreed_is_refused(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < array_length(announcements); n++) {
        const struct announcement *a = &announcements[n];
        struct initiator_config config = {.name = "iqn.a", .keys = a->keys};
        union bhs h = {.any = {.flags = a->flags}};
        struct initiator *i;
        struct lab w;
        uint32_t code;

        lab_begin(&w);
        i = lab_ready_with(&w, config);
        h.scsi_command.expected_data_transfer_length = be32_of(a->edtl);
        lab_raw_write(i, &h, (struct extent){0, 1}, pattern, a->immediate);
        code = lab_response(&w, i, &h);
        if (code != a->code)
            fail_msg("%s: %06x", a->what, code);
        assert_int_equal(w.ram.writes, a->code == 0);
        lab_alive(&w, i);
        lab_close(&w);
    }
}

static void unsolicited_data_that_is_too_much_is_refused(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .keys = USUAL};
    union bhs h = {.any = {.flags = FLAG_WRITE}};
    union bhs d = {.data_out = {.opcode = DATA_OUT, .flags = FLAG_FINAL}};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready_with(&w, config);
    h.scsi_command.expected_data_transfer_length = be32_of(8192);
    lab_raw_write(i, &h, (struct extent){0, 16}, NULL, 0);
    d.data_out.initiator_task_tag = h.any.initiator_task_tag;
    d.data_out.target_transfer_tag = be32_of(TAG_NONE);
    initiator_pdu(i, &d, pattern, 4608);
    lab_expect_reject(&w, i, REJECT_INVALID_FIELD, DATA_OUT);
    assert_int_equal(lab_response(&w, i, &h), 0x0b0c0d);
    lab_alive(&w, i);
    lab_close(&w);
}

/* Two headers and the first bytes of the second's data, in one piece. */
static void send_begun(struct initiator *i, const union bhs *command, uint32_t length, uint32_t now)
{
    union bhs two[2] = {*command, {.data_out = {.opcode = DATA_OUT, .flags = FLAG_FINAL}}};
    static uint8_t bytes[sizeof two + 4096];

    two[1].data_out.data_segment_length = be24_of(length);
    two[1].data_out.initiator_task_tag = command->any.initiator_task_tag;
    two[1].data_out.target_transfer_tag = be32_of(TAG_NONE);
    assert_in_range(now, 0, 4096);
    memcpy(bytes, two, sizeof two);
    memcpy(bytes + sizeof two, pattern, now);
    initiator_send(i, bytes, (uint32_t)sizeof two + now);
}

/* The command has its turn, which takes less, while the PDU with its data arrives. */
static void unsolicited_data_beyond_what_is_wanted_is_skipped(void **state)
{
    const uint32_t length = 131072, now = 300;
    struct initiator_config config = {
        .name = "iqn.a", .keys = "InitialR2T=No\nImmediateData=Yes\nFirstBurstLength=262144\n"};

    (void)state;
    fill(pattern, length, 7);
    for (uint64_t seed = 1; seed <= 8; seed++) { /* the net may cut the first piece, too */
        union bhs h = {.scsi_command = {.opcode = SCSI_COMMAND, .flags = FLAG_WRITE}};
        struct initiator *i;
        struct lab w;

        lab_open_from(&w, iscsi_limits_small(), seed);
        i = lab_ready_with(&w, config);
        h.scsi_command.expected_data_transfer_length = be32_of(length);
        h.scsi_command.cdb[0] = 0x2a;
        h.scsi_command.cdb[8] = 1;
        initiator_stamp(i, &h);
        send_begun(i, &h, length, now);
        sim_run_for(w.sim, 1000000);
        initiator_send(i, pattern + now, length - now);
        assert_int_equal(lab_response(&w, i, &h), 0);
        assert_true(disk_holds(&w, 0, pattern, 512));
        assert_int_equal(w.ram.bytes[512], 0);
        lab_alive(&w, i);
        lab_close(&w);
    }
}

/* ---- lengths at the edge of 32 bits ---- */

static void an_expected_length_at_the_edge_takes_no_memory(void **state)
{
    const uint32_t lengths[] = {0, 1, 511, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (uint32_t n = 0; n < array_length(lengths); n++) {
        struct initiator_request r = {
            .cdb = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1},
            .out = pattern,
            .length = 512,
            .edtl = lengths[n],
            .edtl_zero = lengths[n] == 0,
        };

        assert_int_equal(lab_run(&w, i, &r), 0);
        assert_int_equal(r.flags, lengths[n] < 512 ? FLAG_OVERFLOW : FLAG_UNDERFLOW);
        assert_int_equal(r.residual, lengths[n] < 512 ? 512 - lengths[n] : lengths[n] - 512);
    }
    lab_alive(&w, i);
    lab_close(&w);
}

/* ---- memory ---- */

static void without_memory_a_write_waits_or_is_told_so(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator_config asks = {.name = "iqn.a", .isid = {0x80}, .no_immediate_data = true};
    static struct initiator_request waiting[4], full;
    struct initiator *i, *brings;
    struct lab w;

    (void)state;
    limits.buffer_bytes = 2 * MIB; /* 28 large segments: one write of 1 MiB at a time */
    lab_open(&w, limits);
    i = lab_ready_with(&w, asks);
    brings = lab_ready(&w, "iqn.b", 1);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < 4; n++)
        initiator_write(i, &waiting[n], 2048 * n, pattern, MIB);
    sim_run_for(w.sim, 1000000);
    assert_int_equal(w.ram.writes, 1); /* the others have no R2T yet */
    initiator_write(brings, &full, 0, pattern, MIB);
    lab_until(&w, initiator_answered, &full);
    assert_int_equal(full.err, E_OK);
    assert_int_equal(full.status, 0x28); /* TASK SET FULL */
    ram_block_go_on(&w.ram);
    for (uint32_t n = 0; n < 4; n++) {
        lab_until(&w, initiator_answered, &waiting[n]);
        assert_int_equal(waiting[n].err, E_OK);
        assert_int_equal(waiting[n].status, 0);
    }
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_arrives_by_every_way),
        cmocka_unit_test(small_negotiated_numbers_are_kept),
        cmocka_unit_test(several_r2ts_are_outstanding),
        cmocka_unit_test(r2ts_are_as_many_as_negotiated),
        cmocka_unit_test(a_wrong_data_out_changes_nothing),
        cmocka_unit_test(data_for_a_command_that_is_not_there_is_skipped),
        cmocka_unit_test(what_was_not_agreed_is_refused),
        cmocka_unit_test(unsolicited_data_that_is_too_much_is_refused),
        cmocka_unit_test(unsolicited_data_beyond_what_is_wanted_is_skipped),
        cmocka_unit_test(an_expected_length_at_the_edge_takes_no_memory),
        cmocka_unit_test(without_memory_a_write_waits_or_is_told_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
