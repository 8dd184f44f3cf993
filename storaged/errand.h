/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/errand.h — something that is done at another home, and comes back when it is.
 *
 * The errand stands in the memory of what it is about.  From errand_send() to `done` that memory is
 * the other home's, as far as the two do not agree otherwise.  Always mail, also where both homes
 * are one: nothing here is worth a second way.
 */
#ifndef STORAGED_ERRAND_H
#define STORAGED_ERRAND_H

#include "env/env.h"

struct errand {
    void (*perform)(struct errand *); /* over there; errand_end() then or later */
    void (*done)(struct errand *);    /* back here                              */

    /* its own */
    struct env *from;
    struct mail mail;
};

/* On `from`'s thread; perform and done are set.  Errands that one home sends another arrive in
 * their order, and so do their ends. */
void errand_send(struct errand *e, struct env *from, struct env *to);
void errand_end(struct errand *e); /* over there */

#endif
