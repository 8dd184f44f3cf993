/* SPDX-License-Identifier: Apache-2.0 */
/* metadata/document.c — members out of foreign JSON, and back; the bounds stand in document.h. */
#include "metadata/document.h"

#include "metadata/json_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum err document_open(const char *text, json_t **ret)
{
    json_t *d = NULL;
    const json_t *incompat;
    uint32_t version;

    if (strnlen(text, RECORD_VALUE_MAX + 1) <= RECORD_VALUE_MAX)
        d = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(d) || !member_u32(d, "version", &version) || version == 0) {
        json_decref(d);
        return E_DAMAGED;
    }
    incompat = json_object_get(d, "incompat"); /* none is known to this version */
    if (incompat && (!json_is_array(incompat) || json_array_size(incompat) > 0)) {
        enum err err = json_is_array(incompat) ? E_UNSUPPORTED : E_DAMAGED;

        json_decref(d);
        return err;
    }
    *ret = d;
    return E_OK;
}

bool value_u64(const json_t *v, uint64_t *ret)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

bool value_identity(const json_t *v, struct identity *ret)
{
    return json_is_string(v) && identity_parse(json_string_value(v), ret);
}

bool member_u64(const json_t *d, const char *name, uint64_t *ret)
{
    return value_u64(json_object_get(d, name), ret);
}

bool member_u32(const json_t *d, const char *name, uint32_t *ret)
{
    uint64_t wide;

    if (!member_u64(d, name, &wide) || wide > UINT32_MAX)
        return false;
    *ret = (uint32_t)wide;
    return true;
}

bool member_u32_or_none(const json_t *d, const char *name, uint32_t *ret)
{
    *ret = 0;
    return !json_object_get(d, name) || member_u32(d, name, ret);
}

bool member_identity(const json_t *d, const char *name, struct identity *ret)
{
    return value_identity(json_object_get(d, name), ret);
}

bool member_identity_or_none(const json_t *d, const char *name, struct identity *ret)
{
    const json_t *v = json_object_get(d, name);

    if (v && !json_is_null(v))
        return value_identity(v, ret);
    *ret = (struct identity){0};
    return true;
}

bool member_name(const json_t *d, const char *name, char ret[RECORD_NAME_MAX + 1])
{
    const char *text = json_string_value(json_object_get(d, name));

    if (!text || !record_name_valid(text))
        return false;
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

bool member_bits(const json_t *d, const char *name, uint64_t *ret)
{
    const char *text = json_string_value(json_object_get(d, name));
    struct identity id = {0};

    if (!text || (!identity_parse(text, &id) && strcmp(text, "0000000000000000") != 0))
        return false;
    *ret = id.bits;
    return true;
}

bool member_flag(const json_t *d, const char *name, bool *ret)
{
    const json_t *v = json_object_get(d, name);

    if (v && !json_is_boolean(v))
        return false;
    *ret = json_is_true(v);
    return true;
}

struct draft document_begin(const char *former)
{
    struct draft d = {.root = former ? json_text_read(former) : json_object()};
    uint64_t version = RECORD_VERSION, before;

    if (!json_is_object(d.root)) /* never without what the former one has */
        d.failed = true;
    if (member_u64(d.root, "version", &before) && before > version)
        version = before;
    set_u64(&d, "version", version);
    return d;
}

void set_json(struct draft *d, const char *name, json_t *value)
{
    if (json_object_set_new(d->root, name, value) != 0)
        d->failed = true;
}

void append_json(struct draft *d, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0)
        d->failed = true;
}

void set_u64(struct draft *d, const char *name, uint64_t value)
{
    set_json(d, name, json_integer((json_int_t)value));
}

void set_text(struct draft *d, const char *name, const char *value)
{
    set_json(d, name, json_string(value));
}

void set_flag(struct draft *d, const char *name, bool value)
{
    set_json(d, name, json_boolean(value));
}

void set_identity(struct draft *d, const char *name, struct identity id)
{
    set_json(d, name, identity_none(id) ? json_null() : json_string(identity_show(id).text));
}

char *document_finish(struct draft *d)
{
    char *text = d->failed ? NULL : json_text_write(d->root);

    json_decref(d->root);
    d->root = NULL;
    return text;
}
