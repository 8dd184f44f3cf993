/* SPDX-License-Identifier: Apache-2.0 */
/* MODE SENSE and MODE SELECT: what the pages say, what may change, and who is told. */
#include "tests/unit/iscsi-target/scsi_fixture.h"

/* ---- MODE SENSE ---- */

#define PAGE_01                                                                                    \
    "010ac00000000000"                                                                             \
    "00000000"
#define PAGE_08                                                                                    \
    "0812000000000000"                                                                             \
    "0000000000000000"                                                                             \
    "00000000"
#define PAGE_0A                                                                                    \
    "0a0a021000000000"                                                                             \
    "ffff0000"
#define PAGE_1C                                                                                    \
    "1c0a080000000000"                                                                             \
    "00000000"

TEST_512(mode_sense_6_gives_all_pages)
{
    expect_good(run(f, NULL, 0, 0x1a, 0, 0x3f, 0, 255, 0));
    assert_string_equal(hex(f), "43001008"
                                "00002000"
                                "00000200" PAGE_01 PAGE_08 PAGE_0A PAGE_1C);
    expect_good(run(f, NULL, 0, 0x1a, 0x08, 0x3f, 0xff, 255, 0)); /* DBD, all subpages */
    assert_string_equal(hex(f), "3b001000" PAGE_01 PAGE_08 PAGE_0A PAGE_1C);
}

TEST_512(mode_sense_10_gives_short_and_long_descriptors)
{
    expect_good(run(f, NULL, 0, 0x5a, 0, 0x08, 0, 0, 0, 0, 1, 0, 0));
    assert_string_equal(hex(f), "0022001000000008"
                                "00002000"
                                "00000200" PAGE_08);
    expect_good(run(f, NULL, 0, 0x5a, 0x10, 0x0a, 0, 0, 0, 0, 1, 0, 0));
    assert_string_equal(hex(f), "0022001001000010"
                                "0000000000002000"
                                "00000000"
                                "00000200" PAGE_0A);
}

TEST_512(write_protection_shows_in_the_header)
{
    f->nexus.read_only = true;
    expect_good(run(f, NULL, 0, 0x1a, 0x08, 0x0a, 0, 255, 0));
    assert_int_equal(f->in[2], 0x90);
    expect_good(run(f, NULL, 0, 0x5a, 0x08, 0x0a, 0, 0, 0, 0, 1, 0, 0));
    assert_int_equal(f->in[3], 0x90);
}

TEST_512(two_bits_can_be_changed_and_nothing_is_saved)
{
    expect_good(run(f, NULL, 0, 0x1a, 0x08, 0x7f, 0, 255, 0));
    assert_string_equal(hex(f), "3b001000"
                                "010a00000000000000000000"
                                "0812000000000000000000000000000000000000"
                                "0a0a04000800000000000000"
                                "1c0a00000000000000000000");
    expect_good(run(f, NULL, 0, 0x1a, 0x08, 0x8a, 0, 255, 0));
    assert_string_equal(hex(f), "0f001000" PAGE_0A);
    expect_sense(f, run(f, NULL, 0, 0x1a, 0, 0xca, 0, 255, 0), 0x53900);
}

TEST_512(a_mode_page_we_do_not_have_is_refused)
{
    expect_sense(f, run(f, NULL, 0, 0x1a, 0, 0x02, 0, 255, 0), 0x52400);
    expect_sense(f, run(f, NULL, 0, 0x5a, 0, 0x0a, 0x01, 0, 0, 0, 1, 0, 0), 0x52400);
}

/* ---- MODE SELECT ---- */

/* The control page with these bits, behind a header without a descriptor. */
static uint8_t select_control(struct fixture *f, uint8_t byte_2, uint8_t byte_4)
{
    uint8_t list[16] = {0, 0, 0, 0, 0x0a, 0x0a, 0x02 | byte_2, 0x10, byte_4, [12] = 0xff, 0xff};

    return run(f, list, sizeof list, 0x15, 0x10, 0, 0, sizeof list, 0);
}

/* A second nexus on the disk that has nothing to be told. */
static void open_other(struct fixture *f, struct scsi_nexus *other)
{
    *other = (struct scsi_nexus){.transfer_bytes_max = 1u << 20};
    scsi_nexus_open(other, &f->disk.block);
    other->unit_attentions = 0;
}

TEST_512(d_sense_changes_the_format_for_all_and_tells_the_others)
{
    struct scsi_nexus other;

    open_other(f, &other);
    expect_good(select_control(f, 0x04, 0));
    assert_int_equal(f->nexus.unit_attentions, 0);
    assert_int_equal(other.unit_attentions, 1u << SCSI_UA_MODE);
    assert_true(other.mode.descriptor_sense);
    expect_good(run(f, NULL, 0, 0x1a, 0x08, 0x0a, 0, 255, 0));
    assert_int_equal(f->in[4 + 2], 0x06);

    expect_sense(f, run(f, NULL, 0, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0), 0x52400);
    assert_int_equal(f->c.sense_bytes, 16);
    assert_memory_equal(f->c.sense, "\x72\x05\x24\x00\x00\x00\x00\x08", 8);
    assert_memory_equal(f->c.sense + 8, "\x02\x06\x00\x00\xc0\x00\x01\x00", 8);
    scsi_nexus_close(&other);
}

