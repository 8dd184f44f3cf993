/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/memory_test.c — volumes whose disks hang leave memory to the others (M1):
 * these do not wait for them.
 */
#include "base/util.h"
#include "iscsi-target/target.h"
#include "tests/iscsi/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_US  1000000ull
#define BIG_BYTES  (512u << 10)
#define BIG_UNITS  (BIG_BYTES / UNIT_BYTES)
#define HOGS       32u
#define DISK_BYTES (32u << 20)

/* Two volumes on one target with 4 MiB: the lab's own, which will hang, and another. */
struct pair {
    struct lab lab;
    struct ram_block other;
    struct initiator *hog, *modest;
    struct initiator_request hogs[HOGS];
    struct initiator_request endless[HOGS]; /* the modest one's */
    uint8_t *bytes[HOGS], *own;
};

static void pair_open(struct pair *p, bool immediate_data, uint32_t deadline_seconds)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct initiator_config hog = {
        .name = "iqn.hog", .isid = {0x80}, .no_immediate_data = !immediate_data};

    memset(p, 0, sizeof *p);
    limits.buffer_bytes = 4u << 20;
    lab_open(&p->lab, limits);
    assert_int_equal(ram_block_open(p->lab.home_env, DISK_BYTES, &p->other), E_OK);
    p->lab.directory.answer.deadline_seconds = deadline_seconds;
    p->hog = lab_ready_with(&p->lab, hog);
    p->lab.directory.answer.block = &p->other.block;
    p->modest = lab_ready(&p->lab, "iqn.modest", 1);
    for (uint32_t n = 0; n < HOGS; n++)
        p->bytes[n] = calloc(1, BIG_BYTES);
    p->own = calloc(1, BIG_BYTES);
}

static bool other_over(void *arg)
{
    return !task_living(&((struct ram_block *)arg)->task);
}

/* The disk goes on: what was not told BUSY is answered GOOD, and nobody was dropped. */
static void pair_close(struct pair *p)
{
    ram_block_go_on(&p->lab.ram);
    for (uint32_t n = 0; n < HOGS; n++) {
        lab_until(&p->lab, initiator_answered, &p->hogs[n]);
        assert_int_equal(p->hogs[n].err, E_OK);
        free(p->bytes[n]);
    }
    sim_run_for(p->lab.sim, SECOND_US);
    lab_alive(&p->lab, p->hog);
    lab_part(&p->lab, p->modest);
    ram_block_close(&p->other);
    lab_until(&p->lab, other_over, &p->other);
    free(p->own);
    lab_close(&p->lab);
}

static uint32_t answered(const struct pair *p)
{
    uint32_t ret = 0;

    for (uint32_t n = 0; n < HOGS; n++)
        ret += p->hogs[n].answered;
    return ret;
}

/* Reads and writes of the healthy volume end within a second, whatever the other one waits for. */
static void the_modest_is_served(struct pair *p)
{
    for (uint32_t n = 0; n < 8; n++) {
        uint64_t before = sim_now_us(p->lab.sim);

        assert_int_equal(lab_write(&p->lab, p->modest, n * BIG_UNITS, p->own, BIG_BYTES), 0);
        assert_int_equal(lab_read(&p->lab, p->modest, n * BIG_UNITS, p->own, BIG_BYTES), 0);
        assert_true(sim_now_us(p->lab.sim) - before < SECOND_US);
    }
}

static void write_much(struct pair *p)
{
    for (uint32_t n = 0; n < HOGS; n++) {
        p->hogs[n] = (struct initiator_request){0};
        initiator_write(p->hog, &p->hogs[n], n * BIG_UNITS, p->bytes[n], BIG_BYTES);
    }
}

static void read_much(struct pair *p)
{
    for (uint32_t n = 0; n < HOGS; n++)
        initiator_read(p->hog, &p->hogs[n], n * BIG_UNITS, p->bytes[n], BIG_BYTES);
}

static void read_many(struct initiator *i, struct initiator_request *ret, uint8_t *bytes)
{
    for (uint32_t n = 0; n < HOGS; n++) {
        ret[n] = (struct initiator_request){0};
        initiator_read(i, &ret[n], n * BIG_UNITS, bytes, BIG_BYTES);
    }
}

