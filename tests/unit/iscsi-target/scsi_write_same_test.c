/* SPDX-License-Identifier: Apache-2.0 */
/* WRITE SAME: patterns, zeros, holes, and long ranges in steps. */
#include "tests/unit/iscsi-target/scsi_fixture.h"

#define BLOCKS (DISK_BYTES / 512)

static uint8_t out[4096];

static void fill_disk(struct fixture *f, uint8_t with)
{
    memset(f->disk.bytes, with, DISK_BYTES);
    memset(f->disk.mapped, true, sizeof f->disk.mapped);
}

static uint8_t run_same(struct fixture *f, uint8_t opcode, uint8_t byte_1, uint32_t lba,
                        uint32_t blocks)
{
    uint8_t cdb[16] = {opcode, byte_1};

    put_range(cdb, lba, blocks);
    return run_cdb(f, cdb, scsi_cdb_bytes(opcode), out, f->disk.block.logical_block_bytes);
}

static const uint8_t sames[] = {0x41, 0x93};

static void expect_same(const struct fixture *f, const uint8_t *pattern, uint32_t lba,
                        uint32_t blocks)
{
    uint32_t block = f->disk.block.logical_block_bytes;

    for (uint32_t i = 0; i < blocks; i++)
        assert_memory_equal(f->disk.bytes + (uint64_t)(lba + i) * block, pattern, block);
}

static void a_pattern_is_repeated(struct fixture *f, uint32_t block)
{
    for (uint32_t i = 0; i < array_length(sames); i++) {
        for (uint32_t k = 0; k < block; k++)
            out[k] = (uint8_t)(k * 3 + i + 1);
        expect_good(run_same(f, sames[i], 0, 3, 700));
        expect_same(f, out, 3, 700);
        assert_int_equal(f->disk.bytes[2 * block], 0);
        assert_int_equal(f->disk.bytes[703 * block], 0);
        assert_int_equal(f->c.data_out_bytes, block);
    }
}

TEST_512(a_pattern_is_repeated_512)
{
    a_pattern_is_repeated(f, 512);
}
TEST_4K(a_pattern_is_repeated_4k)
{
    a_pattern_is_repeated(f, 4096);
}

TEST_512(a_pattern_goes_down_in_steps_also_with_small_segments)
{
    uint32_t large = f->buffers.large.free_count;

    memset(out, 0x5a, 512);
    expect_good(run_same(f, 0x93, 0, 0, BLOCKS));
    assert_int_equal(f->disk.steps, 1);
    f->buffers.large.free_count = 0;
    f->buffers.large.count -= large; /* so that the count at the end is right */
    expect_good(run_same(f, 0x93, 0, 1, BLOCKS - 1));
    assert_int_equal(f->disk.steps, 16); /* 64 pieces of 4 KiB each */
    f->buffers.large.count += large;
    f->buffers.large.free_count = large;
    expect_same(f, out, 0, BLOCKS);
}

TEST_512(without_memory_for_a_pattern_the_task_set_is_full)
{
    memset(out, 0x5a, 512);
    command_begin(f, (const uint8_t[]){0x41, 0, 0, 0, 0, 0, 0, 0, 9, 0}, 10);
    assert_true(scsi_decode(&f->c));
    f->c.data_out = (struct payload){.pieces = {{out, 512}}, .count = 1, .bytes = 512};
    memory_gone(f);
    assert_true(scsi_perform(&f->c));
    assert_int_equal(f->c.status, SCSI_TASK_SET_FULL);
    assert_false(disk_pump(&f->disk));
    memory_back(f);
}

TEST_512(unmap_beats_the_pattern)
{
    fill_disk(f, 0xee);
    memset(out, 0xff, 512);
    for (uint32_t i = 0; i < array_length(sames); i++) {
        f->disk.mapped[1] = true;
        expect_good(run_same(f, sames[i], 0x08, 8, 8));
        assert_false(f->disk.mapped[1]);
        assert_int_equal(f->disk.bytes[8 * 512], 0);
    }
}

TEST_512(zeros_are_written_as_zeroes_or_unmapped)
{
    memset(out, 0, 512);
    for (uint32_t i = 0; i < array_length(sames); i++) {
        fill_disk(f, 0xee);
        expect_good(run_same(f, sames[i], 0, 8, 8));
        assert_true(f->disk.mapped[1]);
        assert_int_equal(f->disk.bytes[8 * 512], 0);
        assert_int_equal(f->disk.bytes[16 * 512], 0xee);
        expect_good(run_same(f, sames[i], 0x08, 16, 8));
        assert_false(f->disk.mapped[2]);
        assert_int_equal(f->disk.bytes[16 * 512], 0);
    }
}

TEST_512(without_a_data_out_buffer_it_writes_zeros)
{
    fill_disk(f, 0xee);
    memset(out, 0xff, 512);
    expect_good(run_same(f, 0x93, 0x01, 8, 8));
    assert_int_equal(f->c.data_out_bytes, 0);
    assert_true(f->disk.mapped[1]);
    assert_int_equal(f->disk.bytes[8 * 512], 0);
    expect_good(run_same(f, 0x93, 0x09, 8, 8));
    assert_false(f->disk.mapped[1]);
}

