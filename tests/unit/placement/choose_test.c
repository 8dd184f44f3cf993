/* SPDX-License-Identifier: Apache-2.0 */
/* Placement as a table: what is legal, which is chosen, and how a refusal reads. */
#include "placement/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define GIB (1ull << 30)
#define TIB (1ull << 40)

/* node, disk, size and promised in GiB */
#define DISK(n, d, size, promised_gib)                                                             \
    {                                                                                              \
        .disk = {d}, .node = {n}, .bytes = (size)*GIB, .free_bytes = (size)*GIB,                   \
        .promised_bytes = (promised_gib)*GIB, .replicas_max = UINT32_MAX, .alive = true            \
    }

struct row {
    const char *story;
    struct placement_disk disks[4];
    uint32_t disk_count;
    uint64_t gib;
    uint64_t only_node;
    enum err err;
    uint32_t chosen[4]; /* of the first shards */
    const char *why;    /* part of the refusal */
};

static const struct row rows[] = {
    {.story = "one disk takes it",
     .disks = {DISK(1, 1, 100, 0)},
     .disk_count = 1,
     .gib = 8,
     .chosen = {0}},
    {.story = "the node that has promised least",
     .disks = {DISK(1, 1, 100, 50), DISK(2, 2, 100, 10), DISK(3, 3, 100, 30)},
     .disk_count = 3,
     .gib = 8,
     .chosen = {1}},
    {.story = "all shards on one node, its disks in turn",
     .disks = {DISK(1, 1, 100, 5), DISK(1, 2, 100, 0), DISK(2, 3, 100, 50)},
     .disk_count = 3,
     .gib = 24,
     .chosen = {1, 0, 1}},
    {.story = "a node where it does not fit is passed over",
     .disks = {DISK(1, 1, 1, 0), DISK(2, 2, 100, 90)},
     .disk_count = 2,
     .gib = 32,
     .chosen = {1, 1, 1, 1}},
    {.story = "overcommit reaches to ten times the size",
     .disks = {DISK(1, 1, 1, 2)},
     .disk_count = 1,
     .gib = 8,
     .chosen = {0}},
    {.story = "and no further",
     .disks = {DISK(1, 1, 1, 3)},
     .disk_count = 1,
     .gib = 8,
     .err = E_NO_SPACE,
     .why = "asked for 8 GiB; the largest node may promise 7 GiB more"},
    {.story = "the refusal names the largest node and disk",
     .disks = {DISK(1, 1, 10, 60), DISK(1, 2, 10, 40), DISK(2, 3, 10, 90)},
     .disk_count = 3,
     .gib = 2048,
     .err = E_NO_SPACE,
     .why = "asked for 2 TiB; the largest node may promise 100 GiB more, its disks up to 60 GiB "
            "(at most 10 times their size)"},
    {.story = "only where it lives",
     .disks = {DISK(1, 1, 100, 0), DISK(2, 2, 100, 50)},
     .disk_count = 2,
     .gib = 8,
     .only_node = 2,
     .chosen = {1}},
    {.story = "no disk at all",
     .disk_count = 0,
     .gib = 8,
     .err = E_NO_SPACE,
     .why = "no node that answers has a writable disk with room"},
};

static enum err choose(const struct row *r, uint32_t *chosen, char why[PLACEMENT_WHY])
{
    struct placement_spec spec = {.bytes = r->gib * GIB,
                                  .shard_bytes = 8 * GIB,
                                  .overcommit = PLACEMENT_OVERCOMMIT,
                                  .node = {r->only_node}};

    return placement_choose(r->disks, r->disk_count, &spec, chosen, why);
}

static void each_row_chooses_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        uint32_t chosen[512] = {0};
        char why[PLACEMENT_WHY] = "";

        if (choose(r, chosen, why) != r->err)
            fail_msg("%s: %s", r->story, why);
        for (uint32_t s = 0; !r->err && s < r->gib / 8; s++) {
            if (chosen[s] != r->chosen[s])
                fail_msg("%s: shard %u is on disk %u", r->story, s, chosen[s]);
        }
        if (r->why && !strstr(why, r->why))
            fail_msg("%s: \"%s\"", r->story, why);
    }
}

