/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/env/log_writer_threads_test.c — nobody reads stderr, and nobody waits for it.
 *
 * Each daemon is a child: its stderr is a pipe that the test reads, or does not.  Whoever waits for
 * ever is ended by an alarm.
 */
#include "env/log_writer.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY     5000u /* more than there is room for, in the pipe and in memory */
#define FEW      200u
#define THREADS  4u
#define PATIENCE 60u /* seconds */

struct daemon {
    pid_t pid;
    FILE *says; /* its stderr */
    int told;   /* it has come so far */
    int go_on;  /* it may */
};

/* ---- the daemon's side ---- */

static int tell, wait_for;

static void come_so_far(void)
{
    if (write(tell, "", 1) != 1)
        _exit(1);
}

static void wait_for_go(void)
{
    char any;

    if (read(wait_for, &any, 1) != 1)
        _exit(1);
}

static void count_up(uint32_t thread, uint32_t lines)
{
    for (uint32_t i = 0; i < lines; i++)
        log_event(&log_stderr, LOG_LEVEL_INFO, "daemon", "counted",
                  "thread=%u number=%u and a few words that take room", thread, i);
}

/* ---- the test's side ---- */

static struct daemon daemon_start(void (*what)(void))
{
    int says[2], told[2], go_on[2];
    struct daemon d;

    assert_int_equal(pipe(says), 0);
    assert_int_equal(pipe(told), 0);
    assert_int_equal(pipe(go_on), 0);
    d.pid = fork();
    if (d.pid == 0) {
        alarm(PATIENCE);
        dup2(says[1], STDERR_FILENO);
        close(says[0]);
        close(says[1]);
        close(go_on[1]);
        tell = told[1];
        wait_for = go_on[0];
        if (log_writer_start())
            _exit(1);
        what();
        log_flush(&log_stderr);
        _exit(0);
    }
    assert_true(d.pid > 0);
    close(says[1]);
    close(told[1]);
    close(go_on[0]);
    d.says = fdopen(says[0], "r");
    d.told = told[0];
    d.go_on = go_on[1];
    return d;
}

/* How it ended, as waitpid() has it. */
static int daemon_end(struct daemon *d)
{
    int status = -1;

    assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
    fclose(d->says);
    close(d->told);
    close(d->go_on);
    return status;
}

static bool has_come_so_far(const struct daemon *d)
{
    char any;

    return read(d->told, &any, 1) == 1;
}

struct heard {
    uint32_t next[THREADS];
    uint64_t lines, lost;
    bool alone; /* of one thread it is known which are lost */
    bool after; /* the line that came when there was room again */
};

/* One line, whole, in its thread's order. */
static void hear_line(struct heard *h, const char *line)
{
    unsigned thread, number;
    unsigned long lost;

    if (sscanf(line, "%*s info daemon counted thread=%u number=%u and a few words that take room",
               &thread, &number) == 2) {
        assert_non_null(strstr(line, " take room\n"));
        assert_true(thread < THREADS && number >= h->next[thread]);
        assert_true(!h->alone || number == h->lines + h->lost);
        h->next[thread] = number + 1;
        h->lines++;
    } else if (sscanf(line, "%*s warn log lines_lost count=%lu", &lost) == 1) {
        h->lost += lost;
    } else {
        assert_non_null(strstr(line, " info daemon after\n"));
        h->after = true;
    }
}

/* Until so many lines are heard or said to be lost, or it ends. */
static void hear(struct daemon *d, struct heard *h, uint64_t lines)
{
    char line[LOG_LINE_MAX];

    while (h->lines + h->lost < lines && fgets(line, sizeof line, d->says))
        hear_line(h, line);
}

static void hear_all(struct daemon *d, struct heard *h)
{
    hear(d, h, UINT64_MAX);
}

/* ---- a pipe that nobody reads ---- */

static void says_more_than_there_is_room_for(void)
{
    count_up(0, MANY);
    if (metric_get(&log_writer_metrics()->lines_lost) == 0)
        _exit(2);
    come_so_far();
    wait_for_go();
    log_event(&log_stderr, LOG_LEVEL_INFO, "daemon", "after", NULL);
}

static void a_full_pipe_stops_nobody(void **state)
{
    struct daemon d = daemon_start(says_more_than_there_is_room_for);
    struct heard h = {.alone = true};

    (void)state;
    assert_true(has_come_so_far(&d)); /* and nobody has read a byte */
    hear(&d, &h, MANY);
    assert_true(h.lines > LOG_WRITER_BYTES / LOG_LINE_MAX && h.lost > 0);
    assert_int_equal(h.lines + h.lost, MANY);
    assert_int_equal(write(d.go_on, "", 1), 1);
    hear_all(&d, &h);
    assert_true(h.after);
    assert_int_equal(h.lines + h.lost, MANY);
    assert_int_equal(daemon_end(&d), 0);
}

static void says_a_lot_and_ends(void)
{
    count_up(0, MANY);
}

static void a_full_pipe_does_not_hold_up_the_end(void **state)
{
    struct daemon d = daemon_start(says_a_lot_and_ends);

    (void)state;
    assert_int_equal(daemon_end(&d), 0); /* and nobody has read a byte */
}

static void says_a_lot_and_aborts(void)
{
    count_up(0, MANY);
    abort();
}

static void nor_that_by_an_assertion(void **state)
{
    struct daemon d = daemon_start(says_a_lot_and_aborts);
    int status = daemon_end(&d);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- a pipe that is read ---- */

static void each_counts(void)
{
    count_up(0, FEW);
}

static void what_was_said_before_the_end_is_heard(void **state)
{
    struct daemon d = daemon_start(each_counts);
    struct heard h = {0};

    (void)state;
    hear_all(&d, &h);
    assert_int_equal(h.lines, FEW);
    assert_int_equal(daemon_end(&d), 0);
}

static void counts_and_aborts(void)
{
    count_up(0, FEW);
    abort();
}

static void counts_and_is_aborted(void)
{
    count_up(0, FEW);
    kill(getpid(), SIGABRT);
    wait_for_go(); /* which never comes */
}

static void so_is_what_was_said_before_an_assertion(void **state)
{
    void (*ends[])(void) = {counts_and_aborts, counts_and_is_aborted};

    (void)state;
    for (size_t i = 0; i < array_length(ends); i++) {
        struct daemon d = daemon_start(ends[i]);
        struct heard h = {0};
        int status;

        hear_all(&d, &h);
        assert_int_equal(h.lines, FEW);
        status = daemon_end(&d);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

static void *counts(void *thread)
{
    count_up((uint32_t)(uintptr_t)thread, MANY);
    return NULL;
}

static void all_count_at_once(void)
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, counts, (void *)i))
            _exit(1);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void every_line_is_heard_or_counted_in_its_threads_order(void **state)
{
    struct daemon d = daemon_start(all_count_at_once);
    struct heard h = {0};

    (void)state;
    hear_all(&d, &h);
    assert_int_equal(h.lines + h.lost, THREADS * MANY);
    assert_int_equal(daemon_end(&d), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_pipe_stops_nobody),
        cmocka_unit_test(a_full_pipe_does_not_hold_up_the_end),
        cmocka_unit_test(nor_that_by_an_assertion),
        cmocka_unit_test(what_was_said_before_the_end_is_heard),
        cmocka_unit_test(so_is_what_was_said_before_an_assertion),
        cmocka_unit_test(every_line_is_heard_or_counted_in_its_threads_order),
    };

    alarm(10 * PATIENCE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
