/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/homes.c — an errand to each home, and a count of those that have not come back. */
#include "storaged/homes.h"

#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static enum err home_open(struct homes *h, uint32_t number, const struct limits *limits,
                          const char **reterr_text)
{
    struct home *home = &h->list[number];
    const struct reactor_config *config = number ? &limits->beside : &limits->reactor;
    enum err err;

    home->all = h;
    home->number = number;
    list_init(&home->volumes);
    err = reactor_open(config, &log_stderr, &home->reactor, reterr_text);
    if (err)
        return err;
    home->env = reactor_env(home->reactor);
    h->count++;
    return E_OK;
}

enum err homes_open(struct homes *h, const struct node_config *config, const struct limits *limits,
                    const char **reterr_text)
{
    enum err err = E_OK;

    *h = (struct homes){.config = config, .limits = limits};
    h->list = calloc(limits->homes, sizeof *h->list);
    *reterr_text = "no memory";
    if (!h->list)
        return E_NO_MEMORY;
    while (h->count < limits->homes && !err)
        err = home_open(h, h->count, limits, reterr_text);
    return err;
}

uint64_t homes_bytes(const struct homes *h)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < h->count; i++)
        bytes += reactor_bytes(h->list[i].reactor);
    return bytes;
}

static void *turn(void *reactor)
{
    reactor_run(reactor);
    return NULL;
}

enum err homes_turn(struct homes *h)
{
    for (uint32_t i = 1; i < h->count; i++) {
        struct home *home = &h->list[i];
        int failed = pthread_create(&home->thread, NULL, turn, home->reactor);

        if (failed)
            return err_of_errno(failed);
        home->turns = true;
    }
    return E_OK;
}

/* ---- what all are asked ---- */

static void came_back(struct errand *e)
{
    struct homes *h = container_of(e, struct home, errand)->all;

    if (--h->to_come == 0)
        h->done(h);
}

/* From home `first` on; the caller sees to it that there is one. */
static void ask(struct homes *h, uint32_t first, void (*perform)(struct errand *),
                void (*done)(struct homes *))
{
    h->done = done;
    h->to_come = h->count - first;
    for (uint32_t i = first; i < h->count; i++) {
        h->list[i].errand = (struct errand){.perform = perform, .done = came_back};
        errand_send(&h->list[i].errand, h->list[0].env, h->list[i].env);
    }
}

static void disks_done(struct node_disks *d)
{
    errand_end(&container_of(d, struct home, disks)->errand);
}

/* Without portals it takes what is handed over to it. */
static enum err target_open(struct home *home)
{
    struct iscsi_config config = {.portal_group_tag = 1, .limits = home->all->limits->iscsi_beside};
    uint32_t none;

    return iscsi_target_open(home->env, &config, NULL, &home->target, &none);
}

static void fill_there(struct errand *e)
{
    struct home *home = container_of(e, struct home, errand);
    uint32_t homes = home->all->count;
    struct disks_share share = {(home->number + homes - 1) % homes, homes, &home->all->same};

    home->err = home->number > 0 ? target_open(home) : E_OK;
    disks_open(&home->disks, home->env, home->all->config, share, disks_done);
}

void homes_fill(struct homes *h, void (*done)(struct homes *))
{
    same_disks_find(h->config, &h->same);
    ask(h, 0, fill_there, done);
}

enum err homes_err(const struct homes *h)
{
    enum err err = E_OK;

    for (uint32_t i = 0; i < h->count && !err; i++)
        err = h->list[i].err;
    return err;
}

static void disks_stop_there(struct mail *m)
{
    disks_stop(&container_of(m, struct home, stop)->disks);
}

void homes_disks_stop(struct homes *h)
{
    for (uint32_t i = 0; i < h->count; i++) {
        h->list[i].stop.opened = disks_stop_there;
        mail_send(h->list[i].env, &h->list[i].stop);
    }
}

uint32_t homes_disks_opened(const struct homes *h)
{
    uint32_t opened = 0;

    for (uint32_t i = 0; i < h->count; i++)
        opened += disks_opened(&h->list[i].disks);
    return opened;
}

static void target_closed(struct iscsi_close *c)
{
    errand_end(&container_of(c, struct home, close)->errand);
}

static void target_close_there(struct errand *e)
{
    struct home *home = container_of(e, struct home, errand);

    home->close.done = target_closed;
    if (home->target)
        iscsi_target_close(home->target, &home->close);
    else
        errand_end(e);
}

void homes_targets_close(struct homes *h, void (*done)(struct homes *))
{
    if (h->count > 1)
        ask(h, 1, target_close_there, done);
    else
        done(h);
}

static void disks_close_there(struct errand *e)
{
    struct home *home = container_of(e, struct home, errand);

    disks_close(&home->disks, disks_done);
}

void homes_disks_close(struct homes *h, void (*done)(struct homes *))
{
    ask(h, 0, disks_close_there, done);
}

/* ---- the end ---- */

static void home_stop(struct home *home)
{
    if (!home->turns)
        return;
    reactor_stop(home->reactor);
    pthread_join(home->thread, NULL);
}

/* A thread may still be ringing at another home whose letter was opened long ago: first all end. */
void homes_close(struct homes *h)
{
    for (uint32_t i = 0; i < h->count; i++)
        home_stop(&h->list[i]);
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->list[i].target)
            iscsi_target_free(h->list[i].target);
        reactor_close(h->list[i].reactor);
    }
    free(h->list);
    h->list = NULL;
}
