/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/checkpoint_test.c — a checkpoint and the changes and reads beside it. */
#include "tests/unit/store/gate.h"

#define BLOCKS 4096u

static const struct identity SECOND = {0x0b00000000000002};
static const struct identity THIRD = {0x0b00000000000003};

static uint64_t chunk_of(const struct rig *r, uint64_t block)
{
    uint64_t entry = map_entry(r->replica, (uint32_t)(block / CHUNK_BLOCKS));

    return entry & ENTRY_PLACED ? entry & ENTRY_CHUNK : UINT64_MAX;
}

static struct rig begin(uint64_t seed)
{
    struct rig r = rig_begin(seed, BLOCKS);

    gate_begin(&r);
    return r;
}

static void reopen_after_power_loss(struct rig *r)
{
    rig_crash_and_reopen(r);
    assert_false(rig_facts(r).damaged);
    gate_begin(r);
}

static enum err erase(struct rig *r, struct store_replica *replica)
{
    struct store_change c = {.kind = STORE_DELETE, .replica = replica};

    return rig_change(r, &c);
}

static enum err resize(struct rig *r, uint64_t size_blocks)
{
    struct store_change c = {
        .kind = STORE_RESIZE, .replica = r->replica, .size_blocks = size_blocks};

    return rig_change(r, &c);
}

static enum err set(struct rig *r, uint64_t generation)
{
    struct store_change c = {
        .kind = STORE_SET,
        .replica = r->replica,
        .set = {.epoch = 1, .generation = generation, .member_count = 1, .members = {REPLICA}}};

    return rig_change(r, &c);
}

/* ---- reads and writes beside it ---- */

static void changes_go_on_while_a_checkpoint_stands_still(void **state)
{
    struct rig r = begin(101);

    (void)state;
    assert_int_equal(rig_write(&r, 0, 64, 1000), E_OK);
    gate_checkpoint_begin(&r);
    assert_int_equal(rig_write(&r, 8, 16, 2000), E_OK);  /* over what is frozen */
    assert_int_equal(rig_write(&r, 200, 4, 3000), E_OK); /* a chunk of its own  */
    assert_int_equal(rig_unmap(&r, 32, 16), E_OK);       /* a frozen chunk      */
    assert_int_equal(rig_unmap(&r, 50, 2), E_OK);        /* part of one         */
    for (int life = 0; life < 4; life++) {
        expect_blocks(&r, 0, 8, 1000);
        expect_blocks(&r, 8, 16, 2000);
        expect_blocks(&r, 24, 8, 1024);
        expect_blocks(&r, 32, 16, 0);
        expect_blocks(&r, 48, 2, 1048);
        expect_blocks(&r, 50, 2, 0);
        expect_blocks(&r, 52, 12, 1052);
        expect_blocks(&r, 200, 4, 3000);
        if (life == 0)
            gate_checkpoint_end(&r);
        else if (life == 1)
            reopen_after_power_loss(&r);
        else
            rig_reopen(&r);
    }
    rig_end(&r);
}

/* A chunk that was taken, frozen, freed and taken again, all at one index. */
static void a_chunk_is_freed_and_taken_again_beside_the_checkpoint(void **state)
{
    struct rig r = begin(102);
    uint64_t frozen;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 16, 1000), E_OK);
    gate_checkpoint_begin(&r);
    frozen = chunk_of(&r, 0);
    assert_int_equal(rig_unmap(&r, 0, 16), E_OK);
    expect_blocks(&r, 0, 16, 0);
    assert_int_equal(rig_write(&r, 3, 2, 2000), E_OK);
    expect_blocks(&r, 0, 3, 0);
    expect_blocks(&r, 3, 2, 2000);
    expect_blocks(&r, 5, 11, 0);
    gate_checkpoint_end(&r);
    expect_blocks(&r, 0, 3, 0);
    expect_blocks(&r, 3, 2, 2000);
    gate_checkpoint(&r);
    assert_int_not_equal(chunk_of(&r, 0), frozen); /* C3 */
    for (int life = 0; life < 2; life++) {
        expect_blocks(&r, 0, 3, 0);
        expect_blocks(&r, 3, 2, 2000);
        expect_blocks(&r, 5, 11, 0);
        reopen_after_power_loss(&r);
    }
    rig_end(&r);
}

/* C3: what is freed behind the freeze waits for the next checkpoint, on a disk that has no other
 * chunk left. */
