/* SPDX-License-Identifier: Apache-2.0 */
/* metadata/record_list.c — records as a call answers them: in the order of their keys. */
#include "metadata/records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void record_list_free(struct record_list *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        free(l->records[i].value);
    free(l->records);
    *l = (struct record_list){0};
}

/* Room for one more: sizes are powers of two, so the count says when it is full. */
static bool list_grow(struct record_list *l)
{
    uint32_t n = l->count;

    if (n != 0 && (n < 8 || (n & (n - 1)) != 0))
        return true;
    size_t room = n == 0 ? 8 : (size_t)n * 2;
    struct record *more = realloc(l->records, room * sizeof *more);
    if (!more)
        return false;
    l->records = more;
    return true;
}

enum err record_list_add(struct record_list *l, const char *key, uint64_t revision,
                         const char *value)
{
    char *copy = value ? strdup(value) : NULL;
    struct record *r;

    assert(strlen(key) < RECORD_KEY_MAX);
    if ((value && !copy) || !list_grow(l)) {
        free(copy);
        return E_NO_MEMORY;
    }
    r = &l->records[l->count++];
    memcpy(r->key, key, strlen(key) + 1);
    r->revision = revision;
    r->value = copy;
    return E_OK;
}

/* The first whose key is not below `key`. */
static uint32_t list_lower(const struct record_list *l, const char *key)
{
    uint32_t from = 0, to = l->count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (strcmp(l->records[middle].key, key) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct record *record_list_find(const struct record_list *l, const char *key)
{
    uint32_t at = list_lower(l, key);

    if (!l->records || at == l->count || strcmp(l->records[at].key, key) != 0)
        return NULL;
    return &l->records[at];
}

struct record_list record_list_part(const struct record_list *l, const char *prefix)
{
    struct record_list part = {.revision = l->revision};
    uint32_t first = list_lower(l, prefix);

    if (!l->records)
        return part;
    part.records = l->records + first;
    while (first + part.count < l->count &&
           strncmp(l->records[first + part.count].key, prefix, strlen(prefix)) == 0)
        part.count++;
    return part;
}
