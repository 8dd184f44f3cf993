/* SPDX-License-Identifier: Apache-2.0 */
/* Records written while memory is short: whole, or not at all. */
#include "base/util.h"
#include "metadata/records.h"
#include "tests/unit/metadata/short_memory.h"

#include <string.h>

#define ID(n) ((struct identity){0xfeed000000000000 + (n)})

/* Beside what is known: what a newer version would have, with a text longer than any buffer at
 * first. */
#define NEWER                                                                                      \
    "\"colour\":{\"deep\":[1,2],\"of\":\"a rose that is a rose that is a rose\"},\"tier\":5,"      \
    "\"incompat\":[]"

static char *write_page(void)
{
    static const char *former =
        "{\"version\":1,\"volume\":\"feed000000000000\",\"index\":0,"
        "\"disks\":[[\"feed000000000001\",\"feed000000000002\"]],"
        "\"shards\":[{\"heat\":7,\"replicas\":[[\"feed000000000003\",0]]}]," NEWER "}";
    static struct page_record p;

    p = (struct page_record){.volume = ID(0), .disk_count = 2, .shard_count = 2};
    p.disks[0].disk = ID(1);
    p.disks[0].node = ID(2);
    p.disks[1].disk = ID(4);
    p.disks[1].node = ID(5);
    p.shards[0].replica_count = 3;
    p.shards[0].replicas[0] = (struct page_replica){.replica = ID(3), .in_sync = true};
    p.shards[0].replicas[1] = (struct page_replica){.replica = ID(6), .disk = 1, .behind = 7};
    p.shards[0].replicas[2] =
        (struct page_replica){.replica = ID(7), .disk = 1, .in_sync = true, .former = ID(8)};
    p.shards[1].is_new = true;
    p.shards[1].replica_count = 1;
    p.shards[1].replicas[0] = (struct page_replica){.replica = ID(9)};
    return page_write(&p, former);
}

static char *write_head(void)
{
    struct head_record r = {
        .volume = ID(0), .epoch = 1048581, .primary = ID(1), .incarnation = ID(2), .generation = 3};

    return head_write(&r, "{\"version\":1," NEWER "}");
}

static char *write_attachment(void)
{
    struct attachment_record r = {.attachment = ID(0),
                                  .volume = ID(1),
                                  .initiator = "iqn.2008-11.org.linux-kvm:vm_1",
                                  .chap = {.user = "u",
                                           .secret = "0123456789ab",
                                           .mutual_user = "t",
                                           .mutual_secret = "ba9876543210"}};

    return attachment_write(&r, "{\"version\":1," NEWER "}");
}

static char *write_node(void)
{
    struct node_record r = {.node = ID(0),
                            .name = "n1",
                            .rack = "r1",
                            .portal_count = 2,
                            .portals = {"127.0.0.1:3260", "[::1]:3260"}};

    return node_write(&r, "{\"version\":1," NEWER "}");
}

static char *write_volume(void)
{
    struct volume_record r = {.volume = ID(0),
                              .name = "web-01.data",
                              .bytes = 10ull << 30,
                              .logical_block_bytes = 4096,
                              .copies = 3,
                              .min_copies = 2};

    return volume_write(&r, "{\"version\":1," NEWER "}");
}

static char *write_grave(void)
{
    struct grave_record r = {.replica = ID(0), .node = ID(1), .disk = ID(2)};

    return grave_write(&r, NULL);
}

static void a_record_is_written_whole_or_not_at_all(void **state)
{
    static char *(*const writers[])(void) = {
        write_page, write_head, write_attachment, write_node, write_volume, write_grave,
    };

    (void)state;
    for (size_t i = 0; i < array_length(writers); i++)
        whole_or_nothing(writers[i]);
}

static void a_former_document_that_is_none_is_not_forgotten(void **state)
{
    struct grave_record r = {.replica = ID(0), .node = ID(1), .disk = ID(2)};

    (void)state;
    assert_null(grave_write(&r, "{\"version\":1,"));
    assert_null(grave_write(&r, "[]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_written_whole_or_not_at_all),
        cmocka_unit_test(a_former_document_that_is_none_is_not_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
