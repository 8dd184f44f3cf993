/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/faulty_disk_test.c — each fault by itself, on a clock that the test sets. */
#include "env/faulty_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define REQUESTS  400u
#define STAND_INS 256u /* as env/faulty_disk.c has it */

/* The disk underneath answers when it is told to, oldest first. */
static struct {
    struct disk disk;
    struct list requests;
    uint32_t came, closed;
} under;

static struct env env;
static struct disk *disk;
static struct request {
    struct disk_io io;
    enum err err;
    bool finished, again; /* again: repeats itself once, in its done */
} requests[REQUESTS];
static struct iovec one_block, eight_blocks;
static _Alignas(4096) uint8_t memory[8 * DISK_ALIGN];

static void under_submit(struct disk *d, struct disk_io *io)
{
    (void)d;
    list_append(&under.requests, &io->link);
    under.came++;
}

static void under_close(struct disk *d)
{
    (void)d;
    under.closed++;
}

static const struct disk_ops under_ops = {.submit = under_submit, .close = under_close};

static void under_answers(uint32_t count, enum err err)
{
    while (count-- > 0) {
        struct list *l = list_take(&under.requests);

        assert_non_null(l);
        disk_answer(container_of(l, struct disk_io, link), err);
    }
}

static void request_done(struct disk_io *io, enum err err)
{
    struct request *q = container_of(io, struct request, io);

    assert_false(q->finished);
    q->finished = true;
    q->err = err;
    if (!q->again)
        return;
    q->again = q->finished = false;
    disk_submit(disk, io);
}

static struct request *give(uint32_t i, enum disk_op op, struct iovec *piece)
{
    struct request *q = &requests[i];

    *q = (struct request){.io = {.op = op,
                                 .flags = op == DISK_WRITE ? DISK_DSYNC : 0,
                                 .offset = i * (uint64_t)DISK_ALIGN,
                                 .pieces = op == DISK_SYNC ? NULL : piece,
                                 .piece_count = op == DISK_SYNC ? 0 : 1,
                                 .done = request_done}};
    disk_submit(disk, &q->io);
    assert_false(q->finished); /* nothing completes inside its own submission */
    return q;
}

static void write_some(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        give(i, DISK_WRITE, &one_block);
}

/* Virtual time goes on, from timer to timer. */
static void pass_us(uint64_t us)
{
    uint64_t end = env.clock.now_us + us;

    while (clock_next_us(&env.clock) <= end) {
        env.clock.now_us = max_u64(env.clock.now_us, clock_next_us(&env.clock));
        clock_fire(&env.clock);
    }
    env.clock.now_us = end;
}

static void set(struct disk_faults faults)
{
    faulty_disk_set(disk, &faults);
    pass_us(0);
}

static uint32_t finished(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < REQUESTS; i++)
        count += requests[i].finished;
    return count;
}

static int setup(void **state)
{
    (void)state;
    memset(&under, 0, sizeof under);
    memset(requests, 0, sizeof requests);
    list_init(&under.requests);
    under.disk = (struct disk){
        .ops = &under_ops, .name = "under", .size_bytes = UINT64_C(1) << 30, .write_through = true};
    one_block = (struct iovec){memory, DISK_ALIGN};
    eight_blocks = (struct iovec){memory, sizeof memory};
    assert_int_equal(clock_open(&env.clock, 4), E_OK);
    env.clock.now_us = 1000;
    return faulty_disk_open(&env, &under.disk, &disk) ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    disk_close(disk);
    assert_int_equal(under.closed, 1);
    assert_int_equal(clock_next_us(&env.clock), UINT64_MAX); /* it left no timer behind */
    clock_close(&env.clock);
    return 0;
}

static void without_faults_it_is_the_disk_beneath(void **state)
{
    struct request *q;

    (void)state;
    assert_string_equal(disk->name, "under");
    assert_int_equal(disk->size_bytes, under.disk.size_bytes);
    assert_true(disk->write_through);
    q = give(3, DISK_WRITE, &eight_blocks);
    assert_int_equal(under.came, 1); /* at once: no timer, no turn */
    assert_int_equal(container_of(under.requests.next, struct disk_io, link)->offset,
                     3 * DISK_ALIGN);
    assert_int_equal(container_of(under.requests.next, struct disk_io, link)->flags, DISK_DSYNC);
    under_answers(1, E_NO_SPACE);
    assert_true(q->finished);
    assert_int_equal(q->err, E_NO_SPACE);
    assert_int_equal(disk->submitted - disk->answered, 0);
}

static void a_rate_is_held_in_blocks(void **state)
{
    (void)state;
    set((struct disk_faults){.blocks_per_second = 200});
    write_some(100);
    pass_us(0);
    assert_int_equal(under.came, 1); /* an idle disk is ready */
    for (uint32_t ms = 5; ms <= 100; ms += 5) {
        pass_us(5000);
        assert_int_equal(under.came, 1 + ms / 5);
    }
    give(200, DISK_WRITE, &eight_blocks); /* behind the other 79, and as dear as eight */
    give(201, DISK_SYNC, NULL);
    pass_us(79 * 5000);
    assert_int_equal(under.came, 100);
    pass_us(5000);
    assert_int_equal(under.came, 101);
    pass_us(7 * 5000);
    assert_int_equal(under.came, 101);
    pass_us(5000);
    assert_int_equal(under.came, 102);
    under_answers(102, E_OK);
    assert_int_equal(finished(), 102);
}

