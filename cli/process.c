/* SPDX-License-Identifier: Apache-2.0 */
/* cli/process.c — fork, exec, /proc and signals. */
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_TAIL_BYTES 8192

void pause_ms(uint32_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

bool process_binary(const char *name, char ret[CLUSTER_PATH_MAX])
{
    char self[CLUSTER_PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length < 0)
        return false;
    self[length] = '\0';
    return path_join(ret, dirname(self), name) && access(ret, X_OK) == 0;
}

bool process_start_time(int64_t pid, uint64_t *ret)
{
    char path[64], line[1024];
    const char *at;
    size_t length;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return false;
    length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    at = strrchr(line, ')'); /* the name before it may hold anything; field 3, the state, follows */
    if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
        return false;
    for (int field = 2; field < 22; field++) {
        at = strchr(at + 1, ' ');
        if (!at)
            return false;
    }
    *ret = strtoull(at + 1, NULL, 10);
    return *ret != 0;
}

/* The child's side: never returns. */
static void become(const char *binary, const char *option, const struct cluster_process *p)
{
    int null = open("/dev/null", O_RDONLY);
    int log = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    sigset_t none;

    if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(127);
    close_range(3, ~0u, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    execl(binary, binary, "--config", p->config, option, (char *)NULL); /* option may end it */
    dprintf(2, "cannot run %s: %s\n", binary, strerror(errno));
    _exit(127);
}

bool process_start(const char *binary, const char *option, struct cluster_process *p)
{
    pid_t pid = fork();

    if (pid < 0)
        return false;
    if (pid == 0)
        become(binary, option, p);
    p->pid = pid;
    if (!process_start_time(pid, &p->start_time))
        p->start_time = 0; /* it has ended already; process_alive() says so */
    return true;
}

bool process_alive(const struct cluster_process *p)
{
    uint64_t start_time;

    if (p->pid <= 0)
        return false;
    waitpid((pid_t)p->pid, NULL, WNOHANG); /* where it is our child: no zombie is left */
    return process_start_time(p->pid, &start_time) && start_time == p->start_time;
}

void process_ask(const struct cluster_process *p)
{
    if (process_alive(p))
        kill((pid_t)p->pid, SIGTERM);
}

static bool gone_within(const struct cluster_process *p, uint32_t ms)
{
    for (uint32_t waited = 0; process_alive(p); waited += 20) {
        if (waited >= ms)
            return false;
        pause_ms(20);
    }
    return true;
}

bool process_end(struct cluster_process *p, uint32_t seconds)
{
    process_ask(p);
    if (!gone_within(p, seconds * 1000)) {
        kill((pid_t)p->pid, SIGKILL);
        if (!gone_within(p, 5000))
            return false;
    }
    p->pid = 0;
    p->start_time = 0;
    return true;
}

uint64_t process_log_bytes(const char *path)
{
    struct stat file;

    return stat(path, &file) == 0 ? (uint64_t)file.st_size : 0;
}

/* Where the last `lines` lines of text begin. */
static const char *tail_start(const char *text, size_t length, uint32_t lines)
{
    const char *at = text + length;

    if (at > text && at[-1] == '\n')
        at--;
    while (at > text) {
        if (at[-1] == '\n' && --lines == 0)
            return at;
        at--;
    }
    return at;
}

void process_log_tail(const char *path, uint32_t lines, FILE *to)
{
    char text[LOG_TAIL_BYTES + 1];
    FILE *file = fopen(path, "re");
    size_t length;

    if (!file)
        return;
    if (fseek(file, -LOG_TAIL_BYTES, SEEK_END) != 0)
        rewind(file); /* shorter than that */
    length = fread(text, 1, LOG_TAIL_BYTES, file);
    fclose(file);
    text[length] = '\0';
    for (const char *line = tail_start(text, length, lines); *line;) {
        size_t span = strcspn(line, "\n");

        fprintf(to, "    %.*s\n", (int)span, line);
        line += span + (line[span] == '\n');
    }
}
