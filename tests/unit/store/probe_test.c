/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/probe_test.c — what a device holds: nothing, something else, a store of ours. */
#include "tests/unit/store/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#define BYTES (UINT64_C(8) << 20)

static uint64_t refused_from = UINT64_MAX;  /* offsets that the disk does not read … */
static uint64_t refused_to;                 /* … up to here … */
static uint32_t refused_times = UINT32_MAX; /* … so often */

/* In the place of the C library's: a disk with bad sectors. */
ssize_t pread(int fd, void *buffer, size_t length, off_t offset)
{
    if ((uint64_t)offset >= refused_from && (uint64_t)offset < refused_to && refused_times > 0) {
        refused_times--;
        errno = EIO;
        return -1;
    }
    return lseek(fd, offset, SEEK_SET) < 0 ? -1 : read(fd, buffer, length);
}

static char path[] = "/tmp/dolmen-probe-XXXXXX";
static int file = -1;

static int make_file(void **state)
{
    (void)state;
    file = mkstemp(path);
    return file < 0 || ftruncate(file, BYTES) < 0 ? -1 : 0;
}

static int drop_file(void **state)
{
    (void)state;
    close(file);
    return unlink(path);
}

static void put(uint64_t offset, const void *bytes, size_t length)
{
    assert_int_equal(pwrite(file, bytes, length, (off_t)offset), (ssize_t)length);
}

static void blank(void)
{
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(ftruncate(file, BYTES), 0);
}

static void zeros_are_nothing(void **state)
{
    char text[80];

    (void)state;
    blank();
    assert_int_equal(store_probe(path, text), E_OK);
    assert_string_equal(text, "");
}

static void a_file_system_is_named(void **state)
{
    uint8_t super[1024] = {0};
    char text[80];

    (void)state;
    blank();
    super[0x38] = 0x53; /* s_magic of ext2 */
    super[0x39] = 0xef;
    super[0x4c] = 1;    /* s_rev_level */
    super[0x18] = 2;    /* s_log_block_size */
    super[0x04] = 0xff; /* s_blocks_count */
    put(1024, super, sizeof super);
    assert_int_equal(store_probe(path, text), E_FOREIGN);
    assert_string_equal(text, "ext2 file system");
}

static void a_partition_table_is_named(void **state)
{
    uint8_t mbr[512] = {0};
    char text[80];

    (void)state;
    blank();
    mbr[446 + 4] = 0x83; /* type */
    mbr[446 + 9] = 8;    /* start 2048 */
    mbr[446 + 13] = 8;   /* 2048 sectors */
    mbr[510] = 0x55;
    mbr[511] = 0xaa;
    put(0, mbr, sizeof mbr);
    assert_int_equal(store_probe(path, text), E_FOREIGN);
    assert_string_equal(text, "dos partition table");
}

static void our_own_is_known_by_either_superblock(void **state)
{
    struct geometry g;
    uint8_t page[PAGE_BYTES];
    char text[80];

    (void)state;
    assert_int_equal(ftruncate(file, (off_t)RIG_BYTES), 0);
    assert_int_equal(geometry_choose(RIG_BYTES, RIG_JOURNAL, &g), E_OK);
    for (uint32_t copy = 0; copy < 2; copy++) {
        assert_int_equal(ftruncate(file, 0), 0);
        assert_int_equal(ftruncate(file, (off_t)RIG_BYTES), 0);
        superblock_encode(page, copy, DISK, &g);
        put(superblock_offset(RIG_BYTES, copy), page, sizeof page);
        assert_int_equal(store_probe(path, text), E_EXISTS);
        assert_string_equal(text, "a Dolmen store");
        assert_true(identity_equal(store_identify(path), DISK));
    }
}

static void expect_unknown(uint64_t at)
{
    char text[80], expected[80];

    assert_int_equal(store_probe(path, text), E_FOREIGN);
    snprintf(expected, sizeof expected, "data of an unknown kind (at byte %" PRIu64 ")", at);
    assert_string_equal(text, expected);
}

/* Whatever has no signature: what is encrypted, text, a raw database. */
static void data_that_nobody_can_name_is_not_nothing(void **state)
{
    static const uint64_t bytes = (UINT64_C(64) << 20) + 100, mib = UINT64_C(1) << 20;
    static const uint64_t places[] = {0, 5000, 3 * mib + 5, 64 * mib - 1, 64 * mib, 64 * mib + 99};
    static uint8_t junk[1 << 20];

    (void)state;
    for (uint32_t i = 0; i < array_length(places); i++) {
        assert_int_equal(ftruncate(file, 0), 0);
        assert_int_equal(ftruncate(file, (off_t)bytes), 0);
        put(places[i], "x", 1);
        expect_unknown(places[i]);
    }
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(ftruncate(file, (off_t)bytes), 0);
    memset(junk, 'x', sizeof junk);
    put(33 * mib, junk, sizeof junk); /* in the middle, where not all is read */
    expect_unknown(33 * mib);
}