static void a_chunk_freed_behind_the_freeze_waits_for_the_next_checkpoint(void **state)
{
    struct rig r = begin(103);
    uint64_t end = 0, freed;

    (void)state;
    assert_int_equal(resize(&r, SHARD_BLOCKS), E_OK);
    while (rig_write(&r, end, 1, 1 + end) == E_OK)
        end += CHUNK_BLOCKS;
    gate_checkpoint(&r);
    assert_int_equal(store_space(r.store).chunks_free, 0);
    gate_checkpoint_begin(&r);
    freed = chunk_of(&r, 0);
    assert_int_equal(rig_unmap(&r, 0, CHUNK_BLOCKS), E_OK);
    assert_int_equal(store_space(r.store).chunks_free, 0);
    gate_checkpoint_end(&r);
    assert_int_equal(store_space(r.store).chunks_free, 0);
    gate_checkpoint(&r);
    assert_int_equal(store_space(r.store).chunks_free, 1);
    assert_int_equal(rig_write(&r, end, 1, 77), E_OK);
    gate_checkpoint(&r);
    assert_int_equal(chunk_of(&r, end), freed);
    expect_blocks(&r, end, 1, 77);
    rig_end(&r);
}

/* What a write waits for is the checkpoint that runs, if that settles enough. */
static void a_write_waits_for_chunks_that_settle(void **state)
{
    struct rig r = begin(104);
    uint64_t end = 0;

    (void)state;
    assert_int_equal(resize(&r, SHARD_BLOCKS), E_OK);
    while (rig_write(&r, end, 1, 1 + end) == E_OK)
        end += CHUNK_BLOCKS;
    assert_int_equal(rig_unmap(&r, 0, CHUNK_BLOCKS), E_OK);
    gate_checkpoint_begin(&r); /* settles that chunk … */
    gate_open();
    assert_int_equal(rig_write(&r, end, 1, 77), E_OK);
    assert_int_equal(rig_unmap(&r, CHUNK_BLOCKS, CHUNK_BLOCKS), E_OK);
    assert_int_equal(rig_write(&r, end + CHUNK_BLOCKS, 1, 78), E_OK); /* … another one this */
    expect_blocks(&r, end, 1, 77);
    expect_blocks(&r, end + CHUNK_BLOCKS, 1, 78);
    rig_end(&r);
}

static void a_slot_is_used_again_while_its_old_owner_is_written(void **state)
{
    struct rig r = begin(105);
    struct store_replica *first = r.replica, *second;
    uint32_t slot;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 16, 1000), E_OK);
    assert_int_equal(rig_make(&r, SECOND, BLOCKS), E_OK);
    second = r.replica;
    slot = second->slot;
    assert_int_equal(rig_write(&r, 0, 40, 2000), E_OK);
    gate_checkpoint_begin(&r);
    assert_int_equal(erase(&r, second), E_OK);
    assert_int_equal(rig_make(&r, THIRD, BLOCKS), E_OK);
    assert_int_equal(r.replica->slot, slot);
    expect_blocks(&r, 0, 40, 0);
    assert_int_equal(rig_write(&r, 4, 8, 3000), E_OK);
    for (int life = 0; life < 3; life++) {
        assert_null(store_find(r.store, SECOND));
        r.replica = store_find(r.store, THIRD);
        expect_blocks(&r, 0, 4, 0);
        expect_blocks(&r, 4, 8, 3000);
        expect_blocks(&r, 12, 28, 0);
        assert_false(rig_facts(&r).damaged);
        r.replica = first = store_find(r.store, REPLICA);
        expect_blocks(&r, 0, 16, 1000);
        if (life == 0)
            gate_checkpoint_end(&r);
        else
            reopen_after_power_loss(&r);
    }
    (void)first;
    rig_end(&r);
}

/* ---- C5 ---- */

/* What the journal holds behind the tail is gone, and nothing speaks of it. */
static void wipe_journal(struct rig *r, const struct geometry *g)
{
    static const uint8_t zeros[PAGE_BYTES];

    for (uint64_t at = 0; at < g->journal_bytes; at += PAGE_BYTES)
        sim_disk_poke(r->medium, g->journal_offset + at, zeros, PAGE_BYTES);
}

