/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 200 000 random commands from a fixed seed, several in flight, their data-out of any length, some
 * stopped, the disk failing or changing its size now and then: none crashes, none hangs, none keeps
 * a buffer, and each is answered once with a status that fits its sense.
 *
 * Half of the opcodes are drawn from the table; numbers prefer edges, so that most commands pass
 * decode.  The seed is printed when a check fails.
 */
#include "tests/unit/iscsi-target/scsi_fixture.h"

#include <stdio.h>

#define COMMANDS  200000u
#define IN_FLIGHT 8u
#define SEED      0x9e3779b97f4a7c15ull

struct flight {
    struct scsi_command c;
    bool busy;
    uint32_t answers;
};

static uint64_t seed_now;
static struct flight flights[IN_FLIGHT];
static uint32_t good, refused;

static uint64_t chance(uint64_t below)
{
    seed_now ^= seed_now << 13;
    seed_now ^= seed_now >> 7;
    seed_now ^= seed_now << 17;
    return seed_now % below;
}

static uint64_t edge(uint64_t capacity)
{
    const uint64_t edges[] = {0,          1,         8, capacity - 1, capacity, capacity + 1,
                              UINT32_MAX, UINT64_MAX};

    return chance(3) ? chance(capacity) : edges[chance(array_length(edges))];
}

static uint8_t any_opcode(void)
{
    uint8_t opcode = (uint8_t)chance(256);

    if (chance(8) == 0)
        return opcode;
    while (!scsi_operations[opcode].name)
        opcode++;
    return opcode;
}

static void any_cdb(struct fixture *f, uint8_t *cdb)
{
    uint64_t capacity = f->disk.block.size_units * UNIT_BYTES / f->disk.block.logical_block_bytes;

    for (uint32_t i = 0; i < SCSI_CDB_MAX; i++)
        cdb[i] = chance(4) ? 0 : (uint8_t)chance(256);
    cdb[0] = any_opcode();
    if (chance(4))
        cdb[1] = (uint8_t)(1u << chance(8)) & (uint8_t)chance(256);
    if (scsi_operations[cdb[0]].actions)
        cdb[1] = chance(2) ? (uint8_t)(0x0c + chance(2)) : (uint8_t)(0x10 + chance(3));
    if (chance(4)) {
        put_range(cdb, edge(capacity), (uint32_t)(chance(8) ? chance(300) : edge(capacity)));
        cdb[scsi_cdb_bytes(cdb[0]) - 1] = 0;
    }
}

static void put_unmap_list(struct fixture *f, struct payload *p)
{
    uint8_t unit[16] = {0};

    be16_put(unit, 2, (uint16_t)(p->bytes - 8));
    payload_write(p, 0, unit, 8);
    for (uint32_t at = 8; at + sizeof unit <= min_u32(p->bytes, 1024); at += sizeof unit) {
        be64_put(unit, 0, edge(f->disk.block.size_units));
        be32_put(unit, 8, (uint32_t)chance(500));
        payload_write(p, at, unit, sizeof unit);
    }
}

/* Bytes of data-out: one byte all over, noise in front of them, or a list for UNMAP. */
static void any_data(struct fixture *f, struct payload *p)
{
    uint8_t noise[64];

    for (uint32_t i = 0; i < p->count; i++)
        memset(p->pieces[i].iov_base, (int)chance(2), p->pieces[i].iov_len);
    for (uint32_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)chance(256);
    if (chance(2))
        payload_write(p, 0, noise, min_u32(sizeof noise, p->bytes));
    else if (p->bytes >= 8)
        put_unmap_list(f, p);
}

static void flight_end(struct fixture *f, struct flight *one)
{
    struct scsi_command *c = &one->c;

    assert_int_equal(c->status == SCSI_CHECK_CONDITION, c->sense_bytes > 0);
    assert_true(c->data_in.bytes == 0 || c->status == SCSI_GOOD);
    assert_true(c->data_in.bytes <= c->data_in_bytes);
    good += c->status == SCSI_GOOD;
    refused += c->status != SCSI_GOOD;
    payload_put(&f->buffers, &c->data_in);
    payload_put(&f->buffers, &c->data_out);
    one->busy = false;
}

