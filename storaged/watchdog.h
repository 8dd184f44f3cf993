/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/watchdog.h — says from time to time that all homes turn.
 *
 * A letter goes round them, one after the other, and is back only if each has opened it; then
 * `turned`, and after `every_us` the next round.  A home that stands still keeps the letter, so
 * that nothing is said any more.
 */
#ifndef STORAGED_WATCHDOG_H
#define STORAGED_WATCHDOG_H

#include "storaged/homes.h"

struct watchdog {
    const struct homes *homes;
    uint64_t every_us;
    void (*turned)(struct watchdog *); /* on home 0 */

    /* its own */
    struct timer timer;
    struct mail letter;
    uint32_t at; /* the home that has it */
};

/* On home 0, with the above set; the first round begins at once. */
void watchdog_start(struct watchdog *w);

/* Home 0 turns no more.  Others may still have the letter: the memory stays until homes_close(). */
void watchdog_stop(struct watchdog *w);

#endif
