/* SPDX-License-Identifier: Apache-2.0 */
/* Every rule of the controller, one story each. */
#include "tests/unit/controller/stage.h"

static int setup(void **state)
{
    *state = stage_new();
    return 0;
}

static int teardown(void **state)
{
    stage_free(*state);
    return 0;
}

static void expect_one(struct stage *s, enum change_kind kind, uint64_t subject)
{
    assert_int_equal(stage_look(s), 1);
    assert_string_equal(change_name(s->changes.items[0].kind), change_name(kind));
    assert_int_equal(s->changes.items[0].subject.bits, subject);
}

/* ---- C1 ---- */

static void a_served_volume_is_left_alone(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    says_open(stage_heartbeat(s, 1, 11), 7);
    assert_int_equal(stage_look(s), 0);
}

static void a_restarted_primary_gets_a_new_epoch(void **state)
{
    struct stage *s = *state;
    struct head_record before, after;

    stage_volume(s, 7, 1, 11);
    stage_heartbeat(s, 1, 12);
    before = stage_head(s, 7);
    expect_one(s, CHANGE_PROMOTE, 7);
    assert_int_equal(s->changes.items[0].epoch, 2);
    assert_int_equal(stage_act(s), 1);
    after = stage_head(s, 7);
    assert_int_equal(after.epoch, 2);
    assert_int_equal(after.primary.bits, 1);
    assert_int_equal(after.incarnation.bits, 12);
    assert_int_equal(after.generation, before.generation);
    assert_true(after.nonce != before.nonce);
    assert_int_equal(stage_look(s), 0); /* once is enough */
}

static void a_head_that_names_nobody_gets_the_holder(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_set_head(s, 7, 4, 0, 0);
    stage_heartbeat(s, 2, 22); /* holds nothing */
    assert_int_equal(stage_look(s), 0);
    stage_heartbeat(s, 1, 11);
    expect_one(s, CHANGE_PROMOTE, 7);
    assert_int_equal(s->changes.items[0].epoch, 5);
    assert_int_equal(s->changes.items[0].node.bits, 1);
}

static void a_silent_primary_loses_nothing(void **state) /* C7 */
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    assert_int_equal(stage_look(s), 0); /* never heard */
    h = stage_heartbeat(s, 1, 12);
    h->arrived_ms = s->set.now_ms - HEARTBEAT_SILENT_MS - 1;
    assert_int_equal(stage_look(s), 0);
    h->arrived_ms++;
    assert_int_equal(stage_look(s), 1); /* just not silent */
}

static void a_living_primary_elsewhere_is_left_alone(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_set_head(s, 7, 4, 2, 22);
    stage_heartbeat(s, 1, 11);
    stage_heartbeat(s, 2, 22);
    assert_int_equal(stage_look(s), 0);
    s->heartbeats[1]->incarnation = ID(23); /* that process is gone: the holder's turn */
    expect_one(s, CHANGE_PROMOTE, 7);
    assert_int_equal(s->changes.items[0].node.bits, 1);
}

static void a_disk_that_moved_brings_its_volumes_along(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_disk(s, 1, 1);
    says_disk(stage_heartbeat(s, 2, 22), 1);
    assert_int_equal(stage_look(s), 0); /* not recorded yet */
    stage_disk(s, 1, 2);
    expect_one(s, CHANGE_PROMOTE, 7);
    assert_int_equal(s->changes.items[0].node.bits, 2);
    stage_act(s);
    assert_int_equal(stage_head(s, 7).incarnation.bits, 22);
    stage_heartbeat(s, 1, 12); /* the old node comes back, without the disk */
    assert_int_equal(stage_look(s), 0);
}

/* The old node was promoted on its restart, before the new one had taken the disk's record. */
static void a_primary_that_lost_the_disk_gives_way(void **state)
{
    struct stage *s = *state;
    struct heartbeat *old, *new;

    stage_volume(s, 7, 1, 11);
    stage_disk(s, 1, 2);
    old = stage_heartbeat(s, 1, 11);
    new = stage_heartbeat(s, 2, 22);
    assert_int_equal(stage_look(s), 0); /* nobody has it open */
    says_disk(new, 1);
    says_open(old, 7);
    old->volumes[0].serving = 1; /* another of its disks is still here */
    assert_int_equal(stage_look(s), 0);
    old->volumes[0].serving = 0;
    expect_one(s, CHANGE_PROMOTE, 7);
    assert_int_equal(s->changes.items[0].node.bits, 2);
    stage_act(s);
    assert_int_equal(stage_head(s, 7).incarnation.bits, 22);
    assert_int_equal(stage_look(s), 0);
}