TEST_512(descriptor_sense_has_room_for_any_number)
{
    uint8_t out[1024] = {0};

    expect_good(select_control(f, 0x04, 0));
    out[300] = 1;
    expect_sense(f, run(f, out, 512, 0x2f, 0x02, 0, 0, 0, 0, 0, 0, 1, 0), 0xe1d00);
    assert_int_equal(f->c.sense_bytes, 20);
    assert_int_equal(f->c.sense[7], 12);
    assert_memory_equal(f->c.sense + 8, "\x00\x0a\x80\x00", 4);
    assert_int_equal(be64_at(f->c.sense, 12), 300);
}

TEST_512(the_others_are_told_once_and_only_of_a_change)
{
    struct scsi_nexus other;

    open_other(f, &other);
    expect_good(select_control(f, 0, 0));
    assert_int_equal(other.unit_attentions, 0);
    expect_good(select_control(f, 0, 0x08));
    expect_good(select_control(f, 0, 0));
    command_begin(f, (const uint8_t[]){0x00, 0, 0, 0, 0, 0}, 6);
    f->c.nexus = &other;
    assert_false(scsi_decode(&f->c));
    assert_int_equal(sense_now(f), 0x62a01);
    command_end(f);
    assert_int_equal(other.unit_attentions, 0);
    scsi_nexus_close(&other);
}

