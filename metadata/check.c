/* SPDX-License-Identifier: Apache-2.0 */
/* metadata/check.c — is a record what its key says?  For who must judge all of them, of any kind.
 */
#include "metadata/records.h"

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

static const struct {
    const char *prefix;
    key_of *key_of; /* NULL: name_check() */
} kinds[] = {{"attachment/", attachment_key_of},
             {"disk/", disk_key_of},
             {"grave/", grave_key_of},
             {"head/", head_key_of},
             {"node/", node_key_of},
             {"page/", page_key_of},
             {"volume-name/", NULL},
             {"volume/", volume_key_of}};

enum err record_check(const struct record *r)
{
    for (size_t i = 0; i < array_length(kinds); i++) {
        struct record_key key;
        enum err err;

        if (strncmp(r->key, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
            continue;
        if (!kinds[i].key_of)
            return name_check(r);
        err = kinds[i].key_of(r->value, &key);
        return err || strcmp(key.text, r->key) == 0 ? err : E_DAMAGED;
    }
    return E_NOT_FOUND;
}
