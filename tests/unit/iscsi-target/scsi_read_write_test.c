/* SPDX-License-Identifier: Apache-2.0 */
/* READ, WRITE, ORWRITE, COMPARE AND WRITE, SYNCHRONIZE CACHE, PRE-FETCH. */
#include "tests/unit/iscsi-target/scsi_fixture.h"

static uint8_t out[DISK_BYTES];

static void fill(uint8_t *at, uint32_t length, uint8_t seed)
{
    for (uint32_t i = 0; i < length; i++)
        at[i] = (uint8_t)(seed + i * 7 + i / 251);
}

/* One of READ or WRITE in each length of CDB, by its first byte. */
static uint8_t run_range(struct fixture *f, uint8_t opcode, uint8_t byte_1, uint64_t lba,
                         uint32_t blocks)
{
    uint8_t cdb[16] = {opcode, byte_1};

    put_range(cdb, lba, blocks);
    return run_cdb(f, cdb, scsi_cdb_bytes(opcode), out, sizeof out);
}

static const uint8_t reads[] = {0x08, 0x28, 0xa8, 0x88};
static const uint8_t writes[] = {0x0a, 0x2a, 0xaa, 0x8a};

static void what_is_written_is_read(struct fixture *f, uint32_t block)
{
    for (uint32_t i = 0; i < array_length(reads); i++) {
        fill(out, 3 * block, (uint8_t)(i + 1));
        expect_good(run_range(f, writes[i], 0, 5 + 3 * i, 3));
        assert_int_equal(f->disk.steps, 1);
        assert_memory_equal(f->disk.bytes + (5 + 3 * i) * block, out, 3 * block);
        expect_good(run_range(f, reads[i], 0, 5 + 3 * i, 3));
        assert_int_equal(f->in_bytes, 3 * block);
        assert_memory_equal(f->in, out, 3 * block);
    }
}

TEST_512(what_is_written_is_read_512)
{
    what_is_written_is_read(f, 512);
}
TEST_4K(what_is_written_is_read_4k)
{
    what_is_written_is_read(f, 4096);
}

TEST_512(no_blocks_are_256_in_six_bytes_and_none_elsewhere)
{
    fill(f->disk.bytes, DISK_BYTES, 3);
    expect_good(run_range(f, 0x08, 0, 1, 0));
    assert_int_equal(f->in_bytes, 256 * 512);
    assert_memory_equal(f->in, f->disk.bytes + 512, 256 * 512);
    for (uint32_t i = 1; i < array_length(reads); i++) {
        expect_good(run_range(f, reads[i], 0, 1, 0));
        assert_int_equal(f->in_bytes, 0);
        expect_good(run_range(f, writes[i], 0, 1, 0));
        assert_int_equal(f->disk.steps, 0);
    }
}

TEST_512(the_end_of_the_medium_is_exact)
{
    uint64_t last = DISK_BYTES / 512 - 1;

    for (uint32_t i = 0; i < array_length(reads); i++) {
        expect_good(run_range(f, reads[i], 0, last, 1));
        expect_good(run_range(f, writes[i], 0, last, 1));
        expect_sense(f, run_range(f, reads[i], 0, last, 2), 0x52100);
        expect_sense(f, run_range(f, writes[i], 0, last, 2), 0x52100);
        expect_sense(f, run_range(f, reads[i], 0, last + 1, 1), 0x52100);
        assert_int_equal(f->disk.steps, 0);
    }
    for (uint32_t i = 1; i < array_length(reads); i++) {
        expect_good(run_range(f, reads[i], 0, last + 1, 0));
        expect_sense(f, run_range(f, reads[i], 0, last + 2, 0), 0x52100);
        expect_sense(f, run_range(f, writes[i], 0, 0x80000000, 0), 0x52100);
    }
    expect_sense(f, run_range(f, 0x88, 0, UINT64_MAX, 1), 0x52100);
    expect_sense(f, run_range(f, 0x8a, 0, UINT64_MAX - 1, UINT32_MAX), 0x52100);
}

TEST_512(dpo_and_fua_are_taken_and_protection_is_not)
{
    static const uint8_t all[] = {0x28, 0x2a, 0xa8, 0xaa, 0x88, 0x8a, 0x8b};

    for (uint32_t i = 0; i < array_length(all); i++) {
        expect_good(run_range(f, all[i], 0x10, 0, 1));
        expect_good(run_range(f, all[i], 0x08, 0, 1));
        expect_good(run_range(f, all[i], 0x18, 0, 1));
        for (uint32_t protect = 1; protect < 8; protect++)
            expect_sense(f, run_range(f, all[i], (uint8_t)(protect << 5), 0, 1), 0x52400);
    }
}

TEST_512(more_than_a_transfer_may_have_is_refused)
{
    uint32_t most = f->nexus.transfer_bytes_max / 512;

    expect_good(run_range(f, 0x28, 0, 0, most));
    assert_int_equal(f->in_bytes, f->nexus.transfer_bytes_max);
    expect_sense(f, run_range(f, 0x28, 0, 0, most + 1), 0x52400);
    expect_sense(f, run_range(f, 0x8a, 0, 0, most + 1), 0x52400);
}

