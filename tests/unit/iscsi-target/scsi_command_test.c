/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every command: logical units, unit attentions, write protection, errors below. */
#include "tests/unit/iscsi-target/scsi_fixture.h"

#define EVERY_WRITE(X)                                                                             \
    X(0x0a)                                                                                        \
    X(0x2a) X(0x2e) X(0x41) X(0x42) X(0x89) X(0x8a) X(0x8b) X(0x8e) X(0x93) X(0xaa) X(0xae)

#define LUN_5 (5ull << 48)

TEST_512(a_good_command_is_answered_in_the_call)
{
    expect_good(run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0));
    assert_int_equal(f->disk.steps, 0);
}

TEST_512(an_unknown_opcode_is_refused_as_such)
{
    expect_sense(f, run(f, NULL, 0, 0x04, 0, 0, 0, 0, 0), 0x52000); /* FORMAT UNIT */
    expect_sense(f, run(f, NULL, 0, 0x1e, 0, 0, 0, 1, 0), 0x52000); /* PREVENT ALLOW */
    expect_sense(f, run(f, NULL, 0, 0xff), 0x52000);
}

TEST_512(an_unknown_service_action_is_a_wrong_field)
{
    expect_sense(f, run(f, NULL, 0, 0x9e, 0x11), 0x52400);
    expect_sense(f, run(f, NULL, 0, 0xa3, 0x0a), 0x52400);
}

TEST_512(aca_is_refused_in_every_length_of_cdb)
{
    expect_sense(f, run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0x04), 0x52400);
    expect_sense(f, run(f, NULL, 0, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0x04), 0x52400);
    expect_sense(f, run(f, NULL, 0, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x04), 0x52400);
    expect_sense(f, run(f, NULL, 0, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x04), 0x52400);
}

static void expect_field(const struct fixture *f, uint32_t byte)
{
    assert_int_equal(sense_now(f), 0x52400);
    assert_int_equal(f->c.sense[15], 0xc0);
    assert_int_equal(be16_at(f->c.sense, 16), byte);
}

TEST_512(the_sense_points_at_the_wrong_field)
{
    run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0x04);
    expect_field(f, 5);
    run(f, NULL, 0, 0x9e, 0x11);
    expect_field(f, 1);
    run(f, NULL, 0, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0);
    expect_field(f, 1);
    run(f, NULL, 0, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0);
    expect_field(f, 10);
    f->nexus.transfer_bytes_max = 65536;
    run(f, NULL, 0, 0x08, 0, 0, 0, 129, 0);
    expect_field(f, 4);
    run(f, NULL, 0, 0x12, 1, 0x55);
    expect_field(f, 2);
    run(f, NULL, 0, 0xa3, 0x0c, 2, 0x28);
    expect_field(f, 2);
}

TEST_512(another_logical_unit_is_not_supported)
{
    f->c.lun = LUN_5;
    expect_sense(f, run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0), 0x52500);
    expect_sense(f, run(f, NULL, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0x52500);
    expect_sense(f, run(f, NULL, 0, 0xff), 0x52500);
}

TEST_512(another_logical_unit_still_answers_who_looks_around)
{
    f->c.lun = LUN_5;
    expect_good(run(f, NULL, 0, 0x12, 0, 0, 0, 36, 0));
    assert_int_equal(f->in[0], 0x7f);
    expect_sense(f, run(f, NULL, 0, 0x12, 1, 0x83, 0, 36, 0), 0x52400);
    expect_good(run(f, NULL, 0, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0));
    assert_int_equal(be32_at(f->in, 0), 8);
    expect_good(run(f, NULL, 0, 0x03, 0, 0, 0, 18, 0));
    assert_int_equal(f->in[2], ILLEGAL_REQUEST);
    assert_int_equal(be16_at(f->in, 12), 0x2500);
}

TEST_512(flat_addressing_finds_logical_unit_0_too)
{
    f->c.lun = 1ull << 62;
    expect_good(run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0));
}

/* ---- unit attentions ---- */

