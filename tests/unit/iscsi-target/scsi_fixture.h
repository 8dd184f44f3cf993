/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/scsi_fixture.h — one nexus on a disk in memory, a command at a time.
 *
 * After every command it checks that all buffers are back, that nothing is in flight and that
 * status and sense fit.
 */
#ifndef TESTS_SCSI_FIXTURE_H
#define TESTS_SCSI_FIXTURE_H

#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/operation.h"
#include "tests/unit/iscsi-target/scsi_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct fixture {
    struct disk disk;
    struct buffers buffers;
    struct scsi_nexus nexus;
    struct scsi_command c;
    uint32_t answers;
    uint8_t in[DISK_BYTES]; /* what the command gave */
    uint32_t in_bytes;
};

#define TARGET_NAME "iqn.2026-11.internal.dolmen:0123456789abcdef"

static inline void command_done(struct scsi_command *c)
{
    container_of(c, struct fixture, c)->answers++;
}

/* A nexus that has nothing to be told any more. */
static inline struct fixture *fixture_open(uint32_t logical_block_bytes)
{
    static const struct block_ops ops = {.submit = disk_submit};
    struct fixture *f = test_calloc(1, sizeof *f);

    block_init(&f->disk.block, &ops);
    list_init(&f->disk.waiting);
    f->disk.block.size_units = DISK_BYTES / UNIT_BYTES;
    f->disk.block.logical_block_bytes = logical_block_bytes;
    f->disk.block.identity.bits = 0x0123456789abcdef;
    assert_int_equal(buffers_open(&f->buffers, 8u << 20), E_OK);
    f->nexus.transfer_bytes_max = 1u << 20;
    f->nexus.target_name = TARGET_NAME;
    f->nexus.alias = "web01";
    f->nexus.portal_group_tag = 7;
    scsi_nexus_open(&f->nexus, &f->disk.block);
    f->nexus.unit_attentions = 0;
    return f;
}

static inline void fixture_close(struct fixture *f)
{
    scsi_nexus_close(&f->nexus);
    buffers_close(&f->buffers);
    test_free(f);
}

/* Clears the command's memory as a pool does (not at all), but for what a transport sets. */
static inline void command_begin(struct fixture *f, const uint8_t *cdb, uint32_t cdb_bytes)
{
    f->c.nexus = &f->nexus;
    f->c.buffers = &f->buffers;
    f->c.done = command_done;
    f->c.data_out = (struct payload){0};
    memset(f->c.cdb, 0, sizeof f->c.cdb);
    memcpy(f->c.cdb, cdb, cdb_bytes);
    f->in_bytes = 0;
    f->answers = 0;
    f->disk.steps = 0;
}

static inline void command_end(struct fixture *f)
{
    if (f->c.status == SCSI_GOOD && f->c.data_in.bytes) {
        f->in_bytes = f->c.data_in.bytes;
        assert_true(f->in_bytes <= f->c.data_in_bytes);
        payload_read(&f->c.data_in, 0, f->in, f->in_bytes);
        payload_put(&f->buffers, &f->c.data_in);
    }
    payload_put(&f->buffers, &f->c.data_out);
    assert_int_equal(f->c.status == SCSI_CHECK_CONDITION, f->c.sense_bytes > 0);
    assert_int_equal(f->buffers.small.free_count, f->buffers.small.count);
    assert_int_equal(f->buffers.large.free_count, f->buffers.large.count);
    assert_int_equal(f->disk.block.in_flight, 0);
}

/* Runs one command to its end with this data-out (as much of it as the command takes). */
static inline uint8_t run_cdb(struct fixture *f, const uint8_t *cdb, uint32_t cdb_bytes,
                              const void *out, uint32_t out_bytes)
{
    command_begin(f, cdb, cdb_bytes);
    if (scsi_decode(&f->c)) {
        uint32_t taken = min_u32(out_bytes, f->c.data_out_bytes);

        assert_true(payload_get(&f->buffers, &f->c.data_out, taken));
        if (taken)
            payload_write(&f->c.data_out, 0, out, taken);
        if (!scsi_perform(&f->c)) {
            assert_int_equal(f->answers, 0); /* U2 */
            while (disk_pump(&f->disk))
                ;
            assert_int_equal(f->answers, 1);
        } else {
            assert_false(disk_pump(&f->disk));
            assert_int_equal(f->answers, 0);
        }
    }
    command_end(f);
    return f->c.status;
}

