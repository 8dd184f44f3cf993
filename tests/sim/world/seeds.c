/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/seeds.c — one story, many seeds, each in a child of its own.
 *
 * A child keeps what the dead left behind to itself, and a story that aborts takes only its seed
 * with it.
 */
#include "tests/sim/world/world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_A_TIME 2

struct child {
    pid_t pid; /* 0: free */
    uint64_t seed;
};

static pid_t play(uint64_t seed, bool (*story)(uint64_t seed))
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        exit(story(seed) ? 0 : 1); /* exit: a leak checker has its say */
    return pid;
}

const char *sim_commit(void)
{
    static char text[64] = "unknown";
    /* NOLINTNEXTLINE(cert-env33-c): a test, with words of its own */
    FILE *git = popen("git describe --always --dirty 2>/dev/null", "r");

    if (git && fgets(text, sizeof text, git))
        text[strcspn(text, "\n")] = '\0';
    if (git)
        pclose(git);
    return text;
}

/* Waits for one of them to end; whether it failed. */
static bool one_failed(struct child *children)
{
    int status;
    pid_t pid;

    do
        pid = wait(&status);
    while (pid < 0 && errno == EINTR);
    for (int i = 0; i < AT_A_TIME; i++) {
        if (children[i].pid != pid)
            continue;
        children[i].pid = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            return false;
        fprintf(stderr,
                "seed 0x%" PRIx64 " failed at commit %s: SIM_SEED=0x%" PRIx64
                " SIM_TRACE=1 repeats it\n",
                children[i].seed, sim_commit(), children[i].seed);
        return true;
    }
    return false;
}

static struct child *free_child(struct child *children)
{
    for (int i = 0; i < AT_A_TIME; i++)
        if (children[i].pid == 0)
            return &children[i];
    return NULL;
}

uint32_t sim_seeds(uint64_t first, uint32_t count, bool (*story)(uint64_t seed))
{
    const char *alone = getenv("SIM_SEED");
    struct child children[AT_A_TIME] = {0};
    uint32_t failed = 0;
    uint32_t playing = 0;

    if (alone)
        return story(strtoull(alone, NULL, 0)) ? 0 : 1;
    for (uint32_t i = 0; i < count || playing > 0;) {
        struct child *child = i < count ? free_child(children) : NULL;

        if (child) {
            child->seed = first + i++;
            child->pid = play(child->seed, story);
            if (child->pid < 0)
                return failed + 1; /* no process to be had: not a pass */
            playing++;
        } else {
            failed += one_failed(children);
            playing--;
        }
    }
    return failed;
}