TEST_512(a_new_nexus_is_told_of_power_on_once)
{
    scsi_nexus_attention(&f->nexus, SCSI_UA_POWER_ON);
    scsi_nexus_attention(&f->nexus, SCSI_UA_CAPACITY); /* pointless beside it */
    expect_sense(f, run(f, NULL, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0x62900);
    expect_good(run(f, NULL, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
}

TEST_512(opening_a_nexus_makes_it_so)
{
    scsi_nexus_close(&f->nexus);
    scsi_nexus_open(&f->nexus, &f->disk.block);
    expect_sense(f, run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0), 0x62900);
    expect_good(run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0));
}

TEST_512(who_looks_around_is_told_nothing_and_clears_nothing)
{
    scsi_nexus_attention(&f->nexus, SCSI_UA_POWER_ON);
    expect_good(run(f, NULL, 0, 0x12, 0, 0, 0, 36, 0));
    expect_good(run(f, NULL, 0, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0));
    f->c.lun = LUN_5;
    expect_sense(f, run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0), 0x52500);
    f->c.lun = 0;
    expect_sense(f, run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0), 0x62900);
}

TEST_512(request_sense_gives_the_attention_as_data)
{
    scsi_nexus_attention(&f->nexus, SCSI_UA_UNIT_RESET);
    expect_good(run(f, NULL, 0, 0x03, 0, 0, 0, 252, 0));
    assert_int_equal(f->in_bytes, 18);
    assert_int_equal(f->in[0], 0x70);
    assert_int_equal(f->in[2], UNIT_ATTENTION);
    assert_int_equal(be16_at(f->in, 12), 0x2903);
    expect_good(run(f, NULL, 0, 0x03, 1, 0, 0, 252, 0));
    assert_int_equal(f->in_bytes, 8);
    assert_int_equal(f->in[0], 0x72);
    assert_int_equal(f->in[1], NO_SENSE);
}

TEST_512(a_resize_is_told_and_counts_at_once)
{
    expect_sense(f, run(f, NULL, 0, 0x28, 0, 0, 0, 0x20, 0, 0, 0, 1, 0), 0x52100);
    block_resized(&f->disk.block, f->disk.block.size_units + 8);
    expect_sense(f, run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0), 0x62a09);
    expect_good(run(f, NULL, 0, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_int_equal(be32_at(f->in, 0), DISK_BYTES / 512 + 7);
}

TEST_512(resets_are_told_one_after_the_other)
{
    scsi_nexus_attention(&f->nexus, SCSI_UA_CAPACITY);
    scsi_nexus_attention(&f->nexus, SCSI_UA_UNIT_RESET);
    scsi_nexus_attention(&f->nexus, SCSI_UA_TARGET_RESET);
    expect_sense(f, run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0), 0x62902);
    expect_sense(f, run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0), 0x62903);
    expect_sense(f, run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0), 0x62a09);
    expect_good(run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0));
}

TEST_512(a_disk_that_shrinks_after_decode_harms_nothing)
{
    command_begin(f, (const uint8_t[]){0x28, 0, 0, 0, 0x1f, 0xff, 0, 0, 1, 0}, 10);
    assert_true(scsi_decode(&f->c));
    block_resized(&f->disk.block, 8);
    assert_true(scsi_perform(&f->c));
    assert_int_equal(sense_now(f), 0x52100);
    command_end(f);
}

TEST_512(a_volume_that_moves_is_left_to_the_transport)
{
    block_moved(&f->disk.block);
    expect_good(run(f, NULL, 0, 0x00, 0, 0, 0, 0, 0));
}

TEST_512(a_closed_nexus_hears_of_no_resize)
{
    scsi_nexus_close(&f->nexus);
    block_resized(&f->disk.block, f->disk.block.size_units + 8);
    assert_int_equal(f->nexus.unit_attentions, 0);
}

/* ---- write protection ---- */

