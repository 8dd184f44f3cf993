/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/pool_test.c — a counted number of items, each its own memory, all coming back. */
#include "base/pool.h"
#include "tests/unit/dies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT 33u

static void items_are_aligned_and_apart(void **state)
{
    struct pool p;
    uint8_t *items[COUNT];

    (void)state;
    assert_int_equal(pool_open(&p, "test", 100, 64, COUNT), E_OK);
    assert_int_equal(p.item_bytes, 128);
    assert_int_equal(pool_bytes(&p), COUNT * 128);
    for (uint32_t i = 0; i < COUNT; i++) {
        items[i] = pool_get(&p);
        assert_non_null(items[i]);
        assert_int_equal((uintptr_t)items[i] % 64, 0);
        memset(items[i], (int)i, 100);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(items[i][0], i);
        assert_int_equal(items[i][99], i);
        pool_put(&p, items[i]);
    }
    pool_close(&p);
}

static void running_out_is_ordinary(void **state)
{
    struct pool p;
    void *items[3];

    (void)state;
    assert_int_equal(pool_open(&p, "test", 8, 8, 3), E_OK);
    assert_int_equal(p.low_mark, 3);
    for (int i = 0; i < 3; i++)
        items[i] = pool_get(&p);
    assert_null(pool_get(&p));
    pool_put(&p, items[1]);
    assert_ptr_equal(pool_get(&p), items[1]);
    assert_null(pool_get(&p));
    for (int i = 0; i < 3; i++)
        pool_put(&p, items[i]);
    assert_int_equal(p.low_mark, 0);
    assert_int_equal(p.free_count, 3);
    pool_close(&p);
}

/* What the system says of the mapping that `at` lies in. */
static bool is_wished_huge(const void *at)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false, wished = false;

    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        uintptr_t from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)at >= from && (uintptr_t)at < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            wished = strstr(line, " hg") != NULL;
    }
    (void)fclose(maps);
    return wished;
}

static void a_wish_for_huge_pages_changes_nothing_else(void **state)
{
    struct pool small, large;
    uint8_t *item;

    (void)state;
    assert_int_equal(pool_open_huge(&small, "small", 8, 8, 2), E_OK); /* not one page */
    pool_close(&small);
    assert_int_equal(pool_open_huge(&large, "large", 4096, 4096, 2048), E_OK);
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0)
        assert_true(is_wished_huge(large.memory + (1u << 20)));
    for (uint32_t i = 0; i < 2048; i++) {
        item = pool_get(&large);
        assert_ptr_equal(item, large.memory + (size_t)i * 4096);
        memset(item, 1, 4096);
    }
    for (uint32_t i = 0; i < 2048; i++)
        pool_put(&large, large.memory + (size_t)i * 4096);
    pool_close(&large);
}

static void a_pool_of_nothing_gives_nothing(void **state)
{
    struct pool p;

    (void)state;
    assert_int_equal(pool_open(&p, "none", 16, 16, 0), E_OK);
    assert_null(pool_get(&p));
    pool_close(&p);
}

static void what_the_system_has_not_is_refused(void **state)
{
    struct pool p;

    (void)state;
    assert_int_equal(pool_open(&p, "too much", (size_t)1 << 60, 4096, 64), E_NO_MEMORY);
    pool_close(&p); /* nothing to do */
    pool_close(NULL);
}

static struct pool broken;
static uint64_t stranger;

static void close_with_one_out(void *argument)
{
    (void)argument;
    pool_get(&broken);
    pool_close(&broken);
}

static void put_a_strangers(void *argument)
{
    (void)argument;
    pool_get(&broken);
    pool_put(&broken, &stranger);
}

static void put_a_part(void *argument)
{
    (void)argument;
    pool_put(&broken, (uint8_t *)pool_get(&broken) + 1);
}

static void put_once_more(void *argument)
{
    void *item = pool_get(&broken);

    (void)argument;
    pool_put(&broken, item);
    pool_put(&broken, item);
}

static void our_mistakes_are_asserted(void **state)
{
    (void)state;
    assert_int_equal(pool_open(&broken, "broken", 64, 64, 4), E_OK);
    assert_true(aborts(close_with_one_out, NULL));
    assert_true(aborts(put_a_strangers, NULL));
    assert_true(aborts(put_a_part, NULL));
    assert_true(aborts(put_once_more, NULL));
    pool_close(&broken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_aligned_and_apart),
        cmocka_unit_test(running_out_is_ordinary),
        cmocka_unit_test(a_wish_for_huge_pages_changes_nothing_else),
        cmocka_unit_test(a_pool_of_nothing_gives_nothing),
        cmocka_unit_test(what_the_system_has_not_is_refused),
        cmocka_unit_test(our_mistakes_are_asserted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
