/* SPDX-License-Identifier: Apache-2.0 */
/* VERIFY and WRITE AND VERIFY, in windows over more than one request. */
#include "tests/unit/iscsi-target/scsi_fixture.h"

static uint8_t out[DISK_BYTES];

static const uint8_t verifies[] = {0x2f, 0xaf, 0x8f};
static const uint8_t write_verifies[] = {0x2e, 0xae, 0x8e};

#define HEAD(opcode, byte_1) ((uint32_t)(opcode) << 8 | (byte_1))
#define BYTCHK(n)            ((uint8_t)((n) << 1))

static void fill(uint8_t *at, uint32_t length, uint8_t seed)
{
    for (uint32_t i = 0; i < length; i++)
        at[i] = (uint8_t)(seed + i * 13 + i / 509);
}

/* head: opcode, and byte 1 of the CDB. */
static uint8_t run_range(struct fixture *f, uint32_t head, uint64_t lba, uint32_t blocks,
                         uint32_t out_bytes)
{
    uint8_t cdb[16] = {(uint8_t)(head >> 8), (uint8_t)head};

    put_range(cdb, lba, blocks);
    return run_cdb(f, cdb, scsi_cdb_bytes(cdb[0]), out, out_bytes);
}

TEST_512(verify_without_bytes_reads_the_medium_window_by_window)
{
    for (uint32_t i = 0; i < array_length(verifies); i++) {
        expect_good(run_range(f, HEAD(verifies[i], 0), 3, 2048, 0));
        assert_int_equal(f->c.data_out_bytes, 0);
        assert_int_equal(f->in_bytes, 0);
        assert_int_equal(f->disk.steps, 4); /* 1 MiB in windows of 256 KiB */
    }
}

TEST_512(verify_meets_a_lost_block_in_any_window)
{
    f->disk.fail = E_MEDIUM;
    f->disk.fail_at = 3;
    expect_sense(f, run_range(f, HEAD(0x8f, 0), 0, 2048, 0), 0x31100);
    assert_int_equal(f->disk.steps, 3);
}

TEST_512(verify_of_bytes_is_good_when_all_are_the_same)
{
    fill(f->disk.bytes, DISK_BYTES, 5);
    memcpy(out, f->disk.bytes + 512, DISK_BYTES - 512);
    for (uint32_t i = 0; i < array_length(verifies); i++) {
        expect_good(run_range(f, HEAD(verifies[i], BYTCHK(1)), 1, 1500, DISK_BYTES));
        assert_int_equal(f->c.data_out_bytes, 1500 * 512);
    }
}

TEST_512(verify_says_where_bytes_differ)
{
    static const uint32_t places[] = {0, 511, 512, 262143, 262144, 1500 * 512 - 1};

    fill(f->disk.bytes, DISK_BYTES, 5);
    memcpy(out, f->disk.bytes, DISK_BYTES);
    for (uint32_t i = 0; i < array_length(places); i++) {
        out[places[i]] ^= 0x10;
        expect_sense(f, run_range(f, HEAD(0x2f, BYTCHK(1)), 0, 1500, DISK_BYTES), 0xe1d00);
        assert_int_equal(information_now(f), places[i]);
        expect_good(run_range(f, HEAD(0x2f, 0), 0, 1500, 0)); /* nobody compares */
        out[places[i]] ^= 0x10;
    }
}

static void one_block_against_each(struct fixture *f, uint32_t block)
{
    memset(f->disk.bytes, 0x77, DISK_BYTES);
    memset(out, 0x77, block);
    expect_good(run_range(f, HEAD(0x8f, BYTCHK(3)), 2, 100, DISK_BYTES));
    assert_int_equal(f->c.data_out_bytes, block);
    f->disk.bytes[90 * block + 1] = 0;
    expect_sense(f, run_range(f, HEAD(0x8f, BYTCHK(3)), 2, 100, DISK_BYTES), 0xe1d00);
    assert_int_equal(information_now(f), 88 * block + 1);
}

TEST_512(one_block_is_compared_with_each_512)
{
    one_block_against_each(f, 512);
}
TEST_4K(one_block_is_compared_with_each_4k)
{
    one_block_against_each(f, 4096);
}

