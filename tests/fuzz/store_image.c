/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/store_image.c — see store_image.h. */
#include "tests/fuzz/store_image.h"

#include "store/inside.h"

#include <assert.h>

#define PAGES_MAX      512u
#define STRUCTURES_MAX 128u
#define ROOM_MAX       (1u << 20) /* of one structure */
#define BOUND_US       (UINT64_C(600) * 1000 * 1000)

/* A sealed structure of an image, as it was before any change. */
struct structure {
    uint64_t offset, page, sequence;
    uint32_t magic, bytes, room;
    bool follows; /* a group whose predecessor is the structure before */
};

struct image {
    uint64_t offsets[PAGES_MAX];
    uint8_t (*pages)[PAGE_BYTES];
    uint32_t page_count;
    struct structure structures[STRUCTURES_MAX];
    uint32_t structure_count;
};

static struct image images[2]; /* closed, crashed */
static struct geometry geo;
static const struct identity volume = {0x0a00000000000001};
static const struct identity replicas[] = {{0x0b00000000000001}, {0x0b00000000000002}};

/* ---- calls that wait ---- */

struct wait {
    bool over;
    enum err err;
};

static bool is_over(void *arg)
{
    return ((struct wait *)arg)->over;
}

static enum err await(struct image_store *s, struct wait *w)
{
    bool over = sim_run_until(s->sim, is_over, w, BOUND_US);

    assert(over);
    return w->err;
}

static void format_done(struct store_format *f, enum err err)
{
    *(struct wait *)f->own = (struct wait){true, err};
}
static void open_done(struct store_open *o, enum err err)
{
    *(struct wait *)o->own = (struct wait){true, err};
}
static void close_done(struct store_close *c)
{
    *(struct wait *)c->own = (struct wait){true, E_OK};
}
static void change_done(struct store_change *c, enum err err)
{
    *(struct wait *)c->own = (struct wait){true, err};
}
static void read_done(struct store_read *r, enum err err)
{
    *(struct wait *)r->own = (struct wait){true, err};
}

void image_start(struct image_store *s, const char *disk)
{
    enum err err;

    s->env = sim_env(s->sim, "node");
    err = s->env->ops->disk_open(s->env, disk, 0, &s->disk);
    assert(!err);
    s->store = NULL;
}

enum err image_open(struct image_store *s, bool small)
{
    struct store_limits limits = {.replicas_max = small ? 3 : 0,
                                  .map_bytes = small ? 8192 : 1u << 20,
                                  .stage_bytes = 4u << 20,
                                  .checksum_pages = small ? 4 : 64,
                                  .changes_max = 64};
    struct wait w = {0};
    struct store_open o = {
        .env = s->env, .disk = s->disk, .limits = limits, .done = open_done, .own = &w};

    store_open(&o);
    (void)await(s, &w);
    assert(w.err == E_OK || *o.why);
    s->store = w.err ? NULL : o.store;
    return w.err;
}

enum err image_change(struct image_store *s, struct store_change *c)
{
    struct wait w = {0};

    c->done = change_done;
    c->own = &w;
    store_change(s->store, c);
    return await(s, &w);
}

enum err image_read(struct image_store *s, struct store_read *r)
{
    struct wait w = {0};

    r->done = read_done;
    r->own = &w;
    store_read(r);
    return await(s, &w);
}

void image_close(struct image_store *s)
{
    struct wait w = {0};
    struct store_close c = {.done = close_done, .own = &w};

    store_close(s->store, &c);
    (void)await(s, &w);
    s->store = NULL;
}

void image_copy(struct image_store *s)
{
    const struct sim_disk *from = sim_disk_find(s->sim, "disk");
    struct sim_disk *to = sim_disk_make(s->sim, "copy", IMAGE_BYTES);
    uint8_t page[PAGE_BYTES];

    for (uint64_t at = 0; at < IMAGE_BYTES; at += sizeof page) {
        if (!from->pages[at / sizeof page])
            continue;
        sim_disk_peek(from, at, page, sizeof page);
        sim_disk_poke(to, at, page, sizeof page);
    }
}

/* ---- making them ---- */

