/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/probe_test.c — what a device holds: nothing, something else, a store of ours. */
#include "tests/unit/store/rig.h"

#include <fcntl.h>
#include <unistd.h>

#define BYTES (UINT64_C(8) << 20)

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
    }
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
        cmocka_unit_test(our_own_is_known_by_either_superblock),
        cmocka_unit_test(what_is_not_there_is_not_empty),
    };

    return cmocka_run_group_tests(tests, make_file, drop_file);
}
