/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/crash/again.h — a COMPARE AND WRITE around a death, asked again. */
#ifndef TESTS_SIM_CRASH_AGAIN_H
#define TESTS_SIM_CRASH_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

/* One seed.  The node dies at some I/O of the command, between its write and its status too; the
 * initiator logs in again and asks again: GOOD, whatever had become of it. */
bool again_play(uint64_t seed);

#endif
