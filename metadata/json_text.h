/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/json_text.h — JSON that will be recorded, to text and from it: whole, or not at all.
 *
 * jansson (2.14) goes on where it finds no memory: json_dumps() leaves a name out, json_loads() a
 * character of a string.  What is only looked at may be read like that; what is written may not.
 */
#ifndef METADATA_JSON_TEXT_H
#define METADATA_JSON_TEXT_H

#include <jansson.h>

/* An object's or array's compact text, NUL-terminated, free() it; NULL: no memory, or `value` is.
 */
char *json_text_write(const json_t *value);
/* The value, json_decref() it; NULL: no memory, or `text` is no object and no array. */
json_t *json_text_read(const char *text);

#endif
