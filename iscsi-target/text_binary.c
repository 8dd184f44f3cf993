/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/text_binary.c — binary values in text (RFC 7143 6.1): hexadecimal behind 0x, base64
 * behind 0b, either in capitals too.
 *
 * The length follows from the digits alone and is held against the room before a byte is written
 * (T1).  An odd number of hexadecimal digits or a wrong padding is no value.
 */
#include "base/util.h"
#include "iscsi-target/text_keys.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool hex_decode(const char *digits, uint8_t *ret, uint32_t room, uint32_t *ret_length)
{
    size_t count = strlen(digits);

    if (count == 0 || count % 2 != 0 || count / 2 > room)
        return false;
    for (size_t n = 0; n < count; n += 2) {
        int high = hex_digit(digits[n]), low = hex_digit(digits[n + 1]);

        if (high < 0 || low < 0)
            return false;
        ret[n / 2] = (uint8_t)(high << 4 | low);
    }
    *ret_length = (uint32_t)(count / 2);
    return true;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Four digits are three bytes; `=` takes the place of the last one or two of all. */
static bool base64_decode(const char *digits, uint8_t *ret, uint32_t room, uint32_t *ret_length)
{
    size_t count = strlen(digits), padding = 0;
    uint32_t bits = 0;
    uint32_t at = 0;

    while (padding < 2 && padding < count && digits[count - 1 - padding] == '=')
        padding++;
    if (count == 0 || count % 4 != 0 || count / 4 * 3 - padding > room)
        return false;
    for (size_t n = 0; n < count - padding; n++) {
        int digit = base64_digit(digits[n]);

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (n % 4 > 0)
            ret[at++] = (uint8_t)(bits >> (6 - 2 * (n % 4)));
    }
    *ret_length = at;
    return true;
}

bool text_binary(const char *value, uint8_t *ret, uint32_t room, uint32_t *ret_length)
{
    if (value[0] != '0')
        return false;
    if (value[1] == 'x' || value[1] == 'X')
        return hex_decode(value + 2, ret, room, ret_length);
    if (value[1] == 'b' || value[1] == 'B')
        return base64_decode(value + 2, ret, room, ret_length);
    return false;
}

void text_put_binary(struct text *t, const char *key, const uint8_t *bytes, uint32_t length)
{
    static const char digits[] = "0123456789abcdef";
    char value[2 + 2 * TEXT_BINARY_MAX + 1] = "0x";

    length = min_u32(length, TEXT_BINARY_MAX);
    for (uint32_t n = 0; n < length; n++) {
        value[2 + 2 * n] = digits[bytes[n] >> 4];
        value[3 + 2 * n] = digits[bytes[n] & 15];
    }
    text_put(t, key, value);
}
