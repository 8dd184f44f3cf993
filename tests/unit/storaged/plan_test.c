/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent has to do, for every wish and fact that meet (design 10, P8, P10). */
#include "storaged/plan.h"
#include "tests/unit/storaged/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* A volume of one node, with every part that a test may change before it plans. */
struct scene {
    struct node_record node;
    struct disk_record disk;
    struct volume_record volume;
    struct head_record head;
    struct page_record page;
    struct attachment_record attachment;
    struct grave_record grave;
    bool without_node, without_disk, without_volume, without_head, without_page;
    bool with_attachment, with_grave, unread;

    struct fact_disk disks[2];
    struct fact_replica replicas[4];
    struct fact_volume volumes[2];
    struct fact_attachment attachments[2];
    struct facts facts;
    struct view view;
    struct plan plan;
};

/* All is as it should be: the replica is made, recorded in sync, the volume open in epoch 3. */
static void scene_init(struct scene *s)
{
    memset(s, 0, sizeof *s);
    s->node = cluster_node(NODE, "127.0.0.1:3260");
    s->disk = (struct disk_record){.disk = DISK, .node = NODE, .bytes = GIB};
    s->volume = cluster_volume(GIB);
    s->head = cluster_head(NODE, US);
    s->page = cluster_page(NODE, DISK, 1);
    s->page.shards[0].is_new = false;
    s->page.shards[0].replicas[0].in_sync = true;
    s->attachment = cluster_attachment();
    s->grave = (struct grave_record){.replica = REPLICA, .node = NODE, .disk = DISK};
    s->facts = (struct facts){
        .node = cluster_node(NODE, "127.0.0.1:3260"),
        .incarnation = US,
        .disks = s->disks,
        .replicas = s->replicas,
        .volumes = s->volumes,
        .attachments = s->attachments,
        .disk_count = 1,
        .replica_count = 1,
        .volume_count = 1,
    };
    s->disks[0] = (struct fact_disk){DISK, GIB};
    s->replicas[0] = (struct fact_replica){REPLICA, VOLUME, DISK, 0, GIB / 4096, false};
    s->volumes[0] = (struct fact_volume){VOLUME, 3, GIB, false};
}

static void records_of(struct scene *s, struct record_list *l)
{
    if (s->with_attachment)
        cluster_put_attachment(l, s->attachment);
    if (!s->without_disk)
        cluster_put_disk(l, s->disk);
    if (s->with_grave)
        cluster_put_grave(l, s->grave);
    if (!s->without_head)
        cluster_put_head(l, s->head);
    if (!s->without_node)
        cluster_put_node(l, s->node);
    if (!s->without_page)
        cluster_put_page(l, s->page);
    if (!s->without_volume)
        cluster_put_volume(l, s->volume);
    l->revision = 100;
}

static void plan(struct scene *s)
{
    struct record_list l = {0};

    view_done(&s->view);
    records_of(s, &l);
    if (!s->unread)
        assert_int_equal(view_fill(&s->view, &l), E_OK);
    record_list_free(&l);
    facts_sort(&s->facts);
    agent_plan(&s->view, &s->facts, &s->plan);
}

static const struct action *only(struct scene *s, enum action_kind kind)
{
    plan(s);
    assert_int_equal(s->plan.count, 1);
    assert_int_equal(s->plan.actions[0].kind, kind);
    return &s->plan.actions[0];
}

static void nothing(struct scene *s)
{
    plan(s);
    assert_int_equal(s->plan.count, 0);
}

static int each_new(void **state)
{
    *state = calloc(1, sizeof(struct scene));
    scene_init(*state);
    return 0;
}

static int each_done(void **state)
{
    struct scene *s = *state;

    view_done(&s->view);
    free(s);
    return 0;
}

static void when_wish_is_fact_there_is_nothing_to_do(void **state)
{
    nothing(*state);
}

static void before_records_were_read_there_is_nothing_to_do(void **state)
{
    struct scene *s = *state;

    s->unread = true;
    nothing(s);
}

static void the_node_registers_itself_and_its_disks(void **state)
{
    struct scene *s = *state;

    s->without_node = true;
    only(s, ACTION_REGISTER_NODE);
    s->without_node = false;
    snprintf(s->node.portals[0], sizeof s->node.portals[0], "127.0.0.1:9999");
    only(s, ACTION_REGISTER_NODE);
    s->node = s->facts.node;
    s->without_disk = true;
    assert_int_equal(only(s, ACTION_REGISTER_DISK)->disk.bits, DISK.bits);
    s->without_disk = false;
    s->disk.removed = true; /* and it came back */
    only(s, ACTION_REGISTER_DISK);
    s->disk.removed = false;
    s->disk.node = OTHER_NODE; /* the disk was moved to us */
    only(s, ACTION_REGISTER_DISK);
}

