/* SPDX-License-Identifier: Apache-2.0 */
/* UNMAP and GET LBA STATUS: what makes a volume thin. */
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

static void put_descriptor(uint32_t number, uint64_t lba, uint32_t blocks)
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
    put_descriptor(0, 8, 8);
    put_descriptor(1, 100, 0);
    put_descriptor(2, BLOCKS - 8, 8);
    expect_good(run_unmap(f, 8 + 48));
    assert_int_equal(f->disk.steps, 2);
    assert_true(f->disk.mapped[0]);
    assert_false(f->disk.mapped[1]);
    assert_true(f->disk.mapped[2]);
    assert_false(f->disk.mapped[BLOCKS / 8 - 1]);
    assert_int_equal(f->disk.bytes[8 * 512], 0);
    assert_int_equal(f->disk.bytes[8 * 512 - 1], 0xee);
}

TEST_512(unmap_takes_ranges_that_go_on_as_one)
{
    fill_disk(f, 0xee);
    put_list(5);
    put_descriptor(0, 8, 1);
    put_descriptor(1, 9, 2);
    put_descriptor(2, 500, 0);
    put_descriptor(3, 11, 5);
    put_descriptor(4, 24, 8);
    expect_good(run_unmap(f, 8 + 80));
    assert_int_equal(f->disk.steps, 2);
    assert_false(f->disk.mapped[1]);
    assert_true(f->disk.mapped[2]);
    assert_false(f->disk.mapped[3]);
}

TEST_4K(unmap_counts_in_logical_blocks)
{
    fill_disk(f, 0xee);
    put_list(1);
    put_descriptor(0, 3, 2);
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
    put_descriptor(0, 0, 8);
    put_descriptor(1, BLOCKS - 1, 2);
    expect_sense(f, run_unmap(f, 40), 0x52100);
    put_descriptor(1, UINT64_MAX, 1);
    expect_sense(f, run_unmap(f, 40), 0x52100);
    assert_int_equal(f->disk.bytes[0], 0xee);
}

TEST_512(ranges_of_no_blocks_are_fine_anywhere)
{
    put_list(2);
    put_descriptor(0, BLOCKS, 0);
    put_descriptor(1, UINT64_MAX, 0);
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
    put_descriptor(0, 0, 1u << 20);
    put_descriptor(1, 1u << 20, 1);
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
    put_descriptor(0, 0, 8);
    put_descriptor(1, 8, 8);
    be16_put(out, 2, 31);
    expect_good(run_unmap(f, 40));
    assert_int_equal(f->disk.bytes[0], 0);
    assert_int_equal(f->disk.bytes[8 * 512], 0xee);
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
        cmocka_unit_test(unmap_takes_ranges_that_go_on_as_one),
        cmocka_unit_test(unmap_counts_in_logical_blocks),
        cmocka_unit_test(one_wrong_range_refuses_the_whole_list),
        cmocka_unit_test(ranges_of_no_blocks_are_fine_anywhere),
        cmocka_unit_test(the_limits_of_b0_hold),
        cmocka_unit_test(a_list_shorter_than_it_says_is_refused),
        cmocka_unit_test(an_incomplete_last_descriptor_is_ignored),
        cmocka_unit_test(status_tells_what_is_mapped),
        cmocka_unit_test(status_counts_in_logical_blocks),
        cmocka_unit_test(status_gives_what_there_is_room_for),
        cmocka_unit_test(status_beyond_the_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
