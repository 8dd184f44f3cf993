/* SPDX-License-Identifier: Apache-2.0 */
/* INQUIRY and its pages byte by byte, READ CAPACITY, the reports. */
#include "tests/unit/iscsi-target/scsi_fixture.h"

static uint8_t inquire(struct fixture *f, uint8_t evpd, uint8_t page, uint32_t allocation)
{
    return run(f, NULL, 0, 0x12, evpd, page, (uint8_t)(allocation >> 8), (uint8_t)allocation, 0);
}

#define ZEROS_8  "0000000000000000"
#define ZEROS_16 ZEROS_8 ZEROS_8

/* ---- INQUIRY ---- */

TEST_512(the_standard_data_name_us)
{
    expect_good(inquire(f, 0, 0, 0xffff));
    assert_int_equal(f->in_bytes, 96);
    assert_memory_equal(f->in, "\x00\x00\x06\x12\x5b\x00\x00\x02", 8);
    assert_memory_equal(f->in + 8, "DOLMEN  VOLUME          ", 24);
    assert_memory_equal(f->in + 32, DOLMEN_VERSION, 3);
    assert_memory_equal(f->in + 58, "\x00\xa0\x09\x60\x04\x60\x04\xc0\x00\x00", 10);
}

TEST_512(a_page_without_evpd_is_refused_and_so_is_an_unknown_one)
{
    expect_sense(f, inquire(f, 0, 1, 256), 0x52400);
    expect_sense(f, inquire(f, 1, 0x81, 256), 0x52400);
    expect_sense(f, inquire(f, 2, 0, 256), 0x52400); /* CMDDT */
}

TEST_512(page_00_lists_the_pages)
{
    expect_good(inquire(f, 1, 0x00, 255));
    assert_string_equal(hex(f), "00000007"
                                "00808386b0b1b2");
    for (uint32_t i = 4; i < 11; i++) {
        expect_good(inquire(f, 1, f->in[i], 0));
        expect_good(inquire(f, 1, 0x00, 255));
    }
}

TEST_512(page_80_is_the_identity)
{
    expect_good(inquire(f, 1, 0x80, 255));
    assert_memory_equal(f->in, "\x00\x80\x00\x10", 4);
    assert_memory_equal(f->in + 4, "0123456789abcdef", 16);
    assert_int_equal(f->in_bytes, 20);
}

/* One designator of page 83h at byte *at: its head, and its text or bytes. */
static void expect_designator(const struct fixture *f, uint32_t *at, const char *head,
                              const char *bytes, uint32_t length)
{
    assert_memory_equal(f->in + *at, head, 4);
    assert_int_equal(f->in[*at + 3], length);
    assert_memory_equal(f->in + *at + 4, bytes, length);
    *at += 4 + length;
}

TEST_512(page_83_names_unit_port_and_target)
{
    uint32_t at = 4;

    f->disk.block.identity.bits = 0xfedcba9876543210;
    expect_good(inquire(f, 1, 0x83, 0xffff));
    assert_int_equal(f->in[1], 0x83);
    assert_int_equal(be16_at(f->in, 2), f->in_bytes - 4);
    expect_designator(f, &at, "\x01\x03\x00\x08", "\x3e\xdc\xba\x98\x76\x54\x32\x10", 8);
    expect_designator(f, &at, "\x02\x01\x00\x1d", "DOLMEN  fedcba9876543210web01", 29);
    expect_designator(f, &at, "\x03\x08\x00\x44", TARGET_NAME ",L,0x0000000000000000\0\0\0", 68);
    expect_designator(f, &at, "\x53\x98\x00\x38", TARGET_NAME ",t,0x0007\0\0\0", 56);
    expect_designator(f, &at, "\x51\x94\x00\x04", "\x00\x00\x00\x01", 4);
    expect_designator(f, &at, "\x51\x95\x00\x04", "\x00\x00\x00\x07", 4);
    expect_designator(f, &at, "\x53\xa8\x00\x30", TARGET_NAME "\0\0\0\0", 48);
    assert_int_equal(at, f->in_bytes);
}

TEST_512(page_83_has_room_for_the_longest_names)
{
    char name[224], alias[65];

    memset(name, 'n', sizeof name);
    memset(alias, 'a', sizeof alias);
    name[223] = alias[64] = 0;
    f->nexus.target_name = name;
    f->nexus.alias = alias;
    expect_good(inquire(f, 1, 0x83, 0xffff));
    assert_int_equal(be16_at(f->in, 2), f->in_bytes - 4);
    f->nexus.alias = NULL;
    expect_good(inquire(f, 1, 0x83, 0xffff));
}

