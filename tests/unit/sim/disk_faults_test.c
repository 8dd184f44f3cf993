/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sim/disk_faults_test.c — what a simulated disk does wrong, when a rule says so. */
#include "tests/unit/sim/disk_rig.h"

#define FIRST  ((struct extent){0, DISK_ALIGN})
#define SECOND ((struct extent){DISK_ALIGN, DISK_ALIGN})

/* A disk whose first block is 1 and whose second is 2, both durable, and the rule that holds. */
struct ill {
    struct sim *sim;
    struct env *env;
    struct sim_disk *medium;
    struct disk *disk;
    struct request request;
};

static struct ill ill_begin(uint64_t seed, struct sim_fault_rule rule)
{
    struct ill i = {.sim = sim_open(seed)};

    i.medium = sim_disk_make(i.sim, "disk0", DISK_MAX);
    i.env = sim_env(i.sim, "a");
    i.disk = open_disk(i.env);
    write_block(i.sim, i.disk, 0, 1, DISK_DSYNC);
    write_block(i.sim, i.disk, DISK_ALIGN, 2, DISK_DSYNC);
    sim_disk_fault(i.medium, rule);
    return i;
}

static void ill_end(struct ill *i)
{
    if (!sim_dead(i->env))
        disk_close(i->disk);
    sim_close(i->sim);
}

static enum err ill_play(struct ill *i, enum disk_op op, uint64_t offset, uint8_t fill)
{
    memset(i->request.bytes, fill, sizeof i->request.bytes);
    start(i->disk, &i->request, op, offset, 0);
    assert_true(sim_run_until(i->sim, is_over, &i->request, BOUND_US));
    return i->request.err;
}

static enum err ill_read(struct ill *i, uint64_t offset)
{
    return ill_play(i, DISK_READ, offset, 0xee);
}

static int bits_turned(const struct ill *i, uint8_t expected)
{
    int turned = 0;

    for (size_t at = 0; at < sizeof i->request.bytes; at++)
        turned += __builtin_popcount(i->request.bytes[at] ^ expected);
    return turned;
}

static void rot_turns_one_bit_until_the_sector_is_written(void **state)
{
    struct ill i =
        ill_begin(1, (struct sim_fault_rule){
                         .kind = FAULT_ROT, .per_million = EACH, .bytes = FIRST, .times = 1});

    (void)state;
    assert_int_equal(ill_read(&i, DISK_ALIGN), E_OK);
    assert_int_equal(bits_turned(&i, 2), 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(ill_read(&i, 0), E_OK);
        assert_int_equal(bits_turned(&i, 1), 1);
    }
    assert_int_equal(sim_disk_harmed(i.medium, FIRST), FAULT_BIT(FAULT_ROT));
    assert_int_equal(sim_disk_harmed(i.medium, SECOND), 0);
    assert_int_equal(sim_disk_fault_count(i.medium, FAULT_ROT), 1);
    assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_OK);
    assert_int_equal(sim_disk_harmed(i.medium, FIRST), 0);
    sim_disk_fault(i.medium,
                   (struct sim_fault_rule){.kind = FAULT_POWER_LOSES, .per_million = EACH});
    sim_crash(i.sim, i.env, SIM_POWER_LOST);
    assert_int_equal(sim_disk_harmed(i.medium, FIRST), FAULT_BIT(FAULT_ROT)); /* it is back */
    ill_end(&i);
}

static void a_lost_write_is_acknowledged_and_never_lands(void **state)
{
    struct ill i = ill_begin(
        2, (struct sim_fault_rule){.kind = FAULT_LOST_WRITE, .per_million = EACH, .times = 1});

    (void)state;
    assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_OK);
    assert_int_equal(ill_play(&i, DISK_SYNC, 0, 0), E_OK);
    assert_int_equal(ill_read(&i, 0), E_OK);
    assert_int_equal(bits_turned(&i, 1), 0);
    assert_int_equal(sim_disk_harmed(i.medium, FIRST), FAULT_BIT(FAULT_LOST_WRITE));
    assert_int_equal(ill_play(&i, DISK_WRITE, 0, 4), E_OK);
    assert_int_equal(sim_disk_harmed(i.medium, FIRST), 0);
    assert_int_equal(ill_read(&i, 0), E_OK);
    assert_int_equal(bits_turned(&i, 4), 0);
    ill_end(&i);
}

static void a_lost_write_that_was_never_synced_is_no_harm_after_power_loss(void **state)
{
    struct ill i =
        ill_begin(3, (struct sim_fault_rule){.kind = FAULT_LOST_WRITE, .per_million = EACH});

    (void)state;
    assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_OK);
    sim_disk_fault(i.medium,
                   (struct sim_fault_rule){.kind = FAULT_POWER_LOSES, .per_million = EACH});
    sim_crash(i.sim, i.env, SIM_POWER_LOST);
    assert_int_equal(sim_disk_harmed(i.medium, FIRST), 0);
    ill_end(&i);
}

