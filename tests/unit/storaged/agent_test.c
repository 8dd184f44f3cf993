/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node in the simulated world: disks, volumes, target and agent over a keeper in memory.  The
 * test writes the records that a controller would write, and looks what the node does.
 */
#include "tests/unit/storaged/scene.h"

/* ---- what can be seen ---- */

static struct head_record head_now(struct scene *s)
{
    struct record_list l = {0};
    struct head_record head;

    assert_int_equal(keeper_range(s->keeper, head_key(VOLUME).text, &l), E_OK);
    assert_int_equal(head_read(l.records[0].value, &head), E_OK);
    record_list_free(&l);
    return head;
}

static struct page_shard shard_now(struct scene *s)
{
    struct record_list l = {0};
    struct page_record page;

    assert_int_equal(keeper_range(s->keeper, page_key(VOLUME, 0).text, &l), E_OK);
    assert_int_equal(page_read(l.records[0].value, &page), E_OK);
    record_list_free(&l);
    return page.shards[0];
}

static bool registered(void *arg)
{
    struct scene *s = arg;
    struct record_list node = {0}, disk = {0};
    bool both;

    assert_int_equal(keeper_range(s->keeper, node_key(NODE).text, &node), E_OK);
    assert_int_equal(keeper_range(s->keeper, disk_key(s->disk).text, &disk), E_OK);
    both = node.count == 1 && disk.count == 1;
    record_list_free(&node);
    record_list_free(&disk);
    return both;
}

static bool served(void *arg)
{
    struct scene *s = arg;
    struct node_volume *n = volumes_find(&s->volumes, VOLUME);

    return n && !n->closing && n->hosted.told.serving;
}

static bool served_in_epoch_2(void *arg)
{
    struct scene *s = arg;

    return served(s) && volumes_find(&s->volumes, VOLUME)->epoch == 2;
}

static bool served_with_128_mib(void *arg)
{
    struct scene *s = arg;

    return served(s) && volumes_find(&s->volumes, VOLUME)->bytes == 128 * MIB;
}

static bool nothing_on_disk(void *arg)
{
    return store_next(((struct scene *)arg)->home->disks.disks[0].store, NULL) == NULL;
}

static bool metad_is_missed(void *arg)
{
    return ((struct scene *)arg)->agent.away;
}

/* The heartbeat of this moment; the caller's. */
static json_t *heartbeat_now_json(struct scene *s)
{
    const struct heartbeat h = {.agent = &s->agent,
                                .lineage = ID(77),
                                .status = "127.0.0.1:7490",
                                .iqn_prefix = ISCSI_PREFIX};
    char *text;
    json_t *body;

    assert_true(agent_gather(&s->agent));
    text = heartbeat_write(&h);
    assert_non_null(text);
    body = json_loads(text, 0, NULL);
    assert_non_null(body);
    free(text);
    return body;
}

static json_t *first_of(const json_t *body, const char *list)
{
    return json_array_get(json_object_get(body, list), 0);
}

static const char *text(const json_t *object, const char *member)
{
    const char *value = json_string_value(json_object_get(object, member));

    return value ? value : "";
}

static bool attachment_drained(void *arg)
{
    json_t *body = heartbeat_now_json(arg);
    bool drained = strcmp(text(first_of(body, "attachments"), "state"), "drained") == 0;

    json_decref(body);
    return drained;
}

static bool attachment_known(void *arg)
{
    json_t *body = heartbeat_now_json(arg);
    bool known = strcmp(text(first_of(body, "attachments"), "state"), "known") == 0;

    json_decref(body);
    return known;
}

static bool no_attachment_told(void *arg)
{
    json_t *body = heartbeat_now_json(arg);
    bool none = json_array_size(json_object_get(body, "attachments")) == 0;

    json_decref(body);
    return none;
}

/* ---- heartbeats, to a metad that is this scene ---- */

static void post_answered(struct timer *t)
{
    struct scene *s = container_of(t, struct scene, post_timer);

    s->post->lineage = s->lineage;
    s->posts++;
    snprintf(s->post->why, sizeof s->post->why, "%s", s->refusal ? s->refusal : "");
    s->post->done(s->post, s->refusal ? E_INVALID : E_OK);
}