static void a_node_of_two_processes_is_left_as_it_is(void **state) /* C9 */
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_volume(s, 8, 1, 12);
    stage_mark(s, 8, true);
    h = stage_heartbeat(s, 1, 12);
    says_buried(h, stage_replica(8, 0));
    says_buried(h, stage_replica(8, 1));
    says_buried(h, stage_replica(8, 2));
    h->doubled_ms = s->set.now_ms - HEARTBEAT_SILENT_MS;
    expect_one(s, CHANGE_BURY, 8); /* a grave is no harm, nor is it believed */
    stage_act(s);
    assert_int_equal(stage_look(s), 0);
    h->doubled_ms--;
    assert_int_equal(stage_look(s), 2);
    assert_int_equal(s->changes.items[0].kind, CHANGE_PROMOTE);
    assert_int_equal(s->changes.items[1].kind, CHANGE_DELETE);
}

static void a_disk_in_two_nodes_is_nobodys(void **state) /* C9 */
{
    struct stage *s = *state;
    struct heartbeat *other;

    stage_volume(s, 7, 1, 11);
    stage_disk(s, 1, 2);
    says_disk(stage_heartbeat(s, 2, 22), 1);
    other = stage_heartbeat(s, 1, 12);
    says_disk(other, 1);
    assert_int_equal(stage_look(s), 0);
    other->arrived_ms = s->set.now_ms - HEARTBEAT_SILENT_MS - 1;
    expect_one(s, CHANGE_PROMOTE, 7);
    assert_int_equal(s->changes.items[0].node.bits, 2);
}

static void a_disk_whose_record_cannot_be_read_is_left_alone(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_heartbeat(s, 1, 12);
    stage_put(s, disk_key(ID(0x1001)), strdup("{\"version\":1,\"incompat\":[\"x\"]}"));
    assert_int_equal(stage_look(s), 0);
}

static void a_promotion_compares_the_head(void **state)
{
    struct stage *s = *state;
    uint64_t revision;

    stage_volume(s, 7, 1, 11);
    stage_heartbeat(s, 1, 12);
    assert_int_equal(stage_look(s), 1);
    stage_set_head(s, 7, 9, 1, 11); /* somebody was quicker */
    assert_int_equal(keeper_transact(s->keeper, &s->changes.items[0].transaction, &revision),
                     E_CONFLICT);
    assert_int_equal(stage_head(s, 7).epoch, 9);
}

/* ---- C2 ---- */

static void a_deleted_volume_goes_step_by_step(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_volume(s, 8, 1, 11);
    stage_mark(s, 7, true);
    h = stage_heartbeat(s, 1, 11);
    says_open(h, 8);
    says_open(h, 7);
    assert_int_equal(stage_look(s), 0); /* still open */
    h->volume_count = 1;
    expect_one(s, CHANGE_BURY, 7);
    stage_act(s);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(stage_has(s, grave_key(ID(1), stage_replica(7, i))));
    assert_int_equal(stage_look(s), 0); /* none confirmed */
    says_buried(h, stage_replica(7, 0));
    says_buried(h, stage_replica(7, 2));
    assert_int_equal(stage_look(s), 0); /* not all */
    says_buried(h, stage_replica(7, 1));
    expect_one(s, CHANGE_DELETE, 7);
    stage_act(s);
    assert_false(stage_has(s, volume_key(ID(7))));
    assert_false(stage_has(s, volume_name_key("v7")));
    assert_false(stage_has(s, head_key(ID(7))));
    assert_false(stage_has(s, page_key(ID(7), 0)));
    assert_false(stage_has(s, grave_key(ID(1), stage_replica(7, 0))));
    assert_true(stage_has(s, volume_key(ID(8))));
    assert_int_equal(stage_look(s), 0);
}

