/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/arbiter_door.c — a change of a set goes to the arbiter, and its answer comes back. */
#include "storaged/arbiter.h"

static void opened_at_home(struct mail *m)
{
    struct set_change *c = container_of(m, struct set_change, mail);

    c->done(c, c->answer);
}

static void answered(struct set_change *c, enum err err)
{
    const struct arbiter_door *d = c->carrier;

    c->answer = err;
    c->done = c->asker;
    c->mail.opened = opened_at_home;
    mail_send(d->home, &c->mail);
}

static void opened_at_arbiter(struct mail *m)
{
    struct set_change *c = container_of(m, struct set_change, mail);
    const struct arbiter_door *d = c->carrier;

    c->asker = c->done;
    c->done = answered;
    d->behind->arbiter.change(&d->behind->arbiter, c);
}

static void change(struct arbiter *arbiter, struct set_change *c)
{
    struct arbiter_door *d = container_of(arbiter, struct arbiter_door, arbiter);

    c->carrier = d;
    c->mail.opened = opened_at_arbiter;
    mail_send(d->behind->env, &c->mail);
}

void arbiter_door_init(struct arbiter_door *d, struct node_arbiter *behind, struct env *home)
{
    *d = (struct arbiter_door){.arbiter = {.change = change}, .behind = behind, .home = home};
}