static void a_new_shards_replica_is_made(void **state)
{
    struct scene *s = *state;
    const struct action *a;

    s->facts.replica_count = s->facts.volume_count = 0;
    s->page.shards[0].is_new = true;
    s->page.shards[0].replicas[0].in_sync = false;
    plan(s);
    assert_int_equal(s->plan.count, 2);
    a = &s->plan.actions[0];
    assert_int_equal(a->kind, ACTION_MAKE_REPLICA);
    assert_int_equal(a->replica.bits, REPLICA.bits);
    assert_int_equal(a->disk.bits, DISK.bits);
    assert_int_equal(a->size_blocks, GIB / 4096);
    assert_int_equal(s->plan.actions[1].kind, ACTION_WAIT); /* it cannot be opened before */
}

static void a_replica_behind_0_is_made(void **state)
{
    struct scene *s = *state;

    s->facts.replica_count = 0;
    s->page.shards[0].replicas[0].in_sync = false;
    only(s, ACTION_MAKE_REPLICA);
}

/* P8: what should be here and in sync is lost, not to be made anew; its volume says so itself. */
static void a_lost_replica_is_never_made_anew(void **state)
{
    struct scene *s = *state;

    s->facts.replica_count = 0;
    nothing(s);
    s->page.shards[0].replicas[0].in_sync = false;
    s->page.shards[0].replicas[0].behind = 7; /* it had data up to generation 7 */
    nothing(s);
    s->facts.volume_count = 0;
    only(s, ACTION_OPEN_VOLUME);
}

static void nothing_is_made_on_a_disk_of_another_node_or_one_not_open(void **state)
{
    struct scene *s = *state;

    s->facts.replica_count = 0;
    s->page = cluster_page(OTHER_NODE, OTHER_DISK, 1);
    nothing(s);
    s->page = cluster_page(NODE, OTHER_DISK, 1);
    nothing(s);
}

static void a_graved_replica_is_not_made(void **state)
{
    struct scene *s = *state;

    s->facts.replica_count = s->facts.volume_count = 0;
    s->head.primary = OTHER_NODE;
    s->page.shards[0].is_new = true;
    s->with_grave = true;
    nothing(s);
}

static void a_volume_is_opened_for_this_process_only(void **state)
{
    struct scene *s = *state;

    s->facts.volume_count = 0;
    assert_int_equal(only(s, ACTION_OPEN_VOLUME)->epoch, 3);
    s->head.incarnation = ID(6); /* the process before us */
    nothing(s);
    s->head = cluster_head(OTHER_NODE, US);
    nothing(s);
    s->head = cluster_head(NODE, US);
    s->volume.deleting = true;
    nothing(s);
}

/* Its page still names the node that had the disk before. */
static void a_disk_that_came_from_another_node_brings_its_volumes(void **state)
{
    struct scene *s = *state;

    s->facts.volume_count = 0;
    s->page = cluster_page(OTHER_NODE, DISK, 1);
    s->page.shards[0].is_new = false;
    s->page.shards[0].replicas[0].in_sync = true;
    only(s, ACTION_OPEN_VOLUME);
}

static void a_volume_waits_for_pages_and_disks(void **state)
{
    struct scene *s = *state;

    s->facts.volume_count = 0;
    s->without_page = true;
    only(s, ACTION_WAIT);
    s->without_page = false;
    s->page = cluster_page(NODE, OTHER_DISK, 1); /* ours, and not open */
    assert_int_equal(only(s, ACTION_WAIT)->disk.bits, OTHER_DISK.bits);
    s->page = cluster_page(OTHER_NODE, OTHER_DISK, 1); /* one of its disks stayed behind */
    assert_int_equal(only(s, ACTION_WAIT)->disk.bits, OTHER_DISK.bits);
}

static void a_volume_that_is_ours_no_more_is_closed(void **state)
{
    struct scene *s = *state;

    s->head.epoch = 4;
    only(s, ACTION_CLOSE_VOLUME);
    s->head.epoch = 3;
    s->head.primary = OTHER_NODE;
    only(s, ACTION_CLOSE_VOLUME);
    s->head.primary = NODE;
    s->head.incarnation = ID(6);
    only(s, ACTION_CLOSE_VOLUME);
    s->head.incarnation = US;
    s->volume.deleting = true;
    only(s, ACTION_CLOSE_VOLUME);
    s->volumes[0].closing = true; /* it is under way */
    nothing(s);
}