static void a_misdirected_write_hurts_two_places(void **state)
{
    struct ill i = ill_begin(
        4, (struct sim_fault_rule){
               .kind = FAULT_MISDIRECTED_WRITE, .per_million = EACH, .to = SECOND, .times = 1});
    const struct sim_fault *all;
    uint32_t count;

    (void)state;
    assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_OK);
    assert_int_equal(ill_read(&i, 0), E_OK);
    assert_int_equal(bits_turned(&i, 1), 0);
    assert_int_equal(ill_read(&i, DISK_ALIGN), E_OK);
    assert_int_equal(bits_turned(&i, 3), 0);
    assert_int_equal(sim_disk_harmed(i.medium, FIRST), FAULT_BIT(FAULT_LOST_WRITE));
    assert_int_equal(sim_disk_harmed(i.medium, SECOND), FAULT_BIT(FAULT_MISDIRECTED_WRITE));
    all = sim_disk_faults(i.medium, &count);
    assert_int_equal(count, 1);
    assert_int_equal(all[0].bytes.start, 0);
    assert_int_equal(all[0].to.start, DISK_ALIGN);
    assert_int_equal(all[0].request, 3);
    ill_end(&i);
}

static void a_misdirected_read_brings_other_bytes_once(void **state)
{
    struct ill i = ill_begin(
        5, (struct sim_fault_rule){
               .kind = FAULT_MISDIRECTED_READ, .per_million = EACH, .to = SECOND, .times = 1});

    (void)state;
    assert_int_equal(ill_read(&i, 0), E_OK);
    assert_int_equal(bits_turned(&i, 2), 0);
    assert_int_equal(ill_read(&i, 0), E_OK);
    assert_int_equal(bits_turned(&i, 1), 0);
    assert_int_equal(sim_disk_harmed(i.medium, FIRST), 0);
    assert_int_equal(sim_disk_fault_count(i.medium, FAULT_MISDIRECTED_READ), 1);
    ill_end(&i);
}

static void a_latent_error_lasts_until_it_is_written(void **state)
{
    struct ill i = ill_begin(
        6, (struct sim_fault_rule){.kind = FAULT_LATENT, .per_million = EACH, .times = 1});

    (void)state;
    assert_int_equal(ill_read(&i, 0), E_DISK);
    assert_int_equal(ill_read(&i, 0), E_DISK);
    assert_int_equal(ill_read(&i, DISK_ALIGN), E_OK);
    assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_OK);
    assert_int_equal(ill_read(&i, 0), E_OK);
    assert_int_equal(bits_turned(&i, 3), 0);
    ill_end(&i);
}

static void a_lasting_error_lasts(void **state)
{
    struct ill i = ill_begin(7, (struct sim_fault_rule){.kind = FAULT_LASTING,
                                                        .per_million = EACH,
                                                        .ops = FAULT_ON(DISK_WRITE),
                                                        .times = 1});

    (void)state;
    assert_int_equal(ill_read(&i, 0), E_OK);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_DISK);
        assert_int_equal(ill_read(&i, 0), E_DISK);
    }
    assert_int_equal(ill_play(&i, DISK_WRITE, DISK_ALIGN, 3), E_OK);
    assert_int_equal(sim_disk_harmed(i.medium, FIRST), FAULT_BIT(FAULT_LASTING));
    ill_end(&i);
}

/* E_DISK says nothing about what is there: all of it, a part, or none. */
static void a_failed_write_may_have_landed(void **state)
{
    int whole = 0, none = 0, part = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct ill i = ill_begin(seed, (struct sim_fault_rule){.kind = FAULT_EIO,
                                                               .per_million = EACH,
                                                               .ops = FAULT_ON(DISK_WRITE),
                                                               .times = 1});
        int sectors = 0;

        assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_DISK);
        assert_int_equal(ill_read(&i, 0), E_OK);
        for (uint64_t at = 0; at < DISK_ALIGN; at += 512)
            sectors += i.request.bytes[at] == 3;
        whole += sectors == 8;
        none += sectors == 0;
        part += sectors > 0 && sectors < 8;
        ill_end(&i);
    }
    assert_true(whole > 0 && none > 0 && part > 0);
}

static void a_failed_sync_makes_nothing_durable(void **state)
{
    struct ill i =
        ill_begin(8, (struct sim_fault_rule){
                         .kind = FAULT_EIO, .per_million = EACH, .ops = FAULT_ON(DISK_SYNC)});

    (void)state;
    assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_OK);
    assert_int_equal(ill_play(&i, DISK_SYNC, 0, 0), E_DISK);
    sim_disk_fault(i.medium,
                   (struct sim_fault_rule){.kind = FAULT_POWER_LOSES, .per_million = EACH});
    sim_crash(i.sim, i.env, SIM_POWER_LOST);
    assert_int_equal(byte_at(i.sim, 0), 1);
    ill_end(&i);
}

