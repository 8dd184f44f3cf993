/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk through the whole table of operations: what each row says of itself is what decode does.
 *
 * Every row is decoded with a good CDB (good_cdb), then with one bit of it changed.  A bit of the
 * usage mask may be set; any other is either refused, with the field that it belongs to, and then
 * stands in `refused` below, or ignored: then the command is the same without it.
 */
#include "tests/unit/iscsi-target/scsi_fixture.h"

#define ROW(opcode, action) ((opcode) << 8 | (action))

struct row {
    uint8_t opcode;
    const struct scsi_operation *operation;
};

static int name_of(struct row r)
{
    return ROW(r.opcode, r.operation->service_action);
}

/* Calls `each` for every row with a performer. */
static uint32_t walk(struct fixture *f, void (*each)(struct fixture *f, struct row row))
{
    uint32_t rows = 0;

    for (uint32_t opcode = 0; opcode < 256; opcode++) {
        const struct scsi_operation *o = &scsi_operations[opcode];
        uint32_t count = o->actions ? o->actions->count : o->name ? 1 : 0;

        for (uint32_t i = 0; i < count; i++)
            each(f, (struct row){(uint8_t)opcode, o->actions ? &o->actions->rows[i] : o});
        rows += count;
    }
    return rows;
}

/* One block at the front, or room for 128 bytes. */
static void good_cdb(struct row row, uint8_t *cdb)
{
    bool medium = row.operation->reservation != FREE && !row.operation->actions;

    memset(cdb, 0, SCSI_CDB_MAX);
    cdb[0] = row.opcode;
    put_range(cdb, 0, medium && !row.operation->service_action ? 1 : 128);
    cdb[1] = row.operation->service_action;
    switch (name_of(row)) {
    case ROW(0x00, 0): /* no fields */
    case ROW(0x1b, 0):
    case ROW(0x25, 0):
        memset(cdb + 1, 0, SCSI_CDB_MAX - 1);
        break;
    case ROW(0x12, 0): /* EVPD */
        cdb[1] = 1;
        break;
    case ROW(0x15, 0): /* PF, no parameter list */
    case ROW(0x55, 0):
        memset(cdb + 1, 0, SCSI_CDB_MAX - 1);
        cdb[1] = 0x10;
        break;
    case ROW(0x1a, 0): /* all pages */
    case ROW(0x5a, 0):
        cdb[2] = 0x3f;
        break;
    case ROW(0x42, 0): /* a parameter list */
        put_range(cdb, 0, 24);
        break;
    case ROW(0x89, 0): /* NUMBER OF LOGICAL BLOCKS */
        cdb[13] = 1;
        break;
    default:
        break;
    }
}

struct outcome {
    uint32_t sense;
    int field;
    struct extent extent;
    uint32_t data_in, data_out;
};

static struct outcome decode(struct fixture *f, const uint8_t *cdb)
{
    bool good;

    command_begin(f, cdb, SCSI_CDB_MAX);
    good = scsi_decode(&f->c);
    assert_int_equal(good, f->c.status == SCSI_GOOD);
    return (struct outcome){sense_now(f), good ? -1 : field_now(f), f->c.extent, f->c.data_in_bytes,
                            f->c.data_out_bytes};
}

static bool same(struct outcome a, struct outcome b)
{
    return a.sense == b.sense && a.extent.start == b.extent.start &&
           a.extent.count == b.extent.count && a.data_in == b.data_in && a.data_out == b.data_out;
}

static uint8_t usage(struct row row, uint32_t byte)
{
    return row.operation->usage[byte - 1];
}

static uint32_t control_byte(struct row row)
{
    return scsi_cdb_bytes(row.opcode) - 1;
}

/* ---- every row ---- */

static void is_whole(struct fixture *f, struct row row)
{
    uint8_t cdb[SCSI_CDB_MAX];

    assert_non_null(row.operation->name);
    assert_non_null(row.operation->decode);
    assert_non_null(row.operation->perform);
    assert_true(row.operation->seconds >= 30);
    for (uint32_t byte = control_byte(row); byte < SCSI_CDB_MAX; byte++)
        assert_int_equal(usage(row, byte), 0);
    good_cdb(row, cdb);
    assert_int_equal(decode(f, cdb).sense, 0);
    assert_true(scsi_operation_find(cdb) == row.operation);
}

TEST_512(every_row_takes_a_good_cdb)
{
    assert_true(walk(f, is_whole) > 35);
}

/* ---- bits of the mask ---- */

/* Fields that hold a code: of their bits, some are set in no code that we know. */
static const struct {
    int row;
    uint32_t byte;
} codes[] = {{ROW(0x12, 0), 2}, {ROW(0x4d, 0), 2}, {ROW(0xa0, 0), 2}};