static void format(struct image_store *s)
{
    struct wait w = {0};
    struct store_format f = {.env = s->env,
                             .disk = s->disk,
                             .identity = {0xd15c000000000001},
                             .journal_bytes = UINT64_C(1) << 20,
                             .done = format_done,
                             .own = &w};
    enum err err;

    store_format(&f);
    err = await(s, &w);
    assert(!err);
}

static void must_change(struct image_store *s, struct store_change c)
{
    enum err err = image_change(s, &c);

    assert(!err);
}

static void write_blocks(struct image_store *s, uint32_t replica, struct extent blocks,
                         uint64_t seq)
{
    static uint8_t bytes[64 * BLOCK_BYTES];
    static uint32_t checksums[64];
    struct iovec piece = {bytes, blocks.count * BLOCK_BYTES};

    memset(bytes, (int)seq, sizeof bytes);
    block_checksums(volume, replica * SHARD_BLOCKS + blocks.start, blocks.count, &piece, checksums);
    must_change(s, (struct store_change){.kind = STORE_WRITE,
                                         .replica = store_find(s->store, replicas[replica]),
                                         .extent = blocks,
                                         .pieces = &piece,
                                         .piece_count = 1,
                                         .checksums = checksums,
                                         .stamp = {.generation = 1, .epoch = 1, .seq = seq}});
}

static void make(struct image_store *s, uint32_t replica)
{
    must_change(s, (struct store_change){.kind = STORE_MAKE,
                                         .identity = replicas[replica],
                                         .volume = volume,
                                         .shard = replica,
                                         .size_blocks = 4096});
}

static void promise_and_set(struct image_store *s, uint64_t generation)
{
    struct store_replica *r = store_find(s->store, replicas[0]);

    must_change(s, (struct store_change){.kind = STORE_PROMISE, .replica = r, .epoch = generation});
    must_change(s, (struct store_change){.kind = STORE_SET,
                                         .replica = r,
                                         .set = {.epoch = generation,
                                                 .generation = generation,
                                                 .member_count = 1,
                                                 .members = {replicas[0]}}});
}

/* A checkpoint of this is the closed image: chunks, activity logs, two replicas. */
static void use_first(struct image_store *s)
{
    make(s, 0);
    make(s, 1);
    promise_and_set(s, 1);
    write_blocks(s, 0, (struct extent){0, 40}, 1);
    write_blocks(s, 0, (struct extent){2000, 16}, 2);
    write_blocks(s, 1, (struct extent){5, 3}, 1);
}

/* What the journal of the crashed image holds. */
static void use_second(struct image_store *s)
{
    struct store_replica *r = store_find(s->store, replicas[0]);

    write_blocks(s, 0, (struct extent){8, 20}, 3);
    store_commit(r, 1, 3, false);
    must_change(s, (struct store_change){.kind = STORE_UNMAP,
                                         .replica = r,
                                         .extent = {16, 20},
                                         .stamp = {.generation = 1, .epoch = 1, .seq = 4}});
    promise_and_set(s, 2);
    must_change(s, (struct store_change){.kind = STORE_RESIZE, .replica = r, .size_blocks = 8192});
    write_blocks(s, 0, (struct extent){8000, 2}, 5);
    must_change(s, (struct store_change){.kind = STORE_DELETE,
                                         .replica = store_find(s->store, replicas[1])});
    make(s, 1);
    write_blocks(s, 1, (struct extent){0, 1}, 1);
}

/* ---- taking them apart ---- */

static bool is_structure(uint32_t magic)
{
    return magic == SUPERBLOCK_MAGIC || magic == ROOT_MAGIC || magic == GROUP_MAGIC ||
           magic == MAP_MAGIC || magic == CHECKSUM_MAGIC || magic == LOG_MAGIC ||
           magic == INDEX_MAGIC;
}

