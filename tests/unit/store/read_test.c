/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/read_test.c — many reads at once, with fewer buffers and pages than they want.
 */
#include "tests/unit/store/rig_io.h"

#define CHUNKS 2300u /* 46 checksum pages */
#define READS  200u

struct one {
    struct store_read read;
    struct iovec piece;
    uint8_t *bytes;
};
static struct one ones[READS];
static uint32_t over;

static void one_over(struct store_read *r, enum err err)
{
    struct one *o = container_of(r, struct one, read);

    assert_int_equal(err, E_OK);
    for (uint64_t i = 0; i < r->extent.count; i++) {
        uint64_t block = r->extent.start + i;
        uint64_t tag = block % CHUNK_BLOCKS == 3 ? block / CHUNK_BLOCKS + 1 : 0;

        assert_true(block_is(o->bytes + i * BLOCK_BYTES, tag));
    }
    free(o->bytes);
    memset(o, 0xee, sizeof *o); /* it is the caller's again */
    over++;
}

static bool all_over(void *arg)
{
    (void)arg;
    return over == READS;
}

static void begin_one(struct rig *r, struct one *o)
{
    uint64_t chunk = sim_draw(r->sim, CHUNKS - 64), count;

    count = 1 + sim_draw(r->sim, sim_draw(r->sim, 3) ? 3 * CHUNK_BLOCKS : WRITE_BLOCKS_MAX);
    o->bytes = malloc(count * BLOCK_BYTES);
    memset(o->bytes, 0xa5, count * BLOCK_BYTES);
    o->piece = (struct iovec){o->bytes, count * BLOCK_BYTES};
    o->read = (struct store_read){.replica = r->replica,
                                  .extent = {chunk * CHUNK_BLOCKS, count},
                                  .pieces = &o->piece,
                                  .piece_count = 1,
                                  .done = one_over};
    store_read(&o->read);
}

/* One block in every chunk; nothing of it in memory afterwards. */
static struct rig scattered(void)
{
    struct rig r = {.sim = sim_open(1)};
    struct store_limits least = rig_limits();

    least.checksum_pages = 0; /* as few as it can do with */
    r.medium = sim_disk_make(r.sim, "disk", UINT64_C(192) << 20);
    rig_start(&r);
    assert_int_equal(rig_format(&r), E_OK);
    assert_int_equal(rig_open_with(&r, least), E_OK);
    assert_int_equal(rig_make(&r, REPLICA, CHUNKS * CHUNK_BLOCKS), E_OK);
    for (uint64_t i = 0; i < CHUNKS; i++) { /* neighbours far apart, each on a page of its own */
        uint64_t chunk = i * 997 % CHUNKS;

        assert_int_equal(rig_write(&r, chunk * CHUNK_BLOCKS + 3, 1, chunk + 1), E_OK);
    }
    rig_close(&r);
    assert_int_equal(rig_open_with(&r, least), E_OK);
    return r;
}

static void many_reads_share_few_buffers_and_pages(void **state)
{
    struct rig r = scattered();

    (void)state;
    over = 0;
    for (uint32_t i = 0; i < READS; i++)
        begin_one(&r, &ones[i]);
    for (uint64_t i = 0; i < 300; i++) /* checkpoints come and go beside them */
        assert_int_equal(rig_write(&r, i * 7 * CHUNK_BLOCKS + 3, 1, i * 7 + 1), E_OK);
    assert_true(sim_run_until(r.sim, all_over, NULL, BOUND_US));
    assert_int_equal(r.store->reads.home_reads.low_mark, 0); /* they did run out */
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_reads_share_few_buffers_and_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
