/* SPDX-License-Identifier: Apache-2.0 */
/* What a store counts of its disk: groups and their bytes, reads, checkpoints, what is in use. */
#include "tests/unit/store/rig_io.h"

#define SIZE 2000u

static uint64_t count_of(const struct metric_histogram *h)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < METRIC_BUCKETS; i++)
        count += metric_get(&h->buckets[i]);
    return count;
}

static void writes_and_their_groups_are_counted(void **state)
{
    struct rig r = rig_begin(1, SIZE);
    const struct store_metrics *m = store_metrics(r.store);
    uint64_t groups = metric_get(&m->groups), bytes = metric_get(&m->journal_bytes);
    uint64_t free_bytes = metric_get(&m->free_bytes);

    (void)state;
    assert_int_equal(rig_write(&r, 0, 3, 100), E_OK);
    assert_int_equal(rig_write(&r, 3, 1, 103), E_OK);
    assert_int_equal(metric_get(&m->groups), groups + 2);
    assert_int_equal(count_of(&m->group_seconds), metric_get(&m->groups));
    assert_int_equal(metric_get(&m->acknowledged_bytes), 4 * BLOCK_BYTES);
    assert_int_equal(metric_get(&m->journal_bytes), bytes + (2 + 4) * PAGE_BYTES);
    assert_int_equal(metric_get(&m->staged_blocks), 4);
    assert_true(metric_get(&m->journal_used) >= (2 + 4) * PAGE_BYTES);
    assert_int_equal(metric_get(&m->journal_size), RIG_JOURNAL);
    assert_int_equal(metric_get(&m->free_bytes), free_bytes - CHUNK_BYTES);
    assert_int_equal(metric_get(&m->broken), 0);
    rig_end(&r);
}

/* From memory that is aligned: only that goes to the disk as it is. */
static enum err write_aligned(struct rig *r, uint64_t count)
{
    uint8_t *bytes = aligned_alloc(PAGE_BYTES, count * BLOCK_BYTES);
    uint32_t *checksums = malloc(count * sizeof *checksums);
    struct iovec piece = {bytes, count * BLOCK_BYTES};
    struct store_change c = {.kind = STORE_WRITE,
                             .replica = r->replica,
                             .extent = {0, count},
                             .pieces = &piece,
                             .piece_count = 1,
                             .checksums = checksums,
                             .stamp = {.generation = 1, .epoch = 1, .seq = ++r->seq}};
    enum err err;

    memset(bytes, 7, count * BLOCK_BYTES);
    checksums_of(r->replica, c.extent, bytes, checksums);
    err = rig_change(r, &c);
    free(bytes);
    free(checksums);
    return err;
}

/* Whole chunks go around the journal: their bytes are written once. */
static void whole_chunks_are_counted_apart(void **state)
{
    struct rig r = rig_begin(2, SIZE);
    const struct store_metrics *m = store_metrics(r.store);
    uint64_t bytes = metric_get(&m->journal_bytes);

    (void)state;
    assert_int_equal(write_aligned(&r, 4 * CHUNK_BLOCKS), E_OK);
    assert_int_equal(metric_get(&m->around_bytes), 4 * CHUNK_BYTES);
    assert_int_equal(metric_get(&m->acknowledged_bytes), 4 * CHUNK_BYTES);
    assert_true(metric_get(&m->journal_bytes) - bytes < CHUNK_BYTES);
    rig_end(&r);
}

static void reads_and_what_they_cannot_prove_are_counted(void **state)
{
    struct rig r = rig_begin(3, SIZE);
    const struct store_metrics *m;
    uint64_t at;
    uint8_t byte, bytes[2 * BLOCK_BYTES];

    (void)state;
    assert_int_equal(rig_write(&r, 0, 4, 100), E_OK);
    rig_reopen(&r); /* home */
    m = store_metrics(r.store);
    expect_blocks(&r, 0, 4, 100);
    assert_int_equal(count_of(&m->read_seconds), 1);
    assert_int_equal(metric_get(&m->read_bytes), 4 * BLOCK_BYTES);
    assert_int_equal(metric_get(&m->medium_errors), 0);
    at = r.store->geo.data_offset +
         (map_entry(r.replica, 0) & ENTRY_CHUNK) * CHUNK_BYTES; /* block 0 rots */
    sim_disk_peek(r.medium, at, &byte, 1);
    byte ^= 1;
    sim_disk_poke(r.medium, at, &byte, 1);
    assert_int_equal(rig_read(&r, 0, 2, bytes, NULL), E_MEDIUM);
    assert_int_equal(metric_get(&m->medium_errors), 1);
    rig_end(&r);
}

static void a_checkpoint_empties_the_stage(void **state)
{
    struct rig r = rig_begin(4, SIZE);
    const struct store_metrics *m = store_metrics(r.store);
    uint64_t before = metric_get(&m->checkpoints), most = 0;

    (void)state;
    for (uint64_t i = 0; metric_get(&m->checkpoints) == before; i = (i + 5) % SIZE) {
        most = max_u64(most, metric_get(&m->staged_blocks));
        assert_int_equal(rig_write(&r, i, 1, i + 1), E_OK);
    }
    assert_true(metric_get(&m->staged_blocks) < most);
    assert_int_equal(count_of(&m->checkpoint_seconds), metric_get(&m->checkpoints));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_their_groups_are_counted),
        cmocka_unit_test(whole_chunks_are_counted_apart),
        cmocka_unit_test(reads_and_what_they_cannot_prove_are_counted),
        cmocka_unit_test(a_checkpoint_empties_the_stage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