static void note_structure(struct image *i, uint64_t offset, const uint8_t *page)
{
    const struct format_group *g = (const void *)page;
    struct structure *x = &i->structures[i->structure_count], *before = x - 1;
    uint32_t magic = le32_get(g->head.magic);

    if (!is_structure(magic))
        return;
    assert(i->structure_count < STRUCTURES_MAX);
    *x = (struct structure){.offset = offset,
                            .page = le64_get(g->head.page),
                            .magic = magic,
                            .bytes = le32_get(g->head.bytes),
                            .room = PAGE_BYTES};
    if (magic == ROOT_MAGIC)
        x->room = (uint32_t)geo.root_bytes;
    if (magic == GROUP_MAGIC) {
        x->sequence = le64_get(g->sequence);
        x->room = (uint32_t)round_up(x->bytes, PAGE_BYTES);
        x->follows = i->structure_count > 0 && before->magic == GROUP_MAGIC &&
                     before->sequence + 1 == x->sequence;
    }
    assert(x->room <= ROOM_MAX);
    i->structure_count++;
}

static void image_take(struct image *i, const struct sim_disk *d)
{
    static const uint8_t zeros[PAGE_BYTES];
    uint8_t page[PAGE_BYTES];
    struct identity disk;
    enum err err;

    i->pages = calloc(PAGES_MAX, PAGE_BYTES);
    assert(i->pages);
    sim_disk_peek(d, 0, page, sizeof page);
    err = superblock_decode(page, 0, IMAGE_BYTES, &geo, &disk);
    assert(!err);
    for (uint64_t at = 0; at < IMAGE_BYTES; at += PAGE_BYTES) {
        sim_disk_peek(d, at, page, sizeof page);
        if (memcmp(page, zeros, sizeof page) == 0)
            continue;
        assert(i->page_count < PAGES_MAX);
        i->offsets[i->page_count] = at;
        memcpy(i->pages[i->page_count++], page, sizeof page);
        if (at < geo.data_offset || at >= geo.root_offset[1])
            note_structure(i, at, page);
    }
}

void images_make(void)
{
    struct image_store s = {.sim = sim_open(1)};
    struct sim_disk *d = sim_disk_make(s.sim, "disk", IMAGE_BYTES);
    enum err err;

    image_start(&s, "disk");
    format(&s);
    err = image_open(&s, false);
    assert(!err);
    use_first(&s);
    image_close(&s);
    image_take(&images[0], d);
    err = image_open(&s, false);
    assert(!err);
    use_second(&s);
    image_take(&images[1], d);
    image_close(&s);
    sim_close(s.sim);
}

/* ---- changing them ---- */

static uint64_t clipped(const struct structure *x, uint64_t offset, uint32_t width)
{
    return x->offset + round_down(offset % x->room, width);
}

static void edit(struct sim_disk *d, const struct image *i, struct input *recipe)
{
    const struct structure *x = &i->structures[input_number(recipe, 1) % i->structure_count];
    uint64_t offset = input_number(recipe, 2);
    uint8_t kind = (uint8_t)input_number(recipe, 1);
    uint32_t width = 1u << (kind >> 2 & 3);
    uint64_t at = clipped(x, offset, width), value = 0;
    static uint8_t bytes[ROOM_MAX];

    switch ((enum image_edit)(kind & 3)) {
    case EDIT_SET:
        value = input_number(recipe, width);
        break;
    case EDIT_ADD:
        sim_disk_peek(d, at, &value, width);
        value += (uint64_t)(int64_t)(int8_t)input_number(recipe, 1);
        break;
    case EDIT_WIPE:
        memset(bytes, 0, x->room);
        sim_disk_poke(d, x->offset, bytes, x->room);
        return;
    case EDIT_COPY: {
        const struct structure *from = &i->structures[input_number(recipe, 1) % i->structure_count];
        uint32_t length = min_u32(x->room, from->room);

        sim_disk_peek(d, from->offset, bytes, length);
        sim_disk_poke(d, x->offset, bytes, length);
        return;
    }
    }
    sim_disk_poke(d, at, &value, width);
}

/* ---- sealing them again ---- */

static le64 seal(struct sim_disk *d, const struct structure *x)
{
    static uint8_t bytes[ROOM_MAX];
    struct format_head *h = (void *)bytes;
    uint32_t length;

    sim_disk_peek(d, x->offset, bytes, x->room);
    length = le32_get(h->bytes);
    if (length < sizeof *h || length > x->room)
        length = x->bytes;
    h->checksum = le64_of(crc64(bytes + sizeof h->checksum, length - sizeof h->checksum));
    sim_disk_poke(d, x->offset, &h->checksum, sizeof h->checksum);
    return h->checksum;
}