static void small_is_served(struct pair *p, struct initiator *i)
{
    uint64_t before = sim_now_us(p->lab.sim);

    assert_int_equal(lab_write(&p->lab, i, 0, p->own, 4096), 0);
    assert_int_equal(lab_read(&p->lab, i, 0, p->own, 4096), 0);
    assert_true(sim_now_us(p->lab.sim) - before < SECOND_US);
}

static void hung(void (*ask_for)(struct pair *), bool immediate_data)
{
    struct pair p;

    pair_open(&p, immediate_data, 0);
    p.lab.ram.stalled = true;
    ask_for(&p);
    sim_run_for(p.lab.sim, SECOND_US);
    assert_int_equal(answered(&p), 0);
    the_modest_is_served(&p);
    pair_close(&p);
}

static void reads_of_a_hung_volume_leave_memory_to_others(void **state)
{
    (void)state;
    hung(read_much, true);
}

static void writes_of_a_hung_volume_leave_memory_to_others(void **state)
{
    (void)state;
    hung(write_much, false);
}

/* Told BUSY, they are asked again, and the disk still has what it was given at first (LATE). */
static void late_commands_leave_memory_to_others(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, false, 25);
    p.lab.ram.stalled = true;
    for (uint32_t round = 0; round < 3; round++) {
        write_much(&p);
        sim_run_for(p.lab.sim, 20 * SECOND_US);
        the_modest_is_served(&p);
        sim_run_for(p.lab.sim, 7 * SECOND_US);
        assert_int_equal(answered(&p), HOGS);
    }
    pair_close(&p);
}

/* Each of the two has a third in the end. */
static void two_hung_volumes_leave_memory_to_a_third(void **state)
{
    static struct initiator_request theirs[HOGS];
    struct ram_block third;
    struct initiator *last;
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    assert_int_equal(ram_block_open(p.lab.home_env, DISK_BYTES, &third), E_OK);
    p.lab.directory.answer.block = &third.block;
    last = lab_ready(&p.lab, "iqn.last", 2);
    p.lab.ram.stalled = p.other.stalled = true;
    for (uint32_t n = 0; n < HOGS; n++) {
        theirs[n] = (struct initiator_request){0};
        initiator_read(p.hog, &p.hogs[n], n * BIG_UNITS, p.bytes[n], BIG_BYTES);
        initiator_read(p.modest, &theirs[n], n * BIG_UNITS, p.own, BIG_BYTES);
    }
    sim_run_for(p.lab.sim, SECOND_US);
    for (uint32_t n = 0; n < 8; n++) {
        uint64_t before = sim_now_us(p.lab.sim);

        assert_int_equal(lab_read(&p.lab, last, n * BIG_UNITS, p.own, BIG_BYTES), 0);
        assert_true(sim_now_us(p.lab.sim) - before < SECOND_US);
    }
    ram_block_go_on(&p.other);
    for (uint32_t n = 0; n < HOGS; n++)
        lab_until(&p.lab, initiator_answered, &theirs[n]);
    lab_part(&p.lab, last);
    ram_block_close(&third);
    lab_until(&p.lab, other_over, &third);
    pair_close(&p);
}

struct volume {
    struct ram_block ram;
    struct initiator *initiator;
};

static void volume_open(struct pair *p, struct volume *v, uint8_t isid)
{
    assert_int_equal(ram_block_open(p->lab.home_env, DISK_BYTES, &v->ram), E_OK);
    p->lab.directory.answer.block = &v->ram.block;
    v->initiator = lab_ready(&p->lab, "iqn.more", isid);
}

static void volume_close(struct pair *p, struct volume *v)
{
    lab_part(&p->lab, v->initiator);
    ram_block_close(&v->ram);
    lab_until(&p->lab, other_over, &v->ram);
}

/* Three that hung one after the other have all large segments: a large read of a fourth, healthy
 * one waits for some, and nobody for it. */
