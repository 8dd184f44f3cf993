/* SPDX-License-Identifier: Apache-2.0 */
/* A metad and one node that does what the records want. */
#ifndef TESTS_UNIT_CONTROL_CLUSTER_H
#define TESTS_UNIT_CONTROL_CLUSTER_H

#include "tests/unit/control/node.h"

struct cluster {
    struct metad *metad;
    struct node node;
};

static inline int cluster_setup(void **state)
{
    struct cluster *c = calloc(1, sizeof *c);

    metad_setup((void **)&c->metad);
    node_start(&c->node, c->metad, 0xa1, "n1");
    *state = c;
    return 0;
}

static inline int cluster_teardown(void **state)
{
    struct cluster *c = *state;

    node_stop(&c->node);
    metad_teardown((void **)&c->metad);
    free(c);
    return 0;
}

static inline void expect_status(struct reply r, int status)
{
    if (r.status != status)
        fail_msg("%d instead of %d: %s", r.status, status, text_of(&r, "detail"));
    reply_done(&r);
}

#endif
