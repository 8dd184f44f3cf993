/* SPDX-License-Identifier: Apache-2.0 */
/* Pages: both ways, their size, and what is refused. */
#include "metadata/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct page_record full_page(uint32_t copies)
{
    struct page_record p;

    memset(&p, 0, sizeof p);
    p.volume.bits = 0x1111222233334444;
    p.index = 3;
    p.disk_count = 10;
    for (uint32_t i = 0; i < p.disk_count; i++) {
        p.disks[i].disk.bits = 0xd000000000000000 + i;
        p.disks[i].node.bits = 0xa000000000000000 + i;
    }
    p.shard_count = PAGE_SHARDS;
    for (uint32_t s = 0; s < p.shard_count; s++) {
        p.shards[s].replica_count = copies;
        for (uint32_t r = 0; r < copies; r++) {
            struct page_replica *at = &p.shards[s].replicas[r];

            at->replica.bits = 0xfeed000000000000 + s * 8 + r;
            at->disk = (s + r) % p.disk_count;
            at->in_sync = r != 1;
            at->behind = r == 1 ? 17 : 0;
        }
    }
    return p;
}

static void same_replica(const struct page_replica *a, const struct page_replica *b)
{
    assert_int_equal(a->replica.bits, b->replica.bits);
    assert_int_equal(a->disk, b->disk);
    assert_int_equal(a->in_sync, b->in_sync);
    assert_int_equal(a->behind, b->behind);
    assert_int_equal(a->former.bits, b->former.bits);
}

static void a_full_page_survives_the_way_there_and_back(void **state)
{
    struct page_record p = full_page(3), back;
    char *json;

    (void)state;
    p.shards[5].is_new = true;
    for (uint32_t r = 0; r < 3; r++) {
        p.shards[5].replicas[r].in_sync = false;
        p.shards[5].replicas[r].behind = 0;
    }
    json = page_write(&p, NULL);
    assert_int_equal(page_read(json, &back), E_OK);
    assert_int_equal(back.volume.bits, p.volume.bits);
    assert_int_equal(back.index, 3);
    assert_int_equal(back.disk_count, 10);
    assert_memory_equal(back.disks, p.disks, sizeof p.disks);
    assert_int_equal(back.shard_count, PAGE_SHARDS);
    for (uint32_t s = 0; s < PAGE_SHARDS; s++) {
        assert_int_equal(back.shards[s].is_new, s == 5);
        assert_int_equal(back.shards[s].replica_count, 3);
        for (uint32_t r = 0; r < 3; r++)
            same_replica(&back.shards[s].replicas[r], &p.shards[s].replicas[r]);
    }
    free(json);
}

static void what_was_salvaged_keeps_its_former_identity(void **state)
{
    struct page_record p = full_page(3), back;
    char *json;

    (void)state;
    p.shards[2].replicas[0].former.bits = 0xabcd; /* in sync */
    p.shards[2].replicas[1].former.bits = 0xabce; /* behind  */
    json = page_write(&p, NULL);
    assert_int_equal(page_read(json, &back), E_OK);
    for (uint32_t r = 0; r < 3; r++)
        same_replica(&back.shards[2].replicas[r], &p.shards[2].replicas[r]);
    free(json);
}

static void a_shard_of_three_copies_takes_at_most_100_bytes(void **state)
{
    struct page_record p = full_page(3);
    char *json = page_write(&p, NULL);
    const char *shards = strstr(json, "\"shards\":");

    (void)state;
    assert_non_null(shards);
    assert_true(strlen(shards) <= 100 * PAGE_SHARDS);
    free(json);
}

