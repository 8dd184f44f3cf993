/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/scsi_fuzz.c — CDBs with their data-out, one command after the other, on a disk in
 * memory with two nexuses.
 *
 * First byte: bits of enum setup.  Then commands: flags, the CDB's 16 bytes, the length of the
 * data-out that is brought (two bytes), and its first bytes (as many as the next byte says; they
 * are repeated).  After each command every buffer is back, status and sense fit, both nexuses have
 * the same mode, and a nexus that may only read has changed nothing.  tests/fuzz/record makes
 * inputs of what real initiators send.
 */
#include "iscsi-target/scsi/operation.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/iscsi-target/scsi_disk.h"

enum setup {
    BLOCKS_4K = 1,
    READ_ONLY = 2,
    ATTENTION = 4,
    DESCRIPTOR_SENSE = 8,
    PROTECTED_UNIT = 16
};
enum flags {
    OTHER_LUN = 1,
    DISK_FAILS = 2, /* the first request below */
    DATA_WHOLE = 4, /* exactly the data-out that it asks for, if that is little */
    STOPPED = 8,    /* after its first request below */
    TELL_EDTL = 16,
    OTHER_NEXUS = 32,
};

#define MEDIUM_BYTES  (1u << 20)
#define COMMANDS_MAX  32u
#define DATA_OUT_MAX  (128u << 10)
#define BUFFERS_BYTES (8u << 20)

static struct fuzz_scsi {
    struct disk disk;
    struct buffers buffers;
    struct scsi_nexus nexus, other;
    struct scsi_command c;
    uint32_t answers;
} f;

static void command_done(struct scsi_command *c)
{
    (void)c;
    f.answers++;
}

static void nexus_begin(struct scsi_nexus *n, uint8_t setup)
{
    *n = (struct scsi_nexus){.read_only = setup & READ_ONLY,
                             .transfer_bytes_max = 4u << 20,
                             .target_name = "iqn.2026-11.internal.dolmen:0123456789abcdef",
                             .alias = "web01",
                             .portal_group_tag = 1};
    scsi_nexus_open(n, &f.disk.block);
    n->mode.descriptor_sense = setup & DESCRIPTOR_SENSE;
    n->mode.write_protected = setup & PROTECTED_UNIT;
    if (!(setup & ATTENTION))
        n->unit_attentions = 0;
}

static void begin(uint8_t setup)
{
    static const struct block_ops ops = {.submit = disk_submit};

    memset(f.disk.bytes, 0, MEDIUM_BYTES);
    memset(f.disk.mapped, 0, sizeof f.disk.mapped);
    block_init(&f.disk.block, &ops);
    list_init(&f.disk.waiting);
    f.disk.block.size_units = MEDIUM_BYTES / UNIT_BYTES;
    f.disk.block.logical_block_bytes = setup & BLOCKS_4K ? 4096 : 512;
    f.disk.block.unmap_grain_units = 128;
    f.disk.block.identity.bits = 0x0123456789abcdef;
    nexus_begin(&f.nexus, setup);
    nexus_begin(&f.other, setup);
}

static void bring_data(struct input pattern, uint32_t bytes)
{
    bool got = payload_get(&f.buffers, &f.c.data_out, bytes);

    assert(got);
    for (uint32_t at = 0; at < bytes && pattern.left > 0; at += (uint32_t)pattern.left)
        payload_write(&f.c.data_out, at, pattern.at, min_u32((uint32_t)pattern.left, bytes - at));
}

static void perform(uint8_t flags)
{
    if (scsi_perform(&f.c)) {
        assert(f.answers == 0 && list_empty(&f.disk.waiting));
        return;
    }
    assert(f.answers == 0);
    while (disk_pump(&f.disk))
        if (flags & STOPPED && f.answers == 0)
            scsi_stop(&f.c);
    assert(f.answers == 1);
}

/* SPC-5 4.4: the length that it says is the length that it has. */
static void sense_fits(const struct scsi_command *c)
{
    bool descriptors = c->sense_bytes && c->sense[0] == 0x72;

    assert((c->status == SCSI_CHECK_CONDITION) == (c->sense_bytes > 0));
    if (c->sense_bytes == 0)
        return;
    assert(c->sense_bytes <= SCSI_SENSE_MAX);
    assert(c->sense_bytes == 8u + c->sense[7]);
    assert(descriptors || (c->sense[0] & 0x7f) == 0x70);
}

static void nexuses_fit(struct scsi_mode before)
{
    struct scsi_mode now = f.nexus.mode;

    assert(now.descriptor_sense == f.other.mode.descriptor_sense);
    assert(now.write_protected == f.other.mode.write_protected);
    if (f.nexus.read_only) {
        assert(now.descriptor_sense == before.descriptor_sense);
        assert(now.write_protected == before.write_protected);
    }
}

static bool medium_is_zero(void)
{
    return f.disk.bytes[0] == 0 && memcmp(f.disk.bytes, f.disk.bytes + 1, MEDIUM_BYTES - 1) == 0;
}

static void settle(void)
{
    struct scsi_command *c = &f.c;
    static uint8_t in[4u << 20];

    sense_fits(c);
    assert(c->data_in.bytes <= c->data_in_bytes);
    if (c->data_in.bytes > 0)
        payload_read(&c->data_in, 0, in, c->data_in.bytes);
    payload_put(&f.buffers, &c->data_in);
    payload_put(&f.buffers, &c->data_out);
    assert(f.buffers.small.free_count == f.buffers.small.count);
    assert(f.buffers.large.free_count == f.buffers.large.count);
    assert(f.disk.block.in_flight == 0);
}

static void command(struct input *in)
{
    uint8_t flags = (uint8_t)input_number(in, 1);
    struct input cdb = input_part(in, SCSI_CDB_MAX);
    uint32_t brought = (uint32_t)input_number(in, 2), taken;
    struct input pattern = input_part(in, (size_t)input_number(in, 1));
    struct scsi_command *c = &f.c;
    struct scsi_mode mode = f.nexus.mode;

    c->nexus = flags & OTHER_NEXUS ? &f.other : &f.nexus;
    c->buffers = &f.buffers;
    c->done = command_done;
    c->lun = flags & OTHER_LUN ? 1ull << 48 : 0;
    c->data_out = (struct payload){0};
    c->data_out_offered = flags & TELL_EDTL ? brought : 0;
    memset(c->cdb, 0, sizeof c->cdb);
    memcpy(c->cdb, cdb.at, cdb.left);
    f.answers = f.disk.steps = 0;
    f.disk.fail = flags & DISK_FAILS ? E_MEDIUM : E_OK;
    f.disk.fail_at = 1;
    if (scsi_decode(c)) {
        if (flags & DATA_WHOLE)
            brought = DATA_OUT_MAX;
        taken = min_u32(brought, c->data_out_bytes);
        bring_data(pattern, taken);
        perform(flags);
    }
    settle();
    nexuses_fit(mode);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    enum err err = buffers_open(&f.buffers, BUFFERS_BYTES);

    (void)argc;
    (void)argv;
    assert(!err);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input in = {bytes, length};

    begin((uint8_t)input_number(&in, 1));
    for (uint32_t n = 0; n < COMMANDS_MAX && in.left > 0; n++)
        command(&in);
    if (f.nexus.read_only)
        assert(medium_is_zero());
    scsi_nexus_close(&f.other);
    scsi_nexus_close(&f.nexus);
    return 0;
}
