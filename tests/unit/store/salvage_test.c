/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/salvage_test.c — a replica whose map lost chunks goes on by a human's command:
 * what can be proved is read, what was perhaps lost is an error until it is written or unmapped.
 */
#include "tests/unit/store/rig_io.h"

#define CHUNKS 250u
#define SIZE   (CHUNKS * CHUNK_BLOCKS)

static const struct identity RENAMED = {0x0b00000000000077};

static enum err salvage(struct rig *r, struct identity identity)
{
    struct store_change c = {.kind = STORE_SALVAGE, .replica = r->replica, .identity = identity};

    return rig_change(r, &c);
}

static enum err resize(struct rig *r, uint64_t blocks)
{
    struct store_change c = {.kind = STORE_RESIZE, .replica = r->replica, .size_blocks = blocks};

    return rig_change(r, &c);
}

/* Two blocks of every chunk are home; which chunks a page of the map speaks of, and where it is. */
static struct rig at_home(uint64_t seed, bool *ret_lost, uint64_t *ret_page)
{
    struct rig r = rig_begin(seed, SIZE);
    uint64_t page;

    for (uint32_t i = 0; i < CHUNKS; i++)
        assert_int_equal(rig_write(&r, (uint64_t)i * CHUNK_BLOCKS + 2, 2, 1000 + i * 2), E_OK);
    rig_reopen(&r);
    page = (map_entry(r.replica, 3) & ENTRY_CHUNK) / MAP_RECORDS;
    for (uint32_t i = 0; i < CHUNKS; i++)
        ret_lost[i] = (map_entry(r.replica, i) & ENTRY_CHUNK) / MAP_RECORDS == page;
    *ret_page = page_offset(&r.store->geo, page, r.store->index[page].flags & PAGE_PLACE);
    return r;
}

/* The page of the map rots, and the replica is damaged. */
static struct rig damaged(uint64_t seed, bool *ret_lost)
{
    uint64_t page;
    struct rig r = at_home(seed, ret_lost, &page);

    rig_close(&r);
    rig_rot(&r, page + 1000);
    assert_int_equal(rig_open(&r), E_OK);
    return r;
}

static void expect_salvaged(struct rig *r, const bool *lost)
{
    uint32_t losses = 0;

    assert_null(store_find(r->store, REPLICA));
    r->replica = store_find(r->store, RENAMED);
    assert_non_null(r->replica);
    assert_false(rig_facts(r).damaged);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        uint64_t at = (uint64_t)i * CHUNK_BLOCKS;

        losses += lost[i];
        if (lost[i]) {
            expect_medium(r, at + 2);
            expect_medium(r, at + 9); /* it may have held something: no zeros */
        } else {
            expect_blocks(r, at + 2, 2, 1000 + i * 2);
            expect_blocks(r, at + 9, 1, 0);
        }
    }
    assert_in_range(losses, 100, CHUNKS - 50);
}

static void only_what_can_be_proved_is_read(void **state)
{
    bool lost[CHUNKS];
    struct rig r = damaged(1, lost);

    (void)state;
    assert_true(rig_facts(&r).damaged);
    assert_int_equal(salvage(&r, RENAMED), E_OK);
    expect_salvaged(&r, lost);
    rig_reopen(&r);
    expect_salvaged(&r, lost);
    rig_crash_and_reopen(&r);
    expect_salvaged(&r, lost);
    rig_end(&r);
}

static void the_journal_keeps_it(void **state)
{
    bool lost[CHUNKS];
    struct rig r = damaged(2, lost);

    (void)state;
    assert_int_equal(salvage(&r, RENAMED), E_OK);
    rig_crash_and_reopen(&r);
    expect_salvaged(&r, lost);
    rig_end(&r);
}

/* The group with the record rots: the name stands in the next one's list. */
static void a_lost_word_of_it_damages_it_under_its_new_name(void **state)
{
    bool lost[CHUNKS];
    struct rig r = damaged(3, lost);
    uint64_t at = r.store->journal.head;

    (void)state;
    assert_int_equal(salvage(&r, RENAMED), E_OK);
    r.replica = store_find(r.store, RENAMED);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(rig_write(&r, 5 + i, 1, 7), E_OK);
    at = r.store->geo.journal_offset + at % r.store->geo.journal_bytes;
    rig_crash(&r, SIM_KILLED);
    rig_rot(&r, at + 200);
    assert_int_equal(rig_open(&r), E_OK);
    assert_null(store_find(r.store, REPLICA));
    r.replica = store_find(r.store, RENAMED);
    assert_non_null(r.replica);
    assert_true(rig_facts(&r).damaged);
    rig_end(&r);
}

