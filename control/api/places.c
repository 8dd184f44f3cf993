/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/places.c — what lies where, by the pages: a volume's disks, a disk's volumes. */
#include "control/api/view.h"

#include <stdio.h>
#include <string.h>

static bool lists(const json_t *ids, const char *id)
{
    json_t *item;
    size_t i;

    json_array_foreach(ids, i, item)
    {
        if (strcmp(json_string_value(item), id) == 0)
            return true;
    }
    return false;
}

/* A page has its disks in the order of its shards. */
static void disks_add(json_t *disks, const struct page_record *page)
{
    for (uint32_t i = 0; i < page->disk_count; i++) {
        struct identity_text id = identity_show(page->disks[i].disk);

        if (!lists(disks, id.text))
            json_array_append_new(disks, json_string(id.text));
    }
}

json_t *volume_disks(struct control *c, struct identity volume)
{
    char prefix[RECORD_KEY_MAX];
    struct record_list pages = {0};
    struct problem p;
    json_t *disks = json_array();
    bool ok;

    snprintf(prefix, sizeof prefix, "page/%s/", identity_show(volume).text);
    ok = control_range(c, prefix, &pages, &p);
    for (uint32_t i = 0; i < pages.count && ok; i++) {
        struct page_record page;

        ok = page_read(pages.records[i].value, &page) == E_OK;
        if (ok)
            disks_add(disks, &page);
    }
    record_list_free(&pages);
    if (ok)
        return disks;
    json_decref(disks);
    return json_null();
}

bool page_has(const struct page_record *page, struct identity disk)
{
    for (uint32_t i = 0; i < page->disk_count; i++)
        if (identity_equal(page->disks[i].disk, disk))
            return true;
    return false;
}

static json_t *volume_named(const struct record_list *volumes, struct identity volume)
{
    const struct record *at = record_list_find(volumes, volume_key(volume).text);
    struct volume_record r;
    bool named = at && volume_read(at->value, &r) == E_OK;

    return json_pack("{ss ss?}", "volume", identity_show(volume).text, "name",
                     named ? r.name : NULL);
}

/* The pages of a volume follow one another. */
static bool volumes_add(json_t *all, const struct record_list *pages,
                        const struct record_list *volumes, struct identity disk)
{
    struct identity last = {0};

    for (uint32_t i = 0; i < pages->count; i++) {
        struct page_record page;

        if (page_read(pages->records[i].value, &page) != E_OK)
            return false;
        if (!page_has(&page, disk) || identity_equal(page.volume, last))
            continue;
        json_array_append_new(all, volume_named(volumes, page.volume));
        last = page.volume;
    }
    return true;
}

json_t *disk_volumes(struct control *c, struct identity disk)
{
    struct record_list pages = {0}, volumes = {0};
    struct problem p;
    json_t *all = json_array();
    bool ok = control_range(c, "page/", &pages, &p) && control_range(c, "volume/", &volumes, &p) &&
              volumes_add(all, &pages, &volumes, disk);

    record_list_free(&pages);
    record_list_free(&volumes);
    if (ok)
        return all;
    json_decref(all);
    return json_null();
}