static void what_is_small_is_left_to_others(void **state)
{
    static struct initiator_request second[HOGS], third[HOGS], large;
    static uint8_t bytes[BIG_BYTES];
    struct volume hung_too, fourth, fifth;
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    volume_open(&p, &hung_too, 2);
    volume_open(&p, &fourth, 3);
    volume_open(&p, &fifth, 4);
    p.lab.ram.stalled = p.other.stalled = hung_too.ram.stalled = true;
    read_much(&p);
    sim_run_for(p.lab.sim, SECOND_US / 10);
    read_many(p.modest, second, p.own);
    sim_run_for(p.lab.sim, SECOND_US / 10);
    read_many(hung_too.initiator, third, p.own);
    sim_run_for(p.lab.sim, SECOND_US / 10);
    large = (struct initiator_request){0};
    initiator_read(fourth.initiator, &large, 0, bytes, BIG_BYTES);
    small_is_served(&p, fifth.initiator);
    small_is_served(&p, fourth.initiator);
    assert_false(large.answered);
    ram_block_go_on(&p.other);
    ram_block_go_on(&hung_too.ram);
    lab_until(&p.lab, initiator_answered, &large);
    assert_int_equal(large.status, 0);
    for (uint32_t n = 0; n < HOGS; n++) {
        lab_until(&p.lab, initiator_answered, &second[n]);
        lab_until(&p.lab, initiator_answered, &third[n]);
    }
    volume_close(&p, &hung_too);
    volume_close(&p, &fourth);
    volume_close(&p, &fifth);
    pair_close(&p);
}

/* There are large segments, but not as many as it wants while another volume hangs. */
static void who_asks_for_too_much_is_passed(void **state)
{
    static struct initiator_request large;
    static uint8_t bytes[5 * BIG_BYTES];
    struct volume third;
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    volume_open(&p, &third, 2);
    p.lab.ram.stalled = true;
    read_much(&p);
    sim_run_for(p.lab.sim, SECOND_US / 10);
    large = (struct initiator_request){0};
    initiator_read(third.initiator, &large, 0, bytes, sizeof bytes);
    the_modest_is_served(&p);
    small_is_served(&p, third.initiator);
    assert_false(large.answered);
    ram_block_go_on(&p.lab.ram);
    lab_until(&p.lab, initiator_answered, &large);
    assert_int_equal(large.status, 0);
    volume_close(&p, &third);
    pair_close(&p);
}

/* Without a fault: large reads of many volumes keep all large segments in flight, and a ninth one's
 * small writes, whose data comes with them, are not refused for it. */
static void a_load_of_large_reads_leaves_small_writes_alone(void **state)
{
    static struct initiator_request many[8][HOGS];
    struct volume volumes[8];
    uint32_t done = 0;
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    for (uint32_t v = 0; v < array_length(volumes); v++) {
        volume_open(&p, &volumes[v], (uint8_t)(2 + v));
        volumes[v].ram.rate = 20;
    }
    for (uint32_t v = 0; v < array_length(volumes); v++)
        read_many(volumes[v].initiator, many[v], p.own);
    sim_run_for(p.lab.sim, SECOND_US / 10);
    for (uint32_t n = 0; n < 100; n++)
        small_is_served(&p, p.modest);
    for (uint32_t v = 0; v < array_length(volumes); v++) {
        for (uint32_t n = 0; n < HOGS; n++)
            done += many[v][n].answered;
    }
    assert_true(done < array_length(volumes) * HOGS);
    for (uint32_t v = 0; v < array_length(volumes); v++) {
        for (uint32_t n = 0; n < HOGS; n++)
            lab_until(&p.lab, initiator_answered, &many[v][n]);
        volume_close(&p, &volumes[v]);
    }
    read_much(&p);
    pair_close(&p);
}

/* Those that were answered are asked for again. */
static void read_on(struct initiator *i, struct initiator_request *of, uint8_t *bytes,
                    uint32_t length)
{
    for (uint32_t n = 0; n < HOGS; n++) {
        if (of[n].initiator && !of[n].answered)
            continue;
        of[n] = (struct initiator_request){0};
        initiator_read(i, &of[n], n * BIG_UNITS, bytes, length);
    }
}