static void a_heartbeat_from_before_the_mark_is_no_consent(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    h = stage_heartbeat(s, 1, 11); /* does not list it: not opened yet */
    stage_mark(s, 7, true);
    assert_int_equal(stage_look(s), 0);
    h->revision = 0; /* nor one of another lineage */
    assert_int_equal(stage_look(s), 0);
}

static void graves_go_where_the_disk_is_now(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 2, 22);
    stage_set_head(s, 7, 2, 1, 11);
    stage_disk(s, 2, 1);
    stage_mark(s, 7, true);
    h = stage_heartbeat(s, 1, 11);
    says_disk(h, 2);
    expect_one(s, CHANGE_BURY, 7);
    stage_act(s);
    assert_true(stage_has(s, grave_key(ID(1), stage_replica(7, 0))));
    assert_false(stage_has(s, grave_key(ID(2), stage_replica(7, 0))));
    for (uint32_t i = 0; i < 3; i++)
        says_buried(h, stage_replica(7, i));
    says_disk(stage_heartbeat(s, 3, 33), 2); /* C9 */
    assert_int_equal(stage_look(s), 0);
    s->heartbeats[1]->disk_count = 0;
    expect_one(s, CHANGE_DELETE, 7);
    stage_act(s);
    assert_false(stage_has(s, grave_key(ID(1), stage_replica(7, 0))));
}

/* Its node may not have seen the salvage: then its bytes lie there under the former identity. */
static void a_salvaged_replica_is_buried_under_both_identities(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_salvage(s, 7, 0, ID(0x123));
    stage_mark(s, 7, true);
    h = stage_heartbeat(s, 1, 11);
    expect_one(s, CHANGE_BURY, 7);
    stage_act(s);
    assert_true(stage_has(s, grave_key(ID(1), stage_replica(7, 0))));
    assert_true(stage_has(s, grave_key(ID(1), ID(0x123))));
    for (uint32_t i = 0; i < 3; i++)
        says_buried(h, stage_replica(7, i));
    assert_int_equal(stage_look(s), 0);
    says_buried(h, ID(0x123));
    expect_one(s, CHANGE_DELETE, 7); /* and no grave goes before its page */
    stage_act(s);
    assert_false(stage_has(s, page_key(ID(7), 0)));
    assert_false(stage_has(s, grave_key(ID(1), stage_replica(7, 0))));
    assert_false(stage_has(s, grave_key(ID(1), ID(0x123))));
    assert_int_equal(stage_look(s), 0);
}

/* More graves than one transaction takes away. */
static void a_page_that_was_salvaged_as_a_whole_goes(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_page(s, 7, 0, PAGE_SHARDS, 1);
    for (uint32_t i = 0; i < PAGE_SHARDS; i++)
        stage_salvage(s, 7, i, ID(0x5000 + i));
    stage_mark(s, 7, true);
    h = stage_heartbeat(s, 1, 11);
    while (stage_act(s) > 0)
        assert_int_equal(s->changes.items[0].kind, CHANGE_BURY);
    for (uint32_t i = 0; i < PAGE_SHARDS; i++) {
        says_buried(h, stage_replica(7, i));
        says_buried(h, ID(0x5000 + i));
    }
    expect_one(s, CHANGE_DELETE, 7);
    stage_act(s);
    assert_false(stage_has(s, volume_key(ID(7))));
    while (stage_act(s) > 0)
        assert_int_equal(s->changes.items[0].kind, CHANGE_CONFIRMED);
    for (uint32_t i = 0; i < PAGE_SHARDS; i++) {
        assert_false(stage_has(s, grave_key(ID(1), stage_replica(7, i))));
        assert_false(stage_has(s, grave_key(ID(1), ID(0x5000 + i))));
    }
}

static void graves_that_were_dug_before_the_disk_moved_go_too(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_disk(s, 1, 1);
    stage_mark(s, 7, true);
    stage_heartbeat(s, 1, 11);
    expect_one(s, CHANGE_BURY, 7);
    stage_act(s);
    stage_disk(s, 1, 2);
    h = stage_heartbeat(s, 2, 22);
    says_disk(h, 1);
    expect_one(s, CHANGE_BURY, 7);
    stage_act(s);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(stage_has(s, grave_key(ID(1), stage_replica(7, i))));
        says_buried(h, stage_replica(7, i));
    }
    expect_one(s, CHANGE_DELETE, 7);
    stage_act(s);
    assert_int_equal(stage_act(s), 3); /* the first node can never confirm them */
    for (uint32_t i = 0; i < 3; i++)
        assert_false(stage_has(s, grave_key(ID(1), stage_replica(7, i))));
    assert_int_equal(stage_look(s), 0);
}

