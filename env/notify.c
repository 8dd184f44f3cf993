/* SPDX-License-Identifier: Apache-2.0 */
/* env/notify.c — the datagram. */
#include "env/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The supervisor's address; an '@' stands for the NUL of the abstract name space.  0: none. */
static socklen_t address_of(const char *path, struct sockaddr_un *ret)
{
    size_t length = path ? strlen(path) : 0;

    if (length < 2 || length >= sizeof ret->sun_path || !strchr("/@", path[0]))
        return 0;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, length);
    if (path[0] == '@')
        ret->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void notify(const char *message, ...)
{
    struct sockaddr_un address;
    socklen_t length = address_of(getenv("NOTIFY_SOCKET"), &address);
    char text[512];
    va_list args;
    int fd;

    if (length == 0)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    va_start(args, message);
    vsnprintf(text, sizeof text, message, args);
    va_end(args);
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
                 length);
    close(fd);
}

uint64_t notify_watchdog_us(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!us || !getenv("NOTIFY_SOCKET"))
        return 0;
    if (pid && strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    return strtoull(us, NULL, 10) / 2;
}
