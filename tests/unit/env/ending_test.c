/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/env/ending_test.c — a daemon that is asked to end: in good order, at once when
 * asked again, and in any case.  Each daemon is a child, known by its number.
 */
#include "env/ending.h"
#include "env/notify.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

struct child {
    pid_t pid;
    int says; /* its log */
    char text[2048];
};

static int log_to;

static void write_line(struct log *log, enum log_level level, const char *line)
{
    (void)log;
    (void)level;
    dprintf(log_to, "%s\n", line);
}

static struct log to_parent = {.write = write_line};
static int asked_pipe[2];

static void asked(struct ending *e)
{
    (void)e;
    (void)!write(asked_pipe[1], "x", 1);
}

static void stand_still(void)
{
    for (;;)
        pause();
}

/* Ends when asked, or never. */
static void live(bool well)
{
    struct ending e = {.log = &to_parent, .subject = "test", .asked = asked};
    sigset_t set;
    char byte;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (pipe(asked_pipe) != 0 || ending_start(&e))
        _exit(9);
    dprintf(log_to, "lives\n");
    if (read(asked_pipe[0], &byte, 1) != 1)
        _exit(8);
    if (!well)
        stand_still();
    ending_done(&e);
    dprintf(log_to, "well\n");
    _exit(7);
}

static struct child child_start(bool well)
{
    struct child c = {0};
    int pipes[2];

    assert_int_equal(pipe(pipes), 0);
    c.pid = fork();
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        close(pipes[0]);
        log_to = pipes[1];
        live(well);
    }
    close(pipes[1]);
    c.says = pipes[0];
    return c;
}

/* Reads until the text is there; false: the child has closed its end without it. */
static bool says(struct child *c, const char *what)
{
    while (!strstr(c->text, what)) {
        struct pollfd poll_fd = {.fd = c->says, .events = POLLIN};
        size_t length = strlen(c->text);
        ssize_t more;

        if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
            fail_msg("it does not say %s: %s", what, c->text);
        more = read(c->says, c->text + length, sizeof c->text - 1 - length);
        if (more <= 0)
            return false;
        c->text[length + (size_t)more] = '\0';
    }
    return true;
}

static int code_of(struct child *c)
{
    int status = 0;

    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    close(c->says);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void who_is_asked_ends_in_good_order(void **state)
{
    struct child c = child_start(true);

    (void)state;
    assert_true(says(&c, "lives\n"));
    kill(c.pid, SIGTERM);
    kill(c.pid, SIGTERM); /* who asks a group, and each of it, means it once */
    assert_true(says(&c, "well\n"));
    assert_non_null(strstr(c.text, "test ending signal=15"));
    assert_null(strstr(c.text, "cut_short"));
    assert_int_equal(code_of(&c), 7);
}

static void who_does_not_end_is_ended(void **state)
{
    struct child c = child_start(false);

    (void)state;
    assert_true(says(&c, "lives\n"));
    kill(c.pid, SIGINT);
    assert_true(says(&c, "test ending signal=2"));
    assert_true(says(&c, "test cut_short not ended in time"));
    assert_int_equal(code_of(&c), 0);
}

static void who_is_asked_again_ends_at_once(void **state)
{
    struct child c = child_start(false);

    (void)state;
    assert_true(says(&c, "lives\n"));
    kill(c.pid, SIGTERM);
    assert_true(says(&c, "test ending"));
    for (;;) { /* again and again: one of them is late enough */
        struct pollfd poll_fd = {.fd = c.says, .events = POLLIN};

        if (poll(&poll_fd, 1, 50) > 0)
            break;
        kill(c.pid, SIGTERM);
    }
    assert_true(says(&c, "test cut_short a second signal"));
    assert_int_equal(code_of(&c), 0);
}

static void a_supervisor_is_told(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    char name[64], text[64] = "";

    (void)state;
    snprintf(name, sizeof name, "@dolmen-notify-%ld", (long)getpid());
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    notify("STATUS=nobody hears"); /* there is no supervisor */
    assert_int_equal(notify_watchdog_us(), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    notify("READY=1\nSTATUS=disks %u open", 3u);
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), 27);
    assert_string_equal(text, "READY=1\nSTATUS=disks 3 open");
    assert_int_equal(notify_watchdog_us(), 15000000);
    setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    assert_int_equal(notify_watchdog_us(), 0);
    setenv("NOTIFY_SOCKET", "nowhere", 1);
    notify("READY=1"); /* no address: nothing happens */
    assert_int_equal(recv(fd, text, sizeof text, MSG_DONTWAIT), -1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_asked_ends_in_good_order),
        cmocka_unit_test(who_does_not_end_is_ended),
        cmocka_unit_test(who_is_asked_again_ends_at_once),
        cmocka_unit_test(a_supervisor_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
