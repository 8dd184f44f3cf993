/* SPDX-License-Identifier: Apache-2.0 */
/* metadata/json_text.c — JSON to text and back, when memory is short. */
#include "metadata/json_text.h"

#include <stdbool.h>
#include <stdlib.h>

/* Into memory that is there before: nothing has to grow on the way. */
char *json_text_write(const json_t *value)
{
    size_t bytes = json_dumpb(value, NULL, 0, JSON_COMPACT); /* 0: no memory to look for loops */
    char *text = bytes ? malloc(bytes + 1) : NULL;

    if (!text)
        return NULL;
    if (json_dumpb(value, text, bytes, JSON_COMPACT) != bytes) {
        free(text);
        return NULL;
    }
    text[bytes] = '\0';
    return text;
}

/* Twice, and compared: a character that was lost on the way does not get lost both times. */
json_t *json_text_read(const char *text)
{
    json_t *value = json_loads(text, 0, NULL), *again = json_loads(text, 0, NULL);
    bool whole = value && json_equal(value, again);

    json_decref(again);
    if (whole)
        return value;
    json_decref(value);
    return NULL;
}