void metad_heartbeat(struct metad *m, struct metad_post *p)
{
    struct scene *s = (struct scene *)m;

    free(p->body);
    s->post = p;
    timer_start(&s->env->clock, &s->post_timer, 200, post_answered);
}

static void heartbeat_stopped(struct heartbeat *h)
{
    container_of(h, struct scene, heartbeat)->heartbeat_gone = true;
}

static bool heartbeat_gone(void *arg)
{
    return ((struct scene *)arg)->heartbeat_gone;
}

static void open_heartbeat(struct scene *s)
{
    s->lineage = ID(77);
    s->heartbeat = (struct heartbeat){
        .env = s->env,
        .metad = (struct metad *)s,
        .agent = &s->agent,
        .stopped = heartbeat_stopped,
    };
    heartbeat_start(&s->heartbeat);
}

static void close_heartbeat(struct scene *s)
{
    heartbeat_stop(&s->heartbeat);
    until(s, heartbeat_gone);
}

static bool held(void *arg)
{
    json_t *body = heartbeat_now_json(arg);
    bool is = *text(body, "held");

    json_decref(body);
    return is;
}

static bool trusted_as_read(void *arg)
{
    const struct scene *s = arg;

    return s->agent.trusted == s->agent.view.revision;
}

/* ---- stories ---- */

static void a_node_registers_itself_and_its_disks(void **state)
{
    struct scene *s = *state;
    json_t *body;

    until(s, registered);
    body = heartbeat_now_json(s);
    assert_string_equal(text(body, "node"), "0000000000000001");
    assert_string_equal(text(body, "incarnation"), "0000000000000005");
    assert_string_equal(text(body, "name"), "n1");
    assert_string_equal(text(body, "lineage"), "000000000000004d");
    assert_string_equal(text(body, "status_address"), "127.0.0.1:7490");
    assert_string_equal(text(body, "iqn_prefix"), ISCSI_PREFIX);
    assert_string_equal(json_string_value(first_of(body, "portals")), "127.0.0.1:3260");
    assert_string_equal(text(first_of(body, "disks"), "disk"), identity_show(s->disk).text);
    assert_int_equal(json_integer_value(json_object_get(first_of(body, "disks"), "bytes")),
                     DISK_BYTES);
    assert_int_equal(json_integer_value(json_object_get(first_of(body, "disks"), "replicas_max")),
                     256);
    assert_int_equal(json_integer_value(json_object_get(body, "volumes_max")),
                     s->limits.volumes_max);
    assert_int_equal(json_integer_value(json_object_get(body, "attachments_max")),
                     s->limits.attachments_max);
    json_decref(body);
}

static void a_new_volume_is_made_promised_recorded_and_served(void **state)
{
    struct scene *s = *state;
    struct page_shard shard;
    json_t *body, *volume;

    create_volume(s);
    until(s, served);
    shard = shard_now(s);
    assert_false(shard.is_new);
    assert_true(shard.replicas[0].in_sync);
    assert_int_equal(head_now(s).generation, 1);
    body = heartbeat_now_json(s);
    volume = first_of(body, "volumes");
    assert_string_equal(text(volume, "volume"), identity_show(VOLUME).text);
    assert_int_equal(json_integer_value(json_object_get(volume, "epoch")), 1);
    assert_int_equal(json_integer_value(json_object_get(volume, "serving")), 1);
    assert_int_equal(json_integer_value(json_object_get(volume, "bytes")), 64 * MIB);
    assert_true(json_is_true(json_object_get(first_of(body, "replicas"), "named")));
    json_decref(body);
}

/* Another epoch of this same process: closed, and opened anew. */
static void a_raised_epoch_opens_the_volume_anew(void **state)
{
    struct scene *s = *state;

    create_volume(s);
    until(s, served);
    put_head(s, 2, US);
    until(s, served_in_epoch_2);
    assert_true(shard_now(s).replicas[0].in_sync);
}

