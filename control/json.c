/* SPDX-License-Identifier: Apache-2.0 */
/* control/json.c — see json.h. */
#include "control/json.h"

#include <stdlib.h>
#include <string.h>

bool word_in(const char *words, const char *word)
{
    size_t length = strchr(word, ' ') ? 0 : strlen(word);

    for (const char *at = words; length && (at = strstr(at, word)) != NULL; at += length) {
        bool begins = at == words || at[-1] == ' ';

        if (begins && (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

bool object_check(const json_t *o, const char *what, const char *members, struct problem *p)
{
    const char *name;
    json_t *value;

    if (!json_is_object(o))
        return problem(p, E_INVALID, "%s must be a JSON object", what);
    json_object_foreach((json_t *)(uintptr_t)o, name, value)
    {
        if (!word_in(members, name))
            return problem(p, E_INVALID, "%s has no member \"%.60s\"; it knows: %s", what, name,
                           members);
    }
    return true;
}

bool body_read(const struct http_request *r, const char *members, json_t **ret, struct problem *p)
{
    json_error_t error;
    json_t *b = json_loadb(r->body, r->body_bytes, JSON_REJECT_DUPLICATES, &error);

    if (!b)
        return problem(p, E_INVALID, "the body is not JSON: line %d, column %d: %.120s", error.line,
                       error.column, error.text);
    if (!object_check(b, "the body", members, p)) {
        json_decref(b);
        return false;
    }
    *ret = b;
    return true;
}

bool body_text(const json_t *b, const char *name, const char **ret, struct problem *p)
{
    const json_t *v = json_object_get(b, name);

    if (!json_is_string(v))
        return problem(p, E_INVALID, "\"%s\" must be a string", name);
    *ret = json_string_value(v);
    return true;
}

bool body_text_maybe(const json_t *b, const char *name, const char **ret, struct problem *p)
{
    return !json_object_get(b, name) || body_text(b, name, ret, p);
}

bool body_u64(const json_t *b, const char *name, uint64_t *ret, struct problem *p)
{
    const json_t *v = json_object_get(b, name);

    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return problem(p, E_INVALID, "\"%s\" must be a whole number from 0 to 2^63 - 1", name);
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

bool body_u32(const json_t *b, const char *name, uint32_t *ret, struct problem *p)
{
    uint64_t wide;

    if (!body_u64(b, name, &wide, p))
        return false;
    if (wide > UINT32_MAX)
        return problem(p, E_INVALID, "\"%s\" must be below 2^32", name);
    *ret = (uint32_t)wide;
    return true;
}

bool body_u32_maybe(const json_t *b, const char *name, uint32_t *ret, struct problem *p)
{
    return !json_object_get(b, name) || body_u32(b, name, ret, p);
}

bool body_identity(const json_t *b, const char *name, struct identity *ret, struct problem *p)
{
    const json_t *v = json_object_get(b, name);

    if (!json_is_string(v) || !identity_parse(json_string_value(v), ret))
        return problem(p, E_INVALID, "\"%s\" must be an identity: 16 hex digits", name);
    return true;
}

bool body_name(const json_t *b, const char *name, char ret[RECORD_NAME_MAX + 1], struct problem *p)
{
    const char *text;

    if (!body_text(b, name, &text, p))
        return false;
    if (!record_name_valid(text))
        return problem(p, E_INVALID,
                       "\"%s\" must be 1 to %u of a-z 0-9 . -, begin with a letter or digit, and "
                       "not be 16 hex digits",
                       name, RECORD_NAME_MAX);
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

bool body_array(const json_t *b, const char *name, uint32_t max, json_t **ret, struct problem *p)
{
    json_t *v = json_object_get(b, name);

    if (!json_is_array(v) || json_array_size(v) > max)
        return problem(p, E_INVALID, "\"%s\" must be an array of at most %u", name, max);
    *ret = v;
    return true;
}

bool body_flag(const json_t *b, const char *name, bool *ret, struct problem *p)
{
    const json_t *v = json_object_get(b, name);

    if (v && !json_is_boolean(v))
        return problem(p, E_INVALID, "\"%s\" must be true or false", name);
    if (v)
        *ret = json_is_true(v);
    return true;
}

/* As answer_problem() would say it, of memory that is there before. */
static void answer_no_memory(struct http_answer *a)
{
    static const char text[] =
        "{\"type\":\"/problems/no-memory\",\"title\":\"memory for it was not set aside\","
        "\"status\":503,\"detail\":\"no memory for the answer\"}";

    a->status = 503;
    a->body = strdup(text);
    a->body_bytes = a->body ? sizeof text - 1 : 0;
    a->type = "application/problem+json";
}

void answer_json(struct http_answer *a, unsigned status, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

    json_decref(value);
    if (!text) {
        answer_no_memory(a);
        return;
    }
    a->status = status;
    a->body = text;
    a->body_bytes = strlen(text);
    a->type = "application/json";
}

json_t *json_identity(struct identity id)
{
    return identity_none(id) ? json_null() : json_string(identity_show(id).text);
}
