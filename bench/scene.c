/* SPDX-License-Identifier: Apache-2.0 */
/* bench/scene.c — a reactor, a file, a store; calls that wait for their answer. */
#include "bench/bench.h"

#include <stdio.h>

#define QUIET_US 200000u

static const struct identity scene_disk = {0xd15cbe7c4};

void scene_over(struct scene *s, enum err err)
{
    s->err = err;
    s->over = true;
    reactor_stop(s->reactor);
}

enum err scene_await(struct scene *s)
{
    while (!s->over)
        reactor_run(s->reactor);
    s->over = false;
    return s->err;
}

/* ---- quiet ---- */

struct quiet {
    struct timer timer;
    struct scene *scene;
    uint64_t requests;
};

static void look(struct timer *t)
{
    struct quiet *q = container_of(t, struct quiet, timer);

    if (q->requests == q->scene->meter.requests) {
        scene_over(q->scene, E_OK);
        return;
    }
    q->requests = q->scene->meter.requests;
    timer_start(&q->scene->env->clock, t, QUIET_US, look);
}

void scene_settle(struct scene *s)
{
    struct quiet q = {.scene = s, .requests = s->meter.requests};

    timer_start(&s->env->clock, &q.timer, QUIET_US, look);
    (void)scene_await(s);
}

/* ---- the file ---- */

enum err scene_open(struct scene *s, const char *path, uint64_t store_bytes, uint64_t file_bytes)
{
    struct reactor_config config = reactor_config_default();
    const char *text = "";
    enum err err;

    *s = (struct scene){0};
    err = reactor_open(&config, &log_stderr, &s->reactor, &text);
    if (!err) {
        s->env = reactor_env(s->reactor);
        err = disk_open(s->env, path, file_bytes, &s->file);
        text = path;
    }
    if (err) {
        snprintf(s->why, sizeof s->why, "%.80s: %.60s", text, err_text(err));
        return err;
    }
    meter_open(&s->meter, s->file, store_bytes);
    return E_OK;
}

void scene_close(struct scene *s)
{
    if (s->file)
        disk_close(&s->meter.disk);
    reactor_close(s->reactor);
    *s = (struct scene){0};
}

/* ---- the store ---- */

static void formatted(struct store_format *f, enum err err)
{
    scene_over(f->own, err);
}

enum err scene_format(struct scene *s, uint64_t journal_bytes)
{
    struct store_format f = {.env = s->env,
                             .disk = &s->meter.disk,
                             .identity = scene_disk,
                             .journal_bytes = journal_bytes,
                             .done = formatted,
                             .own = s};

    store_format(&f);
    (void)scene_await(s);
    s->meter.learning = false;
    return s->err;
}

static void changed(struct store_change *c, enum err err)
{
    scene_over(c->own, err);
}

static enum err change(struct scene *s, struct store_change *c)
{
    c->done = changed;
    c->own = s;
    store_change(s->store, c);
    return scene_await(s);
}

static enum err make(struct scene *s, uint64_t blocks)
{
    struct store_change c = {.kind = STORE_MAKE,
                             .identity = {SCENE_REPLICA.bits + s->added},
                             .volume = SCENE_VOLUME,
                             .size_blocks = blocks};
    enum err err = change(s, &c);

    s->replica = c.replica;
    s->seq = s->answered_seq = 0;
    return err;
}

static void opened(struct store_open *o, enum err err)
{
    scene_over(o->own, err);
}

enum err scene_start(struct scene *s, const struct store_limits *limits, uint64_t replica_blocks)
{
    struct store_open o = {
        .env = s->env, .disk = &s->meter.disk, .limits = *limits, .done = opened, .own = s};
    struct store_facts facts;
    enum err err;

    store_open(&o);
    err = scene_await(s);
    if (err) {
        snprintf(s->why, sizeof s->why, "%s", o.why);
        return err;
    }
    s->store = o.store;
    s->replica = store_find(s->store, SCENE_REPLICA);
    if (!s->replica)
        return make(s, replica_blocks);
    store_facts(s->replica, &facts);
    s->seq = s->answered_seq = facts.last_seq;
    return E_OK;
}

static void closed(struct store_close *c)
{
    scene_over(c->own, E_OK);
}

enum err scene_stop(struct scene *s)
{
    struct store_close c = {.done = closed, .own = s};

    store_close(s->store, &c);
    s->store = NULL;
    s->replica = NULL;
    return scene_await(s);
}

enum err scene_renew(struct scene *s, uint64_t replica_blocks)
{
    struct store_change c = {.kind = STORE_DELETE, .replica = s->replica};
    enum err err = change(s, &c);

    return err ? err : make(s, replica_blocks);
}

enum err scene_add(struct scene *s, uint64_t replica_blocks)
{
    s->added++;
    return make(s, replica_blocks);
}