static void a_volume_of_another_process_is_closed(void **state)
{
    struct scene *s = *state;

    create_volume(s);
    until(s, served);
    put_head(s, 2, ID(6));
    until(s, no_volume_open);
    assert_false(nothing_on_disk(s)); /* its data are not ours to take away */
}

static void a_volume_that_is_closed_lets_nobody_in(void **state)
{
    struct scene *s = *state;
    struct attachment_record a = cluster_attachment();

    create_volume(s);
    until(s, served);
    put(s, attachment_key(VOLUME, ATTACHMENT), attachment_write(&a, NULL));
    until(s, attachment_known);
    assert_non_null(volumes_hosted(&s->volumes, VOLUME, ATTACHMENT));
    agent_hold(&s->agent);
    volumes_close(&s->volumes, VOLUME); /* from now on, not from its end on */
    assert_null(volumes_hosted(&s->volumes, VOLUME, ATTACHMENT));
    until(s, no_volume_open);
}

static bool volume_is_open(void *arg)
{
    return !no_volume_open(arg);
}

/* P12: the end of a volume does not wait for a set that cannot be recorded. */
static void a_volume_is_closed_while_metad_is_away(void **state)
{
    struct scene *s = *state;

    s->mute = true;
    create_volume(s);
    until(s, volume_is_open);
    sim_run_for(s->sim, 5000000);
    assert_false(served(s));
    agent_hold(&s->agent);
    volumes_close(&s->volumes, VOLUME);
    until(s, no_volume_open);
    assert_true(shard_now(s).is_new);
}

static void a_volume_grows_while_it_is_served(void **state)
{
    struct scene *s = *state;

    create_volume(s);
    until(s, served);
    put_volume(s, 128 * MIB, false);
    until(s, served_with_128_mib);
    assert_int_equal(volumes_find(&s->volumes, VOLUME)->hosted.block->size_units,
                     128 * MIB / UNIT_BYTES);
}

/* What fails after a while pauses like what fails at once: 5 s, and no busy loop between. */
static void a_resize_that_fails_is_tried_again_after_a_pause(void **state)
{
    struct scene *s = *state;
    struct failure_log log = failures_of(s->env->log, "action_failed action=\"resize volume\"");
    struct page_record page = cluster_page(NODE, s->disk, 1);

    s->env->log = &log.log;
    page.shards[0].is_new = false;
    page.shards[0].replicas[0].in_sync = true; /* and is not there */
    put_volume(s, 64 * MIB, false);
    put(s, page_key(VOLUME, 0), page_write(&page, NULL));
    put_head(s, 4, US);
    until(s, volume_is_open);
    put_volume(s, 128 * MIB, false);
    assert_in_range(tries_in(s, 12000000), 2, 3);
    assert_int_equal(log.failures, 1); /* the same thing is said once */
    s->env->log = log.former;
}

/* Its home says no: nothing of it is left, and it is tried again like all that fails. */
static void a_volume_that_cannot_be_opened_is_tried_again_after_a_pause(void **state)
{
    struct scene *s = *state;
    struct failure_log log = failures_of(s->env->log, "action_failed action=\"open volume\"");
    uint32_t requests_max = s->limits.volume.requests_max;

    s->env->log = &log.log;
    s->limits.volume.requests_max = 0;
    create_volume(s);
    assert_in_range(tries_in(s, 12000000), 2, 3);
    assert_int_equal(log.failures, 1);
    assert_true(no_volume_open(s));
    s->env->log = log.former;
    s->limits.volume.requests_max = requests_max;
    until(s, served);
}

/* Of a volume that is served in its first size, a page. */
static bool no_space_told(void *arg)
{
    json_t *body = heartbeat_now_json(arg);
    const json_t *volume = first_of(body, "volumes");
    bool told = strcmp(text(volume, "why"), err_text(E_NO_SPACE)) == 0 &&
                json_integer_value(json_object_get(volume, "serving")) == PAGE_SHARDS;

    json_decref(body);
    return told;
}