static void stage_remove(struct stage *s, uint64_t home)
{
    struct disk_record r = {
        .disk = ID(home + 0x1000), .node = ID(home), .bytes = 1 << 20, .removed = true};

    stage_put(s, disk_key(r.disk), disk_write(&r, NULL));
}

static void a_volume_on_a_removed_disk_goes_and_then_the_disk(void **state)
{
    struct stage *s = *state;
    struct record_key disk = disk_key(ID(1 + 0x1000));

    stage_volume(s, 7, 1, 11);
    stage_mark(s, 7, true);
    stage_heartbeat(s, 1, 11);
    expect_one(s, CHANGE_BURY, 7);
    stage_act(s);
    assert_int_equal(stage_look(s), 0); /* nobody confirms: absence is no order (C7) */
    stage_remove(s, 1);
    expect_one(s, CHANGE_DELETE, 7);
    stage_act(s);
    assert_false(stage_has(s, volume_key(ID(7))));
    assert_false(stage_has(s, grave_key(ID(1), stage_replica(7, 0))));
    assert_true(stage_has(s, disk));
    expect_one(s, CHANGE_FORGOTTEN, 1 + 0x1000);
    stage_act(s);
    assert_false(stage_has(s, disk));
    assert_int_equal(stage_look(s), 0);
}

static void a_removed_disk_that_a_node_lists_is_believed(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_mark(s, 7, true);
    stage_remove(s, 1);
    h = stage_heartbeat(s, 1, 11);
    says_disk(h, 1);
    expect_one(s, CHANGE_BURY, 7);
    stage_act(s);
    assert_int_equal(stage_look(s), 0); /* not forgotten, and its graves are its node's affair */
    h->disk_count = 0;
    expect_one(s, CHANGE_DELETE, 7);
}

static void a_removed_disk_stays_while_a_volume_lies_on_it(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_remove(s, 1);
    h = stage_heartbeat(s, 1, 11);
    says_open(h, 7);
    assert_int_equal(stage_look(s), 0);
    stage_grave(s, 1, ID(0x123)); /* of nobody: it goes first */
    expect_one(s, CHANGE_CONFIRMED, 0x123);
}

static void a_silent_primary_is_demoted_before_graves(void **state)
{
    struct stage *s = *state;
    struct head_record head;

    stage_volume(s, 7, 1, 11);
    stage_mark(s, 7, true);
    s->set.started_ms = s->set.now_ms - 2 * HEARTBEAT_SILENT_MS + 1;
    assert_int_equal(stage_look(s), 0); /* nobody is judged yet */
    s->set.started_ms--;
    expect_one(s, CHANGE_DEMOTE, 7);
    stage_act(s);
    head = stage_head(s, 7);
    assert_int_equal(head.epoch, 2);
    assert_true(identity_none(head.primary));
    expect_one(s, CHANGE_BURY, 7);
    stage_act(s);
    assert_int_equal(stage_look(s), 0); /* the node must say so itself, however long it takes */
    says_buried(stage_heartbeat(s, 1, 12), stage_replica(7, 0));
    assert_int_equal(stage_look(s), 0);
    says_buried(s->heartbeats[0], stage_replica(7, 1));
    says_buried(s->heartbeats[0], stage_replica(7, 2));
    expect_one(s, CHANGE_DELETE, 7);
}

static void a_restarted_primary_is_demoted_before_graves(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_mark(s, 7, true);
    stage_heartbeat(s, 1, 12);
    expect_one(s, CHANGE_DEMOTE, 7);
}

