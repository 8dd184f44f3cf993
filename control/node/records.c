/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/node/records.c — GET /node/v1/range and /node/v1/watch: records as they are kept.
 *
 * One that is damaged costs what it is about and nothing else: a value that is no document goes as
 * an empty one, which no reader takes, for it has no version; one whose key is no text is left out.
 *
 * A watch is a long poll: it holds its connection's thread, at most WAIT_MS, and only while fewer
 * than WATCHES_MAX others wait; beyond that it is told to come back (503).
 */
#include "control/inside.h"
#include "control/node/node.h"

#include <string.h>

/* NULL: no memory. */
static json_t *value_json(const char *text)
{
    json_error_t error = {0};
    json_t *value;
    bool damaged;

    if (!text)
        return json_null(); /* deleted */
    value = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(value))
        return value;
    damaged = value || (json_error_code(&error) != json_error_unknown &&
                        json_error_code(&error) != json_error_out_of_memory);
    json_decref(value);
    return damaged ? json_object() : NULL;
}

static json_t *record_json(const struct record *r)
{
    return json_pack("{ss sI so}", "key", r->key, "revision", (json_int_t)r->revision, "value",
                     value_json(r->value));
}

static bool key_is_text(const char *key)
{
    while (*key > ' ' && *key <= '~')
        key++;
    return *key == '\0';
}

static void list_answer(const struct record_list *list, struct http_answer *a)
{
    json_t *records = json_array();

    for (uint32_t i = 0; i < list->count; i++) {
        if (!key_is_text(list->records[i].key))
            continue;
        if (json_array_append_new(records, record_json(&list->records[i])) != 0) {
            json_decref(records);
            answer_json(a, 503, NULL);
            return;
        }
    }
    answer_json(a, 200,
                json_pack("{sI so}", "revision", (json_int_t)list->revision, "records", records));
}

/* "" when it is not given. */
static bool prefix_read(const struct http_request *r, const char **ret, struct problem *p)
{
    const char *prefix = http_query(r, "prefix");

    *ret = prefix ? prefix : "";
    if (strlen(*ret) >= RECORD_KEY_MAX)
        return problem(p, E_INVALID, "prefix must be below %u bytes", RECORD_KEY_MAX);
    return true;
}

static bool number_read(const struct http_request *r, const char *name, uint64_t max, uint64_t *ret,
                        struct problem *p)
{
    const char *text = http_query(r, name);
    char *end;

    if (text && *text >= '0' && *text <= '9' && strlen(text) < 20) {
        *ret = strtoull(text, &end, 10);
        if (*end == '\0' && *ret <= max)
            return true;
    }
    return problem(p, E_INVALID, "%s must be a number from 0 to %llu", name,
                   (unsigned long long)max);
}

void node_range(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct record_list list = {0};
    const char *prefix = "";
    struct problem p;

    if (!prefix_read(r, &prefix, &p) || !control_range(c, prefix, &list, &p)) {
        answer_problem(a, &p);
        return;
    }
    list_answer(&list, a);
    record_list_free(&list);
}

struct poll {
    const char *prefix;
    uint64_t revision, wait_ms;
};

static bool poll_read(const struct http_request *r, struct poll *ret, struct problem *p)
{
    return prefix_read(r, &ret->prefix, p) &&
           number_read(r, "revision", INT64_MAX, &ret->revision, p) &&
           number_read(r, "wait_ms", WAIT_MS, &ret->wait_ms, p);
}

static bool poll_wait(struct control *c, const struct poll *w, struct record_list *ret,
                      struct problem *p)
{
    bool waits = w->wait_ms > 0;
    enum err err;

    if (waits && !board_wait_begin(&c->board, BOARD_WATCH, WATCHES_MAX))
        return problem(p, E_BUSY, "%u watches wait already", WATCHES_MAX);
    err = keeper_watch(c->keeper, w->prefix, w->revision, (uint32_t)w->wait_ms, ret);
    if (waits)
        board_wait_end(&c->board, BOARD_WATCH);
    if (err)
        return problem(p, err, "changes after revision %llu", (unsigned long long)w->revision);
    return true;
}

void node_watch(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct record_list list = {0};
    struct poll w = {0};
    struct problem p;

    if (!poll_read(r, &w, &p) || !poll_wait(c, &w, &list, &p)) {
        answer_problem(a, &p);
        return;
    }
    list_answer(&list, a);
    record_list_free(&list);
}