TEST_512(of_short_data_out_the_whole_blocks_are_written)
{
    fill(out, 1024, 9);
    expect_good(run(f, out, 512 + 200, 0x2a, 0, 0, 0, 0, 0, 0, 0, 2, 0));
    assert_int_equal(f->c.data_out_bytes, 1024); /* the transport's residual comes from this */
    assert_memory_equal(f->disk.bytes, out, 512);
    assert_int_equal(f->disk.bytes[512], 0);
    expect_good(run(f, out, 200, 0x2a, 0, 0, 0, 0, 8, 0, 0, 1, 0));
    expect_good(run(f, NULL, 0, 0x2a, 0, 0, 0, 0, 8, 0, 0, 1, 0));
    assert_int_equal(f->disk.steps, 0);
}

TEST_512(orwrite_sets_bits_and_clears_none)
{
    memset(f->disk.bytes, 0x0f, 1024);
    memset(out, 0x31, 1024);
    expect_good(run_range(f, 0x8b, 0, 0, 1));
    assert_int_equal(f->disk.bytes[511], 0x3f);
    assert_int_equal(f->disk.bytes[512], 0x0f);
    expect_sense(f, run_range(f, 0x8b, 0, DISK_BYTES / 512, 1), 0x52100);
}

TEST_512(flush_and_prefetch_only_mind_the_range)
{
    static const uint8_t all[] = {0x34, 0x35, 0x90, 0x91};
    uint64_t end = DISK_BYTES / 512;

    for (uint32_t i = 0; i < array_length(all); i++) {
        expect_good(run_range(f, all[i], 0x02, 0, 0)); /* IMMED, to the end */
        expect_good(run_range(f, all[i], 0, end - 1, 1));
        expect_good(run_range(f, all[i], 0, end, 0));
        expect_sense(f, run_range(f, all[i], 0, end - 1, 2), 0x52100);
        expect_sense(f, run_range(f, all[i], 0, end + 1, 0), 0x52100);
        expect_sense(f, run_range(f, all[i], 0, 0xffffffff, 1), 0x52100);
    }
}

/* ---- COMPARE AND WRITE ---- */

#define CAW(lba, blocks) 0x89, 0, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, blocks, 0, 0

TEST_512(compare_and_write_writes_when_all_is_the_same)
{
    fill(f->disk.bytes, 1024, 1);
    fill(out, 1024, 1);
    fill(out + 1024, 1024, 77);
    expect_good(run(f, out, 2048, CAW(0, 2)));
    assert_memory_equal(f->disk.bytes, out + 1024, 1024);
    assert_int_equal(f->c.data_out_bytes, 2048);
}

TEST_512(compare_and_write_says_where_it_differs)
{
    fill(f->disk.bytes, 1024, 1);
    memcpy(out, f->disk.bytes, 1024);
    out[700] ^= 1;
    expect_sense(f, run(f, out, 2048, CAW(0, 2)), 0xe1d00);
    assert_int_equal(information_now(f), 700);
    out[700] ^= 1;
    assert_memory_equal(f->disk.bytes, out, 1024); /* untouched */
}

TEST_512(compare_and_write_minds_its_fields)
{
    expect_good(run(f, out, 0, CAW(0, 0)));
    f->c.data_out_offered = 256 * 1024; /* 256 blocks do not fit into the CDB's byte */
    expect_sense(f, run(f, out, 0, CAW(0, 0)), 0x52400);
    f->c.data_out_offered = 0;
    expect_good(run(f, f->disk.bytes, 255 * 1024, CAW(0, 255)));
    expect_sense(f, run(f, out, 1024, 0x89, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0),
                 0x52400);
    expect_sense(f, run(f, out, 1024, 0x89, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0), 0x52100);
}

TEST_512(compare_and_write_wants_exactly_its_data)
{
    f->c.data_out_offered = 2048;
    expect_sense(f, run(f, out, 2048, CAW(0, 1)), 0x50e03);
    expect_sense(f, run(f, out, 2048, CAW(0, 3)), 0x50e03);
    expect_good(run(f, f->disk.bytes, 2048, CAW(0, 2)));
    f->c.data_out_offered = 0;
    expect_sense(f, run(f, out, 1024, CAW(0, 2)), 0x50e03); /* came short all the same */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_512),
        cmocka_unit_test(what_is_written_is_read_4k),
        cmocka_unit_test(no_blocks_are_256_in_six_bytes_and_none_elsewhere),
        cmocka_unit_test(the_end_of_the_medium_is_exact),
        cmocka_unit_test(dpo_and_fua_are_taken_and_protection_is_not),
        cmocka_unit_test(more_than_a_transfer_may_have_is_refused),
        cmocka_unit_test(of_short_data_out_the_whole_blocks_are_written),
        cmocka_unit_test(orwrite_sets_bits_and_clears_none),
        cmocka_unit_test(flush_and_prefetch_only_mind_the_range),
        cmocka_unit_test(compare_and_write_writes_when_all_is_the_same),
        cmocka_unit_test(compare_and_write_says_where_it_differs),
        cmocka_unit_test(compare_and_write_minds_its_fields),
        cmocka_unit_test(compare_and_write_wants_exactly_its_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