static void a_volume_that_grew_is_resized_when_its_replicas_are_made(void **state)
{
    struct scene *s = *state;
    const struct action *a;

    s->volume.bytes = 2 * GIB;
    a = only(s, ACTION_RESIZE_VOLUME);
    assert_int_equal(a->size_blocks, 2 * GIB / 4096);

    s->volume.bytes = 9 * GIB; /* a second shard */
    s->page = cluster_page(NODE, DISK, 2);
    s->page.shards[0].is_new = false;
    s->page.shards[0].replicas[0].in_sync = true;
    a = only(s, ACTION_MAKE_REPLICA);
    assert_int_equal(a->shard, 1);
    assert_int_equal(a->size_blocks, GIB / 4096);
    s->replicas[1] = (struct fact_replica){ID(32), VOLUME, DISK, 1, GIB / 4096, false};
    s->facts.replica_count = 2;
    only(s, ACTION_RESIZE_VOLUME);
}

/* The volume grew while it was closed: its replica first, then the volume. */
static void a_closed_volumes_replica_grows_before_it_opens(void **state)
{
    struct scene *s = *state;

    s->volume.bytes = 2 * GIB;
    s->facts.volume_count = 0;
    plan(s);
    assert_int_equal(s->plan.count, 2);
    assert_int_equal(s->plan.actions[0].kind, ACTION_GROW_REPLICA);
    assert_int_equal(s->plan.actions[0].size_blocks, 2 * GIB / 4096);
    assert_int_equal(s->plan.actions[1].kind, ACTION_WAIT);
}

/* Design 6.7: where the record names it as another's former identity, and its volume is closed. */
static void a_salvaged_replica_takes_its_new_identity(void **state)
{
    struct scene *s = *state;
    const struct action *a;

    s->page.shards[0].replicas[0].replica = ID(77);
    s->facts.volume_count = 0;
    plan(s); /* nobody told: it is lost, and never made anew */
    assert_int_equal(s->plan.actions[0].kind, ACTION_OPEN_VOLUME);

    s->page.shards[0].replicas[0].former = REPLICA;
    plan(s);
    assert_int_equal(s->plan.count, 2);
    a = &s->plan.actions[0];
    assert_int_equal(a->kind, ACTION_SALVAGE_REPLICA);
    assert_int_equal(a->replica.bits, 77);
    assert_int_equal(a->former.bits, REPLICA.bits);
    assert_int_equal(a->disk.bits, DISK.bits);
    assert_int_equal(s->plan.actions[1].kind, ACTION_WAIT);

    s->facts.volume_count = 1; /* the former epoch's is still open */
    s->volumes[0].epoch = 2;
    assert_int_equal(only(s, ACTION_CLOSE_VOLUME)->volume.bits, VOLUME.bits);

    s->facts.volume_count = 0;
    s->replicas[0].replica = ID(77);
    only(s, ACTION_OPEN_VOLUME);
}

/* P8, P10: by a grave and nothing else, and not while it is served. */
static void a_replica_is_deleted_by_its_grave_only(void **state)
{
    struct scene *s = *state;

    s->without_page = s->without_head = s->without_volume = true;
    s->facts.volume_count = 0;
    nothing(s); /* an orphan */
    assert_false(replica_named(&s->view, NODE, &s->replicas[0]));
    assert_false(grave_done(&s->facts, &s->grave));

    s->with_grave = true;
    assert_int_equal(only(s, ACTION_DELETE_REPLICA)->replica.bits, REPLICA.bits);
    assert_true(replica_named(&s->view, NODE, &s->replicas[0]));

    s->facts.replica_count = 0;
    nothing(s);
    assert_true(grave_done(&s->facts, &s->grave));
    s->facts.disk_count = 0; /* its disk is not open: nobody knows */
    assert_false(grave_done(&s->facts, &s->grave));
}

static void a_replica_that_is_served_is_not_deleted_yet(void **state)
{
    struct scene *s = *state;

    s->with_grave = true;
    nothing(s);
    s->volume.deleting = true;
    only(s, ACTION_CLOSE_VOLUME);
}

