/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/reactor_test.c — the loop: what it costs to wait, how it stops, what it refuses.
 */
#include "tests/unit/env/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static void stop_from_timer(struct timer *t)
{
    (void)t;
    rig_stop();
}

static void nothing_accepted(struct net_listener *l, struct net_conn *c)
{
    (void)l;
    net_close(c, false);
}

/*
 * A quarter of a second of waiting, with a listener open: a loop that spins would make thousands of
 * turns.  (The kernel may wake us a little early, hence more than two.)
 */
static void an_idle_reactor_makes_no_turns(void **state)
{
    struct timer t = {0};
    struct net_address any = {"127.0.0.1:0"};
    struct net_listener l = {.accepted = nothing_accepted};
    uint64_t before = reactor_turns(rig_reactor);

    (void)state;
    assert_int_equal(net_listen(rig_env, &any, &l), E_OK);
    timer_start(&rig_env->clock, &t, 250000, stop_from_timer);
    rig_run();
    assert_true(reactor_turns(rig_reactor) - before <= 4);
    net_unlisten(rig_env, &l);
}

static uint64_t fired_at_us;

static void note_and_stop(struct timer *t)
{
    assert_true(now_us(&rig_env->clock) >= t->due_us);
    fired_at_us = now_us(&rig_env->clock);
    rig_stop();
}

static void a_timer_never_fires_early(void **state)
{
    (void)state;
    for (uint64_t delay_us = 0; delay_us < 3000; delay_us += 271) {
        struct timer t = {0};
        uint64_t began = now_us(&rig_env->clock);

        timer_start(&rig_env->clock, &t, delay_us, note_and_stop);
        rig_run();
        assert_true(fired_at_us >= began + delay_us);
    }
}

/* ---- tasks and the turn ---- */

struct counting_task {
    struct task task;
    uint32_t steps;
};

static enum task_next count_and_go_on(struct task *t)
{
    struct counting_task *c = container_of(t, struct counting_task, task);

    if (++c->steps == 5000)
        return TASK_DONE;
    task_run(t); /* always ready again: more steps than one turn has */
    return TASK_WAIT;
}

static void counted(struct task *t)
{
    (void)t;
    rig_stop();
}

static const struct task_state counting_states[] = {{"count", TASK_FIRST}};
static const struct task_kind counting_kind = {.name = "counting",
                                               .step = count_and_go_on,
                                               .done = counted,
                                               .states = counting_states,
                                               .state_count = 1};

static void a_busy_task_neither_sleeps_nor_holds_the_turn(void **state)
{
    struct counting_task c = {.steps = 0};
    uint64_t before = reactor_turns(rig_reactor);

    (void)state;
    task_start(&c.task, &counting_kind, &rig_env->tasks, 0);
    rig_run();
    assert_int_equal(c.steps, 5000);
    assert_true(reactor_turns(rig_reactor) - before > 1);
}

/* ---- stopping ---- */

static void stop_on_signal(int number)
{
    (void)number;
    rig_stop();
}

static void raise_it(struct timer *t)
{
    (void)t;
    kill(getpid(), SIGUSR1);
}

static void a_signal_handler_may_stop_it(void **state)
{
    struct sigaction action = {.sa_handler = stop_on_signal};
    struct timer t = {0};

    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    timer_start(&rig_env->clock, &t, 1000, raise_it);
    rig_run();
    signal(SIGUSR1, SIG_DFL);
}

static void a_stop_before_the_run_is_not_lost(void **state)
{
    uint64_t before = reactor_turns(rig_reactor);

    (void)state;
    rig_stop();
    rig_run();
    assert_int_equal(reactor_turns(rig_reactor), before);
}

/* ---- opening ---- */

static void it_says_what_it_costs(void **state)
{
    struct reactor_config config = reactor_config_default();
    uint64_t buffers = (uint64_t)config.receive_buffers * config.receive_bytes;

    (void)state;
    assert_true(reactor_bytes(rig_reactor) > buffers);
    assert_true(reactor_bytes(rig_reactor) < buffers + (16u << 20));
}

static void without_descriptors_it_does_not_open(void **state)
{
    struct reactor_config config = reactor_config_default();
    struct rlimit before, none;
    struct reactor *r = NULL;
    const char *text = NULL;
    enum err err;

    (void)state;
    alarm(RIG_PATIENCE_S);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    err = reactor_open(&config, &log_stderr, &r, &text);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_not_equal(err, E_OK);
    assert_non_null(text);
    assert_null(r);
}

