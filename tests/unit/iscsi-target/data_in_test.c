/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/data_in_test.c — data to the initiator, and residuals (RFC 7143 11.4.5).
 *
 * That Data-In comes in order, within MaxRecvDataSegmentLength and MaxBurstLength, with its status
 * in the last PDU, is what the initiator itself asserts (tests/iscsi/initiator_request.c).
 */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t seen[4u << 20];

struct splitting {
    uint32_t segment, burst, length, pdus;
};

static const struct splitting splittings[] = {
    {262144, 1048576, 512, 1},
    {262144, 1048576, 262144, 1},
    {262144, 1048576, 262656, 2},
    {262144, 1048576, 4u << 20, 16},
    {8192, 262144, 65536, 8},
    {512, 262144, 65536, 128},
    {513, 1024, 4096, 8},
    {1000, 1500, 3000, 4},
    {16777215, 16777215, 4u << 20, 16}, /* ours is 256 KiB a PDU */
};

static void data_is_cut_as_negotiated(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < array_length(splittings); n++) {
        const struct splitting *s = &splittings[n];
        struct initiator_config config = {.name = "iqn.a"};
        struct initiator_request r = {.owner = NULL};
        struct initiator *i;
        char keys[128];
        struct lab w;

        lab_begin(&w);
        snprintf(keys, sizeof keys, "MaxRecvDataSegmentLength=%u\nMaxBurstLength=%u\n", s->segment,
                 s->burst);
        config.keys = keys;
        i = lab_ready_with(&w, config);
        i->max_recv = s->segment;
        fill(w.ram.bytes, s->length, n);
        initiator_read(i, &r, 0, seen, s->length - s->length % 512);
        lab_until(&w, initiator_answered, &r);
        assert_int_equal(r.status, 0);
        assert_memory_equal(seen, w.ram.bytes, s->length - s->length % 512);
        if (s->length % 512 == 0)
            assert_int_equal(r.data_sn, s->pdus);
        lab_close(&w);
    }
}

/* ---- residuals ---- */

enum way { READS, WRITES, NEITHER_WAY };

struct residual {
    const char *what;
    enum way way;
    uint8_t cdb[10];
    uint32_t edtl;
    uint8_t flags;
    uint32_t residual, moved;
};

static const struct residual residuals[] = {
    {"read of just that", READS, {0x28, 0, 0, 0, 0, 0, 0, 0, 2}, 1024, 0, 0, 1024},
    {"read of more", READS, {0x28, 0, 0, 0, 0, 0, 0, 0, 2}, 10000, FLAG_UNDERFLOW, 8976, 1024},
    {"read of less", READS, {0x28, 0, 0, 0, 0, 0, 0, 0, 2}, 1000, FLAG_OVERFLOW, 24, 1000},
    {"read of nothing", READS, {0x28, 0, 0, 0, 0, 0, 0, 0, 2}, 0, FLAG_OVERFLOW, 1024, 0},
    {"read without a direction",
     NEITHER_WAY,
     {0x28, 0, 0, 0, 0, 0, 0, 0, 2},
     0,
     FLAG_OVERFLOW,
     1024,
     0},
    {"no blocks", READS, {0x28}, 512, FLAG_UNDERFLOW, 512, 0},
    {"INQUIRY gives what there is", READS, {0x12, 0, 0, 0, 255}, 255, FLAG_UNDERFLOW, 159, 96},
    {"write of more", WRITES, {0x2a, 0, 0, 0, 0, 0, 0, 0, 1}, 1024, FLAG_UNDERFLOW, 512, 0},
    {"write of less", WRITES, {0x2a, 0, 0, 0, 0, 0, 0, 0, 2}, 512, FLAG_OVERFLOW, 512, 0},
    {"TEST UNIT READY that expects data", READS, {0}, 512, FLAG_UNDERFLOW, 512, 0},
};

static void what_did_not_move_is_counted(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    for (uint32_t n = 0; n < array_length(residuals); n++) {
        const struct residual *c = &residuals[n];
        struct initiator_request r = {.edtl = c->edtl,
                                      .edtl_zero = c->edtl == 0,
                                      .length = c->edtl,
                                      .in = c->way == READS ? seen : NULL,
                                      .out = c->way == WRITES ? seen : NULL};

        memcpy(r.cdb, c->cdb, sizeof c->cdb);
        assert_int_equal(lab_run(&w, i, &r), 0);
        if (r.flags != c->flags || r.residual != c->residual || r.got != c->moved)
            fail_msg("%s: flags %02x residual %u moved %u", c->what, r.flags, r.residual, r.got);
    }
    lab_close(&w);
}

