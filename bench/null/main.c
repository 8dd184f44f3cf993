/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/null/main.c — null_target: the real target on the real loop over a block that answers at
 * once.  Prints `address:port/target/lun` (the port is a free one) and serves until SIGTERM.
 * bench/first --null loads it.
 */
#include "bench/null/null_block.h"
#include "env/uring/reactor.h"

#include <signal.h>
#include <stdio.h>

#define SIZE_BYTES (UINT64_C(4) << 30)

static struct reactor *reactor;

static void stop(int number)
{
    (void)number;
    reactor_stop(reactor); /* NOLINT(bugprone-signal-handler,cert-sig30-c): it is made for that */
}

static void closed(struct iscsi_close *c)
{
    (void)c;
    reactor_stop(reactor);
}

static struct iscsi_target *serve(struct env *env, struct null_directory *directory)
{
    struct iscsi_config config = {.portals = {{"127.0.0.1:0"}},
                                  .portal_count = 1,
                                  .portal_group_tag = 1,
                                  .limits = iscsi_limits_small()};
    struct iscsi_target *target;
    uint32_t portal;
    enum err err = iscsi_target_open(env, &config, &directory->directory, &target, &portal);

    if (err) {
        fprintf(stderr, "null_target: %s\n", err_text(err));
        return NULL;
    }
    directory->portal = iscsi_target_portal(target, 0)->text;
    printf("%s/%s/0\n", directory->portal, directory->target);
    fflush(stdout);
    return target;
}

int main(void)
{
    static struct null_block block;
    static struct null_directory directory;
    struct reactor_config config = reactor_config_default();
    struct iscsi_close closing = {.done = closed};
    struct iscsi_target *target;
    const char *text = NULL;

    if (reactor_open(&config, &log_stderr, &reactor, &text)) {
        fprintf(stderr, "null_target: %s\n", text);
        return 1;
    }
    null_block_init(reactor_env(reactor), SIZE_BYTES, &block);
    null_directory_init(&directory, &block);
    target = serve(reactor_env(reactor), &directory);
    if (!target)
        return 1;
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    reactor_run(reactor);
    iscsi_target_close(target, &closing);
    reactor_run(reactor);
    iscsi_target_free(target);
    return 0;
}
