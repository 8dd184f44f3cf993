/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/hostile_test.c — structures whose checksums are right and whose numbers are
 * not: refused, or said to be damaged, before anything is done with them.
 */
#include "tests/unit/store/rig_io.h"

#define SIZE 2000u

static le64 seal(struct rig *r, uint64_t offset, uint32_t room)
{
    uint8_t *bytes = malloc(room);
    struct format_head *h = (void *)bytes;
    le64 checksum;

    sim_disk_peek(r->medium, offset, bytes, room);
    checksum = le64_of(crc64(bytes + sizeof h->checksum, le32_get(h->bytes) - sizeof h->checksum));
    sim_disk_poke(r->medium, offset, &checksum, sizeof checksum);
    free(bytes);
    return checksum;
}

static void put(struct rig *r, uint64_t offset, uint64_t value)
{
    le64 v = le64_of(value);

    sim_disk_poke(r->medium, offset, &v, sizeof v);
}

static uint64_t get(const struct rig *r, uint64_t offset)
{
    le64 v;

    sim_disk_peek(r->medium, offset, &v, sizeof v);
    return le64_get(v);
}

static void put_roots(struct rig *r, const struct geometry *g, size_t at, uint64_t value)
{
    for (uint32_t copy = 0; copy < 2; copy++) {
        put(r, g->root_offset[copy] + at, value);
        (void)seal(r, g->root_offset[copy], (uint32_t)g->root_bytes);
    }
}

static void a_root_whose_counts_could_wrap_is_refused(void **state)
{
    static const struct {
        size_t at;
        uint64_t value;
    } wrong[] = {
        {offsetof(struct format_root, tail_position), 4097},
        {offsetof(struct format_root, tail_position), UINT64_MAX - 4095},
        {offsetof(struct format_root, tail_sequence), UINT64_MAX},
        {offsetof(struct format_root, head.checkpoint), UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < array_length(wrong); i++) {
        struct rig r = rig_begin(i, SIZE);
        struct geometry g = r.store->geo;

        rig_close(&r);
        put_roots(&r, &g, wrong[i].at, wrong[i].value);
        assert_int_equal(rig_open(&r), E_DAMAGED);
        rig_end(&r);
    }
}

/* The current place of a page, by its entry. */
static uint32_t place_in(const struct rig *r, uint64_t entry)
{
    return get(r, entry + offsetof(struct format_page_entry, flags)) & PAGE_PLACE;
}

static void an_open_write_outside_its_replica_is_none(void **state)
{
    struct rig r = rig_begin(7, SIZE);
    struct geometry g = r.store->geo;
    uint64_t log = g.map_pages + g.checksum_pages, index, entry, page;
    struct extent all;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 10, 1), E_OK); /* open: no commit word came */
    rig_close(&r);
    index =
        index_page_offset(&g, log / INDEX_ENTRIES,
                          place_in(&r, g.root_offset[0] + sizeof(struct format_root) +
                                           log / INDEX_ENTRIES * sizeof(struct format_page_entry)));
    entry = index + offsetof(struct format_index_page, entries) +
            log % INDEX_ENTRIES * sizeof(struct format_page_entry);
    page = page_offset(&g, log, place_in(&r, entry));
    put(&r, page + offsetof(struct format_log_page, entries), UINT64_C(1) << 60);
    put(&r, entry, le64_get(seal(&r, page, PAGE_BYTES)));
    put_roots(&r, &g,
              sizeof(struct format_root) + log / INDEX_ENTRIES * sizeof(struct format_page_entry),
              le64_get(seal(&r, index, PAGE_BYTES)));
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged); /* all else was proved */
    assert_true(rig_facts(&r).open_everything);
    assert_int_equal(store_open_writes(r.replica, &all, 1), 1);
    assert_true(all.start == 0 && all.count == SIZE);
    rig_end(&r);
}

/* Where the newest group lies. */
static uint64_t last_group(const struct rig *r, const struct geometry *g)
{
    uint64_t newest = 0, found = 0;

    for (uint64_t at = 0; at < g->journal_bytes; at += PAGE_BYTES) {
        struct format_group h;

        sim_disk_peek(r->medium, g->journal_offset + at, &h, sizeof h);
        if (le32_get(h.head.magic) == GROUP_MAGIC && le64_get(h.sequence) > newest) {
            newest = le64_get(h.sequence);
            found = g->journal_offset + at;
        }
    }
    assert_true(found > 0);
    return found;
}

static void a_size_beyond_a_shard_damages_its_replica(void **state)
{
    struct rig r = rig_begin(8, SIZE);
    struct geometry g = r.store->geo;
    struct store_change grow = {
        .kind = STORE_RESIZE, .replica = r.replica, .size_blocks = 2 * SIZE};
    struct format_group h;
    uint64_t group;

    (void)state;
    assert_int_equal(rig_change(&r, &grow), E_OK);
    rig_crash(&r, SIM_KILLED);
    group = last_group(&r, &g);
    sim_disk_peek(r.medium, group, &h, sizeof h);
    assert_int_equal(le32_get(h.record_count), 1);
    put(&r,
        group + sizeof h + le32_get(h.list_count) * sizeof(struct format_list_entry) +
            offsetof(struct format_record, count),
        SHARD_BLOCKS + 1);
    (void)seal(&r, group, PAGE_BYTES);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(rig_facts(&r).damaged);
    assert_int_equal(rig_facts(&r).size_blocks, SIZE);
    rig_end(&r);
}

static void a_replica_made_beyond_a_shard_is_refused(void **state)
{
    struct rig r = rig_begin(10, SIZE);
    struct geometry g = r.store->geo;
    struct format_group h;
    uint64_t group;

    (void)state;
    assert_int_equal(rig_make(&r, (struct identity){REPLICA.bits + 1}, SIZE), E_OK);
    rig_crash(&r, SIM_KILLED);
    group = last_group(&r, &g);
    sim_disk_peek(r.medium, group, &h, sizeof h);
    put(&r,
        group + sizeof h + le32_get(h.list_count) * sizeof(struct format_list_entry) +
            offsetof(struct format_record, count),
        SHARD_BLOCKS + 1);
    (void)seal(&r, group, PAGE_BYTES);
    assert_int_equal(rig_open(&r), E_DAMAGED); /* nobody who could be called damaged */
    rig_end(&r);
}

/* It would be taken for the successor of groups that were lost. */
static void a_group_whose_sequence_could_wrap_is_none(void **state)
{
    struct rig r = rig_begin(9, SIZE);
    struct geometry g = r.store->geo;
    uint64_t group;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 1, 1), E_OK);
    rig_crash(&r, SIM_KILLED);
    group = last_group(&r, &g);
    put(&r, group + offsetof(struct format_group, sequence), UINT64_MAX - 1);
    put(&r, group + offsetof(struct format_group, durable), UINT64_MAX - 1);
    (void)seal(&r, group, PAGE_BYTES);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(r.store->journal.sequence < COUNTS_MOST);
    rig_reopen(&r);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_whose_counts_could_wrap_is_refused),
        cmocka_unit_test(an_open_write_outside_its_replica_is_none),
        cmocka_unit_test(a_size_beyond_a_shard_damages_its_replica),
        cmocka_unit_test(a_replica_made_beyond_a_shard_is_refused),
        cmocka_unit_test(a_group_whose_sequence_could_wrap_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
