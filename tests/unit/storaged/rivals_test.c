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
    assert_int_equal(tries_in(s, 30000000), 2); /* then it is left aside */
    assert_int_equal(log.failures, 1);
    s->env->log = log.former;
}

static void what_is_refused_for_another_reason_is_said_again(void **state)
{
    struct scene *s = *state;
    struct failure_log log = {.log = {.write = failure_seen, .least = LOG_LEVEL_INFO},
                              .what = "action_failed action=\"register disk\""};

    log.former = s->env->log;
    s->env->log = &log.log;
    disk_is_the_others(s, "n2 has it");
    assert_int_equal(tries_in(s, 1000000), 1);
    s->refuses = "n3 has it";
    assert_int_equal(tries_in(s, 30000000), 2);
    assert_int_equal(log.failures, 2);
    s->env->log = log.former;
}

static json_t *heartbeat_json(struct scene *s)
{
    const struct heartbeat h = {.agent = &s->agent};
    char *text;
    json_t *body;

    assert_true(agent_gather(&s->agent));
    text = heartbeat_write(&h);
    body = json_loads(text, 0, NULL);
    assert_non_null(body);
    free(text);
    return body;
}

static size_t told(struct scene *s, const char *list)
{
    json_t *body = heartbeat_json(s);
    size_t size = json_array_size(json_object_get(body, list));

    json_decref(body);
    return size;
}

static bool left_aside(void *arg)
{
    return rivals_aside(&((struct scene *)arg)->agent.rivals, ((struct scene *)arg)->disk);
}

static bool refused_once(void *arg)
{
    return ((struct scene *)arg)->agent.rivals.count == 1;
}

static bool ours(void *arg)
{
    struct scene *s = arg;
    struct record_list l = {0};
    struct disk_record r = {0};

    assert_int_equal(keeper_range(s->keeper, disk_key(s->disk).text, &l), E_OK);
    if (l.count > 0)
        assert_int_equal(disk_read(l.records[0].value, &r), E_OK);
    record_list_free(&l);
    return identity_equal(r.node, NODE);
}

static bool volume_is_served(void *arg)
{
    struct node_volume *n = volumes_find(&((struct scene *)arg)->volumes, VOLUME);

    return n && n->hosted.told.serving;
}

/* The other node is started anew, and metad would give us the disk, and name us primary. */
static void a_disk_that_another_node_has_stays_aside_when_that_one_is_silent(void **state)
{
    struct scene *s = *state;
    struct failure_log log = {.log = {.write = failure_seen, .least = LOG_LEVEL_INFO},
                              .what = "disk_rival disk="};
    json_t *body, *rival;

    log.former = s->env->log;
    s->env->log = &log.log;
    disk_is_the_others(s, "n2 has it");
    until(s, left_aside);
    assert_int_equal(told(s, "disks"), 0);
    body = heartbeat_json(s);
    rival = json_array_get(json_object_get(body, "rivals"), 0);
    assert_string_equal(json_string_value(json_object_get(rival, "disk")),
                        identity_show(s->disk).text);
    assert_string_equal(json_string_value(json_object_get(rival, "path")), DISK_PATH);
    assert_string_equal(json_string_value(json_object_get(rival, "why")), "n2 has it");
    json_decref(body);
    s->refuses = NULL;
    create_volume(s);
    sim_run_for(s->sim, 30000000);
    assert_false(ours(s));
    assert_true(no_volume_open(s));
    assert_null(store_next(s->home->disks.disks[0].store, NULL)); /* nor is anything made on it */
    assert_int_equal(log.failures, 1);
    s->env->log = log.former;
}

/* What it holds is no more told, and no grave is done by it. */
static void what_lies_on_a_disk_left_aside_is_not_told(void **state)
{
    struct scene *s = *state;
    struct grave_record grave = {.replica = ID(99), .node = NODE, .disk = s->disk};

    create_volume(s);
    until(s, volume_is_served);
    put(s, grave_key(NODE, ID(99)), grave_write(&grave, NULL));
    sim_run_for(s->sim, 1000000);
    assert_int_equal(told(s, "replicas"), 1);
    assert_int_equal(told(s, "graves"), 1);
    disk_is_the_others(s, "n2 has it");
    until(s, left_aside);
    assert_int_equal(told(s, "replicas"), 0);
    assert_int_equal(told(s, "graves"), 0);
}

/* Its former node's last heartbeat counts for a while. */
static void a_disk_that_has_moved_here_is_taken_after_a_refusal(void **state)
{
    struct scene *s = *state;

    disk_is_the_others(s, "n2 has it");
    until(s, refused_once);
    assert_int_equal(told(s, "disks"), 1);
    s->refuses = NULL;
    until(s, ours);
    create_volume(s);
    until(s, volume_is_served);
    assert_int_equal(told(s, "rivals"), 0);
    disk_is_the_others(s, "n2 has it"); /* much later: a first refusal again */
    until(s, refused_once);
    assert_int_equal(told(s, "disks"), 1);
    s->refuses = NULL;
    until(s, ours);
}

#define each(test) cmocka_unit_test_setup_teardown(test, each_new, each_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        each(what_is_refused_is_said_once_in_the_words_of_who_refused),
        each(what_is_refused_for_another_reason_is_said_again),
        each(a_disk_that_another_node_has_stays_aside_when_that_one_is_silent),
        each(what_lies_on_a_disk_left_aside_is_not_told),
        each(a_disk_that_has_moved_here_is_taken_after_a_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
