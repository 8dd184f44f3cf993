/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/portal.c — where the target listens. */
#include "iscsi-target/portal.h"

static void accepted(struct net_listener *listener, struct net_conn *net)
{
    struct portal *p = container_of(listener, struct portal, listener);

    connection_accept(p->target, net);
}

enum err portals_open(struct iscsi_target *t, const struct iscsi_config *config,
                      uint32_t *reterr_portal)
{
    struct env *e = t->env;

    for (uint32_t i = 0; i < config->portal_count; i++) {
        struct portal *p = &t->portals[i];
        enum err err;

        p->target = t;
        p->listener.accepted = accepted;
        p->listener.owner = t;
        err = e->ops->listen(e, &config->portals[i], &p->listener);
        if (err) {
            *reterr_portal = i;
            return err;
        }
        t->portal_count++;
    }
    return E_OK;
}

void portals_close(struct iscsi_target *t)
{
    while (t->portal_count > 0)
        t->env->ops->unlisten(t->env, &t->portals[--t->portal_count].listener);
}

const struct net_address *iscsi_target_portal(const struct iscsi_target *t, uint32_t index)
{
    return &t->portals[index].listener.address;
}
