/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/dies.h — shows that an assertion stands: the mistake is made in a child. */
#ifndef TESTS_UNIT_DIES_H
#define TESTS_UNIT_DIES_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* True: mistake(argument) ended in abort(), as a failed assertion does. */
static inline bool aborts(void (*mistake)(void *), void *argument)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        mistake(argument);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

#endif