/* All memory is with others, until it is given back. */
static inline void memory_gone(struct fixture *f)
{
    f->buffers.small.free_count = f->buffers.large.free_count = 0;
}
static inline void memory_back(struct fixture *f)
{
    f->buffers.small.free_count = f->buffers.small.count;
    f->buffers.large.free_count = f->buffers.large.count;
}

/* LBA and length, where the group code of cdb[0] puts them. */
static inline void put_range(uint8_t *cdb, uint64_t lba, uint32_t blocks)
{
    switch (scsi_cdb_bytes(cdb[0])) {
    case 6:
        cdb[1] |= (uint8_t)(lba >> 16 & 0x1f);
        be16_put(cdb, 2, (uint16_t)lba);
        cdb[4] = (uint8_t)blocks;
        break;
    case 10:
        be32_put(cdb, 2, (uint32_t)lba);
        be16_put(cdb, 7, (uint16_t)blocks);
        break;
    case 12:
        be32_put(cdb, 2, (uint32_t)lba);
        be32_put(cdb, 6, blocks);
        break;
    default:
        be64_put(cdb, 2, lba);
        be32_put(cdb, 10, blocks);
        break;
    }
}

/* run(f, out, bytes, 0x28, 0, …): the CDB's bytes are the rest. */
#define run(f, out, out_bytes, ...)                                                                \
    run_cdb(f, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), out,        \
            out_bytes)

/* Sense key and code as one number: 0x52400 is ILLEGAL REQUEST, INVALID FIELD IN CDB. */
static inline uint32_t sense_now(const struct fixture *f)
{
    const uint8_t *s = f->c.sense;

    if (f->c.sense_bytes == 0)
        return 0;
    if (s[0] == 0x72)
        return (uint32_t)s[1] << 16 | be16_at(s, 2);
    return (uint32_t)s[2] << 16 | be16_at(s, 12);
}

/* FIELD POINTER of the sense, in fixed format; -1: none. */
static inline int field_now(const struct fixture *f)
{
    return f->c.sense_bytes && f->c.sense[15] & 0x80 ? be16_at(f->c.sense, 16) : -1;
}

static inline uint32_t information_now(const struct fixture *f)
{
    assert_int_equal(f->c.sense[0], 0xf0);
    return be32_at(f->c.sense, 3);
}

/* The answer as hex, so that a page can be compared with what the standard shows. */
static inline const char *hex(const struct fixture *f)
{
    static char text[2 * 4096 + 1];

    for (uint32_t i = 0; i < f->in_bytes; i++)
        (void)snprintf(text + 2 * (uint64_t)i, 3, "%02x", f->in[i]);
    text[2 * (uint64_t)f->in_bytes] = 0;
    return text;
}

#define expect_good(call) assert_int_equal(call, SCSI_GOOD)
#define expect_sense(f, call, sense)                                                               \
    do {                                                                                           \
        assert_int_equal(call, SCSI_CHECK_CONDITION);                                              \
        assert_int_equal(sense_now(f), sense);                                                     \
    } while (0)

#define WITH(bytes, name)                                                                          \
    static void name##_with(struct fixture *f);                                                    \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct fixture *f = fixture_open(bytes);                                                   \
                                                                                                   \
        (void)state;                                                                               \
        name##_with(f);                                                                            \
        fixture_close(f);                                                                          \
    }                                                                                              \
    static void name##_with(struct fixture *f)

/* TEST_512(a_story) { … f … } */
#define TEST_512(name) WITH(512, name)
#define TEST_4K(name)  WITH(4096, name)

#endif