static void expect_same(const struct store_facts *a, const struct store_facts *b)
{
    assert_int_equal(a->size_blocks, b->size_blocks);
    assert_int_equal(a->promised, b->promised);
    assert_int_equal(a->set.epoch, b->set.epoch);
    assert_int_equal(a->set.generation, b->set.generation);
    assert_int_equal(a->set.members[0].bits, b->set.members[0].bits);
    assert_int_equal(a->last_seq, b->last_seq);
    assert_int_equal(a->open_extents, b->open_extents);
    assert_int_equal(a->open_everything, b->open_everything);
    assert_int_equal(a->empty, b->empty);
    assert_int_equal(a->damaged, b->damaged);
}

static void a_root_is_the_state_of_its_freeze(void **state)
{
    struct rig r = begin(106);
    struct store_replica *second;
    struct geometry g;
    struct store_facts before, after;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 64, 1000), E_OK);
    assert_int_equal(rig_promise(&r, 3), E_OK);
    assert_int_equal(set(&r, 5), E_OK);
    assert_int_equal(rig_make(&r, SECOND, BLOCKS), E_OK);
    second = r.replica;
    assert_int_equal(rig_write(&r, 0, 40, 2000), E_OK);
    r.replica = store_find(r.store, REPLICA);
    before = rig_facts(&r);
    gate_checkpoint_begin(&r);
    assert_int_equal(rig_write(&r, 8, 16, 3000), E_OK);
    assert_int_equal(rig_write(&r, 640, 16, 4000), E_OK);
    assert_int_equal(rig_unmap(&r, 32, 16), E_OK);
    assert_int_equal(rig_promise(&r, 4), E_OK);
    assert_int_equal(set(&r, 6), E_OK);
    assert_int_equal(resize(&r, 2 * BLOCKS), E_OK);
    assert_int_equal(erase(&r, second), E_OK);
    assert_int_equal(rig_make(&r, THIRD, BLOCKS), E_OK);
    assert_int_equal(rig_write(&r, 0, 40, 5000), E_OK);
    gate_checkpoint_end(&r);
    g = r.store->geo;
    rig_crash(&r, SIM_POWER_LOST);
    wipe_journal(&r, &g);

    assert_int_equal(rig_open(&r), E_OK);
    assert_null(store_find(r.store, THIRD));
    expect_blocks(&r, 0, 64, 1000);
    expect_blocks(&r, 640, 16, 0);
    after = rig_facts(&r);
    expect_same(&before, &after);
    r.replica = store_find(r.store, SECOND);
    assert_non_null(r.replica);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 0, 40, 2000);
    rig_end(&r);
}

/* ---- chunks that partial unmaps emptied ---- */

static void chunks_emptied_block_by_block_are_freed(void **state)
{
    struct rig r = begin(107);
    uint64_t free_before = store_space(r.store).chunks_free;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 3 * CHUNK_BLOCKS, 1000), E_OK);
    gate_checkpoint(&r);
    assert_int_equal(store_space(r.store).chunks_free, free_before - 3);
    assert_int_equal(rig_unmap(&r, 0, 8), E_OK);
    gate_checkpoint(&r);
    assert_int_equal(rig_unmap(&r, 8, 8), E_OK);   /* the rest of the first           */
    assert_int_equal(rig_unmap(&r, 17, 15), E_OK); /* all but one of the second       */
    assert_int_equal(rig_unmap(&r, 32, 9), E_OK);  /* the third, in this generation … */
    assert_int_equal(rig_unmap(&r, 38, 10), E_OK);
    gate_checkpoint(&r); /* … is freed here; that the first is empty is found here */
    assert_int_equal(store_space(r.store).chunks_free, free_before - 2);
    gate_checkpoint(&r);
    assert_int_equal(store_space(r.store).chunks_free, free_before - 1);
    for (int life = 0; life < 2; life++) {
        expect_blocks(&r, 0, 16, 0);
        expect_blocks(&r, 16, 1, 1016);
        expect_blocks(&r, 17, 31, 0);
        reopen_after_power_loss(&r);
        assert_int_equal(store_space(r.store).chunks_free, free_before - 1);
    }
    rig_end(&r);
}

