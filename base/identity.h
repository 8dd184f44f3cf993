/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/identity.h — 64 random bits, minted once and never reused; written as 16 hex digits.
 *
 * Zero is no identity.  Identities come from env's chance, so that a seed replays them.
 */
#ifndef BASE_IDENTITY_H
#define BASE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

struct identity {
    uint64_t bits;
};

#define IDENTITY_TEXT 17 /* 16 digits and the NUL */
struct identity_text {
    char text[IDENTITY_TEXT];
};

/* For printf: identity_show(id).text */
struct identity_text identity_show(struct identity id);

/* Exactly 16 hex digits in lower or upper case, not all zero; false leaves *ret alone. */
bool identity_parse(const char *text, struct identity *ret);

static inline bool identity_equal(struct identity a, struct identity b)
{
    return a.bits == b.bits;
}
static inline bool identity_none(struct identity id)
{
    return id.bits == 0;
}

#endif