TEST_512(every_writing_opcode_finds_a_read_only_unit_protected)
{
    f->nexus.read_only = true;
#define EXPECT_PROTECTED(opcode)                                                                   \
    expect_sense(f, run(f, NULL, 0, opcode, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 0x72700);
    EVERY_WRITE(EXPECT_PROTECTED)
#undef EXPECT_PROTECTED
}

static void the_table_knows_every_writing_opcode(void **state)
{
    (void)state;
    uint32_t writing = 0, listed = 0;

    for (uint32_t i = 0; i < 256; i++)
        writing += scsi_operations[i].name && scsi_operations[i].traits & PROTECTED;
#define COUNT(opcode) listed++;
    EVERY_WRITE(COUNT)
#undef COUNT
    assert_int_equal(writing, listed);
}

TEST_512(a_read_only_unit_is_read)
{
    f->nexus.read_only = true;
    expect_good(run(f, NULL, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
    expect_good(run(f, NULL, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

/* ---- what goes wrong below ---- */

TEST_512(without_memory_the_task_set_is_full)
{
    memory_gone(f);
    command_begin(f, (const uint8_t[]){0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 10);
    assert_true(scsi_decode(&f->c));
    assert_true(scsi_perform(&f->c));
    assert_int_equal(f->c.status, SCSI_TASK_SET_FULL);
    command_begin(f, (const uint8_t[]){0x12, 0, 0, 0, 36, 0}, 6);
    assert_true(scsi_decode(&f->c));
    assert_true(scsi_perform(&f->c));
    assert_int_equal(f->c.status, SCSI_TASK_SET_FULL);
    assert_int_equal(f->c.sense_bytes, 0);
    memory_back(f);
    assert_true(scsi_perform(&f->c)); /* again */
    assert_int_equal(f->c.status, SCSI_GOOD);
    assert_int_equal(f->c.data_in.bytes, 36);
    payload_put(f->c.buffers, &f->c.data_in);
}

TEST_512(without_memory_request_sense_keeps_what_it_would_tell)
{
    f->nexus.unit_attentions = 1u << SCSI_UA_CAPACITY;
    memory_gone(f);
    command_begin(f, (const uint8_t[]){0x03, 0, 0, 0, 18, 0}, 6);
    assert_true(scsi_decode(&f->c));
    assert_true(scsi_perform(&f->c));
    assert_true(f->c.starved);
    memory_back(f);
    assert_true(scsi_perform(&f->c));
    assert_false(f->c.starved);
    assert_int_equal(((uint8_t *)f->c.data_in.pieces[0].iov_base)[12], 0x2a);
    assert_int_equal(f->nexus.unit_attentions, 0);
    payload_put(f->c.buffers, &f->c.data_in);
}

static bool never(struct scsi_command *c, uint32_t bytes)
{
    (void)c;
    assert_int_equal(bytes, 512);
    return false;
}

TEST_512(others_that_wait_for_memory_are_first)
{
    command_begin(f, (const uint8_t[]){0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 10);
    assert_true(scsi_decode(&f->c));
    f->c.may_take = never;
    assert_true(scsi_perform(&f->c));
    assert_true(f->c.starved);
    assert_false(disk_pump(&f->disk));
}

static void expect_class(const struct fixture *f, enum err err)
{
    uint32_t key = sense_now(f) >> 16;

    switch (err_class(err)) {
    case ERR_NONE:
        fail();
        break;
    case ERR_RETRY: /* never an error that the guest would see */
        assert_int_equal(f->c.status, SCSI_BUSY);
        break;
    case ERR_DATA:
        assert_int_equal(key, MEDIUM_ERROR);
        break;
    case ERR_LIMIT:
        assert_true(f->c.status == SCSI_TASK_SET_FULL || key == DATA_PROTECT ||
                    key == ILLEGAL_REQUEST);
        break;
    case ERR_REFUSED:
        assert_int_equal(f->c.status, SCSI_CHECK_CONDITION);
        assert_int_not_equal(key, MEDIUM_ERROR);
        break;
    case ERR_BROKEN:
        assert_int_equal(key, HARDWARE_ERROR);
        break;
    }
    assert_int_not_equal(key, 0x2); /* NOT READY */
    assert_int_not_equal(key, 0xb); /* ABORTED COMMAND */
}

TEST_512(every_error_below_has_its_answer)
{
#define FAIL_WITH(name, class, text)                                                               \
    if (E_##name != E_OK) {                                                                        \
        f->disk.fail = E_##name;                                                                   \
        f->disk.fail_at = 1;                                                                       \
        assert_int_not_equal(run(f, NULL, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), SCSI_GOOD);         \
        assert_int_equal(f->in_bytes, 0);                                                          \
        expect_class(f, E_##name);                                                                 \
    }
    ERR_LIST(FAIL_WITH)
#undef FAIL_WITH
}

static uint32_t sense_of_failure(struct fixture *f, enum err err)
{
    f->disk.fail = err;
    f->disk.fail_at = 1;
    run(f, NULL, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);
    return sense_now(f);
}

TEST_512(the_errors_that_initiators_act_on_are_exact)
{
    assert_int_equal(sense_of_failure(f, E_MEDIUM), 0x31100);
    assert_int_equal(sense_of_failure(f, E_NO_SPACE), 0x72707);
    assert_int_equal(sense_of_failure(f, E_READ_ONLY), 0x72700);
    assert_int_equal(sense_of_failure(f, E_LBA_RANGE), 0x52100);
    assert_int_equal(sense_of_failure(f, E_DISK), 0x44400);
}

/* Reads one block; the disk says that this unit is lost. */
static void lose(struct fixture *f, uint64_t bad_unit)
{
    struct block_request *r;

    command_begin(f, (const uint8_t[]){0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 10);
    assert_true(scsi_decode(&f->c));
    assert_false(scsi_perform(&f->c));
    r = container_of(list_take(&f->disk.waiting), struct block_request, link);
    r->bad_unit = bad_unit;
    block_answer(r, E_MEDIUM);
    assert_int_equal(f->answers, 1);
    assert_int_equal(sense_now(f), 0x31100);
    command_end(f);
}

TEST_4K(a_lost_block_is_named_in_logical_blocks)
{
    lose(f, 6 * 8 + 3);
    assert_int_equal(information_now(f), 6);
}

TEST_512(a_number_that_needs_more_than_four_bytes_is_not_given)
{
    lose(f, 0xffffffff);
    assert_int_equal(information_now(f), 0xffffffff);
    lose(f, 0x100000000);
    assert_int_equal(f->c.sense[0], 0x70);
    assert_int_equal(be32_at(f->c.sense, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_command_is_answered_in_the_call),
        cmocka_unit_test(an_unknown_opcode_is_refused_as_such),
        cmocka_unit_test(an_unknown_service_action_is_a_wrong_field),
        cmocka_unit_test(aca_is_refused_in_every_length_of_cdb),
        cmocka_unit_test(the_sense_points_at_the_wrong_field),
        cmocka_unit_test(another_logical_unit_is_not_supported),
        cmocka_unit_test(another_logical_unit_still_answers_who_looks_around),
        cmocka_unit_test(flat_addressing_finds_logical_unit_0_too),
        cmocka_unit_test(a_new_nexus_is_told_of_power_on_once),
        cmocka_unit_test(opening_a_nexus_makes_it_so),
        cmocka_unit_test(who_looks_around_is_told_nothing_and_clears_nothing),
        cmocka_unit_test(request_sense_gives_the_attention_as_data),
        cmocka_unit_test(a_resize_is_told_and_counts_at_once),
        cmocka_unit_test(resets_are_told_one_after_the_other),
        cmocka_unit_test(a_disk_that_shrinks_after_decode_harms_nothing),
        cmocka_unit_test(a_volume_that_moves_is_left_to_the_transport),
        cmocka_unit_test(a_closed_nexus_hears_of_no_resize),
        cmocka_unit_test(every_writing_opcode_finds_a_read_only_unit_protected),
        cmocka_unit_test(the_table_knows_every_writing_opcode),
        cmocka_unit_test(a_read_only_unit_is_read),
        cmocka_unit_test(without_memory_the_task_set_is_full),
        cmocka_unit_test(without_memory_request_sense_keeps_what_it_would_tell),
        cmocka_unit_test(others_that_wait_for_memory_are_first),
        cmocka_unit_test(every_error_below_has_its_answer),
        cmocka_unit_test(the_errors_that_initiators_act_on_are_exact),
        cmocka_unit_test(a_lost_block_is_named_in_logical_blocks),
        cmocka_unit_test(a_number_that_needs_more_than_four_bytes_is_not_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
