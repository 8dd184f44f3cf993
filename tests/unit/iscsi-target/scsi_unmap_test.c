/* SPDX-License-Identifier: Apache-2.0 */
/* UNMAP, WRITE SAME, GET LBA STATUS: what makes a volume thin, and long ranges in steps. */
#include "tests/unit/iscsi-target/scsi_fixture.h"

static uint8_t out[8 + 16 * 4096];

#define BLOCKS (DISK_BYTES / 512)

/* ---- UNMAP ---- */

static void put_list(uint32_t count)
{
    memset(out, 0, sizeof out);
    be16_put(out, 0, (uint16_t)(6 + 16 * count));
    be16_put(out, 2, (uint16_t)(16 * count));
}

static void put_range(uint32_t number, uint64_t lba, uint32_t blocks)
{
    be64_put(out, 8 + 16 * number, lba);
    be32_put(out, 16 + 16 * number, blocks);
}

static uint8_t run_unmap(struct fixture *f, uint32_t list_bytes)
{
    return run(f, out, list_bytes, 0x42, 0, 0, 0, 0, 0, 0, (uint8_t)(list_bytes >> 8),
               (uint8_t)list_bytes, 0);
}

static void fill_disk(struct fixture *f, uint8_t with)
{
    memset(f->disk.bytes, with, DISK_BYTES);
    memset(f->disk.mapped, true, sizeof f->disk.mapped);
}

TEST_512(unmap_frees_each_range_of_its_list)
{
    fill_disk(f, 0xee);
    put_list(3);
    put_range(0, 8, 8);
    put_range(1, 100, 0);
    put_range(2, BLOCKS - 8, 8);
    expect_good(run_unmap(f, 8 + 48));
    assert_int_equal(f->disk.steps, 2);
    assert_true(f->disk.mapped[0]);
    assert_false(f->disk.mapped[1]);
    assert_true(f->disk.mapped[2]);
    assert_false(f->disk.mapped[BLOCKS / 8 - 1]);
    assert_int_equal(f->disk.bytes[8 * 512], 0);
    assert_int_equal(f->disk.bytes[8 * 512 - 1], 0xee);
}

TEST_4K(unmap_counts_in_logical_blocks)
{
    fill_disk(f, 0xee);
    put_list(1);
    put_range(0, 3, 2);
    expect_good(run_unmap(f, 24));
    assert_int_equal(f->disk.bytes[3 * 4096 - 1], 0xee);
    assert_int_equal(f->disk.bytes[3 * 4096], 0);
    assert_int_equal(f->disk.bytes[5 * 4096 - 1], 0);
    assert_int_equal(f->disk.bytes[5 * 4096], 0xee);
}

TEST_512(one_wrong_range_refuses_the_whole_list)
{
    fill_disk(f, 0xee);
    put_list(2);
    put_range(0, 0, 8);
    put_range(1, BLOCKS - 1, 2);
    expect_sense(f, run_unmap(f, 40), 0x52100);
    put_range(1, UINT64_MAX, 1);
    expect_sense(f, run_unmap(f, 40), 0x52100);
    assert_int_equal(f->disk.bytes[0], 0xee);
}

TEST_512(ranges_of_no_blocks_are_fine_anywhere)
{
    put_list(2);
    put_range(0, BLOCKS, 0);
    put_range(1, UINT64_MAX, 0);
    expect_good(run_unmap(f, 40));
    put_list(0);
    expect_good(run_unmap(f, 8));
    expect_good(run_unmap(f, 0));
    assert_int_equal(f->disk.steps, 0);
}

TEST_512(the_limits_of_b0_hold)
{
    put_list(256);
    expect_good(run_unmap(f, 8 + 256 * 16));
    put_list(257);
    expect_sense(f, run_unmap(f, 8 + 257 * 16), 0x52600);

    f->disk.block.size_units = 1ull << 40;
    put_list(2);
    put_range(0, 0, 1u << 20);
    put_range(1, 1u << 20, 1);
    expect_sense(f, run_unmap(f, 40), 0x52600);
}

TEST_512(a_list_shorter_than_it_says_is_refused)
{
    put_list(2);
    expect_sense(f, run_unmap(f, 8 + 31), 0x51a00);
    for (uint32_t bytes = 1; bytes < 8; bytes++)
        expect_sense(f, run_unmap(f, bytes), 0x51a00);
    expect_sense(f, run(f, out, 24, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0), 0x51a00);
    expect_sense(f, run(f, out, 24, 0x42, 1, 0, 0, 0, 0, 0, 0, 24, 0), 0x52400); /* ANCHOR */
}

TEST_512(an_incomplete_last_descriptor_is_ignored)
{
    fill_disk(f, 0xee);
    put_list(2);
    put_range(0, 0, 8);
    put_range(1, 8, 8);
    be16_put(out, 2, 31);
    expect_good(run_unmap(f, 40));
    assert_int_equal(f->disk.bytes[0], 0);
    assert_int_equal(f->disk.bytes[8 * 512], 0xee);
}

/* ---- WRITE SAME ---- */

