/* SPDX-License-Identifier: Apache-2.0 */
/* control/trouble.c — see trouble.h. */
#include "control/trouble.h"

#include <stdio.h>
#include <string.h>

void trouble_init(struct trouble *t)
{
    *t = (struct trouble){0};
    pthread_mutex_init(&t->lock, NULL);
}

void trouble_done(struct trouble *t)
{
    pthread_mutex_destroy(&t->lock);
}

/* A key may be damaged, too: what is not plain ASCII becomes a question mark. */
static void key_add(char keys[TROUBLE_KEYS_BYTES], const char *key)
{
    size_t at = strlen(keys), from = at;

    snprintf(keys + at, TROUBLE_KEYS_BYTES - at, "%s%s", at ? ", " : "", key);
    for (char *c = keys + from; *c; c++) {
        if (*c < ' ' || *c > '~' || *c == '"')
            *c = '?';
    }
}

/* One of a kind that nobody knows, too: its key may be what is damaged. */
static uint32_t unreadable(const struct record_list *all, char ret_keys[TROUBLE_KEYS_BYTES])
{
    uint32_t count = 0;

    ret_keys[0] = '\0';
    for (uint32_t i = 0; i < all->count; i++) {
        if (record_check(&all->records[i]) == E_OK)
            continue;
        if (count++ < TROUBLE_KEYS_SHOWN)
            key_add(ret_keys, all->records[i].key);
    }
    return count;
}

void trouble_look(struct trouble *t, const struct record_list *all, struct log *log)
{
    char keys[TROUBLE_KEYS_BYTES];
    uint32_t count = unreadable(all, keys);

    pthread_mutex_lock(&t->lock);
    if (count > 0 && (count != t->unreadable || strcmp(keys, t->keys) != 0))
        log_event(log, LOG_LEVEL_ERROR, "metad", "records_unreadable", "count=%u keys=\"%s\"",
                  count, keys);
    t->unreadable = count;
    memcpy(t->keys, keys, sizeof keys);
    pthread_mutex_unlock(&t->lock);
}

uint32_t trouble_unreadable(struct trouble *t, char ret_keys[TROUBLE_KEYS_BYTES])
{
    uint32_t count;

    pthread_mutex_lock(&t->lock);
    count = t->unreadable;
    memcpy(ret_keys, t->keys, TROUBLE_KEYS_BYTES);
    pthread_mutex_unlock(&t->lock);
    return count;
}