static void seal_map_records(struct sim_disk *d, const struct structure *x)
{
    struct format_map_page page;

    sim_disk_peek(d, x->offset, &page, sizeof page);
    for (uint32_t i = 0; i < MAP_RECORDS; i++)
        page.records[i].check =
            le32_of(map_record_check(&page.records[i], x->page * MAP_RECORDS + i));
    sim_disk_poke(d, x->offset, &page, sizeof page);
}

/* Puts a page's checksum into its entry, where that names this place. */
static void tell_entry(struct sim_disk *d, uint64_t entry_at, uint32_t place, le64 checksum)
{
    struct format_page_entry e;

    sim_disk_peek(d, entry_at, &e, sizeof e);
    if ((le32_get(e.flags) & PAGE_PLACE) != place)
        return;
    e.checksum = checksum;
    sim_disk_poke(d, entry_at, &e, sizeof e);
}

static uint32_t place_of(const struct structure *x)
{
    if (x->magic == INDEX_MAGIC)
        return x->offset >= index_page_offset(&geo, 0, 1);
    return x->offset >= page_offset(&geo, 0, 1);
}

static void seal_table_pages(struct sim_disk *d, const struct image *i, uint8_t flags)
{
    for (uint32_t n = 0; n < i->structure_count; n++) {
        const struct structure *x = &i->structures[n];
        le64 checksum;

        if (x->magic != MAP_MAGIC && x->magic != CHECKSUM_MAGIC && x->magic != LOG_MAGIC)
            continue;
        if (x->magic == MAP_MAGIC && !(flags & IMAGE_RECORDS_ROTTEN))
            seal_map_records(d, x);
        checksum = seal(d, x);
        for (uint32_t place = 0; place < 2; place++)
            tell_entry(d,
                       index_page_offset(&geo, x->page / INDEX_ENTRIES, place) +
                           offsetof(struct format_index_page, entries) +
                           x->page % INDEX_ENTRIES * sizeof(struct format_page_entry),
                       place_of(x), checksum);
    }
}

static void seal_index_and_root(struct sim_disk *d, const struct image *i)
{
    for (uint32_t n = 0; n < i->structure_count; n++) {
        const struct structure *x = &i->structures[n];

        if (x->magic != INDEX_MAGIC)
            continue;
        for (uint32_t copy = 0; copy < 2; copy++)
            tell_entry(d,
                       geo.root_offset[copy] + sizeof(struct format_root) +
                           x->page * sizeof(struct format_page_entry),
                       place_of(x), seal(d, x));
    }
    for (uint32_t n = 0; n < i->structure_count; n++)
        if (i->structures[n].magic == ROOT_MAGIC || i->structures[n].magic == SUPERBLOCK_MAGIC)
            (void)seal(d, &i->structures[n]);
}

static void seal_groups(struct sim_disk *d, const struct image *i)
{
    le64 before = {0};

    for (uint32_t n = 0; n < i->structure_count; n++) {
        const struct structure *x = &i->structures[n];

        if (x->magic != GROUP_MAGIC)
            continue;
        if (x->follows)
            sim_disk_poke(d, x->offset + offsetof(struct format_group, predecessor), &before,
                          sizeof before);
        before = seal(d, x);
    }
}

void image_put(struct sim_disk *d, uint8_t flags, struct input *recipe)
{
    const struct image *i = &images[flags & IMAGE_CRASHED ? 1 : 0];

    for (uint32_t n = 0; n < i->page_count; n++)
        sim_disk_poke(d, i->offsets[n], i->pages[n], PAGE_BYTES);
    for (uint32_t n = 0; n < IMAGE_EDITS && recipe->left > 0; n++)
        edit(d, i, recipe);
    if (!(flags & IMAGE_TABLES_ROTTEN)) {
        seal_table_pages(d, i, flags);
        seal_index_and_root(d, i);
    }
    if (!(flags & IMAGE_GROUPS_ROTTEN))
        seal_groups(d, i);
}
