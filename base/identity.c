/* SPDX-License-Identifier: Apache-2.0 */
/* base/identity.c — print and parse. */
#include "base/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct identity_text identity_show(struct identity id)
{
    struct identity_text show;

    snprintf(show.text, sizeof show.text, "%016" PRIx64, id.bits);
    return show;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool identity_parse(const char *text, struct identity *ret)
{
    uint64_t bits = 0;

    if (strlen(text) != IDENTITY_TEXT - 1)
        return false;
    for (const char *c = text; *c; c++) {
        int digit = digit_of(*c);

        if (digit < 0)
            return false;
        bits = bits << 4 | (uint64_t)digit;
    }
    if (bits == 0)
        return false;
    ret->bits = bits;
    return true;
}
