/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/storm/weather.h — harm to a disk at rest, by what it hits; each tells its cost. */
#ifndef TESTS_SIM_STORM_WEATHER_H
#define TESTS_SIM_STORM_WEATHER_H

#include "tests/sim/storm/storm.h"

void harm_at_rest(struct storm *s);    /* data or a page of the tables (harm.c) */
void harm_to_heads(struct storm *s);   /* one copy of root or superblock (harm.c) */
void harm_in_journal(struct storm *s); /* a group or the end (harm_journal.c) */

#endif
