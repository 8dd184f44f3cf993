/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/metadata/short_memory.h — a writer of JSON, with each of its allocations refused in
 * turn: it gives the whole text, or none.
 */
#ifndef TESTS_UNIT_METADATA_SHORT_MEMORY_H
#define TESTS_UNIT_METADATA_SHORT_MEMORY_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t asked, refused; /* allocations; the one that is refused, from 1 */

static void *one_refused(size_t bytes)
{
    return ++asked == refused ? NULL : malloc(bytes);
}

static inline void whole_or_nothing(char *(*write)(void))
{
    char *whole;

    json_set_alloc_funcs(one_refused, free);
    refused = 0;
    whole = write();
    assert_non_null(whole);
    do {
        char *text;

        asked = 0;
        refused++;
        text = write();
        if (text)
            assert_string_equal(text, whole);
        free(text);
    } while (asked >= refused);
    assert_true(refused > 1);
    json_set_alloc_funcs(malloc, free);
    free(whole);
}

#endif