static void flight_done(struct scsi_command *c)
{
    container_of(c, struct flight, c)->answers++;
}

static void flight_begin(struct fixture *f, struct flight *one)
{
    struct scsi_command *c = &one->c;

    any_cdb(f, c->cdb);
    c->nexus = &f->nexus;
    c->buffers = &f->buffers;
    c->done = flight_done;
    c->lun = chance(16) ? 0 : chance(3) << 48;
    c->data_out_offered = chance(4) ? 0 : (uint32_t)chance(1 << 20);
    c->data_out.count = c->data_out.bytes = 0;
    one->busy = true;
    one->answers = 0;
    if (chance(64) == 0)
        scsi_nexus_attention(&f->nexus, (enum scsi_attention)chance(SCSI_UA_CLEARED + 1));
    f->nexus.read_only = chance(16) == 0;
    if (!scsi_decode(c)) {
        flight_end(f, one);
        return;
    }
    assert_true(c->data_out_bytes <= f->nexus.transfer_bytes_max || c->data_out_bytes < 65536);
    if (payload_get(&f->buffers, &c->data_out,
                    chance(8) ? c->data_out_bytes : (uint32_t)chance(c->data_out_bytes + 1ull)))
        any_data(f, &c->data_out);
    if (scsi_perform(c))
        flight_end(f, one);
}

/* What happens to commands and to the disk from outside. */
static void any_event(struct fixture *f)
{
    struct flight *one = &flights[chance(IN_FLIGHT)];

    if (chance(32) == 0 && one->busy)
        scsi_stop(&one->c);
    if (chance(256) == 0)
        block_resized(&f->disk.block, (DISK_BYTES / UNIT_BYTES) >> chance(2));
}

static void pump_some(struct fixture *f, uint64_t most)
{
    any_event(f);
    f->disk.fail = chance(16) ? E_OK : (enum err)(1 + chance(E_SYSTEM));
    f->disk.fail_at = f->disk.steps + 1;
    for (uint64_t i = 0; i < most && disk_pump(&f->disk); i++)
        ;
    for (uint32_t i = 0; i < IN_FLIGHT; i++)
        if (flights[i].busy && flights[i].answers) {
            assert_int_equal(flights[i].answers, 1);
            flight_end(f, &flights[i]);
        }
}

static void storm(struct fixture *f, uint64_t seed)
{
    seed_now = seed;
    good = refused = 0;
    for (uint32_t i = 0; i < COMMANDS / 2; i++) {
        struct flight *one = &flights[chance(IN_FLIGHT)];

        while (one->busy)
            pump_some(f, 1 + chance(4));
        flight_begin(f, one);
    }
    f->disk.fail = E_OK;
    while (!list_empty(&f->disk.waiting))
        pump_some(f, 1000);
    for (uint32_t i = 0; i < IN_FLIGHT; i++)
        assert_false(flights[i].busy);
    assert_int_equal(f->disk.block.in_flight, 0);
    assert_int_equal(f->buffers.small.free_count, f->buffers.small.count);
    assert_int_equal(f->buffers.large.free_count, f->buffers.large.count);
    assert_true(good > COMMANDS / 10); /* else it attacks nothing but decode */
    assert_true(refused > COMMANDS / 10);
}

TEST_512(random_commands_harm_nothing_512)
{
    storm(f, SEED);
}
TEST_4K(random_commands_harm_nothing_4k)
{
    storm(f, SEED ^ 0x4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_commands_harm_nothing_512),
        cmocka_unit_test(random_commands_harm_nothing_4k),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    if (failed)
        print_error("seed=%#llx\n", SEED);
    return failed;
}
