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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_subject_event_details),
        cmocka_unit_test(a_long_line_is_cut_not_overrun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
