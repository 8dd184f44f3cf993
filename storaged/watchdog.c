/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/watchdog.c — from home to home, and back to the first. */
#include "storaged/watchdog.h"

static void arrived(struct mail *m);

static struct clock *clock_of(struct watchdog *w)
{
    return &w->homes->list[0].env->clock;
}

static void pass_on(struct watchdog *w)
{
    w->at = (w->at + 1) % w->homes->count;
    w->letter.opened = arrived;
    mail_send(w->homes->list[w->at].env, &w->letter);
}

static void due(struct timer *t)
{
    pass_on(container_of(t, struct watchdog, timer));
}

static void arrived(struct mail *m)
{
    struct watchdog *w = container_of(m, struct watchdog, letter);

    if (w->at > 0) {
        pass_on(w);
        return;
    }
    w->turned(w);
    timer_start(clock_of(w), &w->timer, w->every_us, due);
}

void watchdog_start(struct watchdog *w)
{
    w->at = 0;
    pass_on(w);
}

void watchdog_stop(struct watchdog *w)
{
    timer_stop(clock_of(w), &w->timer);
}