/* By more shards than its disk has places for. */
static void what_keeps_a_volume_from_growing_is_told(void **state)
{
    struct scene *s = *state;

    put_volume(s, PAGE_SHARDS * SHARD_BYTES, false);
    put_pages(s, 0, 1);
    put_head(s, 1, US);
    until(s, served);
    put_pages(s, 1, 5);
    put_volume(s, 5 * PAGE_SHARDS * SHARD_BYTES, false);
    until(s, no_space_told);
}

static bool another_is_served(void *arg)
{
    struct node_volume *n = volumes_find(&((struct scene *)arg)->volumes, OTHER_VOLUME);

    return n && n->hosted.told.serving;
}

/* P12: more than there is room for in any list. */
static void a_disk_that_refuses_keeps_no_other_out(void **state)
{
    struct scene *s = *state;

    sim_disk_find(s->sim, DISK_PATH)->broken = true;
    create_volume_of_pages_and_another(s, PLAN_ACTIONS_MAX / PAGE_SHARDS + 1);
    until(s, another_is_served);
    sim_disk_find(s->sim, DISK_PATH)->broken = false;
}

/* … and nobody waits for its answers. */
static void a_disk_that_hangs_keeps_no_other_out(void **state)
{
    struct scene *s = *state;

    sim_disk_find(s->sim, DISK_PATH)->slow_us = BOUND_US / 2;
    create_volume_of_pages_and_another(s, 1);
    assert_true(sim_run_until(s->sim, another_is_served, s, BOUND_US / 4));
    sim_disk_find(s->sim, DISK_PATH)->slow_us = 0;
}

/* As of the last census. */
static bool grave_told(void *arg)
{
    json_t *body = heartbeat_now_json(arg);
    bool told = json_array_size(json_object_get(body, "graves")) == 1;

    json_decref(body);
    return told;
}

/* Design 10, delete: closed first, told; then by graves, and told again. */
static void a_deleted_volume_goes_by_its_graves(void **state)
{
    struct scene *s = *state;
    struct grave_record grave = {.replica = REPLICA, .node = NODE, .disk = s->disk};
    json_t *body;

    create_volume(s);
    until(s, served);
    put_volume(s, 64 * MIB, true);
    until(s, no_volume_open);
    sim_run_for(s->sim, 1000000);
    assert_false(nothing_on_disk(s)); /* no grave, no deletion */
    body = heartbeat_now_json(s);
    assert_int_equal(json_array_size(json_object_get(body, "volumes")), 0);
    assert_int_equal(json_array_size(json_object_get(body, "graves")), 0);
    json_decref(body);

    put(s, grave_key(NODE, REPLICA), grave_write(&grave, NULL));
    until(s, nothing_on_disk);
    until(s, grave_told);
    body = heartbeat_now_json(s);
    assert_string_equal(json_string_value(first_of(body, "graves")), identity_show(REPLICA).text);
    json_decref(body);
}

static bool replica_is_being_made(void *arg)
{
    struct scene *s = arg;

    return nothing_on_disk(s) && operation_changes(&s->agent, REPLICA);
}

static bool grave_seen(void *arg)
{
    return view_find(&((struct scene *)arg)->agent.view, grave_key(NODE, REPLICA)) != NULL;
}

/* Deleted while it is being made: the grave is not done before there is nothing to come. */
static void a_grave_is_not_done_while_its_replica_is_being_made(void **state)
{
    struct scene *s = *state;
    struct grave_record grave = {.replica = REPLICA, .node = NODE, .disk = s->disk};

    sim_disk_find(s->sim, DISK_PATH)->slow_us = 500000;
    create_volume(s);
    until(s, replica_is_being_made);
    put_volume(s, 64 * MIB, true);
    put(s, grave_key(NODE, REPLICA), grave_write(&grave, NULL));
    until(s, grave_seen);
    assert_true(replica_is_being_made(s));
    assert_false(grave_told(s));
    until(s, grave_told);
    sim_run_for(s->sim, 5000000);
    assert_true(nothing_on_disk(s));
    assert_true(grave_told(s));
}

