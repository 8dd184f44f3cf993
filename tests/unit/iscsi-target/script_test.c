/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/script_test.c — the rules of RFC 7143, each once kept and once broken,
 * and the probe of iscsi.md 5.2.  After each another session works, and a new one logs in.
 */
#include "tests/iscsi/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* In the same world, one after another: what one leaves behind would spoil the next. */
static void play(const struct script *scripts)
{
    struct initiator_request clear = {.length = 0};
    struct initiator *other;
    uint32_t failed = 0;
    struct lab w;

    lab_begin(&w);
    other = lab_ready(&w, "iqn.other", 1);
    for (const struct script *s = scripts; s->lines; s++) {
        failed += !script_play(&w, s);
        sim_run_for(w.sim, 100000);
        if (!other->net) /* TARGET COLD RESET ends its session, too */
            other = lab_ready(&w, "iqn.other", 1);
        clear = (struct initiator_request){.length = 0};
        lab_run(&w, other, &clear); /* a reset leaves a unit attention */
        lab_alive(&w, other);
    }
    assert_int_equal(failed, 0);
    lab_close(&w);
}

static void rules_of_the_login(void **state)
{
    (void)state;
    play(login_scripts);
}

static void rules_of_full_feature_phase(void **state)
{
    (void)state;
    play(full_feature_scripts);
}

static bool has_way(const struct script *scripts, const struct script *rule, enum script_way way)
{
    for (const struct script *s = scripts; s->lines; s++)
        if (s->way == way && strcmp(s->section, rule->section) == 0 &&
            strcmp(s->rule, rule->rule) == 0)
            return true;
    return false;
}

static void each_rule_is_kept_and_broken(void **state)
{
    const struct script *const tables[] = {login_scripts, full_feature_scripts};

    (void)state;
    for (uint32_t n = 0; n < 2; n++)
        for (const struct script *s = tables[n]; s->lines; s++)
            if (!has_way(tables[n], s, KEPT) || !has_way(tables[n], s, BROKEN))
                fail_msg("%s, %s: one way only", s->section, s->rule);
}

/* Each of the probe's on a connection of its own, then a login as a life check. */
static void the_probe_hurts_nobody(void **state)
{
    uint32_t before = 0, after = 0;
    struct initiator *other;
    struct lab w;

    (void)state;
    lab_begin(&w);
    other = lab_ready(&w, "iqn.other", 1);
    for (const struct script *s = probe_scripts; s->lines; s++) {
        struct initiator *life;

        before += !s->login;
        after += s->login != NULL;
        assert_true(script_play(&w, s));
        life = lab_ready(&w, "iqn.life", 2);
        lab_alive(&w, life);
        lab_part(&w, life);
        lab_alive(&w, other);
    }
    assert_int_equal(before, 22);
    assert_int_equal(after, 23);
    lab_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_the_login),
        cmocka_unit_test(rules_of_full_feature_phase),
        cmocka_unit_test(each_rule_is_kept_and_broken),
        cmocka_unit_test(the_probe_hurts_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