static void members_of_a_shard_that_we_do_not_know_live_on(void **state)
{
    const char *newer = "{\"version\":2,\"volume\":\"0000000000000007\",\"index\":0,"
                        "\"disks\":[[\"00000000000000d1\",\"00000000000000a1\"]],"
                        "\"shards\":[{\"new\":true,\"heat\":5,"
                        "\"replicas\":[[\"00000000000000f1\",0,0]]}],\"tier\":\"cold\"}";
    struct page_record p;
    char *json;

    (void)state;
    assert_int_equal(page_read(newer, &p), E_OK);
    p.shards[0].is_new = false;
    p.shards[0].replicas[0].in_sync = true;
    json = page_write(&p, newer);
    assert_non_null(strstr(json, "\"heat\":5"));
    assert_non_null(strstr(json, "\"tier\":\"cold\""));
    assert_null(strstr(json, "\"new\""));
    assert_non_null(strstr(json, "[\"00000000000000f1\",0]"));
    free(json);
}

#define PAGE(disks, shards)                                                                        \
    "{\"version\":1,\"volume\":\"0000000000000007\",\"index\":0,\"disks\":" disks                  \
    ",\"shards\":" shards "}"
#define DISK "[[\"00000000000000d1\",\"00000000000000a1\"]]"

static void foreign_pages_are_damaged(void **state)
{
    static const char *const lines[] = {
        PAGE(DISK, "[]"),
        PAGE(DISK, "{}"),
        PAGE(DISK, "[{}]"),
        PAGE(DISK, "[{\"replicas\":[]}]"),
        PAGE(DISK, "[{\"replicas\":[[\"00000000000000f1\"]]}]"),
        PAGE(DISK, "[{\"replicas\":[[\"00000000000000f1\",1]]}]"), /* no such disk */
        PAGE(DISK, "[{\"replicas\":[[\"00000000000000f1\",-1]]}]"),
        PAGE(DISK, "[{\"replicas\":[[\"00000000000000f1\",0,-1]]}]"),
        PAGE(DISK, "[{\"replicas\":[[\"00000000000000f1\",0,1,1]]}]"),
        PAGE(DISK, "[{\"replicas\":[[1,0]]}]"),
        PAGE(DISK, "[{\"new\":true,\"replicas\":[[\"00000000000000f1\",0]]}]"), /* new, in sync */
        PAGE(DISK, "[{\"new\":true,\"replicas\":[[\"00000000000000f1\",0,3]]}]"),
        PAGE("[[\"00000000000000d1\"]]", "[{\"replicas\":[[\"00000000000000f1\",0]]}]"),
        PAGE("[1]", "[{\"replicas\":[[\"00000000000000f1\",0]]}]"),
        PAGE("5", "[{\"replicas\":[[\"00000000000000f1\",0]]}]"),
        "{\"version\":1,\"volume\":\"0000000000000007\",\"index\":64,\"disks\":" DISK
        ",\"shards\":[{\"replicas\":[[\"00000000000000f1\",0]]}]}",
    };
    struct page_record p;

    (void)state;
    assert_int_equal(page_read(PAGE(DISK, "[{\"replicas\":[[\"00000000000000f1\",0]]}]"), &p),
                     E_OK);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (page_read(lines[i], &p) != E_DAMAGED)
            fail_msg("line %zu was taken: %s", i, lines[i]);
    }
}

/* The decoder never reads past what it is given: every prefix and every flipped byte. */
static void broken_pages_are_refused_or_read_but_never_crash(void **state)
{
    struct page_record p = full_page(2), back;
    char *json, *broken;
    size_t length;

    (void)state;
    p.shard_count = 4;
    json = page_write(&p, NULL);
    length = strlen(json);
    broken = malloc(length + 1);
    for (size_t i = 0; i < length; i++) {
        memcpy(broken, json, length + 1);
        broken[i] = '\0';
        assert_int_equal(page_read(broken, &back), E_DAMAGED);
        memcpy(broken, json, length + 1);
        broken[i] = (char)(broken[i] ^ 0x11);
        (void)page_read(broken, &back);
    }
    free(broken);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_page_survives_the_way_there_and_back),
        cmocka_unit_test(what_was_salvaged_keeps_its_former_identity),
        cmocka_unit_test(a_shard_of_three_copies_takes_at_most_100_bytes),
        cmocka_unit_test(members_of_a_shard_that_we_do_not_know_live_on),
        cmocka_unit_test(foreign_pages_are_damaged),
        cmocka_unit_test(broken_pages_are_refused_or_read_but_never_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