static void an_attachment_is_known_then_drained(void **state)
{
    struct scene *s = *state;
    struct attachment_record a = cluster_attachment();

    create_volume(s);
    until(s, served);
    put(s, attachment_key(VOLUME, ATTACHMENT), attachment_write(&a, NULL));
    until(s, attachment_known);
    a.ending = true;
    put(s, attachment_key(VOLUME, ATTACHMENT), attachment_write(&a, NULL));
    until(s, attachment_drained);
    put(s, attachment_key(VOLUME, ATTACHMENT), NULL);
    until(s, no_attachment_told);
}

/* Where the directory sends who has that attachment. */
static enum directory_where sent(struct scene *s, struct attachment_record a)
{
    struct directory *d = &s->directory.directory;
    struct directory_answer answer;
    char target[ISCSI_NAME_MAX];

    iscsi_target_name(ISCSI_PREFIX, VOLUME, target);
    d->find(d, target, a.initiator, &answer);
    return answer.where;
}

static bool attachment_read_here(void *arg)
{
    return view_attachment(&((struct scene *)arg)->agent.view, VOLUME, ATTACHMENT) != NULL;
}

/* metad takes what a heartbeat does not list for gone: nobody comes in who is not listed. */
static void an_attachment_is_let_in_when_it_is_known_not_before(void **state)
{
    struct scene *s = *state;
    struct attachment_record a = cluster_attachment();

    create_volume(s);
    until(s, served);
    put(s, attachment_key(VOLUME, ATTACHMENT), attachment_write(&a, NULL));
    until(s, attachment_read_here);
    assert_true(no_attachment_told(s));
    assert_int_equal(sent(s, a), DIRECTORY_STARTING);
    until(s, attachment_known);
    assert_int_equal(sent(s, a), DIRECTORY_HERE);
}

static struct attachment_record attachment_number(uint32_t i)
{
    struct attachment_record a = {.attachment = ID(100 + i), .volume = VOLUME};

    snprintf(a.initiator, sizeof a.initiator, "iqn.2026-11.example:%u", i);
    return a;
}

/* … for ever, where a lowered `volumes` has no room for all that were attached before. */
static void an_attachment_that_has_no_room_is_not_let_in(void **state)
{
    struct scene *s = *state;
    uint32_t room = s->limits.attachments_max, in = 0;
    json_t *body;

    create_volume(s);
    for (uint32_t i = 0; i < room + 3; i++) {
        struct attachment_record a = attachment_number(i);

        put(s, attachment_key(VOLUME, a.attachment), attachment_write(&a, NULL));
    }
    until(s, served);
    sim_run_for(s->sim, 1000000);
    for (uint32_t i = 0; i < room + 3; i++)
        in += sent(s, attachment_number(i)) == DIRECTORY_HERE;
    body = heartbeat_now_json(s);
    assert_int_equal(json_array_size(json_object_get(body, "attachments")), room);
    assert_int_equal(in, room);
    json_decref(body);
}

static bool all_sessions_have_ended(void *arg)
{
    struct scene *s = arg;
    struct node_volume *n = volumes_find(&s->volumes, VOLUME);

    return n && n->closed && n->drained;
}

/* Detached after its volume was closed: there is nobody left, and the end has not to wait for it.
 */
static void an_attachment_of_a_closed_volume_is_drained(void **state)
{
    struct scene *s = *state;
    struct attachment_record a = cluster_attachment();

    create_volume(s);
    until(s, served);
    put(s, attachment_key(VOLUME, ATTACHMENT), attachment_write(&a, NULL));
    until(s, attachment_known);
    agent_hold(&s->agent);
    volumes_close(&s->volumes, VOLUME);
    until(s, all_sessions_have_ended);
    assert_true(attachment_known(s));
    volumes_drain(&s->volumes, VOLUME, ATTACHMENT);
    assert_true(attachment_drained(s));
    until(s, no_volume_open);
    sim_run_for(s->sim, 1000000);
}