static void erased_flash_is_nothing(void **state)
{
    static uint8_t ones[PAGE_BYTES];
    char text[80];

    (void)state;
    blank();
    memset(ones, 0xff, sizeof ones);
    for (uint64_t at = 0; at < BYTES; at += PAGE_BYTES)
        put(at, ones, sizeof ones);
    assert_int_equal(store_probe(path, text), E_OK);
    put(BYTES - 10, "", 1); /* a zero */
    expect_unknown(BYTES - 10);
}

static void a_place_that_cannot_be_read_is_not_empty(void **state)
{
    char text[80];

    (void)state;
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(ftruncate(file, (off_t)(64 << 20)), 0);
    refused_from = UINT64_C(33) << 20;
    refused_to = UINT64_C(34) << 20;
    refused_times = READ_TRIES - 1; /* an error may pass */
    assert_int_equal(store_probe(path, text), E_OK);
    refused_times = UINT32_MAX;
    assert_int_equal(store_probe(path, text), E_DISK);
    assert_string_equal(text, "what cannot be read (at byte 34603008)");
    refused_from = UINT64_MAX;
}

/* A file as format leaves it: both superblocks and the first root. */
static void formatted(struct geometry *ret)
{
    uint8_t page[PAGE_BYTES];

    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(ftruncate(file, (off_t)RIG_BYTES), 0);
    assert_int_equal(geometry_choose(RIG_BYTES, RIG_JOURNAL, ret), E_OK);
    for (uint32_t copy = 0; copy < 2; copy++) {
        superblock_encode(page, copy, DISK, ret);
        put(superblock_offset(RIG_BYTES, copy), page, sizeof page);
    }
    memset(page, 0, sizeof page);
    format_seal(page, sizeof page, &(struct format_name){ROOT_MAGIC, DISK, 0, 2});
    put(ret->root_offset[0], page, sizeof page);
}

static void expect_ours(void)
{
    char text[80];

    assert_int_equal(store_probe(path, text), E_EXISTS);
    assert_string_equal(text, "a Dolmen store");
}

/* Its roots may be durable, its superblocks are not: it is begun again by itself. */
static void a_format_that_was_broken_off_is_blank(void **state)
{
    uint8_t page[PAGE_BYTES] = {0};
    char text[80];
    struct geometry g;

    (void)state;
    formatted(&g);
    put(superblock_offset(RIG_BYTES, 0), page, sizeof page);
    put(superblock_offset(RIG_BYTES, 1), page, sizeof page);
    expect_ours(); /* a store whose superblocks are gone is one all the same */
    format_seal(page, sizeof page, &(struct format_name){ROOT_MAGIC, DISK, 0, 1});
    put(g.root_offset[0], page, sizeof page);
    assert_int_equal(store_probe(path, text), E_OK);
}

static void a_shrunk_device_is_still_ours(void **state)
{
    struct geometry g;

    (void)state;
    formatted(&g);
    assert_int_equal(ftruncate(file, (off_t)(RIG_BYTES - PAGE_BYTES)), 0);
    expect_ours();
    assert_int_equal(ftruncate(file, PAGE_BYTES), 0);
    expect_ours();
}

static void rotten_superblocks_are_still_ours(void **state)
{
    static const uint8_t zeros[PAGE_BYTES];
    struct geometry g;
    uint8_t rot = 0xff;

    (void)state;
    formatted(&g);
    put(superblock_offset(RIG_BYTES, 0) + 3000, &rot, 1);
    put(superblock_offset(RIG_BYTES, 1) + 3000, &rot, 1);
    put(g.root_offset[0], zeros, sizeof zeros);
    expect_ours();
}

static void a_root_alone_is_still_ours(void **state)
{
    static const uint8_t zeros[PAGE_BYTES];
    struct geometry g;

    (void)state;
    formatted(&g);
    put(superblock_offset(RIG_BYTES, 0), zeros, sizeof zeros);
    put(superblock_offset(RIG_BYTES, 1), zeros, sizeof zeros);
    expect_ours();
}