static void turn_reading(struct pair *p)
{
    read_on(p->modest, p->endless, p->own, BIG_BYTES / 4);
    sim_run_for(p->lab.sim, SECOND_US / 1000);
}

/* The other volume's reads of 128 KiB never end: more than it may hold. */
static void reading_begin(struct pair *p)
{
    p->other.rate = 200;
    for (uint32_t n = 0; n < 100; n++)
        turn_reading(p);
}

static void reading_open(struct pair *p)
{
    pair_open(p, true, 0);
    reading_begin(p);
}

static void reading_close(struct pair *p)
{
    for (uint32_t n = 0; n < HOGS; n++)
        lab_until(&p->lab, initiator_answered, &p->endless[n]);
    read_much(p);
    pair_close(p);
}

static void ends_within_a_second(struct pair *p, const struct initiator_request *r)
{
    uint64_t since = sim_now_us(p->lab.sim);

    while (!r->answered) {
        turn_reading(p);
        assert_true(sim_now_us(p->lab.sim) - since < SECOND_US);
    }
    assert_int_equal(r->status, 0);
}

/* Nothing hangs: a volume's own smaller commands do not pass its large one. */
static void a_large_read_has_its_turn(void **state)
{
    static struct initiator_request large;
    static uint8_t bytes[BIG_BYTES];
    struct pair p;

    (void)state;
    reading_open(&p);
    large = (struct initiator_request){0};
    initiator_read(p.modest, &large, 0, bytes, BIG_BYTES);
    ends_within_a_second(&p, &large);
    reading_close(&p);
}

/* Their data comes with them, and the reads leave them memory: none is told TASK SET FULL. */
static void reads_that_wait_leave_memory_to_writes(void **state)
{
    static struct initiator_request write;
    static uint8_t bytes[BIG_BYTES];
    struct pair p;

    (void)state;
    reading_open(&p);
    for (uint32_t n = 0; n < 20; n++) {
        write = (struct initiator_request){0};
        initiator_write(p.modest, &write, 0, bytes, n % 2 ? BIG_BYTES : 4096);
        ends_within_a_second(&p, &write);
    }
    reading_close(&p);
}

/* … nor where three volumes that hang have all large segments, and one waits for some. */
static void reads_leave_memory_to_writes_where_it_is_scarce(void **state)
{
    static struct initiator_request second[HOGS], third[HOGS], large, write;
    static uint8_t bytes[BIG_BYTES];
    struct volume hung[2], fourth;
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    volume_open(&p, &hung[0], 2);
    volume_open(&p, &hung[1], 3);
    volume_open(&p, &fourth, 4);
    p.lab.ram.stalled = hung[0].ram.stalled = hung[1].ram.stalled = true;
    read_much(&p);
    sim_run_for(p.lab.sim, SECOND_US / 10);
    read_many(hung[0].initiator, second, p.own);
    sim_run_for(p.lab.sim, SECOND_US / 10);
    read_many(hung[1].initiator, third, p.own);
    sim_run_for(p.lab.sim, SECOND_US / 10);
    large = (struct initiator_request){0};
    initiator_read(fourth.initiator, &large, 0, bytes, BIG_BYTES);
    reading_begin(&p);
    for (uint32_t n = 0; n < 20; n++) {
        write = (struct initiator_request){0};
        initiator_write(p.modest, &write, 0, bytes, 4096);
        ends_within_a_second(&p, &write);
    }
    assert_false(large.answered);
    ram_block_go_on(&hung[0].ram);
    ram_block_go_on(&hung[1].ram);
    lab_until(&p.lab, initiator_answered, &large);
    for (uint32_t n = 0; n < HOGS; n++) {
        lab_until(&p.lab, initiator_answered, &second[n]);
        lab_until(&p.lab, initiator_answered, &third[n]);
        lab_until(&p.lab, initiator_answered, &p.endless[n]);
    }
    volume_close(&p, &hung[0]);
    volume_close(&p, &hung[1]);
    volume_close(&p, &fourth);
    pair_close(&p);
}