static void each_request_is_delayed(void **state)
{
    (void)state;
    set((struct disk_faults){.delay_us = 60 * 1000000});
    write_some(50);
    pass_us(1000000);
    give(60, DISK_READ, &one_block);
    pass_us(58999999);
    assert_int_equal(under.came, 0);
    pass_us(1);
    assert_int_equal(under.came, 50); /* they wait together, not one after the other */
    pass_us(1000000);
    assert_int_equal(under.came, 51);
    under_answers(51, E_OK);
    assert_int_equal(finished(), 51);
}

static void a_hang_holds_requests_and_answers(void **state)
{
    (void)state;
    write_some(3);
    set((struct disk_faults){.hang_us = 20 * 1000000});
    under_answers(3, E_OK);
    assert_int_equal(finished(), 0);
    give(3, DISK_WRITE, &one_block);
    pass_us(19999999);
    assert_int_equal(under.came, 3);
    assert_int_equal(finished(), 0);
    assert_int_equal(disk->submitted - disk->answered, 4);
    pass_us(1);
    assert_int_equal(finished(), 3);
    assert_int_equal(under.came, 4);
    under_answers(1, E_OK);
    assert_int_equal(finished(), 4);
}

static void other_faults_end_a_hang(void **state)
{
    (void)state;
    set((struct disk_faults){.hang_us = UINT64_C(3600) * 1000000});
    write_some(2);
    pass_us(1000000);
    set((struct disk_faults){0});
    assert_int_equal(under.came, 2);
    under_answers(2, E_OK);
    assert_int_equal(finished(), 2);
}

static void errors_hit_what_they_are_told_to(void **state)
{
    struct request *read, *write, *sync;

    (void)state;
    set((struct disk_faults){.errors = DISK_ERRORS_WRITES});
    read = give(0, DISK_READ, &one_block);
    write = give(1, DISK_WRITE, &one_block);
    sync = give(2, DISK_SYNC, NULL);
    pass_us(0);
    assert_int_equal(under.came, 1);
    under_answers(1, E_OK);
    assert_int_equal(read->err, E_OK);
    assert_int_equal(write->err, E_DISK);
    assert_int_equal(sync->err, E_DISK);
    assert_int_equal(finished(), 3);

    set((struct disk_faults){.errors = DISK_ERRORS_READS});
    read = give(0, DISK_READ, &one_block);
    give(1, DISK_WRITE, &one_block);
    pass_us(0);
    under_answers(1, E_OK);
    assert_int_equal(read->err, E_DISK);
    assert_int_equal(finished(), 3);
}

static void errors_begin_after_some_and_end(void **state)
{
    (void)state;
    set((struct disk_faults){
        .errors = DISK_ERRORS_READS, .errors_after_requests = 2, .errors_us = 1000000});
    give(10, DISK_WRITE, &one_block); /* not of their kind: does not count */
    for (uint32_t i = 0; i < 4; i++)
        give(i, DISK_READ, &one_block);
    pass_us(0);
    assert_int_equal(under.came, 3);
    assert_int_equal(requests[2].err, E_DISK);
    assert_int_equal(requests[3].err, E_DISK);
    pass_us(1000000);
    give(4, DISK_READ, &one_block);
    pass_us(0);
    assert_int_equal(under.came, 4);
    under_answers(4, E_OK);
}

static void what_vanished_does_not_come_back(void **state)
{
    (void)state;
    write_some(1);
    set((struct disk_faults){.vanished = true});
    give(1, DISK_READ, &one_block);
    give(2, DISK_SYNC, NULL);
    pass_us(0);
    assert_int_equal(requests[1].err, E_DISK);
    assert_int_equal(requests[2].err, E_DISK);
    set((struct disk_faults){0});
    give(3, DISK_WRITE, &one_block);
    pass_us(0);
    assert_int_equal(requests[3].err, E_DISK);
    assert_int_equal(under.came, 1);
    under_answers(1, E_OK); /* what the disk had already */
    assert_int_equal(requests[0].err, E_OK);
}

static void who_repeats_what_was_refused_gets_the_next_turn(void **state)
{
    struct request *q;

    (void)state;
    set((struct disk_faults){.errors = DISK_ERRORS_ALL});
    q = give(0, DISK_READ, &one_block);
    q->again = true;
    clock_fire(&env.clock);
    assert_false(q->finished);
    clock_fire(&env.clock);
    assert_true(q->finished);
}

static void more_than_it_has_stand_ins_wait(void **state)
{
    (void)state;
    write_some(REQUESTS);
    pass_us(0);
    assert_int_equal(under.came, STAND_INS);
    under_answers(10, E_OK);
    pass_us(0);
    assert_int_equal(under.came, STAND_INS + 10);
    while (finished() < REQUESTS) {
        under_answers(1, E_OK);
        pass_us(0);
    }
    assert_int_equal(under.came, REQUESTS);
    for (uint32_t i = 0; i < REQUESTS; i++)
        assert_int_equal(requests[i].err, E_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_faults_it_is_the_disk_beneath, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rate_is_held_in_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(each_request_is_delayed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hang_holds_requests_and_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(other_faults_end_a_hang, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_hit_what_they_are_told_to, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_begin_after_some_and_end, setup, teardown),
        cmocka_unit_test_setup_teardown(what_vanished_does_not_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(who_repeats_what_was_refused_gets_the_next_turn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(more_than_it_has_stand_ins_wait, setup, teardown),
    };

    return cmocka_run_group_tests_name("faulty_disk", tests, NULL, NULL);
}