static void a_lying_sync_says_otherwise(void **state)
{
    struct ill i =
        ill_begin(9, (struct sim_fault_rule){.kind = FAULT_LYING_SYNC, .per_million = EACH});

    (void)state;
    assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_OK);
    assert_int_equal(ill_play(&i, DISK_SYNC, 0, 0), E_OK);
    sim_disk_fault(i.medium,
                   (struct sim_fault_rule){.kind = FAULT_POWER_LOSES, .per_million = EACH});
    sim_crash(i.sim, i.env, SIM_POWER_LOST);
    assert_int_equal(byte_at(i.sim, 0), 1);
    ill_end(&i);
}

static void a_stuck_request_answers_after_seconds(void **state)
{
    struct ill i = ill_begin(
        10, (struct sim_fault_rule){
                .kind = FAULT_STUCK, .per_million = EACH, .us = 5 * 1000 * 1000, .bytes = FIRST});
    uint64_t before = sim_now_us(i.sim);

    (void)state;
    assert_int_equal(ill_read(&i, DISK_ALIGN), E_OK);
    assert_true(sim_now_us(i.sim) - before < 1000 * 1000);
    assert_int_equal(ill_read(&i, 0), E_OK);
    assert_int_equal(bits_turned(&i, 1), 0);
    assert_true(sim_now_us(i.sim) - before >= 5 * 1000 * 1000);
    ill_end(&i);
}

static void a_disk_breaks_at_one_request(void **state)
{
    struct ill i =
        ill_begin(11, (struct sim_fault_rule){.kind = FAULT_BREAKS, .per_million = EACH});

    (void)state;
    sim_disk_calm(i.medium);
    sim_disk_fault(i.medium, (struct sim_fault_rule){.kind = FAULT_BREAKS,
                                                     .per_million = EACH,
                                                     .request = i.medium->requests + 2});
    assert_int_equal(ill_read(&i, 0), E_OK);
    assert_int_equal(ill_read(&i, 0), E_DISK);
    assert_int_equal(ill_read(&i, DISK_ALIGN), E_DISK);
    assert_true(i.medium->broken);
    ill_end(&i);
}

/* Unsynced writes, one of which a rule dooms: writes do not go in the order they were given. */
static void the_power_can_be_aimed_at_one_region(void **state)
{
    int kept = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct ill i =
            ill_begin(seed, (struct sim_fault_rule){
                                .kind = FAULT_POWER_LOSES, .per_million = EACH, .bytes = FIRST});

        assert_int_equal(ill_play(&i, DISK_WRITE, 0, 3), E_OK);
        assert_int_equal(ill_play(&i, DISK_WRITE, DISK_ALIGN, 4), E_OK);
        sim_crash(i.sim, i.env, SIM_POWER_LOST);
        assert_int_equal(byte_at(i.sim, 0), 1);
        kept += byte_at(i.sim, DISK_ALIGN) == 4;
        assert_int_equal(sim_disk_fault_count(i.medium, FAULT_POWER_LOSES), 1);
        ill_end(&i);
    }
    assert_true(kept > 0);
}

static void a_rate_is_kept_more_or_less(void **state)
{
    struct ill i = ill_begin(12, (struct sim_fault_rule){.kind = FAULT_EIO, .per_million = 250000});
    int failed = 0;

    (void)state;
    for (int n = 0; n < 1000; n++)
        failed += ill_read(&i, 0) != E_OK;
    assert_in_range(failed, 150, 350);
    assert_int_equal(sim_disk_fault_count(i.medium, FAULT_EIO), failed);
    ill_end(&i);
}

static void harm_at_rest_is_done_at_once(void **state)
{
    struct ill i = ill_begin(13, (struct sim_fault_rule){.kind = FAULT_SLOW});

    (void)state;
    sim_disk_harm(i.medium, FAULT_ROT, (struct extent){DISK_ALIGN, 513}); /* two sectors */
    assert_int_equal(ill_read(&i, DISK_ALIGN), E_OK);
    assert_int_equal(bits_turned(&i, 2), 2);
    sim_disk_harm(i.medium, FAULT_LATENT, FIRST);
    assert_int_equal(ill_read(&i, 0), E_DISK);
    ill_end(&i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rot_turns_one_bit_until_the_sector_is_written),
        cmocka_unit_test(a_lost_write_is_acknowledged_and_never_lands),
        cmocka_unit_test(a_lost_write_that_was_never_synced_is_no_harm_after_power_loss),
        cmocka_unit_test(a_misdirected_write_hurts_two_places),
        cmocka_unit_test(a_misdirected_read_brings_other_bytes_once),
        cmocka_unit_test(a_latent_error_lasts_until_it_is_written),
        cmocka_unit_test(a_lasting_error_lasts),
        cmocka_unit_test(a_failed_write_may_have_landed),
        cmocka_unit_test(a_failed_sync_makes_nothing_durable),
        cmocka_unit_test(a_lying_sync_says_otherwise),
        cmocka_unit_test(a_stuck_request_answers_after_seconds),
        cmocka_unit_test(a_disk_breaks_at_one_request),
        cmocka_unit_test(the_power_can_be_aimed_at_one_region),
        cmocka_unit_test(a_rate_is_kept_more_or_less),
        cmocka_unit_test(harm_at_rest_is_done_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
