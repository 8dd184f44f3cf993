/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/storaged/census_test.c — homes are asked, and what changed meanwhile is asked again.
 */
#include "storaged/census.h"
#include "tests/sim/world/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define BOUND_US 1000000u

struct scene {
    struct sim *sim;
    struct home homes[3]; /* without disks */
    struct census census;
    struct census_wait waits[3];
    uint32_t taken;
};

static struct scene *scene; /* of the test that runs */

static void taken(struct census_wait *w, enum err err)
{
    assert_ptr_equal(w, &scene->waits[scene->taken]); /* in the order of asking */
    assert_int_equal(err, E_OK);
    assert_true(census_fresh(&scene->census));
    scene->taken++;
}

static void take(struct scene *s, uint32_t which)
{
    s->waits[which].taken = taken;
    census_take(&s->census, &s->waits[which]);
}

static int each_new(void **state)
{
    struct scene *s = scene = calloc(1, sizeof *s);

    s->sim = sim_open(1);
    s->homes[0].env = sim_env(s->sim, "home0");
    for (uint32_t i = 1; i < array_length(s->homes); i++)
        s->homes[i].env = sim_env_beside(s->sim, s->homes[0].env, "home");
    s->census = (struct census){.env = s->homes[0].env, .homes = s->homes, .home_count = 3};
    assert_int_equal(census_init(&s->census), E_OK);
    *state = s;
    return 0;
}

static int each_done(void **state)
{
    struct scene *s = *state;

    census_done(&s->census);
    sim_close(s->sim);
    free(s);
    return 0;
}

static bool one_is_taken(void *arg)
{
    return ((struct scene *)arg)->taken == 1;
}

static bool all_are_taken(void *arg)
{
    return ((struct scene *)arg)->taken == array_length(scene->waits);
}

static bool one_has_answered(void *arg)
{
    return ((struct scene *)arg)->census.to_come < array_length(scene->homes);
}

static void a_census_under_which_something_changed_is_taken_anew(void **state)
{
    struct scene *s = *state;

    take(s, 0);
    assert_true(sim_run_until(s->sim, one_has_answered, s, BOUND_US));
    census_changed(&s->census); /* what that home has said may be older */
    assert_true(sim_run_until(s->sim, one_is_taken, s, BOUND_US)); /* … and is fresh then */
    census_changed(&s->census);
    assert_false(census_fresh(&s->census));
}

static bool reports_were_swapped(const struct scene *s, const struct disk_report *told)
{
    return s->census.asked[0].told.disks != told;
}

/* Who asks while one is under way may have changed something that it missed: the next is theirs. */
static void who_asks_meanwhile_waits_for_the_next(void **state)
{
    struct scene *s = *state;
    const struct disk_report *told = s->census.asked[0].told.disks;

    take(s, 0);
    assert_true(sim_run_until(s->sim, one_has_answered, s, BOUND_US));
    take(s, 1);
    take(s, 2);
    assert_true(sim_run_until(s->sim, one_is_taken, s, BOUND_US));
    assert_true(reports_were_swapped(s, told));
    assert_true(sim_run_until(s->sim, all_are_taken, s, BOUND_US));
    assert_false(reports_were_swapped(s, told)); /* one more census for both */
}

static void a_disk_that_nobody_has_told_of_is_not_there(void **state)
{
    struct scene *s = *state;

    take(s, 0);
    assert_true(sim_run_until(s->sim, one_is_taken, s, BOUND_US));
    assert_null(census_disk(&s->census, (struct identity){7}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_census_under_which_something_changed_is_taken_anew,
                                        each_new, each_done),
        cmocka_unit_test_setup_teardown(who_asks_meanwhile_waits_for_the_next, each_new, each_done),
        cmocka_unit_test_setup_teardown(a_disk_that_nobody_has_told_of_is_not_there, each_new,
                                        each_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
