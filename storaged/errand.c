/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/errand.c — one letter, there and back. */
#include "storaged/errand.h"

static void opened_there(struct mail *m)
{
    struct errand *e = container_of(m, struct errand, mail);

    e->perform(e);
}

static void opened_here(struct mail *m)
{
    struct errand *e = container_of(m, struct errand, mail);

    e->done(e);
}

void errand_send(struct errand *e, struct env *from, struct env *to)
{
    e->from = from;
    e->mail.opened = opened_there;
    mail_send(to, &e->mail);
}

void errand_end(struct errand *e)
{
    e->mail.opened = opened_here;
    mail_send(e->from, &e->mail);
}
