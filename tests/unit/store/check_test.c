/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/check_test.c — the check of a disk: clean where only a crash was (K2), a finding
 * for each thing that is damaged (K3), never a write (K1: rig_check() looks).
 */
#include "tests/unit/store/checking.h"

#define SIZE 2000u

static void expect_only(const struct checked *x, enum store_finding_kind kind, uint64_t count)
{
    assert_int_equal(x->err, E_OK);
    assert_int_equal(x->of_kind[kind], count);
    assert_int_equal(x->check.counts.findings, count);
}

static void rot(struct rig *r, uint64_t offset)
{
    uint8_t byte;

    sim_disk_peek(r->medium, offset, &byte, 1);
    byte ^= 0x10;
    sim_disk_poke(r->medium, offset, &byte, 1);
}

/* Open, idle, and with a checkpoint behind it. */
static struct rig used(uint64_t seed)
{
    struct rig r = rig_begin(seed, SIZE);

    assert_int_equal(rig_write(&r, 0, 100, 1), E_OK);
    assert_int_equal(rig_unmap(&r, 16, 20), E_OK);
    assert_int_equal(rig_promise(&r, 3), E_OK);
    rig_reopen(&r);
    return r;
}

static void a_disk_in_use_is_clean(void **state)
{
    struct rig r = used(1);
    struct checked x;

    (void)state;
    expect_clean(&r);
    assert_int_equal(rig_write(&r, 50, 30, 400), E_OK); /* in the journal alone */
    x = rig_check(&r, true);
    expect_only(&x, FINDING_DATA, 0);
    assert_int_equal(x.check.counts.replicas, 1);
    assert_in_range(x.check.counts.blocks_read, 80, 112); /* with zeros of chunks begun */
    assert_true(identity_equal(x.check.identity, DISK));
    rig_end(&r);
}

static void nobody_waits(struct store_change *c, enum err err)
{
    (void)c;
    (void)err;
}

/* Writes that nobody waits for: the power is lost with some of them on their way. */
static void write_and_crash(struct rig *r, uint64_t run_us)
{
    static uint8_t bytes[40 * BLOCK_BYTES];
    static uint32_t checksums[8][40];
    static struct store_change changes[8];
    static struct iovec piece = {bytes, sizeof bytes};

    for (uint32_t i = 0; i < array_length(changes); i++) {
        changes[i] = (struct store_change){
            .kind = i % 4 == 3 ? STORE_UNMAP : STORE_WRITE,
            .replica = r->replica,
            .extent = {(uint64_t)i * 90, 40},
            .pieces = &piece,
            .piece_count = 1,
            .checksums = checksums[i],
            .stamp = {.generation = 1, .epoch = 3, .seq = ++r->seq, .commit_seq = r->seq / 2},
            .done = nobody_waits};
        checksums_of(r->replica, changes[i].extent, bytes, checksums[i]);
        store_change(r->store, &changes[i]);
    }
    sim_run_for(r->sim, run_us);
    rig_crash(r, SIM_POWER_LOST);
}

static void a_crashed_disk_is_clean(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rig r = used(seed);

        write_and_crash(&r, seed * 50);
        expect_clean(&r);
        assert_int_equal(rig_open(&r), E_OK);
        expect_clean(&r);
        rig_end(&r);
    }
}

static void a_superblock_that_is_gone_is_a_finding(void **state)
{
    struct rig r = used(3);
    struct checked x;

    (void)state;
    rot(&r, superblock_offset(RIG_BYTES, 1) + 100);
    x = rig_check(&r, false);
    expect_only(&x, FINDING_SUPERBLOCK, 1);
    rot(&r, 100);
    x = rig_check(&r, false);
    expect_only(&x, FINDING_SUPERBLOCKS, 1);
    rig_end(&r);
}

static void a_rotten_root_is_a_finding(void **state)
{
    struct rig r = used(4);
    struct geometry g = r.store->geo;
    struct checked x;

    (void)state;
    rot(&r, g.root_offset[0] + 100);
    x = rig_check(&r, false);
    expect_only(&x, FINDING_ROOT, 1);
    rot(&r, g.root_offset[1] + 100);
    x = rig_check(&r, false);
    expect_only(&x, FINDING_ROOTS, 1);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_in_use_is_clean),
        cmocka_unit_test(a_crashed_disk_is_clean),
        cmocka_unit_test(a_superblock_that_is_gone_is_a_finding),
        cmocka_unit_test(a_rotten_root_is_a_finding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