/* Nor do writes that never end, told TASK SET FULL or not, take a read's turn. */
static void writes_that_cannot_wait_leave_memory_to_reads(void **state)
{
    static struct initiator_request read;
    static uint8_t bytes[BIG_BYTES];
    uint32_t next = 0;
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    p.other.rate = 200;
    memset(&read, 0, sizeof read);
    for (uint64_t since = sim_now_us(p.lab.sim); !read.answered; next++) {
        for (uint32_t n = 0; n < HOGS; n++) {
            if (p.endless[n].initiator && !p.endless[n].answered)
                continue;
            p.endless[n] = (struct initiator_request){0};
            initiator_write(p.modest, &p.endless[n], n * BIG_UNITS, p.own, BIG_BYTES / 2);
        }
        if (next == 100)
            initiator_read(p.modest, &read, 0, bytes, BIG_BYTES);
        sim_run_for(p.lab.sim, SECOND_US / 1000);
        assert_true(sim_now_us(p.lab.sim) - since < 2 * SECOND_US);
    }
    assert_int_equal(read.status, 0);
    reading_close(&p);
}

/* Eight busy volumes leave nothing large free, and each of them, and a ninth that has nothing, gets
 * what it needs for a large read. */
static void busy_volumes_all_have_their_large_turn(void **state)
{
    static struct initiator_request many[8][HOGS], large[9];
    static uint8_t bytes[BIG_BYTES];
    struct volume volumes[8];
    uint32_t left = array_length(large);
    uint64_t since;
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    memset(many, 0, sizeof many);
    memset(large, 0, sizeof large);
    for (uint32_t v = 0; v < array_length(volumes); v++) {
        volume_open(&p, &volumes[v], (uint8_t)(2 + v));
        volumes[v].ram.rate = 200;
    }
    for (since = sim_now_us(p.lab.sim); left > 0;) {
        for (uint32_t v = 0; v < array_length(volumes); v++)
            read_on(volumes[v].initiator, many[v], p.own, BIG_BYTES / 4);
        sim_run_for(p.lab.sim, SECOND_US / 1000);
        if (!large[0].initiator && sim_now_us(p.lab.sim) - since >= SECOND_US / 10) {
            for (uint32_t v = 0; v < array_length(volumes); v++)
                initiator_read(volumes[v].initiator, &large[v], 0, bytes, BIG_BYTES);
            initiator_read(p.modest, &large[8], 0, bytes, BIG_BYTES);
        }
        left = array_length(large);
        for (uint32_t n = 0; n < array_length(large); n++)
            left -= large[n].answered;
        assert_true(sim_now_us(p.lab.sim) - since < 5 * SECOND_US);
    }
    for (uint32_t v = 0; v < array_length(volumes); v++) {
        for (uint32_t n = 0; n < HOGS; n++)
            lab_until(&p.lab, initiator_answered, &many[v][n]);
        volume_close(&p, &volumes[v]);
    }
    read_much(&p);
    pair_close(&p);
}

/* One that wanted more memory than there was, and has its turn when the door of its hung volume has
 * become too narrow for it. */
static void who_waits_at_the_door_holds_up_nobody(void **state)
{
    static struct initiator_request few[4], huge;
    static uint8_t bytes[5 * BIG_BYTES];
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    p.lab.ram.stalled = p.other.stalled = true;
    for (uint32_t n = 0; n < array_length(few); n++) {
        few[n] = (struct initiator_request){0};
        initiator_read(p.modest, &few[n], n * BIG_UNITS, p.own, BIG_BYTES);
    }
    for (uint32_t n = 0; n < HOGS; n++)
        initiator_read(p.hog, &p.hogs[n], n, p.bytes[n], UNIT_BYTES);
    sim_run_for(p.lab.sim, SECOND_US / 10);
    huge = (struct initiator_request){0};
    initiator_read(p.hog, &huge, 0, bytes, sizeof bytes);
    sim_run_for(p.lab.sim, 20 * SECOND_US);
    ram_block_go_on(&p.other);
    for (uint32_t n = 0; n < array_length(few); n++)
        lab_until(&p.lab, initiator_answered, &few[n]);
    assert_false(huge.answered);
    the_modest_is_served(&p);
    ram_block_go_on(&p.lab.ram);
    lab_until(&p.lab, initiator_answered, &huge);
    assert_int_equal(huge.status, 0);
    pair_close(&p);
}

