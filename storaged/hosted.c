/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/hosted.c — errands to a volume's home, and news from there.
 *
 * News have one letter.  It goes to control with a copy of what the volume says, and back; what
 * changed meanwhile makes the home send it again.  Once control has heard that the volume is
 * closed it keeps the letter, so that none is under way when the memory is given up: all that the
 * home had sent before has come by then.
 */
#include "storaged/hosted.h"

#include <stdio.h>
#include <string.h>

static struct hosted *hosted_of(struct errand *life)
{
    return container_of(life, struct hosted, life);
}

static void send(struct hosted *h, void (*perform)(struct errand *), void (*done)(struct errand *))
{
    h->life.perform = perform;
    h->life.done = done;
    errand_send(&h->life, h->control, h->home->env);
}

/* ---- news ---- */

static void news_told(struct errand *e)
{
    struct hosted *h = container_of(e, struct hosted, news_mail);

    h->told = h->news;
    if (!h->over)
        errand_end(e);
    h->changed(h);
}

static void news_send(struct hosted *h)
{
    h->news_again = false;
    h->news_under_way = true;
    h->news.serving = volume_serving(h->volume);
    h->news.shards_serving = volume_shards_serving(h->volume);
    snprintf(h->news.why, sizeof h->news.why, "%s", volume_why(h->volume));
    errand_send(&h->news_mail, h->home->env, h->control);
}

static void news_back(struct errand *e)
{
    struct hosted *h = container_of(e, struct hosted, news_mail);

    h->news_under_way = false;
    if (h->news_again)
        news_send(h);
}

static void volume_changed(struct volume_events *events, struct volume *v)
{
    struct hosted *h = container_of(events, struct hosted, events);

    (void)v;
    h->news_again = true;
    if (!h->news_under_way)
        news_send(h);
}

/* ---- open ---- */

static void volume_closed(struct volume_events *events, struct volume *v)
{
    (void)v;
    errand_end(&container_of(events, struct hosted, events)->life);
}

static void open_there(struct errand *life)
{
    struct hosted *h = hosted_of(life);

    h->err =
        volume_open(h->home->env, &h->config, &h->home->arbiter.arbiter, &h->events, &h->volume);
    if (!h->err)
        list_append(&h->home->volumes, &h->link);
    errand_end(life);
}

static void open_done(struct errand *life)
{
    struct hosted *h = hosted_of(life);

    h->block = h->err ? NULL : volume_block(h->volume);
    h->opened(h, h->err);
}

void hosted_open(struct hosted *h)
{
    h->events = (struct volume_events){.changed = volume_changed, .closed = volume_closed};
    h->news_mail = (struct errand){.perform = news_told, .done = news_back};
    send(h, open_there, open_done);
}

/* ---- close, free ---- */

static void close_there(struct errand *life)
{
    volume_close(hosted_of(life)->volume);
}

static void close_done(struct errand *life)
{
    struct hosted *h = hosted_of(life);

    h->over = true;
    h->closed(h);
}

void hosted_close(struct hosted *h)
{
    send(h, close_there, close_done);
}

static void free_there(struct errand *life)
{
    struct hosted *h = hosted_of(life);

    list_remove(&h->link);
    volume_free(h->volume);
    errand_end(life);
}

static void free_done(struct errand *life)
{
    struct hosted *h = hosted_of(life);

    h->freed(h);
}

void hosted_free(struct hosted *h)
{
    send(h, free_there, free_done);
}

/* ---- resize ---- */

static void resized(struct volume_resize *resize, enum err err)
{
    struct hosted_resize *r = container_of(resize, struct hosted_resize, resize);

    r->err = err;
    errand_end(&r->errand);
}

static void resize_there(struct errand *e)
{
    struct hosted_resize *r = container_of(e, struct hosted_resize, errand);

    r->resize = (struct volume_resize){.size_bytes = r->size_bytes,
                                       .shard_count = r->shard_count,
                                       .shards = r->shards,
                                       .done = resized};
    volume_resize(r->hosted->volume, &r->resize);
}

static void resize_done(struct errand *e)
{
    struct hosted_resize *r = container_of(e, struct hosted_resize, errand);

    r->done(r, r->err);
}

void hosted_resize(struct hosted_resize *r)
{
    r->errand = (struct errand){.perform = resize_there, .done = resize_done};
    errand_send(&r->errand, r->hosted->control, r->hosted->home->env);
}

/* ---- drains ---- */

static void drained(struct iscsi_drain *drain)
{
    errand_end(&container_of(drain, struct hosted_drain, drain)->errand);
}

static void drain_there(struct errand *e)
{
    struct hosted_drain *d = container_of(e, struct hosted_drain, errand);

    d->drain = (struct iscsi_drain){.block = d->hosted->block,
                                    .attachment = d->attachment,
                                    .logout_seconds = d->logout_seconds,
                                    .done = drained};
    iscsi_target_drain(d->hosted->home->target, &d->drain);
}

static void drain_done(struct errand *e)
{
    struct hosted_drain *d = container_of(e, struct hosted_drain, errand);

    d->done(d);
}

void hosted_drain(struct hosted_drain *d)
{
    d->errand = (struct errand){.perform = drain_there, .done = drain_done};
    errand_send(&d->errand, d->hosted->control, d->hosted->home->env);
}