/* An emptied chunk that is written again before it was freed. */
static void an_emptied_chunk_may_be_written_again(void **state)
{
    struct rig r = begin(108);

    (void)state;
    assert_int_equal(rig_write(&r, 0, 2 * CHUNK_BLOCKS, 1000), E_OK);
    gate_checkpoint(&r);
    assert_int_equal(rig_unmap(&r, 0, 15), E_OK);
    gate_checkpoint(&r);
    assert_int_equal(rig_unmap(&r, 15, 2), E_OK); /* and a block of the next */
    gate_checkpoint_begin(&r);
    assert_int_equal(rig_write(&r, 5, 1, 2000), E_OK);
    gate_checkpoint_end(&r);
    gate_checkpoint(&r);
    for (int life = 0; life < 2; life++) {
        expect_blocks(&r, 0, 5, 0);
        expect_blocks(&r, 5, 1, 2000);
        expect_blocks(&r, 6, 11, 0);
        expect_blocks(&r, 17, 15, 1017);
        reopen_after_power_loss(&r);
    }
    rig_end(&r);
}

/* Freed without a record: replay finds it taken, and what came later fits either way. */
static void replay_agrees_on_emptied_chunks(void **state)
{
    struct rig r = begin(109);

    (void)state;
    assert_int_equal(rig_write(&r, 0, CHUNK_BLOCKS, 1000), E_OK);
    gate_checkpoint(&r);
    assert_int_equal(rig_unmap(&r, 0, 8), E_OK);
    assert_int_equal(rig_unmap(&r, 8, 8), E_OK);
    gate_checkpoint_begin(&r); /* frees it */
    assert_int_equal(map_entry(r.replica, 0), 0);
    assert_int_equal(rig_write(&r, 2, 1, 2000), E_OK);
    reopen_after_power_loss(&r); /* to the root before */
    expect_blocks(&r, 0, 2, 0);
    expect_blocks(&r, 2, 1, 2000);
    expect_blocks(&r, 3, 13, 0);
    rig_end(&r);
}

/* On a full disk a write in several groups counts on every chunk that was there when it began, also
 * on an empty one: the freeze in its middle leaves that alone. */
static void a_write_under_way_keeps_the_empty_chunk_it_covers(void **state)
{
    struct rig r = begin(115);
    uint64_t end = 0;

    (void)state;
    assert_int_equal(resize(&r, SHARD_BLOCKS), E_OK);
    while (rig_write(&r, end, 1, 1 + end) == E_OK)
        end += CHUNK_BLOCKS;
    gate_checkpoint(&r);
    assert_int_equal(rig_unmap(&r, 128, 8), E_OK);
    assert_int_equal(rig_unmap(&r, 136, 8), E_OK);
    gate.closed = true; /* the checkpoint that the write begins does not settle */
    assert_int_equal(rig_write(&r, 0, 144, 5000), E_OK);
    assert_true(checkpoint_running(r.store));
    gate_checkpoint_end(&r);
    expect_blocks(&r, 0, 144, 5000);
    rig_end(&r);
}

/* ---- blocks that are at home before the table knows it ---- */

/* As a redirected write leaves it: the data in a claimed chunk, and its checksums staged. */
static void put_at_home(struct rig *r, uint32_t index, uint64_t tag)
{
    uint8_t bytes[CHUNK_BYTES];
    uint32_t checksums[CHUNK_BLOCKS];
    struct staged_chunk *c;
    uint64_t chunk;

    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++)
        block_fill(bytes + (size_t)b * BLOCK_BYTES, tag + b);
    checksums_of(r->replica, (struct extent){(uint64_t)index * CHUNK_BLOCKS, CHUNK_BLOCKS}, bytes,
                 checksums);
    assert_true(allocator_claim(&r->store->allocator, &chunk));
    sim_disk_poke(r->medium, chunk_offset(r->store, chunk), bytes, sizeof bytes);
    if (map_entry(r->replica, index))
        map_free(r->replica, index);
    assert_true(map_set(r->replica, index, ENTRY_HERE));
    map_place(r->replica, index, chunk);
    c = stage_get(r->store, r->replica, index);
    c->fresh = true;
    for (uint32_t b = 0; b < CHUNK_BLOCKS; b++) {
        stage_set(r->store, c, b, BLOCK_DATA, NULL);
        c->checksums[b] = checksums[b];
    }
}

