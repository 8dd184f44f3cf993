/* SPDX-License-Identifier: Apache-2.0 */
/* cluster.json, ports, and processes that are known again by id and start time. */
#include "cli/cli.h"
#include "cli/cluster.h"
#include "cli/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int each_new(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/dolmen-cluster-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int each_done(void **state)
{
    static const char *const files[] = {"cluster.json", "cluster.lock", "log", "daemon"};
    char path[128];

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static void a_cluster_is_read_as_it_was_written(void **state)
{
    struct cluster a = {.url = "http://127.0.0.1:7481", .node_count = 2}, b;

    (void)state;
    snprintf(a.dir, sizeof a.dir, "%s", dir);
    a.metad = (struct cluster_process){.pid = 7, .start_time = 123456789, .log = "/l"};
    snprintf(a.nodes[1].name, sizeof a.nodes[1].name, "n2");
    snprintf(a.nodes[1].portal, sizeof a.nodes[1].portal, "127.0.0.1:3261");
    snprintf(a.nodes[1].status, sizeof a.nodes[1].status, "127.0.0.1:7491");
    a.nodes[1].process.pid = 9;
    assert_int_equal(cluster_read(dir, &b), CLUSTER_NONE);
    assert_string_equal(b.dir, dir);
    assert_true(cluster_write(&a));
    assert_int_equal(cluster_read(dir, &b), CLUSTER_KNOWN);
    assert_memory_equal(&a, &b, sizeof a);
}

static void put(const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/cluster.json", dir);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_text_that_is_too_long_is_cut_between_letters(void **state)
{
    static const char euro[] = "\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac";
    struct cluster c, again;
    char text[256];

    (void)state;
    snprintf(text, sizeof text, "{\"url\":\"u\",\"nodes\":[{\"name\":\"x%s\"}]}", euro);
    put(text);
    assert_int_equal(cluster_read(dir, &c), CLUSTER_KNOWN);
    assert_int_equal(strlen(c.nodes[0].name), 1 + 7 * 3);
    assert_true(cluster_write(&c));
    assert_int_equal(cluster_read(dir, &again), CLUSTER_KNOWN);
    assert_memory_equal(&c, &again, sizeof c);
}

/* What `dolmen VERB` says on stderr; it fails. */
static void fails(const char *verb, char ret[512])
{
    char *argv[] = {(char *)(uintptr_t) "dolmen", (char *)(uintptr_t) "--dir", dir,
                    (char *)(uintptr_t)verb};
    FILE *err = fmemopen(ret, 512, "w");

    ret[0] = 0;
    assert_int_equal(cli_run(4, argv, stdout, err), CLI_FAILED);
    fclose(err);
}

static const char *const verbs[] = {"up", "down", "status"};

/* It may name processes that run: nothing is started beside them. */
static void a_file_that_cannot_be_read_is_not_taken_for_none(void **state)
{
    static const char *const texts[] = {"{\"url\":", "[]", "7", ""};
    char said[512];
    struct cluster c;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put(texts[i]);
        assert_int_equal(cluster_read(dir, &c), CLUSTER_UNREADABLE);
        for (size_t v = 0; v < sizeof verbs / sizeof *verbs; v++) {
            fails(verbs[v], said);
            assert_non_null(strstr(said, "cluster.json cannot be read"));
        }
    }
}

/* The same where it is gone while they run: they hold the locks of their folders. */
static void a_file_that_is_gone_while_daemons_run_is_not_taken_for_none(void **state)
{
    char folder[96], lock[128], said[512];
    struct cluster c;
    int fd;

    (void)state;
    snprintf(folder, sizeof folder, "%s/n2", dir);
    snprintf(lock, sizeof lock, "%s/lock", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(cluster_read(dir, &c), CLUSTER_NONE);
    fails("down", said);
    assert_non_null(strstr(said, "no cluster was started in"));
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(cluster_read(dir, &c), CLUSTER_NONE); /* no `up` was here: not its own */
    close(cluster_lock(dir));
    assert_int_equal(cluster_read(dir, &c), CLUSTER_LOST);
    for (size_t v = 0; v < sizeof verbs / sizeof *verbs; v++) {
        fails(verbs[v], said);
        assert_non_null(strstr(said, "cluster.json is gone, and daemons run that it named"));
    }
    close(fd);
    unlink(lock);
    rmdir(folder);
}

/* The last option is no size, so nothing is started. */
static void what_is_for_new_nodes_only_says_so(void **state)
{
    static const char *const names[] = {"--disks", "--reactors", "--size"};
    char *argv[] = {(char *)(uintptr_t) "dolmen",
                    (char *)(uintptr_t) "--dir",
                    dir,
                    (char *)(uintptr_t) "up",
                    (char *)(uintptr_t) "--disks",
                    (char *)(uintptr_t) "3",
                    (char *)(uintptr_t) "--reactors",
                    (char *)(uintptr_t) "2",
                    (char *)(uintptr_t) "--size",
                    (char *)(uintptr_t) "1M"};
    char said[1024] = "", line[128];
    FILE *err = fmemopen(said, sizeof said, "w");

    (void)state;
    put("{\"url\":\"u\",\"nodes\":[{\"name\":\"n1\"}]}");
    assert_int_equal(cli_run(10, argv, stdout, err), CLI_USAGE);
    fclose(err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(line, sizeof line, "dolmen: %s is for new nodes: those that are there stay",
                 names[i]);
        assert_non_null(strstr(said, line));
    }
}

static void the_folder_comes_from_option_environment_or_user(void **state)
{
    char path[CLUSTER_PATH_MAX], here[CLUSTER_PATH_MAX], whole[CLUSTER_PATH_MAX];
    char too_long[600];

    (void)state;
    unsetenv("DOLMEN_DIR");
    assert_true(cluster_dir("/a/b", path));
    assert_string_equal(path, "/a/b");
    setenv("DOLMEN_DIR", "/c", 1);
    assert_true(cluster_dir(NULL, path));
    assert_string_equal(path, "/c");
    assert_non_null(getcwd(here, sizeof here - 8));
    assert_true(cluster_dir("./d", path));
    assert_true(path_join(whole, here, "d"));
    assert_string_equal(path, whole);
    memset(too_long, 'x', sizeof too_long);
    too_long[0] = '/';
    too_long[sizeof too_long - 1] = '\0';
    assert_false(cluster_dir(too_long, path));
    unsetenv("DOLMEN_DIR");
}

static void a_port_in_use_or_promised_is_passed_over(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0), held, other;
    struct cluster c = {.node_count = 1};
    uint16_t taken, next;

    (void)state;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    taken = ntohs(at.sin_port);
    next = port_reserve(&c, taken, &held);
    assert_true(next == 0 || next > taken);
    if (next != 0) {
        close(held);
        snprintf(c.nodes[0].portal, sizeof c.nodes[0].portal, "127.0.0.1:%u", next);
        assert_int_not_equal(port_reserve(&c, next, &other), next);
        close(other);
        snprintf(c.nodes[0].portal, sizeof c.nodes[0].portal, "127.0.0.1:1");
        snprintf(c.url, sizeof c.url, "http://127.0.0.1:%u", next);
        assert_int_not_equal(port_reserve(&c, next, &other), next);
        close(other);
    }
    close(fd);
}

/* Two clusters that begin in the same instant. */
static void a_port_is_reserved_for_one_and_its_daemon_can_listen(void **state)
{
    struct cluster c = {0}, other = {0};
    int held, others;
    uint16_t port = port_reserve(&c, 20000, &held);

    (void)state;
    assert_int_not_equal(port, 0);
    assert_int_not_equal(port_reserve(&other, port, &others), port);
    assert_true(port_bindable(port));
    close(others);
    close(held);
}

/* A daemon: the script gets --config FILE, as metad and storaged do. */
static const char *daemon_write(const char *script)
{
    static char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/daemon", dir);
    file = fopen(path, "w");
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    chmod(path, 0755);
    return path;
}

static pid_t down_in_child(int lock)
{
    pid_t pid = fork();
    char *argv[] = {(char *)(uintptr_t) "dolmen", (char *)(uintptr_t) "--dir", dir,
                    (char *)(uintptr_t) "down"};
    FILE *null;

    if (pid != 0)
        return pid;
    close(lock); /* or the child would keep it, too */
    null = fopen("/dev/null", "w");
    _exit(cli_run(4, argv, null, null));
}

/* Down beside an `up`: it ends what that has started, and writes no older cluster.json over it. */
static void down_waits_for_up(void **state)
{
    struct cluster c = {.url = "http://127.0.0.1:1"};
    int lock, status;
    pid_t down;

    (void)state;
    snprintf(c.dir, sizeof c.dir, "%s", dir);
    assert_true(cluster_write(&c));
    lock = cluster_lock(dir);
    assert_true(lock >= 0);
    down = down_in_child(lock);
    for (uint32_t i = 0; i < 300; i++) { /* it would have ended, were it not for the lock */
        assert_int_equal(waitpid(down, &status, WNOHANG), 0);
        pause_ms(1);
    }
    snprintf(c.url, sizeof c.url, "http://127.0.0.1:2");
    assert_true(cluster_write(&c));
    close(lock);
    assert_int_equal(waitpid(down, &status, 0), down);
    assert_int_equal(status, 0);
    assert_int_equal(cluster_read(dir, &c), CLUSTER_KNOWN);
    assert_string_equal(c.url, "http://127.0.0.1:2");
}

static struct cluster_process process_new(void)
{
    struct cluster_process p = {.config = "/some/config"};

    snprintf(p.log, sizeof p.log, "%s/log", dir);
    return p;
}

static void a_process_is_started_known_and_ended(void **state)
{
    struct cluster_process p = process_new(), later;

    (void)state;
    assert_true(process_start(daemon_write("echo \"$1 $2\"; exec sleep 600"), NULL, &p));
    assert_true(process_alive(&p));
    later = p;
    later.start_time++; /* the same id, another process */
    assert_false(process_alive(&later));
    process_ask(&later); /* … is left alone */
    assert_true(process_alive(&p));
    assert_true(process_end(&p, 10));
    assert_int_equal(p.pid, 0);
    assert_false(process_alive(&p));
    assert_true(process_end(&p, 10)); /* again: nothing to do */
}

static void a_process_that_does_not_listen_is_killed(void **state)
{
    struct cluster_process p = process_new();
    pid_t pid;

    (void)state;
    assert_true(process_start(daemon_write("trap '' TERM; echo ready; while :; do sleep 1; done"),
                              NULL, &p));
    while (process_log_bytes(p.log) == 0)
        pause_ms(5);
    pid = (pid_t)p.pid;
    assert_true(process_end(&p, 0));
    assert_int_equal(kill(pid, 0), -1);
}

static void a_log_is_shown_from_its_end(void **state)
{
    struct cluster_process p = process_new();
    char shown[256] = "";
    FILE *to = fmemopen(shown, sizeof shown, "w");

    (void)state;
    assert_true(
        process_start(daemon_write("echo one; echo two; echo \"$2\" >&2; exit 3"), NULL, &p));
    while (process_alive(&p))
        pause_ms(5);
    process_log_tail(p.log, 2, to);
    fclose(to);
    assert_string_equal(shown, "    two\n    /some/config\n");
}

static void a_log_that_is_long_is_cut(void **state)
{
    char path[128], line[64] = "", *shown = NULL;
    size_t size;
    FILE *file, *to = open_memstream(&shown, &size);

    (void)state;
    snprintf(path, sizeof path, "%s/log", dir);
    file = fopen(path, "w");
    for (int i = 0; i < 10000; i++)
        fprintf(file, "line %d\n", i);
    fclose(file);
    process_log_tail(path, 3, to);
    fclose(to);
    snprintf(line, sizeof line, "    line 9997\n    line 9998\n    line 9999\n");
    assert_string_equal(shown, line);
    free(shown);
}

static void a_binary_that_is_not_there_is_named(void **state)
{
    char path[CLUSTER_PATH_MAX];

    (void)state;
    assert_false(process_binary("no-such-binary", path));
    assert_non_null(strstr(path, "/no-such-binary"));
}

#define each(test) cmocka_unit_test_setup_teardown(test, each_new, each_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        each(a_cluster_is_read_as_it_was_written),
        each(a_text_that_is_too_long_is_cut_between_letters),
        each(a_file_that_cannot_be_read_is_not_taken_for_none),
        each(a_file_that_is_gone_while_daemons_run_is_not_taken_for_none),
        each(what_is_for_new_nodes_only_says_so),
        each(the_folder_comes_from_option_environment_or_user),
        each(a_port_in_use_or_promised_is_passed_over),
        each(a_port_is_reserved_for_one_and_its_daemon_can_listen),
        each(down_waits_for_up),
        each(a_process_is_started_known_and_ended),
        each(a_process_that_does_not_listen_is_killed),
        each(a_log_is_shown_from_its_end),
        each(a_log_that_is_long_is_cut),
        each(a_binary_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
