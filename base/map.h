/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/map.h — an unordered map from 64-bit keys to pointers, of a size fixed at open.
 *
 * Open addressing; never more than `max` entries, so that it never grows on the data path.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/err.h"

#include <stdint.h>

struct map_entry {
    uint64_t key;
    void *value; /* NULL: free */
};

struct map {
    struct map_entry *entries;
    uint32_t mask, used, max;
};

must_check enum err map_open(struct map *m, uint32_t max);
void map_close(struct map *m);

void *map_get(const struct map *m, uint64_t key);           /* NULL: not there        */
enum err map_put(struct map *m, uint64_t key, void *value); /* replaces; E_NO_MEMORY: full */
void *map_remove(struct map *m, uint64_t key);              /* what was there, or NULL */

#endif