static void a_large_volume_goes_page_by_page(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;
    uint32_t steps = 0;

    stage_volume(s, 7, 1, 11);
    stage_page(s, 7, 0, PAGE_SHARDS, 1);
    stage_page(s, 7, 1, PAGE_SHARDS, 1);
    stage_page(s, 7, 2, 5, 1);
    stage_mark(s, 7, true);
    h = stage_heartbeat(s, 1, 11);
    for (; stage_look(s) == 1 && s->changes.items[0].kind == CHANGE_BURY; steps++)
        stage_act(s);
    assert_int_equal(steps, 2); /* 133 graves, 90 at once */
    assert_true(stage_has(s, grave_key(ID(1), stage_replica(7, 0x2004))));
    for (uint32_t i = 0; i < PAGE_SHARDS; i++) {
        says_buried(h, stage_replica(7, i));
        says_buried(h, stage_replica(7, 0x1000 + i));
        if (i < 5)
            says_buried(h, stage_replica(7, 0x2000 + i));
    }
    expect_one(s, CHANGE_DELETE, 7);
    stage_act(s);
    assert_false(stage_has(s, page_key(ID(7), 2)));
    assert_true(stage_has(s, page_key(ID(7), 1)));
    assert_true(stage_has(s, volume_key(ID(7))));
    expect_one(s, CHANGE_DELETE, 7);
    stage_act(s);
    expect_one(s, CHANGE_DELETE, 7);
    stage_act(s);
    assert_false(stage_has(s, volume_key(ID(7))));
    assert_int_equal(stage_look(s), 0);
}

/* 192 graves, which do not fit one transaction with the page. */
static void a_page_of_three_copies_goes_with_all_its_graves(void **state)
{
    struct stage *s = *state;
    struct page_record *page = calloc(1, sizeof *page);

    stage_volume(s, 7, 1, 11);
    *page = (struct page_record){.volume = ID(7), .disk_count = 3, .shard_count = PAGE_SHARDS};
    for (uint32_t i = 0; i < 3; i++) {
        page->disks[i].disk = ID(0x1001 + i);
        page->disks[i].node = ID(1 + i);
        stage_heartbeat(s, 1 + i, 11 * (1 + i));
    }
    for (uint32_t i = 0; i < PAGE_SHARDS; i++) {
        page->shards[i].replica_count = 3;
        for (uint32_t r = 0; r < 3; r++) {
            page->shards[i].replicas[r] = (struct page_replica){
                .replica = stage_replica(7, r * 0x100 + i), .disk = r, .in_sync = true};
            says_buried(s->heartbeats[r], page->shards[i].replicas[r].replica);
        }
    }
    stage_put(s, page_key(ID(7), 0), page_write(page, NULL));
    free(page);
    s->heartbeats[0]->revision = stage_mark(s, 7, true);
    while (stage_look(s) == 1 && s->changes.items[0].kind == CHANGE_BURY)
        stage_act(s);
    expect_one(s, CHANGE_DELETE, 7);
    stage_act(s);
    assert_false(stage_has(s, volume_key(ID(7))));
    while (stage_act(s) > 0)
        continue;
    for (uint32_t i = 0; i < PAGE_SHARDS; i++)
        for (uint32_t r = 0; r < 3; r++)
            assert_false(stage_has(s, grave_key(ID(1 + r), stage_replica(7, r * 0x100 + i))));
}

static void attachments_go_before_the_volume(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_attachment(s, 7, 0xaa, true);
    stage_mark(s, 7, true);
    h = stage_heartbeat(s, 1, 11);
    assert_int_equal(stage_act(s), 2); /* graves, and the attachment: nobody serves it */
    assert_false(stage_has(s, attachment_key(ID(7), ID(0xaa))));
    stage_attachment(s, 7, 0xab, false);
    for (uint32_t i = 0; i < 3; i++)
        says_buried(h, stage_replica(7, i));
    h->revision += 1;
    expect_one(s, CHANGE_DETACH, 0xab);
    stage_act(s);
    expect_one(s, CHANGE_DELETE, 7);
}

static void a_page_that_cannot_be_read_stops_the_deletion(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_put(s, page_key(ID(7), 1), strdup("{\"version\":1,\"incompat\":[\"x\"]}"));
    stage_mark(s, 7, true);
    stage_heartbeat(s, 1, 11);
    assert_int_equal(stage_look(s), 0);
    assert_true(s->changes.unreadable > 0);
}

/* ---- C3 ---- */