static uint32_t first_lost(const bool *lost)
{
    for (uint32_t i = 0; i < CHUNKS; i++)
        if (lost[i])
            return i;
    fail();
    return 0;
}

/* Where the next group will be on the disk. */
static uint64_t next_group(const struct rig *r)
{
    const struct geometry *g = &r->store->geo;

    return g->journal_offset + r->store->journal.head % g->journal_bytes;
}

/* A block was written behind the checkpoint, and its chunk's place is lost: it is all that is known
 * of the chunk; without it, where its group rots too, nothing is. */
static void a_block_that_the_journal_has_speaks_for_no_other(void **state)
{
    (void)state;
    for (uint32_t rots = 0; rots < 2; rots++) {
        bool lost[CHUNKS];
        uint64_t page, group;
        struct rig r = at_home(8, lost, &page);
        uint64_t at = (uint64_t)first_lost(lost) * CHUNK_BLOCKS;

        group = next_group(&r);
        assert_int_equal(rig_write(&r, at + 3, 1, 77), E_OK);
        for (uint64_t i = 0; i < 2; i++) /* they name the first durable */
            assert_int_equal(rig_write(&r, at + 4, 1, 78), E_OK);
        rig_crash(&r, SIM_KILLED);
        rig_rot(&r, page + 1000);
        if (rots)
            rig_rot(&r, group + 200);
        assert_int_equal(rig_open(&r), E_OK);
        assert_int_equal(salvage(&r, RENAMED), E_OK);
        for (uint32_t life = 0; life < 2; life++) {
            r.replica = store_find(r.store, RENAMED);
            for (uint64_t b = 0; b < CHUNK_BLOCKS; b++) {
                if (b == 4 || (b == 3 && !rots))
                    expect_blocks(&r, at + b, 1, 74 + b);
                else
                    expect_medium(&r, at + b);
            }
            rig_reopen(&r);
        }
        rig_end(&r);
    }
}

/* A RESIZE, then four writes, a group each: which of them is behind the former end, which groups
 * rot, and whether a write was dropped by that. */
static const struct resized {
    uint32_t outside, bad;
    bool dropped;
} resizes[] = {
    {2, 1u << 0, true},           /* read, and cannot be meant                   */
    {2, 1u << 0 | 1u << 2, true}, /* named by its successor                      */
    {1, 7u, true},                /* named by nobody                             */
    {0, 1u << 0, false},          /* none: what grows is zeros, as it would have */
};

static struct rig without_size(const struct resized *c)
{
    struct rig r = rig_begin(9, SIZE);
    uint64_t group[5];

    group[0] = next_group(&r);
    assert_int_equal(resize(&r, (uint64_t)2 * SIZE), E_OK);
    for (uint32_t i = 1; i < 5; i++) {
        group[i] = next_group(&r);
        assert_int_equal(rig_write(&r, i == c->outside ? SIZE + 5 : i, 1, 7), E_OK);
    }
    rig_crash(&r, SIM_KILLED);
    for (uint32_t i = 0; i < 5; i++)
        if (c->bad & 1u << i)
            rig_rot(&r, group[i] + 200);
    assert_int_equal(rig_open(&r), E_OK);
    assert_true(rig_facts(&r).damaged);
    return r;
}

/* Nobody knows how large the replica was, and a start in between does not forget that. */
static void what_was_dropped_behind_the_end_is_not_zeros(void **state)
{
    (void)state;
    for (uint32_t way = 0; way < 2 * array_length(resizes); way++) {
        const struct resized *c = &resizes[way / 2];
        struct rig r = without_size(c);

        if (way % 2)
            rig_reopen(&r);
        assert_int_equal(salvage(&r, RENAMED), E_OK);
        for (uint32_t life = 0; life < 2; life++) {
            r.replica = store_find(r.store, RENAMED);
            assert_int_equal(resize(&r, (uint64_t)2 * SIZE), E_OK);
            if (c->dropped)
                expect_medium(&r, SIZE + 5);
            else
                expect_blocks(&r, SIZE, CHUNK_BLOCKS, 0);
            rig_reopen(&r);
        }
        rig_end(&r);
    }
}

