/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/broken_test.c — a disk that fails, or rots, under an open store: what is said,
 * what goes on, and that all of what was answered is there when the store is opened again.
 */
#include "env/faulty_disk.h"
#include "tests/unit/store/rig_io.h"

#include <inttypes.h>

#define MINUTE_US (UINT64_C(60) * 1000 * 1000)

static char lines[8][300];
static uint32_t line_count;

static void keep_line(struct log *l, enum log_level level, const char *line)
{
    (void)l, (void)level;
    assert_true(line_count < array_length(lines));
    snprintf(lines[line_count++], sizeof lines[0], "%s", line);
}

static struct log said = {.write = keep_line, .least = LOG_LEVEL_INFO};

/* A store with 100 blocks at home, on a disk that can be made to fail. */
static struct rig failing(uint64_t seed)
{
    struct rig r = rig_begin(seed, 1024);

    assert_int_equal(rig_write(&r, 0, 100, 1000), E_OK);
    rig_close(&r);
    assert_int_equal(faulty_disk_open(r.env, r.disk, &r.disk), E_OK);
    assert_int_equal(rig_open(&r), E_OK);
    line_count = 0;
    r.env->log = &said;
    return r;
}

static uint64_t home_of(const struct rig *r, uint64_t block)
{
    uint64_t entry = map_entry(r->replica, (uint32_t)(block / CHUNK_BLOCKS));

    assert_true(entry & ENTRY_PLACED);
    return chunk_offset(r->store, entry & ENTRY_CHUNK) + block % CHUNK_BLOCKS * BLOCK_BYTES;
}

/* The disk reads nothing at all: which is said of no block. */
static void expect_disk(struct rig *r, uint64_t block)
{
    uint8_t bytes[BLOCK_BYTES];

    assert_int_equal(rig_read(r, block, 1, bytes, NULL), E_DISK);
}

static void set(struct rig *r, struct disk_faults faults)
{
    faulty_disk_set(r->disk, &faults);
}

static void end(struct rig *r)
{
    rig_close(r);
    disk_close(r->disk);
    rig_end(r);
}

static void a_refused_write_is_said_once_and_is_the_last(void **state)
{
    struct rig r = failing(1);

    (void)state;
    assert_int_equal(rig_write(&r, 100, 1, 2000), E_OK);
    set(&r, (struct disk_faults){.errors = DISK_ERRORS_WRITES});
    assert_int_equal(rig_write(&r, 101, 1, 3000), E_DISK);
    assert_true(store_space(r.store).read_only);
    set(&r, (struct disk_faults){0});
    assert_int_not_equal(rig_write(&r, 102, 1, 4000), E_OK);
    expect_blocks(&r, 0, 100, 1000); /* reads go on */
    expect_blocks(&r, 100, 1, 2000);
    assert_int_equal(line_count, 1);
    assert_non_null(strstr(lines[0], "store disk_failed disk=d15c000000000001 path=disk "
                                     "it refused to write its journal"));
    rig_reopen(&r);
    assert_false(store_space(r.store).read_only);
    expect_blocks(&r, 0, 100, 1000);
    expect_blocks(&r, 100, 1, 2000);
    assert_int_equal(rig_write(&r, 102, 1, 4000), E_OK);
    assert_int_equal(line_count, 1);
    end(&r);
}

static void a_checkpoint_that_is_refused_is_said(void **state)
{
    struct rig r = failing(2);

    (void)state;
    assert_int_equal(rig_write(&r, 100, 1, 2000), E_OK);
    set(&r, (struct disk_faults){.errors = DISK_ERRORS_WRITES});
    rig_close(&r); /* its last checkpoint */
    assert_int_equal(line_count, 1);
    assert_non_null(strstr(lines[0], "it refused to take part in a checkpoint"));
    set(&r, (struct disk_faults){0});
    assert_int_equal(rig_open(&r), E_OK);
    expect_blocks(&r, 100, 1, 2000);
    end(&r);
}