TEST_512(page_86_says_which_attributes_are_kept)
{
    expect_good(inquire(f, 1, 0x86, 255));
    assert_string_equal(hex(f), "0086003c"
                                "00070001" ZEROS_16 ZEROS_16 ZEROS_16 ZEROS_8);
}

TEST_512(page_b0_says_the_limits_512)
{
    expect_good(inquire(f, 1, 0xb0, 64));
    assert_string_equal(hex(f), "00b0003c"
                                "00ff0008"
                                "00000800"
                                "00000800"
                                "00000000"
                                "00100000"
                                "00000100"
                                "00000080"
                                "80000000"
                                "000000000000ffff" ZEROS_16 "00000000");
}

TEST_4K(page_b0_says_the_limits_4k)
{
    f->nexus.transfer_bytes_max = 4u << 20;
    expect_good(inquire(f, 1, 0xb0, 64));
    assert_string_equal(hex(f), "00b0003c"
                                "00ff0001"
                                "00000400"
                                "00000100"
                                "00000000"
                                "00020000"
                                "00000100"
                                "00000010"
                                "80000000"
                                "000000000000ffff" ZEROS_16 "00000000");
}

TEST_4K(page_b0_promises_no_more_than_a_transfer_holds)
{
    uint32_t blocks;

    f->nexus.transfer_bytes_max = 1u << 20;
    expect_good(inquire(f, 1, 0xb0, 64));
    blocks = f->in[5];
    assert_int_equal(blocks, 128);
    expect_good(run(f, f->disk.bytes, DISK_BYTES, 0x89, 0, [13] = (uint8_t)blocks, [15] = 0));
    expect_sense(f, run(f, NULL, 0, 0x89, 0, [13] = (uint8_t)(blocks + 1), [15] = 0), 0x52400);
}

TEST_512(pages_b1_and_b2_say_flash_and_thin)
{
    expect_good(inquire(f, 1, 0xb1, 255));
    assert_string_equal(hex(f), "00b1003c"
                                "00010000" ZEROS_16 ZEROS_16 ZEROS_16 ZEROS_8);
    expect_good(inquire(f, 1, 0xb2, 255));
    assert_string_equal(hex(f), "00b20004"
                                "00e40200");
}

/* ---- allocation lengths ---- */

struct asking {
    const char *name;
    uint8_t cdb[16];
    uint8_t bytes, at, width; /* of the CDB, of its allocation length */
    uint8_t least;            /* shorter ones are refused */
};

static const struct asking askings[] = {
    {"INQUIRY", {0x12}, 6, 3, 2, 0},
    {"VPD 00", {0x12, 1, 0x00}, 6, 3, 2, 0},
    {"VPD 80", {0x12, 1, 0x80}, 6, 3, 2, 0},
    {"VPD 83", {0x12, 1, 0x83}, 6, 3, 2, 0},
    {"VPD 86", {0x12, 1, 0x86}, 6, 3, 2, 0},
    {"VPD B0", {0x12, 1, 0xb0}, 6, 3, 2, 0},
    {"VPD B1", {0x12, 1, 0xb1}, 6, 3, 2, 0},
    {"VPD B2", {0x12, 1, 0xb2}, 6, 3, 2, 0},
    {"REQUEST SENSE", {0x03}, 6, 4, 1, 0},
    {"REPORT LUNS", {0xa0}, 12, 6, 4, 16},
    {"READ CAPACITY(16)", {0x9e, 0x10}, 16, 10, 4, 0},
    {"GET LBA STATUS", {0x9e, 0x12}, 16, 10, 4, 0},
    {"MODE SENSE(6)", {0x1a, 0, 0x3f}, 6, 4, 1, 0},
    {"MODE SENSE(10)", {0x5a, 0, 0x3f}, 10, 7, 2, 0},
    {"REPORT OPCODES", {0xa3, 0x0c}, 12, 6, 4, 0},
    {"REPORT OPCODES, RCTD", {0xa3, 0x0c, 0x80}, 12, 6, 4, 0},
    {"REPORT ONE OPCODE", {0xa3, 0x0c, 0x81, 0x28}, 12, 6, 4, 0},
    {"REPORT TMFS", {0xa3, 0x0d}, 12, 6, 4, 0},
};

static uint8_t ask(struct fixture *f, const struct asking *a, uint32_t allocation)
{
    uint8_t cdb[16];

    memcpy(cdb, a->cdb, sizeof cdb);
    for (int i = 0; i < a->width; i++)
        cdb[a->at + a->width - 1 - i] = (uint8_t)(allocation >> 8 * i);
    return run_cdb(f, cdb, a->bytes, NULL, 0);
}