/* D2 */
static void what_cannot_be_written_is_never_chosen(void **state)
{
    struct row r = {
        .disks = {DISK(1, 1, 100, 0), DISK(2, 2, 100, 0), DISK(3, 3, 100, 0), DISK(4, 4, 100, 900)},
        .disk_count = 4,
        .gib = 8};
    uint32_t chosen[1];
    char why[PLACEMENT_WHY];

    (void)state;
    r.disks[0].alive = false;
    r.disks[1].read_only = true;
    r.disks[2].free_bytes = 0;
    assert_int_equal(choose(&r, chosen, why), E_OK);
    assert_int_equal(chosen[0], 3);
    r.disk_count = 3;
    assert_int_equal(choose(&r, chosen, why), E_NO_SPACE);
}

/* D2: their disks are not alive, and the refusal says of whom. */
static void nodes_that_are_held_are_named(void **state)
{
    struct placement_disk disks[] = {DISK(1, 1, 100, 0), DISK(2, 2, 100, 0)};
    const struct placement_node nodes[] = {
        {.node = {1}, .name = "n1", .volumes_max = UINT32_MAX, .held = true},
        {.node = {2}, .name = "n2", .volumes_max = UINT32_MAX, .held = true}};
    struct placement_spec spec = {.bytes = 8 * GIB,
                                  .shard_bytes = 8 * GIB,
                                  .overcommit = PLACEMENT_OVERCOMMIT,
                                  .nodes = nodes,
                                  .node_count = 2};
    uint32_t chosen[1];
    char why[PLACEMENT_WHY];

    (void)state;
    disks[0].alive = disks[1].alive = false;
    assert_int_equal(placement_choose(disks, 2, &spec, chosen, why), E_NO_SPACE);
    assert_string_equal(why, "asked for 8 GiB; no node that answers has a writable disk with room; "
                             "node n1 is held, and 1 more nodes are");
}

/* D3 */
static void a_node_full_of_volumes_is_passed_over(void **state)
{
    const struct placement_disk disks[] = {DISK(1, 1, 100, 0), DISK(2, 2, 100, 50)};
    struct placement_node nodes[] = {{{1}, "n1", 64, 64, false}, {{2}, "n2", 63, 64, false}};
    struct placement_spec spec = {.bytes = 8 * GIB,
                                  .shard_bytes = 8 * GIB,
                                  .overcommit = PLACEMENT_OVERCOMMIT,
                                  .nodes = nodes,
                                  .node_count = 2};
    uint32_t chosen[1];
    char why[PLACEMENT_WHY];

    (void)state;
    assert_int_equal(placement_choose(disks, 2, &spec, chosen, why), E_OK);
    assert_int_equal(chosen[0], 1);
    nodes[1].volumes++;
    assert_int_equal(placement_choose(disks, 2, &spec, chosen, why), E_NO_SPACE);
    assert_non_null(strstr(why, "node n1 has 64 volumes and takes 64, and 1 more nodes are full "
                                "(their setting \"volumes\")"));
    nodes[0].volumes--;
    assert_int_equal(placement_choose(disks, 2, &spec, chosen, why), E_OK);
    assert_int_equal(chosen[0], 0);
}

/* D4: also where its bytes would go on. */
static void a_disk_takes_so_many_replicas(void **state)
{
    struct row r = {
        .disks = {DISK(1, 1, 1024, 0), DISK(2, 2, 1024, 100)}, .disk_count = 2, .gib = 5120};
    uint32_t chosen[640];
    char why[PLACEMENT_WHY];

    (void)state;
    r.disks[0].replicas_max = r.disks[1].replicas_max = 512;
    r.disks[1].replicas = 12;
    assert_int_equal(choose(&r, chosen, why), E_NO_SPACE);
    assert_string_equal(why, "asked for 5 TiB; the largest node may promise 4 TiB more, its disks "
                             "up to 4 TiB (at most 10 times their size); disk 0000000000000001 has "
                             "0 replicas and takes 512, and 1 more disks have as few places");
    r.gib = 4096;
    assert_int_equal(choose(&r, chosen, why), E_OK);
    assert_int_equal(chosen[511], 0);
    r.disks[0].replicas = 512;
    r.gib = 4000; /* 500 shards */
    assert_int_equal(choose(&r, chosen, why), E_OK);
    assert_int_equal(chosen[499], 1);
    r.disk_count = 1;
    r.gib = 1;
    assert_int_equal(choose(&r, chosen, why), E_NO_SPACE);
    assert_string_equal(why, "asked for 1 GiB; no node that answers has a writable disk with room; "
                             "disk 0000000000000001 has 512 replicas and takes 512");
}