/* A device with one page of ours and nothing else. */
static void put_alone(uint64_t offset, const struct format_name *name)
{
    uint8_t page[PAGE_BYTES] = {0};

    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(ftruncate(file, (off_t)RIG_BYTES), 0);
    format_seal(page, sizeof page, name);
    put(offset, page, sizeof page);
}

/* Of a store that was in use, with both ends of the device lost, any one of these is left. */
static void expect_each_to_be_ours(const struct geometry *g, uint32_t place)
{
    const struct {
        uint64_t offset;
        uint32_t magic;
    } left[] = {
        {g->root_offset[1], ROOT_MAGIC},
        {page_offset(g, 0, place), MAP_MAGIC},
        {page_offset(g, g->map_pages, place), CHECKSUM_MAGIC},
        {index_page_offset(g, 0, place), INDEX_MAGIC},
        {g->journal_offset + 300 * PAGE_BYTES, GROUP_MAGIC},
    };

    for (uint32_t i = 0; i < array_length(left); i++) {
        put_alone(left[i].offset, &(struct format_name){left[i].magic, DISK, 0, 2});
        expect_ours();
    }
}

static void a_table_or_the_second_root_alone_is_still_ours(void **state)
{
    struct geometry g;
    char text[80];

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(geometry_choose(RIG_BYTES, UINT64_C(1) << (20 + i / 2), &g), E_OK);
        expect_each_to_be_ours(&g, i % 2);
        /* a format's root: nobody's data lie there */
        put_alone(g.root_offset[1], &(struct format_name){ROOT_MAGIC, DISK, 1, 1});
        assert_int_equal(store_probe(path, text), E_OK);
    }
}

static void what_cannot_be_read_is_not_empty(void **state)
{
    struct geometry g;
    char text[80];

    (void)state;
    blank();
    refused_from = 0;
    refused_to = PAGE_BYTES;
    assert_int_equal(store_probe(path, text), E_DISK);
    formatted(&g); /* what is left is enough to know it by */
    expect_ours();
    refused_from = UINT64_MAX;
    assert_int_equal(store_probe("/", text), E_SYSTEM); /* has no size */
}

/* By which store_open() would take it. */
static void a_store_has_the_identity_of_the_superblock_that_counts(void **state)
{
    uint8_t page[PAGE_BYTES] = {0};
    struct geometry g;

    (void)state;
    formatted(&g);
    superblock_encode(page, 1, VOLUME, &g);
    put(superblock_offset(RIG_BYTES, 1), page, sizeof page);
    assert_true(identity_equal(store_identify(path), DISK));
    refused_from = 0;
    refused_to = PAGE_BYTES;
    refused_times = READ_TRIES - 1; /* an error may pass */
    assert_true(identity_equal(store_identify(path), DISK));
    refused_times = UINT32_MAX;
    assert_true(identity_equal(store_identify(path), VOLUME));
    refused_from = UINT64_MAX;
    memset(page, 0, sizeof page);
    put(superblock_offset(RIG_BYTES, 0), page, sizeof page);
    put(superblock_offset(RIG_BYTES, 1), page, sizeof page);
    assert_true(identity_none(store_identify(path)));
    assert_int_equal(ftruncate(file, 100), 0);
    assert_true(identity_none(store_identify(path)));
    assert_true(identity_none(store_identify("/")));
    assert_true(identity_none(store_identify("/nonexistent/disk")));
}

static void what_is_not_there_is_not_empty(void **state)
{
    char text[80];

    (void)state;
    assert_int_not_equal(store_probe("/nonexistent/disk", text), E_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_are_nothing),
        cmocka_unit_test(a_file_system_is_named),
        cmocka_unit_test(a_partition_table_is_named),
        cmocka_unit_test(data_that_nobody_can_name_is_not_nothing),
        cmocka_unit_test(erased_flash_is_nothing),
        cmocka_unit_test(a_place_that_cannot_be_read_is_not_empty),
        cmocka_unit_test(our_own_is_known_by_either_superblock),
        cmocka_unit_test(a_format_that_was_broken_off_is_blank),
        cmocka_unit_test(a_shrunk_device_is_still_ours),
        cmocka_unit_test(rotten_superblocks_are_still_ours),
        cmocka_unit_test(a_root_alone_is_still_ours),
        cmocka_unit_test(a_table_or_the_second_root_alone_is_still_ours),
        cmocka_unit_test(what_cannot_be_read_is_not_empty),
        cmocka_unit_test(a_store_has_the_identity_of_the_superblock_that_counts),
        cmocka_unit_test(what_is_not_there_is_not_empty),
    };

    return cmocka_run_group_tests(tests, make_file, drop_file);
}
