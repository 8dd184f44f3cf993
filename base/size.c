/* SPDX-License-Identifier: Apache-2.0 */
/* base/size.c — parse and print. */
#include "base/size.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char unit_letters[] = "KMGTP";

/* "", "G", "GiB" and lower-case letters → the power of two; -1: no unit that we know. */
static int shift_of(const char *unit)
{
    const char *letter;

    if (*unit == '\0' || strcmp(unit, "B") == 0)
        return 0;
    letter = strchr(unit_letters, toupper((unsigned char)*unit));
    if (!letter || *letter == '\0')
        return -1;
    if (unit[1] != '\0' && strcmp(unit + 1, "iB") != 0)
        return -1;
    return (int)(letter - unit_letters + 1) * 10;
}

/* Reads digits into *ret; where they end, or NULL when there are none or too many. */
static const char *digits(const char *text, uint64_t *ret, uint32_t *ret_count)
{
    uint64_t value = 0;
    uint32_t count = 0;

    for (; isdigit((unsigned char)*text); text++, count++) {
        if (count == 18)
            return NULL;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *ret = value;
    *ret_count = count;
    return count > 0 ? text : NULL;
}

bool size_parse(const char *text, uint64_t *ret)
{
    uint64_t whole, part = 0, scale = 1;
    uint32_t count;
    int shift;

    text = digits(text, &whole, &count);
    if (!text)
        return false;
    if (*text == '.') {
        text = digits(text + 1, &part, &count);
        if (!text || count > 3)
            return false;
        while (count-- > 0)
            scale *= 10;
    }
    while (*text == ' ')
        text++;
    shift = shift_of(text);
    if (shift < 0 || whole > (UINT64_MAX >> 1) >> shift)
        return false;

    uint64_t fraction = part << shift; /* three digits: below 2^60 */
    if (shift == 0 && fraction != 0)
        return false; /* half a byte */
    *ret = (whole << shift) + fraction / scale;
    return *ret <= UINT64_MAX >> 1;
}

struct size_text size_show(uint64_t bytes)
{
    struct size_text show;
    uint32_t unit = 0;

    while (unit < sizeof unit_letters - 1 && bytes >> (10 * (unit + 1)) != 0)
        unit++;
    if (unit == 0) {
        snprintf(show.text, sizeof show.text, "%" PRIu64 " B", bytes);
        return show;
    }
    uint64_t whole = bytes >> (10 * unit);
    uint64_t rest = bytes & ((UINT64_C(1) << (10 * unit)) - 1);
    uint64_t tenths = rest * 10 >> (10 * unit);

    if (tenths == 0)
        snprintf(show.text, sizeof show.text, "%" PRIu64 " %ciB", whole, unit_letters[unit - 1]);
    else
        snprintf(show.text, sizeof show.text, "%" PRIu64 ".%" PRIu64 " %ciB", whole, tenths,
                 unit_letters[unit - 1]);
    return show;
}
