/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/storaged/watchdog_test.c — all homes turn, or nothing is said. */
#include "storaged/watchdog.h"
#include "tests/sim/world/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define EVERY_US 15000000u
#define PERIODS  10u

struct scene {
    struct sim *sim;
    struct home list[3];
    struct homes homes;
    struct watchdog watchdog;
    uint32_t said;
};

static void turned(struct watchdog *w)
{
    container_of(w, struct scene, watchdog)->said++;
}

/* Each home is a process here, so that one can stand still for ever: it is dead. */
static struct scene *scene_open(uint32_t homes)
{
    struct scene *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->sim = sim_open(1);
    for (uint32_t i = 0; i < homes; i++)
        s->list[i].env = sim_env(s->sim, "home");
    s->homes = (struct homes){.list = s->list, .count = homes};
    s->watchdog = (struct watchdog){.homes = &s->homes, .every_us = EVERY_US, .turned = turned};
    watchdog_start(&s->watchdog);
    return s;
}

static void scene_close(struct scene *s)
{
    sim_close(s->sim);
    free(s);
}

/* How often it was said meanwhile. */
static uint32_t said_in(struct scene *s, uint32_t periods)
{
    uint32_t before = s->said;

    sim_run_for(s->sim, (uint64_t)periods * EVERY_US);
    return s->said - before;
}

static void it_is_said_as_long_as_all_turn(void **state)
{
    (void)state;
    for (uint32_t homes = 1; homes <= 3; homes++) {
        struct scene *s = scene_open(homes);

        assert_in_range(said_in(s, PERIODS), PERIODS - 1, PERIODS);
        watchdog_stop(&s->watchdog);
        assert_int_equal(said_in(s, PERIODS), 0);
        scene_close(s);
    }
}

static void one_that_stands_still_is_enough(void **state)
{
    (void)state;
    for (uint32_t still = 0; still < 3; still++) {
        struct scene *s = scene_open(3);

        assert_true(said_in(s, PERIODS) > 0);
        sim_crash(s->sim, s->list[still].env, SIM_KILLED);
        assert_int_equal(said_in(s, PERIODS), 0);
        scene_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_said_as_long_as_all_turn),
        cmocka_unit_test(one_that_stands_still_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