static void a_refused_read_moves_nothing(void **state)
{
    struct initiator_request r = {.owner = NULL};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_begin(&w);
    i = lab_ready(&w, "iqn.a", 1);
    initiator_read(i, &r, LAB_DISK_BYTES / 512, seen, 512);
    lab_until(&w, initiator_answered, &r);
    assert_int_equal(sense_code(&r), 0x052100);
    assert_int_equal(r.got, 0);
    assert_int_equal(r.flags, FLAG_UNDERFLOW);
    assert_int_equal(r.residual, 512);
    lab_close(&w);
}

/* ---- memory ---- */

#define MIB (1u << 20)

static struct initiator_request many[16];
static uint8_t into[16][MIB];

static struct iscsi_limits little(void)
{
    struct iscsi_limits limits = iscsi_limits_small();

    limits.buffer_bytes = 2 * MIB; /* 28 large segments: one command of 1 MiB at a time */
    return limits;
}

static void read_many(struct lab *w, struct initiator *i)
{
    memset(many, 0, sizeof many);
    for (uint32_t n = 0; n < array_length(many); n++)
        initiator_read(i, &many[n], 2048ull * n, into[n], MIB);
    sim_run_for(w->sim, 1000000);
}

static void expect_many(struct lab *w)
{
    for (uint32_t n = 0; n < array_length(many); n++) {
        lab_until(w, initiator_answered, &many[n]);
        assert_int_equal(many[n].err, E_OK);
        assert_int_equal(many[n].status, 0);
        assert_int_equal(many[n].got, MIB);
        assert_memory_equal(into[n], w->ram.bytes + (uint64_t)MIB * n, MIB);
    }
}

static void without_memory_a_read_waits(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_open(&w, little());
    i = lab_ready(&w, "iqn.a", 1);
    fill(w.ram.bytes, LAB_DISK_BYTES, 9);
    w.ram.stalled = true;
    read_many(&w, i);
    assert_false(many[1].answered);
    ram_block_go_on(&w.ram);
    expect_many(&w);
    lab_alive(&w, i);
    lab_close(&w);
}

/* Scratch and failed reads are given back before their command is over. */
static void memory_comes_back_from_every_end(void **state)
{
    struct initiator_request verify = {.cdb = {0x2f, 0, 0, 0, 0, 0, 0, 8}}; /* 2048 blocks */
    struct initiator_request tall[8] = {{.owner = NULL}};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_open(&w, little());
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < array_length(tall); n++) {
        tall[n] = verify;
        initiator_command(i, &tall[n]);
    }
    read_many(&w, i);
    ram_block_go_on(&w.ram);
    for (uint32_t n = 0; n < array_length(tall); n++) {
        lab_until(&w, initiator_answered, &tall[n]);
        assert_int_equal(tall[n].status, 0);
    }
    expect_many(&w);
    lab_close(&w);
}

/* Writes that hold their data go ahead of reads that wait: neither blocks the other. */
static void reads_and_writes_that_wait_all_finish(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .isid = {0x80}, .no_immediate_data = true};
    static struct initiator_request writes[8];
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_open(&w, little());
    i = lab_ready_with(&w, config);
    w.ram.stalled = true;
    for (uint32_t n = 0; n < array_length(writes); n++)
        initiator_write(i, &writes[n], 2048ull * n, seen, MIB);
    read_many(&w, i);
    ram_block_go_on(&w.ram);
    for (uint32_t n = 0; n < array_length(writes); n++) {
        lab_until(&w, initiator_answered, &writes[n]);
        assert_int_equal(writes[n].status, 0);
    }
    expect_many(&w);
    lab_close(&w);
}

static void a_read_that_waits_ends_with_its_session(void **state)
{
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_open(&w, little());
    i = lab_ready(&w, "iqn.a", 1);
    w.ram.stalled = true;
    read_many(&w, i);
    initiator_close(i);
    lab_until(&w, initiator_closed, i);
    ram_block_go_on(&w.ram);
    i = lab_ready(&w, "iqn.b", 1);
    read_many(&w, i);
    expect_many(&w);
    lab_close(&w);
}

static void what_is_larger_than_all_memory_is_told_so(void **state)
{
    struct initiator_config config = {.name = "iqn.a", .isid = {0x80}, .no_immediate_data = true};
    struct lab w;
    struct initiator *i;

    (void)state;
    lab_open(&w, little());
    i = lab_ready_with(&w, config);
    assert_int_equal(lab_read(&w, i, 0, seen, 4 * MIB), 0x28); /* TASK SET FULL */
    assert_int_equal(lab_write(&w, i, 0, seen, 4 * MIB), 0x28);
    lab_alive(&w, i);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_cut_as_negotiated),
        cmocka_unit_test(what_did_not_move_is_counted),
        cmocka_unit_test(a_refused_read_moves_nothing),
        cmocka_unit_test(without_memory_a_read_waits),
        cmocka_unit_test(memory_comes_back_from_every_end),
        cmocka_unit_test(reads_and_writes_that_wait_all_finish),
        cmocka_unit_test(a_read_that_waits_ends_with_its_session),
        cmocka_unit_test(what_is_larger_than_all_memory_is_told_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