static void an_ending_attachment_goes_when_it_is_drained(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_attachment(s, 7, 0xaa, false);
    stage_attachment(s, 7, 0xbb, true);
    h = stage_heartbeat(s, 1, 11);
    says_open(h, 7);
    says_attachment(h, 0xaa, false);
    says_attachment(h, 0xbb, false);
    assert_int_equal(stage_look(s), 0); /* known, not drained */
    h->attachments[1].drained = true;
    expect_one(s, CHANGE_DETACH, 0xbb);
    h->attachment_count = 1;
    expect_one(s, CHANGE_DETACH, 0xbb); /* or not there any more */
    stage_act(s);
    assert_false(stage_has(s, attachment_key(ID(7), ID(0xbb))));
    assert_true(stage_has(s, attachment_key(ID(7), ID(0xaa))));
    h->attachment_count = 0; /* C7: one that is not ending stays, listed or not */
    assert_int_equal(stage_look(s), 0);
}

static void an_attachment_waits_for_a_heartbeat_that_has_seen_its_end(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    h = stage_heartbeat(s, 1, 11);
    says_open(h, 7);
    stage_attachment(s, 7, 0xbb, true);
    assert_int_equal(stage_look(s), 0);
    h->revision++;
    assert_int_equal(stage_look(s), 1);
    h->arrived_ms -= HEARTBEAT_SILENT_MS + 1; /* a silent one says nothing */
    assert_int_equal(stage_look(s), 0);
}

static void an_attachment_waits_for_the_process_that_the_head_names(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_attachment(s, 7, 0xbb, true);
    stage_heartbeat(s, 1, 12); /* restarted: the old sessions are gone, but the epoch is not */
    expect_one(s, CHANGE_PROMOTE, 7);
    stage_act(s);
    expect_one(s, CHANGE_DETACH, 0xbb);
}

/* C1 names no new process for it, so the living one has its word; but not of a newer version. */
static void that_of_a_damaged_volume_goes_when_nobody_knows_it(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_attachment(s, 7, 0xaa, false);
    stage_attachment(s, 7, 0xbb, true);
    stage_put(s, volume_key(ID(7)), strdup("{\"version\":1"));
    h = stage_heartbeat(s, 1, 12);
    says_attachment(h, 0xbb, false);
    assert_int_equal(stage_look(s), 0);
    h->attachment_count = 0;
    h->doubled_ms = s->set.now_ms; /* C9 */
    assert_int_equal(stage_look(s), 0);
    h->doubled_ms = 0;
    expect_one(s, CHANGE_DETACH, 0xbb);
    h->incarnation = ID(11);
    expect_one(s, CHANGE_DETACH, 0xbb);
    stage_put(s, volume_key(ID(7)), strdup("{\"version\":1,\"incompat\":[\"x\"]}"));
    assert_int_equal(stage_look(s), 0);
}

/* ---- C4 ---- */

static void a_grave_of_nobody_goes_when_it_is_confirmed(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_grave(s, 1, ID(0x123));
    says_open(stage_heartbeat(s, 1, 11), 7);
    assert_int_equal(stage_look(s), 0);
    says_buried(s->heartbeats[0], ID(0x123));
    expect_one(s, CHANGE_CONFIRMED, 0x123);
    stage_act(s);
    assert_false(stage_has(s, grave_key(ID(1), ID(0x123))));
}

static void a_grave_is_only_confirmed_by_its_own_node(void **state)
{
    struct stage *s = *state;

    stage_grave(s, 1, ID(0x123));
    says_buried(stage_heartbeat(s, 2, 22), ID(0x123));
    assert_int_equal(stage_look(s), 0);
}

/* ---- C8, limits ---- */

static void a_keeper_older_than_a_node_holds_everything(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_node(s, 1);
    h = stage_heartbeat(s, 1, 12);
    h->revision++;
    assert_int_equal(stage_look(s), 0);
    assert_true(s->changes.held);
    h->revision--;
    assert_int_equal(stage_look(s), 1);
    assert_false(s->changes.held);
}

static void a_stranger_holds_nothing(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_node(s, 1);
    stage_heartbeat(s, 1, 12);
    stage_heartbeat(s, 2, 22)->revision = INT64_MAX; /* no record names it */
    expect_one(s, CHANGE_PROMOTE, 7);
    assert_false(s->changes.held);
    stage_node(s, 2);
    assert_int_equal(stage_look(s), 0);
    assert_true(s->changes.held);
}