static void a_block_at_home_is_read_against_its_staged_checksum(void **state)
{
    struct rig r = begin(110);
    uint8_t rot = 0x5a;

    (void)state;
    assert_int_equal(rig_write(&r, 0, CHUNK_BLOCKS, 1), E_OK);
    put_at_home(&r, 0, 1000);
    put_at_home(&r, 1, 2000);
    assert_int_equal(rig_write(&r, 4, 2, 3000), E_OK); /* a small write over it */
    sim_disk_poke(r.medium, chunk_offset(r.store, chunk_of(&r, 16)) + 5 * BLOCK_BYTES, &rot, 1);
    for (int life = 0; life < 4; life++) {
        expect_blocks(&r, 0, 4, 1000);
        expect_blocks(&r, 4, 2, 3000);
        expect_blocks(&r, 6, 10, 1006);
        expect_blocks(&r, 16, 5, 2000);
        expect_medium(&r, 21);
        expect_blocks(&r, 22, 10, 2006);
        if (life == 0)
            gate_checkpoint_begin(&r);
        if (life == 1)
            gate_checkpoint_end(&r);
        if (life == 2)
            reopen_after_power_loss(&r);
    }
    rig_end(&r);
}

/* Behind the freeze: the frozen root knows nothing of it. */
static void a_chunk_placed_behind_the_freeze_is_not_in_the_root(void **state)
{
    struct rig r = begin(111);
    struct geometry g;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 2 * CHUNK_BLOCKS, 1000), E_OK);
    gate_checkpoint_begin(&r);
    put_at_home(&r, 0, 2000);
    expect_blocks(&r, 0, 16, 2000);
    gate_checkpoint_end(&r);
    expect_blocks(&r, 0, 16, 2000);
    g = r.store->geo;
    rig_crash(&r, SIM_POWER_LOST);
    wipe_journal(&r, &g);
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 0, 32, 1000);
    rig_end(&r);
}

/* ---- a table page is rotten ---- */

static void rot_page(struct rig *r, uint64_t page)
{
    const struct page_entry *e = &r->store->index[page];
    uint8_t rot = 0x5a;

    assert_true(e->flags & PAGE_WRITTEN);
    sim_disk_poke(r->medium, page_offset(&r->store->geo, page, e->flags & PAGE_PLACE) + 1000, &rot,
                  1);
}

/* Memory knows what the page said, but for what was freed behind the freeze: one checkpoint
 * further the page is whole again. */
static void a_map_page_that_rots_is_written_from_memory(void **state)
{
    struct rig r = begin(112);

    (void)state;
    assert_int_equal(rig_write(&r, 0, 4 * CHUNK_BLOCKS, 1000), E_OK);
    gate_checkpoint(&r);
    rig_reopen(&r); /* nothing of it is cached */
    rot_page(&r, 0);
    assert_int_equal(rig_write(&r, 100 * CHUNK_BLOCKS, 1, 7), E_OK); /* the page is dirty */
    gate_checkpoint_begin(&r);
    assert_int_equal(rig_unmap(&r, CHUNK_BLOCKS, CHUNK_BLOCKS), E_OK);
    put_at_home(&r, 2, 5000);
    gate_checkpoint_end(&r);
    gate_checkpoint(&r);
    for (int life = 0; life < 2; life++) {
        expect_blocks(&r, 0, 16, 1000);
        expect_blocks(&r, 16, 16, 0);
        expect_blocks(&r, 32, 16, 5000);
        expect_blocks(&r, 48, 16, 1048);
        expect_blocks(&r, 100 * CHUNK_BLOCKS, 1, 7);
        reopen_after_power_loss(&r);
    }
    rig_end(&r);
}

/* What was placed behind the freeze is in the maps, and not in the page written from them. */
static void a_map_page_written_from_memory_is_that_of_the_freeze(void **state)
{
    struct rig r = begin(114);
    struct geometry g;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 4 * CHUNK_BLOCKS, 1000), E_OK);
    gate_checkpoint(&r);
    rig_reopen(&r); /* nothing of it is cached */
    rot_page(&r, 0);
    assert_int_equal(rig_write(&r, 100 * CHUNK_BLOCKS, 1, 7), E_OK); /* the page is dirty */
    gate_checkpoint_begin(&r);
    put_at_home(&r, 50, 5000);
    gate_checkpoint_end(&r);
    g = r.store->geo;
    rig_crash(&r, SIM_POWER_LOST);
    wipe_journal(&r, &g);
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged);
    expect_blocks(&r, 0, 64, 1000);
    expect_blocks(&r, 50 * CHUNK_BLOCKS, CHUNK_BLOCKS, 0);
    rig_end(&r);
}

/* Found at open: what was lost is said; the page is whole from then on, and what only it held is
 * free again. */
