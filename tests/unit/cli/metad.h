/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/cli/metad.h — a metad of a few lines on loopback: it answers what the test says, one
 * connection each, and keeps what it was asked.
 */
#ifndef TESTS_UNIT_CLI_METAD_H
#define TESTS_UNIT_CLI_METAD_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define METAD_ANSWERS 4u

struct fake_metad {
    int listener;
    char url[64];
    pthread_t thread;
    const char *answers[METAD_ANSWERS]; /* "201\nbody", NULL ends */
    char requests[METAD_ANSWERS][4096];
};

static inline void fake_metad_read(int fd, char *text)
{
    size_t used = 0;
    ssize_t got;

    while ((got = recv(fd, text + used, 4095 - used, 0)) > 0) {
        const char *body, *length;

        used += (size_t)got;
        text[used] = '\0';
        body = strstr(text, "\r\n\r\n");
        length = strstr(text, "Content-Length: ");
        if (body && (!length || strlen(body + 4) >= strtoul(length + 16, NULL, 10)))
            return;
    }
}

static inline void *fake_metad_serve(void *arg)
{
    struct fake_metad *m = arg;

    for (uint32_t i = 0; i < METAD_ANSWERS && m->answers[i]; i++) {
        const char *answer = m->answers[i];
        int fd = accept(m->listener, NULL, NULL);

        if (fd < 0)
            return NULL;
        fake_metad_read(fd, m->requests[i]);
        dprintf(fd, "HTTP/1.1 %.3s X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", answer,
                strlen(answer + 4), answer + 4);
        close(fd);
    }
    return NULL;
}

/* `answers` ends with NULL. */
static inline void fake_metad_start(struct fake_metad *m, const char *const *answers)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;

    memset(m, 0, sizeof *m);
    for (uint32_t i = 0; i < METAD_ANSWERS && answers[i]; i++)
        m->answers[i] = answers[i];
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    m->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(m->listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(m->listener, 4) != 0 ||
        getsockname(m->listener, (struct sockaddr *)&at, &length) != 0 ||
        pthread_create(&m->thread, NULL, fake_metad_serve, m) != 0)
        abort();
    snprintf(m->url, sizeof m->url, "http://127.0.0.1:%u", ntohs(at.sin_port));
}

static inline void fake_metad_stop(struct fake_metad *m)
{
    shutdown(m->listener, SHUT_RDWR);
    pthread_join(m->thread, NULL);
    close(m->listener);
}

#endif
