/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/ram_target.c — the real target on the real loop over memory, for real initiators:
 *
 *   ram_target [--reactors 2] [MiB [block bytes [read-only 0|1 [user secret [mutual-user
 * mutual-secret]]]]]
 *
 * Prints its URL (the port is a free one; with a user, who and what it asks for by CHAP) and serves
 * until SIGTERM or SIGINT.  With two reactors the block has the second one, and every login is
 * handed over.
 */
#include "env/uring/reactor.h"
#include "tests/iscsi/ram_block.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct reactor *reactor;

static void stop(int number)
{
    (void)number;
    reactor_stop(reactor); /* NOLINT(bugprone-signal-handler,cert-sig30-c): it is made for that */
}

static void stop_on_close(struct iscsi_close *c)
{
    (void)c;
    reactor_stop(reactor);
}

static uint64_t argument(int argc, char **argv, int which, uint64_t otherwise)
{
    return argc > which ? strtoull(argv[which], NULL, 10) : otherwise;
}

static void text_argument(int argc, char **argv, int which, char *ret)
{
    if (argc > which)
        snprintf(ret, ISCSI_CHAP_MAX, "%s", argv[which]);
}

static void print_url(const struct ram_directory *d)
{
    const struct iscsi_chap *c = &d->answer.chap;

    if (c->user[0])
        printf("iscsi://%s%%%s@%s/%s/0\n", c->user, c->secret, d->portal, d->target);
    else
        printf("iscsi://%s/%s/0\n", d->portal, d->target);
    fflush(stdout);
}

/* ---- the second reactor: with the block, without a portal ---- */

static struct {
    struct reactor *reactor;
    struct iscsi_target *target;
    struct iscsi_close close;
    struct mail letter;
    pthread_t thread;
} home;

static void *home_run(void *argument)
{
    reactor_run(argument);
    return NULL;
}

static void home_closed(struct iscsi_close *c)
{
    (void)c;
    reactor_stop(home.reactor);
}

static void home_close(struct mail *m)
{
    (void)m;
    home.close.done = home_closed;
    iscsi_target_close(home.target, &home.close);
}

static bool home_open(const struct reactor_config *config)
{
    struct iscsi_config none = {.portal_group_tag = 1, .limits = iscsi_limits_small()};
    const char *text = NULL;
    uint32_t portal;

    return reactor_open(config, &log_stderr, &home.reactor, &text) == E_OK &&
           iscsi_target_open(reactor_env(home.reactor), &none, NULL, &home.target, &portal) == E_OK;
}

/* The portal's target is closed: nothing is on its way any more. */
static void home_end(void)
{
    home.letter.opened = home_close;
    mail_send(reactor_env(home.reactor), &home.letter);
    pthread_join(home.thread, NULL);
    iscsi_target_free(home.target);
}

/* ---- the first ---- */

static struct iscsi_target *serve(struct env *env, struct ram_directory *directory)
{
    struct iscsi_config config = {.portals = {{"127.0.0.1:0"}},
                                  .portal_count = 1,
                                  .portal_group_tag = 1,
                                  .limits = iscsi_limits_small()};
    struct iscsi_target *target;
    uint32_t portal;
    enum err err = iscsi_target_open(env, &config, &directory->directory, &target, &portal);

    if (err) {
        fprintf(stderr, "ram_target: portal %u: %s\n", portal, err_text(err));
        return NULL;
    }
    directory->portal = iscsi_target_portal(target, 0)->text;
    print_url(directory);
    return target;
}

int main(int argc, char **argv)
{
    static struct ram_block block;
    static char name[ISCSI_NAME_MAX];
    struct reactor_config config = reactor_config_default();
    struct ram_directory directory;
    struct iscsi_target *target;
    struct iscsi_close closing = {.done = stop_on_close};
    bool two = argc > 2 && strcmp(argv[1], "--reactors") == 0 && strcmp(argv[2], "2") == 0;
    const char *text = NULL;

    if (two) {
        argc -= 2;
        argv += 2;
    }
    if (reactor_open(&config, &log_stderr, &reactor, &text)) {
        fprintf(stderr, "ram_target: %s\n", text);
        return 1;
    }
    if (two && !home_open(&config))
        return 1;
    if (ram_block_open(reactor_env(two ? home.reactor : reactor),
                       argument(argc, argv, 1, 256) << 20, &block))
        return 1;
    block.block.logical_block_bytes = (uint32_t)argument(argc, argv, 2, UNIT_BYTES);
    iscsi_target_name(ISCSI_PREFIX, block.block.identity, name);
    ram_directory_init(&directory, &block, name);
    directory.answer.home = home.target;
    directory.answer.read_only = argument(argc, argv, 3, 0) != 0;
    text_argument(argc, argv, 4, directory.answer.chap.user);
    text_argument(argc, argv, 5, directory.answer.chap.secret);
    text_argument(argc, argv, 6, directory.answer.chap.mutual_user);
    text_argument(argc, argv, 7, directory.answer.chap.mutual_secret);
    target = serve(reactor_env(reactor), &directory);
    if (!target)
        return 1;
    if (two && pthread_create(&home.thread, NULL, home_run, home.reactor))
        return 1;
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    reactor_run(reactor);
    iscsi_target_close(target, &closing);
    reactor_run(reactor);
    iscsi_target_free(target);
    if (two)
        home_end();
    ram_block_close(&block);
    return 0;
}
