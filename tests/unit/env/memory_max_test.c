/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/memory_max_test.c — what control groups say of memory, in a folder of our own. */
#include "env/memory_max.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static char root[64];

static int each_new(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/memory-max-XXXXXX");
    assert_non_null(mkdtemp(root));
    return 0;
}

static int removed(const char *path, const struct stat *stat, int type, struct FTW *place)
{
    (void)stat, (void)type, (void)place;
    return remove(path);
}

static int each_done(void **state)
{
    (void)state;
    return nftw(root, removed, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_machine(void)
{
    struct memory_max max = memory_max(root);

    assert_string_equal(max.whose, "the machine");
    assert_true(max.bytes > 64 * MIB && max.bytes < UINT64_MAX);
}

static void its_own_group_limits_it(void **state)
{
    struct memory_max max;

    (void)state;
    put("proc/self/cgroup", "0::/system.slice/a.service\n");
    put("sys/fs/cgroup/system.slice/memory.max", "max\n");
    put("sys/fs/cgroup/system.slice/a.service/memory.max", "33554432\n");
    max = memory_max(root);
    assert_int_equal(max.bytes, 32 * MIB);
    assert_string_equal(max.whose, "memory.max of the group /system.slice/a.service");
}

static void so_does_each_group_around_it(void **state)
{
    struct memory_max max;

    (void)state;
    put("proc/self/cgroup", "4:memory:/x\n1:name=systemd:/\n0::/system.slice/a.service/b\n");
    put("sys/fs/cgroup/system.slice/memory.max", "16777216\n");
    put("sys/fs/cgroup/system.slice/a.service/memory.max", "33554432\n");
    max = memory_max(root);
    assert_int_equal(max.bytes, 16 * MIB);
    assert_string_equal(max.whose, "memory.max of the group /system.slice");
}

static void a_container_has_a_root_of_its_own(void **state)
{
    static const char *const groups[] = {"0::/\n", "0::/system.slice/a.service\n", "0::/a\n"};

    (void)state;
    put("sys/fs/cgroup/memory.max", "1048576\n");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        put("proc/self/cgroup", groups[i]);
        assert_int_equal(memory_max(root).bytes, MIB);
        assert_string_equal(memory_max(root).whose, "memory.max of the group /");
    }
}

static void what_is_not_understood_limits_nothing(void **state)
{
    static const char *const groups[] = {"",           "0::",      "0::/no/such\n", "0:/a\n",
                                         "0::/../a\n", "0::/..\n", "\n\n0"};
    static const char *const limits[] = {"",      "max\n", "-1\n",
                                         "12x\n", " 5\n",  "99999999999999999999999\n"};
    char long_line[6000];

    (void)state;
    expect_machine(); /* no files at all */
    put("sys/fs/cgroup/a/memory.max", "4096\n");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        put("proc/self/cgroup", groups[i]);
        expect_machine();
    }
    memset(long_line, 'a', sizeof long_line - 1);
    memcpy(long_line, "0::/", 4);
    long_line[sizeof long_line - 1] = '\0';
    put("proc/self/cgroup", long_line);
    expect_machine();
    memcpy(long_line, "4:m:", 4);
    memcpy(long_line + 2175, "0::/a", 6); /* within another group's name */
    put("proc/self/cgroup", long_line);
    expect_machine();
    put("proc/self/cgroup", "0::/a\n");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        put("sys/fs/cgroup/a/memory.max", limits[i]);
        expect_machine();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_own_group_limits_it, each_new, each_done),
        cmocka_unit_test_setup_teardown(so_does_each_group_around_it, each_new, each_done),
        cmocka_unit_test_setup_teardown(a_container_has_a_root_of_its_own, each_new, each_done),
        cmocka_unit_test_setup_teardown(what_is_not_understood_limits_nothing, each_new, each_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
