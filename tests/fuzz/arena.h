/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/arena.h — large memory that stays from run to run (arena.c). */
#ifndef TESTS_FUZZ_ARENA_H
#define TESTS_FUZZ_ARENA_H

#include <stdint.h>

/* How many places are taken: none may be left when a run ends. */
uint32_t arena_taken(void);

#endif