static void a_silent_node_holds_nothing(void **state)
{
    struct stage *s = *state;
    struct heartbeat *h;

    stage_volume(s, 7, 1, 11);
    stage_node(s, 1);
    stage_node(s, 2);
    stage_heartbeat(s, 1, 12);
    h = stage_heartbeat(s, 2, 22);
    h->revision++;
    h->arrived_ms -= HEARTBEAT_SILENT_MS;
    assert_int_equal(stage_look(s), 0); /* just not silent */
    assert_true(s->changes.held);
    h->arrived_ms--;
    expect_one(s, CHANGE_PROMOTE, 7);
    assert_false(s->changes.held);
}

static void a_pass_takes_a_bounded_number_of_changes(void **state)
{
    struct stage *s = *state;
    uint32_t acted, passes = 0;

    for (uint64_t v = 1; v <= CHANGES_MAX + 10; v++)
        stage_volume(s, v, 1, 11);
    stage_heartbeat(s, 1, 12);
    assert_int_equal(stage_look(s), CHANGES_MAX);
    for (acted = 0; stage_act(s) > 0; passes++)
        acted += s->changes.count;
    assert_int_equal(acted, CHANGES_MAX + 10);
    assert_int_equal(passes, 2);
}

static void records_that_cannot_be_read_are_left_alone(void **state)
{
    struct stage *s = *state;

    stage_volume(s, 7, 1, 11);
    stage_volume(s, 8, 1, 11);
    stage_put(s, head_key(ID(7)), strdup("{\"version\":1}"));
    stage_put(s, volume_key(ID(9)), strdup("{\"version\":2,\"incompat\":[\"twin\"]}"));
    stage_heartbeat(s, 1, 12);
    expect_one(s, CHANGE_PROMOTE, 8);
    assert_int_equal(s->changes.unreadable, 2);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_served_volume_is_left_alone),
        TEST(a_restarted_primary_gets_a_new_epoch),
        TEST(a_head_that_names_nobody_gets_the_holder),
        TEST(a_silent_primary_loses_nothing),
        TEST(a_living_primary_elsewhere_is_left_alone),
        TEST(a_disk_that_moved_brings_its_volumes_along),
        TEST(a_primary_that_lost_the_disk_gives_way),
        TEST(a_node_of_two_processes_is_left_as_it_is),
        TEST(a_disk_in_two_nodes_is_nobodys),
        TEST(a_disk_whose_record_cannot_be_read_is_left_alone),
        TEST(a_promotion_compares_the_head),
        TEST(a_deleted_volume_goes_step_by_step),
        TEST(a_heartbeat_from_before_the_mark_is_no_consent),
        TEST(graves_go_where_the_disk_is_now),
        TEST(a_salvaged_replica_is_buried_under_both_identities),
        TEST(a_page_that_was_salvaged_as_a_whole_goes),
        TEST(graves_that_were_dug_before_the_disk_moved_go_too),
        TEST(a_volume_on_a_removed_disk_goes_and_then_the_disk),
        TEST(a_removed_disk_that_a_node_lists_is_believed),
        TEST(a_removed_disk_stays_while_a_volume_lies_on_it),
        TEST(a_silent_primary_is_demoted_before_graves),
        TEST(a_restarted_primary_is_demoted_before_graves),
        TEST(a_large_volume_goes_page_by_page),
        TEST(a_page_of_three_copies_goes_with_all_its_graves),
        TEST(attachments_go_before_the_volume),
        TEST(a_page_that_cannot_be_read_stops_the_deletion),
        TEST(an_ending_attachment_goes_when_it_is_drained),
        TEST(an_attachment_waits_for_a_heartbeat_that_has_seen_its_end),
        TEST(an_attachment_waits_for_the_process_that_the_head_names),
        TEST(that_of_a_damaged_volume_goes_when_nobody_knows_it),
        TEST(a_grave_of_nobody_goes_when_it_is_confirmed),
        TEST(a_grave_is_only_confirmed_by_its_own_node),
        TEST(a_keeper_older_than_a_node_holds_everything),
        TEST(a_stranger_holds_nothing),
        TEST(a_silent_node_holds_nothing),
        TEST(a_pass_takes_a_bounded_number_of_changes),
        TEST(records_that_cannot_be_read_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