static void refused_reads_are_said_once_a_minute(void **state)
{
    struct rig r = failing(3);

    (void)state;
    expect_blocks(&r, 50, 1, 1050); /* the checksum page is at hand */
    set(&r, (struct disk_faults){.errors = DISK_ERRORS_READS});
    for (uint64_t i = 0; i < 5; i++)
        expect_disk(&r, i);
    assert_int_equal(line_count, 1);
    assert_non_null(strstr(lines[0], "store reads_refused disk=d15c000000000001 path=disk "
                                     "it does not read 1 blocks or pages"));
    sim_run_for(r.sim, MINUTE_US);
    expect_disk(&r, 7);
    expect_disk(&r, 8);
    assert_int_equal(line_count, 2);
    assert_non_null(strstr(lines[1], "it does not read 5 blocks or pages"));
    set(&r, (struct disk_faults){0});
    expect_blocks(&r, 0, 100, 1000); /* nothing is settled by an error that passes */
    assert_int_equal(rig_write(&r, 0, 1, 1000), E_OK);
    end(&r);
}

/* Line `index` is of a read that met `block`, with its place in the volume, and says `what`. */
static void expect_unproved(const struct rig *r, uint32_t index, uint64_t block, const char *what)
{
    char place[200];

    snprintf(place, sizeof place,
             "store reads_unproved disk=d15c000000000001 path=disk volume=%s shard=%" PRIu32
             " block=%" PRIu64 " offset=%" PRIu64 " %s",
             identity_show(r->replica->volume).text, r->replica->shard, block,
             (r->replica->shard * SHARD_BLOCKS + block) * BLOCK_BYTES, what);
    assert_non_null(strstr(lines[index], place));
}

static void a_block_is_bad_only_where_the_disk_reads_others(void **state)
{
    struct rig r = failing(6);

    (void)state;
    expect_blocks(&r, 50, 1, 1050);
    sim_disk_fault(r.medium, (struct sim_fault_rule){.kind = FAULT_EIO,
                                                     .per_million = EACH,
                                                     .ops = FAULT_ON(DISK_READ),
                                                     .bytes = {home_of(&r, 7), BLOCK_BYTES}});
    expect_medium(&r, 7);
    expect_blocks(&r, 8, 20, 1008);
    assert_int_equal(line_count, 2);
    assert_non_null(strstr(lines[0], "reads_refused"));
    expect_unproved(&r, 1, 7, "the disk does not read it");
    end(&r);
}

static void rot(const struct rig *r, uint64_t block)
{
    uint8_t byte;

    sim_disk_peek(r->medium, home_of(r, block) + 77, &byte, 1);
    byte ^= 16;
    sim_disk_poke(r->medium, home_of(r, block) + 77, &byte, 1);
}

static void a_read_that_meets_rot_names_the_place_once_a_minute(void **state)
{
    struct rig r = failing(7);

    (void)state;
    rot(&r, 7);
    rot(&r, 30);
    for (uint32_t i = 0; i < 4; i++)
        expect_medium(&r, 7);
    expect_medium(&r, 30);
    expect_blocks(&r, 8, 20, 1008);
    assert_int_equal(line_count, 1);
    expect_unproved(&r, 0, 7, "it cannot be proved to be what was written; reads that met such: 1");
    sim_run_for(r.sim, MINUTE_US);
    expect_medium(&r, 30);
    assert_int_equal(line_count, 2);
    expect_unproved(&r, 1, 30,
                    "it cannot be proved to be what was written; reads that met such: 5");
    end(&r);
}

/* As replication does: a write is asked whether it fits before it is handed on. */
static bool wrote(struct rig *r, uint64_t chunk)
{
    if (!store_fits(r->replica, (struct extent){chunk * CHUNK_BLOCKS, 1}))
        return false;
    assert_int_equal(rig_write(r, chunk * CHUNK_BLOCKS, 1, chunk + 1), E_OK);
    return true;
}

static void a_full_disk_is_said_once_and_once_that_it_has_room(void **state)
{
    struct rig r = rig_begin(8, 100000);
    uint64_t chunks = 0, reserve = store_space(r.store).chunks_reserved;

    (void)state;
    line_count = 0;
    r.env->log = &said;
    while (wrote(&r, chunks))
        chunks++;
    assert_false(wrote(&r, chunks + 1));
    assert_int_equal(line_count, 1);
    assert_non_null(strstr(lines[0], "store disk_full disk=d15c000000000001 path=disk writes to "
                                     "new places are refused: no free space is left"));
    assert_int_equal(rig_unmap(&r, 0, CHUNK_BLOCKS), E_OK);
    assert_true(wrote(&r, chunks)); /* one may: it is full all the same */
    assert_false(wrote(&r, chunks + 1));
    assert_int_equal(line_count, 1);
    assert_int_equal(rig_unmap(&r, CHUNK_BLOCKS, reserve * CHUNK_BLOCKS), E_OK);
    assert_int_equal(line_count, 2);
    assert_non_null(strstr(lines[1], "store disk_has_room disk=d15c000000000001 path=disk "));
    rig_end(&r);
}