static void opening_writes_a_rotten_map_page_anew(void **state)
{
    struct rig r = begin(113);
    uint64_t free_before = store_space(r.store).chunks_free;

    (void)state;
    assert_int_equal(rig_write(&r, 0, 4 * CHUNK_BLOCKS, 1000), E_OK);
    rig_reopen(&r);
    rot_page(&r, 0);
    rig_reopen(&r);
    assert_true(rig_facts(&r).damaged);
    assert_int_equal(store_space(r.store).chunks_free, free_before);
    for (uint64_t page = 0; page < r.store->geo.map_pages; page++)
        assert_int_equal(r.store->index[page].flags & PAGE_BAD, 0);
    assert_int_equal(rig_write(&r, 0, 2 * CHUNK_BLOCKS, 2000), E_OK);
    rig_crash_and_reopen(&r);
    assert_int_equal(store_space(r.store).chunks_free, free_before - 2);
    assert_true(rig_facts(&r).damaged); /* nobody forgets it */
    expect_blocks(&r, 0, 32, 2000);
    rig_end(&r);
}

/* ---- the disk refuses ---- */

/* Everything that was answered is there, in memory and after power loss. */
static void expect_all(struct rig *r)
{
    expect_blocks(r, 0, 8, 1000);
    expect_blocks(r, 8, 16, 2000);
    expect_blocks(r, 24, 8, 1024);
    expect_blocks(r, 32, 16, 0);
    expect_blocks(r, 48, 16, 1048);
    expect_blocks(r, 640, 16, 3000);
}

/* False: the checkpoint has fewer requests than that. */
static bool fail_one(uint64_t n)
{
    struct rig r = begin(1000 + n);
    bool failed;

    assert_int_equal(rig_write(&r, 0, 64, 1000), E_OK);
    gate_checkpoint_begin(&r);
    assert_int_equal(rig_write(&r, 8, 16, 2000), E_OK);
    assert_int_equal(rig_unmap(&r, 32, 16), E_OK);
    assert_int_equal(rig_write(&r, 640, 16, 3000), E_OK);
    gate.fail_at = gate.passed + n;
    gate_checkpoint_end(&r);
    failed = r.store->checkpoint.err != E_OK;
    expect_all(&r);
    if (failed) {
        assert_true(store_space(r.store).read_only);
        assert_int_equal(rig_write(&r, 0, 1, 9), E_READ_ONLY);
    }
    if (n % 2)
        rig_close(&r);
    else
        rig_crash(&r, SIM_POWER_LOST);
    assert_int_equal(rig_open(&r), E_OK);
    assert_false(rig_facts(&r).damaged);
    expect_all(&r);
    assert_int_equal(rig_write(&r, 0, 1, 1000), E_OK);
    rig_end(&r);
    return failed;
}

static void a_request_of_the_checkpoint_fails_whichever_it_is(void **state)
{
    uint64_t n = 1;

    (void)state;
    while (fail_one(n))
        n++;
    assert_true(n > 8); /* data, sync, table, index, sync, two roots */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_go_on_while_a_checkpoint_stands_still),
        cmocka_unit_test(a_chunk_is_freed_and_taken_again_beside_the_checkpoint),
        cmocka_unit_test(a_chunk_freed_behind_the_freeze_waits_for_the_next_checkpoint),
        cmocka_unit_test(a_write_waits_for_chunks_that_settle),
        cmocka_unit_test(a_slot_is_used_again_while_its_old_owner_is_written),
        cmocka_unit_test(a_root_is_the_state_of_its_freeze),
        cmocka_unit_test(chunks_emptied_block_by_block_are_freed),
        cmocka_unit_test(an_emptied_chunk_may_be_written_again),
        cmocka_unit_test(replay_agrees_on_emptied_chunks),
        cmocka_unit_test(a_write_under_way_keeps_the_empty_chunk_it_covers),
        cmocka_unit_test(a_block_at_home_is_read_against_its_staged_checksum),
        cmocka_unit_test(a_chunk_placed_behind_the_freeze_is_not_in_the_root),
        cmocka_unit_test(a_map_page_that_rots_is_written_from_memory),
        cmocka_unit_test(a_map_page_written_from_memory_is_that_of_the_freeze),
        cmocka_unit_test(opening_writes_a_rotten_map_page_anew),
        cmocka_unit_test(a_request_of_the_checkpoint_fails_whichever_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
