/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sim/world_test.c — time, processes, their death, and that a seed repeats a run. */
#include "tests/sim/world/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BOUND_US (60u * 1000 * 1000)

/* A process that writes one block after the other, each when the one before is done. */
struct writer {
    struct task task;
    struct disk *disk;
    struct disk_io io;
    struct iovec piece;
    uint32_t done, of;
    uint64_t done_at_us;
    uint8_t *block;
};

enum { WRITING, WAITING };

static void write_done(struct disk_io *io, enum err err)
{
    struct writer *w = container_of(io, struct writer, io);

    assert_int_equal(err, E_OK);
    w->done++;
    task_run(&w->task);
}

static enum task_next writer_step(struct task *t)
{
    struct writer *w = container_of(t, struct writer, task);

    switch (t->state) {
    case WRITING:
        if (w->done == w->of)
            return TASK_DONE;
        w->io = (struct disk_io){.op = DISK_WRITE,
                                 .flags = DISK_DSYNC,
                                 .offset = w->done * DISK_ALIGN,
                                 .pieces = &w->piece,
                                 .piece_count = 1,
                                 .done = write_done};
        disk_submit(w->disk, &w->io);
        return task_wait_in(t, WAITING);
    default:
        return task_goto(t, WRITING);
    }
}

static const struct task_state writer_states[] = {
    [WRITING] = {"WRITING", TASK_FIRST | TASK_AFTER(WAITING)},
    [WAITING] = {"WAITING", TASK_AFTER(WRITING)},
};
static const struct task_kind writer_kind = {
    .name = "writer", .step = writer_step, .states = writer_states, .state_count = 2};

/* The writer is the process's: it comes from malloc, as a room's memory does. */
static struct writer *writer_start(struct env *e, uint32_t of)
{
    struct writer *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->block = aligned_alloc(DISK_ALIGN, DISK_ALIGN);
    assert_non_null(w->block);
    memset(w->block, 7, DISK_ALIGN);
    w->piece = (struct iovec){w->block, DISK_ALIGN};
    w->of = of;
    assert_int_equal(e->ops->disk_open(e, "disk0", 1 << 20, &w->disk), E_OK);
    task_start(&w->task, &writer_kind, &e->tasks, WRITING);
    return w;
}

static void writer_free(struct writer *w)
{
    disk_close(w->disk);
    free(w->block);
    free(w);
}

static bool writer_is_done(void *arg)
{
    return !task_living(&((struct writer *)arg)->task);
}

static bool is_dead(void *arg)
{
    return sim_dead(arg);
}

static uint64_t length_of_run(uint64_t seed)
{
    struct sim *s = sim_open(seed);
    struct writer *w = writer_start(sim_env(s, "a"), 20);
    uint64_t us;

    assert_true(sim_run_until(s, writer_is_done, w, BOUND_US));
    assert_int_equal(w->done, 20);
    us = sim_now_us(s);
    writer_free(w);
    sim_close(s);
    return us;
}

static void a_seed_repeats_a_run(void **state)
{
    (void)state;
    assert_int_equal(length_of_run(5), length_of_run(5));
    assert_int_not_equal(length_of_run(5), length_of_run(6));
}

/* The n-th I/O comes to nothing and the process is dead: n - 1 blocks are there, no more. */
static void a_process_dies_at_the_io_it_was_told_to(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 10; n++) {
        struct sim *s = sim_open(n);
        struct env *e = sim_env(s, "a");
        struct writer *w;

        sim_crash_at_io(s, e, n, n % 2 ? SIM_POWER_LOST : SIM_KILLED);
        w = writer_start(e, 10);
        assert_false(sim_dead(e));
        assert_true(sim_run_until(s, is_dead, e, BOUND_US));
        assert_int_equal(sim_io_count(e), n);
        assert_int_equal(w->done, n - 1);
        for (uint32_t i = 0; i < 10; i++) {
            uint8_t byte;

            sim_disk_peek(sim_disk_find(s, "disk0"), (uint64_t)i * DISK_ALIGN, &byte, 1);
            assert_int_equal(byte, i < n - 1 ? 7 : 0);
        }
        sim_abandon(s, w);
        sim_run_for(s, 1000000);
        assert_int_equal(w->done, n - 1);
        sim_close(s);
    }
}

static int fired;