static bool is_code(struct row row, uint32_t byte)
{
    for (uint32_t i = 0; i < array_length(codes); i++)
        if (codes[i].row == name_of(row) && codes[i].byte == byte)
            return true;
    return false;
}

/* Some value of this byte that has the bit is no invalid field. */
static bool may_be_set(struct fixture *f, struct row row, uint32_t byte, uint8_t bit)
{
    uint8_t cdb[SCSI_CDB_MAX];

    good_cdb(row, cdb);
    for (uint32_t value = 0; value < 256; value++) {
        if (!(value & bit) || (value & ~(uint32_t)usage(row, byte)))
            continue;
        cdb[byte] = (uint8_t)value;
        if (decode(f, cdb).sense != 0x52400)
            return true;
    }
    return false;
}

static void has_a_true_mask(struct fixture *f, struct row row)
{
    for (uint32_t byte = 1; byte < control_byte(row); byte++)
        for (uint32_t bit = 1; bit < 256; bit <<= 1) {
            bool action = byte == 1 && row.operation->service_action && bit < 0x20;

            if (!(usage(row, byte) & bit) || action || is_code(row, byte))
                continue;
            if (!may_be_set(f, row, byte, (uint8_t)bit))
                fail_msg("%s: byte %u, bit %#x", row.operation->name, byte, bit);
        }
}

TEST_512(every_bit_of_a_mask_may_be_set)
{
    f->disk.block.size_units = 2048; /* as much as a transfer: what is too long is out of range */
    walk(f, has_a_true_mask);
}

/* ---- the others ---- */

#define PROTECTION 0xe0

static const struct refused {
    int row;
    uint32_t byte, bits;
    int field;
} refused[] = {
    {ROW(0x12, 0), 1, 0x02, 1},              /* CMDDT              */
    {ROW(0x15, 0), 1, 0x03, 1},              /* RTD, SP            */
    {ROW(0x1b, 0), 4, 0xf2, 4},              /* LOEJ, power condition */
    {ROW(0x28, 0), 1, PROTECTION, 1},        /* READ               */
    {ROW(0x2a, 0), 1, PROTECTION, 1},        /* WRITE              */
    {ROW(0x2e, 0), 1, PROTECTION | 0x04, 1}, /* WRITE AND VERIFY: BYTCHK 1xb */
    {ROW(0x2f, 0), 1, PROTECTION, 1},        /* VERIFY             */
    {ROW(0x41, 0), 1, PROTECTION | 0x10, 1}, /* WRITE SAME: ANCHOR */
    {ROW(0x42, 0), 1, 0x01, 1},              /* UNMAP: ANCHOR      */
    {ROW(0x4d, 0), 1, 0x01, 1},              /* SP                 */
    {ROW(0x4d, 0), 5, 0xff, 5},              /* PARAMETER POINTER  */
    {ROW(0x4d, 0), 6, 0xff, 5},
    {ROW(0x55, 0), 1, 0x03, 1},
    {ROW(0x88, 0), 1, PROTECTION, 1},
    {ROW(0x89, 0), 1, PROTECTION, 1}, /* COMPARE AND WRITE  */
    {ROW(0x8a, 0), 1, PROTECTION, 1},
    {ROW(0x8b, 0), 1, PROTECTION, 1}, /* ORWRITE            */
    {ROW(0x8e, 0), 1, PROTECTION | 0x04, 1},
    {ROW(0x8f, 0), 1, PROTECTION, 1},
    {ROW(0x93, 0), 1, PROTECTION | 0x10, 1},
    {ROW(0x9e, 0x12), 14, 0xff, 14}, /* REPORT TYPE */
    {ROW(0xa3, 0x0c), 2, 0x04, 2},   /* REPORTING OPTIONS: reserved codes */
    {ROW(0xa8, 0), 1, PROTECTION, 1},
    {ROW(0xaa, 0), 1, PROTECTION, 1},
    {ROW(0xae, 0), 1, PROTECTION | 0x04, 1},
    {ROW(0xaf, 0), 1, PROTECTION, 1},
};

static const struct refused *find_refused(struct row row, uint32_t byte)
{
    for (uint32_t i = 0; i < array_length(refused); i++)
        if (refused[i].row == name_of(row) && refused[i].byte == byte)
            return &refused[i];
    return NULL;
}

static void try_bit(struct fixture *f, struct row row, uint32_t byte, uint8_t bit)
{
    const struct refused *r = find_refused(row, byte);
    uint8_t cdb[SCSI_CDB_MAX];
    struct outcome without, with;

    good_cdb(row, cdb);
    without = decode(f, cdb);
    cdb[byte] |= bit;
    with = decode(f, cdb);
    if (r && r->bits & bit) {
        if (with.sense != 0x52400 || with.field != r->field)
            fail_msg("%s: byte %u, bit %#x is not refused", row.operation->name, byte, bit);
    } else if (!same(with, without)) {
        fail_msg("%s: byte %u, bit %#x is not ignored", row.operation->name, byte, bit);
    }
}

