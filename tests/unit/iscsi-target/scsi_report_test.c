/* SPDX-License-Identifier: Apache-2.0 */
/* REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS: the table, as it is read. */
#include "tests/unit/iscsi-target/scsi_fixture.h"

static uint8_t report(struct fixture *f, uint8_t options, uint8_t opcode, uint8_t action)
{
    return run(f, NULL, 0, 0xa3, 0x0c, options, opcode, 0, action, 0, 0, 0xff, 0xff, 0, 0);
}

/* What initiators count on; a service action is in the low byte. */
static const uint16_t expected[] = {
    0x0000, 0x0300, 0x0800, 0x0a00, 0x1200, 0x1500, 0x1a00, 0x1b00, 0x2500, 0x2800,
    0x2a00, 0x2e00, 0x2f00, 0x3400, 0x3500, 0x3700, 0x4100, 0x4200, 0x4d00, 0x5500,
    0x5a00, 0x8800, 0x8900, 0x8a00, 0x8b00, 0x8e00, 0x8f00, 0x9000, 0x9100, 0x9300,
    0x9e10, 0x9e12, 0xa000, 0xa30c, 0xa30d, 0xa800, 0xaa00, 0xae00, 0xaf00, 0xb700,
};

static bool has_actions(uint8_t opcode)
{
    return opcode == 0x9e || opcode == 0xa3;
}

static void expect_all(struct fixture *f, uint8_t options, uint32_t row, uint8_t flags)
{
    expect_good(report(f, options, 0, 0));
    assert_int_equal(be32_at(f->in, 0), array_length(expected) * row);
    assert_int_equal(f->in_bytes, 4 + array_length(expected) * row);
    for (uint32_t i = 0; i < array_length(expected); i++) {
        const uint8_t *at = f->in + 4 + (uint64_t)i * row;

        assert_int_equal(at[0] << 8 | at[3], expected[i]);
        assert_int_equal(at[5], flags | (has_actions(at[0]) ? 1 : 0));
        assert_int_equal(be16_at(at, 6), scsi_cdb_bytes(at[0]));
        if (row == 20) {
            assert_int_equal(be16_at(at, 8), 10);
            assert_true(be32_at(at, 16) >= 30);
        }
    }
}

TEST_512(all_commands_without_and_with_timeouts)
{
    expect_all(f, 0x00, 8, 0);
    expect_all(f, 0x80, 20, 2);
}

TEST_512(each_command_by_itself)
{
    for (uint32_t i = 0; i < array_length(expected); i++) {
        uint8_t opcode = (uint8_t)(expected[i] >> 8), action = (uint8_t)expected[i];
        uint8_t right = has_actions(opcode) ? 2 : 1, wrong = has_actions(opcode) ? 1 : 2;

        expect_sense(f, report(f, wrong, opcode, action), 0x52400);
        expect_good(report(f, right, opcode, action));
        assert_int_equal(f->in[1], 3);
        assert_int_equal(be16_at(f->in, 2), scsi_cdb_bytes(opcode));
        assert_int_equal(f->in_bytes, 4 + scsi_cdb_bytes(opcode));
        assert_int_equal(f->in[4], opcode);
        assert_true(!has_actions(opcode) || (f->in[5] & 0x1f) == action);
        expect_good(report(f, 3, opcode, action));
        assert_int_equal(f->in[1], 3);
        expect_good(report(f, 0x80 | right, opcode, action));
        assert_int_equal(f->in[1], 0x83);
        assert_int_equal(be16_at(f->in, 4 + scsi_cdb_bytes(opcode)), 10);
    }
}

TEST_512(what_is_not_there_is_said_so)
{
    static const uint8_t options[] = {1, 2, 3};

    for (uint32_t i = 0; i < array_length(options); i++) {
        expect_good(report(f, options[i], 0x04, 0));
        assert_int_equal(f->in_bytes, 4);
        assert_int_equal(f->in[1], 1);
    }
    expect_good(report(f, 2, 0x9e, 0x11));
    assert_int_equal(f->in[1], 1);
    expect_good(report(f, 3, 0x28, 1));
    assert_int_equal(f->in[1], 1);
    expect_sense(f, report(f, 4, 0, 0), 0x52400);
}

TEST_512(the_usage_masks_show_dpo_and_fua)
{
    static const uint8_t with_fua[] = {0x28, 0x2a, 0xa8, 0xaa, 0x88, 0x8a, 0x8b, 0x89};
    static const uint8_t verify[] = {0x2f, 0xaf, 0x8f}, write_verify[] = {0x2e, 0xae, 0x8e};

    for (uint32_t i = 0; i < array_length(with_fua); i++) {
        expect_good(report(f, 1, with_fua[i], 0));
        assert_int_equal(f->in[5] & 0xf8, 0x18);
    }
    for (uint32_t i = 0; i < array_length(verify); i++) {
        expect_good(report(f, 1, verify[i], 0));
        assert_int_equal(f->in[5], 0x16);
        expect_good(report(f, 1, write_verify[i], 0));
        assert_int_equal(f->in[5], 0x12);
    }
}

/* A field that the mask shows as unused may hold anything only if nobody looks at it. */
TEST_512(the_masks_cover_what_decode_reads)
{
    static const uint8_t ranges[] = {0x28, 0x2a, 0x2e, 0x2f, 0x34, 0x35, 0x41};

    for (uint32_t i = 0; i < array_length(ranges); i++) {
        expect_good(report(f, 1, ranges[i], 0));
        assert_memory_equal(f->in + 6, "\xff\xff\xff\xff\x3f\xff\xff", 7);
    }
    expect_good(report(f, 1, 0x89, 0));
    assert_int_equal(f->in[4 + 13], 0xff);
    expect_good(report(f, 2, 0x9e, 0x12));
    assert_memory_equal(f->in + 6, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
}

TEST_512(task_management_functions)
{
    expect_good(run(f, NULL, 0, 0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0));
    assert_int_equal(f->in_bytes, 4);
    assert_memory_equal(f->in, "\xda\x00\x00\x00", 4);
    expect_good(run(f, NULL, 0, 0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 255, 0, 0));
    assert_int_equal(f->in_bytes, 16);
    assert_memory_equal(f->in, "\xda\x00\x00\x0c", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_commands_without_and_with_timeouts),
        cmocka_unit_test(each_command_by_itself),
        cmocka_unit_test(what_is_not_there_is_said_so),
        cmocka_unit_test(the_usage_masks_show_dpo_and_fua),
        cmocka_unit_test(the_masks_cover_what_decode_reads),
        cmocka_unit_test(task_management_functions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