/* D4: one that is full of replicas leaves what it would have had to its neighbour. */
static void shards_go_where_there_are_places(void **state)
{
    struct row r = {
        .disks = {DISK(1, 1, 1024, 0), DISK(1, 2, 1024, 4000)}, .disk_count = 2, .gib = 32};
    uint32_t chosen[4];
    char why[PLACEMENT_WHY];

    (void)state;
    r.disks[0].replicas_max = 3;
    assert_int_equal(choose(&r, chosen, why), E_OK);
    assert_int_equal(chosen[2], 0);
    assert_int_equal(chosen[3], 1);
}

/* The last shard may be short: only what it has counts. */
static void a_short_last_shard_takes_only_its_own_bytes(void **state)
{
    struct placement_disk disk = DISK(1, 1, 1, 0);
    struct placement_spec spec = {
        .bytes = 10 * GIB, .shard_bytes = 8 * GIB, .overcommit = PLACEMENT_OVERCOMMIT};
    uint32_t chosen[2];
    char why[PLACEMENT_WHY];

    (void)state;
    assert_int_equal(placement_choose(&disk, 1, &spec, chosen, why), E_OK);
    spec.bytes += 4096;
    assert_int_equal(placement_choose(&disk, 1, &spec, chosen, why), E_NO_SPACE);
}

static void the_order_of_the_view_does_not_matter(void **state)
{
    struct placement_disk there[] = {DISK(1, 1, 100, 0), DISK(2, 2, 100, 0), DISK(3, 3, 100, 0)};
    struct placement_disk back[] = {DISK(3, 3, 100, 0), DISK(2, 2, 100, 0), DISK(1, 1, 100, 0)};
    struct placement_spec spec = {
        .bytes = 8 * GIB, .shard_bytes = 8 * GIB, .overcommit = PLACEMENT_OVERCOMMIT};
    uint32_t a, b;
    char why[PLACEMENT_WHY];

    (void)state;
    assert_int_equal(placement_choose(there, 3, &spec, &a, why), E_OK);
    assert_int_equal(placement_choose(back, 3, &spec, &b, why), E_OK);
    assert_true(identity_equal(there[a].disk, back[b].disk));
}

static void a_volume_beyond_the_shards_is_refused(void **state)
{
    struct placement_disk disk = DISK(1, 1, 1 << 20, 0);
    struct placement_spec spec = {
        .bytes = 32 * TIB + 4096, .shard_bytes = 8 * GIB, .overcommit = PLACEMENT_OVERCOMMIT};
    static uint32_t chosen[PLACEMENT_SHARDS_MAX];
    char why[PLACEMENT_WHY];

    (void)state;
    assert_int_equal(placement_choose(&disk, 1, &spec, chosen, why), E_TOO_LARGE);
    spec.bytes = 32 * TIB;
    assert_int_equal(placement_choose(&disk, 1, &spec, chosen, why), E_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_chooses_what_it_says),
        cmocka_unit_test(what_cannot_be_written_is_never_chosen),
        cmocka_unit_test(nodes_that_are_held_are_named),
        cmocka_unit_test(a_node_full_of_volumes_is_passed_over),
        cmocka_unit_test(a_disk_takes_so_many_replicas),
        cmocka_unit_test(shards_go_where_there_are_places),
        cmocka_unit_test(a_short_last_shard_takes_only_its_own_bytes),
        cmocka_unit_test(the_order_of_the_view_does_not_matter),
        cmocka_unit_test(a_volume_beyond_the_shards_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
