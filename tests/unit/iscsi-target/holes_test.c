/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/holes_test.c — the holes that others had (iscsi.md 5.1), a test for each
 * class that concerns a target: whatever comes gets an answer or a closed connection, no byte lands
 * where none was granted, and another session works after each.
 *
 * Elsewhere: CHAP, chap_test.c; digests, digest_test.c; races of functions, logouts and returns,
 * tests/iscsi/storm; parameter lists by fuzzing, tests/fuzz/scsi_fuzz.c.
 */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TO_FULL (FLAG_FINAL | STAGE_OPERATIONAL << 2 | STAGE_FULL_FEATURE)
#define NAMES   "InitiatorName=iqn.a\nTargetName=" LAB_TARGET "\n"

static uint8_t pattern[65536];

static struct initiator *lenient(struct lab *w, const char *target, bool logged_in)
{
    struct initiator_config config = {.name = "iqn.hostile",
                                      .target = target,
                                      .isid = {0x80, 7},
                                      .raw = !logged_in,
                                      .mute = true};
    struct initiator *i = lab_connect(w, &config);

    assert_int_equal(i->full, logged_in);
    i->lenient = true;
    return i;
}

static void expect_life(struct lab *w, struct initiator *other)
{
    struct initiator_request clear = {.length = 0};

    sim_run_for(w->sim, 200000);
    lab_run(w, other, &clear); /* a reset may have left a unit attention */
    lab_alive(w, other);
}

/* ---- login and text: keys of any length, any number of them, NULs and `=` anywhere ---- */

static void log_in_with(struct lab *w, const char *text, uint32_t length)
{
    struct initiator *i = lab_raw(w);

    for (uint32_t at = 0; at < length && i->net && !i->login_status; at += 8192) {
        uint32_t here = min_u32(8192, length - at);
        bool last = at + here == length;
        union bhs h = {.login = {.opcode = LOGIN | OPCODE_IMMEDIATE}};

        h.any.flags = last ? TO_FULL : FLAG_CONTINUE | STAGE_OPERATIONAL << 2;
        initiator_pdu(i, &h, text + at, here);
        free(lab_pdu(w, i));
    }
    assert_true(i->full || i->login_status == 0x0200 || i->login_status == 0x0207 || !i->net ||
                length > 8192); /* a long answer comes in pieces */
    lab_part(w, i);
}

static void text_of_any_shape_is_survived(void **state)
{
    const uint32_t lengths[] = {1, 2, 62, 63, 64, 65, 255, 256, 4096, 8191, 8192, 16384, 60000};
    static const char fillers[] = "a=\0,1~\xff";
    static char text[66000];
    struct initiator *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.b", 1);
    for (uint32_t n = 0; n < array_length(lengths); n++)
        for (uint32_t f = 0; f < sizeof fillers - 1; f++)
            for (int way = 0; way < 3; way++) { /* a key, a value, nothing but it */
                uint32_t at =
                    way < 2 ? (uint32_t)snprintf(text, sizeof text, "InitiatorName=iqn.a") + 1 : 0;

                if (way == 1)
                    at += (uint32_t)snprintf(text + at, 8, "X-a=");
                memset(text + at, fillers[f], lengths[n]);
                log_in_with(&w, text, at + lengths[n]);
            }
    lab_alive(&w, other);
    lab_close(&w);
}

static void ten_thousand_keys_are_survived(void **state)
{
    static char text[65536];
    struct initiator *other;
    uint32_t at = 0;
    struct lab w;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.b", 1);
    for (uint32_t n = 0; n < 10000; n++)
        at += (uint32_t)snprintf(text + at, sizeof text - at, "%x=", n) + 1;
    log_in_with(&w, text, at);
    lab_alive(&w, other);
    lab_close(&w);
}

/* ---- zero-length, missing and short data; any opcode in any phase ---- */

enum where { BEFORE_LOGIN, IN_LOGIN, IN_DISCOVERY, IN_FULL, WHERES };

static struct initiator *at_phase(struct lab *w, enum where where)
{
    struct initiator *i;

    if (where >= IN_DISCOVERY)
        return lenient(w, where == IN_FULL ? LAB_TARGET : NULL, true);
    i = lenient(w, NULL, false);
    if (where == IN_LOGIN)
        initiator_login(i, STAGE_OPERATIONAL << 2, NAMES);
    sim_run_for(w->sim, 2000);
    return i;
}

static void any_opcode_in_any_phase_is_survived(void **state)
{
    static const struct {
        uint32_t claimed, sent;
    } lengths[] = {{0, 0}, {1, 4}, {48, 10}, {3, 0}};
    struct initiator *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.b", 1);
    for (int where = 0; where < WHERES; where++)
        for (uint32_t opcode = 0; opcode < 128; opcode++) { /* with and without I */
            for (uint32_t n = 0; n < array_length(lengths); n++) {
                struct initiator *i = at_phase(&w, (enum where)where);
                uint8_t bytes[BHS_BYTES + 16] = {(uint8_t)opcode, 0x80};

                bytes[7] = (uint8_t)lengths[n].claimed;
                bytes[19] = 9; /* ITT */
                initiator_send(i, bytes, BHS_BYTES + lengths[n].sent);
                sim_run_for(w.sim, 2000);
                lab_part(&w, i);
            }
        }
    expect_life(&w, other);
    lab_close(&w);
}