static uint8_t run_same(struct fixture *f, uint8_t opcode, uint8_t byte_1, uint32_t lba,
                        uint32_t blocks)
{
    uint32_t block = f->disk.block.logical_block_bytes;

    if (opcode == 0x41)
        return run(f, out, block, 0x41, byte_1, 0, 0, (uint8_t)(lba >> 8), (uint8_t)lba, 0,
                   (uint8_t)(blocks >> 8), (uint8_t)blocks, 0);
    return run(f, out, block, 0x93, byte_1, 0, 0, 0, 0, (uint8_t)(lba >> 24), (uint8_t)(lba >> 16),
               (uint8_t)(lba >> 8), (uint8_t)lba, (uint8_t)(blocks >> 24), (uint8_t)(blocks >> 16),
               (uint8_t)(blocks >> 8), (uint8_t)blocks, 0, 0);
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
    expect_sense(f, run_same(f, 0x93, 0x08, 0, (1u << 21) + 1), 0x52400);
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

TEST_512(long_ranges_go_down_in_steps_and_stop_at_an_error)
{
    uint32_t steps = 0;

    f->disk.block.size_units = 1ull << 30;
    command_begin(f, (const uint8_t[]){0x93, 0x09, [11] = 0x20, [15] = 0}, 16);
    assert_true(scsi_decode(&f->c)); /* 1 GiB, unmapped, by steps of 64 MiB */
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

/* ---- GET LBA STATUS ---- */

static uint8_t run_status(struct fixture *f, uint32_t lba, uint32_t allocation)
{
    return run(f, NULL, 0, 0x9e, 0x12, 0, 0, 0, 0, (uint8_t)(lba >> 24), (uint8_t)(lba >> 16),
               (uint8_t)(lba >> 8), (uint8_t)lba, 0, 0, (uint8_t)(allocation >> 8),
               (uint8_t)allocation, 0, 0);
}

static void expect_run(const struct fixture *f, uint32_t number, uint64_t lba, uint32_t blocks,
                       uint8_t status)
{
    const uint8_t *at = f->in + 8 + 16 * (uint64_t)number;

    assert_int_equal(be64_at(at, 0), lba);
    assert_int_equal(be32_at(at, 8), blocks);
    assert_int_equal(at[12], status);
}

TEST_512(status_tells_what_is_mapped)
{
    f->disk.mapped[1] = true;
    expect_good(run_status(f, 3, 8 + 16 * 3));
    assert_int_equal(f->in_bytes, 8 + 16 * 3);
    assert_int_equal(be32_at(f->in, 0), 4 + 16 * 3);
    expect_run(f, 0, 3, 5, 1);
    expect_run(f, 1, 8, 8, 0);
    expect_run(f, 2, 16, BLOCKS - 16, 1);
}

TEST_4K(status_counts_in_logical_blocks)
{
    f->disk.mapped[3] = true;
    expect_good(run_status(f, 2, 1024));
    expect_run(f, 0, 2, 1, 1);
    expect_run(f, 1, 3, 1, 0);
    expect_run(f, 2, 4, DISK_BYTES / 4096 - 4, 1);
}

TEST_512(status_gives_what_there_is_room_for)
{
    f->disk.mapped[1] = true;
    expect_good(run_status(f, 8, 24));
    assert_int_equal(be32_at(f->in, 0), 20);
    expect_run(f, 0, 8, 8, 0);
    expect_good(run_status(f, 8, 10));
    assert_int_equal(f->in_bytes, 10);
    expect_good(run_status(f, 8, 0));
    assert_int_equal(f->in_bytes, 0);
    for (uint32_t i = 0; i < array_length(f->disk.mapped); i++)
        f->disk.mapped[i] = i % 2 == 0;
    expect_good(run_status(f, 0, 60000));
    assert_int_equal(f->in_bytes, 8 + 16 * 64);
    expect_run(f, 63, 63 * 8, 8, 1);
}

TEST_512(status_beyond_the_end_is_refused)
{
    expect_good(run_status(f, BLOCKS - 1, 24));
    expect_run(f, 0, BLOCKS - 1, 1, 1);
    expect_sense(f, run_status(f, BLOCKS, 24), 0x52100);
    expect_sense(f, run(f, NULL, 0, 0x9e, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
                 0x52100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmap_frees_each_range_of_its_list),
        cmocka_unit_test(unmap_counts_in_logical_blocks),
        cmocka_unit_test(one_wrong_range_refuses_the_whole_list),
        cmocka_unit_test(ranges_of_no_blocks_are_fine_anywhere),
        cmocka_unit_test(the_limits_of_b0_hold),
        cmocka_unit_test(a_list_shorter_than_it_says_is_refused),
        cmocka_unit_test(an_incomplete_last_descriptor_is_ignored),
        cmocka_unit_test(a_pattern_is_repeated_512),
        cmocka_unit_test(a_pattern_is_repeated_4k),
        cmocka_unit_test(a_pattern_goes_down_in_steps_also_with_small_segments),
        cmocka_unit_test(zeros_are_written_as_zeroes_or_unmapped),
        cmocka_unit_test(without_a_data_out_buffer_it_writes_zeros),
        cmocka_unit_test(no_blocks_mean_to_the_end),
        cmocka_unit_test(write_same_minds_its_fields),
        cmocka_unit_test(write_same_wants_exactly_one_block),
        cmocka_unit_test(long_ranges_go_down_in_steps_and_stop_at_an_error),
        cmocka_unit_test(status_tells_what_is_mapped),
        cmocka_unit_test(status_counts_in_logical_blocks),
        cmocka_unit_test(status_gives_what_there_is_room_for),
        cmocka_unit_test(status_beyond_the_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