TEST_512(verify_minds_its_fields)
{
    for (uint32_t i = 0; i < array_length(verifies); i++) {
        expect_good(run_range(f, HEAD(verifies[i], 0x10), 0, 1, 0)); /* DPO */
        expect_good(run_range(f, HEAD(verifies[i], BYTCHK(1)), 0, 0, 0));
        expect_good(run_range(f, HEAD(verifies[i], BYTCHK(3)), 0, 0, 0));
        expect_sense(f, run_range(f, HEAD(verifies[i], BYTCHK(2)), 0, 1, 512), 0x52400);
        expect_sense(f, run_range(f, HEAD(verifies[i], 0x20), 0, 1, 0), 0x52400);
        expect_sense(f, run_range(f, HEAD(verifies[i], 0), DISK_BYTES / 512, 1, 0), 0x52100);
        expect_sense(f, run_range(f, HEAD(verifies[i], 0), DISK_BYTES / 512 + 1, 0, 0), 0x52100);
        expect_sense(f, run_range(f, HEAD(verifies[i], 0), 0, 2049, 0), 0x52400);
        /* never GOOD for bytes that were not there to compare */
        expect_sense(f, run_range(f, HEAD(verifies[i], BYTCHK(1)), 0, 2, 512), 0x50e03);
    }
}

TEST_512(write_and_verify_writes_then_reads_back)
{
    for (uint32_t i = 0; i < array_length(write_verifies); i++) {
        fill(out, 2048 * 512, (uint8_t)i);
        expect_good(run_range(f, HEAD(write_verifies[i], BYTCHK(i & 1)), 7, 2048, DISK_BYTES));
        assert_memory_equal(f->disk.bytes + 7 * 512, out, 2048 * 512);
        assert_int_equal(f->disk.steps, 5);
        assert_int_equal(f->in_bytes, 0);
    }
}

TEST_512(write_and_verify_reports_what_it_cannot_read_back)
{
    f->disk.fail = E_MEDIUM;
    f->disk.fail_at = 2;
    expect_sense(f, run_range(f, HEAD(0x2e, 0), 0, 8, DISK_BYTES), 0x31100);
    f->disk.fail_at = 1;
    f->disk.fail = E_NO_SPACE;
    expect_sense(f, run_range(f, HEAD(0x2e, 0), 0, 8, DISK_BYTES), 0x72707);
    assert_int_equal(f->disk.steps, 1);
}

TEST_512(write_and_verify_minds_its_fields)
{
    for (uint32_t i = 0; i < array_length(write_verifies); i++) {
        expect_good(run_range(f, HEAD(write_verifies[i], 0x10), 0, 1, 512));
        expect_good(run_range(f, HEAD(write_verifies[i], 0), 0, 0, 0));
        expect_sense(f, run_range(f, HEAD(write_verifies[i], 0x60), 0, 1, 512), 0x52400);
        expect_sense(f, run_range(f, HEAD(write_verifies[i], BYTCHK(2)), 0, 1, 512), 0x52400);
        expect_sense(f, run_range(f, HEAD(write_verifies[i], BYTCHK(3)), 0, 1, 512), 0x52400);
        expect_sense(f, run_range(f, HEAD(write_verifies[i], 0), DISK_BYTES / 512, 1, 512),
                     0x52100);
    }
}

TEST_512(write_and_verify_of_short_data_acts_on_the_whole_blocks)
{
    memset(out, 0xab, 1024);
    expect_good(run_range(f, HEAD(0x2e, BYTCHK(1)), 0, 2, 700));
    assert_int_equal(f->disk.bytes[511], 0xab);
    assert_int_equal(f->disk.bytes[512], 0);
    expect_good(run_range(f, HEAD(0x2e, 0), 8, 2, 200));
    assert_int_equal(f->disk.steps, 0);
}

TEST_512(out_of_memory_changes_nothing)
{
    static const uint8_t both[] = {0x2e, 0x2f};

    for (uint32_t i = 0; i < array_length(both); i++) {
        command_begin(f, (const uint8_t[]){both[i], 0, 0, 0, 0, 0, 0, 0, 1, 0}, 10);
        assert_true(scsi_decode(&f->c));
        f->c.data_out = (struct payload){.pieces = {{out, 512}}, .count = 1, .bytes = 512};
        memory_gone(f);
        assert_true(scsi_perform(&f->c));
        assert_int_equal(f->c.status, SCSI_TASK_SET_FULL);
        assert_false(disk_pump(&f->disk));
        memory_back(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_without_bytes_reads_the_medium_window_by_window),
        cmocka_unit_test(verify_meets_a_lost_block_in_any_window),
        cmocka_unit_test(verify_of_bytes_is_good_when_all_are_the_same),
        cmocka_unit_test(verify_says_where_bytes_differ),
        cmocka_unit_test(one_block_is_compared_with_each_512),
        cmocka_unit_test(one_block_is_compared_with_each_4k),
        cmocka_unit_test(verify_minds_its_fields),
        cmocka_unit_test(write_and_verify_writes_then_reads_back),
        cmocka_unit_test(write_and_verify_reports_what_it_cannot_read_back),
        cmocka_unit_test(write_and_verify_minds_its_fields),
        cmocka_unit_test(write_and_verify_of_short_data_acts_on_the_whole_blocks),
        cmocka_unit_test(out_of_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
