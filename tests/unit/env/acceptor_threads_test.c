/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/env/acceptor_threads_test.c — who connects is accepted, but not more than there may
 * be, and nobody is lost when handles are short.
 */
#include "base/util.h"
#include "env/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 60
#define MOST       2u

struct door {
    struct acceptor acceptor;
    int in[2];   /* the sockets that were accepted */
    int said[2]; /* a byte for each line           */
    struct sockaddr_in at;
};

static struct door door;

static void line_said(struct log *log, enum log_level level, const char *line)
{
    (void)log;
    (void)level;
    assert_non_null(strstr(line, "test connections_wait"));
    assert_int_equal(write(door.said[1], "x", 1), 1);
}

static struct log says = {.write = line_said};

static void take(struct acceptor *a, int socket, const struct sockaddr *from, socklen_t length)
{
    assert_int_equal(from->sa_family, AF_INET);
    assert_int_equal(length, sizeof(struct sockaddr_in));
    acceptor_begun(a);
    assert_int_equal(write(door.in[1], &socket, sizeof socket), sizeof socket);
}

static int setup(void **state)
{
    socklen_t length = sizeof door.at;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)state;
    alarm(PATIENCE_S);
    door = (struct door){.at = {.sin_family = AF_INET}};
    door.at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(pipe(door.in), 0);
    assert_int_equal(pipe(door.said), 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&door.at, sizeof door.at), 0);
    assert_int_equal(listen(listening, 16), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&door.at, &length), 0);
    door.acceptor = (struct acceptor){
        .log = &says, .subject = "test", .listening = listening, .most = MOST, .accepted = take};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    acceptor_stop(&door.acceptor);
    acceptor_close(&door.acceptor);
    close(door.acceptor.listening);
    for (int i = 0; i < 2; i++) {
        close(door.in[i]);
        close(door.said[i]);
    }
    alarm(0);
    return 0;
}

static int client(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void dial(int client)
{
    assert_int_equal(connect(client, (struct sockaddr *)&door.at, sizeof door.at), 0);
}

static int accepted(void)
{
    int socket = -1;

    assert_int_equal(read(door.in[0], &socket, sizeof socket), sizeof socket);
    return socket;
}

static bool is_there(int pipe)
{
    struct pollfd p = {.fd = pipe, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void as_many_as_there_may_be(void **state)
{
    int clients[2 * MOST], served[2 * MOST];

    (void)state;
    assert_int_equal(acceptor_start(&door.acceptor), E_OK);
    for (uint32_t i = 0; i < 2 * MOST; i++) {
        clients[i] = client();
        dial(clients[i]); /* the queue has room for him */
    }
    for (uint32_t i = 0; i < 2 * MOST; i++) {
        if (i >= MOST) {
            assert_false(is_there(door.in[0]));
            acceptor_gone(&door.acceptor);
        }
        served[i] = accepted();
    }
    for (uint32_t i = 0; i < 2 * MOST; i++) {
        close(clients[i]);
        close(served[i]);
    }
}

static rlim_t lowest_free(void)
{
    int fd = dup(0);

    close(fd);
    return (rlim_t)fd;
}

static void who_comes_without_handles_waits(void **state)
{
    int clients[] = {client(), client()};
    struct rlimit before, none;
    char byte;

    (void)state;
    assert_int_equal(acceptor_start(&door.acceptor), E_OK);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = lowest_free(); /* poll() goes on with what there is */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    dial(clients[0]);
    assert_int_equal(read(door.said[0], &byte, 1), 1);
    dial(clients[1]);
    assert_false(is_there(door.in[0]));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (uint32_t i = 0; i < array_length(clients); i++) {
        close(accepted());
        close(clients[i]);
    }
    assert_false(is_there(door.said[0])); /* once */
}

static void nobody_is_accepted_after_the_stop(void **state)
{
    int late = client();

    (void)state;
    assert_int_equal(acceptor_start(&door.acceptor), E_OK);
    acceptor_stop(&door.acceptor);
    dial(late);
    acceptor_gone(&door.acceptor); /* of the library, still */
    assert_false(is_there(door.in[0]));
    close(late);
}

static void a_shortage_is_said_once_a_minute(void **state)
{
    struct shortage s = {0};
    char bytes[8];

    (void)state;
    for (uint64_t ms = 1; ms < 119000; ms += SHORTAGE_AGAIN_MS)
        shortage_met(&s, ms % 200 == 1 ? EMFILE : ENFILE, ms * 1000, &says, "test");
    assert_int_equal(read(door.said[0], bytes, sizeof bytes), 2);
    s = (struct shortage){0};
    shortage_met(&s, ECONNABORTED, 1, &says, "test");
    assert_false(is_there(door.said[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_as_there_may_be, setup, teardown),
        cmocka_unit_test_setup_teardown(who_comes_without_handles_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_accepted_after_the_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(a_shortage_is_said_once_a_minute, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