TEST_512(no_blocks_mean_to_the_end)
{
    memset(out, 0x31, 512);
    for (uint32_t i = 0; i < array_length(sames); i++) {
        expect_good(run_same(f, sames[i], 0, BLOCKS - 5, 0));
        expect_same(f, out, BLOCKS - 5, 5);
        expect_sense(f, run_same(f, sames[i], 0, BLOCKS, 0), 0x52100);
        expect_sense(f, run_same(f, sames[i], 0, BLOCKS + 1, 0), 0x52100);
    }
}

TEST_512(write_same_minds_its_fields)
{
    for (uint32_t i = 0; i < array_length(sames); i++) {
        expect_sense(f, run_same(f, sames[i], 0x20, 0, 1), 0x52400); /* WRPROTECT */
        expect_sense(f, run_same(f, sames[i], 0x10, 0, 1), 0x52400); /* ANCHOR */
        expect_sense(f, run_same(f, sames[i], 0x18, 0, 1), 0x52400);
        expect_sense(f, run_same(f, sames[i], 0, BLOCKS - 1, 2), 0x52100);
    }
    f->disk.block.size_units = 1ull << 40;
    expect_sense(f, run_same(f, 0x93, 0x08, 0, 65536), 0x52400);
    expect_sense(f, run_same(f, 0x93, 0x08, 0, 0), 0x52400); /* to the end is too long, too */
}

TEST_512(write_same_wants_exactly_one_block)
{
    f->c.data_out_offered = 1024;
    expect_sense(f, run_same(f, 0x41, 0, 0, 1), 0x50e03);
    f->c.data_out_offered = 256;
    expect_sense(f, run_same(f, 0x93, 0x08, 0, 1), 0x50e03);
    f->c.data_out_offered = 512;
    expect_good(run_same(f, 0x93, 0x08, 0, 1));
    f->c.data_out_offered = 0;
    expect_sense(f, run(f, out, 256, 0x41, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0x50e03);
}

TEST_4K(long_ranges_go_down_in_steps_and_stop_at_an_error)
{
    uint32_t steps = 0;

    f->disk.block.size_units = 1ull << 30;
    command_begin(f, (const uint8_t[]){0x93, 0x09, [12] = 0xff, 0xff, [15] = 0}, 16);
    assert_true(scsi_decode(&f->c)); /* 256 MiB, unmapped, by steps of 16 MiB */
    assert_false(scsi_perform(&f->c));
    for (uint64_t at = 0; !f->answers; steps++) {
        struct block_request *r;

        r = container_of(list_take(&f->disk.waiting), struct block_request, link);
        assert_int_equal(r->extent.start, at);
        at += r->extent.count;
        assert_int_equal(r->op, BLOCK_UNMAP);
        block_answer(r, steps == 9 ? E_NO_QUORUM : E_OK);
    }
    assert_int_equal(steps, 10);
    assert_int_equal(f->c.status, SCSI_BUSY);
    command_end(f);
}

TEST_4K(a_stopped_command_begins_no_further_request) /* U3 */
{
    struct block_request *r;

    f->disk.block.size_units = 1ull << 30;
    command_begin(f, (const uint8_t[]){0x93, 0x09, [12] = 0xff, 0xff, [15] = 0}, 16);
    assert_true(scsi_decode(&f->c));
    assert_false(scsi_perform(&f->c));
    r = container_of(list_take(&f->disk.waiting), struct block_request, link);
    assert_false(r->unwanted);
    scsi_stop(&f->c);
    assert_true(r->unwanted);
    assert_int_equal(f->answers, 0); /* what the block has runs on: P6 */
    block_answer(r, E_OK);
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->c.status, SCSI_TASK_ABORTED);
    assert_true(list_empty(&f->disk.waiting));
    command_end(f);
    expect_good(run_same(f, 0x93, 0x09, 0, 8)); /* the memory serves the next command */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_is_repeated_512),
        cmocka_unit_test(a_pattern_is_repeated_4k),
        cmocka_unit_test(a_pattern_goes_down_in_steps_also_with_small_segments),
        cmocka_unit_test(without_memory_for_a_pattern_the_task_set_is_full),
        cmocka_unit_test(unmap_beats_the_pattern),
        cmocka_unit_test(zeros_are_written_as_zeroes_or_unmapped),
        cmocka_unit_test(without_a_data_out_buffer_it_writes_zeros),
        cmocka_unit_test(no_blocks_mean_to_the_end),
        cmocka_unit_test(write_same_minds_its_fields),
        cmocka_unit_test(write_same_wants_exactly_one_block),
        cmocka_unit_test(long_ranges_go_down_in_steps_and_stop_at_an_error),
        cmocka_unit_test(a_stopped_command_begins_no_further_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