static void what_vanished_and_is_back_has_everything(void **state)
{
    struct rig r = failing(4);

    (void)state;
    assert_int_equal(rig_write(&r, 100, 20, 2000), E_OK);
    set(&r, (struct disk_faults){.vanished = true});
    assert_int_equal(rig_write(&r, 0, 1, 5000), E_DISK);
    expect_disk(&r, 50); /* its checksum page cannot be read either */
    rig_close(&r);
    assert_int_equal(rig_open(&r), E_DISK);
    assert_non_null(strstr(r.why, "the disk refuses to read its superblocks"));
    disk_close(r.disk);
    assert_int_equal(disk_open(r.env, "disk", 0, &r.disk), E_OK);
    assert_int_equal(rig_open(&r), E_OK);
    expect_blocks(&r, 1, 99, 1001);
    expect_blocks(&r, 100, 20, 2000);
    end(&r);
}

static void a_disk_that_answers_after_a_minute_is_only_slow(void **state)
{
    struct rig r = failing(5);

    (void)state;
    set(&r, (struct disk_faults){.delay_us = MINUTE_US});
    assert_int_equal(rig_write(&r, 100, 1, 2000), E_OK);
    expect_blocks(&r, 0, 100, 1000);
    assert_true(sim_now_us(r.sim) > 2 * MINUTE_US);
    set(&r, (struct disk_faults){0});
    assert_int_equal(line_count, 0);
    end(&r);
}

static void a_disk_that_fails_leaves_what_is_staged_readable(void **state)
{
    struct rig r = failing(30);
    uint8_t bytes[BLOCK_BYTES];

    (void)state;
    assert_int_equal(rig_write(&r, 3, 1, 4000), E_OK);
    r.medium->broken = true;
    assert_int_equal(rig_write(&r, 4, 1, 4001), E_DISK);
    assert_int_equal(rig_write(&r, 5, 1, 4002), E_READ_ONLY);
    assert_int_equal(rig_promise(&r, 9), E_READ_ONLY);
    assert_true(store_space(r.store).read_only);
    expect_blocks(&r, 3, 1, 4000); /* from memory */
    assert_int_equal(rig_read(&r, 50, 1, bytes, NULL), E_DISK);
    r.medium->broken = false;
    expect_blocks(&r, 50, 50, 1050); /* reads go on */
    assert_int_equal(rig_write(&r, 5, 1, 4002), E_READ_ONLY);
    rig_close(&r);
    assert_int_equal(rig_open(&r), E_OK);
    expect_blocks(&r, 3, 1, 4000);
    expect_blocks(&r, 5, 95, 1005);
    end(&r);
}

static void a_disk_that_fails_in_a_checkpoint_loses_nothing(void **state)
{
    struct rig r = failing(31);
    struct rig_wait w = {0};
    struct store_close c = {.done = rig_close_done, .own = &w};

    (void)state;
    assert_int_equal(rig_write(&r, 3, 40, 4000), E_OK);
    r.medium->broken = true;
    store_close(r.store, &c);
    (void)rig_await(&r, &w);
    r.store = NULL;
    r.medium->broken = false;
    assert_int_equal(rig_open(&r), E_OK);
    expect_blocks(&r, 3, 40, 4000);
    expect_blocks(&r, 43, 57, 1043);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_write_is_said_once_and_is_the_last),
        cmocka_unit_test(a_checkpoint_that_is_refused_is_said),
        cmocka_unit_test(refused_reads_are_said_once_a_minute),
        cmocka_unit_test(a_block_is_bad_only_where_the_disk_reads_others),
        cmocka_unit_test(a_read_that_meets_rot_names_the_place_once_a_minute),
        cmocka_unit_test(a_full_disk_is_said_once_and_once_that_it_has_room),
        cmocka_unit_test(what_vanished_and_is_back_has_everything),
        cmocka_unit_test(a_disk_that_answers_after_a_minute_is_only_slow),
        cmocka_unit_test(a_disk_that_fails_leaves_what_is_staged_readable),
        cmocka_unit_test(a_disk_that_fails_in_a_checkpoint_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