/* Design 3: without metad a running node serves what it serves, and catches up afterwards. */
static void without_metad_a_volume_is_served(void **state)
{
    struct scene *s = *state;

    create_volume(s);
    until(s, served);
    s->away = true;
    put_volume(s, 128 * MIB, false); /* the watch under way ends with this */
    until(s, metad_is_missed);
    sim_run_for(s->sim, 10000000);
    assert_true(served(s));
    put_head(s, 2, US);
    s->away = false;
    until(s, served_in_epoch_2);
    until(s, served_with_128_mib);
}

/* Design 6.7: a keeper that knows less than we have seen is not believed. */
static void an_older_keeper_is_not_acted_upon(void **state)
{
    struct scene *s = *state;
    struct records *former = s->inner;
    struct keeper *older;

    create_volume(s);
    until(s, served);
    assert_int_equal(keeper_memory_open(ID(78), &older), E_OK);
    assert_int_equal(records_of_keeper_open(s->env, older, 200, &s->inner), E_OK);
    until(s, metad_is_missed);
    sim_run_for(s->sim, 10000000);
    assert_true(served(s));
    records_of_keeper_close(s->inner);
    keeper_close(older);
    s->inner = former;
}

static bool knows_the_other_node(void *arg)
{
    return view_find(&((struct scene *)arg)->agent.view, node_key(OTHER_NODE)) != NULL;
}

static void a_refused_heartbeat_is_said_once(void **state)
{
    struct scene *s = *state;
    struct failure_log log =
        failures_of(s->env->log, "heartbeat_refused error=INVALID (metad is too old)");

    s->env->log = &log.log;
    s->refusal = "metad is too old";
    open_heartbeat(s);
    sim_run_for(s->sim, 5000000);
    assert_in_range(s->posts, 5, 20);
    assert_int_equal(log.failures, 1);
    close_heartbeat(s);
    s->env->log = log.former;
}

/* … and when it has grown past that, it is another history, and read from its beginning. */
static void an_older_keeper_that_grew_is_read_whole(void **state)
{
    struct scene *s = *state;
    struct records *former = s->inner;
    struct keeper *ours = s->keeper, *older;
    struct node_record other = cluster_node(OTHER_NODE, "127.0.0.1:3261");
    struct node_record third = cluster_node(ID(0x33), "127.0.0.1:3262");

    create_volume(s);
    until(s, served);
    assert_int_equal(keeper_memory_open(ID(77), &older), E_OK);
    assert_int_equal(records_of_keeper_open(s->env, older, 200, &s->inner), E_OK);
    s->keeper = older;
    put(s, node_key(OTHER_NODE), node_write(&other, NULL)); /* below what the node has seen */
    until(s, metad_is_missed);
    sim_run_for(s->sim, 10000000);
    assert_false(knows_the_other_node(s));
    for (uint32_t i = 0; i < 100; i++)
        put(s, node_key(ID(0x33)), node_write(&third, NULL));
    until(s, knows_the_other_node);

    s->keeper = ours;
    records_of_keeper_close(s->inner);
    s->inner = former;
    keeper_close(older);
}

/* Another keeper with more history, at metad's address for a while: heard, and not held against us.
 */
static void a_node_goes_on_when_its_keeper_is_back(void **state)
{
    struct scene *s = *state;
    struct records *former = s->inner;
    struct keeper *ours = s->keeper, *foreign;
    struct node_record other = cluster_node(OTHER_NODE, "127.0.0.1:3261");
    uint64_t revision;

    create_volume(s);
    until(s, served);
    open_heartbeat(s);
    until(s, trusted_as_read);
    revision = s->agent.view.revision;
    assert_int_equal(keeper_memory_open(ID(78), &foreign), E_OK);
    assert_int_equal(records_of_keeper_open(s->env, foreign, 200, &s->inner), E_OK);
    s->keeper = foreign;
    for (uint32_t i = 0; i < 100; i++)
        put(s, node_key(OTHER_NODE), node_write(&other, NULL));
    s->keeper = ours;
    s->lineage = ID(78);
    put_volume(s, 64 * MIB, false); /* the watch under way ends with this */
    until(s, held);
    s->calls = 0;
    sim_run_for(s->sim, 10000000);
    assert_true(served(s));
    assert_in_range(s->calls, 1, 20);                    /* and not without pause */
    assert_true(s->agent.view.revision > revision + 50); /* of the other one */
    assert_true(agent_revision(&s->agent) <= revision + 1);

    records_of_keeper_close(s->inner);
    s->inner = former;
    s->lineage = ID(77);
    put_volume(s, 128 * MIB, false);
    until(s, served_with_128_mib);
    assert_false(held(s));
    assert_null(view_find(&s->agent.view, node_key(OTHER_NODE)));
    close_heartbeat(s);
    keeper_close(foreign);
}