/* ---- lengths at the edge of 32 bits ---- */

static void any_expected_length_is_survived(void **state)
{
    const uint32_t lengths[] = {0,           1,           511,         0x7fffffffu, 0x80000000u,
                                0xfffffffcu, 0xfffffffdu, 0xfffffffeu, 0xffffffffu};
    const uint8_t flags[] = {0x80, 0xc0, 0xa0, 0x20, 0xe0, 0x00};
    struct initiator *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.b", 1);
    for (uint32_t n = 0; n < array_length(lengths); n++)
        for (uint32_t f = 0; f < array_length(flags); f++)
            for (uint32_t data = 0; data <= 4096; data += 2048) {
                struct initiator *i = lenient(&w, LAB_TARGET, true);
                union bhs h = {.any = {.flags = flags[f]}};

                h.scsi_command.expected_data_transfer_length = be32_of(lengths[n]);
                lab_raw_write(i, &h, (struct extent){0, 0xffffffffu}, pattern, data);
                lab_raw_write(i, &h, (struct extent){0, 8}, pattern, data);
                sim_run_for(w.sim, 5000);
                lab_part(&w, i);
            }
    expect_life(&w, other);
    lab_close(&w);
}

static void any_additional_length_is_survived(void **state)
{
    static uint8_t bytes[BHS_BYTES + AHS_BYTES_MAX];
    struct initiator *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.b", 1);
    memset(bytes, 0xff, sizeof bytes);
    for (uint32_t words = 0; words < 256; words++) {
        struct initiator *i = lenient(&w, LAB_TARGET, true);
        union bhs h = {.any = {.opcode = SCSI_COMMAND | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};

        initiator_stamp(i, &h);
        h.any.total_ahs_length = (uint8_t)words;
        memcpy(bytes, &h, BHS_BYTES);
        initiator_send(i, bytes, words % 2 ? sizeof bytes : BHS_BYTES + words * 4);
        sim_run_for(w.sim, 2000);
        lab_part(&w, i);
    }
    expect_life(&w, other);
    lab_close(&w);
}

/* ---- Data-Out: every combination of what it says, for an R2T of [0, 8192) ---- */

struct placement {
    uint32_t offset, length, data_sn, ttt_plus, itt_plus;
    bool final;
};

static bool is_legal(const struct placement *p)
{
    return p->offset == 0 && p->data_sn == 0 && p->ttt_plus == 0 && p->itt_plus == 0 &&
           (p->length == 8192 ? p->final : p->length < 8192 && !p->final);
}

static void place(struct lab *w, const struct placement *p)
{
    union bhs h = {.any = {.flags = FLAG_FINAL | FLAG_WRITE}};
    union bhs d = {.data_out = {.opcode = DATA_OUT, .flags = p->final ? FLAG_FINAL : 0}};
    struct initiator_config config = {.name = "iqn.hostile", .isid = {0x80, 7}};
    struct initiator *i = lab_ready_with(w, config);
    struct initiator_pdu *r2t;
    bool whole = is_legal(p) && p->length == 8192;

    memset(w->ram.bytes, 0, 65536);
    w->ram.writes = 0;
    h.scsi_command.expected_data_transfer_length = be32_of(8192);
    lab_raw_write(i, &h, (struct extent){16, 16}, NULL, 0);
    r2t = lab_pdu(w, i);
    assert_int_equal(r2t->bhs.any.opcode, R2T);
    d.data_out.initiator_task_tag = be32_of(bhs_itt(&h) + p->itt_plus);
    d.data_out.target_transfer_tag =
        be32_of(be32_get(r2t->bhs.any.target_transfer_tag) + p->ttt_plus);
    d.data_out.data_sn = be32_of(p->data_sn);
    d.data_out.buffer_offset = be32_of(p->offset);
    initiator_pdu(i, &d, pattern, p->length);
    sim_run_for(w->sim, 10000);
    if (w->ram.writes != whole)
        fail_msg("offset %x length %u DataSN %x TTT+%u ITT+%u F %d", p->offset, p->length,
                 p->data_sn, p->ttt_plus, p->itt_plus, p->final);
    for (uint32_t n = 0; n < 65536; n++)
        if (w->ram.bytes[n] != (whole && n >= 8192 && n < 16384 ? 0xee : 0))
            fail_msg("byte %u was placed", n);
    free(r2t);
    lab_part(w, i);
}

static void no_byte_lands_where_none_was_granted(void **state)
{
    const uint32_t offsets[] = {0, 4, 512, 8192, 0x80000000u, 0xfffffe00u};
    const uint32_t lengths[] = {0, 512, 8188, 8192, 8196, 16384};
    const uint32_t data_sns[] = {0, 1, 0xffffffffu};
    struct lab w;

    (void)state;
    lab_begin(&w);
    memset(pattern, 0xee, sizeof pattern);
    for (uint32_t n = 0; n < 6 * 6 * 3 * 3 * 2; n++) {
        struct placement p = {.offset = offsets[n % 6],
                              .length = lengths[n / 6 % 6],
                              .data_sn = data_sns[n / 36 % 3],
                              .ttt_plus = n / 108 % 3 == 1,
                              .itt_plus = n / 108 % 3 == 2,
                              .final = n / 324};

        place(&w, &p);
    }
    lab_close(&w);
}

/* ---- copies between units that are not the asker's: no command of that kind is known ---- */

static void there_is_no_way_to_copy(void **state)
{
    const uint8_t opcodes[] = {0x83, 0x84, 0xe0, 0xd0};
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (uint32_t n = 0; n < array_length(opcodes); n++)
        for (uint8_t action = 0; action < 32; action++) {
            struct initiator_request r = {.cdb = {opcodes[n], action}};

            assert_int_equal(lab_run(&w, i, &r), 2);
            assert_int_equal(sense_code(&r), 0x052000);
        }
    lab_close(&w);
}

/* ---- parameter lists shorter and longer than the CDB and the transfer say ---- */

static void any_length_of_a_parameter_list_is_survived(void **state)
{
    static const uint8_t cdbs[][16] = {{0x15, 0x10}, {0x55, 0x10},
                                       {0x42},       {0x41},
                                       {0x93},       {0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    const uint32_t lengths[] = {0, 1, 3, 4, 7, 8, 23, 24, 255, 512, 1024, 4096};
    struct initiator *i;
    struct lab w;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    memset(pattern, 0xff, sizeof pattern);
    for (uint32_t n = 0; n < array_length(cdbs); n++)
        for (uint32_t listed = 0; listed < array_length(lengths); listed++)
            for (uint32_t sent = 0; sent < array_length(lengths); sent++) {
                struct initiator_request r = {.out = pattern, .length = lengths[sent]};

                r.edtl_zero = lengths[sent] == 0;
                memcpy(r.cdb, cdbs[n], sizeof r.cdb);
                be16_put(r.cdb, cdbs[n][0] == 0x15 ? 3 : 7, (uint16_t)lengths[listed]);
                if (cdbs[n][0] == 0x15)
                    r.cdb[4] = (uint8_t)lengths[listed];
                lab_run(&w, i, &r);
                assert_true(r.status == 0 || r.status == 2);
            }
    expect_life(&w, i);
    lab_close(&w);
}

/* ---- exhaustion ---- */

static void ten_thousand_connections_are_survived(void **state)
{
    struct initiator_config raw = {.raw = true};
    struct initiator *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.b", 1);
    for (uint32_t n = 0; n < 10000; n += 50) {
        struct initiator *silent[50];

        for (uint32_t k = 0; k < 50; k++)
            silent[k] = lab_connect(&w, &raw);
        sim_run_for(w.sim, 10000);
        assert_true(w.initiator_count <= LAB_INITIATORS);
        for (uint32_t k = 0; k < 50; k++)
            lab_part(&w, silent[k]);
    }
    assert_true(lab_login(&w, "iqn.a", 1)->full);
    lab_alive(&w, other);
    lab_close(&w);
}

/* 128 commands that want 4 GiB each: they wait, are refused, or get what their command takes. */
static void expectations_take_no_memory(void **state)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator *i, *other;
    struct lab w;

    (void)state;
    limits.buffer_bytes = 8u << 20;
    lab_open(&w, limits);
    other = lab_ready(&w, "iqn.b", 1);
    i = lab_ready(&w, "iqn.a", 1);
    i->lenient = true;
    for (uint32_t n = 0; n < 128; n++) {
        union bhs h = {.any = {.flags = n % 2 ? 0xa0 : 0x20}};

        h.scsi_command.expected_data_transfer_length = be32_of(0xffffffffu);
        lab_raw_write(i, &h, (struct extent){0, 8192}, pattern, n % 3 ? 0 : 4096);
    }
    sim_run_for(w.sim, 2000000);
    initiator_close(i);
    expect_life(&w, other);
    lab_close(&w); /* asserts that every pool has its own back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_any_shape_is_survived),
        cmocka_unit_test(ten_thousand_keys_are_survived),
        cmocka_unit_test(any_opcode_in_any_phase_is_survived),
        cmocka_unit_test(any_expected_length_is_survived),
        cmocka_unit_test(any_additional_length_is_survived),
        cmocka_unit_test(no_byte_lands_where_none_was_granted),
        cmocka_unit_test(there_is_no_way_to_copy),
        cmocka_unit_test(any_length_of_a_parameter_list_is_survived),
        cmocka_unit_test(ten_thousand_connections_are_survived),
        cmocka_unit_test(expectations_take_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
