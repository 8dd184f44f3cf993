/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/env/rig.h — a real reactor for one test, run until something is so.
 *
 * A wait that does not end is ended by the test's own alarm, which fails it: no test asserts how
 * long something took.
 */
#ifndef TESTS_UNIT_ENV_RIG_H
#define TESTS_UNIT_ENV_RIG_H

#include "env/uring/reactor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RIG_PATIENCE_S 60

static struct reactor *rig_reactor;
static struct env *rig_env;

static inline void rig_open(const struct reactor_config *config)
{
    const char *text = "no text";
    enum err err = reactor_open(config, &log_stderr, &rig_reactor, &text);

    if (err)
        print_error("%s: %s\n", err_name(err), text);
    assert_int_equal(err, E_OK);
    rig_env = reactor_env(rig_reactor);
}

static inline int rig_setup(void **state)
{
    struct reactor_config config = reactor_config_default();

    (void)state;
    alarm(RIG_PATIENCE_S);
    rig_open(&config);
    return 0;
}

static inline int rig_teardown(void **state)
{
    (void)state;
    reactor_close(rig_reactor);
    alarm(0);
    return 0;
}

/* Runs until somebody calls rig_stop(), in this run or before it. */
static inline void rig_run(void)
{
    reactor_run(rig_reactor);
}

static inline void rig_stop(void)
{
    reactor_stop(rig_reactor);
}

/* The loop goes on until a counter that a handler raises with rig_count() has reached `wanted`. */
struct rig_counter {
    uint32_t count, wanted;
};

static inline void rig_count(struct rig_counter *c)
{
    c->count++;
    if (c->count == c->wanted)
        rig_stop();
}

static inline void rig_run_until(struct rig_counter *c, uint32_t wanted)
{
    c->wanted = wanted;
    if (c->count < wanted)
        rig_run();
    assert_true(c->count >= wanted);
}

#endif
