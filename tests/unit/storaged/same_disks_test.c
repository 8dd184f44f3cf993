/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/storaged/same_disks_test.c — copies of one disk, and one disk by two names. */
#include "storaged/same_disks.h"
#include "store/inside.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES   (UINT64_C(32) << 20)
#define JOURNAL (UINT64_C(1) << 20)

static const struct identity ONE = {0x0100000000000001}, OTHER = {0x0200000000000002};

static char folder[] = "/tmp/dolmen-same-XXXXXX";
static struct node_config config;
static struct same_disks same;

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int forget_disks(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < config.disk_count; i++)
        unlink(config.disks[i].path);
    config.disk_count = 0;
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static char *add_path(const char *name)
{
    struct node_disk_config *disk = &config.disks[config.disk_count++];

    snprintf(disk->path, sizeof disk->path, "%s/%s", folder, name);
    return disk->path;
}

/* A disk with those of its superblocks that `copies` has the bits of. */
static void add_disk(const char *name, struct identity identity, uint32_t copies)
{
    int file = open(add_path(name), O_RDWR | O_CREAT | O_EXCL, 0600);
    uint8_t page[PAGE_BYTES];
    struct geometry g;

    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, (off_t)BYTES), 0);
    assert_int_equal(geometry_choose(BYTES, JOURNAL, &g), E_OK);
    for (uint32_t copy = 0; copy < 2; copy++) {
        superblock_encode(page, copy, identity, &g);
        if (copies & 1u << copy)
            assert_int_equal(pwrite(file, page, sizeof page, (off_t)superblock_offset(BYTES, copy)),
                             (ssize_t)sizeof page);
    }
    close(file);
}

static void expect(uint32_t disk, const char *copy_of, const char *alias_of)
{
    const struct same_disk *d = &same.disks[disk];

    assert_true(copy_of ? d->copy_of && strstr(d->copy_of, copy_of) : !d->copy_of);
    assert_true(alias_of ? d->alias_of && strstr(d->alias_of, alias_of) : !d->alias_of);
}

static void copies_are_told_of_each_other(void **state)
{
    (void)state;
    add_disk("a", ONE, 3);
    add_disk("b", OTHER, 3);
    add_disk("c", ONE, 3);
    same_disks_find(&config, &same);
    expect(0, "/c", NULL);
    expect(1, NULL, NULL);
    expect(2, "/a", NULL);
    assert_true(identity_equal(same.disks[1].identity, OTHER));
}

static void one_superblock_is_enough_to_tell(void **state)
{
    (void)state;
    add_disk("a", ONE, 1);
    add_disk("b", ONE, 2);
    same_disks_find(&config, &same);
    expect(0, "/b", NULL);
    expect(1, "/a", NULL);
}

static void of_three_copies_none_is_left_out(void **state)
{
    (void)state;
    add_disk("a", ONE, 3);
    add_disk("b", ONE, 3);
    add_disk("c", ONE, 3);
    same_disks_find(&config, &same);
    for (uint32_t i = 0; i < 3; i++)
        assert_non_null(same.disks[i].copy_of);
}

static void blank_disks_are_no_copies(void **state)
{
    (void)state;
    add_disk("a", ONE, 0);
    add_disk("b", ONE, 0);
    add_path("not there");
    add_path("nor this");
    same_disks_find(&config, &same);
    for (uint32_t i = 0; i < config.disk_count; i++) {
        expect(i, NULL, NULL);
        assert_true(identity_none(same.disks[i].identity));
    }
}

/* It may be opened by one of them. */
static void one_disk_by_two_names_is_no_copy(void **state)
{
    (void)state;
    add_disk("a", ONE, 3);
    assert_int_equal(symlink("a", add_path("b")), 0);
    same_disks_find(&config, &same);
    expect(0, NULL, NULL);
    expect(1, NULL, "/a");
    add_disk("c", ONE, 3);
    same_disks_find(&config, &same);
    expect(0, "/c", NULL);
    expect(1, NULL, "/a");
    expect(2, "/a", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(copies_are_told_of_each_other, forget_disks),
        cmocka_unit_test_teardown(one_superblock_is_enough_to_tell, forget_disks),
        cmocka_unit_test_teardown(of_three_copies_none_is_left_out, forget_disks),
        cmocka_unit_test_teardown(blank_disks_are_no_copies, forget_disks),
        cmocka_unit_test_teardown(one_disk_by_two_names_is_no_copy, forget_disks),
    };

    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