/* A third one that wants much does not wait for all the little that the second still wants. */
static void units_that_wait_take_turns(void **state)
{
    static struct initiator_request many[HOGS];
    static uint8_t bytes[5 * BIG_BYTES / 2];
    struct ram_block third;
    struct initiator *last;
    uint32_t done = 0;
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    assert_int_equal(ram_block_open(p.lab.home_env, DISK_BYTES, &third), E_OK);
    p.lab.directory.answer.block = &third.block;
    last = lab_ready(&p.lab, "iqn.last", 2);
    p.lab.ram.stalled = true;
    p.other.rate = 100;
    for (uint32_t n = 0; n < HOGS; n++) {
        many[n] = (struct initiator_request){0};
        initiator_read(p.hog, &p.hogs[n], n * BIG_UNITS, p.bytes[n], BIG_BYTES);
        initiator_read(p.modest, &many[n], n * BIG_UNITS, p.own, BIG_BYTES / 8);
    }
    sim_run_for(p.lab.sim, SECOND_US / 50);
    assert_int_equal(lab_read(&p.lab, last, 0, bytes, sizeof bytes), 0);
    for (uint32_t n = 0; n < HOGS; n++)
        done += many[n].answered;
    assert_in_range(done, HOGS / 4, HOGS * 5 / 8);
    for (uint32_t n = 0; n < HOGS; n++)
        lab_until(&p.lab, initiator_answered, &many[n]);
    lab_part(&p.lab, last);
    ram_block_close(&third);
    lab_until(&p.lab, other_over, &third);
    pair_close(&p);
}

/* Its answer is on its way for as long as the network likes, or the processor: whoever has it and
 * goes on writing finds the memory of the last ones free. */
static void an_answered_write_holds_no_memory(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, true, 0);
    sim_net_hold(p.hog->net, SIM_RECEIVED, true);
    initiator_read(p.hog, &p.endless[0], 0, p.own, BIG_BYTES); /* more than the network takes */
    for (uint32_t n = 0; n < HOGS; n++) {
        sim_run_for(p.lab.sim, SECOND_US / 100);
        initiator_write(p.hog, &p.hogs[n], n * BIG_UNITS, p.bytes[n], BIG_BYTES / 4);
    }
    sim_run_for(p.lab.sim, SECOND_US / 100);
    sim_net_hold(p.hog->net, SIM_RECEIVED, false);
    for (uint32_t n = 0; n < HOGS; n++) {
        lab_until(&p.lab, initiator_answered, &p.hogs[n]);
        assert_int_equal(p.hogs[n].status, 0);
    }
    lab_until(&p.lab, initiator_answered, &p.endless[0]);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_of_a_hung_volume_leave_memory_to_others),
        cmocka_unit_test(writes_of_a_hung_volume_leave_memory_to_others),
        cmocka_unit_test(late_commands_leave_memory_to_others),
        cmocka_unit_test(two_hung_volumes_leave_memory_to_a_third),
        cmocka_unit_test(what_is_small_is_left_to_others),
        cmocka_unit_test(who_asks_for_too_much_is_passed),
        cmocka_unit_test(a_load_of_large_reads_leaves_small_writes_alone),
        cmocka_unit_test(a_large_read_has_its_turn),
        cmocka_unit_test(reads_that_wait_leave_memory_to_writes),
        cmocka_unit_test(reads_leave_memory_to_writes_where_it_is_scarce),
        cmocka_unit_test(writes_that_cannot_wait_leave_memory_to_reads),
        cmocka_unit_test(busy_volumes_all_have_their_large_turn),
        cmocka_unit_test(who_waits_at_the_door_holds_up_nobody),
        cmocka_unit_test(units_that_wait_take_turns),
        cmocka_unit_test(an_answered_write_holds_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
