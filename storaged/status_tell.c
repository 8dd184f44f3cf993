/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/status_tell.c — the questions: memory is taken by the asker, filled by the reactor. */
#include "storaged/status_tell.h"

#include <stdlib.h>
#include <string.h>

static void tell_volume(const struct node_volume *v, struct told_volume *ret)
{
    ret->volume = v->volume;
    memcpy(ret->name, v->name, sizeof ret->name);
    ret->bytes = v->bytes;
    ret->epoch = v->epoch;
    ret->shards = volume_shards(v->bytes);
    ret->serving = v->closing ? 0 : volume_shards_serving(v->v);
    volume_count(v->v, &ret->counts);
}

static void volumes_asked(void *memory)
{
    struct told_volumes *told = memory;

    told->at_us = now_us(&told->of->env->clock);
    list_for_each(l, &told->of->open) {
        const struct node_volume *v = container_of(l, struct node_volume, link);

        if (v->v && told->count < told->max)
            tell_volume(v, &told->volumes[told->count++]);
    }
}

struct told_volumes *tell_volumes(struct status_node *n, const struct status_home *home)
{
    uint32_t max = home->volumes->limits->volumes_max;
    struct told_volumes *told = calloc(1, sizeof *told + max * sizeof told->volumes[0]);

    if (!told)
        return NULL;
    told->of = home->volumes;
    told->max = max;
    return ask(&n->asks, home->env, volumes_asked, told) ? told : NULL;
}

static void sessions_asked(void *memory)
{
    struct told_sessions *told = memory;
    uint32_t there = iscsi_target_tell(told->of, told->sessions, told->max);

    told->at_us = now_us(&told->env->clock);
    told->count = min_u32(there, told->max);
}

struct told_sessions *tell_sessions(struct status_node *n, const struct status_home *home)
{
    uint32_t max = home->volumes->limits->iscsi.sessions_max;
    struct told_sessions *told = calloc(1, sizeof *told + max * sizeof told->sessions[0]);

    if (!told)
        return NULL;
    told->of = home->target;
    told->env = home->env;
    told->max = max;
    return ask(&n->asks, home->env, sessions_asked, told) ? told : NULL;
}
