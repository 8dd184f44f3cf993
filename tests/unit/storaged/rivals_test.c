/* SPDX-License-Identifier: Apache-2.0 */
/* A node that lists a disk which another node has, and that speaks: what it says of it (C9). */
#include "tests/unit/storaged/scene.h"



/* The disk is recorded as the other node's; metad refuses to give it to us, or gives it. */
static void disk_is_the_others(struct scene *s, const char *refuses)
{
    struct disk_record record = {.disk = s->disk, .node = OTHER_NODE, .bytes = DISK_BYTES};

    s->refuses = refuses;
    put(s, disk_key(s->disk), disk_write(&record, NULL));
}

static void what_is_refused_is_said_once_in_the_words_of_who_refused(void **state)
{
    struct scene *s = *state;
    struct failure_log log = {.log = {.write = failure_seen, .least = LOG_LEVEL_INFO}};
    char line[200];

    snprintf(line, sizeof line,
             "action_failed action=\"register disk\" disk=%s error=FORBIDDEN (n2 has it)",
             identity_show(s->disk).text);
    log.what = line;
    log.former = s->env->log;
    s->env->log = &log.log;
    disk_is_the_others(s, "n2 has it");
    assert_true(tries_in(s, 30000000) > 1);
    assert_int_equal(log.failures, 1);
    log.what = "action_failed action=\"register disk\"";
    s->refuses = "n3 has it";
    sim_run_for(s->sim, 30000000);
    assert_int_equal(log.failures, 2);
    s->env->log = log.former;
}

#define each(test) cmocka_unit_test_setup_teardown(test, each_new, each_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        each(what_is_refused_is_said_once_in_the_words_of_who_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
