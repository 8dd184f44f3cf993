/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/workers_threads_test.c — blocking jobs beside the loop. */
#include "tests/unit/env/rig.h"

#include <pthread.h>
#include <signal.h>

#define JOBS 2000u

struct job {
    struct work work;
    uint32_t in, out; /* plain memory: handed over and back by the workers alone */
    pthread_t ran_on;
    bool signals_blocked, done;
};

static struct job jobs[JOBS];
static struct rig_counter done_count;
static bool starting;

static void job_run(struct work *w)
{
    struct job *j = container_of(w, struct job, work);
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    j->signals_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGALRM);
    j->ran_on = pthread_self();
    j->out = j->in * 2;
}

static void job_done(struct work *w)
{
    struct job *j = container_of(w, struct job, work);

    assert_false(starting);
    assert_false(j->done);
    j->done = true;
    rig_count(&done_count);
}

static void start(uint32_t i)
{
    jobs[i] = (struct job){.work = {.run = job_run, .done = job_done}, .in = i};
    starting = true;
    work_start(rig_env, &jobs[i].work);
    starting = false;
}

static void jobs_run_elsewhere_and_are_done_here(void **state)
{
    (void)state;
    done_count.count = 0;
    for (uint32_t i = 0; i < JOBS; i++)
        start(i);
    rig_run_until(&done_count, JOBS);
    for (uint32_t i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].out, 2 * i);
        assert_false(pthread_equal(jobs[i].ran_on, pthread_self()));
        assert_true(jobs[i].signals_blocked);
    }
}

static void started_again(struct work *w)
{
    struct job *j = container_of(w, struct job, work);

    rig_count(&done_count);
    if (done_count.count < 100) {
        j->in++;
        work_start(rig_env, w);
    }
}

static void a_job_may_be_started_again_when_it_is_done(void **state)
{
    (void)state;
    done_count.count = 0;
    jobs[0] = (struct job){.work = {.run = job_run, .done = started_again}, .in = 1};
    work_start(rig_env, &jobs[0].work);
    rig_run_until(&done_count, 100);
    assert_int_equal(jobs[0].out, 200);
}

/* Two threads: a job that blocks leaves the other one free, and the loop too. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_gate(struct work *w)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    job_run(w);
}

static void a_blocked_job_holds_neither_the_loop_nor_the_next(void **state)
{
    (void)state;
    done_count.count = 0;
    pthread_mutex_lock(&gate);
    jobs[0] = (struct job){.work = {.run = wait_at_gate, .done = job_done}, .in = 21};
    work_start(rig_env, &jobs[0].work);
    start(1);
    rig_run_until(&done_count, 1);
    assert_true(jobs[1].done);
    assert_false(jobs[0].done);
    pthread_mutex_unlock(&gate);
    rig_run_until(&done_count, 2);
    assert_int_equal(jobs[0].out, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
        TEST(jobs_run_elsewhere_and_are_done_here),
        TEST(a_job_may_be_started_again_when_it_is_done),
        TEST(a_blocked_job_holds_neither_the_loop_nor_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