TEST_512(swp_protects_the_unit_until_it_is_cleared)
{
    uint8_t block[512] = {1};

    expect_good(select_control(f, 0, 0x08));
    expect_sense(f, run(f, block, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0x72700);
    expect_good(run(f, NULL, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
    expect_good(run(f, NULL, 0, 0x1a, 0x08, 0x0a, 0, 255, 0));
    assert_int_equal(f->in[2], 0x90);
    assert_int_equal(f->in[4 + 4], 0x08);
    expect_good(select_control(f, 0, 0));
    expect_good(run(f, block, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0));
}

TEST_512(who_may_only_read_changes_nothing_for_the_others)
{
    f->nexus.read_only = true;
    expect_sense(f, select_control(f, 0, 0x08), 0x72700);
    expect_sense(f, run(f, NULL, 0, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 0, 0), 0x72700);
    expect_good(run(f, NULL, 0, 0x1a, 0x08, 0x4a, 0, 255, 0));
    assert_string_equal(hex(f), "0f0090000a0a00000000000000000000");
}

TEST_512(a_new_nexus_finds_the_mode_and_a_reset_ends_it)
{
    struct scsi_nexus other;

    expect_good(select_control(f, 0x04, 0x08));
    open_other(f, &other);
    assert_true(other.mode.write_protected);
    assert_true(other.mode.descriptor_sense);
    scsi_nexus_attention(&f->nexus, SCSI_UA_CAPACITY);
    assert_true(f->nexus.mode.write_protected);
    scsi_nexus_attention(&f->nexus, SCSI_UA_UNIT_RESET);
    assert_false(f->nexus.mode.write_protected);
    assert_false(f->nexus.mode.descriptor_sense);
    scsi_nexus_close(&other);
}

/* What MODE SENSE gives, all pages of it, goes back as it is; bits that say nothing are ignored. */
static void give_back(struct fixture *f, uint8_t dbd_or_long)
{
    uint8_t list[255];
    uint32_t bytes;

    expect_good(run(f, NULL, 0, 0x1a, dbd_or_long & 0x08, 0x3f, 0, 255, 0));
    bytes = f->in_bytes;
    memcpy(list, f->in, bytes);
    list[bytes - 12] |= 0x80; /* PS of the last page */
    expect_good(run(f, list, bytes, 0x15, 0x10, 0, 0, (uint8_t)bytes, 0));
    expect_good(run(f, NULL, 0, 0x5a, dbd_or_long, 0x3f, 0, 0, 0, 0, 0, 255, 0));
    bytes = f->in_bytes;
    memcpy(list, f->in, bytes);
    expect_good(run(f, list, bytes, 0x55, 0x10, 0, 0, 0, 0, 0, 0, (uint8_t)bytes, 0));
}

TEST_512(what_was_sensed_can_be_selected_512)
{
    give_back(f, 0);
    give_back(f, 0x08);
    give_back(f, 0x10);
}

TEST_4K(what_was_sensed_can_be_selected_4k)
{
    give_back(f, 0);
    give_back(f, 0x10);
}

static const uint8_t good_list[24] = {
    0,    0,    0,    8,    0, 0, 0, 0, 0,    0,    0x02, 0, /* 512 bytes, blocks as they are */
    0x0a, 0x0a, 0x02, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0,    0,
};

/* One byte of the good list is another. */
static uint8_t select_with(struct fixture *f, uint32_t at, uint8_t byte)
{
    uint8_t list[sizeof good_list];

    memcpy(list, good_list, sizeof list);
    list[at] = byte;
    return run(f, list, sizeof list, 0x15, 0x10, 0, 0, sizeof list, 0);
}

TEST_512(every_byte_that_may_not_change_is_pointed_at)
{
    static const struct {
        uint32_t at;
        uint8_t byte;
        int field;
    } wrong[] = {
        {1, 1, 1},      {3, 7, 3},      {3, 16, 3},     {7, 1, 4},      {9, 1, 9},
        {10, 0x10, 9},  {12, 0x02, 12}, {12, 0x4a, 12}, {13, 0x0b, 13}, {14, 0x00, 14},
        {14, 0x03, 14}, {15, 0, 15},    {16, 0x80, 16}, {20, 0xfe, 20}, {23, 1, 23},
    };

    expect_good(select_with(f, 0, 0x55)); /* MODE DATA LENGTH */
    expect_good(select_with(f, 2, 0x90)); /* WP, DPOFUA       */
    for (uint32_t i = 0; i < array_length(wrong); i++) {
        expect_sense(f, select_with(f, wrong[i].at, wrong[i].byte), 0x52600);
        assert_int_equal(f->c.sense[15], 0x80);
        assert_int_equal(field_now(f), wrong[i].field);
    }
    assert_false(f->nexus.mode.write_protected);
}

TEST_512(a_list_with_one_wrong_page_changes_nothing)
{
    uint8_t list[28] = {0,    0,    0,           0,    0x0a,        0x0a, 0x02,
                        0x10, 0x08, [12] = 0xff, 0xff, [16] = 0x1c, 0x0a, 0x00};

    expect_sense(f, run(f, list, sizeof list, 0x15, 0x10, 0, 0, sizeof list, 0), 0x52600);
    assert_int_equal(field_now(f), 18);
    assert_false(f->nexus.mode.write_protected);
    list[18] = 0x08;
    expect_good(run(f, list, sizeof list, 0x15, 0x10, 0, 0, sizeof list, 0));
    assert_true(f->nexus.mode.write_protected);
}

TEST_512(a_list_that_ends_too_early_is_refused)
{
    expect_good(run(f, NULL, 0, 0x15, 0x10, 0, 0, 0, 0));
    for (uint32_t bytes = 1; bytes < sizeof good_list; bytes++) {
        uint8_t length = (uint8_t)bytes;

        if (length == 12) /* header and descriptor alone */
            expect_good(run(f, good_list, length, 0x15, 0x10, 0, 0, length, 0));
        else
            expect_sense(f, run(f, good_list, length, 0x15, 0x10, 0, 0, length, 0), 0x51a00);
        expect_sense(f, run(f, good_list, length, 0x15, 0x10, 0, 0, length + 1, 0), 0x51a00);
    }
}

TEST_512(mode_select_minds_its_fields)
{
    expect_sense(f, run(f, NULL, 0, 0x15, 0x11, 0, 0, 0, 0), 0x52400); /* SP  */
    assert_int_equal(field_now(f), 1);
    expect_sense(f, run(f, NULL, 0, 0x15, 0x12, 0, 0, 0, 0), 0x52400); /* RTD */
    expect_sense(f, run(f, good_list, 12, 0x15, 0x00, 0, 0, 12, 0), 0x52400);
    expect_good(run(f, NULL, 0, 0x55, 0x00, 0, 0, 0, 0, 0, 0, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mode_sense_6_gives_all_pages),
        cmocka_unit_test(mode_sense_10_gives_short_and_long_descriptors),
        cmocka_unit_test(write_protection_shows_in_the_header),
        cmocka_unit_test(two_bits_can_be_changed_and_nothing_is_saved),
        cmocka_unit_test(a_mode_page_we_do_not_have_is_refused),
        cmocka_unit_test(d_sense_changes_the_format_for_all_and_tells_the_others),
        cmocka_unit_test(descriptor_sense_has_room_for_any_number),
        cmocka_unit_test(the_others_are_told_once_and_only_of_a_change),
        cmocka_unit_test(swp_protects_the_unit_until_it_is_cleared),
        cmocka_unit_test(who_may_only_read_changes_nothing_for_the_others),
        cmocka_unit_test(a_new_nexus_finds_the_mode_and_a_reset_ends_it),
        cmocka_unit_test(what_was_sensed_can_be_selected_512),
        cmocka_unit_test(what_was_sensed_can_be_selected_4k),
        cmocka_unit_test(every_byte_that_may_not_change_is_pointed_at),
        cmocka_unit_test(a_list_with_one_wrong_page_changes_nothing),
        cmocka_unit_test(a_list_that_ends_too_early_is_refused),
        cmocka_unit_test(mode_select_minds_its_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
