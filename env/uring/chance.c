/* SPDX-License-Identifier: Apache-2.0 */
/* env/uring/chance.c — the kernel's randomness, fit for secrets. */
#include "env/uring/parts.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

static void system_fill(struct chance *c, void *bytes, size_t length)
{
    uint8_t *at = bytes;

    (void)c;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);

        assert(got > 0 || errno == EINTR); /* older than every kernel we run on */
        if (got > 0) {
            at += got;
            length -= (size_t)got;
        }
    }
}

struct chance system_chance = {.fill = system_fill};
