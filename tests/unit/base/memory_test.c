/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/memory_test.c — memory that was taken has its pages, or was not taken. */
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cmocka.h>

#define PAGE  4096u
#define PAGES 4096u

static uint32_t resident(void *memory)
{
    static unsigned char pages[PAGES];
    uint32_t count = 0;

    assert_int_equal(mincore(memory, (size_t)PAGES * PAGE, pages), 0);
    for (uint32_t i = 0; i < PAGES; i++)
        count += pages[i] & 1;
    return count;
}

static void what_a_daemon_takes_has_its_pages(void **state)
{
    uint8_t *memory = memory_take(PAGE, (size_t)PAGES * PAGE, false);

    (void)state;
    assert_non_null(memory);
    assert_true(resident(memory) < PAGES / 2); /* a tool: as it is used */
    free(memory);
    memory_populate();
    memory = memory_take(PAGE, (size_t)PAGES * PAGE, false);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % PAGE, 0);
    assert_int_equal(resident(memory), PAGES);
    free(memory);
}

static void less_than_a_page_is_taken_too(void **state)
{
    uint8_t *memory = memory_take(64, 10, true);

    (void)state;
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % 64, 0);
    memory[9] = 1;
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_daemon_takes_has_its_pages),
        cmocka_unit_test(less_than_a_page_is_taken_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