static void fire(struct timer *t)
{
    (void)t;
    fired++;
}

static bool has_fired(void *arg)
{
    (void)arg;
    return fired > 0;
}

static void timers_fire_at_their_time_and_not_for_the_dead(void **state)
{
    struct sim *s = sim_open(1);
    struct env *a = sim_env(s, "a");
    struct env *b = sim_env(s, "b");
    struct timer of_a = {0};
    struct timer of_b = {0};
    uint64_t start = sim_now_us(s);

    (void)state;
    fired = 0;
    timer_start(&a->clock, &of_a, 5000, fire);
    timer_start(&b->clock, &of_b, 1000, fire);
    sim_crash(s, b, SIM_KILLED);
    assert_true(sim_run_until(s, has_fired, NULL, BOUND_US));
    assert_int_equal(sim_now_us(s), start + 5000);
    sim_run_for(s, 1000000);
    assert_int_equal(fired, 1);
    assert_int_equal(now_us(&a->clock), start + 5000 + 1000000);
    sim_close(s);
}

struct job {
    struct work work;
    int ran, done;
};

static void job_run(struct work *w)
{
    container_of(w, struct job, work)->ran++;
}

static void job_done(struct work *w)
{
    struct job *job = container_of(w, struct job, work);

    assert_int_equal(job->ran, 1);
    job->done++;
}

static bool job_is_done(void *arg)
{
    return ((struct job *)arg)->done > 0;
}

static void work_runs_and_then_is_done(void **state)
{
    struct sim *s = sim_open(1);
    struct env *e = sim_env(s, "a");
    struct job job = {.work = {.run = job_run, .done = job_done}};
    struct job *lost = calloc(1, sizeof *lost);

    (void)state;
    work_start(e, &job.work);
    assert_int_equal(job.ran, 0);
    assert_true(sim_run_until(s, job_is_done, &job, BOUND_US));
    lost->work = job.work;
    work_start(e, &lost->work);
    sim_crash(s, e, SIM_KILLED);
    sim_run_for(s, 1000000);
    assert_int_equal(lost->done, 0);
    sim_close(s);
}

struct letter {
    struct mail mail;
    int number;
};

static int last_opened;

static void opened(struct mail *m)
{
    struct letter *letter = container_of(m, struct letter, mail);

    assert_int_equal(letter->number, last_opened + 1);
    last_opened = letter->number;
}

static bool all_opened(void *arg)
{
    return last_opened == *(int *)arg;
}

static void mail_is_opened_in_order(void **state)
{
    struct sim *s = sim_open(1);
    struct env *e = sim_env(s, "a");
    struct letter letters[5];
    int count = array_length(letters);

    (void)state;
    last_opened = 0;
    for (int i = 0; i < count; i++) {
        letters[i] = (struct letter){.mail = {.opened = opened}, .number = i + 1};
        mail_send(e, &letters[i].mail);
    }
    assert_int_equal(last_opened, 0);
    assert_true(sim_run_until(s, all_opened, &count, BOUND_US));
    sim_close(s);
}

static void nothing_to_do_ends_at_the_bound(void **state)
{
    struct sim *s = sim_open(1);
    uint64_t start = sim_now_us(s);
    int unreached = -1;

    (void)state;
    last_opened = 0;
    sim_env(s, "a");
    assert_false(sim_run_until(s, all_opened, &unreached, 12345));
    assert_int_equal(sim_now_us(s), start + 12345);
    sim_close(s);
}

static bool odd_seeds_fail(uint64_t seed)
{
    if (seed == 7)
        abort();
    return seed % 2 == 0;
}

static void every_failed_seed_is_counted(void **state)
{
    (void)state;
    if (getenv("SIM_SEED"))
        skip();
    assert_int_equal(sim_seeds(0, 10, odd_seeds_fail), 5);
    assert_int_equal(sim_seeds(2, 1, odd_seeds_fail), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_repeats_a_run),
        cmocka_unit_test(a_process_dies_at_the_io_it_was_told_to),
        cmocka_unit_test(timers_fire_at_their_time_and_not_for_the_dead),
        cmocka_unit_test(work_runs_and_then_is_done),
        cmocka_unit_test(mail_is_opened_in_order),
        cmocka_unit_test(nothing_to_do_ends_at_the_bound),
        cmocka_unit_test(every_failed_seed_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
