/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/env/socket_options_test.c — what is asked of the system for a connection, made or
 * taken: a peer without progress is given up (design 14), and little is queued in the socket.
 */
#include "tests/unit/env/rig.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define FILES_MOST 256

static struct rig_counter progress;
static struct net_conn *here, *there;

static void received(struct net_conn *c, const uint8_t *bytes, uint32_t length)
{
    (void)c, (void)bytes, (void)length;
}

static void closed(struct net_conn *c, enum err err)
{
    (void)c, (void)err;
    rig_count(&progress);
}

static const struct net_events events = {.received = received, .closed = closed};

static void accepted(struct net_listener *l, struct net_conn *c)
{
    (void)l;
    c->events = &events;
    there = c;
    rig_count(&progress);
}

static int value(int socket, int level, int option)
{
    int ret = -1;
    socklen_t length = sizeof ret;

    assert_int_equal(getsockopt(socket, level, option, &ret, &length), 0);
    return ret;
}

static bool is_connection(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;

    return getpeername(fd, (struct sockaddr *)&peer, &length) == 0 &&
           (peer.ss_family == AF_INET || peer.ss_family == AF_INET6);
}

static void each_connection_has_its_bounds(void **state)
{
    struct net_listener listener = {.accepted = accepted};
    struct net_address any = {"127.0.0.1:0"};
    bool inherited[FILES_MOST] = {0};
    uint32_t count = 0;

    (void)state;
    for (int fd = 3; fd < FILES_MOST; fd++)
        inherited[fd] = is_connection(fd);
    assert_int_equal(net_listen(rig_env, &any, &listener), E_OK);
    assert_int_equal(net_connect(rig_env, &listener.address, &events, NULL, &here), E_OK);
    rig_run_until(&progress, 1);
    for (int fd = 3; fd < FILES_MOST; fd++) {
        if (inherited[fd] || !is_connection(fd))
            continue;
        assert_int_equal(value(fd, IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(value(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 60000);
        assert_int_equal(value(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
        assert_int_equal(value(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
                             value(fd, IPPROTO_TCP, TCP_KEEPINTVL) *
                                 value(fd, IPPROTO_TCP, TCP_KEEPCNT),
                         60); /* seconds */
        assert_in_range(value(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 1, 128 * 1024);
        count++;
    }
    assert_int_equal(count, 2); /* both ends are ours */
    progress.count = 0;
    net_close(here, false);
    net_close(there, false);
    rig_run_until(&progress, 2);
    net_unlisten(rig_env, &listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_connection_has_its_bounds, rig_setup, rig_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
