/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/memory.h — memory that is taken for good when something opens.
 *
 * A system that promises more than it has gives an address and no page; the page is found missing
 * when it is first written, in the middle of somebody's command, and the process is killed for it.
 * A daemon that prints a budget therefore says memory_populate(): from then on what is taken has
 * its pages, or is refused at once.  Tools and tests do not: they open many things and use little.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* For the whole process, before anything opens. */
void memory_populate(void);

/* As aligned_alloc(), bytes rounded up for it; free() gives it back.  NULL: the system has not so
 * much.  huge: with a wish for huge pages, for what the kernel pins for I/O by the thousand. */
void *memory_take(size_t alignment, size_t bytes, bool huge);

#endif
