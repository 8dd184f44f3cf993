/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/view.c — a sorted array of decoded records. */
#include "storaged/view.h"

#include <stdlib.h>
#include <string.h>

struct kind {
    const char *prefix;
    enum view_kind kind;
    size_t bytes;
    enum err (*read)(const char *json, void *ret);
};

#define READER(name)                                                                               \
    static enum err name##_decode(const char *json, void *ret)                                     \
    {                                                                                              \
        return name##_read(json, (struct name##_record *)ret);                                     \
    }
READER(node)
READER(disk)
READER(volume)
READER(head)
READER(page)
READER(attachment)
READER(grave)
#undef READER

/* clang-format off */
static const struct kind kinds[] = {
    {"node/",       VIEW_NODE,       sizeof(struct node_record),       node_decode},
    {"disk/",       VIEW_DISK,       sizeof(struct disk_record),       disk_decode},
    {"volume/",     VIEW_VOLUME,     sizeof(struct volume_record),     volume_decode},
    {"head/",       VIEW_HEAD,       sizeof(struct head_record),       head_decode},
    {"page/",       VIEW_PAGE,       sizeof(struct page_record),       page_decode},
    {"attachment/", VIEW_ATTACHMENT, sizeof(struct attachment_record), attachment_decode},
    {"grave/",      VIEW_GRAVE,      sizeof(struct grave_record),      grave_decode},
};
/* clang-format on */

static const struct kind *kind_of(const char *key)
{
    for (size_t i = 0; i < array_length(kinds); i++)
        if (strncmp(key, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return &kinds[i];
    return NULL;
}

static void entry_done(struct view_entry *e)
{
    free(e->json);
    free(e->decoded);
}

void view_init(struct view *v)
{
    memset(v, 0, sizeof *v);
}

void view_done(struct view *v)
{
    for (uint32_t i = 0; i < v->count; i++)
        entry_done(&v->entries[i]);
    free(v->entries);
    view_init(v);
}

/* The first place whose key is not below `key`. */
static uint32_t place_of(const struct view *v, const char *key)
{
    uint32_t low = 0, high = v->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (strcmp(v->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool there(const struct view *v, uint32_t place, const char *key)
{
    return place < v->count && strcmp(v->entries[place].key, key) == 0;
}

static void forget(struct view *v, uint32_t place)
{
    entry_done(&v->entries[place]);
    v->count--;
    memmove(&v->entries[place], &v->entries[place + 1],
            (v->count - place) * sizeof v->entries[place]);
}

static enum err make_room(struct view *v)
{
    uint32_t room = v->room ? v->room * 2 : 64;
    struct view_entry *grown;

    if (v->count < v->room)
        return E_OK;
    grown = realloc(v->entries, room * sizeof *grown);
    if (!grown)
        return E_NO_MEMORY;
    v->entries = grown;
    v->room = room;
    return E_OK;
}

/* E_INVALID: it is not to be shown: of no kind that we know, or not readable. */
static enum err decode(struct view *v, const struct record *r, struct view_entry *ret)
{
    const struct kind *kind = kind_of(r->key);
    enum err err;

    *ret = (struct view_entry){.revision = r->revision};
    if (!kind)
        return E_INVALID;
    memcpy(ret->key, r->key, sizeof ret->key);
    ret->kind = kind->kind;
    ret->json = strdup(r->value);
    ret->decoded = calloc(1, kind->bytes);
    if (!ret->json || !ret->decoded)
        err = E_NO_MEMORY;
    else if (kind->read(r->value, ret->decoded) == E_OK)
        return E_OK;
    else
        err = E_INVALID;
    entry_done(ret);
    v->unreadable += err == E_INVALID;
    return err;
}

static enum err apply_one(struct view *v, const struct record *r)
{
    uint32_t place = place_of(v, r->key);
    struct view_entry entry;
    enum err err = E_INVALID;

    if (r->value)
        err = decode(v, r, &entry);
    if (err == E_NO_MEMORY)
        return err;
    if (there(v, place, r->key))
        forget(v, place);
    if (err)
        return E_OK;
    err = make_room(v);
    if (err) {
        entry_done(&entry);
        return err;
    }
    memmove(&v->entries[place + 1], &v->entries[place],
            (v->count - place) * sizeof v->entries[place]);
    v->entries[place] = entry;
    v->count++;
    return E_OK;
}

enum err view_apply(struct view *v, const struct record_list *changes)
{
    for (uint32_t i = 0; i < changes->count; i++) {
        enum err err = apply_one(v, &changes->records[i]);

        if (err)
            return err;
    }
    v->revision = changes->revision;
    return E_OK;
}

enum err view_fill(struct view *v, const struct record_list *all)
{
    struct view fresh;
    enum err err;

    view_init(&fresh);
    err = view_apply(&fresh, all);
    if (err) {
        view_done(&fresh);
        return err;
    }
    view_done(v);
    *v = fresh;
    return E_OK;
}

static const struct view_entry *at_place(const struct view *v, uint32_t place, const char *prefix)
{
    if (place >= v->count || strncmp(v->entries[place].key, prefix, strlen(prefix)) != 0)
        return NULL;
    return &v->entries[place];
}

const struct view_entry *view_first(const struct view *v, const char *prefix)
{
    return at_place(v, place_of(v, prefix), prefix);
}

const struct view_entry *view_next(const struct view *v, const char *prefix,
                                   const struct view_entry *after)
{
    return at_place(v, (uint32_t)(after - v->entries) + 1, prefix);
}

const struct view_entry *view_find(const struct view *v, struct record_key key)
{
    uint32_t place = place_of(v, key.text);

    return there(v, place, key.text) ? &v->entries[place] : NULL;
}

static const void *decoded(const struct view *v, struct record_key key)
{
    const struct view_entry *e = view_find(v, key);

    return e ? e->decoded : NULL;
}

const struct node_record *view_node(const struct view *v, struct identity node)
{
    return decoded(v, node_key(node));
}

const struct volume_record *view_volume(const struct view *v, struct identity volume)
{
    return decoded(v, volume_key(volume));
}

const struct head_record *view_head(const struct view *v, struct identity volume)
{
    return decoded(v, head_key(volume));
}

const struct page_record *view_page(const struct view *v, struct identity volume, uint32_t index)
{
    return decoded(v, page_key(volume, index));
}

const struct attachment_record *view_attachment(const struct view *v, struct identity volume,
                                                struct identity attachment)
{
    return decoded(v, attachment_key(volume, attachment));
}

const struct page_shard *view_shard(const struct view *v, struct identity volume, uint32_t shard,
                                    const struct page_record **ret_page)
{
    const struct page_record *page = view_page(v, volume, shard / PAGE_SHARDS);

    if (!page || shard % PAGE_SHARDS >= page->shard_count)
        return NULL;
    if (ret_page)
        *ret_page = page;
    return &page->shards[shard % PAGE_SHARDS];
}
