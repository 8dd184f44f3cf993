/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/status_tell.c — the questions: memory is taken by the asker, filled by the reactor. */
#include "storaged/status_tell.h"

#include "storaged/hosted.h"

#include <stdlib.h>
#include <string.h>

static void tell_volume(const struct hosted *h, struct told_volume *ret)
{
    ret->volume = h->config.identity;
    memcpy(ret->name, h->config.name, sizeof ret->name);
    ret->bytes = volume_block(h->volume)->size_units * UNIT_BYTES;
    ret->epoch = h->epoch;
    ret->shards = volume_shards(ret->bytes);
    ret->serving = volume_shards_serving(h->volume);
    volume_count(h->volume, &ret->counts);
}

static void volumes_asked(void *memory)
{
    struct told_volumes *told = memory;

    told->at_us = now_us(&told->of->env->clock);
    list_for_each(l, &told->of->volumes)
        if (told->count < told->max)
            tell_volume(container_of(l, struct hosted, link), &told->volumes[told->count++]);
}

struct told_volumes *tell_volumes(struct status_node *n, const struct home *home)
{
    uint32_t max = n->limits->volumes_max;
    struct told_volumes *told = calloc(1, sizeof *told + max * sizeof told->volumes[0]);

    if (!told)
        return NULL;
    told->of = home;
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

struct told_sessions *tell_sessions(struct status_node *n, const struct home *home)
{
    uint32_t max = n->limits->iscsi.sessions_max;
    struct told_sessions *told = calloc(1, sizeof *told + max * sizeof told->sessions[0]);

    if (!told)
        return NULL;
    told->of = home->target;
    told->env = home->env;
    told->max = max;
    return ask(&n->asks, home->env, sessions_asked, told) ? told : NULL;
}
