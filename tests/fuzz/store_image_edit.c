/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/store_image_edit.c — a recipe's edits of an image, and the seals over them. */
#include "tests/fuzz/arena.h"
#include "tests/fuzz/store_image_parts.h"

static void *at(uint64_t offset)
{
    return image_ram.bytes + offset;
}

/* ---- edits ---- */

static bool is_part(const struct structure *x, enum image_part part)
{
    bool root = x->magic == ROOT_MAGIC || x->magic == SUPERBLOCK_MAGIC;

    switch (part) {
    case IMAGE_ALL:
        return true;
    case IMAGE_ROOTS:
        return root;
    case IMAGE_JOURNAL:
        return x->magic == GROUP_MAGIC;
    case IMAGE_TABLES:
        return !root && x->magic != GROUP_MAGIC;
    }
    unreachable();
}

static const struct structure *chosen(const struct image *i, enum image_part part, uint64_t number)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < i->structure_count; n++)
        count += is_part(&i->structures[n], part);
    number = count ? number % count : 0;
    for (uint32_t n = 0; n < i->structure_count; n++)
        if (is_part(&i->structures[n], part) && number-- == 0)
            return &i->structures[n];
    return NULL;
}

static void mark_written(const struct structure *x)
{
    memset(image_ram.written + x->offset / PAGE_BYTES, 1, x->room / PAGE_BYTES);
}

static void copy(const struct structure *to, const struct structure *from)
{
    memmove(at(to->offset), at(from->offset), min_u32(to->room, from->room));
}

static void edit(const struct image *i, enum image_part part, struct input *recipe)
{
    const struct structure *x = chosen(i, part, input_number(recipe, 1));
    uint64_t offset = input_number(recipe, 2);
    uint8_t kind = (uint8_t)input_number(recipe, 1);
    uint32_t width = 1u << (kind >> 2 & 3);
    uint64_t value = 0;
    uint8_t *bytes;

    if (!x)
        return;
    mark_written(x);
    bytes = (uint8_t *)at(x->offset) + round_down(offset % x->used, width);
    switch ((enum image_edit)(kind & 3)) {
    case EDIT_SET:
        value = input_number(recipe, width);
        memcpy(bytes, &value, width);
        break;
    case EDIT_ADD:
        memcpy(&value, bytes, width);
        value += (uint64_t)(int64_t)(int8_t)input_number(recipe, 1);
        memcpy(bytes, &value, width);
        break;
    case EDIT_WIPE:
        memset(at(x->offset), 0, x->room);
        break;
    case EDIT_COPY:
        copy(x, chosen(i, part, input_number(recipe, 1)));
        break;
    }
}

/* ---- sealing them again ---- */

static le64 seal(const struct structure *x)
{
    struct format_head *h = at(x->offset);
    uint32_t length = le32_get(h->bytes);

    if (length < sizeof *h || length > x->room)
        length = x->bytes;
    h->checksum = le64_of(crc64((uint8_t *)h + sizeof h->checksum, length - sizeof h->checksum));
    mark_written(x);
    return h->checksum;
}

static void seal_map_records(const struct structure *x)
{
    struct format_map_page *page = at(x->offset);
    static const struct format_map_record none;

    for (uint32_t i = 0; i < MAP_RECORDS; i++)
        if (memcmp(&page->records[i], &none, sizeof none) != 0)
            page->records[i].check =
                le32_of(map_record_check(&page->records[i], x->page * MAP_RECORDS + i));
}

/* Puts a page's checksum into its entry, where that names this place. */
static void tell_entry(uint64_t entry_at, uint32_t place, le64 checksum)
{
    struct format_page_entry *e = at(entry_at);

    if ((le32_get(e->flags) & PAGE_PLACE) == place)
        e->checksum = checksum;
}

static uint32_t place_of(const struct structure *x)
{
    if (x->magic == INDEX_MAGIC)
        return x->offset >= index_page_offset(&image_geo, 0, 1);
    return x->offset >= page_offset(&image_geo, 0, 1);
}

static void seal_table_pages(const struct image *i, uint8_t flags)
{
    for (uint32_t n = 0; n < i->structure_count; n++) {
        const struct structure *x = &i->structures[n];
        le64 checksum;

        if (x->magic != MAP_MAGIC && x->magic != CHECKSUM_MAGIC && x->magic != LOG_MAGIC)
            continue;
        if (x->magic == MAP_MAGIC && !(flags & IMAGE_RECORDS_ROTTEN))
            seal_map_records(x);
        checksum = seal(x);
        for (uint32_t place = 0; place < 2; place++)
            tell_entry(index_page_offset(&image_geo, x->page / INDEX_ENTRIES, place) +
                           offsetof(struct format_index_page, entries) +
                           x->page % INDEX_ENTRIES * sizeof(struct format_page_entry),
                       place_of(x), checksum);
    }
}

static void seal_index_and_root(const struct image *i)
{
    for (uint32_t n = 0; n < i->structure_count; n++) {
        const struct structure *x = &i->structures[n];

        if (x->magic != INDEX_MAGIC)
            continue;
        for (uint32_t copy_number = 0; copy_number < 2; copy_number++)
            tell_entry(image_geo.root_offset[copy_number] + sizeof(struct format_root) +
                           x->page * sizeof(struct format_page_entry),
                       place_of(x), seal(x));
    }
    for (uint32_t n = 0; n < i->structure_count; n++)
        if (i->structures[n].magic == ROOT_MAGIC || i->structures[n].magic == SUPERBLOCK_MAGIC)
            (void)seal(&i->structures[n]);
}

static void seal_groups(const struct image *i)
{
    le64 before = {0};

    for (uint32_t n = 0; n < i->structure_count; n++) {
        const struct structure *x = &i->structures[n];
        struct format_group *g = at(x->offset);

        if (x->magic != GROUP_MAGIC)
            continue;
        if (x->follows)
            g->predecessor = before;
        before = seal(x);
    }
}

void image_put(enum image_part part, uint8_t flags, struct input *recipe)
{
    const struct image *i = &images[flags & IMAGE_CRASHED ? 1 : 0];

    assert(arena_taken() == images_memory); /* the run before left nothing behind */
    ram_wipe(&image_ram);
    for (uint32_t n = 0; n < i->page_count; n++)
        ram_poke(&image_ram, i->offsets[n], i->pages[n], PAGE_BYTES);
    for (uint32_t n = 0; n < IMAGE_EDITS && recipe->left > 0; n++)
        edit(i, part, recipe);
    if (!(flags & IMAGE_TABLES_ROTTEN)) {
        seal_table_pages(i, flags);
        seal_index_and_root(i);
    }
    if (!(flags & IMAGE_GROUPS_ROTTEN))
        seal_groups(i);
    image_ram.newest_first = flags & IMAGE_NEWEST_FIRST;
}
