/* SPDX-License-Identifier: Apache-2.0 */
/* metadata/check.c — is a record what its key says?  For who must judge all of them, of any kind.
 */
#include "metadata/records.h"

#include <stdio.h>
#include <string.h>

/* The key under which what `json` says belongs. */
typedef enum err key_of(const char *json, struct record_key *ret);

static enum err node_key_of(const char *json, struct record_key *ret)
{
    struct node_record r = {0};
    enum err err = node_read(json, &r);

    *ret = node_key(r.node);
    return err;
}

static enum err disk_key_of(const char *json, struct record_key *ret)
{
    struct disk_record r = {0};
    enum err err = disk_read(json, &r);

    *ret = disk_key(r.disk);
    return err;
}

static enum err volume_key_of(const char *json, struct record_key *ret)
{
    struct volume_record r = {0};
    enum err err = volume_read(json, &r);

    *ret = volume_key(r.volume);
    return err;
}

static enum err head_key_of(const char *json, struct record_key *ret)
{
    struct head_record r = {0};
    enum err err = head_read(json, &r);

    *ret = head_key(r.volume);
    return err;
}

static enum err page_key_of(const char *json, struct record_key *ret)
{
    struct page_record p;
    enum err err = page_read(json, &p);

    if (!err)
        *ret = page_key(p.volume, p.index);
    return err;
}

static enum err attachment_key_of(const char *json, struct record_key *ret)
{
    struct attachment_record r = {0};
    enum err err = attachment_read(json, &r);

    *ret = attachment_key(r.volume, r.attachment);
    return err;
}

static enum err grave_key_of(const char *json, struct record_key *ret)
{
    struct grave_record r = {0};
    enum err err = grave_read(json, &r);

    *ret = grave_key(r.node, r.replica);
    return err;
}

/* Here the key knows the name, and the value does not. */
static enum err name_check(const struct record *r)
{
    struct identity volume;

    if (!record_name_valid(r->key + strlen("volume-name/")))
        return E_DAMAGED;
    return volume_name_read(r->value, &volume);
}

const char *const record_kinds[RECORD_KINDS] = {"attachment", "disk", "grave",  "head",
                                                "node",       "page", "volume", "volume-name"};

/* In the order of record_kinds; NULL: name_check(). */
static key_of *const keys_of[RECORD_KINDS] = {attachment_key_of, disk_key_of, grave_key_of,
                                              head_key_of,       node_key_of, page_key_of,
                                              volume_key_of,     NULL};

/* Its place in record_kinds; RECORD_KINDS: none of ours. */
static uint32_t kind_of(const struct record *r)
{
    size_t length = strcspn(r->key, "/");
    uint32_t kind = 0;

    while (kind < RECORD_KINDS && (strncmp(r->key, record_kinds[kind], length) != 0 ||
                                   record_kinds[kind][length] || !r->key[length]))
        kind++;
    return kind;
}

enum err record_check(const struct record *r)
{
    uint32_t kind = kind_of(r);
    struct record_key key;
    enum err err;

    if (kind == RECORD_KINDS)
        return E_NOT_FOUND;
    if (!keys_of[kind])
        return name_check(r);
    err = keys_of[kind](r->value, &key);
    return err || strcmp(key.text, r->key) == 0 ? err : E_DAMAGED;
}

/* A key may be damaged, too: what is not plain ASCII becomes a question mark. */
static void key_add(char keys[CENSUS_KEYS_BYTES], const char *key)
{
    size_t at = strlen(keys);

    snprintf(keys + at, CENSUS_KEYS_BYTES - at, "%s%s", at ? ", " : "", key);
    for (char *c = keys + at; *c; c++) {
        if (*c < ' ' || *c > '~' || *c == '"')
            *c = '?';
    }
}

/* One of a kind that nobody knows cannot be read either: its key may be what is damaged. */
void record_census(const struct record_list *all, struct record_census *ret)
{
    *ret = (struct record_census){0};
    for (uint32_t i = 0; i < all->count; i++) {
        if (record_check(&all->records[i]) == E_OK)
            ret->counts[kind_of(&all->records[i])]++;
        else if (ret->unreadable++ < CENSUS_KEYS_SHOWN)
            key_add(ret->keys, all->records[i].key);
    }
}