/* P8: a page that calls it in sync, and nothing here: it stays lost, and the volume says why. */
static void a_lost_replica_is_told_not_made(void **state)
{
    struct scene *s = *state;
    struct page_record page = cluster_page(NODE, s->disk, 1);
    json_t *body, *volume;

    page.shards[0].is_new = false;
    page.shards[0].replicas[0].in_sync = true;
    put_volume(s, 64 * MIB, false);
    put(s, page_key(VOLUME, 0), page_write(&page, NULL));
    put_head(s, 4, US);
    sim_run_for(s->sim, 5000000);
    assert_true(nothing_on_disk(s));
    body = heartbeat_now_json(s);
    volume = first_of(body, "volumes");
    assert_int_equal(json_integer_value(json_object_get(volume, "serving")), 0);
    assert_string_not_equal(text(volume, "why"), "");
    json_decref(body);
}

static void what_no_record_names_is_an_orphan_and_stays(void **state)
{
    struct scene *s = *state;
    json_t *body;

    create_volume(s);
    until(s, served);
    put(s, head_key(VOLUME), NULL);
    put(s, page_key(VOLUME, 0), NULL);
    put(s, volume_key(VOLUME), NULL);
    until(s, no_volume_open);
    sim_run_for(s->sim, 5000000);
    assert_false(nothing_on_disk(s));
    body = heartbeat_now_json(s);
    assert_true(json_is_false(json_object_get(first_of(body, "replicas"), "named")));
    json_decref(body);
}

#define each(test) cmocka_unit_test_setup_teardown(test, each_new, each_done)
#define with_two_disks(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, each_new_with_two_disks, each_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        each(a_node_registers_itself_and_its_disks),
        each(a_new_volume_is_made_promised_recorded_and_served),
        each(a_raised_epoch_opens_the_volume_anew),
        each(a_volume_of_another_process_is_closed),
        each(a_volume_that_is_closed_lets_nobody_in),
        each(a_volume_is_closed_while_metad_is_away),
        each(a_volume_grows_while_it_is_served),
        each(a_resize_that_fails_is_tried_again_after_a_pause),
        each(what_keeps_a_volume_from_growing_is_told),
        each(a_volume_that_cannot_be_opened_is_tried_again_after_a_pause),
        with_two_disks(a_disk_that_refuses_keeps_no_other_out),
        with_two_disks(a_disk_that_hangs_keeps_no_other_out),
        each(a_deleted_volume_goes_by_its_graves),
        each(a_grave_is_not_done_while_its_replica_is_being_made),
        each(an_attachment_is_known_then_drained),
        each(an_attachment_is_let_in_when_it_is_known_not_before),
        each(an_attachment_that_has_no_room_is_not_let_in),
        each(an_attachment_of_a_closed_volume_is_drained),
        each(without_metad_a_volume_is_served),
        each(a_refused_heartbeat_is_said_once),
        each(an_older_keeper_is_not_acted_upon),
        each(an_older_keeper_that_grew_is_read_whole),
        each(a_node_goes_on_when_its_keeper_is_back),
        each(a_lost_replica_is_told_not_made),
        each(what_no_record_names_is_an_orphan_and_stays),
    };
    int failed = cmocka_run_group_tests_name("one home", tests, NULL, NULL);

    scene_apart = true;
    return failed + cmocka_run_group_tests_name("apart", tests, NULL, NULL);
}