/* The volume is deleted before its node saw the salvage: the former identity has a grave, too. */
static void a_salvage_that_came_too_late_is_a_deletion(void **state)
{
    struct scene *s = *state;

    s->page.shards[0].replicas[0].replica = ID(77);
    s->page.shards[0].replicas[0].former = REPLICA;
    s->facts.volume_count = 0;
    s->volume.deleting = true;
    nothing(s);
    s->with_grave = true;
    assert_int_equal(only(s, ACTION_DELETE_REPLICA)->replica.bits, REPLICA.bits);
}

static void a_grave_for_another_disk_deletes_nothing(void **state)
{
    struct scene *s = *state;

    s->with_grave = s->without_volume = s->without_head = true;
    s->facts.volume_count = 0;
    s->grave.disk = OTHER_DISK;
    nothing(s);
}

static void attachments_are_known_drained_and_forgotten(void **state)
{
    struct scene *s = *state;

    s->with_attachment = true;
    only(s, ACTION_KNOW);
    s->attachments[0] = (struct fact_attachment){ATTACHMENT, VOLUME, false};
    s->facts.attachment_count = 1;
    nothing(s);
    s->attachment.ending = true;
    only(s, ACTION_DRAIN);
    s->attachments[0].drained = true;
    nothing(s); /* told by heartbeats until its record goes */
    s->with_attachment = false;
    only(s, ACTION_FORGET);
    s->attachments[0].drained =
        false; /* its record went without our word: sessions end all the same */
    only(s, ACTION_DRAIN);
}

static void waiting_volumes_keep_no_other_action_out(void **state)
{
    struct scene *s = *state;
    struct record_list l = {0};
    uint32_t waits = 0;

    for (uint32_t i = 0; i < PLAN_ACTIONS_MAX + 8; i++) { /* each without a page */
        s->head.volume = ID(1000 + i);
        cluster_put_head(&l, s->head);
    }
    cluster_put_node(&l, s->node);
    for (uint32_t i = 0; i < PLAN_ACTIONS_MAX + 8; i++) {
        s->volume.volume = ID(1000 + i);
        cluster_put_volume(&l, s->volume);
    }
    assert_int_equal(view_fill(&s->view, &l), E_OK);
    record_list_free(&l);
    s->facts.volume_count = 0;
    agent_plan(&s->view, &s->facts, &s->plan);
    for (uint32_t i = 0; i < s->plan.count; i++)
        waits += s->plan.actions[i].kind == ACTION_WAIT;
    assert_int_equal(waits, PLAN_WAITS_MAX);
    assert_int_equal(s->plan.count, PLAN_WAITS_MAX + 1); /* … and the disk's registration */
}

static void sizes_of_shards_add_up_to_the_volume(void **state)
{
    (void)state;
    assert_int_equal(shard_size_blocks(GIB, 0), GIB / 4096);
    assert_int_equal(shard_size_blocks(8 * GIB, 0), SHARD_BYTES / 4096);
    assert_int_equal(shard_size_blocks(8 * GIB, 1), 0);
    assert_int_equal(shard_size_blocks(8 * GIB + 4096, 1), 1);
    assert_int_equal(shard_size_blocks(20 * GIB, 2), 4 * GIB / 4096);
}

#define each(test) cmocka_unit_test_setup_teardown(test, each_new, each_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        each(when_wish_is_fact_there_is_nothing_to_do),
        each(before_records_were_read_there_is_nothing_to_do),
        each(the_node_registers_itself_and_its_disks),
        each(a_new_shards_replica_is_made),
        each(a_replica_behind_0_is_made),
        each(a_lost_replica_is_never_made_anew),
        each(nothing_is_made_on_a_disk_of_another_node_or_one_not_open),
        each(a_graved_replica_is_not_made),
        each(a_volume_is_opened_for_this_process_only),
        each(a_disk_that_came_from_another_node_brings_its_volumes),
        each(a_volume_waits_for_pages_and_disks),
        each(a_volume_that_is_ours_no_more_is_closed),
        each(a_volume_that_grew_is_resized_when_its_replicas_are_made),
        each(a_closed_volumes_replica_grows_before_it_opens),
        each(a_salvaged_replica_takes_its_new_identity),
        each(a_replica_is_deleted_by_its_grave_only),
        each(a_replica_that_is_served_is_not_deleted_yet),
        each(a_salvage_that_came_too_late_is_a_deletion),
        each(a_grave_for_another_disk_deletes_nothing),
        each(attachments_are_known_drained_and_forgotten),
        each(waiting_volumes_keep_no_other_action_out),
        cmocka_unit_test(sizes_of_shards_add_up_to_the_volume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