/* A second salvage knows no more than the first. */
static void a_second_salvage_is_no_surer(void **state)
{
    struct rig r = without_size(&resizes[0]);

    (void)state;
    assert_int_equal(salvage(&r, RENAMED), E_OK);
    r.replica = store_find(r.store, RENAMED);
    r.replica->map_sum ^= 1;
    rig_reopen(&r);
    r.replica = store_find(r.store, RENAMED);
    assert_true(rig_facts(&r).damaged);
    assert_int_equal(salvage(&r, REPLICA), E_OK);
    r.replica = store_find(r.store, REPLICA);
    assert_int_equal(resize(&r, (uint64_t)2 * SIZE), E_OK);
    expect_medium(&r, SIZE + 5);
    rig_end(&r);
}

static void what_is_written_or_unmapped_is_known_again(void **state)
{
    bool lost[CHUNKS];
    struct rig r = damaged(4, lost);
    uint64_t at = (uint64_t)first_lost(lost) * CHUNK_BLOCKS, count;

    (void)state;
    assert_int_equal(salvage(&r, RENAMED), E_OK);
    r.replica = store_find(r.store, RENAMED);
    assert_true(store_mapped(r.replica, at, 4, &count)); /* not deallocated, as far as we know */
    assert_int_equal(rig_write(&r, at + 4, 1, 99), E_OK);
    expect_blocks(&r, at + 4, 1, 99);
    expect_medium(&r, at + 5);
    assert_int_equal(rig_unmap(&r, at + 5, 3), E_OK);
    expect_blocks(&r, at + 5, 3, 0);
    expect_medium(&r, at + 9);
    for (uint32_t round = 0; round < 3; round++) { /* in memory, home, after a crash */
        assert_int_equal(rig_unmap(&r, 2 * CHUNK_BLOCKS, 64 * CHUNK_BLOCKS), E_OK);
        expect_blocks(&r, 2 * CHUNK_BLOCKS, 64 * CHUNK_BLOCKS, 0);
        if (round == 0)
            rig_close(&r);
        else
            rig_crash(&r, SIM_POWER_LOST);
        assert_int_equal(rig_open(&r), E_OK);
        r.replica = store_find(r.store, RENAMED);
        expect_blocks(&r, 2 * CHUNK_BLOCKS, 64 * CHUNK_BLOCKS, 0);
    }
    assert_int_equal(rig_unmap(&r, 0, WRITE_BLOCKS_MAX + 1), E_INVALID);
    rig_end(&r);
}

static void what_grows_behind_it_is_zeros(void **state)
{
    bool lost[CHUNKS];
    struct rig r = damaged(5, lost);

    (void)state;
    assert_int_equal(salvage(&r, RENAMED), E_OK);
    r.replica = store_find(r.store, RENAMED);
    assert_int_equal(resize(&r, SIZE + 100), E_OK);
    expect_blocks(&r, SIZE, 100, 0);
    rig_end(&r);
}

static void only_a_damaged_replica_and_a_new_name_will_do(void **state)
{
    struct rig r = rig_begin(6, SIZE);
    bool lost[CHUNKS];

    (void)state;
    assert_int_equal(salvage(&r, RENAMED), E_INVALID);
    rig_end(&r);
    r = damaged(7, lost);
    assert_int_equal(salvage(&r, REPLICA), E_EXISTS);
    assert_int_equal(salvage(&r, (struct identity){0}), E_INVALID);
    assert_true(rig_facts(&r).damaged);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_can_be_proved_is_read),
        cmocka_unit_test(the_journal_keeps_it),
        cmocka_unit_test(a_lost_word_of_it_damages_it_under_its_new_name),
        cmocka_unit_test(a_block_that_the_journal_has_speaks_for_no_other),
        cmocka_unit_test(what_was_dropped_behind_the_end_is_not_zeros),
        cmocka_unit_test(a_second_salvage_is_no_surer),
        cmocka_unit_test(what_is_written_or_unmapped_is_known_again),
        cmocka_unit_test(what_grows_behind_it_is_zeros),
        cmocka_unit_test(only_a_damaged_replica_and_a_new_name_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
