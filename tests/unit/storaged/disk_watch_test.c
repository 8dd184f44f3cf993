/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/storaged/disk_watch_test.c — a disk that stands still is told of, one that is slow
 * not. */
#include "storaged/disk_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char lines[4][200];
static uint32_t line_count;

static void keep_line(struct log *l, enum log_level level, const char *line)
{
    (void)l, (void)level;
    assert_true(line_count < array_length(lines));
    snprintf(lines[line_count++], sizeof lines[0], "%s", line);
}

static struct log said = {.write = keep_line};
static struct env env = {.log = &said};
static struct disk disk = {.name = "disk0"};
static struct disk_watch watch;

static int setup(void **state)
{
    (void)state;
    line_count = 0;
    disk.submitted = disk.answered = 77;
    assert_int_equal(clock_open(&env.clock, 4), E_OK);
    watch = (struct disk_watch){.env = &env, .disk = &disk};
    disk_watch_start(&watch);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    disk_watch_stop(&watch);
    assert_int_equal(clock_next_us(&env.clock), UINT64_MAX);
    clock_close(&env.clock);
    return 0;
}

/* So many seconds go by, and each the disk answers as many requests as are given to it. */
static void pass(uint32_t seconds, uint32_t given, uint32_t answered)
{
    while (seconds-- > 0) {
        disk.submitted += given;
        disk.answered += answered;
        env.clock.now_us += 1000000;
        clock_fire(&env.clock);
    }
}

static void an_idle_disk_is_not_silent(void **state)
{
    (void)state;
    pass(3600, 0, 0);
    assert_int_equal(line_count, 0);
}

static void a_disk_that_gets_on_is_not_silent(void **state)
{
    (void)state;
    disk.submitted += 500; /* which never become fewer */
    pass(3600, 1, 1);
    assert_int_equal(line_count, 0);
}

static void ten_seconds_without_an_answer_are_said_once(void **state)
{
    (void)state;
    pass(4, 0, 0);
    disk.submitted += 3;
    pass(10, 0, 0); /* … of which the watch has seen nine */
    assert_int_equal(line_count, 0);
    pass(50, 1, 0);
    assert_int_equal(line_count, 1);
    assert_string_equal(lines[0],
                        "storaged disk_silent path=disk0 no answer for 10 s, 4 requests wait");
    pass(10, 0, 1);
    assert_int_equal(line_count, 2);
    assert_string_equal(lines[1], "storaged disk_answers path=disk0 after 55 s or more");
    pass(60, 0, 0);
    assert_int_equal(line_count, 3); /* what is left of them waits again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_idle_disk_is_not_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_gets_on_is_not_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_seconds_without_an_answer_are_said_once, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
