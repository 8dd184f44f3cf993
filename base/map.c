/* SPDX-License-Identifier: Apache-2.0 */
/* base/map.c — linear probing at half load, removal by shifting back. */
#include "base/map.h"

#include "base/util.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX (1u << 31)

enum err map_open(struct map *m, uint32_t max)
{
    uint32_t slots = 8;

    memset(m, 0, sizeof *m);
    if (max > SLOTS_MAX / 2)
        return E_NO_MEMORY;
    while (slots < 2 * max)
        slots *= 2;
    m->entries = calloc(slots, sizeof *m->entries);
    if (!m->entries)
        return E_NO_MEMORY;
    m->mask = slots - 1;
    m->max = max;
    return E_OK;
}

void map_close(struct map *m)
{
    free(m->entries);
    memset(m, 0, sizeof *m);
}

/* The finalizer of splitmix64: every bit of the key moves every bit of the place. */
static uint32_t home_of(const struct map *m, uint64_t key)
{
    key ^= key >> 30;
    key *= 0xbf58476d1ce4e5b9u;
    key ^= key >> 27;
    key *= 0x94d049bb133111ebu;
    key ^= key >> 31;
    return (uint32_t)key & m->mask;
}

static struct map_entry *find(const struct map *m, uint64_t key)
{
    uint32_t at = home_of(m, key);

    while (m->entries[at].value && m->entries[at].key != key)
        at = (at + 1) & m->mask;
    return &m->entries[at];
}

void *map_get(const struct map *m, uint64_t key)
{
    return find(m, key)->value;
}

enum err map_put(struct map *m, uint64_t key, void *value)
{
    struct map_entry *e = find(m, key);

    assert(value);
    if (!e->value) {
        if (m->used == m->max)
            return E_NO_MEMORY;
        m->used++;
        e->key = key;
    }
    e->value = value;
    return E_OK;
}

void *map_remove(struct map *m, uint64_t key)
{
    struct map_entry *hole = find(m, key);
    void *value = hole->value;
    uint32_t at = (uint32_t)(hole - m->entries);

    if (!value)
        return NULL;
    m->used--;
    for (;;) { /* fill the hole with a later entry whose home is not behind it */
        at = (at + 1) & m->mask;
        struct map_entry *e = &m->entries[at];

        if (!e->value)
            break;
        uint32_t hole_at = (uint32_t)(hole - m->entries);
        if (((at - home_of(m, e->key)) & m->mask) >= ((at - hole_at) & m->mask)) {
            *hole = *e;
            hole = e;
        }
    }
    hole->value = NULL;
    return value;
}
