/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/storaged/logins_test.c — everybody who may have a session comes back at once (P14).
 *
 * With the limits of the profiles.  A switch was restarted, say: all connections are gone, and all
 * initiators try in the same instant, before the target has heard that the old connection ended.
 * None may have to try twice: the next try of a real one comes after seconds (libiscsi: 1, 2 and so
 * on; open-iscsi: 3), and then it meets the others again.
 */
#include "storaged/limits.h"
#include "tests/iscsi/fixture.h"
#include "tests/unit/storaged/config_of.h"

#define IN_BY_US 1000000ull

struct comer {
    struct initiator_config config;
    char name[32];
};

static struct comer comers[LAB_INITIATORS];

static bool all_settled(void *lab)
{
    const struct lab *w = lab;

    for (uint32_t n = 0; n < w->initiator_count; n++)
        if (!initiator_settled(w->initiators[n]))
            return false;
    return true;
}

static void log_in_one_by_one(struct lab *w)
{
    for (uint32_t n = 0; n < w->limits.sessions_max; n++) {
        struct comer *c = &comers[n];

        *c = (struct comer){.config = {.name = c->name, .target = LAB_TARGET}};
        snprintf(c->name, sizeof c->name, "iqn.%u", n);
        assert_true(lab_connect(w, &c->config)->full);
    }
}

static void lose_all(struct lab *w)
{
    for (uint32_t n = 0; n < w->initiator_count; n++)
        initiator_close(w->initiators[n]);
    for (uint32_t n = 0; n < w->initiator_count; n++) {
        lab_until(w, initiator_closed, w->initiators[n]);
        initiator_free(w->initiators[n]);
    }
}

static void come(struct lab *w)
{
    const struct net_address *to = iscsi_target_portal(w->target, 0);

    for (uint32_t n = 0; n < w->initiator_count; n++)
        w->initiators[n] = initiator_open(w->initiator_env, &comers[n].config, to);
}

static void none_is_turned_away(struct lab *w)
{
    assert_true(sim_run_until(w->sim, all_settled, w, IN_BY_US));
    for (uint32_t n = 0; n < w->initiator_count; n++)
        assert_true(w->initiators[n]->full);
}

static void all_come_back(struct iscsi_limits limits, bool apart)
{
    struct lab w;

    if (apart)
        lab_open_apart(&w, limits, 1);
    else
        lab_open(&w, limits);
    log_in_one_by_one(&w);
    for (uint32_t times = 0; times < 3; times++) {
        lose_all(&w);
        come(&w);
        none_is_turned_away(&w);
    }
    lab_close(&w);
}

static void to_a_small_node(void **state)
{
    struct node_config c = config_of("small", 1, "4G");

    (void)state;
    all_come_back(limits_of(&c).iscsi, false);
}

static void to_a_node(void **state)
{
    struct node_config c = config_of("node", 1, "1T");

    (void)state;
    all_come_back(limits_of(&c).iscsi, false);
}

/* Each login is handed over to the home of its volume. */
static void to_a_node_with_two_homes(void **state)
{
    struct node_config c = config_of("node", 2, "1T");

    (void)state;
    c.reactors = 2;
    all_come_back(limits_of(&c).iscsi_beside, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_a_small_node),
        cmocka_unit_test(to_a_node),
        cmocka_unit_test(to_a_node_with_two_homes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
