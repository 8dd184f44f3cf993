/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/records_json.c — what is not as it should be makes the whole answer E_DAMAGED. */
#include "storaged/records_json.h"

#include "metadata/json_text.h"

#include <stdlib.h>
#include <string.h>

static enum err record_read(const json_t *item, struct record_list *ret)
{
    const char *key = json_string_value(json_object_get(item, "key"));
    json_int_t revision = json_integer_value(json_object_get(item, "revision"));
    const json_t *value = json_object_get(item, "value");
    char *text = NULL;
    enum err err;

    if (!key || strlen(key) >= RECORD_KEY_MAX || revision <= 0)
        return E_DAMAGED;
    if (!json_is_null(value)) {
        if (!json_is_object(value))
            return E_DAMAGED;
        text = json_text_write(value);
        if (!text)
            return E_NO_MEMORY;
    }
    err = record_list_add(ret, key, (uint64_t)revision, text);
    free(text);
    return err;
}

static enum err list_read(const json_t *answer, struct record_list *ret)
{
    const json_t *records = json_object_get(answer, "records");
    json_int_t revision = json_integer_value(json_object_get(answer, "revision"));
    json_t *item;
    size_t i;

    if (!json_is_array(records) || revision <= 0)
        return E_DAMAGED;
    json_array_foreach(records, i, item)
    {
        enum err err = record_read(item, ret);

        if (err)
            return err;
    }
    ret->revision = (uint64_t)revision;
    return E_OK;
}

enum err records_list_read(const char *json, size_t length, struct record_list *ret)
{
    json_t *answer = json_loadb(json, length, JSON_REJECT_DUPLICATES, NULL);
    struct record_list list = {0};
    enum err err = list_read(answer, &list);

    json_decref(answer);
    if (err) {
        record_list_free(&list);
        return err;
    }
    *ret = list;
    return E_OK;
}

enum err records_revision_read(const char *json, size_t length, uint64_t *ret)
{
    json_t *answer = json_loadb(json, length, JSON_REJECT_DUPLICATES, NULL);
    json_int_t revision = json_integer_value(json_object_get(answer, "revision"));

    json_decref(answer);
    if (revision <= 0)
        return E_DAMAGED;
    *ret = (uint64_t)revision;
    return E_OK;
}

void records_problem_read(const char *json, size_t length, char ret[RECORDS_WHY_MAX])
{
    json_t *answer = json_loadb(json, length, JSON_REJECT_DUPLICATES, NULL);
    const char *detail = json_string_value(json_object_get(answer, "detail"));
    size_t i = 0;

    for (; detail && detail[i] && i < RECORDS_WHY_MAX - 1; i++)
        ret[i] = (char)(detail[i] < ' ' || detail[i] > '~' ? '?' : detail[i]);
    ret[i] = '\0';
    json_decref(answer);
}

/* NULL where one is missing: what it says may only happen as a whole. */
static json_t *whole(json_t *list, uint32_t count)
{
    if (json_array_size(list) == count)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *compares_json(const struct record_transaction *t)
{
    json_t *compares = json_array();

    for (uint32_t i = 0; i < t->compare_count; i++)
        json_array_append_new(compares, json_pack("{s:s, s:I}", "key", t->compares[i].key,
                                                  "revision", (json_int_t)t->compares[i].revision));
    return whole(compares, t->compare_count);
}

static json_t *puts_json(const struct record_transaction *t)
{
    json_t *puts = json_array();

    for (uint32_t i = 0; i < t->put_count; i++) {
        const struct record_put *p = &t->puts[i];
        json_t *value = p->value ? json_text_read(p->value) : json_null();

        json_array_append_new(puts, json_pack("{s:s, s:o}", "key", p->key, "value", value));
    }
    return whole(puts, t->put_count);
}

char *records_transaction_write(struct identity node, const struct record_transaction *t)
{
    json_t *body = json_pack("{s:s, s:o, s:o}", "node", identity_show(node).text, "compares",
                             compares_json(t), "puts", puts_json(t));
    char *text = body ? json_text_write(body) : NULL;

    json_decref(body);
    return text;
}