static void minds_only_its_mask(struct fixture *f, struct row row)
{
    for (uint32_t byte = 1; byte < control_byte(row); byte++)
        for (uint32_t bit = 1; bit < 256; bit <<= 1) {
            bool action = byte == 1 && row.operation->service_action && bit < 0x20;

            if (!(usage(row, byte) & bit) && !action)
                try_bit(f, row, byte, (uint8_t)bit);
        }
}

TEST_512(every_other_bit_is_refused_by_name_or_ignored)
{
    walk(f, minds_only_its_mask);
}

static void refuses_aca_alone(struct fixture *f, struct row row)
{
    uint8_t cdb[SCSI_CDB_MAX];
    struct outcome without, with;

    good_cdb(row, cdb);
    without = decode(f, cdb);
    for (uint32_t bit = 1; bit < 256; bit <<= 1) {
        cdb[control_byte(row)] = (uint8_t)bit;
        with = decode(f, cdb);
        if (bit == 0x04)
            assert_true(with.sense == 0x52400 && with.field == (int)control_byte(row));
        else
            assert_true(same(with, without));
    }
}

TEST_512(of_the_control_byte_only_naca_is_minded)
{
    walk(f, refuses_aca_alone);
}

/* ---- who may not ---- */

#define WRITING(X)                                                                                 \
    X(0x0a)                                                                                        \
    X(0x2a) X(0x2e) X(0x41) X(0x42) X(0x89) X(0x8a) X(0x8b) X(0x8e) X(0x93) X(0xaa) X(0xae)

static bool writes(struct row row)
{
#define IS(writing)                                                                                \
    if (row.opcode == (writing))                                                                   \
        return true;
    WRITING(IS)
#undef IS
    return false;
}

static bool selects_mode(struct row row)
{
    return row.opcode == 0x15 || row.opcode == 0x55;
}

static void is_protected_if_it_writes(struct fixture *f, struct row row)
{
    bool attached_read_only = f->nexus.read_only;
    bool expected = writes(row) || (attached_read_only && selects_mode(row));
    uint8_t cdb[SCSI_CDB_MAX];

    good_cdb(row, cdb);
    assert_int_equal(decode(f, cdb).sense, expected ? 0x72700 : 0);
    memset(cdb + 1, 0xff, sizeof cdb - 1); /* and before any field is looked at */
    if (!row.operation->service_action)
        assert_int_equal(decode(f, cdb).sense == 0x72700, expected);
}

TEST_512(a_read_only_attachment_is_refused_every_write)
{
    f->nexus.read_only = true;
    walk(f, is_protected_if_it_writes);
}

TEST_512(a_write_protected_unit_refuses_every_write)
{
    f->nexus.mode.write_protected = true;
    walk(f, is_protected_if_it_writes);
}

/* ---- reservations: SPC-5 and SBC-4, commands allowed in the presence of reservations ---- */

static const int free_of_reservations[] = {
    ROW(0x00, 0), ROW(0x03, 0),    ROW(0x12, 0), ROW(0x25, 0),
    ROW(0x4d, 0), ROW(0x9e, 0x10), ROW(0xa0, 0),
};
static const int reading[] = {
    ROW(0x08, 0), ROW(0x28, 0), ROW(0x2f, 0),    ROW(0x34, 0), ROW(0x37, 0), ROW(0x88, 0),
    ROW(0x8f, 0), ROW(0x90, 0), ROW(0x9e, 0x12), ROW(0xa8, 0), ROW(0xaf, 0), ROW(0xb7, 0),
};

static bool is_in(const int *rows, uint32_t count, struct row row)
{
    for (uint32_t i = 0; i < count; i++)
        if (rows[i] == name_of(row))
            return true;
    return false;
}

static void has_its_class(struct fixture *f, struct row row)
{
    enum scsi_reservation expected = AS_WRITE;

    (void)f;
    if (is_in(free_of_reservations, array_length(free_of_reservations), row))
        expected = FREE;
    else if (is_in(reading, array_length(reading), row))
        expected = AS_READ;
    if (row.operation->reservation != expected)
        fail_msg("%s", row.operation->name);
}

TEST_512(every_row_has_its_class_of_reservation)
{
    walk(f, has_its_class);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_takes_a_good_cdb),
        cmocka_unit_test(every_bit_of_a_mask_may_be_set),
        cmocka_unit_test(every_other_bit_is_refused_by_name_or_ignored),
        cmocka_unit_test(of_the_control_byte_only_naca_is_minded),
        cmocka_unit_test(a_read_only_attachment_is_refused_every_write),
        cmocka_unit_test(a_write_protected_unit_refuses_every_write),
        cmocka_unit_test(every_row_has_its_class_of_reservation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