/* Each descriptor the opening needs is refused once: whatever was made is let go again. */
static void a_half_built_reactor_is_let_go(void **state)
{
    struct reactor_config config = reactor_config_default();
    struct rlimit before, few;
    struct reactor *r = NULL;
    const char *text = NULL;
    enum err err = E_SYSTEM;
    int first_free = open("/dev/null", O_RDONLY | O_CLOEXEC);
    rlim_t refused = 0;

    (void)state;
    close(first_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    while (err && refused < 16) {
        few =
            (struct rlimit){.rlim_cur = (rlim_t)first_free + refused, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        text = NULL;
        err = reactor_open(&config, &log_stderr, &r, &text);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (err) {
            assert_non_null(text);
            refused++;
        }
    }
    assert_int_equal(err, E_OK);
    assert_int_equal(refused, 2); /* the ring, the bell */
    reactor_close(r);

    int again = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(again, first_free); /* no descriptor was left behind */
    close(again);
}

/* From now on, in this process, io_uring_setup() fails with `number`, as in many containers. */
static bool refuse_rings_with(int number)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((uint32_t)number & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = array_length(filter), .filter = filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum verdict { SAID_IT, SAID_ANOTHER, OPENED, NO_FILTERS };

static enum verdict verdict_of_child(int number, const char *said)
{
    struct reactor_config config = reactor_config_default();
    struct reactor *r = NULL;
    const char *text = "";

    if (!refuse_rings_with(number))
        return NO_FILTERS;
    if (reactor_open(&config, &log_stderr, &r, &text) != E_UNSUPPORTED)
        return OPENED;
    return strstr(text, said) ? SAID_IT : SAID_ANOTHER;
}

static void a_kernel_that_refuses_is_named(void **state)
{
    static const struct {
        int number;
        const char *said;
    } cases[] = {
        {ENOSYS, "has none"},
        {EPERM, "forbidden"},
        {EINVAL, "DEFER_TASKRUN"},
    };

    (void)state;
    for (size_t i = 0; i < array_length(cases); i++) {
        pid_t child = fork();
        int status = 0;

        if (child == 0)
            _exit((int)verdict_of_child(cases[i].number, cases[i].said));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == NO_FILTERS)
            skip();
        assert_int_equal(WEXITSTATUS(status), SAID_IT);
    }
}

/* ---- what it counts ---- */

static char said[256];

static void say(struct log *log, enum log_level level, const char *line)
{
    (void)log;
    assert_int_equal(level, LOG_LEVEL_WARN);
    snprintf(said, sizeof said, "%s", line);
}

static struct log listener_log = {.write = say};

/* A handler that holds up the loop. */
static void stand_still(struct timer *t)
{
    struct timespec now, begun;
    int64_t ms;

    clock_gettime(CLOCK_BOOTTIME, &begun);
    do {
        clock_gettime(CLOCK_BOOTTIME, &now);
        ms = (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000;
    } while (ms <= REACTOR_LONG_TURN_US / 1000);
    stop_from_timer(t);
}

static void a_turn_that_takes_too_long_is_reported(void **state)
{
    const struct reactor_metrics *m = reactor_metrics(rig_reactor);
    struct timer t = {0};

    (void)state;
    rig_env->log = &listener_log;
    timer_start(&rig_env->clock, &t, 0, stand_still);
    rig_run();
    assert_non_null(strstr(said, "reactor turn_long ms="));
    assert_int_equal(metric_get(&m->long_turns), 1);
    assert_true(metric_get(&m->longest_turn_seconds) > REACTOR_LONG_TURN_US);
    assert_true(metric_get(&m->turn_seconds.sum_us) >= metric_get(&m->longest_turn_seconds));
}

/* On a busy machine a timer may be due before the reactor comes to enter the kernel. */
static void stop_when_entered(struct timer *t)
{
    if (metric_get(&reactor_metrics(rig_reactor)->enters) > 0)
        rig_stop();
    else
        timer_start(&rig_env->clock, t, 1000, stop_when_entered);
}

static void every_turn_and_every_call_is_counted(void **state)
{
    const struct reactor_metrics *m = reactor_metrics(rig_reactor);
    struct timer t = {0};
    uint64_t turns = 0;

    (void)state;
    timer_start(&rig_env->clock, &t, 1000, stop_when_entered);
    rig_run();
    for (uint32_t i = 0; i < METRIC_BUCKETS; i++)
        turns += metric_get(&m->turn_seconds.buckets[i]);
    assert_true(turns > 0);
    assert_int_equal(turns, reactor_turns(rig_reactor));
    assert_true(metric_get(&m->enters) > 0);
}

static void chance_differs(void **state)
{
    struct identity a = chance_identity(rig_env->chance), b = chance_identity(rig_env->chance);
    uint8_t large[1000], zeros[32] = {0};

    (void)state;
    assert_false(identity_equal(a, b));
    memset(large, 0, sizeof large);
    rig_env->chance->fill(rig_env->chance, large, sizeof large);
    assert_memory_not_equal(large + sizeof large - sizeof zeros, zeros, sizeof zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
        TEST(an_idle_reactor_makes_no_turns),
        TEST(a_timer_never_fires_early),
        TEST(a_busy_task_neither_sleeps_nor_holds_the_turn),
        TEST(a_signal_handler_may_stop_it),
        TEST(a_stop_before_the_run_is_not_lost),
        TEST(it_says_what_it_costs),
        TEST(a_turn_that_takes_too_long_is_reported),
        TEST(every_turn_and_every_call_is_counted),
        TEST(chance_differs),
        cmocka_unit_test(without_descriptors_it_does_not_open),
        cmocka_unit_test(a_kernel_that_refuses_is_named),
        cmocka_unit_test(a_half_built_reactor_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
