/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/log_test.c — one event, one line. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct catching {
    struct log log;
    char line[2048];
    enum log_level level;
    uint32_t count;
};

static void catch (struct log *log, enum log_level level, const char *line)
{
    struct catching *c = container_of(log, struct catching, log);

    c->count++;
    c->level = level;
    snprintf(c->line, sizeof c->line, "%s", line);
}

static void an_event_is_subject_event_details(void **state)
{
    struct catching c = {.log = {.write = catch, .least = LOG_LEVEL_INFO}};

    (void)state;
    log_event(&c.log, LOG_LEVEL_WARN, "volume=web01", "promoted", "epoch=%d copies=%d", 7, 3);
    assert_string_equal(c.line, "volume=web01 promoted epoch=7 copies=3");
    assert_int_equal(c.level, LOG_LEVEL_WARN);
    log_event(&c.log, LOG_LEVEL_INFO, "storaged", "started", NULL);
    assert_string_equal(c.line, "storaged started");
    log_event(&c.log, LOG_LEVEL_DEBUG, "storaged", "unheard", NULL);
    assert_int_equal(c.count, 2);
}

static void a_long_line_is_cut_not_overrun(void **state)
{
    struct catching c = {.log = {.write = catch}};
    char subject[3000];

    (void)state;
    memset(subject, 's', sizeof subject - 1);
    subject[sizeof subject - 1] = 0;
    log_event(&c.log, LOG_LEVEL_INFO, subject, "event", "x=%d", 1);
    assert_int_equal(strlen(c.line), 1023);
    log_event(&c.log, LOG_LEVEL_INFO, "s", "event", "x=%s", subject);
    assert_int_equal(strlen(c.line), 1023);
    for (int length = 1000; length < 1030; length++) { /* every place where the line may end */
        subject[length] = 0;
        log_event(&c.log, LOG_LEVEL_INFO, subject, "e", "detail");
        assert_true(strlen(c.line) <= 1023);
        subject[length] = 's';
    }
}

static void a_burst_is_said_then_one_a_minute_with_the_count(void **state)
{
    struct log_pace p = {0};
    uint64_t now = 5;

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(log_pace(&p, 3, now), 1);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(log_pace(&p, 3, now + LOG_PACE_US - 1), 0);
    now += LOG_PACE_US;
    assert_int_equal(log_pace(&p, 3, now), 101);
    assert_int_equal(log_pace(&p, 3, now), 0);
    now += 10 * LOG_PACE_US; /* quiet is not saved up beyond the burst */
    assert_int_equal(log_pace(&p, 3, now), 2);
    assert_int_equal(log_pace(&p, 3, now), 1);
    assert_int_equal(log_pace(&p, 3, now), 1);
    assert_int_equal(log_pace(&p, 3, now), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_subject_event_details),
        cmocka_unit_test(a_long_line_is_cut_not_overrun),
        cmocka_unit_test(a_burst_is_said_then_one_a_minute_with_the_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