static void cut_one(struct fixture *f, const struct asking *a)
{
    static uint8_t whole[4096];
    bool counts_itself = a->cdb[0] == 0x9e && a->cdb[1] == 0x12; /* its length is what was given */
    uint32_t length;

    expect_good(ask(f, a, a->width == 1 ? 255 : 60000));
    length = f->in_bytes;
    assert_in_range(length, 1, sizeof whole);
    memcpy(whole, f->in, length);
    for (uint32_t cut = 0; cut < a->least; cut++)
        expect_sense(f, ask(f, a, cut), 0x52400);
    for (uint32_t cut = a->least; cut <= length; cut++) {
        expect_good(ask(f, a, cut));
        assert_int_equal(f->in_bytes, cut);
        if (!counts_itself)
            assert_memory_equal(f->in, whole, cut);
    }
}

TEST_512(every_answer_is_cut_to_the_allocation_length_and_not_otherwise_changed)
{
    for (uint32_t i = 0; i < array_length(askings); i++)
        cut_one(f, &askings[i]);
}

/* ---- READ CAPACITY ---- */

TEST_512(capacity_of_512)
{
    expect_good(run(f, NULL, 0, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_string_equal(hex(f), "00001fff00000200");
    expect_good(run(f, NULL, 0, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0));
    assert_string_equal(hex(f), "0000000000001fff00000200"
                                "0003c000" ZEROS_16);
}

TEST_4K(capacity_of_4k)
{
    expect_good(run(f, NULL, 0, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_string_equal(hex(f), "000003ff00001000");
    expect_good(run(f, NULL, 0, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0));
    assert_string_equal(hex(f), "00000000000003ff00001000"
                                "0000c000" ZEROS_16);
}

TEST_512(a_large_disk_sends_to_read_capacity_16)
{
    f->disk.block.size_units = 1ull << 33;
    expect_good(run(f, NULL, 0, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_int_equal(be32_at(f->in, 0), UINT32_MAX);
    expect_good(run(f, NULL, 0, 0x1a, 0, 0x3f, 0, 12, 0));
    assert_int_equal(be32_at(f->in, 4), UINT32_MAX);
}

/* ---- START STOP UNIT, REPORT LUNS ---- */

TEST_512(nothing_is_ejected)
{
    expect_good(run(f, NULL, 0, 0x1b, 1, 0, 0, 0x01, 0));
    expect_good(run(f, NULL, 0, 0x1b, 0, 0, 0, 0x00, 0));
    expect_good(run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0));
    expect_sense(f, run(f, NULL, 0, 0x1b, 1, 0, 0, 0x02, 0), 0x52400);
    expect_sense(f, run(f, NULL, 0, 0x1b, 1, 0, 0, 0x03, 0), 0x52400);
    expect_sense(f, run(f, NULL, 0, 0x1b, 1, 0, 0, 0x30, 0), 0x52400);
}

TEST_512(there_is_one_logical_unit)
{
    expect_good(run(f, NULL, 0, 0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0));
    assert_string_equal(hex(f), "00000008"
                                "00000000" ZEROS_8);
    expect_good(run(f, NULL, 0, 0xa0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0));
    assert_string_equal(hex(f), ZEROS_8);
    expect_good(run(f, NULL, 0, 0xa0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0));
    assert_int_equal(f->in_bytes, 16);
    expect_sense(f, run(f, NULL, 0, 0xa0, 0, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0), 0x52400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standard_data_name_us),
        cmocka_unit_test(a_page_without_evpd_is_refused_and_so_is_an_unknown_one),
        cmocka_unit_test(page_00_lists_the_pages),
        cmocka_unit_test(page_80_is_the_identity),
        cmocka_unit_test(page_83_names_unit_port_and_target),
        cmocka_unit_test(page_83_has_room_for_the_longest_names),
        cmocka_unit_test(page_86_says_which_attributes_are_kept),
        cmocka_unit_test(page_b0_says_the_limits_512),
        cmocka_unit_test(page_b0_says_the_limits_4k),
        cmocka_unit_test(page_b0_promises_no_more_than_a_transfer_holds),
        cmocka_unit_test(pages_b1_and_b2_say_flash_and_thin),
        cmocka_unit_test(every_answer_is_cut_to_the_allocation_length_and_not_otherwise_changed),
        cmocka_unit_test(capacity_of_512),
        cmocka_unit_test(capacity_of_4k),
        cmocka_unit_test(a_large_disk_sends_to_read_capacity_16),
        cmocka_unit_test(nothing_is_ejected),
        cmocka_unit_test(there_is_one_logical_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
