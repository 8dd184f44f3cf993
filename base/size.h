/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/size.h — sizes as people write them: "4096", "512MiB", "10G", "1.5T".
 *
 * Units are powers of 1024, with or without "iB"; "GB" is refused, because half of its readers
 * take it for 10^9.
 */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* A whole number of bytes below 2^63; false leaves *ret alone. */
bool size_parse(const char *text, uint64_t *ret);

/* For printf: size_show(bytes).text, "512 MiB", "1.4 TiB" (cut, never rounded up). */
struct size_text {
    char text[48];
};
struct size_text size_show(uint64_t bytes);

#endif
